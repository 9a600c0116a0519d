package objectdb

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// What is inserted at the ends of a mark is formatted too:
const (
	expandBefore = 1 << iota // in front of it
	expandAfter              // behind it
)

// newMark is a mark to make between two positions of a text, which are in it.
type newMark struct {
	from, end, name int32
	expand          uint64
	value           []byte
}

// boundaries are those of a text, which are changed one by one, or by a boundEditor.
type boundaries interface {
	put(place, n int32) (pos int32)
	take(place, n int32) (pos, chars int32)
	bind(place, mark int32, side egwalker.Kind)
	placeFor(pos int32, side egwalker.Kind) int32
}

// format makes marks, one after the other, as a part of the open burst. If it fails,
// those that it made are a part of the transaction as it is.
func (db *DB) format(c int32, list ...newMark) (err error) {
	x := db.textOf(c)
	some := list[:0]
	far, sweeps := sweepOf(x), true
	for _, f := range list {
		if f.from < f.end {
			some = append(some, f)
			sweeps = sweeps && !far(f.from) && !far(f.end)
		}
	}
	if list = some; len(list) == 0 {
		return nil
	}
	undo := undo{kind: undoFormat, row: c, text: &textUndo{mark: x.mark()}}
	if x.marks == nil {
		x.marks = &marks{}
	}
	m := x.marks
	undo.at = int32(len(m.rows))
	var before []formattedRun
	bounds, settle := boundaries(m), func() {}
	if len(list) > 1 {
		before = db.formattedRuns(x)
		if sweeps {
			e := m.editor()
			bounds, settle = e, e.settle
		}
	}
	for i := range list {
		if err = db.bindMark(x, c, bounds, &list[i]); err != nil {
			break
		}
	}
	settle()
	if undo.n = int32(len(m.rows)) - undo.at; undo.n == 0 {
		db.dropEmptyMarks(x)
		return err
	}
	if !db.tx.fresh(c) {
		db.tx.undo = append(db.tx.undo, undo)
	}
	if len(list) > 1 {
		db.logFormatted(x, c, before, !db.tx.remote)
	} else {
		db.logFormat(x, c, undo.at, true, !db.tx.remote)
	}
	return err
}

// bindMark makes one mark. It fails with nothing changed.
func (db *DB) bindMark(x *textState, c int32, bounds boundaries, f *newMark) error {
	start, stop := egwalker.InsertBefore, egwalker.InsertAfter
	if f.expand&expandBefore != 0 {
		start = egwalker.InsertAfter
	}
	if f.expand&expandAfter != 0 {
		stop = egwalker.InsertBefore
	}
	// The start stands in front of the end, so that it moves that by one.
	ops := []egwalker.Op{{Kind: start, Pos: bounds.placeFor(f.from, start), Len: 1}, {Kind: stop, Pos: bounds.placeFor(f.end, stop) + 1, Len: 1}}
	if err := x.extend(db, ops, false); err != nil {
		return err
	}
	row := x.marks.addRow(f.name, db.open.format(db, c, f.name, f.value, ops), f.value)
	bounds.bind(ops[0].Pos, 2*row, start)
	bounds.bind(ops[1].Pos, 2*row+1, stop)
	return nil
}

// hasMark reports whether a mark formats all characters between two positions.
func (db *DB) hasMark(c, name, from, end int32, value []byte) bool {
	m := db.textOf(c).marks
	if m == nil {
		return bytes.Equal(value, markRemoved)
	}
	has := true
	db.segmentsOf(m, name, from, end, func(_, _ int32, over []int32) {
		now := markRemoved
		if w := m.winner(over, name); w != noMark {
			now = m.value(w)
		}
		has = has && bytes.Equal(now, value)
	})
	return has
}

// formatOnly takes all marks of other names away between two positions. Each that
// takes one away grows as that does.
func (db *DB) formatOnly(c int32, names []int32, from, end int32) error {
	m := db.textOf(c).marks
	if m == nil {
		return nil
	}
	var others []int32
	db.segments(m, from, end, func(_, _ int32, over []int32) {
		for i, row := range over {
			name := m.rows[row].name
			same := func(other int32) bool { return m.rows[other].name == name }
			if m.counts(over, i) && m.isSet(row) && !slices.Contains(names, name) && !slices.ContainsFunc(others, same) {
				others = append(others, row)
			}
		}
	})
	expands := m.expands()
	list := make([]newMark, len(others))
	for i, row := range others {
		list[i] = newMark{from, end, m.rows[row].name, expands[row], markRemoved}
	}
	return db.format(c, list...)
}

