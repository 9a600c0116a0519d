package space

import (
	"bytes"
	"context"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// This file is about what an identity needs that lost all its devices. Each space keeps
// it in an envelope that only the recovery phrase opens; any member hands it out.

// Recovery is what an envelope holds.
type Recovery struct {
	// Halo holds the keys of the HALO. Its Proof is no proof of a device, but the
	// founding and the keys of the identity (credential.Membership.Founding).
	Halo Record
	Name string // of the identity
	// Ended are the keys of the identity that were revoked.
	Ended  [][32]byte
	Spaces []Recoverable // by their keys
}

// Recoverable is a space of which an envelope tells.
type Recoverable struct {
	Key     id.SpaceKey
	Secrets Secrets
}

const (
	recoveryLabel = "echospace recovery envelope v1"
	// maxRecovery bounds what an envelope holds, in bytes.
	maxRecovery = 128 << 10
	maxSpaces   = 1 << 12
	maxEnded    = 1 << 12
)

// Encode gives [1, HALO record, name, [key...], [[space, secrets]...]].
func (r Recovery) Encode() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 5), 1)
	b = wire.AppendBytes(b, r.Halo.Encode())
	b = wire.AppendString(b, r.Name)
	b = wire.AppendArray(b, len(r.Ended))
	for _, k := range r.Ended {
		b = wire.AppendBytes(b, k[:])
	}
	b = wire.AppendArray(b, len(r.Spaces))
	for _, s := range r.Spaces {
		b = s.Secrets.Append(wire.AppendBytes(wire.AppendArray(b, 2), s.Key[:]))
	}
	return b
}

// DecodeRecovery reads what Encode gave.
func DecodeRecovery(b []byte) (rec Recovery, err error) {
	const op = "space.DecodeRecovery"
	r := wire.NewReader(b)
	r.Array(5)
	readVersion(r, 1)
	halo := r.Bytes(maxRecord)
	rec.Name = r.String(maxName)
	for n := r.ArrayLen(maxEnded); n > 0 && r.Err() == nil; n-- {
		var k [32]byte
		r.Fixed(k[:])
		rec.Ended = append(rec.Ended, k)
	}
	for n := r.ArrayLen(maxSpaces); n > 0 && r.Err() == nil; n-- {
		var s Recoverable
		r.Array(2)
		r.Fixed(s.Key[:])
		s.Secrets = readSecrets(r)
		if r.Err() == nil && len(s.Secrets.Controls) == 0 {
			r.Fail(errs.New(op, errs.Malformed, "space %s without a control key", id.Short(s.Key)))
		}
		rec.Spaces = append(rec.Spaces, s)
	}
	if err := r.Done(op); err != nil {
		return rec, err
	}
	if rec.Halo, err = DecodeRecord(halo); err == nil && len(rec.Halo.Secrets.Controls) == 0 {
		err = errs.New(op, errs.Malformed, "a HALO without a control key")
	}
	return rec, err
}

// Digest names the content, in whatever order the keys of each space are held.
func (r Recovery) Digest(key [32]byte) id.Hash {
	r.Halo.Secrets = r.Halo.Secrets.sorted()
	r.Spaces = slices.Clone(r.Spaces)
	for i := range r.Spaces {
		r.Spaces[i].Secrets = r.Spaces[i].Secrets.sorted()
	}
	return keys.SumLabel("echospace recovery digest", key[:], r.Encode())
}

func (s Secrets) sorted() Secrets {
	for _, list := range []*[]keys.Secret{&s.Controls, &s.Epochs} {
		sorted := slices.Clone(*list)
		sort.Slice(sorted, func(i, j int) bool { return bytes.Compare(sorted[i][:], sorted[j][:]) < 0 })
		*list = sorted
	}
	return s
}

// newest leaves the first key, which everybody has, and the last ones of a list.
func (s Secrets) newest(n int) Secrets {
	for _, list := range []*[]keys.Secret{&s.Controls, &s.Epochs} {
		if old := len(*list) - n; old > 1 {
			*list = slices.Concat((*list)[:1], (*list)[old:])
		}
	}
	return s
}

