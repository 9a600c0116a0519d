package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

// next is the run of e's data feed behind what to has of it.
func (e *engine) next(to *engine) *space.Intake {
	e.t.Helper()
	fid := e.writing(feed.Data)
	from := feed.Ref{Feed: fid}
	if log := to.Log(fid); log != nil {
		from = log.Heads()[0]
	}
	path, ok := e.Log(fid).Path(from, e.Log(fid).Heads()[0])
	if !ok {
		e.t.Fatal("no line between the two")
	}
	var raw [][]byte
	for _, ref := range path {
		b, err := e.st.Get(ctx, feed.BlockKey(ref))
		if err != nil {
			e.t.Fatal(err)
		}
		raw = append(raw, b)
	}
	for _, f := range e.Feeds() {
		if f.Header.ID() == fid {
			in, err := to.Receive(f.Header, raw, nil)
			if err != nil || in == nil {
				e.t.Fatalf("not received: %v", err)
			}
			return in
		}
	}
	e.t.Fatal("no such feed")
	return nil
}

// show has an Intake shown.
func (e *engine) show(in *space.Intake) {
	e.t.Helper()
	e.Show(in)
	if _, done := e.Settle(nil); !done {
		e.t.Fatal("not settled, although nothing said that it was enough")
	}
}

// has reports whether an object is there.
func has(e *engine, v id.ObjectID) bool {
	_, ok := e.DB().Read(v)
	return ok
}

func TestShow(t *testing.T) {
	e := found(t)
	g := e.join()
	first := e.write()
	in := e.next(g)
	g.show(in)
	if !has(g, first) {
		t.Fatal("the first block of a feed is not shown")
	}
	g.save(in)
	ok(t, g.Commit(in))

	second := e.write()
	third := e.write()
	in = e.next(g)
	head := in.Blocks[1].Ref()
	g.show(in)
	if !has(g, first) || !has(g, second) || !has(g, third) {
		t.Fatal("an object is not there")
	}
	if g.Log(head.Feed).Has(head) {
		t.Fatal("what is shown counts as stored")
	}
	own := g.edit() // builds on what is shown
	mine, err := g.Build()
	ok(t, err)
	g.save(in)
	ok(t, g.Commit(in))
	g.store(mine)
	if n := g.DB().ObjectCount(); n != 4 || g.Waiting() != 0 {
		t.Fatalf("%d objects, %d changes wait", n, g.Waiting())
	}
	e.pull(g)
	if !has(e, own) {
		t.Fatal("the own edit does not arrive")
	}
	if g.reopen(g.st); g.DB().ObjectCount() != 4 {
		t.Fatalf("%d objects after a restart", g.DB().ObjectCount())
	}
}

// What was shown and then lost comes again like anything else.
func TestShow_lostBeforeItWasStored(t *testing.T) {
	e := found(t)
	g := e.join()
	e.write()
	g.pull(e)
	before := g.copyStore()
	v := e.write()
	if g.show(e.next(g)); !has(g, v) {
		t.Fatal("not shown")
	}
	g.reopen(before)
	if has(g, v) {
		t.Fatal("it is there without having been stored: the test proves nothing")
	}
	g.pull(e)
	if !has(g, v) {
		t.Fatal("it does not come again")
	}
}

// Settle stops between two changes when it is told to, and goes on later.
func TestSettle_inPieces(t *testing.T) {
	e := found(t)
	g := e.join()
	for range 5 {
		e.write()
	}
	in := e.next(g)
	g.Show(in)
	g.save(in)
	ok(t, g.Commit(in)) // stored before all was applied
	for want := 1; want <= 5; want++ {
		_, done := g.Settle(func() bool { return true })
		if n := g.DB().ObjectCount(); n != want || done != (want == 5) {
			t.Fatalf("%d objects after %d pieces, done %v", n, want, done)
		}
	}
}

