package client_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// state is the state of all objects, in the order of their creation.
func state(t *testing.T, sp *client.Space) (ops []byte) {
	t.Helper()
	ok(t, sp.Objects("test", func(db *objectdb.DB) error {
		e := db.BeginExport()
		defer e.End()
		for e.Scan() {
		}
		for {
			_, more, ok := e.Next(1 << 20)
			if !ok {
				return nil
			}
			ops = append(ops, more...)
		}
	}))
	return ops
}

// set sets a property to an encoded value.
func set(t *testing.T, sp *client.Space, v id.ObjectID, key string, value []byte) {
	t.Helper()
	b := wire.AppendUint(wire.AppendArray(nil, 4), 2)
	b = wire.AppendBytes(b, v[:])
	b = wire.AppendString(wire.AppendArray(b, 1), key)
	ok(t, sp.Edit(append(b, value...)))
}

// typed is a value that is an array by type.
func typed(kind uint64, parts ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 1+len(parts)), kind)
	return append(b, bytes.Join(parts, nil)...)
}

func str(s string) []byte { return wire.AppendString(nil, s) }

// fillSpace puts one of everything into a space.
func fillSpace(t *testing.T, sp *client.Space) id.ObjectID {
	t.Helper()
	first := put(t, sp, "title", "first")
	second := put(t, sp, "title", "second")
	set(t, sp, first, "to", typed(3, wire.AppendBytes(nil, second[:])))
	set(t, sp, second, "back", typed(3, wire.AppendBytes(nil, first[:])))
	set(t, sp, first, "map", typed(4, str("in"), typed(4, str("date"), typed(2, wire.AppendInt(nil, -5)))))
	set(t, sp, first, "list", typed(6, str("a"), typed(7, str("b")), typed(6, wire.AppendUint(nil, 3))))
	set(t, sp, first, "count", typed(8, wire.AppendInt(nil, 4)))
	set(t, sp, first, "bytes", typed(1, wire.AppendBytes(nil, []byte{0, 255})))
	set(t, sp, first, "big", typed(5, str("123456789012345678901234567890")))
	set(t, sp, first, "text", typed(7, str("a text")))
	set(t, sp, objectdb.PropertiesID, "name", str("Plans"))
	typeInto(t, sp, first, "!")
	gone := put(t, sp, "title", "gone")
	ok(t, sp.Edit(wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), 4), gone[:])))
	return first
}

// typeInto puts something in front of the text of an object.
func typeInto(t *testing.T, sp *client.Space, v id.ObjectID, what string) {
	t.Helper()
	var x objectdb.Text
	ok(t, sp.Objects("test", func(db *objectdb.DB) (err error) {
		x, err = db.FindText(v, objectdb.Key("text"))
		return err
	}))
	edit(t, sp, x, 0, 0, []byte(what), 1234)
}

func TestSpace_S12_exportAndImport(t *testing.T) {
	for _, history := range []bool{false, true} {
		name := map[bool]string{false: "state", true: "history"}[history]
		t.Run(name, func(t *testing.T) {
			w, ctx := newWorld(t), context.Background()
			a, b := pair(t, w)
			first := fillSpace(t, a)
			eventually(t, "b has the objects", func() bool { return bytes.Equal(state(t, a), state(t, b)) })
			for range 20 { // at once, on both
				typeInto(t, a, first, "a")
				typeInto(t, b, first, "b")
				change(t, a, first, "title", "by a")
				change(t, b, first, "title", "by b")
			}
			put(t, b, "title", "b's own")
			eventually(t, "both are alike", func() bool { return bytes.Equal(state(t, a), state(t, b)) })

			archive, err := b.Export(ctx, client.ExportOptions{History: history})
			ok(t, err)
			p := newProfile()
			carol := w.open(p)
			_, err = carol.CreateIdentity(ctx, "Carol")
			ok(t, err)
			sp, err := carol.ImportSpace(ctx, archive)
			ok(t, err)
			want := state(t, a)
			if got := state(t, sp); !bytes.Equal(got, want) {
				t.Fatalf("imported %q, want %q", got, want)
			}
			if sp.Key() == a.Key() || len(sp.Members.Get()) != 1 || sp.State.Get() != client.SpaceOpen {
				t.Fatal("the space is not a new one of its own")
			}
			put(t, sp, "title", "after")
			want = state(t, sp)
			ok(t, sp.Flush(ctx, client.FlushStore))
			ok(t, carol.Destroy(ctx))

			carol = w.open(p)
			sp = carol.Space(sp.Key())
			if got := state(t, sp); !bytes.Equal(got, want) {
				t.Fatalf("after a restart it is %q, want %q", got, want)
			}
			joined := join(t, sp, w.person("Dan"))
			eventually(t, "a newcomer gets it all", func() bool { return bytes.Equal(state(t, joined), want) })
			if n := stored(t, p.store, "i/"); n != 0 {
				t.Errorf("%d marks of imports are left", n)
			}
		})
	}
}

