package objectdb

import (
	"bytes"
	"cmp"
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
	keys   rowKeys // sort keys of members
	window []int32 // what of the list is given, if not all is
	stale  bool    // the window has to be looked at
	moves  []int32 // members that were put elsewhere in the list since it was
	// The result of the drain that goes on.
	entering []int32    // members that are to be put into the list
	removed  []departed // and what left between two drains
	changed  []byte
	added    []int32
}

// departed is an object that left a result, and where it stood in it without
// those that left before.
type departed struct{ at, row int32 }

// windowed reports whether only a part of the list is given.
func (q *query) windowed() bool { return q.offset > 0 || q.limit > 0 }

// OpenQuery reads a query (see filter.go), gives it a number, and gives the ids
// of the objects in it, in its order; unless it says another, that is the order
// of their creation: (lamport, feed, index in the block). From then on Changes
// tells what changes in it, until CloseQuery. It fails with Malformed,
// UnsupportedValue or TooLarge. Opening costs what Query costs without a limit;
// a change later costs the same whatever the number of objects.
func (db *DB) OpenQuery(b []byte) (n uint32, ids []byte, err error) {
	q, err := db.readQuery(b)
	if err != nil {
		return 0, nil, err
	}
	if len(db.queries) >= maxQueries {
		return 0, nil, errs.New("objectdb.OpenQuery", errs.TooLarge, "%d queries are open; close some", maxQueries)
	}
	db.lastQuery++
	q.number = db.lastQuery
	rows := db.run(q, 0, false).rows
	for _, c := range rows {
		q.member.Add(c)
		db.setSortKey(q, c)
	}
	q.list.Load(rows)
	if q.windowed() {
		rows = q.newWindow()
		q.window = rows
	}
	db.queries = append(db.queries, q)
	return q.number, db.idsOf(rows), nil
}

// setOrder gives a query its order.
func (db *DB) setOrder(q *query) {
	q.order = db.order
	if len(q.sort) > 0 {
		q.order = func(a, b int32) int {
			if c := q.keys.compare(a, b); c != 0 {
				return c
			}
			return db.order(a, b)
		}
	}
}

// setSortKey notes what an object that has no key is sorted by.
func (db *DB) setSortKey(q *query, c int32) {
	if len(q.sort) == 0 || q.keys.has(c) {
		return
	}
	db.sortKey = db.appendSortKey(db.sortKey[:0], c, q.sort)
	q.keys.put(c, db.sortKey)
}

// rekey notes what a member is sorted by now, and gives where it stands in the
// list, if that is not its place any more.
func (db *DB) rekey(q *query, c int32) (at int, misplaced bool) {
	if len(q.sort) == 0 {
		return 0, false
	}
	var buf [8]byte
	db.sortKey = db.appendSortKey(db.sortKey[:0], c, q.sort)
	if bytes.Equal(db.sortKey, q.keys.get(c, &buf)) {
		return 0, false
	}
	at = q.list.Position(c, q.order)
	q.keys.drop(c)
	q.keys.put(c, db.sortKey)
	return at, !q.list.Fits(at, q.order)
}

// leave takes the member at a position out of the list.
func (q *query) leave(at int, c int32) {
	q.list.Delete(at)
	q.stale = true
	if !q.windowed() {
		q.removed = append(q.removed, departed{int32(at), c})
	}
}

// expel has an object be a member no more.
func (q *query) expel(c int32) {
	q.leave(q.list.Position(c, q.order), c)
	q.member.Remove(c)
	if len(q.sort) > 0 {
		q.keys.drop(c)
	}
}

// enter puts the members that came or moved into the list.
func (q *query) enter() {
	for _, c := range q.entering {
		q.list.Insert(c, q.order)
	}
	switch {
	case len(q.entering) == 0:
	case q.windowed():
		q.stale = true
		q.moves = append(q.moves, q.entering...)
	default:
		q.added = append(q.added, q.entering...)
	}
	q.entering = trim(q.entering)
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
	return len(db.dirty) > 0 || len(db.textLog) > 0 || slices.ContainsFunc(db.queries, func(q *query) bool { return len(q.removed) > 0 || q.windowed() && q.stale })
}

// TextsChanged reports whether Changes has something to tell of texts that are watched.
func (db *DB) TextsChanged() bool { return len(db.textLog) > 0 }

