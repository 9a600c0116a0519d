package client

import (
	"context"
	"errors"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// run keeps the HALO and this device equal until ctx is done.
func (h *halo) run(ctx context.Context) {
	var retry, seal <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-retry:
		case <-seal:
		}
		retry, seal = nil, nil
		if err := h.turn(ctx); err != nil && ctx.Err() == nil {
			h.s.c.ports.Env.Log.Warn("the HALO and this device are not equal yet", "err", err)
			retry = time.After(retryHalo)
		}
		if wait := h.sealsIn(); wait > 0 {
			seal = time.After(wait)
		}
	}
}

// turn brings this device in line with the HALO, and then the HALO with this device.
func (h *halo) turn(ctx context.Context) error {
	for h.space.Changes(1<<20) != nil {
	} // whatever changed, all is looked at
	var c haloContent
	local := h.s.allSpaces()
	if err := h.space.Objects("halo", func(db *objectdb.DB) error { return c.read(db, local) }); err != nil {
		return nil // it is closed, or read again, which ends with a change
	}
	h.s.yield() // of thousands of contacts each of these steps is one piece of work
	err := errors.Join(h.takeName(ctx), h.takeSpaces(ctx, c, local), h.revoke(ctx, h.s.allSpaces()))
	h.s.yield()
	var contacts []Contact
	failed := h.editBy(func(db *objectdb.DB) (e haloEdits, err error) {
		// Read again: what was dropped meanwhile is not to come back.
		local := h.s.allSpaces()
		if err := c.read(db, local); err != nil {
			return nil, err
		}
		h.keepSpaces(c, local, &e)
		h.keepDevice(c, &e)
		contacts = h.keepContacts(c, local, &e)
		return e, nil
	})
	h.s.yield()
	if failed == nil {
		h.s.c.publishContacts(h, contacts)
	}
	h.s.yield()
	h.s.c.publishDevices(h)
	h.s.c.publishRecovery(h)
	h.serve(h.s.everySpace())
	return errors.Join(err, unlessRemoved(failed), h.keepRecovery(ctx, false))
}

// takeName takes over what the identity is called.
func (h *halo) takeName(ctx context.Context) error {
	h.s.renaming.Lock()
	defer h.s.renaming.Unlock()
	me, err := h.s.identity("halo")
	if err != nil {
		return err
	}
	h.space.mu.Lock()
	m, known := h.space.core.Membership().Identity(me.identity)
	h.space.mu.Unlock()
	if !known || m.Name == me.name {
		return nil
	}
	renamed := *me
	renamed.name = m.Name
	if err := h.s.storeIdentity(ctx, &renamed); err != nil {
		return err
	}
	h.s.postTabs(tabIdentity, nil)
	return nil
}

// tellName tells a space what the identity is called in the HALO, unless it goes by that
// there. One that is closed, or does not know this device as a member's yet, is told
// when the keeper looks again.
func (h *halo) tellName(ctx context.Context, sp *Space) error {
	me, err := h.s.identity("halo")
	if err != nil {
		return err
	}
	h.space.mu.Lock()
	own := h.space.core.Membership()
	h.space.mu.Unlock()
	sp.mu.Lock()
	there, open := sp.core.Membership(), sp.run != nil
	sp.mu.Unlock()
	claim, due := naming(own, there, me.identity)
	if !due || !open {
		return nil
	}
	if _, err = sp.control(ctx, claim); errs.Is(err, errs.SpaceClosed) || errs.Is(err, errs.NotPermitted) {
		return nil
	}
	return err
}

// naming gives the Profile by which a space is to call a member as its HALO does; false
// if none is due. The Profile says in its fields, [1, bin32], which Profile of the HALO
// it is by: so one that is not known in this HALO is newer than what is known here, and
// two devices that have not met do not contradict each other again and again.
func naming(own, there *credential.Membership, who id.IdentityKey) (claim credential.Profile, due bool) {
	last, said, ok := own.LastProfile(who)
	m, member := there.Identity(who)
	if !ok || !member || m.Name == said.Name {
		return claim, false
	}
	var by id.CredentialID
	r := wire.NewReader(m.Fields)
	r.Array(2)
	r.Uint(1)
	r.Fixed(by[:])
	if r.Done("client.naming") == nil && !own.Knows(by) {
		return claim, false
	}
	fields := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), 1), last[:])
	return credential.Profile{Identity: who, Name: said.Name, Fields: fields}, true
}

