package space_test

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// image takes an image at once.
func (e *engine) image() map[objectdb.PageName][]byte {
	e.t.Helper()
	im, there := e.Image()
	if !there {
		e.t.Fatal("there is no image")
	}
	pages := map[objectdb.PageName][]byte{}
	for {
		page, more, err := im.Next()
		ok(e.t, err)
		if !more {
			return pages
		}
		pages[page.Name] = slices.Clone(page.Bytes)
	}
}

// restore opens the space from an image and what is stored behind it, of which it
// gives how many blocks were read.
func (e *engine) restore(pages map[objectdb.PageName][]byte) (fits bool, read int, err error) {
	e.t.Helper()
	if err := e.takeImage(pages); err != nil {
		return false, 0, err
	}
	read, _ = e.loadBehind()
	e.Ready()
	ok(e.t, e.EnsureWriter())
	return e.Fits(), read, nil
}

// takeImage makes the Space of an image.
func (e *engine) takeImage(pages map[objectdb.PageName][]byte) error {
	e.t.Helper()
	e.Space = space.Open(testEnv(), e.self, e.rec)
	r, err := e.Restore(func(n objectdb.PageName) []byte { return slices.Clone(pages[n]) })
	for more := true; err == nil && more; {
		more, err = r.Next()
	}
	return err
}

// loadBehind loads what is stored behind an image.
func (e *engine) loadBehind() (read int, damage []space.Damage) {
	e.t.Helper()
	headers, err := e.st.Scan(ctx, storage.Prefix(feed.HeaderPrefix(e.rec.Key)), 0)
	ok(e.t, err)
	for _, h := range headers {
		fid, _ := feed.ParseHeaderKey(h.Key)
		list := e.recordsFrom(fid, e.From(fid))
		read += len(list)
		damage = append(damage, e.Load(h, list, func() {})...)
	}
	return read, damage
}

func (e *engine) mustRestore(pages map[objectdb.PageName][]byte) (read int) {
	e.t.Helper()
	fits, read, err := e.restore(pages)
	ok(e.t, err)
	if !fits {
		e.t.Fatal("the image does not fit")
	}
	return read
}

func heads(e *engine) map[id.FeedID][]feed.Ref {
	out := map[id.FeedID][]feed.Ref{}
	for _, f := range e.Feeds() {
		out[f.Header.ID()] = f.Heads
	}
	return out
}

func sameHeads(t *testing.T, got, want map[id.FeedID][]feed.Ref) {
	t.Helper()
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("the heads are\n%v, want\n%v", got, want)
	}
}

func TestImage_holdsAllButTheTail(t *testing.T) {
	a := found(t)
	var made []id.ObjectID
	for range 5000 { // more than a page of hashes
		made = append(made, a.write())
	}
	pages := a.image()
	made = append(made, a.write(), a.write())
	want := heads(a)
	if read := a.mustRestore(pages); read > 6 {
		t.Errorf("%d blocks were read", read)
	}
	sameHeads(t, heads(a), want)
	a.shows(made...)
	if tail := a.Tail(); tail.Blocks != 2 || tail.Bytes == 0 {
		t.Errorf("the tail is %v", tail)
	}
	a.shows(a.write())
	b := a.join() // and serves what it has not read
	b.shows(made...)
}

// TestImage_leavesWhatWaits: a change whose causal past is not here waits, and
// is applied when it comes, whatever was opened from an image between.
func TestImage_leavesWhatWaits(t *testing.T) {
	a := found(t)
	b := a.join()
	c := a.join()
	b.pull(a)
	b.pull(c)
	first, second := a.write(), a.write()
	c.pull(a)
	third, fourth := c.write(), c.write()
	for _, f := range c.Feeds() {
		if f.Header.Device == c.self.Device {
			for _, head := range f.Heads {
				b.pullLine(c, f.Header, head)
			}
		}
	}
	if b.Waiting() == 0 {
		t.Fatal("nothing waits")
	}
	want, waiting := heads(b), b.Waiting()
	b.mustRestore(b.image())
	sameHeads(t, heads(b), want)
	if b.Waiting() != waiting {
		t.Errorf("%d changes wait, %d did", b.Waiting(), waiting)
	}
	b.pull(a)
	b.shows(first, second, third, fourth)
}

