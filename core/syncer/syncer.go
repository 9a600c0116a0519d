package syncer

import (
	"bytes"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

const (
	maxFeeds = 1 << 16
	// timeout is how long a Want may rest, in milliseconds, before another
	// peer is asked.
	timeout = 10_000
	// maxFlight is how long one may take in all: who gives little by little is not the
	// only one to be asked.
	maxFlight = 12 * timeout
	// maxFlights bounds the Wants that one peer has to answer at a time.
	maxFlights = 16
	// maxAnswer is after how many bytes the answer to a Want ends.
	maxAnswer = 4 << 20
)

// Peer names one session with one peer. The caller chooses it; after
// RemovePeer it may be used again.
type Peer uint64

// Options configure a Syncer. The zero value is the default.
type Options struct{}

// PeerOptions say what a peer is to be told.
type PeerOptions struct {
	// ControlOnly peers give and get control feeds only.
	ControlOnly bool
}

// Message is to be sent to a peer, in order among those of the same Bulk.
type Message struct {
	Peer Peer
	Data []byte
	// Bulk may wait behind everything that is not.
	Bulk bool
}

// Read asks for the encoded blocks of a Log's Path(From, To), or, with Repacks,
// for repacks in their place that cover them, and others perhaps.
type Read struct {
	ID       uint64
	Peer     Peer
	Feed     id.FeedID
	From, To feed.Ref
	Repacks  bool
}

// Run is received blocks, in order, to be verified and stored. They share the
// memory of the messages that Step got.
type Run struct {
	Peer   Peer
	Feed   id.FeedID
	Header *feed.SignedHeader // of Feed; its signature holds
	Blocks [][]byte
}

// Output is what is to be done.
type Output struct {
	Messages []Message
	Reads    []Read
	Runs     []Run
	// StatusChanged: Status may differ from what it was.
	StatusChanged bool
}

// PeerStatus compares this side with a peer, in blocks as far as known.
type PeerStatus struct {
	Peer Peer
	// Behind is how many the peer has and this side lacks.
	Behind uint64
	// Ahead is how many this side has and the peer has not acknowledged.
	Ahead uint64
	// Stored: the peer has acknowledged everything that is stored here, so a
	// ControlOnly peer has not while there are data feeds.
	Stored bool
}

// Syncer is the engine of one space. It is for one goroutine at a time.
type Syncer struct {
	now    int64
	feeds  map[id.FeedID]*feedState
	peers  map[Peer]*peer
	reads  uint64
	wanted map[id.FeedID]struct{} // feeds of which some peer has more, perhaps
	// resting are those, without a flight, that nobody can be asked for just now; they
	// are looked at again when a flight has ended, and every second.
	resting map[id.FeedID]struct{}
	woken   int64
	out     Output
}

// feedState is what is known of one feed.
type feedState struct {
	id     id.FeedID
	kind   feed.Kind          // as claimed until the header is known
	header *feed.SignedHeader // nil until known
	log    *feed.Log          // nil until something is stored
	flight *flight
	// pending counts the runs that the caller has not settled, the last of
	// which was handed out or settled at active.
	pending  int
	active   int64
	patience int64 // how long to wait for them, in milliseconds
	average  int   // bytes of a place, as served
	plain    bool  // not to be asked for with repacks
}

// New makes a Syncer that knows no feed and no peer.
func New(Options) *Syncer {
	return &Syncer{feeds: map[id.FeedID]*feedState{}, peers: map[Peer]*peer{}, wanted: map[id.FeedID]struct{}{}, resting: map[id.FeedID]struct{}{}}
}

// AddFeed makes a stored feed known. The Log is read from now on, and must
// not lose blocks.
func (s *Syncer) AddFeed(h *feed.SignedHeader, log *feed.Log) {
	fs := s.know(h, log)
	for _, p := range s.sorted() {
		s.announce(p, fs)
	}
	s.want(fs)
}

func (s *Syncer) know(h *feed.SignedHeader, log *feed.Log) *feedState {
	fs := s.feed(h.ID(), h.Kind)
	fs.kind, fs.header, fs.log = h.Kind, h, log
	s.out.StatusChanged = true
	return fs
}

func (s *Syncer) feed(f id.FeedID, kind feed.Kind) *feedState {
	fs := s.feeds[f]
	if fs == nil {
		fs = &feedState{id: f, kind: kind, patience: timeout, average: 512}
		s.feeds[f] = fs
	}
	return fs
}

// Stored tells that blocks are stored and in the Log: own ones, or those of a
// Run. live, which may be nil, are the same blocks encoded, if they are fresh
// blocks of this engine; they are pushed. It does not keep live.
func (s *Syncer) Stored(h *feed.SignedHeader, log *feed.Log, refs []feed.Ref, live [][]byte) {
	fs := s.know(h, log)
	if live == nil {
		s.settle(fs)
	}
	fs.patience = timeout
	_, forked := log.Forked()
	for _, p := range s.peers {
		if bad, ok := p.bad[fs.id]; ok { // what it gave may link now; who did not fail is asked first
			p.bad[fs.id] = pause{wait: bad.wait}
		}
		if !forked {
			delete(p.full, fs.id)
		}
		if r, ok := p.gave[fs.id]; ok {
			s.note(p, fs, r)
			delete(p.gave, fs.id)
		}
	}
	if fl := fs.flight; fl != nil && log.Has(fl.to) {
		if p := s.peers[fl.peer]; p != nil {
			delete(p.bad, fs.id)
			p.failures = 0
		}
		s.land(fs)
	}
	for _, p := range s.sorted() {
		if live == nil || !s.push(p, fs, refs, live) {
			s.announce(p, fs)
		}
	}
	s.want(fs)
}

// Duplicate tells that a Run held nothing new.
func (s *Syncer) Duplicate(r Run) {
	if fs := s.feeds[r.Feed]; fs != nil {
		s.settle(fs)
		if p := s.peers[r.Peer]; p != nil && slices.ContainsFunc(p.heads[r.Feed], fs.lacks) {
			p.failures++
			s.avoid(p, fs) // it has more, and sends what we have
		}
		s.want(fs)
	}
}

// Rejected tells that a Run of a peer was refused, or could not be stored. The
// peer, if it stays, is asked again after a pause.
func (s *Syncer) Rejected(p Peer, f id.FeedID) {
	fs := s.feeds[f]
	if fs == nil {
		return
	}
	s.settle(fs)
	if from := s.peers[p]; from != nil {
		from.full[f] = true
		delete(from.sent, f)
		s.avoid(from, fs)
	}
	if fs.flight != nil && fs.flight.peer == p {
		s.land(fs)
	}
	s.want(fs)
}

// settle ends the wait for one run.
func (s *Syncer) settle(fs *feedState) {
	fs.pending = max(0, fs.pending-1)
	fs.active = s.now
	for _, p := range s.peers {
		p.unasked -= p.pushed[fs.id]
		delete(p.pushed, fs.id)
	}
}

// Tick tells the time in milliseconds. Call it about every second while there
// are peers.
func (s *Syncer) Tick(nowMs int64) {
	first := s.now == 0
	s.now = nowMs
	if nowMs-s.woken >= 1000 {
		s.woken = nowMs
		s.wake()
	}
	for f := range s.wanted {
		fs := s.feeds[f]
		fl := fs.flight
		if first {
			fs.active = nowMs
		}
		if fl == nil {
			continue
		}
		p := s.peers[fl.peer]
		if first {
			fl.since = nowMs
		}
		if p != nil && (nowMs-max(fl.since, p.lastRun) >= timeout || nowMs-fl.since >= maxFlight) {
			p.failures++
			s.avoid(p, fs)
			s.land(fs)
		}
	}
}

// Credit tells how many bytes of bulk the session takes now.
func (s *Syncer) Credit(p Peer, n int) {
	if p := s.peers[p]; p != nil {
		p.credit = n
	}
}

// Ready gives what is to be done since the last call.
func (s *Syncer) Ready() Output {
	s.schedule()
	for _, p := range s.sorted() {
		s.flushHaves(p)
		s.pump(p)
	}
	out := s.out
	s.out = Output{}
	return out
}

func (s *Syncer) send(p *peer, data []byte) {
	s.out.Messages = append(s.out.Messages, Message{Peer: p.id, Data: data})
}

// sorted gives the peers in the order of their ids, so that one history has
// one outcome.
func (s *Syncer) sorted() []*peer {
	peers := make([]*peer, 0, len(s.peers))
	for _, p := range s.peers {
		peers = append(peers, p)
	}
	sort.Slice(peers, func(i, j int) bool { return peers[i].id < peers[j].id })
	return peers
}

// ordered gives feeds with control feeds first, then by id.
func (s *Syncer) ordered(set map[id.FeedID]struct{}) []*feedState {
	feeds := make([]*feedState, 0, len(set))
	for f := range set {
		feeds = append(feeds, s.feeds[f])
	}
	sort.Slice(feeds, func(i, j int) bool {
		a, b := feeds[i], feeds[j]
		if a.kind != b.kind {
			return a.kind < b.kind
		}
		return bytes.Compare(a.id[:], b.id[:]) < 0
	})
	return feeds
}

func misbehaved(format string, args ...any) error {
	return errs.New("syncer.Step", errs.PeerMisbehaved, format, args...)
}
