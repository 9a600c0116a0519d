package objectdb

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
)

// text finds a text of a site.
func (s *site) text(n int, key string) Text {
	s.t.Helper()
	x, err := s.db.FindText(objID(n), Key(key))
	if err != nil {
		s.t.Fatal(err)
	}
	return x
}

func (s *site) edit(x Text, pos, deleted int, inserted string) {
	s.t.Helper()
	if err := s.db.EditText(x, pos, deleted, []byte(inserted), 1000); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) wantText(n int, want string) {
	s.t.Helper()
	if got := contentOf(s.t, s.db, s.text(n, "t")); got != want {
		s.t.Errorf("the text is %q, want %q", got, want)
	}
}

// twoTexts are two sites with one text.
func twoTexts(t testing.TB, content string) (a, b *site) {
	a, b = newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), map[string][]byte{"t": vText(content)}))
	sync(a, b)
	return a, b
}

// TestText_O07_typingDoesNotInterleave: what each of two types at one place
// stays together, whether forwards or backwards.
func TestText_O07_typingDoesNotInterleave(t *testing.T) {
	for _, backwards := range []bool{false, true} {
		t.Run(fmt.Sprint("backwards=", backwards), func(t *testing.T) {
			a, b := twoTexts(t, "[]")
			for i := range 20 {
				pos := 1 + i
				if backwards {
					pos = 1
				}
				a.edit(a.text(1, "t"), pos, 0, "a")
				b.edit(b.text(1, "t"), pos, 0, "b")
				if i%3 == 0 { // in several blocks
					a.flush()
					b.flush()
				}
			}
			sync(a, b)
			want := "[" + strings.Repeat("a", 20) + strings.Repeat("b", 20) + "]"
			if a.feed.String() > b.feed.String() {
				want = "[" + strings.Repeat("b", 20) + strings.Repeat("a", 20) + "]"
			}
			a.wantText(1, want)
			b.wantText(1, want)
		})
	}
}

// TestText_O10_madeByTwoAtOnce: one text, with what both put in.
func TestText_O10_madeByTwoAtOnce(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), nil))
	sync(a, b)
	a.do(opSet(objID(1), vText("from a "), "t"))
	b.do(opSet(objID(1), vText("from b "), "t"))
	sync(a, b)
	got := contentOf(t, a.db, a.text(1, "t"))
	if got != "from a from b " && got != "from b from a " {
		t.Errorf("the text is %q", got)
	}
	b.wantText(1, got)
	if n := len(a.db.Conflicts(objID(1), Key("t"))); n != 1 {
		t.Errorf("%d values", n)
	}
	b.edit(b.text(1, "t"), 0, 0, "!")
	sync(a, b)
	a.wantText(1, "!"+got)
	// Made again it is another, and edits of the old one do not reach it.
	a.do(opSet(objID(1), vText("new"), "t"))
	b.edit(b.text(1, "t"), 0, 1, "")
	sync(a, b)
	a.wantText(1, "new")
	b.wantText(1, "new")
}

// TestText_O04_refusals: an edit that does not fit is refused by name, by
// either door, and changes nothing.
func TestText_O04_refusals(t *testing.T) {
	for _, c := range []struct {
		name         string
		pos, deleted int
		inserted     string
		kind         errs.Kind
	}{
		{"behind the end", 6, 0, "x", errs.InvalidArgument},
		{"delete over the end", 4, 2, "", errs.InvalidArgument},
		{"inside of a pair", 3, 0, "x", errs.InvalidArgument},
		{"deletes half a pair", 3, 1, "", errs.InvalidArgument},
		{"deletes to the middle of a pair", 1, 2, "", errs.InvalidArgument},
		{"ill-formed", 0, 0, "\xed\xa0\x80", errs.UnsupportedValue},
		{"too long", 0, 0, strings.Repeat("x", 1<<20+1), errs.TooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, 1)
			s.db = New(Options{Limits: Limits{Value: 1 << 20}})
			s.db.SetWriter(s.feed, feed.Ref{Feed: s.feed})
			s.do(opCreate(objID(1), map[string][]byte{"t": vText("ab😀c")}))
			x := s.text(1, "t")
			if err := s.db.EditText(x, c.pos, c.deleted, []byte(c.inserted), 1); !errs.Is(err, c.kind) {
				t.Errorf("EditText: %v, want %v", err, c.kind)
			}
			err := s.db.Local(slices.Concat(opEdit(objID(1), 0, 5, "gone", "t"), opSet(objID(1), vInt(1), "n"),
				opEdit(objID(1), min(c.pos, 4), c.deleted, "", "t"), opEdit(objID(1), 99, 0, c.inserted, "t")), 1)
			if err == nil {
				t.Error("Local takes it")
			}
			s.wantText(1, "ab😀c")
			s.edit(x, 4, 1, "!")
			other := newSite(t, 2)
			other.apply(s.flush()...)
			other.wantText(1, "ab😀!")
		})
	}
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"t": vStr("no text")}))
	if _, err := s.db.FindText(objID(1), Key("t")); !errs.Is(err, errs.NotFound) {
		t.Errorf("FindText of a string: %v", err)
	}
	if err := s.db.EditText(0, 0, 0, nil, 1); !errs.Is(err, errs.NotFound) {
		t.Errorf("EditText of an object: %v", err)
	}
	if err := s.db.EditText(77, 0, 0, nil, 1); !errs.Is(err, errs.NotFound) {
		t.Errorf("EditText of nothing: %v", err)
	}
}

