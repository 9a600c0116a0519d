package syncer

import (
	"context"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// The simulation runs syncers of several nodes over sessions that may end at
// any moment, with real feeds, and checks in the end that all hold the same.

type fleet struct {
	t        testing.TB
	rng      *rand.Rand
	env      env.Env
	now      int64
	nodes    []*node
	sessions []*session
	next     Peer
	messages int
	bulk     int
}

// batch is what one transaction stored.
type batch struct {
	header *feed.SignedHeader
	blocks []*feed.Block
}

type node struct {
	f       *fleet
	name    int
	signer  *keys.SigningKey
	sync    *Syncer
	stored  []batch
	headers map[id.FeedID]*feed.SignedHeader
	logs    map[id.FeedID]*feed.Log
	raw     map[feed.Ref][]byte
	own     []*feed.SignedHeader
	reads   []Read
	runs    []Run
}

// session is one connection: per direction, one queue for bulk and one for the
// rest.
type session struct {
	a, b  *node
	id    Peer
	queue [2][2][][]byte // [to b?][bulk?]
}

func newFleet(t testing.TB, seed uint64, nodes int) *fleet {
	rng := rand.New(rand.NewPCG(seed, 1))
	f := &fleet{t: t, rng: rng, now: 1_000_000}
	f.env = env.Env{
		Clock: env.ClockFunc(func() time.Time { return time.UnixMilli(f.now) }),
		Rand:  rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}),
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	for i := range nodes {
		n := &node{f: f, name: i, signer: keys.NewSigningKey([32]byte(f.env.Bytes(32)))}
		n.restart(0)
		f.nodes = append(f.nodes, n)
	}
	return f
}

// restart loses memory, and the last lose transactions.
func (n *node) restart(lose int) {
	n.f.sessions = slices.DeleteFunc(n.f.sessions, func(s *session) bool {
		if s.a != n && s.b != n {
			return false
		}
		s.end()
		return true
	})
	all := n.stored[:max(0, len(n.stored)-lose)]
	n.sync, n.stored, n.reads, n.runs = New(Options{}), nil, nil, nil
	n.headers, n.logs, n.raw = map[id.FeedID]*feed.SignedHeader{}, map[id.FeedID]*feed.Log{}, map[feed.Ref][]byte{}
	for _, b := range all {
		n.keep(b)
	}
	for f, h := range n.headers {
		n.sync.AddFeed(h, n.logs[f])
	}
	n.sync.Tick(n.f.now)
}

// keep stores a batch and gives its refs.
func (n *node) keep(b batch) []feed.Ref {
	fid := b.header.ID()
	if n.logs[fid] == nil {
		n.headers[fid], n.logs[fid] = b.header, feed.NewLog(fid)
	}
	refs := make([]feed.Ref, len(b.blocks))
	for i, blk := range b.blocks {
		if err := n.logs[fid].Add(blk.Seq, blk.Hash(), blk.Prev); err != nil {
			n.f.t.Fatalf("node %d stores a block that does not link: %v", n.name, err)
		}
		refs[i] = blk.Ref()
		n.raw[refs[i]] = blk.Encode()
	}
	n.stored = append(n.stored, b)
	return refs
}

// addFeed begins a feed of the node, which is stored with its first block.
func (n *node) addFeed(kind feed.Kind) *feed.SignedHeader {
	h, err := feed.NewHeader(context.Background(), feed.Header{
		Device: n.signer.Public(), Incarnation: [16]byte(n.f.env.Bytes(16)), Kind: kind,
	}, n.signer)
	if err != nil {
		n.f.t.Fatal(err)
	}
	n.own = append(n.own, h)
	return h
}

// write appends blocks to a feed of the node.
func (n *node) write(h *feed.SignedHeader, count, size int) {
	fid := h.ID()
	var at feed.Ref
	if log := n.logs[fid]; log != nil {
		heads := log.Heads()
		at = heads[n.f.rng.IntN(len(heads))]
	}
	b := batch{header: h}
	live := [][]byte{}
	for range count {
		blk, err := feed.Build(context.Background(), n.f.env, feed.BlockHeader{Feed: fid, Seq: at.Seq + 1, Prev: at.Hash, Ops: 1},
			keys.Secret{1}, n.f.env.Bytes(size), n.signer)
		if err != nil {
			n.f.t.Fatal(err)
		}
		at = blk.Ref()
		b.blocks = append(b.blocks, blk)
		live = append(live, blk.Encode())
	}
	refs := n.keep(b)
	n.sync.Stored(h, n.logs[fid], refs, live)
}

// act lets the node do what its syncer asked for, up to limit things.
func (n *node) act(limit int) (did bool) {
	for ; limit > 0 && (len(n.reads) > 0 || len(n.runs) > 0); limit-- {
		did = true
		if len(n.reads) > 0 && (len(n.runs) == 0 || n.f.rng.IntN(2) == 0) {
			r := n.reads[0]
			n.reads = n.reads[1:]
			refs, _ := n.logs[r.Feed].Path(r.From, r.To)
			var blocks [][]byte
			for _, ref := range refs {
				if n.raw[ref] == nil {
					break
				}
				blocks = append(blocks, n.raw[ref])
			}
			n.sync.ReadDone(r, blocks, nil)
			continue
		}
		run := n.runs[0]
		n.runs = n.runs[1:]
		n.take(run)
	}
	return did
}

