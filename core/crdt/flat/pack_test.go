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
		any64 := rapid.Int64Range(-1<<61, 1<<61)
		columns := rapid.SliceOf(rapid.SliceOf(rapid.OneOf(small, any64))).Draw(t, "columns")
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
			u.Ints(got, -1<<61, 1<<61)
			if !slices.Equal(got, c) {
				t.Fatalf("read %v, want %v", got, c)
			}
		}
		if !u.Done() {
			t.Fatal("not done")
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
