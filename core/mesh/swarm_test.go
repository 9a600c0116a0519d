package mesh

import (
	"bytes"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal"
)

// fleet starts n nodes and waits until all are connected to all.
func fleet(t *testing.T, seed uint64, n int, o nodeOptions) *world {
	t.Helper()
	w := newWorld(t, seed)
	for range n {
		w.add(o)
	}
	w.until("full mesh", 5*time.Second, w.meshed)
	return w
}

// meshed tells whether all living nodes have one session with each other.
func (w *world) meshed() bool {
	for _, a := range w.nodes {
		if !a.alive {
			continue
		}
		want := 0
		for _, b := range w.nodes {
			if a != b && b.alive {
				if want++; a.to(b) == 0 {
					return false
				}
			}
		}
		if len(a.up) != want {
			return false
		}
	}
	return true
}

// onPath tells whether all sessions take that path.
func (w *world) onPath(p Path) func() bool {
	return func() bool {
		for _, n := range w.nodes {
			if !n.alive {
				continue
			}
			for _, st := range n.swarm.Sessions() {
				if st.Path != p {
					return false
				}
			}
		}
		return true
	}
}

// stream sends count messages of size bytes from a to b.
func (w *world) stream(a, b *node, from, count, size int, bulk bool) {
	w.t.Helper()
	a.do(func(s *Swarm) {
		for i := range count {
			if err := s.Send(a.to(b), numbered(uint64(from+i), size), bulk); err != nil {
				w.t.Fatalf("seed %d: %v", w.seed, err)
			}
		}
	})
}

// received is how many messages b has from a in its present session.
func received(b, a *node, bulk bool) uint64 {
	box := b.got[b.to(a)]
	switch {
	case box == nil:
		return 0
	case bulk:
		return box.next[1]
	}
	return box.next[0]
}

func TestSwarm_N01_joinExchangeLeave(t *testing.T) {
	w := fleet(t, 1, 2, nodeOptions{})
	a, b := w.nodes[0], w.nodes[1]
	w.stream(a, b, 0, 3, 100, false)
	w.stream(b, a, 0, 1, MaxMessage-100, true)
	w.until("messages", 5*time.Second, func() bool { return received(b, a, false) == 3 && received(a, b, true) == 1 })
	w.until("direct", 5*time.Second, w.onPath(Direct))
	a.do(func(s *Swarm) { s.Close() })
	a.die()
	w.until("bye", time.Second, func() bool { return b.to(a) == 0 })
	if !b.saw(Disconnected, errs.Closed) {
		t.Error("a clean leave was not told as CLOSED")
	}
	w.run(30 * time.Second)
	if n := b.count(Connected); n != 1 {
		t.Errorf("%d sessions", n)
	}
}

func TestSwarm_N02_severalSwarms(t *testing.T) {
	w := newWorld(t, 2)
	other := keys.Secret{9}
	var list []*node
	for i := range 4 {
		o := nodeOptions{}
		if i >= 2 {
			o.psk = &other
		}
		list = append(list, w.add(o))
	}
	w.run(5 * time.Second)
	for i, n := range list {
		if len(n.up) != 1 || n.to(list[i^1]) == 0 {
			t.Errorf("node %d has %d sessions", i, len(n.up))
		}
	}
	if !list[0].saw(Dropped, errs.HandshakeFailed) && !list[2].saw(Dropped, errs.HandshakeFailed) {
		t.Error("nobody noticed that the secret is another")
	}
}

