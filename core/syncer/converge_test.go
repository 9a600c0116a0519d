package syncer

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/keys"
)

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
	if st := a.sync.Status()[0]; st.Stored || st.Ahead != 0 {
		t.Fatalf("Status without the data feed: %+v", st)
	}
	a.sync.SetPeerOptions(p, PeerOptions{})
	f.settle()
	if st := a.sync.Status()[0]; !st.Stored || st.Ahead != 0 {
		t.Fatalf("Status: %+v", st)
	}
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