// expands is how the marks grow.
func (m *marks) expands() []uint64 {
	out := make([]uint64, len(m.rows))
	for _, b := range m.bounds {
		switch {
		case b.mark == noMark:
		case b.mark&1 == 0 && b.side == egwalker.InsertAfter:
			out[b.mark/2] |= expandBefore
		case b.mark&1 == 1 && b.side == egwalker.InsertBefore:
			out[b.mark/2] |= expandAfter
		}
	}
	return out
}

func (db *DB) dropEmptyMarks(x *textState) {
	if len(x.marks.rows) == 0 && len(x.marks.bounds) == 0 {
		x.marks = nil
	}
}

// checkFormat refuses a range that is not in the text.
func (db *DB) checkFormat(x *textState, from, end int32) error {
	if err := db.checkEdit(x, int(from), int(max(0, end-from)), nil); err != nil {
		return err
	}
	if end < from {
		return errs.New("objectdb.Local", errs.InvalidArgument, "a mark from %d to %d", from, end)
	}
	return nil
}

// undoFormat takes the last marks of a text back.
func (db *DB) undoFormat(u undo) {
	x := db.textOf(u.row)
	before := db.formattedRuns(x)
	x.marks.drop(u.at)
	db.logFormatted(x, u.row, before, !db.tx.remote)
	db.dropEmptyMarks(x)
	x.takeBack(u.text.mark)
}

// editMarked makes an edit that fits in a text with marks. What is deleted lets
// the boundaries among it stand; what takes its place is put in behind it first,
// and so is formatted as what continues it would be.
func (db *DB) editMarked(c int32, x *textState, pos, deleted int32, inserted []byte) error {
	m := x.marks
	var ops []egwalker.Op
	units := int32(rope.Units(inserted))
	if units > 0 {
		ops = append(ops, egwalker.Op{Kind: egwalker.Insert, Pos: m.placeOf(pos + deleted), Len: units})
	}
	for from, i := pos, m.behind(pos); from < pos+deleted; {
		end := pos + deleted
		if i < len(m.bounds) {
			end = min(end, m.bounds[i].at)
		}
		ops = append(ops, egwalker.Op{Kind: egwalker.Delete, Pos: pos + int32(i), Len: end - from})
		for from = end; i < len(m.bounds) && m.bounds[i].at == from; i++ {
		}
	}
	if len(ops) == 0 {
		return nil
	}
	if err := x.extend(db, ops, false); err != nil {
		return err
	}
	db.open.edited = none // each edit is told apart: places are not those of the text
	db.open.edit(db, c, ops, inserted)
	if units > 0 {
		m.put(ops[0].Pos, units)
	}
	for i := m.behind(pos); deleted > 0 && i < len(m.bounds); i++ {
		b := &m.bounds[i]
		b.at = max(pos, b.at-deleted)
	}
	db.changeText(x, c, pos, deleted, inserted, !db.tx.remote)
	return nil
}

// formatting is a mark of a block that is applied.
type formatting struct {
	container, name int32
	at              crdt.Stamp
	value           []byte
}

// hasBoundary reports whether ops put boundaries in.
func hasBoundary(ops []egwalker.Op) bool {
	return slices.ContainsFunc(ops, func(o egwalker.Op) bool { return o.Kind > egwalker.Delete })
}

// manyEdits is from how many edits on a boundEditor makes them, if they go through the
// text no more than maxSweeps times: where they jump it has too far to go.
const (
	manyEdits = 16
	maxSweeps = 16
)

// sweepOf is asked for one place of a text after the other, and reports whether the way
// is too long.
func sweepOf(x *textState) (far func(pos int32) bool) {
	left, at := maxSweeps*(int64(x.history.Length())+manyEdits), int32(0)
	return func(pos int32) bool {
		left -= int64(max(pos-at, at-pos))
		at = pos
		return left < 0
	}
}

// mergeMarked does to a text with marks, old or new, the edits that a block comes
// to. Two boundaries after the other are those of one mark, in the order of the
// marks; more than they need, which only a faulty writer makes, are of none.
func (db *DB) mergeMarked(c int32, edits []egwalker.Edit, content []byte, formats []formatting) {
	x := db.textOf(c)
	if x.marks == nil {
		x.marks = &marks{}
	}
	w := &markMerge{db: db, x: x, c: c, bounds: x.marks, settle: func() {}, formats: formats}
	far, sweeps := sweepOf(x), len(edits) >= manyEdits
	for i := range edits {
		sweeps = sweeps && !far(edits[i].Pos)
	}
	if sweeps {
		e := x.marks.editor()
		w.bounds, w.settle = e, e.settle
	}
	forInserted(edits, content, w.edit)
	w.end()
	w.settle()
}

// markMerge makes the edits of a block.
type markMerge struct {
	db      *DB
	x       *textState
	c       int32
	bounds  boundaries
	settle  func() // has the marks hold the boundaries
	formats []formatting
	bound   int            // how many boundaries there were
	before  []formattedRun // what who watches knows while marks are made
	making  bool           // marks
}

