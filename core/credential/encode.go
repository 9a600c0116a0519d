package credential

import (
	"bytes"
	"fmt"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// Limits of the fields.
const (
	maxText      = 1 << 10  // names and labels, bytes of UTF-8
	maxFields    = 64 << 10 // Profile.Fields
	maxSealed    = 1 << 20  // sealed content
	maxEnvelopes = 1 << 14
	maxKeys      = 1 << 10 // Epoch.Parents
	maxRefs      = 1 << 14
	maxChain     = 64
	maxLink      = 16 << 10 // one credential of a chain
)

func (c Genesis) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Space[:])
	b = wire.AppendBytes(b, c.Identity[:])
	return wire.AppendBytes(b, c.ControlKey[:])
}

func (c Device) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendBytes(b, c.Device[:])
	b = wire.AppendBytes(b, c.Sealing[:])
	return wire.AppendString(b, c.Label)
}

func (c Member) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendUint(b, uint64(c.Role))
	b = wire.AppendBytes(b, c.Invitation[:])
	b = wire.AppendArray(b, len(c.Devices))
	for _, d := range c.Devices {
		b = wire.AppendBytes(b, d)
	}
	return wire.AppendString(b, c.Name)
}

func (c SetRole) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendUint(b, uint64(c.Role))
	return feed.AppendRefs(b, c.Cuts)
}

func (c Remove) appendTo(b []byte) []byte {
	return feed.AppendRefs(wire.AppendBytes(b, c.Identity[:]), c.Cuts)
}

func (c RevokeDevice) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendBytes(b, c.Device[:])
	return feed.AppendRefs(b, c.Cuts)
}

func (c Epoch) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Key[:])
	b = wire.AppendArray(b, len(c.Parents))
	for _, p := range c.Parents {
		b = wire.AppendBytes(b, p[:])
	}
	b = wire.AppendBool(b, c.Control)
	b = wire.AppendArray(b, len(c.Envelopes))
	for _, e := range c.Envelopes {
		b = wire.AppendArray(b, 2)
		b = wire.AppendBytes(b, e.Device[:])
		b = wire.AppendBytes(b, e.Sealed)
	}
	return b
}

func (c Recovery) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendBytes(b, c.Key[:])
	b = wire.AppendBytes(b, c.Sealing[:])
	return wire.AppendBytes(b, c.Sig[:])
}

func (c RecoveryEnvelope) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendBytes(b, c.Key[:])
	return wire.AppendBytes(b, c.Sealed)
}

func (c Profile) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Identity[:])
	b = wire.AppendString(b, c.Name)
	return wire.AppendBytes(b, c.Fields)
}

func (c Invitation) appendTo(b []byte) []byte {
	b = wire.AppendBytes(b, c.Invitation[:])
	b = wire.AppendUint(b, uint64(c.Role))
	b = wire.AppendBool(b, c.Multi)
	b = wire.AppendInt(b, c.Expires)
	return wire.AppendBytes(b, c.Sealed)
}

func (c Spent) appendTo(b []byte) []byte {
	return wire.AppendUint(wire.AppendBytes(b, c.Invitation[:]), uint64(c.Reason))
}

func (c CloseFeed) appendTo(b []byte) []byte {
	return feed.AppendRefs(wire.AppendBytes(b, c.Feed[:]), c.Heads)
}

// fields is how many elements a claim's array has, with its type.
var fields = [...]int{
	typeGenesis: 4, typeDevice: 5, typeMember: 6, typeSetRole: 4, typeRemove: 3,
	typeRevokeDevice: 4, typeEpoch: 5, typeRecovery: 5, typeRecoveryEnvelope: 4,
	typeProfile: 4, typeInvitation: 6, typeSpent: 3, typeCloseFeed: 3,
}

func appendClaim(b []byte, c Claim) []byte {
	b = wire.AppendArray(b, fields[c.Type()])
	b = wire.AppendUint(b, uint64(c.Type()))
	return c.appendTo(b)
}

// readClaim reads what appendClaim made. What is wrong becomes r's error; an
// unknown type is errs.VersionUnsupported.
func readClaim(r *wire.Reader) Claim {
	n := r.ArrayLen(math.MaxInt32)
	t := r.Uint(math.MaxUint64)
	if r.Err() != nil {
		return nil
	}
	if t == 0 || t >= uint64(len(fields)) {
		r.Fail(errs.New("credential.Decode", errs.VersionUnsupported, "claim type %d is not known to this version", t))
		return nil
	}
	if n != fields[t] {
		r.Fail(fmt.Errorf("claim type %d of %d fields, want %d", t, n, fields[t]))
		return nil
	}
	switch t {
	case typeGenesis, typeDevice, typeRecovery:
		return readKeyClaim(r, t)
	case typeMember, typeSetRole, typeRemove, typeRevokeDevice, typeProfile:
		return readMemberClaim(r, t)
	default:
		return readSpaceClaim(r, t)
	}
}

