package mesh

import (
	"slices"
	"sort"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/flynn/noise"
)

const (
	defaultMaxPeers = 32
	maxSeen         = 256 // peers of one relay that are kept track of
	sleepGap        = 10 * time.Second
	busyTick        = 100 * time.Millisecond
	idleTick        = time.Second
)

// Swarm is this side's stay under one topic. It is for one goroutine, or for
// callers that serialise. No method blocks.
//
// The driver calls Tick with the current time before it hands in events, and
// again when NextTick says; after each batch of events it carries out Ready.
type Swarm struct {
	opts   Options
	static noise.DHKey
	gate   gate             // of relays without one of their own
	gates  map[RelayID]gate // see SetGate
	now    time.Time
	closed bool

	relays     map[RelayID]*relay
	peers      map[addr]*peer
	sessions   map[SessionID]*session
	byTag      map[tag]*session // these, and those of unfinished handshakes
	byInstance map[[16]byte]*session
	byDirect   map[DirectID]*session

	order       uint64
	lastSession SessionID
	lastDirect  DirectID
	stale       bool // peers changed since dialling was last considered
	out         Output
}

// NewSwarm makes a Swarm that knows of no peer. It draws one Noise static,
// used for all sessions of this stay.
func NewSwarm(o Options) (*Swarm, error) {
	if o.Auth == nil || id.IsZero(o.Topic) || id.IsZero(o.Instance) {
		return nil, errs.New("mesh.NewSwarm", errs.InvalidArgument, "Auth, Topic and Instance must be set")
	}
	if o.MaxPeers <= 0 {
		o.MaxPeers = defaultMaxPeers
	}
	if o.Pacer == nil {
		o.Pacer = NewPacer()
	}
	static, err := newStatic(o.Env)
	if err != nil {
		return nil, errs.Wrap("mesh.NewSwarm", errs.Internal, err)
	}
	return &Swarm{
		opts: o, static: static, now: o.Env.Clock.Now(),
		gate: newGate(o.Topic, o.PSK), gates: map[RelayID]gate{},
		relays: map[RelayID]*relay{}, peers: map[addr]*peer{},
		sessions: map[SessionID]*session{}, byTag: map[tag]*session{},
		byInstance: map[[16]byte]*session{}, byDirect: map[DirectID]*session{},
	}, nil
}

// gate is what both ends of a handshake must know.
type gate struct {
	prologue []byte
	psk      keys.Secret
}

func newGate(t id.Topic, psk keys.Secret) gate {
	return gate{prologue: prologue(t), psk: keys.Derive(psk[:], "echospace mesh psk", t[:])}
}

// SetGate has the peers of a relay be met under another topic and secret than the
// Swarm's. A driver that stays under several topics at one relay numbers that relay
// once for each. Call it before the relay is up.
func (s *Swarm) SetGate(r RelayID, t id.Topic, psk keys.Secret) { s.gates[r] = newGate(t, psk) }

// gateOf gives the gate of a relay.
func (s *Swarm) gateOf(r RelayID) gate {
	if g, ok := s.gates[r]; ok {
		return g
	}
	return s.gate
}

// Static is the public Noise static of this stay, which Auth's Payload binds.
func (s *Swarm) Static() [32]byte { return [32]byte(s.static.Public) }

// admit makes a session that both ends verified the one with its instance,
// unless there is a newer one. It tells whether x lives.
func (s *Swarm) admit(x *session, p *peer) bool {
	old := s.byInstance[x.info.Instance]
	switch {
	case old != nil && !x.newer(old):
		delete(s.byTag, x.tag)
		x.ended = true
		p.session = old // its peer answers there too
		if !slices.Contains(old.paths, p.addr) {
			old.paths = append(old.paths, p.addr)
		}
		return false
	case old == nil && len(s.sessions) >= s.opts.MaxPeers:
		x.end(errs.New("mesh.session", errs.Closed, "there are %d sessions already", len(s.sessions)), true)
		s.blocked(p, time.Minute)
		return false
	}
	if old != nil {
		s.replace(old, x)
	}
	x.admitted, x.since, x.heardAt = true, s.now, s.now
	p.session = x
	s.sessions[x.id] = x
	s.byInstance[x.info.Instance] = x
	s.event(Event{Type: Connected, Session: x.id, Info: x.info, Path: Relayed})
	if len(s.relays) > 1 {
		x.snd.control = append(x.snd.control, packet{kind: pktAddress, ids: s.selves()})
	}
	x.startDirect()
	s.changed()
	return true
}

// replace ends old in favour of x, which takes over the peers it had. The
// other end does the same, so nothing is said.
func (s *Swarm) replace(old, x *session) {
	for _, a := range old.paths {
		if p := s.peers[a]; p != nil && p.session == old && !slices.Contains(x.paths, a) {
			p.session = x
			x.paths = append(x.paths, a)
		}
	}
	for _, p := range s.peers {
		if p.session == old {
			p.session = x
		}
	}
	old.end(errs.New("mesh.session", errs.Closed, "a newer session with this peer replaced it"), false)
}

