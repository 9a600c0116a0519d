package objectdb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/egwalker/plain"
)

// The twin of marks is Peritext as its paper has it, with nothing of the
// database's own code: characters are kept when they are deleted, each end of a
// mark is bound to one side of one of them, and a mark is over what stands
// between. Every character of a test is another, so that it is its own name.

// twinMark is a mark as its writer meant it.
type twinMark struct {
	site       *site
	block      int // of the site
	index      uint32
	start, end twinAnchor
	name       string
	value      []byte
}

// twinAnchor is a side of a character; of none it is the beginning or the end of
// the text.
type twinAnchor struct {
	char  rune
	after bool
}

// twinText is what all that was written comes to.
type twinText struct {
	order []rune // deleted ones too
	marks []twinMark
}

// place is where an anchor is among the characters: in front of the character of
// that number, and behind the one before.
func (t *twinText) place(a twinAnchor) int {
	if a.char == 0 {
		return map[bool]int{true: 0, false: len(t.order)}[a.after]
	}
	i := slices.Index(t.order, a.char)
	if a.after {
		i++
	}
	return i
}

// over gives the marks over a character.
func (t *twinText) over(db *DB, c rune) attributes {
	i := slices.Index(t.order, c)
	winners := map[string]twinMark{}
	for _, m := range t.marks {
		if i < t.place(m.start) || i >= t.place(m.end) {
			continue
		}
		if w, ok := winners[m.name]; !ok || db.graph.Compare(w.stamp(db), m.stamp(db)) < 0 {
			winners[m.name] = m
		}
	}
	out := attributes{}
	for name, m := range winners {
		if v := encodedText(m.value); v != "nil" {
			out[name] = v
		}
	}
	return out
}

// stamp is the mark's op as a database knows it that has everything.
func (m *twinMark) stamp(db *DB) crdt.Stamp {
	n, _ := db.graph.Find(m.site.sent[m.block].Ref)
	return crdt.Stamp{Node: n, Index: m.index}
}

// orderOf gives all characters of the text that blocks hold, deleted ones too.
func orderOf(t *testing.T, db *DB, blocks []Block) []rune {
	slices.SortFunc(blocks, func(a, b Block) int { // as db took them in: parents first
		x, _ := db.graph.Find(a.Ref)
		y, _ := db.graph.Find(b.Ref)
		return int(x) - int(y)
	})
	var events []crdt.Node
	var chars [][]rune
	h := plain.History{
		Follows: func(a, b int) bool { return db.graph.Contains(events[a], events[b]) },
		Before:  func(a, b int) bool { return db.graph.CompareNames(events[a], events[b]) < 0 },
	}
	for _, b := range blocks {
		var p payload
		if err := p.decode(b.Payload, db.limits); err != nil {
			t.Fatal(err)
		}
		var e plain.Event
		content := []rune(string(p.chars))
		for _, o := range p.runs {
			e.Ops = append(e.Ops, plain.Op{
				Delete: o.Kind == egwalker.Delete, Pos: int(o.Pos), Len: int(o.Len),
				Side: map[egwalker.Kind]plain.Side{egwalker.InsertAfter: plain.Left, egwalker.InsertBefore: plain.Right}[o.Kind],
			})
			switch o.Kind {
			case egwalker.Delete:
			case egwalker.Insert:
				e.Content, content = append(e.Content, content[:o.Len]...), content[o.Len:]
			default:
				e.Content = append(e.Content, 0)
			}
		}
		n, _ := db.graph.Find(b.Ref)
		events, chars = append(events, n), append(chars, e.Content)
		h.Events = append(h.Events, e)
	}
	var order []rune
	for _, at := range h.Order() {
		if c := chars[at[0]][at[1]]; c != 0 {
			order = append(order, c)
		}
	}
	return order
}

// draw makes a mark of a random part of what a site sees.
func (t *twinText) draw(rng *rand.Rand, s *site, now []rune) {
	from := rng.IntN(len(now))
	end := from + 1 + rng.IntN(min(6, len(now)-from))
	m := twinMark{site: s, block: len(s.sent), name: []string{"bold", "link", "note"}[rng.IntN(3)]}
	expand := uint64(rng.IntN(4))
	m.value = [][]byte{vBool(true), vNil(), vInt(int64(rng.IntN(3)))}[rng.IntN(3)]
	m.start = twinAnchor{now[from], false}
	if expand&expandBefore != 0 {
		m.start = twinAnchor{after: true}
		if from > 0 {
			m.start.char = now[from-1]
		}
	}
	m.end = twinAnchor{now[end-1], true}
	if expand&expandAfter != 0 {
		m.end = twinAnchor{}
		if end < len(now) {
			m.end.char = now[end]
		}
	}
	s.do(opFormat(objID(1), from, end, []markOf{{m.name, expand, m.value}}, "t"))
	m.index = s.db.open.ops - 1
	t.marks = append(t.marks, m)
}

