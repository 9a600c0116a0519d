package mesh

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

const (
	redialFirst   = 500 * time.Millisecond // doubled with each failure
	redialMax     = time.Minute
	blockFirst    = 10 * time.Second // for a peer that broke the protocol
	blockMax      = 5 * time.Minute
	rebindWait    = 1500 * time.Millisecond // for a live session to claim a new peer
	unwantedAfter = 30 * time.Second
	maxWanted     = 10 // sessions above which unwanted ones are given up
)

// peer is somebody at a relay.
type peer struct {
	addr          addr
	self          bool       // this very instance, seen from outside
	wanted        bool       // by the topology, of either side
	session       *session   // that reaches it
	hs            *handshake // under way
	dialAt        time.Time  // not before
	failures      int
	blockedUntil  time.Time
	unwantedSince time.Time
}

func (s *Swarm) sortedPeers() []*peer {
	all := make([]*peer, 0, len(s.peers))
	for _, p := range s.peers {
		all = append(all, p)
	}
	sort.Slice(all, func(i, j int) bool {
		a, b := all[i].addr, all[j].addr
		return cmp.Or(int(a.relay)-int(b.relay), id.Compare(a.id, b.id)) < 0
	})
	return all
}

// joined notes a peer.
func (s *Swarm) joined(a addr) {
	if s.peers[a] != nil || s.isSelf(a.id) {
		return
	}
	if n := len(s.peers); n >= maxSeen*max(1, len(s.relays)) {
		return
	}
	p := &peer{addr: a, dialAt: s.now}
	s.peers[a] = p
	s.stale = true
	for _, x := range s.sortedSessions() {
		// It may be one that we know, back at the relay under a new id: let
		// the session claim it before a new handshake replaces the session.
		if !slices.ContainsFunc(x.paths, func(b addr) bool { return a.relay == b.relay }) {
			p.dialAt = s.now.Add(rebindWait)
		}
		s.tryBind(x, p)
	}
	s.changed()
}

// tryBind asks a peer whose id the session's peer claims for a sealed answer.
func (s *Swarm) tryBind(x *session, p *peer) {
	if x.claimed[p.addr.id] && p.session == nil {
		x.transmitTo(packet{kind: pktPing}, p.addr)
	}
}

// leftRelay takes the relay's word that a peer left.
func (s *Swarm) leftRelay(a addr) {
	p := s.peers[a]
	if p == nil {
		return
	}
	x := p.session
	s.left(a)
	if x != nil {
		x.doubt()
	}
}

// left forgets a peer.
func (s *Swarm) left(a addr) {
	p := s.peers[a]
	if p == nil {
		return
	}
	delete(s.peers, a)
	s.stale = true
	if p.hs != nil && p.hs.session != nil {
		p.hs.session.ended = true
		delete(s.byTag, p.hs.tag)
	}
	if p.session != nil {
		p.session.pathGone(a)
	}
	s.changed()
}

// consider dials at once when the peers changed.
func (s *Swarm) consider() {
	if s.stale {
		s.dialAll()
	}
}

// dialAll starts the handshakes that are wanted and due.
func (s *Swarm) dialAll() {
	if s.stale {
		s.stale = false
		s.choose()
	}
	for _, p := range s.sortedPeers() {
		if p.wanted && !p.self && p.session == nil && p.hs == nil && s.initiates(p) &&
			!s.now.Before(p.dialAt) && !s.now.Before(p.blockedUntil) {
			s.dial(p)
		}
	}
}

// initiates tells whether this side is the one that dials: the lower id.
func (s *Swarm) initiates(p *peer) bool {
	r := s.relays[p.addr.relay]
	return r != nil && id.Compare(r.self, p.addr.id) < 0
}

// choose applies the topology to the peers of each relay.
func (s *Swarm) choose() {
	for n, r := range s.relays {
		var ids []id.PeerID
		for a, p := range s.peers {
			if a.relay == n && !p.self {
				ids = append(ids, a.id)
			}
		}
		wanted := Neighbours(r.self, ids)
		for a, p := range s.peers {
			if a.relay == n {
				_, p.wanted = slices.BinarySearchFunc(wanted, a.id, id.Compare)
				if p.wanted {
					p.unwantedSince = time.Time{}
				} else if p.unwantedSince.IsZero() {
					p.unwantedSince = s.now
				}
			}
		}
	}
}

// tickUnwanted gives up a session that neither side's topology asks for, once
// there are more than enough. Those that could be another path stay.
func (s *Swarm) tickUnwanted(p *peer) {
	if p.session == nil || p.wanted || len(s.sessions) <= maxWanted || s.now.Sub(p.unwantedSince) < unwantedAfter {
		return
	}
	if slices.ContainsFunc(p.session.paths, func(a addr) bool { q := s.peers[a]; return q != nil && q.wanted }) {
		return
	}
	p.session.end(errs.New("mesh.session", errs.Closed, "there are enough other peers"), true)
}

// reflected notes that a peer is this very instance.
func (s *Swarm) reflected(p *peer) {
	p.hs, p.self = nil, true
	s.stale = true
}

// drop ends a handshake that failed.
func (s *Swarm) drop(p *peer, err error) {
	if hs := p.hs; hs != nil {
		delete(s.byTag, hs.tag)
		if hs.session != nil {
			hs.session.ended = true
		}
	}
	p.hs = nil
	p.failures++
	if errs.KindOf(err) == errs.PeerMisbehaved {
		s.blocked(p, backOff(blockFirst, p.failures, blockMax))
	}
	p.dialAt = s.now.Add(s.jitter(backOff(redialFirst, p.failures, redialMax)))
	s.event(Event{Type: Dropped, Peer: p.addr.id, Err: err})
}

// misbehaved drops a peer that sent what no peer sends. A session of it goes
// too, unless it lives on a direct path, which no relay can reach.
func (s *Swarm) misbehaved(p *peer, err error) {
	x := p.session
	switch {
	case x == nil:
		s.drop(p, err)
	case x.direct.active:
		s.blocked(p, blockFirst)
		p.session = nil
		x.pathGone(p.addr)
		s.event(Event{Type: Dropped, Peer: p.addr.id, Err: err})
	default:
		x.fail(err)
	}
}

// backOff plans when the peer of an ended session is dialled again.
func (s *Swarm) backOff(p *peer, x *session, err error) {
	if x.admitted && s.now.Sub(x.since) >= stableAfter {
		p.failures = 0
	}
	p.failures++
	if errs.KindOf(err) == errs.PeerMisbehaved {
		s.blocked(p, backOff(blockFirst, p.failures, blockMax))
	}
	p.dialAt = s.now.Add(s.jitter(backOff(redialFirst, p.failures, redialMax)))
}

// blocked ignores a peer for some time.
func (s *Swarm) blocked(p *peer, d time.Duration) {
	p.blockedUntil = s.now.Add(d)
}

// backOff doubles first with each failure after the first, up to limit.
func backOff(first time.Duration, failures int, limit time.Duration) time.Duration {
	return min(first<<min(max(failures-1, 0), 16), limit)
}
