package storetest

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// testBatchOrder: later changes of one key win over earlier ones.
func testBatchOrder(t *testing.T, open Open) {
	s := open.open(t)
	apply(t, s, put("a", "old", "d", "old"))
	b := put("a", "1", "a", "2", "b", "1")
	b.Delete([]byte("b"))
	b.Delete([]byte("c"))
	b.Put([]byte("c"), []byte("back"))
	b.Delete([]byte("d"))
	apply(t, s, b)
	wantAll(t, s, "a", "2", "c", "back")
}

func testDeleteRange(t *testing.T, open Open) {
	full := []string{"a", "1", "b", "2", "b\x00", "3", "c", "4", "\xff\xff", "5"}
	cases := []struct {
		name string
		r    storage.Range
		want []string
	}{
		{"half open", storage.Range{Start: []byte("b"), End: []byte("c")}, []string{"a", "1", "c", "4", "set after", "v", "\xff\xff", "5"}},
		{"from a key to the end", storage.Range{Start: []byte("b\x00")}, []string{"a", "1", "b", "2", "set after", "v"}},
		{"everything", storage.Range{}, []string{"set after", "v"}},
		{"reverse means the same", storage.Range{End: []byte("b"), Reverse: true}, append([]string{"b", "2", "b\x00", "3", "c", "4", "set after", "v", "set before", "v"}, "\xff\xff", "5")},
		{"inverted is empty", storage.Range{Start: []byte("c"), End: []byte("a")}, []string{"a", "1", "b", "2", "b\x00", "3", "c", "4", "set after", "v", "set before", "v", "\xff\xff", "5"}},
		{"bounds that meet are empty", storage.Range{Start: []byte("b"), End: []byte("b")}, []string{"a", "1", "b", "2", "b\x00", "3", "c", "4", "set after", "v", "set before", "v", "\xff\xff", "5"}},
	}
	s := open.open(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			clear := new(storage.Batch)
			clear.DeleteRange(storage.Range{})
			apply(t, s, clear)
			apply(t, s, put(full...))
			// What the batch set before is deleted too, what it sets after is not.
			b := put("set before", "v")
			if c.name == "half open" {
				b = put("bb", "v")
			}
			b.DeleteRange(c.r)
			b.Put([]byte("set after"), []byte("v"))
			apply(t, s, b)
			wantAll(t, s, c.want...)
		})
	}
}

func testRanges(t *testing.T, open Open) {
	s := open.open(t)
	apply(t, s, put("a", "1", "b", "2", "b\x00", "3", "b\xff", "4", "c", "5", "\xff", "6", "\xff\xff", "7"))
	cases := []struct {
		name string
		r    storage.Range
		want []string
	}{
		{"all", storage.Range{}, []string{"a", "1", "b", "2", "b\x00", "3", "b\xff", "4", "c", "5", "\xff", "6", "\xff\xff", "7"}},
		{"start is in, end is out", storage.Range{Start: []byte("b"), End: []byte("c")}, []string{"b", "2", "b\x00", "3", "b\xff", "4"}},
		{"no end", storage.Range{Start: []byte("c")}, []string{"c", "5", "\xff", "6", "\xff\xff", "7"}},
		{"no start", storage.Range{End: []byte("b")}, []string{"a", "1"}},
		{"bounds that are no keys", storage.Range{Start: []byte("aa"), End: []byte("bb")}, []string{"b", "2", "b\x00", "3"}},
		{"prefix", storage.Prefix([]byte("b")), []string{"b", "2", "b\x00", "3", "b\xff", "4"}},
		{"prefix of the highest byte", storage.Prefix([]byte("\xff")), []string{"\xff", "6", "\xff\xff", "7"}},
		{"empty end is below every key", storage.Range{End: []byte{}}, nil},
		{"bounds that meet", storage.Range{Start: []byte("b"), End: []byte("b")}, nil},
		{"inverted", storage.Range{Start: []byte("c"), End: []byte("b")}, nil},
		{"beyond", storage.Range{Start: []byte("\xff\xff\x00")}, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			wantEntries(t, scan(t, s, c.r, 0), c.want...)
			back := c.r
			back.Reverse = true
			var reversed []string
			for i := len(c.want) - 2; i >= 0; i -= 2 {
				reversed = append(reversed, c.want[i], c.want[i+1])
			}
			wantEntries(t, scan(t, s, back, 0), reversed...)
		})
	}
}

