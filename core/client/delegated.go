package client

import (
	"context"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// This file has an invitation answered by every member that may invite. Its record
// is handed over by an Invitation credential; each host counts attempts of its own,
// so the auth code is a long one. The admission, or a Spent credential, ends it
// everywhere. Of two admissions at once the rules of package credential keep one.

// delegate writes the credential that hands an invitation on. It does not wait: the
// admission, which follows it, will.
func (sp *Space) delegate(rec *hostedRecord) error {
	sp.s.takes(rec.inv.ID)
	sp.mu.Lock()
	defer sp.mu.Unlock()
	r := sp.run
	if r == nil {
		return sp.closedError("space.createInvitation")
	}
	claim := sp.core.Delegation(credential.Invitation{
		Invitation: rec.inv.ID, Role: rec.role, Multi: rec.inv.MultiUse, Expires: rec.inv.Expires,
	}, rec.encode())
	in, err := sp.core.BuildControl(claim)
	if err != nil {
		return err
	}
	sp.enqueueOwn(r, in, storage.Strict, func(error) {}) // tried again until it is stored
	sp.membersChanged(r)
	return nil
}

// delegates tells whether a delegated invitation is open.
func (sp *Space) delegates(inv id.InvitationID) bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.run != nil && sp.core.Delegates(inv)
}

// followDelegated hosts the invitations that others handed to this device, and ends
// those that are over. It is called when the membership has changed.
func (sp *Space) followDelegated() {
	sp.mu.Lock()
	if sp.run == nil {
		sp.mu.Unlock()
		return
	}
	open := sp.core.Delegated()
	sp.mu.Unlock()
	for _, i := range sp.Invitations.Get() {
		if h := i.host; h.rec != nil && h.rec.delegated && !sp.delegates(h.rec.inv.ID) {
			used := !h.rec.inv.MultiUse && sp.used(h.rec.inv.ID)
			i.with(func() {
				if h.overElsewhere = true; used {
					h.m.Used()
				} else {
					h.m.Cancel()
				}
			})
		}
	}
	for _, d := range open {
		sp.s.hostDelegated(sp, d)
	}
}

// used tells whether a delegated invitation has admitted somebody.
func (sp *Space) used(inv id.InvitationID) bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.core.Membership().Used(inv)
}

// hostDelegated hosts an invitation that was handed to this device, in the tab that
// gets its lock, unless this one does already.
func (s *session) hostDelegated(sp *Space, d space.Delegated) {
	if s.takes(d.Invitation) {
		return
	}
	s.spawn(func(ctx context.Context) {
		err := s.takeDelegated(ctx, sp, d)
		if err != nil && ctx.Err() == nil {
			s.c.ports.Env.Log.Error("an invitation of another member is not hosted", "invitation", id.Short(d.Invitation), "err", err)
		}
	})
}

// takes notes that this tab hosts a delegated invitation, or waits for it; it gives
// whether it did before.
func (s *session) takes(inv id.InvitationID) (before bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, hosted := s.hosted[inv]
	_, before = s.taking[inv]
	s.taking[inv] = struct{}{}
	return before || hosted
}

// takeDelegated stores the record of an invitation, if it is not there, and hosts it.
func (s *session) takeDelegated(ctx context.Context, sp *Space, d space.Delegated) error {
	_, err := s.keyring.Get(ctx, invitationRecords+d.Invitation.String())
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err != nil {
		rec, err := decodeHostedRecord(d.Content)
		if err != nil {
			return err
		}
		if rec.space != sp.key || rec.inv.ID != d.Invitation || !rec.delegated {
			return errs.New("client.invitation", errs.Malformed, "the record of delegated invitation %s is of another", id.Short(d.Invitation))
		}
		rec.spent = 0
		var b storage.Batch
		s.keyring.Put(&b, invitationRecords+d.Invitation.String(), rec.encode())
		if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
			return err
		}
	}
	return s.takeUp(ctx, d.Invitation)
}

// spend says that a delegated invitation which ended here is over for all. One that
// admitted its guest needs no word of it.
func (i *Invitation) spend(ctx context.Context, v *invite.Ended) {
	h := i.host
	if h.rec == nil || !h.rec.delegated || h.overElsewhere || v.State == invite.Success {
		return
	}
	reason := credential.Cancelled
	switch {
	case v.State == invite.Expired || v.State == invite.Timeout:
		reason = credential.Expired
	case errs.Is(v.Err, errs.TooManyAttempts):
		reason = credential.Exhausted
	}
	if _, err := h.space.control(ctx, credential.Spent{Invitation: h.rec.inv.ID, Reason: reason}); err != nil {
		i.s.c.ports.Env.Log.Error("the others are not told that an invitation is over", "invitation", id.Short(h.rec.inv.ID), "err", err)
	}
}
