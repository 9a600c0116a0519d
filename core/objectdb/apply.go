package objectdb

import (
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/wire"
)

// applier applies the ops of one block.
type applier struct {
	db      *DB
	node    crdt.Node
	past    crdt.Past
	p       *payload
	keys    []int32 // rows of the payload's keys
	objects []int32 // rows of its objects
	cursor  int32
	index   uint32
	items   []int32 // rows of its items, once they are used
	edits   []sequenceEdit
	lists   []int32           // that it is about
	made    map[int32][]int32 // the slots that it makes, by list
	formats []formatting
	created []creation // of objects out of sight
}

// sequenceEdit is what one element does to a text or a list.
type sequenceEdit struct {
	container int32
	span      span
}

// applyOps applies a decoded payload, which cannot fail.
func (db *DB) applyOps(n crdt.Node, p *payload) {
	a := db.applier(n, p)
	for i := range p.ops {
		a.apply(&p.ops[i])
	}
	a.applyEdits()
}

// applier is one at the beginning of a payload.
func (db *DB) applier(n crdt.Node, p *payload) *applier {
	a := &applier{db: db, node: n, past: db.graph.PastOf(n), p: p, cursor: none}
	a.makeTables(len(p.objects) / len(PropertiesID))
	for i := range a.objects {
		a.objects[i] = db.object(p.object(int32(i)))
	}
	return a
}

// makeTables finds the rows of the keys, and makes room for those of objects and items.
func (a *applier) makeTables(objects int) {
	p := a.p
	rows := make([]int32, len(p.keys)+objects+len(p.items))
	a.keys, rows = rows[:len(p.keys)], rows[len(p.keys):]
	a.objects, a.items = rows[:objects], rows[objects:]
	for i, k := range p.keys {
		a.keys[i] = a.db.internKey(k)
	}
	for i := range a.items {
		a.items[i] = none
	}
}

// key is the key, or the item, that an element under the cursor is about.
func (a *applier) key(o *op) int32 {
	if a.db.containers.At(a.cursor).kind != typeList {
		return a.keys[o.index]
	}
	return itemKey(a.item(o.index))
}

// item is an item of the list under the cursor. One that is not in the past of the
// block, which only a faulty writer names, is one that was removed: whether it is
// here yet must not matter.
func (a *applier) item(index int32) int32 {
	db := a.db
	if i := a.items[index]; i != none && db.items.At(i).list == a.cursor {
		return i
	}
	name := a.p.items[index]
	i := db.findItem(a.cursor, name, a.past)
	if i == none {
		i = db.items.Append(item{list: a.cursor, field: none, shown: none, place: none, at: crdt.Stamp{Node: a.node, Index: a.index}, name: name})
	}
	a.items[index] = i
	return i
}

// move moves the cursor; it reports whether that is all that o does.
func (a *applier) move(o *op) bool {
	switch o.code {
	case elemSelect:
		a.cursor = a.objects[o.index]
	case elemEnter, elemEnterSeen:
		a.cursor = a.child(o, typeMap)
	case elemEnterList, elemEnterListSeen:
		a.cursor = a.child(o, typeList)
	case elemLeave:
		a.cursor = a.db.containers.At(a.cursor).parent
	default:
		return false
	}
	return true
}

// child is the container of a kind that o is about.
func (a *applier) child(o *op, kind uint8) int32 {
	return a.db.child(a.cursor, a.key(o), a.seen(o), kind)
}

func (a *applier) apply(o *op) {
	if a.move(o) {
		return
	}
	db := a.db
	at := crdt.Stamp{Node: a.node, Index: a.index}
	a.index++
	switch o.code {
	case elemSet:
		a.write(a.key(o), at, content{raw: a.p.raw[o.start:o.end]})
	case elemDeleteKey:
		a.write(a.key(o), at, deletion)
	case elemPut, elemPutSeen, elemList, elemListSeen:
		kind := uint8(typeMap)
		if o.code == elemList || o.code == elemListSeen {
			kind = typeList
		}
		child := a.child(o, kind)
		a.write(a.key(o), at, content{child: child})
		a.cursor = child
		return
	case elemInsert:
		a.insert(o, at)
	case elemRemove:
		a.edit(a.cursor, o)
		a.db.dropItem(a.item(o.index))
		a.lists = append(a.lists, a.cursor)
	case elemMove:
		a.edit(a.cursor, o)
		a.make(db.addSlot(a.item(o.index), at))
	case elemCount, elemCountSeen:
		child := a.child(o, typeCounter)
		a.write(a.key(o), at, content{child: child})
		db.containers.At(child).number += o.number
	case elemAdd, elemAddSeen:
		db.containers.At(a.child(o, typeCounter)).number += o.number
	case elemText, elemTextSeen:
		child := a.child(o, typeText)
		a.write(a.key(o), at, content{child: child})
		a.edit(child, o)
	case elemEdit, elemEditSeen:
		a.edit(a.child(o, typeText), o)
	case elemFormat, elemFormatSeen:
		child := a.child(o, typeText)
		a.edit(child, o)
		a.formats = append(a.formats, formatting{child, a.keys[o.number], at, a.p.raw[o.values:o.end]})
	case elemCreate:
		a.cursor = a.objects[o.index]
		if db.containers.At(a.cursor).flags&flagHidden != 0 {
			a.created = append(a.created, creation{a.cursor, at})
		} else {
			db.create(a.cursor, at)
		}
	case elemDelete:
		db.setLife(a.cursor, at, wordTrue, a.past)
	case elemRestore:
		db.setLife(a.cursor, at, wordFalse, a.past)
	}
	db.touch(a.cursor, true)
}