// testPages goes through ranges page by page in both directions.
func testPages(t *testing.T, open Open) {
	s := open.open(t)
	b := new(storage.Batch)
	for i := range 23 {
		b.Put(fmt.Appendf(nil, "k/%02d", i), []byte{byte(i)})
	}
	b.Put([]byte("j"), nil)
	b.Put([]byte("l"), nil)
	apply(t, s, b)
	for _, reverse := range []bool{false, true} {
		for _, limit := range []int{1, 2, 7, 22, 23, 24, 100} {
			t.Run(fmt.Sprintf("limit %d reverse %v", limit, reverse), func(t *testing.T) {
				r := storage.Prefix([]byte("k/"))
				r.Reverse = reverse
				var got []byte
				for {
					page := scan(t, s, r, limit)
					if len(page) > limit {
						t.Fatalf("a page of %d entries", len(page))
					}
					if len(page) == 0 {
						break
					}
					for _, e := range page {
						got = append(got, e.Value[0])
					}
					r = r.After(page[len(page)-1].Key)
				}
				if reverse {
					slices.Reverse(got)
				}
				for i, v := range got {
					if int(v) != i {
						t.Fatalf("entry %d is %d", i, v)
					}
				}
				if len(got) != 23 {
					t.Fatalf("%d entries, want 23", len(got))
				}
			})
		}
	}
}

// testByteOrder: every byte value counts as unsigned, and a prefix comes first.
func testByteOrder(t *testing.T, open Open) {
	s := open.open(t)
	b := new(storage.Batch)
	var want []string
	for i := range 256 {
		for _, k := range [][]byte{{byte(i)}, {byte(i), 0}, {byte(i), 0x80}} {
			want = append(want, string(k), "")
			b.Put(k, nil)
		}
	}
	rand.New(rand.NewPCG(3, 4)).Shuffle(len(b.Changes), func(i, j int) {
		b.Changes[i], b.Changes[j] = b.Changes[j], b.Changes[i]
	})
	apply(t, s, b)
	wantAll(t, s, want...)
}

// testModel applies random batches to the store and to a map.
func testModel(t *testing.T, open Open) {
	const seed = 20260101
	rnd := rand.New(rand.NewPCG(seed, 1))
	key := func() []byte { // few and short, so that changes meet
		k := make([]byte, rnd.IntN(3))
		for i := range k {
			k[i] = "\x00ab\xff"[rnd.IntN(4)]
		}
		return k
	}
	someRange := func() storage.Range {
		r := storage.Range{Start: key(), Reverse: rnd.IntN(2) == 0}
		if rnd.IntN(4) > 0 {
			r.End = key()
		}
		return r
	}
	s, model := open.open(t), map[string][]byte{}
	for round := range 60 {
		b := new(storage.Batch)
		for range rnd.IntN(12) {
			switch rnd.IntN(8) {
			case 0:
				r := someRange()
				b.DeleteRange(r)
				maps.DeleteFunc(model, func(k string, _ []byte) bool { return r.Contains([]byte(k)) })
			case 1, 2:
				k := key()
				b.Delete(k)
				delete(model, string(k))
			default:
				k, v := key(), fmt.Append(nil, rnd.IntN(1000))
				b.Put(k, v)
				model[string(k)] = v
			}
		}
		apply(t, s, b)
		r, limit := someRange(), rnd.IntN(6)
		want := modelScan(model, r, limit)
		got := scan(t, s, r, limit)
		same := slices.EqualFunc(got, want, func(a, b storage.Entry) bool {
			return bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
		})
		if !same {
			t.Fatalf("seed %d round %d: Scan(%q..%q reverse=%v, %d) = %q, want %q",
				seed, round, r.Start, r.End, r.Reverse, limit, got, want)
		}
	}
}

func modelScan(model map[string][]byte, r storage.Range, limit int) []storage.Entry {
	var out []storage.Entry
	for _, k := range slices.Sorted(maps.Keys(model)) {
		if r.Contains([]byte(k)) {
			out = append(out, storage.Entry{Key: []byte(k), Value: model[k]})
		}
	}
	if r.Reverse {
		slices.Reverse(out)
	}
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out
}

func testArguments(t *testing.T, open Open) {
	s := open.open(t)
	_, err := s.Scan(t.Context(), storage.Range{}, -1)
	wantKind(t, "Scan with limit -1", err, errs.InvalidArgument)
	err = s.Apply(t.Context(), nil, storage.Relaxed)
	wantKind(t, "Apply of a nil batch", err, errs.InvalidArgument)
}
