package objectdb

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

func opMessage(m string) []byte {
	return wire.AppendString(wire.AppendUint(wire.AppendArray(nil, 2), localMessage), m)
}

func (s *site) undo(want bool) {
	s.t.Helper()
	if ok, err := s.db.Undo(2000); ok != want || err != nil {
		s.t.Fatalf("Undo gives %v, %v; want %v", ok, err, want)
	}
}

func (s *site) redo(want bool) {
	s.t.Helper()
	if ok, err := s.db.Redo(2000); ok != want || err != nil {
		s.t.Fatalf("Redo gives %v, %v; want %v", ok, err, want)
	}
}

// typed is an edit long after the one before, which is a step of its own.
func (s *site) typed(x Text, pos, deleted int, inserted string) {
	s.t.Helper()
	s.db.EndStep()
	s.edit(x, pos, deleted, inserted)
}

// TestUndo_O12_steps: each kind of edit is taken back and done again, by whatever
// chain of steps.
func TestUndo_O12_steps(t *testing.T) {
	one := objID(1)
	begin := map[string][]byte{
		"a": vInt(1), "s": vStr("a value of more than seven bytes"), "n": vTyped(valueCounter, vInt(5)), "t": vText("hello"),
		"m": vMap(map[string][]byte{"x": vInt(1), "t": vText("inner")}), "l": vList(vInt(1), vInt(2), vInt(3), vInt(4)),
		"o": vList(vMap(map[string][]byte{"x": vInt(1), "n": vTyped(valueCounter, vInt(2)), "t": vText("item")}), vInt(9)),
	}
	for _, c := range []struct {
		name  string
		steps [][]byte // each a transaction
	}{
		{"set", [][]byte{opSet(one, vInt(2), "a")}},
		{"set twice", [][]byte{opSet(one, vInt(2), "a"), opSet(one, vInt(3), "a")}},
		{"set twice in one", [][]byte{append(opSet(one, vInt(2), "a"), opSet(one, vStr("another that is long enough"), "a")...)}},
		{"set a heap value", [][]byte{opSet(one, vInt(2), "s"), opSet(one, vStr("another that is long enough"), "s")}},
		{"a new key", [][]byte{opSet(one, vInt(2), "new"), opSet(one, vInt(3), "new"), opDelKey(one, "new"), opSet(one, vInt(4), "new")}},
		{"delete a key", [][]byte{opDelKey(one, "a")}},
		{"delete a map", [][]byte{opSet(one, vInt(2), "m", "x"), opDelKey(one, "m")}},
		{"a map in the place of another", [][]byte{opSet(one, vMap(map[string][]byte{"y": vInt(1)}), "m"), opSet(one, vInt(5), "m", "y")}},
		{"delete a text", [][]byte{opEdit(one, 0, 1, "j", "t"), opDelKey(one, "t")}},
		{"delete a list", [][]byte{opSplice(one, 0, 1, nil, "l"), opDelKey(one, "l")}},
		{"delete a counter", [][]byte{opAdd(one, 3, "n"), opSet(one, vInt(1), "n")}},
		{"add", [][]byte{opAdd(one, 3, "n"), opAdd(one, -7, "n")}},
		{"type", [][]byte{opEdit(one, 5, 0, ", world", "t")}},
		{"replace", [][]byte{opEdit(one, 1, 3, "i\U0001f600é", "t"), opEdit(one, 0, 2, "", "t")}},
		{"delete neighbours", [][]byte{opEdit(one, 1, 1, "", "t"), opEdit(one, 1, 1, "", "t"), opEdit(one, 1, 1, "", "t")}},
		{"delete backwards", [][]byte{opEdit(one, 3, 1, "", "t"), opEdit(one, 2, 1, "", "t"), opEdit(one, 1, 1, "", "t"), opEdit(one, 0, 1, "", "t")}},
		{"delete outwards", [][]byte{opEdit(one, 2, 1, "", "t"), opEdit(one, 1, 2, "", "t"), opEdit(one, 0, 1, "x", "t")}},
		{"delete what was typed", [][]byte{opEdit(one, 2, 0, "xyz", "t"), opEdit(one, 1, 3, "", "t"), opEdit(one, 1, 0, "w", "t")}},
		{"several edits in one", [][]byte{append(append(opEdit(one, 4, 1, "", "t"), opSet(one, vInt(2), "a")...), append(opEdit(one, 3, 1, "", "t"), opEdit(one, 0, 0, "+", "t")...)...)}},
		{"two texts in turn", [][]byte{append(append(opEdit(one, 4, 1, "", "t"), opEdit(one, 4, 1, "", "m", "t")...), append(opEdit(one, 3, 1, "", "t"), opEdit(one, 3, 1, "", "m", "t")...)...)}},
		{"create", [][]byte{opCreate(objID(2), map[string][]byte{"a": vInt(1), "t": vText("x")}), opSet(objID(2), vInt(2), "a"), opEdit(objID(2), 1, 0, "y", "t")}},
		{"delete an object", [][]byte{opSet(one, vInt(2), "a"), opDelete(one), opRestore(one), opDelete(one)}},
		{"push", [][]byte{opSplice(one, 4, 0, [][]byte{vInt(5), vStr("six with more than seven bytes")}, "l")}},
		{"push a map", [][]byte{opSplice(one, 1, 0, [][]byte{vMap(map[string][]byte{"x": vInt(1)})}, "l"), opSet(one, vInt(2), "l", 1, "x")}},
		{"remove from a list", [][]byte{opSplice(one, 1, 1, nil, "l")}},
		{"remove several", [][]byte{opSplice(one, 1, 2, nil, "l")}},
		{"remove all", [][]byte{opSplice(one, 0, 4, nil, "l")}},
		{"remove neighbours", [][]byte{opSplice(one, 1, 1, nil, "l"), opSplice(one, 1, 1, nil, "l"), opSplice(one, 0, 1, nil, "l"), opSplice(one, 0, 1, nil, "l")}},
		{"replace items", [][]byte{opSplice(one, 1, 2, [][]byte{vInt(7), vInt(8), vInt(9)}, "l"), opSplice(one, 0, 3, [][]byte{vInt(6)}, "l")}},
		{"set an item", [][]byte{opSet(one, vInt(7), "l", 1), opSet(one, vStr("now a string of some length"), "l", 1)}},
		{"set and remove an item", [][]byte{opSet(one, vInt(7), "l", 1), opSplice(one, 1, 1, nil, "l")}},
		{"move", [][]byte{opMove(one, 0, 3, "l"), opMove(one, 2, 0, "l"), opMove(one, 3, 1, "l")}},
		{"move and remove", [][]byte{opMove(one, 0, 2, "l"), opSplice(one, 2, 1, nil, "l")}},
		{"edit and remove an item that is a map", [][]byte{opSet(one, vInt(5), "o", 0, "x"), opAdd(one, 3, "o", 0, "n"), opSplice(one, 0, 1, nil, "o")}},
		{"a list in the place of another", [][]byte{opSet(one, vList(vInt(1), vList(vInt(2))), "l"), opSplice(one, 0, 1, nil, "l", 1)}},
	} {
		for _, blocks := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/blocks=%v", c.name, blocks), func(t *testing.T) {
				a, b := newSite(t, 1), newSite(t, 2)
				a.do(opCreate(one, begin))
				a.db.ClearUndo()
				if blocks {
					sync(a, b)
				}
				show := func(s *site) string { return strings.ReplaceAll(showAll(s.db), "new: ", "") } // a key that is deleted
				states := []string{show(a)}
				deleted := func(s string) string { return strings.ReplaceAll(s, objID(2).String()+" deleted=true", "") }
				for _, s := range c.steps {
					a.do(s)
					if blocks {
						sync(a, b)
					}
					states = append(states, show(a))
				}
				same := func(n int) {
					t.Helper()
					got := show(a)
					if !strings.Contains(states[n], objID(2).String()) { // what was created is there, deleted
						lines := strings.SplitAfter(deleted(got), "\n")
						got = lines[0] + lines[len(lines)-1]
					}
					if got != states[n] {
						t.Fatalf("after %d steps the database holds\n%s\nand held\n%s", n, got, states[n])
					}
					if blocks {
						sync(a, b)
						if x, y := showAll(a.db), showAll(b.db); x != y {
							t.Fatalf("the other replica holds\n%s\nnot\n%s", y, x)
						}
					}
				}
				a.backAndForth(2, len(c.steps), same)
			})
		}
	}
}

