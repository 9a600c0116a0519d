package space_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage/memstore"
)

// words are the keys of a recovery phrase, as a claim of an identity.
type words struct {
	signer  *keys.SigningKey
	sealing *keys.SealingKey
	claim   credential.Recovery
}

func wordsOf(t testing.TB, n byte, who id.IdentityKey) words {
	t.Helper()
	w := words{signer: keys.NewSigningKey([32]byte{n, 0x99}), sealing: keys.NewSealingKey([32]byte{8, n})}
	var err error
	w.claim, err = credential.Countersign(ctx, w.signer, who, w.sealing.Public())
	ok(t, err)
	return w
}

// back makes a device of the identity by its recovery key.
func (w words) back(t testing.TB, halo *engine) space.Self {
	t.Helper()
	e := testEnv()
	chain := halo.Membership().Chain(w.claim.Identity, w.claim.Key)
	last, err := credential.Decode(chain[len(chain)-1])
	ok(t, err)
	device, sealing := keys.NewSigningKey([32]byte(e.Bytes(32))), keys.NewSealingKey([32]byte(e.Bytes(32)))
	c, err := credential.Issue(ctx, w.signer, []id.CredentialID{last.ID()}, 1, credential.Device{
		Identity: w.claim.Identity, Device: device.Public(), Sealing: sealing.Public(),
	})
	ok(t, err)
	return space.Self{Identity: w.claim.Identity, Device: device.Public(), Signer: device, Sealing: sealing, Chain: append(chain, c.Encode()), Name: "Ada"}
}

func (e *engine) recovery(w words) (holds int) {
	for _, c := range e.Membership().RecoveryKeys(w.claim.Identity) {
		if c.Claim == credential.Claim(w.claim) {
			holds++
		}
	}
	return holds
}

func TestRecovery_H10_sealed(t *testing.T) {
	halo := found(t)
	w := wordsOf(t, 1, halo.self.Identity)
	rec, err := halo.Recovery()
	ok(t, err)
	rec.Name = "Ada"
	rec.Ended = [][32]byte{{1}, {2}}
	rec.Spaces = []space.Recoverable{
		{Key: id.SpaceKey{9}, Secrets: space.Secrets{Controls: []keys.Secret{{3}, {4}}, Epochs: []keys.Secret{{5}}}},
		{Key: id.SpaceKey{2}, Secrets: space.Secrets{Swarm: keys.Secret{1}, Controls: []keys.Secret{{6}}}},
	}
	rec.Sort()
	if rec.Spaces[0].Key != (id.SpaceKey{2}) {
		t.Error("the spaces are not in order")
	}
	key := id.SpaceKey{7}
	sealed, err := rec.Seal(testEnv(), key, w.claim)
	ok(t, err)
	again, err := space.OpenRecovery(w.sealing, key, sealed)
	ok(t, err)
	if !bytes.Equal(again.Encode(), rec.Encode()) {
		t.Error("it opens as another")
	}
	for name, c := range map[string]struct {
		key   id.SpaceKey
		by    *keys.SealingKey
		alter func(e *credential.RecoveryEnvelope)
	}{
		"in another space":   {id.SpaceKey{8}, w.sealing, func(*credential.RecoveryEnvelope) {}},
		"by other words":     {key, wordsOf(t, 2, halo.self.Identity).sealing, func(*credential.RecoveryEnvelope) {}},
		"of another":         {key, w.sealing, func(e *credential.RecoveryEnvelope) { e.Identity[0] ^= 1 }},
		"for another key":    {key, w.sealing, func(e *credential.RecoveryEnvelope) { e.Key[0] ^= 1 }},
		"spoiled":            {key, w.sealing, func(e *credential.RecoveryEnvelope) { e.Sealed = append([]byte{1}, e.Sealed[1:]...) }},
		"with nothing in it": {key, w.sealing, func(e *credential.RecoveryEnvelope) { e.Sealed = nil }},
	} {
		e := sealed
		c.alter(&e)
		if _, err := space.OpenRecovery(c.by, c.key, e); !errs.Is(err, errs.DecryptFailed) {
			t.Errorf("%s: %v", name, err)
		}
	}

	// The digest knows a change, and nothing of the order of keys.
	same := rec
	same.Spaces = []space.Recoverable{rec.Spaces[0], {Key: rec.Spaces[1].Key, Secrets: space.Secrets{Controls: []keys.Secret{{4}, {3}}, Epochs: []keys.Secret{{5}}}}}
	if same.Digest(w.claim.Key) != rec.Digest(w.claim.Key) {
		t.Error("the order of keys changes the digest")
	}
	other := rec
	other.Spaces = rec.Spaces[:1]
	renamed := rec
	renamed.Name = "Eve"
	for _, o := range []id.Hash{other.Digest(w.claim.Key), renamed.Digest(w.claim.Key), rec.Digest([32]byte{1})} {
		if o == rec.Digest(w.claim.Key) {
			t.Error("a change does not change the digest")
		}
	}
}

