package client

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/signal"
)

// InvitationOptions say what an invitation is to be. The zero value is for one
// guest, who becomes an EDITOR by a six-digit auth code.
type InvitationOptions struct {
	Auth       invite.Auth
	Role       credential.Role // zero: Editor
	MultiUse   bool
	Persistent bool
	Delegated  bool          // every member that may invite hosts it; it is persistent too
	Timeout    time.Duration // how long it is hosted; zero: without end
	Expires    int64         // ms since 1970; zero: never
	GuestKey   *[32]byte     // KnownPublicKey: the guest's identity key
}

// AcceptOptions say how an invitation is accepted.
type AcceptOptions struct {
	Timeout time.Duration // zero: invite.DefaultGuestTimeout
}

// InvitationValue is what the page sees of an invitation. It is complete from
// the start.
type InvitationValue struct {
	invite.Invitation
	Delegated bool   // other members host it too
	Code      string // to share; holds no auth code and no key of the space
	State     invite.State
	// Role is what the guest gets. On the guest it is what the host says, as soon as
	// it says it, and after SUCCESS what it is; 0 before.
	Role credential.Role
	// Space is the space's key: on the host always, on the guest once it is
	// known (SUCCESS, or ALREADY_MEMBER).
	Space *id.SpaceKey
	// Identity is that of which a device has become one, on the guest.
	Identity *id.IdentityKey
	Ended    bool  // State is the last; a host for several guests goes on after SUCCESS
	Err      error // with a final state other than SUCCESS
}

// Invitation is one side of an invitation under way.
type Invitation struct {
	s     *session
	Value Var[InvitationValue]

	host  *hosting // one of the two is set
	guest *joining

	mu      sync.Mutex
	machine machine
	cancel  context.CancelFunc
	frames  []*outbox[invite.Frame] // per relay; nil while offline
	stays   *sync.WaitGroup         // of these
	at      map[id.PeerID]int       // the relay where a peer is
	wake    chan struct{}
	over    chan struct{} // closed at the end
	once    sync.Once
}

// machine is what a Host and a Guest have in common.
type machine interface {
	PeerJoined(id.PeerID)
	PeerLeft(id.PeerID)
	Frame(id.PeerID, []byte) error
	Tick(time.Time)
	Cancel()
	Done() bool
	State() invite.State
}

// tick is how often a machine is told the time.
const tick = 500 * time.Millisecond

func newInvitation(s *session, inv invite.Invitation, space *id.SpaceKey) *Invitation {
	i := &Invitation{s: s, wake: make(chan struct{}, 1), over: make(chan struct{})}
	i.Value.Set(InvitationValue{Invitation: inv, Code: inv.Encode(), Role: credential.Role(inv.Role), Space: space})
	return i
}

// start drives the machine until it is done or the session ends.
func (i *Invitation) start(m machine) {
	i.machine = m
	i.s.net.attach(i)
	i.s.spawn(func(ctx context.Context) {
		defer i.s.net.detach(i)
		defer i.once.Do(func() { close(i.over) })
		if i.host != nil {
			i.keep(ctx)
			defer i.yieldUp()
		}
		timer := time.NewTimer(0)
		defer timer.Stop()
		for {
			i.turn(ctx)
			i.mu.Lock()
			done := i.machine.Done()
			i.mu.Unlock()
			if done {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-i.over:
				return
			case <-i.wake:
			case <-timer.C:
				timer.Reset(tick)
			}
		}
	})
}

// with runs f on the machine and has its output carried out.
func (i *Invitation) with(f func()) {
	i.mu.Lock()
	f()
	i.mu.Unlock()
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// turn tells the time and carries out what the machine asks for, until it asks
// for nothing more.
func (i *Invitation) turn(ctx context.Context) {
	i.mu.Lock()
	i.machine.Tick(i.s.c.ports.Env.Clock.Now())
	i.mu.Unlock()
	for {
		var again bool
		if i.host != nil {
			again = i.hostTurn(ctx)
		} else {
			again = i.guestTurn(ctx)
		}
		if !again {
			return
		}
	}
}

// send queues frames; offline they are lost, which the machine makes good.
func (i *Invitation) send(frames []invite.Frame) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, f := range frames {
		if n, ok := i.at[f.To]; ok && n < len(i.frames) {
			i.frames[n].add(f)
		}
	}
}

