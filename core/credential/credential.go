package credential

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync/atomic"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

const (
	version = 1
	label   = "echospace credential\x00"
	// MaxSize is how long an encoded credential may be.
	MaxSize = 4 << 20
	// MaxParents is how many parents it may name.
	MaxParents = 1 << 10
)

// Credential is a signed claim. Make it by Issue or Decode, which check it:
// Evaluate passes over any other. It is immutable, but for the signature of a Draft.
type Credential struct {
	// Issuer is the Ed25519 key that signed.
	Issuer [32]byte
	// Parents are the heads that the issuer knew, ascending: the credential
	// follows them and all before them.
	Parents []id.CredentialID
	// Time is the issuer's clock in milliseconds since 1970. It decides
	// nothing.
	Time  int64
	Claim Claim
	// Bytes are what was signed.
	Bytes []byte

	sig    [64]byte
	signed atomic.Bool // sig is there, and stays
	id     id.CredentialID
	chain  []link // of a Member's Devices
}

// Issue signs a claim. Parents may come in any order. A claim that Decode would
// refuse is an errs.InvalidArgument.
func Issue(ctx context.Context, s keys.Signer, parents []id.CredentialID, timeMs int64, claim Claim) (*Credential, error) {
	c, err := Draft(s.Public(), parents, timeMs, claim)
	if err != nil {
		return nil, err
	}
	sig, err := c.Sign(ctx, s)
	if err != nil {
		return nil, err
	}
	c.SetSignature(sig)
	return c, nil
}

// Draft is Issue without the signature, which may come later: it has the ID that it
// will have, and Evaluate takes it. Nobody else must get it before SetSignature.
func Draft(issuer [32]byte, parents []id.CredentialID, timeMs int64, claim Claim) (*Credential, error) {
	if claim == nil {
		return nil, errs.New("credential.Issue", errs.InvalidArgument, "no claim")
	}
	sorted := slices.Clone(parents)
	sort.Slice(sorted, func(i, j int) bool { return id.Compare(sorted[i], sorted[j]) < 0 })
	signed := encodeSigned(&Credential{Issuer: issuer, Parents: slices.Compact(sorted), Time: timeMs, Claim: claim})
	c := &Credential{}
	if err := c.read(signed, verify); err != nil {
		return nil, errs.New("credential.Issue", errs.InvalidArgument, "the claim is not valid: %w", err)
	}
	return c, nil
}

// Sign gives the signature of the issuer, whose signer s is, and verifies it: a signer is
// hardware, or another program. It changes nothing.
func (c *Credential) Sign(ctx context.Context, s keys.Signer) ([64]byte, error) {
	msg := c.message()
	sig, err := s.Sign(ctx, msg)
	if err != nil {
		return sig, err
	}
	return sig, keys.Verify(c.Issuer, msg, sig[:])
}

// SetSignature completes a Draft by what Sign gave. Others may read the Draft meanwhile;
// a second call does nothing.
func (c *Credential) SetSignature(sig [64]byte) {
	if !c.signed.Load() {
		c.sig = sig
		c.signed.Store(true)
	}
}

// Signed tells whether there is a signature.
func (c *Credential) Signed() bool { return c.signed.Load() }

// Decode reads what Encode made, and checks the signature and, in a Member,
// the chain of devices, in a Recovery the signature of the recovery key. It copies b. errs.Malformed, errs.VersionUnsupported,
// errs.BadKey, errs.BadSignature or errs.BadCredential (the chain).
func Decode(b []byte) (*Credential, error) { return decode(b, verify) }

// DecodeVerified is Decode of what is known to be what Decode took before: it checks the
// form, and no signature.
func DecodeVerified(b []byte) (*Credential, error) { return decode(b, 0) }

// reading is how a credential is read.
type reading uint8

const (
	verify reading = 1 << iota // check signatures too
	nested                     // it is one of a chain, which holds no chain itself
)

