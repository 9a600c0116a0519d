package egwalker

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// site is a replica in a test: a history, what the sequence holds, and how the
// events of the test are numbered here.
type site struct {
	h       *history
	s       Sequence
	text    []rune
	numbers map[int]Event // of the history's event
	events  []int         // the reverse
	edits   []Edit
}

// history is all events of a test, in an order in which parents come first.
type history struct{ rows []row }

type row struct {
	parents []int
	agent   int // of two concurrent events that of the smaller agent comes first
	seq     int
	ops     []Op
	content []rune // of its inserts
}

func newSite(h *history) *site { return &site{h: h, numbers: map[int]Event{}} }

// Before implements Order.
func (x *site) Before(a, b Event) bool {
	p, q := x.h.rows[x.events[a]], x.h.rows[x.events[b]]
	if p.agent != q.agent {
		return p.agent < q.agent
	}
	return p.seq < q.seq
}

// parents are those of an event of the history, by their numbers here.
func (x *site) parents(n int) (parents []Event) {
	for _, p := range x.h.rows[n].parents {
		parents = append(parents, x.numbers[p])
	}
	slices.Sort(parents)
	return parents
}

// prepare does a few steps of what adding an event needs, whether or not it is the
// next to be added.
func (x *site) prepare(n int, rng *rand.Rand) {
	steps := rng.IntN(6)
	x.s.Prepare(x.parents(n), x, func() bool {
		steps--
		return steps < 0
	})
}

// add merges an event of the history.
func (x *site) add(n int) error {
	r := x.h.rows[n]
	parents := x.parents(n)
	x.events = append(x.events, n)
	e, edits, err := x.s.Merge(parents, r.ops, x, x.edits[:0])
	if err != nil {
		x.events = x.events[:len(x.events)-1]
		return err
	}
	x.edits = edits
	x.numbers[n] = e
	for _, d := range edits {
		switch d.Kind {
		case Insert, InsertAfter, InsertBefore:
			x.text = slices.Insert(x.text, int(d.Pos), r.content[d.From:d.From+d.Len]...)
		default:
			x.text = slices.Delete(x.text, int(d.Pos), int(d.Pos+d.Len))
		}
	}
	return nil
}

// shuffled is a random order in which parents come first.
func (h *history) shuffled(rng *rand.Rand) []int {
	var order []int
	done := map[int]bool{}
	for len(order) < len(h.rows) {
		var ready []int
		for n, r := range h.rows {
			if !done[n] && !slices.ContainsFunc(r.parents, func(p int) bool { return !done[p] }) {
				ready = append(ready, n)
			}
		}
		// Often go on with what just became possible, as one writer's feed does.
		n := ready[rng.IntN(len(ready))]
		if rng.IntN(3) > 0 {
			n = ready[len(ready)-1]
		}
		done[n] = true
		order = append(order, n)
	}
	return order
}

// check looks at all that the walker's tree says of itself.
func (w *walker) check() error {
	t := &w.tree
	var total sums
	var last place
	for at := t.first; at != none; at = t.leaves[at].next {
		l := &t.leaves[at]
		for i := range l.n {
			it := &l.items[i]
			if it.len <= 0 {
				return fmt.Errorf("an item of %d elements", it.len)
			}
			for in := range total {
				if got := t.before(place{at, i}, in); got != total[in] {
					return fmt.Errorf("before item %d: %d in sum %d, counted %d", it.id, got, in, total[in])
				}
			}
			s := it.sums()
			total.add(&s)
			for k := range it.len {
				if p, off := w.find(idAt(it.id, k)); p != (place{at, i}) || off != k {
					return fmt.Errorf("element %d is found at %v+%d, is at %v+%d", idAt(it.id, k), p, off, place{at, i}, k)
				}
			}
			if p := (place{at, i}); p != (place{t.first, 0}) && t.compare(last, p) >= 0 {
				return fmt.Errorf("item %d does not come after the one before it", it.id)
			}
			last = place{at, i}
		}
	}
	if total != t.total {
		return fmt.Errorf("total %+v, counted %+v", t.total, total)
	}
	return nil
}