// bounded gives the encoding, of the newest keys only if it would be too long with all.
func (r Recovery) bounded() ([]byte, error) {
	b := r.Encode()
	for n := 64; len(b) > maxRecovery && n > 0; n /= 2 {
		clear(b)
		r.Halo.Secrets = r.Halo.Secrets.newest(n)
		r.Spaces = slices.Clone(r.Spaces)
		for i := range r.Spaces {
			r.Spaces[i].Secrets = r.Spaces[i].Secrets.newest(n)
		}
		b = r.Encode()
	}
	if len(b) > maxRecovery {
		return nil, errs.New("space.Recovery", errs.TooLarge, "what recovers %d spaces has %d bytes, at most %d are kept", len(r.Spaces), len(b), maxRecovery)
	}
	return b, nil
}

func recoveryAAD(space id.SpaceKey, who id.IdentityKey, key [32]byte) []byte {
	sum := keys.SumLabel(recoveryLabel, space[:], who[:], key[:])
	return sum[:]
}

// Seal seals the content for a recovery key, as the envelope of a space. Errors:
// errs.TooLarge for too many spaces, errs.BadKey.
func (r Recovery) Seal(e env.Env, space id.SpaceKey, to credential.Recovery) (credential.RecoveryEnvelope, error) {
	out := credential.RecoveryEnvelope{Identity: to.Identity, Key: to.Key}
	b, err := r.bounded()
	if err != nil {
		return out, err
	}
	defer clear(b)
	out.Sealed, err = keys.SealTo(e, to.Sealing, b, recoveryAAD(space, to.Identity, to.Key))
	return out, err
}

// OpenRecovery reverses Seal.
func OpenRecovery(key *keys.SealingKey, space id.SpaceKey, e credential.RecoveryEnvelope) (Recovery, error) {
	b, err := key.Open(e.Sealed, recoveryAAD(space, e.Identity, e.Key))
	if err != nil {
		return Recovery{}, err
	}
	defer clear(b)
	return DecodeRecovery(b)
}

// Handed are the keys that a member holds of a space, as it hands them to who comes back
// to it: an envelope may be older than they are.
const handedLabel = "echospace recovery keys v1"

// HandTo seals the newest keys of the space to the recovery key of a member; to a KEEPER
// those of control blocks alone.
func (s *Space) HandTo(to credential.Recovery) ([]byte, error) {
	m, ok := s.membership.Identity(to.Identity)
	if !ok {
		return nil, s.noMember("space.HandTo", to.Identity)
	}
	sec := s.secrets.newest(maxHanded)
	if m.Role == credential.Keeper {
		sec.Epochs = nil
	}
	b := sec.Append(nil)
	defer clear(b)
	return keys.SealTo(s.env, to.Sealing, b, handedAAD(s.key, to.Identity, to.Key))
}

const maxHanded = 32 // keys of a kind

func handedAAD(space id.SpaceKey, who id.IdentityKey, key [32]byte) []byte {
	sum := keys.SumLabel(handedLabel, space[:], who[:], key[:])
	return sum[:]
}

// OpenHanded reverses HandTo.
func OpenHanded(by *keys.SealingKey, space id.SpaceKey, to credential.Recovery, sealed []byte) (sec Secrets, err error) {
	const op = "space.OpenHanded"
	b, err := by.Open(sealed, handedAAD(space, to.Identity, to.Key))
	if err != nil {
		return sec, err
	}
	defer clear(b)
	r := wire.NewReader(b)
	sec = readSecrets(r)
	if len(sec.Controls) > maxHanded+1 || len(sec.Epochs) > maxHanded+1 {
		r.Fail(errs.New(op, errs.TooLarge, "%d and %d keys", len(sec.Controls), len(sec.Epochs)))
	}
	return sec, r.Done(op)
}

// Join gives the keys with those that another handed over, which stand before the last:
// this device reads and meets others under them, but writes under the key that its own
// identity has sealed until a credential says otherwise, since anybody who knows the
// recovery key's public half can hand over keys that it made up.
func (s Secrets) Join(other Secrets) Secrets {
	for _, kind := range []struct{ own, other *[]keys.Secret }{{&s.Controls, &other.Controls}, {&s.Epochs, &other.Epochs}} {
		list := slices.Clone(*kind.own)
		for _, k := range *kind.other {
			if !slices.Contains(list, k) {
				list = beforeLast(list, k)
			}
		}
		*kind.own = list
	}
	return s
}