func TestSwarm_N07_bothDialAtOnce(t *testing.T) {
	for _, hubs := range [][]int{{0}, {0, 1}, {0, 1, 2}} {
		for seed := range uint64(10) {
			w := newWorld(t, seed)
			for i := 1; i < 3; i++ {
				w.hubs = append(w.hubs, newHub(w, RelayID(i)))
			}
			a, b := w.add(nodeOptions{hubs: hubs}), w.add(nodeOptions{hubs: hubs})
			w.run(5 * time.Second)
			if !w.meshed() {
				t.Fatalf("seed %d, %d relays: %d and %d sessions", seed, len(hubs), len(a.up), len(b.up))
			}
			w.stream(a, b, 0, 1, 10, false)
			w.until("message", time.Second, func() bool { return received(b, a, false) == 1 })
			if len(hubs) == 1 && a.count(Connected) != 1 {
				t.Errorf("seed %d: %d sessions were made", seed, a.count(Connected))
			}
			// With several paths, losing one is nothing.
			if len(hubs) > 1 {
				w.hubs[0].outage(time.Hour)
				was := a.to(b)
				w.run(2 * time.Second)
				if a.to(b) != was {
					t.Errorf("seed %d: the session did not outlive one of %d relays", seed, len(hubs))
				}
			}
		}
	}
}

func TestSwarm_N08_reflection(t *testing.T) {
	w := newWorld(t, 3)
	w.hubs = append(w.hubs, newHub(w, 1))
	a := w.add(nodeOptions{})
	b := w.add(nodeOptions{instance: a.auth.instance})
	a.feed(0, signal.Event{Type: signal.Joined, Peer: a.self[0]})
	w.run(40 * time.Second)
	if a.count(Connected)+b.count(Connected)+a.count(Dropped)+b.count(Dropped) != 0 {
		t.Errorf("the own reflection was connected to: %v %v", a.events, b.events)
	}
}

func TestSwarm_N13_noDirect(t *testing.T) {
	for name, o := range map[string]nodeOptions{"platform cannot": {noDirect: true}, "option off": {relayed: true}} {
		t.Run(name, func(t *testing.T) {
			w := fleet(t, 4, 3, o)
			a, b := w.nodes[0], w.nodes[1]
			for i := range 20 {
				w.stream(a, b, i, 1, 50_000, true)
				w.stream(b, a, i, 1, 50, false)
			}
			w.until("messages", 20*time.Second, func() bool { return received(b, a, true) == 20 && received(a, b, false) == 20 })
			w.run(2 * time.Minute)
			for _, n := range w.nodes {
				for _, st := range n.swarm.Sessions() {
					if st.Path != Relayed || !errs.Is(st.DirectErr, errs.UnsupportedBrowser) {
						t.Errorf("status: %v, %v", st.Path, st.DirectErr)
					}
				}
				if n.count(Connected) != 2 {
					t.Errorf("node %d connected %d times", n.index, n.count(Connected))
				}
			}
		})
	}
}

// TestSwarm_N14_pathChanges moves a pair back and forth in the middle of
// transfers; node.receive holds the exact sequence.
func TestSwarm_N14_pathChanges(t *testing.T) {
	for seed := range uint64(10) {
		w := fleet(t, seed, 2, nodeOptions{})
		a, b := w.nodes[0], w.nodes[1]
		if seed%2 == 1 {
			w.hubs[0].jitter = 60
		}
		was := a.to(b)
		moves := 0
		for i := range 60 {
			w.stream(a, b, 3*i, 3, w.rng.IntN(2000), false)
			w.stream(a, b, i, 1, w.rng.IntN(150_000), true)
			w.stream(b, a, i, 1, w.rng.IntN(60_000), true)
			w.run(w.millis(1, 400))
			if a.live(b) != nil && w.rng.IntN(4) == 0 {
				w.kill(a, b)
				moves++
			}
		}
		w.until("all", 2*time.Minute, func() bool {
			return received(b, a, false) == 180 && received(b, a, true) == 60 && received(a, b, true) == 60
		})
		if a.to(b) != was {
			t.Errorf("seed %d: the session was replaced", seed)
		}
		if moves == 0 {
			t.Logf("seed %d: the path never changed", seed)
		}
	}
}

func TestSwarm_N14_silentChannel(t *testing.T) {
	w := fleet(t, 5, 2, nodeOptions{})
	a, b := w.nodes[0], w.nodes[1]
	w.until("direct", 5*time.Second, w.onPath(Direct))
	c := a.live(b)
	c.silent, c.remote.silent = true, true
	w.stream(a, b, 0, 10, 1000, false)
	w.until("fallback", 15*time.Second, func() bool { return received(b, a, false) == 10 })
	if a.count(Connected) != 1 {
		t.Error("the session was replaced")
	}
	w.until("direct again", time.Minute, w.onPath(Direct))
}

