package objectdb

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/wire"
)

const benchObjects = 100_000

func benchContents(i int) map[string][]byte {
	return map[string][]byte{
		"created": vTyped(valueDate, vInt(int64(1700000000000+i))),
		"done":    wire.AppendBool(nil, i%2 == 0),
		"note":    vStr(fmt.Sprintf("the note of task number %d, of usual length", i)),
		"rank":    vInt(int64(i)),
		"title":   vStr(fmt.Sprintf("task %d", i)),
	}
}

func benchCreates(n int) [][]byte {
	ops := make([][]byte, n)
	for i := range ops {
		ops[i] = opCreate(objID(i), benchContents(i))
	}
	return ops
}

func benchFilled(b *testing.B, n int) *site {
	s := newSite(b, 1)
	s.do(benchCreates(n)...)
	s.flush()
	s.db.Changes(1)
	return s
}

func BenchmarkLocal(b *testing.B) {
	b.Run("create 100000 one by one", func(b *testing.B) {
		ops := benchCreates(benchObjects)
		for b.Loop() {
			s := newSite(b, 1)
			for _, o := range ops {
				s.do(o)
			}
			s.flush()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchObjects, "ns/object")
	})
	b.Run("create 100000 at once", func(b *testing.B) {
		var ops []byte
		for _, o := range benchCreates(benchObjects) {
			ops = append(ops, o...)
		}
		for b.Loop() {
			newSite(b, 1).do(ops)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchObjects, "ns/object")
	})
	b.Run("set", func(b *testing.B) {
		s := benchFilled(b, benchObjects)
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			i++
			s.do(opSet(objID(i%benchObjects), vInt(int64(i)), "rank"))
		}
	})
	b.Run("set, cut each", func(b *testing.B) {
		s := benchFilled(b, benchObjects)
		i := 0
		b.ReportAllocs()
		for b.Loop() {
			i++
			s.do(opSet(objID(i%benchObjects), vInt(int64(i)), "rank"))
			s.flush()
			s.sent = nil
		}
	})
}

func BenchmarkApply(b *testing.B) {
	s := newSite(b, 1)
	s.do(benchCreates(10_000)...)
	block := s.flush()[0]
	b.Run("10000 objects", func(b *testing.B) {
		b.SetBytes(int64(len(block.Payload)))
		for b.Loop() {
			if err := New(Options{}).Apply(block); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Changes of 10000 objects", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			db := New(Options{})
			if err := db.Apply(block); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			for db.Changes(64<<10) != nil {
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	s := benchFilled(b, benchObjects)
	i := 0
	for b.Loop() {
		i++
		s.db.Read(objID(i * 7919 % benchObjects))
	}
}

func BenchmarkQuery(b *testing.B) {
	s := benchFilled(b, benchObjects)
	filter := queryOf(filterOf([]string{"rank"}, less, vInt(1000)), 0)
	b.Run("open over 100000", func(b *testing.B) {
		for b.Loop() {
			n, _, err := s.db.OpenQuery(filter)
			if err != nil {
				b.Fatal(err)
			}
			s.db.CloseQuery(n)
		}
	})
	b.Run("change under 10 queries", func(b *testing.B) {
		for range 10 {
			s.db.OpenQuery(filter)
		}
		i := 0
		for b.Loop() {
			i++
			s.do(opSet(objID(i%benchObjects), vInt(int64(i%2000)), "rank"))
			s.db.Changes(1 << 16)
		}
	})
}

// BenchmarkCollect shows what the collector has to do for 100,000 objects.
func BenchmarkCollect(b *testing.B) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	s := newSite(b, 1)
	for i := range benchObjects {
		s.do(opCreate(objID(i), benchContents(i)))
	}
	s.flush()
	s.sent = nil
	s.db.Changes(1)
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ResetTimer()
	for b.Loop() {
		runtime.GC()
	}
	b.ReportMetric(float64(after.HeapObjects-before.HeapObjects), "heap-objects")
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
	runtime.KeepAlive(s)
}

// BenchmarkEditText is one edit at a random place of a text, by its length.
func BenchmarkEditText(b *testing.B) {
	for _, size := range []int{10 << 10, 10 << 20} {
		b.Run(fmt.Sprint(size>>10, " KiB"), func(b *testing.B) {
			s := newSite(b, 1)
			s.do(opCreate(objID(1), map[string][]byte{"t": vText(strings.Repeat("0123456789abcdef", size/16))}))
			s.flush()
			x := s.text(1, "t")
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range b.N {
				if err := s.db.EditText(x, rng.IntN(size-1), i%2, []byte("x")[i%2:], int64(i)); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			s.flush()
		})
	}
}

// BenchmarkImage takes an image of 100,000 objects of 300 bytes, and makes a
// database of it.
func BenchmarkImage(b *testing.B) {
	s := newSite(b, 1)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range benchObjects {
		note := make([]byte, 215)
		for k := range note {
			note[k] = "0123456789abcdefghijklmnopqrstuvwxyz "[rng.IntN(37)]
		}
		s.do(opCreate(objID(i), map[string][]byte{
			"kind": vStr("task"), "title": vStr(fmt.Sprintf("task %d", i)), "rank": vInt(int64(i)), "done": wire.AppendBool(nil, i%2 == 0), "note": vStr(string(note)),
		}))
	}
	s.flush()
	var pages map[PageName][]byte
	b.Run("take", func(b *testing.B) {
		for b.Loop() {
			pages = imageOf(b, s.db)
		}
		rows, values := 0, 0
		for name, p := range pages {
			if int(name>>32) == sectionValues {
				values += len(p)
			} else {
				rows += len(p)
			}
		}
		b.ReportMetric(float64(rows), "row-bytes")
		b.ReportMetric(float64(values), "value-bytes")
		b.ReportMetric(float64(len(pages)), "pages")
	})
	b.Run("restore", func(b *testing.B) {
		if pages == nil {
			pages = imageOf(b, s.db)
		}
		for b.Loop() {
			mustRestore(b, pages, 1)
		}
	})
	b.Run("apply", func(b *testing.B) {
		for b.Loop() {
			db := New(Options{})
			for _, blk := range s.sent {
				if err := db.Apply(blk); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}
