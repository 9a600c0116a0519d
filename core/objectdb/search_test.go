package objectdb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

func TestSearch_O05_words(t *testing.T) {
	long := strings.Repeat("x", maxTerm-1)
	for text, want := range map[string]string{
		"":                         "",
		"  ,;- ":                   "",
		"The quick-brown FOX":      "the quick brown fox",
		"don't 3rd x2":             "don t 3rd x2",
		"Café e\u0301te\u0301":     "cafe ete",
		"Straße Æsir Œuvre Łódź":   "strasse aesir oeuvre lodz",
		"Việt Ṧ ẞ":                 "viet s ss",
		"ЖУК Σίσυφος":              "жук σίσυφος",
		"日本語":                      "日本 本語 語~",
		"日":                        "日!",
		"Go言語を":                    "go 言語 語を を~",
		"한국 ภาษา":                  "한국 국~ ภา าษ ษา า~",
		"٣ हिन्दी":                 "٣ हिन्दी",
		"😀a😀":                      "a",
		long + "yz " + long + "éß": long + "y " + long + "e",
		long + "ß":                 long + "s",
		"\xffa\xff":                "a",
	} {
		var got []string
		eachWordOf([]byte(text), func(word []byte, kind wordKind) bool {
			got = append(got, string(word)+[]string{"", "~", "!"}[kind])
			return true
		})
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: words %q, want %q", text, s, want)
		}
	}
}

func TestSearch_O05_finds(t *testing.T) {
	s := newSite(t, 1)
	for i, m := range []map[string][]byte{
		{"t": vStr("The quick brown fox")},
		{"t": vText("quicksilver and foxes")},
		{"t": vList(vStr("quick"), vText("fox"), vInt(7), vMap(nil))},
		{"t": vInt(7), "u": vStr("fox")},
		{"t": vStr(""), "u": vStr("日本語の本")},
		{"m": vMap(map[string][]byte{"t": vStr("quick")})},
	} {
		s.do(opCreate(objID(i), m))
	}
	s.do(opDelete(objID(5)), opRestore(objID(5)))
	check := func() {
		t.Helper()
		for _, c := range []struct{ words, keys, want string }{
			{"fox", "t", "[0 1 2]"},
			{"fox quick", "t", "[0 2]"},
			{"quick fox", "t", "[0 2]"},
			{"fox quicks", "t", "[]"},
			{"FÓX, Quick!", "t", "[0 2]"},
			{"cat", "t", "[]"},
			{"", "t", "[0 1 2 4]"},
			{"-", "u", "[3 4]"},
			{"fox", "t u", "[0 1 2 3]"},
			{"fox", "u t", "[0 1 2 3]"},
			{"quick", "m.t", "[5]"},
			{"本語", "u", "[4]"},
			{"本", "u", "[4]"},
			{"語本", "u", "[]"},
			{"日本語", "u", "[4]"},
			{"7", "t", "[]"},
		} {
			var got []int
			for _, v := range ask(t, s.db, queryOf(searchFor(c.words, strings.Fields(c.keys)...), 0)) {
				got = append(got, int(v[15]))
			}
			if fmt.Sprint(got) != c.want {
				t.Errorf("%q in %s gives %v, want %s", c.words, c.keys, got, c.want)
			}
		}
	}
	check()
	for _, keys := range [][]string{{"t"}, {"u"}, {"t", "u"}, {"m.t"}} {
		s.db.CreateIndex(termIndex(indexWords, keys...))
	}
	check()
	for name, c := range map[string]struct {
		filter []byte
		kind   errs.Kind
	}{
		"in nothing":     {searchFor("a"), errs.Malformed},
		"for a number":   {append(searchFor("", "t")[:len(searchFor("", "t"))-1], 7), errs.Malformed},
		"for many words": {searchFor(strings.Repeat("a ", maxWords+1), "t"), errs.TooLarge},
	} {
		if _, err := s.db.Query(queryOf(c.filter, 0)); !errs.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
	}
}

func TestSearch_O05_relevance(t *testing.T) {
	s := newSite(t, 1)
	for i, v := range []string{"foxtrot", "one fox", "fox fox fox", "fox " + strings.Repeat("and others ", 40), "cat"} {
		s.do(opCreate(objID(i), map[string][]byte{"t": vStr(v)}))
	}
	q := arranged(searchFor("fox", "t"), 0, 0, 0, byRelevance())
	want := s.watchQuery(q)
	want(2, 1, 0, 3)
	s.do(opSet(objID(4), vStr("fox and fox"), "t"), opSet(objID(2), vStr("no more"), "t"))
	want(4, 1, 0, 3)
}

