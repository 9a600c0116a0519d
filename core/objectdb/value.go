package objectdb

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Types of values that are arrays. Numbers are fixed for good.
const (
	valueBytes     = 1
	valueDate      = 2
	valueReference = 3
	valueMap       = 4
	valueBigInt    = 5
	valueList      = 6
	valueText      = 7
	valueCounter   = 8
)

// A word is the value of a register in 64 bits. The upper byte says how:
// 0 deleted; tagChild the row of a container; tagHeap a Ref; tagInline|n an encoded
// value of n bytes, the first lowest.
const (
	tagHeap   = 0x20
	tagChild  = 0x40
	tagInline = 0x80

	wordDeleted = 0
	wordTrue    = (tagInline|1)<<56 | 0xc3
	wordFalse   = (tagInline|1)<<56 | 0xc2
	maxInline   = 7
)

// content is a value to write: an encoded one, or a container if raw is nil and
// child is not none, or nothing (deleted).
type content struct {
	raw   []byte
	child int32
}

var deletion = content{child: none}

// word stores a value for the register whose head is owner.
func (db *DB) word(owner int32, v content) uint64 {
	switch {
	case v.raw == nil && v.child == none:
		return wordDeleted
	case v.raw == nil:
		return tagChild<<56 | uint64(uint32(v.child))
	case len(v.raw) <= maxInline:
		return inlineWord(v.raw)
	}
	return tagHeap<<56 | db.values.Put(owner, v.raw)
}

// inlineWord is the word of an encoded value of at most maxInline bytes.
func inlineWord(raw []byte) uint64 {
	w := uint64(tagInline|len(raw)) << 56
	for i, c := range raw {
		w |= uint64(c) << (8 * i)
	}
	return w
}

func (db *DB) freeWord(w uint64) {
	if w>>56 == tagHeap {
		db.values.Free(w & flat.RefMask)
	}
}

// childWord is the row of the container that a word stands for, or none.
func childWord(w uint64) int32 {
	if w>>56 == tagChild {
		return int32(uint32(w))
	}
	return none
}

// raw gives the encoded value of a word that is neither deleted nor a container,
// using buf for one that is inline.
func (db *DB) raw(w uint64, buf *[8]byte) []byte {
	if w>>56 == tagHeap {
		return db.values.Get(w & flat.RefMask)
	}
	n := w >> 56 & 0x0f
	for i := range n {
		buf[i] = byte(w >> (8 * i))
	}
	return buf[:n]
}

// As the pairs that readValue gives: the value is a counter, whose start follows
// as an integer, a text, whose content follows as a string, or, from isList down,
// a list, of isList-pairs values, which follow.
const (
	isCounter = -2
	isText    = -3
	isList    = -4
)

// containerKind is the type of an encoded value that is a container, or 0.
func containerKind(v []byte) uint8 {
	r := wire.NewReader(v)
	if r.Peek() != wire.Array {
		return 0
	}
	r.ArrayLen(math.MaxInt32)
	switch t := r.Uint(math.MaxUint8); t {
	case valueMap, valueList, valueText, valueCounter:
		return uint8(t)
	}
	return 0
}

// readWhole reads one value with all that is in it, maps and lists up to so deep, and
// checks it as the ops that write it do.
func (l Limits) readWhole(r *wire.Reader, depth int) {
	pairs := l.readValue(r)
	switch {
	case r.Err() != nil || pairs == -1:
	case pairs == isCounter:
		r.Int()
	case pairs == isText:
		l.size(r, r.StringBytes(math.MaxInt32))
	case depth == 0:
		r.Fail(errs.New("objectdb.readWhole", errs.TooLarge, "maps and lists are nested too deep"))
	case pairs <= isList:
		for n := isList - pairs; n > 0 && r.Err() == nil; n-- {
			l.readWhole(r, depth-1)
		}
	default:
		var last []byte
		for i := 0; i < pairs && r.Err() == nil; i++ {
			k := l.readKey(r)
			if i > 0 && bytes.Compare(last, k) >= 0 {
				r.Fail(errors.New("keys of a map are not ascending"))
			}
			last = k
			l.readWhole(r, depth-1)
		}
	}
}

// readValue reads one value and checks it. Of a map it reads only the head and
// gives the number of pairs, which follow; of a counter isCounter, of a text
// isText, of a list isList and less; of any other value pairs is -1.
func (l Limits) readValue(r *wire.Reader) (pairs int) {
	switch r.Peek() {
	case wire.Nil:
		r.Nil()
	case wire.Bool:
		r.Bool()
	case wire.Uint:
		r.Uint(math.MaxUint64)
	case wire.Int:
		r.Int()
	case wire.Float:
		r.Float()
	case wire.String:
		l.size(r, r.StringBytes(math.MaxInt32))
	case wire.Array:
		return l.readTyped(r)
	default:
		r.Skip() // names what is wrong
	}
	return -1
}

func (l Limits) readTyped(r *wire.Reader) (pairs int) {
	n := r.ArrayLen(math.MaxInt32)
	t := r.Uint(math.MaxUint8)
	if r.Err() == nil && (t == 0 || t > valueCounter) {
		r.Fail(errs.New("objectdb.readValue", errs.Malformed, "type %d is not a type of value", t))
	}
	if r.Err() == nil && t == valueList {
		return isList - (n - 1)
	}
	if r.Err() == nil && t == valueMap {
		if n%2 == 0 {
			r.Fail(errors.New("map has a key without value"))
		}
		return n / 2
	}
	if r.Err() == nil && n != 2 {
		r.Fail(fmt.Errorf("value of type %d has %d elements, want 2", t, n))
	}
	switch t {
	case valueCounter:
		return isCounter
	case valueText:
		return isText
	case valueBytes:
		l.size(r, r.Bytes(math.MaxInt32))
	case valueDate:
		r.Int()
	case valueReference:
		var ref id.ObjectID
		r.Fixed(ref[:])
	case valueBigInt:
		b := r.StringBytes(math.MaxInt32)
		l.size(r, b)
		if r.Err() == nil && !isDecimal(b) {
			r.Fail(errors.New("big integer is not in decimal"))
		}
	}
	return -1
}

func (l Limits) size(r *wire.Reader, b []byte) {
	if len(b) > l.Value {
		r.Fail(errs.New("objectdb.readValue", errs.TooLarge, "value of %d bytes, limit %d", len(b), l.Value))
	}
}

// readKey reads a key of a map.
func (l Limits) readKey(r *wire.Reader) []byte {
	b := r.StringBytes(math.MaxInt32)
	if len(b) > l.Key {
		r.Fail(errs.New("objectdb.readKey", errs.TooLarge, "key of %d bytes, limit %d", len(b), l.Key))
	}
	return b
}

// isDecimal reports whether b is a decimal integer in its one form: no leading
// zero, no sign but a minus, no minus zero.
func isDecimal(b []byte) bool {
	if len(b) > 0 && b[0] == '-' {
		b = b[1:]
		if len(b) == 1 && b[0] == '0' {
			return false
		}
	}
	if len(b) == 0 || len(b) > 1 && b[0] == '0' {
		return false
	}
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
