package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/echospace/echospace/core/errs"
)

// Type is what the next value of a Reader is.
type Type uint8

// The types. Invalid is any byte outside the subset, and the end of the input.
const (
	Invalid Type = iota
	Nil
	Bool
	Uint
	Int // a negative integer
	Float
	Bytes
	String
	Array
)

var typeNames = [...]string{"invalid", "nil", "bool", "uint", "int", "float", "bytes", "string", "array"}

// String gives the name of the type.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "invalid"
}

var (
	errShort    = errors.New("ends early")
	errLonger   = errors.New("not in its shortest form")
	errTrailing = errors.New("trailing bytes")
	errUTF8     = errors.New("string is not UTF-8")
)

// Reader reads values in order. Its first error sticks; every later read gives
// a zero value. It is for one goroutine.
type Reader struct {
	buf []byte
	off int
	err error
}

// NewReader reads b, which must not change meanwhile.
func NewReader(b []byte) *Reader { return &Reader{buf: b} }

// Over is NewReader for inner loops: a Reader that needs no memory of its own.
func Over(b []byte) Reader { return Reader{buf: b} }

// Err gives the first error, unwrapped.
func (r *Reader) Err() error { return r.err }

// Offset is the position of the next value, in bytes.
func (r *Reader) Offset() int { return r.off }

// Rest is what has not been read, sharing memory.
func (r *Reader) Rest() []byte { return r.buf[r.off:] }

// Fail makes err the Reader's error, unless it has one.
func (r *Reader) Fail(err error) {
	if r.err == nil && err != nil {
		r.err = fmt.Errorf("at byte %d: %w", r.off, err)
	}
}

// Done gives the first error, or one for trailing bytes, as a Malformed Error
// of op; nil if everything was read.
func (r *Reader) Done(op string) error {
	if r.err == nil && r.off != len(r.buf) {
		r.Fail(errTrailing)
	}
	if r.err == nil {
		return nil
	}
	if e, ok := errors.AsType[*errs.Error](r.err); ok {
		return e
	}
	return errs.New(op, errs.Malformed, "%w", r.err)
}

// Peek tells the type of the next value without reading it.
func (r *Reader) Peek() Type {
	if r.err != nil || r.off >= len(r.buf) {
		return Invalid
	}
	return types[r.buf[r.off]]
}

// types says what value begins with a byte.
var types = func() (of [256]Type) {
	for i := range of {
		of[i] = typeOf(byte(i))
	}
	return of
}()

func typeOf(c byte) Type {
	switch {
	case c < 0x80:
		return Uint
	case c <= fixMapEnd:
		return Invalid
	case c < fixStr:
		return Array
	case c < formatNil:
		return String
	case c >= negFixint:
		return Int
	default:
		return formatType(c)
	}
}

func formatType(c byte) Type {
	switch c {
	case formatNil:
		return Nil
	case formatFalse, formatTrue:
		return Bool
	case formatBin8, formatBin16, formatBin32:
		return Bytes
	case formatF64:
		return Float
	case formatU8, formatU16, formatU32, formatU64:
		return Uint
	case formatI8, formatI16, formatI32, formatI64:
		return Int
	case formatStr8, formatStr16, formatStr32:
		return String
	case formatArr16, formatArr32:
		return Array
	}
	return Invalid
}

// expect checks the type of the next value.
func (r *Reader) expect(want Type) bool {
	return r.err == nil && r.off < len(r.buf) && types[r.buf[r.off]] == want || r.refuse(want)
}

// refuse says why expect holds not.
func (r *Reader) refuse(want Type) bool {
	if r.err == nil && r.off >= len(r.buf) {
		r.Fail(errShort)
	}
	if r.err == nil {
		r.Fail(fmt.Errorf("is %v, want %v", r.Peek(), want))
	}
	return false
}

// take consumes n bytes.
func (r *Reader) take(n int) []byte {
	if r.err != nil {
		return nil
	}
	if n > len(r.buf)-r.off {
		r.Fail(errShort)
		return nil
	}
	b := r.buf[r.off : r.off+n : r.off+n]
	r.off += n
	return b
}