// bulk makes many objects in one transaction, which takes several blocks.
func (e *engine) bulk(count int) {
	e.t.Helper()
	var ops []byte
	for range count {
		v := id.ObjectID(testEnv().Bytes(16))
		ops = wire.AppendBytes(wire.AppendUint(wire.AppendArray(ops, 3), 1), v[:])
		ops = wire.AppendString(wire.AppendUint(wire.AppendArray(ops, 3), 4), "note")
		ops = wire.AppendBytes(wire.AppendUint(wire.AppendArray(ops, 2), 1), testEnv().Bytes(600))
	}
	ok(e.t, e.DB().Local(ops, 1))
	in, err := e.Build()
	ok(e.t, err)
	if len(in.Blocks) < 2 {
		e.t.Fatalf("it is %d blocks: the test proves nothing", len(in.Blocks))
	}
	e.store(in)
}

// One change is settled in pieces too: nothing of it is there before all of it is, own
// edits in between are kept, and a start in the middle has it or not.
func TestSettle_oneChangeInPieces(t *testing.T) {
	e := found(t)
	g := e.join()
	const count = 1000
	e.bulk(count)
	in := e.next(g)
	g.Show(in)
	g.save(in)
	without := g.copyStore()
	ok(t, g.Commit(in))
	var own []id.ObjectID
	for pieces := 1; ; pieces++ {
		eff, done := g.Settle(func() bool { return true })
		if done {
			if pieces < 20 || !eff.Objects {
				t.Errorf("settled after %d pieces, with objects: %v", pieces, eff.Objects)
			}
			break
		}
		if n := g.DB().ObjectCount(); n != len(own) || eff.Objects || g.Waiting() != 1 {
			t.Fatalf("after %d pieces there are %d objects, want %d; %d changes wait", pieces, n, len(own), g.Waiting())
		}
		if pieces%10 == 0 {
			own = append(own, g.write())
		}
	}
	g.shows(own...)
	if n := g.DB().ObjectCount(); n != count+len(own) {
		t.Fatalf("%d objects, want %d", n, count+len(own))
	}
	e.pull(g)
	if n := e.DB().ObjectCount(); n != count+len(own) {
		t.Errorf("its writer has %d objects, want %d", n, count+len(own))
	}
	if g.reopen(g.st); g.DB().ObjectCount() != count+len(own) {
		t.Errorf("%d objects after a restart", g.DB().ObjectCount())
	}
	g.reopen(without) // ended before the first piece, or in the middle
	if n := g.DB().ObjectCount(); n != count {
		t.Errorf("%d objects after an end in the middle, want %d", n, count)
	}
}

// A piece is gone on with before anything else, whatever comes in between.
func TestSettle_piecesOfSeveralFeeds(t *testing.T) {
	e := found(t)
	g, h := e.join(), e.join()
	h.pull(e)
	h.write()
	e.bulk(1000)
	g.pull(h)
	for _, from := range []*engine{e, h} {
		h.write()
		in := from.next(g)
		g.Show(in)
		g.save(in)
		ok(t, g.Commit(in))
		g.Settle(func() bool { return true })
	}
	for done := false; !done; {
		_, done = g.Settle(func() bool { return true })
	}
	e.pull(h)
	g.pull(h)
	if n, want := g.DB().ObjectCount(), e.DB().ObjectCount(); n != want || n < 1002 || g.Waiting() != 0 {
		t.Errorf("%d objects, want %d; %d changes wait", n, want, g.Waiting())
	}
}

// TestSettle_keysInTheMiddle: a block brings the key of the next while it is enough, and
// nothing more comes.
func TestSettle_keysInTheMiddle(t *testing.T) {
	owner := found(t)
	away := owner.join()
	away.pull(owner)
	for range 2 {
		owner.remove(owner.join())
	}
	v := owner.write()
	for _, kind := range []feed.Kind{feed.Data, feed.Control} {
		for _, f := range owner.Feeds() {
			if f.Header.Kind == kind {
				away.pullLine(owner, f.Header, f.Heads[0])
			}
		}
	}
	away.shows(v)
	rotated(t, []*engine{owner, away}, nil)
}
