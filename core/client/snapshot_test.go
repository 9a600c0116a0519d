package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// often is after every change.
var often = client.Snapshots{Idle: 2 * time.Millisecond, Bytes: 1, Blocks: 1}

// unpacked is often, and nothing reads blocks to repack them.
var unpacked = client.Snapshots{Idle: often.Idle, Bytes: often.Bytes, Blocks: often.Blocks, Repack: -1}

// counting counts the data blocks that are read.
type counting struct {
	storage.Store
	blocks atomic.Int64
}

func (s *counting) Scan(ctx context.Context, r storage.Range, limit int) ([]storage.Entry, error) {
	list, err := s.Store.Scan(ctx, r, limit)
	for _, e := range list {
		if _, ok := feed.ParseBlockKey(e.Key); ok {
			s.blocks.Add(1)
		}
	}
	return list, err
}

// aged makes a profile whose space has n objects in as many blocks, all but the
// last few of which are in its snapshot. Its client is gone.
func aged(t *testing.T, w *world, p *profile, n int) (key id.SpaceKey, objects map[id.ObjectID][]byte) {
	t.Helper()
	ctx := context.Background()
	c, sp := owner(t, w, p)
	objects = map[id.ObjectID][]byte{}
	write := func(what string, n int) {
		for i := range n {
			v := put(t, sp, "title", fmt.Sprint(what, i, strings.Repeat("x", 50)))
			objects[v] = nil
			ok(t, sp.Flush(ctx, client.FlushStore))
		}
	}
	write("covered", n-2)
	covered(t, p, sp)
	write("behind it", 2)
	for v := range objects {
		objects[v] = record(sp, v)
	}
	ok(t, c.Destroy(ctx))
	return sp.Key(), objects
}

// covered waits until a snapshot has all that the space holds.
func covered(t *testing.T, p *profile, sp *client.Space) {
	t.Helper()
	eventually(t, "a snapshot of all is written", func() bool {
		return sp.Uncovered() == 0 && directoryOf(t, p, sp.Key()) != nil
	})
}

func directoryOf(t *testing.T, p *profile, key id.SpaceKey) []byte {
	t.Helper()
	list, err := p.store.Scan(context.Background(), storage.Prefix(space.SnapshotKey(key)), 1)
	ok(t, err)
	if len(list) == 0 || !bytes.Equal(list[0].Key, space.SnapshotKey(key)) {
		return nil
	}
	return list[0].Value
}

// stillHas opens a profile and holds its objects against those that it had.
func stillHas(t *testing.T, w *world, p *profile, key id.SpaceKey, objects map[id.ObjectID][]byte, where string) {
	t.Helper()
	c := w.open(p)
	sp := c.Space(key)
	if sp == nil {
		t.Fatalf("%s: the space is gone", where)
	}
	for v, was := range objects {
		if now := record(sp, v); !bytes.Equal(now, was) {
			t.Errorf("%s: an object reads %x, it was %x", where, now, was)
		}
	}
	if n := count(sp); n != len(objects) {
		t.Errorf("%s: %d objects, there were %d", where, n, len(objects))
	}
	put(t, sp, "title", "and it goes on")
	ok(t, sp.Flush(context.Background(), client.FlushStore))
	ok(t, c.Destroy(context.Background()))
}

func TestSnapshot_opensWithoutTheBlocks(t *testing.T) {
	w, p := newWorld(t), newProfile()
	p.snapshots = unpacked
	key, objects := aged(t, w, p, 100)
	counted := &counting{Store: p.store}
	p.store = counted
	stillHas(t, w, p, key, objects, "from the snapshot")
	if n := counted.blocks.Load(); n > 30 {
		t.Errorf("%d of 100 blocks were read", n)
	}
}

