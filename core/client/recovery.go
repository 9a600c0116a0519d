package client

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys/mnemonic"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
)

// Recovery tells whether the identity has a recovery phrase.
type Recovery struct {
	Exists    bool
	CreatedAt int64 // ms since 1970, by the clock of the device where it was made
}

// RecoveryPhrase is a phrase that is to become the one of the identity. Nothing of it is
// stored, and it opens nothing, before Confirm.
type RecoveryPhrase struct {
	s *session

	mu     sync.Mutex
	phrase mnemonic.Phrase
	over   error // why it is of no use any more
}

// CreateRecoveryPhrase draws twelve words, to be shown once.
//
// Errors: errs.NotInitialized, errs.NoIdentity.
func (c *Client) CreateRecoveryPhrase(l *mnemonic.List) (*RecoveryPhrase, error) {
	s, _, err := c.mustSelf("halo.createRecoveryPhrase")
	if err != nil {
		return nil, err
	}
	entropy := [mnemonic.EntropySize]byte(c.ports.Env.Bytes(mnemonic.EntropySize))
	defer clear(entropy[:])
	return &RecoveryPhrase{s: s, phrase: mnemonic.New(l, entropy)}, nil
}

// Words are the twelve words; none once it is over.
func (p *RecoveryPhrase) Words() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over != nil {
		return nil
	}
	return append([]string(nil), p.phrase.Words()...)
}

// Cancel forgets the phrase.
func (p *RecoveryPhrase) Cancel() {
	p.end(errs.New("halo.createRecoveryPhrase", errs.Cancelled, "the recovery phrase was cancelled; create another one"))
}

func (p *RecoveryPhrase) end(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.over == nil {
		p.over, p.phrase = why, mnemonic.Phrase{}
	}
}

// Confirm takes the words as a person typed them back. If they are right the phrase is
// that of the identity from now on, and one before it is none any more. It returns when
// what the phrase recovers is stored in every open space.
//
// Errors: errs.InvalidPhrase, as mnemonic.Phrase.Check gives it: it can be tried again,
// as after an error of storage. errs.Cancelled, errs.Closed; errs.NotPermitted for a
// device that was removed.
func (p *RecoveryPhrase) Confirm(ctx context.Context, typed string) error {
	const op = "halo.createRecoveryPhrase"
	p.mu.Lock()
	phrase, over := p.phrase, p.over
	p.mu.Unlock()
	if over != nil {
		return over
	}
	if err := phrase.Check(typed); err != nil {
		return err
	}
	me, err := p.s.identity(op)
	if err != nil {
		return err
	}
	signer, sealing := phrase.Keys()
	claim, err := credential.Countersign(ctx, signer, me.identity, sealing.Public())
	signer.Erase()
	sealing.Erase()
	if err != nil {
		return err
	}
	h := p.s.keeper()
	_, err = h.space.writeControl(ctx, func(core *space.Space) (*space.Intake, error) {
		if core.Membership().Holds(me.identity, claim.Key) {
			return nil, nil // it was stored, and what came then failed
		}
		return core.MakeRecovery(claim)
	})
	if err == nil {
		err = h.keepRecovery(ctx, true)
	}
	if errs.Is(err, errs.SpaceClosed) {
		err = errs.New(op, errs.Closed, "the client was destroyed")
	}
	if err != nil {
		return err
	}
	p.s.c.publishRecovery(h)
	h.poke()
	p.end(errs.New(op, errs.Closed, "the recovery phrase was confirmed; its words are on paper alone"))
	return nil
}

// publishRecovery tells observers whether there is a recovery phrase.
func (c *Client) publishRecovery(h *halo) {
	if h == nil || c.current() != h.s {
		return
	}
	var now Recovery
	if claim := h.recoveryKey(); claim != nil {
		now = Recovery{Exists: true, CreatedAt: claim.Time}
	}
	if now != c.Recovery.Get() {
		c.Recovery.Set(now)
	}
}

