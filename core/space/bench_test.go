package space_test

import (
	"fmt"
	"testing"
)

// BenchmarkOpen loads two feeds whose blocks follow each other in turn, as two
// open tabs write them: it costs the blocks, not their square.
func BenchmarkOpen(b *testing.B) {
	for _, count := range []int{500, 2000, 8000} {
		b.Run(fmt.Sprintf("%d blocks in turn", count), func(b *testing.B) {
			e := found(b)
			g := e.join()
			for range count / 2 {
				for _, way := range [][2]*engine{{e, g}, {g, e}} {
					way[0].write()
					in := way[0].next(way[1])
					way[1].save(in)
					if err := way[1].Commit(in); err != nil {
						b.Fatal(err)
					}
					way[1].Settle(nil)
				}
			}
			for b.Loop() {
				g.reopen(g.st)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(count), "ns/block")
			if g.Waiting() > 0 {
				b.Fatal("changes wait")
			}
		})
	}
}
