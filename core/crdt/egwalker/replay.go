package egwalker

import "slices"

// walk gives a walker that has replayed all events but the last, which follows
// parents.
func (s *Sequence) walk(parents []Event, order Order) (*walker, error) {
	w := s.walkerFor(parents, order)
	for int(w.next) < s.Len()-1 {
		if err := w.replay(w.next); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// walkerFor gives a walker for an event that follows parents: the one that is kept, or
// one at the beginning of its replay.
func (s *Sequence) walkerFor(parents []Event, order Order) *walker {
	s.keep = maxKept
	w, base := s.walker, unknown
	if w != nil {
		w.s, w.order = s, order // a Sequence may have been copied
	}
	if w != nil && w.covers(parents) {
		if w.since(w.base) < w.many {
			return w
		}
		if base = s.base(s.frontier, parents); 2*w.since(base) > w.since(w.base) {
			w.many = 2 * w.since(w.base)
			return w
		}
	}
	s.giveUp()
	if base == unknown {
		base = s.base(s.frontier, parents)
	}
	if w, s.spare = s.spare, nil; w == nil {
		w = &walker{}
	}
	w.s, w.order = s, order
	w.begin(base)
	s.walker = w
	return w
}

// covers reports whether version has all in its past that is not replayed.
func (w *walker) covers(version []Event) bool {
	return w.base == none || len(version) > 0 && version[0] > w.base || slices.Equal(version, w.s.Parents(w.base+1))
}

// begin brings the walker to the beginning of a replay, behind base.
func (w *walker) begin(base Event) {
	w.base, w.next, w.start, w.many = base, base+1, 0, manyReplayed
	w.at, w.refs = w.at[:0], w.refs[:0]
	w.away, w.back = w.away[:0], w.back[:0]
	if w.tree.moved == nil {
		w.tree.moved = w.moved
	}
	w.tree.reset()
	if base == none {
		return
	}
	w.at = append(w.at, w.s.Parents(w.next)...)
	w.start = w.s.end(base)
	if n := w.s.lengthBefore(w.next); n > 0 {
		w.tree.insert(place{w.tree.first, 0}, item{id: baseID(0), len: n, left: noID, right: noID, event: none, state: 1})
	}
}

// since is how many ops came after a base.
func (w *walker) since(base Event) int {
	if base == none {
		return len(w.s.ops)
	}
	return len(w.s.ops) - int(w.s.events[base+1].ops)
}

// maxKept is how many events may be appended before a replay is given up that has not
// been asked for since.
const maxKept = 64

// manyReplayed is after how many ops a replay looks whether there is a later base.
const manyReplayed = 256

// Prepare does a part of what Merge of an event that follows parents would have to do
// first, which is to replay what is concurrent to it: until enough, which it asks
// between events, says so; in a long history not between all of them, for some 64 ops
// take no longer than a look at the clock is worth. done tells that nothing is left.
// Events may be added in between. What was prepared is given up if it is not merged soon.
func (s *Sequence) Prepare(parents []Event, order Order, enough func() bool) (done bool) {
	if slices.Equal(parents, s.frontier) {
		return true
	}
	w := s.walkerFor(parents, order)
	rest := pause{enough: enough, every: min(64, s.OpCount()/64)}
	for int(w.next) < s.Len() {
		if !w.move(s.Parents(w.next), &rest) {
			return false
		}
		e := w.next
		if err := w.replay(e); err != nil {
			s.giveUp() // it does not fit itself, as Merge will say
			return true
		}
		if rest.after(s.events[e].opCount) {
			return false
		}
	}
	return w.move(parents, &rest)
}

// pause asks whether it is enough, but not after every few ops.
type pause struct {
	enough      func() bool
	done, every int
}

// after reports whether it is enough after so many ops more.
func (p *pause) after(ops uint32) bool {
	if p.done += int(ops); p.done < p.every {
		return false
	}
	p.done = 0
	return p.enough()
}
