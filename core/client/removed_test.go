package client_test

import (
	"bytes"
	"context"
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
	"github.com/echospace/echospace/core/syncer"
	"github.com/echospace/echospace/core/wire"
)

// outcast is a removed member with all that its profile holds, and code of its own.
type outcast struct {
	key    id.SpaceKey
	rec    space.Record
	signer keys.Signer
}

// castOut reads what a profile holds of a space.
func castOut(t *testing.T, p *profile, key id.SpaceKey) *outcast {
	t.Helper()
	ctx := context.Background()
	ring, err := keys.OpenKeyring(ctx, testEnv(), p.keys, p.store)
	ok(t, err)
	raw, err := ring.Get(ctx, "identity")
	ok(t, err)
	r := wire.NewReader(raw)
	var identity, device [32]byte
	r.ArrayLen(16)
	r.Uint(2)
	r.Fixed(identity[:])
	r.Fixed(device[:])
	ok(t, r.Err())
	signer, err := p.devices.Load(ctx, device) // a copied profile has it
	ok(t, err)
	raw, err = ring.Get(ctx, "space/"+key.String())
	ok(t, err)
	rec, err := space.DecodeRecord(raw)
	ok(t, err)
	return &outcast{key: key, rec: rec, signer: signer}
}

// Payload is what a member shows: its device, its old proof, a fresh signature.
func (o *outcast) Payload(static [32]byte) ([]byte, error) {
	device, instance := o.signer.Public(), [16]byte(testEnv().Bytes(16))
	sum := keys.SumLabel("echospace session auth v1", o.key[:], static[:], instance[:])
	sig, err := o.signer.Sign(context.Background(), sum[:])
	b := wire.AppendUint(wire.AppendArray(nil, 5), 1)
	b = wire.AppendBytes(wire.AppendBytes(b, device[:]), instance[:])
	return wire.AppendBytes(wire.AppendBytes(b, o.rec.Proof), sig[:]), err
}

// another makes a device that the removed one admits, and a proof for it.
func (o *outcast) another(t *testing.T, who id.IdentityKey) *outcast {
	t.Helper()
	e := testEnv()
	device := keys.NewSigningKey([32]byte(e.Bytes(32)))
	c, err := credential.Issue(context.Background(), o.signer, nil, e.UnixMilli(), credential.Device{
		Identity: who, Device: id.DeviceKey(device.Public()), Sealing: keys.NewSealingKey([32]byte(e.Bytes(32))).Public(),
	})
	ok(t, err)
	list, err := credential.DecodeProof(o.rec.Proof)
	ok(t, err)
	list = append(list, c)
	proof := wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 2), 1), len(list))
	for _, c := range list {
		proof = wire.AppendBytes(proof, c.Encode())
	}
	if _, err := credential.VerifyProof(o.key, id.DeviceKey(device.Public()), proof); err != nil {
		t.Fatalf("the proof shows nothing: %v", err)
	}
	rec := o.rec
	rec.Proof = proof
	return &outcast{key: o.key, rec: rec, signer: device}
}

// Verify takes anybody.
func (o *outcast) Verify([]byte, [32]byte) (info mesh.PeerInfo, err error) {
	copy(info.Instance[:], testEnv().Bytes(16))
	return info, nil
}

// opens tells whether one of the keys opens a block of a store that holds a text.
func opens(t *testing.T, st storage.Store, held []keys.Secret, text string) bool {
	t.Helper()
	list, err := st.Scan(context.Background(), storage.Prefix([]byte("b/")), 0)
	ok(t, err)
	for _, e := range list {
		b, err := feed.DecodeBlock(e.Value)
		ok(t, err)
		for _, k := range held {
			b.Epoch = k.ID() // whichever it says
			if payload, err := feed.OpenParts([]*feed.Block{b}, k); err == nil && bytes.Contains(payload, []byte(text)) {
				return true
			}
		}
	}
	return false
}

