package objectdb

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// TestSortKey holds the order of values of all types, each ascending.
func TestSortKey(t *testing.T) {
	var ref id.ObjectID
	values := [][]byte{
		nil, vNil(), wire.AppendBool(nil, false), wire.AppendBool(nil, true),
		vFloat(math.Inf(-1)), vFloat(-1e300), vInt(math.MinInt64), vInt(math.MinInt64 + 1), vInt(-1<<53 - 1), vInt(-1 << 53), vFloat(-1.5), vInt(-1),
		vFloat(-5e-324), vInt(0), vFloat(5e-324), vFloat(0.5), vInt(1), vInt(1 << 53), vInt(1<<53 + 1), vInt(1<<62 + 1), vInt(1<<62 + 2),
		vInt(math.MaxInt64), vFloat(1 << 63), wire.AppendUint(nil, 1<<63+1), wire.AppendUint(nil, math.MaxUint64-1), wire.AppendUint(nil, math.MaxUint64),
		vFloat(1 << 64), vFloat(1e300), vFloat(math.Inf(1)), vFloat(math.NaN()),
		vStr(""), vStr("\x00"), vStr("\x00a"), vStr("a"), vStr("a\x00"), vStr("a\x00b"), vStr("ab"), vStr("b"), vStr("é"), vStr("\uffff"), vStr("😀"),
		vTyped(valueDate, vInt(-5)), vTyped(valueDate, vInt(0)), vTyped(valueDate, vInt(7)),
		vTyped(valueBigInt, vStr("-100")), vTyped(valueBigInt, vStr("-99")), vTyped(valueBigInt, vStr("-1")), vTyped(valueBigInt, vStr("0")), vTyped(valueBigInt, vStr("9")), vTyped(valueBigInt, vStr("10")),
		vTyped(valueBytes, wire.AppendBytes(nil, []byte{1})), vTyped(valueBytes, wire.AppendBytes(nil, []byte{1, 0})),
		vTyped(valueReference, wire.AppendBytes(nil, ref[:])), vMap(nil),
	}
	s := newSite(t, 1)
	for i, v := range values {
		m := map[string][]byte{"k": vInt(int64(i % 3)), "v": v}
		if v == nil {
			delete(m, "v")
		}
		s.do(opCreate(objID(len(values)-i), m))
	}
	for _, c := range []struct {
		name string
		q    []byte
		less func(i, j int) bool
	}{
		{"ascending", sortedQuery(0, 0, by("v", false)), func(i, j int) bool { return i < j }},
		{"descending", sortedQuery(0, 0, by("v", true)), func(i, j int) bool { return i > j }},
		{"two keys", sortedQuery(0, 0, by("k", true), by("v", false)), func(i, j int) bool { return i%3 > j%3 || i%3 == j%3 && i < j }},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, ids, err := s.db.OpenQuery(c.q)
			if err != nil {
				t.Fatal(err)
			}
			got := splitIDs(ids)
			want := make([]int, len(values))
			for i := range want {
				want[i] = i
			}
			slices.SortFunc(want, func(i, j int) int {
				if c.less(i, j) {
					return -1
				}
				return 1
			})
			for at, i := range want {
				if got[at] != objID(len(values)-i) {
					t.Fatalf("place %d: want %s", at, encodedText(values[i]))
				}
			}
		})
	}
	key := func(v []byte) []byte { return appendOperandKey(nil, readOperand(v)) }
	for _, same := range [][2][]byte{{vInt(0), vFloat(math.Copysign(0, -1))}, {vInt(1 << 60), vFloat(1 << 60)}, {vFloat(math.NaN()), vFloat(math.Float64frombits(0xfff8000000000123))}} {
		if !bytes.Equal(key(same[0]), key(same[1])) {
			t.Errorf("%s and %s are sorted apart", encodedText(same[0]), encodedText(same[1]))
		}
	}
}

