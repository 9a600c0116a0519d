package objectdb

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// maxMark is the largest value of a mark, in bytes as it is encoded.
const maxMark = 4 << 10

// readMark reads the value of a mark: nil, a bool, a number, a string, or a map
// of such.
func (l Limits) readMark(r *wire.Reader) {
	from := r.Offset()
	if kind := containerKind(r.Rest()); kind != 0 && kind != valueMap {
		r.Fail(errs.New("objectdb.readMark", errs.UnsupportedValue, "a list, a text and a counter cannot be the value of a mark"))
		return
	}
	var last []byte
	for i, pairs := 0, l.readValue(r); i < pairs && r.Err() == nil; i++ {
		k := l.readKey(r)
		if r.Err() == nil && i > 0 && bytes.Compare(last, k) >= 0 {
			r.Fail(errors.New("keys of a map are not ascending"))
		}
		last = k
		if l.readValue(r) != -1 {
			r.Fail(errs.New("objectdb.readMark", errs.UnsupportedValue, "a container in a map cannot be the value of a mark"))
		}
	}
	if n := r.Offset() - from; r.Err() == nil && n > maxMark {
		r.Fail(errs.New("objectdb.readMark", errs.TooLarge, "the value of a mark takes %d bytes, limit %d", n, maxMark))
	}
}

// localFormat reads marks for a part of a text and makes them.
func (db *DB) localFormat(r *wire.Reader, ops []byte, p place) {
	from, end := r.Uint(math.MaxInt32), r.Uint(math.MaxInt32)
	only := r.Bool()
	n := r.ArrayLen(math.MaxInt32)
	if r.Err() == nil && n%3 != 0 {
		r.Fail(fmt.Errorf("marks of %d values, want three for each", n))
	}
	if r.Err() != nil {
		return
	}
	child := db.childOf(p.container, p.key, typeText)
	if child == none {
		r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no text"))
		return
	}
	if err := db.checkFormat(db.textOf(child), int32(from), int32(end)); err != nil {
		r.Fail(err)
		return
	}
	db.tx.touch(p.container)
	var named []int32
	for ; n > 0 && r.Err() == nil; n -= 3 {
		name := db.limits.readKey(r)
		expand := r.Uint(expandBefore | expandAfter)
		start := r.Offset()
		db.limits.readMark(r)
		if r.Err() != nil {
			return
		}
		key := db.internKey(name)
		named = append(named, key)
		if value := ops[start:r.Offset()]; !only || !db.hasMark(child, key, int32(from), int32(end), value) {
			r.Fail(db.format(child, newMark{int32(from), int32(end), key, expand, value}))
		}
	}
	if only && r.Err() == nil {
		r.Fail(db.formatOnly(child, named, int32(from), int32(end)))
	}
}

// localFormats reads marks, each for a part of a text of its own, and makes them.
func (db *DB) localFormats(r *wire.Reader, ops []byte, p place) {
	n := r.ArrayLen(math.MaxInt32)
	if r.Err() == nil && n%5 != 0 {
		r.Fail(fmt.Errorf("marks of %d values, want five for each", n))
	}
	child := db.childOf(p.container, p.key, typeText)
	if r.Err() == nil && child == none {
		r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no text"))
	}
	var list []newMark
	for ; n > 0 && r.Err() == nil; n -= 5 {
		f := newMark{from: int32(r.Uint(math.MaxInt32)), end: int32(r.Uint(math.MaxInt32))}
		name := db.limits.readKey(r)
		f.expand = r.Uint(expandBefore | expandAfter)
		start := r.Offset()
		db.limits.readMark(r)
		if r.Err() == nil {
			f.name, f.value = db.internKey(name), ops[start:r.Offset()]
			r.Fail(db.checkFormat(db.textOf(child), f.from, f.end))
			list = append(list, f)
		}
	}
	if r.Err() == nil {
		db.tx.touch(p.container)
		r.Fail(db.format(child, list...))
	}
}
