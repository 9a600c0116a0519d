package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
)

// folding repacks everything that is worth two records.
var folding = client.Snapshots{Idle: 2 * time.Millisecond, Bytes: 1, Blocks: 1, Repack: 2}

// keeping leaves all blocks as they are.
var keeping = client.Snapshots{Idle: 2 * time.Millisecond, Bytes: 1, Blocks: 1, Repack: -1}

// dataRecords counts the records of a profile's data feeds: plain blocks, and
// repacks; and the blocks that these stand for.
func dataRecords(t *testing.T, st storage.Store, key id.SpaceKey) (plain, repacks, folded int) {
	t.Helper()
	ctx := context.Background()
	headers, err := st.Scan(ctx, storage.Prefix(feed.HeaderPrefix(key)), 0)
	ok(t, err)
	for _, rec := range headers {
		h, err := feed.DecodeHeader(rec.Value)
		ok(t, err)
		if h.Kind != feed.Data {
			continue
		}
		list, err := st.Scan(ctx, feed.BlockRange(h.ID(), 1, 0), 0)
		ok(t, err)
		plain += len(list)
		list, err = st.Scan(ctx, feed.RepackRange(h.ID(), 1), 0)
		ok(t, err)
		repacks += len(list)
		for _, rec := range list {
			last, from, _ := feed.ParseRepackKey(rec.Key)
			folded += int(last.Seq - from + 1)
		}
	}
	return plain, repacks, folded
}

// folded waits until all but the heads of the profile's feeds, and the one before each
// that is not worth a repack by itself, are in repacks.
func folded(t *testing.T, p *profile, key id.SpaceKey, heads int) {
	t.Helper()
	eventually(t, "the blocks are repacked", func() bool {
		plain, repacks, _ := dataRecords(t, p.store, key)
		return plain <= 2*heads && repacks > 0
	})
}

// TestRepack_O16_thePastStays: what is told of the past, what is exported, who wrote
// what, and what can be undone are the same when the blocks are repacked, before and
// after a restart, with a snapshot and without.
func TestRepack_O16_thePastStays(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	p.snapshots = keeping
	c, past := theirPast(t, w, p)
	key := past.key
	ok(t, c.Destroy(ctx))
	_, _, before := dataRecords(t, p.store, key)
	if before != 0 {
		t.Fatal("something is repacked already")
	}

	p.snapshots = folding
	var a *client.Space
	for _, how := range []string{"while it is open", "from a snapshot", "from the feeds"} {
		if how == "from the feeds" {
			var batch storage.Batch
			batch.DeleteRange(storage.Prefix([]byte("s/")))
			ok(t, p.store.Apply(ctx, &batch, storage.Strict))
		}
		c = w.open(p)
		a = c.Space(key)
		folded(t, p, key, 2)
		past.same(t, a, how)
		if how == "from the feeds" {
			break
		}
		ok(t, c.Destroy(ctx))
	}
	past.canBeLeft(t, a)
	ok(t, c.Destroy(ctx))
}

// repacked makes a profile with n objects in as many blocks, all but the last of
// which are in repacks. Its client is gone.
func repacked(t *testing.T, w *world, p *profile, n int) (key id.SpaceKey, objects map[id.ObjectID][]byte) {
	t.Helper()
	p.snapshots = keeping
	key, objects = aged(t, w, p, n)
	p.snapshots = folding
	c := w.open(p)
	folded(t, p, key, 1)
	ok(t, c.Destroy(context.Background()))
	return key, objects
}

// TestRepack_R09_joiner: who joins gets the repacks, and who has not their key, or
// some of the blocks, ends with the same; also from somebody who joined.
func TestRepack_R09_joiner(t *testing.T) {
	w, p := newWorld(t), newProfile()
	key, objects := repacked(t, w, p, 300)
	a := w.open(p).Space(key)
	guest := newProfile()
	guest.snapshots = keeping
	bob := w.open(guest)
	_, err := bob.CreateIdentity(context.Background(), "Bob")
	ok(t, err)
	b := join(t, a, bob)
	same(t, a, b)
	if plain, repacks, covered := dataRecords(t, guest.store, key); repacks == 0 || covered < 290 || plain > 10 {
		t.Errorf("the guest stores %d blocks and %d repacks of %d", plain, repacks, covered)
	}
	for v, was := range objects {
		if now := record(b, v); !bytes.Equal(now, was) {
			t.Errorf("an object reads %x, it was %x", now, was)
		}
	}
	put(t, b, "title", "by Bob")
	same(t, a, b)
	ok(t, bob.Destroy(context.Background()))
	bob = w.open(guest)
	same(t, a, bob.Space(key))
	eve := join(t, a, w.person("Eve"))
	same(t, bob.Space(key), eve)
}

