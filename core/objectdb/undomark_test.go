package objectdb

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// TestUndo_O12_formattedText: characters of a text that has marks go and come back
// where they were; the marks stay.
func TestUndo_O12_formattedText(t *testing.T) {
	a, b := twoTexts(t, "hello world")
	a.db.ClearUndo()
	b.do(opFormat(objID(1), 2, 8, []markOf{{"bold", 0, vInt(1)}}, "t"))
	sync(a, b)
	x := a.text(1, "t")
	states := []string{"hello world"}
	for _, e := range []struct {
		pos, deleted int
		inserted     string
	}{{1, 3, ""}, {0, 0, "++"}, {3, 5, "X"}, {4, 1, ""}, {0, 1, "Y"}} {
		a.typed(x, e.pos, e.deleted, e.inserted)
		states = append(states, contentOf(t, a.db, x))
	}
	for range 2 {
		for n := len(states) - 2; n >= 0; n-- {
			a.undo(true)
			a.wantText(1, states[n])
		}
		for n := 1; n < len(states); n++ {
			a.redo(true)
			a.wantText(1, states[n])
		}
		sync(a, b)
		b.wantText(1, states[len(states)-1])
	}
}

// TestUndo_O12_formatSteps: marks are taken back and made again, by whatever chain
// of steps, with those of before under them.
func TestUndo_O12_formatSteps(t *testing.T) {
	one := objID(1)
	set := func(from, end int, name string, value []byte) []byte {
		return opFormat(one, from, end, []markOf{{name, expandAfter, value}}, "t")
	}
	link := func(from, end int, value []byte) []byte {
		return opFormat(one, from, end, []markOf{{"link", 0, value}}, "t")
	}
	red, blue, yes, no := vStr("red"), vStr("blue"), vBool(true), vNil()
	for _, c := range []struct {
		name   string
		before [][]byte
		steps  [][][]byte // of each the transactions
	}{
		{name: "bold", steps: [][][]byte{{set(2, 6, "bold", yes)}}},
		{name: "bold over nothing but bold", before: [][]byte{set(0, 10, "bold", yes)}, steps: [][][]byte{{set(2, 6, "bold", yes)}, {set(0, 8, "bold", no)}}},
		{name: "bold off", before: [][]byte{set(2, 6, "bold", yes)}, steps: [][][]byte{{set(3, 8, "bold", no)}}},
		{name: "a colour over others", before: [][]byte{set(0, 4, "color", red), set(6, 8, "color", blue)}, steps: [][][]byte{{set(2, 7, "color", vStr("green"))}}},
		{name: "colours over each other", steps: [][][]byte{{set(0, 6, "color", red)}, {set(3, 9, "color", blue)}, {set(1, 8, "color", no)}, {set(2, 5, "color", red)}}},
		{name: "all of one", steps: [][][]byte{{opFormat(one, 0, 9, []markOf{{"bold", expandAfter, yes}, {"link", 0, red}}, "t")}, {opFormatOnly(one, 2, 6, []markOf{{"color", expandAfter, red}}, "t")}}},
		{name: "several in one step", steps: [][][]byte{{set(1, 8, "color", red), set(2, 4, "color", blue), set(3, 5, "color", no), set(0, 2, "bold", yes)}}},
		{name: "typing and bold in one step", steps: [][][]byte{{opEdit(one, 3, 0, "new", "t"), set(3, 6, "bold", yes), opEdit(one, 5, 2, "W", "t")}}},
		{name: "typing into bold", steps: [][][]byte{{set(2, 6, "bold", yes)}, {opEdit(one, 6, 0, "more", "t")}, {opEdit(one, 3, 0, "in", "t")}, {link(1, 5, red)}}},
		{name: "bold is deleted", before: [][]byte{set(2, 6, "bold", yes)}, steps: [][][]byte{{opEdit(one, 2, 4, "", "t")}}},
		{name: "a link is deleted", before: [][]byte{link(2, 6, red)}, steps: [][][]byte{{opEdit(one, 2, 4, "", "t")}}},
		{name: "a link is deleted with what is around it", before: [][]byte{link(2, 6, red), set(5, 8, "bold", yes)}, steps: [][][]byte{{opEdit(one, 0, 10, "", "t")}}},
		{name: "the end of a link is deleted bit by bit", before: [][]byte{link(2, 6, red)}, steps: [][][]byte{{opEdit(one, 5, 1, "", "t")}, {opEdit(one, 4, 1, "", "t")}, {opEdit(one, 3, 1, "", "t")}, {opEdit(one, 2, 1, "", "t")}}},
		{name: "made bold, and deleted", steps: [][][]byte{{set(2, 6, "bold", yes)}, {opEdit(one, 1, 6, "", "t")}}},
		{name: "made bold and deleted in one step", steps: [][][]byte{{set(2, 6, "bold", yes), opEdit(one, 1, 6, "", "t")}, {set(1, 3, "bold", yes), set(2, 4, "bold", no), opEdit(one, 2, 1, "", "t")}}},
		{name: "replaced with what is bold", before: [][]byte{link(0, 4, blue)}, steps: [][][]byte{{opEdit(one, 2, 4, "text", "t"), set(2, 6, "bold", yes)}, {set(0, 9, "bold", no)}, {opEdit(one, 0, 9, "", "t")}}},
		{name: "with other things", steps: [][][]byte{{opSet(one, vInt(1), "a"), set(2, 6, "bold", yes), opSet(one, vInt(2), "a")}, {opDelKey(one, "t")}}},
	} {
		for mode := range 3 {
			t.Run(fmt.Sprintf("%s/mode=%d", c.name, mode), func(t *testing.T) {
				a, b := twoTexts(t, "0123456789")
				a.do(set(0, 1, "x", yes), set(0, 1, "x", no)) // so that there are marks
				for _, ops := range c.before {
					a.do(ops)
				}
				a.db.ClearUndo()
				stored := undoRecords{}
				a.images = mode == 2
				states := []string{showAll(a.db)}
				for _, s := range c.steps {
					a.db.EndTask()
					for _, ops := range s {
						a.do(ops)
						if mode == 1 {
							a.store(stored)
						}
					}
					a.db.EndStep()
					states = append(states, showAll(a.db))
				}
				same := func(n int) {
					t.Helper()
					if got := strings.ReplaceAll(showAll(a.db), "a: ", ""); got != states[n] {
						t.Fatalf("after %d steps the database holds\n%s\nand held\n%s", n, got, states[n])
					}
					if mode == 0 {
						return
					}
					if bad := a.reload(stored, a, b); len(bad) > 0 {
						t.Fatalf("steps %v do not read", bad)
					}
					if got := strings.ReplaceAll(showAll(a.db), "a: ", ""); got != states[n] {
						t.Fatalf("after %d steps and a reload the database holds\n%s\nand held\n%s", n, got, states[n])
					}
				}
				a.backAndForth(3, len(c.steps), same)
				sync(a, b)
				if x, y := showAll(a.db), showAll(b.db); x != y {
					t.Errorf("the other replica holds\n%s\nnot\n%s", y, x)
				}
			})
		}
	}
}

