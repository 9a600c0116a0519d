package client_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/storage"
)

func undo(t *testing.T, sp *client.Space, want bool) {
	t.Helper()
	if got, err := sp.Undo(); got != want || err != nil {
		t.Fatalf("Undo gives %v, %v; want %v", got, err, want)
	}
}

func undoSteps(t *testing.T, sp *client.Space) (undo, redo int) {
	t.Helper()
	ok(t, sp.Objects("test", func(db *objectdb.DB) error {
		s := db.UndoState()
		undo, redo = s.Undo, s.Redo
		return nil
	}))
	return undo, redo
}

// TestUndo_O12_afterRestart: what was done before a restart is taken back after it;
// the records are sealed, and go when they are cleared.
func TestUndo_O12_afterRestart(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c, sp := owner(t, w, p)
	v := put(t, sp, "title", "the first title")
	change(t, sp, v, "title", "the second title")
	change(t, sp, v, "title", "the third title")
	undo(t, sp, true)
	ok(t, sp.Flush(ctx, client.FlushStore))
	list, err := p.store.Scan(ctx, storage.Prefix([]byte("u/")), 0)
	ok(t, err)
	if len(list) != 3 {
		t.Fatalf("%d records of steps, want 3", len(list))
	}
	for _, e := range list {
		if bytes.Contains(e.Value, []byte("title")) {
			t.Fatal("a step is stored in clear")
		}
	}
	ok(t, c.Destroy(ctx))

	c = w.open(p)
	sp = c.Spaces.Get()[0]
	if undo, redo := undoSteps(t, sp); undo != 2 || redo != 1 {
		t.Fatalf("%d steps to undo and %d to redo, want 2 and 1", undo, redo)
	}
	undo(t, sp, true)
	if !holds(record(sp, v), "the first title") {
		t.Fatalf("the object holds %q", record(sp, v))
	}
	for range 2 {
		if done, err := sp.Redo(); !done || err != nil {
			t.Fatalf("Redo gives %v, %v", done, err)
		}
	}
	if !holds(record(sp, v), "the third title") {
		t.Fatalf("the object holds %q", record(sp, v))
	}
	ok(t, c.Destroy(ctx)) // nobody waited for it to be stored

	c = w.open(p)
	sp = c.Spaces.Get()[0]
	if undo, redo := undoSteps(t, sp); undo != 3 || redo != 0 {
		t.Fatalf("%d steps to undo and %d to redo, want 3 and 0", undo, redo)
	}
	ok(t, sp.ClearUndo())
	eventually(t, "the records go", func() bool { return stored(t, p.store, "u/") == 0 })
	undo(t, sp, false)
	ok(t, sp.Close(ctx))
	_, err = sp.Undo()
	code(t, err, errs.SpaceClosed)
	code(t, sp.ClearUndo(), errs.SpaceClosed)
}

// TestUndo_O12_twoTabs: each tab takes back what it did itself; the next engine of a
// slot takes its stack over.
func TestUndo_O12_twoTabs(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	one := w.open(p)
	_, err := one.CreateIdentity(ctx, "Ada")
	ok(t, err)
	a, err := one.CreateSpace(ctx)
	ok(t, err)
	v := put(t, a, "title", "by the first tab")
	ok(t, a.Flush(ctx, client.FlushStore))
	two := w.open(p)
	b := two.Spaces.Get()[0]
	undo(t, b, false)
	change(t, b, v, "note", "by the second tab")
	ok(t, b.Flush(ctx, client.FlushStore))
	eventually(t, "the first tab has it", func() bool { return holds(record(a, v), "by the second tab") })
	change(t, a, v, "title", "changed")
	undo(t, a, true)
	if rec := record(a, v); !holds(rec, "by the first tab") || !holds(rec, "by the second tab") {
		t.Fatalf("the object holds %q", rec)
	}
	ok(t, a.Flush(ctx, client.FlushStore))
	ok(t, one.Destroy(ctx))
	if n, _ := undoSteps(t, b); n != 1 {
		t.Fatalf("the second tab has %d steps", n)
	}
	one = w.open(p) // in the first slot again
	a = one.Spaces.Get()[0]
	if undo, redo := undoSteps(t, a); undo != 1 || redo != 1 {
		t.Fatalf("%d steps to undo and %d to redo, want 1 and 1", undo, redo)
	}
}