// TestSnapshot_O16_thePastStays: what an image stands for is still read where the
// past is asked for, by others' blocks too, and what was done before a reload can
// be undone.
func TestSnapshot_O16_thePastStays(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	p.snapshots = unpacked
	c, past := theirPast(t, w, p)
	covered(t, p, c.Space(past.key))
	ok(t, c.Destroy(ctx))

	counted := &counting{Store: p.store}
	p.store = counted
	c = w.open(p)
	a := c.Space(past.key)
	if n := counted.blocks.Load(); n > 10 {
		t.Fatalf("%d blocks were read: it is not from a snapshot", n)
	}
	past.same(t, a, "from a snapshot")
	past.canBeLeft(t, a)
	ok(t, c.Destroy(ctx))
}

// TestSnapshot_R11_damage: whatever becomes of a record of a snapshot, the space
// has the objects that its feeds hold, and soon a snapshot again.
func TestSnapshot_R11_damage(t *testing.T) {
	rng := newSeed(t)
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = often
	key, objects := aged(t, w, p, 30)
	stored, err := p.store.Scan(context.Background(), storage.Prefix(space.SnapshotKey(key)), 0)
	ok(t, err)
	if len(stored) < 5 {
		t.Fatalf("%d records: the test proves nothing", len(stored))
	}
	for _, e := range stored {
		damage := map[string][]byte{"empty": {}, "gone": nil, "of another": stored[rng.IntN(len(stored))].Value}
		for _, bit := range flips(rng, e.Value, 12) {
			damage[fmt.Sprint("bit ", bit)] = flipped(e.Value, bit)
		}
		for range 6 {
			at := rng.IntN(len(e.Value))
			damage[fmt.Sprint("cut at ", at)] = e.Value[:at]
		}
		for what, value := range damage {
			sick := snapshot(t, p)
			sick.snapshots = client.Snapshots{Idle: time.Hour}
			var b storage.Batch
			if b.Put(e.Key, value); value == nil {
				b.Delete(e.Key)
			}
			ok(t, sick.store.Apply(context.Background(), &b, storage.Strict))
			stillHas(t, w, sick, key, objects, fmt.Sprintf("record %x, %s", e.Key[len(space.SnapshotKey(key)):], what))
		}
	}
}

// TestSnapshot_isNotTrustedAboveTheFeeds: what it names and storage has not is
// not shown.
func TestSnapshot_isNotTrustedAboveTheFeeds(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = often
	key, objects := aged(t, w, p, 30)
	blocks, err := p.store.Scan(ctx, storage.Prefix([]byte("b/")), 0)
	ok(t, err)
	headers, err := p.store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(key)), 0)
	ok(t, err)
	for _, h := range headers {
		header, err := feed.DecodeHeader(h.Value)
		ok(t, err)
		if header.Kind != feed.Data {
			continue
		}
		for name, lost := range map[string]func(b *storage.Batch){
			"the header": func(b *storage.Batch) { b.Delete(h.Key) },
			"all blocks": func(b *storage.Batch) { b.DeleteRange(feed.BlockRange(header.ID(), 1, 0)) },
			"the last ten": func(b *storage.Batch) {
				for _, e := range blocks[len(blocks)-10:] {
					if ref, _ := feed.ParseBlockKey(e.Key); ref.Feed == header.ID() {
						b.Delete(e.Key)
					}
				}
				b.DeleteRange(feed.BlockRange(header.ID(), 21, 0))
			},
		} {
			sick := snapshot(t, p)
			var b storage.Batch
			lost(&b)
			ok(t, sick.store.Apply(ctx, &b, storage.Strict))
			c := w.open(sick)
			if n := count(c.Space(key)); n > 20 {
				t.Errorf("without %s: %d of %d objects are shown", name, n, len(objects))
			}
			ok(t, c.Destroy(ctx))
		}
	}
}

// refusing refuses writes after so many.
type refusing struct {
	storage.Store
	left atomic.Int64
}