// TestUndo_O12_othersStay: what others did stays, and what they left of a step is
// taken back.
func TestUndo_O12_othersStay(t *testing.T) {
	one := objID(1)
	for _, c := range []struct {
		name    string
		mine    [][]byte
		theirs  [][]byte
		atOnce  bool // they do not know of mine
		undo    []bool
		want    string // of the contents
		redone  string
		content string // of the text, if it is about one
	}{
		{name: "a key that they set", mine: [][]byte{opSet(one, vInt(2), "a")}, theirs: [][]byte{opSet(one, vInt(3), "a")}, undo: []bool{false}, want: `a:3`},
		{name: "a key that they set at the same time", atOnce: true, mine: [][]byte{opSet(one, vInt(2), "a")}, theirs: [][]byte{opSet(one, vInt(3), "a")}, undo: []bool{false}, want: `a:`},
		{name: "one of two keys", mine: [][]byte{append(opSet(one, vInt(2), "a"), opSet(one, vInt(2), "b")...)}, theirs: [][]byte{opSet(one, vInt(3), "a")}, undo: []bool{true}, want: `a:3 b:1`, redone: `a:3 b:2`},
		{name: "a value that was theirs", mine: [][]byte{opSet(one, vInt(2), "a"), opSet(one, vInt(4), "b")}, theirs: [][]byte{opSet(one, vInt(3), "b")}, undo: []bool{true, false}, want: `a:1 b:3`},
		{name: "a counter", mine: [][]byte{opAdd(one, 5, "n")}, theirs: [][]byte{opAdd(one, 100, "n")}, undo: []bool{true}, want: `n:8(100)`, redone: `n:8(105)`},
		{name: "typed inside of what I typed", mine: [][]byte{opEdit(one, 2, 0, "MINE", "t")}, theirs: [][]byte{opEdit(one, 4, 0, "their", "t")}, undo: []bool{true}, content: "hetheirllo", redone: "heMItheirNEllo"},
		{name: "typed at the same place", atOnce: true, mine: [][]byte{opEdit(one, 2, 0, "MINE", "t")}, theirs: [][]byte{opEdit(one, 2, 0, "their", "t")}, undo: []bool{true}, content: "hetheirllo"},
		{name: "deleted by both", atOnce: true, mine: [][]byte{opEdit(one, 1, 3, "", "t")}, theirs: [][]byte{opEdit(one, 2, 2, "", "t")}, undo: []bool{true}, content: "heo"},
		{name: "typed where I deleted", atOnce: true, mine: [][]byte{opEdit(one, 1, 3, "", "t")}, theirs: [][]byte{opEdit(one, 2, 0, "+", "t")}, undo: []bool{true}, content: "he+llo", redone: "h+o"},
		{name: "deleted what I typed", mine: [][]byte{opEdit(one, 5, 0, "!!", "t")}, theirs: [][]byte{opEdit(one, 0, 7, "", "t")}, undo: []bool{false}, content: ""},
		{name: "items around mine", mine: [][]byte{opSplice(one, 1, 0, [][]byte{vInt(7), vInt(8)}, "l")}, theirs: [][]byte{opSplice(one, 2, 0, [][]byte{vInt(50)}, "l")}, undo: []bool{true}, want: `l:[1 50 2 3]`, redone: `l:[1 7 50 8 2 3]`},
		{name: "removed, and they added", mine: [][]byte{opSplice(one, 1, 1, nil, "l")}, theirs: [][]byte{opSplice(one, 0, 0, [][]byte{vInt(50)}, "l")}, undo: []bool{true}, want: `l:[50 1 2 3]`, redone: `l:[50 1 3]`},
		{name: "removed, and they removed what was before", mine: [][]byte{opSplice(one, 1, 1, nil, "l")}, theirs: [][]byte{opSplice(one, 0, 1, nil, "l")}, undo: []bool{true}, want: `l:[2 3]`},
		{name: "moved, and they moved it", mine: [][]byte{opMove(one, 0, 2, "l")}, theirs: [][]byte{opMove(one, 2, 1, "l")}, undo: []bool{false}, want: `l:[2 1 3]`},
		{name: "removed by both", atOnce: true, mine: [][]byte{opMove(one, 0, 2, "l")}, theirs: [][]byte{opSplice(one, 0, 1, nil, "l")}, undo: []bool{false}, want: `l:[2 3]`},
		{name: "edits of a map that I deleted", atOnce: true, mine: [][]byte{opDelKey(one, "m")}, theirs: [][]byte{opSet(one, vInt(9), "m", "y")}, undo: []bool{true}, want: `m:{x:1 y:9}`},
		{name: "edits of an object that I deleted", atOnce: true, mine: [][]byte{opDelete(one)}, theirs: [][]byte{opSet(one, vInt(9), "a")}, undo: []bool{true}, want: `a:9`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newSite(t, 1), newSite(t, 2)
			a.do(opCreate(one, map[string][]byte{
				"a": vInt(1), "b": vInt(1), "n": vTyped(valueCounter, vInt(0)), "t": vText("hello"),
				"m": vMap(map[string][]byte{"x": vInt(1)}), "l": vList(vInt(1), vInt(2), vInt(3)),
			}))
			a.db.ClearUndo()
			sync(a, b)
			for _, s := range c.mine {
				a.do(s)
			}
			if !c.atOnce {
				sync(a, b)
			}
			for _, s := range c.theirs {
				b.do(s)
			}
			sync(a, b)
			check := func(want string) {
				t.Helper()
				sync(a, b)
				for _, s := range []*site{a, b} {
					if c.want == "" {
						s.wantText(1, want)
					} else if got := s.read(one); got.deleted || !strings.Contains(got.contents, want) {
						t.Errorf("the object holds %s (deleted %v), want %s", got.contents, got.deleted, want)
					}
				}
			}
			for _, ok := range c.undo {
				a.undo(ok)
			}
			want := c.want
			if want == "" {
				want = c.content
			}
			check(want)
			if c.redone != "" {
				for range c.undo {
					a.redo(true)
				}
				check(c.redone)
				for range c.undo {
					a.undo(true)
				}
				check(want)
			}
		})
	}
}

