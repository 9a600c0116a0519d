package client

import (
	"context"
	"errors"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// RemoveDevice puts a device of the identity out for good: first of the HALO, so that it
// learns of no space any more, then of every space, each with new keys for all who
// stay. What it wrote before stays. A space that is closed follows when it is opened,
// here or on another device of the identity.
//
// Errors: errs.NoIdentity, errs.NotFound for no device of the identity,
// errs.InvalidArgument for this one: it cannot make the keys that it is not to have.
func (c *Client) RemoveDevice(ctx context.Context, d id.DeviceKey) error {
	const op = "halo.removeDevice"
	s, me, err := c.mustSelf(op)
	if err != nil {
		return err
	}
	h := s.keeper()
	if h == nil {
		return errs.New(op, errs.NoIdentity, "the identity has no HALO yet")
	}
	if d == me.device() {
		return errs.New(op, errs.InvalidArgument, "this is the device itself; remove it from another device of the identity")
	}
	if err := h.space.RevokeDevice(ctx, me.identity, d); err != nil {
		return err
	}
	err = h.revoke(ctx, s.allSpaces())
	h.poke()
	return err
}

// revoke ends, in the spaces that are open, the devices of the identity that the HALO
// knows as removed.
func (h *halo) revoke(ctx context.Context, local []*Space) (err error) {
	me, failed := h.s.identity("halo")
	if failed != nil {
		return failed
	}
	for _, sp := range local {
		for _, d := range h.removedIn(sp, me.identity) {
			failed := sp.RevokeDevice(ctx, me.identity, d)
			if !errs.Is(failed, errs.NotFound) && !errs.Is(failed, errs.SpaceClosed) { // another device was faster
				err = errors.Join(err, failed)
			}
		}
	}
	return err
}

// removedIn gives the other devices of the identity that are in a space and were removed
// from the HALO. A device that learns of its own removal leaves it to those who stay: the
// keys that it would make beside theirs are keys that it knows.
func (h *halo) removedIn(sp *Space, who id.IdentityKey) (list []id.DeviceKey) {
	h.space.mu.Lock()
	halo := h.space.core.Membership()
	h.space.mu.Unlock()
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return nil
	}
	m, _ := sp.core.Membership().Identity(who)
	for _, d := range m.Devices {
		if d.Device != sp.core.Self().Device && halo.Removed(d.Device) {
			list = append(list, d.Device)
		}
	}
	return list
}
