package objectdb

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// traceEdit is one edit of a trace, with positions in UTF-16 code units.
type traceEdit struct {
	pos, deleted int
	inserted     []byte
}

func (e *traceEdit) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &[]any{&e.pos, &e.deleted, &s}); err != nil {
		return err
	}
	e.inserted = []byte(s)
	return nil
}

// readTrace reads one of josephg/editing-traces, of which positions are the same in
// characters as in code units.
func readTrace(b *testing.B, name string) (edits []traceEdit, end string) {
	b.Helper()
	dir := os.Getenv("ECHOSPACE_TRACES")
	if dir == "" {
		dir = "../../../shared/traces"
	}
	f, err := os.Open(filepath.Join(dir, name+".json.gz"))
	if err != nil {
		b.Skipf("the trace is not here: %v (set ECHOSPACE_TRACES)", err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		b.Fatal(err)
	}
	var trace struct {
		StartContent, EndContent string
		Txns                     []struct{ Patches []traceEdit }
	}
	if err := json.NewDecoder(z).Decode(&trace); err != nil {
		b.Fatal(err)
	}
	if trace.StartContent != "" {
		edits = append(edits, traceEdit{inserted: []byte(trace.StartContent)})
	}
	for _, x := range trace.Txns {
		edits = append(edits, x.Patches...)
	}
	return edits, trace.EndContent
}

// BenchmarkTrace types what people typed, edit by edit, all in one task.
func BenchmarkTrace(b *testing.B) {
	for _, name := range []string{"automerge-paper", "sveltecomponent"} {
		b.Run(name, func(b *testing.B) {
			edits, end := readTrace(b, name)
			b.ReportAllocs()
			for b.Loop() {
				s := newSite(b, 1)
				s.do(opCreate(objID(1), map[string][]byte{"t": vText("")}))
				x := s.text(1, "t")
				if err := s.db.WatchText(x, true); err != nil {
					b.Fatal(err)
				}
				for i, e := range edits {
					if err := s.db.EditText(x, e.pos, e.deleted, e.inserted, int64(i/400)); err != nil {
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
