package objectdb

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
	"pgregory.net/rapid"
)

// Names of indexes and parts of queries, for tests.

func sortedIndex(order ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 1+len(order)), indexSorted)
	return append(b, slices.Concat(order...)...)
}

func termIndex(kind int, keys ...string) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 1+len(keys)), uint64(kind))
	for _, k := range keys {
		b = append(b, opPath(strings.Split(k, "."))...)
	}
	return b
}

func refersTo(v id.ObjectID, path ...string) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 3), filterRefers)
	return wire.AppendBytes(append(b, opPath(path)...), v[:])
}

func searchFor(words string, keys ...string) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 3), filterSearch)
	b = wire.AppendArray(b, len(keys))
	for _, k := range keys {
		b = append(b, opPath(strings.Split(k, "."))...)
	}
	return wire.AppendString(b, words)
}

func byRelevance() []byte { return wire.AppendBool(append(wire.AppendArray(nil, 2), 0x90), false) }

// arranged is a query with all its parts.
func arranged(filter []byte, deleted uint64, offset, limit int, order ...[]byte) []byte {
	b := wire.AppendUint(append(wire.AppendArray(nil, 5), filter...), deleted)
	b = append(wire.AppendArray(b, len(order)), slices.Concat(order...)...)
	return wire.AppendUint(wire.AppendUint(b, uint64(offset)), uint64(limit))
}

func vRef(v id.ObjectID) []byte { return vTyped(valueReference, wire.AppendBytes(nil, v[:])) }

func ask(t failer, db *DB, q []byte) []id.ObjectID {
	t.Helper()
	ids, err := db.Query(q)
	if err != nil {
		t.Fatal(err)
	}
	return splitIDs(ids)
}

// scanned answers a query by looking at all objects.
func scanned(t failer, db *DB, q []byte) []id.ObjectID {
	t.Helper()
	saved := db.indexes
	db.indexes = indexes{}
	defer func() { db.indexes = saved }()
	return ask(t, db, q)
}

// checkSources compares what the indexes give for a query with a scan, whether
// they would be chosen or not.
func checkSources(t failer, db *DB, b []byte) {
	t.Helper()
	want := scanned(t, db, b)
	if got := ask(t, db, b); !slices.Equal(got, want) {
		t.Fatalf("query gives %v, a scan %v", got, want)
	}
	q, err := db.readQuery(b)
	if err != nil {
		t.Fatal(err)
	}
	q.offset, q.limit = 0, 0
	db.prepareIndexes()
	saved := db.indexes
	db.indexes = indexes{}
	rows := db.run(q, 0, false).rows
	db.indexes = saved
	if n, err := db.Count(b); err != nil || n != len(rows) {
		t.Fatalf("count is %d, %v, want %d", n, err, len(rows))
	}
	if q.filter != nil {
		if s, ok := db.sourceOf(q.filter); ok {
			var got []int32
			s.each(&flat.Bits{}, func(c int32) bool { got = append(got, c); return true })
			for _, c := range rows {
				if !slices.Contains(got, c) {
					t.Fatalf("object %d is not in the source %v", c, got)
				}
			}
		}
	}
	for _, x := range db.indexes.all {
		if x.kind != indexSorted {
			continue
		}
		if s, _ := db.rangeOf(x, conjuncts(nil, q.filter)); inOrder(&s, q.sort) {
			var got []int32
			s.each(nil, func(c int32) bool {
				if db.visible(q, c) {
					got = append(got, c)
				}
				return true
			})
			if !slices.Equal(got, rows) {
				t.Fatalf("the index gives %v, a scan %v", got, rows)
			}
		}
	}
}

var someWords = []string{"quick", "Quick", "quic", "fox", "fóx", "brown", "日本語", "日", "don't", "", "x1", "straße"}

func drawWords(t *rapid.T) string {
	return strings.Join(rapid.SliceOfN(rapid.SampledFrom(someWords), 0, 4).Draw(t, "words"), " ")
}

