package mesh

import (
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
)

// relay is one relay connection, while it is up.
type relay struct {
	self   id.PeerID
	limits signal.Limits
}

// Signal takes an event of the only relay, number 0.
func (s *Swarm) Signal(ev signal.Event) { s.SignalFrom(0, ev) }

// SignalFrom takes an event of one of several relays.
func (s *Swarm) SignalFrom(r RelayID, ev signal.Event) {
	if s.closed {
		return
	}
	if ev.Type != signal.Up && s.relays[r] == nil {
		return
	}
	switch ev.Type {
	case signal.Up:
		s.relayUp(r, ev)
	case signal.Down:
		s.relayDown(r)
	case signal.Joined:
		s.joined(addr{r, ev.Peer})
	case signal.Left:
		s.leftRelay(addr{r, ev.Peer})
	case signal.Frame:
		s.frame(addr{r, ev.Peer}, ev.Data)
	}
	s.consider()
}

func (s *Swarm) relayUp(r RelayID, ev signal.Event) {
	s.relayDown(r)
	s.relays[r] = &relay{self: ev.Self, limits: ev.Limits}
	s.opts.Pacer.limit(r, ev.Limits.BytesPerSecond, s.now)
	for _, x := range s.sortedSessions() {
		x.snd.part = s.partLimit()
		x.snd.control = append(x.snd.control, packet{kind: pktAddress, ids: s.selves()})
	}
	s.changed()
}

// relayDown forgets the peers of a relay. Sessions with another path live on.
func (s *Swarm) relayDown(r RelayID) {
	if s.relays[r] == nil {
		return
	}
	delete(s.relays, r)
	for _, p := range s.sortedPeers() {
		if p.addr.relay == r {
			s.left(p.addr)
		}
	}
	s.changed()
}

// selves are this side's ids at relays.
func (s *Swarm) selves() []id.PeerID {
	var relays []RelayID
	for r := range s.relays {
		relays = append(relays, r)
	}
	sort.Slice(relays, func(i, j int) bool { return relays[i] < relays[j] })
	var ids []id.PeerID
	for _, r := range relays {
		if len(ids) < maxAddresses {
			ids = append(ids, s.relays[r].self)
		}
	}
	return ids
}

// partLimit is the longest part that every relay carries.
func (s *Swarm) partLimit() int {
	limit := maxPart
	for _, r := range s.relays {
		if m := r.limits.MaxFrame; m > 0 {
			limit = min(limit, max(m-(maxFrame-maxPart), 1<<10))
		}
	}
	return limit
}

// frame takes a frame of a peer, which is there even if nobody said so.
func (s *Swarm) frame(a addr, data []byte) {
	if s.isSelf(a.id) {
		return
	}
	s.joined(a)
	p := s.peers[a]
	if p == nil || p.self || s.now.Before(p.blockedUntil) {
		return
	}
	if len(data) > maxFrame {
		s.misbehaved(p, errs.New("mesh.Signal", errs.PeerMisbehaved, "a frame has %d bytes, limit %d", len(data), maxFrame))
		return
	}
	e, err := decodeEnvelope(data)
	if err != nil {
		s.misbehaved(p, errs.New("mesh.Signal", errs.PeerMisbehaved, "a frame cannot be read: %w", err))
		return
	}
	if e.kind == envHandshake {
		s.onHandshake(p, e)
	} else if x := s.byTag[e.tag]; x != nil {
		x.onSealed(e, a)
	}
}

// isSelf tells whether a peer id is this side's at some relay.
func (s *Swarm) isSelf(v id.PeerID) bool {
	for _, r := range s.relays {
		if r.self == v {
			return true
		}
	}
	return false
}

// sendFrame sends a frame if the relay is up.
func (s *Swarm) sendFrame(to addr, data []byte) {
	if s.relays[to.relay] == nil {
		return
	}
	s.opts.Pacer.used(to.relay, len(data), s.now)
	s.out.Frames = append(s.out.Frames, Frame{Relay: to.relay, To: to.id, Data: data})
}

// mayBulk tells whether the relay in use by x takes bulk now.
func (s *Swarm) mayBulk(x *session) bool {
	return len(x.paths) > 0 && s.opts.Pacer.may(x.paths[0].relay, s.now)
}