func TestAttack_R3_removedMember(t *testing.T) {
	t.Parallel() // it waits for handshakes
	ctx, w := context.Background(), newWorld(t)
	pAda, pEve := newProfile(), newProfile()
	ada, sp := owner(t, w, pAda)
	eve := w.open(pEve)
	_, err := eve.CreateIdentity(ctx, "Eve")
	ok(t, err)
	bob := w.person("Bob")
	spBob, spEve := join(t, sp, bob), join(t, sp, eve)
	put(t, sp, "title", "written before")
	eventually(t, "it arrives", func() bool { return count(spEve) > 0 })
	ok(t, sp.RemoveMember(ctx, me(eve)))
	eventually(t, "all know", func() bool { return !isMember(spBob, me(eve)) && !isMember(spEve, me(eve)) })
	secret := put(t, sp, "title", "written after the removal")
	ok(t, sp.Flush(ctx, client.FlushPeer))
	eventually(t, "it arrives", func() bool { return record(spBob, secret) != nil })

	out := castOut(t, pEve, sp.Key())
	who := me(eve)
	ok(t, eve.Destroy(ctx))

	// Whatever blocks it may get from a relay, a keeper or a stolen disk.
	held := append(append([]keys.Secret{out.rec.Secrets.Swarm}, out.rec.Secrets.Controls...), out.rec.Secrets.Epochs...)
	for _, k := range held[:len(held):len(held)] {
		held = append(held, keys.Derive(k[:], "echospace space session psk v2"), keys.Secret(keys.Sum(k[:])))
	}
	if !opens(t, pAda.store, held, "written before") {
		t.Fatal("the check opens nothing at all")
	}
	if opens(t, pAda.store, held, "written after the removal") {
		t.Error("the removed member reads what was written after its removal")
	}
	if now := swarmOf(t, pAda, sp.Key()); !opens(t, pAda.store, now.Epochs, "written after the removal") {
		t.Fatal("nor does a member read it: nothing is shown")
	}

	// It comes to where it used to meet the others, where they still answer.
	at := w.intrude(out.rec.Secrets.Gate(), out)
	eventually(t, "two members refuse it", func() bool { return len(at.events(mesh.Dropped))+len(at.events(mesh.Disconnected)) >= 2 })
	for _, ev := range append(at.events(mesh.Dropped), at.events(mesh.Disconnected)...) {
		if !errs.Is(ev.Err, errs.NotPermitted) && !errs.Is(ev.Err, errs.PeerMisbehaved) && !errs.Is(ev.Err, errs.Closed) {
			t.Errorf("refused with %v", ev.Err)
		}
	}
	if n := len(at.events(mesh.Message)); n > 0 {
		t.Errorf("it was told %d messages", n)
	}

	at.leave()

	// With a device of which nobody has heard, which its removed one admits now.
	fresh := out.another(t, who)
	again := w.intrude(out.rec.Secrets.Gate(), fresh)
	eventually(t, "two members refuse that too", func() bool { return len(again.events(mesh.Dropped))+len(again.events(mesh.Disconnected)) >= 2 })
	if n := len(again.events(mesh.Message)); n > 0 {
		t.Errorf("its fresh device was told %d messages", n)
	}
	if onlineThere(sp, me(ada)) && len(ada.Network.Get().Peers) != 1 {
		t.Errorf("%d sessions, want the one with Bob", len(ada.Network.Get().Peers))
	}
	if out.rec.Secrets.Gate() == swarmOf(t, pAda, sp.Key()).Gate() {
		t.Error("it knows where the members meet now")
	}
}

// blockKeys are the keys of all blocks of a store.
func blockKeys(t *testing.T, st storage.Store) map[string]bool {
	t.Helper()
	list, err := st.Scan(context.Background(), storage.Prefix([]byte("b/")), 0)
	ok(t, err)
	keys := map[string]bool{}
	for _, e := range list {
		keys[string(e.Key)] = true
	}
	return keys
}

// derived gives every key that secrets hold, and what could be made of them.
func derived(sec space.Secrets) (held []keys.Secret) {
	held = append(append([]keys.Secret{sec.Swarm}, sec.Controls...), sec.Epochs...)
	for _, k := range held[:len(held):len(held)] {
		held = append(held, keys.Derive(k[:], "echospace space session psk v2"), keys.Secret(keys.Sum(k[:])))
	}
	return held
}