// TestSpace_S12_historyIsKept exports an imported space again: it has as many
// changes as the first.
func TestSpace_S12_historyIsKept(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	sp, err := w.person("Ada").CreateSpace(ctx)
	ok(t, err)
	v := fillSpace(t, sp)
	for _, title := range []string{"one", "two", "three"} {
		change(t, sp, v, "title", title)
		ok(t, sp.Flush(ctx, client.FlushStore))
	}
	times := func(sp *client.Space) (n int) {
		ok(t, sp.Objects("test", func(db *objectdb.DB) error {
			h := db.MarkHistory()
			for more := true; more; {
				var list []objectdb.HistoryBlock
				list, more = h.Next()
				n += len(list)
			}
			return nil
		}))
		return n
	}
	archive, err := sp.Export(ctx, client.ExportOptions{History: true})
	ok(t, err)
	again, err := w.person("Bob").ImportSpace(ctx, archive)
	ok(t, err)
	if got, want := times(again), times(sp); got != want || want < 3 {
		t.Fatalf("%d changes, want %d", got, want)
	}
	second, err := again.Export(ctx, client.ExportOptions{History: true})
	ok(t, err)
	if d := len(second) - len(archive); d < -200 || d > 200 {
		t.Errorf("the second archive has %d bytes, the first %d", len(second), len(archive))
	}
}

