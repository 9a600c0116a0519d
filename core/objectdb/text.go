package objectdb

import (
	"slices"
	"sort"
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

// textState is what a text is: its history, of which each event is what one
// block does to it, and its content.
type textState struct {
	history egwalker.Sequence
	nodes   []crdt.Node // of the events
	content rope.Text
	watched bool
	changed bool // is in DB.textLog
	log     []textChange
}

// textChange is a change of a text that is watched, as one that reads it meets it.
type textChange struct {
	pos, deleted int32
	inserted     []byte
	local        bool // by Local or EditText
}

// textOf is the state of a container that is a text.
func (db *DB) textOf(c int32) *textState { return db.texts.At(int32(db.containers.At(c).number)) }

// byName orders the events of a text by what wrote them.
type byName struct {
	graph *crdt.Graph
	nodes []crdt.Node
}

func (o byName) Before(a, b egwalker.Event) bool {
	return o.graph.CompareNames(o.nodes[a], o.nodes[b]) < 0
}

// FindText gives the text at a path of an object. It fails with NotFound.
func (db *DB) FindText(object id.ObjectID, path []string) (Text, error) {
	c := db.findObject(object)
	if c != none && db.exists(c) && len(path) > 0 {
		last := len(path) - 1
		for _, k := range path[:last] {
			if c = db.childOf(c, db.keys.Find([]byte(k)), typeMap); c == none {
				break
			}
		}
		if c != none {
			if t := db.childOf(c, db.keys.Find([]byte(path[last])), typeText); t != none {
				return Text(t), nil
			}
		}
	}
	return 0, errs.New("objectdb.FindText", errs.NotFound, "object %s has no text at %q", object, path)
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
	if db.open == nil {
		db.openBurst()
	}
	b := db.open
	b.resume(timeMs)
	if err := db.editText(c, x, int32(pos), int32(deleted), inserted); err != nil {
		if b.ops == 0 {
			db.abandonBurst()
		}
		return err
	}
	b.time, b.sealed, b.typed = timeMs, true, true
	db.graph.Extend(b.node, uint64(b.ops))
	db.touch(c, false)
	if b.size() >= maxBurst {
		db.closeBurst()
	}
	return nil
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
	if err := db.extendText(x, ops[:n]); err != nil {
		return err
	}
	db.open.edit(db, c, ops[:n], inserted)
	db.changeText(x, c, pos, deleted, inserted, true)
	return nil
}

// extendText adds ops of the open burst to a text's history.
func (db *DB) extendText(x *textState, ops []egwalker.Op) error {
	b := db.open
	if last := len(x.nodes) - 1; last >= 0 && x.nodes[last] == b.node {
		return x.history.Extend(ops)
	}
	if !b.whole {
		for _, e := range x.history.Frontier() {
			if !b.past.Has(x.nodes[e]) {
				return errs.New("objectdb.EditText", errs.FeedForked, "the text was edited in a branch of the own feed, which the next block cannot follow")
			}
		}
	}
	if _, err := x.history.Append(ops); err != nil {
		return errs.New("objectdb.EditText", errs.TooLarge, "the text cannot take in more edits: %w", err)
	}
	x.nodes = append(x.nodes, b.node)
	return nil
}

// changeText changes the content of a text.
func (db *DB) changeText(x *textState, c, pos, deleted int32, inserted []byte, local bool) {
	db.ropes.Delete(x.content, int(pos), int(deleted))
	db.ropes.Insert(x.content, int(pos), inserted)
	if !x.watched {
		return
	}
	x.log = append(x.log, textChange{pos, deleted, slices.Clone(inserted), local})
	if !x.changed {
		x.changed = true
		db.textLog = append(db.textLog, c)
	}
}

// mergeText does to a text what block n with that past does: ops, whose inserts
// have that content. Ops that do not fit what their writer saw, which only a
// faulty one makes, are passed over by every replica alike.
func (db *DB) mergeText(n crdt.Node, past crdt.Past, c int32, ops []egwalker.Op, content []byte) {
	x := db.textOf(c)
	db.parents = x.history.Project(func(e egwalker.Event) bool { return past.Has(x.nodes[e]) }, db.parents[:0])
	x.nodes = append(x.nodes, n)
	_, edits, err := x.history.Merge(db.parents, ops, byName{db.graph, x.nodes}, db.edits[:0])
	db.edits = trim(edits)
	if err != nil {
		x.nodes = x.nodes[:len(x.nodes)-1]
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
	x.history, x.nodes, x.log = egwalker.Sequence{}, nil, nil
}

// reorderTexts runs f, which changes what block n is called, and with it the
// order of what it and others insert at one place.
func (db *DB) reorderTexts(n crdt.Node, f func()) {
	var at []int32
	var before [][]egwalker.Run
	for c := range int32(db.containers.Len()) {
		if db.containers.At(c).kind != typeText {
			continue
		}
		if x := db.textOf(c); slices.Contains(x.nodes, n) {
			at = append(at, c)
			before = append(before, x.history.Layout(byName{db.graph, x.nodes}))
		}
	}
	f()
	for i, c := range at {
		x := db.textOf(c)
		x.history.Reset()
		if after := x.history.Layout(byName{db.graph, x.nodes}); !slices.Equal(before[i], after) {
			db.arrange(c, x, before[i], after)
		}
	}
}

// arrange brings the content of a text from one order of its elements to
// another.
func (db *DB) arrange(c int32, x *textState, before, after []egwalker.Run) {
	type part struct{ first, len, pos int32 }
	parts := make([]part, 0, len(before))
	pos := int32(0)
	for _, r := range before {
		parts = append(parts, part{r.First, r.Len, pos})
		pos += r.Len
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].first < parts[j].first })
	var content []byte
	for _, r := range after {
		for r.Len > 0 {
			p := parts[sort.Search(len(parts), func(i int) bool { return parts[i].first > r.First })-1]
			off := r.First - p.first
			n := min(r.Len, p.len-off)
			content = db.ropes.Append(content, x.content, int(p.pos+off), int(p.pos+off+n))
			r.First, r.Len = r.First+n, r.Len-n
		}
	}
	db.changeText(x, c, 0, pos, content, false)
	db.touch(c, true)
}
