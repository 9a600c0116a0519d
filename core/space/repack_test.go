package space_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// sent are the records by which a line of a feed is sent, in the form they are
// stored in.
func (e *engine) sent(h *feed.SignedHeader, after, head feed.Ref) (raw [][]byte) {
	e.t.Helper()
	path, linked := e.Log(h.ID()).Path(after, head)
	if !linked {
		e.t.Fatal("a head without a line")
	}
	for i := 0; i < len(path); {
		b, err := e.st.Get(ctx, feed.BlockKey(path[i]))
		if err == nil {
			raw = append(raw, b)
			i++
			continue
		}
		last, value := e.covers(path[i])
		raw = append(raw, value)
		for i < len(path) && path[i].Seq <= last {
			i++
		}
	}
	return raw
}

// covers gives the repack that has a block.
func (e *engine) covers(at feed.Ref) (last uint64, value []byte) {
	e.t.Helper()
	list, err := e.st.Scan(ctx, feed.RepackRange(at.Feed, at.Seq), 0)
	ok(e.t, err)
	for _, rec := range list {
		end, from, _ := feed.ParseRepackKey(rec.Key)
		if from <= at.Seq && e.Log(at.Feed).Contains(end, at) {
			return end.Seq, rec.Value
		}
	}
	e.t.Fatalf("block %d is not stored", at.Seq)
	return 0, nil
}

// fold stores the blocks of a feed at the places from..to as a repack.
func (e *engine) fold(f id.FeedID, from, to uint64) *feed.Block {
	e.t.Helper()
	key, _ := e.EpochKey(id.EpochID{})
	folder := feed.NewFolder(key)
	list, err := e.st.Scan(ctx, feed.BlockRange(f, from, to+1), 0)
	ok(e.t, err)
	for _, rec := range list {
		b, err := feed.DecodeBlock(rec.Value)
		ok(e.t, err)
		if !folder.Add(b) {
			break
		}
	}
	if len(folder.Run()) < 2 {
		return nil
	}
	r, err := folder.Repack(testEnv(), func() {})
	ok(e.t, err)
	var b storage.Batch
	space.AddRepack(&b, r, folder.Run())
	ok(e.t, e.st.Apply(ctx, &b, storage.Relaxed))
	return r
}

// state is all that an engine knows, whatever it took to get there.
func (e *engine) state() string {
	e.t.Helper()
	var b bytes.Buffer
	for _, f := range e.Feeds() {
		fmt.Fprintln(&b, f.Header.ID(), f.Heads)
		for _, head := range f.Heads {
			path, _ := e.Log(f.Header.ID()).Path(feed.Ref{Feed: f.Header.ID()}, head)
			fmt.Fprintln(&b, path)
		}
	}
	front := e.DB().Frontier()
	slices.SortFunc(front, feed.Ref.Compare)
	fmt.Fprintln(&b, front, e.Waiting())
	all := e.DB().ObjectIDs()
	slices.SortFunc(all, func(x, y id.ObjectID) int { return id.Compare(x, y) })
	for _, v := range all {
		fmt.Fprintf(&b, "%v %x\n", v, e.DB().State(v))
	}
	return b.String()
}

func (e *engine) plain(f id.FeedID) (n int) {
	e.t.Helper()
	list, err := e.st.Scan(ctx, feed.BlockRange(f, 1, 0), 0)
	ok(e.t, err)
	return len(list)
}

// TestRepack_isReadAndTakenIn stores a run as a repack, opens the space from it, from
// an image, and at a peer that has none, some or all of the run.
func TestRepack_isReadAndTakenIn(t *testing.T) {
	a := found(t)
	none, some, all := a.join(), a.join(), a.join()
	behind := map[*engine]*engine{none: a.join(), some: a.join(), all: a.join()}
	var made []id.ObjectID
	for i := range 40 {
		made = append(made, a.write())
		if i == 20 {
			some.pull(a)
		}
	}
	all.pull(a)
	fid := a.writing(feed.Data)
	pages := a.image()
	want := a.state()
	repack := a.fold(fid, 5, 39)
	if n := a.plain(fid); n != 5 || repack == nil || repack.From() != 5 || repack.Seq != 39 {
		t.Fatalf("%d plain blocks beside %+v", n, repack)
	}
	a.reopen(a.st)
	if a.state() != want {
		t.Error("the state is another after a restart")
	}
	a.mustRestore(pages)
	if a.state() != want {
		t.Error("the state is another from an image")
	}
	a.mustRestore(a.image())
	if a.state() != want {
		t.Error("the state is another from an image that was made after it")
	}
	last := a.write()
	for name, e := range map[string]*engine{"none": none, "some": some, "all": all} {
		e.pull(a)
		e.shows(append(made, last)...)
		want := a.state()
		if e.state() != want {
			t.Errorf("%s: another state", name)
		}
		n := e.plain(fid)
		if e == all && n != 41 || e != all && n != 6 {
			t.Errorf("%s: %d plain blocks", name, n)
		}
		e.reopen(e.st)
		if e.state() != want {
			t.Errorf("%s: another state after a restart", name)
		}
		next := behind[e]
		next.pull(e)
		if next.shows(last); next.plain(fid) != n {
			t.Errorf("%s: it passes %d plain blocks on, and has %d", name, next.plain(fid), n)
		}
	}
}

