package crdt

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"pgregory.net/rapid"
)

// drawGraph makes a graph of some feeds, forked ones too.
func drawGraph(t *rapid.T) *Graph {
	g := NewGraph()
	for i := range rapid.IntRange(1, 40).Draw(t, "blocks") {
		fd := rapid.IntRange(1, 4).Draw(t, "feed")
		var prev feed.Ref
		var deltas []feed.Ref
		for n := range Node(g.Len()) {
			r := g.Ref(n)
			switch {
			case r.Feed == feedID(fd) && rapid.IntRange(0, 4).Draw(t, "continues") > 0:
				prev = r
			case r.Feed != feedID(fd) && rapid.IntRange(0, 3).Draw(t, "follows") == 0:
				deltas = append(deltas, r)
			}
		}
		r := feed.Ref{Feed: feedID(fd), Seq: prev.Seq + 1, Hash: id.Hash{byte(i + 1), 9}}
		parents, err := g.Check(r, prev.Hash, feed.SortRefs(deltas))
		if err != nil {
			t.Fatal(err)
		}
		g.Add(r, parents, rapid.Uint64Range(0, 3).Draw(t, "ops"))
	}
	return g
}

func TestGraph_pastOfAllAndWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		var from []Node
		for n := range Node(g.Len()) {
			if rapid.IntRange(0, 5).Draw(t, "in") == 0 {
				from = append(from, n)
			}
		}
		in := func(n Node) bool {
			for _, f := range from {
				if g.Contains(f, n) {
					return true
				}
			}
			return false
		}
		set := g.PastOfAll(from)
		count := 0
		for n := range Node(g.Len()) {
			if in(n) {
				count++
			}
			if set.Has(n) != in(n) {
				t.Fatalf("node %d: in the set %v", n, set.Has(n))
			}
		}
		walk := g.Walk(from)
		var walked []Node
		for n := walk.Next(); n != None; n = walk.Next() {
			for _, earlier := range walked {
				if g.Contains(n, earlier) {
					t.Fatalf("%d comes after %d, which it follows", n, earlier)
				}
			}
			walked = append(walked, n)
		}
		if len(walked) != count {
			t.Fatalf("the walk has %d nodes, the past %d", len(walked), count)
		}
	})
}
