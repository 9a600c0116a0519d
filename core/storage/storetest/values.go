package storetest

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/storage"
)

func testGetPut(t *testing.T, open Open) {
	s := open.open(t)
	wantAbsent(t, s, "a")
	apply(t, s, put("a", "1", "b", "2"))
	wantGet(t, s, "a", "1")
	wantGet(t, s, "b", "2")
	wantAbsent(t, s, "c")
	apply(t, s, put("a", "3"))
	wantGet(t, s, "a", "3")

	b := new(storage.Batch)
	b.Delete([]byte("a"))
	b.Delete([]byte("never there"))
	apply(t, s, b)
	wantAbsent(t, s, "a")
	wantAll(t, s, "b", "2")

	apply(t, s, new(storage.Batch)) // an empty batch is fine and does nothing
	if err := s.Apply(t.Context(), put("c", "4"), storage.Strict); err != nil {
		t.Fatalf("strict Apply: %v", err)
	}
	wantAll(t, s, "b", "2", "c", "4")
}

func testEmpty(t *testing.T, open Open) {
	s := open.open(t)
	b := put("a", "", "", "value of the empty key")
	b.Put([]byte("nil"), nil)
	apply(t, s, b)
	wantAll(t, s, "", "value of the empty key", "a", "", "nil", "")
	wantGet(t, s, "", "value of the empty key")
	wantGet(t, s, "a", "")
	wantGet(t, s, "nil", "")
	b = new(storage.Batch)
	b.Delete(nil)
	apply(t, s, b)
	wantAll(t, s, "a", "", "nil", "")
}

func testBig(t *testing.T, open Open) {
	s := open.open(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	blob := func() string {
		p := make([]byte, 1<<20)
		for i := range p {
			p[i] = byte(rnd.Uint32())
		}
		return string(p)
	}
	one, two, longKey := blob(), blob(), strings.Repeat("k", 1<<10)
	apply(t, s, put("big/1", one, "big/2", two, longKey, "x"))
	wantGet(t, s, "big/1", one)
	wantGet(t, s, longKey, "x")
	got := scan(t, s, storage.Prefix([]byte("big/")), 0)
	if len(got) != 2 || string(got[0].Value) != one || string(got[1].Value) != two {
		t.Fatalf("Scan of two values of 1 MiB gave %d entries or altered them", len(got))
	}
}

// testOwnership: what the caller handed in or got is the caller's to change.
func testOwnership(t *testing.T, open Open) {
	s := open.open(t)
	key, value := []byte("key"), []byte("value")
	b := new(storage.Batch)
	b.Put(key, value)
	apply(t, s, b)
	copy(key, "XXX")
	copy(value, "XXXXX")
	wantAll(t, s, "key", "value")

	got, err := s.Get(t.Context(), []byte("key"))
	if err != nil {
		t.Fatal(err)
	}
	copy(got, "YYYYY")
	_ = append(got, "tail"...)
	page := scan(t, s, storage.Range{}, 0)
	copy(page[0].Key, "ZZZ")
	copy(page[0].Value, "ZZZZZ")
	wantAll(t, s, "key", "value")

	// A batch may be used again after the call.
	b.Reset()
	b.Put([]byte("other"), []byte("1"))
	apply(t, s, b)
	wantAll(t, s, "key", "value", "other", "1")

	// Entries of one page do not share room: appending to one leaves the next.
	page = scan(t, s, storage.Range{}, 0)
	_ = append(page[0].Value, bytes.Repeat([]byte("!"), 64)...)
	_ = append(page[0].Key, bytes.Repeat([]byte("!"), 64)...)
	wantEntries(t, page, "key", "value", "other", "1")
}

func testReopen(t *testing.T, open Open) {
	s := open.open(t)
	b := put("a", "1", "b", "2", "c", "")
	b.DeleteRange(storage.Range{Start: []byte("b"), End: []byte("c")})
	apply(t, s, b)
	if err := s.Apply(t.Context(), put("d", "4"), storage.Strict); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		s = open.open(t)
		wantAll(t, s, "a", "1", "c", "", "d", "4")
	}
	apply(t, s, put("e", "5"))
	wantGet(t, s, "e", "5")
}
