package flat

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestPack_readsWhatItWrote(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Int64Range(-3, 3)
		any64 := rapid.Int64Range(-1<<60, 1<<60)
		columns := rapid.SliceOf(rapid.SliceOf(rapid.OneOf(small, any64))).Draw(t, "columns")
		for i, c := range columns { // as they are, or again and again
			columns[i] = slices.Repeat(c, rapid.IntRange(1, 4).Draw(t, "times"))
		}
		var p Pack
		for _, c := range columns {
			p.Raw([]byte("between"))
			p.Ints(c)
		}
		u := NewUnpack(p.Bytes)
		for _, c := range columns {
			if got := u.Raw(); string(got) != "between" {
				t.Fatalf("read %q", got)
			}
			got := make([]int64, len(c))
			u.Ints(got, -1<<60, 1<<60)
			if !slices.Equal(got, c) {
				t.Fatalf("read %v, want %v", got, c)
			}
		}
		if !u.Done() {
			t.Fatal("not done")
		}
	})
}

func TestPack_words(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		word := rapid.Custom(func(t *rapid.T) uint64 {
			v := rapid.Uint64().Draw(t, "word")
			switch n := rapid.Uint64Range(0, 7).Draw(t, "bytes"); rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				return 0
			case 1:
				return (0x80|n)<<56 | v&(1<<(8*n)-1)
			}
			return 0x20<<56 | v&RefMask
		})
		words := rapid.SliceOf(word).Draw(t, "words")
		var p Pack
		p.Words(words)
		got := make([]uint64, len(words))
		u := NewUnpack(p.Bytes)
		if u.Words(got); !u.Done() || !slices.Equal(got, words) {
			t.Fatalf("read %x, want %x", got, words)
		}
		for at := range p.Bytes {
			u := NewUnpack(p.Bytes[:at])
			if u.Words(make([]uint64, len(words))); u.Done() {
				t.Fatalf("cut at %d reads", at)
			}
		}
	})
}

func TestPack_runsOfOneDifferenceAreShort(t *testing.T) {
	c := make([]int64, 10_000)
	for i := range c {
		c[i] = 7 + 3*int64(i)
	}
	var p Pack
	p.Ints(c)
	if len(p.Bytes) > 16 {
		t.Errorf("%d bytes", len(p.Bytes))
	}
}

func TestPack_rowsOfObjectsThatAreAlikeAreShort(t *testing.T) {
	for _, fields := range []int{2, 5, 7, maxPeriod} {
		var c []int64
		for object := range int64(2000) {
			for field := range fields {
				c = append(c, 11*object+int64(field*field))
			}
		}
		var p Pack
		p.Ints(c)
		if len(p.Bytes) > 4*fields+len(c)/1000+8 {
			t.Errorf("%d fields take %d bytes", fields, len(p.Bytes))
		}
	}
}

func TestUnpack_refusesWhatIsOutOfRange(t *testing.T) {
	var p Pack
	p.Ints([]int64{0, 1, 2, 3, 4})
	for name, c := range map[string]struct {
		n           int
		least, most int64
		bad         bool
	}{
		"all in range": {5, 0, 4, false},
		"too high":     {5, 0, 3, true},
		"too low":      {5, 1, 4, true},
		"fewer":        {4, 0, 4, true},
		"more":         {6, 0, 4, true},
	} {
		u := NewUnpack(p.Bytes)
		u.Ints(make([]int64, c.n), c.least, c.most)
		if u.Done() == c.bad {
			t.Errorf("%s: Done is %v", name, !c.bad)
		}
	}
}

func FuzzUnpack(f *testing.F) {
	var p Pack
	p.Ints([]int64{0, 1, 2, 9, 9, 9})
	p.Raw([]byte("x"))
	f.Add(p.Bytes)
	f.Fuzz(func(t *testing.T, b []byte) {
		u := NewUnpack(b)
		c := make([]int64, 100)
		for !u.Bad() && !u.Done() {
			u.Ints(c, -5, math.MaxInt32)
			for _, v := range c {
				if v < -5 || v > math.MaxInt32 {
					t.Fatalf("%d is out of range", v)
				}
			}
			u.Raw()
		}
	})
}

func TestHeap_goesOnFromItsImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heap
		refs := map[int32]*uint64{}
		want := map[int32][]byte{}
		find := func(owner int32, ref uint64) *uint64 {
			if p := refs[owner]; p != nil && *p == ref {
				return p
			}
			return nil
		}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			owner := int32(rapid.IntRange(0, 9).Draw(t, "owner"))
			if ref := refs[owner]; ref != nil {
				h.Free(*ref)
				delete(refs, owner)
			}
			v := bytes.Repeat([]byte{byte(i)}, rapid.SampledFrom([]int{0, 9, 5000, 30000, 100000}).Draw(t, "size"))
			ref := h.Put(owner, v)
			refs[owner], want[owner] = &ref, v
			h.Compact(find)
			if rapid.IntRange(0, 9).Draw(t, "image") == 0 {
				var p Pack
				h.Pack(&p)
				segments := h.Segments()
				u := NewUnpack(p.Bytes)
				var g Heap
				g.Unpack(u, func(at int) []byte { return slices.Clone(segments[at].Data) })
				if !u.Done() {
					t.Fatal("the image does not read")
				}
				_, live := g.Size()
				if _, before := h.Size(); live != before {
					t.Fatalf("%d bytes live, before %d", live, before)
				}
				h = g
			}
			for o, p := range refs {
				if !bytes.Equal(h.Get(*p), want[o]) {
					t.Fatalf("value of %d differs after step %d", o, i)
				}
			}
		}
	})
}
