package objectdb

import (
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/wire"
)

// Bounds on the undo stack.
const (
	maxSteps = 200 // that can be undone
	// maxUndo is how many bytes they may take, and sumUndo after how many more these
	// are summed; the last is kept whatever it takes.
	maxUndo = 1 << 20
	sumUndo = maxUndo / 16
	// maxJoined is after how many bytes a step takes no more edits.
	maxJoined = 16 << 10
	// maxReplaced is how much a step remembers of what was put back into texts.
	maxReplaced = 1 << 10
	// captureMs is how long after a character another of the same text joins its
	// step, unless SetCaptureWindow says otherwise.
	captureMs = 500
)

// undoStack is what the writer can undo and redo. It holds only what was done by
// this database, or by the one whose records RestoreUndo was given.
type undoStack struct {
	undo, redo []*undoStep
	version    uint64 // counts the changes of what UndoState gives
	window     int64  // milliseconds; 0 is captureMs, negative none

	open    bool  // the last step takes more edits
	grouped bool  // edits join it until a task ends
	ended   bool  // the task has ended
	typing  int32 // the text that all of the last step edits by EditText, or none
	typed   int32 // the record of the last edit of a text
	last    int64 // when the last edit was made

	load    func()   // has RestoreUndo called, if that is still to be
	serial  uint64   // of the last step
	dropped []uint64 // steps whose stored records are to go
	grown   int      // bytes that came since those of a stack were summed
	gone    []byte   // scratch
}

// undoStep is how one step is taken back, flat: values and characters stand in buf.
type undoStep struct {
	serial   uint64
	message  []byte
	time     int64
	records  []undoRecord
	buf      []byte
	replaced []replacement
	dirty    bool // CutUndo has not given it as it is
	stored   bool // CutUndo has given it
}

// undoRecord is one thing to take back.
type undoRecord struct {
	kind          recordKind
	container     int32      // the map, list, text, counter or object
	key           int32      // registers: as place.key; items: the row
	before, after crdt.Stamp // what wrote the value, or put the item, before and now
	at, n         int32      // in buf: the value before, or what was taken away; n childValue is the container in left
	left, right   int32      // items: the neighbours before, or none
	place         int32      // items: where before; texts: elements, toEnd until the step is whole
	run           int32      // items removed together: which of them; texts: bytes of buf that the last op took away
	child         int32      // items removed: the container that was the value, or none
}

const (
	recordSize = 64
	childValue = -1
	toEnd      = -1
)

type recordKind uint8

const (
	recCreate   recordKind = iota // the object was created
	recLife                       // it was deleted or restored; n tells whether it was deleted before
	recRegister                   // the key was set
	recCounter                    // the number in buf was added
	recText                       // elements of the burst after.Node from after.Index on
	recInserted                   // the item was inserted
	recRemoved                    // it was removed: before wrote its value, after put it there
	recMoved                      // it was moved
	recFormat                     // the text got mark after, which stands for before: see undoRun.marksBefore
	recLast     = recFormat
)

// replacement says that characters that were taken away were put back as others.
type replacement struct {
	text     int32
	gone, by crdt.Stamp // the first of each: the burst, and its place in it as in recText
	n        int32
}

func (s *undoStep) size() int {
	return recordSize*len(s.records) + len(s.buf) + len(s.message) + 32*len(s.replaced)
}

// put keeps bytes and gives where.
func (s *undoStep) put(b []byte) (at, n int32) {
	at = int32(len(s.buf))
	s.buf = append(s.buf, b...)
	return at, int32(len(b))
}

// value is what of buf a record is about.
func (s *undoStep) value(r *undoRecord) []byte { return s.buf[r.at : r.at+r.n] }

// joins reports whether an edit of a text by EditText, or with c none a
// transaction, becomes part of the last step.
func (u *undoStack) joins(c int32, timeMs int64) bool {
	if !u.open || u.undo[len(u.undo)-1].size() > maxJoined {
		return false
	}
	if u.grouped && !u.ended {
		return true
	}
	window := u.window
	if window == 0 {
		window = captureMs
	}
	return c != none && u.typing == c && timeMs >= u.last && timeMs-u.last < window
}

