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

// wanted is an index that would have helped.
type wanted struct {
	kind  uint8
	by    []sortBy
	scans int
}

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
func (db *DB) want(w wanted) {
	d := &db.indexes
	at := slices.IndexFunc(d.wanted, func(o wanted) bool { return o.kind == w.kind && sameOrder(o.by, w.by) })
	if at < 0 {
		if len(d.wanted) == maxWanted {
			d.wanted = slices.Delete(d.wanted, 0, 1)
		}
		at = len(d.wanted)
		d.wanted = append(d.wanted, w)
	}
	d.wanted[at].scans++
	if d.wanted[at].scans < scansToIndex {
		return
	}
	d.wanted = slices.Delete(d.wanted, at, at+1)
	automatic, oldest := 0, -1
	for i, x := range d.all {
		if !x.declared {
			automatic++
			if oldest < 0 || x.used < d.all[oldest].used {
				oldest = i
			}
		}
	}
	if automatic >= maxAutomatic {
		d.all = slices.Delete(d.all, oldest, oldest+1)
	}
	x := db.newIndex(w.kind, w.by, false)
	d.all = append(d.all, x)
	db.build(x, stepCost/x.cost())
}

// wish names the indexes that would have helped a query.
func (db *DB) wish(q *query, a *answer, stop int) []wanted {
	terms := conjuncts(nil, q.filter)
	byProperties := len(q.sort) > 0 && !slices.ContainsFunc(q.sort, func(s sortBy) bool { return len(s.path) == 0 })
	if byProperties && stop > 0 {
		by := equalities(terms, q.sort)
		by = append(by, q.sort...)
		if x := db.findIndex(indexSorted, by); x == nil || !db.ready(x) {
			return []wanted{{kind: indexSorted, by: by}}
		}
	}
	if byProperties && q.filter == nil {
		return []wanted{{kind: indexSorted, by: q.sort}}
	}
	var best []wanted
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
		same := func(s sortBy) bool { return slices.Equal(s.path, t.path) }
		if t.kind == filterCompare && t.compare == equal && !slices.ContainsFunc(order, same) && !slices.ContainsFunc(by, same) {
			by = append(by, sortBy{path: t.path})
		}
	}
	return by[:min(len(by), 3)]
}

// wishFor names the indexes that give a source for a filter; nil if none do.
func (db *DB) wishFor(f *clause) (out []wanted) {
	switch f.kind {
	case filterOr:
		for i := range f.parts {
			var part []wanted
			for _, t := range conjuncts(nil, &f.parts[i]) {
				if part = db.wishFor(t); part != nil {
					break
				}
			}
			if part == nil {
				return nil
			}
			for _, w := range part {
				if !slices.ContainsFunc(out, func(o wanted) bool { return o.kind == w.kind && sameOrder(o.by, w.by) }) {
					out = append(out, w)
				}
			}
		}
		return out
	case filterRefers:
		return []wanted{{kind: indexReferences}}
	case filterSearch:
		if len(f.search.words) > 0 {
			return []wanted{{kind: indexWords, by: f.search.by}}
		}
	case filterCompare:
		switch f.compare {
		case unequal:
		case contains:
			return []wanted{{kind: indexItems, by: []sortBy{{path: f.path}}}}
		default:
			return []wanted{{kind: indexSorted, by: []sortBy{{path: f.path}}}}
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
