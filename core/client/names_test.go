package client_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
)

// nameOf is what a space calls somebody.
func nameOf(sp *client.Space, who id.IdentityKey) string {
	for _, m := range sp.Members.Get() {
		if m.Identity == who {
			return m.Name
		}
	}
	return ""
}

// renamings is how often a space was told a name.
func renamings(t *testing.T, sp *client.Space) (n int) {
	t.Helper()
	list, err := sp.Audit()
	ok(t, err)
	for _, e := range list {
		if e.Action == credential.Renamed {
			n++
		}
	}
	return n
}

// TestHalo_H05_namedTwiceAtOnce has two devices that do not hear one another name their
// identity, again and again, and meet in any order: what the HALO says in the end is
// what every space says, and it is not said again and again.
func TestHalo_H05_namedTwiceAtOnce(t *testing.T) {
	const rounds = 8
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	w, ctx := newWorld(t), context.Background()
	one, bob := w.person("Ada"), w.person("Bob")
	sp, err := bob.CreateSpace(ctx)
	ok(t, err)
	spOne := join(t, sp, one)
	two := w.device(one)
	spTwo := arrives(t, two, sp.Key())
	bothWays(t, spOne, spTwo)
	own, err := one.CreateSpace(ctx)
	ok(t, err)
	ownTwo := arrives(t, two, own.Key())
	bothWays(t, own, ownTwo)
	who := me(one)
	for round := range rounds {
		devices := []*client.Client{one, two}
		for i, c := range devices {
			ok(t, c.GoOffline(ctx))
			for n := range 1 + rng.IntN(2) { // deeper on one side, now and then
				_, err := c.UpdateProfile(ctx, fmt.Sprint("Ada ", round, " of ", i, " ", n))
				ok(t, err)
			}
		}
		before := renamings(t, own)
		if rng.IntN(2) == 0 {
			devices[0], devices[1] = devices[1], devices[0]
		}
		ok(t, devices[0].GoOnline(ctx))
		if rng.IntN(2) == 0 { // Bob knows the one first
			want := devices[0].Identity.Get().Name
			eventually(t, "Bob hears of the first", func() bool { return nameOf(sp, who) == want })
		}
		ok(t, devices[1].GoOnline(ctx))
		settled := func() bool {
			name := one.Identity.Get().Name
			for _, s := range []*client.Space{sp, spOne, spTwo, own, ownTwo} {
				if nameOf(s, who) != name {
					return false
				}
			}
			return two.Identity.Get().Name == name
		}
		eventually(t, "all say one name", settled)
		x := put(t, spOne, "title", "after")
		eventually(t, "they have heard one another", func() bool { return record(spTwo, x) != nil && record(sp, x) != nil })
		eventually(t, "still", settled)
		if n := renamings(t, own) - before; n > 8 {
			t.Fatalf("round %d: the name was told %d times", round, n)
		}
	}
}

// TestHalo_H05_closedSpace: a space that was closed when its member was named anew is
// told when it is opened, by a client that knows nothing of that any more.
func TestHalo_H05_closedSpace(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	ada, sp := owner(t, w, p)
	who := me(ada)
	ok(t, sp.Close(ctx))
	_, err := ada.UpdateProfile(ctx, "Countess")
	ok(t, err)
	ok(t, ada.Destroy(ctx))
	ada = w.open(p)
	sp = ada.Space(sp.Key())
	if sp.State.Get() != client.SpaceOpen {
		ok(t, sp.Open(ctx))
	}
	eventually(t, "the space says it", func() bool { return nameOf(sp, who) == "Countess" })
}
