package client

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/transport"
)

// link carries what a space's swarm sends and receives: a stay at each relay, under
// each of the space's topics, and the direct connections.
type link struct {
	sp *Space
	r  *runtime

	mu      sync.Mutex
	gates   map[uint8]space.Gate // by their slots
	next    uint8                // slot
	relays  []Relay              // while online
	ctx     context.Context      // of the stays
	cancel  context.CancelFunc   // nil while offline
	tasks   *sync.WaitGroup
	frames  map[mesh.RelayID]*outbox[mesh.Frame]
	directs map[mesh.DirectID]*direct
}

// A relay under one of the topics has a number of its own.
const (
	maxRelays = 8
	maxGates  = 256 / maxRelays
)

func relayNumber(slot uint8, relay int) mesh.RelayID {
	return mesh.RelayID(int(slot)*maxRelays + relay)
}

// direct is one direct connection under way or established.
type direct struct {
	conn transport.DirectConn
	out  *outbox[[]byte]
}

// closeGrace is how long a closing connection may take to send what it holds.
const closeGrace = time.Second

func newLink(sp *Space, r *runtime) *link {
	return &link{sp: sp, r: r, gates: map[uint8]space.Gate{}, frames: map[mesh.RelayID]*outbox[mesh.Frame]{}, directs: map[mesh.DirectID]*direct{}}
}

// setGates has the link stay under these topics from now on. sp.mu is held.
func (l *link) setGates(gates []space.Gate) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for slot, g := range l.gates {
		if !slices.Contains(gates, g) {
			delete(l.gates, slot)
			for i := range maxRelays {
				n := relayNumber(slot, i)
				if frames := l.frames[n]; frames != nil {
					frames.close()
					delete(l.frames, n)
				}
			}
		}
	}
	for _, g := range gates {
		if l.has(g) {
			continue
		}
		slot := l.next
		l.next = (l.next + 1) % maxGates
		l.gates[slot] = g
		for i := range maxRelays {
			l.r.swarm.SetGate(relayNumber(slot, i), g.Topic, g.PSK)
		}
		if l.cancel != nil {
			l.stay(slot, g)
		}
	}
}

func (l *link) has(g space.Gate) bool {
	for _, known := range l.gates {
		if known == g {
			return true
		}
	}
	return false
}

// stay joins a topic at every relay. l.mu is held.
func (l *link) stay(slot uint8, g space.Gate) {
	for i, relay := range l.relays {
		number := relayNumber(slot, i)
		frames := newOutbox[mesh.Frame]()
		l.frames[number] = frames
		l.tasks.Add(1)
		go l.meet(l.ctx, l.tasks, relay, g.Topic, number, frames)
	}
}

// swarm runs f on the swarm, if it is still that of the space, and wakes the
// loop. It never waits.
func (l *link) swarm(f func(*mesh.Swarm)) {
	l.sp.mu.Lock()
	if l.sp.run == l.r {
		f(l.r.swarm)
	}
	l.sp.mu.Unlock()
	l.r.poke()
}

// up joins the topics at every relay.
func (l *link) up(relays []Relay) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel != nil {
		return
	}
	l.ctx, l.cancel = context.WithCancel(l.r.ctx)
	l.tasks, l.relays = &sync.WaitGroup{}, relays[:min(len(relays), maxRelays)]
	for slot, g := range l.gates {
		l.stay(slot, g)
	}
}

// down leaves the topics and ends every direct connection.
func (l *link) down() {
	l.mu.Lock()
	cancel, tasks := l.cancel, l.tasks
	l.cancel = nil
	for _, d := range l.directs {
		d.out.close()
	}
	for _, frames := range l.frames {
		frames.close()
	}
	clear(l.frames)
	l.mu.Unlock()
	if cancel == nil {
		return
	}
	// What is queued (good-byes) may still leave.
	grace := time.AfterFunc(closeGrace, cancel)
	tasks.Wait()
	grace.Stop()
	cancel()
}

// meet stays under a topic at one relay until frames is closed or ctx is done.
func (l *link) meet(ctx context.Context, tasks *sync.WaitGroup, relay Relay, topic id.Topic, number mesh.RelayID, frames *outbox[mesh.Frame]) {
	defer tasks.Done()
	defer l.sp.s.c.rescue()
	rv, err := relay.Join(ctx, topic)
	if err != nil && ctx.Err() != nil {
		return
	}
	if err != nil {
		l.sp.s.c.ports.Env.Log.Error("the topic of a space could not be joined", "space", id.Short(l.sp.key), "err", err)
		return
	}
	var receiver sync.WaitGroup
	receiver.Add(1)
	go func() {
		defer receiver.Done()
		defer l.sp.s.c.rescue()
		for {
			ev, err := rv.Recv(ctx)
			if err != nil {
				return
			}
			l.swarm(func(s *mesh.Swarm) { s.SignalFrom(number, ev) })
		}
	}()
	for {
		f, ok := frames.next(ctx)
		if !ok {
			break
		}
		if err := rv.Send(ctx, f.To, f.Data); err != nil {
			// The session's own acknowledgements notice the loss.
			l.sp.s.c.ports.Env.Log.Debug("a relayed frame was not sent", "err", err)
		}
	}
	_ = rv.Close() // leaving
	receiver.Wait()
	l.swarm(func(s *mesh.Swarm) {
		s.SignalFrom(number, signal.Event{Type: signal.Down, Err: errs.New("client.network", errs.Offline, "the client left the topic")})
	})
}

