package client

import (
	"bytes"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

// haloDB is the database of a device's HALO.
type haloDB struct {
	*objectdb.DB
	t    *testing.T
	head feed.Ref
}

func newHaloDB(t *testing.T, n byte) *haloDB {
	t.Helper()
	db := &haloDB{DB: objectdb.New(objectdb.Options{Source: uint64(n)}), t: t, head: feed.Ref{Feed: id.FeedID{n}}}
	db.SetWriter(db.head.Feed, db.head)
	return db
}

// write makes a block of edits.
func (db *haloDB) write(e haloEdits) objectdb.Block {
	db.t.Helper()
	if err := db.Local(e, 1); err != nil {
		db.t.Fatal(err)
	}
	burst, ok := db.Cut()
	if !ok {
		db.t.Fatal("nothing was edited")
	}
	b := objectdb.Block{Prev: db.head.Hash, Deltas: burst.Deltas, Ops: burst.Ops, Payload: bytes.Clone(burst.Payload)}
	db.head.Seq++
	db.head.Hash = id.Hash{db.head.Feed[0], byte(db.head.Seq)}
	b.Ref = db.head
	db.Written(b.Ref, burst)
	return b
}

func (db *haloDB) apply(b objectdb.Block) {
	db.t.Helper()
	if err := db.Apply(b); err != nil {
		db.t.Fatal(err)
	}
}

func (db *haloDB) content() (c haloContent) {
	db.t.Helper()
	if err := c.read(db.DB, []*Space{}); err != nil {
		db.t.Fatal(err)
	}
	return c
}

// secretsOf are keys of these numbers.
func secretsOf(numbers ...byte) (list []keys.Secret) {
	for _, n := range numbers {
		list = append(list, keys.Secret{n})
	}
	return list
}

func haloRecordOf(key id.SpaceKey, numbers ...byte) space.Record {
	return space.Record{Key: key, Secrets: space.Secrets{Controls: secretsOf(numbers...), Epochs: secretsOf(numbers...)}, Proof: []byte{1}}
}

func edits(f func(e *haloEdits)) (e haloEdits) {
	f(&e)
	return e
}

func TestHaloContent_H03_H06_H13(t *testing.T) {
	a, b := newHaloDB(t, 1), newHaloDB(t, 2)
	one, two, bob := id.SpaceKey{1}, id.SpaceKey{2}, id.IdentityKey{3}
	desk, pocket := id.DeviceKey{4}, id.DeviceKey{5}
	// Two devices write the same space at once, and what each is.
	x := a.write(edits(func(e *haloEdits) {
		e.space(haloRecordOf(one, 1, 2))
		e.device(desk, DeviceProfile{Label: "the desk", Kind: "BROWSER"})
		e.contact(bob, "Bob")
	}))
	y := b.write(edits(func(e *haloEdits) {
		e.space(haloRecordOf(one, 1, 3))
		e.space(haloRecordOf(two, 1))
		e.device(pocket, DeviceProfile{})
	}))
	a.apply(y)
	b.apply(x)
	for _, db := range []*haloDB{a, b} {
		c := db.content()
		got := c.spaces[one].rec.Secrets
		if len(c.spaces) != 2 || len(got.Controls) != 3 || !containsAll(got.Epochs, secretsOf(1, 2, 3)) {
			t.Fatalf("the spaces are %v", c.spaces)
		}
		if c.devices[desk] != (DeviceProfile{"the desk", "BROWSER"}) || len(c.devices) != 2 || c.contacts[bob] != "Bob" {
			t.Fatalf("the devices are %v, the contacts %v", c.devices, c.contacts)
		}
	}
	if c, d := a.content(), b.content(); c.spaces[one].rec.Secrets.Controls[2] != d.spaces[one].rec.Secrets.Controls[2] {
		t.Fatal("the devices would write under different keys")
	}
	// Of a removal and news of the space at once the removal stands, until it is written
	// by who knows of it.
	x = a.write(edits(func(e *haloEdits) { e.drop(one, 1) }))
	y = b.write(edits(func(e *haloEdits) { e.space(haloRecordOf(one, 1, 2, 3, 4)) }))
	a.apply(y)
	b.apply(x)
	for _, db := range []*haloDB{a, b} {
		if c := db.content(); c.spaces[one].stands() || c.spaces[one].ended != 1 || !c.spaces[two].stands() {
			t.Fatalf("the spaces are %v", c.spaces)
		}
	}
	b.apply(a.write(edits(func(e *haloEdits) { e.space(haloRecordOf(one, 5)) })))
	if c := b.content(); c.spaces[one].ended > 0 || !slices.Equal(c.spaces[one].rec.Secrets.Controls, secretsOf(5)) {
		t.Fatalf("the spaces are %v", c.spaces)
	}
	var c haloContent
	if err := c.read(a.DB, nil); err != nil || c.spaces != nil || len(c.devices) != 2 {
		t.Fatalf("without spaces there are %v and %v: %v", c.spaces, c.devices, err)
	}
}

// Of joins and removals that devices wrote at once, those joins stand that no removal ends.
func TestHaloContent_S17_S18_joins(t *testing.T) {
	one := id.SpaceKey{1}
	joined := func(n uint64, numbers ...byte) haloEdits {
		rec := haloRecordOf(one, numbers...)
		rec.Joined = n
		return edits(func(e *haloEdits) { e.space(rec) })
	}
	left := func(ended uint64) haloEdits { return edits(func(e *haloEdits) { e.drop(one, ended) }) }
	deleted := edits(func(e *haloEdits) { e.begin(3, 3, haloSpaces+one.String()) })
	for _, tt := range []struct {
		name  string
		a, b  []haloEdits // one after another, on two devices that do not know of each other
		stand byte        // the number of the key that stands; 0: none
		now   int64
		next  uint64 // the join that comes after
	}{
		{"nothing", nil, nil, 0, 7, 7},
		{"a clock before 1970", nil, nil, 0, -7, 1},
		{"a join", []haloEdits{joined(0, 1)}, nil, 1, 0, 1},
		{"a join that ended", []haloEdits{joined(0, 1), left(1)}, nil, 0, 0, 1},
		{"a removal of a version before joins had numbers", []haloEdits{joined(0, 1), deleted}, nil, 0, 0, 1},
		{"beside news of the join that it removed", []haloEdits{joined(0, 1), deleted}, []haloEdits{joined(0, 1)}, 0, 0, 1},
		{"joined again", []haloEdits{joined(0, 1), left(1), joined(5, 2)}, nil, 2, 0, 6},
		{"joined again, by a clock that is late", []haloEdits{joined(100, 1), left(101), joined(101, 2)}, nil, 2, 9, 102},
		{"joined again, and left again", []haloEdits{left(1), joined(5, 2), left(6)}, nil, 0, 0, 6},
		{"left, beside news of that join", []haloEdits{left(6)}, []haloEdits{joined(5, 2)}, 0, 0, 6},
		{"left, beside a later join", []haloEdits{left(6)}, []haloEdits{joined(8, 2)}, 2, 0, 9},
		{"left, beside an earlier join", []haloEdits{left(6)}, []haloEdits{joined(3, 2)}, 0, 0, 6},
		{"left twice", []haloEdits{left(6)}, []haloEdits{left(9)}, 0, 0, 9},
		{"two joins: the keys of both", []haloEdits{joined(5, 2)}, []haloEdits{joined(8, 2)}, 2, 0, 9},
		{"the last number there is", []haloEdits{joined(space.MaxJoined, 1)}, nil, 1, 0, space.MaxJoined},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := newHaloDB(t, 1), newHaloDB(t, 2)
			var first, second []objectdb.Block
			for _, e := range tt.a {
				first = append(first, a.write(e))
			}
			for _, e := range tt.b {
				second = append(second, b.write(e))
			}
			for _, x := range first {
				b.apply(x)
			}
			for _, x := range second {
				a.apply(x)
			}
			for _, db := range []*haloDB{a, b} {
				entry := spaceIn(db.DB, one)
				var stand byte
				if entry.stands() {
					stand = entry.rec.Secrets.Controls[0][0]
				}
				if next := entry.after(tt.now); stand != tt.stand || next != tt.next || entry.unread {
					t.Errorf("key %d stands, the next join is %d; want %d and %d", stand, next, tt.stand, tt.next)
				}
			}
		})
	}
}

