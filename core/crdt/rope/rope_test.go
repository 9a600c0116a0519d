package rope

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

// check looks at what the rows of a text say of each other.
func (s *Store) check(t Text) error {
	x := s.texts.At(t)
	if x.root == none {
		if x.bytes != 0 || x.units != 0 {
			return fmt.Errorf("an empty text of %d bytes, %d units", x.bytes, x.units)
		}
		return nil
	}
	b, u, err := s.checkChild(x.root, none, x.leaf)
	if err == nil && (b != x.bytes || u != x.units) {
		err = fmt.Errorf("the text has %d bytes, %d units; it says %d, %d", b, u, x.bytes, x.units)
	}
	return err
}

func (s *Store) checkChild(row, parent int32, leaf bool) (b, u int32, err error) {
	if leaf {
		p := s.pieces.At(row)
		c := s.content(p)
		if p.parent != parent || len(c) == 0 || countUnits(c) != int(p.units) || classOf(len(c)) > p.class {
			return 0, 0, fmt.Errorf("piece %d of %d bytes, %d units, class %d, parent %d", row, p.n, p.units, p.class, p.parent)
		}
		return int32(len(c)), int32(p.units), nil
	}
	n := s.nodes.At(row)
	if n.parent != parent || n.n == 0 {
		return 0, 0, fmt.Errorf("node %d of %d children, parent %d", row, n.n, n.parent)
	}
	for i := range n.n {
		cb, cu, err := s.checkChild(n.child[i], row, n.low)
		if err != nil {
			return 0, 0, err
		}
		if cb != n.bytes[i] || cu != n.units[i] {
			return 0, 0, fmt.Errorf("node %d, child %d: %d bytes, %d units; it says %d, %d", row, i, cb, cu, n.bytes[i], n.units[i])
		}
		b, u = b+cb, u+cu
	}
	return b, u, nil
}

// wtf8 is UTF-16 as the Store gives it, halves of pairs included.
func wtf8(units []uint16) []byte {
	var out []byte
	for i := 0; i < len(units); i++ {
		c := rune(units[i])
		if utf16.IsSurrogate(c) {
			if i+1 < len(units) {
				if r := utf16.DecodeRune(c, rune(units[i+1])); r != '\ufffd' {
					out = append(out, string(r)...)
					i++
					continue
				}
			}
			out = append(out, 0xe0|byte(c>>12), 0x80|byte(c>>6&63), 0x80|byte(c&63))
			continue
		}
		out = append(out, string(c)...)
	}
	return out
}

// paired joins halves that stand together, which a Store does not.
func paired(b []byte) []byte {
	var units []uint16
	for len(b) > 0 {
		n := charLen(b[0])
		switch {
		case n == 4:
			r := []rune(string(b[:4]))[0]
			hi, lo := utf16.EncodeRune(r)
			units = append(units, uint16(hi), uint16(lo))
		case n == 3:
			units = append(units, uint16(b[0]&15)<<12|uint16(b[1]&63)<<6|uint16(b[2]&63))
		default:
			units = append(units, uint16([]rune(string(b[:n]))[0]))
		}
		b = b[n:]
	}
	return wtf8(units)
}

var samples = []string{"a", "bc", "ü", "漢", "😀", "👩‍🚀", "plain text of some length, ", "mixed ü漢😀 text ", strings.Repeat("long ", 500), strings.Repeat("長い😀", 300)}

func TestStore_agreesWithUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Store
		texts := []Text{s.New(), s.New()}
		models := make([][]uint16, len(texts))
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			which := rapid.IntRange(0, len(texts)-1).Draw(t, "text")
			x, m := texts[which], models[which]
			switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); {
			case kind < 6 || len(m) == 0:
				pos := rapid.IntRange(0, len(m)).Draw(t, "pos")
				b := rapid.SampledFrom(samples).Draw(t, "insert")
				s.Insert(x, pos, []byte(b))
				models[which] = slices.Insert(m, pos, utf16.Encode([]rune(b))...)
			case kind < 9:
				pos := rapid.IntRange(0, len(m)-1).Draw(t, "pos")
				n := min(len(m)-pos, rapid.SampledFrom([]int{1, 2, 3, 40, 2000, 1 << 20}).Draw(t, "delete"))
				s.Delete(x, pos, n)
				models[which] = slices.Delete(m, pos, pos+n)
			default:
				s.Free(x)
				texts[which], models[which] = s.New(), nil
			}
			x, m = texts[which], models[which]
			if err := s.check(x); err != nil {
				t.Fatal(err)
			}
			if s.Len(x) != len(m) {
				t.Fatalf("length %d, want %d", s.Len(x), len(m))
			}
			got := s.Append(nil, x, 0, len(m))
			if len(got) != s.Bytes(x) || !bytes.Equal(paired(got), wtf8(m)) {
				t.Fatalf("text %q, want %q", got, wtf8(m))
			}
			if len(m) > 0 {
				from := rapid.IntRange(0, len(m)-1).Draw(t, "from")
				end := rapid.IntRange(from, len(m)).Draw(t, "end")
				if got := s.Append(nil, x, from, end); !bytes.Equal(paired(got), wtf8(m[from:end])) {
					t.Fatalf("%d to %d is %q, want %q", from, end, got, wtf8(m[from:end]))
				}
			}
		}
	})
}

func TestStore_validPosition(t *testing.T) {
	var s Store
	x := s.New()
	s.Insert(x, 0, []byte("a😀漢"))
	for pos, want := range map[int]bool{-1: false, 0: true, 1: true, 2: false, 3: true, 4: true, 5: false} {
		if got := s.ValidPosition(x, pos); got != want {
			t.Errorf("position %d: %v", pos, got)
		}
	}
}

// What was freed is used again: many texts come and go in the room of a few.
func TestStore_usesRoomAgain(t *testing.T) {
	var s Store
	long := []byte(strings.Repeat("some text ", 2000))
	for range 50 {
		x := s.New()
		s.Insert(x, 0, long)
		s.Free(x)
	}
	if s.pieces.Len() > 40 || s.nodes.Len() > 10 || s.slabs.large.Len() > 40 || s.texts.Len() != 1 {
		t.Errorf("%d pieces, %d nodes, %d slabs, %d texts", s.pieces.Len(), s.nodes.Len(), s.slabs.large.Len(), s.texts.Len())
	}
}

// BenchmarkEdit: random edits cost alike whatever the length.
func BenchmarkEdit(b *testing.B) {
	for _, size := range []int{10 << 10, 100 << 10, 1 << 20, 10 << 20} {
		b.Run(fmt.Sprintf("random at %d KB", size>>10), func(b *testing.B) {
			var s Store
			x := s.New()
			line := []byte("The quick brown fox jumps over the lazy dog, again and again.\n")
			s.Insert(x, 0, bytes.Repeat(line, size/len(line)))
			rng := rand.New(rand.NewPCG(1, 1))
			word := []byte("word")
			b.ResetTimer()
			for b.Loop() {
				s.Insert(x, rng.IntN(s.Len(x)), word)
				s.Delete(x, rng.IntN(s.Len(x)-4), 4)
			}
		})
	}
	b.Run("typing at the end", func(b *testing.B) {
		var s Store
		x := s.New()
		c := []byte("x")
		for b.Loop() {
			s.Insert(x, s.Len(x), c)
		}
	})
}
