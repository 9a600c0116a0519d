package objectdb

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// container is an object, or a map, list, text or counter inside one. Nested ones know by
// which key and op they came to be, so that a payload can name them by their
// path.
type container struct {
	id      id.ObjectID
	seen    seen       // nested: what its creator saw in the register
	created crdt.Stamp // objects: the first create; Node none if there is none
	parent  int32      // none for an object
	key     int32      // nested: its key in the parent, or the itemKey of its item
	first   int32      // chain of fields through Link
	last    int32
	count   int32
	life    int32 // objects: the register of delete and restore, or none
	slot    int32 // its place in the open burst, if it is there
	flags   uint8
	kind    uint8 // typeMap, typeList, typeText or typeCounter
	number  int64 // counters: the sum; texts and lists: the place in DB.texts, DB.lists
}

// seen names an op by lamport and feed; feed none is no op.
type seen struct {
	lamport uint64
	feed    int32
}

// Flags of an object.
const (
	flagDirty  = 1 << iota // is in DB.dirty
	flagRemote             // since it was last drained a block changed it
	flagAlive              // is counted in DB.alive
	flagStale              // is in indexes.stale
	flagHidden             // only the block that is held knows of it
)

// The type of a container in its id: the number of such values.
const (
	typeMap     = valueMap
	typeCounter = valueCounter
	typeText    = valueText
	typeList    = valueList
)

// manyFields is how many fields of a container are searched one by one.
const manyFields = 16

// find gives the container of that id in that parent, or none. The parent is
// part of the question because an object's id is its creator's choice: one that
// equals a map's must not become that map.
func (db *DB) find(v id.ObjectID, parent int32) int32 {
	return db.findHashed(maphash.Bytes(db.seed, v[:]), v, parent)
}

func (db *DB) findHashed(hash uint64, v id.ObjectID, parent int32) int32 {
	return db.byID.Find(hash, func(c int32) bool {
		row := db.containers.At(c)
		return row.id == v && row.parent == parent
	})
}

// findObject gives the row of an object, created or not, or none.
func (db *DB) findObject(v id.ObjectID) int32 { return db.find(v, none) }

// object gives the row of an object, which it makes if there is none: one that
// does not exist yet as far as anybody can see.
func (db *DB) object(v id.ObjectID) int32 {
	hash := maphash.Bytes(db.seed, v[:])
	if c := db.findHashed(hash, v, none); c != none {
		return c
	}
	row := db.containers.Append(container{
		id: v, seen: seen{feed: none}, created: crdt.Stamp{Node: none}, parent: none, key: none,
		first: none, last: none, life: none, kind: typeMap,
	})
	db.byID.Insert(hash, row)
	return row
}

func (db *DB) addContainer(c container) int32 {
	c.first, c.last, c.life, c.created = none, none, none, crdt.Stamp{Node: none}
	if c.kind == typeText {
		c.number = int64(len(db.texts))
		db.texts = append(db.texts, &textState{content: db.ropes.New()})
	}
	if c.kind == typeList {
		c.number = int64(len(db.lists))
		db.lists = append(db.lists, &listState{})
	}
	row := db.containers.Append(c)
	db.byID.Insert(maphash.Bytes(db.seed, c.id[:]), row)
	return row
}

// child gives the container of a kind that whoever saw s at key of parent
// creates there.
func (db *DB) child(parent, key int32, s seen, kind uint8) int32 {
	c, v := db.findChild(parent, key, s, kind)
	if c == none {
		return db.addContainer(container{id: v, parent: parent, key: key, seen: s, kind: kind})
	}
	// A faulty writer may have named it before the item that it is in was here.
	if row := db.containers.At(c); key < none && row.key != key && db.items.At(itemOf(row.key)).field == none {
		row.key = key
	}
	return c
}

// childName is what the id of a nested container is made of.
type childName struct {
	parent, key int32
	seen        seen
	kind        uint8
}

// findChild gives that container, or none and its id. To look for the same again, as
// for a text that is typed in block after block, costs no hash.
func (db *DB) findChild(parent, key int32, s seen, kind uint8) (c int32, v id.ObjectID) {
	last, name := &db.lastChild, childName{parent, key, s, kind}
	if last.row > 0 && last.name == name {
		return last.row, v
	}
	v = db.childID(db.containers.At(parent).id, db.keyBytes(key), s, kind)
	if c = db.find(v, parent); c != none {
		last.name, last.row = name, c
	}
	return c, v
}

// childID is the truncated labelled hash of parent, type, seen op and key.
func (db *DB) childID(parent id.ObjectID, key []byte, s seen, kind uint8) id.ObjectID {
	var op []byte
	if s.feed != none {
		f := db.graph.FeedID(s.feed)
		op = append(binary.BigEndian.AppendUint64(nil, s.lamport), f[:]...)
	}
	h := keys.SumLabel("echospace container", parent[:], []byte{kind}, op, key)
	return id.ObjectID(h[:id.ShortSize])
}

// root is the object that c is in.
func (db *DB) root(c int32) int32 {
	for {
		p := db.containers.At(c).parent
		if p == none {
			return c
		}
		c = p
	}
}

