package objectdb

import (
	"bytes"
	"math"
	"slices"

	"github.com/echospace/echospace/core/crdt/flat"
)

// source gives objects among which all are that a filter holds for: a range of a
// sorted index, the objects that have any of some terms, or what any of some
// sources gives.
type source struct {
	index     *index
	from, end int // positions in a sorted index
	fixed     int // how many of its leading properties have one value in the range
	terms     []int32
	parts     []source
	count     int // about how many objects, deleted ones and repeated ones too
}

// plan is how a query is answered.
type plan struct {
	source  *source // nil: by looking at all objects
	ordered bool    // the source gives objects in the order of the query
}

// What one object costs, in steps of looking at all objects: what an index
// points to is not in a row, and what is not in order has to be sorted.
const (
	costIndexed = 2
	costSorted  = 2
	costKeyed   = 6 // sorted by properties
)

// planOf chooses how to answer a query. stop is after how many objects in order
// that is possible, 0 for all, and unordered says that their order is not wanted.
func (db *DB) planOf(q *query, stop int, unordered bool) (p plan) {
	all := db.containers.Len()
	terms := conjuncts(nil, q.filter)
	var order []sortBy
	for _, by := range q.sort { // all are alike in what must equal something
		if _, fixed := equalTo(terms, by.path); !fixed {
			order = append(order, by)
		}
	}
	sorting := costSorted
	switch {
	case unordered:
		sorting = 0
	case len(q.sort) > 0:
		sorting = costKeyed
	}
	best := math.MaxInt
	matching := all / 4 // a guess
	if q.filter == nil {
		matching = all
	} else if s, ok := db.sourceOf(q.filter); ok {
		matching = s.count
		best = s.count * (costIndexed + sorting)
		p.source = &s
		p.ordered = inOrder(&s, order)
		if p.ordered {
			best = s.count * costIndexed
		}
	}
	if best > all+matching*sorting {
		best, p = all+matching*sorting, plan{}
	}
	if unordered {
		return p
	}
	for _, x := range db.indexes.all {
		if x.kind != indexSorted || !db.ready(x) {
			continue
		}
		s, _ := db.rangeOf(x, terms)
		if !inOrder(&s, order) {
			continue
		}
		db.use(x)
		cost := s.count * costIndexed
		if stop > 0 && matching > 0 {
			cost = min(cost, int(float64(stop)*float64(s.count)/float64(matching))*costIndexed)
		}
		if cost < best {
			best, p = cost, plan{source: &s, ordered: true}
		}
	}
	return p
}

// inOrder reports whether a source gives objects in an order.
func inOrder(s *source, order []sortBy) bool {
	return s.index != nil && s.index.kind == indexSorted && sameOrder(s.index.by[s.fixed:], order)
}

// conjuncts appends the filters that must all hold.
func conjuncts(to []*clause, f *clause) []*clause {
	if f == nil {
		return to
	}
	if f.kind != filterAnd {
		return append(to, f)
	}
	for i := range f.parts {
		to = conjuncts(to, &f.parts[i])
	}
	return to
}

// sourceOf gives the smallest source for a filter; false if no index is of use.
func (db *DB) sourceOf(f *clause) (best source, ok bool) {
	terms := conjuncts(nil, f)
	consider := func(s source, is bool) {
		if is && (!ok || s.count < best.count || s.count == best.count && s.fixed > best.fixed) {
			best, ok = s, true
		}
	}
	for _, x := range db.indexes.all {
		if !db.ready(x) {
			continue
		}
		if x.kind == indexSorted {
			s, useful := db.rangeOf(x, terms)
			consider(s, useful)
			continue
		}
		for _, t := range terms {
			consider(db.termsFor(x, t))
		}
	}
	for _, t := range terms {
		if t.kind == filterOr {
			consider(db.unionOf(t))
		}
	}
	return best, ok
}

// unionOf gives a source for a filter of which any part must hold.
func (db *DB) unionOf(f *clause) (s source, ok bool) {
	for i := range f.parts {
		part, ok := db.sourceOf(&f.parts[i])
		if !ok {
			return source{}, false
		}
		s.parts = append(s.parts, part)
		s.count += part.count
	}
	return s, true
}

// termsFor gives a source from an index of terms.
func (db *DB) termsFor(x *index, f *clause) (s source, ok bool) {
	s.index = x
	switch {
	case x.kind == indexReferences && f.kind == filterRefers:
		s.terms, s.count = x.terms.find(f.value.bytes)
	case x.kind == indexItems && f.kind == filterCompare && f.compare == contains && slices.Equal(f.path, x.by[0].path):
		db.sortKey = appendOperandKey(db.sortKey[:0], f.value)
		s.terms, s.count = x.terms.find(db.sortKey)
		if f.value.kind == operandString {
			strings, n := x.terms.find(stringTerm)
			s.terms, s.count = append(s.terms, strings...), s.count+n
		}
	case x.kind == indexWords && f.kind == filterSearch && sameOrder(x.by, f.search.by) && len(f.search.words) > 0:
		s.count = math.MaxInt
		for _, w := range f.search.words {
			terms, n := x.terms.find(w.text)
			if w.prefix {
				terms, n = x.terms.withPrefix(w.text)
			}
			if n < s.count {
				s.terms, s.count = terms, n
			}
		}
	default:
		return s, false
	}
	db.use(x)
	return s, true
}