// TestText_O11_transactionsAreWhole: a refused transaction takes its edits of
// texts back, those of texts that were edited in the burst before too.
func TestText_O11_transactionsAreWhole(t *testing.T) {
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"t": vText("hello")}))
	m := newMirror()
	m.watch(t, s.db, s.text(1, "t"))
	s.edit(s.text(1, "t"), 5, 0, " world")
	bad := opSet(objID(9), vInt(1), "x")
	for range 2 {
		if err := s.db.Local(slices.Concat(opEdit(objID(1), 0, 5, "HELLO 😀", "t"), opEdit(objID(1), 6, 2, "", "t"), bad), 1); err == nil {
			t.Fatal("it is taken")
		}
		s.wantText(1, "hello world")
	}
	if err := s.db.Local(slices.Concat(opSet(objID(1), vText("other"), "u"), opEdit(objID(1), 0, 0, "an", "u"), bad), 1); err == nil {
		t.Fatal("it is taken")
	}
	s.do(opSet(objID(1), vText("second"), "u"), opEdit(objID(1), 0, 6, "third", "u"))
	s.edit(s.text(1, "t"), 11, 0, "!")
	m.drain(t, s.db, 1)
	if got := string(utf16.Decode(m.texts[s.text(1, "t")])); got != "hello world!" {
		t.Errorf("who watches holds %q", got)
	}
	other := newSite(t, 2)
	other.apply(s.flush()...)
	other.wantText(1, "hello world!")
	if got := contentOf(t, other.db, other.text(1, "u")); got != "third" {
		t.Errorf("the other text is %q", got)
	}
}

// TestText_O05_comparesAsString: in a query a text is the string that it holds.
func TestText_O05_comparesAsString(t *testing.T) {
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"t": vText("apple")}), opCreate(objID(2), map[string][]byte{"t": vText("pear")}))
	n, ids, err := s.db.OpenQuery(queryOf(filterOf([]string{"t"}, less, vStr("b")), 0))
	if err != nil || len(splitIDs(ids)) != 1 {
		t.Fatalf("%d objects, %v", len(splitIDs(ids)), err)
	}
	m := newMirror()
	m.lists[n] = splitIDs(ids)
	s.edit(s.text(2, "t"), 0, 4, "avocado")
	m.drain(t, s.db, 1)
	if len(m.lists[n]) != 2 {
		t.Errorf("%d objects once the text has changed", len(m.lists[n]))
	}
}

// TestText_editsJoin: a thousand characters typed one by one are one change and
// one run.
func TestText_editsJoin(t *testing.T) {
	a, b := twoTexts(t, "")
	for i := range 1000 {
		a.edit(a.text(1, "t"), i, 0, string(rune('a'+i%26)))
	}
	blocks := a.flush()
	if len(blocks) != 1 || blocks[0].Ops != 1 || len(blocks[0].Payload) > 1100 {
		t.Errorf("%d blocks, of %d ops and %d bytes", len(blocks), blocks[0].Ops, len(blocks[0].Payload))
	}
	b.apply(blocks...)
	b.wantText(1, contentOf(t, a.db, a.text(1, "t")))
}

