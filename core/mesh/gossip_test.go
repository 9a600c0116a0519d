package mesh

import (
	"bytes"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// flood sends gossip through a graph and counts.
type flood struct {
	nodes     []*Gossip
	links     [][]int
	delivered []int
	sent      int
}

func newFlood(e env.Env, ids []id.PeerID) *flood {
	f := &flood{delivered: make([]int, len(ids)), links: make([][]int, len(ids))}
	for i, v := range ids {
		f.nodes = append(f.nodes, NewGossip(e))
		for _, u := range Neighbours(v, ids) {
			for j := range ids {
				if ids[j] == u {
					f.links[i] = append(f.links[i], j)
				}
			}
		}
	}
	return f
}

func (f *flood) run(t *testing.T, from int, msg []byte, now time.Time) {
	type hop struct {
		from, to int
		msg      []byte
	}
	var queue []hop
	for _, to := range f.links[from] {
		queue = append(queue, hop{from, to, msg})
	}
	for len(queue) > 0 {
		h := queue[0]
		queue = queue[1:]
		f.sent++
		m, first, err := f.nodes[h.to].Receive(h.msg, now)
		if err != nil {
			t.Fatal(err)
		}
		if !first {
			continue
		}
		f.delivered[h.to]++
		for _, to := range f.links[h.to] {
			if to != h.from && m.Forward != nil {
				queue = append(queue, hop{h.to, to, m.Forward})
			}
		}
	}
}

func testEnv(t *testing.T) env.Env {
	w := newWorld(t, 1)
	return w.add(nodeOptions{}).env
}

func TestGossip_N09_reachesAllOnce(t *testing.T) {
	ids := randomIDs(5, 100)
	e := testEnv(t)
	f := newFlood(e, ids)
	now := time.Unix(1000, 0)
	msg, err := f.nodes[0].Publish([]byte("hello"), now)
	if err != nil {
		t.Fatal(err)
	}
	f.run(t, 0, msg, now)
	links := 0
	for i, n := range f.delivered {
		if want := min(i, 1); n != want {
			t.Errorf("peer %d got it %d times", i, n)
		}
		links += len(f.links[i])
	}
	if f.sent > links {
		t.Errorf("%d messages over %d directed links", f.sent, links)
	}
	was := f.sent
	f.run(t, 7, msg, now)
	if f.sent-was > len(f.links[7]) {
		t.Errorf("a repeated message was flooded again: %d", f.sent-was)
	}
}

func TestGossip_hops(t *testing.T) {
	e := testEnv(t)
	now := time.Unix(1000, 0)
	msg, err := NewGossip(e).Publish([]byte("x"), now)
	if err != nil {
		t.Fatal(err)
	}
	hops := 0
	for msg != nil {
		m, first, err := NewGossip(e).Receive(msg, now)
		if err != nil || !first || !bytes.Equal(m.Payload, []byte("x")) {
			t.Fatal(m, first, err)
		}
		msg = m.Forward
		hops++
	}
	if hops != gossipHops {
		t.Errorf("%d hops, want %d", hops, gossipHops)
	}
}

func TestGossip_window(t *testing.T) {
	e := testEnv(t)
	g, h := NewGossip(e), NewGossip(e)
	now := time.Unix(1000, 0)
	msg, _ := h.Publish([]byte("x"), now)
	if _, first, _ := g.Receive(msg, now); !first {
		t.Fatal("not first")
	}
	for range gossipKept + 10 {
		if _, err := g.Publish(nil, now); err != nil {
			t.Fatal(err)
		}
	}
	if _, first, _ := g.Receive(msg, now.Add(gossipAge-time.Second)); first {
		t.Error("forgotten too early")
	}
	for i := range 4 {
		_, _ = g.Publish(nil, now.Add(time.Duration(i)*gossipAge))
	}
	if len(g.recent)+len(g.older) > 10 {
		t.Errorf("%d ids are kept", len(g.recent)+len(g.older))
	}
	if _, err := g.Publish(make([]byte, MaxGossip+1), now); !errs.Is(err, errs.TooLarge) {
		t.Errorf("too long: %v", err)
	}
	if _, _, err := g.Receive([]byte{1}, now); !errs.Is(err, errs.Malformed) {
		t.Errorf("garbage: %v", err)
	}
}

func TestPresence_S05(t *testing.T) {
	p := NewPresence()
	now := time.Unix(1000, 0)
	info := PeerInfo{Identity: id.IdentityKey{1}, Device: id.DeviceKey{2}, Instance: [16]byte{3}}
	tab := info
	tab.Instance = [16]byte{4}
	p.Session(Event{Type: Connected, Session: 1, Info: info})
	p.Session(Event{Type: Connected, Session: 2, Info: tab})
	p.Beacon(id.IdentityKey{9}, id.DeviceKey{9}, [16]byte{9}, now)
	p.Beacon(info.Identity, info.Device, info.Instance, now)
	if !p.Tick(now) || p.Tick(now) {
		t.Error("changes are not told once")
	}
	want := []OnlineDevice{{info.Identity, info.Device, true}, {id.IdentityKey{9}, id.DeviceKey{9}, false}}
	if got := p.Online(); len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("online: %v", got)
	}
	p.Session(Event{Type: Disconnected, Session: 1})
	if got := p.Online(); len(got) != 2 || !got[0].Connected {
		t.Errorf("with a second tab: %v", got)
	}
	p.Session(Event{Type: Disconnected, Session: 2})
	if got := p.Online(); len(got) != 1 {
		t.Errorf("after both: %v", got)
	}
	if !p.Tick(now.Add(BeaconLife)) || len(p.Online()) != 0 {
		t.Error("an old beacon holds")
	}
	p.Beacon(id.IdentityKey{9}, id.DeviceKey{9}, [16]byte{9}, now)
	p.Gone(id.IdentityKey{9}, id.DeviceKey{9}, [16]byte{9})
	if len(p.Online()) != 0 {
		t.Error("who said goodbye is online")
	}
}
