package syncer

import (
	"bytes"
	"context"
	"fmt"
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
			n.sync.ReadDone(r, blocks)
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
	h, err := feed.DecodeHeader(run.Header)
	if err != nil || h.ID() != run.Feed {
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

// TestConvergence_N06: whatever happens, the same blocks are everywhere in the end.
func TestConvergence_N06(t *testing.T) {
	forks := 0
	for seed := range uint64(25) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { forks += converge(t, seed) })
	}
	if forks == 0 {
		t.Error("no seed forked a feed")
	}
}

// converge gives how many feeds were forked.
func converge(t *testing.T, seed uint64) (forks int) {
	f := newFleet(t, seed, 2+int(seed%5))
	for range 250 {
		n := f.nodes[f.rng.IntN(len(f.nodes))]
		switch k := f.rng.IntN(100); {
		case k < 20:
			if len(n.own) == 0 || f.rng.IntN(20) == 0 {
				n.addFeed(feed.Kind(f.rng.IntN(2)))
			}
			n.write(n.own[f.rng.IntN(len(n.own))], 1+f.rng.IntN(5), 1+f.rng.IntN(2000))
		case k < 30:
			if other := f.nodes[f.rng.IntN(len(f.nodes))]; other != n && len(f.sessions) < 3*len(f.nodes) {
				f.connect(n, other)
			}
		case k < 35 && len(f.sessions) > 0:
			i := f.rng.IntN(len(f.sessions))
			f.sessions[i].end()
			f.sessions = slices.Delete(f.sessions, i, i+1)
		case k < 36:
			n.restart(f.rng.IntN(4)) // writing on makes a fork
		case k < 40:
			f.now += int64(f.rng.IntN(4000))
			n.sync.Tick(f.now)
		case k < 60:
			n.act(1 + f.rng.IntN(5))
		case k < 75:
			f.flush()
		case len(f.sessions) > 0:
			f.deliver(f.sessions[f.rng.IntN(len(f.sessions))], 1+f.rng.IntN(10))
		}
	}
	for i, n := range f.nodes[1:] {
		f.connect(n, f.nodes[f.rng.IntN(i+1)])
	}
	f.settle()
	f.equal()
	before := f.messages
	f.settle()
	if f.messages != before {
		t.Fatalf("%d messages although nothing happens", f.messages-before)
	}
	for _, log := range f.nodes[0].logs {
		if _, forked := log.Forked(); forked {
			forks++
		}
	}
	return forks
}

// TestChain_N11: three in a row; what the first writes reaches the last, small
// and large, and a feed added mid-way too.
func TestChain_N11(t *testing.T) {
	f := newFleet(t, 1, 3)
	a, b, c := f.nodes[0], f.nodes[1], f.nodes[2]
	control, data := a.addFeed(feed.Control), a.addFeed(feed.Data)
	a.write(data, 1000, 300)
	a.write(control, 1, 100)
	f.connect(a, b)
	f.connect(b, c)
	f.settle()
	f.equal()
	late := c.addFeed(feed.Data)
	c.write(late, 1, 10)
	f.settle()
	f.equal()
	before := f.messages
	for range 10 {
		a.write(data, 1, 100)
		f.settle()
	}
	f.equal()
	// Per block: a push and its acknowledgement, an announcement, a want, a
	// run and its acknowledgement.
	if n := f.messages - before; n > 10*8 {
		t.Errorf("10 blocks took %d messages", n)
	}
}

// TestNewFeed_N10 adds a feed while others replicate.
func TestNewFeed_N10(t *testing.T) {
	f := newFeed10(t)
	f.settle()
	f.equal()
}

func newFeed10(t *testing.T) *fleet {
	f := newFleet(t, 2, 2)
	a, b := f.nodes[0], f.nodes[1]
	a.write(a.addFeed(feed.Data), 500, 1000)
	f.connect(a, b)
	for range 3 {
		f.flush()
		f.deliver(f.sessions[0], 5)
		b.act(2)
		a.act(2)
	}
	a.write(a.addFeed(feed.Data), 1, 10)
	b.write(b.addFeed(feed.Control), 1, 10)
	return f
}

