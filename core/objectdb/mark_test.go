package objectdb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/errs"
)

// TestMarks_essay runs the cases of the Peritext essay (Litt, Lim, Kleppmann, van
// Hardenberg, 2021): what two do to one text at the same time, in either order of
// their names, delivered in either order.
func TestMarks_essay(t *testing.T) {
	yes, no := vBool(true), vNil()
	for _, c := range []struct {
		name    string
		content string
		before  func(s *site)
		a, b    func(s *site)
		want    []string // one of them
	}{
		{
			name: "1: two insert", content: "The fox jumped.",
			a:    func(s *site) { s.type_(4, "quick ") },
			b:    func(s *site) { s.type_(14, " over the dog") },
			want: []string{"The quick fox jumped over the dog."},
		},
		{
			name: "2: bold, and an insertion in it", content: "The fox jumped.",
			a:    func(s *site) { s.mark(0, 15, "bold", yes) },
			b:    func(s *site) { s.type_(4, "brown ") },
			want: []string{"{bold|The brown fox jumped.}"},
		},
		{
			name: "3: bold twice, overlapping", content: "The fox jumped.",
			a:    func(s *site) { s.mark(0, 7, "bold", yes) },
			b:    func(s *site) { s.mark(4, 14, "bold", yes) },
			want: []string{"{bold|The fox jumped}."},
		},
		{
			name: "4: bold and italic, overlapping", content: "The fox jumped.",
			a:    func(s *site) { s.mark(0, 7, "bold", yes) },
			b:    func(s *site) { s.mark(4, 14, "italic", yes) },
			want: []string{"{bold|The }{bold italic|fox}{italic| jumped}."},
		},
		{
			name: "5: two colours, overlapping", content: "The fox jumped.",
			a: func(s *site) { s.mark(0, 7, "color", vStr("red")) },
			b: func(s *site) { s.mark(4, 14, "color", vStr("blue")) },
			want: []string{
				`{color:"red"|The fox}{color:"blue"| jumped}.`,
				`{color:"red"|The }{color:"blue"|fox jumped}.`,
			},
		},
		{
			name: "6: bold, and not bold", content: "The fox jumped.",
			before: func(s *site) { s.mark(0, 15, "bold", yes) },
			a:      func(s *site) { s.mark(0, 7, "bold", no) },
			b:      func(s *site) { s.mark(4, 14, "bold", yes) },
			want:   []string{"The {bold|fox jumped.}", "The fox{bold| jumped.}"},
		},
		{
			name: "7: two comments, overlapping", content: "The fox jumped.",
			a:    func(s *site) { s.mark(0, 7, "comment:a", vStr("who?")) },
			b:    func(s *site) { s.mark(4, 14, "comment:b", vStr("how?")) },
			want: []string{`{comment:a:"who?"|The }{comment:a:"who?" comment:b:"how?"|fox}{comment:b:"how?"| jumped}.`},
		},
		{
			name: "8: bold grows at its end, not at its beginning", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 14, "bold", yes) },
			a:      func(s *site) { s.type_(4, "quick ") },
			b:      func(s *site) { s.type_(14, " over the dog") },
			want:   []string{"The quick {bold|fox jumped over the dog}."},
		},
		{
			name: "9: a link grows at neither end", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 14, "link", vStr("x")) },
			a:      func(s *site) { s.type_(4, "quick ") },
			b:      func(s *site) { s.type_(14, " over the dog") },
			want:   []string{`The quick {link:"x"|fox jumped} over the dog.`},
		},
		{
			name: "bold at the same time grows over what is inserted at its end", content: "The fox jumped.",
			a:    func(s *site) { s.mark(4, 14, "bold", yes) },
			b:    func(s *site) { s.type_(14, " over"); s.type_(4, "quick ") },
			want: []string{"The quick {bold|fox jumped over}."},
		},
		{
			name: "a link at the same time does not", content: "The fox jumped.",
			a:    func(s *site) { s.mark(4, 14, "link", vStr("x")) },
			b:    func(s *site) { s.type_(14, " over"); s.type_(4, "quick ") },
			want: []string{`The quick {link:"x"|fox jumped} over.`},
		},
		{
			name: "both, at one place", content: "The fox jumped.",
			a: func(s *site) {
				s.mark(4, 14, "link", vStr("x"))
				s.mark(4, 14, "bold", yes)
			},
			b:    func(s *site) { s.type_(14, " over") },
			want: []string{`The {bold link:"x"|fox jumped}{bold| over}.`},
		},
		{
			name: "both, by two", content: "The fox jumped.",
			a:    func(s *site) { s.mark(4, 14, "link", vStr("x")) },
			b:    func(s *site) { s.mark(4, 14, "bold", yes); s.type_(14, " over") },
			want: []string{`The {bold link:"x"|fox jumped}{bold| over}.`},
		},
		{
			name: "what is inserted in front grows over what is inserted there", content: "The fox jumped.",
			a: func(s *site) {
				s.do(opFormat(objID(1), 4, 7, []markOf{{"a", expandBefore, yes}, {"b", expandBefore | expandAfter, yes}, {"c", 0, yes}, {"d", expandAfter, yes}}, "t"))
			},
			b:    func(s *site) { s.type_(7, ">"); s.type_(4, "<") },
			want: []string{"The {a b|<}{a b c d|fox}{b d|>} jumped."},
		},
		{
			name: "the end of the text", content: "The fox",
			a: func(s *site) {
				s.mark(4, 7, "bold", yes)
				s.mark(4, 7, "link", vStr("x"))
			},
			b:    func(s *site) { s.type_(7, " jumped") },
			want: []string{`The {bold link:"x"|fox}{bold| jumped}`},
		},
		{
			name: "the beginning of the text", content: "The fox",
			a:    func(s *site) { s.mark(0, 3, "bold", yes) },
			b:    func(s *site) { s.type_(0, "? ") },
			want: []string{"? {bold|The} fox"},
		},
		{
			name: "the end of a link is deleted, and what is typed there is outside", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 14, "link", vStr("x")) },
			a:      func(s *site) { s.edit(s.text(1, "t"), 7, 7, ""); s.type_(7, " ran") },
			b:      func(s *site) {},
			want:   []string{`The {link:"x"|fox} ran.`},
		},
		{
			name: "what follows bold is deleted, and what is typed there is bold", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 7, "bold", yes) },
			a:      func(s *site) { s.edit(s.text(1, "t"), 7, 7, ""); s.type_(7, " ran") },
			b:      func(s *site) {},
			want:   []string{"The {bold|fox ran}."},
		},
		{
			name: "the end of a link is deleted, and something is inserted there at the same time", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 14, "link", vStr("x")) },
			a:      func(s *site) { s.edit(s.text(1, "t"), 7, 7, "") },
			b:      func(s *site) { s.type_(14, " over"); s.type_(13, "e") },
			want:   []string{`The {link:"x"|foxe} over.`},
		},
		{
			name: "the characters at both ends of bold are deleted at the same time", content: "The fox jumped.",
			a:    func(s *site) { s.mark(4, 14, "bold", yes) },
			b:    func(s *site) { s.edit(s.text(1, "t"), 14, 1, "!"); s.edit(s.text(1, "t"), 3, 2, "") },
			want: []string{"The{bold|ox jumped!}"},
		},
		{
			name: "all that is bold is deleted, and what is typed there is not", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 7, "bold", yes) },
			a:      func(s *site) { s.edit(s.text(1, "t"), 4, 3, ""); s.type_(4, "dog") },
			b:      func(s *site) {},
			want:   []string{"The dog jumped."},
		},
		{
			name: "all that is bold is replaced", content: "The fox jumped.",
			before: func(s *site) { s.mark(4, 7, "bold", yes) },
			a:      func(s *site) { s.edit(s.text(1, "t"), 4, 3, "dog") },
			b:      func(s *site) {},
			want:   []string{"The {bold|dog} jumped."},
		},
		{
			name: "all that becomes bold is deleted at the same time, with an insertion in it", content: "The fox jumped.",
			a:    func(s *site) { s.mark(4, 7, "bold", yes); s.type_(5, "XX") },
			b:    func(s *site) { s.edit(s.text(1, "t"), 4, 3, "") },
			want: []string{"The {bold|XX} jumped."},
		},
		{
			name: "bold taken away from the middle grows too", content: "The fox jumped.",
			before: func(s *site) { s.mark(0, 15, "bold", yes) },
			a:      func(s *site) { s.mark(4, 7, "bold", no) },
			b:      func(s *site) { s.type_(7, "es"); s.type_(4, "big ") },
			want:   []string{"{bold|The big }foxes{bold| jumped.}"},
		},
		{
			name: "a map as a value", content: "The fox jumped.",
			a:    func(s *site) { s.mark(0, 3, "font", vMap(map[string][]byte{"size": vInt(12), "name": vStr("x")})) },
			b:    func(s *site) {},
			want: []string{`{font:{name:"x" size:12}|The} fox jumped.`},
		},
		{
			name: "beside a pair of surrogates", content: "a😀b",
			a:    func(s *site) { s.mark(1, 3, "bold", yes) },
			b:    func(s *site) { s.type_(3, "😀"); s.type_(1, "é") },
			want: []string{"aé{bold|😀😀}b"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			for variant := range 4 {
				a, b := newSite(t, 1+variant%2), newSite(t, 2-variant%2)
				a.do(opCreate(objID(1), map[string][]byte{"t": vText(c.content)}))
				if c.before != nil {
					c.before(a)
				}
				sync(a, b)
				c.a(a)
				c.b(b)
				m := newMirror()
				m.watch(t, a.db, a.text(1, "t"))
				m.watch(t, a.db, a.text(1, "t"))
				sync(a, b)
				got := marked(t, a.db, a.text(1, "t"))
				if !slices.Contains(c.want, got) {
					t.Errorf("variant %d: %s\nwant %s", variant, got, strings.Join(c.want, "\nor "))
				}
				b.wantMarked(got)
				m.checkMarks(t, a.db)
				late := newSite(t, 3) // reads the blocks in the other order
				from, other := a, b
				if variant/2 == 1 {
					from, other = b, a
				}
				late.applyReady(append(slices.Clone(from.sent), other.sent...))
				late.wantMarked(got)
			}
		})
	}
}

