package egwalker

import "slices"

// Ops are the ops of an event, joined where one goes on where the one before
// ended, if it was Append or Extend that added them. The slice is the Sequence's.
func (s *Sequence) Ops(e Event) []Op {
	v := &s.events[e]
	return s.ops[v.ops : v.ops+v.opCount]
}

// OpCount is how many ops all events have.
func (s *Sequence) OpCount() int { return len(s.ops) }

// Elements is how many elements the ops of an event insert and take away.
func (s *Sequence) Elements(e Event) int32 { return s.end(e) - s.events[e].first }

// Continue makes the last op, an insert or a delete at pos, longer by n elements:
// behind those that it inserted, or at either end of those that it took away. It
// is what Extend does with such an op, without a look at anything else; the
// caller knows that the op fits.
func (s *Sequence) Continue(pos, n int32) {
	last := &s.ops[len(s.ops)-1]
	last.Len += n
	s.count += n
	if last.Kind == Insert {
		s.length += n
	} else {
		s.length -= n
		last.Pos = pos
	}
	s.events[len(s.events)-1].length = s.length
}

// Takes reports whether so many more elements can be counted.
func (s *Sequence) Takes(n int) bool { return n <= MaxLength-int(s.count) }

// Mark is a point to which appended ops can be taken back.
type Mark struct {
	before   Sequence
	last     Op
	event    event
	frontier []Event
}

// Mark gives the point that the sequence is at.
func (s *Sequence) Mark() Mark {
	m := Mark{before: *s, frontier: slices.Clone(s.frontier)}
	if n := len(s.events); n > 0 {
		m.event = s.events[n-1]
	}
	if n := len(s.ops); n > 0 {
		m.last = s.ops[n-1]
	}
	return m
}

// TakeBack forgets everything since a Mark. Nothing but Append and Extend may
// have been called in between.
func (s *Sequence) TakeBack(m Mark) {
	s.takeBack(m.before)
	if n := len(s.events); n > 0 {
		s.events[n-1] = m.event
	}
	if n := len(s.ops); n > 0 {
		s.ops[n-1] = m.last
	}
	s.length = m.before.length
	s.frontier = append(s.frontier[:0], m.frontier...)
}

// Project gives the events of a set that no other of the set follows,
// ascending. With an event the set holds all that the event follows. It costs
// the events that are not in the set, and their parents.
func (s *Sequence) Project(in func(Event) bool, to []Event) []Event {
	q := &s.scratch.queue // what is shared is followed by an event that is in the set
	q.reset()
	for _, e := range s.frontier {
		q.push(e, ofA)
	}
	from := len(to)
	for q.open > 0 {
		top := q.take()
		if top.mark != shared && in(top.event) {
			to = append(to, top.event)
			top.mark = shared
		}
		for _, p := range s.Parents(top.event) {
			q.push(p, top.mark)
		}
	}
	slices.Reverse(to[from:])
	return to
}

// Last gives those of some events that no other of them follows, ascending. It costs
// what is between the first and the last of them.
func (s *Sequence) Last(of, to []Event) []Event {
	q := &s.scratch.queue // what is shared is followed by another
	q.reset()
	for _, e := range of {
		q.push(e, ofA)
	}
	first, from := slices.Min(of), len(to)
	for q.open > 0 {
		top := q.take()
		if top.mark != shared {
			to = append(to, top.event)
		}
		for _, p := range s.Parents(top.event) {
			if p >= first {
				q.push(p, shared)
			}
		}
	}
	slices.Reverse(to[from:])
	return to
}

// Run is elements that stand together and that one event inserted: Len of them,
// the first of which has the number First. Elements are numbered alike until
// an event is taken back.
type Run struct {
	Event Event
	First int32
	Len   int32
}

// Layout gives the elements of the sequence as it is, in order. It replays the
// whole history. What it gives is the order of now: a Sequence must be Reset
// when the order of its events has changed.
func (s *Sequence) Layout(order Order) []Run {
	w := &walker{s: s, order: order, base: none}
	w.begin(none)
	for e := range Event(len(s.events)) {
		if err := w.replay(e); err != nil {
			panic(err) // it was checked when it was added
		}
	}
	var out []Run
	for at := w.tree.first; at >= 0; at = w.tree.leaves[at].next {
		l := &w.tree.leaves[at]
		for i := range l.n {
			it := &l.items[i]
			if it.gone {
				continue
			}
			if n := len(out); n > 0 && out[n-1].Event == it.event && out[n-1].First+out[n-1].Len == it.id {
				out[n-1].Len += it.len
				continue
			}
			out = append(out, Run{it.event, it.id, it.len})
		}
	}
	return out
}

// Reset ends a replay that is kept: the order of the events has changed.
func (s *Sequence) Reset() { s.walker, s.spare = nil, nil }