// TestLargeChange: a change whose parts only the last signs comes as one run.
func TestLargeChange(t *testing.T) {
	f := newFleet(t, 3, 2)
	a, b := f.nodes[0], f.nodes[1]
	h := a.addFeed(feed.Data)
	blocks, err := feed.BuildParts(context.Background(), f.env, feed.BlockHeader{Feed: h.ID(), Seq: 1, Ops: 1}, keys.Secret{1}, f.env.Bytes(5<<20), a.signer)
	if err != nil {
		t.Fatal(err)
	}
	refs := a.keep(batch{h, blocks})
	a.sync.Stored(h, a.logs[h.ID()], refs, nil)
	f.connect(a, b)
	f.settle()
	f.equal()
	if len(b.stored) != 1 {
		t.Errorf("stored in %d transactions, want 1", len(b.stored))
	}
}

// TestControlFirst: control feeds come before data feeds that are older.
func TestControlFirst(t *testing.T) {
	f := newFleet(t, 4, 2)
	a, b := f.nodes[0], f.nodes[1]
	for range 5 {
		a.write(a.addFeed(feed.Data), 200, 1000)
	}
	a.write(a.addFeed(feed.Control), 50, 1000)
	f.connect(a, b)
	f.settle()
	f.equal()
	if b.stored[0].header.Kind != feed.Control {
		t.Error("data was stored before control")
	}
}

func TestControlOnly(t *testing.T) {
	f := newFleet(t, 5, 2)
	a, b := f.nodes[0], f.nodes[1]
	data, control := a.addFeed(feed.Data), a.addFeed(feed.Control)
	a.write(data, 5, 100)
	a.write(control, 5, 100)
	f.connect(a, b)
	p := f.sessions[0].id
	a.sync.SetPeerOptions(p, PeerOptions{ControlOnly: true})
	f.settle()
	a.write(data, 1, 10)
	a.write(control, 1, 10)
	f.settle()
	if b.logs[data.ID()] != nil || len(b.raw) != 6 {
		t.Fatalf("the peer has %d blocks, want the 6 of the control feed", len(b.raw))
	}
	if st := a.sync.Status()[0]; !st.Stored || st.Ahead != 0 {
		t.Fatalf("Status: %+v", st)
	}
	a.sync.SetPeerOptions(p, PeerOptions{})
	f.settle()
	f.equal()
}

// TestOnePeerIsAsked: of several peers that have a feed one sends it.
func TestOnePeerIsAsked(t *testing.T) {
	f := newFleet(t, 6, 4)
	a := f.nodes[0]
	h := a.addFeed(feed.Data)
	a.write(h, 400, 1000)
	for _, n := range f.nodes[1:3] {
		f.connect(a, n)
	}
	f.settle()
	f.bulk = 0
	late := f.nodes[3]
	for _, n := range f.nodes[:3] {
		f.connect(late, n)
	}
	f.settle()
	f.equal()
	if f.bulk > 600_000 {
		t.Errorf("400 KB took %d bytes", f.bulk)
	}
}

// TestSilentPeer: a peer that has a feed and does not send it is given up for
// another, and is not asked all the time.
func TestSilentPeer(t *testing.T) {
	f := newFleet(t, 7, 2)
	a, b := f.nodes[0], f.nodes[1]
	h := a.addFeed(feed.Data)
	a.write(h, 3, 10)
	const silent = Peer(1 << 40)
	b.sync.AddPeer(silent, PeerOptions{})
	step := func(m []byte) {
		t.Helper()
		if err := b.sync.Step(silent, m); err != nil {
			t.Fatal(err)
		}
	}
	step(encodeHello())
	step(haveMessage{true, []haveEntry{{h.ID(), feed.Data, a.logs[h.ID()].Heads()}}}.encode())
	asked := 0
	for range 3600 {
		f.now += 1000
		b.sync.Tick(f.now)
		asked += wants(b.sync.Ready().Messages)
	}
	if asked < 2 || asked > 30 {
		t.Fatalf("%d wants in an hour", asked)
	}
	b.sync.RemovePeer(silent)
	f.connect(a, b)
	f.settle()
	f.equal()
}

func TestBlocksShareNothing(t *testing.T) {
	f := newFleet(t, 8, 2)
	a := f.nodes[0]
	h := a.addFeed(feed.Data)
	f.connect(a, f.nodes[1])
	f.settle()
	a.write(h, 1, 10)
	out := a.sync.Ready()
	if len(out.Messages) != 1 || out.Messages[0].Bulk {
		t.Fatalf("a fresh block made %d messages", len(out.Messages))
	}
	sent := slices.Clone(out.Messages[0].Data)
	for _, raw := range a.raw {
		clear(raw)
	}
	if !bytes.Equal(sent, out.Messages[0].Data) {
		t.Fatal("the message shares memory with the block")
	}
}