// dying fails every write from one on, as a process that is killed does.
type dying struct {
	storage.Store
	left atomic.Int64
}

func (s *dying) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	if s.left.Add(-1) < 0 {
		return errors.New("killed")
	}
	return s.Store.Apply(ctx, b, d)
}

// TestRepack_R11_killed ends a client before any of its writes, and loses any number
// of the last ones: all objects are there.
func TestRepack_R11_killed(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = keeping
	key, objects := aged(t, w, p, 40)
	for writes := range 6 {
		sick := snapshot(t, p)
		sick.snapshots = folding
		limited := &dying{Store: sick.store}
		limited.left.Store(int64(writes))
		sick.store = limited
		c := w.open(sick)
		eventually(t, "it is tried", func() bool {
			plain, _, _ := dataRecords(t, limited.Store, key)
			return limited.left.Load() < 0 || plain <= 2
		})
		sp := c.Space(key)
		if n := count(sp); n != len(objects) {
			t.Errorf("%d objects are there before the end", n)
		}
		ok(t, c.Destroy(ctx))
		sick.store = limited.Store
		stillHas(t, w, sick, key, objects, fmt.Sprintf("after %d writes", writes))
	}
	for lost := range 8 {
		disk := memstore.NewFaultStore(memstore.NewDisk())
		list, err := p.store.Scan(ctx, storage.Range{}, 0)
		ok(t, err)
		var b storage.Batch
		for _, e := range list {
			b.Put(e.Key, e.Value)
		}
		ok(t, disk.Apply(ctx, &b, storage.Strict))
		sick := snapshot(t, p)
		sick.snapshots, sick.store = folding, disk
		c := w.open(sick)
		folded(t, sick, key, 1)
		put(t, c.Space(key), "title", "not for long")
		ok(t, c.Destroy(ctx))
		sick.store, _ = disk.Reopen(lost)
		c = w.open(sick)
		for v, was := range objects {
			if now := record(c.Space(key), v); !bytes.Equal(now, was) {
				t.Errorf("%d writes lost: an object reads %x, it was %x", lost, now, was)
			}
		}
		ok(t, c.Destroy(ctx))
	}
}

// TestRepack_R11_damage: a repack that is damaged is set aside, and a peer brings its
// blocks.
func TestRepack_R11_damage(t *testing.T) {
	ctx := context.Background()
	rng := newSeed(t)
	w, p := newWorld(t), newProfile()
	key, objects := repacked(t, w, p, 60)
	a := w.open(p).Space(key)
	guest := newProfile()
	guest.snapshots = folding
	bob := w.open(guest)
	_, err := bob.CreateIdentity(ctx, "Bob")
	ok(t, err)
	same(t, a, join(t, a, bob))
	ok(t, bob.Destroy(ctx))
	list, err := guest.store.Scan(ctx, storage.Prefix([]byte("r/")), 0)
	ok(t, err)
	for _, e := range list {
		for _, bit := range flips(rng, e.Value, 6) {
			sick := snapshot(t, guest)
			sick.snapshots = keeping
			var b storage.Batch
			b.Put(e.Key, flipped(e.Value, bit))
			b.DeleteRange(storage.Prefix([]byte("s/")))
			ok(t, sick.store.Apply(ctx, &b, storage.Strict))
			c := w.open(sick)
			eventually(t, fmt.Sprintf("with bit %d flipped all objects are back", bit), func() bool { return count(c.Space(key)) == len(objects) })
			same(t, a, c.Space(key))
			ok(t, c.Destroy(ctx))
		}
	}
}

