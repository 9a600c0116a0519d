package egwalker

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// away reports whether an element was gone, and not back yet, at some time.
func (l *locator) away(id, time int32) bool {
	for id > time {
		before, ok := l.replaces(id)
		if !ok {
			return false
		}
		g := &l.gone[lastUpTo(l.gone, norm(id))]
		if time > g.to+int32(norm(id)-g.at) {
			return true
		}
		id = before
	}
	return false
}

// plainPutBack says of each element that was put back and is there, by its position,
// which boundaries are in front of it, one after the other.
func plainPutBack(s *Sequence, replaced []Replacement, fresh int, bounds []int32, order Order, skipped []bool) map[int32]string {
	ranges := make([]Range, len(replaced))
	for i, r := range replaced {
		ranges[i] = r.Gone
	}
	l := s.locator(ranges, replaced, order)
	for _, r := range replaced {
		l.replace(r)
	}
	sortRuns(l.replaced)
	sortRuns(l.back)
	sortRuns(l.gone)
	freshID := int32(math.MaxInt32)
	for _, r := range replaced[len(replaced)-fresh:] {
		freshID = min(freshID, s.events[r.By.Event].first+r.By.First)
	}
	out := map[int32]string{}
	for _, b := range l.back {
		for k := range b.len {
			id := denorm(b.at) + k
			pos, ok := int32(0), false
			if i := lastUpTo(l.byID, norm(id)); l.states[l.byID[i].to].state == 1 {
				pos, ok = l.states[l.byID[i].to].pos+int32(norm(id)-l.byID[i].at), true
			}
			if !ok {
				continue
			}
			var front []int
			for i, at := range bounds {
				if b := l.name(at); !(skipped[i] && l.away(id, b)) && l.less(b, id) {
					front = append(front, i)
				}
			}
			out[pos] = fmt.Sprint(front, id >= freshID)
		}
	}
	return out
}

// TestPutBack_O12_twin: the boundaries in front of what was put back, again and again,
// into a sequence that others edit too, are those that are told for each element alone.
func TestPutBack_O12_twin(t *testing.T) {
	base := rand.Uint64()
	for i := range uint64(150) {
		seed := base + i
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { putBackProgram(t, seed) })
	}
}

func putBackProgram(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 9))
	h := random(t, rng, 1+rng.IntN(2), 20+rng.IntN(60))
	x := newSite(h)
	for n := range h.rows {
		if err := x.add(n); err != nil {
			t.Fatal(err)
		}
	}
	add := func(ops []Op, content []rune) Event {
		r := row{ops: ops, content: content, seq: len(h.rows)}
		for _, f := range x.s.Frontier() {
			r.parents = append(r.parents, x.events[f])
		}
		h.rows = append(h.rows, r)
		if err := x.add(len(h.rows) - 1); err != nil {
			t.Fatal(err)
		}
		return x.numbers[len(h.rows)-1]
	}
	var replaced []Replacement
	for range 3 + rng.IntN(12) {
		if rng.IntN(2) == 0 && len(x.text) > 0 { // takes away much, and puts something in
			var ops []Op
			var content []rune
			seen := slices.Clone(x.text)
			for range 1 + rng.IntN(4) {
				o, c := randomOp(rng, seen)
				if o.Kind == Delete {
					seen = slices.Delete(seen, int(o.Pos), int(o.Pos+o.Len))
				} else {
					seen = slices.Insert(seen, int(o.Pos), c...)
				}
				ops, content = append(ops, o), append(content, c...)
			}
			for at := int32(0); rng.IntN(2) == 0 && int(at) < len(seen); {
				if seen[at] == after || seen[at] == before {
					at++
					continue
				}
				n := int32(1)
				for int(at+n) < len(seen) && seen[at+n] != after && seen[at+n] != before {
					n++
				}
				seen = slices.Delete(seen, int(at), int(at+n))
				ops = append(ops, Op{Delete, at, n})
			}
			add(ops, content)
		}
		fresh := 0
		e := Event(rng.IntN(x.s.Len()))
		var ops []Op
		var by []Replacement
		for _, p := range slices.Backward(x.s.Locate([]Range{{Event: e, Len: x.s.Elements(e)}}, replaced, places(x.text), x)) {
			if p.Kind == Delete {
				by = append(by, Replacement{Gone: Range{e, p.First, p.Len}, By: Range{First: sum(ops), Len: p.Len}})
				ops = append(ops, Op{Insert, p.Pos, p.Len})
			}
		}
		if len(ops) > 0 {
			made := add(ops, slices.Repeat([]rune{'+'}, int(sum(ops))))
			for i := range by {
				by[i].By.Event = made
			}
			replaced, fresh = append(replaced, by...), len(by)
		}
		if len(replaced) > 0 {
			checkPutBack(t, x, replaced, fresh, rng)
		}
	}
}

func sum(ops []Op) (n int32) {
	for _, o := range ops {
		n += o.Len
	}
	return n
}

// places are those of the boundaries in the content of a test.
func places(text []rune) (bounds []int32) {
	for i, c := range text {
		if c == after || c == before {
			bounds = append(bounds, int32(i))
		}
	}
	return bounds
}

func checkPutBack(t *testing.T, x *site, replaced []Replacement, fresh int, rng *rand.Rand) {
	t.Helper()
	bounds := places(x.text)
	skipped := make([]bool, len(bounds))
	for i := range skipped {
		skipped[i] = rng.IntN(2) == 0
	}
	want := plainPutBack(&x.s, replaced, fresh, bounds, x, skipped)
	in := make([]bool, len(bounds))
	last, lastFresh, flipped := int32(-1), false, false
	x.s.PutBack(replaced, fresh, bounds, x, func(i int) bool { return skipped[i] }, func(_, _ int32, _ bool) bool { return true },
		func(i int) { in[i], flipped = !in[i], true },
		func(pos, n int32, isFresh bool) {
			if pos < last || pos == last && !flipped && isFresh == lastFresh {
				t.Fatalf("%d comes after %d, and nothing is between them", pos, last)
			}
			last, lastFresh, flipped = pos+n, isFresh, false
			var front []int
			for i := range in {
				if in[i] {
					front = append(front, i)
				}
			}
			for k := range n {
				if got := fmt.Sprint(front, isFresh); got != want[pos+k] {
					t.Fatalf("in front of %d are %s, want %s", pos+k, got, want[pos+k])
				}
				delete(want, pos+k)
			}
		})
	if len(want) > 0 {
		t.Fatalf("nothing is told of %v", want)
	}
}
