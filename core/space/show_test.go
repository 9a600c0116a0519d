package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
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
	mine, err := g.Build(ctx)
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