// TestSpace_S12_changeInParts has a change that is too big for one block.
func TestSpace_S12_changeInParts(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	sp, err := w.person("Ada").CreateSpace(ctx)
	ok(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	v := put(t, sp, "title", "noise")
	set(t, sp, v, "noise", typed(1, wire.AppendBytes(nil, noise)))
	put(t, sp, "title", "after it")
	for _, history := range []bool{false, true} {
		archive, err := sp.Export(ctx, client.ExportOptions{History: history})
		ok(t, err)
		again, err := w.person("Bob").ImportSpace(ctx, archive)
		ok(t, err)
		if !bytes.Equal(state(t, again), state(t, sp)) {
			t.Errorf("with history %v it is another", history)
		}
	}
}

func smallArchive(t *testing.T, history bool) []byte {
	t.Helper()
	w := newWorld(t)
	sp, err := w.person("Ada").CreateSpace(context.Background())
	ok(t, err)
	fillSpace(t, sp)
	archive, err := sp.Export(context.Background(), client.ExportOptions{History: history})
	ok(t, err)
	return archive
}

// TestImport_S12_cutOrAltered cuts an archive at every byte and flips a bit of
// each: nothing of it becomes a space.
func TestImport_S12_cutOrAltered(t *testing.T) {
	archive := smallArchive(t, true)
	ctx, p := context.Background(), newProfile()
	c := newWorld(t).open(p)
	_, err := c.CreateIdentity(ctx, "Bob")
	ok(t, err)
	before := stored(t, p.store, "")
	refused := func(what string, at int, b []byte) {
		_, err := c.ImportSpace(ctx, b)
		switch errs.KindOf(err) {
		case errs.Malformed:
		case errs.InvalidArgument:
			if at < 14 { // the magic
				break
			}
			fallthrough
		default:
			t.Fatalf("%s at %d of %d: %v", what, at, len(archive), err)
		}
	}
	for i := range archive {
		refused("cut", i, archive[:i])
		b := bytes.Clone(archive)
		b[i] ^= 1 << (i % 8)
		refused("flipped", i, b)
	}
	refused("longer", len(archive), append(bytes.Clone(archive), 0))
	if got := stored(t, p.store, ""); got != before || len(c.Spaces.Get()) != 0 {
		t.Errorf("%d records and %d spaces are left of what was refused", got-before, len(c.Spaces.Get()))
	}
}

func TestImport_S12_identity(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	c := w.client(newProfile())
	_, err := c.ImportSpace(ctx, nil)
	code(t, err, errs.NotInitialized)
	ok(t, c.Initialize(ctx))
	_, err = c.ImportSpace(ctx, nil)
	code(t, err, errs.NoIdentity)
	_, err = w.person("Ada").ImportSpace(ctx, []byte("some other file, which is long enough to be an archive of some kind"))
	code(t, err, errs.InvalidArgument)
}

func TestExport_S12_closedSpace(t *testing.T) {
	ctx := context.Background()
	sp, err := newWorld(t).person("Ada").CreateSpace(ctx)
	ok(t, err)
	ok(t, sp.Close(ctx))
	_, err = sp.Export(ctx, client.ExportOptions{})
	code(t, err, errs.SpaceClosed)
}

// failing is a Store that refuses writes after some.
type failing struct {
	storage.Store
	left int
}

func (f *failing) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	if f.left == 0 {
		return errs.New("test", errs.StorageFull, "no more room")
	}
	f.left--
	return f.Store.Apply(ctx, b, d)
}

// TestImport_S12_allOrNothing has storage fail at each write of an import, for
// good, so that nothing can be removed either: the next start does that.
func TestImport_S12_allOrNothing(t *testing.T) {
	archive := bigArchive(t)
	ctx := context.Background()
	for writes := 0; ; writes++ {
		w, p := newWorld(t), newProfile()
		c := w.open(p)
		_, err := c.CreateIdentity(ctx, "Bob")
		ok(t, err)
		before := stored(t, p.store, "")
		f := &failing{Store: p.store, left: -1}
		ok(t, c.Destroy(ctx))
		good := p.store
		p.store = f
		c = w.open(p)
		f.left = writes
		sp, err := c.ImportSpace(ctx, archive)
		if err == nil {
			if writes < 3 || len(c.Spaces.Get()) != 1 || sp == nil {
				t.Fatalf("imported with %d writes", writes)
			}
			return
		}
		code(t, err, errs.StorageFull)
		if len(c.Spaces.Get()) != 0 {
			t.Fatal("half a space is there")
		}
		f.left = -1
		ok(t, c.Destroy(ctx))
		p.store = good
		c = w.open(p)
		eventually(t, "what was left is removed", func() bool { return stored(t, p.store, "") == before })
		if len(c.Spaces.Get()) != 0 {
			t.Fatal("half a space is there after a restart")
		}
	}
}

// bigArchive is one that is stored in several batches.
func bigArchive(t *testing.T) []byte {
	t.Helper()
	sp, err := newWorld(t).person("Ada").CreateSpace(context.Background())
	ok(t, err)
	random := rand.New(rand.NewPCG(1, 2))
	for range 60 {
		noise := make([]byte, 16<<10)
		for k := range noise {
			noise[k] = byte(random.Uint32())
		}
		v := put(t, sp, "title", "noise")
		set(t, sp, v, "noise", typed(1, wire.AppendBytes(nil, noise)))
	}
	archive, err := sp.Export(context.Background(), client.ExportOptions{})
	ok(t, err)
	return archive
}

var update = flag.Bool("update", false, "write the golden archives anew")