func drawScalar(t *rapid.T) []byte {
	switch rapid.IntRange(0, 11).Draw(t, "type") {
	case 0:
		return vNil()
	case 1:
		return wire.AppendBool(nil, rapid.Bool().Draw(t, "bool"))
	case 2:
		return vFloat(rapid.SampledFrom([]float64{math.Inf(-1), -1.5, math.Copysign(0, -1), 0, 1, 2.5, 1 << 53, math.NaN()}).Draw(t, "float"))
	case 3:
		return vStr(rapid.SampledFrom([]string{"", "a", "ab", "b", "a\x00", "\x00"}).Draw(t, "short"))
	case 4, 5:
		return vStr(drawWords(t))
	case 6:
		return vTyped(valueDate, vInt(int64(rapid.IntRange(-2, 2).Draw(t, "date"))))
	case 7:
		return vTyped(valueBigInt, vStr(rapid.SampledFrom([]string{"-10", "-9", "0", "7", "10"}).Draw(t, "big")))
	case 8:
		return vTyped(valueBytes, wire.AppendBytes(nil, rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 255}), 0, 2).Draw(t, "bytes")))
	case 9:
		return vRef(objID(rapid.IntRange(0, 12).Draw(t, "target")))
	}
	return vInt(rapid.SampledFrom([]int64{-5, -1, 0, 1, 2, 3, 1 << 53, 1<<53 + 1, 1 << 60}).Draw(t, "int"))
}

func drawValue(t *rapid.T) []byte {
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		return vText(drawWords(t))
	case 1:
		return vList(rapid.SliceOfN(rapid.Custom(drawScalar), 0, 3).Draw(t, "items")...)
	case 2:
		return vList(vText(drawWords(t)), vMap(map[string][]byte{"r": drawScalar(t)}))
	case 3:
		return vTyped(valueCounter, vInt(int64(rapid.IntRange(-2, 2).Draw(t, "counter"))))
	}
	return drawScalar(t)
}

func drawFilter(t *rapid.T, depth int) []byte {
	path := rapid.SampledFrom([][]string{{"a"}, {"a"}, {"b"}, {"b"}, {"m", "x"}, {"never"}}).Draw(t, "path")
	kind := rapid.IntRange(0, 11).Draw(t, "filter")
	if depth == 0 {
		kind %= 8
	}
	switch kind {
	case 0:
		return refersTo(objID(rapid.IntRange(0, 12).Draw(t, "target")), path...)
	case 1:
		return refersTo(objID(rapid.IntRange(0, 12).Draw(t, "target")))
	case 2, 3:
		keys := rapid.SampledFrom([][]string{{"a"}, {"a", "b"}, {"b", "a"}, {"m.x"}}).Draw(t, "properties")
		return searchFor(drawWords(t), keys...)
	case 8:
		return join(filterNot, drawFilter(t, depth-1))
	case 9, 10:
		parts := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) []byte { return drawFilter(t, depth-1) }), 0, 3).Draw(t, "parts")
		return join(rapid.IntRange(filterAnd, filterOr).Draw(t, "join"), parts...)
	}
	c := comparison(rapid.SampledFrom([]comparison{equal, equal, unequal, less, lessEqual, greater, greaterEqual, prefix, contains, contains}).Draw(t, "comparison"))
	return filterOf(path, c, drawScalar(t))
}

func drawQuery(t *rapid.T) []byte {
	filter := vNil()
	if rapid.IntRange(0, 9).Draw(t, "filtered") > 0 {
		filter = drawFilter(t, 3)
	}
	order := rapid.SampledFrom([][][]byte{nil, {by("a", false)}, {by("b", true)}, {by("a", false), by("b", true)}, {by("b", true), by("a", true)}, {byRelevance()}}).Draw(t, "order")
	offset, limit := rapid.IntRange(0, 3).Draw(t, "offset"), rapid.IntRange(0, 4).Draw(t, "limit")
	return arranged(filter, rapid.Uint64Range(0, 2).Draw(t, "deleted"), offset, limit, order...)
}

var testIndexes = [][]byte{
	sortedIndex(by("a", false)), sortedIndex(by("b", true)), sortedIndex(by("a", false), by("b", true)), sortedIndex(by("b", true), by("a", true)),
	sortedIndex(append(append(wire.AppendArray(nil, 2), opPath([]string{"m", "x"})...), 0xc2)),
	termIndex(indexWords, "a"), termIndex(indexWords, "b", "a"), termIndex(indexItems, "a"), termIndex(indexItems, "b"), termIndex(indexReferences),
}

