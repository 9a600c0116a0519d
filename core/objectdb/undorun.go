package objectdb

import (
	"slices"

	"github.com/echospace/echospace/core/crdt"
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
//     those that it took away come back at their place, formatted as they would be
//     had they stayed, unless somebody else took them away too.
//   - Where a text shows a mark of the step, it shows again what it did before; what
//     was typed there since is a part of it as far as the marks grow over it.
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
	formats  []undoRecord // marks that were made: of recFormat, before is what they stand for
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
		case recText, recFormat:
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
	if len(run.stamps)+len(run.rows)+len(run.formats) == 0 {
		return
	}
	made := map[written][]crdt.Stamp{} // by what they are equal to, in a text
	for _, r := range run.formats {
		is := written{at: r.before, item: r.container}
		made[is] = append(made[is], r.after)
	}
	for _, stack := range [][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			s.followFormats(made)
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