// TestText_randomReplicas runs several replicas over random edits of two texts,
// with characters of all widths, and compares them at the end; each is opened
// again from its blocks too.
func TestText_randomReplicas(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	words := []string{"a", "é", "水", "😀", "word", "two words", ""}
	for range 40 {
		var sites []*site
		for n := range 2 + rng.IntN(3) {
			sites = append(sites, newSite(t, n+1))
		}
		sites[0].do(opCreate(objID(1), map[string][]byte{"t": vText("😀 begin"), "u": vText("")}))
		sync(sites...)
		for range 60 {
			s := sites[rng.IntN(len(sites))]
			switch rng.IntN(6) {
			case 0:
				s.flush()
			case 1:
				from := sites[rng.IntN(len(sites))]
				from.flush()
				for _, b := range from.sent {
					if s.db.Ready(b) {
						s.apply(b)
					}
				}
			default:
				x := s.text(1, []string{"t", "u"}[rng.IntN(2)])
				units := utf16.Encode([]rune(contentOf(t, s.db, x)))
				pos := rng.IntN(len(units) + 1)
				deleted := rng.IntN(min(4, len(units)-pos) + 1)
				word := words[rng.IntN(len(words))]
				if rng.IntN(3) == 0 { // typing one by one
					word = "typed"
				}
				err := s.db.EditText(x, pos, deleted, []byte(word), int64(rng.IntN(3)))
				if cut := isCut(units, pos) || isCut(units, pos+deleted); cut != (err != nil) {
					t.Fatalf("edit at %d of %q: %v", pos, string(utf16.Decode(units)), err)
				}
			}
		}
		sites = append(sites, newSite(t, 9)) // opened from the blocks of the others
		var all []Block
		for _, s := range sites {
			s.flush()
			all = append(all, s.sent...)
		}
		for _, s := range sites {
			for applied := 0; applied < len(all); {
				rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
				applied = 0
				for _, b := range all {
					if s.db.Ready(b) {
						s.apply(b)
						applied++
					}
				}
			}
		}
		want := showAll(sites[0].db)
		for _, s := range sites {
			if got := showAll(s.db); got != want {
				t.Fatalf("replicas hold\n%s\nand\n%s", want, got)
			}
		}
	}
}

// isCut reports whether a position is between the halves of a pair.
func isCut(units []uint16, at int) bool {
	return at > 0 && at < len(units) && utf16.IsSurrogate(rune(units[at])) && units[at] >= 0xdc00
}

// TestText_fork: two branches of one feed type at one place. Their order is
// known once their blocks have names, and it is everybody's.
func TestText_fork(t *testing.T) {
	for seed := range 20 {
		a := newSite(t, 1)
		a.do(opCreate(objID(1), map[string][]byte{"t": vText("[]")}))
		twin := a.twin()
		a.edit(a.text(1, "t"), 1, 0, fmt.Sprint("left", seed))
		twin.edit(twin.text(1, "t"), 1, 0, fmt.Sprint("right", seed))
		branch := a.flush()
		// The block of the branch arrives while the burst has no name.
		twin.apply(branch...)
		m := newMirror()
		m.watch(t, twin.db, twin.text(1, "t"))
		twin.flush()
		m.drain(t, twin.db, 1)
		if got, want := string(utf16.Decode(m.texts[twin.text(1, "t")])), contentOf(t, twin.db, twin.text(1, "t")); got != want {
			t.Fatalf("who watches holds %q, it is %q", got, want)
		}
		a.apply(twin.sent...)
		a.wantText(1, contentOf(t, twin.db, twin.text(1, "t")))
		// The next block of the branch cannot follow the other one.
		if err := twin.db.EditText(twin.text(1, "t"), 0, 0, []byte("x"), 1); !errs.Is(err, errs.FeedForked) {
			t.Fatalf("an edit in a branch: %v", err)
		}
		twin.leave(7)
		twin.edit(twin.text(1, "t"), 0, 0, "x")
		a.apply(twin.flush()...)
		a.wantText(1, contentOf(t, twin.db, twin.text(1, "t")))
	}
}

// TestText_moves: bursts that storage did not take move behind blocks that came
// back, and everybody reads them as their writer did.
func TestText_moves(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 100 {
		a, b := twoTexts(t, "0123456789")
		lost := a.twin()
		random := func(s *site, n int) {
			for range n {
				x := s.text(1, "t")
				length, _ := s.db.TextLength(x)
				pos := rng.IntN(length + 1)
				s.edit(x, pos, rng.IntN(min(3, length-pos)+1), fmt.Sprint(string(rune('a'+rng.IntN(26))), s.feed[31]))
			}
		}
		random(a, 3) // what lost does not know it wrote
		a.flush()
		random(b, 3)
		random(lost, 2)
		lost.db.closeBurst()
		lost.apply(b.flush()...)
		random(lost, 2)
		lost.apply(a.sent...)
		before := contentOf(t, lost.db, lost.text(1, "t"))
		lost.head = a.head
		lost.db.SetWriter(lost.feed, a.head)
		lost.wantText(1, before)
		a.apply(b.sent...)
		a.apply(lost.flush()...)
		a.wantText(1, before)
		random(lost, 1)
		a.apply(lost.flush()...)
		a.wantText(1, contentOf(t, lost.db, lost.text(1, "t")))
	}
}