// applyReady applies blocks, each as soon as it can be.
func (s *site) applyReady(blocks []Block) {
	s.t.Helper()
	for len(blocks) > 0 {
		rest := blocks[:0:0]
		for _, b := range blocks {
			if s.db.Ready(b) {
				s.apply(b)
			} else {
				rest = append(rest, b)
			}
		}
		if len(rest) == len(blocks) {
			s.t.Fatal("blocks whose parents are missing")
		}
		blocks = rest
	}
}

// type_ inserts one character after the other.
func (s *site) type_(pos int, word string) {
	s.t.Helper()
	x := s.text(1, "t")
	for _, c := range word {
		s.edit(x, pos, 0, string(c))
		pos += len(string(c)) - len(string(c))/2 // as UTF-16, for what the tests type
	}
}

// checkMarks compares what a mirror holds of the texts with what they are.
func (m *mirror) checkMarks(t failer, db *DB) {
	t.Helper()
	m.drain(t, db, 1)
	for x, held := range m.marks {
		want := unitMarks(t, db, x)
		if len(held) != len(want) {
			t.Fatalf("who watches text %d holds marks of %d units, it has %d", x, len(held), len(want))
		}
		for i := range want {
			if held[i].String() != want[i].String() {
				t.Fatalf("who watches text %d holds %q at %d, it has %q: %s", x, held[i], i, want[i], marked(t, db, x))
			}
		}
	}
}