// TestUndo_O11_grouping: what makes a step.
func TestUndo_O11_grouping(t *testing.T) {
	one := objID(1)
	steps := func(t *testing.T, s *site, want int) {
		t.Helper()
		if got := s.db.UndoState().Undo; got != want {
			t.Errorf("%d steps, want %d", got, want)
		}
	}
	begin := func(t *testing.T) (*site, Text) {
		a := newSite(t, 1)
		a.do(opCreate(one, map[string][]byte{"a": vInt(1), "t": vText("hello"), "u": vText("other")}))
		a.db.ClearUndo()
		return a, a.text(1, "t")
	}
	at := func(t *testing.T, s *site, x Text, ms int64, pos int) {
		t.Helper()
		if err := s.db.EditText(x, pos, 0, []byte("x"), ms); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("a transaction each", func(t *testing.T) {
		a, _ := begin(t)
		a.do(opSet(one, vInt(2), "a"))
		a.do(opSet(one, vInt(3), "a"))
		steps(t, a, 2)
	})
	t.Run("typing", func(t *testing.T) {
		a, x := begin(t)
		for i := range int64(20) {
			at(t, a, x, 1000+400*i, int(i))
			a.flush()
		}
		steps(t, a, 1)
		at(t, a, x, 1000+400*19+500, 0)
		steps(t, a, 2)
		at(t, a, a.text(1, "u"), 1000+400*19+500, 0)
		steps(t, a, 3)
		a.undo(true)
		a.undo(true)
		a.undo(true)
		a.wantText(1, "hello")
	})
	t.Run("the window", func(t *testing.T) {
		a, x := begin(t)
		a.db.SetCaptureWindow(0)
		at(t, a, x, 1000, 0)
		at(t, a, x, 1000, 0)
		steps(t, a, 2)
		a.db.SetCaptureWindow(5000)
		at(t, a, x, 5000, 0)
		steps(t, a, 2)
	})
	t.Run("a clock that goes back", func(t *testing.T) {
		a, x := begin(t)
		at(t, a, x, 1000, 0)
		at(t, a, x, 999, 1)
		steps(t, a, 2)
	})
	t.Run("EndStep", func(t *testing.T) {
		a, x := begin(t)
		at(t, a, x, 1000, 0)
		a.db.EndStep()
		at(t, a, x, 1000, 1)
		steps(t, a, 2)
		a.undo(true)
		a.wantText(1, "xhello")
	})
	t.Run("tasks", func(t *testing.T) {
		a, x := begin(t)
		a.db.EndTask()
		a.do(opSet(one, vInt(2), "a"))
		at(t, a, x, 1000, 0)
		a.do(opSet(one, vInt(3), "a"))
		a.db.EndTask()
		steps(t, a, 1)
		at(t, a, x, 1000, 0)
		a.db.EndTask()
		steps(t, a, 2)
		at(t, a, x, 1100, 1)
		a.db.EndTask()
		steps(t, a, 2)
		a.do(opSet(one, vInt(4), "a"))
		a.db.EndTask()
		steps(t, a, 3)
		a.undo(true)
		a.undo(true)
		a.wantText(1, "xhello")
		a.undo(true)
		a.wantText(1, "hello")
		a.want(one, `{a:1 t:7(2) u:7(3)}`)
	})
	t.Run("a new edit ends redo", func(t *testing.T) {
		a, _ := begin(t)
		a.do(opSet(one, vInt(2), "a"))
		a.undo(true)
		a.do(opSet(one, vInt(3), "a"))
		a.redo(false)
		a.undo(true)
		a.undo(false)
		a.want(one, `{a:1 t:7(2) u:7(3)}`)
	})
	t.Run("a transaction that fails is none", func(t *testing.T) {
		a, _ := begin(t)
		a.do(opSet(one, vInt(2), "a"))
		a.undo(true)
		if err := a.db.Local(append(opSet(one, vInt(3), "a"), opSet(one, vInt(3), "no", "map")...), 1000); err == nil {
			t.Fatal("it does not fail")
		}
		steps(t, a, 0)
		a.redo(true)
		a.want(one, `{a:2 t:7(2) u:7(3)}`)
	})
	t.Run("200 steps", func(t *testing.T) {
		a, _ := begin(t)
		for i := range int64(300) {
			a.do(opSet(one, vInt(i), "a"))
		}
		steps(t, a, maxSteps)
		for range maxSteps {
			a.undo(true)
		}
		a.undo(false)
		a.want(one, `{a:99 t:7(2) u:7(3)}`)
	})
	t.Run("a step of any size", func(t *testing.T) {
		a, _ := begin(t)
		a.do(opSet(one, vInt(2), "a"))
		var ops [][]byte
		for i := range 30000 {
			ops = append(ops, opCreate(objID(2+i), nil))
		}
		a.do(ops...)
		steps(t, a, 1) // the one before had to go
		a.undo(true)
		if n := a.db.ObjectCount(); n != 1 {
			t.Errorf("%d objects", n)
		}
	})
}

// TestUndo_O11_message: a transaction's message is in its change and tells of its
// step.
func TestUndo_O11_message(t *testing.T) {
	one := objID(1)
	a := newSite(t, 1)
	a.do(opCreate(one, map[string][]byte{"a": vInt(1), "t": vText("hello")}))
	a.do(opMessage("rename"), opSet(one, vInt(2), "a"))
	a.edit(a.text(1, "t"), 0, 0, "x")
	a.do(opMessage(""), opSet(one, vInt(3), "a"))
	want := func(undo, redo string) {
		t.Helper()
		if s := a.db.UndoState(); s.NextUndo.Message != undo || s.NextRedo.Message != redo {
			t.Errorf("undo says %q and redo %q, want %q and %q", s.NextUndo.Message, s.NextRedo.Message, undo, redo)
		}
	}
	want("", "")
	a.undo(true)
	a.undo(true)
	want("rename", "")
	a.undo(true)
	want("", "rename")
	a.redo(true)
	want("rename", "")
	if at := a.db.UndoState().NextUndo.Time; at != 1000 {
		t.Errorf("the step is of %d", at)
	}
	blocks := a.flush()
	if got := strings.Count(string(blocks[0].Payload), "rename"); got != 1 {
		t.Errorf("the payload has the message %d times", got)
	}
	b := newSite(t, 2)
	b.apply(blocks...)
	b.want(one, `{a:2 t:7(2)}`)

	for _, c := range []struct {
		name string
		ops  []byte
		kind errs.Kind
	}{
		{"too long", append(opMessage(strings.Repeat("x", maxMessage+1)), opSet(one, vInt(9), "a")...), errs.TooLarge},
		{"not the first", append(opSet(one, vInt(9), "a"), opMessage("x")...), errs.Malformed},
		{"no str", append([]byte{0x92, localMessage, 0x01}, opSet(one, vInt(9), "a")...), errs.Malformed},
	} {
		if err := a.db.Local(c.ops, 1000); errs.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want kind %v", c.name, err, c.kind)
		}
	}
	a.want(one, `{a:2 t:7(2)}`)
	a.do(opMessage("nothing"))
	want("rename", "")
	a.do(opMessage(strings.Repeat("x", maxMessage)), opSet(one, vInt(9), "a"))
	b.apply(a.flush()...)
	b.want(one, `{a:9 t:7(2)}`)
}

