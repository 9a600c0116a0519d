package objectdb

import (
	"bytes"
	"errors"
	"slices"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// An index is named by
//
//	[1, [[key...], descending bool]...]  objects in the order of properties
//	[2, [key...]...]                     by the words of some properties (search.go)
//	[3, [key...]]                        by the items of a list
//	[4]                                  by the objects that are referred to
//
// It is made of the state and kept beside it, and never stored nor sent. All
// created objects are in it, deleted ones and those without the property too.
const (
	indexSorted     = 1
	indexWords      = 2
	indexItems      = 3
	indexReferences = 4
)

// maxIndexes bounds how many indexes are declared.
const maxIndexes = 64

// indexes are what makes queries cheap. The zero value has none.
type indexes struct {
	all    []*index
	stale  []int32  // objects that may have changed since they were put in: flagStale
	clock  uint64   // counts queries
	wanted []*index // that would have helped, and are not there
}

// index is one of them.
type index struct {
	kind     uint8
	by       []sortBy // of which all kinds but the sorted ones use the paths only
	declared bool
	scans    int    // that it would have spared, while it was only wanted
	built    int32  // the containers before this one are in
	used     uint64 // the clock when a query could use it last
	work     int    // objects that were looked at again since

	list  flat.Ranked // sorted: objects by key, then by creation
	keys  rowKeys
	order func(a, b int32) int
	terms *termTable // others
}

// cost is about what it takes to put an object in, next to a sorted index.
func (x *index) cost() int {
	switch x.kind {
	case indexSorted:
		return 1
	case indexWords:
		return 16
	}
	return 4
}

// addIndex has an index kept from now on. Nothing is in it yet.
func (db *DB) addIndex(x *index) {
	db.indexes.all = append(db.indexes.all, x)
	db.use(x)
	if x.kind != indexSorted {
		x.terms = newTermTable(x.kind == indexWords)
		return
	}
	x.order = func(a, b int32) int {
		if c := x.keys.compare(a, b); c != 0 {
			return c
		}
		return db.order(a, b)
	}
}

// is reports whether the index is the one so named.
func (x *index) is(kind uint8, by []sortBy) bool { return x.kind == kind && sameOrder(x.by, by) }

func sameOrder(a, b []sortBy) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		x, y := &a[i], &b[i]
		if x.descending != y.descending || !slices.Equal(x.path, y.path) || (x.searches == nil) != (y.searches == nil) {
			return false
		}
	}
	return true
}

// ready reports whether all objects are in the index as they are.
func (db *DB) ready(x *index) bool {
	return int(x.built) == db.containers.Len() && len(db.indexes.stale) == 0
}

// findIndex gives an index that is there, complete or not, or nil.
func (db *DB) findIndex(kind uint8, by []sortBy) *index {
	return findIndex(db.indexes.all, kind, by)
}

func findIndex(list []*index, kind uint8, by []sortBy) *index {
	for _, x := range list {
		if x.is(kind, by) {
			return x
		}
	}
	return nil
}

// CreateIndex declares an index (see above). It is filled by BuildIndexes and by
// the queries that it is of use to, and kept until DropIndex. One that is
// declared already stays. It fails with Malformed or TooLarge.
func (db *DB) CreateIndex(b []byte) error {
	kind, by, err := db.readIndex(b)
	if err != nil {
		return err
	}
	if x := db.findIndex(kind, by); x != nil {
		x.declared = true
		return nil
	}
	declared := 0
	for _, x := range db.indexes.all {
		if x.declared {
			declared++
		}
	}
	if declared >= maxIndexes {
		return errs.New("objectdb.CreateIndex", errs.TooLarge, "%d indexes are declared; drop some", declared)
	}
	db.addIndex(&index{kind: kind, by: by, declared: true})
	return nil
}

// DropIndex takes an index away; one that is not there is passed over.
func (db *DB) DropIndex(b []byte) error {
	kind, by, err := db.readIndex(b)
	if err == nil {
		db.indexes.all = slices.DeleteFunc(db.indexes.all, func(x *index) bool { return x.is(kind, by) })
	}
	return err
}

// readIndex reads the name of an index.
func (db *DB) readIndex(b []byte) (kind uint8, by []sortBy, err error) {
	r := wire.NewReader(b)
	p := filterParser{db: db, r: r}
	n := r.ArrayLen(1 + maxSort)
	kind = uint8(r.Uint(indexReferences))
	switch {
	case r.Err() != nil:
	case n == 0, kind == 0, (kind == indexReferences) != (n == 1), kind == indexItems && n != 2:
		r.Fail(errors.New("is not an index"))
	case kind == indexSorted:
		for k := 1; k < n && r.Err() == nil; k++ {
			r.Array(2)
			by = append(by, sortBy{path: p.path(), descending: r.Bool()})
		}
	default:
		by = p.paths(n - 1)
	}
	return kind, by, r.Done("objectdb.CreateIndex")
}

// BuildIndexes puts about so many objects into indexes, anew if they changed, and
// gives how many are left: zero when all indexes are complete.
func (db *DB) BuildIndexes(rows int) (left int) {
	rows -= db.freshen(rows)
	left = len(db.indexes.stale)
	for _, x := range db.indexes.all {
		rows -= db.build(x, rows)
		left += db.containers.Len() - int(x.built)
	}
	return left
}

// build puts at most so many rows into an index and gives how many it did.
func (db *DB) build(x *index, rows int) (done int) {
	for done < rows && int(x.built) < db.containers.Len() {
		c := x.built
		x.built++
		db.reindex(x, c)
		done++
	}
	return done
}

// freshen brings the indexes up to date with at most so many objects and gives how
// many it did.
func (db *DB) freshen(rows int) (done int) {
	d := &db.indexes
	for ; len(d.stale) > 0 && done < rows; done++ {
		c := d.stale[len(d.stale)-1]
		d.stale = d.stale[:len(d.stale)-1]
		db.containers.At(c).flags &^= flagStale
		for _, x := range d.all {
			if c < x.built {
				x.work++
				db.reindex(x, c)
			}
		}
	}
	if len(d.stale) == 0 {
		d.stale = trim(d.stale)
	}
	return done
}

// reindex brings an index up to date with one container.
func (db *DB) reindex(x *index, c int32) {
	row := db.containers.At(c)
	if row.parent != none || c == propertiesRow || row.created.Node == none {
		return
	}
	if x.kind != indexSorted {
		db.reindexTerms(x, c)
		return
	}
	db.sortKey = db.appendSortKey(db.sortKey[:0], c, x.by)
	if x.keys.has(c) {
		var buf [8]byte
		if bytes.Equal(db.sortKey, x.keys.get(c, &buf)) {
			return
		}
		x.leave(c)
	}
	x.keys.put(c, db.sortKey)
	x.list.Insert(c, x.order)
}

// leave takes an object out of a sorted index.
func (x *index) leave(c int32) {
	x.list.Remove(c, x.order)
	x.keys.drop(c)
}

// detachIndexes takes an object out of the sorted indexes, before its place in
// the order of creation changes.
func (db *DB) detachIndexes(c int32) {
	for _, x := range db.indexes.all {
		if x.kind == indexSorted && x.keys.has(c) {
			x.leave(c)
		}
	}
}
