package mesh

import (
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// onSealed takes a sealed packet that came from a peer at a relay.
func (x *session) onSealed(e envelope, from addr) {
	bound := slices.Contains(x.paths, from)
	if e.number == 0 || x.replay.seen(e.number) {
		return
	}
	plain, err := x.rx.Decrypt(nil, e.number, x.tag[:], e.data)
	if err != nil {
		// While direct, or from elsewhere, it is noise that a relay made.
		if bound && !x.direct.active {
			x.fail(errs.New("mesh.session", errs.PeerMisbehaved, "packet %d was altered on the way", e.number))
		}
		return
	}
	x.replay.mark(e.number)
	p, err := decodePacket(plain)
	if err == nil && p.kind == pktConfirm {
		err = errs.New("mesh.session", errs.PeerMisbehaved, "a channel confirmation came over the relay")
	}
	if err != nil {
		x.fail(errs.New("mesh.session", errs.PeerMisbehaved, "packet %d: %w", e.number, err))
		return
	}
	if !x.admitted && p.kind == pktBye {
		x.onBye(errs.Kind(p.token)) // refused, so it never stood
		return
	}
	if x.bind(from) {
		x.receive(p, false)
	}
}

// bind notes that the session's peer is at from, which a packet proved.
func (x *session) bind(from addr) bool {
	s := x.swarm
	p := s.peers[from]
	if p == nil {
		return true // it left meanwhile; the packet still counts
	}
	if !x.admitted {
		if p.hs == nil || p.hs.session != x {
			return false
		}
		p.hs = nil
		if !s.admit(x, p) {
			return false
		}
	}
	if p.session == nil {
		p.session = x
	}
	if p.session == x && !slices.Contains(x.paths, from) {
		x.paths = append(x.paths, from)
		s.changed()
	}
	return true
}

// receive takes a packet of either path.
func (x *session) receive(p packet, direct bool) {
	now := x.swarm.now
	x.heardAt = now
	if direct {
		x.direct.heardAt = now
	}
	if err := x.snd.acked(p.ack, p.kind == pktAck, now); err != nil {
		x.fail(err)
		return
	}
	switch p.kind {
	case pktAck, pktPong:
	case pktPing:
		x.transmit(packet{kind: pktPong, token: p.token}, direct)
	case pktBye:
		x.onBye(errs.Kind(p.token))
	default:
		x.onFrame(p)
	}
}

// onFrame delivers a numbered frame and all that it was waited for.
func (x *session) onFrame(p packet) {
	now := x.swarm.now
	x.owed++
	x.owedSize += len(p.data)
	if x.owed >= ackFrames || x.owedSize >= ackBytes {
		x.ackNow = true
	} else if x.ackAt.IsZero() {
		x.ackAt = now
	}
	ok := x.rcv.accept(p, now)
	if !ok {
		x.ackNow = true // tells the sender of the hole, or that it repeats
	}
	for ; ok && !x.ended; p, ok = x.rcv.following(now) {
		x.deliver(p)
	}
}

// deliver takes a frame in order.
func (x *session) deliver(p packet) {
	switch p.kind {
	case pktMessage:
		msg, whole, err := x.rcv.join(p)
		if err != nil {
			x.fail(err)
		} else if whole {
			x.swarm.event(Event{Type: Message, Session: x.id, Msg: msg, Bulk: p.bulk})
		}
	case pktOpen:
		x.onOpen(p.attempt)
	case pktSignal:
		x.onSignal(p.attempt, p.data)
	case pktClose:
		x.onClose(p.attempt, p.final)
	case pktAddress:
		x.onAddress(p.ids)
	}
}

// onBye ends the session as the peer says.
func (x *session) onBye(kind errs.Kind) {
	if kind == errs.OK || kind == errs.Closed {
		x.end(errs.New("mesh.session", errs.Closed, "the peer ended the session"), false)
		return
	}
	if kind == errs.PeerMisbehaved {
		// That is what the peer thinks of this side, and may be a relay's doing.
		x.end(errs.New("mesh.session", errs.PeerUnreachable, "the peer dropped this side with %v", kind), false)
		return
	}
	x.end(errs.New("mesh.session", kind, "the peer ended the session with %v", kind), false)
}

// onAddress notes the ids that the peer has at relays now, and asks for a
// sealed answer from each that is seen and unbound.
func (x *session) onAddress(ids []id.PeerID) {
	clear(x.claimed)
	for _, v := range ids {
		x.claimed[v] = true
	}
	for _, p := range x.swarm.sortedPeers() {
		x.swarm.tryBind(x, p)
	}
}
