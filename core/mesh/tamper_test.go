package mesh

import (
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal"
	"github.com/flynn/noise"
)

// TestSwarm_I25_relayTampers lets a relay do its worst for a while: nothing
// wrong is ever delivered (node.receive), and when it stops all is well.
func TestSwarm_I25_relayTampers(t *testing.T) {
	edit := func(w *world, data []byte) []byte {
		data = slices.Clone(data)
		data[w.rng.IntN(len(data))] ^= 1 << w.rng.IntN(8)
		return data
	}
	cases := map[string]func(w *world, seen *[][]byte, data []byte) [][]byte{
		"edit": func(w *world, _ *[][]byte, data []byte) [][]byte {
			if w.rng.IntN(10) == 0 {
				data = edit(w, data)
			}
			return [][]byte{data}
		},
		"replay": func(w *world, seen *[][]byte, data []byte) [][]byte {
			*seen = append(*seen, data)
			return [][]byte{data, (*seen)[w.rng.IntN(len(*seen))], data}
		},
		"drop": func(w *world, _ *[][]byte, data []byte) [][]byte {
			if w.rng.IntN(5) == 0 {
				return nil
			}
			return [][]byte{data}
		},
		"substitute": func(w *world, seen *[][]byte, data []byte) [][]byte {
			*seen = append(*seen, data)
			if w.rng.IntN(5) == 0 {
				data = (*seen)[w.rng.IntN(len(*seen))]
			}
			return [][]byte{data}
		},
		"cut": func(w *world, _ *[][]byte, data []byte) [][]byte {
			if w.rng.IntN(10) == 0 {
				data = data[:w.rng.IntN(len(data))]
			}
			return [][]byte{data}
		},
	}
	for name, f := range cases {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(6) {
				w := newWorld(t, seed)
				a, b := w.add(nodeOptions{relayed: seed%2 == 0}), w.add(nodeOptions{})
				var seen [][]byte
				w.hubs[0].tamper = func(_, _ id.PeerID, data []byte) [][]byte { return f(w, &seen, data) }
				w.hubs[0].jitter = 30
				sent := map[SessionID]uint64{}
				for range 200 {
					a.do(func(*Swarm) {}) // what is over by now is no longer used
					if x := a.to(b); x != 0 {
						w.stream(a, b, int(sent[x]), 1, w.rng.IntN(5000), false)
						sent[x]++
					}
					w.run(w.millis(1, 300))
				}
				w.hubs[0].tamper = nil
				w.until("well again", 6*time.Minute, w.meshed)
				// The last session may still be found dead and replaced.
				w.until("all delivered", time.Minute, func() bool {
					x := a.to(b)
					return x != 0 && received(b, a, false) == sent[x]
				})
			}
		})
	}
}

func TestSwarm_N05_lossyRelay(t *testing.T) {
	for seed := range uint64(10) {
		w := newWorld(t, seed)
		w.hubs[0].jitter = 100
		w.hubs[0].tamper = func(_, _ id.PeerID, data []byte) [][]byte {
			switch w.rng.IntN(20) {
			case 0:
				return nil
			case 1:
				return [][]byte{data, data}
			}
			return [][]byte{data}
		}
		a, b := w.add(nodeOptions{relayed: true}), w.add(nodeOptions{relayed: true})
		w.until("connected", 15*time.Second, w.meshed)
		was := a.to(b)
		for i := range 50 {
			w.stream(a, b, i, 1, w.rng.IntN(100_000), true)
			w.stream(b, a, i, 1, w.rng.IntN(1000), false)
		}
		w.until("all", 3*time.Minute, func() bool { return received(b, a, true) == 50 && received(a, b, false) == 50 })
		if a.to(b) != was {
			t.Errorf("seed %d: the session did not hold", seed)
		}
	}
}

// TestSwarm_gap makes a hole that is never filled.
func TestSwarm_gap(t *testing.T) {
	w := fleet(t, 20, 2, nodeOptions{relayed: true})
	a, b := w.nodes[0], w.nodes[1]
	w.hubs[0].tamper = func(from, _ id.PeerID, data []byte) [][]byte {
		if from == a.self[0] && len(data) > 500 {
			return nil
		}
		return [][]byte{data}
	}
	w.stream(a, b, 0, 1, 1000, false)
	w.stream(a, b, 1, 1, 10, false)
	w.until("ended", 25*time.Second, func() bool { return b.saw(Disconnected, errs.Timeout) || a.saw(Disconnected, errs.Timeout) })
	w.until("a new session", 10*time.Second, w.meshed)
	if received(b, a, false) != 0 {
		t.Error("something was delivered past the hole")
	}
}

