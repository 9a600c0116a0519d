package client_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// remove deletes an object.
func remove(t *testing.T, sp *client.Space, v id.ObjectID) {
	t.Helper()
	ok(t, sp.Edit(wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), 4), v[:])))
}

// history prints who changed what: name, kinds and paths.
func history(t *testing.T, sp *client.Space, q client.HistoryQuery) (lines []string, list []client.Change) {
	t.Helper()
	list, err := sp.History(context.Background(), q)
	ok(t, err)
	for _, c := range list {
		line := c.Author.Name
		for _, x := range c.Touched {
			line += fmt.Sprintf(" %s%v", []string{"edit", "create", "delete", "restore"}[x.Kind], x.Paths)
		}
		if c.Message != "" {
			line += " " + c.Message
		}
		lines = append(lines, line)
	}
	return lines, list
}

// version is the present version of a space.
func version(t *testing.T, sp *client.Space) objectdb.Version {
	t.Helper()
	v, err := sp.Version(context.Background())
	ok(t, err)
	return v
}

// same waits until two spaces hold the same.
func same(t *testing.T, a, b *client.Space) {
	t.Helper()
	eventually(t, "both hold the same", func() bool { return slices.Equal(version(t, a), version(t, b)) })
}

func TestHistory_O16_whoChangedWhatAndWhen(t *testing.T) {
	w := newWorld(t)
	a, b := pair(t, w)
	x := put(t, a, "title", "by Ada")
	same(t, a, b)
	change(t, b, x, "title", "by Bob")
	y := put(t, b, "note", "Bob's")
	same(t, a, b)
	remove(t, a, y)
	want := []string{"Ada delete[]", "Bob create[[note]]", "Bob edit[[title]]", "Ada create[[title]]"}
	var last []client.Change
	for _, sp := range []*client.Space{a, b} {
		same(t, a, b)
		got, list := history(t, sp, client.HistoryQuery{})
		if !slices.Equal(got, want) {
			t.Errorf("history %q, want %q", got, want)
		}
		for i, c := range list {
			if c.Time == 0 || id.IsZero(c.Author.Identity) || id.IsZero(c.Author.Device) || i > 0 && c.Time > list[i-1].Time {
				t.Errorf("change %d: %+v", i, c)
			}
		}
		if last != nil && (last[0].Place != list[0].Place || last[0].Author != list[0].Author) {
			t.Errorf("the two see %+v and %+v", last[0], list[0])
		}
		last = list
		if got, _ := history(t, sp, client.HistoryQuery{Object: x}); !slices.Equal(got, []string{want[2], want[3]}) {
			t.Errorf("history of one object %q", got)
		}
	}
}

func TestHistory_O16_pages(t *testing.T) {
	w := newWorld(t)
	sp, err := w.person("Ada").CreateSpace(context.Background())
	ok(t, err)
	const changes = 700
	x := put(t, sp, "n", "0")
	for i := range changes {
		change(t, sp, x, fmt.Sprint("k", i), "v")
		if i%3 == 0 { // several in one block, and several blocks
			ok(t, sp.Flush(context.Background(), client.FlushStore))
		}
	}
	for _, limit := range []int{1, 7, 300, 10_000} {
		q := client.HistoryQuery{Limit: limit}
		next := changes
		for pages := 0; ; pages++ {
			lines, list := history(t, sp, q)
			if limit == 1 && pages == 10 || len(list) == 0 {
				break
			}
			for _, line := range lines {
				if want := fmt.Sprintf("Ada edit[[k%d]]", next-1); next > 0 && line != want {
					t.Fatalf("limit %d: %q, want %q", limit, line, want)
				}
				next--
			}
			q.Before = &list[len(list)-1].Place
		}
		if limit > 1 && next != -1 {
			t.Errorf("limit %d: %d changes are missing", limit, next+1)
		}
	}
	_, err = sp.History(context.Background(), client.HistoryQuery{Limit: 10_001})
	code(t, err, errs.InvalidArgument)
	_, err = sp.History(context.Background(), client.HistoryQuery{Before: &client.ChangePlace{}})
	code(t, err, errs.NotFound)
}

// read gives what an object holds in a database.
func read(db *objectdb.DB, v id.ObjectID) string { return string(db.Plain(v)) }