// TestIndexes_O05_termsThatNobodyHasGo: a table of words does not keep what was
// typed and is not there any more.
func TestIndexes_O05_termsThatNobodyHasGo(t *testing.T) {
	s := newSite(t, 1)
	s.db.CreateIndex(termIndex(indexWords, "t"))
	s.do(opCreate(objID(1), map[string][]byte{"t": vStr("stays")}), opCreate(objID(2), map[string][]byte{"t": vStr("")}))
	most := 0
	for i := range 3 * maxDeadTerms {
		s.do(opSet(objID(2), vStr(fmt.Sprint("w", i)), "t"))
		s.db.BuildIndexes(10)
		most = max(most, s.db.indexes.all[0].terms.terms.Len())
	}
	if most > maxDeadTerms+10 {
		t.Errorf("%d terms were kept", most)
	}
	for _, c := range []string{"stay", fmt.Sprint("w", 3*maxDeadTerms-1)} {
		if got := explained(t, s.db, queryOf(searchFor(c, "t"), 0)); !strings.HasSuffix(got, "/1") {
			t.Errorf("search for %s is answered by %s", c, got)
		}
	}
}

// TestQuery_O03_references: who refers to an object, whether it is there or not.
func TestQuery_O03_references(t *testing.T) {
	s := newSite(t, 1)
	ref := vRef(objID(9)) // is not there yet
	s.do(
		opCreate(objID(1), map[string][]byte{"to": ref}),
		opCreate(objID(2), map[string][]byte{"to": vList(vInt(1), ref), "other": vRef(objID(1))}),
		opCreate(objID(3), map[string][]byte{"m": vMap(map[string][]byte{"to": vList(vMap(map[string][]byte{"deep": ref}))})}),
		opCreate(objID(4), map[string][]byte{"to": vStr("none")}),
	)
	check := func(want map[string]string) {
		t.Helper()
		for path, want := range want {
			var keys []string
			if path != "" {
				keys = strings.Split(path, ".")
			}
			var got []int
			for _, v := range ask(t, s.db, queryOf(refersTo(objID(9), keys...), 0)) {
				got = append(got, int(v[15]))
			}
			if fmt.Sprint(got) != want {
				t.Errorf("referrers by %q are %v, want %s", path, got, want)
			}
		}
	}
	for _, indexed := range []bool{false, true} {
		if indexed {
			s.db.CreateIndex(termIndex(indexReferences))
		}
		check(map[string]string{"": "[1 2 3]", "to": "[1 2]", "m": "[3]", "m.to": "[3]", "never": "[]"})
	}
	s.do(opCreate(objID(9), nil), opSplice(objID(2), 1, 1, nil, "to"), opDelKey(objID(1), "to"), opSet(objID(4), ref, "new"))
	check(map[string]string{"": "[3 4]", "to": "[]"})
	s.do(opDelete(objID(9)), opDelete(objID(3)))
	check(map[string]string{"": "[4]"})
	bad := wire.AppendBytes(append(wire.AppendUint(wire.AppendArray(nil, 3), filterRefers), 0x90), []byte{1})
	if _, err := s.db.Query(queryOf(bad, 0)); !errs.Is(err, errs.Malformed) {
		t.Errorf("a reference of one byte: %v", err)
	}
}

// TestEachWordOf_inPlace: what is taken in place is what comes character by character.
func TestEachWordOf_inPlace(t *testing.T) {
	words := func(read func(yield func(word []byte, kind wordKind) bool) bool) (list []string) {
		read(func(word []byte, kind wordKind) bool {
			list = append(list, fmt.Sprint(string(word), kind))
			return true
		})
		return list
	}
	alphabet := []rune("abz09 .-AZéßœ\u0301京都ก\x00")
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.SampledFrom(alphabet), 0, 40, -1).Draw(t, "text")
		text += strings.Repeat(rapid.SampledFrom([]string{"", "a", "aB"}).Draw(t, "long"), maxTerm)
		got := words(func(yield func([]byte, wordKind) bool) bool { return eachWordOf([]byte(text), yield) })
		want := words(func(yield func([]byte, wordKind) bool) bool {
			w := wordReader{yield: yield}
			for _, r := range text {
				if !w.take(r) {
					return false
				}
			}
			return w.endWord() && w.endRun()
		})
		if !slices.Equal(got, want) {
			t.Fatalf("%q has the words %q, want %q", text, got, want)
		}
	})
}
