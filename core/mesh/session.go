package mesh

import (
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/flynn/noise"
)

const (
	pingAfter   = 5 * time.Second  // of silence
	deadAfter   = 15 * time.Second // of silence
	doubtAfter  = 3 * time.Second  // of silence from a peer that left the relay
	stallAfter  = 20 * time.Second // a hole not filled, or nothing acknowledged
	ackFrames   = 8                // received frames that are acknowledged at once
	ackBytes    = 32 << 10         // and bytes
	sleepGrace  = 7 * time.Second  // to answer after a sleep
	stableAfter = 30 * time.Second // a session this old clears its peer's failures
)

// addr is a peer at a relay.
type addr struct {
	relay RelayID
	id    id.PeerID
}

// session is one authenticated connection. It exists from the moment both keys
// are known; events tell of it from admit to end.
type session struct {
	swarm     *Swarm
	id        SessionID
	tag       tag
	info      PeerInfo
	initiator bool
	canDirect bool   // both sides can
	order     uint64 // ours
	peerOrder uint64
	admitted  bool
	ended     bool
	since     time.Time

	tx, rx  noise.Cipher
	number  uint64 // of the last packet sent
	replay  replayWindow
	paths   []addr             // at relays, the one in use first
	claimed map[id.PeerID]bool // ids that the peer says are its own

	snd      sender
	rcv      receiver
	ackNow   bool
	owed     int // frames received since the last acknowledgement
	owedSize int
	ackAt    time.Time // the next Tick acknowledges, when set

	heardAt time.Time
	pingAt  time.Time // when the last one was sent
	doubtAt time.Time // since when an answer is waited for, zero if it is not
	token   uint64
	direct  direct
}

// newSession makes the session of a finished handshake with p.
func (s *Swarm) newSession(p *peer, info PeerInfo, h hello, tx, rx *noise.CipherState) *session {
	hs := p.hs
	s.lastSession++
	x := &session{
		swarm: s, id: s.lastSession, tag: hs.tag, info: info, initiator: hs.initiator,
		canDirect: h.direct && s.opts.Direct, order: hs.order, peerOrder: h.order,
		since: s.now, heardAt: s.now,
		tx: tx.Cipher(), rx: rx.Cipher(), paths: []addr{p.addr}, claimed: map[id.PeerID]bool{},
		snd: newSender(), rcv: newReceiver(),
	}
	c1, c2 := tx, rx
	if !hs.initiator {
		c1, c2 = rx, tx
	}
	x.direct.key = exportKey(c1, c2, hs.noise.ChannelBinding())
	x.snd.part = s.partLimit()
	return x
}

// newer tells whether x is to replace y, both of one instance. Both ends
// compare the order that the lower instance gave, so they agree.
func (x *session) newer(y *session) bool {
	if slices.Compare(x.swarm.opts.Instance[:], x.info.Instance[:]) < 0 {
		return x.order > y.order
	}
	return x.peerOrder > y.peerOrder
}

// transmit sends one packet on the given path, acknowledging what came.
func (x *session) transmit(p packet, direct bool) {
	p.ack = x.rcv.ack()
	x.ackNow, x.owed, x.owedSize, x.ackAt = false, 0, 0, time.Time{}
	if direct {
		x.swarm.out.DirectSends = append(x.swarm.out.DirectSends, DirectMsg{x.direct.id, p.append(nil)})
		return
	}
	if len(x.paths) > 0 {
		x.transmitTo(p, x.paths[0])
	}
}

// transmitTo sends one packet to a peer at a relay.
func (x *session) transmitTo(p packet, to addr) {
	p.ack = x.rcv.ack()
	x.number++
	plain := p.append(make([]byte, 0, len(p.data)+64))
	e := envelope{kind: envSealed, tag: x.tag, number: x.number, data: x.tx.Encrypt(nil, x.number, x.tag[:], plain)}
	x.swarm.sendFrame(to, e.append(make([]byte, 0, len(e.data)+32)))
}

// bye tells the peer that it is over, on every path there is.
func (x *session) bye(reason error) {
	p := packet{kind: pktBye, token: uint64(errs.KindOf(reason))}
	if x.direct.active {
		x.transmit(p, true)
	}
	x.transmit(p, false)
}

// pump sends what may be sent now.
func (x *session) pump() {
	if !x.admitted || x.ended {
		return
	}
	s, direct := x.swarm, x.direct.active
	window := windowRelayed
	if direct {
		window = windowDirect
	}
	for {
		f := x.snd.pick(window, direct || s.mayBulk(x))
		if f == nil {
			break
		}
		x.snd.take(f, s.now)
		x.transmit(f.packet, direct)
	}
	if x.ackNow {
		x.transmit(packet{kind: pktAck}, direct)
	}
}