// TestUndo_O12_observers: who watches a text and the records of a page are told
// what an undo does, as of an edit that is not the page's own.
func TestUndo_O12_observers(t *testing.T) {
	one := objID(1)
	a := newSite(t, 1)
	a.do(opCreate(one, map[string][]byte{"a": vInt(1), "t": vText("hello")}))
	x := a.text(1, "t")
	m := newMirror()
	m.watch(t, a.db, x)
	a.typed(x, 2, 1, "LL")
	a.do(opSet(one, vInt(2), "a"))
	m.drain(t, a.db, 1<<20)
	if _, told := m.records[one]; told {
		t.Error("a record tells of what the page did")
	}
	a.undo(true)
	a.undo(true)
	m.drain(t, a.db, 1<<20)
	if got := m.records[one].contents; got != `{a:1 t:7(2)}` {
		t.Errorf("the page is told %s", got)
	}
	if got := fmt.Sprint(m.texts[x]); got != fmt.Sprint([]uint16{'h', 'e', 'l', 'l', 'o'}) {
		t.Errorf("who watches holds %s", got)
	}
}

// TestUndo_O12_refused: an undo that cannot be written leaves its step.
func TestUndo_O12_refused(t *testing.T) {
	if ok, err := New(Options{}).Undo(1); ok || errs.KindOf(err) != errs.NotPermitted {
		t.Errorf("without a writer: %v, %v", ok, err)
	}
}

