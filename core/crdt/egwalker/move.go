package egwalker

import "slices"

// moveTo brings the walker to a version.
func (w *walker) moveTo(version []Event) {
	if w.moving() {
		w.move(w.to, &pause{enough: func() bool { return false }})
	}
	if slices.Equal(w.at, version) {
		return
	}
	away, back := w.s.diff(w.at, version)
	for _, e := range away {
		w.step(e, -1)
	}
	for i := len(back) - 1; i >= 0; i-- {
		w.step(back[i], 1)
	}
	w.at = append(w.at[:0], version...)
}

// moving reports whether the walker is between two versions.
func (w *walker) moving() bool { return len(w.away)+len(w.back) > 0 }

// move brings the walker to a version, event by event until it is enough, and
// reports whether it is there. It first ends a move to another version.
func (w *walker) move(version []Event, rest *pause) bool {
	for {
		if !w.moving() {
			away, back := w.s.diff(w.at, version)
			w.to = append(w.to[:0], version...)
			w.away, w.back = append(w.away[:0], away...), append(w.back[:0], back...)
			slices.Reverse(w.away)
		}
		for w.moving() {
			way, by := &w.away, int32(-1)
			if len(w.away) == 0 {
				way, by = &w.back, 1
			}
			last := len(*way) - 1
			e := (*way)[last]
			w.step(e, by)
			*way = (*way)[:last]
			if rest.after(w.s.events[e].opCount) && w.moving() {
				return false
			}
		}
		w.at = append(w.at[:0], w.to...)
		if slices.Equal(w.to, version) {
			return true
		}
	}
}

// step takes an event out of the walker's version, or puts it back in.
func (w *walker) step(e Event, by int32) {
	v := &w.s.events[e]
	first, n := v.first, v.opCount
	if by < 0 {
		first = w.s.end(e)
	}
	for i := range n {
		at := v.ops + i
		if by < 0 {
			at = v.ops + n - 1 - i
		}
		o := &w.s.ops[at]
		if by < 0 {
			first -= o.Len
		}
		if o.Kind.Inserts() {
			w.shift(first, o.Len, by)
		} else {
			w.shiftTargets(first, o.Len, by)
		}
		if by > 0 {
			first += o.Len
		}
	}
}

// shiftTargets changes the state of what a deletion took away.
func (w *walker) shiftTargets(first, n, by int32) {
	targets := w.refs[first-w.start : first-w.start+n]
	for len(targets) > 0 {
		run := int32(1)
		for int(run) < len(targets) && targets[run] == idAt(targets[0], run) {
			run++
		}
		w.shift(targets[0], run, by)
		targets = targets[run:]
	}
}

// shift changes the state of a run of elements.
func (w *walker) shift(id, n, by int32) {
	for n > 0 {
		p, off := w.find(id)
		if off > 0 {
			p = w.tree.split(p, off)
		}
		if w.tree.item(p).len > n {
			w.tree.split(p, n)
			p, _ = w.find(id)
		}
		done := w.tree.item(p).len
		w.tree.shift(p, by)
		id, n = idAt(id, done), n-done
	}
}