// TestMarks_refusals: a mark that does not fit is refused by name and changes
// nothing, nor does the transaction that it is in.
func TestMarks_refusals(t *testing.T) {
	yes := vBool(true)
	for _, c := range []struct {
		name      string
		from, end int
		mark      markOf
		kind      errs.Kind
	}{
		{"behind the end", 3, 6, markOf{"bold", 0, yes}, errs.InvalidArgument},
		{"end before the beginning", 3, 1, markOf{"bold", 0, yes}, errs.InvalidArgument},
		{"beginning inside of a pair", 3, 5, markOf{"bold", 0, yes}, errs.InvalidArgument},
		{"end inside of a pair", 0, 3, markOf{"bold", 0, yes}, errs.InvalidArgument},
		{"expansion unknown", 0, 2, markOf{"bold", 4, yes}, errs.Malformed},
		{"long name", 0, 2, markOf{strings.Repeat("n", 1025), 0, yes}, errs.TooLarge},
		{"long value", 0, 2, markOf{"bold", 0, vStr(strings.Repeat("v", 4096))}, errs.TooLarge},
		{"a list", 0, 2, markOf{"bold", 0, vList(vInt(1))}, errs.UnsupportedValue},
		{"a text", 0, 2, markOf{"bold", 0, vText("x")}, errs.UnsupportedValue},
		{"a counter", 0, 2, markOf{"bold", 0, vTyped(valueCounter, vInt(1))}, errs.UnsupportedValue},
		{"a map in a map", 0, 2, markOf{"bold", 0, vMap(map[string][]byte{"m": vMap(nil)})}, errs.UnsupportedValue},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1)
			s.do(opCreate(objID(1), map[string][]byte{"t": vText("ab😀c"), "u": vText("none")}))
			s.mark(0, 2, "italic", yes)
			bad := opFormat(objID(1), c.from, c.end, []markOf{c.mark}, "t")
			if err := s.db.Local(bad, 1); !errs.Is(err, c.kind) {
				t.Errorf("%v, want %v", err, c.kind)
			}
			m := newMirror()
			m.watch(t, s.db, s.text(1, "t"))
			m.watch(t, s.db, s.text(1, "u"))
			more := slices.Concat(opEdit(objID(1), 1, 3, "gone", "t"), opFormat(objID(1), 0, 2, []markOf{{"bold", 2, yes}, {"italic", 0, vNil()}}, "t"),
				opFormat(objID(1), 0, 4, []markOf{{"bold", 2, yes}}, "u"), opEdit(objID(1), 0, 6, "", "t"), opFormat(objID(1), 0, 99, []markOf{c.mark}, "t"))
			if err := s.db.Local(more, 1); err == nil {
				t.Error("Local takes it")
			}
			s.wantMarked("{italic|ab}😀c")
			if got := marked(t, s.db, s.text(1, "u")); got != "none" {
				t.Errorf("the other text is %s", got)
			}
			m.checkMarks(t, s.db)
			s.edit(s.text(1, "t"), 2, 0, "!")
			other := newSite(t, 2)
			other.apply(s.flush()...)
			other.wantMarked("{italic|ab!}😀c")
		})
	}
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"t": vStr("no text")}))
	if err := s.db.Local(opFormat(objID(1), 0, 1, []markOf{{"bold", 0, yes}}, "t"), 1); !errs.Is(err, errs.NotFound) {
		t.Errorf("a mark of a string: %v", err)
	}
	if _, err := s.db.TextMarks(77); !errs.Is(err, errs.NotFound) {
		t.Errorf("the marks of nothing: %v", err)
	}
}