// step is the step that takes in an edit: the last one, if it is open, or a new
// one, after which nothing can be redone.
func (u *undoStack) step(c int32, timeMs int64, message []byte) *undoStep {
	u.last, u.ended = timeMs, false
	if u.open {
		s := u.undo[len(u.undo)-1]
		if u.typing != c {
			u.typing = none
		}
		s.dirty = true
		return s
	}
	s := u.newStep(message, timeMs)
	for _, r := range u.redo {
		s.inherit(r.replaced)
		u.drop(r)
	}
	u.redo = nil
	u.undo = u.push(u.undo, s)
	u.open, u.typing = true, c
	return s
}

func (u *undoStack) newStep(message []byte, timeMs int64) *undoStep {
	u.serial++
	return &undoStep{serial: u.serial, message: message, time: timeMs, dirty: true}
}

// push puts a step onto a stack.
func (u *undoStack) push(stack []*undoStep, s *undoStep) []*undoStep {
	u.version++
	if n := len(stack); n > 0 {
		u.grown += stack[n-1].size()
	}
	return u.limit(append(stack, s))
}

// limit has the oldest steps of a stack give way.
func (u *undoStack) limit(stack []*undoStep) []*undoStep {
	first := max(0, len(stack)-maxSteps)
	if u.grown >= sumUndo {
		u.grown = 0
		size := 0
		for i := len(stack) - 1; i >= first; i-- {
			size += stack[i].size()
			if i < len(stack)-1 && size > maxUndo {
				first = i + 1
			}
		}
	}
	for i, old := range stack[:first] {
		u.drop(old)
		stack[i] = nil
	}
	return stack[first:]
}

// drop has the stored record of a step removed.
func (u *undoStack) drop(s *undoStep) {
	if s.stored {
		u.dropped = append(u.dropped, s.serial)
	}
}

// inherit takes over what another step knows of what was put back.
func (s *undoStep) inherit(r []replacement) {
	s.replaced = append(s.replaced, r...)
	if over := len(s.replaced) - maxReplaced; over > 0 {
		s.replaced = slices.Delete(s.replaced, 0, over)
	}
}

// text notes an edit of a text: elements from first on of what node does to it, of
// which the deletes took gone away. Its ops may join the last ones: what is in buf
// stands as the ops have it.
func (u *undoStack) text(s *undoStep, x *textState, c int32, node crdt.Node, first int32, gone []byte, join joinKind) {
	if x.step != s.serial || s.records[x.record].after.Node != node {
		x.step, x.record = s.serial, int32(len(s.records))
		s.records = append(s.records, undoRecord{
			kind: recText, container: c, after: crdt.Stamp{Node: node, Index: uint32(first)}, at: int32(len(s.buf)), place: toEnd,
		})
		join = joinNone
	}
	u.typed = x.record
	s.takeAway(&s.records[x.record], gone, join)
}

// takeAway notes what a delete took away.
func (s *undoStep) takeAway(r *undoRecord, gone []byte, join joinKind) {
	if len(gone) == 0 {
		return
	}
	if int(r.at+r.n) != len(s.buf) { // others came behind it
		r.at, r.n = s.put(s.value(r))
	}
	if join == joinNone {
		r.run = 0
	}
	at := len(s.buf)
	if join == joinBefore {
		at -= int(r.run)
	}
	s.buf = slices.Insert(s.buf, at, gone...)
	r.n += int32(len(gone))
	r.run += int32(len(gone))
}

