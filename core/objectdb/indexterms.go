package objectdb

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"math"
	"slices"

	"github.com/echospace/echospace/core/crdt/flat"
)

// termTable says for each term in which objects it is, and for each object which
// terms it has. Terms are words, keys of values, or ids.
type termTable struct {
	terms  *flat.Strings
	counts []int32     // how many objects have each
	order  flat.Ranked // words: the terms, bytewise
	sorted bool        // order is kept
	pairs  flat.Set    // term<<32 | object
	rows   rowKeys     // objects with terms: a stamp of what they were read from, then the terms, ascending, as differences
	live   int         // terms that an object has
	fresh  []int32     // scratch: terms of one object
	before []int32
	coded  []byte
}

const (
	// maxTerm bounds a term. The rest of a longer one is looked at in the object.
	maxTerm = 64
	// maxDeadTerms is how many terms that no object has any more, beside as many
	// as are in use, a table keeps before it is made anew.
	maxDeadTerms = 1 << 13
	stampSize    = 8
)

// stringTerm is the term of a list's index for what is a string, and so may have
// anything in it.
var stringTerm = []byte{}

func newTermTable(sorted bool) *termTable {
	return &termTable{terms: flat.NewStrings(), sorted: sorted}
}

// add notes a term of the object that is being read.
func (t *termTable) add(term []byte) {
	i := t.terms.Intern(term[:min(len(term), maxTerm)])
	if int(i) == len(t.counts) {
		t.counts = append(t.counts, 0)
		if t.sorted {
			t.order.Insert(i, t.compare)
		}
	}
	t.fresh = append(t.fresh, i)
}

func (t *termTable) compare(a, b int32) int { return bytes.Compare(t.terms.At(a), t.terms.At(b)) }

// termsOf appends the terms of an object.
func (t *termTable) termsOf(to []int32, c int32) []int32 {
	if !t.rows.has(c) {
		return to
	}
	var buf [8]byte
	term := int32(0)
	for b := t.rows.get(c, &buf)[stampSize:]; len(b) > 0; {
		by, n := binary.Uvarint(b)
		term, b = term+int32(by), b[n:]
		to = append(to, term)
	}
	return to
}

// store makes the terms that were added those of an object.
func (t *termTable) store(c int32, stamp uint64) {
	slices.SortFunc(t.fresh, cmp.Compare[int32])
	t.fresh = slices.Compact(t.fresh)
	t.before = t.termsOf(t.before[:0], c)
	t.exchange(c, t.before, t.fresh)
	t.coded = binary.LittleEndian.AppendUint64(t.coded[:0], stamp)
	last := int32(0)
	for _, i := range t.fresh {
		t.coded = binary.AppendUvarint(t.coded, uint64(i-last))
		last = i
	}
	if t.rows.has(c) {
		t.rows.drop(c)
	}
	if len(t.fresh) > 0 {
		t.rows.put(c, t.coded)
	}
	t.fresh, t.before, t.coded = trim(t.fresh), trim(t.before), trim(t.coded)
}

// exchange replaces the terms of an object; both lists ascend.
func (t *termTable) exchange(c int32, before, after []int32) {
	for len(before) > 0 || len(after) > 0 {
		switch {
		case len(after) == 0 || len(before) > 0 && before[0] < after[0]:
			t.pairs.Remove(pairOf(before[0], c))
			if t.counts[before[0]]--; t.counts[before[0]] == 0 {
				t.live--
			}
			before = before[1:]
		case len(before) == 0 || after[0] < before[0]:
			t.pairs.Add(pairOf(after[0], c))
			if t.counts[after[0]]++; t.counts[after[0]] == 1 {
				t.live++
			}
			after = after[1:]
		default:
			before, after = before[1:], after[1:]
		}
	}
}

func pairOf(term, c int32) uint64 { return uint64(term)<<32 | uint64(uint32(c)) }

// objects calls yield for each object with a term.
func (t *termTable) objects(term int32, yield func(c int32) bool) bool {
	return t.pairs.Range(pairOf(term, 0), pairOf(term+1, 0), func(v uint64) bool { return yield(int32(uint32(v))) })
}

