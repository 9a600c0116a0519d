package objectdb

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

func TestLocal_O01_addReadChangeRemoveRestore(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, map[string][]byte{"title": vStr("one"), "done": wire.AppendBool(nil, false)}))
	a.want(obj, `{done:false title:"one"}`)
	a.do(opSet(obj, vStr("two"), "title"), opDelKey(obj, "done"))
	a.want(obj, `{title:"two"}`)
	sync(a, b)
	b.want(obj, `{title:"two"}`)
	b.do(opDelete(obj))
	if !b.read(obj).deleted || b.db.ObjectCount() != 0 {
		t.Error("deleted object is not marked so")
	}
	sync(a, b)
	if !a.read(obj).deleted {
		t.Error("delete did not arrive")
	}
	a.do(opRestore(obj))
	sync(a, b)
	for _, s := range []*site{a, b} {
		if s.read(obj).deleted || s.db.ObjectCount() != 1 {
			t.Error("restored object is not back")
		}
		s.want(obj, `{title:"two"}`)
	}
	if _, ok := a.db.Read(objID(99)); ok {
		t.Error("an object that was never created can be read")
	}
}

func TestLocal_O01_editsConcurrentWithDeleteAreKept(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, map[string][]byte{"n": vInt(1)}))
	sync(a, b)
	a.do(opDelete(obj))
	b.do(opSet(obj, vInt(2), "n"))
	b.do(opSet(obj, vInt(3), "n"))
	sync(a, b)
	for _, s := range []*site{a, b} {
		if !s.read(obj).deleted {
			t.Error("an edit concurrent with the delete revived the object")
		}
		s.want(obj, `{n:3}`)
	}
	b.do(opRestore(obj))
	sync(a, b)
	a.want(obj, `{n:3}`)
	if a.read(obj).deleted {
		t.Error("restore did not bring the object back")
	}
}

func TestLocal_O03_referencesAreKept(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	later := objID(2)
	a.do(opCreate(objID(1), map[string][]byte{"owner": vTyped(valueReference, wire.AppendBytes(nil, later[:]))}))
	sync(a, b)
	b.want(objID(1), fmt.Sprintf("{owner:3(x%x)}", later[:]))
	b.do(opCreate(later, nil))
	sync(a, b)
	a.want(later, "{}")
}

func TestLocal_O09_concurrentSetHasOneWinner(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, map[string][]byte{"k": vInt(0)}))
	sync(a, b)
	a.do(opSet(obj, vStr("a's value, which is long"), "k"))
	b.do(opDelKey(obj, "k"))
	sync(a, b)
	get := func(s *site) (out []string) {
		for _, v := range s.db.Conflicts(obj, Key("k")) {
			out = append(out, encodedText(v))
		}
		return out
	}
	got := get(a)
	if len(got) != 2 || !slices.Equal(got, get(b)) || !slices.Contains(got, "deleted") {
		t.Fatalf("conflicts %v and %v", got, get(b))
	}
	if a.read(obj).contents != b.read(obj).contents {
		t.Error("winners differ")
	}
	a.do(opSet(obj, vInt(7), "k"))
	sync(a, b)
	if got := get(b); !slices.Equal(got, []string{"7"}) {
		t.Errorf("after a write that saw both: %v", got)
	}
	if b.db.Conflicts(obj, Key("none")) != nil || b.db.Conflicts(objID(9), Key("k")) != nil || b.db.Conflicts(obj) != nil || b.db.Conflicts(obj, At(0)) != nil || b.db.Conflicts(obj, Key("k"), Key("in")) != nil {
		t.Error("conflicts of what is not there")
	}
}