// takeSpaces opens the spaces that came, forgets those that went, and takes over the keys
// of the others.
func (h *halo) takeSpaces(ctx context.Context, c haloContent, local []*Space) (err error) {
	for _, sp := range local {
		entry := c.spaces[sp.key]
		if sp.joined() < entry.ended {
			err = errors.Join(err, h.s.remove(ctx, sp.key, entry.ended))
			continue // it may stand all the same, by a later join
		}
		delete(c.spaces, sp.key)
		if entry.stands() && sp.joined() < entry.rec.Joined {
			err = errors.Join(err, h.s.raiseJoined(ctx, sp, entry.rec.Joined))
		}
		sp.takeSecrets(entry.rec.Secrets)
		err = errors.Join(err, sp.introduce(ctx), h.tellName(ctx, sp))
	}
	for key, entry := range c.spaces {
		if !entry.stands() || entry.rec.Joined < h.s.endedHere(key) {
			continue
		}
		if failed := h.s.openKept(ctx, entry.rec); failed != nil {
			err = errors.Join(err, errs.New("halo", errs.KindOf(failed), "space %s of another device could not be opened: %w", id.Short(key), failed))
		}
	}
	return err
}

// keepSpaces writes the spaces and keys that the HALO lacks. It takes the mutex of each
// with that of the HALO held; nobody does the reverse.
func (h *halo) keepSpaces(c haloContent, local []*Space, e *haloEdits) {
	for _, sp := range local {
		entry := c.spaces[sp.key]
		sp.mu.Lock()
		rec := sp.core.Record()
		sp.mu.Unlock()
		if rec.Joined < entry.ended || entry.unread {
			continue
		}
		rec.Joined = max(rec.Joined, entry.rec.Joined)
		other := entry.rec.Secrets
		if !entry.stands() || !containsAll(other.Controls, rec.Secrets.Controls) || !containsAll(other.Epochs, rec.Secrets.Epochs) {
			e.space(rec)
		}
	}
}

// takeSecrets takes over the keys that another device has of this space.
func (sp *Space) takeSecrets(sec space.Secrets) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	before := sp.core.Generation()
	sp.core.TakeSecrets(sec)
	if sp.run != nil && sp.core.Generation() != before {
		sp.run.poke()
	}
}

// introduce has the members of a space know this device.
func (sp *Space) introduce(ctx context.Context) error {
	sp.mu.Lock()
	introduced := sp.core.Introduced()
	sp.mu.Unlock()
	if introduced {
		return nil
	}
	_, err := sp.writeControl(ctx, func(core *space.Space) (*space.Intake, error) { return core.IntroduceSelf() })
	if errs.Is(err, errs.SpaceClosed) {
		return nil
	}
	return err
}

// openKept opens a space of which the HALO tells.
func (s *session) openKept(ctx context.Context, rec space.Record) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.spaceOf(rec.Key) != nil {
		return nil
	}
	if err := s.keepRecord(ctx, &rec); err != nil {
		return err
	}
	sp, err := s.loadSpace(ctx, rec)
	if err != nil {
		return err
	}
	s.postTabs(tabSpace, rec.Key[:])
	return sp.introduce(ctx)
}

// keepRecord makes a record this device's own and stores it, unless another tab was first.
func (s *session) keepRecord(ctx context.Context, rec *space.Record) error {
	release, err := s.lockTabs(ctx, spaceRecords+rec.Key.String(), false)
	if err != nil {
		return err
	}
	defer release()
	switch stored, err := s.storedRecord(ctx, rec.Key); {
	case err == nil:
		*rec = stored
		return nil
	case !errs.Is(err, errs.NotFound):
		return err
	}
	me, err := s.identity("halo")
	if err != nil {
		return err
	}
	if len(rec.Proof) > 0 { // else of a recovered space, whose credentials have not come
		if rec.Proof, err = credential.ExtendProof(rec.Proof, me.chain); err != nil {
			return err
		}
		if _, err := credential.VerifyProof(rec.Key, me.device(), rec.Proof); err != nil {
			return err
		}
	}
	var b storage.Batch
	s.putRecord(&b, *rec)
	return s.storage.Store.Apply(ctx, &b, storage.Strict)
}
