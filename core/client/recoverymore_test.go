package client_test

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal"
)

// A device that was offline all the time and one that came back have one HALO, with all
// that either did.
func TestHalo_H10_anOldDeviceLives(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	laptop, bob := newProfile(), w.person("Bob")
	one, sp := owner(t, w, laptop)
	phone := w.device(one)
	spBob := join(t, sp, bob)
	arrives(t, phone, sp.Key())
	words := phraseOf(t, one)
	eventually(t, "Bob holds the envelope", func() bool { return envelope(spBob, me(one)) != id.CredentialID{} })
	ok(t, phone.Destroy(ctx)) // lost
	ok(t, one.GoOffline(ctx))
	alone, err := one.CreateSpace(ctx) // of which nobody knows
	ok(t, err)
	x := put(t, alone, "title", "written offline")
	ok(t, one.Destroy(ctx))

	again := w.recovered(words)
	returned(t, again, spBob)
	later, err := again.CreateSpace(ctx)
	ok(t, err)
	_, err = again.UpdateProfile(ctx, "Ada L.")
	ok(t, err)

	one = w.open(laptop)
	arrives(t, one, later.Key())
	there := arrives(t, again, alone.Key())
	eventually(t, "it comes", func() bool { return record(there, x) != nil })
	eventually(t, "the name is one", func() bool {
		return one.Identity.Get().Name == "Ada L." && again.Identity.Get().Name == "Ada L."
	})
	for _, c := range []*client.Client{one, again} {
		eventually(t, "both know three devices", func() bool { return len(c.Devices.Get()) == 3 })
		bothWays(t, c.Space(sp.Key()), spBob)
	}
	bothWays(t, one.Space(later.Key()), again.Space(later.Key()))
	bothWays(t, one.Space(alone.Key()), again.Space(alone.Key()))
	if !one.Recovery.Get().Exists || !again.Recovery.Get().Exists {
		t.Error("the phrase is forgotten")
	}
}

// Keys were changed, and a device and a member removed, before and after the envelope
// that helps was sealed.
func TestHalo_H10_afterRotations(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	one, carl, bobs := w.person("Ada"), w.person("Carl"), newProfile()
	bob := w.open(bobs)
	_, err := bob.CreateIdentity(ctx, "Bob")
	ok(t, err)
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	join(t, sp, carl)
	two := w.device(one)
	arrives(t, two, sp.Key())
	thief := two.Identity.Get().Device
	first := put(t, sp, "title", "under the first key")
	ok(t, one.RemoveDevice(ctx, thief))
	second := put(t, sp, "title", "under the second key")
	eventually(t, "it arrives", func() bool { return record(spBob, second) != nil })
	words := phraseOf(t, one)
	ok(t, sp.Flush(ctx, client.FlushPeer))
	eventually(t, "Bob holds the envelope", func() bool { return envelope(spBob, me(one)) != id.CredentialID{} })
	ok(t, bob.Destroy(ctx)) // with an envelope that is old soon

	older := envelope(spBob, me(one))
	ok(t, sp.RemoveMember(ctx, me(carl)))
	third := put(t, sp, "title", "under the third key")
	ok(t, sp.Flush(ctx, client.FlushStore))
	dora := w.person("Dora")
	spDora := join(t, sp, dora)
	eventually(t, "it arrives", func() bool { return record(spDora, third) != nil })
	eventually(t, "Dora holds a newer one", func() bool { return envelope(spDora, me(one)) != older })
	was := me(one)
	ok(t, one.Destroy(ctx))
	ok(t, dora.GoOffline(ctx))

	bob = w.open(bobs)
	again := w.recovered(words)
	if me(again) != was {
		t.Fatal("it is somebody else")
	}
	back := returned(t, again, arrives(t, bob, sp.Key()))
	for _, v := range []id.ObjectID{first, second} {
		eventually(t, "it is read", func() bool { return record(back, v) != nil })
	}
	ok(t, dora.GoOnline(ctx))
	eventually(t, "what came later is read", func() bool { return record(back, third) != nil })
	bothWays(t, back, spDora)
	for _, s := range []*client.Space{back, spDora} {
		eventually(t, "the removed are gone", func() bool { return !hasDevice(s, thief) && !isMember(s, me(carl)) })
	}
	for _, d := range again.Devices.Get() {
		if d.Key == thief {
			t.Error("the removed device is one again")
		}
	}
}

