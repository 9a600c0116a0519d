package objectdb

import (
	"github.com/echospace/echospace/core/crdt"
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
}

// applyOps applies a decoded payload, which cannot fail.
func (db *DB) applyOps(n crdt.Node, p *payload) {
	a := applier{db: db, node: n, past: db.graph.PastOf(n), p: p, cursor: none}
	a.keys = make([]int32, len(p.keys))
	for i, k := range p.keys {
		a.keys[i] = db.internKey(k)
	}
	a.objects = make([]int32, len(p.objects)/len(PropertiesID))
	for i := range a.objects {
		a.objects[i] = db.object(p.object(int32(i)))
	}
	for i := range p.ops {
		a.apply(&p.ops[i])
	}
}

func (a *applier) apply(o *op) {
	db := a.db
	switch o.code {
	case elemSelect:
		a.cursor = a.objects[o.index]
		return
	case elemEnter, elemEnterSeen:
		a.cursor = db.child(a.cursor, a.keys[o.index], a.seen(o), typeMap)
		return
	case elemLeave:
		a.cursor = db.containers.At(a.cursor).parent
		return
	}
	at := crdt.Stamp{Node: a.node, Index: a.index}
	a.index++
	switch o.code {
	case elemSet:
		a.write(a.keys[o.index], at, content{raw: a.p.raw[o.start:o.end]})
	case elemDeleteKey:
		a.write(a.keys[o.index], at, deletion)
	case elemPut, elemPutSeen:
		key := a.keys[o.index]
		child := db.child(a.cursor, key, a.seen(o), typeMap)
		a.write(key, at, content{child: child})
		a.cursor = child
		return
	case elemCount, elemCountSeen:
		key := a.keys[o.index]
		child := db.child(a.cursor, key, a.seen(o), typeCounter)
		a.write(key, at, content{child: child})
		db.containers.At(child).sum += o.number
	case elemAdd, elemAddSeen:
		child := db.child(a.cursor, a.keys[o.index], a.seen(o), typeCounter)
		db.containers.At(child).sum += o.number
	case elemCreate:
		a.cursor = a.objects[o.index]
		db.create(a.cursor, at)
	case elemDelete:
		db.setLife(a.cursor, at, wordTrue, a.past)
	case elemRestore:
		db.setLife(a.cursor, at, wordFalse, a.past)
	}
	db.touch(a.cursor, true)
}

func (a *applier) seen(o *op) seen {
	switch o.code {
	case elemPut, elemEnter, elemCount, elemAdd:
		return seen{feed: none}
	}
	return seen{lamport: o.lamport, feed: a.db.graph.Feed(a.p.feed(o.feed))}
}

func (a *applier) write(key int32, at crdt.Stamp, v content) {
	db := a.db
	db.touch(a.cursor, true)
	f := db.field(a.cursor, key)
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