func TestLocal_O09_forkedFeedTiesByHash(t *testing.T) {
	for n := range 20 { // either branch may have the lower hash
		a, b := newSite(t, 1), newSite(t, 1)
		obj := objID(1)
		a.do(opCreate(obj, nil))
		a.flush()
		b.apply(a.sent...)
		b.head = a.head
		a.do(opSet(obj, vInt(int64(n)), "k"))
		a.flush()
		b.do(opSet(obj, vInt(int64(n+100)), "k"))
		b.apply(a.sent...) // b's burst is closed and has no hash yet
		b.flush()
		a.apply(b.sent...)
		if x, y := a.read(obj).contents, b.read(obj).contents; x != y {
			t.Fatalf("run %d: branches differ: %s, %s", n, x, y)
		}
		if got := len(a.db.Conflicts(obj, Key("k"))); got != 2 || len(a.db.Frontier()) != 2 {
			t.Fatalf("%d values, %d heads; both branches must count", got, len(a.db.Frontier()))
		}
	}
}

func TestLocal_O10_concurrentMapsAreOne(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, nil))
	sync(a, b)
	a.do(opSet(obj, vMap(map[string][]byte{"x": vInt(1), "in": vMap(map[string][]byte{"p": vInt(5)})}), "m"))
	b.do(opSet(obj, vMap(map[string][]byte{"y": vInt(2), "in": vMap(map[string][]byte{"q": vInt(6)})}), "m"))
	sync(a, b)
	for _, s := range []*site{a, b} {
		s.want(obj, "{m:{in:{p:5 q:6} x:1 y:2}}")
		if got := len(s.db.Conflicts(obj, Key("m"))); got != 1 {
			t.Errorf("%d values for one container", got)
		}
	}
	a.do(opDelKey(obj, "m"), opSet(obj, vMap(nil), "m"))
	sync(a, b)
	b.want(obj, "{m:{}}")
	b.do(opSet(obj, vInt(1), "m", "z"))
	sync(a, b)
	a.want(obj, "{m:{z:1}}")
}

func TestLocal_O11_refusedWhole(t *testing.T) {
	deep := vInt(1)
	for range 40 {
		deep = vMap(map[string][]byte{"k": deep})
	}
	obj, fresh := objID(1), objID(2)
	cases := map[string]struct {
		ops  []byte
		kind errs.Kind
	}{
		"unknown object":     {opSet(objID(9), vInt(1), "a"), errs.NotFound},
		"no map on the path": {opSet(obj, vInt(1), "n", "a"), errs.NotFound},
		"object exists":      {opCreate(obj, nil), errs.InvalidArgument},
		"created twice":      {append(opCreate(fresh, nil), opCreate(fresh, nil)...), errs.InvalidArgument},
		"reserved id":        {opCreate(PropertiesID, nil), errs.InvalidArgument},
		"zero id":            {opCreate(id.ObjectID{}, nil), errs.InvalidArgument},
		"delete properties":  {opDelete(PropertiesID), errs.InvalidArgument},
		"empty path":         {opSet(obj, vInt(1)), errs.InvalidArgument},
		"counter of text":    {opSet(obj, vTyped(valueCounter, vStr("1")), "a"), errs.Malformed},
		"add to a number":    {opAdd(obj, 1, "n"), errs.NotFound},
		"add to nothing":     {opAdd(obj, 1, "none"), errs.NotFound},
		"add in no map":      {opAdd(obj, 1, "n", "n"), errs.NotFound},
		"unknown type":       {opSet(obj, vTyped(9, vInt(1)), "a"), errs.Malformed},
		"nested too deep":    {opSet(obj, deep, "a"), errs.TooLarge},
		"key too long":       {opSet(obj, vInt(1), strings.Repeat("k", 1025)), errs.TooLarge},
		"string too long":    {opSet(obj, vStr(strings.Repeat("x", 16<<20+1)), "a"), errs.TooLarge},
		"lone surrogate":     {opSet(obj, []byte{0xa3, 0xed, 0xa0, 0x80}, "a"), errs.Malformed},
		"not a number":       {opSet(obj, vTyped(valueBigInt, vStr("007")), "a"), errs.Malformed},
		"keys not ascending": {opSet(obj, []byte{0x95, 4, 0xa1, 'b', 1, 0xa1, 'a', 1}, "a"), errs.Malformed},
		"cut short":          {opSet(obj, vInt(1), "a")[:20], errs.Malformed},
		"unknown op":         {[]byte{0x92, 9, 1}, errs.Malformed},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 1)
			s.do(opCreate(obj, map[string][]byte{"n": vInt(1), "m": vMap(map[string][]byte{"x": vStr("a value on the heap")}), "s": vStr("another value on the heap"), "c": vTyped(valueCounter, vInt(1))}))
			before := showAll(s.db)
			good := [][]byte{
				opCreate(objID(5), map[string][]byte{"m": vMap(map[string][]byte{"a": vStr("something long enough")})}),
				opSet(objID(5), vInt(3), "m", "a"),
				opSet(obj, vStr("changed to this"), "s"), opSet(obj, vStr("and again to that"), "s"),
				opSet(obj, vMap(nil), "m"), opSet(obj, vInt(3), "m", "new"), opSet(obj, vInt(4), "more"),
				opDelKey(obj, "n"), opDelete(obj), opRestore(obj),
				opAdd(obj, 5, "c"), opSet(obj, vTyped(valueCounter, vInt(2)), "c"), opAdd(obj, 6, "c"),
			}
			ops := slices.Concat(append(good, c.ops)...)
			err := s.db.Local(ops, 1)
			if !errs.Is(err, c.kind) {
				t.Fatalf("got %v, want %v", err, c.kind)
			}
			if after := showAll(s.db); after != before {
				t.Fatalf("state was\n%s\nis\n%s", before, after)
			}
			if s.db.ObjectCount() != 1 {
				t.Error("a refused object is counted")
			}
			s.do(good...) // and the same works afterwards
			other := newSite(t, 2)
			other.apply(s.flush()...)
			if x, y := showAll(s.db), showAll(other.db); x != y {
				t.Fatalf("replicas differ:\n%s\n%s", x, y)
			}
		})
	}
}

