package objectdb

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkUndoMarked deletes a text of 110,000 characters with that many marks as a
// whole, then takes that back, does it again, and takes that back, which another then
// merges.
func BenchmarkUndoMarked(b *testing.B) {
	for _, shape := range []struct {
		name   string
		length int // of a mark at most
		names  int
	}{{"short", 100, 3}, {"comments", 100, 1 << 30}, {"long", 20_000, 3}} {
		for _, n := range []int{0, 100, 1000, 2000, 10_000} {
			for _, watched := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/%d marks/watched=%v", shape.name, n, watched), func(b *testing.B) {
					var other *site
					var blocks []Block
					steps := [5]func(s *site){
						func(s *site) { s.edit(s.text(1, "t"), 0, 110_000, "") },
						func(s *site) { s.undo(true) }, func(s *site) { s.redo(true) }, func(s *site) { s.undo(true) },
						func(*site) { other.apply(blocks...) },
					}
					var took [5]float64
					for range b.N {
						b.StopTimer()
						s := newSite(b, 1)
						s.do(opCreate(objID(1), map[string][]byte{"t": vText(strings.Repeat("some words ", 10_000))}))
						rng := rand.New(rand.NewPCG(1, 0))
						for i := range n {
							from := rng.IntN(110_000 - shape.length)
							s.mark(from, from+1+rng.IntN(shape.length), fmt.Sprint("mark", i%shape.names), vBool(true))
						}
						s.db.ClearUndo()
						if err := s.db.WatchText(s.text(1, "t"), watched); err != nil {
							b.Fatal(err)
						}
						other = newSite(b, 2)
						other.apply(s.flush()...)
						if err := other.db.WatchText(other.text(1, "t"), watched); err != nil {
							b.Fatal(err)
						}
						before := b.Elapsed()
						for i, step := range steps {
							if blocks = s.flush(); i < 4 {
								other.apply(blocks...)
							}
							b.StartTimer()
							step(s)
							b.StopTimer()
							took[i] += float64((b.Elapsed() - before).Microseconds()) / 1000
							before = b.Elapsed()
						}
						b.StartTimer()
					}
					for i, name := range [5]string{"delete", "undo", "redo", "undo2", "merge"} {
						b.ReportMetric(took[i]/float64(b.N), name+"-ms")
					}
				})
			}
		}
	}
}

// BenchmarkRestoreMarked restores such a text that was deleted as a whole, and one of
// which every mark was taken away; and tells how it differed.
func BenchmarkRestoreMarked(b *testing.B) {
	for _, n := range []int{100, 1000, 2000, 10_000} {
		for _, kind := range []string{"deleted", "unmarked"} {
			b.Run(fmt.Sprintf("%s/%d marks", kind, n), func(b *testing.B) {
				var diff float64
				for range b.N {
					b.StopTimer()
					s, was := newSite(b, 1), newSite(b, 2)
					s.do(opCreate(objID(1), map[string][]byte{"t": vText(strings.Repeat("some words ", 10_000))}))
					rng := rand.New(rand.NewPCG(1, 0))
					for i := range n {
						from := rng.IntN(109_900)
						s.mark(from, from+1+rng.IntN(100), fmt.Sprint("mark", i%3), vBool(true))
					}
					was.apply(s.flush()...)
					if kind == "deleted" {
						s.edit(s.text(1, "t"), 0, 110_000, "")
					} else {
						s.do(opFormatOnly(objID(1), 0, 110_000, nil, "t"))
					}
					if err := s.db.WatchText(s.text(1, "t"), true); err != nil {
						b.Fatal(err)
					}
					before := b.Elapsed()
					b.StartTimer()
					if len(DiffPlain(was.db.Plain(objID(1)), s.db.Plain(objID(1)))) != 1 {
						b.Fatal("no difference")
					}
					diff += float64((b.Elapsed() - before).Microseconds()) / 1000
					if err := s.db.Rewrite(s.db.RestoreOps(was.db, s.db.ObjectIDs()), 3000, ""); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(diff/float64(b.N), "diff-ms")
			})
		}
	}
}
