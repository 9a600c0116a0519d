package egwalker

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/crdt/egwalker/plain"
)

var (
	twinOps  = flag.Int("egwalker.ops", 20_000, "how many random ops to run against the twin")
	twinSeed = flag.Uint64("egwalker.seed", 0, "the first seed; 0 is a new one")
)

var sides = map[Kind]plain.Side{InsertAfter: plain.Left, InsertBefore: plain.Right}

// text is what the history comes to, by the plain twin.
func (h *history) text() string {
	var pasts []map[int]bool
	twin := plain.History{
		Follows: func(a, b int) bool { return pasts[a][b] },
		Before: func(a, b int) bool {
			p, q := h.rows[a], h.rows[b]
			return p.agent < q.agent || p.agent == q.agent && p.seq < q.seq
		},
	}
	for _, r := range h.rows {
		past := map[int]bool{}
		for _, p := range r.parents {
			past[p] = true
			maps.Copy(past, pasts[p])
		}
		pasts = append(pasts, past)
		e := plain.Event{Content: r.content}
		for _, o := range r.ops {
			e.Ops = append(e.Ops, plain.Op{Delete: o.Kind == Delete, Pos: int(o.Pos), Len: int(o.Len), Side: sides[o.Kind]})
		}
		twin.Events = append(twin.Events, e)
	}
	text, _ := twin.Replay()
	return string(text)
}

// random makes a history by replicas that edit and now and then hear of each
// other, and checks them on the way.
func random(t *testing.T, rng *rand.Rand, replicas, ops int) *history {
	h := &history{}
	sites := make([]*site, replicas)
	seqs := make([]int, replicas)
	for i := range sites {
		sites[i] = newSite(h)
	}
	for made := 0; made < ops; {
		at := rng.IntN(replicas)
		x := sites[at]
		if rng.IntN(4) == 0 {
			other := sites[rng.IntN(replicas)]
			for _, n := range other.events {
				if _, has := x.numbers[n]; !has && rng.IntN(3) == 0 && x.follows(n) {
					x.prepare(n, rng)
				}
				if _, has := x.numbers[n]; !has && (rng.IntN(20) > 0 || n == other.events[len(other.events)-1]) && x.follows(n) {
					if err := x.add(n); err != nil {
						t.Fatal(err)
					}
				}
			}
			continue
		}
		r := row{agent: at, seq: seqs[at]}
		seqs[at]++
		for _, f := range x.s.Frontier() {
			r.parents = append(r.parents, x.events[f])
		}
		seen := slices.Clone(x.text)
		for range 1 + rng.IntN(3) {
			o, content := randomOp(rng, seen)
			if o.Kind == Delete {
				seen = slices.Delete(seen, int(o.Pos), int(o.Pos+o.Len))
			} else {
				seen = slices.Insert(seen, int(o.Pos), content...)
			}
			r.content = append(r.content, content...)
			r.ops = append(r.ops, o)
			made += int(o.Len)
		}
		h.rows = append(h.rows, r)
		if err := x.add(len(h.rows) - 1); err != nil {
			t.Fatal(err)
		}
		if got := x.s.Length(); got != len(x.text) {
			t.Fatalf("length %d, the text has %d", got, len(x.text))
		}
	}
	return h
}

// Boundaries in the content of a test.
const after, before = '<', '>'

// randomOp is an op on what its writer sees: it takes away any characters, puts
// some in behind the last boundary that keeps to what is in front, or puts a
// boundary in beside a character, among others of its side.
func randomOp(rng *rand.Rand, seen []rune) (Op, []rune) {
	isBoundary := func(i int) bool { return i >= 0 && i < len(seen) && (seen[i] == after || seen[i] == before) }
	pos := rng.IntN(len(seen) + 1)
	if !isBoundary(pos) && pos < len(seen) && rng.IntN(3) == 0 {
		n := 1
		for n < 5 && pos+n < len(seen) && !isBoundary(pos+n) && rng.IntN(4) > 0 {
			n++
		}
		return Op{Kind: Delete, Pos: int32(pos), Len: int32(n)}, nil
	}
	from, end := pos, pos
	for isBoundary(from - 1) {
		from--
	}
	for isBoundary(end) {
		end++
	}
	run := seen[from:end]
	switch rng.IntN(6) {
	case 0:
		n := 0
		for n < len(run) && run[n] == after {
			n++
		}
		return Op{Kind: InsertAfter, Pos: int32(from + rng.IntN(n+1)), Len: 1}, []rune{after}
	case 1:
		n := 0
		for n < len(run) && run[len(run)-1-n] == before {
			n++
		}
		return Op{Kind: InsertBefore, Pos: int32(end - rng.IntN(n+1)), Len: 1}, []rune{before}
	}
	for len(run) > 0 && run[len(run)-1] != after {
		run = run[:len(run)-1]
	}
	content := make([]rune, 1+rng.IntN(4))
	for i := range content {
		content[i] = 'a' + rune(rng.IntN(26))
	}
	return Op{Pos: int32(from + len(run)), Len: int32(len(content))}, content
}

