package credential

import (
	"bytes"
	"context"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

const presentedAt = 1_700_000_100_000

var question = []byte("a nonce of 24 bytes here")

// scene is two spaces of one owner, in both of which bob is a member, with more rights in
// the second.
type scene struct {
	one, two   *world
	bob        *person
	second     *Credential // bob's second device
	admission  *Credential // to space one
	elsewhere  *Credential // to space two
	promotion  *Credential // in space two
	byBob      *Credential // bob's admission of carol in space two
	ownerFirst *Credential
}

// bound issues as every space does: with the founding among the parents.
func (w *world) bound(p *person, c Claim) *Credential {
	w.t.Helper()
	m := w.eval()
	return w.after(append(m.Heads(), w.set[1].ID()), p, c)
}

// secondWorld is another space of the same owner.
func secondWorld(t tester, owner *person) *world {
	space := key(3)
	w := &world{t: t, space: space.Public(), owner: owner}
	w.set = append(w.set, owner.first)
	w.set = append(w.set, issue(t, space, []id.CredentialID{owner.first.ID()}, Genesis{Space: w.space, Identity: owner.identity, ControlKey: id.EpochID{2}}))
	return w
}

func newScene(t tester) *scene {
	t.Helper()
	s := &scene{one: newWorld(t), bob: newPerson(t, 1)}
	owner := s.one.owner
	s.two = secondWorld(t, owner)
	s.ownerFirst = owner.first
	s.one.bound(owner, Profile{Identity: owner.identity, Name: "Ada"})
	s.admission = s.one.bound(owner, s.bob.admission(Reader))
	s.elsewhere = s.two.bound(owner, s.bob.admission(Editor))
	s.promotion = s.two.bound(owner, SetRole{Identity: s.bob.identity, Role: Admin})
	s.byBob = s.two.bound(s.bob, newPerson(t, 5).admission(Reader))
	s.second = issue(t, s.bob.device, nil, Device{Identity: s.bob.identity, Device: key(40).Public(), Sealing: sealingOf(40), Label: "phone"})
	return s
}

func evidence(t tester, w *world, p *person, list ...*Credential) Evidence {
	t.Helper()
	var ids []id.CredentialID
	for _, c := range list {
		ids = append(ids, c.ID())
	}
	ev, err := w.eval().Evidence(p.dev(), ids...)
	if err != nil {
		t.Fatalf("Evidence: %v", err)
	}
	return ev
}

// presentation is bob's: both devices, and membership of both spaces.
func (s *scene) presentation(t tester) *Presentation {
	t.Helper()
	return &Presentation{
		Identity: s.bob.identity, Device: s.bob.dev(), Nonce: question, Audience: "https://example.org",
		Issued: presentedAt, Expires: presentedAt + 60_000, Chain: [][]byte{s.bob.first.Encode()},
		Links:  []*Credential{s.bob.first, s.second},
		Spaces: []Evidence{evidence(t, s.one, s.bob, s.admission), evidence(t, s.two, s.bob, s.promotion, s.elsewhere, s.byBob)},
	}
}

func asked() Expected { return Expected{Nonce: question, Now: presentedAt + 1000} }

// signed signs what Present would refuse.
func signed(t tester, p *person, pr *Presentation) []byte {
	t.Helper()
	b, err := pr.sign(context.Background(), p.device)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return b
}

func TestPresentation_H07_shows(t *testing.T) {
	s := newScene(t)
	b, err := Present(context.Background(), s.bob.device, s.presentation(t))
	if err != nil {
		t.Fatal(err)
	}
	shown, err := VerifyPresentation(b, asked())
	if err != nil {
		t.Fatal(err)
	}
	if shown.Identity != s.bob.identity || shown.Device != s.bob.dev() || shown.Audience != "https://example.org" || shown.Expires != presentedAt+60_000 {
		t.Errorf("shows %+v", shown)
	}
	if want := []ShownSpace{{s.one.space, Reader}, {s.two.space, Admin}}; !slices.Equal(shown.Spaces, want) {
		t.Errorf("spaces %v, want %v", shown.Spaces, want)
	}
	want := map[id.CredentialID]id.SpaceKey{
		s.bob.first.ID(): {}, s.second.ID(): {}, s.admission.ID(): s.one.space,
		s.elsewhere.ID(): s.two.space, s.promotion.ID(): s.two.space, s.byBob.ID(): s.two.space,
	}
	for _, c := range shown.Credentials {
		if space, ok := want[c.ID()]; !ok || c.Space != space {
			t.Errorf("%s %v of space %v, want %v", TypeName(c.Claim), c.ID(), c.Space, space)
		}
		delete(want, c.ID())
	}
	if len(want) > 0 {
		t.Errorf("not shown: %v", want)
	}
}

func TestPresentation_H07_founder(t *testing.T) {
	s := newScene(t)
	owner := s.one.owner
	p := &Presentation{
		Identity: owner.identity, Device: owner.dev(), Nonce: question, Issued: presentedAt, Expires: presentedAt + 1,
		Chain: [][]byte{owner.first.Encode()}, Spaces: []Evidence{evidence(t, s.one, owner, s.one.set[1], s.one.set[2])},
	}
	b, err := Present(context.Background(), owner.device, p)
	if err != nil {
		t.Fatal(err)
	}
	shown, err := VerifyPresentation(b, Expected{Nonce: question, Now: presentedAt, Trust: [][32]byte{s.one.space}})
	if err != nil || len(shown.Credentials) != 2 || shown.Spaces[0].Role != Owner {
		t.Errorf("%+v, %v", shown, err)
	}
}

func TestPresentation_H07_everyBitCounts(t *testing.T) {
	s := newScene(t)
	b := signed(t, s.bob, &Presentation{
		Identity: s.bob.identity, Device: s.bob.dev(), Nonce: question, Issued: presentedAt, Expires: presentedAt + 60_000, Chain: [][]byte{s.bob.first.Encode()},
	})
	if _, err := VerifyPresentation(b, asked()); err != nil {
		t.Fatal(err)
	}
	for bit := range len(b) * 8 {
		flipped := bytes.Clone(b)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := VerifyPresentation(flipped, asked()); err == nil || errs.KindOf(err) == errs.Internal {
			t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
		}
	}
}

func TestPresentation_H07_refuses(t *testing.T) {
	s := newScene(t)
	mallory := newPerson(t, 9)
	for name, c := range map[string]struct {
		change func(p *Presentation)
		ask    func(w *Expected)
		by     *person
		want   errs.Kind
	}{
		"another nonce":         {ask: func(w *Expected) { w.Nonce = []byte("a nonce of other 24 byte") }, want: errs.ProofReplayed},
		"no nonce":              {ask: func(w *Expected) { w.Nonce = nil }, want: errs.ProofReplayed},
		"another audience":      {ask: func(w *Expected) { w.Audience = "https://example.com" }, want: errs.ProofReplayed},
		"the audience":          {ask: func(w *Expected) { w.Audience = "https://example.org" }},
		"expired":               {ask: func(w *Expected) { w.Now = presentedAt + 60_000 }, want: errs.ProofExpired},
		"just in time":          {ask: func(w *Expected) { w.Now = presentedAt + 59_999 }},
		"a clock that is ahead": {ask: func(w *Expected) { w.Now = presentedAt - maxAhead }},
		"of the future":         {ask: func(w *Expected) { w.Now = presentedAt - maxAhead - 1 }, want: errs.ProofExpired},
		"trusted identity":      {ask: func(w *Expected) { w.Trust = [][32]byte{{1}, s.bob.identity} }},
		"trusted space":         {ask: func(w *Expected) { w.Trust = [][32]byte{s.two.space} }},
		"trusted by nobody":     {ask: func(w *Expected) { w.Trust = [][32]byte{mallory.identity} }, want: errs.NotPermitted},

		"short nonce":          {change: func(p *Presentation) { p.Nonce = p.Nonce[:15] }, want: errs.Malformed},
		"long nonce":           {change: func(p *Presentation) { p.Nonce = make([]byte, 65) }, want: errs.Malformed},
		"ends before it began": {change: func(p *Presentation) { p.Expires = p.Issued }, want: errs.Malformed},
		"weak identity":        {change: func(p *Presentation) { p.Identity = id.IdentityKey{1} }, want: errs.BadKey},

		"signed by another device":   {by: mallory, want: errs.BadSignature},
		"device of another identity": {change: func(p *Presentation) { p.Identity = mallory.identity }, want: errs.BadCredential},
		"another's chain":            {change: func(p *Presentation) { p.Chain = [][]byte{mallory.first.Encode()} }, want: errs.BadCredential},
		"no chain":                   {change: func(p *Presentation) { p.Chain = nil }, want: errs.BadCredential},

		"another's device":         {change: func(p *Presentation) { p.Links = []*Credential{mallory.first} }, want: errs.BadCredential},
		"a device twice":           {change: func(p *Presentation) { p.Links = []*Credential{s.second, s.second} }, want: errs.BadCredential},
		"a role without its space": {change: func(p *Presentation) { p.Links = []*Credential{s.promotion} }, want: errs.BadCredential},
		"no evidence":              {change: func(p *Presentation) { p.Spaces[0].Proof = nil }, want: errs.Malformed},
		"evidence of another":      {change: func(p *Presentation) { p.Spaces[0].Proof = evidence(t, s.one, s.one.owner).Proof }, want: errs.BadCredential},
		"not in the evidence":      {change: func(p *Presentation) { p.Spaces[0].IDs = []id.CredentialID{s.elsewhere.ID()} }, want: errs.BadCredential},
		"presented twice":          {change: func(p *Presentation) { p.Spaces[0].IDs = []id.CredentialID{s.admission.ID(), s.admission.ID()} }, want: errs.Malformed},
		"another's founding":       {change: func(p *Presentation) { p.Spaces[0].IDs = []id.CredentialID{s.one.set[1].ID()} }, want: errs.BadCredential},
		"a device as of a space":   {change: func(p *Presentation) { p.Spaces[0].IDs = []id.CredentialID{s.ownerFirst.ID()} }, want: errs.BadCredential},
		"an admission of one space in another": {change: func(p *Presentation) {
			p.Spaces[0] = Evidence{Proof: encodeProof([]*Credential{s.one.set[1], s.ownerFirst, s.elsewhere}), IDs: []id.CredentialID{s.elsewhere.ID()}}
		}, want: errs.BadCredential},
		"a role of one space in another": {change: func(p *Presentation) {
			p.Spaces[0] = Evidence{Proof: encodeProof([]*Credential{s.one.set[1], s.ownerFirst, s.admission, s.promotion}), IDs: []id.CredentialID{s.promotion.ID()}}
		}, want: errs.BadCredential},
		"two spaces in one": {change: func(p *Presentation) {
			p.Spaces[0] = Evidence{Proof: encodeProof([]*Credential{s.one.set[1], s.two.set[1], s.ownerFirst, s.admission, s.promotion})}
		}, want: errs.BadCredential},
		"no founding": {change: func(p *Presentation) {
			p.Spaces[0] = Evidence{Proof: encodeProof([]*Credential{s.ownerFirst, s.admission})}
		}, want: errs.BadCredential},
	} {
		t.Run(name, func(t *testing.T) {
			p, w, by := s.presentation(t), asked(), s.bob
			if c.change != nil {
				c.change(p)
			}
			if c.ask != nil {
				c.ask(&w)
			}
			if c.by != nil {
				by = c.by
			}
			if name == "short nonce" || name == "long nonce" {
				w.Nonce = p.Nonce
			}
			if _, err := VerifyPresentation(signed(t, by, p), w); errs.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

// TestPresentation_H09_chain holds the chains that a presentation may come with.
func TestPresentation_H09_chain(t *testing.T) {
	alice, mallory := newPerson(t, 1), newPerson(t, 2)
	dev := func(issuer *person, of id.IdentityKey, n int) (*person, *Credential) {
		p := &person{identity: of, device: key(n)}
		return p, issue(t, issuer.device, nil, Device{Identity: of, Device: p.dev(), Sealing: sealingOf(n)})
	}
	second, secondCred := dev(alice, alice.identity, 11)
	third, thirdCred := dev(second, alice.identity, 12)
	foreign, foreignCred := dev(mallory, alice.identity, 13)
	_, roundB := dev(&person{device: key(15)}, alice.identity, 16)
	round, roundA := dev(&person{device: key(16)}, alice.identity, 15)
	role := issue(t, alice.device, nil, SetRole{Identity: alice.identity, Role: Owner})
	for name, c := range map[string]struct {
		device       *person
		chain, links []*Credential
		want         errs.Kind
	}{
		"one device":                 {alice, []*Credential{alice.first}, []*Credential{alice.first}, errs.OK},
		"two devices":                {second, []*Credential{alice.first, secondCred}, []*Credential{secondCred}, errs.OK},
		"a device that it admitted":  {alice, []*Credential{alice.first}, []*Credential{secondCred, thirdCred}, errs.OK},
		"missing link":               {third, []*Credential{alice.first, thirdCred}, nil, errs.BadCredential},
		"missing link of what shows": {alice, []*Credential{alice.first}, []*Credential{thirdCred}, errs.BadCredential},
		"wrong assertion":            {second, []*Credential{alice.first, role}, nil, errs.BadCredential},
		"chain to another device":    {second, []*Credential{alice.first}, nil, errs.BadCredential},
		"cyclic chain":               {round, []*Credential{roundB, roundA}, nil, errs.BadCredential},
		"foreign issuer":             {foreign, []*Credential{alice.first, foreignCred}, nil, errs.BadCredential},
		"foreign issuer of a link":   {alice, []*Credential{alice.first}, []*Credential{foreignCred}, errs.BadCredential},
	} {
		t.Run(name, func(t *testing.T) {
			p := &Presentation{Identity: alice.identity, Device: c.device.dev(), Nonce: question, Issued: presentedAt, Expires: presentedAt + 1000, Links: c.links}
			for _, l := range c.chain {
				p.Chain = append(p.Chain, l.Encode())
			}
			_, err := VerifyPresentation(signed(t, c.device, p), Expected{Nonce: question, Now: presentedAt})
			if errs.KindOf(err) != c.want {
				t.Errorf("%v, want %v", err, c.want)
			}
		})
	}
}

func TestPresent_refusesWhatItCannotShow(t *testing.T) {
	s := newScene(t)
	m := s.one.eval()
	if _, err := m.Evidence(s.bob.dev(), s.elsewhere.ID()); !errs.Is(err, errs.NotFound) {
		t.Errorf("of another space: %v", err)
	}
	if _, err := m.Evidence(newPerson(t, 8).dev(), s.admission.ID()); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("by a stranger: %v", err)
	}
	void := s.one.bound(s.bob, SetRole{Identity: s.bob.identity, Role: Owner})
	if _, err := s.one.eval().Evidence(s.bob.dev(), void.ID()); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("void: %v", err)
	}
	p := s.presentation(t)
	p.Spaces[0].IDs = []id.CredentialID{s.one.set[1].ID()}
	if _, err := Present(context.Background(), s.bob.device, p); !errs.Is(err, errs.BadCredential) {
		t.Errorf("another's founding: %v", err)
	}
}

// TestPresentation_golden holds the format: read for good, and written the same again.
func TestPresentation_golden(t *testing.T) {
	s := newScene(t)
	made := signed(t, s.bob, s.presentation(t))
	path := filepath.Join("testdata", "presentation.hex")
	if *update {
		if err := os.WriteFile(path, []byte(hex.EncodeToString(made)+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || !bytes.Equal(raw, made) {
		t.Fatalf("made otherwise now: %x, golden %x, %v", made, raw, err)
	}
	if _, err := VerifyPresentation(raw, asked()); err != nil {
		t.Error(err)
	}
}

func TestPresentation_versions(t *testing.T) {
	s := newScene(t)
	body := s.presentation(t).encode()
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   errs.Kind
	}{
		"newer version": {func(b []byte) []byte { b[1] = 2; return b }, errs.VersionUnsupported},
		"trailing byte": {func(b []byte) []byte { return append(b, 0) }, errs.Malformed},
		"wrong count":   {func(b []byte) []byte { return wire.AppendNil(append([]byte{b[0] + 1}, b[1:]...)) }, errs.Malformed},
		"cut off":       {func(b []byte) []byte { return b[:len(b)-1] }, errs.Malformed},
	} {
		b := c.change(bytes.Clone(body))
		sig, _ := s.bob.device.Sign(context.Background(), append([]byte(presentationLabel), b...))
		if _, err := VerifyPresentation(wire.AppendBytes(wire.AppendBytes(wire.AppendArray(nil, 2), b), sig[:]), asked()); errs.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// FuzzPresentation: what decodes encodes to the same bytes, and everything else has a kind.
func FuzzPresentation(f *testing.F) {
	s := newScene(f)
	p := s.presentation(f)
	f.Add(signed(f, s.bob, p), p.encode())
	p.Spaces = nil
	f.Add(signed(f, s.bob, p), p.encode())
	f.Add([]byte{}, []byte{0x9a, 1})
	f.Fuzz(func(t *testing.T, whole, body []byte) {
		if _, err := VerifyPresentation(whole, asked()); err != nil && errs.KindOf(err) == errs.Internal {
			t.Fatalf("no kind: %v", err)
		}
		// The signature hides most of what decodes; look below it too.
		p, err := decodePresentation(body)
		if err == nil && !bytes.Equal(p.encode(), body) {
			t.Fatalf("%x encodes as %x", body, p.encode())
		}
		if err == nil {
			_, err = p.shown(nil)
		}
		if err != nil && errs.KindOf(err) == errs.Internal {
			t.Fatalf("no kind: %v", err)
		}
	})
}
