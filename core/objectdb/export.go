package objectdb

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt/flat"
)

// exportScan is how many containers one step of an Export looks at.
const exportScan = 1 << 13

// Export gives the state of a database as ops for Local of an empty one, a chunk
// at a time, while the database goes on: what changes meanwhile is found at the
// end, so that all chunks together are of one moment. Objects come in the order
// of their creation, the properties object first, deleted objects not at all.
// Of a register with several values the winner is given.
type Export struct {
	db      *DB
	scanned int32
	runs    [][]int32 // rows in order, ascending by their first
	chunks  [][]int32 // rows of each chunk
	chunkOf map[int32]int32
	noted   flat.Bits // rows that changed since they were looked at
	changed []int32
}

// BeginExport begins an export; End ends it.
func (db *DB) BeginExport() *Export {
	e := &Export{db: db, chunkOf: map[int32]int32{}}
	db.exports = append(db.exports, e)
	return e
}

// End forgets the export. It may be called again.
func (e *Export) End() {
	kept := e.db.exports[:0]
	for _, x := range e.db.exports {
		if x != e {
			kept = append(kept, x)
		}
	}
	e.db.exports = kept
}

// note is told of each change of an object.
func (e *Export) note(c int32) {
	if !e.noted.Has(c) {
		e.noted.Add(c)
		e.changed = append(e.changed, c)
	}
}

// Scan looks for objects, some thousand containers at a time, and reports false
// when it has found all. It comes before Next.
func (e *Export) Scan() (more bool) {
	db := e.db
	end := min(e.scanned+exportScan, int32(db.containers.Len()))
	var run []int32
	for c := e.scanned; c < end; c++ {
		if db.exported(c) && c != propertiesRow {
			run = append(run, c)
		}
	}
	if e.scanned == 0 {
		e.runs = append(e.runs, []int32{propertiesRow})
	}
	e.scanned = end
	if len(run) > 0 {
		slices.SortFunc(run, db.order)
		e.addRun(run)
	}
	return end < int32(db.containers.Len())
}

// addRun keeps the runs ascending by their first; the properties stay in front.
func (e *Export) addRun(run []int32) {
	at := sort.Search(len(e.runs), func(i int) bool {
		return e.runs[i][0] != propertiesRow && e.db.order(e.runs[i][0], run[0]) > 0
	})
	e.runs = append(e.runs, nil)
	copy(e.runs[at+1:], e.runs[at:])
	e.runs[at] = run
}

// exported reports whether c is an object that an export holds.
func (db *DB) exported(c int32) bool {
	return db.containers.At(c).parent == none && db.exists(c) && !db.deleted(c)
}

// Next gives the number and the ops of the next chunk, of about size bytes or
// one object; false when there is none.
func (e *Export) Next(size int) (chunk int, ops []byte, ok bool) {
	var rows []int32
	for len(e.runs) > 0 && len(ops) < size {
		run := e.runs[0]
		c := run[0]
		e.runs = e.runs[1:]
		if run = run[1:]; len(run) > 0 {
			e.addRun(run)
		}
		rows = append(rows, c)
		if e.db.exported(c) { // it may have been deleted since the scan
			ops = e.add(ops, c)
		}
	}
	if rows == nil {
		return 0, nil, false
	}
	return e.addChunk(rows), ops, true
}

// add appends the ops of an object as it is now.
func (e *Export) add(ops []byte, c int32) []byte {
	e.noted.Remove(c)
	return e.db.appendState(ops, c)
}

func (e *Export) addChunk(rows []int32) int {
	chunk := len(e.chunks)
	e.chunks = append(e.chunks, rows)
	for _, c := range rows {
		e.chunkOf[c] = int32(chunk)
	}
	return chunk
}

// maxLate is how many objects that came late are one chunk.
const maxLate = 64

// Stale gives the chunks that are not as the objects are now, ascending: since
// Next or Again gave them something changed, or they are new, of objects that
// came late.
func (e *Export) Stale() []int {
	var stale []int
	var late []int32
	for _, c := range e.changed {
		if !e.noted.Has(c) {
			continue // given since
		}
		e.noted.Remove(c)
		if chunk, ok := e.chunkOf[c]; ok {
			stale = append(stale, int(chunk))
		} else if e.db.exported(c) {
			late = append(late, c)
		}
	}
	e.changed = e.changed[:0]
	slices.SortFunc(late, e.db.order)
	for len(late) > 0 {
		n := min(len(late), maxLate)
		stale = append(stale, e.addChunk(late[:n:n]))
		late = late[n:]
	}
	sort.Slice(stale, func(i, j int) bool { return stale[i] < stale[j] })
	return slices.Compact(stale)
}

// Again gives the ops of a chunk as its objects are now.
func (e *Export) Again(chunk int) (ops []byte) {
	for _, c := range e.chunks[chunk] {
		if e.db.exported(c) {
			ops = e.add(ops, c)
		}
	}
	return ops
}
