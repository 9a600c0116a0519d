package objectdbtest

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// Edit is one edit of a trace: Deleted code units at Pos make way for Inserted, in
// UTF-8. Positions are UTF-16 code units.
type Edit struct {
	Pos, Deleted int
	Inserted     []byte
}

// UnmarshalJSON reads [position, deleted, inserted].
func (e *Edit) UnmarshalJSON(b []byte) error {
	var s string
	err := json.Unmarshal(b, &[]any{&e.Pos, &e.Deleted, &s})
	e.Inserted = []byte(s)
	return err
}

// ReadTrace reads a sequential trace of github.com/josephg/editing-traces, of which
// positions are the same in characters as in code units, from the folder
// ECHOSPACE_TRACES, and skips the benchmark if it is not there. It gives the edits,
// the first of which is the text in the beginning, and the text in the end.
func ReadTrace(b *testing.B, name string) (edits []Edit, end string) {
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
		Txns                     []struct{ Patches []Edit }
	}
	if err := json.NewDecoder(z).Decode(&trace); err != nil {
		b.Fatal(err)
	}
	if trace.StartContent != "" {
		edits = append(edits, Edit{Inserted: []byte(trace.StartContent)})
	}
	for _, x := range trace.Txns {
		edits = append(edits, x.Patches...)
	}
	return edits, trace.EndContent
}