// Send queues a message of at most MaxMessage bytes, which it keeps: msg must
// not change afterwards. Messages of one priority arrive in order; live ones
// overtake bulk. A session that is over is an errs.PeerUnreachable, a message
// too long or a queue too full an errs.TooLarge.
func (s *Swarm) Send(p SessionID, msg []byte, bulk bool) error {
	const op = "mesh.Send"
	x := s.sessions[p]
	if x == nil {
		return errs.New(op, errs.PeerUnreachable, "session %d is over", p)
	}
	if len(msg) > MaxMessage {
		return errs.New(op, errs.TooLarge, "the message has %d bytes, limit %d", len(msg), MaxMessage)
	}
	if x.snd.queued+len(msg) > MaxQueued {
		return errs.New(op, errs.TooLarge, "%d bytes are queued for session %d already; wait for Queued to fall", x.snd.queued, p)
	}
	x.snd.queue(msg, bulk)
	return nil
}

// Queued is how many bytes of a session's messages wait for their first
// sending; zero for a session that is over.
func (s *Swarm) Queued(p SessionID) int {
	if x := s.sessions[p]; x != nil {
		return x.snd.queued
	}
	return 0
}

// Tick sets the time and does what is due. A gap of more than 10 s is taken
// for a sleep of the machine, during which silence proves nothing.
func (s *Swarm) Tick(now time.Time) {
	if s.closed || now.Before(s.now) {
		return
	}
	slept := now.Sub(s.now) > sleepGap
	s.now = now
	if slept {
		s.wake()
	}
	for _, x := range s.sortedSessions() {
		x.tick()
	}
	for _, p := range s.sortedPeers() {
		s.tickHandshake(p)
		s.tickUnwanted(p)
	}
	s.dialAll()
}

// wake gives every wait that a sleep interrupted a new start.
func (s *Swarm) wake() {
	for _, p := range s.peers {
		if p.hs != nil {
			p.hs.deadline = s.now.Add(handshakeTimeout)
		}
	}
	for _, x := range s.sortedSessions() {
		x.probe()
	}
}

// Restart is to be called after a change of network or a wake-up that the
// platform tells of: every path is tried again now.
func (s *Swarm) Restart() {
	if s.closed {
		return
	}
	s.wake()
	for _, x := range s.sortedSessions() {
		switch d := &x.direct; {
		case d.active:
			s.out.DirectRestarts = append(s.out.DirectRestarts, d.id)
		case !d.retryAt.IsZero():
			d.retryAt, d.failures = s.now, 0
		}
	}
	for _, p := range s.peers {
		// What looked like a peer's misbehaviour may have been the network's.
		p.failures, p.dialAt, p.blockedUntil = 0, s.now, time.Time{}
	}
	s.stale = true
	s.consider()
}

// NextTick is when Tick is to be called again, if nothing happens before.
func (s *Swarm) NextTick() time.Time {
	for _, p := range s.peers {
		if p.hs != nil {
			return s.now.Add(busyTick)
		}
	}
	for _, x := range s.sessions {
		if x.busy() {
			return s.now.Add(busyTick)
		}
	}
	return s.now.Add(idleTick)
}

// Ready gives what is to be done since the last call. After Close it gives the
// last words once, then nothing.
func (s *Swarm) Ready() Output {
	for _, x := range s.sortedSessions() {
		x.pump()
	}
	out := s.out
	s.out = Output{}
	return out
}

// Disconnect ends a session and tells the peer the Kind of reason; nil is a
// clean end. It is dialled again later, unless it leaves.
func (s *Swarm) Disconnect(p SessionID, reason error) {
	if x := s.sessions[p]; x != nil {
		x.pump()
		x.end(orClean(reason), true)
	}
}

func orClean(err error) error {
	if err == nil {
		return errs.New("mesh.session", errs.Closed, "this side ended the session")
	}
	return err
}

// Close says goodbye to every peer; Ready then gives the last words, which the
// driver should send before it leaves the topic. It is idempotent.
func (s *Swarm) Close() {
	if s.closed {
		return
	}
	for _, x := range s.sortedSessions() {
		s.Disconnect(x.id, nil)
	}
	s.closed = true
	clear(s.peers)
	clear(s.byTag)
	clear(s.relays)
}

// Sessions describes the sessions, in order of their ids.
func (s *Swarm) Sessions() []SessionStatus {
	list := make([]SessionStatus, 0, len(s.sessions))
	for _, x := range s.sortedSessions() {
		list = append(list, x.status())
	}
	return list
}

// Status describes the whole.
func (s *Swarm) Status() Status {
	st := Status{RelaysUp: len(s.relays), Peers: len(s.peers), Sessions: len(s.sessions)}
	for _, p := range s.peers {
		if p.hs != nil {
			st.Handshakes++
		}
	}
	return st
}

func (s *Swarm) event(e Event) { s.out.Events = append(s.out.Events, e) }

// changed adds one StatusChanged per batch.
func (s *Swarm) changed() {
	for _, e := range s.out.Events {
		if e.Type == StatusChanged {
			return
		}
	}
	s.event(Event{Type: StatusChanged})
}

// jitter varies d by a quarter either way.
func (s *Swarm) jitter(d time.Duration) time.Duration {
	b := s.opts.Env.Bytes(2)
	f := float64(uint16(b[0])<<8|uint16(b[1])) / (1 << 16)
	return time.Duration(float64(d) * (0.75 + f/2))
}

// sortedSessions gives the sessions in a fixed order, so that a seed repeats.
func (s *Swarm) sortedSessions() []*session {
	all := make([]*session, 0, len(s.sessions))
	for _, x := range s.sessions {
		all = append(all, x)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].id < all[j].id })
	return all
}
