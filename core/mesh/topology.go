package mesh

import (
	"bytes"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/id"
)

const (
	// FullMesh is the number of other peers up to which all connect to all.
	FullMesh = 8
	// rings is how many circles a larger set of peers forms; each peer
	// connects to two others in each.
	rings = 5
)

// Neighbours gives the peers that self connects to, sorted, of all others at
// one relay. It is a pure function of the set, and symmetric: of two peers that
// see the same set, either both choose the other or neither does.
//
// With at most FullMesh others it is all of them. Beyond, the peers stand in
// five circles, each ordered by another word of the random ids, and each
// connects to its two neighbours in each: about six to ten links, since circles
// of many peers seldom coincide. Such a graph is connected by every circle alone, is an
// expander with high probability, and a peer that comes or goes changes no more than
// five links (Law and Siu, "Distributed construction of random expander
// networks", 2003).
//
// The nearest peers by XOR in each Kademlia bucket would also connect all, but
// load peers unevenly: of 170 peers some had 35 links.
func Neighbours(self id.PeerID, others []id.PeerID) []id.PeerID {
	all := slices.Clone(others)
	sort.Slice(all, func(i, j int) bool { return id.Compare(all[i], all[j]) < 0 })
	all = slices.Compact(all)
	all = slices.DeleteFunc(all, func(v id.PeerID) bool { return v == self })
	if len(all) <= FullMesh {
		return all
	}
	chosen := make([]id.PeerID, 0, 2*rings)
	for ring := range rings {
		before, after := beside(ring, self, all)
		chosen = append(chosen, before, after)
	}
	sort.Slice(chosen, func(i, j int) bool { return id.Compare(chosen[i], chosen[j]) < 0 })
	return slices.Compact(chosen)
}

// beside gives the neighbours of self in one circle of at least two others.
func beside(ring int, self id.PeerID, others []id.PeerID) (before, after id.PeerID) {
	const word = id.ShortSize / rings
	turn := func(v id.PeerID) (w id.PeerID) {
		n := copy(w[:], v[ring*word:])
		copy(w[n:], v[:])
		return w
	}
	type place struct{ at, peer id.PeerID }
	me := turn(self)
	var lowest, highest, below, above *place
	for _, v := range others {
		p := &place{turn(v), v}
		if lowest == nil || less(p.at, lowest.at) {
			lowest = p
		}
		if highest == nil || less(highest.at, p.at) {
			highest = p
		}
		if less(p.at, me) && (below == nil || less(below.at, p.at)) {
			below = p
		}
		if less(me, p.at) && (above == nil || less(p.at, above.at)) {
			above = p
		}
	}
	// A circle has no ends.
	if below == nil {
		below = highest
	}
	if above == nil {
		above = lowest
	}
	return below.peer, above.peer
}

func less(a, b id.PeerID) bool { return bytes.Compare(a[:], b[:]) < 0 }
