package wire

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/vmihailenco/msgpack/v5"
)

// TestAppend_matchesMsgpack holds our encoding against the reference library:
// what we write it reads, and compactly written values have the same bytes.
func TestAppend_matchesMsgpack(t *testing.T) {
	encode := func(write func(*msgpack.Encoder) error) []byte {
		var buf bytes.Buffer
		e := msgpack.NewEncoder(&buf)
		e.UseCompactInts(true)
		if err := write(e); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	for _, v := range []uint64{0, 1, 127, 128, 255, 256, 65535, 65536, math.MaxUint32, math.MaxUint32 + 1, math.MaxUint64} {
		if got, want := AppendUint(nil, v), encode(func(e *msgpack.Encoder) error { return e.EncodeUint(v) }); !bytes.Equal(got, want) {
			t.Errorf("uint %d: %x, msgpack %x", v, got, want)
		}
		if got := NewReader(AppendUint(nil, v)).Uint(math.MaxUint64); got != v {
			t.Errorf("uint %d read as %d", v, got)
		}
	}
	for _, v := range []int64{0, -1, -32, -33, -128, -129, -32768, -32769, math.MinInt32, math.MinInt32 - 1, math.MinInt64, 5, math.MaxInt64} {
		if got, want := AppendInt(nil, v), encode(func(e *msgpack.Encoder) error { return e.EncodeInt(v) }); !bytes.Equal(got, want) {
			t.Errorf("int %d: %x, msgpack %x", v, got, want)
		}
		if got := NewReader(AppendInt(nil, v)).Int(); got != v {
			t.Errorf("int %d read as %d", v, got)
		}
	}
	for _, n := range []int{0, 15, 16, 31, 32, 255, 256, 65535, 65536} {
		s := strings.Repeat("x", n)
		if got, want := AppendString(nil, s), encode(func(e *msgpack.Encoder) error { return e.EncodeString(s) }); !bytes.Equal(got, want) {
			t.Errorf("str %d differs", n)
		}
		if got, want := AppendBytes(nil, []byte(s)), encode(func(e *msgpack.Encoder) error { return e.EncodeBytes([]byte(s)) }); !bytes.Equal(got, want) {
			t.Errorf("bin %d differs", n)
		}
		if got, want := AppendArray(nil, n), encode(func(e *msgpack.Encoder) error { return e.EncodeArrayLen(n) }); !bytes.Equal(got, want) {
			t.Errorf("array %d: %x, msgpack %x", n, got, want)
		}
		if got := NewReader(AppendString(nil, s)).String(n); got != s {
			t.Errorf("str %d read as %d", n, len(got))
		}
		if got := NewReader(AppendBytes(nil, []byte(s))).Bytes(n); string(got) != s {
			t.Errorf("bin %d read as %d", n, len(got))
		}
	}
}

func TestReader_floatsBitForBit(t *testing.T) {
	for _, bits := range []uint64{0, 1 << 63, math.Float64bits(1.5), 0x7ff8000000000001, math.Float64bits(math.Inf(-1))} {
		got := NewReader(AppendFloat(nil, math.Float64frombits(bits))).Float()
		if math.Float64bits(got) != bits {
			t.Errorf("float bits %x read as %x", bits, math.Float64bits(got))
		}
	}
}

func TestReader_refuses(t *testing.T) {
	cases := map[string]struct {
		in   []byte
		read func(*Reader)
	}{
		"empty input":            {nil, func(r *Reader) { r.Uint(1) }},
		"trailing byte":          {[]byte{1, 2}, func(r *Reader) { r.Uint(9) }},
		"uint over limit":        {[]byte{5}, func(r *Reader) { r.Uint(4) }},
		"uint8 not minimal":      {[]byte{0xcc, 0x7f}, func(r *Reader) { r.Uint(255) }},
		"uint16 not minimal":     {[]byte{0xcd, 0, 0xff}, func(r *Reader) { r.Uint(1 << 40) }},
		"uint64 cut":             {[]byte{0xcf, 1, 2}, func(r *Reader) { r.Uint(math.MaxUint64) }},
		"positive as int8":       {[]byte{0xd0, 1}, func(r *Reader) { r.Int() }},
		"int16 not minimal":      {[]byte{0xd1, 0xff, 0xff}, func(r *Reader) { r.Int() }},
		"uint over int64":        {AppendUint(nil, math.MaxUint64), func(r *Reader) { r.Int() }},
		"bytes over limit":       {AppendBytes(nil, make([]byte, 9)), func(r *Reader) { r.Bytes(8) }},
		"bytes cut":              {[]byte{0xc4, 9, 1}, func(r *Reader) { r.Bytes(99) }},
		"bin16 not minimal":      {[]byte{0xc5, 0, 1, 7}, func(r *Reader) { r.Bytes(99) }},
		"fixed of other length":  {AppendBytes(nil, make([]byte, 3)), func(r *Reader) { r.Fixed(make([]byte, 4)) }},
		"str8 not minimal":       {[]byte{0xd9, 1, 'a'}, func(r *Reader) { r.String(9) }},
		"ill-formed UTF-8":       {[]byte{0xa1, 0xff}, func(r *Reader) { r.String(9) }},
		"surrogate in UTF-8":     {[]byte{0xa3, 0xed, 0xa0, 0x80}, func(r *Reader) { r.String(9) }},
		"array of other length":  {[]byte{0x91, 1}, func(r *Reader) { r.Array(2) }},
		"array over input":       {[]byte{0xdc, 0xff, 0xff}, func(r *Reader) { r.ArrayLen(1 << 20) }},
		"array16 not minimal":    {[]byte{0xdc, 0, 1, 1}, func(r *Reader) { r.ArrayLen(9) }},
		"map is outside":         {[]byte{0x80}, func(r *Reader) { r.Skip() }},
		"ext is outside":         {[]byte{0xd4, 1, 1}, func(r *Reader) { r.Skip() }},
		"float32 is outside":     {[]byte{0xca, 0, 0, 0, 0}, func(r *Reader) { r.Skip() }},
		"reserved c1 is outside": {[]byte{0xc1}, func(r *Reader) { r.Skip() }},
		"nested too deep":        {bytes.Repeat([]byte{0x91}, 100), func(r *Reader) { r.Skip() }},
		"other type":             {[]byte{0xc3}, func(r *Reader) { r.String(3) }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := NewReader(c.in)
			c.read(r)
			if err := r.Done("test"); errs.KindOf(err) != errs.Malformed {
				t.Fatalf("got %v, want a Malformed error", err)
			}
		})
	}
}

