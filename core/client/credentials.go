package client

import (
	"context"
	"slices"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// PresentOptions say what a presentation is to show, and to whom.
type PresentOptions struct {
	// IDs name the credentials, of those that Credentials gives. Without any the
	// presentation shows the identity and its device.
	IDs []id.CredentialID
	// Nonce is what the asker drew: 16 to 64 bytes.
	Nonce []byte
	// Audience names the asker; it may be empty.
	Audience string
	// Lifetime is how long the presentation is valid; 0 is five minutes.
	Lifetime time.Duration
}

const presentationLifetime = 5 * time.Minute

// Credentials gives what holds about the own identity: the credentials of its devices,
// and those of its membership in each open space, by space in order of seniority. Trust tells when it may have changed.
func (c *Client) Credentials() (list []credential.InSpace) {
	s := c.current()
	if s == nil {
		return nil
	}
	me, err := s.identity("halo.queryCredentials")
	if err != nil {
		return nil
	}
	known := map[id.CredentialID]bool{}
	add := func(c *credential.Credential, space id.SpaceKey) {
		if !known[c.ID()] && c.Signed() { // else it is shown once it is
			known[c.ID()] = true
			list = append(list, credential.InSpace{Credential: c, Space: space})
		}
	}
	for _, link := range me.links() {
		add(link, id.SpaceKey{})
	}
	if h := s.keeper(); h != nil {
		for _, c := range h.space.credentialsOf(me.identity) {
			if ofNoSpace(c) { // the HALO itself is nobody's business
				add(c, id.SpaceKey{})
			}
		}
	}
	for _, sp := range s.allSpaces() {
		for _, c := range sp.credentialsOf(me.identity) {
			if ofNoSpace(c) {
				add(c, id.SpaceKey{})
			} else {
				add(c, sp.key)
			}
		}
	}
	return list
}

// links reads the chain of the own device.
func (me *self) links() (list []*credential.Credential) {
	for _, raw := range me.chain {
		if c, err := credential.Decode(raw); err == nil { // it was read before
			list = append(list, c)
		}
	}
	return list
}

// ofNoSpace tells whether a credential is about an identity wherever it is.
func ofNoSpace(c *credential.Credential) bool {
	switch c.Claim.(type) {
	case credential.Device, credential.Recovery:
		return true
	}
	return false
}

func (sp *Space) credentialsOf(who id.IdentityKey) []*credential.Credential {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return nil
	}
	return sp.core.Membership().About(who)
}

// PresentCredentials makes a presentation of chosen credentials, signed by this device,
// which credential.VerifyPresentation reads. It tells the asker also who admitted this
// identity to the spaces whose credentials are chosen.
//
// Errors: errs.InvalidArgument for the nonce, errs.NotFound for a credential that is not
// among Credentials, errs.BadCredential for one that cannot be shown to a stranger,
// errs.NoIdentity.
func (c *Client) PresentCredentials(ctx context.Context, o PresentOptions) ([]byte, error) {
	const op = "halo.presentCredentials"
	s, me, err := c.mustSelf(op)
	if err != nil {
		return nil, err
	}
	if n := len(o.Nonce); n < 16 || n > 64 {
		return nil, errs.New(op, errs.InvalidArgument, "a nonce of %d bytes; take 16 to 64 that whoever asks has drawn", n)
	}
	if o.Lifetime <= 0 {
		o.Lifetime = presentationLifetime
	}
	now := c.ports.Env.UnixMilli()
	p := &credential.Presentation{
		Identity: me.identity, Device: me.device(), Nonce: o.Nonce, Audience: o.Audience,
		Issued: now, Expires: now + max(o.Lifetime.Milliseconds(), 1), Chain: me.chain,
	}
	chosen := map[id.SpaceKey][]id.CredentialID{}
	mine := c.Credentials()
	for _, cid := range o.IDs {
		if !slices.ContainsFunc(mine, func(c credential.InSpace) bool { return c.ID() == cid }) {
			return nil, errs.New(op, errs.NotFound, "credential %v is not one of this identity's, or its space is closed", cid)
		}
	}
	for _, c := range mine { // links in the order of their chain
		switch {
		case !slices.Contains(o.IDs, c.ID()):
		case ofNoSpace(c.Credential):
			p.Links = append(p.Links, c.Credential)
		default:
			chosen[c.Space] = append(chosen[c.Space], c.ID())
		}
	}
	for _, sp := range s.allSpaces() {
		if len(chosen[sp.key]) == 0 {
			continue
		}
		ev, err := sp.evidence(p.Device, chosen[sp.key])
		if err != nil {
			return nil, err
		}
		p.Spaces = append(p.Spaces, ev)
	}
	return credential.Present(ctx, me.signer, p)
}

func (sp *Space) evidence(d id.DeviceKey, ids []id.CredentialID) (credential.Evidence, error) {
	sp.mu.Lock()
	m := sp.core.Membership()
	sp.mu.Unlock()
	return m.Evidence(d, ids...)
}

// Audit gives the audit log of the space, the newest last: who admitted, changed, renamed
// or removed whom, when and by which device, as far as it is known here. Trust tells when
// it may have changed. A closed space is an errs.SpaceClosed.
func (sp *Space) Audit() ([]credential.AuditEntry, error) {
	sp.mu.Lock()
	if sp.run == nil {
		sp.mu.Unlock()
		return nil, sp.closedError("space.audit")
	}
	m := sp.core.Membership()
	sp.mu.Unlock()
	return m.Audit(), nil
}

// trustChanged tells observers that the credentials of the space are others. sp.mu is not
// held.
func (sp *Space) trustChanged(m *credential.Membership) {
	if sp.Trust.Get() != m {
		sp.Trust.Set(m)
		sp.s.c.Trust.Set(m)
	}
}
