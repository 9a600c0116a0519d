package feed

import (
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"pgregory.net/rapid"
)

// naive is a Log as a map from block to predecessor.
type naive struct {
	feed id.FeedID
	prev map[Ref]Ref
}

func (n *naive) line(r Ref) []Ref {
	out := []Ref{r}
	for r.Seq > 0 {
		r = n.prev[r]
		out = append(out, r)
	}
	slices.Reverse(out)
	return out // from the place before the first
}

func (n *naive) heads() []Ref {
	var out []Ref
	for r := range n.prev {
		isPrev := false
		for _, p := range n.prev {
			isPrev = isPrev || p == r
		}
		if !isPrev {
			out = append(out, r)
		}
	}
	return SortRefs(out)
}

// TestLog_likeNaive grows random trees and compares every answer.
func TestLog_likeNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		feed := id.FeedID{1}
		l, n := NewLog(feed), &naive{feed, map[Ref]Ref{}}
		refs := []Ref{{Feed: feed}}
		for i := range rapid.IntRange(0, 25).Draw(t, "blocks") {
			prev := refs[len(refs)-1]
			if rapid.IntRange(0, 3).Draw(t, "fork") == 0 {
				prev = refs[rapid.IntRange(0, len(refs)-1).Draw(t, "after")]
			}
			r := Ref{Feed: feed, Seq: prev.Seq + 1, Hash: hash(i)}
			for range 2 { // idempotent
				if err := l.Add(r.Seq, r.Hash, prev.Hash); err != nil {
					t.Fatal(err)
				}
			}
			n.prev[r] = prev
			refs = append(refs, r)
		}
		if got := l.Heads(); !slices.Equal(got, n.heads()) {
			t.Fatalf("heads %v, want %v", got, n.heads())
		}
		_, forked := l.Forked()
		if forked != (len(l.Heads()) > 1) {
			t.Fatalf("forked %v with %d heads", forked, len(l.Heads()))
		}
		for _, a := range refs {
			for _, b := range refs {
				compare(t, l, n, a, b)
			}
		}
	})
}

func compare(t *rapid.T, l *Log, n *naive, a, b Ref) {
	lineA, lineB := n.line(a), n.line(b)
	at := slices.Index(lineA, b)
	if l.Contains(a, b) != (at >= 0) {
		t.Fatalf("%v contains %v: %v", a, b, at < 0)
	}
	path, ok := l.Path(b, a)
	if ok != (at >= 0) || ok && !slices.Equal(path, lineA[at+1:]) {
		t.Fatalf("path from %v to %v: %v, %v", b, a, path, ok)
	}
	common := 0
	for common < min(len(lineA), len(lineB)) && lineA[common] == lineB[common] {
		common++
	}
	if got := l.Common(a, b); got != lineA[common-1] {
		t.Fatalf("common of %v and %v is %v, want %v", a, b, got, lineA[common-1])
	}
	if got, ok := l.At(a, b.Seq); b.Seq <= a.Seq && (!ok || got != lineA[b.Seq]) {
		t.Fatalf("at %d of %v: %v, %v", b.Seq, a, got, ok)
	}
}

func TestLog_refuses(t *testing.T) {
	l := NewLog(id.FeedID{1})
	for name, c := range map[string]struct {
		seq        uint64
		hash, prev id.Hash
		want       errs.Kind
	}{
		"a gap":                      {2, hash(2), hash(1), errs.MissingDependency},
		"seq 0":                      {0, hash(2), hash(1), errs.InvalidArgument},
		"no hash":                    {1, id.Hash{}, id.Hash{}, errs.InvalidArgument},
		"a first with a predecessor": {1, hash(1), hash(2), errs.InvalidArgument},
		"a second without":           {2, hash(1), id.Hash{}, errs.InvalidArgument},
	} {
		if err := l.Add(c.seq, c.hash, c.prev); errs.KindOf(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(l.Heads()) != 0 || l.Has(Ref{Feed: id.FeedID{1}, Seq: 1, Hash: hash(1)}) {
		t.Error("a refused block is there")
	}
	if !l.Has(Ref{Feed: id.FeedID{1}}) || l.Has(Ref{Feed: id.FeedID{2}}) || l.Contains(Ref{Feed: id.FeedID{1}}, Ref{Feed: id.FeedID{2}}) {
		t.Error("the empty feed's place is mistaken")
	}
}

func TestRestoreLog(t *testing.T) {
	feed := id.FeedID{1}
	ok := []Branch{{Parent: -1, Base: 1, Hashes: []id.Hash{hash(1), hash(2), hash(3)}}, {Parent: 0, Base: 3, Hashes: []id.Hash{hash(33)}}}
	l, err := RestoreLog(feed, ok)
	if err != nil || len(l.Heads()) != 2 || !l.Has(Ref{Feed: feed, Seq: 2, Hash: hash(2)}) {
		t.Fatalf("heads %v, %v", l.Heads(), err)
	}
	for name, branches := range map[string][]Branch{
		"no blocks":                {{Parent: -1, Base: 1}},
		"a place without a hash":   {{Parent: -1, Base: 1, Hashes: []id.Hash{hash(1), {}, hash(3)}}},
		"a beginning in the midst": {{Parent: -1, Base: 2, Hashes: []id.Hash{hash(2)}}},
		"a branch of a later one":  {{Parent: 1, Base: 2, Hashes: []id.Hash{hash(2)}}, ok[0]},
		"a branch behind the tip":  {ok[0], {Parent: 0, Base: 5, Hashes: []id.Hash{hash(5)}}},
	} {
		if _, err := RestoreLog(feed, branches); !errs.Is(err, errs.StorageCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLog_longFeedIsFlat(t *testing.T) {
	const n = 50_000
	feed := id.FeedID{1}
	l := NewLog(feed)
	prev := id.Hash{}
	for i := 1; i <= n; i++ {
		if err := l.Add(uint64(i), hash(i), prev); err != nil {
			t.Fatal(err)
		}
		prev = hash(i)
	}
	if len(l.branches) != 1 || len(l.branches[0].hashes) != n {
		t.Fatalf("%d branches", len(l.branches))
	}
	allocs := testing.AllocsPerRun(10, func() {
		l.Contains(Ref{feed, n, hash(n)}, Ref{feed, 5, hash(5)})
		l.Common(Ref{feed, n, hash(n)}, Ref{feed, 5, hash(5)})
	})
	if allocs > 6 { // those of the test's own hashes
		t.Errorf("%v allocations per lookup", allocs)
	}
}