// FuzzReader skips arbitrary bytes: what is accepted must be reproduced when
// its values are written again.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0x93, 1, 0xa1, 'a', 0xc4, 1, 2})
	f.Add([]byte{0xcb, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0xd1, 0x80, 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(in)
		got := r.Skip()
		if r.Done("fuzz") != nil {
			return
		}
		again := rewrite(NewReader(got), nil)
		if !bytes.Equal(again, in) {
			t.Fatalf("%x rewritten as %x", in, again)
		}
	})
}

func rewrite(r *Reader, out []byte) []byte {
	switch r.Peek() {
	case Nil:
		r.Nil()
		return AppendNil(out)
	case Bool:
		return AppendBool(out, r.Bool())
	case Uint:
		return AppendUint(out, r.Uint(math.MaxUint64))
	case Int:
		return AppendInt(out, r.Int())
	case Float:
		return AppendFloat(out, r.Float())
	case Bytes:
		return AppendBytes(out, r.Bytes(math.MaxInt32))
	case String:
		return AppendString(out, r.String(math.MaxInt32))
	default:
		n := r.ArrayLen(math.MaxInt32)
		out = AppendArray(out, n)
		for range n {
			out = rewrite(r, out)
		}
		return out
	}
}

func TestReader_scalars(t *testing.T) {
	long := strings.Repeat("x", MaxScalar+1)
	for name, c := range map[string]struct {
		in   []byte
		want int // bytes read; 0 is none
		err  bool
	}{
		"nil":                    {AppendNil(nil), 1, false},
		"bool":                   {AppendBool(nil, true), 1, false},
		"small integer":          {AppendInt(nil, 5), 1, false},
		"negative integer":       {AppendInt(nil, -5), 1, false},
		"uint64":                 {AppendUint(nil, math.MaxUint64), 9, false},
		"int64":                  {AppendInt(nil, math.MinInt64), 9, false},
		"float":                  {AppendFloat(nil, 1.5), 9, false},
		"short string":           {AppendString(nil, "abc"), 4, false},
		"string of 40":           {AppendString(nil, long[:40]), 42, false},
		"longest string":         {AppendString(nil, long[1:]), MaxScalar + 3, false},
		"string over that":       {AppendString(nil, long), 0, false},
		"bytes":                  {AppendBytes(nil, []byte{1}), 0, false},
		"array":                  {AppendArray(nil, 0), 0, false},
		"nothing":                {nil, 0, false},
		"integer not minimal":    {[]byte{0xcc, 1}, 0, true},
		"string not minimal":     {[]byte{0xd9, 1, 'a'}, 0, true},
		"string cut":             {[]byte{0xa3, 'a'}, 0, true},
		"string that is not UTF": {[]byte{0xa1, 0xff}, 0, true},
		"float cut":              {[]byte{0xcb, 1}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := NewReader(c.in)
			got := r.Scalar()
			if len(got) != c.want || (r.Err() != nil) != c.err || c.want > 0 && !bytes.Equal(got, c.in) {
				t.Errorf("Scalar gives %x, error %v", got, r.Err())
			}
			if c.want == 0 && !c.err && r.Offset() != 0 {
				t.Errorf("%d bytes were read", r.Offset())
			}
		})
	}
}

func TestReader_literals(t *testing.T) {
	r := NewReader(AppendString(AppendString(nil, "ab"), "a"))
	if r.Literal(AppendString(nil, "a")) || r.Offset() != 0 {
		t.Error("another string is taken for the next")
	}
	if !r.Literal(AppendString(nil, "ab")) || !r.Literal(AppendString(nil, "a")) || r.Done("test") != nil {
		t.Error("the strings are not read")
	}
	if r.Literal(AppendString(nil, "a")) || r.Literal([]byte{0}) {
		t.Error("there is something behind the end")
	}
}
