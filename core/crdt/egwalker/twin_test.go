package egwalker

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

var (
	twinOps  = flag.Int("egwalker.ops", 20_000, "how many random ops to run against the twin")
	twinSeed = flag.Uint64("egwalker.seed", 0, "the first seed; 0 is a new one")
)

// twin is the algorithm at its plainest: one item per element, the state of
// each found anew for every event, and positions found by counting.
type twin struct {
	h     *history
	items []twinItem
	pasts []map[int]bool
}

type twinItem struct {
	event, at   int // the at-th element that the event inserts
	left, right *twinID
	deleted     []int // the events that deleted it
	char        rune
}

type twinID struct{ event, at int }

func (i *twinItem) id() twinID { return twinID{i.event, i.at} }

func (w *twin) index(id *twinID, absent int) int {
	if id == nil {
		return absent
	}
	return slices.IndexFunc(w.items, func(i twinItem) bool { return i.id() == *id })
}

// text is what the history comes to.
func (h *history) text() string {
	w := &twin{h: h}
	for n, r := range h.rows {
		past := map[int]bool{}
		for _, p := range r.parents {
			past[p] = true
			for q := range w.pasts[p] {
				past[q] = true
			}
		}
		w.pasts = append(w.pasts, past)
		w.event(n, r, past)
	}
	var out []rune
	for _, i := range w.items {
		if len(i.deleted) == 0 {
			out = append(out, i.char)
		}
	}
	return string(out)
}

func (w *twin) event(n int, r row, past map[int]bool) {
	seen := func(e int) bool { return e == n || past[e] }
	known := func(i *twinItem) bool { return seen(i.event) }
	there := func(i *twinItem) bool { return known(i) && !slices.ContainsFunc(i.deleted, seen) }
	at := 0
	for _, o := range r.ops {
		for k := range o.Len {
			if o.Kind == Delete {
				pos := int(o.Pos)
				for i := range w.items {
					if !there(&w.items[i]) {
						continue
					}
					if pos == 0 {
						w.items[i].deleted = append(w.items[i].deleted, n)
						break
					}
					pos--
				}
				continue
			}
			cursor := 0
			for pos := int(o.Pos + k); pos > 0; cursor++ {
				if there(&w.items[cursor]) {
					pos--
				}
			}
			item := twinItem{event: n, at: at, char: r.content[at]}
			at++
			if cursor > 0 {
				id := w.items[cursor-1].id()
				item.left = &id
			}
			for i := cursor; i < len(w.items); i++ {
				if next := &w.items[i]; known(next) {
					if next.left == nil && item.left == nil || next.left != nil && item.left != nil && *next.left == *item.left {
						id := next.id()
						item.right = &id
					}
					break
				}
			}
			w.items = slices.Insert(w.items, w.place(cursor, item, known), item)
		}
	}
}

// place is where an item comes among those at the cursor that its writer does
// not know.
func (w *twin) place(cursor int, item twinItem, known func(*twinItem) bool) int {
	left, right := w.index(item.left, -1), w.index(item.right, len(w.items))
	scanning := false
	for i := cursor; i < len(w.items) && !known(&w.items[i]); i++ {
		other := &w.items[i]
		l := w.index(other.left, -1)
		if l < left {
			break
		}
		if l == left {
			r := w.index(other.right, len(w.items))
			if r == right && w.before(item.event, other.event) {
				break
			}
			scanning = r < right
		}
		if !scanning {
			cursor = i + 1
		}
	}
	return cursor
}

func (w *twin) before(a, b int) bool {
	p, q := w.h.rows[a], w.h.rows[b]
	if p.agent != q.agent {
		return p.agent < q.agent
	}
	return p.seq < q.seq
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
	alphabet := []rune("abcdefghijklmnopqrstuvwxyz")
	for made := 0; made < ops; {
		at := rng.IntN(replicas)
		x := sites[at]
		if rng.IntN(4) == 0 {
			other := sites[rng.IntN(replicas)]
			for _, n := range other.events {
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
		length := len(x.text)
		for range 1 + rng.IntN(3) {
			o := Op{Pos: int32(rng.IntN(length + 1)), Len: int32(1 + rng.IntN(4))}
			if length > 0 && rng.IntN(3) == 0 {
				o = Op{Kind: Delete, Pos: int32(rng.IntN(length)), Len: 1}
				o.Len += int32(rng.IntN(min(5, length-int(o.Pos))))
				length -= int(o.Len)
			} else {
				for range o.Len {
					r.content = append(r.content, alphabet[rng.IntN(len(alphabet))])
				}
				length += int(o.Len)
			}
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
			for _, n := range h.shuffled(rng) {
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
