package objectdb

import "slices"

// An index that nobody declared is made when it would have spared two queries a
// look at many objects each, and given up when no query could use it for long, or
// when objects were put into it anew more often than it holds them. Which objects
// are in a result, and in what order, never depends on an index.
const (
	maxAutomatic = 8    // how many there are at a time
	manyObjects  = 2000 // how many a query looks at before one is thought of
	scansToIndex = 2
	maxWanted    = 32
	idleQueries  = 512
	stepCost     = 4096 // what a query spends on indexes that are not complete
	sampleSize   = 256
)

// prepareIndexes brings the indexes up to date for a query, unless that would take
// long: then the query does without those that are not, and BuildIndexes goes on.
func (db *DB) prepareIndexes() {
	d := &db.indexes
	d.clock++
	db.freshen(db.freshenStep())
	d.all = slices.DeleteFunc(d.all, func(x *index) bool {
		return !x.declared && (d.clock-x.used > idleQueries || x.work > 4*db.containers.Len()+stepCost)
	})
	for _, x := range d.all {
		db.build(x, stepCost/x.cost())
	}
}

// freshenStep is how many objects may be brought up to date in all indexes without
// keeping anybody waiting.
func (db *DB) freshenStep() int {
	cost := 1
	for _, x := range db.indexes.all {
		cost += x.cost()
	}
	return max(stepCost/cost, 64)
}

// use notes that a query could use an index.
func (db *DB) use(x *index) { x.used, x.work = db.indexes.clock, 0 }

// noteScan thinks of an index if a query had to look at many objects.
func (db *DB) noteScan(q *query, a *answer, stop int) {
	if a.examined <= manyObjects {
		return
	}
	for _, w := range db.wish(q, a, stop) {
		if x := db.findIndex(w.kind, w.by); x != nil {
			db.use(x) // it will be of use once it is complete
			continue
		}
		db.want(w)
	}
}

// want counts a scan that an index would have spared, and makes the index when
// there were enough.
func (db *DB) want(x *index) {
	d := &db.indexes
	if known := findIndex(d.wanted, x.kind, x.by); known != nil {
		x = known
	} else {
		if len(d.wanted) == maxWanted {
			d.wanted = append(d.wanted[:0], d.wanted[1:]...)
		}
		d.wanted = append(d.wanted, x)
	}
	if x.scans++; x.scans < scansToIndex {
		return
	}
	d.wanted = without(d.wanted, x)
	automatic := 0
	var oldest *index
	for _, o := range d.all {
		if !o.declared {
			automatic++
			if oldest == nil || o.used < oldest.used {
				oldest = o
			}
		}
	}
	if automatic >= maxAutomatic {
		d.all = without(d.all, oldest)
	}
	db.addIndex(x)
	db.build(x, stepCost/x.cost())
}

func without(list []*index, x *index) []*index {
	return slices.DeleteFunc(list, func(o *index) bool { return o == x })
}

// wish names the indexes that would have helped a query.
func (db *DB) wish(q *query, a *answer, stop int) []*index {
	terms := conjuncts(nil, q.filter)
	byProperties := len(q.sort) > 0 && !sortsBy(q.sort, nil)
	if byProperties && stop > 0 {
		by := equalities(terms, q.sort)
		by = append(by, q.sort...)
		if x := db.findIndex(indexSorted, by); x == nil || !db.ready(x) {
			return []*index{{kind: indexSorted, by: by}}
		}
	}
	if byProperties && q.filter == nil {
		return []*index{{kind: indexSorted, by: q.sort}}
	}
	var best []*index
	least := sampleSize / 4
	for _, t := range terms {
		if w := db.wishFor(t); w != nil {
			if n := db.sample(t); n < least {
				best, least = w, n
			}
		}
	}
	return best
}

// equalities are the properties that filters want to equal something, but for
// those that are sorted by.
func equalities(terms []*clause, order []sortBy) (by []sortBy) {
	for _, t := range terms {
		if t.kind == filterCompare && t.compare == equal && !sortsBy(order, t.path) && !sortsBy(by, t.path) {
			by = append(by, sortBy{path: t.path})
		}
	}
	return by[:min(len(by), 3)]
}

// sortsBy reports whether a property, or relevance if there is no path, is in an
// order.
func sortsBy(order []sortBy, path []int32) bool {
	for i := range order {
		if slices.Equal(order[i].path, path) {
			return true
		}
	}
	return false
}

// wishFor names the indexes that give a source for a filter; nil if none do.
func (db *DB) wishFor(f *clause) (out []*index) {
	switch f.kind {
	case filterOr:
		for i := range f.parts {
			var part []*index
			for _, t := range conjuncts(nil, &f.parts[i]) {
				if part = db.wishFor(t); part != nil {
					break
				}
			}
			if part == nil {
				return nil
			}
			for _, w := range part {
				if findIndex(out, w.kind, w.by) == nil {
					out = append(out, w)
				}
			}
		}
		return out
	case filterRefers:
		return []*index{{kind: indexReferences}}
	case filterSearch:
		if len(f.search.words) > 0 {
			return []*index{{kind: indexWords, by: f.search.by}}
		}
	case filterCompare:
		switch f.compare {
		case unequal:
		case contains:
			return []*index{{kind: indexItems, by: []sortBy{{path: f.path}}}}
		default:
			return []*index{{kind: indexSorted, by: []sortBy{{path: f.path}}}}
		}
	}
	return nil
}

// sample is for how many of sampleSize objects about a filter holds. What an
// index of lists cannot tell counts as if it held.
func (db *DB) sample(f *clause) (n int) {
	var rows []int32
	all := db.containers.Len()
	for i := range 4 * sampleSize {
		c := int32(i * all / (4 * sampleSize))
		if row := db.containers.At(c); row.parent == none && row.created.Node != none {
			rows = append(rows, c)
		}
	}
	if len(rows) == 0 {
		return sampleSize
	}
	var buf [8]byte
	for _, c := range rows {
		if db.matches(f, c) || f.kind == filterCompare && f.compare == contains && db.property(c, f.path, &buf).kind == operandString {
			n++
		}
	}
	return n * sampleSize / len(rows)
}
