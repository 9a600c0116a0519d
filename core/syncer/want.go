package syncer

import (
	"slices"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// Pauses before a peer is asked again for what it failed to give, in
// milliseconds.
const (
	firstPause = 1_000
	lastPause  = 300_000
)

// flight is a Want on its way.
type flight struct {
	peer  Peer
	to    feed.Ref
	since int64
}

// lacks tells whether a block is not indexed.
func (fs *feedState) lacks(t feed.Ref) bool {
	return t.Seq > 0 && (fs.log == nil || !fs.log.Has(t))
}

// Lacks reports whether a peer that is here tells of blocks of a feed which are
// not stored here.
func (s *Syncer) Lacks(f id.FeedID) bool {
	fs := s.feeds[f]
	if fs == nil {
		return false
	}
	for _, p := range s.peers {
		if slices.ContainsFunc(p.heads[f], fs.lacks) {
			return true
		}
	}
	return false
}

// PlainOnly has a feed be asked for without repacks from now on: one came that
// cannot be unfolded here.
func (s *Syncer) PlainOnly(f id.FeedID) {
	if fs := s.feeds[f]; fs != nil {
		fs.plain = true
	}
}

// want has the next schedule look at a feed.
func (s *Syncer) want(fs *feedState) {
	s.wanted[fs.id] = struct{}{}
	delete(s.resting, fs.id)
}

// wake has it look at what rests.
func (s *Syncer) wake() {
	for f := range s.resting {
		s.wanted[f] = struct{}{}
	}
	clear(s.resting)
}

// land ends the flight of a feed.
func (s *Syncer) land(fs *feedState) {
	if fs.flight == nil {
		return
	}
	if p := s.peers[fs.flight.peer]; p != nil {
		p.flights--
		p.drop(fs.id)
	}
	fs.flight = nil
	s.wake()
}

// drop forgets a run that has not come to a signature.
func (p *peer) drop(f id.FeedID) {
	if part := p.partial[f]; part != nil {
		p.held -= part.size
		delete(p.partial, f)
	}
}

// avoid has a peer not be asked for a feed for a while, longer each time.
func (s *Syncer) avoid(p *peer, fs *feedState) {
	wait := min(max(firstPause, 2*p.bad[fs.id].wait), lastPause)
	p.bad[fs.id] = pause{until: s.now + wait, wait: wait}
}

// schedule sends the Wants that are due, control feeds first.
func (s *Syncer) schedule() {
	if !s.spare() {
		return
	}
	for _, fs := range s.ordered(s.wanted) {
		if fs.flight != nil {
			continue
		}
		if fs.pending > 0 {
			if s.now-fs.active < fs.patience {
				continue // what is being stored may be it
			}
			// The caller may hold a run of a feed that is not admitted yet.
			fs.pending, fs.patience = 0, min(2*fs.patience, lastPause)
		}
		p, to, more := s.pick(fs)
		if !more {
			delete(s.wanted, fs.id)
			continue
		}
		if p == nil {
			delete(s.wanted, fs.id)
			s.resting[fs.id] = struct{}{}
			continue
		}
		fs.flight = &flight{peer: p.id, to: to, since: s.now}
		p.flights++
		m := wantMessage{Feed: fs.id, To: to, Points: fs.points(p.full[fs.id])}
		if fs.header == nil {
			m.Flags = wantHeader
		}
		if !fs.plain {
			m.Flags |= wantRepacks
		}
		s.send(p, m.encode())
		if !s.spare() {
			return // thousands may be wanted, and each that lands lets one of them go
		}
	}
}

// spare tells whether a peer can be asked for something now.
func (s *Syncer) spare() bool {
	for _, p := range s.peers {
		if p.flights < maxFlights {
			return true
		}
	}
	return false
}

// pick chooses a peer that has a head which we lack: of those that failed least the one
// with the fewest flights. more tells whether any has one, now or later.
func (s *Syncer) pick(fs *feedState) (best *peer, to feed.Ref, more bool) {
	for _, p := range s.sorted() {
		if !p.allows(fs) {
			continue
		}
		for _, t := range p.heads[fs.id] {
			if !fs.lacks(t) {
				continue
			}
			more = true
			if p.flights < maxFlights && p.bad[fs.id].until <= s.now && (best == nil || p.before(best, fs.id)) {
				best, to = p, t
			}
		}
	}
	return best, to, more
}

// before tells whether to ask p for a feed rather than another.
func (p *peer) before(o *peer, f id.FeedID) bool {
	if a, b := p.bad[f].wait, o.bad[f].wait; a != b {
		return a < b
	}
	return p.flights < o.flights
}

// points gives where a run may begin: our heads; full adds blocks below them
// at doubling distances, down to the start.
func (fs *feedState) points(full bool) []feed.Ref {
	start := feed.Ref{Feed: fs.id}
	if fs.log == nil {
		return []feed.Ref{start}
	}
	heads := fs.log.Heads()
	if len(heads) == 0 {
		return []feed.Ref{start}
	}
	points := heads[:min(len(heads), maxHeads)]
	if !full {
		return points
	}
	for _, h := range heads {
		for back := uint64(1); back < h.Seq && len(points) < maxPoints-1; back *= 2 {
			if r, ok := fs.log.At(h, h.Seq-back); ok {
				points = append(points, r)
			}
		}
	}
	return append(points, start)
}

// onNack ends a flight without what was asked for.
func (s *Syncer) onNack(p *peer, m nackMessage) {
	fs := s.feeds[m.Feed]
	if fs == nil || fs.flight == nil || fs.flight.peer != p.id || fs.flight.to != m.To {
		return
	}
	if m.Code == nackNoLink && !p.full[m.Feed] {
		p.full[m.Feed] = true
	} else {
		p.failures++
		s.avoid(p, fs)
	}
	s.land(fs)
	s.want(fs)
}

// onRun takes blocks, asked for or pushed.
func (s *Syncer) onRun(p *peer, m runMessage) error {
	if err := p.mayTell(m.Feed, len(p.heads[m.Feed])+1); err != nil {
		return err
	}
	fs := s.feed(m.Feed, feed.Data)
	if fs.header == nil && len(m.Header) > 0 {
		h, err := feed.DecodeHeader(m.Header)
		if err != nil {
			return err
		}
		if h.ID() != m.Feed {
			return misbehaved("a run of feed %v with the header of %v", m.Feed, h.ID())
		}
		fs.header, fs.kind = h, h.Kind
	}
	p.claim(fs, m.To)
	if p.many(fs) {
		p.gave[fs.id] = m.To
	}
	s.want(fs)
	asked := fs.flight != nil && fs.flight.peer == p.id
	if asked {
		p.lastRun = s.now
	}
	if asked && m.Flags&runLast != 0 {
		defer s.land(fs)
		if m.Flags&runMore != 0 {
			s.avoid(p, fs) // an end that nobody signed
		}
	}
	if fs.header == nil || !p.allows(fs) {
		return nil
	}
	return s.collect(p, fs, m, asked)
}

// claim notes that the peer has a block: it sent it.
func (p *peer) claim(fs *feedState, t feed.Ref) {
	heads := p.heads[fs.id]
	for i, h := range heads {
		switch {
		case h == t || fs.log != nil && fs.log.Contains(h, t):
			return
		case fs.log != nil && fs.log.Contains(t, h):
			heads[i] = t
			return
		}
	}
	if len(heads) < maxHeads {
		p.heads[fs.id] = append(heads, t)
		p.claims++
	}
}

// collect joins blocks up to a signed one to a Run.
func (s *Syncer) collect(p *peer, fs *feedState, m runMessage, asked bool) error {
	size := 0
	for _, b := range m.Blocks {
		size += len(b)
	}
	if !asked {
		if m.Flags&runMore != 0 || p.unasked+size > maxPushed {
			return nil
		}
		s.hand(p, fs, m.Blocks, size)
		return nil
	}
	part := p.partial[fs.id]
	if part == nil {
		part = &partial{}
		p.partial[fs.id] = part
	}
	part.blocks = append(part.blocks, m.Blocks...)
	part.size += size
	if p.held += size; p.held > maxPartial {
		return misbehaved("%d bytes of blocks without a signature", p.held)
	}
	if m.Flags&runMore == 0 {
		p.drop(fs.id)
		s.hand(p, fs, part.blocks, 0)
	}
	return nil
}

// hand gives a run to the caller. unasked bytes count against the peer until
// the feed is settled.
func (s *Syncer) hand(p *peer, fs *feedState, blocks [][]byte, unasked int) {
	if unasked > 0 {
		p.pushed[fs.id] += unasked
		p.unasked += unasked
	}
	fs.pending++
	fs.active = s.now
	s.out.Runs = append(s.out.Runs, Run{Peer: p.id, Feed: fs.id, Header: fs.header, Blocks: blocks})
}