// take verifies and stores a run.
func (n *node) take(run Run) {
	h := run.Header
	if err := h.Verify(); err != nil || h.ID() != run.Feed {
		n.f.t.Fatalf("the header of a run: %v", err)
	}
	log := n.logs[run.Feed]
	if log == nil {
		log = feed.NewLog(run.Feed)
	}
	var blocks []*feed.Block
	for _, raw := range run.Blocks {
		b, err := feed.DecodeBlock(raw)
		if err != nil {
			n.f.t.Fatalf("a block of a run: %v", err)
		}
		if len(blocks) > 0 || !log.Has(b.Ref()) {
			blocks = append(blocks, b)
		}
	}
	if len(blocks) == 0 {
		n.sync.Duplicate(run)
		return
	}
	prev := feed.Ref{Feed: run.Feed, Seq: blocks[0].Seq - 1, Hash: blocks[0].Prev}
	if !log.Has(prev) {
		n.sync.Rejected(run.Peer, run.Feed)
		return
	}
	if err := feed.VerifyRun(h, prev, blocks); err != nil {
		n.f.t.Fatalf("node %d: %v", n.name, err)
	}
	refs := n.keep(batch{h, blocks})
	n.sync.Stored(h, n.logs[run.Feed], refs, nil)
}

// connect opens a session.
func (f *fleet) connect(a, b *node) {
	f.next++
	s := &session{a: a, b: b, id: f.next}
	f.sessions = append(f.sessions, s)
	a.sync.AddPeer(s.id, PeerOptions{})
	b.sync.AddPeer(s.id, PeerOptions{})
}

func (s *session) end() {
	s.a.sync.RemovePeer(s.id)
	s.b.sync.RemovePeer(s.id)
}

// flush takes what every syncer wants done.
func (f *fleet) flush() (did bool) {
	for _, n := range f.nodes {
		for _, s := range f.sessions {
			if s.a == n || s.b == n {
				n.sync.Credit(s.id, 512<<10-s.waiting(n))
			}
		}
		out := n.sync.Ready()
		n.reads = append(n.reads, out.Reads...)
		n.runs = append(n.runs, out.Runs...)
		did = did || len(out.Messages)+len(out.Reads)+len(out.Runs) > 0
		for _, m := range out.Messages {
			f.messages++
			i := slices.IndexFunc(f.sessions, func(s *session) bool { return s.id == m.Peer })
			if i < 0 {
				f.t.Fatalf("node %d sends to peer %d, which is gone", n.name, m.Peer)
			}
			if s, class := f.sessions[i], 0; true {
				if m.Bulk {
					class = 1
					f.bulk += len(m.Data)
				}
				q := &s.queue[s.to(n)][class]
				*q = append(*q, m.Data)
			}
		}
	}
	return did
}

// to is the index of the direction away from n.
func (s *session) to(n *node) int {
	if s.a == n {
		return 1
	}
	return 0
}

func (s *session) waiting(n *node) (size int) {
	for _, m := range s.queue[s.to(n)][1] {
		size += len(m)
	}
	return size
}

// deliver hands over up to limit messages of a session.
func (f *fleet) deliver(s *session, limit int) (did bool) {
	for ; limit > 0; limit-- {
		way, class := f.rng.IntN(2), f.rng.IntN(4)/3
		for i := 0; i < 4 && len(s.queue[way][class]) == 0; i++ {
			way, class = (way+i)%2, 1-class
		}
		q := &s.queue[way][class]
		if len(*q) == 0 {
			return did
		}
		did = true
		msg := (*q)[0]
		*q = (*q)[1:]
		to := s.a
		if way == 1 {
			to = s.b
		}
		if err := to.sync.Step(s.id, msg); err != nil {
			f.t.Fatalf("node %d refuses a message: %v", to.name, err)
		}
	}
	return did
}

// settle runs until nothing happens any more, a minute at most.
func (f *fleet) settle() {
	for quiet := 0; quiet < 70; {
		did := f.flush()
		for _, s := range f.sessions {
			did = f.deliver(s, 100) || did
		}
		for _, n := range f.nodes {
			did = n.act(100) || did
		}
		if quiet++; did {
			quiet = 0
			continue
		}
		f.now += 1000
		for _, n := range f.nodes {
			n.sync.Tick(f.now)
		}
	}
}

// equal fails unless every node holds the same blocks and says so.
func (f *fleet) equal() {
	f.t.Helper()
	for _, n := range f.nodes[1:] {
		for ref := range f.nodes[0].raw {
			if n.raw[ref] == nil {
				f.t.Fatalf("node %d lacks block %d of feed %s", n.name, ref.Seq, id.Short(ref.Feed))
			}
		}
		for ref := range n.raw {
			if f.nodes[0].raw[ref] == nil {
				f.t.Fatalf("node 0 lacks block %d of feed %s, which %d has", ref.Seq, id.Short(ref.Feed), n.name)
			}
		}
	}
	for _, n := range f.nodes {
		for _, st := range n.sync.Status() {
			if st.Behind != 0 || st.Ahead != 0 || !st.Stored {
				f.t.Fatalf("node %d: %+v", n.name, st)
			}
		}
	}
}