// TestImport_S12_golden imports the archives of every version that there was.
func TestImport_S12_golden(t *testing.T) {
	ctx := context.Background()
	if *update {
		for name, history := range map[string]bool{"v1-state": false, "v1-history": true} {
			ok(t, os.WriteFile(filepath.Join("testdata", name+".archive"), smallArchive(t, history), 0o644))
		}
	}
	files, err := filepath.Glob("testdata/*.archive")
	ok(t, err)
	if len(files) < 2 {
		t.Fatalf("only %d golden archives", len(files))
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			archive, err := os.ReadFile(file)
			ok(t, err)
			sp, err := newWorld(t).person("Bob").ImportSpace(ctx, archive)
			ok(t, err)
			got := state(t, sp)
			golden := file[:len(file)-len(filepath.Ext(file))] + ".state"
			if *update {
				ok(t, os.WriteFile(golden, got, 0o644))
			}
			want, err := os.ReadFile(golden)
			ok(t, err)
			if !bytes.Equal(got, want) {
				t.Errorf("it holds %q, want %q", got, want)
			}
			if n := count(sp); n != 2 {
				t.Errorf("%d objects, want 2", n)
			}
		})
	}
}

func TestImport_S12_newerVersion(t *testing.T) {
	newer := bytes.Clone(smallArchive(t, false))
	binary.BigEndian.PutUint16(newer[14:], 2)
	client.ResealArchive(newer)
	_, err := newWorld(t).person("Bob").ImportSpace(context.Background(), newer)
	code(t, err, errs.VersionUnsupported)
	if e := new(errs.Error); !errors.As(err, &e) || e.Msg == "" {
		t.Errorf("the error says nothing: %v", err)
	}
}

// contentsOfGolden are the sections of a golden archive.
func contentsOfGolden(t testing.TB, name string) map[uint64][]byte {
	t.Helper()
	archive, err := os.ReadFile(filepath.Join("testdata", name+".archive"))
	if err != nil {
		t.Fatal(err)
	}
	return client.ContentsOf(t, archive)
}

// TestImport_S12_whatNoSpaceCan imports archives that are whole and make no
// sense.
func TestImport_S12_whatNoSpaceCan(t *testing.T) {
	c := contentsOfGolden(t, "v1-history")
	ops, feeds, past := c[2], c[3], c[4]
	wanted := ops
	for _, x := range []struct {
		name    string
		archive []byte
		want    errs.Kind
	}{
		{"as it was", client.ArchiveOf(t, 2, 1, ops, feeds, past), errs.OK},
		{"without history", client.ArchiveOf(t, 2, 0, ops, nil, nil), errs.OK},
		{"a history that makes nothing", client.ArchiveOf(t, 2, 0, ops, feeds, nil), errs.OK},
		{"wrong number of objects", client.ArchiveOf(t, 3, 0, ops, nil, nil), errs.Malformed},
		{"wrong number of changes", client.ArchiveOf(t, 2, 2, ops, feeds, past), errs.Malformed},
		{"each object twice", client.ArchiveOf(t, 2, 0, append(bytes.Clone(ops), ops...), nil, nil), errs.Malformed},
		{"each object twice, with history", client.ArchiveOf(t, 2, 1, append(bytes.Clone(ops), ops...), feeds, past), errs.Malformed},
		{"ops cut short", client.ArchiveOf(t, 2, 0, ops[:len(ops)-1], nil, nil), errs.Malformed},
		{"changes of no feed", client.ArchiveOf(t, 2, 1, ops, wire.AppendArray(nil, 0), past), errs.Malformed},
		{"changes twice", client.ArchiveOf(t, 2, 2, ops, feeds, append(bytes.Clone(past), past...)), errs.Malformed},
		{"a change of no payload", client.ArchiveOf(t, 2, 1, ops, feeds, wire.AppendBytes(append([]byte{0x94, 0, 1}, 0x90), []byte{1})), errs.Malformed},
		{"a change that does nothing", client.ArchiveOf(t, 2, 1, ops, feeds, []byte{0x94, 0, 1, 0x90, 0xc0}), errs.OK},
		{"a change that follows itself", client.ArchiveOf(t, 2, 1, ops, feeds, []byte{0x94, 0, 1, 0x91, 0, 0xc0}), errs.Malformed},
		{"an op that no state has", client.ArchiveOf(t, 2, 0, wire.AppendBytes([]byte{0x92, 4}, make([]byte, 16)), nil, nil), errs.Malformed},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := newProfile()
			c := newWorld(t).open(p)
			_, err := c.CreateIdentity(context.Background(), "Bob")
			ok(t, err)
			before := stored(t, p.store, "")
			sp, err := c.ImportSpace(context.Background(), x.archive)
			code(t, err, x.want)
			switch {
			case err == nil && !bytes.Equal(state(t, sp), wanted):
				t.Errorf("it holds %q, want %q", state(t, sp), wanted)
			case err != nil && stored(t, p.store, "") != before:
				t.Errorf("%d records are left", stored(t, p.store, "")-before)
			}
		})
	}
}

