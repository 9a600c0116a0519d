package objectdb

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

func join(kind int, filters ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 1+len(filters)), uint64(kind))
	return append(b, slices.Concat(filters...)...)
}

func TestQuery_O05_filters(t *testing.T) {
	s := newSite(t, 1)
	objects := []map[string][]byte{
		1:  {"n": vInt(1), "s": vStr("a")},
		2:  {"n": vFloat(1.5), "s": vStr("b")},
		3:  {"n": vFloat(2), "m": vMap(map[string][]byte{"x": vInt(7)})},
		4:  {"n": wire.AppendUint(nil, math.MaxUint64)},
		5:  {"n": vFloat(math.NaN())},
		6:  {"n": vTyped(valueDate, vInt(10))},
		7:  {"n": vTyped(valueBigInt, vStr("-5"))},
		8:  {"n": wire.AppendNil(nil)},
		9:  {"n": vInt(-3)},
		10: {"n": vInt(1 << 53), "t": wire.AppendBool(nil, true)},
	}
	for i := 1; i < len(objects); i++ {
		s.do(opCreate(objID(i), objects[i]))
	}
	s.do(opCreate(objID(11), nil), opDelete(objID(11)))
	n := func(c comparison, v []byte) []byte { return filterOf([]string{"n"}, c, v) }
	cases := map[string]struct {
		filter  []byte
		deleted uint64
		want    []int
	}{
		"all":                 {wire.AppendNil(nil), 0, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"with deleted":        {wire.AppendNil(nil), 1, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		"deleted only":        {wire.AppendNil(nil), 2, []int{11}},
		"int equals float":    {n(equal, vInt(2)), 0, []int{3}},
		"less than 1.5":       {n(less, vFloat(1.5)), 0, []int{1, 9}},
		"at most 1.5":         {n(lessEqual, vFloat(1.5)), 0, []int{1, 2, 9}},
		"over 2^53":           {n(greater, vFloat(1<<53)), 0, []int{4}},
		"at least 2^53":       {n(greaterEqual, vFloat(1<<53)), 0, []int{4, 10}},
		"under infinity":      {n(less, vFloat(math.Inf(1))), 0, []int{1, 2, 3, 4, 9, 10}},
		"NaN equals nothing":  {n(equal, vFloat(math.NaN())), 0, nil},
		"dates with dates":    {n(greaterEqual, vTyped(valueDate, vInt(10))), 0, []int{6}},
		"big integers":        {n(less, vTyped(valueBigInt, vStr("40"))), 0, []int{7}},
		"nil":                 {n(equal, wire.AppendNil(nil)), 0, []int{8}},
		"nil has no order":    {n(lessEqual, wire.AppendNil(nil)), 0, nil},
		"bool":                {filterOf([]string{"t"}, equal, wire.AppendBool(nil, true)), 0, []int{10}},
		"strings":             {filterOf([]string{"s"}, greater, vStr("a")), 0, []int{2}},
		"nested":              {filterOf([]string{"m", "x"}, equal, vInt(7)), 0, []int{3}},
		"missing is unequal":  {filterOf([]string{"s"}, unequal, vStr("a")), 0, []int{2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"map equals nothing":  {filterOf([]string{"m"}, equal, vInt(7)), 0, nil},
		"and":                 {join(filterAnd, n(greater, vInt(0)), n(less, vInt(2))), 0, []int{1, 2}},
		"or":                  {join(filterOr, n(equal, vInt(1)), n(equal, vInt(-3))), 0, []int{1, 9}},
		"not":                 {join(filterNot, filterOf([]string{"s"}, unequal, vStr("a"))), 0, []int{1}},
		"and of nothing":      {join(filterAnd), 2, []int{11}},
		"or of nothing":       {join(filterOr), 1, nil},
		"key that is nowhere": {filterOf([]string{"never"}, equal, vInt(1)), 0, nil},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, ids, err := s.db.OpenQuery(queryOf(c.filter, c.deleted))
			if err != nil {
				t.Fatal(err)
			}
			var want []id.ObjectID
			for _, i := range c.want {
				want = append(want, objID(i))
			}
			if got := splitIDs(ids); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
	for name, c := range map[string]struct {
		query []byte
		kind  errs.Kind
	}{
		"empty":              {nil, errs.Malformed},
		"deleted 3":          {queryOf(wire.AppendNil(nil), 3), errs.Malformed},
		"unknown filter":     {queryOf([]byte{0x91, 5}, 0), errs.Malformed},
		"not of two":         {queryOf(join(filterNot, join(filterAnd), join(filterAnd)), 0), errs.Malformed},
		"no key":             {queryOf(filterOf(nil, equal, vInt(1)), 0), errs.Malformed},
		"unknown comparison": {queryOf(filterOf([]string{"n"}, contains+1, vInt(1)), 0), errs.Malformed},
		"map":                {queryOf(filterOf([]string{"n"}, equal, vMap(nil)), 0), errs.UnsupportedValue},
		"list":               {queryOf(filterOf([]string{"n"}, contains, vList(vInt(1))), 0), errs.UnsupportedValue},
		"order without key":  {sortedQuery(0, 0, by("a", true)[:1]), errs.Malformed},
		"three elements":     {append(wire.AppendNil(wire.AppendArray(nil, 3)), 0, 0), errs.Malformed},
	} {
		if _, _, err := s.db.OpenQuery(c.query); !errs.Is(err, c.kind) {
			t.Errorf("%s: got %v, want %v", name, err, c.kind)
		}
	}
}

func TestChanges_O06_recordsOfOthersInBoundedBatches(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	var ops [][]byte
	for i := range 3000 {
		ops = append(ops, opCreate(objID(i), map[string][]byte{"n": vInt(int64(i)), "text": vStr(fmt.Sprint("object number ", i))}))
	}
	a.do(ops...)
	a.flush()
	if got := a.db.Changes(1 << 20); got != nil {
		t.Error("local changes without a query gave a batch")
	}
	m := newMirror()
	n, _, err := b.db.OpenQuery(queryOf(wire.AppendNil(nil), 0))
	if err != nil {
		t.Fatal(err)
	}
	b.apply(a.sent...)
	if first := b.db.Changes(1000); len(first) > 2000 {
		t.Errorf("a batch of 1000 bytes has %d", len(first))
	} else {
		r := wire.NewReader(first)
		r.Array(4)
		for range r.ArrayLen(math.MaxInt32) {
			rec := readRecord(t, r)
			m.records[rec.object] = rec
		}
		for range r.ArrayLen(math.MaxInt32) {
			m.result(t, r)
		}
	}
	if batches := m.drain(t, b.db, 64<<10); batches < 3 {
		t.Errorf("%d batches", batches)
	}
	if len(m.records) != 3000 || len(m.lists[n]) != 3000 || b.db.HasChanges() {
		t.Fatalf("%d records, %d in the list", len(m.records), len(m.lists[n]))
	}
	for i, v := range m.lists[n] {
		if v != objID(i) {
			t.Fatalf("place %d holds %s", i, v)
		}
	}
	b.do(opSet(objID(5), vInt(0), "n"), opDelete(objID(7)))
	m.records = map[id.ObjectID]record{}
	m.drain(t, b.db, 1)
	if len(m.records) != 0 || !m.changed[n][objID(5)] || len(m.lists[n]) != 2999 {
		t.Error("a local change must reach the queries, without records")
	}
	b.db.CloseQuery(n)
	b.db.CloseQuery(n)
	b.do(opRestore(objID(7)))
	if b.db.Changes(1) != nil {
		t.Error("a closed query still tells")
	}
}

func TestValues_spaceOfReplacedOnesIsUsedAgain(t *testing.T) {
	s := newSite(t, 1)
	for i := range 100 {
		s.do(opCreate(objID(i), nil))
	}
	for round := range 400 {
		for i := range 100 {
			s.do(opSet(objID(i), vStr(fmt.Sprintf("round %d of object %d %0100d", round, i, i)), "k"))
		}
		s.flush()
		s.sent = nil
	}
	if taken, live := s.db.values.Size(); live > 20_000 || taken > 1<<20 {
		t.Errorf("heap takes %d bytes for %d in use", taken, live)
	}
	for i := range 100 {
		s.want(objID(i), fmt.Sprintf("{k:%q}", fmt.Sprintf("round 399 of object %d %0100d", i, i)))
	}
}

// TestQuery_O05_equality: whatever stands in a word or beside it equals what
// compareOperands says, in a text and a counter too.
func TestQuery_O05_equality(t *testing.T) {
	scalars := [][]byte{
		vNil(), vBool(false), vBool(true), vInt(0), vInt(1), vInt(-1), vInt(1 << 40), vInt(-1 << 60), vFloat(1), vFloat(1.5), vFloat(math.NaN()), vFloat(math.Copysign(0, -1)),
		vStr(""), vStr("task"), vStr("tasks"), vStr("sevens."), vStr("of eight"), vTyped(valueDate, vInt(5)), vTyped(valueDate, vInt(-5)), vTyped(valueDate, vInt(1<<50)),
		vTyped(valueBytes, wire.AppendBytes(nil, nil)), vTyped(valueBytes, wire.AppendBytes(nil, []byte("ab"))), vTyped(valueBigInt, vStr("0")), vTyped(valueBigInt, vStr("12")), vTyped(valueBigInt, vStr("-12")),
		vRef(objID(1)),
	}
	held := append(slices.Clone(scalars), vText("task"), vText("of eight"), vText(""), vTyped(valueCounter, vInt(1)), vList(vInt(1)), vMap(nil), nil)
	s := newSite(t, 1)
	for i, v := range held {
		values := map[string][]byte{}
		if v != nil {
			values["v"] = v
		}
		s.do(opCreate(objID(i), values))
	}
	key := s.db.internKey([]byte("v"))
	for _, with := range scalars {
		for _, c := range []comparison{equal, unequal} {
			got := ask(t, s.db, queryOf(filterOf([]string{"v"}, c, with), 0))
			var want []id.ObjectID
			for i := range held {
				var buf [8]byte
				if c.holds(s.db.property(s.db.find(objID(i), none), []int32{key}, &buf), readOperand(with)) {
					want = append(want, objID(i))
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("comparison %d with %x gives %v, want %v", c, with, got, want)
			}
		}
	}
}
