package egwalker

import (
	"slices"
	"sort"
)

// queue holds events, ascending, without doubles: the last is taken first. It is
// short as a rule, the events that are concurrent at one time.
type queue struct {
	rows []queued
	open int // rows that are not shared
}

// queued is an event in a queue: its mark, or in base in how many versions it is,
// and of how many the lowest event.
type queued struct {
	event      Event
	in, lowest int32
	mark       uint8
}

func (q *queue) reset() { q.rows, q.open = q.rows[:0], 0 }

// row is that of an event, which may be new.
func (q *queue) row(e Event) *queued {
	i := len(q.rows)
	if i > 16 {
		i = sort.Search(i, func(i int) bool { return q.rows[i].event > e })
	}
	for i > 0 && q.rows[i-1].event > e {
		i--
	}
	if i > 0 && q.rows[i-1].event == e {
		return &q.rows[i-1]
	}
	q.rows = append(q.rows, queued{})
	copy(q.rows[i+1:], q.rows[i:])
	q.rows[i] = queued{event: e}
	return &q.rows[i]
}

// push adds a mark to an event.
func (q *queue) push(e Event, mark uint8) {
	r := q.row(e)
	before := r.mark
	r.mark |= mark
	switch {
	case before == 0 && r.mark != shared:
		q.open++
	case before != 0 && before != shared && r.mark == shared:
		q.open--
	}
}

// take takes the greatest event out.
func (q *queue) take() queued {
	last := len(q.rows) - 1
	top := q.rows[last]
	q.rows = q.rows[:last]
	if top.mark != shared {
		q.open--
	}
	return top
}

// Marks of diff.
const (
	ofA = 1 << iota
	ofB
	shared = ofA | ofB
)

// diff gives the events that only version a, and only version b, has in its
// past, both in descending order. It costs the events back to the last that is
// in both. The slices are valid until the next call.
func (s *Sequence) diff(a, b []Event) (onlyA, onlyB []Event) {
	if slices.Equal(a, b) {
		return nil, nil
	}
	q := &s.scratch.queue
	q.reset()
	onlyA, onlyB = s.scratch.onlyA[:0], s.scratch.onlyB[:0]
	for _, e := range a {
		q.push(e, ofA)
	}
	for _, e := range b {
		q.push(e, ofB)
	}
	for q.open > 0 {
		top := q.take()
		switch top.mark {
		case ofA:
			onlyA = append(onlyA, top.event)
		case ofB:
			onlyB = append(onlyB, top.event)
		}
		for _, p := range s.Parents(top.event) {
			q.push(p, top.mark)
		}
	}
	s.scratch.onlyA, s.scratch.onlyB = onlyA, onlyB
	return onlyA, onlyB
}

// base is the last event up to which events are a critical version: every event
// after it, and what follows version b, follows all of them. a is the frontier. It
// is none if there is no such event. The version itself, often of one event, is what
// the next event directly follows.
func (s *Sequence) base(a, b []Event) Event {
	if len(a) == 0 || len(b) == 0 {
		return none
	}
	q := &s.scratch.queue
	q.reset()
	open := int32(0) // versions that events seen directly follow, and that are not all seen
	push := func(version []Event) {
		for _, e := range version {
			q.row(e).in++
		}
		q.row(version[0]).lowest++
		open++
	}
	push(a)
	push(b)
	for {
		top := q.take()
		if top.in == open && !slices.ContainsFunc(q.rows, func(r queued) bool { return r.in != open }) {
			return top.event
		}
		parents := s.Parents(top.event)
		if len(parents) == 0 {
			return none // it follows nothing, and something else is concurrent to it
		}
		open -= top.lowest
		push(parents)
	}
}

// none is no event.
const none Event = -1

// unknown is what has not been looked for.
const unknown Event = -2