// TestQuery_O05_prefixAndContains: what strings begin with and have in them, and
// what is in lists.
func TestQuery_O05_prefixAndContains(t *testing.T) {
	s := newSite(t, 1)
	for i, v := range [][]byte{vStr("water the plants"), vText("water"), vStr("the plants"), vInt(7), vList(vStr("the"), vInt(7)), vList(vMap(nil)), vList()} {
		s.do(opCreate(objID(i), map[string][]byte{"v": v}))
	}
	for _, c := range []struct {
		compare comparison
		value   []byte
		want    string
	}{
		{prefix, vStr("water"), "[0 1]"},
		{prefix, vStr(""), "[0 1 2]"},
		{prefix, vInt(7), "[]"},
		{contains, vStr("plants"), "[0 2]"},
		{contains, vStr("the"), "[0 2 4]"},
		{contains, vInt(7), "[4]"},
		{contains, vFloat(7), "[4]"},
		{contains, vNil(), "[]"},
		{equal, vInt(7), "[3]"},
	} {
		_, ids, err := s.db.OpenQuery(queryOf(filterOf([]string{"v"}, c.compare, c.value), 0))
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, v := range splitIDs(ids) {
			got = append(got, int(v[15]))
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("comparison %d with %s gives %v, want %s", c.compare, encodedText(c.value), got, c.want)
		}
	}
}

// TestQuery_O06_window: of a window only what comes in, goes out or moves is
// told, once for all that happens between two drains.
func TestQuery_O06_window(t *testing.T) {
	s := newSite(t, 1)
	for i := range 10 {
		s.do(opCreate(objID(i), map[string][]byte{"n": vInt(int64(10 * i))}))
	}
	want := s.watchQuery(sortedQuery(2, 3, by("n", false)))
	want(2, 3, 4)
	s.do(opSet(objID(9), vInt(25), "n")) // in between
	want(2, 9, 3)
	s.do(opDelete(objID(0)))
	want(9, 3, 4)
	s.do(opSet(objID(9), vInt(45), "n"), opRestore(objID(0)))
	want(2, 3, 4)
	s.do(opSet(objID(2), vInt(35), "n"), opSet(objID(9), vInt(47), "n"))
	want(3, 2, 4)
	for i := range 8 {
		s.do(opDelete(objID(i)))
	}
	want()
	s.do(opSet(objID(9), vInt(1), "n"), opSet(objID(8), vInt(2), "n"))
	if s.db.Changes(1<<10) != nil {
		t.Error("something is told of what is outside of the window")
	}
}

// TestQuery_O06_moved: a member whose place changes leaves and comes; one whose key
// changes, but not its place, does neither; nor do those that others pass by.
func TestQuery_O06_moved(t *testing.T) {
	s := newSite(t, 1)
	for i := range 8 {
		s.do(opCreate(objID(i), map[string][]byte{"n": vInt(int64(10 * i))}))
	}
	s.db.Changes(1)
	for _, q := range [][]byte{sortedQuery(0, 0, by("n", false)), sortedQuery(1, 5, by("n", false))} {
		n, ids, err := s.db.OpenQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		m := newMirror()
		m.lists[n] = splitIDs(ids)
		steps := []struct {
			set     [2]int
			moved   string
			changed string
		}{
			{[2]int{3, 33}, "[]", "[3]"},
			{[2]int{3, 45}, "[3]", "[3]"},
			{[2]int{3, 15}, "[3]", "[3]"},
			{[2]int{3, 30}, "[3]", "[3]"},
		}
		for _, step := range steps {
			clear(m.changed)
			s.do(opSet(objID(step.set[0]), vInt(int64(step.set[1])), "n"))
			m.drain(t, s.db, 1<<10)
			var moved, changed []int
			for v, came := range m.moved[n] {
				if !came {
					t.Errorf("set %v: %s left", step.set, v)
				}
				moved = append(moved, int(v[15]))
			}
			for v := range m.changed[n] {
				changed = append(changed, int(v[15]))
			}
			if fmt.Sprint(moved) != step.moved || fmt.Sprint(changed) != step.changed {
				t.Errorf("set %v: moved %v, changed %v", step.set, moved, changed)
			}
		}
		s.db.CloseQuery(n)
	}
}
