package client

import (
	"context"
	"sync"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/space"
)

// joining is the guest's side of an Invitation.
type joining struct {
	m *invite.Guest
	// Of the driving goroutine.
	me       *self           // of a device invitation once it was introduced
	space    *id.SpaceKey    // once known
	role     credential.Role // likewise, and before as the host says
	identity *id.IdentityKey // that the device joined

	mu      sync.Mutex
	pending chan error // of Authenticate, nil if none waits
	ended   bool
	err     error // the end's
}

// AcceptInvitation begins to accept an invitation code, link or text that holds
// one. It returns at once; Authenticate gives the auth code. The same code gives
// the same Invitation while it is under way.
//
// Errors: errs.NotInitialized, errs.NoIdentity, errs.InvalidInvitation,
// errs.VersionUnsupported.
func (c *Client) AcceptInvitation(code string, o AcceptOptions) (*Invitation, error) {
	const op = "client.acceptInvitation"
	return c.accept(op, code, invite.Space, o, func(s *session) (*self, error) { return s.identity(op) })
}

// accept begins to accept an invitation of a kind; who gives the guest, or says why it
// cannot be one.
func (c *Client) accept(op, code string, kind invite.Kind, o AcceptOptions, who func(*session) (*self, error)) (*Invitation, error) {
	s, err := c.must(op)
	if err != nil {
		return nil, err
	}
	inv, err := invite.Decode(code)
	if err != nil {
		return nil, err
	}
	if inv.Kind != kind {
		if kind == invite.Device {
			return nil, errs.New(op, errs.InvalidInvitation, "the code invites to a space, not a device; use client.acceptInvitation()")
		}
		return nil, errs.New(op, errs.InvalidInvitation, "the code invites a device, not to a space; use halo.acceptInvitation()")
	}
	me, err := who(s)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	known := s.joined[inv.ID]
	s.mu.Unlock()
	if known != nil {
		return known, nil
	}
	m, err := invite.NewGuest(invite.GuestOptions{Env: c.ports.Env, Invitation: inv, Timeout: o.Timeout})
	if err != nil {
		return nil, err
	}
	i := newInvitation(s, inv, nil)
	i.guest = &joining{m: m, me: me}
	s.mu.Lock()
	s.joined[inv.ID] = i
	s.mu.Unlock()
	i.start(m)
	return i, nil
}

// Authenticate gives the auth code and waits for the outcome: nil once the
// space is stored and open here, or the device is one of the identity. It may be
// called before a host was found.
//
// Errors: errs.WrongAuthCode with the detail attemptsLeft, after which it may
// be called again; errs.InvalidArgument while a code is being checked; and
// whatever ended the invitation.
func (i *Invitation) Authenticate(ctx context.Context, code string) error {
	const op = "invitation.authenticate"
	g := i.guest
	if g == nil {
		return errs.New(op, errs.InvalidArgument, "the host of an invitation does not authenticate; its guest does")
	}
	g.mu.Lock()
	if g.ended {
		defer g.mu.Unlock()
		return g.err
	}
	if g.pending != nil {
		g.mu.Unlock()
		return errs.New(op, errs.InvalidArgument, "a code is being checked; await the first authenticate()")
	}
	outcome := make(chan error, 1)
	g.pending = outcome
	g.mu.Unlock()
	var err error
	if i.Value.Get().Auth == invite.SharedSecret {
		i.with(func() { err = g.m.Authenticate(code) })
	}
	if err != nil {
		g.answer(err)
	}
	select {
	case err := <-outcome:
		return err
	case <-ctx.Done():
		return errs.New(op, errs.Cancelled, "the wait for the outcome was cancelled: %w", ctx.Err())
	}
}

// answer ends the pending Authenticate.
func (g *joining) answer(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pending != nil {
		g.pending <- err
		g.pending = nil
	}
}

// settle keeps the end's error and ends the pending Authenticate with it.
func (g *joining) settle(err error) {
	g.mu.Lock()
	if !g.ended {
		g.ended, g.err = true, err
	}
	g.mu.Unlock()
	g.answer(err)
}