// What a member hands over besides: its newest keys, to a KEEPER none of data.
func TestRecovery_H10_handed(t *testing.T) {
	sp := found(t)
	reader, keeper := sp.joinAs(credential.Reader), sp.joinAs(credential.Keeper)
	for guest, epochs := range map[*engine]int{reader: 1, keeper: 0} {
		w := wordsOf(t, 5, guest.self.Identity)
		sealed, err := sp.HandTo(w.claim)
		ok(t, err)
		sec, err := space.OpenHanded(w.sealing, sp.Key(), w.claim, sealed)
		ok(t, err)
		if len(sec.Controls) != 1 || sec.Controls[0] != sp.Secrets().Controls[0] || len(sec.Epochs) != epochs || sec.Swarm != sp.Secrets().Swarm {
			t.Errorf("handed are %d and %d keys, want 1 and %d", len(sec.Controls), len(sec.Epochs), epochs)
		}
		if _, err := space.OpenHanded(w.sealing, id.SpaceKey{1}, w.claim, sealed); !errs.Is(err, errs.DecryptFailed) {
			t.Errorf("for another space: %v", err)
		}
		if _, err := space.OpenHanded(wordsOf(t, 6, guest.self.Identity).sealing, sp.Key(), w.claim, sealed); !errs.Is(err, errs.DecryptFailed) {
			t.Errorf("by other words: %v", err)
		}
	}
	if _, err := sp.HandTo(wordsOf(t, 7, newSelf(t).Identity).claim); !errs.Is(err, errs.NotFound) {
		t.Errorf("to a stranger: %v", err)
	}
	list := func(n ...byte) (l []keys.Secret) {
		for _, b := range n {
			l = append(l, keys.Secret{b})
		}
		return l
	}
	for _, c := range []struct{ own, other, want []keys.Secret }{
		{list(1), list(1, 2, 3), list(2, 3, 1)},
		{list(1, 3, 2), list(1, 2, 3), list(1, 3, 2)},
		{list(1, 2, 9), list(2, 1, 4), list(1, 2, 4, 9)},
		{nil, list(5, 6), list(6, 5)},
		{list(5, 6), nil, list(5, 6)},
	} {
		got := space.Secrets{Controls: c.own}.Join(space.Secrets{Controls: c.other}).Controls
		if !slices.Equal(got, c.want) {
			t.Errorf("%v with %v is %v, want %v", c.own, c.other, got, c.want)
		}
	}
}

// A device brought itself, others followed what it wrote, and it was removed: whoever
// joins then takes its control feed in, in whatever order the feeds come.
func TestDevice_H12_newcomerAfterARemoval(t *testing.T) {
	sp := found(t)
	e := testEnv()
	device, sealing := keys.NewSigningKey([32]byte(e.Bytes(32))), keys.NewSealingKey([32]byte(e.Bytes(32)))
	made, err := credential.Issue(ctx, sp.self.Signer, nil, 1, credential.Device{Identity: sp.self.Identity, Device: device.Public(), Sealing: sealing.Public()})
	ok(t, err)
	self := space.Self{Identity: sp.self.Identity, Device: device.Public(), Signer: device, Sealing: sealing, Chain: append(sp.self.Chain[:1:1], made.Encode())}
	two := sp.onDevice(self)
	two.pull(sp)
	sp.pull(two)
	in, err := sp.RevokeDevice(sp.Self().Identity, self.Device)
	ok(t, err)
	sp.store(in)
	guest := &engine{t: t, self: newSelf(t)}
	in, err = sp.Admit(space.Introduction{Identity: guest.self.Identity, Device: guest.self.Device, Chain: guest.self.Chain}, credential.Editor, id.InvitationID{})
	ok(t, err)
	sp.store(in)
	after := sp.write()
	guest.rec = sp.admission(guest.self.Device).Record
	guest.reopen(memstore.New())
	for _, first := range []id.DeviceKey{sp.Self().Device, self.Device} {
		for _, f := range sp.Feeds() {
			if f.Header.Device == first {
				for _, head := range f.Heads {
					guest.pullLine(sp, f.Header, head)
				}
			}
		}
	}
	guest.pull(sp)
	if m, known := guest.Membership().Identity(guest.self.Identity); !known || m.Role != credential.Editor {
		t.Error("the newcomer does not know that it is a member")
	}
	guest.shows(after)
}

