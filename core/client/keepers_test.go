package client_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// named makes an open client with an identity on a profile.
func (w *world) named(p *profile, name string) *client.Client {
	w.t.Helper()
	c := w.open(p)
	_, err := c.CreateIdentity(context.Background(), name)
	ok(w.t, err)
	return c
}

// TestKeeper_S16_N11_between: a KEEPER carries what two members write who are never
// online together, and can prove by its own store and keys that it reads none of it.
func TestKeeper_S16_N11_between(t *testing.T) {
	const canary = "canary-51c0ffee-canary"
	ctx, w := context.Background(), newWorld(t)
	pKim := newProfile()
	ada, bob, kim := w.person("Ada"), w.person("Bob"), w.named(pKim, "Kim")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob, spKim := join(t, sp, bob), joinAs(t, sp, kim, credential.Keeper)
	ok(t, bob.GoOffline(ctx))
	var all []id.ObjectID
	for round := range 3 {
		x := put(t, sp, "title", fmt.Sprint("of Ada ", round, " "+canary))
		ok(t, sp.Flush(ctx, client.FlushPeer)) // the KEEPER has stored it
		ok(t, ada.GoOffline(ctx))
		ok(t, bob.GoOnline(ctx))
		eventually(t, "Bob has what Ada wrote", func() bool { return holds(record(spBob, x), canary) })
		y := put(t, spBob, "title", fmt.Sprint("of Bob ", round, " "+canary))
		ok(t, spBob.Flush(ctx, client.FlushPeer))
		ok(t, bob.GoOffline(ctx))
		ok(t, ada.GoOnline(ctx))
		eventually(t, "Ada has what Bob wrote", func() bool { return holds(record(sp, y), canary) })
		all = append(all, x, y)
	}
	for _, v := range all {
		if record(spKim, v) != nil {
			t.Error("the KEEPER reads an object")
		}
	}
	if n := count(spKim); n != 0 {
		t.Errorf("the KEEPER has %d objects", n)
	}
	code(t, spKim.Edit(nil), errs.NotPermitted)
	_, err = spKim.CreateInvitation(client.InvitationOptions{})
	code(t, err, errs.NotPermitted)
	code(t, spKim.SetRole(ctx, me(kim), credential.Editor), errs.NotPermitted)
	code(t, spKim.RemoveMember(ctx, me(bob)), errs.NotPermitted)
	ok(t, kim.Destroy(ctx))

	list, err := pKim.store.Scan(ctx, storage.Range{}, 0)
	ok(t, err)
	for _, e := range list {
		for _, form := range encodings([]byte(canary)) {
			if bytes.Contains(e.Value, form) || bytes.Contains(e.Key, form) {
				t.Errorf("the canary is in record %q", e.Key)
			}
		}
	}
	cannotRead(t, pKim, sp.Key(), len(all))
}

// cannotRead fails unless every block of data in the store of a profile is closed to
// every key that the profile has, and there are as many.
func cannotRead(t *testing.T, p *profile, key id.SpaceKey, least int) {
	t.Helper()
	rec := recordOf(t, p, "space/"+key.String())
	core := loaded(t, identityOf(t, p), rec, copyOf(t, p.store))
	if n := len(rec.Secrets.Epochs) + len(core.Secrets().Epochs); n != 0 {
		t.Errorf("%d keys of data are held", n)
	}
	held := append(derived(core.Secrets()), derived(recordOf(t, p, "halo").Secrets)...)
	data, control := 0, 0
	for _, f := range core.Feeds() {
		list, err := p.store.Scan(context.Background(), feed.BlockRange(f.Header.ID(), 1, 0), 0)
		ok(t, err)
		for _, e := range list {
			b, err := feed.DecodeBlock(e.Value)
			ok(t, err)
			opened := false
			for _, k := range held {
				b.Epoch = k.ID()
				_, err := b.Open(k)
				opened = opened || err == nil
			}
			switch {
			case f.Header.Kind == feed.Control:
				if opened {
					control++
				}
			case opened:
				t.Errorf("block %d of data feed %s opens", b.Seq, id.Short(b.Feed))
			default:
				data++
			}
		}
	}
	if control == 0 || data < least {
		t.Fatalf("%d blocks of control feeds open, and %d of data do not: nothing is shown", control, data)
	}
}

