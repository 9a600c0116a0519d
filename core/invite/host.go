package invite

import (
	"slices"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

const (
	maxGuests        = 256 // sessions at a time
	maxGuestsPerPeer = 4
	linger           = 5 * time.Second  // how long peers are told of the end
	returnLimit      = 30 * time.Second // how long an admitted guest that was lost may come back
)

// HostOptions are what a Host starts from.
type HostOptions struct {
	Env        env.Env // Rand is used
	Invitation Invitation
	// Spent is how many attempts were used up before, as last stored for a
	// Debit.
	Spent int
	// KeyOf gives the key that signs for the guest that a KnownPublicKey invitation
	// names, as far as the Body of an Introduction shows one; false if it shows none.
	// It is asked before anything is handed to the guest. Without it the named key
	// itself signs.
	KeyOf func(guest [32]byte, body []byte) (key [32]byte, ok bool)
}

// HostOutput is what the caller of a Host must do now.
type HostOutput struct {
	Frames []Frame // send, in order
	States []State // passed since, in order
	// Debit asks to store the spent attempts, strictly, and to call Debited.
	// No guest is judged meanwhile.
	Debit *Debit
	// Admit asks to admit guests: call Admitted, Known or Refused for each. A
	// single-use Host asks for one at a time.
	Admit []Admit
	// Dropped are guests that went, and why; for the log.
	Dropped []Dropped
	Ended   *Ended // given once
}

// Debit is a wrong auth code that must be on record before the guest is told.
type Debit struct{ Spent int }

// Admit is a guest that has shown to be the one who was meant.
type Admit struct {
	Conn         Conn
	Introduction Introduction
	Binding      []byte // what Introduction.Proof must sign
}

// Dropped is a guest that went.
type Dropped struct {
	Conn Conn
	Err  error
}

// Host serves one invitation. The zero value is not usable; see NewHost.
type Host struct {
	env      env.Env
	inv      Invitation
	keyOf    func(guest [32]byte, body []byte) ([32]byte, bool)
	steps    ladder
	now      time.Time
	start    time.Time
	spent    int
	peers    map[id.PeerID]struct{}
	guests   []*guestLink
	out      HostOutput
	ended    *Ended
	endedAt  time.Time
	farewell errs.Kind // what guests are told after the end

	judging   []*guestLink // have confirmed, waiting to be judged
	debiting  *guestLink   // judged wrong, its attempt is being stored
	notBefore time.Time    // back-off of long invitations

	asking     map[Conn]*guestLink // the caller was asked to admit
	waiting    []*guestLink        // single-use: to be asked for next
	admissions []*admission        // given, not yet acknowledged
}

// NewHost makes a host in state Init; the first Tick starts it. It fails with
// errs.InvalidArgument if the invitation lacks the secret of its method. A
// KnownPublicKey invitation without GuestKey refuses every guest.
func NewHost(o HostOptions) (*Host, error) {
	if o.Invitation.Auth == SharedSecret && NormalizeAuthCode(o.Invitation.AuthCode) == "" {
		return nil, errs.New("invite.NewHost", errs.InvalidArgument, "the invitation has no auth code; make one by NewAuthCode")
	}
	o.Invitation.AuthCode = NormalizeAuthCode(o.Invitation.AuthCode)
	return &Host{
		env: o.Env, inv: o.Invitation, keyOf: o.KeyOf, spent: o.Spent, steps: newLadder(o.Invitation.Auth),
		peers: map[id.PeerID]struct{}{}, asking: map[Conn]*guestLink{},
	}, nil
}

// State is where the host stands: with several guests, where the furthest does.
func (h *Host) State() State { return h.steps.state }

// AttemptsLeft is how many wrong auth codes the host still takes.
func (h *Host) AttemptsLeft() int { return max(0, h.inv.Attempts()-h.spent) }

// PeerJoined tells that p is under the topic: the host makes itself known.
func (h *Host) PeerJoined(p id.PeerID) {
	h.peers[p] = struct{}{}
	h.frame(p, frame{kind: frameBeacon}.encode())
}

// PeerLeft tells that p is gone. An attempt of p that is not judged yet still
// counts.
func (h *Host) PeerLeft(p id.PeerID) {
	delete(h.peers, p)
	for _, g := range slices.Clone(h.guests) {
		if g.conn.Peer == p {
			h.drop(g, final(errs.GuestGone))
		}
	}
	h.settle()
}

// Frame takes a frame from p, which it does not keep. The error is for the log:
// what did not verify changed nothing, who broke the protocol was dropped.
func (h *Host) Frame(p id.PeerID, data []byte) error {
	f, err := decodeFrame(data)
	if err != nil {
		return err
	}
	switch f.kind {
	case frameHello:
		err = h.hello(p, f)
	case frameGuest:
		if g := h.find(Conn{Peer: p, Session: f.tag}); g != nil {
			err = h.sealed(g, f)
		}
	}
	h.settle()
	return err
}

// Tick tells the time; call it every half second or so. The first call starts
// the host.
func (h *Host) Tick(now time.Time) {
	slept := now.Sub(h.now) > sleepGap // also before the first
	h.now = now
	if h.steps.state == Init && h.ended == nil {
		h.start = now
		h.steps.climb(Connecting)
	}
	for _, g := range slices.Clone(h.guests) {
		if slept {
			g.ch.lastHeard = now
		}
		if g.ch.silent(now) || g.over && now.Sub(g.overAt) >= linger {
			h.drop(g, final(errs.GuestGone))
		}
	}
	if h.ended == nil {
		h.limits()
	}
	h.settle()
}

// committed reports whether somebody is being admitted: then the invitation
// does not run out under way.
func (h *Host) committed() bool {
	return len(h.asking) > 0 || !h.inv.MultiUse && len(h.admissions) > 0
}

// limits ends the host when its time, or all its attempts, are used up.
func (h *Host) limits() {
	h.giveUpReturns()
	switch {
	case h.ended != nil || h.committed():
	case h.inv.expired(h.now):
		h.end(Expired, errs.InvitationExpired, errs.InvitationExpired)
	case h.inv.Timeout > 0 && h.now.Sub(h.start) >= h.inv.Timeout:
		h.end(Timeout, errs.Timeout, errs.Timeout)
	case h.inv.Auth == SharedSecret && h.debiting == nil && h.AttemptsLeft() == 0:
		h.end(Error, errs.TooManyAttempts, errs.TooManyAttempts)
	}
}

// Cancel ends the invitation; guests are told. After the end it does nothing.
func (h *Host) Cancel() {
	if h.ended == nil {
		h.end(Cancelled, errs.Cancelled, errs.CancelledByHost)
		h.settle()
	}
}

// Used ends an invitation that another host has answered; guests are told. While a
// guest is being admitted here it does nothing, and after the end.
func (h *Host) Used() {
	if h.ended == nil && !h.committed() {
		h.finish(&Ended{State: Success}, errs.InvitationUsed)
	}
}

// Ready gives what is to be done since the last call.
func (h *Host) Ready() HostOutput {
	for _, g := range h.guests {
		for _, data := range g.ch.flush(h.now) {
			h.frame(g.conn.Peer, data)
		}
	}
	out := h.out
	h.out = HostOutput{}
	out.States = h.steps.take()
	return out
}

// Done reports whether the host has ended, Ready has given how, and its peers had
// time to be told; then the caller leaves the topic.
func (h *Host) Done() bool {
	return h.ended != nil && h.out.Ended == nil && (len(h.peers) == 0 || h.now.Sub(h.endedAt) >= linger)
}

func (h *Host) frame(to id.PeerID, data []byte) {
	h.out.Frames = append(h.out.Frames, Frame{To: to, Data: data})
}

// end ends the host and tells guests why. A second end is ignored.
func (h *Host) end(s State, own, told errs.Kind) {
	if h.ended != nil {
		return
	}
	h.finish(&Ended{State: s, Err: final(own)}, told)
}

func (h *Host) finish(e *Ended, told errs.Kind) {
	h.ended, h.endedAt, h.farewell = e, h.now, told
	h.out.Ended = e
	h.steps.jump(e.State)
	h.judging, h.waiting, h.debiting = nil, nil, nil
	h.out.Admit = nil
	for _, g := range h.guests {
		g.tell(h.now, told, nil)
	}
}

// settle goes on with what waits and brings the state up to date.
func (h *Host) settle() {
	h.judge()
	h.ask()
	if h.ended != nil {
		return
	}
	top := Connecting
	for _, g := range h.guests {
		top = max(top, g.state(h.inv.Auth))
	}
	if h.steps.state != Init {
		h.steps.climb(top)
	}
}