// number reads n big-endian bytes and checks that the value needs them: it
// must be above least.
func (r *Reader) number(n int, least uint64) uint64 {
	b := r.take(n)
	if b == nil {
		return 0
	}
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	if v <= least {
		r.Fail(errLonger)
		return 0
	}
	return v
}

// Literal reads the next value if these bytes are it, and tells whether they were.
func (r *Reader) Literal(encoded []byte) bool {
	if r.err != nil || !bytes.HasPrefix(r.buf[r.off:], encoded) {
		return false
	}
	r.off += len(encoded)
	return true
}

// MaxScalar is how long a string may be that Scalar reads.
const MaxScalar = math.MaxUint16

// Scalar reads the next value if it is nil, a bool, a number, or a string of at most
// MaxScalar bytes, and gives it as it is encoded, sharing memory. Of any other it
// reads nothing and gives nil, as after an error.
func (r *Reader) Scalar() []byte {
	start := r.off
	if r.err != nil || start >= len(r.buf) {
		return nil
	}
	switch c := r.buf[start]; {
	case c < 0x80, c >= negFixint, c == formatNil, c == formatFalse, c == formatTrue:
		r.off++
	case c >= fixStr && c < formatNil, c == formatStr8, c == formatStr16:
		r.StringBytes(MaxScalar)
	case c == formatF64:
		r.Float()
	case c >= formatU8 && c <= formatU64:
		r.Uint(math.MaxUint64)
	case c >= formatI8 && c <= formatI64:
		r.Int()
	default:
		return nil
	}
	if r.err != nil {
		return nil
	}
	return r.buf[start:r.off:r.off]
}

// Nil reads nil.
func (r *Reader) Nil() {
	if r.expect(Nil) {
		r.off++
	}
}

// SkipNil reads nil if it is next, and tells whether it was.
func (r *Reader) SkipNil() bool {
	if r.Peek() != Nil {
		return false
	}
	r.off++
	return true
}

// Bool reads a bool.
func (r *Reader) Bool() bool {
	if !r.expect(Bool) {
		return false
	}
	r.off++
	return r.buf[r.off-1] == formatTrue
}

// Uint reads an unsigned integer of at most limit.
func (r *Reader) Uint(limit uint64) uint64 {
	if !r.expect(Uint) {
		return 0
	}
	c := r.buf[r.off]
	r.off++
	v := uint64(c)
	switch c {
	case formatU8:
		v = r.number(1, 0x7f)
	case formatU16:
		v = r.number(2, math.MaxUint8)
	case formatU32:
		v = r.number(4, math.MaxUint16)
	case formatU64:
		v = r.number(8, math.MaxUint32)
	}
	if v > limit {
		r.Fail(fmt.Errorf("%d is over %d", v, limit))
		return 0
	}
	return v
}

// Int reads an integer of either sign that fits an int64.
func (r *Reader) Int() int64 {
	if r.Peek() == Uint {
		return int64(r.Uint(math.MaxInt64))
	}
	if !r.expect(Int) {
		return 0
	}
	c := r.buf[r.off]
	r.off++
	switch c {
	case formatI8:
		return r.negative(1, -32)
	case formatI16:
		return r.negative(2, math.MinInt8)
	case formatI32:
		return r.negative(4, math.MinInt16)
	case formatI64:
		return r.negative(8, math.MinInt32)
	}
	return int64(int8(c))
}

// negative reads n bytes of two's complement and checks that the value is
// below bound, which the shorter forms reach.
func (r *Reader) negative(n int, bound int64) int64 {
	b := r.take(n)
	if b == nil {
		return 0
	}
	v := int64(int8(b[0]))
	for _, c := range b[1:] {
		v = v<<8 | int64(c)
	}
	if v >= bound {
		r.Fail(errLonger)
		return 0
	}
	return v
}