// maxDrain bounds the evaluations of queries in one call of Changes.
const maxDrain = 1 << 13

// maxRecords bounds the buffer that Changes keeps for the next call.
const maxRecords = 1 << 17

// Changes drains what changed since it was called last, about limit bytes of
// records at a time (at least one object), or gives nil if there is nothing:
//
//	[[record...], [[query, [[index, object bin16]...], [[index, object bin16]...], changed bin]...],
//	 [[Text, [pos, deleted, inserted nil|str, local bool, attributes]...]...], more bool]
//
// A record is there for each object that a block changed, not for one that only
// Local changed. Of a query come the objects that left its result, those that
// came, and the 16-byte ids of those that changed in it. The order of use is: take
// out each that left at its index, then insert each that came at its index, in the
// order given. One that moved both leaves and comes, and changed. While more is true the rest of the same state follows: show nothing before it came,
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
	db.freshen(db.freshenStep() / 4)
	records := db.records[:0]
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
	db.records = records
	if cap(records) > maxRecords {
		db.records = nil
	}
	return db.appendChanges(count, records, more)
}

// evaluate brings one query up to date with one object.
func (db *DB) evaluate(q *query, c int32) {
	was, is := q.member.Has(c), db.visible(q, c)
	switch {
	case was && is:
		if at, misplaced := db.rekey(q, c); misplaced {
			q.leave(at, c)
			q.entering = append(q.entering, c)
		}
		q.changed = db.appendID(q.changed, c)
	case is:
		q.member.Add(c)
		db.setSortKey(q, c)
		q.entering = append(q.entering, c)
	case was:
		q.expel(c)
	}
}

// slide compares the window of a query with what it was, at the end of a drain:
// what is in it no more, or was put elsewhere in the list, is taken out; then what
// is new, or was put elsewhere, is put in. All others stand among each other as
// before.
func (db *DB) slide(q *query) {
	if !q.windowed() || !q.stale && len(q.changed) == 0 {
		return
	}
	was, now := q.window, q.window
	if q.stale {
		now = q.newWindow()
	}
	inside := make(map[int32]bool, len(now)) // and whether it stands as it stood
	for _, c := range now {
		inside[c] = false
	}
	if q.stale {
		slices.SortFunc(q.moves, cmp.Compare[int32])
		for i, c := range was {
			_, moved := slices.BinarySearch(q.moves, c)
			if _, in := inside[c]; in && !moved {
				inside[c] = true
			} else {
				q.removed = append(q.removed, departed{int32(i - len(q.removed)), c})
			}
		}
		for _, c := range now {
			if !inside[c] {
				q.added = append(q.added, c)
			}
		}
		q.window, q.stale, q.moves = now, false, trim(q.moves)
	}
	changed := q.changed[:0]
	for part := range slices.Chunk(q.changed, id.ShortSize) {
		if _, in := inside[db.findObject(id.ObjectID(part))]; in {
			changed = append(changed, part...)
		}
	}
	q.changed = changed
}

// detach takes an object out of all results and indexes, before its place in
// their order changes; the caller touches it, so that it comes back.
func (db *DB) detach(c int32) {
	for _, q := range db.queries {
		if q.member.Has(c) {
			q.expel(c)
		}
	}
	db.detachIndexes(c)
}

func (db *DB) appendID(b []byte, c int32) []byte {
	return append(b, db.containers.At(c).id[:]...)
}

func (db *DB) appendChanges(count int, records []byte, more bool) []byte {
	touched := 0
	for _, q := range db.queries {
		q.enter()
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
			q.removed, q.changed, q.added = trim(q.removed), nil, trim(q.added)
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
	b = wire.AppendArray(b, len(q.removed))
	for _, d := range q.removed {
		b = db.appendPlace(b, int(d.at), d.row)
	}
	slices.SortFunc(q.added, q.order)
	b = wire.AppendArray(b, len(q.added))
	for _, c := range q.added {
		at := q.list.Position(c, q.order)
		if q.windowed() {
			at -= q.offset
		}
		b = db.appendPlace(b, at, c)
	}
	return wire.AppendBytes(b, q.changed)
}

// appendPlace appends [index, object].
func (db *DB) appendPlace(b []byte, at int, c int32) []byte {
	b = wire.AppendUint(wire.AppendArray(b, 2), uint64(at))
	v := db.containers.At(c).id
	return wire.AppendBytes(b, v[:])
}