// TestAttack_R3_removedDevice gives a removed device of an identity that stays, with its
// whole profile, all that the others have stored since, and a member who helps it.
func TestAttack_R3_removedDevice(t *testing.T) {
	t.Parallel() // it waits for handshakes
	ctx, w := context.Background(), newWorld(t)
	pAda, pBob, pCyd, stolen := newProfile(), newProfile(), newProfile(), newProfile()
	ada, sp := owner(t, w, pAda)
	bob, cyd := w.open(pBob), w.open(pCyd)
	for c, name := range map[*client.Client]string{bob: "Bob", cyd: "Cyd"} {
		_, err := c.CreateIdentity(ctx, name)
		ok(t, err)
	}
	spBob, spCyd := join(t, sp, bob), join(t, sp, cyd)
	thief := w.deviceOn(stolen, ada)
	spThief := arrives(t, thief, sp.Key())
	before := put(t, spThief, "title", "written before")
	for _, s := range []*client.Space{sp, spBob, spCyd} {
		eventually(t, "it arrives", func() bool { return record(s, before) != nil })
	}
	gone := thief.Identity.Get().Device
	ok(t, ada.RemoveDevice(ctx, gone))
	for _, s := range []*client.Space{sp, spBob, spCyd, spThief} {
		eventually(t, "all know", func() bool { return !hasDevice(s, gone) })
	}
	ok(t, thief.Destroy(ctx))
	// What is known is stored later: the keys with the record, after the blocks they came in.
	eventually(t, "the new keys of the space and of the HALO are stored", func() bool {
		now := swarmOf(t, pAda, sp.Key()).Gate()
		return now != swarmOf(t, stolen, sp.Key()).Gate() && now == swarmOf(t, pBob, sp.Key()).Gate() && now == swarmOf(t, pCyd, sp.Key()).Gate() &&
			recordOf(t, pAda, "halo").Secrets.Gate() != recordOf(t, stolen, "halo").Secrets.Gate()
	})
	ok(t, cyd.Destroy(ctx))
	known := blockKeys(t, pAda.store)

	text := func(s string) *string { return &s }
	secrets := []id.ObjectID{put(t, sp, "title", "since the removal, by Ada"), put(t, spBob, "title", "since the removal, by Bob")}
	ok(t, ada.UpdateDevice(ctx, text("since the removal, in the HALO"), nil))
	later, err := ada.CreateSpace(ctx)
	ok(t, err)
	put(t, later, "title", "since the removal, in a later space")
	ok(t, later.Flush(ctx, client.FlushStore))
	eventually(t, "all is there", func() bool { return record(sp, secrets[1]) != nil && record(spBob, secrets[0]) != nil })

	// Whatever blocks it may get: all that Ada has, with its keys of the space and of the
	// HALO, and those that come with these blocks.
	who := identityOf(t, stolen)
	outs := map[string]*outcast{"the space": castOut(t, stolen, sp.Key()), "the HALO": castOut(t, stolen, sp.Key())}
	outs["the HALO"].rec = recordOf(t, stolen, "halo")
	outs["the HALO"].key = outs["the HALO"].rec.Key
	var held []keys.Secret
	for name, out := range outs {
		core := loaded(t, who, out.rec, copyOf(t, pAda.store))
		held = append(held, derived(core.Secrets())...)
		if core.MayWrite() {
			t.Errorf("it may write in %s", name)
		}
		for _, v := range secrets {
			if _, there := core.DB().Read(v); there {
				t.Errorf("it reads an object of %s", name)
			}
		}
	}
	if !opens(t, pAda.store, held, "written before") {
		t.Fatal("the check opens nothing at all")
	}
	since := 0
	list, err := pAda.store.Scan(ctx, storage.Prefix([]byte("b/")), 0)
	ok(t, err)
	for _, e := range list {
		if known[string(e.Key)] {
			continue
		}
		since++
		b, err := feed.DecodeBlock(e.Value)
		ok(t, err)
		for _, k := range held {
			b.Epoch = k.ID()
			if payload, err := feed.OpenParts([]*feed.Block{b}, k); err == nil {
				t.Errorf("block %d of feed %s opens: %q", b.Seq, id.Short(b.Feed), payload)
			}
		}
	}
	if since < 4 {
		t.Fatalf("%d blocks were written since: nothing is shown", since)
	}
	if opens(t, pAda.store, held, "since the removal") {
		t.Error("it reads what was written since")
	}

	// It comes to where it used to meet the others, and with a device that it makes up.
	for name, out := range outs {
		for kind, by := range map[string]*outcast{"": out, "a fresh device of ": out.another(t, me(ada))} {
			at := w.intrude(out.rec.Secrets.Gate(), by)
			eventually(t, "it is refused in "+name, func() bool { return len(at.events(mesh.Dropped))+len(at.events(mesh.Disconnected)) > 0 })
			if n := len(at.events(mesh.Message)); n > 0 {
				t.Errorf("%sthe removed device was told %d messages in %s", kind, n, name)
			}
			at.leave()
		}
	}

	// A member takes its late blocks along: data, and a credential that says they count.
	late := &patched{t: t, store: copyOf(t, stolen.store), sync: syncer.New(syncer.Options{})}
	late.core = loaded(t, who, outs["the space"].rec, late.store)
	forged := late.writes("by the removed device")
	var cut []feed.Ref
	for _, f := range late.core.Feeds() {
		if f.Header.Kind == feed.Data && f.Header.Device == gone {
			cut = f.Heads
		}
	}
	in, err := late.core.BuildControl(credential.RevokeDevice{Identity: me(ada), Device: gone, Cuts: cut})
	if err == nil { // it knows better, and signs nevertheless what it can
		late.own(in)
	}
	helper := patch(t, pCyd, sp.Key())
	helper.steal(late)
	helper.meets(w, helper.out.rec.Secrets.Gate())
	good := func() id.ObjectID { helper.mu.Lock(); defer helper.mu.Unlock(); return helper.writes("by the helper") }()
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "what the helper writes itself comes", func() bool { return record(s, good) != nil })
		if record(s, forged) != nil {
			t.Error("a block of the removed device is accepted")
		}
		if record(s, before) == nil {
			t.Error("what it wrote before is gone")
		}
	}
	helper.leave()
}