// TestRepack_faultyMaker: what does not unfold to the blocks that the author signed
// is refused, whoever made it, and whether or not the receiver has the run.
func TestRepack_faultyMaker(t *testing.T) {
	a := found(t)
	b, c := a.join(), a.join()
	for range 4 {
		a.write()
	}
	c.pull(a)
	fid := a.writing(feed.Data)
	h := header(t, a, fid)
	other := a.copyStore()
	good := a.fold(fid, 1, 4)
	a.reopen(other)
	// The author signs another history of the same places, and passes it off as the
	// run: with its own hashes it is a fork, with those of the run it is damaged.
	forged := *good
	forged.Sig = append([]byte(nil), good.Sig...)
	forged.Sig[0] ^= 1
	key, _ := a.EpochKey(id.EpochID{})
	payload, err := good.Open(key)
	ok(t, err)
	payload = append([]byte(nil), payload...)
	payload[len(payload)-1] ^= 1 // of a column
	head := good.BlockHeader
	head.Part, head.Parts = 0, 0
	spoilt, err := feed.Build(ctx, testEnv(), head, key, payload, a.self.Signer)
	ok(t, err)
	head.Epoch = keys.Secret{1}.ID()
	foreign, err := feed.Build(ctx, testEnv(), head, keys.Secret{1}, payload, a.self.Signer)
	ok(t, err)
	head = good.BlockHeader
	head.Part, head.Parts, head.Feed = 0, 0, a.writing(feed.Control)
	control, err := feed.Build(ctx, testEnv(), head, key, payload, a.self.Signer)
	ok(t, err)
	for _, x := range []struct {
		name string
		h    *feed.SignedHeader
		b    *feed.Block
		kind errs.Kind
	}{
		{"another payload", h, spoilt, errs.CorruptBlock},
		{"a forged signature", h, &forged, errs.CorruptBlock},
		{"under a key that is not here", h, foreign, errs.KeyUnavailable},
		{"of a control feed", header(t, a, a.writing(feed.Control)), control, errs.CorruptBlock},
		{"of another feed", header(t, a, a.writing(feed.Control)), good, errs.CorruptBlock},
	} {
		for name, e := range map[string]*engine{"who has the run": c, "who has not": b} {
			before := e.state()
			if _, err := e.Receive(x.h, [][]byte{x.b.Encode()}, nil); !errs.Is(err, x.kind) {
				t.Errorf("%s, %s: %v, want %v", x.name, name, err, x.kind)
			}
			if e.state() != before {
				t.Errorf("%s, %s: something changed", x.name, name)
			}
		}
	}
	if in, err := b.Receive(h, [][]byte{good.Encode()}, nil); err != nil || len(in.Blocks) != 4 || !in.Repacked() {
		t.Fatalf("the right one: %v", err)
	}
	if in, err := c.Receive(h, [][]byte{good.Encode()}, nil); err != nil || in != nil {
		t.Fatalf("the right one, of what is there: %v, %v", in, err)
	}
}

// TestRepack_forkBelow: a branch that comes later, and hangs off the middle of a
// repack, is kept like any.
func TestRepack_forkBelow(t *testing.T) {
	a := found(t)
	b := a.join()
	all := []id.ObjectID{a.write(), a.write(), a.write()}
	old := &engine{t: t, self: a.self, rec: a.rec, st: a.copyStore()}
	all = append(all, a.write(), a.write(), a.write())
	fid := a.writing(feed.Data)
	b.pull(a)
	b.fold(fid, 1, 5)
	old.reopen(old.st)
	all = append(all, old.write())
	old.fold(fid, 1, 3)
	b.pull(old)
	b.shows(all...)
	if heads := b.Log(fid).Heads(); len(heads) != 2 {
		t.Fatalf("%d branches, want 2", len(heads))
	}
	want := b.state()
	b.reopen(b.st)
	if b.state() != want {
		t.Error("another state after a restart")
	}
	c := a.join()
	c.pull(b)
	c.shows(all...)
	for _, f := range b.Repackable() {
		if f.Header.ID() == fid {
			t.Error("a forked feed is to be repacked")
		}
	}
}

