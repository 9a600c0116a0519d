package objectdb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/echospace/echospace/core/wire"
)

// formattedUnits are the code units of a text, each with its marks.
type formattedUnits struct {
	units []uint16
	over  []attributes
}

func unitsOf(t failer, s *site) formattedUnits {
	x := s.text(1, "t")
	return formattedUnits{utf16.Encode([]rune(contentOf(t, s.db, x))), unitMarks(t, s.db, x)}
}

func (f formattedUnits) String() string {
	var out strings.Builder
	for i := range f.units {
		fmt.Fprintf(&out, "%c{%s}", f.units[i], f.over[i])
	}
	return out.String()
}

// follow makes the steps of a delta, as a naive editor would.
func (f formattedUnits) follow(t failer, steps []TextStep) (out formattedUnits) {
	t.Helper()
	units, over := f.units, f.over
	marks := func(s TextStep) attributes {
		if s.Attributes == nil {
			return nil
		}
		if r := wire.NewReader(s.Attributes); r.ArrayLen(1<<20) == 0 {
			t.Fatalf("step %+v of no marks", s)
		}
		return readAttributes(wire.NewReader(s.Attributes))
	}
	for i, s := range steps {
		for _, a := range over[:s.Retain] {
			changed := marks(s).over(a)
			if maps.Equal(changed, a) && s.Attributes != nil {
				t.Fatalf("step %+v formats what is formatted so", s)
			}
			out.over = append(out.over, changed)
		}
		out.units = append(out.units, units[:s.Retain]...)
		inserted := utf16.Encode([]rune(s.Insert))
		out.units = append(out.units, inserted...)
		for range inserted {
			out.over = append(out.over, marks(s).over(nil))
		}
		units, over = units[s.Retain+s.Delete:], over[s.Retain+s.Delete:]
		if i == len(steps)-1 && s.Retain > 0 && s.Attributes == nil {
			t.Fatalf("the last step %+v does nothing", s)
		}
	}
	out.units, out.over = append(out.units, units...), append(out.over, over...)
	return out
}

// stateOf is a database that holds what one of some sites does.
func stateOf(t *testing.T, of *site, others ...*site) *site {
	of.flush()
	var blocks []Block
	for _, s := range append(others, of) {
		for _, b := range s.sent {
			if _, held := of.db.graph.Find(b.Ref); held {
				blocks = append(blocks, b)
			}
		}
	}
	s := newSite(t, 9)
	s.applyReady(blocks)
	return s
}

// textDiff is how the text t of the first object differs.
func textDiff(t *testing.T, a, b *site) []TextStep {
	t.Helper()
	var out []TextStep
	for _, c := range DiffPlain(a.db.Plain(objID(1)), b.db.Plain(objID(1))) {
		if len(c.Path) != 1 || c.Path[0] != "t" || c.Before != nil || c.After != nil || len(c.Delta) == 0 {
			t.Fatalf("%+v", c)
		}
		out = c.Delta
	}
	return out
}

// restore restores all objects to what they were, as a step of its own, and gives how
// many bytes of ops that took.
func (s *site) restore(was *site) int {
	s.t.Helper()
	ops := s.db.RestoreOps(was.db, s.db.ObjectIDs())
	if len(ops) > 0 {
		if err := s.db.Rewrite(ops, 3000, ""); err != nil {
			s.t.Fatal(err)
		}
	}
	return len(ops)
}

// TestDB_O16_formatHistoryTwin: the difference of two versions, concurrent ones too,
// leads from the one to the other, by each character and its marks; restored, a text is
// what it was, everywhere, in one step that can be taken back.
func TestDB_O16_formatHistoryTwin(t *testing.T) {
	seeds(t, 200, formatHistory)
}

