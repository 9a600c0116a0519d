package wire

import (
	"encoding/binary"
	"math"
)

// msgpack format bytes (msgpack specification, "Formats").
const (
	fixMapEnd   = 0x8f
	fixArray    = 0x90
	fixStr      = 0xa0
	formatNil   = 0xc0
	formatFalse = 0xc2
	formatTrue  = 0xc3
	formatBin8  = 0xc4
	formatBin16 = 0xc5
	formatBin32 = 0xc6
	formatF64   = 0xcb
	formatU8    = 0xcc
	formatU16   = 0xcd
	formatU32   = 0xce
	formatU64   = 0xcf
	formatI8    = 0xd0
	formatI16   = 0xd1
	formatI32   = 0xd2
	formatI64   = 0xd3
	formatStr8  = 0xd9
	formatStr16 = 0xda
	formatStr32 = 0xdb
	formatArr16 = 0xdc
	formatArr32 = 0xdd
	negFixint   = 0xe0
)

// AppendNil appends nil.
func AppendNil(b []byte) []byte { return append(b, formatNil) }

// AppendBool appends v.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, formatTrue)
	}
	return append(b, formatFalse)
}

// AppendUint appends v in its shortest form.
func AppendUint(b []byte, v uint64) []byte {
	switch {
	case v < 0x80:
		return append(b, byte(v))
	case v <= math.MaxUint8:
		return append(b, formatU8, byte(v))
	case v <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, formatU16), uint16(v))
	case v <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, formatU32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, formatU64), v)
}

// AppendInt appends v in its shortest form; a non-negative v as AppendUint does.
func AppendInt(b []byte, v int64) []byte {
	switch {
	case v >= 0:
		return AppendUint(b, uint64(v))
	case v >= -32:
		return append(b, byte(v))
	case v >= math.MinInt8:
		return append(b, formatI8, byte(v))
	case v >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(b, formatI16), uint16(v))
	case v >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(b, formatI32), uint32(v))
	}
	return binary.BigEndian.AppendUint64(append(b, formatI64), uint64(v))
}

// AppendFloat appends v as float64, bit for bit: -0, NaN payloads and
// infinities are kept.
func AppendFloat(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, formatF64), math.Float64bits(v))
}

// AppendBytes appends v as bin. v must be shorter than 4 GiB.
func AppendBytes(b, v []byte) []byte {
	switch n := len(v); {
	case n <= math.MaxUint8:
		b = append(b, formatBin8, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, formatBin16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, formatBin32), uint32(n))
	}
	return append(b, v...)
}

// AppendString appends v as str. v must be well-formed UTF-8 and shorter than
// 4 GiB; a Reader refuses anything else.
func AppendString(b []byte, v string) []byte {
	switch n := len(v); {
	case n < 32:
		b = append(b, fixStr|byte(n))
	case n <= math.MaxUint8:
		b = append(b, formatStr8, byte(n))
	case n <= math.MaxUint16:
		b = binary.BigEndian.AppendUint16(append(b, formatStr16), uint16(n))
	default:
		b = binary.BigEndian.AppendUint32(append(b, formatStr32), uint32(n))
	}
	return append(b, v...)
}

// AppendArray appends the header of an array of n elements, which follow.
func AppendArray(b []byte, n int) []byte {
	switch {
	case n < 16:
		return append(b, fixArray|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, formatArr16), uint16(n))
	}
	return binary.BigEndian.AppendUint32(append(b, formatArr32), uint32(n))
}