// An envelope is bounded: older keys are left out first, and of too many spaces it says so.
func TestRecovery_bounded(t *testing.T) {
	halo := found(t)
	w := wordsOf(t, 1, halo.self.Identity)
	rec, err := halo.Recovery()
	ok(t, err)
	var list []keys.Secret
	for i := range 3000 {
		list = append(list, keys.Secret{byte(i), byte(i >> 8)})
	}
	rec.Spaces = []space.Recoverable{{Key: id.SpaceKey{1}, Secrets: space.Secrets{Controls: list, Epochs: list}}, {Key: id.SpaceKey{2}, Secrets: space.Secrets{Controls: list[:5]}}}
	sealed, err := rec.Seal(testEnv(), id.SpaceKey{7}, w.claim)
	ok(t, err)
	got, err := space.OpenRecovery(w.sealing, id.SpaceKey{7}, sealed)
	ok(t, err)
	long, short := got.Spaces[0].Secrets, got.Spaces[1].Secrets
	if len(sealed.Sealed) > 140<<10 || long.Controls[0] != list[0] || long.Epochs[len(long.Epochs)-1] != list[len(list)-1] || len(short.Controls) != 5 {
		t.Errorf("%d bytes, %d and %d keys", len(sealed.Sealed), len(long.Controls), len(short.Controls))
	}
	rec.Spaces = nil
	for i := range 2000 {
		rec.Spaces = append(rec.Spaces, space.Recoverable{Key: id.SpaceKey{byte(i), byte(i >> 8)}, Secrets: space.Secrets{Controls: list[:1]}})
	}
	if _, err := rec.Seal(testEnv(), id.SpaceKey{7}, w.claim); !errs.Is(err, errs.TooLarge) {
		t.Errorf("2,000 spaces: %v", err)
	}
}

// The words become those of the identity in its HALO, in its other spaces, and end there
// when others come.
func TestRecovery_H10_madeAndReplaced(t *testing.T) {
	halo := found(t)
	first, second := wordsOf(t, 1, halo.self.Identity), wordsOf(t, 2, halo.self.Identity)
	in, err := halo.MakeRecovery(first.claim)
	ok(t, err)
	halo.store(in)
	chain := halo.Membership().Chain(halo.self.Identity, first.claim.Key)

	sp := found(t)
	guest := sp.joinAs(credential.Reader)
	guest.self.Identity = guest.Self().Identity
	mine := wordsOf(t, 3, sp.self.Identity)
	made, err := sp.MakeRecovery(mine.claim) // the space of its own serves as a HALO
	ok(t, err)
	sp.store(made)
	if sp.recovery(mine) != 1 || halo.recovery(first) != 1 {
		t.Fatal("the words are not known")
	}
	if in, err := sp.TakeRecovery(mine.claim.Key, sp.Membership().Chain(sp.self.Identity, mine.claim.Key)); in != nil || err != nil {
		t.Errorf("what is known is told again: %v, %v", in, err)
	}
	guest.pull(sp)
	if guest.recovery(mine) != 1 {
		t.Error("a member does not know the words of another")
	}
	if !sp.MayKeepRecovery(mine.claim.Key) || sp.MayKeepRecovery(first.claim.Key) {
		t.Error("an envelope may be kept for foreign words alone")
	}
	if _, err := sp.TakeRecovery(first.claim.Key, chain); err != nil {
		t.Errorf("foreign words: %v", err)
	}

	epochs := len(halo.Secrets().Epochs)
	in, err = halo.MakeRecovery(second.claim)
	ok(t, err)
	halo.store(in)
	if halo.recovery(first) != 0 || halo.recovery(second) != 1 {
		t.Error("the old words go on, or the new ones do not")
	}
	if len(halo.Secrets().Epochs) == epochs || halo.RotationDue() {
		t.Error("the keys that the old words opened go on")
	}
	if in, err := halo.TakeRecovery(first.claim.Key, chain); in != nil || err != nil {
		t.Errorf("the old words come back: %v, %v", in, err)
	}
}

