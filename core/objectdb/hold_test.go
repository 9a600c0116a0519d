package objectdb

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// once has ApplySome stop at its first question.
func once() bool { return true }

// begin applies the block as far as it comes out of sight, and no further.
func (s *site) begin(b Block) {
	s.t.Helper()
	for range 1000 {
		if done, err := s.db.ApplySome(b, once); done || err != nil {
			s.t.Fatalf("done before it was held: %v, %v", done, err)
		}
		if s.db.Holds(b.Ref) {
			return
		}
	}
	s.t.Fatal("it is not held")
}

// refuse checks that a transaction is.
func (s *site) refuse(kind errs.Kind, ops []byte) {
	s.t.Helper()
	if err := s.db.Local(ops, 1000); !errs.Is(err, kind) {
		s.t.Errorf("the transaction gives %v, want %v", err, kind)
	}
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// outcome is all that can be seen of a database.
func (s *site) outcome() string {
	s.t.Helper()
	ids, err := s.db.Query(append(wire.AppendNil(wire.AppendArray(nil, 2)), 1))
	if err != nil {
		s.t.Fatal(err)
	}
	found, err := s.db.Query(queryOf(filterOf([]string{"n"}, greaterEqual, vInt(2)), 0))
	if err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%s %x %x %v %d %+v", showAll(s.db), ids, found, s.db.Frontier(), s.db.ObjectCount(), s.db.UndoState())
}

// TestApplySome_O09_unseenUntilWhole: of a block that is applied bit by bit nothing is
// seen before all of it is, by reads, queries, live queries, indexes, the frontier, undo
// or an image.
func TestApplySome_O09_unseenUntilWhole(t *testing.T) {
	a, b, c := newSite(t, 1), newSite(t, 2), newSite(t, 3)
	a.do(slices.Concat(
		opCreate(objID(1), map[string][]byte{"n": vInt(1), "l": vList(vInt(1), vInt(2)), "t": vText("old")}),
		opCreate(objID(2), map[string][]byte{"n": vInt(2)}),
	))
	sync(a, b, c)
	var ops [][]byte
	for i := 10; i < 40; i++ {
		ops = append(ops, opCreate(objID(i), map[string][]byte{
			"n": vInt(int64(i)), "t": vText(fmt.Sprint("new text ", i)), "l": vList(vInt(1), vMap(map[string][]byte{"deep": vInt(2)})),
		}))
		if i%10 == 5 {
			ops = append(ops, opSet(objID(1), vInt(int64(i)), "n"), opEdit(objID(1), 0, 1, "N", "t"), opSplice(objID(1), 1, 1, [][]byte{vInt(7)}, "l"))
		}
		if i == 30 {
			ops = append(ops, opDelete(objID(2)))
		}
	}
	a.do(slices.Concat(ops...))
	blk := a.flush()[0]
	if err := b.db.CreateIndex(sortedIndex(by("n", false))); err != nil {
		t.Fatal(err)
	}
	b.db.BuildIndexes(1000)
	live, _, err := b.db.OpenQuery(queryOf(filterOf([]string{"n"}, greaterEqual, vInt(2)), 0))
	if err != nil {
		t.Fatal(err)
	}
	b.db.Changes(1 << 20)
	before, calls := b.outcome(), 0
	for {
		done, err := b.db.ApplySome(blk, once)
		if err != nil {
			t.Fatal(err)
		}
		if done {
			break
		}
		calls++
		b.db.BuildIndexes(1000)
		if got := b.outcome(); got != before {
			t.Fatalf("after %d calls there is\n%s\nbefore it was\n%s", calls, got, before)
		}
		if _, there := b.db.Read(objID(10)); there || b.db.Has(blk.Ref) || b.db.HasChanges() {
			t.Fatalf("after %d calls something is there", calls)
		}
		if _, ok := b.db.Image(); ok && b.db.Holds(blk.Ref) {
			t.Fatalf("after %d calls there is an image", calls)
		}
	}
	if calls < 100 {
		t.Errorf("it took %d calls", calls)
	}
	c.db.holdOps = holdOps
	if err := c.db.Apply(blk); err != nil {
		t.Fatal(err)
	}
	if got, want := b.outcome(), c.outcome(); got != want {
		t.Errorf("bit by bit it comes to\n%s\nat once to\n%s", got, want)
	}
	if got, want := showAll(b.db), showAll(a.db); got != want {
		t.Errorf("its reader holds\n%s\nits writer\n%s", got, want)
	}
	m := newMirror()
	m.lists[live] = []id.ObjectID{objID(2)}
	m.drain(t, b.db, 1<<20)
	if n := len(m.lists[live]); n != 31 {
		t.Errorf("the live query holds %d objects, want 31", n)
	}
}

// TestApplySome_O09_editsInBetween: edits that are made while a block is applied are
// concurrent to it, and everybody comes to the same.
func TestApplySome_O09_editsInBetween(t *testing.T) {
	for run := range 100 {
		seed := rand.Uint64()
		rng := rand.New(rand.NewPCG(seed, 3))
		a, b := newSite(t, 1), newSite(t, 2)
		a.do(opCreate(objID(1), map[string][]byte{"n": vInt(1), "t": vText("0123456789"), "l": vList(vInt(1), vInt(2))}))
		sync(a, b)
		var ops [][]byte
		for i := 10; i < 30; i++ {
			ops = append(ops, opCreate(objID(i), map[string][]byte{"n": vInt(int64(i)), "t": vText("new")}))
			if rng.IntN(4) == 0 {
				ops = append(ops, opSet(objID(1), vInt(int64(i)), "n"), opEdit(objID(1), rng.IntN(5), 1, "ab", "t"), opSplice(objID(1), 0, 1, [][]byte{vInt(7)}, "l"))
			}
		}
		a.do(slices.Concat(ops...))
		blk := a.flush()[0]
		for i := 50; ; i++ {
			done, err := b.db.ApplySome(blk, func() bool { return rng.IntN(8) == 0 })
			if err != nil {
				t.Fatal(err)
			}
			if done {
				break
			}
			switch rng.IntN(8) {
			case 0:
				b.do(opSet(objID(1), vInt(int64(i)), "n"))
			case 1:
				b.do(opEdit(objID(1), rng.IntN(5), 1, "xyz", "t"))
			case 2:
				b.do(opCreate(objID(i), map[string][]byte{"n": vInt(3), "t": vText("own")}))
			case 3:
				b.do(opSplice(objID(1), 0, 0, [][]byte{vInt(9)}, "l"))
			case 4:
				b.flush()
			case 5:
				if _, err := b.db.Undo(2000); err != nil {
					t.Fatal(err)
				}
			case 6:
				b.refuse(errs.NotFound, opSet(objID(10), vInt(1), "n"))
			}
		}
		c := newSite(t, 3)
		c.db.holdOps = holdOps
		spread(a, b, c)
		want := showAll(c.db)
		for i, s := range []*site{a, b} {
			if got := showAll(s.db); got != want {
				t.Fatalf("run %d, seed %d: site %d holds\n%s\nand at once\n%s", run, seed, i, got, want)
			}
		}
	}
}

// TestApplySome_interrupted: what needs the graph whole has the block finished first;
// what is only read is given up for another block.
func TestApplySome_interrupted(t *testing.T) {
	created := func(s *site, n int) Block {
		s.do(slices.Concat(opCreate(objID(n), map[string][]byte{"n": vInt(1), "t": vText("x")}), opCreate(objID(n+1), nil)))
		return s.flush()[0]
	}
	for name, f := range map[string]func(s *site, other Block){
		"another block":       func(s *site, other Block) { s.apply(other) },
		"another, bit by bit": func(s *site, other Block) { s.begin(other) },
		"the same, at once":   nil,
		"another feed":        func(s *site, _ Block) { s.db.SetWriter(feedID(9), feed.Ref{}) },
		"another, passed over": func(s *site, other Block) {
			if err := s.db.Skip(other); err != nil {
				s.t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, b, c := newSite(t, 1), newSite(t, 2), newSite(t, 3)
			blk, other := created(a, 1), created(c, 11)
			b.begin(blk)
			if f == nil {
				noError(t, b.db.Apply(blk))
			} else {
				f(b, other)
			}
			if _, there := b.db.Read(objID(1)); !there || !b.db.Has(blk.Ref) || b.db.Holds(blk.Ref) {
				t.Error("it is not whole")
			}
			if done, err := b.db.ApplySome(blk, once); !done || err != nil {
				t.Errorf("it goes on: %v, %v", done, err)
			}
		})
	}
	t.Run("while it is read", func(t *testing.T) {
		a, b, c := newSite(t, 1), newSite(t, 2), newSite(t, 3)
		blk, other := created(a, 1), created(c, 11)
		if done, err := b.db.ApplySome(blk, once); done || err != nil || b.db.Holds(blk.Ref) {
			t.Fatalf("it is not read: %v, %v", done, err)
		}
		b.apply(other)
		if b.db.Has(blk.Ref) {
			t.Error("it is there")
		}
		b.begin(blk)
		b.apply(blk)
		a.apply(other)
		if got, want := showAll(b.db), showAll(a.db); got != want {
			t.Errorf("its reader holds\n%s\nits writer\n%s", got, want)
		}
	})
}

// TestApplySome_refused: what is wrong with a block is found before anything of it is
// there, and an object out of sight cannot be made again.
func TestApplySome_refused(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(slices.Concat(opCreate(objID(1), map[string][]byte{"n": vInt(1)}), opCreate(objID(2), nil)))
	blk := a.flush()[0]
	for name, bad := range map[string]Block{
		"cut off":      {Ref: blk.Ref, Ops: blk.Ops, Payload: blk.Payload[:len(blk.Payload)-1]},
		"longer":       {Ref: blk.Ref, Ops: blk.Ops, Payload: append(bytes.Clone(blk.Payload), 0)},
		"miscounted":   {Ref: blk.Ref, Ops: blk.Ops + 1, Payload: blk.Payload},
		"version":      {Ref: blk.Ref, Ops: blk.Ops, Payload: append([]byte{blk.Payload[0], 9}, blk.Payload[2:]...)},
		"without what": {Ref: blk.Ref, Prev: id.Hash{1}, Ops: blk.Ops, Payload: blk.Payload},
	} {
		rows := b.db.containers.Len()
		var err error
		for done := false; !done && err == nil; {
			done, err = b.db.ApplySome(bad, once)
		}
		if err == nil || b.db.Holds(blk.Ref) || b.db.Has(blk.Ref) || b.db.containers.Len() != rows {
			t.Errorf("%s: %v", name, err)
		}
	}
	b.begin(blk)
	for range 2 {
		if done, err := b.db.ApplySome(blk, once); done || err != nil {
			t.Fatalf("it is done: %v, %v", done, err)
		}
	}
	b.refuse(errs.InvalidArgument, opCreate(objID(1), nil))
	b.apply(blk)
	b.want(objID(1), "{n:1}")
}
