package client

import (
	"context"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// The HALO is a space like any other whose one member is the identity, and which is on
// no list. Its control feeds say which the devices are and what the identity is called,
// its objects which spaces there are and how they are entered (halocontent.go). A keeper
// holds the two sides equal: what is in the HALO and not here is opened, what is here
// and not in the HALO is written there (keeper.go).

const (
	haloRecord = "halo" // in the keyring, beside the identity
	// identityLock is held by the engine that makes the identity, or its HALO.
	identityLock = "identity"
	// retryHalo is the pause after something that the keeper could not do.
	retryHalo = 10 * time.Second
)

// halo is the HALO of a session, and its keeper. A nil one, as before there is an
// identity, does nothing.
type halo struct {
	s     *session
	space *Space
	wake  chan struct{}
	kept  bool // the keeper runs; guarded by s.mu

	names map[named]string // of contacts, as they were last; of the keeper

	helpers helpers
	keeping recoveryKeeping
}

// named is a member of a space.
type named struct {
	space id.SpaceKey
	who   id.IdentityKey
}

// keeper gives the HALO's keeper; nil while there is no identity.
func (s *session) keeper() *halo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.halo
}

// poke has the keeper look soon. It never blocks.
func (h *halo) poke() {
	if h == nil {
		return
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// lockIdentity waits until no other engine of the profile makes an identity or a HALO.
func (s *session) lockIdentity(ctx context.Context) (release func(), err error) {
	return s.exclusive(ctx, &s.founding, identityLock, false)
}

// loadHalo opens the HALO. A profile that has none, since an older version made it,
// gets one.
func (s *session) loadHalo(ctx context.Context) error {
	s.founding.Lock()
	defer s.founding.Unlock()
	me, err := s.identity("client.open")
	if err != nil || s.keeper() != nil {
		return nil // it comes with the identity
	}
	opened, err := s.readHalo(ctx, me)
	if opened || err != nil {
		return err
	}
	release, err := s.lockTabs(ctx, identityLock, false)
	if err != nil {
		return err
	}
	defer release()
	if opened, err = s.readHalo(ctx, me); opened || err != nil { // another tab's
		return err
	}
	return s.foundHalo(ctx, me, &storage.Batch{})
}

// readHalo opens the HALO that the keyring names; false if it names none.
func (s *session) readHalo(ctx context.Context, me *self) (opened bool, err error) {
	b, err := s.keyring.Get(ctx, haloRecord)
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rec, err := space.DecodeRecord(b)
	clear(b)
	if err != nil {
		return false, err
	}
	core, known, err := s.readSpace(ctx, me, rec)
	if err != nil {
		return false, err
	}
	return true, s.openHalo(ctx, core, known)
}

// foundHalo makes a HALO, stores it with what is in the batch, and opens it. The
// identity lock is held.
func (s *session) foundHalo(ctx context.Context, me *self, b *storage.Batch) error {
	core, rec, first, err := space.Create(ctx, s.c.ports.Env, me.forSpace(s.slot))
	if err != nil {
		return err
	}
	s.keyring.Put(b, haloRecord, rec.Encode())
	first.AddTo(b)
	if err := s.storage.Store.Apply(ctx, b, storage.Strict); err != nil {
		return err
	}
	if err := core.Stored(first); err != nil {
		return err
	}
	if err := core.EnsureWriter(); err != nil {
		return err
	}
	s.setSelf(me)
	if err := s.openHalo(ctx, core, &snapshot{}); err != nil {
		return err
	}
	h := s.keeper()
	var e haloEdits
	h.keepDevice(haloContent{}, &e)
	if err := h.edit(e); err == nil {
		_ = h.space.Flush(ctx, FlushStore) // what storage refuses now is tried again
	}
	return nil
}

// openHalo starts the runtime of the HALO.
func (s *session) openHalo(ctx context.Context, core *space.Space, known *snapshot) error {
	sp := newSpace(s, core, known)
	sp.record = haloRecord
	h := &halo{s: s, space: sp, wake: make(chan struct{}, 1), names: map[named]string{}}
	if err := sp.start(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.halo = h
	s.mu.Unlock()
	sp.OnChange(func(bool) { h.poke() })
	sp.Invitations.Subscribe(s.c.Invitations.Set) // as long as there is the space
	return nil
}

// keepHalo starts the keeper, once the spaces that are stored here are open.
func (s *session) keepHalo() {
	s.mu.Lock()
	h := s.halo
	start := h != nil && !h.kept
	if start {
		h.kept = true
	}
	s.mu.Unlock()
	if start {
		s.spawn(h.run)
		h.poke()
	}
}

// edit changes the content.
func (h *halo) edit(e haloEdits) error {
	return h.editBy(func(*objectdb.DB) (haloEdits, error) { return e, nil })
}

// editBy changes the content by what f finds in it. Nobody can take that back: it has no
// undo stack.
func (h *halo) editBy(f func(*objectdb.DB) (haloEdits, error)) error {
	sp := h.space
	now := h.s.c.ports.Env.UnixMilli()
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if err := sp.mayEdit(); err != nil {
		return err
	}
	db := sp.core.DB()
	e, err := f(db)
	if err != nil || len(e) == 0 {
		return err
	}
	if err := db.Local(e, now); err != nil {
		return err
	}
	db.ClearUndo()
	sp.run.edited()
	return nil
}

// entry gives what the HALO has of a space. A closed HALO has nothing.
func (h *halo) entry(key id.SpaceKey) (e haloSpace) {
	if h == nil {
		return e
	}
	_ = h.space.Objects("halo", func(db *objectdb.DB) error {
		e = spaceIn(db, key)
		return nil
	})
	return e
}

// note writes a space into the HALO, even if it was dropped there before, and returns
// when that is stored.
func (h *halo) note(ctx context.Context, rec space.Record) error {
	var e haloEdits
	e.space(rec)
	return h.store(ctx, e)
}

// store changes the content and returns when that is stored.
func (h *halo) store(ctx context.Context, e haloEdits) error {
	if h == nil {
		return nil
	}
	if err := h.edit(e); err != nil {
		return unlessRemoved(err)
	}
	return h.space.Flush(ctx, FlushStore)
}

// unlessRemoved passes over that this device may not write to the HALO any more.
func unlessRemoved(err error) error {
	if errs.Is(err, errs.NotPermitted) {
		return nil
	}
	return err
}

// joins gives the number after all joins of a space of which this device knows.
func (h *halo) joins(sp *Space) uint64 { return max(sp.joined(), h.entry(sp.key).rec.Joined) + 1 }

// drop ends the joins of a space before a number in the HALO, and with that on all
// devices, unless it was joined again since, and returns when that is stored.
func (h *halo) drop(ctx context.Context, key id.SpaceKey, ended uint64) error {
	if h == nil {
		return nil
	}
	err := h.editBy(func(db *objectdb.DB) (e haloEdits, err error) {
		if entry := spaceIn(db, key); entry.rec.Joined < ended {
			e.drop(key, max(ended, entry.ended))
		}
		return e, nil
	})
	if err != nil {
		return unlessRemoved(err)
	}
	return h.space.Flush(ctx, FlushStore)
}

// Delete removes the space from all devices of the identity, from this one at once. The
// membership stays, and what was written stays with the others; who deletes a space that
// nobody else has loses it. Of what is gone already it does nothing.
//
// Errors: errs.SpaceClosed if it was joined again since, and those of storage. It may not be
// called by an observer before that has returned.
func (sp *Space) Delete(ctx context.Context) error {
	ended := sp.s.keeper().joins(sp)
	if err := sp.Flush(ctx, FlushStore); err != nil && !errs.Is(err, errs.SpaceClosed) {
		return err
	}
	return sp.s.forget(ctx, sp, ended)
}
