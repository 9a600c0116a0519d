package objectdb

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
)

// twoLists are two sites with one list of the numbers from 0 on.
func twoLists(t testing.TB, n int) (a, b *site) {
	a, b = newSite(t, 1), newSite(t, 2)
	var items [][]byte
	for i := range n {
		items = append(items, vInt(int64(i)))
	}
	a.do(opCreate(objID(1), map[string][]byte{"l": vList(items...)}))
	sync(a, b)
	return a, b
}

func agree(t *testing.T, want string, sites ...*site) {
	t.Helper()
	sync(sites...)
	for _, s := range sites {
		s.want(objID(1), "{l:"+want+"}")
	}
}

// TestList_O02_nestedAndSpliced: maps, lists, texts and counters in lists, and
// what callers do with them.
func TestList_O02_nestedAndSpliced(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), map[string][]byte{"l": vList(vStr("a"), vMap(map[string][]byte{"in": vList(vInt(1))}), vList(), vTyped(valueCounter, vInt(2)))}))
	agree(t, `["a" {in:[1]} [] 8(2)]`, a, b)
	a.do(opSplice(objID(1), 1, 0, [][]byte{vStr("b"), vMap(nil)}, "l"))
	b.do(opSplice(objID(1), 0, 1, [][]byte{vInt(7), vInt(8)}, "l", 1, "in"), opAdd(objID(1), 5, "l", 3), opSet(objID(1), vStr("A"), "l", 0))
	agree(t, `["A" "b" {} {in:[7 8]} [] 8(7)]`, a, b)
	a.do(opSet(objID(1), vInt(1), "l", 2, "x"), opSplice(objID(1), 0, 0, [][]byte{vNil()}, "l", 4), opSplice(objID(1), 6, 0, [][]byte{vInt(9)}, "l"))
	agree(t, `["A" "b" {x:1} {in:[7 8]} [nil] 8(7) 9]`, a, b)
	b.do(opSplice(objID(1), 1, 6, nil, "l"), opSplice(objID(1), 0, 1, nil, "l"))
	agree(t, `[]`, a, b)
}

// TestList_O02_moveKeepsIdentity: what others do to an item while it is moved is
// done to the item; of two moves at once one counts, and the item is there once.
func TestList_O02_moveKeepsIdentity(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []byte
		want []string
	}{
		{"set", opMove(objID(1), 0, 4, "l"), opSet(objID(1), vStr("new"), "l", 0), []string{`[1 2 3 4 "new"]`}},
		{"two moves of one", opMove(objID(1), 0, 2, "l"), opMove(objID(1), 0, 4, "l"), []string{"[1 2 0 3 4]", "[1 2 3 4 0]"}},
		{"moves of two", opMove(objID(1), 0, 4, "l"), opMove(objID(1), 4, 0, "l"), []string{"[4 1 2 3 0]"}},
		{"removed", opMove(objID(1), 1, 3, "l"), opSplice(objID(1), 1, 1, nil, "l"), []string{"[0 2 3 4]"}},
		{"its neighbours removed", opMove(objID(1), 1, 3, "l"), opSplice(objID(1), 2, 3, nil, "l"), []string{"[0 1]"}},
		{"insert beside it", opMove(objID(1), 1, 4, "l"), opSplice(objID(1), 2, 0, [][]byte{vStr("x")}, "l"), []string{`[0 "x" 2 3 4 1]`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoLists(t, 5)
			a.do(c.a)
			b.do(c.b)
			sync(a, b)
			got := a.read(objID(1)).contents
			if !slices.ContainsFunc(c.want, func(w string) bool { return got == "{l:"+w+"}" }) {
				t.Errorf("the list is %s, want %s", got, strings.Join(c.want, " or "))
			}
			b.want(objID(1), got)
			// Whoever moves next leaves nothing hidden.
			if n := len(a.db.lists[0].slots) - a.db.lists[0].hidden; n > 2 {
				at := n - 1
				a.do(opMove(objID(1), at, 0, "l"))
				sync(a, b)
				b.want(objID(1), a.read(objID(1)).contents)
			}
		})
	}
}