// TestUndo_O12_formatOthersStay: what others did to a text that was formatted stays,
// and is formatted as its place is.
func TestUndo_O12_formatOthersStay(t *testing.T) {
	red, blue, yes, no := vStr("red"), vStr("blue"), vBool(true), vNil()
	bold := func(s *site) { s.mark(4, 7, "bold", yes) }
	for _, c := range []struct {
		name           string
		before         func(s *site)
		mine, theirs   func(s *site)
		atOnce         bool // they do not know of mine
		none           bool // there is nothing to take back
		undone, redone string
	}{
		{name: "typed in it", mine: bold, theirs: func(s *site) { s.type_(5, "++") }, undone: "The f++ox ran", redone: "The {bold|f++ox} ran"},
		{name: "typed in it at the same time", atOnce: true, mine: bold, theirs: func(s *site) { s.type_(5, "++") }, undone: "The f++ox ran", redone: "The {bold|f++ox} ran"},
		{name: "typed at its end", mine: bold, theirs: func(s *site) { s.type_(7, "es") }, undone: "The foxes ran", redone: "The {bold|foxes} ran"},
		{name: "typed at its beginning", mine: bold, theirs: func(s *site) { s.type_(4, "big ") }, undone: "The big fox ran", redone: "The big {bold|fox} ran"},
		{name: "typed at the end of a link", mine: func(s *site) { s.mark(4, 7, "link", red) }, theirs: func(s *site) { s.type_(7, "es") }, undone: "The foxes ran", redone: `The {link:"red"|fox}es ran`},
		{
			name: "typed in what was red", before: func(s *site) { s.mark(0, 7, "color", red) }, mine: func(s *site) { s.mark(4, 11, "color", blue) },
			theirs: func(s *site) { s.type_(9, "--"); s.type_(5, "++") },
			undone: `{color:"red"|The f++ox} r--an`, redone: `{color:"red"|The }{color:"blue"|f++ox r--an}`,
		},
		{name: "a later colour", mine: func(s *site) { s.mark(4, 11, "color", red) }, theirs: func(s *site) { s.mark(6, 9, "color", blue) }, undone: `The fo{color:"blue"|x r}an`, redone: `The {color:"red"|fo}{color:"blue"|x r}{color:"red"|an}`},
		{name: "a later colour over all of it", none: true, mine: func(s *site) { s.mark(4, 7, "color", red) }, theirs: func(s *site) { s.mark(0, 9, "color", blue) }, undone: `{color:"blue"|The fox r}an`},
		{name: "not bold any more", none: true, mine: bold, theirs: func(s *site) { s.mark(0, 11, "bold", no) }, undone: "The fox ran"},
		{name: "another mark", atOnce: true, mine: bold, theirs: func(s *site) { s.mark(4, 11, "italic", yes) }, undone: "The {italic|fox ran}", redone: "The {bold italic|fox}{italic| ran}"},
		{name: "an earlier colour at the same time", atOnce: true, mine: func(s *site) { s.mark(4, 5, "bold", yes); s.mark(4, 7, "color", red) }, theirs: func(s *site) { s.mark(6, 11, "color", blue) }, undone: `The fo{color:"blue"|x ran}`, redone: `The {bold color:"red"|f}{color:"red"|ox}{color:"blue"| ran}`},
		{name: "deleted a part of it", atOnce: true, mine: bold, theirs: func(s *site) { s.edit(s.text(1, "t"), 5, 2, "") }, undone: "The f ran", redone: "The {bold|f} ran"},
		{name: "deleted it", none: true, mine: bold, theirs: func(s *site) { s.edit(s.text(1, "t"), 4, 3, "") }, undone: "The  ran"},
		{
			name: "bold over what I deleted", atOnce: true, mine: func(s *site) { s.edit(s.text(1, "t"), 4, 3, "") }, theirs: func(s *site) { s.mark(5, 11, "bold", yes) },
			undone: "The f{bold|ox ran}", redone: "The {bold| ran}",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoTexts(t, "The fox ran")
			if c.before != nil {
				c.before(b)
				sync(a, b)
			}
			a.db.ClearUndo()
			a.db.EndTask()
			c.mine(a)
			a.db.EndStep()
			if !c.atOnce {
				sync(a, b)
			}
			c.theirs(b)
			sync(a, b)
			check := func(want string) {
				t.Helper()
				sync(a, b)
				a.wantMarked(want)
				b.wantMarked(want)
			}
			a.undo(!c.none)
			check(c.undone)
			if c.none {
				return
			}
			for range 2 {
				a.redo(true)
				check(c.redone)
				a.undo(true)
				check(c.undone)
			}
		})
	}
}

