package client

import (
	"context"
	"errors"
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
)

// hosting is the host's side of an Invitation.
type hosting struct {
	space *Space
	role  credential.Role
	m     *invite.Host

	// The rest is of the driving goroutine.
	rec     *hostedRecord // of a persistent invitation, else nil
	kept    bool          // rec is stored
	release func()        // gives the invitation to the other tabs; may be nil
}

// CreateInvitation makes an invitation to the space and hosts it from now on.
// It waits for nothing: while the client is offline the invitation waits too.
//
// Errors: errs.SpaceClosed, errs.NotPermitted, errs.InvalidArgument.
func (sp *Space) CreateInvitation(o InvitationOptions) (*Invitation, error) {
	const op = "space.createInvitation"
	s := sp.s
	e := s.c.ports.Env
	if o.Role == 0 {
		o.Role = credential.Editor
	}
	sp.mu.Lock()
	open := sp.run != nil
	may := open && sp.core.Membership().MayInvite(sp.core.Self().Device, o.Role)
	sp.mu.Unlock()
	if !open {
		return nil, sp.closedError(op)
	}
	if !may {
		return nil, errs.New(op, errs.NotPermitted, "your role in space %s does not let you invite as %v", id.Short(sp.key), o.Role)
	}
	inv := invite.New(e)
	inv.Kind, inv.Auth = invite.Space, o.Auth
	inv.MultiUse, inv.Persistent = o.MultiUse, o.Persistent
	inv.Expires, inv.Timeout, inv.GuestKey = o.Expires, o.Timeout, o.GuestKey
	if o.Auth == invite.SharedSecret {
		inv.AuthCode = invite.NewAuthCode(e, inv.Long())
	}
	h := &hosting{space: sp, role: o.Role}
	if inv.Persistent {
		h.rec = &hostedRecord{space: sp.key, inv: inv, role: o.Role}
		if o.Timeout > 0 {
			h.rec.deadline = e.Clock.Now().Add(o.Timeout).UnixMilli()
		}
	}
	return s.host(h, inv)
}

// host starts hosting; spent attempts stay spent.
func (s *session) host(h *hosting, inv invite.Invitation) (*Invitation, error) {
	o := invite.HostOptions{Env: s.c.ports.Env, Invitation: inv}
	if h.rec != nil {
		o.Spent = h.rec.spent
	}
	var err error
	if h.m, err = invite.NewHost(o); err != nil {
		return nil, err
	}
	sp, key := h.space, h.space.key
	i := newInvitation(s, inv, &key)
	i.host = h
	s.mu.Lock()
	s.hosted[inv.ID] = i
	s.mu.Unlock()
	sp.Invitations.Update(func(list []*Invitation) []*Invitation { return append(slices.Clone(list), i) })
	i.start(h.m)
	return i, nil
}

// hostTurn carries out what the host's machine asks for.
func (i *Invitation) hostTurn(ctx context.Context) (again bool) {
	h := i.host
	i.mu.Lock()
	out := h.m.Ready()
	i.mu.Unlock()
	i.send(out.Frames)
	for _, d := range out.Dropped {
		i.s.c.ports.Env.Log.Info("a guest went", "invitation", id.Short(i.Value.Get().ID), "err", d.Err)
	}
	if out.Ended != nil {
		i.hostEnded(ctx)
	}
	i.passed(out.States, out.Ended)
	if out.Debit != nil {
		err := i.debit(ctx, out.Debit.Spent)
		i.mu.Lock()
		h.m.Debited(err)
		i.mu.Unlock()
		again = true
	}
	for _, a := range out.Admit {
		i.admit(ctx, a)
		again = true
	}
	return again || len(out.Frames) > 0
}

