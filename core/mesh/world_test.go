package mesh

import (
	"container/heap"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/wire"
)

// world runs swarms, relays and direct channels on a virtual clock. One seed
// gives one run.
type world struct {
	t     testing.TB
	seed  uint64
	rng   *rand.Rand
	now   time.Time
	seq   int
	queue events
	hubs  []*hub
	nodes []*node
	conns map[string]*fakeConn
	// middle, if set, gives the fingerprint that the remote end shows.
	middle func(local, remote *fakeConn) [32]byte
	psk    keys.Secret
	topic  id.Topic
}

type event struct {
	at  time.Time
	seq int
	run func()
}

type events []event

func (q events) Len() int { return len(q) }
func (q events) Less(i, j int) bool {
	if q[i].at.Equal(q[j].at) {
		return q[i].seq < q[j].seq
	}
	return q[i].at.Before(q[j].at)
}
func (q events) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *events) Push(x any)   { *q = append(*q, x.(event)) }
func (q *events) Pop() any {
	old := *q
	e := old[len(old)-1]
	*q = old[:len(old)-1]
	return e
}

func newWorld(t testing.TB, seed uint64) *world {
	w := &world{
		t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), now: time.Unix(1_700_000_000, 0),
		conns: map[string]*fakeConn{}, psk: keys.Secret{1}, topic: id.Topic{2},
	}
	w.hubs = []*hub{newHub(w, 0)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return w
}

// after runs f at d from now.
func (w *world) after(d time.Duration, f func()) {
	w.seq++
	heap.Push(&w.queue, event{w.now.Add(d), w.seq, f})
}

// run lets d pass.
func (w *world) run(d time.Duration) {
	end := w.now.Add(d)
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		e.run()
	}
	w.now = end
}

// until lets time pass until cond holds, at most limit.
func (w *world) until(what string, limit time.Duration, cond func() bool) {
	w.t.Helper()
	for end := w.now.Add(limit); !cond(); w.run(10 * time.Millisecond) {
		if w.now.After(end) {
			w.t.Fatalf("seed %d: not within %v: %s", w.seed, limit, what)
		}
	}
}

func (w *world) millis(lo, hi int) time.Duration {
	return time.Duration(lo+w.rng.IntN(hi-lo+1)) * time.Millisecond
}

// hub is a relay.
type hub struct {
	w       *world
	n       RelayID
	up      bool
	limits  signal.Limits
	members map[id.PeerID]*node
	last    map[[2]id.PeerID]time.Time
	// tamper, if set, turns a frame into those that are delivered.
	tamper  func(from, to id.PeerID, data []byte) [][]byte
	jitter  int // milliseconds by which frames may overtake each other
	carried int
	bytes   int
}

func newHub(w *world, n RelayID) *hub {
	return &hub{w: w, n: n, up: true, members: map[id.PeerID]*node{}, last: map[[2]id.PeerID]time.Time{}}
}

// join brings n in under a fresh id.
func (h *hub) join(n *node) {
	if !h.up {
		return
	}
	var self id.PeerID
	copy(self[:], n.env.Bytes(len(self)))
	n.self[h.n] = self
	n.feed(h.n, signal.Event{Type: signal.Up, Self: self, Limits: h.limits})
	for _, other := range h.sorted() {
		h.tell(n, signal.Event{Type: signal.Joined, Peer: other.self[h.n]})
		h.tell(other, signal.Event{Type: signal.Joined, Peer: self})
	}
	h.members[self] = n
}

func (h *hub) sorted() []*node {
	var list []*node
	for _, n := range h.w.nodes {
		if h.members[n.self[h.n]] == n {
			list = append(list, n)
		}
	}
	return list
}

func (h *hub) tell(n *node, ev signal.Event) {
	self := n.self[h.n]
	h.w.after(h.w.millis(1, 20), func() {
		if h.members[self] == n {
			n.feed(h.n, ev)
		}
	})
}

// leave takes n out; tell says whether n notices.
func (h *hub) leave(n *node, tell bool) {
	self := n.self[h.n]
	if h.members[self] != n {
		return
	}
	delete(h.members, self)
	for _, other := range h.sorted() {
		h.tell(other, signal.Event{Type: signal.Left, Peer: self})
	}
	if tell {
		n.feed(h.n, signal.Event{Type: signal.Down, Err: errs.New("test", errs.RelayUnreachable, "down")})
	}
}