// Who was removed is served no more, and serves no more.
func TestHalo_H10_removedMembers(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	adas, bobs := phraseOf(t, ada), phraseOf(t, bob)
	eventually(t, "each holds what the other needs", func() bool {
		return envelope(sp, me(bob)) != id.CredentialID{} && envelope(spBob, me(ada)) != id.CredentialID{}
	})
	ok(t, sp.RemoveMember(ctx, me(bob)))
	eventually(t, "Bob knows", func() bool { return !isMember(spBob, me(bob)) })
	look := func(words string) error {
		c := w.open(newProfile())
		_, err := c.RecoverIdentity(ctx, wordList(t), words, client.RecoverOptions{Timeout: 3 * time.Second})
		if c.Identity.Get() != nil {
			t.Error("there is an identity")
		}
		return err
	}
	ok(t, bob.Destroy(ctx))
	if err := look(bobs); !errs.Is(err, errs.Timeout) {
		t.Errorf("the removed member is served: %v", err)
	}
	ok(t, bob.Initialize(ctx))
	ok(t, ada.Destroy(ctx))
	if err := look(adas); !errs.Is(err, errs.Timeout) {
		t.Errorf("the removed member serves: %v", err)
	}
}

// READERs and KEEPERs come back as what they were, with other spaces of theirs.
func TestHalo_H10_roles(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	ada := w.person("Ada")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	x := put(t, sp, "title", "to be read")
	for _, role := range []credential.Role{credential.Reader, credential.Keeper} {
		bob := w.person("Bob")
		joinAs(t, sp, bob, role)
		words := phraseOf(t, bob)
		eventually(t, "Ada holds the envelope", func() bool { return envelope(sp, me(bob)) != id.CredentialID{} })
		was := me(bob)
		ok(t, bob.Destroy(ctx))
		again := w.recovered(words)
		back := arrives(t, again, sp.Key())
		eventually(t, "it is known", func() bool { return hasDevice(sp, again.Identity.Get().Device) && isMember(back, was) })
		if role == credential.Reader {
			eventually(t, "it reads", func() bool { return record(back, x) != nil })
		} else if record(back, x) != nil {
			t.Error("a KEEPER reads")
		}
		if err := back.Edit(nil); !errs.Is(err, errs.NotPermitted) {
			t.Errorf("a %v edits: %v", role, err)
		}
		ok(t, again.Destroy(ctx))
	}
}

// Storage that refuses the one write that makes the identity leaves none, and the device
// that comes of it later is the same.
func TestHalo_H10_T04_restartInTheMiddle(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	words := phraseOf(t, ada)
	ok(t, sp.Flush(ctx, client.FlushPeer))
	was := me(ada)
	ok(t, ada.Destroy(ctx))

	p := newProfile()
	store := &taking{Store: p.store}
	store.pass.Store(-1)
	p.store = store
	c := w.open(p)
	store.pass.Store(1) // the keys of the device, and no more
	if _, err := recoverOn(t, c, words); !errs.Is(err, errs.StorageFull) {
		t.Fatalf("storage refuses: %v", err)
	}
	if c.Identity.Get() != nil || len(c.Spaces.Get()) > 0 {
		t.Error("half an identity")
	}
	store.pass.Store(-1)
	ok(t, c.Destroy(ctx))
	c = w.open(p)
	if c.Identity.Get() != nil || len(c.Spaces.Get()) > 0 {
		t.Error("half an identity after a restart")
	}
	who, err := recoverOn(t, c, words)
	ok(t, err)
	if who.Key != was {
		t.Error("it is somebody else")
	}
	returned(t, c, spBob)
}

// Somebody who knows the recovery key by its public half, as every member does, is under
// its topic: it answers garbage, takes part in what it cannot read, and floods a helper.
func TestAttack_R10_attackerUnderTheTopic(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	words := phraseOf(t, ada)
	ok(t, sp.Flush(ctx, client.FlushPeer))
	public := spBob.Trust.Get().RecoveryKeys(me(ada))[0].Claim.(credential.Recovery).Key
	was := me(ada)
	ok(t, ada.Destroy(ctx))

	rv, err := w.hub.Signaler().Join(ctx, id.Topic(keys.SumLabel("echospace recovery topic v1", public[:])))
	ok(t, err)
	done, answers := make(chan struct{}), 0
	go func() {
		defer close(done)
		for {
			ev, err := rv.Recv(ctx)
			if err != nil {
				return
			}
			if ev.Type == signal.Frame {
				answers++
			}
			garbage := make([]byte, 100)
			_, _ = rand.Read(garbage) // never fails
			for _, b := range [][]byte{garbage, ev.Data, append([]byte{0x92, 2, 0xc4, 90}, garbage[:90]...), append([]byte{0x92, 1, 0xc4, 90}, garbage[:90]...), nil} {
				if !id.IsZero(ev.Peer) {
					_ = rv.Send(ctx, ev.Peer, b) // a peer may be gone
				}
			}
		}
	}()
	again := w.recovered(words)
	ok(t, rv.Close())
	<-done
	if me(again) != was {
		t.Fatal("it is somebody else")
	}
	returned(t, again, spBob)
	if answers == 0 {
		t.Error("nobody asked the attacker, who then shows nothing")
	}
}
