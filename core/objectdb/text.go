package objectdb

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// Text names a text of an object in this database for as long as the database
// lives: the row of its container. It means nothing to another replica.
type Text int32

// textState is what a text is: its history and its content.
type textState struct {
	sequence
	content rope.Text
	edits   uint32 // how often content changed
	watched bool
	changed bool // is in DB.textLog
	log     []textChange
	anchors []anchor
	marks   *marks // nil if it was never formatted
	step    uint64 // of the undo stack: the last that edited it
	record  int32  // and its record there
}

// textChange is a change of a text that is watched, as one that reads it meets it.
type textChange struct {
	pos, deleted int32
	inserted     []byte
	units        int32  // of inserted
	attributes   []byte // of inserted, as appendAttributes gives them; nil is none
	local        bool   // by Local or EditText
	formats      bool   // deleted characters from pos on stay and get these attributes
}

// join makes another change a part of this one, if it goes on where this one
// ended: typing, and taking back what was typed, or deleting on.
func (c *textChange) join(o *textChange) bool {
	pos, deleted := o.pos, o.deleted
	if c.local != o.local || c.formats != o.formats || deleted > 0 && o.units > 0 {
		return false
	}
	end := c.pos + c.units
	switch {
	case c.formats:
		if pos != c.pos+c.deleted || !bytes.Equal(c.attributes, o.attributes) {
			return false
		}
		c.deleted += deleted
	case o.units > 0:
		if pos != end || c.units > 0 && !bytes.Equal(c.attributes, o.attributes) {
			return false
		}
		c.inserted, c.attributes = append(c.inserted, o.inserted...), o.attributes
		c.units += o.units
	case c.units > 0:
		cut := -1
		if pos+deleted == end && deleted <= c.units {
			cut = c.offset(c.units - deleted)
		}
		if cut < 0 {
			return false
		}
		c.inserted, c.units = c.inserted[:cut], c.units-deleted
	case pos == c.pos:
		c.deleted += deleted
	case pos+deleted == c.pos:
		c.pos, c.deleted = pos, c.deleted+deleted
	default:
		return false
	}
	return true
}

// offset is the byte at which unit k of what was inserted begins, or -1.
func (c *textChange) offset(k int32) int {
	if len(c.inserted) == int(c.units) { // all of one byte
		return int(k)
	}
	return rope.Offset(c.inserted, int(k))
}

// textOf is the state of a container that is a text.
func (db *DB) textOf(c int32) *textState { return db.texts[db.containers.At(c).number] }

// FindText gives the text at a path of an object. It fails with NotFound.
func (db *DB) FindText(object id.ObjectID, path ...Step) (Text, error) {
	if p, ok := db.walk(object, path); ok {
		if t := db.childOf(p.container, p.key, typeText); t != none {
			return Text(t), nil
		}
	}
	return 0, errs.New("objectdb.FindText", errs.NotFound, "object %s has no text at %v", object, path)
}

// text resolves what FindText gave.
func (db *DB) text(t Text) (*textState, error) {
	if t < 0 || int(t) >= db.containers.Len() || db.containers.At(int32(t)).kind != typeText {
		return nil, errs.New("objectdb.text", errs.NotFound, "there is no text of number %d", t)
	}
	return db.textOf(int32(t)), nil
}

// TextLength is the length of a text in UTF-16 code units.
func (db *DB) TextLength(t Text) (int, error) {
	x, err := db.text(t)
	if err != nil {
		return 0, err
	}
	return db.ropes.Len(x.content), nil
}

// PlainLength is the length of a text all of which is ASCII, so that each of its
// positions is one between characters; else, and for what is no text, -1.
func (db *DB) PlainLength(t Text) int {
	x, err := db.text(t)
	if err != nil {
		return -1
	}
	if n := db.ropes.Len(x.content); n == db.ropes.Bytes(x.content) {
		return n
	}
	return -1
}

// AppendText appends the content of a text between two positions in UTF-16 code
// units, as UTF-8. Positions beyond the end are the end.
func (db *DB) AppendText(to []byte, t Text, from, end int) ([]byte, error) {
	x, err := db.text(t)
	if err != nil {
		return to, err
	}
	end = min(end, db.ropes.Len(x.content))
	return db.ropes.Append(to, x.content, max(0, min(from, end)), end), nil
}

// WatchText has Changes tell what happens in a text, or no longer.
func (db *DB) WatchText(t Text, on bool) error {
	x, err := db.text(t)
	if err != nil {
		return err
	}
	x.watched = on
	if !on {
		x.log = nil
	}
	return nil
}