func decode(b []byte, how reading) (*Credential, error) {
	const op = "credential.Decode"
	if len(b) > MaxSize {
		return nil, errs.New(op, errs.Malformed, "%d bytes, the limit is %d", len(b), MaxSize)
	}
	c := &Credential{}
	r := wire.NewReader(b)
	r.Array(2)
	signed := bytes.Clone(r.Bytes(MaxSize))
	r.Fixed(c.sig[:])
	c.signed.Store(true)
	if err := r.Done(op); err != nil {
		return nil, err
	}
	if err := c.read(signed, how); err != nil {
		return nil, err
	}
	if how&verify == 0 {
		return c, nil
	}
	if err := keys.Verify(c.Issuer, c.message(), c.sig[:]); err != nil {
		return nil, errs.New(op, errs.KindOf(err), "credential %v is not signed by its issuer: %w", c.id, err)
	}
	return c, nil
}

// IDOf gives the ID that an encoded credential has if it decodes.
func IDOf(b []byte) id.CredentialID {
	r := wire.NewReader(b)
	r.Array(2)
	return id.CredentialID(keys.Sum(r.Bytes(MaxSize)))
}

// Is tells whether b is what Encode gives.
func (c *Credential) Is(b []byte) bool { return c.Signed() && bytes.Equal(c.Encode(), b) }

// Encode gives [signed bytes, signature]; of a Draft a signature that does not verify.
func (c *Credential) Encode() []byte {
	b := make([]byte, 0, len(c.Bytes)+len(c.sig)+10)
	b = wire.AppendArray(b, 2)
	b = wire.AppendBytes(b, c.Bytes)
	if !c.Signed() {
		return wire.AppendBytes(b, make([]byte, len(c.sig)))
	}
	return wire.AppendBytes(b, c.sig[:])
}

// ID names the credential: the hash of its signed bytes.
func (c *Credential) ID() id.CredentialID { return c.id }

// message is what the signature is over.
func (c *Credential) message() []byte { return append([]byte(label), c.Bytes...) }

func encodeSigned(c *Credential) []byte {
	b := wire.AppendArray(nil, 5)
	b = wire.AppendUint(b, version)
	b = wire.AppendBytes(b, c.Issuer[:])
	b = wire.AppendArray(b, len(c.Parents))
	for _, p := range c.Parents {
		b = wire.AppendBytes(b, p[:])
	}
	b = wire.AppendInt(b, c.Time)
	return appendClaim(b, c.Claim)
}

// read fills c from its signed bytes, which it keeps.
func (c *Credential) read(signed []byte, how reading) error {
	const op = "credential.Decode"
	r := wire.NewReader(signed)
	n := r.ArrayLen(math.MaxInt32)
	if v := r.Uint(math.MaxUint64); r.Err() == nil && v != version {
		return errs.New(op, errs.VersionUnsupported, "format version %d, this version reads %d", v, version)
	}
	if r.Err() == nil && n != 5 {
		r.Fail(fmt.Errorf("%d fields, want 5", n))
	}
	r.Fixed(c.Issuer[:])
	for i := range r.ArrayLen(MaxParents) {
		var p id.CredentialID
		r.Fixed(p[:])
		if i > 0 && id.Compare(c.Parents[i-1], p) >= 0 {
			r.Fail(fmt.Errorf("parent %d is not above the one before", i))
		}
		if r.Err() != nil {
			break
		}
		c.Parents = append(c.Parents, p)
	}
	c.Time = r.Int()
	c.Claim = readClaim(r)
	if err := r.Done(op); err != nil {
		return err
	}
	c.Bytes = signed
	c.id = id.CredentialID(keys.Sum(signed))
	if claim, ok := c.Claim.(Recovery); ok && how&verify != 0 {
		return claim.verify()
	}
	m, ok := c.Claim.(Member)
	if !ok {
		return nil
	}
	if how&nested != 0 {
		return errs.New(op, errs.BadCredential, "a chain of devices holds the admission of %v", m.Identity)
	}
	chain, err := readChain(m.Identity, m.Devices, how)
	c.chain = chain
	return err
}
