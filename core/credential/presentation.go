package credential

import (
	"context"
	"math"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// Presentation shows credentials of an identity to somebody who holds none of its
// spaces. It is made by Present for one question, the nonce, and read by
// VerifyPresentation.
type Presentation struct {
	Identity id.IdentityKey
	// Device is the device of the identity that presents.
	Device id.DeviceKey
	// Nonce is the question that it answers: 16 to 64 bytes that the asker drew.
	Nonce []byte
	// Audience names the asker, such as the origin of its page; it may be empty.
	Audience string
	// Issued and Expires are milliseconds since 1970, by the clock of the device.
	Issued, Expires int64
	// Chain is that from the identity key to the device.
	Chain [][]byte
	// Links are the presented credentials of type Device and Recovery, each issued by
	// the identity key, by a key of the chain, or by one of an earlier link.
	Links []*Credential
	// Spaces are the others, by the space that they are of.
	Spaces []Evidence
}

// Evidence is credentials of one space with what shows that they hold there.
type Evidence struct {
	// Proof is a proof as Membership.Proof makes it, for the presenting device. The
	// presented credentials are in it.
	Proof []byte
	// IDs name the presented, ascending.
	IDs []id.CredentialID
}

// Expected is what whoever asked for a presentation knows.
type Expected struct {
	// Nonce is that of the question.
	Nonce []byte
	// Audience must be that of the presentation, unless it is empty.
	Audience string
	// Now is in milliseconds since 1970.
	Now int64
	// Trust, unless it is empty, are identities and spaces one of which must be the
	// presenter, or a space that it shows to be a member of.
	Trust [][32]byte
}

// Shown is what a presentation shows.
type Shown struct {
	Identity        id.IdentityKey
	Device          id.DeviceKey
	Audience        string
	Issued, Expires int64
	Spaces          []ShownSpace
	Credentials     []InSpace
}

// ShownSpace is a space that the presenter is shown to be a member of.
type ShownSpace struct {
	Space id.SpaceKey
	Role  Role
}

// InSpace is a credential with the space that it is of: zero for Device and Recovery,
// which are of none.
type InSpace struct {
	*Credential
	Space id.SpaceKey
}

// Limits of a presentation.
const (
	presentationLabel = "echospace presentation\x00"
	// MaxPresentation is how long an encoded presentation may be.
	MaxPresentation = 4 << 20
	minNonce        = 16
	maxNonce        = 64
	maxShown        = 256
	// maxAhead is how far the clock of a presenter may be ahead, in milliseconds.
	maxAhead = 5 * 60 * 1000
)

// Evidence gives what shows that credentials hold, for a presentation by a device of a
// member. Besides them it holds the credentials on which they rest: the names and keys
// of who admitted them. errs.NotFound for one that is not here, errs.NotPermitted for
// one that does not hold, or a device of no member.
func (m *Membership) Evidence(d id.DeviceKey, ids ...id.CredentialID) (Evidence, error) {
	const op = "credential.Membership.Evidence"
	sorted := slices.Clone(ids)
	sort.Slice(sorted, func(i, j int) bool { return id.Compare(sorted[i], sorted[j]) < 0 })
	sorted = slices.Compact(sorted)
	var at []int
	for _, c := range sorted {
		i := slices.IndexFunc(m.e.nodes, func(n node) bool { return n.id == c })
		if i < 0 {
			return Evidence{}, errs.New(op, errs.NotFound, "credential %v is not here", c)
		}
		if !m.valid[c] {
			return Evidence{}, errs.New(op, errs.NotPermitted, "credential %v does not hold", c)
		}
		at = append(at, i)
	}
	proof, err := m.proof(op, d, at...)
	return Evidence{Proof: proof, IDs: sorted}, err
}

// Present signs a presentation as its device, and verifies it as the asker will:
// errors are those of VerifyPresentation.
func Present(ctx context.Context, s keys.Signer, p *Presentation) ([]byte, error) {
	b, err := p.sign(ctx, s)
	if err != nil {
		return nil, err
	}
	_, err = VerifyPresentation(b, Expected{Nonce: p.Nonce, Audience: p.Audience, Now: p.Issued})
	return b, err
}

func (p *Presentation) sign(ctx context.Context, s keys.Signer) ([]byte, error) {
	signed := p.encode()
	sig, err := s.Sign(ctx, append([]byte(presentationLabel), signed...))
	if err != nil {
		return nil, err
	}
	return wire.AppendBytes(wire.AppendBytes(wire.AppendArray(nil, 2), signed), sig[:]), nil
}

// encode gives what is signed.
func (p *Presentation) encode() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 10), version)
	b = wire.AppendBytes(b, p.Identity[:])
	b = wire.AppendBytes(b, p.Device[:])
	b = wire.AppendBytes(b, p.Nonce)
	b = wire.AppendString(b, p.Audience)
	b = wire.AppendInt(b, p.Issued)
	b = wire.AppendInt(b, p.Expires)
	b = wire.AppendArray(b, len(p.Chain))
	for _, c := range p.Chain {
		b = wire.AppendBytes(b, c)
	}
	b = wire.AppendArray(b, len(p.Links))
	for _, c := range p.Links {
		b = wire.AppendBytes(b, c.Encode())
	}
	b = wire.AppendArray(b, len(p.Spaces))
	for _, e := range p.Spaces {
		b = wire.AppendBytes(wire.AppendArray(b, 2), e.Proof)
		b = wire.AppendArray(b, len(e.IDs))
		for _, c := range e.IDs {
			b = wire.AppendBytes(b, c[:])
		}
	}
	return b
}

// decodePresentation reads what was signed, sharing memory with it. Links are checked as
// Decode does, the rest is not.
func decodePresentation(signed []byte) (*Presentation, error) {
	const op = "credential.VerifyPresentation"
	p := &Presentation{}
	r := wire.NewReader(signed)
	r.Array(10)
	if v := r.Uint(math.MaxUint64); r.Err() == nil && v != version {
		return nil, errs.New(op, errs.VersionUnsupported, "presentation version %d, this version reads %d", v, version)
	}
	readKey(r, p.Identity[:])
	readKey(r, p.Device[:])
	p.Nonce = r.Bytes(maxNonce)
	p.Audience = r.String(maxText)
	p.Issued, p.Expires = r.Int(), r.Int()
	for range r.ArrayLen(maxChain) {
		p.Chain = append(p.Chain, r.Bytes(maxLink))
	}
	var links [][]byte
	for range r.ArrayLen(maxShown) {
		links = append(links, r.Bytes(maxLink))
	}
	for range r.ArrayLen(maxShown) {
		r.Array(2)
		e := Evidence{Proof: r.Bytes(maxProofBytes)}
		for range r.ArrayLen(maxShown) {
			var c id.CredentialID
			r.Fixed(c[:])
			e.IDs = append(e.IDs, c)
		}
		p.Spaces = append(p.Spaces, e)
	}
	if err := r.Done(op); err != nil {
		return nil, err
	}
	if len(p.Nonce) < minNonce || p.Issued >= p.Expires {
		return nil, errs.New(op, errs.Malformed, "a nonce of %d bytes, valid from %d to %d", len(p.Nonce), p.Issued, p.Expires)
	}
	for _, raw := range links {
		c, err := decode(raw, verify|nested)
		if err != nil {
			return nil, err
		}
		p.Links = append(p.Links, c)
	}
	return p, nil
}