// follows reports whether all that an event follows is here.
func (x *site) follows(n int) bool {
	return !slices.ContainsFunc(x.h.rows[n].parents, func(p int) bool { _, has := x.numbers[p]; return !has })
}

// TestTwin compares random histories with the twin, in several orders.
func TestTwin(t *testing.T) {
	seed := *twinSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("first seed %d (-egwalker.seed)", seed)
	for done := 0; done < *twinOps; seed++ {
		rng := rand.New(rand.NewPCG(seed, 0))
		replicas, ops := 2+rng.IntN(7), 20+rng.IntN(300)
		h := random(t, rng, replicas, ops)
		want := h.text()
		for try := range 3 {
			x := newSite(h)
			order := h.shuffled(rng)
			for i, n := range order {
				for k := i; k < len(order) && try > 0 && rng.IntN(3) > 0; k += 1 + rng.IntN(4) {
					if x.follows(order[k]) { // the next, or one that comes later
						x.prepare(order[k], rng)
					}
				}
				if err := x.add(n); err != nil {
					t.Fatalf("seed %d, order %d: %v", seed, try, err)
				}
			}
			if string(x.text) != want {
				t.Fatalf("seed %d, order %d:\n got %q\ntwin %q", seed, try, string(x.text), want)
			}
			if w := x.s.walker; w != nil {
				if err := w.check(); err != nil {
					t.Fatalf("seed %d, order %d: %v", seed, try, err)
				}
			}
		}
		done += ops
	}
}

// TestMerge_malformed: ops that do not fit what their writer saw change nothing.
func TestMerge_malformed(t *testing.T) {
	h := &history{rows: []row{
		{ops: []Op{{Insert, 0, 5}}, content: []rune("hello")},
		{parents: []int{0}, ops: []Op{{Insert, 5, 3}}, content: []rune("abc")},
		{parents: []int{0}, agent: 1, ops: []Op{{Delete, 0, 5}}},
	}}
	x := newSite(h)
	for n := range h.rows {
		if err := x.add(n); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name    string
		parents []int
		ops     []Op
	}{
		{"insert behind the end", []int{0}, []Op{{Insert, 6, 1}}},
		{"delete over the end", []int{1}, []Op{{Delete, 7, 2}}},
		{"second op behind the end", []int{0}, []Op{{Delete, 0, 3}, {Insert, 3, 1}}},
		{"in what is not seen", []int{2}, []Op{{Delete, 0, 1}}},
		{"negative", []int{0}, []Op{{Insert, -1, 1}}},
		{"nothing", []int{0}, []Op{{Insert, 0, 0}}},
		{"too many", []int{0}, []Op{{Insert, 0, MaxLength}}},
		{"after everything, behind the end", []int{1, 2}, []Op{{Insert, 4, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.rows = append(h.rows[:3:3], row{parents: c.parents, agent: 2, ops: c.ops, content: make([]rune, 8)})
			text, events := string(x.text), x.s.Len()
			if err := x.add(3); err == nil {
				t.Fatal("it is taken")
			}
			if string(x.text) != text || x.s.Len() != events || x.s.Length() != len(x.text) {
				t.Fatalf("text %q, %d events, length %d", string(x.text), x.s.Len(), x.s.Length())
			}
		})
	}
	h.rows = append(h.rows[:3:3], row{parents: []int{0}, agent: 2, ops: []Op{{Insert, 0, 1}}, content: []rune("!")})
	if err := x.add(3); err != nil || string(x.text) != "!abc" {
		t.Fatalf("%q, %v", string(x.text), err)
	}
}