// recoveryKey gives the credential of the recovery key of the identity: of several, which
// devices made at once, the last.
func (h *halo) recoveryKey() *credential.Credential {
	me, err := h.s.identity("halo")
	if err != nil {
		return nil
	}
	h.space.mu.Lock()
	m := h.space.core.Membership()
	h.space.mu.Unlock()
	list := m.RecoveryKeys(me.identity)
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// recoveryKeeping is what the keeper remembers of the envelopes.
type recoveryKeeping struct {
	mu     sync.Mutex // held while envelopes are written, which waits
	sealed map[id.SpaceKey]id.Hash

	dueMu sync.Mutex
	due   time.Time // when they are to be written; zero: none are
}

// Envelopes are written again some time after the content changed last, since it changes
// often when it does: each byte of them is kept for good.
const (
	sealPause = 2 * time.Second
	sealMost  = time.Minute
	// sealRate is how many bytes of envelopes the pause is good for.
	sealRate = 4 << 10
	// sealOther is how much longer a device waits while another is there to do it.
	sealOther = 3 * time.Second
)

// sealsIn is how long it is until envelopes are to be written; 0 if none are.
func (h *halo) sealsIn() time.Duration {
	k := &h.keeping
	k.dueMu.Lock()
	defer k.dueMu.Unlock()
	if k.due.IsZero() {
		return 0
	}
	return max(k.due.Sub(h.s.c.ports.Env.Clock.Now()), time.Millisecond)
}

// keepRecovery has every open space know the recovery key of the identity, and hold an
// envelope of what it recovers: now, or once their time has come.
func (h *halo) keepRecovery(ctx context.Context, now bool) error {
	k := &h.keeping
	k.mu.Lock()
	defer k.mu.Unlock()
	key := h.recoveryKey()
	if key == nil {
		return nil
	}
	claim := key.Claim.(credential.Recovery)
	spaces, err := h.spread(ctx, claim)
	if err != nil {
		return err
	}
	rec, noted, err := h.recoverable()
	if err != nil {
		return unlessRemoved(err)
	}
	digest := rec.Digest(claim.Key)
	var due []*Space
	for _, sp := range spaces {
		// What another device wrote meanwhile stays, until there is more to say.
		if noted[sp.key] != digest && k.sealed[sp.key] != digest {
			due = append(due, sp)
		}
	}
	if !h.sealNow(now, len(due), len(due)*len(rec.Spaces)) {
		return nil
	}
	for _, sp := range due {
		if err := h.seal(ctx, sp, rec, claim, digest); err != nil {
			return err
		}
	}
	return nil
}

// sealNow tells whether the time has come to write n envelopes with so many spaces in
// them, and notes when it will.
func (h *halo) sealNow(now bool, n, spaces int) bool {
	const perSpace = 160 // bytes, about
	h.space.mu.Lock()
	first := h.space.run == nil || h.space.first(h.space.run)
	h.space.mu.Unlock()
	k := &h.keeping
	k.dueMu.Lock()
	defer k.dueMu.Unlock()
	clock := h.s.c.ports.Env.Clock.Now()
	switch {
	case n == 0:
		k.due = time.Time{}
		return false
	case now, !k.due.IsZero() && !clock.Before(k.due):
		k.due = time.Time{}
		return true
	case k.due.IsZero():
		wait := min(sealMost, sealPause+sealPause*time.Duration(spaces*perSpace/sealRate))
		if !first {
			wait += sealOther
		}
		k.due = clock.Add(wait)
	}
	return false
}

// spread tells the spaces of the recovery key, and gives those that know it.
func (h *halo) spread(ctx context.Context, claim credential.Recovery) (list []*Space, err error) {
	h.space.mu.Lock()
	chain := h.space.core.Membership().Chain(claim.Identity, claim.Key)
	h.space.mu.Unlock()
	for _, sp := range h.s.everySpace() {
		_, err := sp.writeControl(ctx, func(core *space.Space) (*space.Intake, error) {
			return core.TakeRecovery(claim.Key, chain)
		})
		if errs.Is(err, errs.SpaceClosed) {
			continue
		}
		if err != nil {
			return nil, err
		}
		sp.mu.Lock()
		if sp.run != nil && sp.core.MayKeepRecovery(claim.Key) {
			list = append(list, sp)
		}
		sp.mu.Unlock()
	}
	return list, nil
}

// recoverable gives what a recovery phrase recovers, by what the HALO holds: that is the
// same on all devices. It gives what was sealed last, by the HALO.
func (h *halo) recoverable() (rec space.Recovery, noted map[id.SpaceKey]id.Hash, err error) {
	var c haloContent
	err = h.editBy(func(db *objectdb.DB) (e haloEdits, err error) {
		local := h.s.allSpaces()
		if err := c.read(db, local); err != nil {
			return nil, err
		}
		h.keepSpaces(c, local, &e) // the keys that were made just now
		return e, nil
	})
	if err == nil {
		err = h.space.Objects("halo", func(db *objectdb.DB) error { return c.read(db, h.s.allSpaces()) })
	}
	if err != nil {
		return rec, nil, err
	}
	h.space.mu.Lock()
	rec, err = h.space.core.Recovery()
	h.space.mu.Unlock()
	for key, entry := range c.spaces {
		if entry.stands() {
			rec.Spaces = append(rec.Spaces, space.Recoverable{Key: key, Secrets: entry.rec.Secrets})
		}
	}
	rec.Sort()
	return rec, c.sealed, err
}

// seal writes the envelope of one space.
func (h *halo) seal(ctx context.Context, sp *Space, rec space.Recovery, claim credential.Recovery, digest id.Hash) error {
	envelope, err := rec.Seal(h.s.c.ports.Env, sp.key, claim)
	if err != nil {
		return err
	}
	_, err = sp.writeControl(ctx, func(core *space.Space) (*space.Intake, error) {
		if !core.MayKeepRecovery(claim.Key) {
			return nil, nil
		}
		return core.BuildControl(envelope)
	})
	if errs.Is(err, errs.SpaceClosed) {
		return nil
	}
	if err != nil {
		return err
	}
	if h.keeping.sealed == nil {
		h.keeping.sealed = map[id.SpaceKey]id.Hash{}
	}
	h.keeping.sealed[sp.key] = digest
	var e haloEdits
	e.sealed(sp.key, digest)
	return unlessRemoved(h.edit(e))
}