func TestSwarm_N03_relayRestart(t *testing.T) {
	t.Run("relayed sessions are made anew", func(t *testing.T) {
		w := fleet(t, 6, 4, nodeOptions{relayed: true})
		w.hubs[0].outage(3 * time.Second)
		for _, n := range w.nodes {
			if len(n.up) != 0 || !n.saw(Disconnected, errs.PeerUnreachable) {
				t.Errorf("node %d still has %d sessions", n.index, len(n.up))
			}
		}
		w.until("mesh", 10*time.Second, w.meshed)
	})
	t.Run("direct sessions live on", func(t *testing.T) {
		for seed := range uint64(10) {
			w := fleet(t, seed, 4, nodeOptions{})
			w.until("direct", 10*time.Second, w.onPath(Direct))
			w.hubs[0].outage(8 * time.Second)
			a, b := w.nodes[0], w.nodes[1]
			w.stream(a, b, 0, 5, 1000, false)
			w.until("messages", time.Second, func() bool { return received(b, a, false) == 5 })
			w.run(20 * time.Second)
			for _, n := range w.nodes {
				if n.count(Connected) != 3 {
					t.Errorf("seed %d: node %d connected %d times", seed, n.index, n.count(Connected))
				}
			}
			// The relayed path is known again: losing the channel ends nothing.
			w.kill(a, b)
			w.run(2 * time.Second)
			if a.count(Disconnected)+b.count(Disconnected) != 0 {
				t.Errorf("seed %d: the relayed path was not bound again", seed)
			}
		}
	})
}

func TestSwarm_N03_sleep(t *testing.T) {
	w := fleet(t, 7, 3, nodeOptions{})
	w.until("direct", 10*time.Second, w.onPath(Direct))
	for _, n := range w.nodes {
		n.frozen = true
	}
	w.run(10 * time.Minute)
	for _, n := range w.nodes {
		n.frozen = false
		n.do(func(*Swarm) {})
	}
	w.run(10 * time.Second)
	for _, n := range w.nodes {
		if n.count(Disconnected) != 0 {
			t.Errorf("node %d lost a session by sleeping: %v", n.index, n.events)
		}
	}
}

func TestSwarm_N03_peerSleeps(t *testing.T) {
	w := fleet(t, 8, 2, nodeOptions{relayed: true})
	a, b := w.nodes[0], w.nodes[1]
	b.frozen = true
	w.run(17 * time.Second)
	if a.to(b) != 0 {
		t.Error("a silent peer is still connected after 17 s")
	}
	b.frozen = false
	b.do(func(*Swarm) {})
	w.until("reconnected", 30*time.Second, w.meshed)
}

func TestSwarm_S05_offlineWithin5s(t *testing.T) {
	for name, o := range map[string]nodeOptions{"relayed": {relayed: true}, "direct": {}} {
		t.Run(name, func(t *testing.T) {
			w := fleet(t, 9, 3, o)
			w.run(5 * time.Second)
			a, b := w.nodes[0], w.nodes[1]
			for _, c := range b.conns {
				c.silent = true
				c.remote.silent = true
			}
			b.die()
			w.until("gone", 5*time.Second, func() bool { return a.to(b) == 0 })
		})
	}
}

func TestSwarm_rejoin(t *testing.T) {
	for seed := range uint64(10) {
		w := fleet(t, seed, 3, nodeOptions{relayed: seed%2 == 0})
		b := w.nodes[1]
		w.run(w.millis(0, 3000))
		// The socket breaks; the others may hear of it after the rejoin.
		old := b.self[0]
		b.feed(0, signal.Event{Type: signal.Down})
		delete(w.hubs[0].members, old)
		w.run(w.millis(0, 50))
		w.hubs[0].join(b)
		w.after(w.millis(0, 2000), func() {
			for _, n := range w.nodes {
				w.hubs[0].tell(n, signal.Event{Type: signal.Left, Peer: old})
			}
		})
		w.run(10 * time.Second)
		if !w.meshed() {
			t.Fatalf("seed %d: not meshed", seed)
		}
	}
}