// TestMarks_nothing: marks over nothing are none, and leave the payload as it is
// without them.
func TestMarks_nothing(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	for _, s := range []*site{a, b} {
		s.do(opCreate(objID(1), map[string][]byte{"t": vText("hello")}))
	}
	a.mark(2, 2, "bold", vBool(true))
	if x, y := a.flush()[0].Payload, b.flush()[0].Payload; string(x) != string(y) {
		t.Errorf("payload %x, want %x", x, y)
	}
	if a.db.textOf(int32(a.text(1, "t"))).marks != nil {
		t.Error("the text holds marks")
	}
}

// TestMarks_only: what is inserted with marks has exactly these, and makes none
// that it has anyway.
func TestMarks_only(t *testing.T) {
	bold, link := markOf{"bold", expandAfter, vBool(true)}, markOf{"link", 0, vStr("x")}
	for _, c := range []struct {
		name  string
		pos   int
		marks []markOf
		rows  int // more than before
		want  string
	}{
		{"none in plain text", 0, nil, 0, `XXThe {bold|fox} {link:"x"|jumped}.`},
		{"bold in plain text", 1, []markOf{bold}, 1, `T{bold|XX}he {bold|fox} {link:"x"|jumped}.`},
		{"bold behind bold", 7, []markOf{bold}, 0, `The {bold|foxXX} {link:"x"|jumped}.`},
		{"none behind bold", 7, nil, 1, `The {bold|fox}XX {link:"x"|jumped}.`},
		{"a link in bold", 5, []markOf{link}, 2, `The {bold|f}{link:"x"|XX}{bold|ox} {link:"x"|jumped}.`},
		{"none in a link", 10, nil, 1, `The {bold|fox} {link:"x"|ju}XX{link:"x"|mped}.`},
		{"a removal that is none", 10, []markOf{link, {"bold", expandAfter, vNil()}}, 0, `The {bold|fox} {link:"x"|juXXmped}.`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoTexts(t, "The fox jumped.")
			a.mark(4, 7, "bold", vBool(true))
			a.mark(8, 14, "link", vStr("x"))
			before := len(a.db.textOf(int32(a.text(1, "t"))).marks.rows)
			a.do(opEdit(objID(1), c.pos, 0, "XX", "t"), opFormatOnly(objID(1), c.pos, c.pos+2, c.marks, "t"))
			a.wantMarked(c.want)
			if n := len(a.db.textOf(int32(a.text(1, "t"))).marks.rows) - before; n != c.rows {
				t.Errorf("%d marks more, want %d", n, c.rows)
			}
			a.edit(a.text(1, "t"), c.pos+2, 0, "Y")
			sync(a, b)
			b.wantMarked(marked(t, a.db, a.text(1, "t")))
		})
	}
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"t": vText("plain")}))
	s.do(opFormatOnly(objID(1), 0, 5, nil, "t"))
	s.wantMarked("plain")
}

