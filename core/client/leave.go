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
// that an ADMIN makes.
//
// Errors: errs.NotPermitted for the last OWNER, errs.SpaceClosed, and those of storage.
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
	return sp.s.forget(ctx, sp)
}

// forget takes a space from all devices of the identity, from this one at once.
func (s *session) forget(ctx context.Context, sp *Space) error {
	if err := s.keeper().drop(ctx, sp.key); err != nil {
		return err
	}
	return s.erase(ctx, sp)
}

// erase closes a space and removes all that is stored of it, at once.
func (s *session) erase(ctx context.Context, sp *Space) error {
	for _, i := range sp.Invitations.Get() {
		if err := i.Cancel(ctx); err != nil {
			return err
		}
	}
	sp.shut(sp.closedError("space"))
	headers, err := s.storage.Store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(sp.key)), 0)
	if err != nil {
		return err
	}
	var b storage.Batch
	s.keyring.Delete(&b, sp.record)
	for _, h := range headers {
		if fid, ok := feed.ParseHeaderKey(h.Key); ok {
			b.DeleteRange(feed.BlockRange(fid, 1, 0))
			b.DeleteRange(feed.RepackRange(fid, 1))
		}
	}
	b.DeleteRange(storage.Prefix(feed.HeaderPrefix(sp.key)))
	b.DeleteRange(storage.Prefix(space.SnapshotKey(sp.key)))
	b.DeleteRange(storage.Prefix(undoKeysOf(sp.key)))
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.spaces, sp.key)
	s.mu.Unlock()
	s.c.publishSpaces(s)
	s.postTabs(tabSpaceGone, sp.key[:])
	return nil
}

// dropSpace closes a space that another tab removed.
func (s *session) dropSpace(key id.SpaceKey) {
	s.mu.Lock()
	sp := s.spaces[key]
	delete(s.spaces, key)
	s.mu.Unlock()
	if sp == nil {
		return
	}
	s.spawn(func(context.Context) {
		sp.shut(errs.New("space", errs.SpaceClosed, "space %s was left", id.Short(key)))
		s.c.publishSpaces(s)
	})
}
