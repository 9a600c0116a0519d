package egwalker

import "slices"

// heap is a binary heap of events, the greatest first, without doubles: of
// equal ones the marks are joined.
type heap struct{ rows []marked }

type marked struct {
	event Event
	mark  uint8
}

func (h *heap) push(e Event, mark uint8) {
	h.rows = append(h.rows, marked{e, mark})
	for i := len(h.rows) - 1; i > 0; {
		up := (i - 1) / 2
		if h.rows[up].event >= h.rows[i].event {
			return
		}
		h.rows[up], h.rows[i] = h.rows[i], h.rows[up]
		i = up
	}
}

// pop gives the greatest event with all its marks.
func (h *heap) pop() marked {
	top := h.take()
	for len(h.rows) > 0 && h.rows[0].event == top.event {
		top.mark |= h.take().mark
	}
	return top
}

func (h *heap) take() marked {
	top := h.rows[0]
	last := len(h.rows) - 1
	h.rows[0] = h.rows[last]
	h.rows = h.rows[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return top
		}
		if down+1 < last && h.rows[down+1].event > h.rows[down].event {
			down++
		}
		if h.rows[i].event >= h.rows[down].event {
			return top
		}
		h.rows[i], h.rows[down] = h.rows[down], h.rows[i]
		i = down
	}
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
	h := &s.scratch.heap
	h.rows = h.rows[:0]
	onlyA, onlyB = s.scratch.onlyA[:0], s.scratch.onlyB[:0]
	open := 0 // rows that are not shared
	push := func(e Event, mark uint8) {
		h.push(e, mark)
		if mark != shared {
			open++
		}
	}
	for _, e := range a {
		push(e, ofA)
	}
	for _, e := range b {
		push(e, ofB)
	}
	for open > 0 {
		top := marked{event: h.rows[0].event}
		for len(h.rows) > 0 && h.rows[0].event == top.event {
			m := h.take().mark
			top.mark |= m
			if m != shared {
				open--
			}
		}
		switch top.mark {
		case ofA:
			onlyA = append(onlyA, top.event)
		case ofB:
			onlyB = append(onlyB, top.event)
		}
		for _, p := range s.Parents(top.event) {
			push(p, top.mark)
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
	const lowest = 1
	h := &s.scratch.heap
	h.rows = h.rows[:0]
	open := 0 // versions that events seen directly follow, and that are not all seen
	push := func(version []Event) {
		for i, e := range version {
			mark := uint8(0)
			if i == 0 {
				mark = lowest
			}
			h.push(e, mark)
		}
		open++
	}
	push(a)
	push(b)
	for {
		top, in, seen := h.rows[0].event, 0, 0
		for len(h.rows) > 0 && h.rows[0].event == top {
			seen += int(h.take().mark)
			in++
		}
		if in == open && h.alike(open) {
			return top
		}
		parents := s.Parents(top)
		if len(parents) == 0 {
			return none // it follows nothing, and something else is concurrent to it
		}
		open -= seen
		push(parents)
	}
}

// alike reports whether the rows are so many times the same events.
func (h *heap) alike(times int) bool {
	if len(h.rows) == 0 || times == 1 {
		return true
	}
	if len(h.rows)%times != 0 {
		return false
	}
	var one []Event
	for _, r := range h.rows {
		if slices.Contains(one, r.event) {
			continue
		}
		if one = append(one, r.event); len(one)*times > len(h.rows) {
			return false
		}
	}
	return true
}

// none is no event.
const none Event = -1

// unknown is what has not been looked for.
const unknown Event = -2
