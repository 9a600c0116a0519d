package objectdb

import (
	"testing"

	"github.com/echospace/echospace/core/objectdb/objectdbtest"
)

// BenchmarkTrace types what people typed, edit by edit, all in one task.
func BenchmarkTrace(b *testing.B) {
	for _, name := range []string{"automerge-paper", "sveltecomponent"} {
		b.Run(name, func(b *testing.B) {
			edits, end := objectdbtest.ReadTrace(b, name)
			b.ReportAllocs()
			for b.Loop() {
				s := newSite(b, 1)
				s.do(opCreate(objID(1), map[string][]byte{"t": vText("")}))
				x := s.text(1, "t")
				if err := s.db.WatchText(x, true); err != nil {
					b.Fatal(err)
				}
				for i, e := range edits {
					if err := s.db.EditText(x, e.Pos, e.Deleted, e.Inserted, int64(i/400)); err != nil {
						b.Fatal(err)
					}
				}
				s.db.EndTask()
				b.StopTimer()
				if got := contentOf(b, s.db, x); got != end {
					b.Fatal("the text in the end is not that of the trace")
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(edits)), "ns/edit")
		})
	}
}
