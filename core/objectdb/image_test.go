package objectdb

import (
	"bytes"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"pgregory.net/rapid"
)

// imageOf takes an image at once.
func imageOf(t failer, db *DB) map[PageName][]byte {
	t.Helper()
	im, ok := db.Image()
	if !ok {
		t.Fatalf("there is no image")
	}
	pages := map[PageName][]byte{}
	for {
		page, more, err := im.Next()
		if err != nil {
			t.Fatalf("image: %v", err)
		}
		if !more {
			return pages
		}
		if _, twice := pages[page.Name]; twice {
			t.Fatalf("page %x is there twice", page.Name)
		}
		pages[page.Name] = slices.Clone(page.Bytes)
	}
}

// restore makes a database of an image.
func restore(pages map[PageName][]byte, source uint64) (*DB, error) {
	r, err := Restore(Options{Source: source}, func(n PageName) []byte { return slices.Clone(pages[n]) })
	for more := true; err == nil && more; {
		more, err = r.Next()
	}
	if err != nil {
		return nil, err
	}
	return r.DB(), nil
}

func mustRestore(t failer, pages map[PageName][]byte, source uint64) *DB {
	t.Helper()
	db, err := restore(pages, source)
	if err != nil {
		t.Fatalf("restore: %v", err)
	}
	return db
}

// TestImage_databasesGoOnFromImages is replicasAgreeWithTwin with replicas that
// go on from images of their databases.
func TestImage_databasesGoOnFromImages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) { runProgram(t, 2, 4) })
}

// restart has a replica go on from an image, and holds two more databases of
// that image, and the one that it was made from, against each other.
func (r *replica) restart() {
	r.whole()
	if len(r.pending) > 0 {
		if _, ok := r.db.Image(); ok {
			r.f.t.Fatal("there is an image of what no block holds")
		}
		return
	}
	pages := imageOf(r.f.t, r.db)
	before := r.db
	r.db = mustRestore(r.f.t, pages, before.source)
	r.db.madeItems = before.madeItems
	samePages(r.f.t, imageOf(r.f.t, r.db), pages)
	r.db.SetWriter(r.feed, r.head)
	r.look()
	twin := mustRestore(r.f.t, pages, before.source)
	twin.madeItems = before.madeItems
	r.f.goOnAlike(before, twin)
}

func samePages(t failer, got, want map[PageName][]byte) {
	t.Helper()
	if !maps.EqualFunc(got, want, bytes.Equal) {
		for n := range want {
			if !bytes.Equal(got[n], want[n]) {
				t.Fatalf("page %x is\n%x, want\n%x", n, got[n], want[n])
			}
		}
		t.Fatalf("there are other pages: %v, want %v", slices.Collect(maps.Keys(got)), slices.Collect(maps.Keys(want)))
	}
}

// goOnAlike gives two databases the same blocks and edits, in a drawn order, and
// has them do the same.
func (f *fleet) goOnAlike(a, b *DB) {
	t := f.t
	both := func(what string, do func(db *DB) any) {
		t.Helper()
		if x, y := do(a), do(b); !reflect.DeepEqual(x, y) {
			t.Fatalf("%s: %v, from the image %v", what, x, y)
		}
	}
	own := feedID(200)
	both("writer", func(db *DB) any { db.SetWriter(own, feed.Ref{Feed: own}); return nil })
	head := feed.Ref{Feed: own}
	for _, p := range rapid.Permutation(f.pool).Draw(t, "further blocks") {
		both("apply", func(db *DB) any { return fmt.Sprint(db.Apply(p.block)) })
	}
	for i := range 4 {
		obj := objID(1 + f.pick(f.objects+1, "object"))
		for _, op := range [][]byte{
			opSet(obj, vStr("a value that is longer than a word"), "a"), opEdit(obj, 0, 0, "é", "b"), opEdit(obj, 1, 1, "", "c"), opSplice(obj, 0, 1, [][]byte{vInt(1), vText("x")}, "a"),
			opMove(obj, 0, 1, "a"), opAdd(obj, 3, "b"), opSet(obj, vMap(map[string][]byte{"k": vList(vInt(7))}), "c"), opDelete(obj),
			opFormat(obj, 0, 1, []markOf{{"bold", expandAfter, vBool(true)}}, "a"),
			opCreate(objID(1000+i), map[string][]byte{"a": vText("text")}), opFormat(objID(1000+i), 1, 3, []markOf{{"x", 0, vInt(1)}}, "a"),
		} {
			both("local", func(db *DB) any { return fmt.Sprint(db.Local(op, int64(i))) })
		}
		if i < 3 && f.pick(3, "not written") == 0 {
			continue
		}
		for more := true; more; {
			var ref feed.Ref
			both("burst", func(db *DB) any {
				burst, ok := db.Cut()
				if more = ok; !ok {
					return nil
				}
				ref = blockOf(db, own, head, burst).Ref
				db.Written(ref, burst)
				return fmt.Sprintf("%v %x", burst.Deltas, burst.Payload)
			})
			if more {
				head = ref
			}
		}
	}
	samePages(t, imageOf(t, b), imageOf(t, a))
	both("contents", func(db *DB) any { return showAll(db) })
	both("frontier", func(db *DB) any { return db.Frontier() })
	both("rows", func(db *DB) any { return []int{db.containers.Len(), db.fields.Len(), db.items.Len(), db.graph.Len()} })
}