// Float reads a float64, bit for bit.
func (r *Reader) Float() float64 {
	if !r.expect(Float) {
		return 0
	}
	r.off++
	b := r.take(8)
	if b == nil {
		return 0
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

// Bytes reads a bin of at most limit bytes, sharing the Reader's memory.
func (r *Reader) Bytes(limit int) []byte {
	if !r.expect(Bytes) {
		return nil
	}
	c := r.buf[r.off]
	r.off++
	var n uint64
	switch c {
	case formatBin8:
		if b := r.take(1); b != nil {
			n = uint64(b[0])
		}
	case formatBin16:
		n = r.number(2, math.MaxUint8)
	default:
		n = r.number(4, math.MaxUint16)
	}
	return r.sized(n, limit)
}

// sized takes n bytes if the limit allows.
func (r *Reader) sized(n uint64, limit int) []byte {
	if r.err == nil && n > uint64(limit) {
		r.Fail(fmt.Errorf("%d bytes, limit %d", n, limit))
	}
	if r.err != nil {
		return nil
	}
	return r.take(int(n))
}

// Fixed reads a bin of exactly len(dst) bytes into dst.
func (r *Reader) Fixed(dst []byte) {
	b := r.Bytes(len(dst))
	if r.err == nil && len(b) != len(dst) {
		r.Fail(fmt.Errorf("%d bytes, want %d", len(b), len(dst)))
		return
	}
	copy(dst, b)
}

// String reads a well-formed UTF-8 str of at most limit bytes.
func (r *Reader) String(limit int) string { return string(r.StringBytes(limit)) }

// StringBytes is String without the copy, sharing the Reader's memory.
func (r *Reader) StringBytes(limit int) []byte {
	if !r.expect(String) {
		return nil
	}
	c := r.buf[r.off]
	r.off++
	n := uint64(c &^ 0xe0)
	switch c {
	case formatStr8:
		n = r.number(1, 31)
	case formatStr16:
		n = r.number(2, math.MaxUint8)
	case formatStr32:
		n = r.number(4, math.MaxUint16)
	}
	b := r.sized(n, limit)
	if r.err == nil && !utf8.Valid(b) {
		r.Fail(errUTF8)
		return nil
	}
	return b
}

// Array reads the header of an array of exactly n elements.
func (r *Reader) Array(n int) {
	if got := r.ArrayLen(n); r.err == nil && got != n {
		r.Fail(fmt.Errorf("array of %d, want %d", got, n))
	}
}

// ArrayLen reads the header of an array of at most limit elements. Since each
// element takes a byte, it also refuses more than the input can hold.
func (r *Reader) ArrayLen(limit int) int {
	if !r.expect(Array) {
		return 0
	}
	c := r.buf[r.off]
	r.off++
	n := uint64(c &^ 0xf0)
	switch c {
	case formatArr16:
		n = r.number(2, 15)
	case formatArr32:
		n = r.number(4, math.MaxUint16)
	}
	if r.err == nil && n > uint64(limit) {
		r.Fail(fmt.Errorf("array of %d, limit %d", n, limit))
	}
	if r.err == nil && n > uint64(len(r.buf)-r.off) {
		r.Fail(errShort)
	}
	if r.err != nil {
		return 0
	}
	return int(n)
}

// maxDepth bounds the arrays that Skip descends into.
const maxDepth = 64

// Skip reads one value of any type and gives its bytes, sharing memory.
func (r *Reader) Skip() []byte {
	start := r.off
	r.skip(maxDepth)
	if r.err != nil {
		return nil
	}
	return r.buf[start:r.off:r.off]
}

func (r *Reader) skip(depth int) {
	if depth == 0 {
		r.Fail(errors.New("nested too deep"))
		return
	}
	switch r.Peek() {
	case Nil:
		r.Nil()
	case Bool:
		r.Bool()
	case Uint:
		r.Uint(math.MaxUint64)
	case Int:
		r.Int()
	case Float:
		r.Float()
	case Bytes:
		r.Bytes(math.MaxInt32)
	case String:
		r.StringBytes(math.MaxInt32)
	case Array:
		for n := r.ArrayLen(math.MaxInt32); n > 0 && r.err == nil; n-- {
			r.skip(depth - 1)
		}
	default:
		if r.err == nil && r.off >= len(r.buf) {
			r.Fail(errShort)
			return
		}
		r.Fail(errors.New("is not a value of the subset"))
	}
}