// outage takes the relay down, and up again after d.
func (h *hub) outage(d time.Duration) {
	list := h.sorted()
	h.up = false
	clear(h.members)
	for _, n := range list {
		n.feed(h.n, signal.Event{Type: signal.Down, Err: errs.New("test", errs.RelayUnreachable, "down")})
	}
	h.w.after(d, func() {
		h.up = true
		for _, n := range h.w.nodes {
			h.w.after(h.w.millis(0, 300), func() {
				if _, was := n.self[h.n]; was && n.alive && h.members[n.self[h.n]] != n {
					h.join(n)
				}
			})
		}
	})
}

func (h *hub) send(n *node, f Frame) {
	from := n.self[h.n]
	if h.members[from] != n {
		return
	}
	if len(f.Data) > signal.MaxFrame {
		h.w.t.Errorf("seed %d: frame of %d bytes", h.w.seed, len(f.Data))
	}
	h.carried++
	h.bytes += len(f.Data)
	list := [][]byte{f.Data}
	if h.tamper != nil {
		list = h.tamper(from, f.To, f.Data)
	}
	for _, data := range list {
		at := h.w.now.Add(h.w.millis(5, 15))
		if h.jitter > 0 {
			at = at.Add(h.w.millis(0, h.jitter))
		} else {
			at = later(at, h.last[[2]id.PeerID{from, f.To}])
			h.last[[2]id.PeerID{from, f.To}] = at
		}
		h.w.after(at.Sub(h.w.now), func() {
			if to := h.members[f.To]; to != nil && h.members[from] == n {
				to.feed(h.n, signal.Event{Type: signal.Frame, Peer: from, Data: slices.Clone(data)})
			}
		})
	}
}

// node is one engine.
type node struct {
	w        *world
	index    int
	env      env.Env
	auth     *testAuth
	swarm    *Swarm
	self     map[RelayID]id.PeerID
	alive    bool
	frozen   bool
	noDirect bool
	tickSeq  int
	conns    map[DirectID]*fakeConn
	events   []Event
	got      map[SessionID]*inbox
	up       map[SessionID]PeerInfo
}

// inbox is what a session delivered, per priority.
type inbox struct {
	from [16]byte
	next [2]uint64
	size int
}

type nodeOptions struct {
	noDirect bool // Options.Direct stays true, but the platform cannot
	relayed  bool // Options.Direct is false
	instance [16]byte
	psk      *keys.Secret
	refuse   func(PeerInfo) error
	hubs     []int
	pacer    *Pacer
}

