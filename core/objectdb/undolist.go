package objectdb

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/wire"
)

// here reports whether an item is in a list that can be reached.
func (db *DB) here(list, i int32) bool {
	it := db.items.At(i)
	return it.list == list && it.field != none && it.shown != none
}

// remove removes items that the step inserted.
func (run *undoRun) remove(c int32, records []undoRecord) error {
	db := run.db
	if !db.attached(c) {
		return nil
	}
	var items []int32
	for _, r := range records {
		if r = run.current(r); db.here(c, r.key) {
			items = append(items, r.key)
		}
	}
	if len(items) == 0 {
		return nil
	}
	return db.removeItems(c, db.listOf(c), items)
}

// insert puts items back that the step removed together, of which last is the
// last.
func (run *undoRun) insert(last *undoRecord, records []undoRecord) error {
	db, c := run.db, last.container
	if !db.attached(c) {
		return nil
	}
	values := make([][]byte, len(records))
	for i := range records {
		values[i] = run.step.value(&records[i])
	}
	l := db.listOf(c)
	first := run.current(records[0])
	items, err := db.insertItems(c, l, db.between(l, &first), values)
	if err != nil {
		return err
	}
	depth := 1
	for at := c; at != none; at = db.containers.At(at).parent {
		depth++
	}
	for k, i := range items {
		if kind := containerKind(values[k]); kind != 0 {
			r := wire.NewReader(nil)
			db.fillItem(r, values[k], c, i, kind, depth-1)
			if r.Err() != nil {
				return r.Err()
			}
		}
		old := run.current(records[k])
		run.rows[itemKey(old.key)] = itemKey(i)
		it := db.items.At(i)
		value, slot := old.writes()
		run.stamps[value], run.stamps[slot] = db.fields.At(it.field).At, db.slotRows.At(it.shown).at
		if child := childWord(db.fields.At(it.field).Value); old.child != none && child != none {
			run.inside(old.child, child)
			if err := db.formatLike(child, old.child); err != nil {
				return err
			}
		}
	}
	return nil
}

// between is where among the slots an item belongs: behind the one that was before
// it, else before the one that was behind it, else at its old place.
func (db *DB) between(l *listState, r *undoRecord) int {
	switch {
	case r.left != none && db.here(r.container, r.left):
		return slices.Index(l.slots, db.items.At(r.left).shown) + 1
	case r.right != none && db.here(r.container, r.right):
		return slices.Index(l.slots, db.items.At(r.right).shown)
	}
	return db.position(l, int(r.place))
}

// inside notes that a container, with the maps and counters in it, stands for
// another.
func (run *undoRun) inside(old, now int32) {
	db := run.db
	a, b := db.containers.At(old), db.containers.At(now)
	if a.kind != b.kind || a.kind == typeText || a.kind == typeList {
		return
	}
	run.rows[old] = now
	for f := a.first; f != none; {
		e := db.fields.At(f)
		if g := db.field(now, e.Tag); g != none {
			run.stamps[written{at: e.At, item: none}] = db.fields.At(g).At
			x, y := childWord(e.Value), childWord(db.fields.At(g).Value)
			if x != none && y != none {
				run.inside(x, y)
			}
		}
		f = e.Link
	}
}

// formatLike formats the texts in a new container as those are in the one that it
// stands for, where they still hold the same.
func (db *DB) formatLike(c, old int32) error {
	a, b := db.containers.At(old), db.containers.At(c)
	if a.kind != b.kind {
		return nil
	}
	children := func(x, y uint64) error {
		if x, y := childWord(x), childWord(y); x != none && y != none {
			return db.formatLike(y, x)
		}
		return nil
	}
	switch a.kind {
	case typeText:
		return db.formatLikeText(c, old)
	case typeMap:
		for f := a.first; f != none; {
			e := *db.fields.At(f)
			if g := db.field(c, e.Tag); g != none {
				if err := children(e.Value, db.fields.At(g).Value); err != nil {
					return err
				}
			}
			f = e.Link
		}
	case typeList:
		was, is := db.shownValues(old), db.shownValues(c)
		for i := range min(len(was), len(is)) {
			if err := children(was[i], is[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// shownValues are the values of the items of a list.
func (db *DB) shownValues(c int32) (words []uint64) {
	for _, s := range db.listOf(c).slots {
		if db.isShown(s) {
			words = append(words, db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value)
		}
	}
	return words
}

func (db *DB) formatLikeText(c, old int32) error {
	x, y := db.textOf(old), db.textOf(c)
	if x.marks == nil || !bytes.Equal(db.ropes.Append(nil, x.content, 0, db.ropes.Len(x.content)), db.ropes.Append(nil, y.content, 0, db.ropes.Len(y.content))) {
		return nil
	}
	return db.format(c, db.formatsOf(x)...)
}

// move moves an item back.
func (run *undoRun) move(r *undoRecord) error {
	db, c := run.db, r.container
	if !db.here(c, r.key) || !db.attached(c) || db.slotRows.At(db.items.At(r.key).shown).at != r.after {
		return nil
	}
	l := db.listOf(c)
	from, left, right, n := 0, -1, -1, 0
	for _, s := range l.slots {
		if !db.isShown(s) {
			continue
		}
		switch db.slotRows.At(s).item {
		case r.key:
			from = n
			continue // places are counted without it
		case r.left:
			left = n
		case r.right:
			right = n
		}
		n++
	}
	to := min(int(r.place), n)
	switch {
	case left >= 0:
		to = left + 1
	case right >= 0:
		to = right
	}
	if err := db.moveItem(c, from, to); err != nil {
		return err
	}
	run.stands(r, db.slotRows.At(db.items.At(r.key).shown).at)
	return nil
}
