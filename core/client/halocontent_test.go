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
	x = a.write(edits(func(e *haloEdits) { e.drop(one) }))
	y = b.write(edits(func(e *haloEdits) { e.space(haloRecordOf(one, 1, 2, 3, 4)) }))
	a.apply(y)
	b.apply(x)
	for _, db := range []*haloDB{a, b} {
		if c := db.content(); !c.spaces[one].gone || c.spaces[two].gone {
			t.Fatalf("the spaces are %v", c.spaces)
		}
	}
	b.apply(a.write(edits(func(e *haloEdits) { e.space(haloRecordOf(one, 5)) })))
	if c := b.content(); c.spaces[one].gone || !slices.Equal(c.spaces[one].rec.Secrets.Controls, secretsOf(5)) {
		t.Fatalf("the spaces are %v", c.spaces)
	}
	// One that was never there is known only to those who ask for it.
	var c haloContent
	sp := &Space{key: two}
	a.write(edits(func(e *haloEdits) { e.drop(two) }))
	if err := c.read(a.DB, []*Space{sp}); err != nil || !c.spaces[two].gone {
		t.Fatalf("the spaces are %v: %v", c.spaces, err)
	}
	if err := c.read(a.DB, nil); err != nil || c.spaces != nil || len(c.devices) != 2 {
		t.Fatalf("without spaces there are %v and %v: %v", c.spaces, c.devices, err)
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
		if entry := c.spaces[one]; !entry.unread || entry.gone || len(c.spaces) != 1 {
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
	f.Fuzz(func(t *testing.T, b []byte) {
		if rec, ok := readHaloRecord(b); ok {
			var e haloEdits
			e.space(rec)
			if !bytes.HasSuffix(e, b) {
				t.Fatalf("%x reads as %v", b, rec)
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