// TestImage_O13_leftOut: what counts for nothing is none of the past either.
func TestImage_O13_leftOut(t *testing.T) {
	a := found(t)
	made := []id.ObjectID{a.write()}
	a.nonsense(3)
	made = append(made, a.write())
	a.mustRestore(a.image())
	a.shows(made...)
	if _, leftOut := a.replayed(); leftOut != 1 {
		t.Errorf("%d changes are left out, want 1", leftOut)
	}
}

// TestImage_isOfWhatIsStored and of nothing that may be lost.
func TestImage_isOfWhatIsStored(t *testing.T) {
	a := found(t)
	b := a.join()
	no := func(e *engine, what string) {
		t.Helper()
		if _, there := e.Image(); there {
			t.Errorf("%s: there is an image", what)
		}
	}
	a.edit()
	no(a, "with an edit that no block holds")
	in, err := a.Build()
	ok(t, err)
	no(a, "with a block that is being stored")
	a.store(in)
	a.image()
	received := a.next(b)
	b.Show(received)
	b.Settle(nil)
	no(b, "with a block that is shown and not stored")
	b.save(received)
	ok(t, b.Commit(received))
	no(b, "with a block that is not applied")
	b.Settle(nil)
	b.image()
}

// TestImage_T01_forks holds both branches of a feed; and whoever stores a branch
// that an image may not know takes the image away in the same batch.
func TestImage_T01_forks(t *testing.T) {
	a := found(t)
	b := a.join()
	made := []id.ObjectID{a.write()}
	old := a.copyStore()
	made = append(made, a.write(), a.write())
	b.pull(a)
	a.reopen(old)
	made = append(made, a.write(), a.write())
	im, _ := b.Image()
	data := a.writing(feed.Data)
	path, _ := a.Log(data).Path(feed.Ref{Feed: data}, a.Log(data).Heads()[0])
	var raw [][]byte
	for _, ref := range path {
		block, err := a.st.Get(ctx, feed.BlockKey(ref))
		ok(t, err)
		raw = append(raw, block)
	}
	in, err := b.Receive(header(t, a, data), raw, nil)
	ok(t, err)
	var batch storage.Batch
	in.AddTo(&batch)
	removed := slices.ContainsFunc(batch.Changes, func(c storage.Change) bool {
		return c.Delete && bytes.Equal(c.Key, space.SnapshotKey(b.Key()))
	})
	if !removed || !im.Void() {
		t.Errorf("the image stays: %v, counts: %v", !removed, !im.Void())
	}
	b.save(in)
	ok(t, b.Commit(in))
	b.Settle(nil)
	b.shows(made...)
	want := heads(b)
	b.mustRestore(b.image())
	sameHeads(t, heads(b), want)
	b.shows(made...)
}

func header(t *testing.T, e *engine, f id.FeedID) *feed.SignedHeader {
	t.Helper()
	for _, known := range e.Feeds() {
		if known.Header.ID() == f {
			return known.Header
		}
	}
	t.Fatal("no such feed")
	return nil
}

// TestImage_R11_cutsAndFlips: what is not noticed by who authenticates the pages is
// named, or does no harm.
func TestImage_R11_cutsAndFlips(t *testing.T) {
	a := found(t)
	b := a.join()
	for range 3 {
		a.write()
		b.pull(a)
		b.write()
		a.pull(b)
	}
	pages := a.image()
	for name, page := range pages {
		for at := range page {
			if name>>32 < 1<<8 && at%41 != 0 {
				continue // the database's own test tries them all
			}
			for _, bit := range []int{-1, at % 8} {
				damaged := maps.Clone(pages)
				if damaged[name] = page[:at]; bit >= 0 {
					damaged[name] = slices.Clone(page)
					damaged[name][at] ^= 1 << bit
				}
				if _, _, err := a.restore(damaged); err != nil && !errs.Is(err, errs.StorageCorrupt) && !errs.Is(err, errs.VersionUnsupported) {
					t.Fatalf("page %x, byte %d, bit %d: %v", name, at, bit, err)
				}
			}
		}
	}
}
