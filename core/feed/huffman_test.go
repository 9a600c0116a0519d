package feed

import (
	"bytes"
	"compress/flate"
	"io"
	"math"
	"math/rand/v2"
	"testing"
)

func inflated(t testing.TB, b []byte) []byte {
	t.Helper()
	src := bytes.NewReader(b)
	out, err := io.ReadAll(flate.NewReader(src))
	if err != nil || src.Len() > 0 {
		t.Fatalf("%d bytes inflate with %v, %d left", len(b), err, src.Len())
	}
	return out
}

// fibonacci has bytes whose frequencies make the deepest code that there can be.
func fibonacci(symbols int) (b []byte) {
	for s, n, next := 0, 1, 1; s < symbols; s, n, next = s+1, next, n+next {
		b = append(b, bytes.Repeat([]byte{byte(s)}, n)...)
	}
	return b
}

func TestHuffman_inflates(t *testing.T) {
	random := make([]byte, 1000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	for name, b := range map[string][]byte{
		"nothing":           {},
		"one byte":          {7},
		"one byte, often":   bytes.Repeat([]byte{7}, 1000),
		"two bytes":         {1, 2},
		"text":              []byte("to be or not to be, that is the question"),
		"all bytes alike":   random,
		"codes over 15 bit": fibonacci(24),
		"just 15 bits":      fibonacci(15),
	} {
		t.Run(name, func(t *testing.T) {
			out := appendHuffman([]byte{1}, b, math.MaxInt)
			if out == nil || out[0] != 1 || !bytes.Equal(inflated(t, out[1:]), b) {
				t.Errorf("%x is coded as %x", b, out)
			}
			if appendHuffman([]byte{1}, b, len(out)) != nil {
				t.Error("it is as long as the limit")
			}
			if again := appendHuffman(nil, b, len(out)); !bytes.Equal(again, out[1:]) {
				t.Error("it is not coded the same again")
			}
		})
	}
}

func TestHuffman_isAsShortAsFlate(t *testing.T) {
	w := newWriter(t, 1)
	b := digits(w, 200_000)
	var theirs bytes.Buffer
	f, _ := flate.NewWriter(&theirs, flate.HuffmanOnly)
	if _, err := f.Write(b); err != nil || f.Close() != nil {
		t.Fatal(err)
	}
	if ours := appendHuffman(nil, b, len(b)); len(ours) > theirs.Len()+theirs.Len()/100 {
		t.Errorf("%d bytes, compress/flate has %d", len(ours), theirs.Len())
	}
}

func FuzzHuffman(f *testing.F) {
	f.Add([]byte(nil), uint8(0))
	f.Add([]byte("text"), uint8(3))
	f.Add(fibonacci(20), uint8(1))
	f.Fuzz(func(t *testing.T, b []byte, times uint8) {
		for range times % 8 {
			b = append(b, b[:len(b)/2]...)
		}
		if out := appendHuffman(nil, b, math.MaxInt); !bytes.Equal(inflated(t, out), b) {
			t.Errorf("%x is coded as %x", b, out)
		}
	})
}

func BenchmarkHuffman(b *testing.B) {
	in := make([]byte, 256<<10)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range in {
		in[i] = "0123456789abcdefghijklmnopqrstuvwxyz "[r.IntN(37)]
	}
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if appendHuffman(nil, in, len(in)) == nil {
			b.Fatal("it does not shrink")
		}
	}
}