// small is a database with something of everything.
func small(t testing.TB) *site {
	s, o := newSite(t, 1), newSite(t, 2)
	long := vStr("a string that does not go into a word")
	s.do(opCreate(objID(1), map[string][]byte{
		"list": vList(vInt(1), vText("in a list"), long), "map": vMap(map[string][]byte{"k": long}), "n": vTyped(valueCounter, vInt(5)), "t": vText("some text"),
	}))
	many := map[string][]byte{}
	for i := range 2 * manyFields {
		many[fmt.Sprintf("key%02d", i)] = vInt(int64(i))
	}
	s.do(opCreate(objID(2), many))
	sync(s, o)
	yes := vBool(true)
	o.do(opFormat(objID(1), 2, 6, []markOf{{"bold", expandAfter, yes}}, "t"), opEdit(objID(1), 4, 0, " more", "t"), opMove(objID(1), 0, 2, "list"), opSet(objID(1), vInt(2), "v"), opDelete(objID(2)))
	s.do(opFormat(objID(1), 0, 4, []markOf{{"bold", 0, vNil()}, {"link", expandBefore, long}}, "t"), opEdit(objID(1), 4, 5, "", "t"), opMove(objID(1), 0, 1, "list"), opSet(objID(1), long, "v"), opSplice(objID(1), 2, 1, nil, "list"))
	sync(s, o)
	return s
}