// TestUndo_O12_formatOfOthersGoesOn: both take back what they did, the one whose
// mark lies under the other's last.
func TestUndo_O12_formatOfOthersGoesOn(t *testing.T) {
	a, b := twoTexts(t, "The fox ran")
	a.db.ClearUndo()
	a.mark(0, 7, "color", vStr("red"))
	sync(a, b)
	b.mark(4, 11, "color", vStr("blue"))
	sync(a, b)
	b.undo(true) // red again, by b
	sync(a, b)
	a.wantMarked(`{color:"red"|The fox} ran`)
	a.undo(true)
	a.wantMarked(`The {color:"red"|fox} ran`) // what b wrote is b's
	a.redo(true)
	sync(a, b)
	b.redo(true)
	sync(a, b)
	a.wantMarked(`{color:"red"|The }{color:"blue"|fox ran}`)
}

// TestUndo_O12_formatInItems: items of a list that come back have their texts formatted
// as they were, however deep these are, and whatever reload comes in between.
func TestUndo_O12_formatInItems(t *testing.T) {
	one, yes := objID(1), vBool(true)
	for _, images := range []bool{false, true} {
		a, b := newSite(t, 1), newSite(t, 2)
		a.images = images
		a.do(opCreate(one, map[string][]byte{"l": vList(vText("first"), vMap(map[string][]byte{"t": vText("second"), "l": vList(vInt(1), vText("third"))}), vText("last"))}))
		a.do(opFormat(one, 1, 3, []markOf{{"bold", expandAfter, yes}, {"link", 0, vStr("x")}}, "l", 0), opFormat(one, 0, 6, []markOf{{"bold", expandBefore, yes}}, "l", 1, "t"),
			opFormat(one, 0, 6, []markOf{{"bold", expandBefore, vNil()}}, "l", 1, "t"), opFormat(one, 2, 5, []markOf{{"note", 0, vInt(1)}}, "l", 1, "l", 1))
		sync(a, b)
		a.db.ClearUndo()
		stored := undoRecords{}
		shown := func(s *site) string { return fmt.Sprintf("%x", appendShown(nil, s.db.Plain(one), true)) }
		was := shown(a)
		a.do(opSplice(one, 0, 2, nil, "l"))
		gone := shown(a)
		for range 3 {
			if bad := a.reload(stored, a, b); len(bad) > 0 {
				t.Fatalf("steps %v do not read", bad)
			}
			a.undo(true)
			if got := shown(a); got != was {
				t.Fatalf("images=%v: undone it is %s\nand was %s", images, got, was)
			}
			if bad := a.reload(stored, a, b); len(bad) > 0 {
				t.Fatalf("steps %v do not read", bad)
			}
			a.redo(true)
			if got := shown(a); got != gone {
				t.Fatalf("images=%v: done again it is %s\nand was %s", images, got, gone)
			}
		}
		a.undo(true)
		sync(a, b)
		if got := shown(b); got != was {
			t.Fatalf("the other holds %s\nnot %s", got, was)
		}
	}
}

