package egwalker

import (
	"slices"

	"github.com/echospace/echospace/core/errs"
)

// Event is a burst of ops of one writer. Events are numbered in the order in
// which they were added, so a parent's number is below its child's.
type Event = int32

// Kind tells inserts from deletes.
type Kind uint8

// The kinds of ops. The last two insert one element that is a boundary: it keeps
// to a neighbour of its, as the anchors of Peritext do (Litt, Lim, Kleppmann and
// van Hardenberg, CSCW 2022), whatever else is inserted there at the same time.
const (
	Insert       Kind = iota
	Delete            //
	InsertAfter       // stays directly behind the element in front of Pos, or the beginning
	InsertBefore      // stays directly in front of the element at Pos, or the end
	lastKind     = InsertBefore
)

// Inserts reports whether an op of the kind inserts elements.
func (k Kind) Inserts() bool { return k != Delete }

// Op puts Len elements in front of position Pos, or takes away the Len elements
// from Pos on. Positions are those that the writer saw after the op before.
type Op struct {
	Kind Kind
	Pos  int32
	Len  int32
}

// Edit is what an Op of a merged event comes to. From is the place of the first
// inserted element among all that the event inserts.
type Edit struct {
	Op
	From int32
}

// MaxLength bounds the elements that all ops of a sequence insert and delete.
const MaxLength = 1 << 30

// Order tells which of two concurrent events comes first where their inserts
// meet: a total order, alike on all replicas, in which the events of one writer
// stand together.
type Order interface {
	Before(a, b Event) bool
}

// Sequence is the history of one sequence. The zero value is empty.
type Sequence struct {
	events   []event
	parents  []Event
	ops      []Op
	count    int32   // of elements inserted and deleted, the number of the next
	length   int32   // of the sequence as it is
	frontier []Event // events that no other follows, ascending
	walker   *walker // nil unless one of the last events was merged, or one is prepared
	keep     int     // how many more events may be appended until walker is given up
	spare    *walker // one that was given up, for its memory
	scratch  struct {
		queue        queue
		onlyA, onlyB []Event
	}
}

// event is a row of the history.
type event struct {
	parents, parentCount uint32 // in Sequence.parents
	ops, opCount         uint32 // in Sequence.ops
	first                int32  // number of the first element that it inserts or deletes
	length               int32  // of the sequence with the event and all that it follows
}

// Len is the number of events.
func (s *Sequence) Len() int { return len(s.events) }

// Length is the number of elements of the sequence as it is.
func (s *Sequence) Length() int { return int(s.length) }

// Frontier are the events that no other follows, ascending. The slice is the
// Sequence's and valid until it changes.
func (s *Sequence) Frontier() []Event { return s.frontier }

// Parents are the events that e directly follows, ascending. The slice is the
// Sequence's.
func (s *Sequence) Parents(e Event) []Event {
	v := &s.events[e]
	return s.parents[v.parents : v.parents+v.parentCount]
}

// Append adds an event that follows all others. Its ops are the edits to make.
// An op outside of the sequence is an errs.Malformed, and then nothing has
// changed.
func (s *Sequence) Append(ops []Op) (Event, error) { return s.append(ops, true) }

func (s *Sequence) append(ops []Op, join bool) (Event, error) {
	length, err := s.fits(ops)
	if err != nil {
		return none, err
	}
	e := s.add(s.frontier, ops, join)
	s.frontier = append(s.frontier[:0], e)
	if s.keep--; s.keep == 0 {
		s.giveUp() // what comes follows e, or e is replayed anew with what is before
	}
	s.length = length
	s.events[e].length = length
	return e, nil
}

// Extend adds ops to the last event, which must be the frontier: its writer has
// not made them known yet. join tells whether the first may go on where the last op
// ended. It fails like Append.
func (s *Sequence) Extend(ops []Op, join bool) error {
	length, err := s.fits(ops)
	if err != nil {
		return err
	}
	v := &s.events[len(s.events)-1]
	v.opCount += s.addOps(ops, join && v.opCount > 0, true)
	v.length, s.length = length, length
	return nil
}

// fits checks ops on the sequence as it is and gives its length after them.
func (s *Sequence) fits(ops []Op) (length int32, err error) {
	length, count := s.length, s.count
	for _, o := range ops {
		if err := o.check(length, count); err != nil {
			return 0, err
		}
		count += o.Len
		if o.Kind.Inserts() {
			length += o.Len
		} else {
			length -= o.Len
		}
	}
	return length, nil
}