// TestUndo_O12_movedBurst: steps follow bursts that move to another feed.
func TestUndo_O12_movedBurst(t *testing.T) {
	a, b := twoTexts(t, "hello")
	one := objID(1)
	x := a.text(1, "t")
	a.db.ClearUndo()
	a.do(opSet(one, vInt(1), "a"))
	a.typed(x, 5, 0, " world")
	a.typed(x, 0, 1, "J")
	a.do(opSplice(one, 0, 0, nil, "l")[:0], opSet(one, vList(vInt(1)), "l"))
	b.edit(b.text(1, "t"), 2, 0, "++")
	a.apply(b.flush()...)
	a.leave(7)
	sync(a, b)
	a.wantText(1, "Je++llo world")
	a.undo(true)
	a.undo(true)
	a.undo(true)
	sync(a, b)
	a.wantText(1, "he++llo")
	b.wantText(1, "he++llo")
	a.undo(true)
	a.undo(false)
	a.want(one, `{t:7(2)}`)
	for range 4 {
		a.redo(true)
	}
	a.wantText(1, "Je++llo world")
	a.want(one, `{a:1 l:[1] t:7(2)}`)
}

// TestUndo_O12_property: random programs of replicas that edit one text, each with
// characters of its own. An undo takes away no character of another and brings
// back none that another took away, what is undone and done again is as it was,
// and after undoing all of what only one did, all is as it was before.
func TestUndo_O12_property(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) { undoProgram(t, seed) })
	}
}

