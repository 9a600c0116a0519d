package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
)

// faulty makes a client whose storage can be made to fail.
func faulty(t *testing.T, w *world) (*client.Client, *profile, *memstore.FaultStore) {
	t.Helper()
	p := newProfile()
	disk := memstore.NewFaultStore(memstore.NewDisk())
	p.store = disk
	c := w.open(p)
	_, err := c.CreateIdentity(context.Background(), "Ada")
	ok(t, err)
	return c, p, disk
}

func TestSpace_T01_crashAfterFlush(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c, p, disk := faulty(t, w)
	sp, err := c.CreateSpace(ctx)
	ok(t, err)
	kept := put(t, sp, "title", "flushed to disk")
	ok(t, sp.Flush(ctx, client.FlushDisk))
	put(t, sp, "title", "under way")
	p.store, _ = disk.Reopen(100) // power goes, and takes all that was not strict
	ok(t, c.Destroy(ctx))
	c = w.open(p)
	again := c.Space(sp.Key())
	if again == nil || !holds(record(again, kept), "flushed to disk") {
		t.Fatal("what was flushed to disk is gone")
	}
	more := put(t, again, "title", "after the crash")
	ok(t, again.Flush(ctx, client.FlushStore))
	if !holds(record(again, more), "after the crash") {
		t.Fatal("the space does not work after a crash")
	}
}

func TestSpace_T03_storageFull(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c, p, disk := faulty(t, w)
	sp, err := c.CreateSpace(ctx)
	ok(t, err)
	kept := put(t, sp, "title", "acknowledged")
	ok(t, sp.Flush(ctx, client.FlushStore))
	disk.SetFull(true)
	first := put(t, sp, "title", "no room")
	code(t, sp.Flush(ctx, client.FlushStore), errs.StorageFull)
	second := put(t, sp, "title", "still no room")
	code(t, sp.Flush(ctx, client.FlushStore), errs.StorageFull)
	if !holds(record(sp, first), "no room") || !holds(record(sp, kept), "acknowledged") {
		t.Fatal("objects are gone while the storage is full")
	}
	eventually(t, "the status tells", func() bool {
		st := sp.Sync.Get()
		return errs.Is(st.Err, errs.StorageFull) && st.Unsent > 0
	})
	disk.SetFull(false)
	eventually(t, "what was edited meanwhile is stored", func() bool {
		st := sp.Sync.Get()
		return st.Err == nil && st.Unsent == 0
	})
	ok(t, sp.Flush(ctx, client.FlushStore))
	ok(t, c.Destroy(ctx))
	sp = w.open(p).Space(sp.Key())
	for v, text := range map[id.ObjectID]string{kept: "acknowledged", first: "no room", second: "still no room"} {
		if !holds(record(sp, v), text) {
			t.Errorf("%q is gone after a restart", text)
		}
	}
}

// TestSpace_T04_damage spoils a block of either's feed on one disk.
func TestSpace_T04_damage(t *testing.T) {
	cases := []struct {
		name   string
		own    bool
		block  int // counted from the end
		damage func([]byte) []byte
	}{
		{"a block of another", false, 2, memstore.FlipBit},
		{"the last block of another", false, 0, memstore.FlipBit},
		{"a missing block of another", false, 1, func([]byte) []byte { return nil }},
		{"an own block", true, 2, memstore.FlipBit},
		{"the last own block", true, 0, memstore.FlipBit},
		{"a missing own block", true, 1, func([]byte) []byte { return nil }},
		{"a cut own block", true, 1, func(v []byte) []byte { return v[:len(v)/2] }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { damaged(t, c.own, c.block, c.damage) })
	}
}

func damaged(t *testing.T, own bool, block int, damage func([]byte) []byte) {
	w, ctx := newWorld(t), context.Background()
	host, p, disk := faulty(t, w)
	guest := w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	b := join(t, a, guest)
	author, other := b, a
	if own {
		author, other = a, b
	}
	var all []id.ObjectID
	for range 5 {
		all = append(all, put(t, author, "title", "x"))
		ok(t, author.Flush(ctx, client.FlushPeer))
	}
	last := all[len(all)-1]
	eventually(t, "the other has all", func() bool { return record(other, last) != nil })
	device := guest.Identity.Get().Device
	if own {
		device = host.Identity.Get().Device
	}
	ok(t, host.Destroy(ctx))
	keys := dataBlocks(t, disk, a.Key(), device)
	spoilt := keys[len(keys)-1-block]
	ok(t, disk.Corrupt(spoilt, damage))

	host = w.open(p)
	a = host.Space(a.Key())
	edited := put(t, a, "title", "after the damage")
	for _, v := range append(all, edited) {
		eventually(t, "the feed is whole again", func() bool { return record(a, v) != nil })
		eventually(t, "the peer has all", func() bool { return record(b, v) != nil })
	}
	ok(t, a.Flush(ctx, client.FlushPeer))
	if _, err := disk.Get(ctx, spoilt); err != nil {
		t.Fatalf("the record was not healed: %v", err)
	}
}

// dataBlocks are the keys of the blocks of a device's data feeds in a space.
func dataBlocks(t *testing.T, st storage.Store, key id.SpaceKey, d id.DeviceKey) (keys [][]byte) {
	t.Helper()
	headers, err := st.Scan(context.Background(), storage.Prefix(feed.HeaderPrefix(key)), 0)
	ok(t, err)
	for _, e := range headers {
		h, err := feed.DecodeHeader(e.Value)
		ok(t, err)
		if h.Kind != feed.Data || h.Device != d {
			continue
		}
		blocks, err := st.Scan(context.Background(), feed.BlockRange(h.ID(), 1, 0), 0)
		ok(t, err)
		for _, b := range blocks {
			keys = append(keys, b.Key)
		}
	}
	return keys
}

// A write that storage refused for a while, of whatever kind, does not keep out
// what others write once storage takes writes again.
func TestSpace_T03_receivesAgain(t *testing.T) {
	w := newWorld(t)
	host, _, disk := faulty(t, w)
	bob, cyd := w.person("Bob"), w.person("Cyd")
	a, err := host.CreateSpace(t.Context())
	ok(t, err)
	b := join(t, a, bob)
	x := put(t, b, "title", "before")
	eventually(t, "the host has the first", func() bool { return record(a, x) != nil })
	disk.SetFull(true)
	time.AfterFunc(300*time.Millisecond, func() { disk.SetFull(false) })
	join(t, a, cyd) // its admission is refused at first
	eventually(t, "the error is over", func() bool { return a.Sync.Get().Err == nil })
	x = put(t, b, "title", "after")
	eventually(t, "the host has the second", func() bool { return record(a, x) != nil })
}