func TestSwarm_N06_many(t *testing.T) {
	w := newWorld(t, 10)
	for range 12 {
		w.add(nodeOptions{})
		w.run(w.millis(0, 100))
	}
	w.run(10 * time.Second)
	seen := map[*node]bool{}
	var walk func(n *node)
	walk = func(n *node) {
		if seen[n] {
			return
		}
		seen[n] = true
		for _, m := range w.nodes {
			if n.to(m) != 0 {
				if m.to(n) == 0 {
					t.Errorf("%d has a session with %d, not the other way round", n.index, m.index)
				}
				walk(m)
			}
		}
	}
	walk(w.nodes[0])
	if len(seen) != 12 {
		t.Errorf("%d of 12 are connected", len(seen))
	}
	w.run(time.Minute)
	for _, n := range w.nodes {
		if len(n.up) < 4 || len(n.up) > 11 {
			t.Errorf("node %d has %d sessions", n.index, len(n.up))
		}
	}
}

func TestSwarm_N12_misbehaviour(t *testing.T) {
	long := bytes.Repeat([]byte{0}, maxFrame+1)
	for name, frame := range map[string][]byte{"garbage": {0xc1, 7, 7}, "empty": {}, "too long": long, "trailing": append((&envelope{kind: envSealed, number: 1}).append(nil), 0)} {
		t.Run(name, func(t *testing.T) {
			w := fleet(t, 11, 3, nodeOptions{relayed: true})
			a, b, c := w.nodes[0], w.nodes[1], w.nodes[2]
			a.feed(0, signal.Event{Type: signal.Frame, Peer: b.self[0], Data: frame})
			if a.to(b) != 0 || !a.saw(Disconnected, errs.PeerMisbehaved) {
				t.Error("the peer was not dropped")
			}
			if a.to(c) == 0 {
				t.Error("another one was")
			}
			w.until("reconciled", time.Minute, w.meshed)
		})
	}
	t.Run("bad signature", func(t *testing.T) {
		w := newWorld(t, 12)
		a, c := w.add(nodeOptions{}), w.add(nodeOptions{})
		b := w.add(nodeOptions{})
		b.auth.key = keys.NewSigningKey([32]byte{1})
		good := b.auth.key
		b.auth = &testAuth{key: good, instance: b.auth.instance}
		b.swarm.opts.Auth = forger{b.auth}
		w.run(30 * time.Second)
		if a.to(b) != 0 || c.to(b) != 0 || a.to(c) == 0 {
			t.Error("sessions are not as they should be")
		}
		if !a.saw(Dropped, errs.PeerMisbehaved) || !a.saw(Dropped, errs.BadSignature) {
			t.Errorf("no reason was given: %v", a.events)
		}
		if n := a.count(Dropped); n > 6 {
			t.Errorf("%d attempts in 30 s", n)
		}
	})
	t.Run("not permitted", func(t *testing.T) {
		w := newWorld(t, 13)
		no := errs.New("test", errs.NotPermitted, "removed")
		a := w.add(nodeOptions{refuse: func(PeerInfo) error { return no }})
		b := w.add(nodeOptions{})
		w.run(30 * time.Second)
		if a.count(Connected)+b.count(Connected) != 0 || !a.saw(Dropped, errs.NotPermitted) {
			t.Errorf("events: %v %v", a.events, b.events)
		}
	})
	t.Run("acknowledges what was not sent", func(t *testing.T) {
		w := fleet(t, 14, 2, nodeOptions{relayed: true})
		a, b := w.nodes[0], w.nodes[1]
		x := b.swarm.sessions[b.to(a)]
		x.rcv.next += 100
		b.do(func(*Swarm) { x.ackNow = true })
		w.run(100 * time.Millisecond)
		if !a.saw(Disconnected, errs.PeerMisbehaved) {
			t.Error("the peer was not dropped")
		}
	})
}