// rangeOf gives the part of a sorted index in which all of the filters can hold;
// false if that is all of it.
func (db *DB) rangeOf(x *index, terms []*clause) (s source, ok bool) {
	s.index, s.end = x, x.list.Len()
	var prefix []byte
	bounds := interval{}
	for _, by := range x.by {
		key, is := equalTo(terms, by.path)
		if is {
			prefix = append(prefix, inverted(key, by.descending)...)
			s.fixed++
			continue
		}
		for _, t := range terms {
			if t.kind == filterCompare && slices.Equal(t.path, by.path) {
				bounds.narrow(t)
			}
		}
		if by.descending {
			bounds.invert()
		}
		break
	}
	low, high := append(slices.Clone(prefix), bounds.low...), successor(prefix)
	if bounds.high != nil {
		high = append(slices.Clone(prefix), bounds.high...)
	}
	if len(low) > 0 {
		s.from = x.position(low)
	}
	if high != nil {
		s.end = max(s.from, x.position(high))
	}
	s.count = s.end - s.from
	ok = s.fixed > 0 || bounds.low != nil || bounds.high != nil
	if ok {
		db.use(x)
	}
	return s, ok
}

// position is how many objects of a sorted index come before a key.
func (x *index) position(key []byte) int {
	var buf [8]byte
	return x.list.Bound(func(c int32) bool { return bytes.Compare(x.keys.get(c, &buf), key) < 0 })
}

// equalTo gives the key of the value that filters want a property to equal.
func equalTo(terms []*clause, path []int32) (key []byte, ok bool) {
	for _, t := range terms {
		if t.kind == filterCompare && t.compare == equal && slices.Equal(t.path, path) {
			return appendOperandKey(nil, t.value), true
		}
	}
	return nil, false
}

// interval is a range of sort keys: from low on, up to high, nil for no bound.
// No sort key begins with another.
type interval struct{ low, high []byte }

// narrow leaves out what a comparison cannot hold for.
func (i *interval) narrow(f *clause) {
	key := appendOperandKey(nil, f.value)
	low, high := key[:1], successor(key[:1]) // the values of this type
	if f.value.isNumber() || f.value.kind == operandString || f.value.kind == operandDate || f.value.kind == operandBigInt {
		switch f.compare {
		case less:
			high = key
		case lessEqual:
			high = successor(key)
		case greater:
			low = successor(key)
		case greaterEqual:
			low = key
		}
	}
	switch f.compare {
	case unequal, contains:
		return
	case equal:
		low, high = key, successor(key)
	case prefix:
		if f.value.kind == operandString {
			key = key[:len(key)-2] // the end of the string
			low, high = key, successor(key)
		}
	}
	if i.low == nil || bytes.Compare(low, i.low) > 0 {
		i.low = low
	}
	if i.high == nil || bytes.Compare(high, i.high) < 0 {
		i.high = high
	}
}

// invert makes it the range of the keys with all bits turned.
func (i *interval) invert() {
	var low, high []byte
	if i.high != nil {
		low = successor(inverted(i.high, true))
	}
	if i.low != nil {
		high = successor(inverted(i.low, true))
	}
	i.low, i.high = low, high
}

// inverted turns all bits of a copy if the order is descending.
func inverted(key []byte, descending bool) []byte {
	if !descending {
		return key
	}
	out := make([]byte, len(key))
	for i, c := range key {
		out[i] = ^c
	}
	return out
}

// successor is what comes behind all that begins with b; nil if nothing does.
func successor(b []byte) []byte {
	for n := len(b); n > 0; n-- {
		if b[n-1] != 0xff {
			out := slices.Clone(b[:n])
			out[n-1]++
			return out
		}
	}
	return nil
}

// each calls yield for the objects of a source, once each, until it gives false.
// seen is empty.
func (s *source) each(seen *flat.Bits, yield func(c int32) bool) bool {
	if s.index != nil && s.index.kind == indexSorted && seen == nil {
		ok := true
		s.index.list.Walk(s.from, s.end, func(c int32) bool { ok = yield(c); return ok })
		return ok
	}
	once := func(c int32) bool {
		if seen.Has(c) {
			return true
		}
		seen.Add(c)
		return yield(c)
	}
	switch {
	case s.index == nil:
		for i := range s.parts {
			if !s.parts[i].each(seen, yield) {
				return false
			}
		}
	case s.index.kind == indexSorted:
		ok := true
		s.index.list.Walk(s.from, s.end, func(c int32) bool { ok = once(c); return ok })
		return ok
	default:
		for _, t := range s.terms {
			if !s.index.terms.objects(t, once) {
				return false
			}
		}
	}
	return true
}