// A device that came back begins the HALO anew, and one that lived on merges with it.
func TestRecovery_H10_refounded(t *testing.T) {
	halo := found(t)
	w := wordsOf(t, 1, halo.self.Identity)
	in, err := halo.MakeRecovery(w.claim)
	ok(t, err)
	halo.store(in)
	thief := halo.further()
	in, err = halo.RevokeDevice(halo.self.Identity, thief.Device)
	ok(t, err)
	halo.store(in)
	before := halo.write()
	content, err := halo.Recovery()
	ok(t, err)
	if len(content.Ended) != 1 || content.Ended[0] != [32]byte(thief.Device) {
		t.Fatalf("ended: %x", content.Ended)
	}

	self := w.back(t, halo)
	again := &engine{t: t, self: self, rec: content.Halo}
	again.rec.Proof, err = credential.ExtendProof(content.Halo.Proof, self.Chain)
	ok(t, err)
	again.reopen(memstore.New())
	founding, err := credential.DecodeProof(again.rec.Proof)
	ok(t, err)
	in, err = again.Refound(ctx, founding, content.Ended)
	ok(t, err)
	again.store(in)
	m, known := again.Membership().Identity(self.Identity)
	if !known || m.Role != credential.Owner || len(m.Devices) != 2 || m.Name != "Ada" {
		t.Fatalf("the HALO knows %+v", m)
	}
	if next, err := again.Recovery(); err != nil || len(next.Ended) != 1 || next.Ended[0] != [32]byte(thief.Device) {
		t.Errorf("the removed device is forgotten: %v", err)
	}
	for n := 0; again.RotationDue() && n < 3; n++ { // the thief has the first keys
		in, err = again.Rotate()
		ok(t, err)
		again.store(in)
	}
	if again.RotationDue() || !again.MayWrite() {
		t.Error("it cannot go on")
	}
	after := again.write()
	for range 3 {
		halo.pull(again)
		again.pull(halo)
		for _, e := range []*engine{halo, again} {
			if in, err := e.Rotate(); err != nil {
				t.Fatal(err)
			} else if in != nil {
				e.store(in)
			}
			if in, err := e.Reseal(); err != nil {
				t.Fatal(err)
			} else if in != nil {
				e.store(in)
			}
		}
	}
	last := halo.write()
	again.pull(halo)
	for _, e := range []*engine{halo, again} {
		e.shows(before, after, last)
	}
}

// A space of which nothing is here but the keys: the device shows its chain alone, is let
// in by a member, and has a proof once the credentials came.
func TestRecovery_H10_spaceWithoutAProof(t *testing.T) {
	sp := found(t)
	guest := sp.join()
	w := wordsOf(t, 1, sp.self.Identity)
	in, err := sp.MakeRecovery(w.claim)
	ok(t, err)
	sp.store(in)
	mine := sp.write()
	guest.pull(sp)

	self := w.back(t, sp)
	back := &engine{t: t, self: self, rec: space.Record{Key: sp.Key(), Secrets: sp.Secrets()}}
	back.reopen(memstore.New())
	if back.MayWrite() || len(back.Record().Proof) != 0 {
		t.Error("it has rights before anything is known")
	}
	in, err = back.IntroduceSelf()
	ok(t, err)
	back.store(in)
	who, err := guest.Membership().VerifyMember(sp.Key(), self.Device, back.Proof())
	ok(t, err)
	guest.Trust(self.Device, who)
	if _, err := back.Membership().VerifyMember(sp.Key(), self.Device, back.Proof()); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("two who know nothing let one another in: %v", err)
	}
	met, err := back.Membership().VerifyMember(sp.Key(), guest.self.Device, guest.Proof())
	ok(t, err)
	back.Trust(guest.self.Device, met)
	back.TrustPath(guest.Proof())
	back.pull(guest)
	guest.pull(back)
	if !back.MayWrite() {
		t.Fatal("it is no member")
	}
	if _, err := credential.VerifyProof(sp.Key(), self.Device, back.Record().Proof); err != nil {
		t.Errorf("its proof: %v", err)
	}
	back.shows(mine)
	theirs := back.write()
	guest.pull(back)
	guest.shows(mine, theirs)
}

func FuzzRecovery(f *testing.F) {
	rec := space.Recovery{
		Halo:   space.Record{Key: id.SpaceKey{1}, Secrets: space.Secrets{Controls: []keys.Secret{{1}}}, Proof: []byte("proof")},
		Name:   "Ada",
		Ended:  [][32]byte{{2}},
		Spaces: []space.Recoverable{{Key: id.SpaceKey{3}, Secrets: space.Secrets{Controls: []keys.Secret{{4}}, Epochs: []keys.Secret{{5}}}}},
	}
	f.Add(rec.Encode())
	f.Add(space.Recovery{}.Encode())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := space.DecodeRecovery(b)
		if err != nil {
			if errs.KindOf(err) == errs.Internal {
				t.Errorf("no kind: %v", err)
			}
			return
		}
		if !bytes.Equal(rec.Encode(), b) {
			t.Errorf("%x encodes otherwise", b)
		}
	})
}