// Join makes o a part of the op before it, if it goes on where that ended:
// typing, deleting forwards, deleting backwards.
func (last *Op) Join(o Op) bool {
	switch {
	case o.Kind != last.Kind || o.Kind > Delete:
		return false
	case o.Kind == Insert && o.Pos == last.Pos+last.Len, o.Kind == Delete && o.Pos == last.Pos:
		last.Len += o.Len
		return true
	case o.Kind == Delete && o.Pos+o.Len == last.Pos: // backspace
		last.Pos, last.Len = o.Pos, last.Len+o.Len
		return true
	}
	return false
}

// check refuses an op outside of a sequence, or beyond what can be counted.
func (o Op) check(length, count int32) error {
	switch {
	case o.Len <= 0 || o.Len > MaxLength-count || o.Pos < 0:
		return malformed("an op of %d elements at %d, after %d", o.Len, o.Pos, count)
	case o.Kind > lastKind || o.Kind > Delete && o.Len != 1:
		return malformed("an op of kind %d and %d elements", o.Kind, o.Len)
	case o.Kind.Inserts() && o.Pos > length:
		return malformed("an insert at %d of a sequence of %d", o.Pos, length)
	case o.Kind == Delete && o.Len > length-o.Pos:
		return malformed("a delete of %d elements at %d of a sequence of %d", o.Len, o.Pos, length)
	}
	return nil
}

// Merge adds an event that follows parents, which are ascending and of which
// none follows another, and appends to edits what is to be done to the sequence
// as it is. The ops are kept as they are: what names elements by their place in an
// event can do so on every replica. An op outside of what its writer saw is an errs.Malformed, and then
// nothing has changed.
func (s *Sequence) Merge(parents []Event, ops []Op, order Order, edits []Edit) (Event, []Edit, error) {
	if slices.Equal(parents, s.frontier) {
		e, err := s.append(ops, false)
		if err != nil {
			return none, edits, err
		}
		from := int32(0)
		for _, o := range ops {
			edits = append(edits, Edit{Op: o, From: from})
			if o.Kind.Inserts() {
				from += o.Len
			}
		}
		return e, edits, nil
	}
	count := s.count
	for _, o := range ops { // whether they fit, the walker sees
		if err := o.check(MaxLength, count); err != nil {
			return none, edits, err
		}
		count += o.Len
	}
	before := *s
	e := s.add(parents, ops, false)
	w, err := s.walk(parents, order)
	if err == nil {
		edits, err = w.event(e, edits)
	}
	if err != nil {
		s.takeBack(before)
		return none, edits, err
	}
	s.length = w.tree.total[end]
	s.frontier = slices.DeleteFunc(s.frontier, func(f Event) bool { return slices.Contains(parents, f) })
	s.frontier = append(s.frontier, e)
	return e, edits, nil
}

// takeBack forgets the last event.
func (s *Sequence) takeBack(before Sequence) {
	s.events = s.events[:len(before.events)]
	s.ops = s.ops[:len(before.ops)]
	s.parents = s.parents[:len(before.parents)]
	s.count = before.count
	s.giveUp()
}

// maxSpare is how many items and elements the memory that is kept between two
// replays has room for.
const maxSpare = 1 << 12

// giveUp ends a replay.
func (s *Sequence) giveUp() {
	if w := s.walker; w != nil && cap(w.tree.leaves)*leafItems <= maxSpare && cap(w.refs) <= maxSpare {
		s.spare = w
	}
	s.walker = nil
}

func (s *Sequence) add(parents []Event, ops []Op, join bool) Event {
	v := event{parents: uint32(len(s.parents)), parentCount: uint32(len(parents)), ops: uint32(len(s.ops)), first: s.count}
	s.parents = append(s.parents, parents...)
	v.opCount = s.addOps(ops, false, join)
	s.events = append(s.events, v)
	return Event(len(s.events) - 1)
}

// addOps keeps ops, joined, if rest is set, where one goes on where the one before
// ended; join tells whether the last one kept may go on too. It gives how many were
// added.
func (s *Sequence) addOps(ops []Op, join, rest bool) (added uint32) {
	for _, o := range ops {
		s.count += o.Len
		if join {
			if s.ops[len(s.ops)-1].Join(o) {
				continue
			}
		}
		s.ops = append(s.ops, o)
		added++
		join = rest
	}
	return added
}

// end is the number behind the last element of e.
func (s *Sequence) end(e Event) int32 {
	if int(e)+1 < len(s.events) {
		return s.events[e+1].first
	}
	return s.count
}

// lengthBefore is the length of the sequence that the writer of e saw before it.
func (s *Sequence) lengthBefore(e Event) int32 {
	n := s.events[e].length
	for _, o := range s.Ops(e) {
		if o.Kind.Inserts() {
			n -= o.Len
		} else {
			n += o.Len
		}
	}
	return n
}

func malformed(format string, args ...any) error {
	return errs.New("egwalker.Merge", errs.Malformed, format, args...)
}