// Recovery begins what is sealed: what the HALO has of itself.
func (s *Space) Recovery() (Recovery, error) {
	founding, err := s.membership.Founding(s.self.Identity)
	if err != nil {
		return Recovery{}, err
	}
	m, _ := s.membership.Identity(s.self.Identity)
	return Recovery{
		Halo: Record{Key: s.key, Secrets: s.secrets, Proof: founding},
		Name: m.Name, Ended: s.membership.Ended(s.self.Identity),
	}, nil
}

// Recovery keys of the own identity other than that one end with it.
func (s *Space) endOthers(key [32]byte) (claims []credential.Claim) {
	for _, c := range s.membership.RecoveryKeys(s.self.Identity) {
		if other := c.Claim.(credential.Recovery).Key; other != key {
			claims = append(claims, credential.RevokeDevice{Identity: s.self.Identity, Device: other})
		}
	}
	return claims
}

// withKeys is a step that makes new keys behind claims, if they take anything away.
func (s *Space) withKeys(claims []credential.Claim) func() ([]credential.Claim, error) {
	return func() ([]credential.Claim, error) {
		if len(claims) == 0 || !s.membership.MayWrite(s.self.Device) {
			return nil, nil
		}
		return s.rotation()
	}
}

// MakeRecovery makes the control block by which a key becomes the recovery key of the own
// identity, and the ones before it end. The caller stores the Intake and calls Stored.
func (s *Space) MakeRecovery(claim credential.Recovery) (*Intake, error) {
	others := s.endOthers(claim.Key)
	claims := append([]credential.Claim{claim}, others...)
	return s.buildClaims(s.controlKey(), nil, func() ([]credential.Claim, error) { return claims, nil }, s.withKeys(others))
}

// TakeRecovery makes the control block by which the members of another space of the
// identity learn of its recovery key, to which the chain leads; nil if they know of it,
// or if this device cannot tell them yet. The caller stores the Intake and calls Stored.
func (s *Space) TakeRecovery(key [32]byte, chain [][]byte) (*Intake, error) {
	if _, member := s.membership.Device(s.self.Device); !member || slices.Contains(s.membership.Ended(s.self.Identity), key) {
		return nil, nil
	}
	var list []*credential.Credential
	if !s.membership.Holds(s.self.Identity, key) {
		for _, raw := range chain {
			c, err := credential.Decode(raw)
			if err != nil {
				return nil, err
			}
			if s.credentials[c.ID()] == nil {
				list = append(list, c)
			}
		}
	}
	others := s.endOthers(key)
	if len(list)+len(others) == 0 {
		return nil, nil
	}
	s.addCredentials(list)
	return s.buildClaims(s.controlKey(), list, func() ([]credential.Claim, error) { return others, nil }, s.withKeys(others))
}

// MayKeepRecovery tells whether this device may store an envelope for a recovery key.
func (s *Space) MayKeepRecovery(key [32]byte) bool {
	_, member := s.membership.Device(s.self.Device)
	return member && s.membership.Holds(s.self.Identity, key)
}

// Refound makes the control block with which a device that came back begins the HALO:
// with its founding, the keys and the name of the identity, and with the end of the keys
// that were revoked. The caller stores the Intake, which is finished, with the Record, in
// one batch, and calls Stored.
func (s *Space) Refound(ctx context.Context, founding []*credential.Credential, ended [][32]byte) (*Intake, error) {
	s.addCredentials(founding)
	in, err := s.buildClaims(s.controlKey(), founding, func() (claims []credential.Claim, err error) {
		for _, k := range ended {
			claims = append(claims, credential.RevokeDevice{Identity: s.self.Identity, Device: k})
		}
		if s.self.Name != "" {
			claims = append(claims, credential.Profile{Identity: s.self.Identity, Name: s.self.Name})
		}
		return claims, nil
	})
	if err == nil {
		err = s.Finish(ctx, in, func(do func()) { do() }) // nobody else has the Space yet
	}
	if err == nil {
		s.proof, err = s.membership.Proof(s.self.Device)
	}
	return in, err
}

// Sort brings the spaces into their order.
func (r *Recovery) Sort() {
	sort.Slice(r.Spaces, func(i, j int) bool { return id.Compare(r.Spaces[i].Key, r.Spaces[j].Key) < 0 })
}