// What a newer version wrote is left alone, and hides nothing else.
func TestHaloContent_T05_newerVersion(t *testing.T) {
	db := newHaloDB(t, 1)
	one := id.SpaceKey{1}
	newer := wire.AppendUint(wire.AppendArray(nil, 4), 99)
	values := map[string][]byte{
		"a record of a newer version": wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), haloBytes), newer),
		"another kind of value":       wire.AppendString(nil, "text"),
		"a record of another space":   wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), haloBytes), haloRecordOf(id.SpaceKey{9}, 1).Encode()),
		"a record without keys":       wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), haloBytes), haloRecordOf(one).Encode()),
	}
	for name, value := range values {
		db.write(edits(func(e *haloEdits) {
			e.begin(haloSet, 4, haloSpaces+one.String())
			*e = append(*e, value...)
			e.begin(haloSet, 4, "news/"+one.String())
			*e = append(*e, value...)
			e.begin(haloSet, 4, haloSpaces+"not a key")
			*e = append(*e, value...)
			e.contact(id.IdentityKey{1}, name)
		}))
		c := db.content()
		if entry := c.spaces[one]; !entry.unread || entry.ended > 0 || entry.stands() || len(c.spaces) != 1 {
			t.Errorf("%s reads as %v", name, c.spaces)
		}
		if c.contacts[id.IdentityKey{1}] != name {
			t.Errorf("%s: the contacts are %v", name, c.contacts)
		}
	}
}

func FuzzHaloContent(f *testing.F) {
	f.Add(wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), haloBytes), haloRecordOf(id.SpaceKey{1}, 1).Encode()))
	f.Add(wire.AppendString(wire.AppendString(wire.AppendUint(wire.AppendArray(nil, 3), haloMap), "label"), "x"))
	f.Add(wire.AppendString(nil, "Bob"))
	f.Add(wire.AppendUint(nil, 1_800_000_000_000))
	later := haloRecordOf(id.SpaceKey{1}, 1)
	later.Joined = 1_800_000_000_000
	f.Add(wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), haloBytes), later.Encode()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if rec, ok := readHaloRecord(b); ok {
			var e haloEdits
			e.space(rec)
			if !bytes.HasSuffix(e, b) {
				t.Fatalf("%x reads as %v", b, rec)
			}
		}
		if ended, ok := readEnded(b); ok && len(b) > 0 {
			if e := edits(func(e *haloEdits) { e.drop(id.SpaceKey{1}, ended) }); !bytes.HasSuffix(e, b) {
				t.Fatalf("%x reads as the end of joins before %d", b, ended)
			}
		}
		c := haloContent{devices: map[id.DeviceKey]DeviceProfile{}, contacts: map[id.IdentityKey]string{}}
		c.readKey(nil, haloDevices+id.DeviceKey{1}.String(), b)
		c.readKey(nil, haloContacts+id.IdentityKey{1}.String(), b)
		if len(c.devices) != 1 || len(c.contacts) != 1 {
			t.Fatal("an entry is not there")
		}
	})
}
