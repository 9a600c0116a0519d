package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

func code(t *testing.T, err error, want errs.Kind) {
	t.Helper()
	if got := errs.KindOf(err); got != want {
		t.Fatalf("got %v (%v), want %v", got, err, want)
	}
}

func TestClient_C01_initializeAndDestroyTwice(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.client(newProfile())
	for range 2 {
		ok(t, c.Initialize(ctx))
		ok(t, c.Initialize(ctx))
		if got := c.Status.Get().State; got != client.StateOpen {
			t.Fatalf("state %q", got)
		}
		ok(t, c.Destroy(ctx))
		ok(t, c.Destroy(ctx))
	}
}

func TestClient_C02_reopen(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c := w.open(p)
	me, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
	sp, err := c.CreateSpace(ctx)
	ok(t, err)
	first := put(t, sp, "title", "kept")
	for i := range 200 {
		put(t, sp, "n", string(rune('a'+i%26)))
	}
	change(t, sp, first, "title", "changed")
	ok(t, sp.Flush(ctx, client.FlushStore))
	ok(t, c.Destroy(ctx))

	c = w.open(p)
	if got := c.Identity.Get(); got == nil || *got != *me {
		t.Fatalf("identity %v, want %v", got, me)
	}
	spaces := c.Spaces.Get()
	if len(spaces) != 1 || spaces[0].Key() != sp.Key() {
		t.Fatalf("spaces %v", spaces)
	}
	if got := count(spaces[0]); got != 201 {
		t.Fatalf("%d objects, want 201", got)
	}
	if !holds(record(spaces[0], first), "changed") {
		t.Fatalf("the last change is lost: %q", record(spaces[0], first))
	}
	feeds := headers(t, p.store)
	put(t, spaces[0], "title", "written after the restart")
	ok(t, spaces[0].Flush(ctx, client.FlushStore))
	if again := headers(t, p.store); again != feeds {
		t.Fatalf("writing after a restart began a feed: %d, then %d", feeds, again)
	}
}

func TestClient_C03_createSpaceWithoutIdentity(t *testing.T) {
	w := newWorld(t)
	_, err := w.open(newProfile()).CreateSpace(context.Background())
	code(t, err, errs.NoIdentity)
}

func TestClient_C04_secondIdentity(t *testing.T) {
	w := newWorld(t)
	_, err := w.person("Ada").CreateIdentity(context.Background(), "Eve")
	code(t, err, errs.IdentityExists)
}

func TestClient_C05_reset(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c := w.open(p)
	before, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
	_, err = c.CreateSpace(ctx)
	ok(t, err)
	ok(t, c.Reset(ctx))
	ok(t, c.Reset(ctx))
	ok(t, c.Initialize(ctx))
	if c.Identity.Get() != nil || len(c.Spaces.Get()) != 0 {
		t.Fatalf("left after reset: %v, %d spaces", c.Identity.Get(), len(c.Spaces.Get()))
	}
	after, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
	if after.Key == before.Key {
		t.Fatal("the new identity has the key of the old one")
	}
}

func TestClient_C06_callsBeforeInitialize(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.client(newProfile())
	_, err := c.CreateIdentity(ctx, "Ada")
	code(t, err, errs.NotInitialized)
	_, err = c.CreateSpace(ctx)
	code(t, err, errs.NotInitialized)
	_, err = c.AcceptInvitation("x", client.AcceptOptions{})
	code(t, err, errs.NotInitialized)
	code(t, c.GoOffline(ctx), errs.NotInitialized)
	if c.Spaces.Get() == nil {
		t.Fatal("spaces is nil before initialize") // P05
	}
}

func TestClient_T05_newerFormatIsRefused(t *testing.T) {
	w, p := newWorld(t), newProfile()
	c := w.open(p)
	ok(t, c.Destroy(context.Background()))
	writeFormat(t, p.store, 99)
	code(t, w.client(p).Initialize(context.Background()), errs.VersionUnsupported)
}

func TestSpace_S01_create(t *testing.T) {
	w := newWorld(t)
	c := w.person("Ada")
	sp, err := c.CreateSpace(context.Background())
	ok(t, err)
	members := sp.Members.Get()
	if len(members) != 1 || members[0].Role.String() != "OWNER" || !members[0].Self || members[0].Name != "Ada" {
		t.Fatalf("members %+v", members)
	}
}

func TestSpace_S02_sameObjectByKey(t *testing.T) {
	w := newWorld(t)
	c := w.person("Ada")
	sp, err := c.CreateSpace(context.Background())
	ok(t, err)
	if c.Space(sp.Key()) != sp || c.Spaces.Get()[0] != sp {
		t.Fatal("the space by key is another object")
	}
}

func TestSpace_S08_objectsBelongToOneSpace(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.person("Ada")
	a, err := c.CreateSpace(ctx)
	ok(t, err)
	b, err := c.CreateSpace(ctx)
	ok(t, err)
	v := put(t, a, "title", "only in a")
	if record(b, v) != nil || count(b) != 0 {
		t.Fatal("an object of one space is in another")
	}
}

func TestSpace_S11_openAndClose(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.person("Ada")
	sp, err := c.CreateSpace(ctx)
	ok(t, err)
	v := put(t, sp, "title", "x")
	ok(t, sp.Close(ctx))
	ok(t, sp.Close(ctx))
	if sp.State.Get() != client.SpaceClosed || c.Space(sp.Key()) != sp {
		t.Fatal("a closed space is gone or not closed")
	}
	code(t, sp.Edit(nil), errs.SpaceClosed)
	code(t, sp.Flush(ctx, client.FlushStore), errs.SpaceClosed)
	ok(t, sp.Open(ctx))
	ok(t, sp.Open(ctx))
	if !holds(record(sp, v), "x") {
		t.Fatal("objects are gone after close and open")
	}
	change(t, sp, v, "title", "y")
	ok(t, sp.Flush(ctx, client.FlushStore))
}

func TestSpace_O15_flushResolvesAfterStorage(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	_, sp := owner(t, w, p)
	for _, to := range []client.FlushTarget{client.FlushStore, client.FlushDisk} {
		before := blocks(t, p.store)
		put(t, sp, "title", string(to))
		ok(t, sp.Flush(ctx, to))
		if after := blocks(t, p.store); after <= before {
			t.Fatalf("flush to %s came before storage: %d blocks, then %d", to, before, after)
		}
	}
	// An edit that changes nothing has nothing to wait for.
	gone := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 3), objectdb.PropertiesID[:])
	ok(t, sp.Edit(wire.AppendString(wire.AppendArray(gone, 1), "never set")))
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	ok(t, sp.Flush(limited, client.FlushStore))
}