// TestQuery_O05_indexesGiveWhatAScanGives: random objects, edits of two replicas
// with conflicts, refused transactions, and a move to another feed; then random
// queries by all indexes and without any.
func TestQuery_O05_indexesGiveWhatAScanGives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s, other := newSite(t, 1), newSite(t, 2)
		declare := func() {
			for _, x := range testIndexes {
				if err := s.db.CreateIndex(x); err != nil {
					rt.Fatal(err)
				}
			}
		}
		declare()
		edit := func(s *site) {
			n := rapid.IntRange(0, 12).Draw(rt, "object")
			v := objID(n)
			key := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "key")
			var op []byte
			switch rapid.IntRange(0, 9).Draw(rt, "op") {
			case 0, 1, 2:
				op = opCreate(v, map[string][]byte{"a": drawValue(rt), "b": drawValue(rt), "m": vMap(map[string][]byte{"x": drawValue(rt)})})
			case 3, 4:
				op = opSet(v, drawValue(rt), key)
			case 5:
				op = opSet(v, drawScalar(rt), "m", "x")
			case 6:
				op = opDelKey(v, key)
			case 7:
				op = rapid.SampledFrom([][]byte{opDelete(v), opRestore(v)}).Draw(rt, "life")
			case 8:
				op = opEdit(v, 0, rapid.IntRange(0, 1).Draw(rt, "deleted"), rapid.SampledFrom(someWords).Draw(rt, "word"), key)
			case 9:
				op = opSplice(v, 0, rapid.IntRange(0, 1).Draw(rt, "removed"), [][]byte{drawScalar(rt)}, key)
			}
			if rapid.IntRange(0, 5).Draw(rt, "spoiled") == 0 {
				op = append(op, opSet(objID(99), vInt(1), "a")...) // there is none: all is taken back
			}
			s.db.Local(op, 1)
		}
		var live []uint32
		var m *mirror
		queries := [][]byte{drawQuery(rt), drawQuery(rt)}
		look := func() {
			live, m = nil, newMirror()
			for _, q := range queries {
				n, ids, err := s.db.OpenQuery(q)
				if err != nil {
					rt.Fatal(err)
				}
				live, m.lists[n] = append(live, n), splitIDs(ids)
			}
		}
		look()
		for range rapid.IntRange(0, 40).Draw(rt, "steps") {
			switch rapid.IntRange(0, 13).Draw(rt, "step") {
			case 0:
				checkSources(rt, s.db, drawQuery(rt))
			case 1:
				m.drain(rt, s.db, 64)
			case 2:
				other.flush()
				s.apply(other.sent...)
			case 3:
				other.apply(s.flush()...)
			case 4:
				s.leave(rapid.IntRange(3, 9).Draw(rt, "feed"))
			case 5, 6, 7:
				edit(other)
			case 8: // a reload from an image
				other.apply(s.flush()...)
				sources++
				s.db = mustRestore(rt, imageOf(rt, s.db), sources)
				s.db.SetWriter(s.feed, s.head)
				declare()
				look()
			default:
				edit(s)
			}
		}
		m.drain(rt, s.db, 64)
		for range 8 {
			checkSources(rt, s.db, drawQuery(rt))
		}
		for i, n := range live {
			if want := scanned(rt, s.db, queries[i]); !slices.Equal(m.lists[n], want) {
				rt.Fatalf("live query holds %v, want %v", m.lists[n], want)
			}
		}
	})
}

