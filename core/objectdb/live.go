package objectdb

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// maxQueries bounds what one database watches at a time.
const maxQueries = 1 << 16

// query is a live query and its result.
type query struct {
	number        uint32
	filter        *clause
	deleted       uint8
	sort          []sortBy
	offset, limit int // limit 0 is none

	member flat.Bits
	list   flat.Ranked // members in their order
	order  func(a, b int32) int
	keys   flat.Heap // sort keys of members
	keyAt  []uint64  // where, by row
	window []int32   // what of the list is given, if not all is
	stale  bool      // the window has to be looked at
	gone   []byte    // ids of members that left between two drains
	// The result of the drain that goes on.
	removed, changed []byte
	added            []int32
}

// windowed reports whether only a part of the list is given.
func (q *query) windowed() bool { return q.offset > 0 || q.limit > 0 }

// OpenQuery reads a query (see filter.go), gives it a number, and gives the ids
// of the objects in it, in its order; unless it says another, that is the order
// of their creation: (lamport, feed, index in the block). From then on Changes
// tells what changes in it, until CloseQuery. It fails with Malformed,
// UnsupportedValue or TooLarge. Opening costs the number of objects; nothing
// later does.
func (db *DB) OpenQuery(b []byte) (n uint32, ids []byte, err error) {
	q, err := db.readQuery(b)
	if err != nil {
		return 0, nil, err
	}
	if len(db.queries) >= maxQueries {
		return 0, nil, errs.New("objectdb.OpenQuery", errs.TooLarge, "%d queries are open; close some", maxQueries)
	}
	db.lastQuery++
	q.number, q.order = db.lastQuery, db.order
	if len(q.sort) > 0 {
		q.order = func(a, b int32) int {
			if c := bytes.Compare(q.keys.Get(q.keyAt[a]), q.keys.Get(q.keyAt[b])); c != 0 {
				return c
			}
			return db.order(a, b)
		}
	}
	var rows []int32
	for c := range int32(db.containers.Len()) {
		if db.containers.At(c).parent == none && db.visible(q, c) {
			q.member.Add(c)
			db.setSortKey(q, c)
			rows = append(rows, c)
		}
	}
	slices.SortFunc(rows, q.order)
	q.list.Load(rows)
	if q.windowed() {
		rows = q.newWindow()
		q.window = rows
	}
	ids = make([]byte, 0, len(rows)*id.ShortSize)
	for _, c := range rows {
		ids = db.appendID(ids, c)
	}
	db.queries = append(db.queries, q)
	return q.number, ids, nil
}

// setSortKey notes what a member is sorted by.
func (db *DB) setSortKey(q *query, c int32) {
	if len(q.sort) == 0 {
		return
	}
	for int(c) >= len(q.keyAt) {
		q.keyAt = append(q.keyAt, 0)
	}
	db.sortKey = db.appendSortKey(db.sortKey[:0], c, q.sort)
	q.keyAt[c] = q.keys.Put(c, db.sortKey)
}

// moved reports whether a member is sorted by something else than before.
func (db *DB) moved(q *query, c int32) bool {
	if len(q.sort) == 0 {
		return false
	}
	db.sortKey = db.appendSortKey(db.sortKey[:0], c, q.sort)
	return !bytes.Equal(db.sortKey, q.keys.Get(q.keyAt[c]))
}

// leave takes a member out of the list.
func (q *query) leave(c int32) {
	q.member.Remove(c)
	q.list.Remove(c, q.order)
	q.stale = true
	if len(q.sort) > 0 {
		q.keys.Free(q.keyAt[c])
		q.keys.Compact(func(owner int32, ref uint64) *uint64 {
			if q.member.Has(owner) && q.keyAt[owner] == ref {
				return &q.keyAt[owner]
			}
			return nil
		})
	}
}

// enter puts an object into the list.
func (db *DB) enter(q *query, c int32) {
	q.member.Add(c)
	db.setSortKey(q, c)
	q.list.Insert(c, q.order)
	q.stale = true
}

