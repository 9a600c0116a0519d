package crdt

import (
	"bytes"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"pgregory.net/rapid"
)

func feedID(n int) id.FeedID { return id.FeedID{byte(n)} }

func blockRef(f int, seq uint64, h byte) feed.Ref {
	return feed.Ref{Feed: feedID(f), Seq: seq, Hash: id.Hash{h}}
}

func TestGraph_Check(t *testing.T) {
	g := NewGraph()
	first := blockRef(1, 1, 1)
	g.Add(first, nil, 3)
	cases := map[string]struct {
		ref    feed.Ref
		prev   id.Hash
		deltas []feed.Ref
		kind   errs.Kind
	}{
		"follows":               {blockRef(1, 2, 2), first.Hash, nil, errs.OK},
		"leaps over parts":      {blockRef(1, 5, 2), first.Hash, nil, errs.OK},
		"other feed":            {blockRef(2, 1, 2), id.Hash{}, []feed.Ref{first}, errs.OK},
		"no hash":               {blockRef(1, 2, 0), first.Hash, nil, errs.Malformed},
		"no number":             {blockRef(1, 0, 2), first.Hash, nil, errs.Malformed},
		"unknown predecessor":   {blockRef(1, 2, 2), id.Hash{9}, nil, errs.MissingDependency},
		"predecessor elsewhere": {blockRef(2, 2, 2), first.Hash, nil, errs.Malformed},
		"predecessor not less":  {blockRef(1, 1, 2), first.Hash, nil, errs.Malformed},
		"own feed as seen":      {blockRef(1, 2, 2), first.Hash, []feed.Ref{first}, errs.Malformed},
		"unknown delta":         {blockRef(2, 1, 2), id.Hash{}, []feed.Ref{blockRef(3, 1, 7)}, errs.MissingDependency},
		"delta of wrong seq":    {blockRef(2, 1, 2), id.Hash{}, []feed.Ref{blockRef(1, 2, 1)}, errs.MissingDependency},
	}
	for name, c := range cases {
		if _, err := g.Check(c.ref, c.prev, c.deltas); errs.KindOf(err) != c.kind {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
	}
}

func TestGraph_lamportsFollowParents(t *testing.T) {
	g := NewGraph()
	a := g.Add(blockRef(1, 1, 1), nil, 3)
	b := g.Add(blockRef(2, 1, 2), []Node{a}, 2)
	if start, ops := g.Ops(b); start != 4 || ops != 2 || g.Lamport(Stamp{b, 1}) != 5 {
		t.Errorf("block after 3 ops starts at %d", start)
	}
	p, whole := g.Begin(feedID(1), a)
	if start, _ := g.Ops(p); !whole || start != 6 || !slices.Equal(g.Deltas(p), []feed.Ref{g.Ref(b)}) {
		t.Errorf("pending block starts at %d and follows %v", start, g.Deltas(p))
	}
	if len(g.Heads()) != 2 {
		t.Error("a pending block is no head")
	}
}

// TestGraph_pastAgreesWithContains compares the two ways to ask for the past.
func TestGraph_pastAgreesWithContains(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := NewGraph()
		heads := map[int]feed.Ref{}
		for i := range rapid.IntRange(1, 40).Draw(t, "blocks") {
			fd := rapid.IntRange(1, 4).Draw(t, "feed")
			r := feed.Ref{Feed: feedID(fd), Seq: heads[fd].Seq + 1, Hash: id.Hash{byte(i + 1), 9}}
			var deltas []feed.Ref
			for o, h := range heads {
				if o != fd && rapid.Bool().Draw(t, "follows") {
					deltas = append(deltas, h)
				}
			}
			slices.SortFunc(deltas, func(a, b feed.Ref) int { return bytes.Compare(a.Hash[:], b.Hash[:]) })
			parents, err := g.Check(r, heads[fd].Hash, deltas)
			if err != nil {
				t.Fatal(err)
			}
			n := g.Add(r, parents, 1)
			heads[fd] = r
			if !rapid.Bool().Draw(t, "ask") {
				continue
			}
			past := g.PastOf(n)
			for a := range n {
				if past.Has(a) != g.Contains(n, a) {
					t.Fatalf("node %d in the past of %d: marks say %v", a, n, past.Has(a))
				}
			}
		}
	})
}
