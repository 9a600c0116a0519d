package objectdb

import (
	"encoding/binary"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/wire"
)

// Undo takes the last step back, as a transaction of its own, and has Changes tell
// the page of it. It gives whether there was something to take back: a step of
// which others have left nothing is passed over. What others did stays:
//
//   - A key goes back to the value before, and an object to being there or not,
//     if the value there is still the one that the step wrote, and no other is
//     there beside it.
//   - Of a text the characters that the step inserted go, as far as they are there;
//     those that it took away come back at their place, unless somebody else took
//     them away too.
//   - A counter loses what was added to it.
//   - Of a list the items that the step inserted go. Those that it removed come
//     back as new items with equal contents, since a removal is for good: behind
//     the item that was before them, else before the one behind, else at their
//     old place. Those that it moved go back likewise, if nobody has moved them.
//   - A container that was the value of a key comes back as the same.
//
// It fails like Local; then nothing has changed, and the step can be tried again.
func (db *DB) Undo(timeMs int64) (bool, error) {
	u := &db.undo
	return db.revert(&u.undo, &u.redo, timeMs)
}

// Redo takes the last Undo back, as Undo does a step. Any edit has nothing left to
// redo.
func (db *DB) Redo(timeMs int64) (bool, error) {
	u := &db.undo
	return db.revert(&u.redo, &u.undo, timeMs)
}

// revert takes steps of one stack back until one has an effect, which the other
// stack then takes back.
func (db *DB) revert(from, to *[]*undoStep, timeMs int64) (bool, error) {
	if err := db.mayWrite(); err != nil {
		return false, err
	}
	db.EndStep()
	u := &db.undo
	for len(*from) > 0 {
		s := (*from)[len(*from)-1]
		run := &undoRun{db: db, step: s, stamps: map[written]crdt.Stamp{}, rows: map[int32]int32{}}
		back := u.newStep(s.message, s.time)
		err := db.transact(timeMs, nil, true, run.all, func(first uint32) { db.capture(back, first) })
		if err != nil {
			return false, err
		}
		*from = slices.Delete(*from, len(*from)-1, len(*from))
		u.drop(s)
		u.version++
		if len(back.records) == 0 {
			if len(*from) > 0 {
				(*from)[len(*from)-1].inherit(s.replaced)
			}
			continue
		}
		db.seal(back)
		back.inherit(s.replaced)
		back.inherit(run.replaced)
		run.follow(u)
		*to = u.push(*to, back)
		return true, nil
	}
	return false, nil
}

// undoRun takes one step back.
type undoRun struct {
	db       *DB
	step     *undoStep
	stamps   map[written]crdt.Stamp // what stands for which op now
	rows     map[int32]int32        // which container, or item by its itemKey, for which
	texts    []int32                // that are done
	replaced []replacement
}

// written is what an op wrote: the value of a register, or the slot of an item. The
// op that inserts items writes those of all of them.
type written struct {
	at   crdt.Stamp
	item int32 // or none
	slot bool
}

