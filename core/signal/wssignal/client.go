package wssignal

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/transport"
)

// Times of the client.
const (
	backoffFirst = 250 * time.Millisecond // the first window of the back-off
	backoffMost  = 15 * time.Second       // and the last; a connection that stood this long starts anew
	dialTimeout  = 15 * time.Second       // to connect and be welcomed
	idleTimeout  = 45 * time.Second       // of silence, before a ping
	pongTimeout  = 10 * time.Second       // for anything to come after a ping
)

// Options configure a Client. Env, URL and Dial must be set.
type Options struct {
	Env  env.Env
	URL  string // of the relay, ws or wss
	Dial transport.Dial
	// QueueBytes bounds what may wait at one stay for Recv; 0 means 4 MiB.
	QueueBytes int
	// OnStatus, if set, is called after every change of Status, in order, by
	// the client's own goroutine. It must not block and may call Status.
	OnStatus func(Status)
}

// State is how a Client stands with its relay.
type State uint8

const (
	Idle       State = iota // nothing was asked for yet
	Connecting              // an attempt is under way
	Up                      // connected
	Waiting                 // the last attempt or connection failed; the next attempt comes
	Suspended               // by Suspend
	Closed                  // by Close
)

var stateNames = [...]string{"idle", "connecting", "up", "waiting", "suspended", "closed"}

// String gives the state's name.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Status is the state with its circumstances.
type Status struct {
	State State
	// Err says why the last attempt or connection ended, until the next one
	// stands: errs.RelayUnreachable, errs.RelayRefused (a limit, the origin, a
	// relay that goes away), errs.VersionUnsupported or errs.PeerMisbehaved.
	Err error
	// Attempt counts the attempts since a connection last stood well: 1 while
	// the first one is under way.
	Attempt int
	Limits  signal.Limits // of the relay, while Up
}

// Client is a signal.Signaler. It is safe for concurrent use.
type Client struct {
	opts   Options
	ctx    context.Context // done by Close
	cancel context.CancelFunc
	wake   chan struct{} // a token for run: something below changed

	mu         sync.Mutex
	running    bool // run was started
	suspended  bool
	poked      bool               // skip the rest of the back-off
	abort      context.CancelFunc // of the present attempt
	status     Status
	session    *session // nil while not up
	stays      map[*stay]struct{}
	lastHandle uint32
}

var _ signal.Signaler = (*Client)(nil)

// New makes a Client, which connects when it is first asked to, by Join or
// Connect.
func New(o Options) *Client {
	if o.QueueBytes == 0 {
		o.QueueBytes = 4 << 20
	}
	ctx, cancel := context.WithCancel(context.Background())
	return &Client{opts: o, ctx: ctx, cancel: cancel, wake: make(chan struct{}, 1), stays: map[*stay]struct{}{}}
}

// Join implements signal.Signaler.
func (c *Client) Join(ctx context.Context, t id.Topic) (signal.Rendezvous, error) {
	const op = "wssignal.Join"
	if ctx.Err() != nil {
		return nil, contextError(op, ctx.Err())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() != nil {
		return nil, errs.New(op, errs.Closed, "the Signaler was closed")
	}
	s := &stay{client: c, topic: t, wake: make(chan struct{}, 1)}
	c.stays[s] = struct{}{}
	c.startLocked()
	if c.session != nil {
		c.session.join(s)
	}
	return s, nil
}

// Connect connects already before there is a topic to join, so that Status says
// how the relay is and the first Join need not wait. Harmless when connected or
// closed.
func (c *Client) Connect() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ctx.Err() == nil {
		c.startLocked()
	}
}

// startLocked starts run, once. The caller holds mu.
func (c *Client) startLocked() {
	if c.running {
		return
	}
	c.running = true
	go c.run()
}

// Close implements signal.Signaler. It does not wait; the connection is closed
// in order in the background.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.stays {
		s.closeLocked()
	}
	c.cancel()
	if !c.running {
		c.status = Status{State: Closed}
	}
	return nil
}

// Poke says that the network may have changed (the page is online again, or
// woke up): an attempt that is being waited for is made now, and a connection
// that stands is asked whether it is alive.
func (c *Client) Poke() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		c.session.probe()
		return
	}
	c.poked = true
	c.notify()
}

// Suspend leaves the network until Resume: every stay gets Down with
// errs.Offline. It returns at once; OnStatus tells when it is so.
func (c *Client) Suspend() { c.setSuspended(true) }

// Resume undoes Suspend and connects at once.
func (c *Client) Resume() { c.setSuspended(false) }

func (c *Client) setSuspended(suspended bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.suspended == suspended {
		return
	}
	c.suspended = suspended
	c.poked = !suspended
	if suspended && c.abort != nil {
		c.abort()
	}
	if suspended && c.session != nil {
		c.session.fail(errOffline())
	}
	c.notify()
}

// Status gives the present status.
func (c *Client) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.status
}

// notify wakes run. The caller holds mu.
func (c *Client) notify() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// setStatus is called by run only.
func (c *Client) setStatus(s Status) {
	c.mu.Lock()
	c.status = s
	c.mu.Unlock()
	if c.opts.OnStatus != nil {
		c.opts.OnStatus(s)
	}
}

// now is wall time without the monotonic reading, which stands still while some
// machines sleep.
func (c *Client) now() time.Time { return c.opts.Env.Clock.Now().Round(0) }

func errOffline() error {
	return errs.New("wssignal", errs.Offline, "the client was taken offline; call Resume")
}

func contextError(op string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errs.Wrap(op, errs.Timeout, err)
	}
	return errs.Wrap(op, errs.Cancelled, err)
}