func (db *DB) fieldHash(c, key int32) uint64 {
	var b [8]byte
	binary.LittleEndian.PutUint32(b[:4], uint32(c))
	binary.LittleEndian.PutUint32(b[4:], uint32(key))
	return maphash.Bytes(db.seed, b[:])
}

// field gives the register of a key, or of an item of a list, or none.
func (db *DB) field(c, key int32) int32 {
	if key < none {
		return db.items.At(itemOf(key)).field
	}
	row := db.containers.At(c)
	if row.count > manyFields {
		return db.byField.Find(db.fieldHash(c, key), func(f int32) bool {
			e := db.fields.At(f)
			return e.Owner == c && e.Tag == key
		})
	}
	for f := row.first; f != none; {
		e := db.fields.At(f)
		if e.Tag == key {
			return f
		}
		f = e.Link
	}
	return none
}

// addField appends a register to c, which has none for the key.
func (db *DB) addField(c, key int32, at crdt.Stamp) int32 {
	f := db.fields.New(crdt.Entry{At: at, Owner: c, Tag: key, Link: none})
	row := db.containers.At(c)
	if row.last == none {
		row.first = f
	} else {
		db.fields.At(row.last).Link = f
	}
	row.last = f
	row.count++
	switch {
	case row.count == manyFields+1:
		for i := row.first; i != none; i = db.fields.At(i).Link {
			db.byField.Insert(db.fieldHash(c, db.fields.At(i).Tag), i)
		}
	case row.count > manyFields:
		db.byField.Insert(db.fieldHash(c, key), f)
	}
	return f
}

// dropLastField takes back the latest addField of c. The index may keep the
// row: a register that is not the key's is passed over.
func (db *DB) dropLastField(c int32) {
	row := db.containers.At(c)
	f := row.last
	row.count--
	if row.first == f {
		row.first, row.last = none, none
	} else {
		before := row.first
		for db.fields.At(before).Link != f {
			before = db.fields.At(before).Link
		}
		db.fields.At(before).Link = none
		row.last = before
	}
	db.freeField(f)
}

func (db *DB) freeField(f int32) {
	for i := f; i != none; i = db.fields.At(i).Other {
		db.freeWord(db.fields.At(i).Value)
	}
	db.fields.Delete(f)
}

// dropFields empties a container that only a refused transaction has seen.
func (db *DB) dropFields(c int32) {
	row := db.containers.At(c)
	for f := row.first; f != none; {
		next := db.fields.At(f).Link
		db.freeField(f)
		f = next
	}
	row.first, row.last, row.count = none, none, 0
	switch row.kind {
	case typeText:
		db.clearText(db.textOf(c))
	case typeList:
		*db.listOf(c) = listState{}
	default:
		row.number = 0
	}
}

// childOf gives the container of a kind that is the value of a key, or none.
func (db *DB) childOf(c, key int32, kind uint8) int32 {
	if key == none {
		return none
	}
	f := db.field(c, key)
	if f == none {
		return none
	}
	child := childWord(db.fields.At(f).Value)
	if child == none || db.containers.At(child).kind != kind {
		return none
	}
	return child
}

// exists reports whether c is an object that was created.
func (db *DB) exists(c int32) bool {
	return c == propertiesRow || db.containers.At(c).created.Node != none
}

// propertiesRow is the row of PropertiesID: New makes it first.
const propertiesRow = 0

// deleted reports whether the last word on an object is that it is deleted.
func (db *DB) deleted(c int32) bool {
	life := db.containers.At(c).life
	return life != none && db.fields.At(life).Value == wordTrue
}

// recount keeps DB.alive after a create, delete or restore.
func (db *DB) recount(c int32) {
	row := db.containers.At(c)
	alive := c != propertiesRow && row.created.Node != none && !db.deleted(c)
	switch {
	case alive && row.flags&flagAlive == 0:
		row.flags |= flagAlive
		db.alive++
	case !alive && row.flags&flagAlive != 0:
		row.flags &^= flagAlive
		db.alive--
	}
}

// compareCreated orders objects by creation: lamport, feed, index in the block.
func (db *DB) compareCreated(a, b int32) int {
	if a == b {
		return 0
	}
	x, y := db.containers.At(a), db.containers.At(b)
	if c := db.graph.Compare(x.created, y.created); c != 0 {
		return c
	}
	return id.Compare(x.id, y.id)
}

// touch notes that the object c is in has changed.
func (db *DB) touch(c int32, remote bool) {
	c = db.root(c)
	row := db.containers.At(c)
	if row.flags&flagHidden != 0 {
		return
	}
	if remote {
		row.flags |= flagRemote
	}
	for _, e := range db.exports {
		e.note(c)
	}
	if row.flags&flagDirty == 0 {
		row.flags |= flagDirty
		db.dirty = append(db.dirty, c)
	}
	if len(db.indexes.all) > 0 && row.flags&flagStale == 0 {
		row.flags |= flagStale
		db.indexes.stale = append(db.indexes.stale, c)
	}
}
