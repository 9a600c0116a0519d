package memnet

import (
	"context"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

// defaultWindow is how many bytes a connection holds before Send blocks.
const defaultWindow = 256 << 10

// Options configure a Network. The zero value is a perfect one.
type Options struct {
	Seed uint64
	// MinDelay and MaxDelay bound the time that each message takes. Messages
	// of one direction wait for those before them.
	MinDelay, MaxDelay time.Duration
	// KillRate is the chance that sending a message kills its connection.
	KillRate float64
	// Window is how many bytes each direction holds before Send blocks;
	// 0 means 256 KiB.
	Window int
}

// Network is a set of named nodes and the connections between them.
type Network struct {
	o Options

	mu      sync.Mutex
	rng     *rand.Rand
	links   map[*link]struct{}
	groups  map[string]int // nil when whole
	directs map[[16]byte]*directConn
}

// New makes a Network.
func New(o Options) *Network {
	if o.Window == 0 {
		o.Window = defaultWindow
	}
	return &Network{
		o:       o,
		rng:     rand.New(rand.NewPCG(o.Seed, 0x6d656d6e6574)),
		links:   map[*link]struct{}{},
		directs: map[[16]byte]*directConn{},
	}
}

// Pair connects two nodes. If a partition lies between them the connection is
// dead already.
func (n *Network) Pair(a, b string) (transport.Conn, transport.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	x, y := n.connect(a, b)
	return x, y
}

func (n *Network) connect(a, b string) (*conn, *conn) {
	l := &link{net: n, nodes: [2]string{a, b}, state: make(chan struct{})}
	for i := range l.ways {
		l.ways[i] = &way{arrived: make(chan struct{}, 1), room: make(chan struct{}, 1)}
	}
	x, y := &conn{link: l, side: 0}, &conn{link: l, side: 1}
	n.links[l] = struct{}{}
	if !n.reachable(a, b) {
		n.kill(l)
	}
	return x, y
}

// Kill ends every connection between two nodes abruptly.
func (n *Network) Kill(a, b string) {
	n.killIf(func(x, y string) bool { return x == a && y == b || x == b && y == a })
}

// KillAll ends every connection abruptly.
func (n *Network) KillAll() { n.killIf(func(string, string) bool { return true }) }

// Split parts the nodes: connections between groups die and new ones are dead
// from the start. Nodes that no group names form one more group.
func (n *Network) Split(groups ...[]string) {
	n.mu.Lock()
	n.groups = map[string]int{}
	for i, g := range groups {
		for _, node := range g {
			n.groups[node] = i + 1
		}
	}
	n.mu.Unlock()
	n.killIf(func(a, b string) bool { return !n.reachable(a, b) })
}

// Heal ends a partition. What died stays dead.
func (n *Network) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.groups = nil
}

// Open tells how many connections are neither closed nor dead.
func (n *Network) Open() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.links)
}

// reachable needs n.mu.
func (n *Network) reachable(a, b string) bool { return n.groups[a] == n.groups[b] }

func (n *Network) killIf(match func(a, b string) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for l := range n.links {
		if match(l.nodes[0], l.nodes[1]) {
			n.kill(l)
		}
	}
}

// kill needs n.mu.
func (n *Network) kill(l *link) {
	if l.ended() {
		return
	}
	l.dead = true
	delete(n.links, l)
	for _, w := range l.ways {
		w.drop()
	}
	close(l.state)
}

// delay needs n.mu.
func (n *Network) delay() time.Duration {
	if n.o.MaxDelay <= n.o.MinDelay {
		return n.o.MinDelay
	}
	return n.o.MinDelay + time.Duration(n.rng.Int64N(int64(n.o.MaxDelay-n.o.MinDelay)))
}

// link is one connection. The Network's mutex guards it.
type link struct {
	net    *Network
	nodes  [2]string
	ways   [2]*way // ways[i] leads to side i
	closed [2]bool
	dead   bool
	state  chan struct{} // closed at the first change of closed or dead
}

func (l *link) ended() bool { return l.dead || l.closed[0] || l.closed[1] }

// way is one direction.
type way struct {
	queue   []*parcel
	bytes   int
	arrived chan struct{} // poked when the head of the queue may be received
	room    chan struct{} // poked when bytes shrank
}