func formatHistory(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 12))
	a, b := twoTexts(t, "01234é6789")
	e := &formatEdits{rng: rng, next: 0x4e00}
	some := func(sites ...*site) {
		for range rng.IntN(6) {
			e.edit(sites[rng.IntN(len(sites))])
		}
	}
	some(a, b)
	if rng.IntN(3) > 0 {
		sync(a, b)
	}
	was := stateOf(t, a, b)
	some(a, b)
	if rng.IntN(3) > 0 {
		sync(a, b)
	}
	now := stateOf(t, b, a)
	before, after := unitsOf(t, was), unitsOf(t, now)
	if got := before.follow(t, textDiff(t, was, now)); got.String() != after.String() {
		t.Fatalf("%v leads from\n%s to\n%s, not\n%s", textDiff(t, was, now), before, got, after)
	}
	if got := after.follow(t, textDiff(t, now, was)); got.String() != before.String() {
		t.Fatalf("%v leads from\n%s to\n%s, not\n%s", textDiff(t, now, was), after, got, before)
	}
	sync(a, b)
	after = unitsOf(t, b)
	if b.restore(was) == 0 {
		if before.String() != after.String() {
			t.Fatalf("nothing is restored of\n%s, which was\n%s", after, before)
		}
		return
	}
	shows := func(s *site, want formattedUnits) {
		t.Helper()
		if got := unitsOf(t, s); got.String() != want.String() {
			t.Fatalf("the text is\n%s, not\n%s", got, want)
		}
	}
	mine, theirs := newMirror(), newMirror()
	mine.watch(t, b.db, b.text(1, "t"))
	theirs.watch(t, a.db, a.text(1, "t"))
	for range 2 {
		shows(b, before)
		if n := b.restore(was); n > 0 {
			t.Fatalf("%d bytes of ops would restore it again", n)
		}
		sync(a, b)
		shows(a, before)
		b.undo(true)
		shows(b, after)
		b.redo(true)
	}
	mine.checkMarks(t, b.db)
	theirs.checkMarks(t, a.db)
}

// stepsText is steps for people: =3{bold} +"new"{link:"x"} -2.
func stepsText(steps []TextStep) string {
	var out []string
	for _, s := range steps {
		text := fmt.Sprintf("=%d", s.Retain)
		switch {
		case s.Insert != "":
			text = fmt.Sprintf("+%q", s.Insert)
		case s.Delete > 0:
			text = fmt.Sprintf("-%d", s.Delete)
		}
		if s.Attributes != nil {
			text += "{" + readAttributes(wire.NewReader(s.Attributes)).String() + "}"
		}
		out = append(out, text)
	}
	return strings.Join(out, " ")
}

// TestDB_O16_formatHistory: the difference of two versions tells what is formatted in
// another way, and restore brings it back; what is typed anywhere then is formatted as
// it would have been.
func TestDB_O16_formatHistory(t *testing.T) {
	yes, no := vBool(true), vNil()
	bold := func(s *site) { s.mark(4, 7, "bold", yes) }
	link := func(s *site) { s.mark(4, 7, "link", vStr("x")) }
	for _, c := range []struct {
		name        string
		was, change func(s *site)
		diff, back  string // the steps there and back
	}{
		{"made bold", func(*site) {}, bold, "=4 =3{bold}", "=4 =3{bold:nil}"},
		{"bold removed", bold, func(s *site) { s.mark(0, 11, "bold", no) }, "=4 =3{bold:nil}", "=4 =3{bold}"},
		{"bold removed from a part", bold, func(s *site) { s.mark(5, 6, "bold", no) }, "=5 =1{bold:nil}", "=5 =1{bold}"},
		{"bold further", bold, func(s *site) { s.mark(6, 11, "bold", yes) }, "=7 =4{bold}", "=7 =4{bold:nil}"},
		{"bold again", bold, func(s *site) { s.mark(4, 7, "bold", no); s.mark(4, 7, "bold", yes) }, "", ""},
		{"only it grows in another way", bold, func(s *site) { s.do(opFormat(objID(1), 4, 7, []markOf{{"bold", 0, yes}}, "t")) }, "", ""},
		{"link changed", link, func(s *site) { s.mark(2, 6, "link", vStr("y")) }, `=2 =4{link:"y"}`, `=2 =2{link:nil} =2{link:"x"}`},
		{"link shortened", link, func(s *site) { s.mark(6, 7, "link", no) }, "=6 =1{link:nil}", `=6 =1{link:"x"}`},
		{"link longer", link, func(s *site) { s.mark(7, 9, "link", vStr("x")); s.mark(2, 4, "link", vStr("x")) }, `=2 =2{link:"x"} =3 =2{link:"x"}`, `=2 =2{link:nil} =3 =2{link:nil}`},
		{
			"comments", func(s *site) { s.mark(0, 7, "comment:1", yes); s.mark(4, 11, "comment:2", yes) },
			func(s *site) { s.mark(0, 7, "comment:1", no); s.mark(2, 6, "comment:3", vStr("c")) },
			`=2{comment:1:nil} =4{comment:1:nil comment:3:"c"} =1{comment:1:nil}`,
			`=2{comment:1} =4{comment:1 comment:3:nil} =1{comment:1}`,
		},
		{"typed in bold", bold, func(s *site) { s.type_(5, "++") }, `=5 +"++"{bold}`, "=5 -2"},
		{"typed behind bold", bold, func(s *site) { s.type_(7, "es") }, `=7 +"es"{bold}`, "=7 -2"},
		{"bold is deleted", bold, func(s *site) { s.edit(s.text(1, "t"), 3, 4, "") }, "=4 -4", `=4 +"fox"{bold} +" "`},
		{"a link is deleted with all", link, func(s *site) { s.edit(s.text(1, "t"), 0, 11, "") }, "-11", `+"The " +"fox"{link:"x"} +" ran"`},
		{
			"replaced, and formatted", bold, func(s *site) {
				s.edit(s.text(1, "t"), 4, 3, "😀s")
				s.mark(4, 7, "bold", no)
				s.mark(4, 6, "link", vStr("x"))
			}, `=4 -3 +"😀"{link:"x"} +"s"`, `=4 -3 +"fox"{bold}`,
		},
		{
			"both changed", func(s *site) { s.mark(4, 11, "color", vStr("red")) },
			func(s *site) { s.mark(0, 11, "color", vStr("blue")); s.edit(s.text(1, "t"), 8, 3, "sit") },
			`=8{color:"blue"} -3 +"sit"{color:"blue"}`, `=4{color:nil} =4{color:"red"} -3 +"ran"{color:"red"}`,
		},
		{"a map as a value", bold, func(s *site) { s.mark(4, 7, "font", vMap(map[string][]byte{"size": vInt(12)})) }, "=4 =3{font:{size:12}}", "=4 =3{font:nil}"},
		{"plain text", func(*site) {}, func(s *site) { s.type_(3, "!") }, `=3 +"!"`, "=3 -1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoTexts(t, "The fox ran")
			c.was(a)
			sync(a, b)
			was := stateOf(t, a, b)
			c.change(b)
			now := stateOf(t, b, a)
			there := textDiff(t, was, now)
			if got := stepsText(there); got != c.diff {
				t.Errorf("the difference is %s\nnot %s", got, c.diff)
			}
			if got := stepsText(textDiff(t, now, was)); got != c.back {
				t.Errorf("the way back is %s\nnot %s", got, c.back)
			}
			if got := unitsOf(t, was).follow(t, there); got.String() != unitsOf(t, now).String() {
				t.Errorf("leads to %s, not %s", got, unitsOf(t, now))
			}
			changed := b.restore(was) > 0
			if changed != (c.diff != "") {
				t.Errorf("restoring changes something: %v", changed)
			}
			b.wantMarked(marked(t, was.db, was.text(1, "t")))
			if !changed {
				return
			}
			b.undo(true)
			b.wantMarked(marked(t, now.db, now.text(1, "t")))
			b.redo(true)
			for i := 11; i >= 0; i-- {
				was.edit(was.text(1, "t"), i, 0, "+")
				b.edit(b.text(1, "t"), i, 0, "+")
			}
			b.wantMarked(marked(t, was.db, was.text(1, "t")))
			sync(a, b)
			a.wantMarked(marked(t, was.db, was.text(1, "t")))
		})
	}
}