func undoProgram(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 12))
	one := objID(1)
	alone := seed%2 == 0
	sites := []*site{newSite(t, 1), newSite(t, 2), newSite(t, 3)}
	for _, s := range sites {
		s.images = seed%4 > 1
	}
	sites[0].do(opCreate(one, map[string][]byte{"t": vText("0123456789"), "n": vTyped(valueCounter, vInt(0)), "a": vInt(0), "l": vList(vInt(0), vInt(1), vInt(2))}))
	sites[0].do(opFormat(one, 2, 6, []markOf{{"bold", expandAfter, vBool(true)}}, "t"), opFormat(one, 5, 9, []markOf{{"color", 0, vInt(9)}}, "t"))
	sites[0].db.ClearUndo()
	sync(sites...)
	initial := showAll(sites[0].db)
	next := [3]rune{'A', 'a', 'À'}
	stored := [3]undoRecords{{}, {}, {}}
	for step := 0; step < 60; step++ {
		k := rng.IntN(3)
		if alone {
			k = 0
		}
		s := sites[k]
		x := s.text(1, "t")
		before := contentOf(t, s.db, x)
		others := func(text string) (out string) {
			for _, c := range text {
				if class := classOf(c); class != k {
					out += string(c)
				}
			}
			return out
		}
		switch rng.IntN(10) {
		case 8, 9:
			if n := len([]rune(before)); n > 0 {
				from := rng.IntN(n)
				value := [][]byte{vBool(true), vNil(), vInt(int64(k))}[rng.IntN(3)]
				s.do(opFormat(one, from, from+1+rng.IntN(n-from), []markOf{{[]string{"bold", "color"}[rng.IntN(2)], uint64(rng.IntN(4)), value}}, "t"))
			}
		case 0, 1, 2:
			n := len([]rune(before))
			pos := rng.IntN(n + 1)
			del := rng.IntN(min(4, n-pos) + 1)
			ins := ""
			for range rng.IntN(4) {
				ins += string(next[k])
				if next[k]++; (next[k]-'A')%32 == 26 || next[k] > 'ß' {
					next[k] = [3]rune{'A', 'a', 'À'}[k]
				}
			}
			if rng.IntN(3) == 0 {
				s.db.EndStep()
			}
			if rng.IntN(2) == 0 {
				s.edit(x, pos, del, ins)
			} else {
				s.do(opEdit(one, pos, del, ins, "t"), opAdd(one, 1, "n"))
			}
		case 3:
			n := int64(rng.IntN(100))
			s.do(opSet(one, vInt(n), "a"), opAdd(one, n, "n"))
		case 4:
			length := s.read(one)
			items := strings.Count(length.contents[strings.Index(length.contents, "["):strings.Index(length.contents, "]")], " ") + 1
			if strings.Contains(length.contents, "[]") {
				items = 0
			}
			switch {
			case items > 1 && rng.IntN(2) == 0:
				s.do(opMove(one, rng.IntN(items), rng.IntN(items), "l"))
			case items > 0 && rng.IntN(2) == 0:
				at := rng.IntN(items)
				s.do(opSplice(one, at, 1+rng.IntN(items-at), nil, "l"))
			default:
				s.do(opSplice(one, rng.IntN(items+1), 0, [][]byte{vInt(int64(100*k + step))}, "l"))
			}
		case 5, 6:
			held, marksHeld := showAll(s.db), marksByOthers(s, x)
			ok, err := s.db.Undo(2000)
			if err != nil {
				t.Fatal(err)
			}
			if now := unitMarks(t, s.db, x); contentOf(t, s.db, x) == before {
				for i, over := range marksHeld {
					for name, value := range over {
						if got := now[i][name]; got != value {
							t.Fatalf("seed %d step %d: undo made %s of %d %q, which was another's %q", seed, step, name, i, got, value)
						}
					}
				}
			}
			if got := contentOf(t, s.db, x); !alone && others(before) != others(got) && !isSubsequence(others(before), others(got)) {
				t.Fatalf("seed %d step %d: undo made %q of %q", seed, step, got, before)
			}
			if ok && rng.IntN(2) == 0 {
				if ok, err := s.db.Redo(2000); !ok || err != nil {
					t.Fatalf("seed %d step %d: redo gives %v, %v", seed, step, ok, err)
				}
				if got := showAll(s.db); alone && got != held {
					t.Fatalf("seed %d step %d: undone and done again it is\n%s\nnot\n%s", seed, step, got, held)
				}
			}
		case 7:
			switch rng.IntN(3) {
			case 0:
				s.flush()
			case 1:
				sync(sites...)
			default:
				held, state := showAll(s.db), s.db.UndoState()
				if bad := s.reload(stored[k], sites...); len(bad) > 0 {
					t.Fatalf("seed %d step %d: %d steps do not read", seed, step, len(bad))
				}
				if got := showAll(s.db); got != held || s.db.UndoState() != state {
					t.Fatalf("seed %d step %d: after a reload it is\n%s %+v\nnot\n%s %+v", seed, step, got, s.db.UndoState(), held, state)
				}
			}
		}
	}
	sync(sites...)
	for _, s := range sites[1:] {
		if got, want := showAll(s.db), showAll(sites[0].db); got != want {
			t.Fatalf("seed %d: the replicas differ:\n%s\n%s", seed, got, want)
		}
	}
	if !alone {
		return
	}
	final := showAll(sites[0].db)
	steps := 0
	for sites[0].db.UndoState().Undo > 0 {
		if ok, err := sites[0].db.Undo(2000); err != nil {
			t.Fatal(err)
		} else if !ok {
			break // of the rest nothing is left
		}
		steps++
	}
	if got := showAll(sites[0].db); got != initial {
		t.Fatalf("seed %d: all undone it is\n%s\nnot\n%s", seed, got, initial)
	}
	for range steps {
		sites[0].redo(true)
	}
	if got := showAll(sites[0].db); got != final {
		t.Fatalf("seed %d: all done again it is\n%s\nnot\n%s", seed, got, final)
	}
}