// tick does what time asks for.
func (x *session) tick() {
	now := x.swarm.now
	x.tickDirect()
	if x.ended {
		return
	}
	silent := now.Sub(x.heardAt)
	if x.heardAt.After(x.doubtAt) {
		x.doubtAt = time.Time{}
	}
	switch {
	case !x.doubtAt.IsZero() && now.Sub(x.doubtAt) >= doubtAfter:
		x.end(errs.New("mesh.session", errs.PeerUnreachable, "the peer left the relay and is silent"), true)
		return
	case silent >= deadAfter:
		x.end(errs.New("mesh.session", errs.PeerUnreachable, "nothing came from the peer for %v", deadAfter), true)
		return
	case !x.rcv.gap.IsZero() && now.Sub(x.rcv.gap) >= stallAfter:
		x.end(errs.New("mesh.session", errs.Timeout, "frame %d did not come within %v", x.rcv.next, stallAfter), true)
		return
	case x.snd.waiting(now) >= stallAfter:
		x.end(errs.New("mesh.session", errs.Timeout, "the peer acknowledged nothing for %v", stallAfter), true)
		return
	}
	if silent >= pingAfter && now.Sub(x.pingAt) >= pingAfter {
		x.ping()
	}
	if !x.ackAt.IsZero() && now.After(x.ackAt) {
		x.ackNow = true
	}
	x.snd.tick(now)
}

// ping asks for a sign of life on the path in use.
func (x *session) ping() {
	x.token++
	x.pingAt = x.swarm.now
	x.transmit(packet{kind: pktPing, token: x.token}, x.direct.active)
}

// probe follows a sleep: silence so far proves nothing, so the peer gets some
// seconds to answer.
func (x *session) probe() {
	now := x.swarm.now
	x.heardAt = later(x.heardAt, now.Add(sleepGrace-deadAfter))
	x.direct.heardAt = later(x.direct.heardAt, now.Add(sleepGrace-2*time.Second-directDead))
	x.snd.moved = now
	if !x.rcv.gap.IsZero() {
		x.rcv.gap = now
	}
	x.ping()
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// busy tells whether something is waited for that Tick has to watch closely.
func (x *session) busy() bool {
	return len(x.snd.frames) > 0 || x.snd.queued > 0 || !x.ackAt.IsZero() || x.direct.opening()
}

// fail ends the session because the peer, or who is on the way, broke the
// protocol.
func (x *session) fail(err error) { x.end(err, true) }

// end ends the session once; tell sends the peer a last word. The peers it had
// at relays may be dialled again, ever later.
func (x *session) end(err error, tell bool) {
	if x.ended {
		return
	}
	s := x.swarm
	if tell {
		x.bye(err)
	}
	x.ended = true
	x.closeDirect()
	delete(s.byTag, x.tag)
	if s.byInstance[x.info.Instance] == x {
		delete(s.byInstance, x.info.Instance)
	}
	delete(s.sessions, x.id)
	for _, p := range s.peers {
		if p.session == x {
			p.session = nil
			s.backOff(p, x, err)
		}
		if p.hs != nil && p.hs.session == x {
			p.hs = nil
			s.backOff(p, x, err)
			s.event(Event{Type: Dropped, Peer: p.addr.id, Err: err})
		}
	}
	if x.admitted {
		s.event(Event{Type: Disconnected, Session: x.id, Info: x.info, Err: err})
	}
}

// pathGone notes that the peer is no longer at a relay.
func (x *session) pathGone(a addr) {
	x.paths = slices.DeleteFunc(x.paths, func(b addr) bool { return a == b })
	if len(x.paths) > 0 {
		x.snd.reroute(x.swarm.now)
		return
	}
	if !x.direct.active {
		x.end(errs.New("mesh.session", errs.PeerUnreachable, "the peer left the relay and there is no direct path"), false)
	}
}

// doubt follows the peer's leaving the relay while a direct channel stands:
// either it lost the relay only, and answers, or it is gone.
func (x *session) doubt() {
	if !x.ended && len(x.paths) == 0 {
		x.doubtAt = x.swarm.now
		x.ping()
	}
}

// status describes the session.
func (x *session) status() SessionStatus {
	st := SessionStatus{
		Session: x.id, Info: x.info, Path: Relayed, Since: x.since, Heard: x.heardAt,
		RoundTrip: x.snd.srtt, Queued: x.snd.queued, Unacked: x.snd.bytes, DirectErr: x.direct.err,
	}
	if x.direct.active {
		st.Path = Direct
	}
	return st
}
