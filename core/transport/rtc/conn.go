package rtc

import (
	"sync"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

// maxEvents bounds what waits for the goroutine of a Conn: signaling messages
// beyond it mean that the peer floods.
const maxEvents = 1024

// Conn is one direct connection; see transport.DirectConn. It is safe for
// concurrent use; one goroutine at a time may Recv.
type Conn struct {
	o   Options
	do  transport.DirectOptions
	log env.Logger
	pc  peerConnection
	nego

	ready chan struct{} // the channel is open and the binding known
	done  chan struct{} // the connection ended, for whatever reason
	gone  chan struct{} // nothing more will come or go; the goroutine may end

	sending chan struct{} // held by the one Send that may go on
	room    chan struct{} // poked at the channel's low water
	credits chan struct{} // poked when credit grew
	arrived chan struct{} // poked when the inbox grew
	poked   chan struct{} // poked when events grew
	connect *time.Timer

	mu            sync.Mutex
	events        []func()
	local, remote [32]byte // fingerprints
	isReady       bool
	err           error // why done is closed
	closed        bool  // by this side
	bye           bool  // from the other side
	isGone        bool
	linger        *time.Timer
	in            inbox
	credit        int
	sent          uint64
	pingAt        time.Time // of the ping that is out, or zero
	pings         uint64
	roundTrip     time.Duration
}

var _ transport.DirectConn = (*Conn)(nil)

func newConn(o Options, do transport.DirectOptions, pc peerConnection) *Conn {
	c := &Conn{
		o: o, do: do, log: o.Log, pc: pc, credit: window,
		ready: make(chan struct{}), done: make(chan struct{}), gone: make(chan struct{}),
		sending: make(chan struct{}, 1), room: make(chan struct{}, 1), credits: make(chan struct{}, 1),
		arrived: make(chan struct{}, 1), poked: make(chan struct{}, 1),
	}
	c.connect = time.AfterFunc(o.ConnectTimeout, func() {
		select {
		case <-c.ready:
		default:
			c.fail(errs.PeerUnreachable, "no path was found within %v", o.ConnectTimeout)
		}
	})
	return c
}

// handlers gives those of the peer connection.
func (c *Conn) handlers() handlers {
	return handlers{
		candidate: func(text string) { c.post(func() { c.sendCandidate(text) }) },
		lost:      func(state string) { c.fail(errs.PeerUnreachable, "the path is lost: connection %s", state) },
		open:      func() { c.post(c.open) },
		closed:    func() { c.fail(errs.PeerUnreachable, "the data channel was closed") },
		message:   c.onMessage,
		low:       func() { poke(c.room) },
	}
}

// run makes every call of the negotiation, and ends after gone.
func (c *Conn) run() {
	for {
		select {
		case <-c.poked:
			for f := c.next(); f != nil; f = c.next() {
				f()
			}
			continue
		case <-c.gone:
		}
		break
	}
	c.connect.Stop()
	if err := c.pc.close(); err != nil {
		c.log.Debug("rtc: closing", "err", err)
	}
}

// post has run call f; it does not block. After gone f is forgotten.
func (c *Conn) post(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isGone {
		return
	}
	if len(c.events) >= maxEvents {
		c.end(errs.New("rtc", errs.PeerMisbehaved, "more than %d signaling messages wait", maxEvents), true)
		return
	}
	c.events = append(c.events, f)
	poke(c.poked)
}

// next gives the next event, nil if there is none or the path is gone.
func (c *Conn) next() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.events) == 0 || c.isGone {
		return nil
	}
	f := c.events[0]
	c.events[0] = nil
	c.events = c.events[1:]
	return f
}

// open makes the connection ready: both descriptions are applied by now.
func (c *Conn) open() {
	local, remote, err := c.fingerprints()
	if err != nil {
		c.fail(errs.PeerMisbehaved, "%w", err)
		return
	}
	c.mu.Lock()
	if c.isReady || c.err != nil {
		c.mu.Unlock()
		return
	}
	c.local, c.remote, c.isReady = local, remote, true
	close(c.ready)
	c.mu.Unlock()
	c.connect.Stop()
	c.ping()
}

// fail ends the connection because of the path or the peer.
func (c *Conn) fail(kind errs.Kind, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.end(errs.New("rtc", kind, format, args...), true)
}

// end closes done, and gone if the path is of no more use. It needs c.mu.
func (c *Conn) end(err error, gone bool) {
	if c.err == nil {
		c.err = err
		close(c.done)
	}
	if gone && !c.isGone {
		c.isGone = true
		c.events = nil
		if c.linger != nil {
			c.linger.Stop()
		}
		close(c.gone)
	}
}

// Close says goodbye and ends the calls of this side at once. The connection
// itself lingers in the background until the other side has said goodbye too,
// for two seconds at most, so that what was sent arrives.
func (c *Conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	// Without a channel there is nothing to wait for. After the other's
	// goodbye ours was sent, and the other closes when it has it.
	lingers := c.isReady && !c.isGone
	c.end(errs.New("rtc", errs.Closed, "this side closed the connection"), !lingers)
	c.in = inbox{}
	if lingers {
		c.linger = time.AfterFunc(lingerTimeout, func() {
			c.fail(errs.PeerUnreachable, "no goodbye came within %v", lingerTimeout)
		})
	}
	sayBye := lingers && !c.bye
	c.mu.Unlock()
	if sayBye {
		c.control([]byte{frameBye})
	}
	return nil
}

// Ready is closed when messages can flow.
func (c *Conn) Ready() <-chan struct{} { return c.ready }

// Done is closed when the connection failed or either side closed it; what
// arrived before can still be received.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Err says why Done is closed: errs.Closed after Close, errs.PeerUnreachable
// when the other side closed or the path is lost, errs.PeerMisbehaved when the
// other side broke the protocol; nil before.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Binding gives the fingerprints; see transport.DirectConn.
func (c *Conn) Binding() (local, remote [32]byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isReady {
		return local, remote, errs.New("rtc.Binding", errs.PeerUnreachable, "not connected")
	}
	return c.local, c.remote, nil
}

// Stats gives figures, and measures the round trip anew for the next call.
func (c *Conn) Stats() transport.DirectStats {
	c.mu.Lock()
	s := transport.DirectStats{Sent: c.sent, Received: c.in.count, RoundTrip: c.roundTrip}
	live := c.isReady && c.err == nil
	c.mu.Unlock()
	if live {
		c.ping()
	}
	return s
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