func TestRecord_O13_valuesComeBackAsTheyWere(t *testing.T) {
	values := map[string][]byte{
		"nil": wire.AppendNil(nil), "true": wire.AppendBool(nil, true), "zero": vInt(0), "int": vInt(-5),
		"min": vInt(math.MinInt64), "max": wire.AppendUint(nil, math.MaxUint64), "safe": vInt(1<<53 - 1),
		"minus zero": vFloat(math.Copysign(0, -1)), "nan": vFloat(math.NaN()), "inf": vFloat(math.Inf(-1)), "pi": vFloat(math.Pi),
		"emoji": vStr("👩‍👩‍👧 ok"), "empty": vStr(""), "": vInt(1), "long": vStr(strings.Repeat("a", 1<<20)),
		"bytes": vTyped(valueBytes, wire.AppendBytes(nil, []byte{0, 255})), "date": vTyped(valueDate, vInt(-62135596800000)),
		"big": vTyped(valueBigInt, vStr("-123456789012345678901234567890")), "map": vMap(map[string][]byte{"x": vMap(nil)}),
	}
	a, b := newSite(t, 1), newSite(t, 2)
	a.do(opCreate(objID(1), values))
	sync(a, b)
	for _, s := range []*site{a, b} {
		if rec := s.read(objID(1)); !bytes.Equal(rec.raw, vMap(values)) {
			t.Error("contents are not what was put in")
		}
	}
	many := map[string][]byte{}
	for i := range 300 {
		many[fmt.Sprintf("key %d", i)] = vInt(int64(i))
	}
	a.do(opCreate(objID(2), many))
	for i := 299; i >= 0; i-- {
		a.do(opSet(objID(2), vInt(int64(-i)), fmt.Sprintf("key %d", i)))
		many[fmt.Sprintf("key %d", i)] = vInt(int64(-i))
	}
	sync(a, b)
	if rec := b.read(objID(2)); !bytes.Equal(rec.raw, vMap(many)) {
		t.Error("a map of many keys differs")
	}
}

