package flat

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRanked_agreesWithSortedSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l Ranked
		var model []int32
		if n := rapid.IntRange(0, 3000).Draw(t, "loaded"); n > 0 {
			for i := range n {
				model = append(model, int32(2*i))
			}
			l.Load(slices.Clone(model))
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			v := int32(rapid.IntRange(0, 7000).Draw(t, "row"))
			at, found := slices.BinarySearch(model, v)
			if rapid.Bool().Draw(t, "remove") {
				if l.Remove(v, cmp.Compare[int32]) != found {
					t.Fatalf("Remove(%d) disagrees", v)
				}
				if found {
					model = slices.Delete(model, at, at+1)
				}
				continue
			}
			l.Insert(v, cmp.Compare[int32])
			if !found {
				model = slices.Insert(model, at, v)
			}
			if got := l.Position(v, cmp.Compare[int32]); got != at {
				t.Fatalf("Position(%d) = %d, want %d", v, got, at)
			}
		}
		if got := slices.Collect(l.All); !slices.Equal(got, model) || l.Len() != len(model) {
			t.Fatalf("list %v, want %v", got, model)
		}
	})
}

func TestRanked_ascendingInserts(t *testing.T) {
	var l Ranked
	for i := range int32(5000) {
		l.Insert(i, cmp.Compare[int32])
	}
	for _, i := range []int32{0, 1023, 1024, 4999} {
		if got := l.Position(i, cmp.Compare[int32]); got != int(i) {
			t.Errorf("Position(%d) = %d", i, got)
		}
	}
}

func TestHeap_keepsWhatIsOwned(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Heap
		refs := map[int32]*uint64{}
		want := map[int32][]byte{}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			owner := int32(rapid.IntRange(0, 5).Draw(t, "owner"))
			if ref := refs[owner]; ref != nil {
				h.Free(*ref)
				delete(refs, owner)
			}
			v := bytes.Repeat([]byte{byte(i)}, rapid.SampledFrom([]int{0, 9, 5000, 30000, 100000}).Draw(t, "size"))
			ref := h.Put(owner, v)
			refs[owner], want[owner] = &ref, v
			h.Compact(func(owner int32, ref uint64) *uint64 {
				if p := refs[owner]; p != nil && *p == ref {
					return p
				}
				return nil
			})
			for o, p := range refs {
				if !bytes.Equal(h.Get(*p), want[o]) {
					t.Fatalf("value of %d differs after step %d", o, i)
				}
			}
		}
	})
}

func TestStrings_numbersInOrder(t *testing.T) {
	s := NewStrings()
	for round := range 2 {
		for i := range int32(1000) {
			if got := s.Intern(fmt.Append(nil, "key ", i)); got != i {
				t.Fatalf("round %d: %d numbered %d", round, i, got)
			}
		}
	}
	if s.Find([]byte("none")) != None || string(s.At(7)) != "key 7" || s.Len() != 1000 {
		t.Error("Find, At or Len disagree")
	}
}

func TestBits(t *testing.T) {
	var b Bits
	b.Add(70)
	b.Remove(3)
	if !b.Has(70) || b.Has(71) || b.Has(1<<20) {
		t.Error("Has disagrees with Add")
	}
	var less, more Bits
	more.Add(70)
	more.Add(200)
	if !more.Covers(&b) || b.Covers(&more) || !b.Covers(&less) || less.Covers(&b) {
		t.Error("Covers is wrong")
	}
	if b.End() <= 70 || less.End() != 0 {
		t.Errorf("ends are %d and %d", b.End(), less.End())
	}
	b.Remove(70)
	if b.Has(70) {
		t.Error("Remove left the row")
	}
	if !less.Covers(&b) {
		t.Error("an empty set covers what is empty again")
	}
}

func TestSet_agreesWithSortedSlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		var model []uint64
		for i := range uint64(rapid.IntRange(0, 1500).Draw(t, "ascending")) {
			s.Add(3 * i)
			model = append(model, 3*i)
		}
		for range rapid.IntRange(0, 300).Draw(t, "steps") {
			v := rapid.Uint64Range(0, 4600).Draw(t, "number")
			at, found := slices.BinarySearch(model, v)
			if s.Has(v) != found {
				t.Fatalf("Has(%d) disagrees", v)
			}
			if rapid.Bool().Draw(t, "remove") {
				if s.Remove(v) != found {
					t.Fatalf("Remove(%d) disagrees", v)
				}
				if found {
					model = slices.Delete(model, at, at+1)
				}
			} else {
				if s.Add(v) == found {
					t.Fatalf("Add(%d) disagrees", v)
				}
				if !found {
					model = slices.Insert(model, at, v)
				}
			}
		}
		from, end := rapid.Uint64Range(0, 4600).Draw(t, "from"), rapid.Uint64Range(0, 4600).Draw(t, "end")
		var got, want []uint64
		s.Range(from, end, func(v uint64) bool { got = append(got, v); return true })
		for _, v := range model {
			if v >= from && v < end {
				want = append(want, v)
			}
		}
		if !slices.Equal(got, want) || s.Len() != len(model) {
			t.Fatalf("from %d up to %d: %v, want %v", from, end, got, want)
		}
	})
}

func TestRanked_boundAndWalk(t *testing.T) {
	var l Ranked
	for i := range int32(3000) {
		l.Insert(2*i, cmp.Compare[int32])
	}
	for _, v := range []int32{-1, 0, 1, 2, 1023, 2047, 2048, 5998, 5999, 9000} {
		want := min(3000, max(0, int(v+1)/2))
		if got := l.Bound(func(row int32) bool { return row < v }); got != want {
			t.Errorf("%d rows are before %d, want %d", got, v, want)
		}
	}
	for _, c := range [][2]int{{0, 3000}, {10, 20}, {1000, 1030}, {2990, 5000}, {5, 5}, {9, 2}} {
		var got []int32
		l.Walk(c[0], c[1], func(row int32) bool { got = append(got, row); return true })
		if want := l.Slice(nil, c[0], c[1]); !slices.Equal(got, want) {
			t.Errorf("from %d up to %d: %v, want %v", c[0], c[1], got, want)
		}
	}
}
