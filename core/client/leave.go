package client

import (
	"context"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// leaving is how long a member that leaves waits for somebody to hear of it.
const leaving = 5 * time.Second

// Leave gives up the own membership and then removes the space from this device, in
// all tabs. What was written stays with the others. They are told now if one of them
// is online, for which it waits some seconds, and else learn it only by the removal
// that an ADMIN makes. What is joined again meanwhile stays.
//
// Errors: errs.NotPermitted for the last OWNER, errs.SpaceClosed, and those of storage. It
// may not be called by an observer before that has returned.
func (sp *Space) Leave(ctx context.Context) error {
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return sp.closedError("space.leave")
	}
	me := sp.core.Self().Identity
	_, member := sp.core.Membership().Identity(me)
	others := len(sp.core.Membership().Members()) > 1
	sp.mu.Unlock()
	ended := sp.s.keeper().joins(sp)
	if member {
		if err := sp.RemoveMember(ctx, me); err != nil {
			return err
		}
		if others && sp.s.net.isOnline() {
			wait, cancel := context.WithTimeout(ctx, leaving)
			err := sp.Flush(wait, FlushPeer)
			cancel()
			if err != nil {
				sp.s.c.ports.Env.Log.Warn("nobody heard that this member leaves", "space", id.Short(sp.key), "err", err)
			}
		}
	}
	return sp.s.forget(ctx, sp, ended)
}

// forget takes a space from all devices of the identity, from this one at once.
func (s *session) forget(ctx context.Context, sp *Space, ended uint64) error {
	switch s.listed(sp.key) {
	case sp:
	case nil:
		return nil
	default:
		return sp.goneError("space")
	}
	if err := s.keeper().drop(ctx, sp.key, ended); err != nil {
		return err
	}
	return s.remove(ctx, sp.key, ended)
}

// remove closes a space, and removes what is stored of it, if it is by a join before that
// of the number. What another tab has removed already, or joined again since, is as it is
// stored.
func (s *session) remove(ctx context.Context, key id.SpaceKey, ended uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.ctx.Err() != nil {
		return errs.New("space", errs.Closed, "the client was destroyed")
	}
	release, err := s.lockTabs(ctx, spaceRecords+key.String(), false)
	if err != nil {
		return err
	}
	defer release()
	rec, err := s.storedRecord(ctx, key)
	if err == nil && rec.Joined < ended {
		return s.erase(ctx, key, ended)
	}
	return s.match(ctx, key)
}

// match has the space of a key be listed as it is stored, by this tab or another: by that
// join or a later one, or not at all. s.opening is held.
func (s *session) match(ctx context.Context, key id.SpaceKey) error {
	rec, err := s.storedRecord(ctx, key)
	stored := err == nil
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	sp := s.listed(key)
	if sp != nil && (!stored || sp.joined() < rec.Joined) {
		sp.shut(sp.goneError("space"))
		s.unlist(key, sp.joined()+1)
		sp = nil
	}
	if sp != nil || !stored {
		return nil
	}
	if _, err = s.loadSpace(ctx, rec); err != nil {
		s.keeper().poke() // which tries again
	}
	return err
}

// unlist takes a space, which was shut, from the list. That its joins before a number are
// ended the HALO of this engine may not say yet, whose blocks another tab stored.
func (s *session) unlist(key id.SpaceKey, ended uint64) {
	s.mu.Lock()
	delete(s.spaces, key)
	s.ended[key] = max(s.ended[key], ended)
	s.mu.Unlock()
	s.c.publishSpaces(s)
}

// endedHere gives the number before which the joins of a space ended in this profile.
func (s *session) endedHere(key id.SpaceKey) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[key]
}

// erase closes a space, whose joins before a number are ended, and removes all that is
// stored of it, at once. s.opening is held, and the tabs' lock of its record.
func (s *session) erase(ctx context.Context, key id.SpaceKey, ended uint64) error {
	if sp := s.listed(key); sp != nil {
		for _, i := range sp.Invitations.Get() {
			if err := i.Cancel(ctx); err != nil {
				return err
			}
		}
		sp.shut(sp.goneError("space"))
	}
	headers, err := s.storage.Store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(key)), 0)
	if err != nil {
		return err
	}
	var b storage.Batch
	s.keyring.Delete(&b, spaceRecords+key.String())
	s.keyring.Delete(&b, joinRecords+key.String())
	for _, h := range headers {
		if fid, ok := feed.ParseHeaderKey(h.Key); ok {
			b.DeleteRange(feed.BlockRange(fid, 1, 0))
			b.DeleteRange(feed.RepackRange(fid, 1))
		}
	}
	b.DeleteRange(storage.Prefix(feed.HeaderPrefix(key)))
	b.DeleteRange(storage.Prefix(space.SnapshotKey(key)))
	b.DeleteRange(storage.Prefix(undoKeysOf(key)))
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return err
	}
	s.unlist(key, ended)
	s.postTabs(tabSpaceGone, key[:])
	return nil
}