// TestUndo_O12_formatObservers: who watches a text is told what an undo makes of its
// marks.
func TestUndo_O12_formatObservers(t *testing.T) {
	a, _ := twoTexts(t, "The fox ran")
	m := newMirror()
	m.watch(t, a.db, a.text(1, "t"))
	a.mark(0, 7, "link", vStr("x"))
	a.mark(2, 5, "bold", vBool(true))
	a.typed(a.text(1, "t"), 1, 8, "")
	m.checkMarks(t, a.db)
	for range 2 {
		for range 3 {
			a.undo(true)
			m.checkMarks(t, a.db)
		}
		for range 3 {
			a.redo(true)
			m.checkMarks(t, a.db)
		}
	}
	a.wantMarked(`{link:"x"|T}an`)
}

// TestUndo_O12_formatMoved: steps with marks follow bursts that move to another feed.
func TestUndo_O12_formatMoved(t *testing.T) {
	a, b := twoTexts(t, "hello")
	a.db.ClearUndo()
	a.mark(0, 3, "color", vStr("red"))
	a.mark(2, 5, "color", vStr("blue"))
	a.typed(a.text(1, "t"), 1, 2, "")
	b.edit(b.text(1, "t"), 3, 0, "++")
	b.mark(0, 1, "color", vStr("green"))
	a.apply(b.flush()...)
	a.undo(true)
	a.leave(7)
	sync(a, b)
	states := []string{`{color:"red"|he}{color:"blue"|l++lo}`, `{color:"red"|hel++}lo`, `{color:"green"|h}el++lo`}
	a.wantMarked(states[0])
	a.undo(true)
	a.wantMarked(states[1])
	a.undo(true)
	a.wantMarked(states[2])
	a.undo(false)
	a.redo(true)
	a.redo(true)
	a.wantMarked(states[0])
	a.redo(true)
	a.wantMarked(`{color:"red"|h}{color:"blue"|++lo}`)
	sync(a, b)
	b.wantMarked(marked(t, a.db, a.text(1, "t")))
}

// TestUndo_O12_formatTwin: random steps of formatting and typing that others knew
// nothing of. Undone, each character has the marks that it has for somebody to whom
// the step never came; done again, it has those it had, whatever reload comes in
// between.
func TestUndo_O12_formatTwin(t *testing.T) {
	seeds(t, 200, formatProgram)
}