// TestDB_O16_formatHistoryElsewhere: texts in lists and maps, and those that come and
// go with them, are restored with their marks.
func TestDB_O16_formatHistoryElsewhere(t *testing.T) {
	one, yes := objID(1), vBool(true)
	block := func(content string) []byte { return vMap(map[string][]byte{"t": vText(content)}) }
	bold := func(from, end int, path ...any) []byte {
		return opFormat(one, from, end, []markOf{{"bold", expandAfter, yes}}, path...)
	}
	for _, c := range []struct {
		name   string
		change [][]byte
		paths  string // that the difference tells of
	}{
		{"formatted in a list", [][]byte{bold(0, 1, "l", 0, "t"), opFormat(one, 1, 2, []markOf{{"bold", 0, vNil()}}, "l", 1, "t")}, "l"},
		{"formatted in a map", [][]byte{bold(0, 4, "m", "t")}, "m.t"},
		{"an item is removed", [][]byte{opSplice(one, 1, 1, nil, "l")}, "l"},
		{"items are removed and come", [][]byte{opSplice(one, 0, 3, [][]byte{block("new")}, "l"), bold(0, 2, "l", 0, "t")}, "l"},
		{"items are moved, and formatted", [][]byte{opMove(one, 0, 2, "l"), bold(0, 1, "l", 0, "t"), opEdit(one, 1, 1, "", "l", 2, "t")}, "l"},
		{"a map is removed", [][]byte{opDelKey(one, "m")}, "m"},
		{"a text is another", [][]byte{opSet(one, vText("else"), "m", "t")}, "m.t"},
		{"a text is a string", [][]byte{opSet(one, vStr("else"), "m", "t"), opSet(one, vInt(1), "l")}, "l m.t"},
		{"the object is deleted", [][]byte{bold(0, 4, "m", "t"), opDelete(one)}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := newSite(t, 1), newSite(t, 2)
			a.do(opCreate(one, map[string][]byte{"l": vList(block("first"), block("second"), vText("third")), "m": block("text")}))
			a.do(bold(1, 3, "l", 0, "t"), bold(0, 6, "l", 1, "t"), opFormat(one, 2, 4, []markOf{{"link", 0, vStr("x")}}, "l", 2), bold(1, 2, "m", "t"))
			sync(a, b)
			was := stateOf(t, a, b)
			b.do(c.change...)
			now := stateOf(t, b, a)
			var d Difference
			d.Add(one, was.db.Plain(one), now.db.Plain(one))
			var paths []string
			for _, o := range d.Changed {
				for _, p := range o.Changes {
					paths = append(paths, strings.Join(p.Path, "."))
				}
			}
			slices.Sort(paths)
			if got := strings.Join(paths, " "); got != c.paths {
				t.Errorf("the difference is of %q, not %q", got, c.paths)
			}
			shown := func(s *site) string {
				if raw := s.db.Plain(one); raw != nil {
					return fmt.Sprintf("%x", appendShown(nil, raw, true))
				}
				return "deleted"
			}
			if b.restore(was) == 0 {
				t.Fatal("nothing is restored")
			}
			for range 2 {
				if got := shown(b); got != shown(was) {
					t.Fatalf("restored it is %s\nand was %s", got, shown(was))
				}
				if n := b.restore(was); n > 0 {
					t.Fatalf("%d bytes of ops would restore it again", n)
				}
				b.undo(true)
				if got := shown(b); got != shown(now) {
					t.Fatalf("undone it is %s\nand was %s", got, shown(now))
				}
				b.redo(true)
			}
			sync(a, b)
			if shown(a) != shown(b) {
				t.Error("the other replica differs")
			}
		})
	}
}