func TestVersions_O16_atDiffAndRestore(t *testing.T) {
	w := newWorld(t)
	a, b := pair(t, w)
	x, y := put(t, a, "title", "first"), put(t, a, "title", "to go")
	same(t, a, b)
	before := version(t, a)
	change(t, b, x, "title", "second")
	z := put(t, b, "title", "new")
	remove(t, b, y)
	after := version(t, b)
	same(t, a, b)

	past, err := a.At(context.Background(), before)
	ok(t, err)
	if !strings.Contains(read(past, x), "first") || past.Plain(y) == nil || past.Plain(z) != nil {
		t.Errorf("the past holds %q, %q, %q", read(past, x), read(past, y), read(past, z))
	}
	d, err := a.Diff(context.Background(), before, after)
	ok(t, err)
	if !slices.Equal(d.Added, []id.ObjectID{z}) || !slices.Equal(d.Removed, []id.ObjectID{y}) || len(d.Changed) != 1 || d.Changed[0].Object != x {
		t.Errorf("difference %+v", d)
	}
	back, err := a.Diff(context.Background(), after, before)
	ok(t, err)
	if !slices.Equal(back.Removed, d.Added) || !slices.Equal(back.Added, d.Removed) || string(back.Changed[0].Changes[0].After) != string(d.Changed[0].Changes[0].Before) {
		t.Errorf("the other way round %+v", back)
	}

	changed, err := a.Restore(context.Background(), before, client.RestoreOptions{Message: "back"})
	ok(t, err)
	if !changed || record(a, x) == nil || !holds(record(a, x), "first") {
		t.Errorf("restored %v: %q", changed, record(a, x))
	}
	same(t, a, b)
	now := version(t, b)
	if d, err := b.Diff(context.Background(), before, now); err != nil || len(d.Added)+len(d.Removed)+len(d.Changed) > 0 {
		t.Errorf("it differs from the version restored: %+v, %v", d, err)
	}
	if lines, _ := history(t, b, client.HistoryQuery{Limit: 1}); len(lines) != 1 || !strings.HasSuffix(lines[0], " back") {
		t.Errorf("history begins with %q", lines)
	}
	if changed, err := a.Restore(context.Background(), before, client.RestoreOptions{}); err != nil || changed {
		t.Errorf("restored again: %v, %v", changed, err)
	}
	if changed, err := b.Restore(context.Background(), after, client.RestoreOptions{Objects: []id.ObjectID{x}}); err != nil || !changed {
		t.Errorf("restored one object: %v, %v", changed, err)
	}
	if !holds(record(b, x), "second") || holds(record(b, z), "second") {
		t.Errorf("one object is %q", record(b, x))
	}
}

func TestVersions_O16_refusals(t *testing.T) {
	w := newWorld(t)
	host := w.person("Ada")
	sp, err := host.CreateSpace(context.Background())
	ok(t, err)
	other, err := host.CreateSpace(context.Background())
	ok(t, err)
	put(t, other, "title", "x")
	foreign := version(t, other)
	_, err = sp.At(context.Background(), foreign)
	code(t, err, errs.MissingDependency)
	_, err = sp.Diff(context.Background(), nil, foreign)
	code(t, err, errs.MissingDependency)
	_, err = sp.Restore(context.Background(), foreign, client.RestoreOptions{})
	code(t, err, errs.MissingDependency)
	ok(t, sp.Close(context.Background()))
	_, err = sp.At(context.Background(), nil)
	code(t, err, errs.SpaceClosed)
	_, err = sp.History(context.Background(), client.HistoryQuery{})
	code(t, err, errs.SpaceClosed)
	_, err = sp.Blame(context.Background(), 0)
	code(t, err, errs.SpaceClosed)
}

