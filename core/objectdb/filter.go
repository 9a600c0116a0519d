package objectdb

import (
	"errors"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// A query is
//
//	[filter, deleted]
//	[filter, deleted, [[[key...], descending bool]...], offset, limit]
//
// deleted 0 hides deleted objects, 1 shows them too, 2 shows only them. The
// result is sorted by the properties named, as sortkey.go says, then by creation;
// an order by no key, [], is that of relevance to the searches in the filter, best
// first, or last if it is descending;
// of it the objects from offset on are given, at most limit of them (0: all).
// A filter is nil for all, or
//
//	[1, [key...], comparison, value]   a property, or one of a map in it
//	[2, filter...] and    [3, filter...] or    [4, filter] not
//	[5, [key...], bin16]   refers to that object: anywhere, or in a property
//	[6, [[key...]...], str]   has all words of str in these properties (search.go)
//
// Of no filters and is true and or is false. Comparisons are 0 =, 1 not =, 2 <,
// 3 <=, 4 >, 5 >=, 6 a string begins with the value, 7 a string has the value in
// it, or a list an item that equals it.
const (
	filterCompare = 1
	filterAnd     = 2
	filterOr      = 3
	filterNot     = 4
	filterRefers  = 5
	filterSearch  = 6

	deletedHide = 0
	deletedOnly = 2
)

// Bounds on a query.
const (
	maxFilterDepth = 32
	maxClauses     = 1 << 12
	maxSort        = 16
)

// clause is a node of a filter.
type clause struct {
	kind    uint8
	compare comparison
	path    []int32 // interned keys
	value   operand // of filterRefers: bytes is the id
	word    uint64  // of a comparison whether it is, or is not, a value of one encoding: see exactWord
	parts   []clause
	search  *search
}

// readQuery reads a query.
func (db *DB) readQuery(b []byte) (*query, error) {
	const op = "objectdb.OpenQuery"
	r := wire.NewReader(b)
	p := filterParser{db: db, r: r}
	q := &query{}
	n := r.ArrayLen(5)
	if r.Err() == nil && n != 2 && n != 5 {
		r.Fail(errors.New("is not a query"))
	}
	if !r.SkipNil() {
		c := p.clause(maxFilterDepth)
		q.filter = &c
	}
	q.deleted = uint8(r.Uint(deletedOnly))
	if n == 5 {
		for k := r.ArrayLen(maxSort); k > 0 && r.Err() == nil; k-- {
			r.Array(2)
			by := sortBy{path: p.anyPath()}
			if len(by.path) == 0 {
				by.searches = append([]*search{}, p.searches...)
			}
			by.descending = r.Bool()
			q.sort = append(q.sort, by)
		}
		q.offset, q.limit = int(r.Uint(math.MaxInt32)), int(r.Uint(math.MaxInt32))
	}
	db.setOrder(q)
	return q, r.Done(op)
}

// path reads the keys to a property.
func (p *filterParser) path() []int32 {
	path := p.anyPath()
	if p.r.Err() == nil && len(path) == 0 {
		p.r.Fail(errors.New("query without key"))
	}
	return path
}

// anyPath reads the keys to a property, or to the object itself.
func (p *filterParser) anyPath() (path []int32) {
	for range p.r.ArrayLen(p.db.limits.Depth) {
		if k := p.db.limits.readKey(p.r); p.r.Err() == nil {
			path = append(path, p.db.internKey(k))
		}
	}
	return path
}

type filterParser struct {
	db       *DB
	r        *wire.Reader
	clauses  int
	searches []*search
}

func (p *filterParser) clause(depth int) (c clause) {
	r := p.r
	n := r.ArrayLen(maxClauses)
	c.kind = uint8(r.Uint(filterSearch))
	p.clauses++
	switch {
	case r.Err() != nil:
	case depth == 0 || p.clauses > maxClauses:
		r.Fail(errs.New("objectdb.OpenQuery", errs.TooLarge, "filter has more than %d clauses or is nested deeper than %d", maxClauses, maxFilterDepth))
	case c.kind == filterCompare && n == 4:
		p.comparison(&c)
	case c.kind == filterRefers && n == 3:
		c.path = p.anyPath()
		c.value = operand{kind: operandReference, bytes: make([]byte, id.ShortSize)}
		r.Fixed(c.value.bytes)
	case c.kind == filterSearch && n == 3:
		c.search = p.search()
		p.searches = append(p.searches, c.search)
	case c.kind == filterAnd && n > 0, c.kind == filterOr && n > 0, c.kind == filterNot && n == 2:
		for i := 1; i < n && r.Err() == nil; i++ {
			c.parts = append(c.parts, p.clause(depth-1))
		}
	default:
		r.Fail(errors.New("is not a filter"))
	}
	return c
}

func (p *filterParser) comparison(c *clause) {
	r := p.r
	c.path = p.path()
	c.compare = comparison(r.Uint(uint64(contains)))
	before := r.Rest()
	if p.db.limits.readValue(r) != -1 && r.Err() == nil {
		r.Fail(errs.New("objectdb.OpenQuery", errs.UnsupportedValue, "a property cannot be compared with a map, a list, a text or a counter"))
	}
	if r.Err() == nil {
		raw := before[:len(before)-len(r.Rest())]
		c.value = readOperand(append(make([]byte, 0, len(raw)), raw...))
		if c.compare == equal || c.compare == unequal {
			c.word = exactWord(c.value.kind, raw)
		}
	}
}

// exactWord is the word of a value that only registers with this word equal, apart
// from containers; 0 if there is none. Numbers have several encodings, and longer
// values are in the heap.
func exactWord(kind operandKind, raw []byte) uint64 {
	switch kind {
	case operandNil, operandBool, operandString, operandBytes, operandDate, operandReference:
		if len(raw) <= maxInline {
			return inlineWord(raw)
		}
	}
	return 0
}

// matches evaluates a filter on an object.
func (db *DB) matches(f *clause, c int32) bool {
	switch f.kind {
	case filterAnd:
		for i := range f.parts {
			if !db.matches(&f.parts[i], c) {
				return false
			}
		}
		return true
	case filterOr:
		for i := range f.parts {
			if db.matches(&f.parts[i], c) {
				return true
			}
		}
		return false
	case filterNot:
		return !db.matches(&f.parts[0], c)
	case filterRefers:
		return db.refersTo(c, f.path, f.value.bytes)
	case filterSearch:
		return db.found(f.search, c)
	}
	w, _ := db.wordAt(c, f.path)
	if f.word != 0 && childWord(w) == none {
		return (w == f.word) == (f.compare == equal)
	}
	var buf [8]byte
	o := db.operandOf(w, &buf)
	if f.compare == contains && o.kind == operandList {
		return db.listContains(int32(o.bits), f.value)
	}
	return f.compare.holds(o, f.value)
}

// listContains reports whether an item of a list equals a value.
func (db *DB) listContains(list int32, value operand) bool {
	var buf [8]byte
	for _, s := range db.listOf(list).slots {
		if db.isShown(s) && equal.holds(db.operandOf(db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value, &buf), value) {
			return true
		}
	}
	return false
}

// property finds what a path leads to in an object.
func (db *DB) property(c int32, path []int32, buf *[8]byte) operand {
	w, _ := db.wordAt(c, path)
	return db.operandOf(w, buf)
}

// wordAt finds what the register holds that a path leads to in an object.
func (db *DB) wordAt(c int32, path []int32) (w uint64, ok bool) {
	for _, key := range path[:len(path)-1] {
		if c = db.childOf(c, key, typeMap); c == none {
			return wordDeleted, false
		}
	}
	f := db.field(c, path[len(path)-1])
	if f == none {
		return wordDeleted, false
	}
	return db.fields.At(f).Value, true
}

// operandOf is what a register holds.
func (db *DB) operandOf(w uint64, buf *[8]byte) operand {
	switch {
	case w == wordDeleted:
		return operand{}
	case childWord(w) != none:
		switch row := db.containers.At(childWord(w)); row.kind {
		case typeCounter:
			return operand{kind: operandInt, bits: uint64(row.number), negative: row.number < 0}
		case typeText:
			x := db.textOf(childWord(w))
			return operand{kind: operandString, bytes: db.ropes.Append(nil, x.content, 0, db.ropes.Len(x.content))}
		case typeList:
			return operand{kind: operandList, bits: uint64(childWord(w))}
		}
		return operand{kind: operandMap}
	default:
		return readOperand(db.raw(w, buf))
	}
}

// visible reports whether an object is in a query.
func (db *DB) visible(q *query, c int32) bool {
	if c == propertiesRow || db.containers.At(c).created.Node == none {
		return false
	}
	if gone := db.deleted(c); gone && q.deleted == deletedHide || !gone && q.deleted == deletedOnly {
		return false
	}
	return q.filter == nil || db.matches(q.filter, c)
}

// readOperand takes an encoded value apart. It was checked when it came in.
func readOperand(raw []byte) (o operand) {
	r := wire.Over(raw)
	switch r.Peek() {
	case wire.Nil:
		o.kind = operandNil
	case wire.Bool:
		o.kind = operandBool
		if r.Bool() {
			o.bits = 1
		}
	case wire.Uint:
		o.kind, o.bits = operandInt, r.Uint(math.MaxUint64)
	case wire.Int:
		o.kind, o.bits, o.negative = operandInt, uint64(r.Int()), true
	case wire.Float:
		o.kind, o.bits = operandFloat, math.Float64bits(r.Float())
	case wire.String:
		o.kind, o.bytes = operandString, r.StringBytes(math.MaxInt32)
	case wire.Array:
		r.Array(2)
		switch r.Uint(math.MaxUint8) {
		case valueBytes:
			o.kind, o.bytes = operandBytes, r.Bytes(math.MaxInt32)
		case valueDate:
			o.kind, o.bits = operandDate, uint64(r.Int())
		case valueReference:
			o.kind, o.bytes = operandReference, r.Bytes(math.MaxInt32)
		case valueBigInt:
			o.kind, o.bytes = operandBigInt, r.StringBytes(math.MaxInt32)
		}
	}
	return o
}
