package objectdb

import (
	"bytes"
	"cmp"
	"math"
)

// comparison is the operator of a filter.
type comparison uint8

const (
	equal comparison = iota
	unequal
	less
	lessEqual
	greater
	greaterEqual
	prefix
	contains
)

// operand is one side of a comparison. The zero operand is a missing property.
type operand struct {
	kind     operandKind
	negative bool   // of an operandInt: bits is an int64 below 0
	bits     uint64 // bool, int, float, date
	bytes    []byte
}

type operandKind uint8

const (
	operandMissing operandKind = iota
	operandNil
	operandBool
	operandInt
	operandFloat
	operandString
	operandBytes
	operandDate
	operandReference
	operandBigInt
	operandMap
	operandList // bits is the container
)

// holds compares a property with a constant. Numbers compare with numbers,
// exactly; strings bytewise; dates with dates; big integers with big integers.
// Other values of one kind are equal or not and have no order; values of
// different kinds, and NaN, are unequal and have no order. A missing property
// equals nothing and differs from everything.
func (c comparison) holds(a, b operand) bool {
	order, ordered := compareOperands(a, b)
	switch c {
	case equal:
		return ordered && order == 0
	case unequal:
		return !ordered || order != 0
	}
	switch a.kind {
	case operandInt, operandFloat, operandString, operandDate, operandBigInt:
	default:
		return false
	}
	switch c {
	case prefix:
		return a.kind == operandString && b.kind == operandString && bytes.HasPrefix(a.bytes, b.bytes)
	case contains:
		return a.kind == operandString && b.kind == operandString && bytes.Contains(a.bytes, b.bytes)
	case less:
		return ordered && order < 0
	case lessEqual:
		return ordered && order <= 0
	case greater:
		return ordered && order > 0
	default:
		return ordered && order >= 0
	}
}

// compareOperands gives the order of two values that can be compared.
func compareOperands(a, b operand) (order int, ok bool) {
	if a.isNumber() && b.isNumber() {
		return compareNumbers(a, b)
	}
	if a.kind != b.kind {
		return 0, false
	}
	switch a.kind {
	case operandNil:
		return 0, true
	case operandBool:
		return cmp.Compare(a.bits, b.bits), true
	case operandDate:
		return cmp.Compare(int64(a.bits), int64(b.bits)), true
	case operandString, operandBytes, operandReference:
		return bytes.Compare(a.bytes, b.bytes), true
	case operandBigInt:
		return compareDecimal(a.bytes, b.bytes), true
	}
	return 0, false
}

func (o operand) isNumber() bool { return o.kind == operandInt || o.kind == operandFloat }

func compareNumbers(a, b operand) (int, bool) {
	switch {
	case a.kind == operandInt && b.kind == operandInt:
		return compareInts(a, b), true
	case a.kind == operandFloat && b.kind == operandFloat:
		x, y := math.Float64frombits(a.bits), math.Float64frombits(b.bits)
		if math.IsNaN(x) || math.IsNaN(y) {
			return 0, false
		}
		return cmp.Compare(x, y), true
	case a.kind == operandFloat:
		order, ok := compareNumbers(b, a)
		return -order, ok
	}
	return compareIntFloat(a, math.Float64frombits(b.bits))
}

func compareInts(a, b operand) int {
	switch {
	case a.negative && !b.negative:
		return -1
	case !a.negative && b.negative:
		return 1
	case a.negative:
		return cmp.Compare(int64(a.bits), int64(b.bits))
	}
	return cmp.Compare(a.bits, b.bits)
}

// compareIntFloat compares without rounding the integer.
func compareIntFloat(a operand, f float64) (int, bool) {
	const two63, two64 = 1 << 63, 1 << 64
	switch {
	case math.IsNaN(f):
		return 0, false
	case f >= two64:
		return -1, true
	case f < -two63:
		return 1, true
	}
	whole := math.Floor(f)
	b := operand{kind: operandInt, bits: uint64(whole)}
	if whole < 0 {
		b = operand{kind: operandInt, bits: uint64(int64(whole)), negative: true}
	}
	if c := compareInts(a, b); c != 0 || whole == f {
		return c, true
	}
	return -1, true // a is the floor of f
}

// compareDecimal compares integers in their one decimal form: by sign, then
// length, then digits.
func compareDecimal(a, b []byte) int {
	minusA, minusB := a[0] == '-', b[0] == '-'
	switch {
	case minusA && minusB:
		return compareDecimal(b[1:], a[1:])
	case minusA:
		return -1
	case minusB:
		return 1
	case len(a) != len(b):
		return cmp.Compare(len(a), len(b))
	}
	return bytes.Compare(a, b)
}