func formatProgram(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	next := rune(0x4e00)
	chars := func(n int) (out string) {
		for range n {
			next++
			out += string(next)
		}
		return out
	}
	edit := func(s *site) {
		x := s.text(1, "t")
		n, err := s.db.TextLength(x)
		if err != nil {
			t.Fatal(err)
		}
		if from := rng.IntN(n + 1); rng.IntN(3) == 0 || from == n {
			s.do(opEdit(objID(1), from, rng.IntN(min(5, n-from)+1), chars(rng.IntN(4)), "t"))
		} else {
			value := [][]byte{vBool(true), vNil(), vInt(int64(rng.IntN(3)))}[rng.IntN(3)]
			m := markOf{[]string{"bold", "link", "note"}[rng.IntN(3)], uint64(rng.IntN(4)), value}
			s.do(opFormat(objID(1), from, from+1+rng.IntN(min(9, n-from)), []markOf{m}, "t"))
		}
	}
	a, b := twoTexts(t, chars(12))
	a.images = seed%2 == 0
	for range rng.IntN(8) {
		edit([]*site{a, b}[rng.IntN(2)])
		if rng.IntN(3) == 0 {
			sync(a, b)
		}
	}
	sync(a, b)
	a.db.ClearUndo()
	stored := undoRecords{}
	without := newSite(t, 9)
	without.applyReady(slices.Concat(a.sent, b.sent))
	a.db.EndTask()
	for range 1 + rng.IntN(4) {
		edit(a)
	}
	a.db.EndStep()
	for range rng.IntN(5) {
		edit(b)
		if rng.IntN(2) == 0 {
			b.flush()
		}
	}
	sync(a, b)
	without.applyReady(b.sent)
	byChar := func(s *site) map[rune]string {
		out := map[rune]string{}
		x := s.text(1, "t")
		over := unitMarks(t, s.db, x)
		for i, c := range []rune(contentOf(t, s.db, x)) {
			out[c] = over[i].String()
		}
		return out
	}
	reload := func() {
		if rng.IntN(3) == 0 {
			if bad := a.reload(stored, a, b); len(bad) > 0 {
				t.Fatalf("steps %v do not read", bad)
			}
		}
	}
	if a.db.UndoState().Undo == 0 { // it edited nothing
		return
	}
	m := newMirror()
	m.watch(t, b.db, b.text(1, "t"))
	held, want := byChar(a), byChar(without)
	for range 2 {
		reload()
		if ok, err := a.db.Undo(2000); err != nil {
			t.Fatal(err)
		} else if got := byChar(a); !maps.Equal(got, want) {
			t.Fatalf("undone the text is\n%s\nand without the step\n%s", marked(t, a.db, a.text(1, "t")), marked(t, without.db, without.text(1, "t")))
		} else if !ok {
			return
		}
		reload()
		a.redo(true)
		if got := byChar(a); !maps.Equal(got, held) {
			t.Fatalf("done again the text is\n%s", marked(t, a.db, a.text(1, "t")))
		}
		sync(a, b)
		b.wantMarked(marked(t, a.db, a.text(1, "t")))
		m.checkMarks(t, b.db)
	}
}

// TestUndo_O12_formatMany: a text with many marks, most of which is taken away in one
// step, comes back as it was, again and again, and everybody follows.
func TestUndo_O12_formatMany(t *testing.T) {
	seeds(t, 8, formatMany)
}

func formatMany(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 10))
	length, long := 2000+rng.IntN(2000), []int{3, 30, 3000}[rng.IntN(3)]
	a, b := twoTexts(t, strings.Repeat("0123456é😀", length/10))
	length = length / 10 * 10
	x := a.text(1, "t")
	random := func(s *site) {
		from := rng.IntN(length/10) * 10
		name := []string{"bold", "link", fmt.Sprint("comment:", rng.IntN(500))}[rng.IntN(3)]
		s.do(opFormat(objID(1), from, min(length, from+10*(1+rng.IntN(long))), []markOf{{name, uint64(rng.IntN(4)), vInt(int64(rng.IntN(3)))}}, "t"))
	}
	for range 300 + rng.IntN(300) {
		random([]*site{a, b}[rng.IntN(2)])
	}
	sync(a, b)
	a.db.ClearUndo()
	mine, theirs := newMirror(), newMirror()
	mine.watch(t, a.db, x)
	theirs.watch(t, b.db, b.text(1, "t"))
	states := []string{marked(t, a.db, x)}
	for range 1 + rng.IntN(3) {
		a.db.EndTask()
		kind := rng.IntN(3)
		switch kind {
		case 0:
			a.do(opEdit(objID(1), 0, length, "", "t"))
		case 1: // words here and there are others
			var ops [][]byte
			for at := length - 10; at >= 0; at -= 10 {
				if rng.IntN(3) == 0 {
					ops = append(ops, opEdit(objID(1), at, 1+rng.IntN(7), strings.Repeat("x", rng.IntN(3)), "t"))
				}
			}
			a.do(ops...)
		default:
			var ops [][]byte
			for range 100 {
				from := rng.IntN(length/10) * 10
				ops = append(ops, opFormat(objID(1), from, from+10, []markOf{{"bold", 2, vBool(true)}, {fmt.Sprint("note", rng.IntN(50)), 0, vNil()}}, "t"))
			}
			a.do(ops...)
		}
		a.db.EndStep()
		states = append(states, marked(t, a.db, x))
		if kind < 2 { // positions are others
			break
		}
	}
	for range 3 {
		a.backAndForth(1, len(states)-1, func(n int) {
			if got := marked(t, a.db, x); got != states[n] {
				t.Fatalf("with %d steps done the text is\n%s\nand was\n%s", n, got, states[n])
			}
		})
		mine.checkMarks(t, a.db)
		sync(a, b)
		b.wantMarked(marked(t, a.db, x))
		theirs.checkMarks(t, b.db)
	}
}