func TestApply_O17_bothSidesBeforeJoining(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	for i := range 50 {
		a.do(opCreate(objID(i), map[string][]byte{"from": vStr("a")}))
		b.do(opCreate(objID(100+i), map[string][]byte{"from": vStr("b")}))
		if i%7 == 0 {
			a.flush()
		}
	}
	a.do(opSet(PropertiesID, vStr("a"), "name"))
	b.do(opSet(PropertiesID, vStr("b"), "title"))
	sync(a, b)
	if a.db.ObjectCount() != 100 || showAll(a.db) != showAll(b.db) {
		t.Fatalf("%d objects, want 100 alike on both", a.db.ObjectCount())
	}
	a.want(PropertiesID, `{name:"a" title:"b"}`)
}

func TestBurst_parentsAreFixedWhenItBegins(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	b.do(opCreate(objID(1), nil))
	b.flush()
	a.do(opCreate(objID(2), nil))
	a.apply(b.sent...)
	a.do(opSet(objID(1), vInt(1), "k"))
	first, _ := a.db.Cut()
	second, _ := a.db.Cut()
	if _, more := a.db.Cut(); more || first == nil || second == nil {
		t.Fatal("want two bursts")
	}
	if len(first.Deltas) != 0 || len(second.Deltas) != 1 || second.Deltas[0] != b.head {
		t.Fatalf("deltas %v and %v", first.Deltas, second.Deltas)
	}
}

func TestSetWriter_movesWhatIsNotWritten(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, map[string][]byte{"k": vInt(1)}))
	sync(a, b)
	a.do(opSet(obj, vMap(map[string][]byte{"mine": vInt(2)}), "k"))
	b.do(opSet(obj, vInt(3), "k"))
	b.flush()
	a.apply(b.sent...)
	if _, ok := a.db.Cut(); !ok {
		t.Fatal("no burst")
	}
	before := a.head
	a.feed, a.head = feedID(7), feed.Ref{Feed: feedID(7)}
	a.db.SetWriter(a.feed, a.head)
	blocks := a.flush()
	// b's block followed a's old head already, so that is not named again.
	if len(blocks) != 1 || !slices.Contains(blocks[0].Deltas, b.head) || slices.Contains(blocks[0].Deltas, before) {
		t.Fatalf("moved burst follows %v", blocks[0].Deltas)
	}
	b.apply(blocks...)
	a.want(obj, "{k:{mine:2}}")
	b.want(obj, "{k:{mine:2}}")
}

// TestApply_O02_itemOutsideThePast: who edits items that no block before its own has
// inserted, as only a faulty writer does, is passed over by all alike, whatever came
// first.
func TestApply_O02_itemOutsideThePast(t *testing.T) {
	for name, edit := range map[string][]byte{
		"set":           opSet(objID(1), vInt(9), "l", 1),
		"set to a map":  opSet(objID(1), vMap(map[string][]byte{"k": vInt(9)}), "l", 1),
		"in a map":      opSet(objID(1), vInt(9), "l", 0, "k"),
		"to a counter":  opAdd(objID(1), 9, "l", 2),
		"typed":         opEdit(objID(1), 0, 0, "typed", "l", 3),
		"move":          opMove(objID(1), 0, 2, "l"),
		"remove":        opSplice(objID(1), 1, 1, nil, "l"),
		"list in a map": opSet(objID(1), vList(vInt(9)), "l", 0, "k"),
	} {
		t.Run(name, func(t *testing.T) {
			a, faulty := newSite(t, 1), newSite(t, 2)
			a.do(opCreate(objID(1), map[string][]byte{"l": vList()}))
			base := a.flush()
			a.do(opSplice(objID(1), 0, 0, [][]byte{vMap(map[string][]byte{"k": vInt(1)}), vInt(2), vTyped(valueCounter, vInt(3)), vText("text")}, "l"))
			items := a.flush()
			faulty.apply(base...)
			faulty.apply(items...)
			faulty.do(edit)
			wrong := faulty.flush()
			for i := range wrong {
				wrong[i].Deltas = []feed.Ref{base[0].Ref}
			}
			var first string
			for _, order := range [][][]Block{{base, items, wrong}, {base, wrong, items}} {
				s := newSite(t, 3)
				for _, blocks := range order {
					s.apply(blocks...)
				}
				if shown := showAll(s.db); first == "" {
					first = shown
				} else if shown != first {
					t.Errorf("the items first:\n%s\nthe edit first:\n%s", first, shown)
				}
			}
		})
	}
}

