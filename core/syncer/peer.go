package syncer

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

const (
	// maxPartial bounds the unsigned blocks that a peer may have us hold: one
	// change of the greatest length.
	maxPartial = feed.MaxChange + 1<<20
	// maxPushed bounds what a peer may push that is not yet settled; more is
	// ignored, and asked for later.
	maxPushed = 4 << 20
	// maxClaims bounds the heads that a peer may tell of.
	maxClaims = 1 << 17
	// maxFailures is how often in a row a peer may fail to give what it told of.
	maxFailures = 64
)

// peer is the state of one session.
type peer struct {
	id     Peer
	o      PeerOptions
	hello  bool // theirs came
	told   bool // our full account was sent
	whole  bool // their full account came
	credit int

	heads map[id.FeedID][]feed.Ref // all that they say they have stored
	sent  map[id.FeedID]feed.Ref   // the last block pushed
	// holds are, of feeds with more branches than are told of at once, the heads that
	// the peer told of or was given.
	holds    map[id.FeedID]map[id.Hash]bool
	gave     map[id.FeedID]feed.Ref // of such feeds: the end of the last run, perhaps not stored yet
	toTell   map[id.FeedID]struct{} // feeds whose heads they have to hear
	partial  map[id.FeedID]*partial // runs that have not come to a signature
	held     int                    // bytes in partial
	pushed   map[id.FeedID]int      // bytes of runs that we did not ask for
	unasked  int                    // their sum
	bad      map[id.FeedID]pause    // feeds not to ask them for
	full     map[id.FeedID]bool     // feeds whose next Want names many points
	flights  int
	failures int // since it last gave what was asked for
	claims   int // heads that it told of
	lastRun  int64
	serves   []*serve
	reading  *serve // what the outstanding Read is for
	readID   uint64
	bulk     [][]byte
	bulkSize int
}

type partial struct {
	blocks [][]byte
	size   int
}

type pause struct{ until, wait int64 }

// AddPeer begins a session. The first messages go out with the next Ready.
// Adding a peer that is there starts over.
func (s *Syncer) AddPeer(p Peer, o PeerOptions) {
	s.RemovePeer(p)
	n := &peer{
		id: p, o: o, holds: map[id.FeedID]map[id.Hash]bool{}, gave: map[id.FeedID]feed.Ref{}, heads: map[id.FeedID][]feed.Ref{}, sent: map[id.FeedID]feed.Ref{}, toTell: map[id.FeedID]struct{}{},
		partial: map[id.FeedID]*partial{}, pushed: map[id.FeedID]int{}, bad: map[id.FeedID]pause{}, full: map[id.FeedID]bool{},
	}
	s.peers[p] = n
	s.send(n, encodeHello())
	for _, fs := range s.feeds {
		s.announce(n, fs)
	}
	s.out.StatusChanged = true
}

// SetPeerOptions changes what a peer is told from now on.
func (s *Syncer) SetPeerOptions(p Peer, o PeerOptions) {
	n := s.peers[p]
	if n == nil || n.o == o {
		return
	}
	n.o = o
	for _, fs := range s.feeds {
		if fs.kind != feed.Control {
			s.announce(n, fs)
			s.want(fs)
		}
	}
	n.serves = slices.DeleteFunc(n.serves, func(sv *serve) bool { return !n.allows(s.feeds[sv.feed]) })
	s.out.StatusChanged = true
}

// RemovePeer ends a session; what was asked of it is asked of others.
func (s *Syncer) RemovePeer(p Peer) {
	n := s.peers[p]
	if n == nil {
		return
	}
	for f := range s.wanted {
		if fs := s.feeds[f]; fs.flight != nil && fs.flight.peer == p {
			s.land(fs)
		}
	}
	delete(s.peers, p)
	for f := range n.heads {
		s.forget(s.feeds[f])
	}
	s.out.Messages = slices.DeleteFunc(s.out.Messages, func(m Message) bool { return m.Peer == p })
	s.out.Reads = slices.DeleteFunc(s.out.Reads, func(r Read) bool { return r.Peer == p })
	s.out.StatusChanged = true
}

// forget drops a feed that only peers which left have told of.
func (s *Syncer) forget(fs *feedState) {
	if fs.log != nil || fs.pending > 0 {
		return
	}
	for _, p := range s.peers {
		if _, told := p.heads[fs.id]; told {
			return
		}
	}
	delete(s.feeds, fs.id)
	delete(s.wanted, fs.id)
	delete(s.resting, fs.id)
}

// allows tells whether the peer may give and get a feed.
func (p *peer) allows(fs *feedState) bool { return !p.o.ControlOnly || fs.kind == feed.Control }

// announce has the peer hear the heads of a feed.
func (s *Syncer) announce(p *peer, fs *feedState) {
	if fs.log != nil && p.allows(fs) {
		p.toTell[fs.id] = struct{}{}
	}
}

// flushHaves sends the heads that the peer has to hear.
func (s *Syncer) flushHaves(p *peer) {
	if p.told && len(p.toTell) == 0 {
		return
	}
	const entrySize, headSize = 40, 46
	var m haveMessage
	size := 0
	for _, fs := range s.ordered(p.toTell) {
		heads := fs.log.Heads()
		if len(heads) == 0 || !p.allows(fs) {
			continue
		}
		heads = p.choose(fs, heads)
		if n := entrySize + headSize*len(heads); size+n > maxBundle {
			s.send(p, m.encode())
			m, size = haveMessage{}, 0
		}
		size += entrySize + headSize*len(heads)
		m.Entries = append(m.Entries, haveEntry{fs.id, fs.kind, heads})
	}
	if m.Last = !p.told; m.Last || len(m.Entries) > 0 {
		s.send(p, m.encode())
	}
	p.told = true
	clear(p.toTell)
}

