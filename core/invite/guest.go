package invite

import (
	"slices"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

const (
	// DefaultGuestTimeout is how long a guest tries if it is not told.
	DefaultGuestTimeout = 3 * time.Minute
	guestGuesses        = 3 // auth codes that a guest puts to hosts, over all of them
	maxHosts            = 64
	helloMost           = 8 * time.Second // between two hellos to a peer
	hostGrace           = 3 * time.Second // for a lost host to be found again
)

// GuestOptions are what a Guest starts from.
type GuestOptions struct {
	Env        env.Env // Rand is used
	Invitation Invitation
	// Timeout is how long the guest takes from the first Tick until it is
	// given the payload; 0 is DefaultGuestTimeout, negative without end.
	Timeout time.Duration
}

// GuestOutput is what the caller of a Guest must do now.
type GuestOutput struct {
	Frames []Frame // send, in order
	States []State // passed since, in order
	// Role is what a host says that the guest will be, a number of the host's
	// caller; 0 if no host said it since. Nothing shows that it is true.
	Role uint8
	// Introduce asks who the guest is: call Introduced.
	Introduce *Introduce
	// Rejected is the outcome of the last Authenticate, which may be called
	// again: errs.WrongAuthCode with the detail attemptsLeft.
	Rejected error
	// Joined asks to store and open what the host gave: call Opened or Failed.
	Joined *Joined
	// Dropped are hosts that went, and why; for the log.
	Dropped []Dropped
	Ended   *Ended // given once; a pending Authenticate ends with its Err
}

// Introduce is a host that has shown to know the auth code, if there is one.
type Introduce struct {
	Conn    Conn
	Binding []byte // what proofs must sign
}

// Joined is an admission.
type Joined struct {
	Payload []byte
	// Known: the guest was a member before. If it has the space, the answer is
	// Failed with an errs.AlreadyMember.
	Known bool
}

// Guest accepts one invitation. The zero value is not usable; see NewGuest.
type Guest struct {
	env     env.Env
	inv     Invitation
	timeout time.Duration
	steps   ladder
	now     time.Time
	start   time.Time
	hosts   []*hostLink
	out     GuestOutput
	ended   *Ended
	endedAt time.Time

	code    *string   // given and not yet decided
	guesses int       // confirmations sent
	active  *hostLink // being authenticated with, or further
	lostAt  time.Time // since when no host is left
	joined  bool      // the payload is the caller's
	opened  bool
}

// NewGuest makes a guest in state Init; the first Tick starts it, and ends it
// at once if the invitation has expired.
func NewGuest(o GuestOptions) (*Guest, error) {
	if o.Invitation.Auth > KnownPublicKey {
		return nil, errs.New("invite.NewGuest", errs.InvalidArgument, "%d is not a method of authentication", o.Invitation.Auth)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultGuestTimeout
	}
	return &Guest{env: o.Env, inv: o.Invitation, timeout: o.Timeout, steps: newLadder(o.Invitation.Auth)}, nil
}

// State is where the guest stands.
func (g *Guest) State() State { return g.steps.state }

// PeerJoined tells that p is under the topic. Whether it is a host shows when
// it answers.
func (g *Guest) PeerJoined(p id.PeerID) {
	if g.ended == nil {
		g.dial(p)
	}
}

// PeerLeft tells that p is gone.
func (g *Guest) PeerLeft(p id.PeerID) {
	for _, h := range slices.Clone(g.hosts) {
		if h.conn.Peer == p {
			g.lose(h, final(errs.HostUnreachable), false)
		}
	}
	g.settle()
}

// Frame takes a frame from p, which it does not keep. The error is for the log:
// what did not verify changed nothing, who broke the protocol was dropped.
func (g *Guest) Frame(p id.PeerID, data []byte) error {
	f, err := decodeFrame(data)
	if err != nil {
		return err
	}
	switch f.kind {
	case frameBeacon:
		g.beacon(p)
	case frameAnswer:
		if h := g.find(Conn{Peer: p, Session: f.tag}); h != nil && h.ch == nil {
			err = g.answer(h, f)
		}
	case frameHost:
		if h := g.find(Conn{Peer: p, Session: f.tag}); h != nil && h.ch != nil {
			err = g.sealed(h, f)
		}
	}
	g.settle()
	return err
}

// Tick tells the time; call it every half second or so. The first call starts
// the guest.
func (g *Guest) Tick(now time.Time) {
	slept := now.Sub(g.now) > sleepGap // also before the first
	g.now = now
	if g.steps.state == Init && g.ended == nil {
		g.start = now
		g.steps.climb(Connecting)
	}
	for _, h := range slices.Clone(g.hosts) {
		switch {
		case h.ch == nil:
			g.sayHello(h)
		case slept:
			h.ch.lastHeard = now
		case h.ch.silent(now):
			g.lose(h, final(errs.HostUnreachable), true)
		}
	}
	if g.ended == nil && !g.joined {
		g.limits()
	}
	g.settle()
}

// limits ends the guest when its time is over or its host is gone.
func (g *Guest) limits() {
	switch {
	case g.inv.expired(g.now):
		g.end(Expired, final(errs.InvitationExpired), nil)
	case g.timeout > 0 && g.now.Sub(g.start) >= g.timeout:
		g.end(Timeout, final(errs.Timeout), nil)
	case !g.lostAt.IsZero() && g.now.Sub(g.lostAt) >= hostGrace:
		g.end(Error, final(errs.HostUnreachable), nil)
	}
}

// Authenticate gives the auth code. It may be called before a host is found:
// the code then waits. The outcome is GuestOutput.Rejected, after which it may
// be called again, or Ended. It fails at once with errs.InvalidArgument while a
// code is being checked or if the invitation takes none, and with the guest's
// end after that.
func (g *Guest) Authenticate(code string) error {
	const op = "invite.Authenticate"
	switch {
	case g.ended != nil && g.ended.Err != nil:
		return g.ended.Err
	case g.ended != nil:
		return errs.New(op, errs.Closed, "the invitation is accepted already")
	case g.inv.Auth != SharedSecret:
		return errs.New(op, errs.InvalidArgument, "an invitation by %v takes no auth code", g.inv.Auth)
	case g.code != nil || g.joined:
		return errs.New(op, errs.InvalidArgument, "a code is being checked; wait for its outcome")
	}
	code = NormalizeAuthCode(code)
	g.code = &code
	g.settle()
	return nil
}

// Cancel ends the guest; its host is told. After the end it does nothing.
func (g *Guest) Cancel() {
	if g.ended == nil {
		g.end(Cancelled, final(errs.Cancelled), nil)
	}
}

// Introduced answers an Introduce. For a Conn that is gone it does nothing: the
// next host asks again. It fails with errs.TooLarge for more than MaxMessage in
// all.
func (g *Guest) Introduced(c Conn, in Introduction) error {
	if n := len(in.Body) + len(in.Proof) + len(in.KeyProof); n > MaxMessage {
		return errs.New("invite.Introduced", errs.TooLarge, "an introduction of %d bytes, limit %d", n, MaxMessage)
	}
	h := g.find(c)
	if g.ended != nil || h == nil || h != g.active || h.stage != stageProven {
		return nil
	}
	h.stage = stageIntroduced
	h.ch.push(message{typ: msgIntroduce, intro: in})
	g.settle()
	return nil
}

// Opened answers Joined: the payload is stored and the space open. The guest
// ends with Success and tells its host.
func (g *Guest) Opened() {
	if g.ended != nil || !g.joined {
		return
	}
	g.opened = true
	if g.active != nil {
		g.active.ch.push(message{typ: msgOpened})
	}
	g.end(Success, nil, nil)
}

// Failed answers Joined: the payload could not be stored or opened; or an Introduce
// that cannot be answered. The guest ends with err.
func (g *Guest) Failed(err error) {
	if g.ended == nil {
		g.end(Error, err, nil)
	}
}

// Ready gives what is to be done since the last call.
func (g *Guest) Ready() GuestOutput {
	for _, h := range g.hosts {
		if h.ch == nil {
			continue
		}
		for _, data := range h.ch.flush(g.now) {
			g.frame(h.conn.Peer, data)
		}
	}
	out := g.out
	g.out = GuestOutput{}
	out.States = g.steps.take()
	return out
}

// Done reports whether the guest has ended, Ready has given how, and its hosts were
// told; then the caller leaves the topic.
func (g *Guest) Done() bool {
	return g.ended != nil && g.out.Ended == nil && (g.now.Sub(g.endedAt) >= linger ||
		!slices.ContainsFunc(g.hosts, func(h *hostLink) bool { return h.ch != nil && !h.ch.idle() }))
}

func (g *Guest) frame(to id.PeerID, data []byte) {
	g.out.Frames = append(g.out.Frames, Frame{To: to, Data: data})
}

// end ends the guest and takes leave of its hosts.
func (g *Guest) end(s State, err error, payload []byte) {
	g.ended, g.endedAt = &Ended{State: s, Err: err, Payload: payload}, g.now
	g.out.Ended, g.out.Introduce, g.out.Joined = g.ended, nil, nil
	g.steps.jump(s)
	g.code = nil
	g.hosts = slices.DeleteFunc(g.hosts, func(h *hostLink) bool { return h.ch == nil })
	for _, h := range g.hosts {
		if !(g.opened && h == g.active) {
			h.ch.push(message{typ: msgBye, kind: max(errs.KindOf(err), errs.Internal)})
		}
	}
}
