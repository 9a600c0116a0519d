package mesh

import (
	"math/bits"
	"slices"

	"github.com/echospace/echospace/core/id"
)

const (
	// FullMesh is the number of other peers up to which all connect to all.
	FullMesh = 8
	// nearest is how many peers each wants beyond one per bucket, up to this
	// many in total.
	nearest = 5
)

// Neighbours gives the peers that self connects to, sorted, of all others at
// one relay. It is a pure function of the set, and symmetric: if a and b see
// the same peers, b is a neighbour of a exactly if a is one of b.
//
// With at most FullMesh others it is all of them. Beyond, two connect if either
// wants the other. A peer wants, as in Kademlia (Maymounkov and Mazières,
// 2002), the nearest by XOR of each bucket: of the peers that share with it no
// leading bit, exactly one, exactly two ... That makes the graph connected,
// since by induction each half of every subtree is, and has a link to the other
// half. If those are few, it wants the nearest of all beside them.
func Neighbours(self id.PeerID, others []id.PeerID) []id.PeerID {
	all := slices.Clone(others)
	slices.SortFunc(all, id.Compare)
	all = slices.Compact(all)
	all = slices.DeleteFunc(all, func(v id.PeerID) bool { return v == self })
	if len(all) <= FullMesh {
		return all
	}
	mine := wants(self, all)
	everybody := append(slices.Clone(all), self)
	return slices.DeleteFunc(all, func(v id.PeerID) bool {
		return !slices.Contains(mine, v) && !slices.Contains(wants(v, everybody), self)
	})
}

// wants gives whom self would connect to on its own.
func wants(self id.PeerID, others []id.PeerID) []id.PeerID {
	var buckets [8*id.ShortSize + 1]*id.PeerID
	var near []id.PeerID // the nearest of all, nearest first
	for i := range others {
		v := others[i]
		if v == self {
			continue
		}
		if b := &buckets[sharedBits(self, v)]; *b == nil || closer(self, v, **b) {
			*b = &others[i]
		}
		at := len(near)
		for at > 0 && closer(self, v, near[at-1]) {
			at--
		}
		if at < nearest {
			near = slices.Insert(near, at, v)
			near = near[:min(len(near), nearest)]
		}
	}
	var out []id.PeerID
	for _, b := range buckets {
		if b != nil {
			out = append(out, *b)
		}
	}
	for _, v := range near {
		if len(out) >= nearest {
			break
		}
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// sharedBits is the length of the common prefix of a and b.
func sharedBits(a, b id.PeerID) int {
	for i := range a {
		if x := a[i] ^ b[i]; x != 0 {
			return 8*i + bits.LeadingZeros8(x)
		}
	}
	return 8 * len(a)
}

// closer tells whether a is nearer to self by XOR than b.
func closer(self, a, b id.PeerID) bool {
	for i := range self {
		if x, y := self[i]^a[i], self[i]^b[i]; x != y {
			return x < y
		}
	}
	return false
}