func TestSwarm_channelNotBound(t *testing.T) {
	w := newWorld(t, 21)
	evil := [32]byte{0xee}
	w.middle = func(_, _ *fakeConn) [32]byte { return evil }
	a, b := w.add(nodeOptions{}), w.add(nodeOptions{})
	w.until("connected", 5*time.Second, w.meshed)
	w.until("refused", 10*time.Second, func() bool {
		return a.saw(PathChanged, errs.ChannelNotBound) && b.saw(PathChanged, errs.ChannelNotBound)
	})
	w.stream(a, b, 0, 5, 1000, false)
	w.until("messages", 5*time.Second, func() bool { return received(b, a, false) == 5 })
	w.run(time.Minute)
	if a.path(b) != Relayed || a.count(Connected) != 1 {
		t.Errorf("path %v, %d sessions", a.path(b), a.count(Connected))
	}
	for _, c := range a.conns {
		if !c.closed {
			t.Error("a channel that is not bound is open")
		}
	}
	// Once the middle is gone, the next attempt holds.
	w.middle = nil
	w.until("direct", 6*time.Minute, w.onPath(Direct))
}

// TestSwarm_channelConfirmation holds what a confirmation is bound to.
func TestSwarm_channelConfirmation(t *testing.T) {
	x := &session{direct: direct{key: keys.Secret{1}, attempt: 7}}
	l, r := [32]byte{1}, [32]byte{2}
	base := x.confirmation(true, l, r)
	if base == x.confirmation(false, l, r) || base == x.confirmation(true, r, l) {
		t.Error("a confirmation could be reflected")
	}
	x.direct.attempt++
	if base == x.confirmation(true, l, r) {
		t.Error("a confirmation serves two attempts")
	}
	x.direct.attempt--
	x.direct.key[5] ^= 1
	if base == x.confirmation(true, l, r) {
		t.Error("a confirmation serves two sessions")
	}
}

// TestSwarm_channelFirstMessage sends frames on a channel before confirming.
func TestSwarm_channelFirstMessage(t *testing.T) {
	w := fleet(t, 22, 2, nodeOptions{})
	a, b := w.nodes[0], w.nodes[1]
	w.until("an attempt", 5*time.Second, func() bool { return len(a.conns) > 0 })
	forged := packet{kind: pktMessage, number: 1, data: numbered(0, 1)}
	a.do(func(s *Swarm) {
		for c := range a.conns {
			s.DirectReady(c, [32]byte{1}, [32]byte{2})
			s.DirectMessage(c, forged.append(nil))
		}
	})
	if !a.saw(PathChanged, errs.ChannelNotBound) || received(a, b, false) != 0 {
		t.Errorf("an unconfirmed channel was heard: %v", a.events)
	}
}

// TestSwarm_middleHoldsSecret puts a relay in the middle that knows the swarm
// secret, but no device key: it can run both handshakes and pass the payloads
// on, whose signatures are over statics that are not its own.
func TestSwarm_middleHoldsSecret(t *testing.T) {
	w := newWorld(t, 23)
	m := newMiddle(t, w)
	w.hubs[0].tamper = m.pass
	a, b := w.add(nodeOptions{}), w.add(nodeOptions{})
	w.run(30 * time.Second)
	if a.count(Connected)+b.count(Connected) != 0 {
		t.Fatal("a session with the middle was accepted")
	}
	if !a.saw(Dropped, errs.BadSignature) && !b.saw(Dropped, errs.BadSignature) {
		t.Errorf("the middle was not refused by the signature: %v %v", a.events, b.events)
	}
	if m.steps < 2 {
		t.Errorf("the middle came to step %d only; the test proves nothing", m.steps)
	}
}

// middle answers initiators in the responder's name and the other way round.
type middle struct {
	w     *world
	swarm *Swarm // lends its key material: it holds the secret
	up    map[tag]*handshake
	down  map[tag]*handshake
	saved map[tag][]byte
	steps int
}

func newMiddle(t *testing.T, w *world) *middle {
	n := w.add(nodeOptions{hubs: []int{}})
	n.alive = false
	return &middle{w: w, swarm: n.swarm, up: map[tag]*handshake{}, down: map[tag]*handshake{}, saved: map[tag][]byte{}}
}

