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
	byID := make(map[id.CredentialID]*Credential, len(creds))
	for _, c := range creds {
		if c != nil && !id.IsZero(c.id) {
			byID[c.id] = c
		}
	}
	depths := depthsOf(byID)
	g := &graph{nodes: make([]node, 0, len(depths))}
	for cid, depth := range depths {
		g.nodes = append(g.nodes, node{Credential: byID[cid], depth: depth})
	}
	sort.Slice(g.nodes, func(i, j int) bool {
		a, b := &g.nodes[i], &g.nodes[j]
		if a.depth != b.depth {
			return a.depth < b.depth
		}
		return bytes.Compare(a.id[:], b.id[:]) < 0
	})
	index := make(map[id.CredentialID]int, len(g.nodes))
	for i := range g.nodes {
		n := &g.nodes[i]
		n.past = newBitset(len(g.nodes))
		for _, p := range n.Parents {
			if at, ok := index[p]; ok {
				n.past.union(g.nodes[at].past)
				n.past.add(at)
			}
		}
		index[n.id] = i
	}
	return g
}

// depthsOf gives the depth of every credential whose past is whole: 0 without
// parents, else one more than the deepest parent.
func depthsOf(byID map[id.CredentialID]*Credential) map[id.CredentialID]int {
	children := map[id.CredentialID][]id.CredentialID{}
	waiting := make(map[id.CredentialID]int, len(byID))
	depths := make(map[id.CredentialID]int, len(byID))
	var ready []id.CredentialID
	for cid, c := range byID {
		_, _, passes := linkOf(c)
		for _, p := range c.Parents {
			if _, known := byID[p]; known || !passes {
				children[p] = append(children[p], cid)
				waiting[cid]++
			}
		}
		if waiting[cid] == 0 {
			depths[cid] = 0
			ready = append(ready, cid)
		}
	}
	// Parents are named by hash, so there is no circle; what waits for a
	// credential that is not there waits for ever.
	deepest := map[id.CredentialID]int{}
	for len(ready) > 0 {
		p := ready[len(ready)-1]
		ready = ready[:len(ready)-1]
		for _, c := range children[p] {
			deepest[c] = max(deepest[c], depths[p]+1)
			if waiting[c]--; waiting[c] == 0 {
				depths[c] = deepest[c]
				ready = append(ready, c)
			}
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