// EditText is a transaction of one edit: deleted UTF-16 code units from pos on
// give way to well-formed UTF-8. It does what Local does, at a fraction of the
// cost; edits of one text in one millisecond are one change of the history. It
// fails with InvalidArgument if the edit does not fit the text or would cut a
// surrogate pair, UnsupportedValue for bytes that are no UTF-8, TooLarge, and
// like Local. Then nothing has changed.
func (db *DB) EditText(t Text, pos, deleted int, inserted []byte, timeMs int64) error {
	if b := db.open; b != nil && b.typed && b.edited == int32(t) && b.time == timeMs && db.goOn(b, pos, deleted, inserted) {
		return nil
	}
	x, err := db.text(t)
	if err == nil {
		err = db.mayWrite()
	}
	if err == nil {
		err = db.checkEdit(x, pos, deleted, inserted)
	}
	if err != nil {
		return err
	}
	if deleted == 0 && len(inserted) == 0 {
		return nil
	}
	c := int32(t)
	if !db.undo.joins(c, timeMs) {
		db.EndStep()
	}
	if db.open == nil {
		db.openBurst()
	}
	b := db.open
	b.resume(timeMs)
	var gone []byte
	if deleted > 0 {
		gone = db.ropes.Append(db.undo.gone[:0], x.content, pos, pos+deleted)
		db.undo.gone = trim(gone)
	}
	first, join := x.end(db, c, int32(pos), int32(deleted))
	if err := db.editText(c, x, int32(pos), int32(deleted), inserted); err != nil {
		if b.ops == 0 {
			db.abandonBurst()
		}
		return err
	}
	b.time, b.sealed, b.typed = timeMs, true, true
	db.undo.text(db.undo.step(c, timeMs, nil), x, c, b.node, first, gone, join)
	db.graph.Extend(b.node, uint64(b.ops))
	db.touch(c, false)
	size := b.size()
	b.room = len(b.columns.chars) + maxBurst - 1 - size
	if size >= maxBurst {
		db.closeBurst()
	}
	return nil
}

// goOn makes an edit that only makes the last run of the open burst longer, by ASCII
// characters or by taking one away, as nearly all edits of somebody who types do:
// everything else that EditText looks at is as it was for the edit before. It
// reports false, with nothing changed, for any other edit.
func (db *DB) goOn(b *builder, pos, deleted int, inserted []byte) bool {
	cols := &b.columns
	x := db.textOf(b.edited)
	if x.marks != nil || len(inserted) > db.limits.Value || !x.history.Takes(len(inserted)+deleted) || len(cols.chars)+len(inserted) > b.room || len(cols.runs) == 0 || cols.counts[len(cols.counts)-1] == 0 {
		return false
	}
	last := &cols.runs[len(cols.runs)-1]
	n := int32(1)
	switch {
	case deleted == 0 && last.Kind == egwalker.Insert && pos == int(last.Pos+last.Len):
		if n = int32(len(inserted)); !db.ropes.InsertASCII(x.content, pos, inserted) {
			return false
		}
		cols.chars = append(cols.chars, inserted...)
	case deleted == 1 && len(inserted) == 0 && last.Kind == egwalker.Delete && (pos == int(last.Pos) || pos+1 == int(last.Pos)):
		gone, ok := db.ropes.DeleteByte(x.content, pos)
		if !ok {
			return false
		}
		db.undo.typedByte(gone, pos == int(last.Pos))
		last.Pos = int32(pos)
	default:
		return false
	}
	last.Len += n
	x.edits++
	x.history.Continue(int32(pos), n)
	if len(x.anchors) > 0 {
		x.moveAnchors(int32(pos), int32(deleted), int32(len(inserted)))
	}
	if x.watched && !x.logTyped(int32(pos), inserted) {
		db.log(x, b.edited, textChange{pos: int32(pos), deleted: int32(deleted), inserted: inserted, units: int32(len(inserted)), local: true})
	}
	db.touch(b.edited, false)
	return true
}

// logTyped makes an edit of goOn, which inserts ASCII or, with nothing, takes one
// unit away, a part of the last change that was noted, as textChange.join does. It
// reports false for what that has to look at.
func (x *textState) logTyped(pos int32, inserted []byte) bool {
	if len(x.log) == 0 {
		return false
	}
	c := &x.log[len(x.log)-1]
	if !c.local || c.formats || c.attributes != nil || len(c.inserted) != int(c.units) {
		return false
	}
	switch {
	case len(inserted) > 0 && pos == c.pos+c.units:
		c.inserted = append(c.inserted, inserted...)
		c.units += int32(len(inserted))
	case len(inserted) > 0:
		return false
	case c.units > 0 && pos+1 == c.pos+c.units:
		c.units--
		c.inserted = c.inserted[:c.units]
	case c.units == 0 && pos == c.pos:
		c.deleted++
	case c.units == 0 && pos+1 == c.pos:
		c.pos--
		c.deleted++
	default:
		return false
	}
	return true
}

