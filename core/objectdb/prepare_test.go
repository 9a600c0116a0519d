package objectdb

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestPrepare_O07_editsInBetween: blocks that are prepared bit by bit, while their
// reader goes on editing, taking back and reading other blocks, come to what they come
// to at once.
func TestPrepare_O07_editsInBetween(t *testing.T) {
	for run := range 200 {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 2))
		a, b := twoTexts(t, strings.Repeat("0123456789", 5))
		c := newSite(t, 3)
		a.do(opSet(objID(1), vList(vInt(1), vInt(2)), "l"))
		a.db.ClearUndo()
		sync(a, b, c)
		sites := []*site{a, b, c}
		for range 1 + rng.IntN(3) {
			for _, s := range sites {
				for range rng.IntN(30) {
					s.draw(rng)
				}
			}
			for _, s := range sites {
				s.flush()
			}
			for _, to := range sites {
				for _, from := range sites {
					for _, blk := range from.sent {
						if from == to || to.db.Has(blk.Ref) || !to.db.Ready(blk) {
							continue
						}
						to.interrupted(rng, blk)
					}
				}
			}
		}
		plain := newSite(t, 4)
		plain.db.many, plain.db.holdOps = manyOps, holdOps // takes them at once
		spread(append(sites, plain)...)
		want := showAll(plain.db)
		for i, s := range sites {
			if got := showAll(s.db); got != want {
				t.Fatalf("run %d, seed %d: site %d holds\n%s\nand at once\n%s", run, seed, i, got, want)
			}
		}
	}
}

// spread gives everybody the blocks of all, as far as what they follow is there.
func spread(sites ...*site) {
	for _, s := range sites {
		s.flush()
	}
	for progress := true; progress; {
		progress = false
		for _, to := range sites {
			for _, from := range sites {
				for _, b := range from.sent {
					if !to.db.Has(b.Ref) && to.db.Ready(b) {
						to.apply(b)
						progress = true
					}
				}
			}
		}
	}
}

// draw edits the text or the list.
func (s *site) draw(rng *rand.Rand) {
	x := s.text(1, "t")
	length, err := s.db.TextLength(x)
	if err != nil {
		s.t.Fatal(err)
	}
	pos := rng.IntN(length + 1)
	switch rng.IntN(8) {
	case 0:
		s.do(opSplice(objID(1), 0, rng.IntN(2), [][]byte{vInt(int64(rng.IntN(100)))}, "l"))
	case 1:
		if _, err := s.db.Undo(2000); err != nil {
			s.t.Fatal(err)
		}
	case 2, 3:
		s.edit(x, pos, rng.IntN(min(5, length-pos)+1), "")
	case 4:
		s.flush()
	default:
		s.edit(x, pos, 0, "abcdefgh"[:1+rng.IntN(8)])
	}
}

// interrupted applies a block that was prepared in parts, between which something else
// happens, also to the preparation.
func (s *site) interrupted(rng *rand.Rand, b Block) {
	for range rng.IntN(6) {
		s.prepare(b, 1, rng.IntN(3))
		if rng.IntN(2) == 0 {
			s.draw(rng)
		}
	}
	if rng.IntN(3) == 0 {
		return // comes later
	}
	s.apply(b)
}

// TestPrepare: what is concurrent is replayed bit by bit, with edits in between, and
// what is here has nothing to do.
func TestPrepare(t *testing.T) {
	a, b := twoTexts(t, strings.Repeat("0123456789", 5))
	for i := range 20 {
		a.edit(a.text(1, "t"), i, 0, "x")
		a.flush()
	}
	b.edit(b.text(1, "t"), 0, 0, "y")
	blk := b.flush()[0]
	calls := 0
	for {
		done, err := a.db.ApplySome(blk, func() bool { return true })
		if err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
		if calls++; calls > 100 {
			t.Fatal("it does not come to an end")
		}
		if calls == 10 {
			a.edit(a.text(1, "t"), 0, 0, "z")
		}
	}
	if calls < 20 {
		t.Errorf("it was applied after %d calls", calls)
	}
	for _, done := range append(a.sent, blk) {
		if done, err := a.db.ApplySome(done, func() bool { t.Fatal("there was something to do"); return true }); !done || err != nil {
			t.Errorf("a block that is here: %v, %v", done, err)
		}
	}
	b.apply(slices.Concat(a.sent, a.flush())...)
	if got, want := contentOf(t, b.db, b.text(1, "t")), contentOf(t, a.db, a.text(1, "t")); got != want {
		t.Errorf("the text is %q there and %q here", got, want)
	}
}