// forger signs something else.
type forger struct{ *testAuth }

func (f forger) Payload(static [32]byte) ([]byte, error) {
	static[0] ^= 1
	return f.testAuth.Payload(static)
}

func TestSwarm_handshakeTimeout(t *testing.T) {
	w := newWorld(t, 15)
	w.hubs[0].tamper = func(_, _ id.PeerID, _ []byte) [][]byte { return nil }
	a, b := w.add(nodeOptions{}), w.add(nodeOptions{})
	w.run(40 * time.Second)
	if !a.saw(Dropped, errs.Timeout) && !b.saw(Dropped, errs.Timeout) {
		t.Error("no timeout was told")
	}
	if c := w.hubs[0].carried; c > 60 {
		t.Errorf("%d frames in 40 s to nobody", c)
	}
	w.hubs[0].tamper = nil
	w.until("connected", 2*time.Minute, w.meshed)
}

func TestSwarm_halfOpenBounded(t *testing.T) {
	w := newWorld(t, 16)
	a := w.add(nodeOptions{})
	a.self[0] = id.PeerID{0xff}
	a.feed(0, signal.Event{Type: signal.Up, Self: id.PeerID{0xff}})
	for i := range 3 * maxHalfOpen {
		peerID := id.PeerID{1, byte(i)}
		hs, err := a.swarm.newHandshake(0, tag{byte(i)}, true)
		if err != nil {
			t.Fatal(err)
		}
		msg, _, _, err := hs.noise.WriteMessage(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		e := envelope{kind: envHandshake, tag: hs.tag, step: 1, data: msg}
		a.feed(0, signal.Event{Type: signal.Joined, Peer: peerID})
		a.feed(0, signal.Event{Type: signal.Frame, Peer: peerID, Data: e.append(nil)})
	}
	if n := a.swarm.Status().Handshakes; n != maxHalfOpen {
		t.Errorf("%d half-open handshakes, want %d", n, maxHalfOpen)
	}
	w.run(11 * time.Second)
	if n := a.swarm.Status().Handshakes; n != 0 {
		t.Errorf("%d half-open handshakes after their time", n)
	}
}

func TestSwarm_pacing(t *testing.T) {
	w := newWorld(t, 17)
	w.hubs[0].limits = signal.Limits{BytesPerSecond: 100_000}
	a, b := w.add(nodeOptions{relayed: true}), w.add(nodeOptions{relayed: true})
	w.until("connected", 5*time.Second, w.meshed)
	w.stream(a, b, 0, 10, 200_000, true)
	was := w.hubs[0].bytes
	w.run(10 * time.Second)
	if sent := w.hubs[0].bytes - was; sent < 500_000 || sent > 1_100_000 {
		t.Errorf("%d bytes in 10 s at 100 kB/s", sent)
	}
	// A live message does not wait for the bulk.
	w.stream(a, b, 0, 1, 100, false)
	w.until("live message", time.Second, func() bool { return received(b, a, false) == 1 })
	if a.swarm.Queued(a.to(b)) == 0 {
		t.Error("the bulk is through already")
	}
	w.until("bulk", time.Minute, func() bool { return received(b, a, true) == 10 })
}

func TestSwarm_sendErrors(t *testing.T) {
	w := fleet(t, 18, 2, nodeOptions{})
	a, b := w.nodes[0], w.nodes[1]
	if err := a.swarm.Send(99, nil, false); !errs.Is(err, errs.PeerUnreachable) {
		t.Errorf("unknown session: %v", err)
	}
	if err := a.swarm.Send(a.to(b), make([]byte, MaxMessage+1), false); !errs.Is(err, errs.TooLarge) {
		t.Errorf("too long: %v", err)
	}
	var err error
	for range MaxQueued/MaxMessage + 1 {
		err = a.swarm.Send(a.to(b), make([]byte, MaxMessage), true)
	}
	if !errs.Is(err, errs.TooLarge) {
		t.Errorf("full queue: %v", err)
	}
}