// TestAttack_R4_keeperWrites has a KEEPER write, under the keys that it has.
func TestAttack_R4_keeperWrites(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	pKim := newProfile()
	ada, kim := w.person("Ada"), w.named(pKim, "Kim")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	joinAs(t, sp, kim, credential.Keeper)
	x := put(t, sp, "title", "of Ada")
	ok(t, sp.Flush(ctx, client.FlushPeer))
	ok(t, kim.Destroy(ctx))
	m := patch(t, pKim, sp.Key())
	self := identityOf(t, pKim)
	forged := object()
	payload := wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 5), 1), 0)
	h, err := feed.NewHeader(ctx, feed.Header{Space: sp.Key(), Device: self.Device, Incarnation: [16]byte(testEnv().Bytes(16)), Kind: feed.Data}, self.Signer)
	ok(t, err)
	key := m.out.rec.Secrets.Controls[0]
	b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: h.ID(), Seq: 1, Epoch: key.ID(), Ops: 1}, key, append(payload, forged[:]...), self.Signer)
	ok(t, err)
	m.meets(w, m.out.rec.Secrets.Gate())
	m.mu.Lock()
	in, err := m.core.Receive(h, [][]byte{b.Encode()}, nil)
	ok(t, err)
	m.keep(in)
	ok(t, m.core.Commit(in))
	m.sync.Stored(h, m.core.Log(h.ID()), in.Refs(), nil)
	m.issue(credential.Epoch{Key: key.ID()})                                          // the control key as one of data
	m.issue(credential.Epoch{Key: keys.NewSecret(testEnv()).ID()})                    // one of its own
	m.issue(credential.SetRole{Identity: self.Identity, Role: credential.Editor})     // more than it may
	m.issue(credential.Profile{Identity: self.Identity, Name: "the KEEPER was here"}) // what it may
	m.mu.Unlock()
	eventually(t, "Ada takes in what it may say", func() bool { return nameOf(sp, self.Identity) == "the KEEPER was here" })
	y := put(t, sp, "title", "of Ada, after")
	ok(t, sp.Flush(ctx, client.FlushStore))
	for _, v := range []id.ObjectID{x, y} {
		if record(sp, v) == nil {
			t.Error("an object of Ada is gone")
		}
	}
	if n := count(sp); n != 2 || record(sp, forged) != nil {
		t.Errorf("%d objects, 2 were made", n)
	}
	for _, member := range sp.Members.Get() {
		if member.Identity == self.Identity && member.Role != credential.Keeper {
			t.Errorf("the KEEPER is %v", member.Role)
		}
	}
	eventually(t, "what Ada writes reaches its store", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return stored(t, m.store, "b/") > 3
	})
	m.leave()
	if m.core.DB().ObjectCount() != 0 {
		t.Error("the KEEPER reads what was written under the key that it declared")
	}
}

// issue stores and announces a credential, be it one that holds or not.
func (m *patched) issue(claim credential.Claim) {
	m.t.Helper()
	ctx, self := context.Background(), m.core.Self()
	c, err := credential.Issue(ctx, self.Signer, m.core.Membership().Parents(), 1, claim)
	ok(m.t, err)
	h, err := feed.NewHeader(ctx, feed.Header{Space: m.core.Key(), Device: self.Device, Incarnation: [16]byte(testEnv().Bytes(16)), Kind: feed.Control}, self.Signer)
	ok(m.t, err)
	key := m.core.Secrets().Controls[0]
	payload := wire.AppendBytes(wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 2), 1), 1), c.Encode())
	b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: h.ID(), Seq: 1, Epoch: key.ID(), Ops: 1}, key, payload, self.Signer)
	ok(m.t, err)
	var in *space.Intake
	in, err = m.core.Receive(h, [][]byte{b.Encode()}, nil)
	ok(m.t, err)
	m.keep(in)
	ok(m.t, m.core.Commit(in))
	m.core.Settle(nil)
	m.sync.Stored(h, m.core.Log(h.ID()), in.Refs(), nil)
}