// TestMarks_inATransaction: marks, edits and new texts in one transaction.
func TestMarks_inATransaction(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), map[string][]byte{"t": vText("hello world"), "l": vList(vText("in a list"))}),
		opFormat(objID(1), 0, 5, []markOf{{"bold", expandAfter, vBool(true)}, {"link", 0, vStr("x")}}, "t"),
		opEdit(objID(1), 5, 0, "!", "t"), opEdit(objID(1), 0, 1, "J", "t"), opFormat(objID(1), 3, 9, []markOf{{"bold", expandAfter, vNil()}}, "t"),
		opFormat(objID(1), 5, 9, []markOf{{"bold", expandAfter, vBool(true)}}, "l", 0))
	a.do(opSet(objID(1), vText("anew"), "t"), opFormat(objID(1), 0, 2, []markOf{{"bold", expandAfter, vInt(7)}}, "t"))
	b.apply(a.flush()...)
	for _, s := range []*site{a, b} {
		s.wantMarked("{bold:7|an}ew")
		if x, err := s.db.FindText(objID(1), Key("l"), At(0)); err != nil || marked(t, s.db, x) != "in a {bold|list}" {
			t.Errorf("in the list: %v", err)
		}
	}
}

// TestMarks_fork: two branches of one feed mark one text; whose mark counts is
// known once their blocks have names, and it is everybody's.
func TestMarks_fork(t *testing.T) {
	for seed := range 20 {
		a := newSite(t, 1)
		a.do(opCreate(objID(1), map[string][]byte{"t": vText("[]")}))
		twin := a.twin()
		for i, s := range []*site{a, twin} {
			s.edit(s.text(1, "t"), 1, 0, fmt.Sprint("branch", i, seed))
			s.mark(0, 4, "color", vInt(int64(i)))
		}
		branch := a.flush()
		twin.apply(branch...)
		m := newMirror()
		m.watch(t, twin.db, twin.text(1, "t"))
		twin.flush()
		m.checkMarks(t, twin.db)
		a.apply(twin.sent...)
		a.wantMarked(marked(t, twin.db, twin.text(1, "t")))
		late := newSite(t, 3)
		late.applyReady(append(slices.Clone(twin.sent), a.sent...))
		late.wantMarked(marked(t, twin.db, twin.text(1, "t")))
	}
}

// TestMarks_faultyWriter: whoever deletes an end of a mark, makes ends of no mark
// or a mark without ends has everybody show the same, and who watches follows.
func TestMarks_faultyWriter(t *testing.T) {
	end := func(kind egwalker.Kind, pos int32) egwalker.Op { return egwalker.Op{Kind: kind, Pos: pos, Len: 1} }
	for _, c := range []struct {
		name string
		ops  []egwalker.Op
		mark bool // make one, whose ends are the first of the ops, if there are
		want string
	}{
		{"deletes the beginning", []egwalker.Op{{Kind: egwalker.Delete, Pos: 3, Len: 3}}, false, "Theox jumped."},
		{"deletes the end alone", []egwalker.Op{end(egwalker.Delete, 8)}, false, "The fox jumped."},
		{"ends of no mark", []egwalker.Op{end(egwalker.InsertAfter, 2), end(egwalker.InsertBefore, 9)}, false, "The {bold|fox} jumped."},
		{"a mark without ends", []egwalker.Op{{Kind: egwalker.Delete, Pos: 0, Len: 2}}, true, "e {bold|fox} jumped."},
		{"a mark with one end", []egwalker.Op{end(egwalker.InsertAfter, 2)}, true, "The {bold|fox} jumped."},
		{"the end in front of the beginning", []egwalker.Op{end(egwalker.InsertBefore, 12), end(egwalker.InsertAfter, 2)}, true, "The {bold|fox} ju{note:1|mped.}"},
		{"three ends", []egwalker.Op{end(egwalker.InsertBefore, 0), end(egwalker.InsertAfter, 4), end(egwalker.InsertAfter, 9)}, true, "{note:1|The} {bold|fox} jumped."},
		{"outside of the text", []egwalker.Op{end(egwalker.InsertBefore, 99)}, true, "The {bold|fox} jumped."},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoTexts(t, "The fox jumped.")
			a.mark(4, 7, "bold", vBool(true))
			sync(a, b)
			m := newMirror()
			m.watch(t, b.db, b.text(1, "t"))
			x := int32(a.text(1, "t"))
			a.db.openBurst()
			if c.mark {
				a.db.open.format(a.db, x, a.db.internKey([]byte("note")), vInt(1), c.ops)
			} else {
				a.db.open.text(a.db, elemEdit, x)
				a.db.open.edit(a.db, x, c.ops, nil)
			}
			a.db.open.endChange(1, nil, 0)
			block := a.flush()
			if !hasBoundary(c.ops) && c.mark { // is of no version
				if err := b.db.Apply(block[0]); !errs.Is(err, errs.Malformed) {
					t.Fatalf("%v", err)
				}
				return
			}
			b.apply(block...)
			b.wantMarked(c.want)
			m.checkMarks(t, b.db)
			b.edit(b.text(1, "t"), 1, 0, "+")
			b.mark(0, 3, "italic", vBool(true))
			m.checkMarks(t, b.db)
			late := newSite(t, 3)
			b.flush()
			late.applyReady(append(slices.Clone(b.sent), a.sent...))
			late.wantMarked(marked(t, b.db, b.text(1, "t")))
		})
	}
}