// passed publishes the states that a machine went through, each once, in
// order; what is learned with the last comes with it.
func (i *Invitation) passed(states []invite.State, ended *invite.Ended) {
	if ended != nil && len(states) == 0 {
		states = []invite.State{ended.State}
	}
	for n, st := range states {
		i.Value.Update(func(v InvitationValue) InvitationValue {
			v.State = st
			if n == len(states)-1 && ended != nil {
				v.Ended, v.Err = true, ended.Err
			}
			if i.guest != nil {
				v.Role = i.guest.role
			}
			if n == len(states)-1 && i.guest != nil && i.guest.space != nil {
				v.Space = i.guest.space
			}
			if n == len(states)-1 && i.guest != nil {
				v.Identity = i.guest.identity
			}
			return v
		})
	}
}

// up joins the invitation's topic at every relay.
func (i *Invitation) up(relays []Relay) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.cancel != nil {
		return
	}
	ctx, cancel := context.WithCancel(i.s.ctx)
	i.cancel, i.frames, i.at = cancel, nil, map[id.PeerID]int{}
	stays := &sync.WaitGroup{}
	i.stays = stays
	inv := i.Value.Get()
	for n, relay := range relays {
		frames := newOutbox[invite.Frame]()
		i.frames = append(i.frames, frames)
		stays.Add(1)
		go func() { // down waits for it
			defer stays.Done()
			defer i.s.c.rescue()
			i.meet(ctx, relay, n, inv.Topic(), frames)
		}()
	}
}

// down leaves the topic. When it returns the stay is over, so that nothing of
// it is taken for the next one.
func (i *Invitation) down() {
	i.mu.Lock()
	cancel, frames, stays := i.cancel, i.frames, i.stays
	i.cancel, i.frames = nil, nil
	i.mu.Unlock()
	if cancel == nil {
		return
	}
	for _, f := range frames {
		f.close() // what is queued may still leave
	}
	grace := time.AfterFunc(closeGrace, cancel)
	stays.Wait()
	grace.Stop()
	cancel()
}

// meet stays under the topic at one relay until its outbox is closed.
func (i *Invitation) meet(ctx context.Context, relay Relay, number int, topic id.Topic, frames *outbox[invite.Frame]) {
	log := i.s.c.ports.Env.Log
	rv, err := relay.Join(ctx, topic)
	if err != nil {
		log.Error("the topic of an invitation could not be joined", "err", err)
		return
	}
	var receiver sync.WaitGroup
	receiver.Add(1)
	go func() {
		defer receiver.Done()
		defer i.s.c.rescue()
		i.receive(ctx, rv, number)
	}()
	for {
		f, ok := frames.next(ctx)
		if !ok {
			break
		}
		if err := rv.Send(ctx, f.To, f.Data); err != nil {
			log.Debug("a frame of an invitation was not sent", "err", err)
		}
	}
	_ = rv.Close() // leaving
	receiver.Wait()
}

// receive hands the events of the topic to the machine.
func (i *Invitation) receive(ctx context.Context, rv signal.Rendezvous, number int) {
	defer i.allLeft(number)
	for {
		ev, err := rv.Recv(ctx)
		if err != nil {
			return
		}
		switch ev.Type {
		case signal.Down:
			i.allLeft(number)
		case signal.Joined:
			i.with(func() {
				i.at[ev.Peer] = number
				i.machine.PeerJoined(ev.Peer)
			})
		case signal.Left:
			i.with(func() {
				delete(i.at, ev.Peer)
				i.machine.PeerLeft(ev.Peer)
			})
		case signal.Frame:
			i.with(func() {
				if err := i.machine.Frame(ev.Peer, ev.Data); err != nil {
					i.s.c.ports.Env.Log.Debug("a frame of an invitation was not taken", "err", err)
				}
			})
		}
	}
}

// allLeft tells the machine that a relay is lost with all peers there.
func (i *Invitation) allLeft(number int) {
	i.with(func() {
		for p, n := range i.at {
			if n == number {
				delete(i.at, p)
				i.machine.PeerLeft(p)
			}
		}
	})
}

// Cancel ends the invitation on this side and tells the other. On an ended one
// it is harmless.
func (i *Invitation) Cancel(ctx context.Context) error {
	i.with(func() { i.machine.Cancel() })
	return ctx.Err()
}

// abandon ends the invitation without a word: the session closes.
func (i *Invitation) abandon() {
	i.once.Do(func() { close(i.over) })
	if i.guest != nil {
		i.guest.settle(errs.New("invitation", errs.Closed, "the client was destroyed"))
	}
}

// allInvitations gives those under way.
func (s *session) allInvitations() []*Invitation {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*Invitation
	for _, i := range s.hosted {
		list = append(list, i)
	}
	for _, i := range s.joined {
		list = append(list, i)
	}
	return list
}