// TestLocal_O11_moreThanAChange: what could never be stored is refused when it is
// made, and what comes behind it is stored.
func TestLocal_O11_moreThanAChange(t *testing.T) {
	s := newSite(t, 1)
	s.do(opCreate(objID(1), map[string][]byte{"a": vStr("before")}))
	value := vStr(strings.Repeat("x", feed.MaxChange/8))
	fill := func(n int) (ops []byte) {
		for i := range n {
			ops = append(ops, opSet(objID(1), value, fmt.Sprintf("k%d", i))...)
		}
		return ops
	}
	before := showAll(s.db)
	if err := s.db.Local(fill(8), 0); !errs.Is(err, errs.TooLarge) {
		t.Fatalf("8 values of an eighth of the limit: %v, want TooLarge", err)
	}
	if after := showAll(s.db); after != before {
		t.Fatal("a transaction that was refused has changed something")
	}
	s.do(fill(7), opSet(objID(1), vStr("after"), "a"))
	for _, b := range s.flush() {
		if len(b.Payload) > feed.MaxChange {
			t.Errorf("a payload of %d bytes, the limit is %d", len(b.Payload), feed.MaxChange)
		}
	}
}

func TestLocal_withoutWriter(t *testing.T) {
	db := New(Options{})
	if err := db.Local(opCreate(objID(1), nil), 1); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("got %v", err)
	}
	db.SetWriter(feedID(1), feed.Ref{Feed: feedID(1), Seq: 3, Hash: id.Hash{1}})
	if err := db.Local(opCreate(objID(1), nil), 1); !errs.Is(err, errs.MissingDependency) {
		t.Errorf("got %v", err)
	}
}

func TestCounter_O08_addsUp(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, map[string][]byte{"n": vTyped(valueCounter, vInt(10))}))
	sync(a, b)
	a.do(opAdd(obj, 5, "n"))
	b.do(opAdd(obj, -2, "n"), opAdd(obj, 7, "n"))
	sync(a, b)
	for _, s := range []*site{a, b} {
		if got := s.read(obj).contents; got != `{n:8(20)}` {
			t.Errorf("it reads %s", got)
		}
	}
}

// TestCounter_O10_concurrentOnesAreOne: counters made under one key at once are
// one, with what each began with; made anew it is another.
func TestCounter_O10_concurrentOnesAreOne(t *testing.T) {
	a, b := newSite(t, 1), newSite(t, 2)
	obj := objID(1)
	a.do(opCreate(obj, nil))
	sync(a, b)
	a.do(opSet(obj, vTyped(valueCounter, vInt(1)), "n"), opAdd(obj, 1, "n"))
	b.do(opSet(obj, vTyped(valueCounter, vInt(30)), "n"))
	sync(a, b)
	for _, s := range []*site{a, b} {
		if got := s.read(obj).contents; got != `{n:8(32)}` {
			t.Errorf("it reads %s", got)
		}
	}
	a.do(opSet(obj, vTyped(valueCounter, vInt(0)), "n"))
	b.do(opAdd(obj, 100, "n")) // to the one that a has just replaced
	sync(a, b)
	for _, s := range []*site{a, b} {
		if got := s.read(obj).contents; got != `{n:8(0)}` {
			t.Errorf("after it was made anew it reads %s", got)
		}
	}
}