// TestRepack_T02_tabs: two tabs of a profile write, and repack what both wrote.
func TestRepack_T02_tabs(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = folding
	p.locks = newLocks()
	one, a := owner(t, w, p)
	two := w.open(p)
	eventually(t, "the other tab has the space", func() bool { return two.Space(a.Key()) != nil })
	b := two.Space(a.Key())
	for i := range 60 {
		put(t, a, "title", fmt.Sprint("one ", i))
		put(t, b, "title", fmt.Sprint("two ", i))
		ok(t, a.Flush(ctx, client.FlushStore))
		ok(t, b.Flush(ctx, client.FlushStore))
		if i%10 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	folded(t, p, a.Key(), 2)
	eventually(t, "both show all", func() bool { return count(a) == 120 && count(b) == 120 })
	ok(t, one.Destroy(ctx))
	ok(t, two.Destroy(ctx))
	var batch storage.Batch
	batch.DeleteRange(storage.Prefix([]byte("s/")))
	ok(t, p.store.Apply(ctx, &batch, storage.Strict))
	c := w.open(p)
	if n := count(c.Space(a.Key())); n != 120 {
		t.Errorf("%d of 120 objects from the feeds", n)
	}
}

// TestRepack_T05_format: a profile has the newer format from its first repack on.
func TestRepack_T05_format(t *testing.T) {
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = keeping
	key, _ := aged(t, w, p, 10)
	for _, want := range []byte{1, 2} {
		b, err := p.store.Get(context.Background(), []byte("v"))
		ok(t, err)
		if !bytes.Equal(b, []byte{want}) {
			t.Fatalf("the format is %x, want %d", b, want)
		}
		p.snapshots = folding
		c := w.open(p)
		folded(t, p, key, 1)
		ok(t, c.Destroy(context.Background()))
	}
}

// TestRepack_joinsTheOneBefore: what is typed with pauses comes to few records.
func TestRepack_joinsTheOneBefore(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	w.hub.SetDown(true)
	p.snapshots = folding
	c, a := owner(t, w, p)
	for i := range 30 {
		for range 4 {
			put(t, a, "title", fmt.Sprint(i))
			ok(t, a.Flush(ctx, client.FlushStore))
		}
		folded(t, p, a.Key(), 1)
	}
	if _, repacks, covered := dataRecords(t, p.store, a.Key()); repacks > 8 || covered < 118 {
		t.Errorf("%d repacks of %d blocks", repacks, covered)
	}
	ok(t, c.Destroy(ctx))
}

// TestRepack_T01_forkBelow: a peer that has a run in a repack serves a branch that
// hangs off the middle of it, and the run, to one that has nothing of either.
func TestRepack_T01_forkBelow(t *testing.T) {
	ctx := context.Background()
	w, p := newWorld(t), newProfile()
	p.snapshots = keeping
	c, a := owner(t, w, p)
	key := a.Key()
	member := func(name string, s client.Snapshots) *profile {
		q := newProfile()
		q.snapshots = s
		m := w.open(q)
		_, err := m.CreateIdentity(ctx, name)
		ok(t, err)
		same(t, a, join(t, a, m))
		ok(t, m.Destroy(ctx))
		return q
	}
	bob, eve, late := member("Bob", folding), member("Eve", keeping), member("Late", keeping)
	write := func(sp *client.Space, what string, n int) {
		for i := range n {
			put(t, sp, "title", fmt.Sprint(what, i))
			ok(t, sp.Flush(ctx, client.FlushStore))
		}
	}
	b := w.open(bob)
	write(a, "before", 5)
	old := snapshot(t, p)
	old.snapshots = keeping
	for range 6 { // each of them comes by itself, and is signed
		write(a, "one way ", 1)
		same(t, a, b.Space(key))
	}
	eventually(t, "the run is repacked", func() bool {
		_, _, covered := dataRecords(t, bob.store, key)
		return covered >= 9
	})
	ok(t, c.Destroy(ctx))
	w.hub.SetDown(true)
	ok(t, b.Destroy(ctx))
	c = w.open(old)
	write(c.Space(key), "the other ", 3)
	w.hub.SetDown(false)
	b = w.open(bob)
	same(t, c.Space(key), b.Space(key))
	ok(t, c.Destroy(ctx))
	e := w.open(eve)
	same(t, b.Space(key), e.Space(key))
	if n := count(e.Space(key)); n != 14 {
		t.Errorf("%d of 14 objects", n)
	}
	ok(t, b.Destroy(ctx))
	same(t, e.Space(key), w.open(late).Space(key))
}
