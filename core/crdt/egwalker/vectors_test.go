package egwalker

import (
	"compress/gzip"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// vector is a history of josephg/eg-walker-reference's testdata, with the text
// that it must come to.
type vector struct {
	Txns []struct {
		Span     [2]int
		Parents  []int
		Agent    string
		SeqStart int
		Ops      []patch
	}
	EndContent string
}

// patch is [position, deleted, inserted].
type patch struct {
	pos, del int
	ins      string
}

func (p *patch) UnmarshalJSON(b []byte) error {
	var raw [3]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		return err
	}
	for i, to := range []any{&p.pos, &p.del, &p.ins} {
		if err := json.Unmarshal(raw[i], to); err != nil {
			return err
		}
	}
	return nil
}

// vectorFiles are the files of that form, by name.
func vectorFiles(t testing.TB) []string {
	t.Helper()
	dir := os.Getenv("ECHOSPACE_VECTORS")
	if dir == "" {
		dir = "../../../../shared/vectors"
	}
	files, err := filepath.Glob(filepath.Join(dir, "egwalker", "*.json.gz"))
	if err == nil && len(files) > 0 {
		return files
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("no Eg-walker vectors under %s", dir)
	}
	t.Skipf("no Eg-walker vectors under %s; set ECHOSPACE_VECTORS", dir)
	return nil
}

// readGzipped decodes a file of compressed JSON into v.
func readGzipped(t testing.TB, file string, v any) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(z).Decode(v); err != nil {
		t.Fatal(err)
	}
}

// history cuts the transactions where others follow a part of one, and where
// they delete one by one, so that each event is whole for all that follow it.
func (v vector) history() *history {
	agents := []string{}
	for _, x := range v.Txns {
		agents = append(agents, x.Agent)
	}
	slices.Sort(agents)
	agents = slices.Compact(agents)
	h := &history{}
	at := map[int]int{} // the event of each of the vector's numbers
	for _, x := range v.Txns {
		parents := x.Parents
		number, seq := x.Span[0], x.SeqStart
		add := func(o Op, content []rune) {
			r := row{agent: slices.Index(agents, x.Agent), seq: seq, ops: []Op{o}, content: content}
			for _, p := range parents {
				r.parents = append(r.parents, at[p])
			}
			at[number] = len(h.rows)
			h.rows = append(h.rows, r)
			parents = []int{number}
			number, seq = number+1, seq+1
		}
		for _, p := range x.Ops {
			for range p.del {
				add(Op{Delete, int32(p.pos), 1}, nil)
			}
			for i, c := range []rune(p.ins) {
				add(Op{Insert, int32(p.pos + i), 1}, []rune{c})
			}
		}
	}
	return h.joined()
}

// joined makes one event of those that only follow one another.
func (h *history) joined() *history {
	children := make([]int, len(h.rows))
	for _, r := range h.rows {
		for _, p := range r.parents {
			children[p]++
		}
	}
	out := &history{}
	at := make([]int, len(h.rows))
	for n, r := range h.rows {
		if len(r.parents) == 1 {
			p := r.parents[0]
			last := at[p]
			if o := &out.rows[last]; children[p] == 1 && o.agent == r.agent && last == len(out.rows)-1 && p == n-1 {
				o.ops = append(o.ops, r.ops...)
				o.content = append(o.content, r.content...)
				at[n] = last
				continue
			}
		}
		fresh := row{agent: r.agent, seq: r.seq, ops: slices.Clone(r.ops), content: slices.Clone(r.content)}
		for _, p := range r.parents {
			fresh.parents = append(fresh.parents, at[p])
		}
		at[n] = len(out.rows)
		out.rows = append(out.rows, fresh)
	}
	return out
}

// TestVectors: every history comes to its text, in the order of the file and in
// others.
func TestVectors(t *testing.T) {
	for _, file := range vectorFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var all []vector
			readGzipped(t, file, &all)
			if len(all) == 0 {
				t.Fatal("no vectors")
			}
			for n, v := range all {
				h := v.history()
				rng := rand.New(rand.NewPCG(uint64(n), 0))
				order := make([]int, len(h.rows))
				for i := range order {
					order[i] = i
				}
				for try := range 10 {
					x := newSite(h)
					for i, e := range order {
						if err := x.add(e); err != nil {
							t.Fatalf("vector %d, order %v: event %d: %v", n, order, i, err)
						}
					}
					if got := string(x.text); got != v.EndContent {
						t.Fatalf("vector %d, try %d, order %v:\n got %q\nwant %q", n, try, order, got, v.EndContent)
					}
					order = h.shuffled(rng)
				}
			}
			t.Logf("%d histories", len(all))
		})
	}
}
