package objectdb

import (
	"crypto/sha256"
	_ "embed"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// wantStates are the digests of states, one a line, by seed.
//
//go:embed testdata/states.txt
var wantStates string

// programs is how many programs run.
const programs = 60

// TestStates_sameOnEveryPlatform runs drawn programs by seed and compares what
// they leave behind with the digests in testdata: the file is one, so natively,
// as wasm in Node and as wasm in Chromium they are byte for byte the same.
func TestStates_sameOnEveryPlatform(t *testing.T) {
	want := strings.Fields(wantStates)
	var got []string
	program := rapid.Custom(stateOfProgram)
	for seed := range programs {
		got = append(got, program.Example(seed))
	}
	if *update {
		if err := os.WriteFile("testdata/states.txt", []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if len(want) != programs {
		t.Fatalf("testdata has %d digests, want %d: run with -update", len(want), programs)
	}
	for seed := range programs {
		if got[seed] != want[seed] {
			t.Errorf("seed %d leaves state %s, want %s", seed, got[seed], want[seed])
		}
	}
}

// stateOfProgram runs one program and gives the digest of every block that was
// written, and of what every replica holds in the end.
func stateOfProgram(t *rapid.T) string {
	f := runProgram(t, 0, 0)
	h := sha256.New()
	for _, p := range f.pool {
		fmt.Fprintf(h, "%v %x %v %d\n", p.block.Ref, p.block.Prev, p.block.Deltas, p.block.Ops)
		h.Write(p.block.Payload)
	}
	for _, r := range f.replicas {
		io.WriteString(h, r.show())
		for _, record := range objectRows(r.db) {
			h.Write(r.db.appendRecord(nil, record))
		}
		fmt.Fprintln(h, r.db.Frontier())
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}