func (s *refusing) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	for _, c := range b.Changes {
		if strings.HasPrefix(string(c.Key), "s/") && s.left.Add(-1) < 0 {
			return errors.New("no more")
		}
	}
	return s.Store.Apply(ctx, b, d)
}

// TestSnapshot_thatEndsHalfway leaves the one before.
func TestSnapshot_thatEndsHalfway(t *testing.T) {
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = often
	key, objects := aged(t, w, p, 30)
	for writes := range 12 {
		sick := snapshot(t, p)
		sick.snapshots = often
		limited := &refusing{Store: sick.store}
		limited.left.Store(int64(writes))
		sick.store = limited
		was := directoryOf(t, sick, key)
		c := w.open(sick)
		sp := c.Space(key)
		tried := limited.left.Load()
		put(t, sp, "title", "one more")
		ok(t, sp.Flush(context.Background(), client.FlushStore))
		eventually(t, "it is tried", func() bool {
			return limited.left.Load() < max(0, tried-1) || limited.left.Load() < 0 || !bytes.Equal(directoryOf(t, sick, key), was)
		})
		ok(t, c.Destroy(context.Background()))
		c = w.open(sick)
		if n := count(c.Space(key)); n != len(objects)+1 {
			t.Errorf("after %d writes %d objects are there, want %d", writes, n, len(objects)+1)
		}
		ok(t, c.Destroy(context.Background()))
	}
}

// TestSnapshot_T02_tabsWriteTheSame: two tabs edit and write snapshots; whatever
// stands in the end, a third shows what both wrote.
func TestSnapshot_T02_tabsWriteTheSame(t *testing.T) {
	ctx := context.Background()
	for _, locked := range []bool{true, false} {
		w, p := newWorld(t), newProfile()
		w.hub.SetDown(true)
		p.snapshots = often
		if locked {
			p.locks = newLocks()
		}
		one, a := owner(t, w, p)
		two := w.open(p)
		b := two.Space(a.Key())
		objects := map[id.ObjectID][]byte{}
		for i := range 40 {
			for _, sp := range []*client.Space{a, b} {
				objects[put(t, sp, "title", fmt.Sprint("of a tab ", i))] = nil
				ok(t, sp.Flush(ctx, client.FlushStore))
			}
			time.Sleep(time.Duration(i%4) * 2 * time.Millisecond)
		}
		eventually(t, "both tabs see all", func() bool { return count(a) == len(objects) && count(b) == len(objects) })
		for v := range objects {
			objects[v] = record(a, v)
		}
		ok(t, one.Destroy(ctx))
		ok(t, two.Destroy(ctx))
		stillHas(t, w, p, a.Key(), objects, fmt.Sprint("with locks: ", locked))
	}
}

// TestSnapshot_T04_damageBehindIt: a block that a snapshot spared from being read is
// found damaged when a peer asks for it; the next start reads the feeds again.
func TestSnapshot_T04_damageBehindIt(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	p.snapshots = often
	key, _ := aged(t, w, p, 30)
	headers, err := p.store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(key)), 0)
	ok(t, err)
	for _, h := range headers {
		header, err := feed.DecodeHeader(h.Value)
		ok(t, err)
		if header.Kind == feed.Data {
			list, err := p.store.Scan(ctx, feed.BlockRange(header.ID(), 5, 6), 0)
			ok(t, err)
			var b storage.Batch
			b.Put(list[0].Key, flipped(list[0].Value, 8*len(list[0].Value)/2))
			ok(t, p.store.Apply(ctx, &b, storage.Strict))
		}
	}
	c := w.open(p)
	if n := count(c.Space(key)); n != 30 {
		t.Fatalf("%d objects are shown, the snapshot has 30", n)
	}
	join(t, c.Space(key), w.person("Bob"))
	eventually(t, "the snapshot is dropped", func() bool { return directoryOf(t, p, key) == nil })
	ok(t, c.Destroy(ctx))
}
