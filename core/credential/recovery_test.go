package credential

import (
	"bytes"
	"context"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// Who knows a recovery key by its public half must not get the person who holds it to
// recover an identity of another.
func TestRecovery_substitutedIdentity(t *testing.T) {
	alice, mallory := newPerson(t, 1), newPerson(t, 2)
	words := key(31)
	genuine := recoveryOf(t, alice.identity, words)
	for name, change := range map[string]func(*Recovery){
		"another identity":     func(c *Recovery) { c.Identity = mallory.identity },
		"another sealing key":  func(c *Recovery) { c.Sealing = sealingOf(66) },
		"another recovery key": func(c *Recovery) { c.Key = key(32).Public() },
		"no signature":         func(c *Recovery) { c.Sig = [64]byte{} },
		"the issuer's signature": func(c *Recovery) {
			c.Sig, _ = mallory.device.Sign(context.Background(), recoveryMessage(c.Identity, c.Sealing))
		},
		"a signature of one else": func(c *Recovery) { *c = Recovery{mallory.identity, c.Key, c.Sealing, c.Sig} },
	} {
		claim := genuine
		change(&claim)
		if _, err := Issue(context.Background(), mallory.device, nil, 0, claim); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("%s: issued: %v", name, err)
		}
		c := unsigned(mallory.device.Public(), nil, 0, claim, nil)
		c.sig, _ = mallory.device.Sign(context.Background(), c.message())
		if _, err := Decode(c.Encode()); !errs.Is(err, errs.BadSignature) {
			t.Errorf("%s: decoded: %v", name, err)
		}
		if _, err := VerifyRecovery(claim.Key, [][]byte{mallory.first.Encode(), c.Encode()}); !errs.Is(err, errs.BadSignature) {
			t.Errorf("%s: verified: %v", name, err)
		}
	}
	c := issue(t, alice.device, nil, genuine)
	if got, err := VerifyRecovery(words.Public(), [][]byte{alice.first.Encode(), c.Encode()}); err != nil || got.Claim != Claim(genuine) {
		t.Errorf("the genuine one: %v", err)
	}
	for name, chain := range map[string][][]byte{
		"no chain":       nil,
		"ends before it": {alice.first.Encode()},
		"missing link":   {c.Encode()},
	} {
		if _, err := VerifyRecovery(words.Public(), chain); !errs.Is(err, errs.BadCredential) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMembership_recoveryKeys(t *testing.T) {
	w := newWorld(t)
	a, b := w.admit(1, w.owner, Reader), w.admit(2, w.owner, Keeper)
	has := func(what string, p *person, want ...*Credential) {
		t.Helper()
		got := w.eval().RecoveryKeys(p.identity)
		same := len(got) == len(want)
		for i := range want {
			same = same && got[i].ID() == want[i].ID()
		}
		if !same {
			t.Errorf("%s: %d keys, want %d", what, len(got), len(want))
		}
	}
	has("before", a)
	first := w.by(a, recoveryOf(t, a.identity, key(41)))
	has("one", a, first)
	second := w.by(a, recoveryOf(t, a.identity, key(42)))
	has("two, the last at the end", a, first, second)
	w.by(a, RevokeDevice{Identity: a.identity, Device: key(41).Public()})
	has("replaced", a, second)
	w.by(a, recoveryOf(t, a.identity, key(41)))
	has("never comes back", a, second)
	w.by(b, recoveryOf(t, a.identity, key(43)))
	has("by another", a, second)
	has("by another", b)
	m := w.eval()
	if got := m.Ended(a.identity); len(got) != 1 || got[0] != key(41).Public() {
		t.Errorf("ended: %x", got)
	}
	chain := m.Chain(a.identity, key(42).Public())
	if c, err := VerifyRecovery(key(42).Public(), chain); err != nil || c.ID() != second.ID() {
		t.Errorf("the chain of a recovery key: %v", err)
	}
	if m.Chain(a.identity, key(43).Public()) != nil {
		t.Error("a key of nobody has a chain")
	}

	envelope := func(by, of *person, sealed string) *Credential {
		return w.by(by, RecoveryEnvelope{Identity: of.identity, Key: key(42).Public(), Sealed: []byte(sealed)})
	}
	latest := func(what string, want *Credential) {
		t.Helper()
		if got := w.eval().RecoveryEnvelope(a.identity, key(42).Public()); got != want {
			t.Errorf("%s: another envelope", what)
		}
	}
	latest("none yet", nil)
	older := envelope(a, a, "older")
	latest("one", older)
	newer := envelope(a, a, "newer")
	latest("a newer one", newer)
	for _, by := range []*person{w.owner, b} {
		wantValid(t, w, "by another", envelope(by, a, "forged"), false)
	}
	latest("forged ones", newer)
	wantValid(t, w, "by a KEEPER for itself", envelope(b, b, "own"), true)
	if w.eval().RecoveryEnvelope(a.identity, key(41).Public()) != nil {
		t.Error("there is one for another key")
	}
	w.by(w.owner, Remove{Identity: a.identity})
	w.by(a, RecoveryEnvelope{Identity: a.identity, Key: key(42).Public(), Sealed: []byte("late")})
	latest("by a removed member", newer)
}

// A device that came by a recovery key is let in though the device that made that key
// was removed; one of a removed device is not.
func TestOutcast_byRecoveryKey(t *testing.T) {
	w := newWorld(t)
	a := w.admit(1, w.owner, Editor)
	other := &person{identity: a.identity, device: key(50)}
	w.by(a, Device{Identity: a.identity, Device: other.dev(), Sealing: sealingOf(50)})
	words := &person{identity: a.identity, device: key(51)}
	recovery := w.by(a, recoveryOf(t, a.identity, words.device))
	w.by(other, RevokeDevice{Identity: a.identity, Device: a.dev()})
	m := w.eval()

	made := func(by *person, n int) []byte {
		return issue(t, by.device, nil, Device{Identity: a.identity, Device: key(n).Public(), Sealing: sealingOf(n)}).Encode()
	}
	lateWords := issue(t, a.device, nil, recoveryOf(t, a.identity, key(56))).Encode()
	first, byOwner := a.first.Encode(), w.owner.first.Encode()
	stranger := &person{device: key(55)}
	for _, c := range []struct {
		name  string
		n     int
		chain [][]byte
		kind  errs.Kind
		out   bool
	}{
		{"by the recovery key", 60, [][]byte{first, recovery.Encode(), made(words, 60)}, errs.OK, false},
		{"by the removed device", 61, [][]byte{first, made(a, 61)}, errs.OK, true},
		{"by one of the removed device", 62, [][]byte{first, made(a, 55), made(stranger, 62)}, errs.OK, true},
		{"behind a good link", 62, [][]byte{first, made(a, 55), recovery.Encode(), made(words, 63), made(stranger, 62)}, errs.OK, true},
		{"by a later recovery key of the removed device", 64, [][]byte{first, lateWords, made(&person{device: key(56)}, 64)}, errs.OK, true},
		{"of no member", 65, [][]byte{newPerson(t, 9).first.Encode(), byOwner}, errs.BadCredential, false},
		{"of a stranger", 2009, [][]byte{newPerson(t, 9).first.Encode()}, errs.NotPermitted, false},
		{"another device", 66, [][]byte{first, recovery.Encode(), made(words, 67)}, errs.BadCredential, false},
		{"ends at the recovery key", 51, [][]byte{first, recovery.Encode()}, errs.BadCredential, false},
		{"nothing", 60, nil, errs.BadCredential, false},
	} {
		device := id.DeviceKey(key(c.n).Public())
		if c.n == 2009 {
			device = newPerson(t, 9).dev()
		}
		who, err := m.VerifyMember(w.space, device, ChainProof(c.chain))
		if errs.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
		if err == nil && (m.Outcast(device, who) != c.out || who.Identity != a.identity) {
			t.Errorf("%s: outcast %v, want %v", c.name, !c.out, c.out)
		}
	}

	// By a full proof it is the same.
	again := &person{identity: a.identity, device: key(60)}
	w.after(append(m.Heads(), recovery.ID()), words, Device{Identity: a.identity, Device: again.dev(), Sealing: sealingOf(60)})
	proof, err := w.eval().Proof(again.dev())
	if err != nil {
		t.Fatal(err)
	}
	who, err := VerifyProof(w.space, again.dev(), proof)
	if err != nil || m.Outcast(again.dev(), who) {
		t.Errorf("by a full proof: %v", err)
	}
	if full, err := m.VerifyMember(w.space, again.dev(), proof); err != nil || full.Role != Editor {
		t.Errorf("VerifyMember of a full proof: %v", err)
	}
	if !bytes.Equal(ChainProof(nil), encodeProof(nil)) {
		t.Error("a chain is encoded otherwise than a proof")
	}
}