// withPrefix gives the terms that begin so, and in how many objects they are.
func (t *termTable) withPrefix(prefix []byte) (terms []int32, objects int) {
	from := t.order.Bound(func(i int32) bool { return bytes.Compare(t.terms.At(i), prefix) < 0 })
	t.order.Walk(from, math.MaxInt32, func(i int32) bool {
		if !bytes.HasPrefix(t.terms.At(i), prefix) {
			return false
		}
		if t.counts[i] > 0 {
			terms = append(terms, i)
			objects += int(t.counts[i])
		}
		return true
	})
	return terms, objects
}

// find gives a term and in how many objects it is.
func (t *termTable) find(term []byte) (terms []int32, objects int) {
	i := t.terms.Find(term[:min(len(term), maxTerm)])
	if i == none || t.counts[i] == 0 {
		return nil, 0
	}
	return []int32{i}, int(t.counts[i])
}

// reindexTerms brings an index of terms up to date with one object.
func (db *DB) reindexTerms(x *index, c int32) {
	t := x.terms
	t.fresh = t.fresh[:0]
	stamp := uint64(0)
	switch x.kind {
	case indexWords:
		stamp = db.wordsStamp(c, x.by)
		if t.rows.has(c) {
			var buf [8]byte
			if binary.LittleEndian.Uint64(t.rows.get(c, &buf)) == stamp {
				return
			}
		}
		db.eachWord(c, x.by, func(word []byte) bool { t.add(word); return true })
	case indexItems:
		db.addItems(t, c, x.by[0].path)
	case indexReferences:
		db.eachReference(c, func(ref []byte) bool { t.add(ref); return true })
	}
	t.store(c, stamp)
	if t.terms.Len()-t.live > t.live+maxDeadTerms {
		x.terms, x.built = newTermTable(t.sorted), 0
	}
}

// addItems adds the items of a list.
func (db *DB) addItems(t *termTable, c int32, path []int32) {
	var buf [8]byte
	o := db.property(c, path, &buf)
	if o.kind == operandString {
		t.add(stringTerm)
	}
	if o.kind != operandList {
		return
	}
	for _, s := range db.listOf(int32(o.bits)).slots {
		if db.isShown(s) {
			item := db.operandOf(db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value, &buf)
			db.sortKey = appendOperandKey(db.sortKey[:0], item)
			t.add(db.sortKey)
		}
	}
}

// wordsStamp is a number that another content of the properties has not, but for
// one in 2^64.
func (db *DB) wordsStamp(c int32, by []sortBy) uint64 {
	stamp := uint64(1)
	db.eachSearched(c, by, func(w uint64) bool {
		var buf [8]byte
		if child := childWord(w); child != none {
			binary.LittleEndian.PutUint32(buf[:4], uint32(child))
			binary.LittleEndian.PutUint32(buf[4:], db.textOf(child).edits)
			stamp = stamp*31 + maphash.Bytes(db.seed, buf[:])
		} else {
			stamp = stamp*31 + maphash.Bytes(db.seed, db.raw(w, &buf))
		}
		return true
	})
	return stamp
}

// eachReference calls yield for each reference in an object, or in a map or list
// in one.
func (db *DB) eachReference(c int32, yield func(ref []byte) bool) bool {
	row := db.containers.At(c)
	if row.kind == typeList {
		for _, s := range db.listOf(c).slots {
			if db.isShown(s) && !db.referencesIn(db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value, yield) {
				return false
			}
		}
		return true
	}
	for f := row.first; f != none; f = db.fields.At(f).Link {
		if !db.referencesIn(db.fields.At(f).Value, yield) {
			return false
		}
	}
	return true
}

// referencesIn is eachReference for what a register holds.
func (db *DB) referencesIn(w uint64, yield func(ref []byte) bool) bool {
	if child := childWord(w); child != none {
		kind := db.containers.At(child).kind
		return kind != typeMap && kind != typeList || db.eachReference(child, yield)
	}
	if w>>56 != tagHeap { // a reference does not fit into a word
		return true
	}
	o := readOperand(db.values.Get(w & flat.RefMask))
	return o.kind != operandReference || yield(o.bytes)
}

// refersTo reports whether an object refers to another, in the property that the
// path leads to, or anywhere if there is no path.
func (db *DB) refersTo(c int32, path []int32, ref []byte) bool {
	others := func(b []byte) bool { return !bytes.Equal(b, ref) }
	if len(path) == 0 {
		return !db.eachReference(c, others)
	}
	w, ok := db.wordAt(c, path)
	return ok && !db.referencesIn(w, others)
}