// TestUndo_O12_editsBeforeTheStackIsRead: a step is behind those of before a restart
// though nobody has asked for them, others' blocks came in between, and it ends
// what could be redone.
func TestUndo_O12_editsBeforeTheStackIsRead(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c, sp := owner(t, w, p)
	v := put(t, sp, "title", "one")
	other := join(t, sp, w.person("Bob"))
	change(t, sp, v, "title", "two")
	change(t, sp, v, "note", "undone")
	undo(t, sp, true)
	ok(t, sp.Flush(ctx, client.FlushStore))
	same(t, sp, other)
	ok(t, c.Destroy(ctx))
	change(t, other, v, "note", "by Bob")

	c = w.open(p)
	sp = c.Spaces.Get()[0]
	same(t, sp, other)
	change(t, sp, v, "title", "three")
	if undo, redo := undoSteps(t, sp); undo != 3 || redo != 0 {
		t.Fatalf("%d steps to undo and %d to redo, want 3 and 0", undo, redo)
	}
	undo(t, sp, true)
	undo(t, sp, true)
	if rec := record(sp, v); !holds(rec, "one") || !holds(rec, "by Bob") {
		t.Fatalf("the object holds %q", rec)
	}
	ok(t, c.Destroy(ctx))
}

// TestUndo_O12_aLoopOfTransactions: steps that are too many to be stored along are
// stored when the edits come to rest, whoever waits for it.
func TestUndo_O12_aLoopOfTransactions(t *testing.T) {
	const steps = 150
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c, sp := owner(t, w, p)
	v := put(t, sp, "title", "0")
	for i := 1; i < steps; i++ {
		change(t, sp, v, "title", fmt.Sprint(i))
	}
	eventually(t, "the steps are stored", func() bool {
		list, err := p.store.Scan(ctx, storage.Prefix([]byte("u/")), 0)
		return err == nil && len(list) == steps
	})
	ok(t, c.Destroy(ctx))
	c = w.open(p)
	sp = c.Spaces.Get()[0]
	if undo, redo := undoSteps(t, sp); undo != steps || redo != 0 {
		t.Fatalf("%d steps to undo and %d to redo, want %d and 0", undo, redo, steps)
	}
	undo(t, sp, true)
	if rec := record(sp, v); !holds(rec, fmt.Sprint(steps-2)) {
		t.Fatalf("the object holds %q", rec)
	}
	ok(t, c.Destroy(ctx))
}

// TestUndo_O12_damagedRecords: a damaged step is given up and the space opens.
func TestUndo_O12_damagedRecords(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c, sp := owner(t, w, p)
	v := put(t, sp, "title", "one")
	change(t, sp, v, "title", "two")
	ok(t, sp.Flush(ctx, client.FlushStore))
	ok(t, c.Destroy(ctx))
	list, err := p.store.Scan(ctx, storage.Prefix([]byte("u/")), 0)
	ok(t, err)
	var b storage.Batch
	b.Put(list[0].Key, list[0].Value[:len(list[0].Value)-1])
	ok(t, p.store.Apply(ctx, &b, storage.Strict))

	c = w.open(p)
	sp = c.Spaces.Get()[0]
	undo(t, sp, true)
	undo(t, sp, false)
	if !holds(record(sp, v), "one") {
		t.Fatalf("the object holds %q", record(sp, v))
	}
	ok(t, sp.Flush(ctx, client.FlushStore))
	eventually(t, "the damaged record goes", func() bool { return stored(t, p.store, "u/") == 1 })
}