// typedByte notes that EditText took one more character away, behind what the last
// edit took away or before it.
func (u *undoStack) typedByte(c byte, behind bool) {
	s := u.undo[len(u.undo)-1]
	r := &s.records[u.typed]
	if r.n == 0 || int(r.at+r.n) != len(s.buf) {
		join := joinBefore
		if behind {
			join = joinBehind
		}
		s.takeAway(r, []byte{c}, join)
		return
	}
	s.buf = append(s.buf, c)
	if end := len(s.buf) - 1; !behind {
		at := end - int(r.run)
		copy(s.buf[at+1:], s.buf[at:end])
		s.buf[at] = c
	}
	r.n++
	r.run++
}

// EndStep ends the step that edits join: what follows is another.
func (db *DB) EndStep() {
	u := &db.undo
	if db.open != nil {
		db.open.edited = none // what its ops do is told apart from what others do
	}
	if !u.open {
		return
	}
	u.open = false
	db.seal(u.undo[len(u.undo)-1])
}

// EndTask says that the caller groups edits: from its first call on all that come
// up to the next are one step, whatever they are. What follows is another, unless
// it goes on with typing in one text within the capture window.
func (db *DB) EndTask() {
	u := &db.undo
	u.grouped, u.ended = true, true
	if u.open && u.typing == none {
		db.EndStep()
		return
	}
	if db.open != nil {
		db.open.edited = none
	}
}

// SetCaptureWindow says how many milliseconds after an edit of a text by EditText
// another of the same text joins its step; 0 has none join.
func (db *DB) SetCaptureWindow(ms int64) {
	if db.undo.window = ms; ms <= 0 {
		db.undo.window = -1
	}
}

// seal notes how far the edits of texts of a step go.
func (db *DB) seal(s *undoStep) {
	for i := range s.records {
		if r := &s.records[i]; r.kind == recText && r.place == toEnd {
			r.place = db.elementsOf(r)
		}
	}
}

// elementsOf is how many elements a record of a text is about.
func (db *DB) elementsOf(r *undoRecord) int32 {
	if r.place != toEnd {
		return r.place
	}
	e := db.textOf(r.container).event(r.after.Node)
	if e < 0 {
		return 0
	}
	return db.textOf(r.container).history.Elements(e) - int32(r.after.Index)
}

// event is the event that node is in the sequence, or -1.
func (s *sequence) event(n crdt.Node) egwalker.Event {
	for e := len(s.nodes) - 1; e >= 0; e-- {
		if s.nodes[e] == n {
			return egwalker.Event(e)
		}
	}
	return -1
}

// capture notes in a step how the transaction, whose first op is first, is taken
// back.
func (db *DB) capture(s *undoStep, first uint32) {
	t := &db.tx
	inside := func(at crdt.Stamp) bool { return at.Node == db.open.node && at.Index >= first }
	for i := range t.undo {
		switch u := &t.undo[i]; u.kind {
		case undoCreate:
			s.records = slices.Grow(s.records, int(u.n))
			for c := u.row; c < u.row+u.n; c++ {
				s.records = append(s.records, undoRecord{kind: recCreate, container: c})
			}
		case undoField:
			e := db.fields.At(u.at)
			s.records = append(s.records, undoRecord{kind: recRegister, container: u.row, key: e.Tag, before: crdt.Stamp{Node: none}, after: e.At})
		case undoLife:
			at := db.fields.At(db.containers.At(u.row).life).At
			s.records = append(s.records, undoRecord{kind: recLife, container: u.row, before: crdt.Stamp{Node: none}, after: at})
		case undoWrite:
			if v := t.saved[u.at]; !inside(v.At) { // else an earlier record has it
				db.captureWrite(s, u.row, v)
			}
		case undoAdd:
			r := undoRecord{kind: recCounter, container: u.row}
			r.at, r.n = s.put(wire.AppendInt(nil, u.by))
			s.records = append(s.records, r)
		case undoText:
			db.undo.text(s, db.textOf(u.row), u.row, db.open.node, u.text.first, u.text.deleted, u.text.join)
		case undoFormat:
			for _, r := range db.textOf(u.row).marks.rows[u.at : u.at+u.n] {
				s.records = append(s.records, undoRecord{kind: recFormat, container: u.row, before: r.at, after: r.at})
			}
		case undoNote:
			r := t.records[u.at]
			r.at, r.n = s.put(t.values[r.at : r.at+r.n])
			s.records = append(s.records, r)
		}
	}
}