// TestList_O10_madeByTwoAtOnce: one list, with what both put in.
func TestList_O10_madeByTwoAtOnce(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), nil))
	sync(a, b)
	a.do(opSet(objID(1), vList(vInt(1), vInt(2)), "l"))
	b.do(opSet(objID(1), vList(vInt(3)), "l"))
	sync(a, b)
	got := a.read(objID(1)).contents
	if got != "{l:[1 2 3]}" && got != "{l:[3 1 2]}" {
		t.Errorf("the list is %s", got)
	}
	b.want(objID(1), got)
}

// TestList_O04_refusals: what does not fit is refused by name and changes
// nothing.
func TestList_O04_refusals(t *testing.T) {
	for _, c := range []struct {
		name string
		op   []byte
		kind errs.Kind
	}{
		{"splice behind the end", opSplice(objID(1), 4, 0, [][]byte{vInt(1)}, "l"), errs.InvalidArgument},
		{"removes over the end", opSplice(objID(1), 2, 2, nil, "l"), errs.InvalidArgument},
		{"move from behind the end", opMove(objID(1), 3, 0, "l"), errs.InvalidArgument},
		{"move behind the end", opMove(objID(1), 0, 3, "l"), errs.InvalidArgument},
		{"set behind the end", opSet(objID(1), vInt(1), "l", 3), errs.NotFound},
		{"key of a list", opSet(objID(1), vInt(1), "l", "a"), errs.Malformed},
		{"deletes an item as a key", opDelKey(objID(1), "l", 0), errs.InvalidArgument},
		{"no list", opSplice(objID(1), 0, 0, nil, "n"), errs.NotFound},
		{"not a value", opSplice(objID(1), 0, 0, [][]byte{vTyped(9, vInt(1))}, "l"), errs.Malformed},
		{"not a value, deeper", opSplice(objID(1), 1, 1, [][]byte{vInt(1), vList(vMap(map[string][]byte{"a": vTyped(9, vInt(1))}))}, "l"), errs.Malformed},
		{"too deep", opSplice(objID(1), 0, 3, [][]byte{deep(40)}, "l"), errs.TooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := twoLists(t, 3)
			a.do(opSet(objID(1), vInt(1), "n"), opMove(objID(1), 0, 2, "l"))
			err := a.db.Local(slices.Concat(opMove(objID(1), 1, 0, "l"), opSplice(objID(1), 1, 2, [][]byte{vInt(7)}, "l"), opSplice(objID(1), 1, 0, [][]byte{vInt(8)}, "l"), c.op), 1)
			if !errs.Is(err, c.kind) {
				t.Errorf("%v, want %v", err, c.kind)
			}
			a.want(objID(1), "{l:[1 2 0] n:1}")
			a.do(opMove(objID(1), 2, 1, "l"))
			sync(a, b)
			b.want(objID(1), "{l:[1 0 2] n:1}")
			if a.db.lists[0].hidden != 0 || len(a.db.lists[0].slots) != 3 {
				t.Errorf("%d slots, %d of them hidden", len(a.db.lists[0].slots), a.db.lists[0].hidden)
			}
		})
	}
}

func deep(n int) []byte {
	v := vInt(1)
	for range n {
		v = vList(v)
	}
	return v
}

// TestList_fork: two branches of one feed insert at one place. Their order is
// known once their blocks have names, and it is everybody's.
func TestList_fork(t *testing.T) {
	turned := 0
	for seed := range 20 {
		a := newSite(t, 1)
		a.do(opCreate(objID(1), map[string][]byte{"l": vList(vStr("["), vStr("]"))}))
		twin := a.twin()
		a.do(opSplice(objID(1), 1, 0, [][]byte{vStr(fmt.Sprint("left", seed)), vInt(1)}, "l"))
		twin.do(opSplice(objID(1), 1, 0, [][]byte{vStr("right"), vInt(2)}, "l"))
		twin.apply(a.flush()...)
		before := twin.read(objID(1)).contents
		twin.flush()
		a.apply(twin.sent...)
		after := twin.read(objID(1)).contents
		if before != after {
			turned++
		}
		a.want(objID(1), after)
		if err := twin.db.Local(opMove(objID(1), 0, 1, "l"), 1); !errs.Is(err, errs.FeedForked) {
			t.Fatalf("a move in a branch: %v", err)
		}
		twin.leave(7)
		twin.do(opMove(objID(1), 0, 5, "l"))
		a.apply(twin.flush()...)
		a.want(objID(1), twin.read(objID(1)).contents)
	}
	if turned == 0 {
		t.Error("in 20 runs no name has changed an order")
	}
}
