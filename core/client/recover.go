package client

import (
	"context"
	"errors"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys/mnemonic"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// RecoverOptions say how an identity is recovered.
type RecoverOptions struct {
	Timeout time.Duration // how long to look for somebody who helps; zero: DefaultRecoverTimeout
}

// DefaultRecoverTimeout is how long RecoverIdentity looks for somebody who helps.
const DefaultRecoverTimeout = time.Minute

// RecoverIdentity makes this profile, which has no identity, a device of the one whose
// recovery phrase it is. Any member of one of its spaces that is online helps, or another
// device of it. It returns when the identity is this profile's and its spaces are
// listed; what is in them comes from whoever is online, then and later. Of two calls the
// later one ends the earlier with errs.Cancelled.
//
// Errors: errs.InvalidPhrase, as mnemonic.Parse gives it; errs.IdentityExists,
// errs.Timeout if nobody helped, errs.Cancelled, errs.Closed.
func (c *Client) RecoverIdentity(ctx context.Context, l *mnemonic.List, phrase string, o RecoverOptions) (*Identity, error) {
	const op = "halo.recoverIdentity"
	s, err := c.must(op)
	if err != nil {
		return nil, err
	}
	if _, err := s.identity(op); err == nil {
		return nil, errs.New(op, errs.IdentityExists, "this profile has an identity already; recover the other one in another profile, or reset() this one")
	}
	words, err := mnemonic.Parse(l, phrase)
	if err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultRecoverTimeout
	}
	ctx, end := s.recovering(ctx, op, o.Timeout) // before anything waits
	defer end()
	if err := s.recover(ctx, words); err != nil {
		if cause := context.Cause(ctx); cause != nil && errors.Is(err, context.Canceled) {
			err = cause // which whoever was waited for does not tell
		}
		return nil, err
	}
	return c.Identity.Get(), nil
}

func (s *session) recover(ctx context.Context, words mnemonic.Phrase) error {
	device, err := s.newDevice(ctx)
	if err != nil {
		return err
	}
	r := newReturning(s, words)
	defer r.erase()
	if err := r.search(ctx); err != nil {
		return err
	}
	return r.restore(ctx, device)
}

// CancelRecovery ends a RecoverIdentity that is under way.
func (c *Client) CancelRecovery() {
	if s := c.current(); s != nil {
		s.replaceRecovery("halo.recoverIdentity", nil)
	}
}

// recovering bounds a recovery by its timeout, by the session, and by the next one.
func (s *session) recovering(ctx context.Context, op string, timeout time.Duration) (context.Context, func()) {
	bounded, cancel := context.WithCancelCause(ctx)
	s.replaceRecovery(op, cancel)
	timer := time.AfterFunc(timeout, func() {
		cancel(errs.New(op, errs.Timeout, "nobody who knows this recovery phrase was online within %v; try again when a member of one of the spaces is, and take the phrase that was made last", timeout))
	})
	closed := context.AfterFunc(s.ctx, func() { cancel(errs.New(op, errs.Closed, "the client was destroyed")) })
	return bounded, func() {
		timer.Stop()
		closed()
		cancel(nil)
	}
}

func (s *session) replaceRecovery(op string, next context.CancelCauseFunc) {
	s.mu.Lock()
	before := s.giveUp
	s.giveUp = next
	s.mu.Unlock()
	if before != nil {
		before(errs.New(op, errs.Cancelled, "the recovery was cancelled"))
	}
}

// restore makes the profile a device of the identity that was found: all of it is stored
// in one batch, or nothing.
func (r *returning) restore(ctx context.Context, device *self) error {
	const op = "halo.recoverIdentity"
	s := r.s
	s.c.life.Lock()
	defer s.c.life.Unlock()
	if s.c.current() != s {
		return errs.New(op, errs.Closed, "the client was destroyed")
	}
	release, err := s.lockIdentity(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.identityElsewhere(ctx, op); err != nil {
		return err
	}
	best, spaces := r.merged()
	me, err := r.admit(ctx, device, best)
	if err != nil {
		return err
	}
	core, known, first, err := s.refound(ctx, me, best.content)
	if err != nil {
		return err
	}
	var b storage.Batch
	s.keyring.Put(&b, identityRecord, me.encode())
	s.keyring.Put(&b, haloRecord, core.Record().Encode())
	s.keyring.Delete(&b, deviceRecord)
	for _, rec := range spaces {
		s.keyring.Put(&b, spaceRecords+rec.Key.String(), rec.Encode())
	}
	first.AddTo(&b)
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return err
	}
	return s.entered(ctx, me, core, known, first, spaces)
}

// admit has the recovery key make the device one of the identity.
func (r *returning) admit(ctx context.Context, device *self, best found) (*self, error) {
	me := *device
	me.identity, me.name = best.claim.Identity, best.content.Name
	c, err := credential.Issue(ctx, r.signer, []id.CredentialID{best.recovery.ID()}, r.s.c.ports.Env.UnixMilli(), credential.Device{
		Identity: me.identity, Device: me.device(), Sealing: me.sealing.Public(),
	})
	if err != nil {
		return nil, err
	}
	me.chain = append(best.chain[:len(best.chain):len(best.chain)], c.Encode())
	_, err = credential.VerifyChain(me.identity, me.device(), me.chain)
	return &me, err
}

// refound begins the HALO: nobody but another device of the identity has what it held.
func (s *session) refound(ctx context.Context, me *self, content space.Recovery) (core *space.Space, known *snapshot, first *space.Intake, err error) {
	rec := content.Halo
	if rec.Proof, err = credential.ExtendProof(rec.Proof, me.chain); err != nil {
		return nil, nil, nil, err
	}
	if m, err := credential.VerifyProof(rec.Key, me.device(), rec.Proof); err != nil {
		return nil, nil, nil, err
	} else if m.Identity != me.identity {
		return nil, nil, nil, errs.New("halo.recoverIdentity", errs.BadCredential, "the HALO is of another identity")
	}
	founding, err := credential.DecodeProof(rec.Proof)
	if err != nil {
		return nil, nil, nil, err
	}
	if core, known, err = s.readSpace(ctx, me, rec); err != nil {
		return nil, nil, nil, err
	}
	first, err = core.Refound(ctx, founding, content.Ended)
	return core, known, first, err
}

// entered opens what was stored.
func (s *session) entered(ctx context.Context, me *self, core *space.Space, known *snapshot, first *space.Intake, spaces []space.Record) error {
	if err := core.Stored(first); err != nil {
		return err
	}
	s.setSelf(me)
	if err := s.openHalo(ctx, core, known); err != nil {
		return err
	}
	s.opening.Lock()
	for _, rec := range spaces {
		if _, err := s.loadSpace(ctx, rec); err != nil {
			s.c.ports.Env.Log.Error("a recovered space does not open", "space", id.Short(rec.Key), "err", err)
		}
	}
	s.opening.Unlock()
	s.keepHalo()
	s.c.publishIdentity(s)
	s.postTabs(tabIdentity, nil)
	for _, rec := range spaces {
		s.postTabs(tabSpace, rec.Key[:])
	}
	return nil
}