// TestAnchor_random: an anchor stays beside the character that it was put at, for
// as long as that is there.
func TestAnchor_random(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		a, b := twoTexts(t, "|")
		x := a.text(1, "t")
		next := rune(0x4e00)
		type held struct {
			n     int
			mark  rune
			after bool
		}
		var anchors []held
		for range 60 {
			s := []*site{a, b}[rng.IntN(2)]
			now := []rune(contentOf(t, s.db, x))
			switch rng.IntN(5) {
			case 0:
				sync(a, b)
			case 1:
				now = []rune(contentOf(t, a.db, x))
				pos, after := rng.IntN(len(now)), rng.IntN(2) == 0
				h := held{mark: now[pos], after: after}
				if !after { // beside the one before
					pos++
				}
				n, err := a.db.Anchor(x, pos, after)
				if err != nil {
					t.Fatal(err)
				}
				h.n = n
				anchors = append(anchors, h)
			default:
				pos := rng.IntN(len(now) + 1)
				deleted := rng.IntN(min(2, len(now)-pos) + 1)
				if deleted == len(now) {
					continue
				}
				next++
				s.edit(s.text(1, "t"), pos, deleted, string(next))
			}
			now = []rune(contentOf(t, a.db, x))
			for _, h := range anchors {
				at, err := a.db.AnchorAt(x, h.n)
				if err != nil {
					t.Fatal(err)
				}
				if i := slices.Index(now, h.mark); i >= 0 && (h.after && at != i || !h.after && at != i+1) {
					t.Fatalf("in %q the anchor beside %c (after %v) is at %d", string(now), h.mark, h.after, at)
				}
			}
			if len(anchors) > 8 {
				a.db.ReleaseAnchor(x, anchors[0].n)
				anchors = anchors[1:]
			}
		}
	}
	if _, err := newSite(t, 3).db.AnchorAt(0, 0); !errs.Is(err, errs.NotFound) {
		t.Errorf("an anchor of nothing: %v", err)
	}
}

// TestText_O07_deletesThatMeetAreRead: a run of deletes that grows until it meets
// the one before is a payload like any other.
func TestText_O07_deletesThatMeetAreRead(t *testing.T) {
	for name, deletes := range map[string][]int{
		"forwards":                    {3, 3, 3},
		"backwards":                   {9, 8, 7},
		"forwards to the one before":  {10, 8, 8},
		"backwards to the one before": {5, 7, 6, 5},
		"from both sides":             {5, 8, 7, 6, 5, 5, 4},
		"three runs that meet":        {12, 9, 9, 6, 6, 6},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := twoTexts(t, "0123456789abcdefghij")
			want := []byte("0123456789abcdefghij")
			for _, pos := range deletes {
				a.edit(a.text(1, "t"), pos, 1, "")
				want = slices.Delete(want, pos, pos+1)
			}
			b.edit(b.text(1, "t"), 20, 0, "!") // at once
			sync(a, b)
			a.wantText(1, string(want)+"!")
			b.wantText(1, string(want)+"!")
			newSite(t, 3).apply(append(a.sent[:len(a.sent):len(a.sent)], b.sent...)...)
		})
	}
}

// TestText_O07_whatIsWrittenIsRead edits texts in every way and reads the blocks.
func TestText_O07_whatIsWrittenIsRead(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 1))
		a, b := twoTexts(t, "0123456789")
		x := a.text(1, "t")
		for range 60 {
			length, _ := a.db.TextLength(x)
			pos := rng.IntN(length + 1)
			if rng.IntN(2) == 0 { // near the beginning, where edits meet
				pos = rng.IntN(min(length, 4) + 1)
			}
			deleted := min(rng.IntN(3), length-pos)
			a.edit(x, pos, deleted, "abcdefgh"[:rng.IntN(3)*rng.IntN(3)])
			if rng.IntN(20) == 0 {
				a.flush()
			}
		}
		sync(a, b)
		if got, want := contentOf(t, b.db, b.text(1, "t")), contentOf(t, a.db, x); got != want {
			t.Fatalf("seed %d: %q was read as %q", seed, want, got)
		}
	}
}