// TestUndo_O12_formatChains: random steps of formatting and typing, taken back and
// done again in random numbers.
func TestUndo_O12_formatChains(t *testing.T) {
	seeds(t, 300, formatChain)
}

func formatChain(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 8))
	a, b := twoTexts(t, "0123456789")
	a.images = seed%2 == 0
	e := &formatEdits{rng: rng, next: 'a'}
	for range rng.IntN(3) {
		e.edit(a)
	}
	a.db.ClearUndo()
	stored := undoRecords{}
	x := a.text(1, "t")
	states := []string{marked(t, a.db, x)}
	var log []string
	for range 1 + rng.IntN(6) {
		a.db.EndTask()
		for range 1 + rng.IntN(2) {
			log = append(log, e.edit(a))
		}
		a.db.EndStep()
		log = append(log, "= "+marked(t, a.db, x))
		if a.db.UndoState().Undo == len(states) {
			states = append(states, marked(t, a.db, x))
		}
	}
	at := len(states) - 1
	for range 20 {
		if rng.IntN(5) == 0 {
			a.db.EndStep()
			log = append(log, e.edit(a))
			log = append(log, "= "+marked(t, a.db, x))
			if n := a.db.UndoState().Undo; n != at {
				states, at = append(states[:n], marked(t, a.db, x)), n
			}
		}
		ok, by, err := false, 0, error(nil)
		if by = 1; at == len(states)-1 || at > 0 && rng.IntN(2) == 0 {
			by = -1
		}
		if by > 0 {
			ok, err = a.db.Redo(2000)
		} else {
			ok, err = a.db.Undo(2000)
		}
		if err != nil {
			t.Fatal(err)
		}
		if !ok || a.db.UndoState().Undo+a.db.UndoState().Redo != len(states)-1 {
			return // a step of no effect was passed over
		}
		at += by
		if got := marked(t, a.db, x); got != states[at] {
			t.Fatalf("seed %d: at step %d the text is\n%s\nand was\n%s\nlog:\n%s", seed, at, got, states[at], strings.Join(log, "\n"))
		}
		log = append(log, fmt.Sprint("at ", at))
		if rng.IntN(6) == 0 {
			if bad := a.reload(stored, a, b); len(bad) > 0 {
				t.Fatalf("steps %v do not read", bad)
			}
			x = a.text(1, "t")
		}
	}
}

// formatEdits makes random edits of a text.
type formatEdits struct {
	rng  *rand.Rand
	next rune // characters from it on are new
}

func (e *formatEdits) chars(n int) (out string) {
	for range n {
		out += string(e.next)
		e.next++
	}
	return out
}

func (e *formatEdits) edit(s *site) string {
	n, err := s.db.TextLength(s.text(1, "t"))
	if err != nil {
		s.t.Fatal(err)
	}
	from := e.rng.IntN(n + 1)
	if e.rng.IntN(3) == 0 || from == n {
		deleted, inserted := e.rng.IntN(min(5, n-from)+1), e.chars(e.rng.IntN(4))
		s.do(opEdit(objID(1), from, deleted, inserted, "t"))
		return fmt.Sprintf("%d deletes %d from %d for %q", s.feed[31], deleted, from, inserted)
	}
	value := [][]byte{vBool(true), vNil(), vInt(int64(e.rng.IntN(3)))}[e.rng.IntN(3)]
	m := markOf{[]string{"bold", "link", "note"}[e.rng.IntN(3)], uint64(e.rng.IntN(4)), value}
	end := from + 1 + e.rng.IntN(min(9, n-from))
	s.do(opFormat(objID(1), from, end, []markOf{m}, "t"))
	return fmt.Sprintf("%d has %s %x from %d to %d, growing %d", s.feed[31], m.name, m.value, from, end, m.expand)
}