// captureWrite notes what a register held.
func (db *DB) captureWrite(s *undoStep, f int32, v crdt.Version) {
	e := db.fields.At(f)
	r := undoRecord{kind: recRegister, container: e.Owner, key: e.Tag, before: v.At, after: e.At}
	child := childWord(v.Value)
	switch {
	case e.Tag == none:
		r.kind = recLife
		if v.Value == wordTrue {
			r.n = 1
		}
	case child != none:
		r.n, r.left = childValue, child
	case v.Value != wordDeleted:
		var buf [8]byte
		r.at, r.n = s.put(db.raw(v.Value, &buf))
	}
	s.records = append(s.records, r)
}

// noteItem notes what was done to an item, unless its list is as new.
func (db *DB) noteItem(r undoRecord) {
	if db.tx.fresh(r.container) {
		return
	}
	db.tx.undo = append(db.tx.undo, undo{kind: undoNote, at: int32(len(db.tx.records))})
	db.tx.records = append(db.tx.records, r)
}

// noteRemoved notes items that are about to be removed, with what they hold and
// what they stand between.
func (db *DB) noteRemoved(c int32, l *listState, gone []int32) {
	if db.tx.fresh(c) {
		return
	}
	t := &db.tx
	wanted := make(map[int32]bool, len(gone))
	for _, i := range gone {
		wanted[i] = true
	}
	left, place, run := int32(none), int32(0), int32(0)
	for _, s := range l.slots {
		if !db.isShown(s) {
			continue
		}
		i := db.slotRows.At(s).item
		if !wanted[i] {
			for k := range run {
				t.records[len(t.records)-1-int(k)].right = i
			}
			left, run = i, 0
			place++
			continue
		}
		e := db.fields.At(db.items.At(i).field)
		r := undoRecord{
			kind: recRemoved, container: c, key: i, left: left, right: none, place: place, run: run,
			before: e.At, after: db.slotRows.At(s).at, child: childWord(e.Value), at: int32(len(t.values)),
		}
		t.values = db.appendValue(t.values, e.Value)
		r.n = int32(len(t.values)) - r.at
		db.noteItem(r)
		run++
		place++
	}
}

// rename follows nodes that have become others: the bursts that moved.
func (u *undoStack) rename(f func(*crdt.Stamp)) {
	for _, stack := range [][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			for i := range s.records {
				f(&s.records[i].before)
				f(&s.records[i].after)
			}
			for i := range s.replaced {
				f(&s.replaced[i].gone)
				f(&s.replaced[i].by)
			}
			s.dirty = true
		}
	}
}

// UndoStep is what a user can be told of a step.
type UndoStep struct {
	Message string
	Time    int64 // of its first edit, in milliseconds since 1970
}

// UndoState is what can be undone and redone.
type UndoState struct {
	Undo, Redo         int // how many steps
	NextUndo, NextRedo UndoStep
}

// UndoVersion changes whenever UndoState does.
func (db *DB) UndoVersion() uint64 { return db.undo.version }

// UndoState gives what can be undone and redone, and what comes next; zero if
// there is none.
func (db *DB) UndoState() UndoState {
	db.loadUndo()
	u := &db.undo
	next := func(stack []*undoStep) UndoStep {
		if len(stack) == 0 {
			return UndoStep{}
		}
		s := stack[len(stack)-1]
		return UndoStep{string(s.message), s.time}
	}
	return UndoState{len(u.undo), len(u.redo), next(u.undo), next(u.redo)}
}

// ClearUndo forgets all that can be undone and redone.
func (db *DB) ClearUndo() {
	db.loadUndo()
	db.EndStep()
	u := &db.undo
	for _, s := range slices.Concat(u.undo, u.redo) {
		u.drop(s)
	}
	u.undo, u.redo = nil, nil
	u.version++
}
