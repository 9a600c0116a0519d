package space

import (
	"context"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/keys"
)

// This file signs what this device writes, apart from the making of it: the key may be
// out of reach (keys.Signer), so that a signature has to be waited for, and nothing that
// waits may hold the Space. What is signed does not hold the signature: a feed's id, a
// block's hash and a credential's id are known before. So edits are cut, sealed and
// chained at once, and only storing them waits. Credentials are within what a control
// block seals, so that block takes its place in the feed when they are signed, which is
// in the order in which the Intakes were built.

// draft is a control block to be.
type draft struct {
	key  keys.Secret
	list []*credential.Credential
	// inner is the key of what only those read to whom the block hands keys; nil: all
	// is under key.
	inner *keys.Secret
	// unsigned are those of the list that had no signature, and signatures what some
	// of them have got since.
	unsigned   []*credential.Credential
	signatures [][64]byte
}

// Finish signs an own Intake, so that it can be stored. It is called for own Intakes of
// both kinds in the order in which they were built, and again if it failed: a signer that
// fails is an errs.KeyUnavailable. It may wait, while the Space goes on: whoever guards
// the Space does not hold it, and lock gives it to Finish for what does not wait.
func (s *Space) Finish(ctx context.Context, in *Intake, lock func(func())) error {
	if in.draft != nil {
		err := in.draft.sign(ctx, s.self.Signer)
		if err == nil {
			lock(func() { err = s.sealControl(in) })
		}
		if err != nil {
			return notSigned(err)
		}
	}
	if in.isNew && in.Header.Sig == [64]byte{} {
		if err := in.Header.Sign(ctx, s.self.Signer); err != nil {
			return notSigned(err)
		}
		if err := in.Header.Verify(); err != nil {
			in.Header.Sig = [64]byte{}
			return notSigned(err)
		}
	}
	for _, b := range in.Blocks {
		if b.Sig != nil || b.Part < b.Parts {
			continue // only the last part is signed
		}
		if err := b.Sign(ctx, s.self.Signer); err != nil {
			return notSigned(err)
		}
		if in.Header.Kind == feed.Control { // which no opening verifies again
			if err := b.VerifySig(in.Header); err != nil {
				b.Sig = nil
				return notSigned(err)
			}
		}
	}
	return nil
}

func notSigned(err error) error {
	return errs.New("space.Finish", errs.KeyUnavailable, "this device's key does not sign what it writes: %w", err)
}

func (d *draft) sign(ctx context.Context, signer keys.Signer) error {
	for _, c := range d.unsigned[len(d.signatures):] {
		sig, err := c.Sign(ctx, signer)
		if err != nil {
			return err
		}
		d.signatures = append(d.signatures, sig)
	}
	return nil
}

// sealControl makes the block of a draft: the next one of the feed that own control
// blocks go to now.
func (s *Space) sealControl(in *Intake) error {
	d := in.draft
	for i, c := range d.unsigned {
		c.SetSignature(d.signatures[i]) // an earlier draft may have had it too
	}
	sealed, err := s.seal(&s.control, d.key, s.controlDeltas(), uint64(len(d.list)), s.payload(d))
	if err != nil {
		return err
	}
	s.landed(in.Header.ID()) // the sealed one counts
	*in = *sealed
	m := *s.membership // observers are told that there are signatures
	s.membership = &m
	return nil
}
