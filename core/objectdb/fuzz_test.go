package objectdb

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// named fails unless err is an Error with a kind that a bad input may have.
func named(t *testing.T, err error) {
	t.Helper()
	if _, ok := errors.AsType[*errs.Error](err); !ok || errs.Is(err, errs.Internal) {
		t.Fatalf("bad input gave %v", err)
	}
}

// FuzzPayload applies arbitrary payloads: one that is refused leaves nothing
// behind, one that is taken reads alike on two databases.
func FuzzPayload(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v)
	}
	f.Add([]byte{0x95, 1, 0xc4, 0, 0x90, 0xc4, 0, 0x90})
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p payload
		err := p.decode(raw, Limits{}.withDefaults())
		block := Block{Ref: feed.Ref{Feed: feedID(1), Seq: 1, Hash: id.Hash{1}}, Ops: p.count, Payload: raw}
		a := newSite(t, 2)
		a.do(opCreate(objID(1), map[string][]byte{"m": vMap(nil)}))
		before := showAll(a.db)
		if got := a.db.Apply(block); (got == nil) != (err == nil) {
			t.Fatalf("decode: %v, Apply: %v", err, got)
		}
		if err != nil {
			named(t, err)
			if showAll(a.db) != before || len(a.db.Frontier()) != 0 {
				t.Fatal("a refused payload left something")
			}
			return
		}
		b := newSite(t, 3)
		b.apply(block)
		b.apply(a.flush()...)
		if x, y := showAll(a.db), showAll(b.db); x != y {
			t.Fatalf("order matters:\n%s\n%s", x, y)
		}
	})
}

// FuzzLocal runs arbitrary ops: what is refused leaves nothing behind, what is
// taken arrives alike elsewhere.
func FuzzLocal(f *testing.F) {
	f.Add(opCreate(objID(2), map[string][]byte{"a": vInt(1), "m": vMap(map[string][]byte{"x": vStr("yes, indeed")})}))
	f.Add(append(opSet(objID(1), vMap(nil), "m"), opSet(objID(1), vFloat(2), "m", "k")...))
	f.Add(append(append(opDelKey(objID(1), "m"), opDelete(objID(1))...), opRestore(objID(1))...))
	f.Add(slices.Concat(opSet(objID(1), vText("some text"), "m", "t"), opFormat(objID(1), 0, 4, []markOf{{"bold", 2, vBool(true)}, {"x", 1, vMap(nil)}}, "m", "t"),
		opEdit(objID(1), 4, 2, "!", "m", "t"), opFormat(objID(1), 2, 6, []markOf{{"bold", 0, vNil()}}, "m", "t")))
	f.Add(opSet(objID(1), vTyped(valueBigInt, vStr("-12")), "m"))
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := newSite(t, 1)
		s.do(opCreate(objID(1), map[string][]byte{"m": vMap(map[string][]byte{"k": vStr("on the heap")})}))
		before := showAll(s.db)
		if err := s.db.Local(ops, 5); err != nil {
			named(t, err)
			if after := showAll(s.db); after != before {
				t.Fatalf("a refused transaction left something:\n%s\n%s", before, after)
			}
		}
		other := newSite(t, 2)
		other.apply(s.flush()...)
		if x, y := showAll(s.db), showAll(other.db); x != y {
			t.Fatalf("replicas differ:\n%s\n%s", x, y)
		}
	})
}

// FuzzQuery opens arbitrary queries.
func FuzzQuery(f *testing.F) {
	eq := filterOf([]string{"m", "k"}, equal, vInt(1))
	f.Add(queryOf(wire.AppendNil(nil), 2))
	f.Add(queryOf(eq, 1))
	f.Add(queryOf(append([]byte{0x92, filterNot}, append([]byte{0x93, filterOr}, append(eq, eq...)...)...), 0))
	f.Add(queryOf(refersTo(objID(2)), 0))
	f.Add(queryOf(refersTo(objID(2), "m", "k"), 0))
	f.Add(arranged(join(filterAnd, searchFor("fo 日本", "m.k", "t"), eq), 1, 1, 2, byRelevance(), by("t", true)))
	f.Fuzz(func(t *testing.T, q []byte) {
		s := newSite(t, 1)
		for _, x := range testIndexes {
			s.db.CreateIndex(x)
		}
		s.do(opCreate(objID(1), map[string][]byte{"m": vMap(map[string][]byte{"k": vInt(1)})}), opCreate(objID(2), nil))
		n, ids, err := s.db.OpenQuery(q)
		if err != nil {
			named(t, err)
			return
		}
		m := newMirror()
		m.lists[n] = splitIDs(ids)
		s.do(opSet(objID(2), vMap(map[string][]byte{"k": vInt(1)}), "m"), opDelete(objID(1)))
		m.drain(t, s.db, 1)
		_, ids, err = s.db.OpenQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range splitIDs(ids) {
			if len(m.lists[n]) != len(ids)/id.ShortSize || m.lists[n][i] != v {
				t.Fatalf("live result %v, fresh %v", m.lists[n], splitIDs(ids))
			}
		}
		checkSources(t, s.db, q)
		explained(t, s.db, q)
	})
}

// FuzzIndex declares arbitrary indexes: what is refused leaves none, what is taken
// is named alike when it is told.
func FuzzIndex(f *testing.F) {
	for _, x := range testIndexes {
		f.Add(x)
	}
	f.Add([]byte{0x90, indexWords}) // its kind is behind it
	f.Fuzz(func(t *testing.T, b []byte) {
		s := newSite(t, 1)
		s.do(opCreate(objID(1), map[string][]byte{"a": vList(vStr("fox"), vRef(objID(1))), "b": vText("a fox")}))
		if err := s.db.CreateIndex(b); err != nil {
			named(t, err)
			if len(s.db.indexes.all) != 0 {
				t.Fatal("a refused index is there")
			}
			return
		}
		s.db.BuildIndexes(100)
		x := s.db.indexes.all[0]
		kind, by, err := s.db.readIndex(s.db.appendIndex(nil, x))
		if err != nil || !x.is(kind, by) {
			t.Fatalf("the index is told as another: %v", err)
		}
		if err := s.db.DropIndex(b); err != nil || len(s.db.indexes.all) != 0 {
			t.Fatalf("it cannot be dropped: %v", err)
		}
	})
}

// FuzzRestore puts an arbitrary page into the place of one of an image: it is
// refused by name, or taken without a panic.
func FuzzRestore(f *testing.F) {
	pages := imageOf(f, small(f).db)
	var names []PageName
	for name := range pages {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		f.Add(byte(i), pages[name])
	}
	f.Fuzz(func(t *testing.T, at byte, raw []byte) {
		name := names[int(at)%len(names)]
		changed := maps.Clone(pages)
		changed[name] = raw
		if _, err := restore(changed, 1); err != nil {
			named(t, err)
		}
	})
}