// TestMarks_S12_state: the ops of a state make the marks again, wherever the text
// is, and the state of what they make is the same.
func TestMarks_S12_state(t *testing.T) {
	a, b := twoTexts(t, "The fox jumped.")
	a.do(opSet(objID(1), vMap(map[string][]byte{"l": vList(vInt(1), vList(vText("deep in")))}), "m"), opSet(objID(1), vText("plain"), "u"))
	a.mark(4, 7, "bold", vBool(true))
	a.mark(6, 14, "bold", vBool(true))
	a.mark(4, 14, "link", vStr("x"))
	a.mark(8, 10, "link", vNil())
	a.mark(0, 15, "empty", vNil())
	a.do(opFormat(objID(1), 0, 4, []markOf{{"n", expandBefore, vInt(1)}}, "m", "l", 1, 0))
	a.do(opCreate(objID(2), map[string][]byte{"t": vText(strings.Repeat("0123456789", 20_000))}))
	a.do(opFormat(objID(2), 5, 150_000, []markOf{{"n", expandAfter, vInt(1)}}, "t"))
	b.mark(4, 7, "other", vBool(true))
	sync(a, b)
	for n := 1; n <= 2; n++ {
		state := a.db.State(objID(n))
		for rest := state; len(rest) > 0; {
			object, op, err := NextState(rest)
			if err != nil || object != objID(n) {
				t.Fatal(err)
			}
			rest = rest[len(op):]
		}
		fresh := newSite(t, 3)
		fresh.do(state)
		if got, want := fresh.db.State(objID(n)), state; string(got) != string(want) {
			t.Fatalf("object %d: the state of what a state makes is\n%x\nnot\n%x", n, got, want)
		}
		if got, want := marked(t, fresh.db, fresh.text(n, "t")), marked(t, a.db, a.text(n, "t")); got != want {
			t.Errorf("object %d holds %s, want %s", n, got, want)
		}
		if changed, err := fresh.db.Restate(objID(n), state, 1); changed || err != nil {
			t.Errorf("stated again it is another: %v, %v", changed, err)
		}
		for _, s := range []*site{a, fresh} { // they grow alike
			s.edit(s.text(n, "t"), 14, 0, "!")
			s.edit(s.text(n, "t"), 4, 0, "?")
		}
		if got, want := marked(t, fresh.db, fresh.text(n, "t")), marked(t, a.db, a.text(n, "t")); got != want {
			t.Errorf("object %d: once edited it holds %s, want %s", n, got, want)
		}
		before := marked(t, a.db, a.text(n, "t"))
		state = a.db.State(objID(n))
		fresh.do(opFormat(objID(n), 0, 9, []markOf{{"more", 0, vBool(true)}}, "t"))
		if changed, err := fresh.db.Restate(objID(n), state, 1); !changed || err != nil {
			t.Errorf("stated with other marks it is no other: %v, %v", changed, err)
		}
		if got := marked(t, fresh.db, fresh.text(n, "t")); got != before {
			t.Errorf("restated it holds %s, want %s", got, before)
		}
		if got := marked(t, fresh.db, fresh.text(n, "t")); n == 1 && !strings.Contains(got, "other") {
			t.Error("the mark of the other is missing")
		}
	}
}
