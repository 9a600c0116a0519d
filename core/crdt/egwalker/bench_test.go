package egwalker

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// trace is one of josephg/editing-traces.
type trace struct {
	EndContent string
	NumAgents  int
	Txns       []struct {
		Parents []int
		Agent   int
		Patches []patch
	}
}

func readTrace(b *testing.B, name string) (tr trace) {
	b.Helper()
	dir := os.Getenv("ECHOSPACE_TRACES")
	if dir == "" {
		dir = "../../../../shared/traces"
	}
	file := filepath.Join(dir, name+".json.gz")
	if _, err := os.Stat(file); err != nil {
		b.Skipf("the trace is not here: %v (set ECHOSPACE_TRACES)", err)
	}
	readGzipped(b, file, &tr)
	return tr
}

// history makes an event of each transaction.
func (tr trace) history() *history {
	h := &history{}
	seqs := map[int]int{}
	for _, x := range tr.Txns {
		r := row{parents: x.Parents, agent: x.Agent, seq: seqs[x.Agent]}
		seqs[x.Agent]++
		for _, p := range x.Patches {
			if p.del > 0 {
				r.ops = append(r.ops, Op{Delete, int32(p.pos), int32(p.del)})
			}
			if p.ins != "" {
				content := []rune(p.ins)
				r.ops = append(r.ops, Op{Insert, int32(p.pos), int32(len(content))})
				r.content = append(r.content, content...)
			}
		}
		h.rows = append(h.rows, r)
	}
	return h
}

// BenchmarkMerge merges histories event by event, the sequence left out.
func BenchmarkMerge(b *testing.B) {
	b.Run("friendsforever", func(b *testing.B) {
		tr := readTrace(b, "friendsforever")
		h := tr.history().joined()
		x := newSite(h)
		for n := range h.rows {
			if err := x.add(n); err != nil {
				b.Fatal(err)
			}
		}
		if string(x.text) != tr.EndContent {
			b.Fatalf("the text differs: %d characters, want %d", len(x.text), len([]rune(tr.EndContent)))
		}
		merge(b, h)
	})
	b.Run("two branches of 100000 edits", func(b *testing.B) {
		rng := rand.New(rand.NewPCG(1, 1))
		h := &history{rows: []row{{ops: []Op{{Insert, 0, 10_000}}}}}
		for agent := range 2 {
			parent, length := 0, 10_000
			for seq := range 1000 { // bursts of 100 edits
				r := row{parents: []int{parent}, agent: agent, seq: seq}
				for range 100 {
					if o := (Op{Pos: int32(rng.IntN(length)), Len: 1}); rng.IntN(3) == 0 {
						o.Kind = Delete
						r.ops = append(r.ops, o)
						length--
					} else {
						r.ops = append(r.ops, o)
						length++
					}
				}
				parent = len(h.rows)
				h.rows = append(h.rows, r)
			}
		}
		merge(b, h)
	})
}

func merge(b *testing.B, h *history) {
	parents := make([][]Event, len(h.rows))
	for n, r := range h.rows {
		for _, p := range r.parents {
			parents[n] = append(parents[n], Event(p))
		}
	}
	x := newSite(h)
	for n := range h.rows {
		x.events = append(x.events, n)
	}
	ops := 0
	for _, r := range h.rows {
		ops += len(r.ops)
	}
	b.ReportAllocs()
	for b.Loop() {
		var s Sequence
		var edits []Edit
		var err error
		for n, r := range h.rows {
			if _, edits, err = s.Merge(parents[n], r.ops, x, edits[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(ops), "ns/op-merged")
}