// TestVersions_O16_restoreWhileOthersWrite restores while another member writes:
// all of it is there in the end, on both.
func TestVersions_O16_restoreWhileOthersWrite(t *testing.T) {
	w := newWorld(t)
	a, b := pair(t, w)
	x := put(t, a, "title", "first")
	same(t, a, b)
	before := version(t, a)
	change(t, a, x, "title", "second")
	done := make(chan []id.ObjectID)
	go func() {
		var made []id.ObjectID
		for range 100 {
			made = append(made, put(t, b, "title", "meanwhile"))
		}
		done <- made
	}()
	_, err := a.Restore(context.Background(), before, client.RestoreOptions{Objects: []id.ObjectID{x}})
	ok(t, err)
	made := <-done
	same(t, a, b)
	for _, sp := range []*client.Space{a, b} {
		if !holds(record(sp, x), "first") || count(sp) != 1+len(made) {
			t.Errorf("%d objects, the restored one is %q", count(sp), record(sp, x))
		}
	}
	_, err = b.Restore(context.Background(), before, client.RestoreOptions{})
	ok(t, err)
	same(t, a, b)
	if count(a) != 1 || count(b) != 1 {
		t.Errorf("%d and %d objects are left", count(a), count(b))
	}
}

func TestHistory_O16_blame(t *testing.T) {
	w := newWorld(t)
	a, b := pair(t, w)
	x := object()
	ops := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 1), x[:])
	ops = wire.AppendString(wire.AppendUint(wire.AppendArray(ops, 3), 4), "body")
	ops = wire.AppendString(wire.AppendUint(wire.AppendArray(ops, 2), 7), "Hello")
	ok(t, a.Edit(ops))
	text := func(sp *client.Space) (out objectdb.Text) {
		ok(t, sp.Objects("test", func(db *objectdb.DB) (err error) {
			out, err = db.FindText(x, objectdb.Key("body"))
			return err
		}))
		return out
	}
	same(t, a, b)
	writing := text(b)
	ok(t, b.EditHeld(func(db *objectdb.DB) error { // two changes in one block
		if err := db.EditText(writing, 5, 0, []byte(", "), 1000); err != nil {
			return err
		}
		return db.EditText(writing, 7, 0, []byte("dear "), 2000)
	}))
	same(t, a, b)
	edit(t, b, writing, 12, 0, []byte("world"), 3000)
	same(t, a, b)
	edit(t, a, text(a), 0, 1, []byte("J"), 9000)
	for _, sp := range []*client.Space{a, b} {
		same(t, a, b)
		runs, err := sp.Blame(context.Background(), text(sp))
		ok(t, err)
		var got []string
		for _, r := range runs {
			got = append(got, fmt.Sprintf("%s %d", r.Author.Name, r.Len))
		}
		want := []string{"Ada 1", "Ada 4", "Bob 7", "Bob 5"}
		if !slices.Equal(got, want) || runs[0].Time != 9000 || runs[3].Time != 3000 || runs[3].Block.Seq == 0 {
			t.Errorf("blame %q, want %q: %+v", got, want, runs)
		}
		_, err = sp.Blame(context.Background(), 1<<20)
		code(t, err, errs.NotFound)
	}
}

func TestHistory_O16_aChangeInParts(t *testing.T) {
	w := newWorld(t)
	a, b := pair(t, w)
	x := put(t, a, "title", "small")
	before := version(t, a)
	noise := make([]byte, 0, 1<<20)
	rng := newSeed(t)
	for range 1 << 20 { // does not deflate to one block
		noise = append(noise, byte(' '+rng.IntN(90)))
	}
	change(t, a, x, "title", string(noise))
	change(t, a, x, "note", "behind it")
	after := version(t, a)
	same(t, a, b)
	for _, sp := range []*client.Space{a, b} {
		past, err := sp.At(context.Background(), after)
		ok(t, err)
		if !strings.Contains(read(past, x), string(noise)) {
			t.Error("the past lacks the big change")
		}
		if got, _ := history(t, sp, client.HistoryQuery{}); !slices.Equal(got, []string{"Ada edit[[note]]", "Ada edit[[title]]", "Ada create[[title]]"}) {
			t.Errorf("history %q", got)
		}
	}
	_, err := b.Restore(context.Background(), before, client.RestoreOptions{})
	ok(t, err)
	if !holds(record(b, x), "small") {
		t.Error("not restored")
	}
}