// send carries out what a swarm asked for. It never blocks.
func (l *link) send(out mesh.Output) {
	for _, o := range out.Opens {
		l.open(o)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range out.DirectSignals {
		if d := l.directs[m.ID]; d != nil {
			d.conn.Signal(m.Msg)
		}
	}
	for _, m := range out.DirectSends {
		if d := l.directs[m.ID]; d != nil {
			d.out.add(m.Msg)
		}
	}
	for _, did := range out.DirectCloses {
		if d := l.directs[did]; d != nil {
			d.out.close()
		}
	}
	for _, did := range out.DirectRestarts {
		if d := l.directs[did]; d != nil {
			d.conn.Restart()
		}
	}
	for _, f := range out.Frames {
		if frames := l.frames[f.Relay]; frames != nil {
			frames.add(f)
		}
	}
}

// open starts a direct connection.
func (l *link) open(o mesh.OpenDirect) {
	ports := l.sp.s.c.ports
	conn, err := ports.Direct.Open(transport.DirectOptions{
		Polite:     o.Polite,
		ICEServers: ports.ICEServers,
		Send:       func(msg []byte) { l.swarm(func(s *mesh.Swarm) { s.DirectSignal(o.ID, msg) }) },
	})
	if err != nil {
		l.swarm(func(s *mesh.Swarm) { s.DirectClosed(o.ID, err) })
		return
	}
	if !l.carry(o.ID, conn) {
		_ = conn.Close()
		l.swarm(func(s *mesh.Swarm) {
			s.DirectClosed(o.ID, errs.New("client.network", errs.Offline, "the client went offline"))
		})
	}
}

// carry begins to move messages over a direct connection; false while offline.
func (l *link) carry(did mesh.DirectID, conn transport.DirectConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cancel == nil {
		return false
	}
	d := &direct{conn: conn, out: newOutbox[[]byte]()}
	l.directs[did] = d
	l.tasks.Add(2)
	tasks := l.tasks
	for _, f := range []func(){func() { l.directSender(d) }, func() { l.directReceiver(did, d) }} {
		go func() {
			defer tasks.Done()
			defer l.sp.s.c.rescue()
			f()
		}()
	}
	return true
}

// directSender sends what is queued, then closes.
func (l *link) directSender(d *direct) {
	defer d.conn.Close()
	for {
		msg, ok := d.out.next(l.r.ctx)
		if !ok {
			return
		}
		if err := d.conn.Send(l.r.ctx, msg); err != nil {
			return
		}
	}
}

// directReceiver tells the swarm what happens on a direct connection.
func (l *link) directReceiver(did mesh.DirectID, d *direct) {
	defer func() {
		l.mu.Lock()
		delete(l.directs, did)
		l.mu.Unlock()
		d.out.close()
		l.swarm(func(s *mesh.Swarm) { s.DirectClosed(did, d.conn.Err()) })
	}()
	select {
	case <-d.conn.Ready():
	case <-d.conn.Done():
		return
	}
	local, remote, err := d.conn.Binding()
	if err != nil {
		_ = d.conn.Close() // cannot be shown to be the session's
		return
	}
	l.swarm(func(s *mesh.Swarm) { s.DirectReady(did, local, remote) })
	for {
		msg, err := d.conn.Recv(l.r.ctx)
		if err != nil {
			return
		}
		l.swarm(func(s *mesh.Swarm) { s.DirectMessage(did, msg) })
	}
}

// outbox is an unbounded queue with one consumer; its producers are bounded by
// the windows of their sessions. A closed outbox gives what it holds and ends.
type outbox[T any] struct {
	mu     sync.Mutex
	items  []T
	closed bool
	wake   chan struct{}
}

func newOutbox[T any]() *outbox[T] { return &outbox[T]{wake: make(chan struct{}, 1)} }

func (o *outbox[T]) poke() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

func (o *outbox[T]) add(item T) {
	o.mu.Lock()
	if !o.closed {
		o.items = append(o.items, item)
	}
	o.mu.Unlock()
	o.poke()
}

func (o *outbox[T]) close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.poke()
}

// next waits for an item; false after close once empty, or when ctx is done.
func (o *outbox[T]) next(ctx context.Context) (item T, ok bool) {
	for {
		o.mu.Lock()
		if len(o.items) > 0 {
			item = o.items[0]
			var zero T
			o.items[0] = zero
			o.items = o.items[1:]
			o.mu.Unlock()
			return item, true
		}
		closed := o.closed
		o.mu.Unlock()
		if closed {
			return item, false
		}
		select {
		case <-o.wake:
		case <-ctx.Done():
			return item, false
		}
	}
}