// explained is what Explain says: the indexes, examined/matched, and whether it was sorted.
func explained(t failer, db *DB, q []byte) string {
	t.Helper()
	b, err := db.Explain(q)
	if err != nil {
		t.Fatal(err)
	}
	r := wire.NewReader(b)
	r.Array(4)
	var used []string
	for n := r.ArrayLen(math.MaxInt32); n > 0; n-- {
		r.Array(2)
		name := encodedIndex(r.Skip())
		if r.Bool() {
			name += "!"
		}
		used = append(used, name)
	}
	out := fmt.Sprintf("%s %d/%d", strings.Join(used, "+"), r.Uint(math.MaxInt32), r.Uint(math.MaxInt32))
	if r.Bool() {
		out += " ordered"
	}
	if err := r.Done("explain"); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// encodedIndex prints the name of an index.
func encodedIndex(b []byte) string {
	r := wire.NewReader(b)
	n := r.ArrayLen(math.MaxInt32) - 1
	kind := r.Uint(indexReferences)
	path := func() string {
		var keys []string
		for k := r.ArrayLen(math.MaxInt32); k > 0; k-- {
			keys = append(keys, r.String(math.MaxInt32))
		}
		return strings.Join(keys, ".")
	}
	var parts []string
	for range n {
		switch kind {
		case indexSorted:
			r.Array(2)
			p := path()
			if r.Bool() {
				p += "-"
			}
			parts = append(parts, p)
		default:
			parts = append(parts, path())
		}
	}
	return []string{"", "sorted", "words", "items", "references"}[kind] + "(" + strings.Join(parts, ",") + ")"
}

// TestExplain_O05_plans: which index a query is answered by, once it is there.
func TestExplain_O05_plans(t *testing.T) {
	s := newSite(t, 1)
	for i := range 3000 {
		s.do(opCreate(objID(i), map[string][]byte{
			"n": vInt(int64(i)), "mod": vInt(int64(i % 100)), "half": wire.AppendBool(nil, i%2 == 0), "s": vStr(fmt.Sprintf("name %04d", i)),
			"tags": vList(vStr(fmt.Sprint("tag", i%300))), "to": vList(vMap(map[string][]byte{"ref": vRef(objID(i / 10))})),
		}))
	}
	eq := func(k string, v []byte) []byte { return filterOf([]string{k}, equal, v) }
	cases := []struct {
		name, first, third string
		q                  []byte
	}{
		{"equality", "3000/30", "sorted(mod) 30/30 ordered", queryOf(eq("mod", vInt(7)), 0)},
		{"equality that matches half", "3000/1500", "3000/1500", queryOf(eq("half", wire.AppendBool(nil, true)), 0)},
		{"one of", "3000/60", "sorted(mod) 60/60", queryOf(join(filterOr, eq("mod", vInt(1)), eq("mod", vInt(2))), 0)},
		{"range", "3000/10", "sorted(n) 10/10", queryOf(join(filterAnd, filterOf([]string{"n"}, greaterEqual, vInt(50)), filterOf([]string{"n"}, less, vInt(60))), 0)},
		{"prefix", "3000/10", "sorted(s) 10/10", queryOf(filterOf([]string{"s"}, prefix, vStr("name 011")), 0)},
		{"the most selective of two", "3000/15", "sorted(mod) 30/30 ordered", queryOf(join(filterAnd, eq("half", wire.AppendBool(nil, true)), eq("mod", vInt(8))), 0)},
		{"equality, order and limit", "3000/1500", "sorted(half,mod-) 15/15 ordered", arranged(eq("half", wire.AppendBool(nil, true)), 0, 5, 10, by("mod", true))},
		{"order and limit", "3000/3000", "sorted(s-) 10/10 ordered", arranged(vNil(), 0, 0, 10, by("s", true))},
		{"order", "3000/3000", "sorted(s-) 3000/3000 ordered", arranged(vNil(), 0, 0, 0, by("s", true))},
		{"item of a list", "3000/10", "items(tags) 10/10", queryOf(filterOf([]string{"tags"}, contains, vStr("tag5")), 0)},
		{"reference anywhere", "3000/10", "references() 10/10", queryOf(refersTo(objID(20)), 0)},
		{"reference in a property", "3000/10", "references() 10/10", queryOf(refersTo(objID(21), "to"), 0)},
		{"search", "3000/1", "words(s) 1/1", queryOf(searchFor("name 0123", "s"), 0)},
		{"not", "3000/2970", "3000/2970", queryOf(join(filterNot, eq("mod", vInt(7))), 0)},
		{"unlike parts", "3000/3", "sorted(mod)+sorted(s) 31/31", queryOf(join(filterOr, eq("mod", vInt(9)), eq("s", vStr("name 0001"))), 0)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ask(t, s.db, c.q)
			ask(t, s.db, c.q)
			s.db.BuildIndexes(math.MaxInt)
			if got := explained(t, s.db, c.q); got != c.third {
				t.Errorf("answered by %s, want %s", got, c.third)
			}
		})
	}
	fresh := newSite(t, 1)
	fresh.apply(s.flush()...)
	for _, c := range cases[:3] {
		if got := explained(t, fresh.db, c.q); got != c.first {
			t.Errorf("%s: a new database answers by %s, want %s", c.name, got, c.first)
		}
	}
}

// TestQuery_O05_whileAnIndexIsFilled: objects change and come while indexes are
// filled step by step, and no query gives anything else than a scan.
func TestQuery_O05_whileAnIndexIsFilled(t *testing.T) {
	s := newSite(t, 1)
	add := func(from, to int) {
		for i := from; i < to; i++ {
			s.do(opCreate(objID(i), map[string][]byte{"n": vInt(int64(i % 1000)), "s": vStr(fmt.Sprint("the word", i%500, " and others"))}))
		}
	}
	add(0, 9000)
	queries := [][]byte{
		queryOf(filterOf([]string{"n"}, equal, vInt(77)), 0),
		queryOf(searchFor("word77", "s"), 0),
		arranged(vNil(), 0, 3, 10, by("n", true)),
	}
	for _, x := range [][]byte{sortedIndex(by("n", false)), sortedIndex(by("n", true)), termIndex(indexWords, "s")} {
		if err := s.db.CreateIndex(x); err != nil {
			t.Fatal(err)
		}
	}
	check := func(how string) {
		t.Helper()
		for i, q := range queries {
			if got, want := ask(t, s.db, q), scanned(t, s.db, q); !slices.Equal(got, want) {
				t.Fatalf("%s: query %d gives %v, a scan %v", how, i, got, want)
			}
		}
	}
	used := func() (n int) {
		for _, q := range queries {
			if explained(t, s.db, q)[0] >= 'a' {
				n++
			}
		}
		return n
	}
	check("empty indexes")
	for i := 0; s.db.BuildIndexes(500) > 0; i++ {
		s.do(opSet(objID(i*7), vInt(77), "n"), opSet(objID(i*3), vStr("word77"), "s"), opDelete(objID(i*5)))
		check("half an index")
	}
	if used() != 3 {
		t.Error("complete indexes are not used")
	}
	add(9000, 20_000)
	check("many new objects")
	for i := range 20_000 {
		s.do(opSet(objID(i), vInt(int64(i%7)), "n"))
	}
	check("many changed objects")
	for s.db.BuildIndexes(3000) > 0 {
		check("many changed objects, some in the indexes")
	}
	if used() != 3 {
		t.Error("indexes that were filled again are not used")
	}
}