// FuzzImport imports archives whose sections hold anything.
func FuzzImport(f *testing.F) {
	c := contentsOfGolden(f, "v1-history")
	f.Add(c[2], c[3], c[4], uint64(2), uint64(1))
	f.Add(c[2], []byte(nil), []byte(nil), uint64(2), uint64(0))
	f.Fuzz(func(t *testing.T, ops, feeds, past []byte, objects, changes uint64) {
		p := newProfile()
		c := newWorld(t).open(p)
		_, err := c.CreateIdentity(context.Background(), "Bob")
		ok(t, err)
		before := stored(t, p.store, "")
		archive := client.ArchiveOf(t, objects%8, changes%8, ops, feeds, past)
		_, err = c.ImportSpace(context.Background(), archive)
		if e, named := errors.AsType[*errs.Error](err); err != nil && (!named || e.Kind == errs.Internal) {
			t.Fatalf("bad input gave %v", err)
		}
		if err != nil && stored(t, p.store, "") != before {
			t.Fatalf("%d records are left", stored(t, p.store, "")-before)
		}
	})
}

// TestExport_S12_whileEditing exports while somebody edits all the time: what
// comes out is whole, and of one moment, since two objects that change together
// are alike in it.
func TestExport_S12_whileEditing(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.person("Ada")
	sp, err := c.CreateSpace(ctx)
	ok(t, err)
	twins := [2]id.ObjectID{put(t, sp, "n", "-"), {}}
	for i := range 3000 { // so that they are in different chunks
		put(t, sp, "title", "between them, number "+string(rune('a'+i%26))+", and some more that takes place")
	}
	twins[1] = put(t, sp, "n", "-")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := uint64(0); ; i++ {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			var ops []byte
			for _, v := range twins {
				b := wire.AppendUint(wire.AppendArray(nil, 4), 2)
				b = wire.AppendBytes(b, v[:])
				b = wire.AppendString(wire.AppendArray(b, 1), "n")
				ops = append(ops, wire.AppendUint(b, i)...)
			}
			if err := sp.Edit(ops); err != nil {
				t.Errorf("edit: %v", err)
				return
			}
		}
	}()
	for _, history := range []bool{false, true} {
		archive, err := sp.Export(ctx, client.ExportOptions{History: history})
		ok(t, err)
		again, err := w.person("Bob").ImportSpace(ctx, archive)
		ok(t, err)
		n := func(v id.ObjectID) []byte {
			r := wire.NewReader(record(again, v))
			r.ArrayLen(5)
			r.Skip()
			r.Skip()
			return r.Skip()
		}
		if a, b := n(twins[0]), n(twins[1]); !bytes.Equal(a, b) || count(again) != 3002 {
			t.Errorf("with history %v the twins are %q and %q among %d", history, a, b, count(again))
		}
	}
	close(stop)
	<-stopped
}