// marksByOthers are, of each unit of a text, the marks that others made.
func marksByOthers(s *site, x Text) []attributes {
	m := s.db.textOf(int32(x)).marks
	length, _ := s.db.TextLength(x)
	out := make([]attributes, length)
	s.db.segments(m, 0, int32(length), func(from, end int32, over []int32) {
		others := attributes{}
		for _, row := range s.db.winners(m, over) {
			if s.db.graph.FeedID(s.db.graph.FeedOf(m.rows[row].at.Node)) != s.feed {
				others[string(s.db.keys.At(m.rows[row].name))] = encodedText(m.value(row))
			}
		}
		for i := from; i < end; i++ {
			out[i] = others
		}
	})
	return out
}

// classOf is whose character c is; 3 is nobody's.
func classOf(c rune) int {
	switch {
	case c >= 'A' && c <= 'Z':
		return 0
	case c >= 'a' && c <= 'z':
		return 1
	case c >= 'À':
		return 2
	}
	return 3
}

// isSubsequence reports whether all of a is in b, in its order.
func isSubsequence(a, b string) bool {
	rest := []rune(b)
	for _, c := range a {
		at := strings.IndexRune(string(rest), c)
		if at < 0 {
			return false
		}
		rest = []rune(string(rest)[at:])[1:]
	}
	return true
}