// checkEdit refuses an edit that does not fit.
func (db *DB) checkEdit(x *textState, pos, deleted int, inserted []byte) error {
	const op = "objectdb.EditText"
	length := db.ropes.Len(x.content)
	switch {
	case pos < 0 || pos > length:
		return errs.New(op, errs.InvalidArgument, "position %d is not in a text of length %d", pos, length)
	case deleted < 0 || deleted > length-pos:
		return errs.New(op, errs.InvalidArgument, "%d characters from position %d on are not in a text of length %d", deleted, pos, length)
	case len(inserted) > db.limits.Value:
		return errs.New(op, errs.TooLarge, "%d bytes in one edit, limit %d", len(inserted), db.limits.Value)
	case !utf8.Valid(inserted):
		return errs.New(op, errs.UnsupportedValue, "the text to insert is not well-formed")
	case !db.ropes.ValidPosition(x.content, pos):
		return errs.New(op, errs.InvalidArgument, "position %d is inside of a character", pos)
	case deleted > 0 && !db.ropes.ValidPosition(x.content, pos+deleted):
		return errs.New(op, errs.InvalidArgument, "position %d is inside of a character", pos+deleted)
	}
	return nil
}

// editText makes an edit that fits, as a part of the open burst. It fails, with
// nothing changed, if the text has taken in all edits that it can, or holds
// what the burst cannot follow.
func (db *DB) editText(c int32, x *textState, pos, deleted int32, inserted []byte) error {
	if x.marks != nil {
		return db.editMarked(c, x, pos, deleted, inserted)
	}
	var ops [2]egwalker.Op
	n := 0
	if deleted > 0 {
		ops[n] = egwalker.Op{Kind: egwalker.Delete, Pos: pos, Len: deleted}
		n++
	}
	if len(inserted) > 0 {
		ops[n] = egwalker.Op{Kind: egwalker.Insert, Pos: pos, Len: int32(rope.Units(inserted))}
		n++
	}
	if n == 0 {
		return nil
	}
	if err := x.extend(db, ops[:n], db.open.goesOn(c)); err != nil {
		return err
	}
	db.open.edit(db, c, ops[:n], inserted)
	db.changeText(x, c, pos, deleted, inserted, !db.tx.remote)
	return nil
}

// changeText changes the content of a text.
func (db *DB) changeText(x *textState, c, pos, deleted int32, inserted []byte, local bool) {
	db.ropes.Delete(x.content, int(pos), int(deleted))
	db.ropes.Insert(x.content, int(pos), inserted)
	x.edits++
	if len(x.anchors) > 0 {
		x.moveAnchors(pos, deleted, int32(rope.Units(inserted)))
	}
	if !x.watched {
		return
	}
	change := textChange{pos: pos, deleted: deleted, inserted: inserted, units: int32(rope.Units(inserted)), local: local}
	if x.marks == nil || len(inserted) == 0 {
		db.log(x, c, change)
		return
	}
	if deleted > 0 {
		db.log(x, c, textChange{pos: pos, deleted: deleted, local: local})
	}
	db.logContent(x, c, pos, pos+change.units, local)
}

// log notes a change of a text that is watched.
func (db *DB) log(x *textState, c int32, change textChange) {
	if n := len(x.log); n > 0 && x.log[n-1].join(&change) {
		return
	}
	change.inserted = slices.Clone(change.inserted)
	x.log = append(x.log, change)
	if !x.changed {
		x.changed = true
		db.textLog = append(db.textLog, c)
	}
}

// mergeText does to a text what block n with that past does: ops, whose inserts
// have that content, and whose boundaries are those of marks.
func (db *DB) mergeText(n crdt.Node, past crdt.Past, c int32, ops []egwalker.Op, content []byte, formats []formatting) {
	x := db.textOf(c)
	edits := x.merge(db, n, past, ops)
	if x.marks != nil || slices.ContainsFunc(edits, func(e egwalker.Edit) bool { return e.Kind > egwalker.Delete }) {
		db.mergeMarked(c, edits, content, formats)
		return
	}
	forInserted(edits, content, func(e egwalker.Edit, inserted []byte) {
		if e.Kind == egwalker.Delete {
			db.changeText(x, c, e.Pos, e.Len, nil, false)
		} else {
			db.changeText(x, c, e.Pos, 0, inserted, false)
		}
	})
}

// forInserted goes through edits with what each inserts.
func forInserted(edits []egwalker.Edit, content []byte, f func(e egwalker.Edit, inserted []byte)) {
	for _, e := range edits {
		var inserted []byte
		if e.Kind == egwalker.Insert { // in the order of the content
			n := rope.Offset(content, int(e.Len))
			inserted, content = content[:n], content[n:]
		}
		f(e, inserted)
	}
}

// clearText empties a text that only a refused transaction has seen.
func (db *DB) clearText(x *textState) {
	db.ropes.Delete(x.content, 0, db.ropes.Len(x.content))
	x.edits++
	x.sequence, x.log, x.anchors, x.marks = sequence{}, nil, nil, nil
}

// arrangeText brings the content of a text into another order.
func (db *DB) arrangeText(c int32, parts []part) {
	x := db.textOf(c)
	if x.marks != nil {
		db.arrangeMarked(x, c, parts)
		return
	}
	var content []byte
	for _, p := range parts {
		content = db.ropes.Append(content, x.content, int(p.pos), int(p.pos+p.len))
	}
	db.changeText(x, c, 0, int32(db.ropes.Len(x.content)), content, false)
}
