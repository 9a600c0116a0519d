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
	// overElsewhere: a delegated invitation is over for all.
	overElsewhere bool
}

// CreateInvitation makes an invitation to the space and hosts it from now on.
// It waits for nothing: while the client is offline the invitation waits too.
//
// Errors: errs.SpaceClosed, errs.NotPermitted, errs.InvalidArgument.
func (sp *Space) CreateInvitation(o InvitationOptions) (*Invitation, error) {
	if o.Role == 0 {
		o.Role = credential.Editor
	}
	return sp.invite("space.createInvitation", invite.Space, o)
}

// invite makes an invitation of a kind; a device's has no role.
func (sp *Space) invite(op string, kind invite.Kind, o InvitationOptions) (*Invitation, error) {
	s := sp.s
	e := s.c.ports.Env
	sp.mu.Lock()
	open := sp.run != nil
	may := open && (kind == invite.Device && sp.core.MayWrite() || sp.core.Membership().MayInvite(sp.core.Self().Device, o.Role))
	sp.mu.Unlock()
	if !open {
		return nil, sp.closedError(op)
	}
	switch {
	case may:
	case kind == invite.Device:
		return nil, errs.New(op, errs.NotPermitted, "this device was removed from the identity")
	default:
		return nil, errs.New(op, errs.NotPermitted, "your role in space %s does not let you invite as %v", id.Short(sp.key), o.Role)
	}
	if err := checkGuest(op, o); err != nil {
		return nil, err
	}
	inv := invite.New(e)
	inv.Kind, inv.Auth = kind, o.Auth
	inv.MultiUse, inv.Persistent = o.MultiUse, o.Persistent || o.Delegated
	inv.Expires, inv.Timeout, inv.GuestKey = o.Expires, o.Timeout, o.GuestKey
	if o.Auth == invite.SharedSecret {
		inv.AuthCode = invite.NewAuthCode(e, inv.Long())
	}
	h := &hosting{space: sp, role: o.Role}
	if inv.Persistent {
		h.rec = &hostedRecord{space: sp.key, inv: inv, role: o.Role, delegated: o.Delegated}
		if o.Timeout > 0 {
			h.rec.deadline = e.Clock.Now().Add(o.Timeout).UnixMilli()
		}
	}
	if o.Delegated {
		if err := sp.delegate(h.rec); err != nil {
			return nil, err
		}
	}
	return s.host(h, inv)
}

// checkGuest refuses a KnownPublicKey invitation that names nobody, and another that
// names somebody: whoever made it takes it to be for that guest alone.
func checkGuest(op string, o InvitationOptions) error {
	switch known := o.Auth == invite.KnownPublicKey; {
	case known && o.GuestKey == nil:
		return errs.New(op, errs.InvalidArgument, "authMethod KNOWN_PUBLIC_KEY needs guestKey, the identity key of the guest")
	case !known && o.GuestKey != nil:
		return errs.New(op, errs.InvalidArgument, "guestKey is for authMethod KNOWN_PUBLIC_KEY, not %v", o.Auth)
	case known && keys.CheckCanonical(*o.GuestKey) != nil:
		return errs.New(op, errs.InvalidArgument, "guestKey %x is no identity key", o.GuestKey[:])
	}
	return nil
}

// keyOf gives the device that signs for the identity that an invitation names, as an
// introduction shows it: an identity's own key is gone.
func keyOf(guest [32]byte, body []byte) (device [32]byte, ok bool) {
	in, err := space.DecodeIntroduction(body)
	return in.Device, err == nil && in.Identity == guest
}

// host starts hosting; spent attempts stay spent.
func (s *session) host(h *hosting, inv invite.Invitation) (*Invitation, error) {
	inv.Role = uint8(h.role)
	o := invite.HostOptions{Env: s.c.ports.Env, Invitation: inv, KeyOf: keyOf}
	if h.rec != nil {
		o.Spent = h.rec.spent
	}
	var err error
	if h.m, err = invite.NewHost(o); err != nil {
		return nil, err
	}
	sp := h.space
	var key *id.SpaceKey // that of the HALO is nobody's business
	if inv.Kind == invite.Space {
		key = &sp.key
	}
	i := newInvitation(s, inv, key)
	i.host = h
	i.Value.Update(func(v InvitationValue) InvitationValue {
		v.Delegated = h.rec != nil && h.rec.delegated
		return v
	})
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
		i.hostEnded(ctx, out.Ended)
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
	in, err := i.introduced(a)
	if err == nil {
		err = i.admitOnce(ctx, in)
	}
	known := errs.Is(err, errs.AlreadyMember)
	var payload []byte
	if err == nil || known {
		var e error
		if payload, e = h.space.admission(ctx, in.device); e != nil {
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
	case errs.Is(err, errs.AlreadyMember) && i.Value.Get().Kind == invite.Space:
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
func (i *Invitation) introduced(a invite.Admit) (admitted, error) {
	v := i.Value.Get()
	if v.Kind == invite.Device {
		return introducedDevice(a)
	}
	in, err := space.DecodeIntroduction(a.Introduction.Body)
	if err != nil {
		return admitted{}, err
	}
	build := func(core *space.Space) (*space.Intake, error) {
		return core.Admit(in, i.host.role, v.ID)
	}
	return admitted{device: in.Device, build: build}, keys.Verify([32]byte(in.Device), a.Binding, a.Introduction.Proof)
}

// admitOnce admits a guest. A single-use invitation is taken from the keyring
// before that: should this engine die between the two, nobody was admitted,
// rather than a second one later.
func (i *Invitation) admitOnce(ctx context.Context, in admitted) error {
	h := i.host
	once := h.kept && !h.rec.inv.MultiUse
	if once {
		if err := i.forget(ctx); err != nil {
			return err
		}
	}
	inv := i.Value.Get().ID
	_, err := h.space.writeControl(ctx, func(core *space.Space) (*space.Intake, error) {
		if h.rec != nil && h.rec.delegated && !core.Delegates(inv) {
			return nil, errs.New("invitation", errs.InvitationUsed, "invitation %s is over: another member answered it, or it was revoked", id.Short(inv))
		}
		return in.build(core)
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
func (i *Invitation) hostEnded(ctx context.Context, ended *invite.Ended) {
	v := i.Value.Get()
	i.spend(ctx, ended)
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