// TestMarks_random runs two to four replicas over random edits and marks that are
// delivered in random orders, and compares them with each other, with what who
// watches them holds, and with the twin.
func TestMarks_random(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 60 {
		var sites []*site
		for n := range 2 + rng.IntN(3) {
			sites = append(sites, newSite(t, n+1))
		}
		next := rune(0x4e00)
		chars := func(n int) string {
			out := make([]rune, n)
			for i := range out {
				next++
				out[i] = next
			}
			return string(out)
		}
		sites[0].do(opCreate(objID(1), map[string][]byte{"t": vText(chars(5))}))
		sync(sites...)
		twin := &twinText{}
		var mirrors []*mirror
		for _, s := range sites {
			m := newMirror()
			m.watch(t, s.db, s.text(1, "t"))
			mirrors = append(mirrors, m)
		}
		for range 80 {
			at := rng.IntN(len(sites))
			s := sites[at]
			now := []rune(contentOf(t, s.db, s.text(1, "t")))
			switch k := rng.IntN(10); {
			case k == 0:
				s.flush()
			case k < 3:
				from := sites[rng.IntN(len(sites))]
				from.flush()
				for _, b := range from.sent {
					if s.db.Ready(b) {
						s.apply(b)
					}
				}
			case k < 6 && len(now) > 0:
				if s.db.open != nil && rng.IntN(2) == 0 || s.db.open == nil && len(s.db.bursts) == 0 {
					twin.draw(rng, s, now)
				} else {
					s.flush()
				}
			case k == 6:
				mirrors[at].checkMarks(t, s.db)
			default:
				pos := rng.IntN(len(now) + 1)
				s.edit(s.text(1, "t"), pos, rng.IntN(min(5, len(now)-pos)+1), chars(rng.IntN(3)))
			}
			for len(s.db.bursts) > 0 { // so that a mark knows its block
				s.flush()
			}
		}
		var all []Block
		for _, s := range sites {
			s.flush()
			all = append(all, s.sent...)
		}
		sites = append(sites, newSite(t, 9))
		for _, s := range sites {
			rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
			s.applyReady(all)
		}
		last := sites[len(sites)-1].db
		twin.order = orderOf(t, last, all)
		want := ""
		for i, s := range sites {
			x := s.text(1, "t")
			got := marked(t, s.db, x)
			if want == "" {
				want = got
				for k, c := range []rune(contentOf(t, s.db, x)) {
					if a, b := unitMarks(t, s.db, x)[k], twin.over(last, c); fmt.Sprint(a) != fmt.Sprint(b) {
						t.Fatalf("%c has %q, the twin %q: %s", c, a, b, got)
					}
				}
			}
			if got != want {
				t.Fatalf("replicas hold\n%s\nand\n%s", want, got)
			}
			if i < len(mirrors) {
				mirrors[i].checkMarks(t, s.db)
			}
		}
	}
}

// TestMarks_move: bursts with marks that storage did not take move behind blocks
// that came back, and everybody reads them as their writer did.
func TestMarks_move(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		a, b := twoTexts(t, "0123456789")
		random := func(s *site, n int) {
			for range n {
				x := s.text(1, "t")
				length, _ := s.db.TextLength(x)
				pos := rng.IntN(length)
				s.edit(x, pos, rng.IntN(min(3, length-pos)+1), fmt.Sprint(string(rune('a'+rng.IntN(26))), s.feed[31]))
				length, _ = s.db.TextLength(x)
				from := rng.IntN(length)
				expand, value := uint64(rng.IntN(4)), vInt(int64(rng.IntN(100)))
				s.do(opFormat(objID(1), from, from+1+rng.IntN(length-from), []markOf{{"m", expand, value}, {fmt.Sprint("n", rng.IntN(9)), expand, value}}, "t"))
			}
		}
		random(a, 2)
		sync(a, b)
		lost := a.twin()
		random(a, 2) // what lost does not know it wrote
		a.flush()
		random(b, 2)
		random(lost, 2)
		lost.db.closeBurst()
		lost.apply(b.flush()...)
		random(lost, 2)
		m := newMirror()
		m.watch(t, lost.db, lost.text(1, "t"))
		lost.apply(a.sent...)
		lost.head = a.head
		lost.db.SetWriter(lost.feed, a.head)
		m.checkMarks(t, lost.db)
		a.apply(b.sent...)
		a.apply(lost.flush()...)
		a.wantMarked(marked(t, lost.db, lost.text(1, "t")))
		random(lost, 1)
		a.apply(lost.flush()...)
		a.wantMarked(marked(t, lost.db, lost.text(1, "t")))
		late := newSite(t, 9)
		late.applyReady(slices.Concat(a.sent, b.sent, lost.sent))
		late.wantMarked(marked(t, lost.db, lost.text(1, "t")))
	}
}