// guestTurn carries out what the guest's machine asks for.
func (i *Invitation) guestTurn(ctx context.Context) (again bool) {
	g := i.guest
	i.mu.Lock()
	out := g.m.Ready()
	i.mu.Unlock()
	i.send(out.Frames)
	for _, d := range out.Dropped {
		i.s.c.ports.Env.Log.Info("a host went", "invitation", id.Short(i.Value.Get().ID), "err", d.Err)
	}
	if out.Ended != nil && len(out.Ended.Payload) > 0 {
		g.learn(out.Ended.Payload)
	}
	if role := credential.Role(out.Role); role <= credential.Keeper && role != 0 {
		g.role = role
	}
	i.passed(out.States, out.Ended)
	if out.Introduce != nil {
		in, err := i.introduction(ctx, out.Introduce.Binding)
		i.mu.Lock()
		if err == nil {
			err = g.m.Introduced(out.Introduce.Conn, in)
		}
		if err != nil {
			g.m.Failed(err)
		}
		i.mu.Unlock()
		again = true
	}
	if out.Rejected != nil {
		g.answer(out.Rejected)
	}
	if out.Joined != nil {
		err := i.join(ctx, *out.Joined)
		i.mu.Lock()
		if err != nil {
			g.m.Failed(err)
		} else {
			g.m.Opened()
		}
		i.mu.Unlock()
		again = true
	}
	if out.Ended != nil {
		i.s.mu.Lock()
		delete(i.s.joined, i.Value.Get().ID)
		i.s.mu.Unlock()
		err := out.Ended.Err
		if e, ok := err.(*errs.Error); ok && len(out.Ended.Payload) > 0 {
			err = e.With("spaceKey", out.Ended.Payload)
		}
		g.settle(err)
	}
	return again || len(out.Frames) > 0
}

// learn notes the space's key, which the next state is published with.
func (g *joining) learn(key []byte) {
	if k, ok := id.From[id.SpaceKey](key); ok {
		g.space = &k
	}
}

// introduction says who the guest is and proves it to this host.
func (i *Invitation) introduction(ctx context.Context, binding []byte) (invite.Introduction, error) {
	var body []byte
	me := i.guest.me
	if i.Value.Get().Kind == invite.Device {
		var err error
		if me, err = i.s.newDevice(ctx); err != nil {
			return invite.Introduction{}, err
		}
		i.guest.me = me
		body = space.DeviceIntroduction{Device: me.device(), Sealing: me.sealing.Public()}.Encode()
	} else {
		body = space.Introduction{Identity: me.identity, Device: me.device(), Chain: me.chain, Name: me.name}.Encode()
	}
	sig, err := me.signer.Sign(ctx, binding)
	if err != nil {
		return invite.Introduction{}, err
	}
	in := invite.Introduction{Body: body, Proof: sig[:]}
	if i.Value.Get().Auth == invite.KnownPublicKey {
		in.KeyProof = sig[:]
	}
	return in, nil
}

// join stores what the host gave and opens the space. Who was a member before
// may have it; then nothing is stored.
func (i *Invitation) join(ctx context.Context, j invite.Joined) error {
	if i.Value.Get().Kind == invite.Device {
		return i.joinIdentity(ctx, j)
	}
	a, err := space.DecodeAdmission(j.Payload, i.guest.me.device())
	if err != nil {
		return err
	}
	known, err := i.s.adopt(ctx, a, !j.Known)
	if err != nil {
		return err
	}
	i.guest.learn(a.Key[:])
	if member, err := credential.VerifyProof(a.Key, i.guest.me.device(), a.Proof); err == nil {
		i.guest.role = member.Role
	}
	if j.Known && known {
		return errs.New("client.acceptInvitation", errs.AlreadyMember, "this identity is a member already").With("spaceKey", a.Key[:])
	}
	return nil
}
