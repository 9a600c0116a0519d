package objectdb

import (
	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// This file applies a block bit by bit. Most of a big block makes objects. Their
// rows, registers and texts are written where they belong, out of sight: nothing
// leads to an object that was not created, and creates come last. What the block
// does to objects that are here already waits for that moment too, so that it is
// seen as a whole. Its node in the graph is held back likewise, so that edits made
// meanwhile are concurrent to it.

const (
	// holdOps is from how many elements on a block is applied bit by bit.
	holdOps = 256
	// holdStep is how many elements are read or applied between two questions.
	holdStep = 64
	// elementBytes is about what an element takes in a payload, without its value.
	elementBytes = 16
)

// holding is a block that is applied bit by bit.
type holding struct {
	block   Block
	applier *applier
	found   int       // of applier.objects
	next    int       // element
	hidden  bool      // the object under the cursor is
	later   []stretch // elements about objects that are here
	sorted  bool      // applier.edits, which are merged next
	edits   []sequenceEdit
}

// stretch are the elements from one up to another; index is the first op's.
type stretch struct {
	from, to int
	index    uint32
}

// creation is the create op of an object out of sight.
type creation struct {
	row int32
	at  crdt.Stamp
}

// ApplySome does a part of Apply, until enough, which it asks now and then, says so;
// done tells that all is done. Nobody sees anything of the block before that: not
// Read, queries, indexes, Frontier or Has. It is called again with the same Block, whose
// Payload is not to change meanwhile. Transactions may come in between, and are
// concurrent to it; another block, SetWriter and what else needs the graph whole
// finish it first. There is no Image while it goes on. It fails as Apply does, with
// nothing changed. A database that is given up in the middle has not had the block.
func (db *DB) ApplySome(b Block, enough func() bool) (done bool, err error) {
	if db.Holds(b.Ref) {
		return db.goOnHolding(enough), nil
	}
	db.finish()
	small := len(b.Payload) < elementBytes*db.holdOps
	if small && !db.long || db.Has(b.Ref) {
		return true, db.Apply(b)
	}
	parents, err := db.graph.Check(b.Ref, b.Prev, b.Deltas)
	if err != nil {
		return false, err
	}
	if done, err := db.read(b, small, enough); err != nil || !done {
		return false, err
	}
	if !db.prepare(b, parents, enough) {
		return false, nil
	}
	p := &db.decoded
	if !db.prepared.decoded || len(p.ops) < db.holdOps || p.count != b.Ops {
		return true, db.Apply(b)
	}
	db.epoch++
	n := db.graph.Hold(b.Ref, parents, b.Ops)
	db.held = &holding{block: b, applier: &applier{db: db, node: n, past: db.graph.PastOf(n), p: p, cursor: none}}
	return db.goOnHolding(enough), nil
}

// Holds reports whether ApplySome has begun to apply the block: it will be here, for
// nothing in it can be wrong any more.
func (db *DB) Holds(r feed.Ref) bool { return db.held != nil && db.held.block.Ref == r }

// read decodes the payload of a block into db.decoded, a small one at once.
func (db *DB) read(b Block, small bool, enough func() bool) (done bool, err error) {
	q := &db.prepared
	if small && q.of != b.Ref {
		db.forgetPrepared()
		if err := db.decoded.decode(b.Payload, db.limits); err != nil {
			return false, err
		}
		q.of, q.decoded = b.Ref, true
	}
	if q.of != b.Ref {
		db.forgetPrepared()
		d, err := db.decoded.begin(b.Payload, db.limits)
		if err != nil {
			return false, err
		}
		db.prepared = preparation{of: b.Ref, reading: &d}
	}
	if q.reading == nil {
		return true, nil
	}
	for !q.reading.some(db.holdStep) {
		if enough() {
			return false, nil
		}
	}
	err = q.reading.end()
	q.reading, q.decoded = nil, true
	if err != nil {
		db.forgetPrepared()
	}
	return err == nil, err
}

// finish ends what ApplySome has begun to apply.
func (db *DB) finish() {
	if db.held != nil {
		db.goOnHolding(func() bool { return false })
	}
}

// goOnHolding applies the next elements of the block that is held, and shows it
// when there are none.
func (db *DB) goOnHolding(enough func() bool) (done bool) {
	h := db.held
	if !h.findRows(enough) || !h.applyHidden(enough) || !h.mergeHidden(enough) {
		return false
	}
	db.held = nil
	db.reveal(h)
	return true
}

// findRows finds the rows of the block's tables. New objects are out of sight.
func (h *holding) findRows(enough func() bool) (done bool) {
	a := h.applier
	db := a.db
	if a.keys == nil {
		a.makeTables(len(a.p.objects) / id.ShortSize)
	}
	for h.found < len(a.objects) {
		v := a.p.object(int32(h.found))
		c := db.findObject(v)
		if c == none {
			c = db.object(v)
			db.containers.At(c).flags |= flagHidden
		}
		a.objects[h.found] = c
		if h.found++; h.found%db.holdStep == 0 && enough() {
			return false
		}
	}
	return true
}

// applyHidden applies what is about objects out of sight, and notes the rest.
func (h *holding) applyHidden(enough func() bool) (done bool) {
	a := h.applier
	for h.next < len(a.p.ops) {
		o := &a.p.ops[h.next]
		if o.code == elemSelect || o.code == elemCreate {
			h.hidden = a.db.containers.At(a.objects[o.index]).flags&flagHidden != 0
			if n := len(h.later); !h.hidden && (n == 0 || h.later[n-1].to != h.next) {
				h.later = append(h.later, stretch{h.next, h.next, a.index})
			}
		}
		h.next++
		switch {
		case h.hidden:
			a.apply(o)
		default:
			h.later[len(h.later)-1].to = h.next
			if !o.moves() {
				a.index++
			}
		}
		if h.next%a.db.holdStep == 0 && enough() {
			return false
		}
	}
	return true
}

// mergeHidden makes the texts and lists out of sight.
func (h *holding) mergeHidden(enough func() bool) (done bool) {
	a := h.applier
	if !h.sorted {
		a.sortEdits()
		h.sorted, h.edits = true, a.edits
	}
	for n := 0; len(h.edits) > 0; {
		h.edits = a.mergeFirst(h.edits)
		if n++; n%a.db.holdStep == 0 && enough() {
			return false
		}
	}
	a.edits = a.edits[:0]
	a.recountLists()
	return true
}

// reveal makes what was out of sight seen, and applies the rest.
func (db *DB) reveal(h *holding) {
	a := h.applier
	db.closeBurst()
	db.epoch++
	db.graph.Show(a.node, h.block.Ref.Hash)
	db.advance(h.block, a.node)
	for _, c := range a.created {
		db.create(c.row, c.at)
	}
	for _, c := range a.objects {
		if row := db.containers.At(c); row.flags&flagHidden != 0 {
			row.flags &^= flagHidden
			db.touch(c, true)
		}
	}
	for _, s := range h.later {
		a.index = s.index
		for i := s.from; i < s.to; i++ {
			a.apply(&a.p.ops[i])
		}
	}
	a.applyEdits()
	db.compact()
	db.forgetPrepared()
}