// readKeyClaim reads the claims that bind keys.
func readKeyClaim(r *wire.Reader, t uint64) Claim {
	switch t {
	case typeGenesis:
		var c Genesis
		readKey(r, c.Space[:])
		readKey(r, c.Identity[:])
		r.Fixed(c.ControlKey[:])
		return c
	case typeDevice:
		var c Device
		readKey(r, c.Identity[:])
		readKey(r, c.Device[:])
		r.Fixed(c.Sealing[:])
		c.Label = r.String(maxText)
		return c
	default:
		var c Recovery
		readKey(r, c.Identity[:])
		readKey(r, c.Key[:])
		r.Fixed(c.Sealing[:])
		r.Fixed(c.Sig[:])
		return c
	}
}

// readMemberClaim reads the claims about a member.
func readMemberClaim(r *wire.Reader, t uint64) Claim {
	var identity id.IdentityKey
	readKey(r, identity[:])
	switch t {
	case typeMember:
		c := Member{Identity: identity, Role: readRole(r)}
		r.Fixed(c.Invitation[:])
		for range r.ArrayLen(maxChain) {
			c.Devices = append(c.Devices, bytes.Clone(r.Bytes(maxLink)))
		}
		c.Name = r.String(maxText)
		return c
	case typeSetRole:
		c := SetRole{Identity: identity, Role: readRole(r), Cuts: readCuts(r)}
		if c.Role.mayWrite() && len(c.Cuts) > 0 {
			r.Fail(fmt.Errorf("a role that writes cuts %d feeds", len(c.Cuts)))
		}
		return c
	case typeRemove:
		return Remove{Identity: identity, Cuts: readCuts(r)}
	case typeRevokeDevice:
		c := RevokeDevice{Identity: identity}
		r.Fixed(c.Device[:])
		c.Cuts = readCuts(r)
		return c
	default:
		return Profile{Identity: identity, Name: r.String(maxText), Fields: bytes.Clone(r.Bytes(maxFields))}
	}
}

// readSpaceClaim reads the claims about the space's keys, invitations, feeds.
func readSpaceClaim(r *wire.Reader, t uint64) Claim {
	switch t {
	case typeEpoch:
		return readEpoch(r)
	case typeRecoveryEnvelope:
		var c RecoveryEnvelope
		readKey(r, c.Identity[:])
		readKey(r, c.Key[:])
		c.Sealed = bytes.Clone(r.Bytes(maxSealed))
		return c
	case typeInvitation:
		var c Invitation
		r.Fixed(c.Invitation[:])
		c.Role = readRole(r)
		c.Multi = r.Bool()
		c.Expires = r.Int()
		c.Sealed = bytes.Clone(r.Bytes(maxSealed))
		return c
	case typeSpent:
		var c Spent
		r.Fixed(c.Invitation[:])
		if c.Reason = Reason(r.Uint(uint64(Expired))); c.Reason == 0 {
			r.Fail(fmt.Errorf("reason 0"))
		}
		return c
	default:
		var c CloseFeed
		r.Fixed(c.Feed[:])
		c.Heads = readCuts(r)
		for _, h := range c.Heads {
			if h.Feed != c.Feed {
				r.Fail(fmt.Errorf("a head of feed %v closes feed %v", h.Feed, c.Feed))
			}
		}
		return c
	}
}

func readEpoch(r *wire.Reader) Claim {
	var c Epoch
	r.Fixed(c.Key[:])
	for i := range r.ArrayLen(maxKeys) {
		var p id.EpochID
		r.Fixed(p[:])
		if i > 0 && bytes.Compare(c.Parents[i-1][:], p[:]) >= 0 {
			r.Fail(fmt.Errorf("parent key %d is not above the one before", i))
		}
		if r.Err() != nil {
			return nil
		}
		c.Parents = append(c.Parents, p)
	}
	c.Control = r.Bool()
	for i := range r.ArrayLen(maxEnvelopes) {
		var e Envelope
		r.Array(2)
		r.Fixed(e.Device[:])
		e.Sealed = bytes.Clone(r.Bytes(maxSealed))
		if i > 0 && bytes.Compare(c.Envelopes[i-1].Device[:], e.Device[:]) >= 0 {
			r.Fail(fmt.Errorf("envelope %d is not above the one before", i))
		}
		if r.Err() != nil {
			return nil
		}
		c.Envelopes = append(c.Envelopes, e)
	}
	return c
}

// readKey reads an Ed25519 public key and refuses weak ones.
func readKey(r *wire.Reader, dst []byte) {
	r.Fixed(dst)
	if r.Err() == nil {
		r.Fail(keys.CheckCanonical([32]byte(dst)))
	}
}

func readRole(r *wire.Reader) Role {
	v := Role(r.Uint(uint64(Keeper)))
	if r.Err() == nil && v == 0 {
		r.Fail(fmt.Errorf("role 0"))
	}
	return v
}

// readCuts reads refs in strict order.
func readCuts(r *wire.Reader) []feed.Ref {
	refs := feed.ReadRefs(r, maxRefs)
	for i := range refs {
		if i == 0 {
			continue
		}
		a, b := refs[i-1], refs[i]
		c := bytes.Compare(a.Feed[:], b.Feed[:])
		if c > 0 || c == 0 && bytes.Compare(a.Hash[:], b.Hash[:]) >= 0 {
			r.Fail(fmt.Errorf("ref %d is not above the one before", i))
		}
	}
	return refs
}