// TestAttack_R4_withholds has a KEEPER, or any other member, that keeps blocks to
// itself: what it does not give comes by anybody else, and what it hides about who was
// removed is known as soon as anybody else is there.
func TestAttack_R4_withholds(t *testing.T) {
	t.Parallel()
	isRun := func(msg []byte) bool { return len(msg) > 1 && msg[1] == 3 }
	cases := map[string]func(m *patched, ada id.DeviceKey){
		"every block of data": func(m *patched, _ id.DeviceKey) {
			m.withholds = func(f *feed.SignedHeader) bool { return f.Kind == feed.Data }
		},
		"every block of the removal's feed": func(m *patched, ada id.DeviceKey) {
			m.withholds = func(f *feed.SignedHeader) bool { return f.Device == ada }
		},
		"everything, in silence": func(m *patched, _ id.DeviceKey) {
			m.edits = func(msg []byte) [][]byte {
				if isRun(msg) || len(msg) > 1 && msg[1] == 4 {
					return nil
				}
				return [][]byte{msg}
			}
		},
		"nothing, but says it has other blocks": func(m *patched, _ id.DeviceKey) {
			m.edits = func(msg []byte) [][]byte {
				if len(msg) > 40 && msg[1] == 1 {
					msg = bytes.Clone(msg)
					msg[len(msg)-1] ^= 1 // of the hash of the last head
				}
				return [][]byte{msg}
			}
		},
		"the heads": func(m *patched, _ id.DeviceKey) {
			m.edits = func(msg []byte) [][]byte {
				if len(msg) > 1 && msg[1] == 1 {
					return nil
				}
				return [][]byte{msg}
			}
		},
	}
	for name, attack := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // a silent peer is waited for
			ctx, w := context.Background(), newWorld(t)
			pKim, pEve := newProfile(), newProfile()
			ada, bob, cyd, kim, eve := w.person("Ada"), w.person("Bob"), w.person("Cyd"), w.named(pKim, "Kim"), w.named(pEve, "Eve")
			sp, err := ada.CreateSpace(ctx)
			ok(t, err)
			spBob, spCyd, spEve := join(t, sp, bob), join(t, sp, cyd), join(t, sp, eve)
			spKim := joinAs(t, sp, kim, credential.Keeper)
			before := put(t, spBob, "title", "of Bob, before")
			eventually(t, "all have it", func() bool {
				return record(sp, before) != nil && record(spCyd, before) != nil && record(spEve, before) != nil
			})
			ok(t, bob.GoOffline(ctx))
			ok(t, cyd.GoOffline(ctx))
			var missed []id.ObjectID
			for n := range 5 {
				missed = append(missed, put(t, sp, "title", fmt.Sprint("of Ada ", n)))
			}
			ok(t, sp.RemoveMember(ctx, me(eve)))
			missed = append(missed, put(t, sp, "title", "after the removal"))
			ok(t, sp.Flush(ctx, client.FlushPeer))
			eventually(t, "the KEEPER knows", func() bool { return !isMember(spKim, me(eve)) })
			ok(t, kim.Destroy(ctx))
			ok(t, ada.GoOffline(ctx))
			m := patch(t, pKim, sp.Key())
			attack(m, ada.Identity.Get().Device)
			m.meets(w, swarmOf(t, pEve, sp.Key()).Gate()) // where Bob looks, who does not know yet

			// Bob returns, and meets nobody else; nor does he hear of the removal. What he
			// writes waits for the others, and what was there stays.
			ok(t, bob.GoOnline(ctx))
			eventually(t, "Bob meets the KEEPER", func() bool { return len(m.events(mesh.Connected)) > 0 })
			own := put(t, spBob, "title", "of Bob, meanwhile")
			ok(t, spBob.Flush(ctx, client.FlushStore))
			if record(spBob, before) == nil {
				t.Error("what was there is gone")
			}
			// The others come.
			ok(t, ada.GoOnline(ctx))
			ok(t, cyd.GoOnline(ctx))
			for _, s := range []*client.Space{spBob, spCyd} {
				for _, v := range missed {
					eventually(t, "what was withheld comes by others", func() bool { return record(s, v) != nil })
				}
				eventually(t, "the removal too", func() bool { return !isMember(s, me(eve)) })
			}
			for _, s := range []*client.Space{sp, spCyd} {
				eventually(t, "what Bob wrote meanwhile is not lost", func() bool { return record(s, own) != nil })
			}
			secret := put(t, spBob, "title", "a secret")
			eventually(t, "they go on", func() bool { return record(sp, secret) != nil && record(spCyd, secret) != nil })
			if record(spEve, secret) != nil {
				t.Error("the removed reads on")
			}
			m.leave()
		})
	}
}
