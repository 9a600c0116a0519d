package objectdb

import (
	"fmt"
	"math"
	"testing"

	"github.com/echospace/echospace/core/wire"
)

// benchRecord is an object of about 300 bytes of JSON.
func benchRecord(i int) map[string][]byte {
	return map[string][]byte{
		"created": vTyped(valueDate, vInt(int64(1700000000000+i))),
		"done":    wire.AppendBool(nil, i%2 == 0),
		"kind":    vStr("task"),
		"note":    vStr(fmt.Sprintf("the note of task number %d: what is to be done, by whom, until when, and which of the %d others it waits for, as one writes it down", i, i%97)),
		"owner":   vStr(fmt.Sprintf("user %d", i*7919%(1<<20)/11)),
		"rank":    vInt(int64(i * 7919 % 100003)),
		"tags":    vList(vStr(fmt.Sprint("tag ", i%500)), vStr(fmt.Sprint("tag ", i%7))),
		"title":   vStr(fmt.Sprintf("task %d", i)),
	}
}

func benchRecords(b *testing.B, n int) *site {
	s := newSite(b, 1)
	for i := range n {
		s.do(opCreate(objID(i), benchRecord(i)))
	}
	s.flush()
	s.sent = nil
	for s.db.Changes(1<<20) != nil {
	}
	return s
}

// BenchmarkQueries is what one query costs by the number of objects: by looking
// at all of them, and by an index.
func BenchmarkQueries(b *testing.B) {
	eq := func(k string, v []byte) []byte { return filterOf([]string{k}, equal, v) }
	rank := func(c comparison, v int64) []byte { return filterOf([]string{"rank"}, c, vInt(v)) }
	queries := []struct {
		name  string
		index []byte
		query []byte
	}{
		{"few equal", sortedIndex(by("title", false)), queryOf(eq("title", vStr("task 77")), 0)},
		{"half equal", sortedIndex(by("done", false)), queryOf(eq("done", wire.AppendBool(nil, true)), 0)},
		{"range of 10", sortedIndex(by("rank", false)), queryOf(join(filterAnd, rank(greaterEqual, 500), rank(less, 510)), 0)},
		{"order, limit 10", sortedIndex(by("rank", false)), arranged(vNil(), 0, 0, 10, by("rank", false))},
		{"item of a list", termIndex(indexItems, "tags"), queryOf(filterOf([]string{"tags"}, contains, vStr("tag 77")), 0)},
		{"search", termIndex(indexWords, "note", "title"), queryOf(searchFor("task 77 waits", "note", "title"), 0)},
	}
	for _, n := range []int{1000, 10_000, 100_000} {
		s := benchRecords(b, n)
		for _, q := range queries {
			run := func(b *testing.B) {
				for b.Loop() {
					if _, err := s.db.Query(q.query); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.Run(fmt.Sprintf("scan, %s of %d", q.name, n), func(b *testing.B) {
				for b.Loop() {
					s.db.indexes = indexes{}
					if _, err := s.db.Query(q.query); err != nil {
						b.Fatal(err)
					}
				}
			})
			b.Run(fmt.Sprintf("build, %s of %d", q.name, n), func(b *testing.B) {
				for b.Loop() {
					s.db.indexes = indexes{}
					s.db.CreateIndex(q.index)
					s.db.BuildIndexes(math.MaxInt)
				}
			})
			b.Run(fmt.Sprintf("index, %s of %d", q.name, n), run)
		}
		s.db.indexes = indexes{}
		for _, indexed := range []int{0, len(queries)} {
			for _, q := range queries[:indexed] {
				s.db.CreateIndex(q.index)
			}
			s.db.BuildIndexes(math.MaxInt)
			i := 0
			b.Run(fmt.Sprintf("set under %d indexes of %d", indexed, n), func(b *testing.B) {
				for b.Loop() {
					i++
					s.do(opSet(objID(i*2%n), vInt(int64(i)), "rank"))
				}
			})
			b.Run(fmt.Sprintf("set, drain under a live query and %d indexes of %d", indexed, n), func(b *testing.B) {
				number, _, err := s.db.OpenQuery(queries[1].query)
				if err != nil {
					b.Fatal(err)
				}
				for b.Loop() {
					i++
					s.do(opSet(objID(i*2%n), vInt(int64(i)), "rank"))
					s.db.Changes(1 << 16)
				}
				s.db.CloseQuery(number)
			})
		}
	}
}