// newWindow is what of the list is to be given.
func (q *query) newWindow() []int32 {
	to := q.list.Len()
	if q.limit > 0 {
		to = min(to, q.offset+q.limit)
	}
	return q.list.Slice(nil, min(q.offset, to), to)
}

// CloseQuery ends a query; an unknown number is passed over.
func (db *DB) CloseQuery(n uint32) {
	db.queries = slices.DeleteFunc(db.queries, func(q *query) bool { return q.number == n })
}

// HasChanges reports whether Changes has something to look at.
func (db *DB) HasChanges() bool {
	return len(db.dirty) > 0 || len(db.textLog) > 0 || slices.ContainsFunc(db.queries, func(q *query) bool { return len(q.gone) > 0 || q.windowed() && q.stale })
}

// maxDrain bounds the evaluations of queries in one call of Changes.
const maxDrain = 1 << 13

// Changes drains what changed since it was called last, about limit bytes of
// records at a time (at least one object), or gives nil if there is nothing:
//
//	[[record...], [[query, removed bin, [[index, object bin16]...], changed bin]...],
//	 [[Text, [pos, deleted, inserted nil|str, local bool, attributes]...]...], more bool]
//
// A record is there for each object that a block changed, not for one that only
// Local changed. removed and changed are 16-byte ids. The order of use is: take
// out removed, then insert each added at its index, in the order given. While
// more is true the rest of the same state follows: show nothing before it came,
// for a transaction may be half in this batch. Objects changed between two such
// calls join the rest. What happened in texts that are watched, replacements one
// after the other, does not wait for the rest: who edits a text must know it as
// it is. attributes are nil or [name, value, ...], those of what is inserted, or,
// if that is nil, those that deleted characters from pos on get, which stay then:
// the value nil takes one away. The caller owns the bytes.
func (db *DB) Changes(limit int) []byte {
	if !db.HasChanges() {
		return nil
	}
	var records []byte
	count := 0
	for work := 0; db.drained < len(db.dirty) && work < maxDrain; work += 1 + len(db.queries) {
		if count > 0 && len(records) >= limit {
			break
		}
		c := db.dirty[db.drained]
		db.drained++
		row := db.containers.At(c)
		remote := row.flags&flagRemote != 0
		row.flags &^= flagDirty | flagRemote
		if !db.exists(c) {
			continue
		}
		if remote {
			records = db.appendRecord(records, c)
			count++
		}
		for _, q := range db.queries {
			db.evaluate(q, c)
		}
	}
	more := db.drained < len(db.dirty)
	if !more {
		db.dirty, db.drained = trim(db.dirty), 0
	}
	return db.appendChanges(count, records, more)
}

// evaluate brings one query up to date with one object.
func (db *DB) evaluate(q *query, c int32) {
	was, is := q.member.Has(c), db.visible(q, c)
	switch {
	case was && is && db.moved(q, c):
		q.leave(c)
		db.enter(q, c)
		if !q.windowed() {
			q.removed = db.appendID(q.removed, c)
			q.added = append(q.added, c)
		}
		q.changed = db.appendID(q.changed, c)
	case was && is:
		q.changed = db.appendID(q.changed, c)
	case is:
		db.enter(q, c)
		if !q.windowed() {
			q.added = append(q.added, c)
		}
	case was:
		q.leave(c)
		if !q.windowed() {
			q.removed = db.appendID(q.removed, c)
		}
	}
}