// all takes every record back, the last first.
func (run *undoRun) all() error {
	records := run.step.records
	for i := len(records) - 1; i >= 0; i-- {
		r := run.current(records[i])
		var err error
		switch r.kind {
		case recCreate:
			run.create(r.container)
		case recLife:
			run.life(&r)
		case recRegister:
			run.register(&r)
		case recCounter:
			run.counter(&r)
		case recText:
			err = run.text(r.container)
		case recInserted:
			from := i
			for from > 0 && records[from-1].kind == recInserted && records[from-1].container == records[i].container {
				from--
			}
			err = run.remove(r.container, records[from:i+1])
			i = from
		case recRemoved:
			from := max(0, i-int(r.run))
			err = run.insert(&r, records[from:i+1])
			i = from
		case recMoved:
			err = run.move(&r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// current is a record with what now stands for what it names.
func (run *undoRun) current(r undoRecord) undoRecord {
	if len(run.stamps)+len(run.rows) > 0 {
		run.rewrite(&r)
	}
	return r
}

func (run *undoRun) rewrite(r *undoRecord) (changed bool) {
	before, after := r.writes()
	for _, w := range [2]struct {
		at *crdt.Stamp
		is written
	}{{&r.before, before}, {&r.after, after}} {
		if to, ok := run.stamps[w.is]; ok && r.kind != recText {
			*w.at, changed = to, true
		}
	}
	row := func(at *int32, is bool) {
		if to, ok := run.rows[*at]; ok && is {
			*at, changed = to, true
		}
	}
	ofItem := r.kind == recInserted || r.kind == recRemoved || r.kind == recMoved
	row(&r.container, true)
	row(&r.child, r.kind == recRemoved)
	row(&r.left, r.n == childValue)
	row(&r.key, r.key < none)
	if ofItem {
		for _, at := range []*int32{&r.key, &r.left, &r.right} {
			if to, ok := run.rows[itemKey(*at)]; ok && *at != none {
				*at, changed = itemOf(to), true
			}
		}
	}
	return changed
}

// writes is what the ops before and after wrote.
func (r *undoRecord) writes() (before, after written) {
	before, after = written{at: r.before, item: none}, written{at: r.after, item: none}
	switch {
	case r.kind == recMoved:
		before, after = written{r.before, r.key, true}, written{r.after, r.key, true}
	case r.kind == recRemoved:
		before.item, after = r.key, written{r.after, r.key, true}
	case r.kind == recRegister && r.key < none:
		before.item, after.item = itemOf(r.key), itemOf(r.key)
	}
	return before, after
}

// follow has all other steps name what now stands for what they name.
func (run *undoRun) follow(u *undoStack) {
	if len(run.stamps)+len(run.rows) == 0 {
		return
	}
	for _, stack := range [][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			for i := range s.records {
				if run.rewrite(&s.records[i]) {
					s.dirty = true
				}
			}
		}
	}
}

// attached reports whether a container can be reached from its object.
func (db *DB) attached(c int32) bool {
	for {
		row := db.containers.At(c)
		if row.parent == none {
			return db.exists(c)
		}
		f := db.field(row.parent, row.key)
		if f == none || childWord(db.fields.At(f).Value) != c {
			return false
		}
		c = row.parent
	}
}

func (run *undoRun) create(c int32) {
	if db := run.db; c != propertiesRow && db.exists(c) && !db.deleted(c) {
		db.writeLife(c, true)
	}
}

// own reports whether a register holds nothing but what an op wrote.
func (run *undoRun) own(f int32, at crdt.Stamp) bool {
	if f == none {
		return false
	}
	e := run.db.fields.At(f)
	return e.At == at && e.Other == none
}

func (run *undoRun) life(r *undoRecord) {
	if db := run.db; run.own(db.containers.At(r.container).life, r.after) {
		run.stands(r, db.writeLife(r.container, r.n == 1))
	}
}

// stands notes that what was before a record was written again by an op.
func (run *undoRun) stands(r *undoRecord, now crdt.Stamp) {
	if before, _ := r.writes(); before.at.Node != none {
		run.stamps[before] = now
	}
}

func (run *undoRun) register(r *undoRecord) {
	db := run.db
	p := place{r.container, r.key}
	if !run.own(db.field(p.container, p.key), r.after) || !db.attached(p.container) {
		return
	}
	b := db.open
	var at crdt.Stamp
	value := deletion
	switch {
	case r.n == childValue:
		value = content{child: r.left}
		switch db.containers.At(r.left).kind {
		case typeCounter:
			at = b.count(db, elemCount, r.left, 0)
		case typeText:
			at = b.text(db, elemText, r.left)
		default:
			at = b.put(db, p, r.left)
		}
	case r.n > 0:
		value = content{raw: run.step.value(r)}
		at = b.set(db, p, value.raw)
	case p.key < none:
		return // an item always has a value
	default:
		at = b.deleteKey(db, p)
	}
	db.localWrite(p, at, value)
	run.stands(r, at)
}

func (run *undoRun) counter(r *undoRecord) {
	db := run.db
	if !db.attached(r.container) {
		return
	}
	v := wire.NewReader(run.step.value(r))
	n := -v.Int()
	db.tx.touch(r.container)
	db.open.count(db, elemAdd, r.container, n)
	db.addTo(r.container, n)
}

// text takes back all that the step did to a text.
func (run *undoRun) text(c int32) error {
	db := run.db
	if slices.Contains(run.texts, c) {
		return nil
	}
	run.texts = append(run.texts, c)
	if !db.attached(c) {
		return nil
	}
	x := db.textOf(c)
	var ranges []egwalker.Range
	var gone [][]byte
	for i := range run.step.records {
		r := run.current(run.step.records[i])
		if r.kind != recText || r.container != c {
			continue
		}
		if e := x.event(r.after.Node); e >= 0 {
			ranges = append(ranges, egwalker.Range{Event: e, First: int32(r.after.Index), Len: db.elementsOf(&r)})
			gone = append(gone, run.step.value(&r))
		}
	}
	pieces := x.history.Locate(ranges, db.replacements(x, c), byName{db.graph, x.nodes})
	for i := range pieces {
		pieces[i].Pos = x.textPosition(pieces[i].Pos)
	}
	for _, p := range slices.Backward(pieces) {
		if p.Kind == egwalker.Insert {
			if err := db.replaceText(c, p.Pos, p.Len, nil); err != nil {
				return err
			}
			continue
		}
		content := gone[p.Range]
		from := rope.Offset(content, int(p.Off))
		to := -1
		if from >= 0 {
			to = rope.Offset(content[from:], int(p.Len))
		}
		if to < 0 {
			continue // a stored record that is not of this text
		}
		by, _ := x.end(db, c, p.Pos, 0)
		if err := db.replaceText(c, p.Pos, 0, content[from:from+to]); err != nil {
			return err
		}
		run.replaced = append(run.replaced, replacement{
			text: c, n: p.Len,
			gone: crdt.Stamp{Node: x.nodes[ranges[p.Range].Event], Index: uint32(p.First)},
			by:   crdt.Stamp{Node: db.open.node, Index: uint32(by)},
		})
	}
	if len(pieces) > 0 {
		db.tx.touch(c)
	}
	return nil
}

// textPosition is the position in the text of a place in its sequence, in which the
// boundaries of marks stand too.
func (x *textState) textPosition(place int32) int32 {
	if x.marks == nil {
		return place
	}
	bounds := x.marks.bounds
	return place - int32(sort.Search(len(bounds), func(i int) bool { return bounds[i].at+int32(i) >= place }))
}

// replacements are what was put back into a text.
func (db *DB) replacements(x *textState, c int32) (out []egwalker.Replacement) {
	for _, stack := range [][]*undoStep{db.undo.undo, db.undo.redo} {
		for _, s := range stack {
			for _, r := range s.replaced {
				if r.text != c {
					continue
				}
				gone, by := x.event(r.gone.Node), x.event(r.by.Node)
				if gone >= 0 && by >= 0 {
					out = append(out, egwalker.Replacement{
						Gone: egwalker.Range{Event: gone, First: int32(r.gone.Index), Len: r.n},
						By:   egwalker.Range{Event: by, First: int32(r.by.Index), Len: r.n},
					})
				}
			}
		}
	}
	return out
}

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

// undoShapes is, for every record of a text that was edited by one of these nodes,
// the kinds and lengths of the ops of that node, in the order of eachMoved.
func (db *DB) undoShapes(nodes []crdt.Node) (shapes []string) {
	db.eachMoved(nodes, func(s *undoStep, c int32, at *crdt.Stamp, n *int32) {
		shapes = append(shapes, db.shape(c, at.Node))
	})
	return shapes
}

// checkShapes gives up the records of texts whose ops are others after a move:
// their elements cannot be told any more.
func (db *DB) checkShapes(shapes []string, old, moved []crdt.Node) {
	db.eachMoved(moved, func(s *undoStep, c int32, at *crdt.Stamp, n *int32) {
		if shapes[0] != db.shape(c, at.Node) {
			*n = 0
		}
		shapes = shapes[1:]
	})
}

func (db *DB) eachMoved(nodes []crdt.Node, f func(s *undoStep, c int32, at *crdt.Stamp, n *int32)) {
	for _, stack := range [][]*undoStep{db.undo.undo, db.undo.redo} {
		for _, s := range stack {
			for i := range s.records {
				if r := &s.records[i]; r.kind == recText && slices.Contains(nodes, r.after.Node) {
					f(s, r.container, &r.after, &r.place)
				}
			}
			for i := range s.replaced {
				r := &s.replaced[i]
				for _, at := range []*crdt.Stamp{&r.gone, &r.by} {
					if slices.Contains(nodes, at.Node) {
						f(s, r.text, at, &r.n)
					}
				}
			}
		}
	}
}

func (db *DB) shape(c int32, n crdt.Node) string {
	x := db.textOf(c)
	e := x.event(n)
	if e < 0 {
		return ""
	}
	var b []byte
	for _, o := range x.history.Ops(e) {
		b = binary.AppendUvarint(append(b, byte(o.Kind)), uint64(o.Len))
	}
	return string(b)
}