// admit judges a guest's introduction and answers the machine.
func (i *Invitation) admit(ctx context.Context, a invite.Admit) {
	h := i.host
	in, err := introduced(a)
	if err == nil {
		err = i.admitOnce(ctx, in)
	}
	known := errs.Is(err, errs.AlreadyMember)
	var payload []byte
	if err == nil || known {
		var e error
		if payload, e = h.space.admission(ctx, in.Device); e != nil {
			// Of a member, a device that was not heard of: it gets the key.
			err, known = errors.Join(err, e), false
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	var told error
	switch {
	case err == nil:
		told = h.m.Admitted(a.Conn, payload)
	case known:
		told = h.m.Known(a.Conn, payload)
	case errs.Is(err, errs.AlreadyMember):
		h.m.Refused(a.Conn, errs.AlreadyMember, h.space.key[:])
	default:
		i.s.c.ports.Env.Log.Warn("a guest was refused", "err", err)
		h.m.Refused(a.Conn, errs.KindOf(err), nil)
	}
	if told != nil {
		i.s.c.ports.Env.Log.Warn("an admitted guest could not be told", "err", told)
	}
}

// introduced reads who a guest says it is, and checks that it is.
func introduced(a invite.Admit) (space.Introduction, error) {
	in, err := space.DecodeIntroduction(a.Introduction.Body)
	if err != nil {
		return in, err
	}
	return in, keys.Verify([32]byte(in.Device), a.Binding, a.Introduction.Proof)
}

// admitOnce admits a guest. A single-use invitation is taken from the keyring
// before that: should this engine die between the two, nobody was admitted,
// rather than a second one later.
func (i *Invitation) admitOnce(ctx context.Context, in space.Introduction) error {
	h := i.host
	once := h.kept && !h.rec.inv.MultiUse
	if once {
		if err := i.forget(ctx); err != nil {
			return err
		}
	}
	inv := i.Value.Get().ID
	_, err := h.space.writeControl(ctx, func(core *space.Space) (*space.Intake, error) {
		return core.Admit(ctx, in, h.role, inv)
	})
	if err != nil && once { // the next guest may be the one
		if err := i.store(ctx); err != nil {
			i.s.c.ports.Env.Log.Error("a persistent invitation will not outlive a restart", "invitation", id.Short(h.rec.inv.ID), "err", err)
		} else {
			h.kept = true
		}
	}
	return err
}

// maxControls is how many bytes of control feeds an admission carries. The
// guest of a space with more is sent them when it meets a member.
const maxControls = 512 << 10

// admission makes what a guest that is a member by now is handed.
func (sp *Space) admission(ctx context.Context, guest id.DeviceKey) ([]byte, error) {
	sp.mu.Lock()
	if sp.run == nil {
		sp.mu.Unlock()
		return nil, sp.closedError("invitation")
	}
	a, err := sp.core.Admission(guest)
	known := sp.core.Feeds()
	sp.mu.Unlock()
	if err != nil {
		return nil, err
	}
	size := 0
	for _, f := range known {
		if f.Header.Kind != feed.Control || len(f.Heads) == 0 {
			continue
		}
		// Of a forked feed the first branch; sessions bring the others.
		blocks, err := sp.stored(ctx, feed.Ref{Feed: f.Header.ID()}, f.Heads[0])
		if err != nil {
			return nil, err
		}
		sp.mu.Lock()
		blocks = sp.core.Vouch(f.Header.ID(), blocks)
		sp.mu.Unlock()
		for _, b := range blocks {
			size += len(b)
		}
		a.Controls = append(a.Controls, space.ControlFeed{Header: f.Header.Encode(), Blocks: blocks})
	}
	if size > maxControls {
		a.Controls = nil
	}
	return a.Encode(), nil
}

// hostEnded forgets an ended invitation, before anybody hears that it ended.
func (i *Invitation) hostEnded(ctx context.Context) {
	v := i.Value.Get()
	if err := i.forget(ctx); err != nil {
		i.s.c.ports.Env.Log.Error("an ended invitation is still on record", "invitation", id.Short(v.ID), "err", err)
	}
	i.s.mu.Lock()
	delete(i.s.hosted, v.ID)
	i.s.mu.Unlock()
	i.host.space.Invitations.Update(func(list []*Invitation) []*Invitation {
		return slices.DeleteFunc(slices.Clone(list), func(o *Invitation) bool { return o == i })
	})
}
