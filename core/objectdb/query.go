package objectdb

import (
	"math"
	"slices"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Query gives the ids of the objects in a query (see filter.go) as they are now,
// in its order. It fails like OpenQuery. Indexes are used where they help, and
// made where they would have helped (indexauto.go).
func (db *DB) Query(b []byte) (ids []byte, err error) {
	q, err := db.readQuery(b)
	if err != nil {
		return nil, err
	}
	rows := db.run(q, q.stop(), false).rows
	rows = rows[min(q.offset, len(rows)):]
	if q.limit > 0 {
		rows = rows[:min(q.limit, len(rows))]
	}
	return db.idsOf(rows), nil
}

// Count is how many objects meet the conditions of a query; its order, offset and
// limit do not matter. It fails like OpenQuery.
func (db *DB) Count(b []byte) (int, error) {
	q, err := db.readQuery(b)
	if err != nil {
		return 0, err
	}
	if q.filter == nil && q.deleted == deletedHide {
		return db.alive, nil
	}
	return len(db.run(q, 0, true).rows), nil
}

// Explain answers a query as Query does and tells how it was done:
//
//	[[[index, declared bool]...], examined, matched, ordered bool]
//
// The indexes, named as for CreateIndex, are those that were used: none if all
// objects were looked at. examined is how many objects were looked at, matched
// how many of them meet the conditions, and ordered whether they came in the order
// of the query and did not have to be sorted. It fails like OpenQuery.
func (db *DB) Explain(b []byte) ([]byte, error) {
	q, err := db.readQuery(b)
	if err != nil {
		return nil, err
	}
	a := db.run(q, q.stop(), false)
	var used []*index
	if a.plan.source != nil {
		used = a.plan.source.indexes(nil)
	}
	out := wire.AppendArray(nil, 4)
	out = wire.AppendArray(out, len(used))
	for _, x := range used {
		out = db.appendIndex(wire.AppendArray(out, 2), x)
		out = wire.AppendBool(out, x.declared)
	}
	out = wire.AppendUint(out, uint64(a.examined))
	out = wire.AppendUint(out, uint64(len(a.rows)))
	return wire.AppendBool(out, a.plan.ordered), nil
}

// indexes appends the indexes that a source reads, each once.
func (s *source) indexes(to []*index) []*index {
	seen := s.index == nil
	for _, x := range to {
		seen = seen || x == s.index
	}
	if !seen {
		to = append(to, s.index)
	}
	for i := range s.parts {
		to = s.parts[i].indexes(to)
	}
	return to
}

// appendIndex appends the name of an index.
func (db *DB) appendIndex(b []byte, x *index) []byte {
	b = wire.AppendArray(b, 1+len(x.by))
	b = wire.AppendUint(b, uint64(x.kind))
	for _, by := range x.by {
		if x.kind == indexSorted {
			b = wire.AppendArray(b, 2)
		}
		b = wire.AppendArray(b, len(by.path))
		for _, k := range by.path {
			b = wire.AppendString(b, string(db.keys.At(k)))
		}
		if x.kind == indexSorted {
			b = wire.AppendBool(b, by.descending)
		}
	}
	return b
}

// stop is after how many objects in order a query needs no more; 0 is never.
func (q *query) stop() int {
	if q.limit == 0 {
		return 0
	}
	return int(min(int64(q.offset)+int64(q.limit), math.MaxInt32))
}

func (db *DB) idsOf(rows []int32) []byte {
	ids := make([]byte, 0, len(rows)*id.ShortSize)
	for _, c := range rows {
		ids = db.appendID(ids, c)
	}
	return ids
}

// answer is the objects in a query, and how they were found.
type answer struct {
	rows     []int32
	plan     plan
	examined int
}

// run finds the objects in a query, in its order unless that is not wanted, and
// at most stop of them if stop is not 0 and the order allows it.
func (db *DB) run(q *query, stop int, unordered bool) (a answer) {
	db.prepareIndexes()
	a.plan = db.planOf(q, stop, unordered)
	take := func(c int32) bool {
		if c == propertiesRow {
			return true
		}
		a.examined++
		if db.visible(q, c) {
			a.rows = append(a.rows, c)
		}
		return stop == 0 || !a.plan.ordered || len(a.rows) < stop
	}
	if s := a.plan.source; s == nil {
		for c := range int32(db.containers.Len()) {
			if db.containers.At(c).parent == none {
				take(c)
			}
		}
	} else {
		var seen *flat.Bits
		if s.index == nil || s.index.kind != indexSorted {
			seen = &flat.Bits{}
		}
		s.each(seen, take)
	}
	if !a.plan.ordered && !unordered {
		db.sortRows(q, a.rows)
	}
	db.noteScan(q, &a, stop)
	return a
}

// sortRows brings objects into the order of a query.
func (db *DB) sortRows(q *query, rows []int32) {
	for _, c := range rows {
		db.setSortKey(q, c)
	}
	slices.SortFunc(rows, q.order)
}