// TestDB_O16_differenceEncoded: the encoding of a difference has marks beside the steps.
func TestDB_O16_differenceEncoded(t *testing.T) {
	a, b := twoTexts(t, "abc")
	was := stateOf(t, a, b)
	a.mark(0, 2, "bold", vBool(true))
	a.edit(a.text(1, "t"), 2, 1, "x")
	a.mark(2, 3, "link", vStr("y"))
	one := objID(1)
	var d Difference
	d.Add(one, was.db.Plain(one), stateOf(t, a, b).db.Plain(one))
	w := wire.AppendBytes(wire.AppendBytes(wire.AppendArray(nil, 3), nil), nil)
	w = wire.AppendBytes(wire.AppendArray(wire.AppendArray(w, 1), 2), one[:])
	w = wire.AppendArray(AppendKeys(wire.AppendArray(wire.AppendArray(w, 1), 2), []string{"t"}), 3)
	w = append(wire.AppendString(wire.AppendUint(wire.AppendArray(w, 3), 2), "bold"), vBool(true)...)
	w = wire.AppendString(wire.AppendArray(wire.AppendInt(w, -1), 3), "x")
	w = append(wire.AppendString(w, "link"), vStr("y")...)
	if got := d.Append(nil); !slices.Equal(got, w) {
		t.Errorf("encoded %x, want %x", got, w)
	}
}

// TestLocal_O16_manyFormatsRefused: marks of a list that do not fit are refused by
// name, and change nothing.
func TestLocal_O16_manyFormatsRefused(t *testing.T) {
	formats := func(n int, path string, rest ...[]byte) []byte {
		return append(wire.AppendArray(append(opHead(localFormats, objID(1)), opPath([]any{path})...), n), slices.Concat(rest...)...)
	}
	mark := func(from, end int64, value []byte) []byte {
		return slices.Concat(vInt(from), vInt(end), vStr("bold"), vInt(2), value)
	}
	a, _ := twoTexts(t, "abc")
	a.do(opSet(objID(1), vInt(1), "n"))
	for _, c := range []struct {
		name string
		ops  []byte
	}{
		{"not whole", formats(4, "t", vInt(0), vInt(1), vStr("bold"), vInt(2))},
		{"behind the end", formats(10, "t", mark(0, 2, vBool(true)), mark(2, 4, vBool(true)))},
		{"no value of a mark", formats(5, "t", mark(0, 2, vText("x")))},
		{"no text", formats(5, "n", mark(0, 1, vBool(true)))},
		{"nothing there", formats(0, "gone")},
	} {
		if err := a.db.Local(c.ops, 1); err == nil {
			t.Errorf("%s: Local takes it", c.name)
		}
		a.wantMarked("abc")
	}
	a.do(formats(10, "t", mark(0, 2, vBool(true)), mark(1, 1, vBool(true))), formats(0, "t"))
	a.wantMarked("{bold|ab}c")
}
