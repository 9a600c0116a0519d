package credential

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// tester is what testing.TB and rapid.T share.
type tester interface {
	Helper()
	Fatalf(format string, args ...any)
}

func key(n int) *keys.SigningKey {
	return keys.NewSigningKey([32]byte{byte(n), byte(n >> 8), 0xec})
}

func sealingOf(n int) [32]byte {
	return keys.NewSealingKey([32]byte{0, byte(n), byte(n >> 8)}).Public()
}

func issue(t tester, s keys.Signer, parents []id.CredentialID, c Claim) *Credential {
	t.Helper()
	cred, err := Issue(context.Background(), s, parents, 1_700_000_000_000, c)
	if err != nil {
		t.Fatalf("Issue %T: %v", c, err)
	}
	return cred
}

func recoveryOf(t tester, identity id.IdentityKey, r *keys.SigningKey) Recovery {
	t.Helper()
	claim, err := Countersign(context.Background(), r, identity, sealingOf(3))
	if err != nil {
		t.Fatalf("Countersign: %v", err)
	}
	return claim
}

// person is an identity with one device.
type person struct {
	identity id.IdentityKey
	device   *keys.SigningKey
	first    *Credential // the device, by the identity key
}

func newPerson(t tester, n int) *person {
	t.Helper()
	root, device := key(1000+n), key(2000+n)
	p := &person{identity: root.Public(), device: device}
	p.first = issue(t, root, nil, Device{Identity: p.identity, Device: device.Public(), Sealing: sealingOf(n), Label: "first"})
	return p
}

func (p *person) dev() id.DeviceKey { return p.device.Public() }

func (p *person) admission(role Role) Member {
	return Member{Identity: p.identity, Role: role, Devices: [][]byte{p.first.Encode()}, Name: "name"}
}

// world is a space whose credentials are made one after the other; view is
// what the next issuer knows.
type world struct {
	t     tester
	space id.SpaceKey
	owner *person
	set   []*Credential
}

func newWorld(t tester) *world {
	t.Helper()
	space, owner := key(1), newPerson(t, 0)
	w := &world{t: t, space: space.Public(), owner: owner}
	w.set = append(w.set, owner.first)
	w.set = append(w.set, issue(t, space, []id.CredentialID{owner.first.ID()}, Genesis{Space: w.space, Identity: owner.identity, ControlKey: id.EpochID{1}}))
	return w
}

func (w *world) eval() *Membership { return Evaluate(w.space, w.set) }

// by issues after all that holds now.
func (w *world) by(p *person, c Claim) *Credential {
	w.t.Helper()
	return w.after(w.eval().Parents(), p, c)
}

// after issues after those parents alone: what was not seen is concurrent.
func (w *world) after(parents []id.CredentialID, p *person, c Claim) *Credential {
	w.t.Helper()
	cred := issue(w.t, p.device, parents, c)
	w.set = append(w.set, cred)
	return cred
}

// admit brings a person in.
func (w *world) admit(n int, by *person, role Role) *person {
	w.t.Helper()
	p := newPerson(w.t, n)
	w.by(by, p.admission(role))
	return p
}

// want checks a role, 0 for no member.
func (w *world) want(what string, p *person, role Role) {
	w.t.Helper()
	m, ok := w.eval().Identity(p.identity)
	if m.Role != role || ok != (role != 0) {
		w.t.Fatalf("%s: %v, want %v", what, m.Role, role)
	}
}

func wantValid(t testing.TB, w *world, what string, c *Credential, want bool) {
	t.Helper()
	if got := w.eval().Valid(c.ID()); got != want {
		t.Errorf("%s: valid %v, want %v", what, got, want)
	}
}
