package credential

import (
	"bytes"
	"context"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// This file is about recovery keys: a key that a person can write down, and that
// speaks for the identity when all devices are lost.

const recoveryLabel = "echospace recovery claim\x00"

func recoveryMessage(identity id.IdentityKey, sealing [32]byte) []byte {
	return append(append([]byte(recoveryLabel), identity[:]...), sealing[:]...)
}

// Countersign makes the claim that a key is a recovery key of an identity, signed by
// that key. It counts once a device of the identity has issued it.
func Countersign(ctx context.Context, key keys.Signer, identity id.IdentityKey, sealing [32]byte) (Recovery, error) {
	sig, err := key.Sign(ctx, recoveryMessage(identity, sealing))
	return Recovery{Identity: identity, Key: key.Public(), Sealing: sealing, Sig: sig}, err
}

// verify checks that the recovery key agrees.
func (c Recovery) verify() error {
	if err := keys.Verify(c.Key, recoveryMessage(c.Identity, c.Sealing), c.Sig[:]); err != nil {
		return errs.New("credential.Recovery", errs.KindOf(err), "recovery key %x did not sign to be one of identity %v: %w", c.Key, c.Identity, err)
	}
	return nil
}

// RecoveryKeys gives the recovery keys of an identity that hold, those that were made
// one last at the end.
func (m *Membership) RecoveryKeys(who id.IdentityKey) (list []*Credential) {
	e := m.e
	var found []binding
	for _, key := range e.held[who] {
		if b, ok := e.keyOf(key, who, e.all); ok && b.recovery {
			found = append(found, b)
		}
	}
	sort.Slice(found, func(i, j int) bool {
		return found[i].at < found[j].at || found[i].at == found[j].at && found[i].place < found[j].place
	})
	for _, b := range found {
		if c := e.credentialOf(b); c != nil {
			list = append(list, c)
		}
	}
	return list
}

// Recoverable gives the recovery keys of all members.
func (m *Membership) Recoverable() (list [][32]byte) {
	for key, bindings := range m.e.bindings {
		if slices.ContainsFunc(bindings, func(b binding) bool { return b.recovery }) {
			if _, ok := m.RecoveryOf(key); ok {
				list = append(list, key)
			}
		}
	}
	return list
}

// RecoveryOf gives the member whose recovery key it is.
func (m *Membership) RecoveryOf(key [32]byte) (who id.IdentityKey, ok bool) {
	for _, who := range m.e.claimers[key] {
		b, holds := m.e.keyOf(key, who, m.e.all)
		if _, member := m.byIdentity[who]; holds && b.recovery && member {
			return who, true
		}
	}
	return who, false
}

// RecoveryEnvelope gives the latest of the envelopes that hold what an identity needs
// to recover the space by one of its recovery keys; nil if there is none.
func (m *Membership) RecoveryEnvelope(who id.IdentityKey, key [32]byte) *Credential {
	for i := len(m.e.nodes) - 1; i >= 0; i-- {
		c := m.e.nodes[i].Credential
		if claim, ok := c.Claim.(RecoveryEnvelope); ok && claim.Identity == who && claim.Key == key && m.valid[c.id] {
			return c
		}
	}
	return nil
}

// Chain gives the credentials that lead from an identity to a key of it, the last one
// that of the key, as VerifyChain takes them; nil if there are none. The key may have
// been revoked.
func (m *Membership) Chain(who id.IdentityKey, key [32]byte) (chain [][]byte) {
	for _, b := range m.e.chainOf(key, who, m.e.all) {
		if claim, ok := m.e.nodes[b.at].Claim.(Member); ok {
			chain = append(chain, claim.Devices[b.place])
		} else {
			chain = append(chain, m.e.nodes[b.at].Encode())
		}
	}
	return chain
}

// credentialOf gives the credential that a binding is.
func (e *evaluation) credentialOf(b binding) *Credential {
	claim, ok := e.nodes[b.at].Claim.(Member)
	if !ok {
		return e.nodes[b.at].Credential
	}
	c, err := decode(claim.Devices[b.place], verify|nested)
	if err != nil {
		return nil // it was read with the admission
	}
	return c
}

// Holds tells whether a key is now a device or recovery key of an identity.
func (m *Membership) Holds(who id.IdentityKey, key [32]byte) bool {
	_, ok := m.e.keyOf(key, who, m.e.all)
	return ok
}

// Ended gives the keys of an identity that were revoked, also those of which nothing else
// is known, ascending.
func (m *Membership) Ended(who id.IdentityKey) (list [][32]byte) {
	for key := range m.e.revokes {
		if m.e.revoked(key, who, m.e.all, -1) {
			list = append(list, key)
		}
	}
	sort.Slice(list, func(i, j int) bool { return bytes.Compare(list[i][:], list[j][:]) < 0 })
	return list
}

// VerifyRecovery follows a chain of encoded credentials to a recovery key, and gives
// the identity that it is one of, with the credential that says so. Errors are those of
// VerifyChain.
func VerifyRecovery(key [32]byte, chain [][]byte) (*Credential, error) {
	const op = "credential.VerifyRecovery"
	if len(chain) == 0 {
		return nil, errs.New(op, errs.BadCredential, "no credentials for recovery key %x", key)
	}
	c, err := decode(chain[len(chain)-1], verify|nested)
	if err != nil {
		return nil, err
	}
	claim, ok := c.Claim.(Recovery)
	if !ok || claim.Key != key {
		return nil, errs.New(op, errs.BadCredential, "the chain does not end at recovery key %x", key)
	}
	_, err = readChain(claim.Identity, chain, verify)
	return c, err
}

// Founding gives, as a proof, the founding of a space and the credentials of the keys that
// an identity has now: with them a device that came back begins the space of its identity
// again, if nobody has the rest.
func (m *Membership) Founding(who id.IdentityKey) ([]byte, error) {
	e := m.e
	if e.genesis < 0 {
		return nil, errs.New("credential.Founding", errs.MissingDependency, "the founding of space %v is not known", e.space)
	}
	needed := newBitset(len(e.nodes))
	needed.add(e.genesis)
	for _, key := range e.held[who] {
		if _, ok := e.keyOf(key, who, e.all); ok {
			for _, b := range e.chainOf(key, who, e.all) {
				needed.add(b.at)
			}
		}
	}
	var creds []*Credential
	needed.each(func(i int) { creds = append(creds, e.nodes[i].Credential) })
	return encodeProof(creds), nil
}