// TestHistory_O16_forkedFeed has two copies of a profile write, which forks the
// feed: the history tells both branches, and versions of each are what they were.
func TestHistory_O16_forkedFeed(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, a := owner(t, w, p)
	b := join(t, a, w.person("Bob"))
	x := put(t, a, "title", "common")
	same(t, a, b)
	copied := snapshot(t, p)
	change(t, a, x, "title", "one branch")
	one := version(t, a)
	same(t, a, b)
	ok(t, host.Destroy(ctx))
	w.hub.SetDown(true)
	twin := w.client(copied)
	ok(t, twin.Initialize(ctx))
	a = twin.Space(b.Key())
	change(t, a, x, "note", "the other")
	two := version(t, a)
	if slices.Equal(one, two) || one[0].Feed != two[0].Feed {
		t.Fatalf("versions %v and %v are no fork", one, two)
	}
	w.hub.SetDown(false)
	eventually(t, "both branches are everywhere", func() bool {
		return holds(record(a, x), "one branch") && holds(record(b, x), "the other")
	})
	same(t, a, b)
	for _, sp := range []*client.Space{a, b} {
		got, _ := history(t, sp, client.HistoryQuery{Object: x})
		slices.Sort(got)
		if want := []string{"Ada create[[title]]", "Ada edit[[note]]", "Ada edit[[title]]"}; !slices.Equal(got, want) {
			t.Errorf("history %q, want %q", got, want)
		}
		first, err := sp.At(ctx, one)
		ok(t, err)
		second, err := sp.At(ctx, two)
		ok(t, err)
		if s := read(first, x); !strings.Contains(s, "one branch") || strings.Contains(s, "the other") {
			t.Errorf("one branch holds %q", s)
		}
		if s := read(second, x); !strings.Contains(s, "common") || !strings.Contains(s, "the other") {
			t.Errorf("the other holds %q", s)
		}
		d, err := sp.Diff(ctx, one, two)
		ok(t, err)
		if len(d.Changed) != 1 || len(d.Changed[0].Changes) != 2 {
			t.Errorf("the branches differ by %+v", d)
		}
	}
	_, err := b.Restore(ctx, two, client.RestoreOptions{})
	ok(t, err)
	same(t, a, b)
	if s := record(a, x); !holds(s, "common") || !holds(s, "the other") {
		t.Errorf("restored: %q", s)
	}
}

// TestVersions_O16_closeEndsWhatReads closes the space while the past is read.
func TestVersions_O16_closeEndsWhatReads(t *testing.T) {
	w := newWorld(t)
	sp, err := w.person("Ada").CreateSpace(context.Background())
	ok(t, err)
	x := put(t, sp, "n", "0")
	for i := range 300 {
		change(t, sp, x, "n", fmt.Sprint(i))
		ok(t, sp.Flush(context.Background(), client.FlushStore))
	}
	v := version(t, sp)
	results := make(chan error, 50)
	for range cap(results) {
		go func() {
			_, err := sp.At(context.Background(), v)
			results <- err
		}()
	}
	ok(t, sp.Close(context.Background()))
	for range cap(results) {
		if err := <-results; err != nil && !errs.Is(err, errs.SpaceClosed) {
			t.Errorf("ended with %v", err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	ok(t, sp.Open(context.Background()))
	_, err = sp.At(ctx, v)
	code(t, err, errs.Cancelled)
}

func TestHistory_O16_aBlockThatStorageLost(t *testing.T) {
	w, p := newWorld(t), newProfile()
	_, sp := owner(t, w, p)
	put(t, sp, "title", "x")
	v := version(t, sp)
	var b storage.Batch
	b.Delete(feed.BlockKey(v[0]))
	ok(t, p.store.Apply(context.Background(), &b, storage.Strict))
	_, err := sp.At(context.Background(), v)
	code(t, err, errs.StorageCorrupt)
	_, err = sp.History(context.Background(), client.HistoryQuery{})
	code(t, err, errs.StorageCorrupt)
}

// TestHistory_O16_readersAreRefused: a reader sees the history, and restores nothing.
func TestHistory_O16_readersAreRefused(t *testing.T) {
	w := newWorld(t)
	a, err := w.person("Ada").CreateSpace(context.Background())
	ok(t, err)
	x := put(t, a, "title", "first")
	before := version(t, a)
	change(t, a, x, "title", "second")
	b := joinAs(t, a, w.person("Bob"), credential.Reader)
	same(t, a, b)
	if got, _ := history(t, b, client.HistoryQuery{}); len(got) != 2 {
		t.Errorf("history %q", got)
	}
	_, err = b.Restore(context.Background(), before, client.RestoreOptions{})
	code(t, err, errs.NotPermitted)
}
