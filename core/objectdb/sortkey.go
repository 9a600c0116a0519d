package objectdb

import (
	"encoding/binary"
	"math"
)

// A sort key is the bytes of what an object is sorted by, such that bytes.Compare
// orders as follows: what is missing first, then nil, booleans, numbers, strings
// (by code point), dates, big integers, bytes, references, then maps and lists,
// which are all alike. Numbers compare exactly; NaN is behind all others, and minus zero is
// zero.

// sortBy is one of the properties that a query sorts by.
type sortBy struct {
	path       []int32 // interned keys
	descending bool
	searches   []*search // by relevance to these if path is empty
}

// appendSortKey appends the sort key of an object.
func (db *DB) appendSortKey(b []byte, c int32, by []sortBy) []byte {
	for _, s := range by {
		var buf [8]byte
		from := len(b)
		if len(s.path) == 0 {
			b = binary.BigEndian.AppendUint32(b, ^db.relevance(s.searches, c))
		} else {
			b = appendOperandKey(b, db.property(c, s.path, &buf))
		}
		if s.descending {
			for i := from; i < len(b); i++ {
				b[i] = ^b[i]
			}
		}
	}
	return b
}

func appendOperandKey(b []byte, o operand) []byte {
	switch o.kind {
	case operandMissing:
		return append(b, 0)
	case operandNil:
		return append(b, 1)
	case operandBool:
		return append(b, 2, byte(o.bits))
	case operandInt, operandFloat:
		return appendNumberKey(append(b, 3), o)
	case operandString:
		return appendBytesKey(append(b, 4), o.bytes)
	case operandDate:
		return binary.BigEndian.AppendUint64(append(b, 5), o.bits^1<<63)
	case operandBigInt:
		return appendDecimalKey(append(b, 6), o.bytes)
	case operandBytes:
		return appendBytesKey(append(b, 7), o.bytes)
	case operandReference:
		return append(append(b, 8), o.bytes...)
	}
	return append(b, 9)
}

// appendNumberKey appends the number as a float, and then, since several integers
// round to one float, how much it differs from that: at most half of 2^11.
func appendNumberKey(b []byte, o operand) []byte {
	f, rest := math.Float64frombits(o.bits), uint64(0)
	if o.kind == operandInt {
		f = float64(o.bits)
		if o.negative {
			f = float64(int64(o.bits))
			rest = o.bits - uint64(int64(f))
		} else if f < 1<<64 {
			rest = o.bits - uint64(f)
		} else {
			rest = o.bits // of 2^64 nothing is left in 64 bits
		}
	}
	switch {
	case math.IsNaN(f):
		f = math.NaN() // one of many
	case f == 0:
		f = 0 // not minus zero
	}
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	b = binary.BigEndian.AppendUint64(b, bits)
	return binary.BigEndian.AppendUint16(b, uint16(rest)^1<<15)
}

// appendBytesKey appends bytes so that what begins with others comes behind them,
// whatever follows: 0 is written as 0 255, and the end as 0 0.
func appendBytesKey(b, v []byte) []byte {
	for _, c := range v {
		if b = append(b, c); c == 0 {
			b = append(b, 255)
		}
	}
	return append(b, 0, 0)
}

// appendDecimalKey appends an integer in its decimal form.
func appendDecimalKey(b, v []byte) []byte {
	negative := v[0] == '-'
	if negative {
		v = v[1:]
	}
	from := len(b) + 1
	b = binary.BigEndian.AppendUint32(append(b, 1), uint32(len(v)))
	b = append(b, v...)
	if negative {
		b[from-1] = 0
		for i := from; i < len(b); i++ {
			b[i] = ^b[i]
		}
	}
	return b
}
