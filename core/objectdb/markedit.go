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

// format marks the characters between two positions of a text, which are in it, as
// a part of the open burst. It fails with nothing changed.
func (db *DB) format(c, name int32, from, end int32, expand uint64, value []byte) error {
	x := db.textOf(c)
	if from == end {
		return nil
	}
	undo := undo{kind: undoFormat, row: c, text: &textUndo{mark: x.mark()}}
	if x.marks == nil {
		x.marks = &marks{}
	}
	m := x.marks
	start, stop := egwalker.InsertBefore, egwalker.InsertAfter
	if expand&expandBefore != 0 {
		start = egwalker.InsertAfter
	}
	if expand&expandAfter != 0 {
		stop = egwalker.InsertBefore
	}
	// The start stands in front of the end, so that it moves that by one.
	ops := []egwalker.Op{{Kind: start, Pos: m.placeFor(from, start), Len: 1}, {Kind: stop, Pos: m.placeFor(end, stop) + 1, Len: 1}}
	if err := x.extend(db, ops, false); err != nil {
		db.dropEmptyMarks(x)
		return err
	}
	row := m.addRow(name, db.open.format(db, c, name, value, ops), value)
	undo.at = row
	m.bind(ops[0].Pos, 2*row, start)
	m.bind(ops[1].Pos, 2*row+1, stop)
	if !db.tx.fresh(c) {
		db.tx.undo = append(db.tx.undo, undo)
	}
	db.logFormat(x, c, row, true, !db.tx.remote)
	return nil
}

// hasMark reports whether a mark formats all characters between two positions.
func (db *DB) hasMark(c, name, from, end int32, value []byte) bool {
	m := db.textOf(c).marks
	if m == nil {
		return bytes.Equal(value, markRemoved)
	}
	has := true
	m.segments(from, end, func(_, _ int32, over []int32) {
		now := markRemoved
		if w := db.winner(m, over, name); w != noMark {
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
	m.segments(from, end, func(_, _ int32, over []int32) {
		for _, row := range over {
			name := m.rows[row].name
			same := func(other int32) bool { return m.rows[other].name == name }
			if !slices.Contains(names, name) && !slices.ContainsFunc(others, same) && m.isSet(db.winner(m, over, name)) {
				others = append(others, db.winner(m, over, name))
			}
		}
	})
	expands := m.expands()
	for _, row := range others {
		if err := db.format(c, m.rows[row].name, from, end, expands[row], markRemoved); err != nil {
			return err
		}
	}
	return nil
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

// undoFormat takes the last mark of a text back.
func (db *DB) undoFormat(u undo) {
	x := db.textOf(u.row)
	db.logFormat(x, u.row, u.at, false, !db.tx.remote)
	x.marks.drop()
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
	for _, o := range ops {
		if o.Kind == egwalker.Insert {
			m.put(o.Pos, o.Len)
		} else {
			m.take(o.Pos, o.Len)
		}
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

// mergeMarked does to a text with marks, old or new, the edits that a block comes
// to. Two boundaries after the other are those of one mark, in the order of the
// marks; more than they need, which only a faulty writer makes, are of none.
func (db *DB) mergeMarked(c int32, edits []egwalker.Edit, content []byte, formats []formatting) {
	x := db.textOf(c)
	if x.marks == nil {
		x.marks = &marks{}
	}
	m := x.marks
	bound := 0
	forInserted(edits, content, func(e egwalker.Edit, inserted []byte) {
		switch e.Kind {
		case egwalker.Insert:
			db.changeText(x, c, m.put(e.Pos, e.Len), 0, inserted, false)
		case egwalker.Delete:
			before := len(m.bounds)
			pos, chars := m.take(e.Pos, e.Len)
			db.changeText(x, c, pos, chars, nil, false)
			if len(m.bounds) < before {
				db.logAll(x, c, db.ropes.Len(x.content), false)
			}
		default:
			mark := int32(noMark)
			if bound/2 < len(formats) {
				if f := &formats[bound/2]; bound%2 == 0 {
					m.addRow(f.name, f.at, f.value)
				}
				mark = 2*int32(len(m.rows)-1) + int32(bound%2)
			}
			bound++
			m.bind(e.Pos, mark, e.Kind)
			if mark != noMark && mark%2 == 1 {
				db.logFormat(x, c, mark/2, true, false)
			}
		}
	})
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
	m.segments(0, int32(db.ropes.Len(x.content)), func(from, end int32, over []int32) {
		if !slices.Contains(over, row) || db.winner(m, over, name) != row {
			return
		}
		others := slices.DeleteFunc(slices.Clone(over), func(r int32) bool { return r == row })
		now, before := m.value(row), markRemoved
		if w := db.winner(m, others, name); w != noMark {
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