// slide compares the window of a query with what it was, at the end of a drain:
// what is in it no more, or stands elsewhere among the others, is taken out;
// then what is new, or was taken out for its place, is put in.
func (db *DB) slide(q *query) {
	if !q.windowed() {
		return
	}
	if !q.stale && len(q.changed) == 0 {
		return
	}
	now := q.window
	if q.stale {
		now = q.newWindow()
	}
	at := make(map[int32]int, len(now))
	for i, c := range now {
		at[c] = i
	}
	if q.stale {
		kept := map[int32]bool{}
		last := -1
		for _, c := range q.window {
			if i, in := at[c]; in && i > last {
				kept[c], last = true, i
			} else {
				q.removed = db.appendID(q.removed, c)
			}
		}
		for _, c := range now {
			if !kept[c] {
				q.added = append(q.added, c)
			}
		}
		q.window, q.stale = now, false
	}
	inside := q.changed[:0]
	for part := range slices.Chunk(q.changed, id.ShortSize) {
		if _, in := at[db.findObject(id.ObjectID(part))]; in {
			inside = append(inside, part...)
		}
	}
	q.changed = inside
}

// detach takes an object out of all results, before its place in their order
// changes; the caller touches it, so that it comes back.
func (db *DB) detach(c int32) {
	for _, q := range db.queries {
		if q.member.Has(c) {
			q.leave(c)
			if !q.windowed() {
				q.gone = db.appendID(q.gone, c)
			}
		}
	}
}

func (db *DB) appendID(b []byte, c int32) []byte {
	return append(b, db.containers.At(c).id[:]...)
}

func (db *DB) appendChanges(count int, records []byte, more bool) []byte {
	touched := 0
	for _, q := range db.queries {
		q.removed = append(q.removed, q.gone...)
		q.gone = nil
		if !more {
			db.slide(q)
		}
		if q.hasResult(more) {
			touched++
		}
	}
	if count == 0 && touched == 0 && !more && len(db.textLog) == 0 {
		return nil
	}
	out := make([]byte, 0, len(records)+64)
	out = wire.AppendArray(out, 4)
	out = wire.AppendArray(out, count)
	out = append(out, records...)
	out = wire.AppendArray(out, touched)
	for _, q := range db.queries {
		if q.hasResult(more) {
			out = db.appendResult(out, q)
			q.removed, q.changed, q.added = nil, nil, trim(q.added)
		}
	}
	out = db.appendTextLog(out)
	return wire.AppendBool(out, more)
}

// appendTextLog appends what happened in the texts that are watched.
func (db *DB) appendTextLog(b []byte) []byte {
	b = wire.AppendArray(b, len(db.textLog))
	for _, c := range db.textLog {
		x := db.textOf(c)
		b = wire.AppendArray(b, 1+5*len(x.log))
		b = wire.AppendUint(b, uint64(c))
		for _, t := range x.log {
			b = wire.AppendUint(b, uint64(t.pos))
			b = wire.AppendUint(b, uint64(t.deleted))
			if t.formats {
				b = wire.AppendNil(b)
			} else {
				b = wire.AppendString(b, string(t.inserted))
			}
			b = wire.AppendBool(b, t.local)
			if t.attributes == nil {
				b = wire.AppendNil(b)
			} else {
				b = append(b, t.attributes...)
			}
		}
		x.changed, x.log = false, nil
	}
	db.textLog = trim(db.textLog)
	return b
}

// hasResult reports whether a batch tells of a query. What is in a window is known
// at the end of a drain only.
func (q *query) hasResult(more bool) bool {
	return !(more && q.windowed()) && len(q.removed)+len(q.changed)+len(q.added) > 0
}

func (db *DB) appendResult(b []byte, q *query) []byte {
	b = wire.AppendArray(b, 4)
	b = wire.AppendUint(b, uint64(q.number))
	b = wire.AppendBytes(b, q.removed)
	slices.SortFunc(q.added, q.order)
	b = wire.AppendArray(b, len(q.added))
	for _, c := range q.added {
		b = wire.AppendArray(b, 2)
		at := q.list.Position(c, q.order)
		if q.windowed() {
			at -= q.offset
		}
		b = wire.AppendUint(b, uint64(at))
		v := db.containers.At(c).id
		b = wire.AppendBytes(b, v[:])
	}
	return wire.AppendBytes(b, q.changed)
}
