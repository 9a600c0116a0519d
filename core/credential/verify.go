package credential

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// VerifyPresentation checks a presentation with nothing but it and what was asked: the
// signature of the device, the chain that makes it one of the identity, every presented
// credential and what it rests on, and that each is about the presenter or issued by it.
//
// It shows what was so, not that it still is: a presenter can leave out a removal that
// came later. Whoever needs to know asks a member of the space.
//
// Errors: errs.Malformed, errs.VersionUnsupported, errs.BadKey, errs.BadSignature,
// errs.BadCredential for what does not hold or is foreign, errs.ProofReplayed for
// another nonce or audience, errs.ProofExpired, errs.NotPermitted for nobody that
// is trusted.
func VerifyPresentation(b []byte, want Expected) (*Shown, error) {
	const op = "credential.VerifyPresentation"
	if len(b) > MaxPresentation {
		return nil, errs.New(op, errs.Malformed, "%d bytes, the limit is %d", len(b), MaxPresentation)
	}
	var sig [64]byte
	r := wire.NewReader(b)
	r.Array(2)
	signed := r.Bytes(MaxPresentation)
	r.Fixed(sig[:])
	if err := r.Done(op); err != nil {
		return nil, err
	}
	p, err := decodePresentation(signed)
	if err != nil {
		return nil, err
	}
	if err := keys.Verify(p.Device, append([]byte(presentationLabel), signed...), sig[:]); err != nil {
		return nil, errs.New(op, errs.KindOf(err), "the presentation is not signed by device %v: %w", p.Device, err)
	}
	if err := p.answers(want); err != nil {
		return nil, err
	}
	return p.shown(want.Trust)
}

// answers tells whether the presentation is the answer to what was asked, in time.
func (p *Presentation) answers(want Expected) error {
	const op = "credential.VerifyPresentation"
	switch {
	case !bytes.Equal(p.Nonce, want.Nonce):
		return errs.New(op, errs.ProofReplayed, "the presentation answers another nonce")
	case want.Audience != "" && p.Audience != want.Audience:
		return errs.New(op, errs.ProofReplayed, "the presentation is for %q, another audience", p.Audience)
	case want.Now >= p.Expires:
		return errs.New(op, errs.ProofExpired, "the presentation was valid until %d", p.Expires)
	case p.Issued > want.Now+maxAhead:
		return errs.New(op, errs.ProofExpired, "the presentation is valid from %d", p.Issued)
	}
	return nil
}

// shown follows the chain and each credential.
func (p *Presentation) shown(trust [][32]byte) (*Shown, error) {
	links, err := readChain(p.Identity, p.Chain, verify)
	if err != nil {
		return nil, err
	}
	if last := links[len(links)-1]; last.recovery || last.key != [32]byte(p.Device) {
		return nil, errs.New("credential.VerifyPresentation", errs.BadCredential, "the chain does not end at device %v", p.Device)
	}
	own := map[[32]byte]bool{p.Identity: true}
	for _, l := range links {
		own[l.key] = true
	}
	out := &Shown{Identity: p.Identity, Device: p.Device, Audience: p.Audience, Issued: p.Issued, Expires: p.Expires}
	if err := p.showLinks(out, own); err != nil {
		return nil, err
	}
	trusted := len(trust) == 0 || slices.Contains(trust, [32]byte(p.Identity))
	for _, e := range p.Spaces {
		space, err := p.showSpace(out, own, e)
		if err != nil {
			return nil, err
		}
		trusted = trusted || slices.Contains(trust, [32]byte(space))
	}
	if !trusted {
		return nil, errs.New("credential.VerifyPresentation", errs.NotPermitted, "identity %v is not trusted, and shows no space that is", p.Identity)
	}
	return out, nil
}

// foreign is the error for a credential that does not show what it is presented for.
func foreign(c id.CredentialID, why string) error {
	return errs.New("credential.VerifyPresentation", errs.BadCredential, "credential %v %s", c, why)
}

// showLinks takes in the presented devices and recovery keys.
func (p *Presentation) showLinks(out *Shown, own map[[32]byte]bool) error {
	for i, c := range p.Links {
		l, identity, ok := linkOf(c)
		switch {
		case !ok:
			return foreign(c.id, "counts in a space only")
		case identity != p.Identity:
			return foreign(c.id, "is about another identity")
		case !own[l.issuer]:
			return foreign(c.id, "is issued by a key that nothing before it makes one of the identity")
		case slices.ContainsFunc(p.Links[:i], func(o *Credential) bool { return o.id == c.id }):
			return foreign(c.id, "is presented twice")
		}
		own[l.key] = true
		out.Credentials = append(out.Credentials, InSpace{Credential: c})
	}
	return nil
}

// showSpace takes in the presented credentials of a space.
func (p *Presentation) showSpace(out *Shown, own map[[32]byte]bool, ev Evidence) (space id.SpaceKey, err error) {
	const op = "credential.VerifyPresentation"
	creds, err := DecodeProof(ev.Proof)
	if err != nil {
		return space, err
	}
	if space, err = boundTo(creds); err != nil {
		return space, err
	}
	m := evaluateLine(space, creds)
	member, ok := m.Device(p.Device)
	if !ok || member.Identity != p.Identity {
		return space, errs.New(op, errs.BadCredential, "%d credentials do not show the presenter to be a member of space %v", len(creds), space)
	}
	out.Spaces = append(out.Spaces, ShownSpace{space, member.Role})
	for i, cid := range ev.IDs {
		at := slices.IndexFunc(creds, func(c *Credential) bool { return c.id == cid })
		switch {
		case i > 0 && id.Compare(ev.IDs[i-1], cid) >= 0:
			return space, errs.New(op, errs.Malformed, "the presented credentials are not in order")
		case at < 0:
			return space, foreign(cid, "is presented, but not there")
		case !m.valid[cid]:
			return space, foreign(cid, "does not hold by what comes with it")
		}
		c := creds[at]
		if _, _, link := linkOf(c); link || !ofMember(c.Claim) {
			return space, foreign(cid, "is of a type that is not presented as of a space")
		}
		if subject, ok := Subject(c.Claim); (!ok || subject != p.Identity) && !own[c.Issuer] {
			return space, foreign(cid, "is neither about the presenter nor issued by it")
		}
		out.Credentials = append(out.Credentials, InSpace{c, space})
	}
	return space, nil
}

// ofMember tells whether a claim of a space says something about a member that a
// stranger may be shown.
func ofMember(c Claim) bool {
	switch c.(type) {
	case Genesis, Member, SetRole, Remove, Profile:
		return true
	}
	return false
}

// boundTo gives the space that credentials are of: there is one Genesis among them, and
// every other, save devices and recovery keys, which are of any space, follows it, itself
// or by others of them. Without that an ADMIN of two spaces would have admitted to both.
func boundTo(creds []*Credential) (space id.SpaceKey, err error) {
	bound := map[id.CredentialID]bool{}
	for _, c := range creds {
		if g, ok := c.Claim.(Genesis); ok {
			if len(bound) > 0 {
				return space, foreign(c.id, "founds a second space")
			}
			space, bound[c.id] = g.Space, true
		}
	}
	for _, c := range creds {
		if _, _, link := linkOf(c); link || bound[c.id] {
			continue
		}
		if !slices.ContainsFunc(c.Parents, func(p id.CredentialID) bool { return bound[p] }) {
			return space, foreign(c.id, "does not follow the founding of the space")
		}
		bound[c.id] = true
	}
	return space, nil
}
