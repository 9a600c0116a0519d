package invite

import (
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// State is where an invitation stands on one side.
type State uint8

// The states. Those from Success on are final, except that Success of a
// multi-use Host is followed by what its other guests are doing.
const (
	Init                   State = iota // made, not yet started by Tick
	Connecting                          // waiting for the other side
	Connected                           // a sealed channel to it stands
	ReadyForAuthentication              // the guest may give the auth code
	Authenticating                      // the code or key is being checked
	Success                             // admitted, and the space is open on the guest
	Cancelled                           // by this side
	Timeout                             // a time limit ran out
	Error                               // see Ended.Err
	Expired                             // the invitation's time is over
)

// String gives the state's word in the page's API.
func (s State) String() string {
	names := [...]string{"INIT", "CONNECTING", "CONNECTED", "READY_FOR_AUTHENTICATION", "AUTHENTICATING",
		"SUCCESS", "CANCELLED", "TIMEOUT", "ERROR", "EXPIRED"}
	if int(s) < len(names) {
		return names[s]
	}
	return "ERROR"
}

// Conn names one guest's channel to one host. It is this side's name for it;
// a peer that comes again has another.
type Conn struct {
	Peer    id.PeerID
	Session [tagSize]byte
}

// Frame is what is to be sent over the rendezvous, in order. Loss is made good.
type Frame struct {
	To   id.PeerID
	Data []byte // at most MaxFrame
}

// Ended tells how a machine ended.
type Ended struct {
	State State
	Err   error // nil for Success
	// Payload came with a refusal: for errs.AlreadyMember what the host's
	// caller gave, the space's key. Guest only.
	Payload []byte
}

// ladder is the state of one side, and the changes that were not yet told.
// Going up it passes every rung between, so that each is seen; going down it
// jumps.
type ladder struct {
	rungs []State
	state State
	told  []State
}

func newLadder(a Auth) ladder {
	switch a {
	case None:
		return ladder{rungs: []State{Init, Connecting, Connected, Success}}
	case KnownPublicKey:
		return ladder{rungs: []State{Init, Connecting, Connected, Authenticating, Success}}
	}
	return ladder{rungs: []State{Init, Connecting, Connected, ReadyForAuthentication, Authenticating, Success}}
}

// jump goes to s.
func (l *ladder) jump(s State) {
	if s != l.state {
		l.state = s
		l.told = append(l.told, s)
	}
}

// climb goes to the highest rung that is not above s, rung by rung if it is up.
func (l *ladder) climb(s State) {
	at := slices.Index(l.rungs, l.state)
	if at < 0 || l.state > s {
		l.jump(l.floor(s))
		return
	}
	for _, r := range l.rungs[at+1:] {
		if r <= s {
			l.jump(r)
		}
	}
}

func (l *ladder) floor(s State) State {
	for _, r := range slices.Backward(l.rungs) {
		if r <= s {
			return r
		}
	}
	return Init
}

func (l *ladder) take() []State {
	told := l.told
	l.told = nil
	return told
}

// stateFor is the final state that goes with the error that a host told.
func stateFor(k errs.Kind) State {
	switch k {
	case errs.Timeout:
		return Timeout
	case errs.InvitationExpired:
		return Expired
	}
	return Error
}

// final is the error that this side reports for a kind.
func final(k errs.Kind) *errs.Error { return errs.New("invite", k, "%s", reason(k)) }

// reason says in words what a kind means for an invitation.
func reason(k errs.Kind) string {
	switch k {
	case errs.Cancelled:
		return "the invitation was cancelled"
	case errs.CancelledByHost:
		return "the host cancelled the invitation; ask for another"
	case errs.Timeout:
		return "the invitation was not accepted in time"
	case errs.InvitationExpired:
		return "the invitation has expired; ask for another"
	case errs.InvitationUsed:
		return "the invitation is for one guest and admitted another; ask for another"
	case errs.TooManyAttempts:
		return "the auth code was wrong too often; ask for another invitation"
	case errs.HostUnreachable:
		return "the host is gone or cannot be reached; try again when it is online"
	case errs.GuestGone:
		return "the guest went away"
	case errs.AlreadyMember:
		return "this identity is a member already"
	case errs.WrongGuest:
		return "the guest does not hold the key that the invitation names"
	}
	return "the other side refused"
}