// TestImage_R11_cutsAndFlips changes an image at every byte and at every bit:
// whatever is noticed here, and not by who authenticates the pages, is named, and
// nothing panics or hangs.
func TestImage_R11_cutsAndFlips(t *testing.T) {
	s := small(t)
	pages := imageOf(t, s.db)
	try := func(what string) {
		t.Helper()
		_, err := restore(pages, 9)
		if err != nil && !errs.Is(err, errs.StorageCorrupt) && !errs.Is(err, errs.VersionUnsupported) {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for name, b := range pages {
		for at := range b {
			pages[name] = b[:at]
			try(fmt.Sprintf("page %x cut at %d", name, at))
			c := slices.Clone(b)
			pages[name] = c
			for bit := range 8 {
				c[at] ^= 1 << bit
				try(fmt.Sprintf("page %x, bit %d of byte %d", name, bit, at))
				c[at] ^= 1 << bit
			}
		}
		delete(pages, name)
		if _, err := restore(pages, 9); err == nil {
			t.Fatalf("page %x is missing, and nobody cares", name)
		}
		pages[name] = b
	}
	if got, want := showAll(mustRestore(t, pages, 9)), showAll(s.db); got != want {
		t.Fatalf("restored\n%s\nwant\n%s", got, want)
	}
}

// TestImage_ofAnotherVersion is refused by name.
func TestImage_ofAnotherVersion(t *testing.T) {
	pages := imageOf(t, small(t).db)
	meta := pages[pageName(sectionMeta, 0)]
	meta[0] = imageVersion + 1
	if _, err := restore(pages, 1); !errs.Is(err, errs.VersionUnsupported) {
		t.Errorf("restored with %v", err)
	}
}

// TestImage_comesToNothingOnceTheDatabaseChanges holds for every way to change
// it, and not for reading it.
func TestImage_comesToNothingOnceTheDatabaseChanges(t *testing.T) {
	for name, c := range map[string]struct {
		change func(s *site)
		fails  bool
	}{
		"reading":      {func(s *site) { s.db.Changes(1); s.read(objID(1)); s.db.OpenQuery(queryOf([]byte{0xc0}, 1)) }, false},
		"a local edit": {func(s *site) { s.do(opSet(objID(1), vInt(1), "z")) }, true},
		"one that is refused": {func(s *site) {
			if s.db.Local(opSet(objID(77), vInt(1), "z"), 1) == nil {
				t.Error("not refused")
			}
		}, true},
		"an edit of a text": {func(s *site) {
			x, err := s.db.FindText(objID(1), Key("t"))
			if err == nil {
				err = s.db.EditText(x, 0, 0, []byte("y"), 1)
			}
			if err != nil {
				t.Error(err)
			}
		}, true},
		"a block": {func(s *site) {
			o := newSite(s.t, 7)
			o.do(opCreate(objID(70), nil))
			s.apply(o.flush()...)
		}, true},
		"a block without content": {func(s *site) {
			o := newSite(s.t, 7)
			o.do(opCreate(objID(70), nil))
			if err := s.db.Skip(o.flush()[0]); err != nil {
				t.Error(err)
			}
		}, true},
		"a written burst": {func(s *site) { s.do(opSet(objID(1), vInt(1), "z")); s.flush() }, true},
		"another writer":  {func(s *site) { s.leave(9) }, true},
	} {
		s := small(t)
		im, ok := s.db.Image()
		if !ok {
			t.Fatal("no image")
		}
		if _, _, err := im.Next(); err != nil {
			t.Fatal(err)
		}
		c.change(s)
		if _, _, err := im.Next(); errs.Is(err, errs.Cancelled) != c.fails || err != nil && !c.fails {
			t.Errorf("%s: Next gave %v", name, err)
		}
	}
}

// TestImage_values stay what they were, and have the same stamp for as long.
func TestImage_values(t *testing.T) {
	s := newSite(t, 1)
	for i := range 3000 {
		s.do(opCreate(objID(i), map[string][]byte{"a": vStr(fmt.Sprintf("%0200d", i))}))
	}
	s.flush()
	take := func(db *DB) (pages []Page) {
		im, _ := db.Image()
		for {
			p, more, err := im.Next()
			if err != nil || !more {
				return pages
			}
			if int(p.Name>>32) == sectionValues {
				pages = append(pages, p)
			}
		}
	}
	first := take(s.db)
	want := make([][]byte, len(first))
	for i, p := range first {
		want[i] = slices.Clone(p.Bytes)
	}
	whole := imageOf(t, s.db)
	for i := range 2500 {
		s.do(opSet(objID(i), vStr(fmt.Sprintf("%0190d", i)), "a"))
	}
	s.flush()
	for i, p := range first {
		if !bytes.Equal(p.Bytes, want[i]) {
			t.Errorf("page %d is another now", i)
		}
	}
	stamps := map[uint64][]byte{}
	for i, p := range first {
		stamps[p.Stamp] = want[i]
	}
	for _, p := range take(s.db) {
		if b, same := stamps[p.Stamp]; same && !bytes.Equal(b, p.Bytes) {
			t.Errorf("two pages have the stamp %x", p.Stamp)
		}
	}
	for i, p := range take(mustRestore(t, whole, 4)) {
		if p.Stamp != first[i].Stamp || !bytes.Equal(p.Bytes, want[i]) {
			t.Errorf("page %d of values has stamp %x after a restore, it was %x", i, p.Stamp, first[i].Stamp)
		}
	}
}

// TestImage_everyFieldOfTheDatabase is in the image, or can be told from it, or
// is of the process: a field that is added belongs here, and, if it is state, into
// imagerows.go and a higher imageVersion.
func TestImage_everyFieldOfTheDatabase(t *testing.T) {
	rows := func(of any, column string) reflect.Type {
		f, _ := reflect.TypeOf(of).FieldByName(column)
		c, _ := f.Type.FieldByName("chunks")
		return c.Type.Elem().Elem().Elem()
	}
	events, _ := reflect.TypeOf(egwalker.Sequence{}).FieldByName("events")
	segments, _ := reflect.TypeOf(flat.Heap{}).FieldByName("segments")
	known := map[reflect.Type]map[string]string{
		reflect.TypeFor[DB](): {
			"limits": "option", "source": "option",
			"graph": "image", "containers": "image", "keys": "image", "fields": "image", "values": "image", "alive": "image",
			"texts": "image", "ropes": "of texts", "lists": "image", "slotRows": "image", "items": "image",
			"byID": "of containers", "lastChild": "scratch", "byField": "of fields", "byItem": "of items", "order": "function", "slots": "of keys; of the open burst",
			"seed": "process", "madeItems": "process", "epoch": "process",
			"writer": "SetWriter", "hasWriter": "SetWriter", "writerErr": "SetWriter", "head": "SetWriter",
			"open": "none at an image", "bursts": "none at an image", "cut": "none at an image", "tx": "scratch", "lastShape": "scratch",
			"dirty": "process", "drained": "process", "queries": "process", "lastQuery": "process", "textLog": "process",
			"indexes": "made again", "exports": "process", "undo": "RestoreUndo", "plainly": "of a call",
			"sortKey": "scratch", "records": "scratch", "decoded": "scratch", "parents": "scratch", "names": "scratch", "edits": "scratch", "list": "scratch",
			"many": "constant", "long": "of texts and lists", "prepared": "of a block that is not applied", "held": "there is no image then", "holdOps": "constant", "holdStep": "constant",
		},
		reflect.TypeFor[container](): {
			"id": "image", "seen": "image", "created": "image", "parent": "image", "key": "image", "first": "image", "last": "image", "count": "image", "life": "image",
			"slot": "of the open burst", "flags": "image, alive", "kind": "image", "number": "image",
		},
		reflect.TypeFor[textState](): {
			"sequence": "image", "content": "image", "marks": "image", "edits": "process", "watched": "process", "changed": "process", "log": "process", "anchors": "process",
			"step": "of the undo stack, as is no step", "record": "of step",
		},
		reflect.TypeFor[marks]():     {"bounds": "image", "rows": "image", "values": "image"},
		reflect.TypeFor[mark]():      {"name": "image", "ends": "image", "at": "image", "value": "of end", "end": "image"},
		reflect.TypeFor[boundary]():  {"at": "image", "mark": "image", "side": "image"},
		reflect.TypeFor[sequence]():  {"history": "image", "nodes": "image"},
		reflect.TypeFor[listState](): {"sequence": "image", "slots": "image", "hidden": "image"},
		reflect.TypeFor[slot]():      {"item": "image", "at": "image"},
		reflect.TypeFor[item]():      {"list": "image", "field": "image", "shown": "image", "place": "image, none or not", "at": "image", "name": "image"},
		reflect.TypeFor[crdt.Graph](): {
			"nodes": "image", "parents": "of nodes", "byHash": "of nodes", "feeds": "image", "byFeed": "of feeds", "heads": "image", "tips": "image",
			"round": "scratch", "walks": "scratch", "asked": "scratch", "known": "scratch",
		},
		rows(crdt.Graph{}, "nodes"): {
			"hash": "image", "seq": "image", "start": "image", "ops": "image", "feed": "image", "parents": "of count", "count": "image",
			"mark": "scratch", "walk": "scratch", "pending": "image",
		},
		reflect.TypeFor[crdt.Registers](): {"rows": "image", "vacant": "image", "scratch": "scratch", "dropped": "scratch"},
		reflect.TypeFor[crdt.Entry]():     {"Value": "image", "At": "image", "Other": "image", "Owner": "image", "Tag": "image", "Link": "image"},
		reflect.TypeFor[egwalker.Sequence](): {
			"events": "image", "parents": "image", "ops": "image", "count": "of ops", "length": "image", "frontier": "image",
			"walker": "made again", "keep": "of walker", "spare": "scratch", "scratch": "scratch",
		},
		events.Type.Elem(): {"parents": "of parentCount", "parentCount": "image", "ops": "of opCount", "opCount": "image", "first": "of ops", "length": "image"},
		reflect.TypeFor[flat.Heap](): {
			"segments": "image", "vacant": "image", "sparse": "image", "current": "image", "started": "image", "born": "image",
		},
		segments.Type.Elem(): {"data": "image", "live": "image", "queued": "image", "born": "image"},
	}
	for of, fields := range known {
		for i := range of.NumField() {
			if name := of.Field(i).Name; fields[name] == "" {
				t.Errorf("is field %s of %v in the image of a database?", name, of)
			} else {
				delete(fields, name)
			}
		}
		for name := range fields {
			t.Errorf("%v has no field %s", of, name)
		}
	}
}