func (w *world) add(o nodeOptions) *node {
	n := &node{
		w: w, index: len(w.nodes), self: map[RelayID]id.PeerID{}, alive: true, noDirect: o.noDirect,
		conns: map[DirectID]*fakeConn{}, got: map[SessionID]*inbox{}, up: map[SessionID]PeerInfo{},
	}
	var seed [32]byte
	for i := range seed {
		seed[i] = byte(w.rng.Uint32())
	}
	n.env = env.Env{
		Clock: env.ClockFunc(func() time.Time { return w.now }),
		Rand:  rand.NewChaCha8(seed),
		Log:   slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	if id.IsZero(o.instance) {
		copy(o.instance[:], n.env.Bytes(16))
	}
	n.auth = &testAuth{key: keys.NewSigningKey([32]byte(n.env.Bytes(32))), instance: o.instance, refuse: o.refuse}
	psk := w.psk
	if o.psk != nil {
		psk = *o.psk
	}
	s, err := NewSwarm(Options{Env: n.env, Topic: w.topic, PSK: psk, Auth: n.auth, Instance: o.instance, Direct: !o.relayed, Pacer: o.pacer})
	if err != nil {
		w.t.Fatal(err)
	}
	n.swarm = s
	w.nodes = append(w.nodes, n)
	if o.hubs == nil {
		o.hubs = []int{0}
	}
	for _, h := range o.hubs {
		w.hubs[h].join(n)
	}
	n.schedule()
	return n
}

// do runs f on the swarm at the current time, and what comes of it.
func (n *node) do(f func(*Swarm)) {
	if !n.alive || n.frozen {
		return
	}
	n.swarm.Tick(n.w.now)
	f(n.swarm)
	n.drain()
	n.schedule()
}

func (n *node) feed(r RelayID, ev signal.Event) {
	n.do(func(s *Swarm) { s.SignalFrom(r, ev) })
}

func (n *node) schedule() {
	n.tickSeq++
	seq := n.tickSeq
	n.w.after(max(n.swarm.NextTick().Sub(n.w.now), time.Millisecond), func() {
		if seq == n.tickSeq {
			n.do(func(*Swarm) {})
		}
	})
}

func (n *node) drain() {
	out := n.swarm.Ready()
	for _, o := range out.Opens {
		n.open(o)
	}
	for _, m := range out.DirectSignals {
		if c := n.conns[m.ID]; c != nil {
			c.signal(string(m.Msg))
		}
	}
	for _, m := range out.DirectSends {
		if c := n.conns[m.ID]; c != nil {
			c.send(m.Msg)
		}
	}
	for _, c := range out.DirectCloses {
		if c := n.conns[c]; c != nil {
			c.close()
		}
	}
	for _, f := range out.Frames {
		n.w.hubs[f.Relay].send(n, f)
	}
	for _, e := range out.Events {
		n.record(e)
	}
}

func (n *node) record(e Event) {
	if e.Type == StatusChanged {
		return
	}
	switch e.Type {
	case Connected:
		n.up[e.Session] = e.Info
		n.got[e.Session] = &inbox{from: e.Info.Instance}
	case Disconnected:
		if _, ok := n.up[e.Session]; !ok {
			n.w.t.Errorf("seed %d: session %d disconnected twice or before it connected", n.w.seed, e.Session)
		}
		delete(n.up, e.Session)
	case Message:
		n.receive(e)
		e.Msg = nil
	}
	n.events = append(n.events, e)
}

// receive holds that numbered messages come exactly in order.
func (n *node) receive(e Event) {
	box := n.got[e.Session]
	r := wire.NewReader(e.Msg)
	r.Array(2)
	num := r.Uint(1 << 40)
	r.Bytes(MaxMessage)
	if err := r.Done("test"); err != nil {
		n.w.t.Fatalf("seed %d: node %d: message damaged: %v", n.w.seed, n.index, err)
	}
	prio := 0
	if e.Bulk {
		prio = 1
	}
	if num != box.next[prio] {
		n.w.t.Fatalf("seed %d: node %d session %d bulk %v: message %d, want %d", n.w.seed, n.index, e.Session, e.Bulk, num, box.next[prio])
	}
	box.next[prio]++
	box.size += len(e.Msg)
}

// numbered makes the message with a number and size bytes of filling.
func numbered(num uint64, size int) []byte {
	b := wire.AppendArray(nil, 2)
	b = wire.AppendUint(b, num)
	return wire.AppendBytes(b, make([]byte, size))
}

// to gives the session of n with m, or 0.
func (n *node) to(m *node) SessionID {
	for s, info := range n.up {
		if info.Instance == m.auth.instance {
			return s
		}
	}
	return 0
}

func (n *node) path(m *node) Path {
	for _, st := range n.swarm.Sessions() {
		if st.Info.Instance == m.auth.instance {
			return st.Path
		}
	}
	return 0
}

func (n *node) count(t EventType) int {
	c := 0
	for _, e := range n.events {
		if e.Type == t {
			c++
		}
	}
	return c
}

// saw tells whether an event of that type had an error of that kind.
func (n *node) saw(t EventType, k errs.Kind) bool {
	return slices.ContainsFunc(n.events, func(e Event) bool { return e.Type == t && errs.Is(e.Err, k) })
}

func (n *node) die() {
	n.alive = false
	for _, h := range n.w.hubs {
		h.leave(n, false)
	}
}

// fakeConn is one end of a direct channel.
type fakeConn struct {
	n      *node
	id     DirectID
	token  string
	remote *fakeConn
	ready  bool
	closed bool
	silent bool // a black hole
	fp     [32]byte
	last   time.Time
}

func (n *node) open(o OpenDirect) {
	if n.noDirect {
		n.w.after(0, func() {
			n.do(func(s *Swarm) { s.DirectClosed(o.ID, errs.New("test", errs.UnsupportedBrowser, "no WebRTC")) })
		})
		return
	}
	c := &fakeConn{n: n, id: o.ID, token: fmt.Sprintf("%d/%d", n.index, o.ID)}
	c.fp = [32]byte(keys.Sum([]byte(c.token)))
	n.conns[o.ID] = c
	n.w.conns[c.token] = c
	n.w.after(n.w.millis(1, 30), func() {
		if !c.closed {
			n.do(func(s *Swarm) { s.DirectSignal(c.id, []byte(c.token)) })
		}
	})
}

func (c *fakeConn) signal(token string) {
	w := c.n.w
	r := w.conns[token]
	if r == nil {
		w.t.Errorf("seed %d: signal for no connection", w.seed)
		return
	}
	c.remote = r
	if r.remote == c {
		w.after(w.millis(5, 60), c.becomeReady)
		w.after(w.millis(5, 60), r.becomeReady)
	}
}

func (c *fakeConn) becomeReady() {
	if c.closed || c.remote.closed {
		return
	}
	c.ready = true
	seen := c.remote.fp
	if m := c.n.w.middle; m != nil {
		seen = m(c, c.remote)
	}
	c.n.do(func(s *Swarm) { s.DirectReady(c.id, c.fp, seen) })
}

func (c *fakeConn) send(msg []byte) {
	w := c.n.w
	if c.closed || c.silent || c.remote == nil {
		return
	}
	if len(msg) > 64<<10 {
		w.t.Errorf("seed %d: direct message of %d bytes", w.seed, len(msg))
	}
	at := later(w.now.Add(w.millis(1, 3)), c.last)
	c.last = at
	msg = slices.Clone(msg)
	w.after(at.Sub(w.now), func() {
		if r := c.remote; !r.closed && !c.silent {
			r.n.do(func(s *Swarm) { s.DirectMessage(r.id, msg) })
		}
	})
}

// close is this side's; the other one notices.
func (c *fakeConn) close() {
	if c.closed {
		return
	}
	c.closed = true
	if r := c.remote; r != nil {
		c.n.w.after(c.n.w.millis(3, 40), r.broke)
	}
}

// broke ends this end as the platform would.
func (c *fakeConn) broke() {
	if c.closed {
		return
	}
	c.closed = true
	c.n.do(func(s *Swarm) { s.DirectClosed(c.id, errs.New("test", errs.PeerUnreachable, "channel broke")) })
}

// live gives the open channel of n to m, or nil.
func (n *node) live(m *node) *fakeConn {
	for _, c := range n.conns {
		if !c.closed && c.ready && c.remote.n == m {
			return c
		}
	}
	return nil
}

// kill breaks the channel of two nodes at both ends, losing what is under way.
func (w *world) kill(a, b *node) {
	if c := a.live(b); c != nil {
		r := c.remote
		c.silent, r.silent = true, true
		w.after(w.millis(1, 50), c.broke)
		w.after(w.millis(1, 50), r.broke)
	}
}

// testAuth proves a device key by its signature over the static.
type testAuth struct {
	key      *keys.SigningKey
	instance [16]byte
	refuse   func(PeerInfo) error
}

const testLabel = "test static"

func (a *testAuth) Payload(static [32]byte) ([]byte, error) {
	sig, err := a.key.Sign(context.Background(), append([]byte(testLabel), static[:]...))
	if err != nil {
		return nil, err
	}
	pub := a.key.Public()
	b := wire.AppendArray(nil, 3)
	b = wire.AppendBytes(b, pub[:])
	b = wire.AppendBytes(b, a.instance[:])
	return wire.AppendBytes(b, sig[:]), nil
}

func (a *testAuth) Verify(payload []byte, static [32]byte) (PeerInfo, error) {
	var info PeerInfo
	var sig [64]byte
	r := wire.NewReader(payload)
	r.Array(3)
	r.Fixed(info.Device[:])
	r.Fixed(info.Instance[:])
	r.Fixed(sig[:])
	if err := r.Done("test"); err != nil {
		return info, err
	}
	info.Identity = id.IdentityKey(info.Device)
	if err := keys.Verify(info.Device, append([]byte(testLabel), static[:]...), sig[:]); err != nil {
		return info, err
	}
	if a.refuse != nil {
		return info, a.refuse(info)
	}
	return info, nil
}
