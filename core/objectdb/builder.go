package objectdb

import (
	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// builder writes the payload of the open burst while its ops are applied.
type builder struct {
	node   crdt.Node
	past   crdt.Past
	whole  bool        // the past is everything
	before crdt.Node   // the own head before the burst
	tips   []crdt.Node // the graph's tips before the burst

	// The tables. Whether a row is in one is seen by looking at the place
	// that the row says it has, so truncating a table forgets its end.
	keys, objects, feeds []int32
	items                []int32
	columns              columns
	changes              []byte
	changed              int // changes
	lastTime             int64
	cursor               int32
	ops                  uint32

	// The last change: its elements, when it was made, whether it is whole and
	// not in changes yet, and whether it is of EditText, which others may join.
	body     []byte
	elements int
	time     int64
	sealed   bool
	typed    bool
	message  []byte // of the last change
	edited   int32  // the text that the last element edits, or none
	room     int    // up to how many characters goOn goes on
}

// savepoint is what a failing transaction goes back to.
type savepoint struct {
	keys, objects, feeds int
	items                int
	edits, runs, chars   int
	cursor               int32
	ops                  uint32
}

// save begins a change.
func (b *builder) save() savepoint {
	b.flush()
	c := &b.columns
	return savepoint{len(b.keys), len(b.objects), len(b.feeds), len(b.items), len(c.counts), len(c.runs), len(c.chars), b.cursor, b.ops}
}

// restore takes back what was written since save.
func (b *builder) restore(s savepoint) {
	b.keys, b.objects, b.feeds = b.keys[:s.keys], b.objects[:s.objects], b.feeds[:s.feeds]
	b.items = b.items[:s.items]
	c := &b.columns
	c.counts, c.runs, c.chars = c.counts[:s.edits], c.runs[:s.runs], c.chars[:s.chars]
	b.cursor, b.ops = s.cursor, s.ops
	b.empty()
}

// resume begins a change of EditText, or goes on with the last one.
func (b *builder) resume(timeMs int64) {
	if b.sealed && b.typed && b.time == timeMs {
		return
	}
	b.flush()
}

// endChange closes the change that began with op first. Without ops it is none.
func (b *builder) endChange(timeMs int64, message []byte, first uint32) {
	if b.ops == first {
		return
	}
	b.time, b.message, b.sealed = timeMs, message, true
}

// flush puts the last change behind the others.
func (b *builder) flush() {
	if b.sealed {
		b.changes = b.appendChange(b.changes)
		b.lastTime = b.time
		b.changed++
	}
	b.empty()
}

// appendChange appends the last change.
func (b *builder) appendChange(out []byte) []byte {
	out = wire.AppendArray(out, 3)
	out = wire.AppendInt(out, b.time-b.lastTime)
	if b.message == nil {
		out = wire.AppendNil(out)
	} else {
		out = wire.AppendString(out, string(b.message))
	}
	out = wire.AppendArray(out, b.elements)
	return append(out, b.body...)
}

func (b *builder) empty() {
	b.body, b.elements, b.sealed, b.typed, b.message, b.edited = b.body[:0], 0, false, false, nil, none
}

// size is about what the payload takes.
func (b *builder) size() int {
	return len(b.changes) + len(b.body) + len(b.message) + 4*len(b.items) + b.columns.size()
}

// bound is what the payload takes at most.
func (b *builder) bound(db *DB) int {
	n := 1<<10 + len(b.changes) + len(b.body) + len(b.message) + len(b.objects)*id.ShortSize + len(b.feeds)*id.HashSize
	for _, k := range b.keys {
		n += 5 + len(db.keys.At(k))
	}
	return n + 28*len(b.items) + b.columns.bound() // an item: a source and two varints
}

// payload puts the tables in front of the changes.
func (b *builder) payload(db *DB) []byte {
	out := make([]byte, 0, 64+b.size()+len(b.objects)*id.ShortSize+len(b.feeds)*id.HashSize+8*len(b.keys))
	columnar := len(b.items) > 0 || !b.columns.empty()
	if !columnar {
		out = wire.AppendArray(out, 5)
		out = wire.AppendUint(out, payloadVersion)
	} else {
		out = wire.AppendArray(out, 11)
		out = wire.AppendUint(out, b.columns.version())
	}
	var ids []byte
	for _, f := range b.feeds {
		v := db.graph.FeedID(f)
		ids = append(ids, v[:]...)
	}
	out = wire.AppendBytes(out, ids)
	out = wire.AppendArray(out, len(b.keys))
	for _, k := range b.keys {
		out = wire.AppendString(out, string(db.keys.At(k)))
	}
	ids = make([]byte, 0, len(b.objects)*id.ShortSize)
	for _, c := range b.objects {
		ids = append(ids, db.containers.At(c).id[:]...)
	}
	out = wire.AppendBytes(out, ids)
	if columnar {
		out = db.appendItems(out, b.items)
		out = b.columns.append(out)
	}
	if !b.sealed {
		return append(wire.AppendArray(out, b.changed), b.changes...)
	}
	// Straight from where it is: it may be all that there is.
	return b.appendChange(append(wire.AppendArray(out, b.changed+1), b.changes...))
}

// next is the stamp of the next op.
func (b *builder) next() crdt.Stamp { return crdt.Stamp{Node: b.node, Index: b.ops} }

// stamp counts an op.
func (b *builder) stamp() crdt.Stamp {
	at := b.next()
	b.ops++
	return at
}

func (b *builder) code(code int64) {
	b.edited = none
	b.body = wire.AppendInt(b.body, code)
	b.elements++
}

func (b *builder) number(v uint64) {
	b.body = wire.AppendUint(b.body, v)
	b.elements++
}

// key writes the place of a key, or of an item, in its table, where it puts it.
func (b *builder) key(db *DB, key int32) {
	b.edited = none
	if key < none {
		it := db.items.At(itemOf(key))
		if int(it.place) >= len(b.items) || b.items[it.place] != itemOf(key) {
			it.place = int32(len(b.items))
			b.items = append(b.items, itemOf(key))
		}
		b.number(uint64(it.place))
		return
	}
	at := db.slots[key]
	if int(at) >= len(b.keys) || b.keys[at] != key {
		at = int32(len(b.keys))
		db.slots[key] = at
		b.keys = append(b.keys, key)
	}
	b.number(uint64(at))
}

// object gives the place of an object in the table, where it puts it.
func (b *builder) object(db *DB, c int32) int32 {
	row := db.containers.At(c)
	if int(row.slot) >= len(b.objects) || b.objects[row.slot] != c {
		row.slot = int32(len(b.objects))
		b.objects = append(b.objects, c)
	}
	return row.slot
}

func (b *builder) seen(s seen) {
	b.number(s.lamport)
	for i, f := range b.feeds {
		if f == s.feed {
			b.number(uint64(i))
			return
		}
	}
	b.feeds = append(b.feeds, s.feed)
	b.number(uint64(len(b.feeds) - 1))
}

// nest writes an element about the container c: code, or code-1 if its creator
// saw an op.
func (b *builder) nest(db *DB, code int64, c int32) {
	row := db.containers.At(c)
	if row.seen.feed == none {
		b.code(code)
		b.key(db, row.key)
		return
	}
	b.code(code - 1)
	b.key(db, row.key)
	b.seen(row.seen)
}

// seek moves the cursor to a container.
func (b *builder) seek(db *DB, c int32) {
	if b.cursor == c {
		return
	}
	if root := db.root(c); b.cursor == none || db.root(b.cursor) != root {
		b.code(elemSelect)
		b.number(uint64(b.object(db, root)))
		b.cursor = root
	}
	for !db.within(c, b.cursor) {
		b.code(elemLeave)
		b.cursor = db.containers.At(b.cursor).parent
	}
	b.descend(db, c)
}

// descend enters the maps from the cursor down to c.
func (b *builder) descend(db *DB, c int32) {
	if b.cursor == c {
		return
	}
	b.descend(db, db.containers.At(c).parent)
	if db.containers.At(c).kind == typeList {
		b.nest(db, elemEnterList, c)
	} else {
		b.nest(db, elemEnter, c)
	}
	b.cursor = c
}

// within reports whether c is outer or in it.
func (db *DB) within(c, outer int32) bool {
	for ; c != none; c = db.containers.At(c).parent {
		if c == outer {
			return true
		}
	}
	return false
}

func (b *builder) create(db *DB, c int32) crdt.Stamp {
	b.object(db, c)
	b.code(elemCreate)
	b.cursor = c
	return b.stamp()
}

func (b *builder) set(db *DB, p place, raw []byte) crdt.Stamp {
	b.seek(db, p.container)
	b.key(db, p.key)
	b.body = append(b.body, raw...)
	b.elements++
	return b.stamp()
}

func (b *builder) put(db *DB, p place, child int32) crdt.Stamp {
	b.seek(db, p.container)
	if db.containers.At(child).kind == typeList {
		b.nest(db, elemList, child)
	} else {
		b.nest(db, elemPut, child)
	}
	b.cursor = child
	return b.stamp()
}

// count writes elemCount, or elemAdd, of a counter.
func (b *builder) count(db *DB, code int64, counter int32, n int64) crdt.Stamp {
	b.seek(db, db.containers.At(counter).parent)
	b.nest(db, code, counter)
	b.body = wire.AppendInt(b.body, n)
	b.elements++
	return b.stamp()
}

// text writes elemText, or elemEdit, of a text.
func (b *builder) text(db *DB, code int64, c int32) crdt.Stamp {
	b.seek(db, db.containers.At(c).parent)
	b.nest(db, code, c)
	b.columns.begin()
	b.edited = c
	return b.stamp()
}

// goesOn reports whether an edit of a text becomes a part of the last element, whose
// last run it may join.
func (b *builder) goesOn(c int32) bool {
	return b.edited == c && b.columns.counts[len(b.columns.counts)-1] > 0
}

// edit adds ops to the edit of a text, whose inserts have that content.
func (b *builder) edit(db *DB, c int32, ops []egwalker.Op, content []byte) {
	if b.edited != c {
		b.text(db, elemEdit, c)
	}
	for _, o := range ops {
		if o.Kind == egwalker.Insert {
			b.columns.add(o, content)
		} else {
			b.columns.add(o, nil)
		}
	}
}

// format writes elemFormat: a mark of a text, whose boundaries ops put in.
func (b *builder) format(db *DB, c, name int32, value []byte, ops []egwalker.Op) crdt.Stamp {
	b.seek(db, db.containers.At(c).parent)
	b.nest(db, elemFormat, c)
	b.key(db, name)
	b.body = append(b.body, value...)
	b.elements++
	b.columns.begin()
	for _, o := range ops {
		b.columns.add(o, nil)
	}
	return b.stamp()
}

// insert writes elemInsert: new items of list c, from i on, with these values.
func (b *builder) insert(db *DB, c, i int32, ops []egwalker.Op, values [][]byte) {
	b.seek(db, c)
	b.code(elemInsert)
	b.key(db, itemKey(i))
	b.number(uint64(len(values)))
	for _, v := range values {
		if kind := containerKind(v); kind != 0 {
			b.body = wire.AppendUint(wire.AppendArray(b.body, 1), uint64(kind))
		} else {
			b.body = append(b.body, v...)
		}
		b.elements++
	}
	b.columns.begin()
	for _, o := range ops {
		b.columns.add(o, nil)
	}
	b.stamp()
}

// item writes elemRemove or elemMove of an item of list c.
func (b *builder) item(db *DB, code int64, c, i int32, ops []egwalker.Op) crdt.Stamp {
	b.seek(db, c)
	b.code(code)
	b.key(db, itemKey(i))
	b.columns.begin()
	for _, o := range ops {
		b.columns.add(o, nil)
	}
	return b.stamp()
}

func (b *builder) deleteKey(db *DB, p place) crdt.Stamp {
	b.seek(db, p.container)
	b.code(elemDeleteKey)
	b.key(db, p.key)
	return b.stamp()
}

func (b *builder) life(db *DB, c int32, del bool) crdt.Stamp {
	b.seek(db, c)
	code := int64(elemRestore)
	if del {
		code = elemDelete
	}
	b.code(code)
	return b.stamp()
}