// choose gives the heads of a feed that the peer hears of: those first that it may lack.
func (p *peer) choose(fs *feedState, heads []feed.Ref) []feed.Ref {
	if len(heads) <= maxHeads {
		return heads
	}
	holds := p.holds[fs.id]
	sort.SliceStable(heads, func(i, j int) bool { return !holds[heads[i].Hash] && holds[heads[j].Hash] })
	return heads[:maxHeads]
}

// many tells whether one side may have more heads of a feed than are told of at once.
func (p *peer) many(fs *feedState) bool {
	return len(p.heads[fs.id]) >= maxHeads || fs.log != nil && fs.log.Branchings()+1 >= maxHeads
}

// note notes that the peer has a head of a feed with many branches, and should hear of
// others.
func (s *Syncer) note(p *peer, fs *feedState, heads ...feed.Ref) {
	if fs.log == nil || !p.many(fs) {
		return
	}
	holds := p.holds[fs.id]
	if holds == nil {
		holds = map[id.Hash]bool{}
		p.holds[fs.id] = holds
	}
	for _, h := range heads {
		if !holds[h.Hash] && fs.log.Has(h) {
			holds[h.Hash] = true
			s.announce(p, fs)
		}
	}
}

// Step takes a message of a peer, whose memory it keeps. An error means that
// the peer broke the protocol: errs.Malformed, errs.PeerMisbehaved,
// errs.VersionUnsupported, or what feed.DecodeHeader says; the caller drops it.
func (s *Syncer) Step(from Peer, msg []byte) error {
	p := s.peers[from]
	if p == nil {
		return nil // it was removed with messages on their way
	}
	m, err := decode(msg)
	if err != nil {
		return err
	}
	if p.failures >= maxFailures {
		return misbehaved("%d times it did not give what it says it has", p.failures)
	}
	if v, ok := m.(uint64); ok != !p.hello {
		return misbehaved("hello is to come first, and once")
	} else if ok {
		if v != version {
			return errs.New("syncer.Step", errs.VersionUnsupported, "version %d of the protocol, this is %d", v, version)
		}
		p.hello = true
		return nil
	}
	switch m := m.(type) {
	case haveMessage:
		return s.onHave(p, m)
	case wantMessage:
		return s.onWant(p, m)
	case runMessage:
		return s.onRun(p, m)
	case nackMessage:
		s.onNack(p, m)
	}
	return nil
}

// mayTell refuses more feeds and heads than anybody has. What one peer tells of leaves
// room for the others.
func (p *peer) mayTell(f id.FeedID, heads int) error {
	if _, told := p.heads[f]; !told && len(p.heads) >= maxFeeds {
		return misbehaved("more than %d feeds", maxFeeds)
	}
	if p.claims+heads-len(p.heads[f]) > maxClaims {
		return misbehaved("more than %d heads", maxClaims)
	}
	return nil
}

func (s *Syncer) onHave(p *peer, m haveMessage) error {
	for _, e := range m.Entries {
		if err := p.mayTell(e.Feed, len(e.Heads)); err != nil {
			return err
		}
		fs := s.feed(e.Feed, e.Kind)
		if bad, ok := p.bad[e.Feed]; ok && !slices.Equal(p.heads[e.Feed], e.Heads) {
			p.bad[e.Feed] = pause{wait: bad.wait} // something new: worth asking
		}
		p.claims += len(e.Heads) - len(p.heads[e.Feed])
		p.heads[e.Feed] = e.Heads
		s.cancelServes(p, fs)
		s.note(p, fs, e.Heads...)
		s.want(fs)
	}
	p.whole = p.whole || m.Last
	s.out.StatusChanged = true
	return nil
}

// Status compares this side with every peer, in the order of their ids.
func (s *Syncer) Status() []PeerStatus {
	all := make([]PeerStatus, 0, len(s.peers))
	for _, p := range s.sorted() {
		st := PeerStatus{Peer: p.id, Stored: p.whole}
		for _, fs := range s.feeds {
			if !p.allows(fs) {
				st.Stored = st.Stored && fs.log == nil // it does not get it
			} else {
				behind, ahead, sure := p.compare(fs)
				st.Behind += behind
				st.Ahead += ahead
				st.Stored = st.Stored && ahead == 0 && sure
			}
		}
		all = append(all, st)
	}
	return all
}

// compare counts the blocks of a feed that one side lacks. It is sure unless
// the peer has a head here unknown, which may follow ours.
func (p *peer) compare(fs *feedState) (behind, ahead uint64, sure bool) {
	top, sure := uint64(0), true
	var mine []feed.Ref
	if fs.log != nil {
		mine = fs.log.Heads()
	}
	for _, h := range mine {
		top = max(top, h.Seq)
		if p.holds[fs.id][h.Hash] {
			continue
		}
		common, beyond := uint64(0), false
		for _, t := range p.heads[fs.id] {
			if fs.log.Has(t) {
				common = max(common, fs.log.Common(h, t).Seq)
			} else if t.Seq > h.Seq {
				beyond = true
			}
		}
		if common < h.Seq && beyond {
			sure = false
			continue
		}
		ahead += h.Seq - common
	}
	for _, t := range p.heads[fs.id] {
		if fs.lacks(t) {
			behind = max(behind, 1, t.Seq-min(t.Seq, top))
		}
	}
	return behind, ahead, sure
}