type parcel struct {
	msg   []byte
	there bool
	timer *time.Timer
}

// drop forgets what is under way.
func (w *way) drop() {
	for _, p := range w.queue {
		if p.timer != nil {
			p.timer.Stop()
		}
	}
	w.queue, w.bytes = nil, 0
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// conn is one side of a link.
type conn struct {
	link *link
	side int
}

func (c *conn) Send(ctx context.Context, msg []byte) error {
	const op = "memnet.Send"
	if len(msg) > transport.MaxMessage {
		return errs.New(op, errs.TooLarge, "message of %d bytes, limit %d", len(msg), transport.MaxMessage)
	}
	for {
		if ctx.Err() != nil {
			return ctxError(ctx, op)
		}
		sent, err := c.trySend(op, msg)
		if sent || err != nil {
			return err
		}
		select {
		case <-c.link.ways[1-c.side].room:
		case <-c.link.state:
		case <-ctx.Done():
		}
	}
}

func (c *conn) trySend(op string, msg []byte) (bool, error) {
	n, l, w := c.link.net, c.link, c.link.ways[1-c.side]
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed[c.side] {
		return false, errs.New(op, errs.Closed, "this side closed the connection")
	}
	if n.o.KillRate > 0 && n.rng.Float64() < n.o.KillRate {
		n.kill(l)
	}
	if l.ended() {
		return false, unreachable(op, l.nodes[1-c.side])
	}
	if w.bytes > 0 && w.bytes+len(msg) > n.o.Window {
		return false, nil
	}
	p := &parcel{msg: append(make([]byte, 0, len(msg)), msg...), there: true}
	if d := n.delay(); d > 0 {
		p.there = false
		p.timer = time.AfterFunc(d, func() {
			n.mu.Lock()
			defer n.mu.Unlock()
			p.there = true
			poke(w.arrived)
		})
	}
	w.queue = append(w.queue, p)
	w.bytes += len(msg)
	if w.bytes < n.o.Window {
		poke(w.room) // for the next of several senders
	}
	poke(w.arrived)
	return true, nil
}

func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	const op = "memnet.Recv"
	l, w := c.link, c.link.ways[c.side]
	for {
		if ctx.Err() != nil {
			return nil, ctxError(ctx, op)
		}
		msg, wait, err := c.tryRecv(op)
		if !wait {
			return msg, err
		}
		state := l.state
		if c.ended() {
			state = nil // only what is still under way can come
		}
		select {
		case <-w.arrived:
		case <-state:
		case <-ctx.Done():
		}
	}
}

func (c *conn) ended() bool {
	c.link.net.mu.Lock()
	defer c.link.net.mu.Unlock()
	return c.link.ended()
}

func (c *conn) tryRecv(op string) (msg []byte, wait bool, err error) {
	n, l, w := c.link.net, c.link, c.link.ways[c.side]
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case l.closed[c.side]:
		return nil, false, errs.New(op, errs.Closed, "this side closed the connection")
	case len(w.queue) > 0 && w.queue[0].there:
		msg = w.queue[0].msg
		w.queue = w.queue[1:]
		w.bytes -= len(msg)
		poke(w.room)
		return msg, false, nil
	case l.dead:
		return nil, false, unreachable(op, l.nodes[1-c.side])
	case l.closed[1-c.side] && len(w.queue) == 0:
		return nil, false, io.EOF
	}
	return nil, true, nil
}

func (c *conn) Close() error {
	n, l := c.link.net, c.link
	n.mu.Lock()
	defer n.mu.Unlock()
	if l.closed[c.side] {
		return nil
	}
	first := !l.ended()
	l.closed[c.side] = true
	l.ways[c.side].drop()
	poke(l.ways[c.side].arrived) // a Recv that waits for the tail
	delete(n.links, l)
	if first {
		close(l.state)
	}
	return nil
}

func unreachable(op, node string) error {
	return errs.New(op, errs.PeerUnreachable, "the connection to %q is gone", node)
}

// ctxError keeps ctx's error reachable for errors.Is.
func ctxError(ctx context.Context, op string) error {
	kind := errs.Cancelled
	if ctx.Err() == context.DeadlineExceeded {
		kind = errs.Timeout
	}
	return errs.Wrap(op, kind, ctx.Err())
}