func (w *markMerge) edit(e egwalker.Edit, inserted []byte) {
	db, x := w.db, w.x
	if e.Kind > egwalker.Delete {
		w.boundary(e)
		return
	}
	w.end()
	if e.Kind == egwalker.Insert {
		pos := w.bounds.put(e.Pos, e.Len)
		if x.watched {
			w.settle()
		}
		db.changeText(x, w.c, pos, 0, inserted, false)
		return
	}
	pos, chars := w.bounds.take(e.Pos, e.Len)
	db.changeText(x, w.c, pos, chars, nil, false)
	if chars < e.Len {
		w.settle()
		db.logAll(x, w.c, db.ropes.Len(x.content), false)
	}
}

// boundary puts a boundary in.
func (w *markMerge) boundary(e egwalker.Edit) {
	m := w.x.marks
	if !w.making && w.x.watched {
		w.settle()
		w.before, w.making = w.db.formattedRuns(w.x), true
	}
	mark := int32(noMark)
	if w.bound/2 < len(w.formats) {
		if f := &w.formats[w.bound/2]; w.bound%2 == 0 {
			m.addRow(f.name, f.at, f.value)
		}
		mark = 2*int32(len(m.rows)-1) + int32(w.bound%2)
	}
	w.bound++
	w.bounds.bind(e.Pos, mark, e.Kind)
}

// end tells who watches of marks that were made.
func (w *markMerge) end() {
	if w.making {
		w.making = false
		w.settle()
		w.db.logFormatted(w.x, w.c, w.before, false)
	}
}

// arrangeMarked is arrangeText for a text with marks.
func (db *DB) arrangeMarked(x *textState, c int32, parts []part) {
	var content []byte
	var bounds []boundary
	m, at := x.marks, int32(0)
	for _, p := range parts {
		k, end := m.inFront(p.pos), m.inFront(p.pos+p.len)
		from, to := p.pos-int32(k), p.pos+p.len-int32(end)
		content = db.ropes.Append(content, x.content, int(from), int(to))
		for _, b := range m.bounds[k:end] {
			b.at += at - from
			bounds = append(bounds, b)
		}
		at += to - from
	}
	m.bounds = bounds
	db.changeText(x, c, 0, int32(db.ropes.Len(x.content)), content, false)
}

// logFormat tells who watches a text what a mark changes, which is in its rows
// and is to count, or is to count no more.
func (db *DB) logFormat(x *textState, c, row int32, on, local bool) {
	if !x.watched {
		return
	}
	m := x.marks
	name := m.rows[row].name
	db.segmentsOf(m, name, 0, int32(db.ropes.Len(x.content)), func(from, end int32, over []int32) {
		if m.winner(over, name) != row {
			return
		}
		now, before := m.value(row), markRemoved
		if w := m.winner(over[:slices.Index(over, row)], name); w != noMark {
			before = m.value(w)
		}
		if !on {
			now, before = before, now
		}
		if !bytes.Equal(now, before) {
			attributes := wire.AppendString(wire.AppendArray(nil, 2), string(db.keys.At(name)))
			db.log(x, c, textChange{pos: from, deleted: end - from, formats: true, attributes: append(attributes, now...), local: local})
		}
	})
}

// logContent tells who watches a text of characters that came to it, which have
// marks over them.
func (db *DB) logContent(x *textState, c, pos, end int32, local bool) {
	db.attributes(x.marks, pos, end, func(from, to int32, attributes []byte) {
		inserted := db.ropes.Append(nil, x.content, int(from), int(to))
		db.log(x, c, textChange{pos: from, inserted: inserted, units: to - from, attributes: attributes, local: local})
	})
}

// logAll tells who watches a text of so many characters to take it anew.
func (db *DB) logAll(x *textState, c int32, before int, local bool) {
	if x.watched {
		db.log(x, c, textChange{deleted: int32(before), local: local})
		db.logContent(x, c, 0, int32(db.ropes.Len(x.content)), local)
	}
}

// remarked runs f, which changes the order of ops, and tells who watches texts
// that are formatted in another way then.
func (db *DB) remarked(f func()) {
	before := map[int32][]byte{}
	for c := range int32(db.containers.Len()) {
		if db.containers.At(c).kind == typeText && db.textOf(c).marks != nil && db.textOf(c).watched {
			before[c] = db.packMarks(db.textOf(c))
		}
	}
	f()
	for c := range int32(db.containers.Len()) {
		if was, ok := before[c]; ok {
			if x := db.textOf(c); !bytes.Equal(was, db.packMarks(x)) {
				db.logAll(x, c, db.ropes.Len(x.content), false)
			}
		}
	}
}