// TestIndexes_automaticOnesAreBounded: not more than some are kept, those that no
// query asks for go, and so does one that changes more often than it is used.
func TestIndexes_O05_automaticOnesAreBounded(t *testing.T) {
	s := newSite(t, 1)
	for i := range 2100 {
		m := map[string][]byte{}
		for k := range 20 {
			m[fmt.Sprintf("k%02d", k)] = vInt(int64(i))
		}
		s.do(opCreate(objID(i), m))
	}
	one := func(k int) []byte { return queryOf(filterOf([]string{fmt.Sprintf("k%02d", k)}, equal, vInt(5)), 0) }
	for k := range 20 {
		for range 3 {
			ask(t, s.db, one(k))
		}
	}
	if n := len(s.db.indexes.all); n != maxAutomatic {
		t.Errorf("%d automatic indexes", n)
	}
	if err := s.db.CreateIndex(sortedIndex(by("k00", false))); err != nil {
		t.Fatal(err)
	}
	for range idleQueries + 10 {
		ask(t, s.db, one(19))
	}
	if got := explained(t, s.db, one(19)); got != "sorted(k19) 1/1 ordered" || len(s.db.indexes.all) != 2 {
		t.Errorf("%d indexes are left; answered by %s", len(s.db.indexes.all), got)
	}
	for round := range 6 {
		for i := range 2100 {
			s.do(opSet(objID(i), vInt(int64(round)), "k19"))
		}
		for s.db.BuildIndexes(1<<20) > 0 {
		}
	}
	ask(t, s.db, queryOf(filterOf([]string{"k01"}, equal, vInt(5)), 0))
	if n := len(s.db.indexes.all); n != 1 || !s.db.indexes.all[0].declared {
		t.Errorf("%d indexes are left", n)
	}
	if err := s.db.DropIndex(sortedIndex(by("k00", false))); err != nil || len(s.db.indexes.all) != 0 {
		t.Errorf("%d indexes are left, %v", len(s.db.indexes.all), err)
	}
}

func TestCreateIndex_O05_refusesWhatIsNone(t *testing.T) {
	s := newSite(t, 1)
	for name, c := range map[string]struct {
		index []byte
		kind  errs.Kind
	}{
		"empty":               {nil, errs.Malformed},
		"kind 0":              {termIndex(0, "a"), errs.Malformed},
		"kind 5":              {termIndex(5, "a"), errs.Malformed},
		"no property":         {sortedIndex(), errs.Malformed},
		"no key":              {sortedIndex(byRelevance()), errs.Malformed},
		"two lists":           {termIndex(indexItems, "a", "b"), errs.Malformed},
		"references of a key": {termIndex(indexReferences, "a"), errs.Malformed},
		"more behind it":      {append(termIndex(indexReferences), 1), errs.Malformed},
		"a key of 2 KiB":      {termIndex(indexItems, strings.Repeat("k", 2<<10)), errs.TooLarge},
	} {
		if err := s.db.CreateIndex(c.index); !errs.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
		if err := s.db.DropIndex(c.index); !errs.Is(err, c.kind) {
			t.Errorf("%s: drop: got %v, want %v", name, err, c.kind)
		}
	}
	for i := range maxIndexes + 1 {
		x := sortedIndex(by(fmt.Sprint("k", i), false))
		if err := s.db.CreateIndex(x); (i == maxIndexes) != errs.Is(err, errs.TooLarge) {
			t.Fatalf("index %d: %v", i, err)
		}
		s.db.CreateIndex(x)
	}
}
