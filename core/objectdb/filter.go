package objectdb

import (
	"errors"
	"math"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// A query is [filter, deleted]: deleted 0 hides deleted objects, 1 shows them
// too, 2 shows only them. A filter is nil for all, or
//
//	[1, [key...], comparison, value]   a property, or one of a map in it
//	[2, filter...] and    [3, filter...] or    [4, filter] not
//
// Of no filters and is true and or is false. Comparisons are 0 =, 1 not =, 2 <,
// 3 <=, 4 >, 5 >=.
const (
	filterCompare = 1
	filterAnd     = 2
	filterOr      = 3
	filterNot     = 4

	deletedHide = 0
	deletedOnly = 2
)

// Bounds on a query.
const (
	maxFilterDepth = 32
	maxClauses     = 1 << 12
)

// clause is a node of a filter.
type clause struct {
	kind    uint8
	compare comparison
	path    []int32 // interned keys
	value   operand
	parts   []clause
}

// readQuery reads a query.
func (db *DB) readQuery(q []byte) (filter *clause, deleted uint8, err error) {
	const op = "objectdb.OpenQuery"
	r := wire.NewReader(q)
	p := filterParser{db: db, r: r}
	r.Array(2)
	if !r.SkipNil() {
		c := p.clause(maxFilterDepth)
		filter = &c
	}
	deleted = uint8(r.Uint(deletedOnly))
	return filter, deleted, r.Done(op)
}

type filterParser struct {
	db      *DB
	r       *wire.Reader
	clauses int
}

func (p *filterParser) clause(depth int) (c clause) {
	r := p.r
	n := r.ArrayLen(maxClauses)
	c.kind = uint8(r.Uint(filterNot))
	p.clauses++
	switch {
	case r.Err() != nil:
	case depth == 0 || p.clauses > maxClauses:
		r.Fail(errs.New("objectdb.OpenQuery", errs.TooLarge, "filter has more than %d clauses or is nested deeper than %d", maxClauses, maxFilterDepth))
	case c.kind == filterCompare && n == 4:
		p.comparison(&c)
	case c.kind == filterAnd, c.kind == filterOr, c.kind == filterNot && n == 2:
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
	n := r.ArrayLen(p.db.limits.Depth)
	if r.Err() == nil && n == 0 {
		r.Fail(errors.New("filter without key"))
	}
	for range n {
		if k := p.db.limits.readKey(r); r.Err() == nil {
			c.path = append(c.path, p.db.internKey(k))
		}
	}
	c.compare = comparison(r.Uint(uint64(greaterEqual)))
	before := r.Rest()
	if p.db.limits.readValue(r) >= 0 {
		r.Fail(errs.New("objectdb.OpenQuery", errs.UnsupportedValue, "a property cannot be compared with a map"))
	}
	if r.Err() == nil {
		raw := before[:len(before)-len(r.Rest())]
		c.value = readOperand(append(make([]byte, 0, len(raw)), raw...))
	}
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
	}
	var buf [8]byte
	return f.compare.holds(db.property(c, f.path, &buf), f.value)
}

// property finds what a path leads to in an object.
func (db *DB) property(c int32, path []int32, buf *[8]byte) operand {
	for _, key := range path[:len(path)-1] {
		if c = db.childOf(c, key, typeMap); c == none {
			return operand{}
		}
	}
	f := db.field(c, path[len(path)-1])
	if f == flat.None {
		return operand{}
	}
	switch w := db.fields.At(f).Value; {
	case w == wordDeleted:
		return operand{}
	case childWord(w) != none:
		switch row := db.containers.At(childWord(w)); row.kind {
		case typeCounter:
			return operand{kind: operandInt, bits: uint64(row.number), negative: row.number < 0}
		case typeText:
			x := db.textOf(childWord(w))
			return operand{kind: operandString, bytes: db.ropes.Append(nil, x.content, 0, db.ropes.Len(x.content))}
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
	r := wire.NewReader(raw)
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