// TestRepack_damage sets a repack aside that does not read, and takes it in again.
func TestRepack_damage(t *testing.T) {
	for _, c := range []struct {
		name   string
		spoil  func(b []byte)
		mended bool // when it is the own feed
	}{
		{"ciphertext", func(b []byte) { b[len(b)/2] ^= 1 }, false},
		{"signature", func(b []byte) { b[len(b)-1] ^= 1 }, true},
		{"cut off", func(b []byte) { b[1] = 0xc1 }, false},
	} {
		for _, own := range []bool{true, false} {
			t.Run(fmt.Sprint(c.name, ", own ", own), func(t *testing.T) {
				a := found(t)
				b := a.join()
				var all []id.ObjectID
				for range 6 {
					all = append(all, a.write())
				}
				b.pull(a)
				fid := a.writing(feed.Data)
				e, from := b, a
				if own {
					e, from = a, b
				}
				r := e.fold(fid, 1, 6)
				raw := r.Encode()
				c.spoil(raw)
				var batch storage.Batch
				batch.Put(feed.RepackKey(r), raw)
				ok(t, e.st.Apply(ctx, &batch, storage.Relaxed))
				damage := e.reopen(e.st)
				if len(damage) != 1 || string(damage[0].Key) != string(feed.RepackKey(r)) || (damage[0].Mended != nil) != (c.mended && own) {
					t.Fatalf("damage: %v", damage)
				}
				if damage[0].Mended != nil {
					if !bytes.Equal(damage[0].Mended, r.Encode()) {
						t.Error("it is mended to something else")
					}
					e.shows(all...)
					return
				}
				batch.Reset()
				batch.Delete(feed.RepackKey(r))
				ok(t, e.st.Apply(ctx, &batch, storage.Relaxed))
				e.pull(from)
				e.shows(all...)
			})
		}
	}
}

// TestRepack_overlap reads records that overlap in every way.
func TestRepack_overlap(t *testing.T) {
	a := found(t)
	b := a.join()
	for range 12 {
		a.write()
	}
	fid := a.writing(feed.Data)
	want := a.state()
	plain := a.records(fid)
	first := a.fold(fid, 1, 8)
	put := func(entries ...storage.Entry) {
		var b storage.Batch
		for _, rec := range entries {
			b.Put(rec.Key, rec.Value)
		}
		ok(t, a.st.Apply(ctx, &b, storage.Relaxed))
	}
	put(plain[3:8]...)
	second := a.fold(fid, 4, 11)
	put(plain[5], plain[7], plain[10])
	a.reopen(a.st)
	if a.state() != want {
		t.Error("another state after a restart")
	}
	h := header(t, a, fid)
	in, err := b.Receive(h, [][]byte{first.Encode(), second.Encode(), plain[11].Value}, nil)
	ok(t, err)
	if len(in.Blocks) != 12 {
		t.Fatalf("%d blocks", len(in.Blocks))
	}
	b.save(in)
	ok(t, b.Commit(in))
	b.reopen(b.st)
	if b.state() != want {
		t.Error("another state at a peer")
	}
}

// TestRepack_converges: a fleet of which every member writes, stores any run of any
// feed as repacks, pulls from any other in either form, restarts from its feeds or
// from an image, and loses its last writes, comes to one state; as does who joins.
func TestRepack_converges(t *testing.T) {
	for range 10 {
		seed := uint64(time.Now().UnixNano())
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { converge(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

func converge(t *testing.T, r *rand.Rand) {
	fleet := []*engine{found(t)}
	var objects []id.ObjectID
	images := map[*engine]map[objectdb.PageName][]byte{}
	pick := func() *engine { return fleet[r.IntN(len(fleet))] }
	for range 150 {
		e := pick()
		switch r.IntN(10) {
		case 0, 1, 2:
			for range 1 + r.IntN(6) {
				objects = append(objects, e.write())
			}
		case 3:
			if v := objects; len(v) > 0 {
				e.set(v[r.IntN(len(v))], fmt.Sprint(r.IntN(100)))
			}
		case 4, 5:
			if from := pick(); from != e {
				e.pull(from)
			}
		case 6, 7:
			for _, f := range e.Repackable() {
				if head := f.Heads[0]; head.Seq > 3 && r.IntN(2) == 0 {
					from := 1 + r.Uint64N(head.Seq-2)
					e.fold(head.Feed, from, from+1+r.Uint64N(head.Seq-from))
				}
			}
		case 8:
			if pages := images[e]; pages != nil && r.IntN(2) == 0 {
				e.mustRestore(pages)
			} else {
				e.reopen(e.st)
			}
			images[e] = e.image()
		case 9:
			if len(fleet) < 4 {
				fleet = append(fleet, fleet[0].join())
			}
		}
	}
	fleet = append(fleet, fleet[0].join())
	for range 2 {
		for _, e := range fleet {
			for _, from := range fleet {
				if e != from {
					e.pull(from)
				}
			}
		}
	}
	want := fleet[0].state()
	for i, e := range fleet {
		e.shows(objects...)
		if e.state() != want {
			t.Fatalf("engine %d has another state", i)
		}
		if e.reopen(e.st); e.state() != want {
			t.Fatalf("engine %d has another state after a restart", i)
		}
		if pages := images[e]; pages != nil {
			if e.mustRestore(pages); e.state() != want {
				t.Fatalf("engine %d has another state from an image", i)
			}
		}
	}
}

// set changes a property of an object that is here, and stores its block.
func (e *engine) set(v id.ObjectID, value string) {
	e.t.Helper()
	if _, there := e.DB().Read(v); !there {
		return
	}
	b := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 4), 2), v[:])
	b = wire.AppendString(wire.AppendArray(b, 1), "v")
	ok(e.t, e.DB().Local(wire.AppendString(b, value), 1))
	in, err := e.Build()
	ok(e.t, err)
	e.store(in)
}