// insert makes new items.
func (a *applier) insert(o *op, at crdt.Stamp) {
	a.edit(a.cursor, o)
	r := wire.NewReader(a.p.raw[o.values:o.end])
	name := a.p.items[o.index]
	for range o.number {
		i := a.db.addItem(a.cursor, at, name)
		name.index++
		start := o.values + uint32(r.Offset())
		r.Skip()
		a.db.initItem(a.cursor, i, a.p.raw[start:o.values+uint32(r.Offset())])
		a.make(a.db.addSlot(i, at))
	}
}

// make notes a slot that the block makes in the list under the cursor.
func (a *applier) make(slot int32) {
	if a.made == nil {
		a.made = map[int32][]int32{}
	}
	a.made[a.cursor] = append(a.made[a.cursor], slot)
	a.lists = append(a.lists, a.cursor)
}

// edit notes an edit of a sequence: what a block does to it is done at once.
func (a *applier) edit(c int32, o *op) {
	if s := a.p.edits[o.start]; s.runs < s.runsEnd {
		a.edits = append(a.edits, sequenceEdit{c, s})
	}
}

// applyEdits does what the block does to texts and lists.
func (a *applier) applyEdits() {
	a.sortEdits()
	for rest := a.edits; len(rest) > 0; {
		rest = a.mergeFirst(rest)
	}
	a.recountLists()
}

// sortEdits puts the edits of one container beside each other.
func (a *applier) sortEdits() {
	if len(a.edits) < 2 {
		return
	}
	sort.Slice(a.edits, func(i, j int) bool {
		x, y := &a.edits[i], &a.edits[j]
		return x.container < y.container || x.container == y.container && x.span.runs < y.span.runs
	})
}

// mergeFirst does the edits of the first container, and gives those of the others.
func (a *applier) mergeFirst(edits []sequenceEdit) (rest []sequenceEdit) {
	n := 1
	for n < len(edits) && edits[n].container == edits[0].container {
		n++
	}
	a.applyEdit(edits[0].container, edits[:n])
	return edits[n:]
}

// recountLists counts what is hidden in the lists that were edited.
func (a *applier) recountLists() {
	for _, c := range a.lists {
		a.db.recountHidden(a.db.listOf(c))
	}
	a.lists = a.lists[:0]
}

// applyEdit does to one container what the block does to it.
func (a *applier) applyEdit(c int32, edits []sequenceEdit) {
	ops, chars := a.p.gather(edits)
	if a.db.containers.At(c).kind == typeText {
		a.db.mergeText(a.node, a.past, c, ops, chars, a.formatsOf(c))
		return
	}
	inserted := 0
	for _, o := range ops {
		if o.Kind == egwalker.Insert {
			inserted += int(o.Len)
		}
	}
	if inserted == len(a.made[c]) { // else its writer is faulty, as everybody sees
		a.db.mergeList(a.node, a.past, c, ops, a.made[c])
	}
}

// formatsOf are the marks that the block makes in a text.
func (a *applier) formatsOf(c int32) (out []formatting) {
	for _, f := range a.formats {
		if f.container == c {
			out = append(out, f)
		}
	}
	return out
}

// gather gives the runs and characters of all edits of one container.
func (p *payload) gather(edits []sequenceEdit) (ops []egwalker.Op, chars []byte) {
	if s := edits[0].span; len(edits) == 1 {
		return p.runs[s.runs:s.runsEnd], p.chars[s.chars:s.charsEnd]
	}
	for _, e := range edits {
		ops = append(ops, p.runs[e.span.runs:e.span.runsEnd]...)
		chars = append(chars, p.chars[e.span.chars:e.span.charsEnd]...)
	}
	return ops, chars
}

func (a *applier) seen(o *op) seen {
	switch o.code {
	case elemPut, elemEnter, elemCount, elemAdd, elemText, elemEdit, elemFormat, elemList, elemEnterList:
		return seen{feed: none}
	}
	return seen{lamport: o.lamport, feed: a.db.graph.Feed(a.p.feed(o.feed))}
}

func (a *applier) write(key int32, at crdt.Stamp, v content) {
	db := a.db
	db.touch(a.cursor, true)
	f := db.field(a.cursor, key)
	if f == none && key < none {
		return // the item was removed
	}
	if f == none {
		f = db.addField(a.cursor, key, at)
		db.fields.At(f).Value = db.word(f, v)
		return
	}
	for _, w := range db.fields.Write(db.graph, f, at, db.word(f, v), a.past) {
		db.freeWord(w)
	}
}

// create notes a create op. Honest writers create an object once; of several
// the first by order stands, on every replica alike.
func (db *DB) create(c int32, at crdt.Stamp) {
	row := db.containers.At(c)
	if row.created.Node != none {
		if db.graph.Compare(row.created, at) <= 0 {
			return
		}
		db.detach(c) // its place in the results is found by the old stamp
	}
	row.created = at
	db.recount(c)
}

// setLife writes the register of delete and restore.
func (db *DB) setLife(c int32, at crdt.Stamp, word uint64, past crdt.Past) {
	row := db.containers.At(c)
	if row.life == none {
		row.life = db.fields.New(crdt.Entry{Value: word, At: at, Owner: c, Tag: none, Link: none})
	} else {
		db.fields.Write(db.graph, row.life, at, word, past)
	}
	db.recount(c)
}

func (db *DB) internKey(k []byte) int32 {
	key := db.keys.Intern(k)
	for int(key) >= len(db.slots) {
		db.slots = append(db.slots, 0)
	}
	return key
}