// pass runs its own handshake with the initiator and with the responder, and
// gives each the other's payload.
func (m *middle) pass(_, _ id.PeerID, data []byte) [][]byte {
	e, err := decodeEnvelope(data)
	if err != nil || e.kind != envHandshake {
		return [][]byte{data}
	}
	again := func(h *noise.HandshakeState, payload []byte) [][]byte {
		msg, _, _, err := h.WriteMessage(nil, payload)
		if err != nil {
			return nil
		}
		e.data = msg
		return [][]byte{e.append(nil)}
	}
	switch e.step {
	case 1:
		if m.up[e.tag] != nil {
			return nil
		}
		m.up[e.tag], _ = m.swarm.newHandshake(0, e.tag, false)
		m.down[e.tag], _ = m.swarm.newHandshake(0, e.tag, true)
		if _, _, _, err := m.up[e.tag].noise.ReadMessage(nil, e.data); err != nil {
			return nil
		}
		return again(m.down[e.tag].noise, nil)
	case 2:
		payload, _, _, err := m.down[e.tag].noise.ReadMessage(nil, e.data)
		if err != nil {
			return nil
		}
		m.steps = 2
		return again(m.up[e.tag].noise, payload)
	}
	return nil
}

// TestSwarm_property runs fleets through random faults and holds, at the end,
// that all are connected once, on the best path, and nothing was lost, doubled
// or disordered within any session.
func TestSwarm_property(t *testing.T) {
	for seed := range uint64(12) {
		w := newWorld(t, 1000+seed)
		n := 2 + w.rng.IntN(5)
		for range n {
			w.add(nodeOptions{})
		}
		sent := map[*node]map[SessionID]*[2]uint64{}
		for range 150 {
			w.fault()
			a, b := w.nodes[w.rng.IntN(n)], w.nodes[w.rng.IntN(n)]
			a.do(func(*Swarm) {})
			if x := a.to(b); x != 0 {
				if sent[a] == nil {
					sent[a] = map[SessionID]*[2]uint64{}
				}
				c := sent[a][x]
				if c == nil {
					c = &[2]uint64{}
					sent[a][x] = c
				}
				prio := w.rng.IntN(2)
				w.stream(a, b, int(c[prio]), 1, w.rng.IntN(50_000), prio == 1)
				c[prio]++
			}
			w.run(w.millis(1, 500))
		}
		w.hubs[0].tamper, w.hubs[0].jitter = nil, 0
		w.until("mesh", 6*time.Minute, w.meshed)
		w.until("direct", 6*time.Minute, w.onPath(Direct))
		for _, a := range w.nodes {
			for _, b := range w.nodes {
				if a == b || sent[a] == nil || sent[a][a.to(b)] == nil {
					continue
				}
				x := a.to(b)
				want := *sent[a][x]
				w.until("delivery", time.Minute, func() bool {
					return a.to(b) != x || (received(b, a, false) == want[0] && received(b, a, true) == want[1])
				})
			}
		}
	}
}

// fault does something to the world, sometimes.
func (w *world) fault() {
	h := w.hubs[0]
	a, b := w.nodes[w.rng.IntN(len(w.nodes))], w.nodes[w.rng.IntN(len(w.nodes))]
	switch w.rng.IntN(25) {
	case 0, 1:
		w.kill(a, b)
	case 2:
		if h.up {
			h.outage(w.millis(100, 5000))
		}
	case 3:
		if c := a.live(b); c != nil {
			c.silent, c.remote.silent = true, true
		}
	case 4:
		h.jitter = w.rng.IntN(80)
	case 5:
		loss := w.rng.IntN(20)
		h.tamper = func(_, _ id.PeerID, data []byte) [][]byte {
			if w.rng.IntN(100) < loss {
				return nil
			}
			return [][]byte{data}
		}
	case 6:
		if h.members[a.self[0]] == a {
			h.leave(a, true)
			w.after(w.millis(1, 3000), func() {
				if h.up && h.members[a.self[0]] != a {
					h.join(a)
				}
			})
		}
	case 7:
		a.do(func(s *Swarm) { s.Disconnect(a.to(b), nil) })
	case 8:
		a.do(func(s *Swarm) { s.Restart() })
	case 9:
		a.feed(0, signal.Event{Type: signal.Frame, Peer: b.self[0], Data: []byte{1, 2, 3}})
	}
}

// TestSwarm_replayIsNoLife repeats one old packet to feign a living peer.
func TestSwarm_replayIsNoLife(t *testing.T) {
	w := fleet(t, 24, 2, nodeOptions{relayed: true})
	a, b := w.nodes[0], w.nodes[1]
	var last []byte
	w.hubs[0].tamper = func(from, _ id.PeerID, data []byte) [][]byte {
		if from == b.self[0] {
			last = data
		}
		return [][]byte{data}
	}
	w.stream(b, a, 0, 1, 10, false)
	w.until("a packet", time.Second, func() bool { return received(a, b, false) == 1 })
	b.frozen = true
	for range 18 {
		w.run(time.Second)
		a.feed(0, signal.Event{Type: signal.Frame, Peer: b.self[0], Data: slices.Clone(last)})
	}
	if a.to(b) != 0 {
		t.Error("a peer that only repeats is still connected")
	}
}
