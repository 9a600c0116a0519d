package client_test

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// What becomes of spaces that are left, deleted and joined again, on all tabs and devices.

// hostOfTabs gives a space, and two tabs of another person's profile.
func hostOfTabs(t *testing.T, w *world, p *profile) (sp *client.Space, bob, tab *client.Client) {
	t.Helper()
	p.locks = newLocks()
	ada, bob, tab := w.person("Ada"), w.open(p), w.open(p)
	_, err := bob.CreateIdentity(context.Background(), "Bob")
	ok(t, err)
	sp, err = ada.CreateSpace(context.Background())
	ok(t, err)
	return sp, bob, tab
}

// What is left in one tab and joined again is there again in all tabs and devices.
func TestHalo_S17_T02_joinedAgain(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	sp, bob, tab := hostOfTabs(t, w, newProfile())
	for range 3 {
		joined := join(t, sp, bob)
		clients := []*client.Client{bob, tab}
		if len(bob.Devices.Get()) == 1 {
			w.device(bob)
		}
		for _, c := range clients {
			bothWays(t, sp, arrives(t, c, sp.Key()))
		}
		ok(t, joined.Leave(ctx))
		for _, c := range clients {
			eventually(t, "it is gone", func() bool { return c.Space(sp.Key()) == nil })
		}
		eventually(t, "the others know", func() bool { return !isMember(sp, me(bob)) })
	}
}

// What a tab hears late of a space that was left does not put out what was joined since.
func TestHalo_S17_T02_lateMessages(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	sp, bob, tab := hostOfTabs(t, w, p)
	late := p.tabs.join()
	var mu sync.Mutex
	var heard [][]byte
	defer late.Listen(func(msg []byte) {
		mu.Lock()
		defer mu.Unlock()
		heard = append(heard, bytes.Clone(msg))
	})()
	joined := join(t, sp, bob)
	bothWays(t, sp, joined)
	arrives(t, tab, sp.Key())
	ok(t, joined.Leave(ctx))
	code(t, joined.Edit(nil), errs.SpaceClosed)
	eventually(t, "it is gone", func() bool { return tab.Space(sp.Key()) == nil })
	eventually(t, "the others know", func() bool { return !isMember(sp, me(bob)) })
	ok(t, joined.Delete(ctx)) // of what is gone
	code(t, joined.Open(ctx), errs.SpaceClosed)
	mu.Lock()
	again := slices.Clone(heard)
	mu.Unlock()
	was := joined
	joined = join(t, sp, bob)
	other := arrives(t, tab, sp.Key())
	for _, msg := range again {
		late.Post(msg)
	}
	bothWays(t, joined, other)
	bothWays(t, sp, other)
	if bob.Space(sp.Key()) != joined || tab.Space(sp.Key()) != other {
		t.Fatal("a late message put the space out")
	}
	code(t, was.Open(ctx), errs.SpaceClosed)
	code(t, was.Delete(ctx), errs.SpaceClosed)
	code(t, was.Leave(ctx), errs.SpaceClosed)
	bothWays(t, joined, other)
}

// A device that was away while the space was left and joined again is in it as the others
// are, and follows what becomes of the later join.
func TestHalo_S17_S18_awayMeanwhile(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	ada, one := w.person("Ada"), w.person("Bob")
	two := w.deviceOn(p, one)
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	joined := join(t, sp, one)
	second := arrives(t, two, sp.Key())
	bothWays(t, sp, second)
	ok(t, two.GoOffline(ctx))
	ok(t, joined.Leave(ctx))
	eventually(t, "the others know", func() bool { return !isMember(sp, me(one)) })
	joined = join(t, sp, one)
	bothWays(t, sp, joined)
	ok(t, two.GoOnline(ctx))
	// Until it has heard of all that, what it writes is by who was no member, and goes
	// again. The space itself goes if it hears of the one much before the other.
	var v id.ObjectID
	eventually(t, "it writes again", func() bool {
		if second = two.Space(sp.Key()); second == nil {
			return false
		}
		if record(second, v) == nil {
			fresh, ops := creation("title", "of the other device")
			if err := second.Edit(ops); err == nil {
				v = fresh
			} else if !errs.Is(err, errs.NotPermitted) && !errs.Is(err, errs.SpaceClosed) {
				t.Fatal(err)
			}
		}
		return record(sp, v) != nil
	})
	eventually(t, "all have the same", func() bool {
		return slices.Equal(objects(sp), objects(second)) && slices.Equal(objects(sp), objects(joined))
	})
	bothWays(t, sp, second)
	ok(t, two.Destroy(ctx))
	two = w.open(p)
	bothWays(t, joined, arrives(t, two, sp.Key()))
	ok(t, joined.Delete(ctx))
	eventually(t, "it goes from the other device", func() bool { return two.Space(sp.Key()) == nil })
}

func TestHalo_S18_deleted(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one, bob, p := w.person("Ada"), w.person("Bob"), newProfile()
	two := w.deviceOn(p, one)
	var keys []id.SpaceKey
	for range 3 {
		sp, err := one.CreateSpace(ctx)
		ok(t, err)
		join(t, sp, bob)
		arrives(t, two, sp.Key())
		keys = append(keys, sp.Key())
	}
	gone := func(c *client.Client, key id.SpaceKey) func() bool { return func() bool { return c.Space(key) == nil } }
	ok(t, one.Space(keys[0]).Delete(ctx))
	eventually(t, "it goes from the other device", gone(two, keys[0]))
	if bob.Space(keys[0]) == nil {
		t.Fatal("it is gone from a member")
	}
	// A device that is away hears of it later, and its own news do not bring it back.
	ok(t, two.GoOffline(ctx))
	put(t, two.Space(keys[1]), "title", "of a device that does not know")
	ok(t, one.Space(keys[1]).Delete(ctx))
	ok(t, two.GoOnline(ctx))
	eventually(t, "it goes there too", gone(two, keys[1]))
	for _, c := range []*client.Client{one, two} {
		if list := c.Spaces.Get(); len(list) != 1 || list[0].Key() != keys[2] {
			t.Fatalf("%d spaces are left", len(list))
		}
	}
	if n := len(bob.Space(keys[1]).Members.Get()); n != 2 {
		t.Fatalf("%d members", n)
	}
	// Who comes back by an invitation has it on all devices again.
	inv, err := bob.Space(keys[0]).CreateInvitation(client.InvitationOptions{})
	code(t, err, errs.NotPermitted) // Bob is an EDITOR
	if inv != nil {
		t.Fatal("an invitation in spite of an error")
	}
	ok(t, two.Destroy(ctx))
	two = w.open(p)
	if n := len(two.Spaces.Get()); n != 1 {
		t.Fatalf("%d spaces after a restart", n)
	}
}

// A device that hears of a deletion while it takes the space up follows it.
func TestHalo_S18_deletedAsItArrives(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one := w.person("Ada")
	w.yield = func(context.Context) { time.Sleep(30 * time.Millisecond) } // a page that is busy
	two := w.device(one)
	for range 3 {
		sp, err := one.CreateSpace(ctx)
		ok(t, err)
		arrives(t, two, sp.Key())
		ok(t, sp.Delete(ctx))
		eventually(t, "it goes from the other device", func() bool { return two.Space(sp.Key()) == nil })
	}
}
