package credential

import (
	"bytes"
	"math/bits"
	"sort"

	"github.com/echospace/echospace/core/id"
)

// bitset is a set of node indexes.
type bitset []uint64

func newBitset(n int) bitset { return make(bitset, (n+63)/64) }

func (s bitset) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s bitset) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s bitset) remove(i int)   { s[i/64] &^= 1 << (i % 64) }

// put adds or removes i.
func (s bitset) put(i int, in bool) {
	if in {
		s.add(i)
	} else {
		s.remove(i)
	}
}

// union adds o to s.
func (s bitset) union(o bitset) {
	for i, w := range o {
		s[i] |= w
	}
}

// each calls f with the members in ascending order.
func (s bitset) each(f func(i int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			f(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// node is a credential in its causal order.
type node struct {
	*Credential
	past  bitset // what it follows, itself not
	depth int    // the longest way down to a root
}

// graph is a set of credentials whose past is known, in order of depth, then
// id: parents come before children, and the index of a node is its seniority.
type graph struct {
	nodes []node
}

// newGraph sorts a set. Credentials not made by Issue or Decode, duplicates,
// and those with a parent that is not there are left out; Device and Recovery
// pass over such a parent.
func newGraph(creds []*Credential) *graph {
	known := make(map[id.CredentialID]int, len(creds))
	set := make([]*Credential, 0, len(creds))
	for _, c := range creds {
		if c == nil || id.IsZero(c.id) {
			continue
		}
		if _, twice := known[c.id]; !twice {
			known[c.id] = len(set)
			set = append(set, c)
		}
	}
	parents := parentsOf(set, known)
	depths := depthsOf(parents)
	order := make([]int, 0, len(set)) // places in set
	for i, d := range depths {
		if d >= 0 {
			order = append(order, i)
		}
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		if depths[a] != depths[b] {
			return depths[a] < depths[b]
		}
		return bytes.Compare(set[a].id[:], set[b].id[:]) < 0
	})
	g := &graph{nodes: make([]node, len(order))}
	at := make([]int, len(set))
	for i, place := range order {
		n := &g.nodes[i]
		*n = node{Credential: set[place], past: newBitset(len(order)), depth: depths[place]}
		for _, p := range parents[place] {
			n.past.union(g.nodes[at[p]].past)
			n.past.add(at[p])
		}
		at[place] = i
	}
	return g
}

// parentsOf gives the places of every credential's parents; -1 for one that is not
// there and may not be passed over.
func parentsOf(set []*Credential, known map[id.CredentialID]int) [][]int {
	parents := make([][]int, len(set))
	for i, c := range set {
		_, _, passes := linkOf(c)
		for _, p := range c.Parents {
			at, ok := known[p]
			if !ok && passes {
				continue
			}
			if !ok {
				at = -1
			}
			parents[i] = append(parents[i], at)
		}
	}
	return parents
}

// depthsOf gives the depth of every credential whose past is whole: 0 without
// parents, else one more than the deepest parent; -1 for the others.
func depthsOf(parents [][]int) []int {
	children := make([][]int, len(parents))
	waiting := make([]int, len(parents))
	depths := make([]int, len(parents))
	var ready []int
	for i, list := range parents {
		waiting[i] = len(list)
		if len(list) == 0 {
			ready = append(ready, i)
		}
		for _, p := range list {
			if p >= 0 {
				children[p] = append(children[p], i)
			}
		}
	}
	// Parents are named by hash, so there is no circle; what waits for a
	// credential that is not there waits for ever.
	for len(ready) > 0 {
		p := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, c := range children[p] {
			depths[c] = max(depths[c], depths[p]+1)
			if waiting[c]--; waiting[c] == 0 {
				ready = append(ready, c)
			}
		}
	}
	for i, n := range waiting {
		if n > 0 {
			depths[i] = -1
		}
	}
	return depths
}

// lineGraph takes credentials as they come, each following all before it.
func lineGraph(creds []*Credential) *graph {
	g := &graph{nodes: make([]node, len(creds))}
	for i, c := range creds {
		past := newBitset(len(creds))
		for p := range i {
			past.add(p)
		}
		g.nodes[i] = node{Credential: c, depth: i, past: past}
	}
	return g
}
