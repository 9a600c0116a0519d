//go:build !js

package relay

import (
	"context"
	"errors"
	"io"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/echospace/echospace/core/signal/relayproto"
)

const (
	writeTimeout   = 30 * time.Second // for one message to leave
	goodbyeTimeout = 3 * time.Second  // for what is being written, and Goodbye
	queueOverhead  = 64               // bytes that a queued message counts beside its own
)

// conn is one client. serve reads in the handler's goroutine; write and watch
// have one each, which serve waits for.
type conn struct {
	relay  *Relay
	ws     *websocket.Conn
	ctx    context.Context // of all I/O; done tears the socket off
	cancel context.CancelFunc
	stays  map[uint32]*stay // guarded by hub.mu

	greeted  atomic.Bool  // Hello came
	received atomic.Int64 // messages, so that watch sees life

	mu      sync.Mutex
	out     [][]byte
	outSize int
	ended   bool
	code    relayproto.Code // why the relay ends it; 0 if the client did
	text    string
	tear    *time.Timer   // gives what is being written, and Goodbye, an end
	wake    chan struct{} // a token while out may hold something
	stop    chan struct{} // closed by end
}

func newConn(r *Relay, ws *websocket.Conn) *conn {
	ctx, cancel := context.WithCancel(context.Background())
	return &conn{
		relay: r, ws: ws, ctx: ctx, cancel: cancel, stays: map[uint32]*stay{},
		wake: make(chan struct{}, 1), stop: make(chan struct{}),
	}
}

// serve runs the connection to its end.
func (c *conn) serve() {
	var wg sync.WaitGroup
	wg.Go(c.write)
	wg.Go(c.watch)
	c.queue(&relayproto.Message{Type: relayproto.TypeWelcome, Version: relayproto.Version, Limits: c.relay.opts.limits()})
	c.read()
	c.end(0, "")
	wg.Wait()
	c.relay.hub.leaveAll(c) // watch did it, but a join may have come after
	c.cancel()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tear.Stop()
	if c.code != 0 {
		c.relay.metrics.drops.WithLabelValues(c.code.String()).Inc()
		c.relay.opts.Log.Debug("relay dropped a connection", "reason", c.code.String())
	}
}

// end ends the connection, once: what waits in the queue is thrown away and the
// client told why. It does not wait and may be called with any lock held.
func (c *conn) end(code relayproto.Code, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endLocked(code, text)
}

func (c *conn) endLocked(code relayproto.Code, text string) {
	if c.ended {
		return
	}
	c.ended, c.code, c.text = true, code, text
	c.out, c.outSize = nil, 0
	c.tear = time.AfterFunc(goodbyeTimeout, c.cancel)
	close(c.stop)
}

// queue hands m to the writer. A client with too much waiting is dropped.
func (c *conn) queue(m *relayproto.Message) {
	b := m.Append(make([]byte, 0, queueOverhead+len(m.Frame)+18*len(m.Peers)+len(m.Text)))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return
	}
	c.outSize += len(b) + queueOverhead
	if c.outSize > c.relay.opts.QueueBytes {
		c.endLocked(relayproto.CodeSlow, "this client does not read fast enough")
		return
	}
	c.out = append(c.out, b)
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next takes the first message of the queue.
func (c *conn) next() ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.out) == 0 {
		return nil, false
	}
	b := c.out[0]
	c.out[0] = nil
	c.out = c.out[1:]
	c.outSize -= len(b) + queueOverhead
	return b, true
}

// write writes the queue, and closes the socket in the end.
func (c *conn) write() {
	defer func() { _ = c.ws.CloseNow() }()
	for {
		select {
		case <-c.stop:
			c.sayGoodbye()
			return
		case <-c.wake:
		}
		for b, ok := c.next(); ok; b, ok = c.next() {
			if !c.writeOne(b) {
				c.end(0, "")
				return
			}
		}
	}
}

func (c *conn) writeOne(b []byte) bool {
	ctx, cancel := context.WithTimeout(c.ctx, writeTimeout)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, b) == nil
}

func (c *conn) sayGoodbye() {
	c.mu.Lock()
	code, text := c.code, c.text
	c.mu.Unlock()
	if code != 0 {
		goodbye(c.ctx, c.ws, code, text)
	}
}

// goodbye says why and does the closing handshake, which also reads what is on
// its way from the client: closing on unread data would reset the connection
// and take the reason with it.
func goodbye(ctx context.Context, ws *websocket.Conn, code relayproto.Code, text string) {
	m := relayproto.Message{Type: relayproto.TypeGoodbye, Code: code, Text: text}
	if ws.Write(ctx, websocket.MessageBinary, m.Append(nil)) == nil {
		_ = ws.Close(closeStatus(code), code.String())
	}
	_ = ws.CloseNow()
}

// closeStatus is the WebSocket close code for a reason (RFC 6455, section
// 7.4.1, and the IANA registry).
func closeStatus(code relayproto.Code) websocket.StatusCode {
	switch code {
	case relayproto.CodeMalformed, relayproto.CodeVersion:
		return websocket.StatusProtocolError
	case relayproto.CodeConnections:
		return websocket.StatusTryAgainLater
	case relayproto.CodeDraining:
		return websocket.StatusServiceRestart
	}
	return websocket.StatusPolicyViolation
}

// watch drops a client that says nothing, and takes one that is ended out of
// its topics at once, whatever the other goroutines wait for.
func (c *conn) watch() {
	defer c.relay.hub.leaveAll(c)
	hello := time.NewTimer(c.relay.opts.HelloTimeout)
	defer hello.Stop()
	ping := time.NewTicker(c.relay.opts.PingInterval)
	defer ping.Stop()
	for {
		select {
		case <-c.stop:
			return
		case <-hello.C:
			if !c.greeted.Load() {
				c.end(relayproto.CodeSilent, "no Hello came")
			}
		case <-ping.C:
			if !c.alive() {
				c.end(relayproto.CodeSilent, "no answer to pings")
			}
		}
	}
}

// alive pings. A client whose pong is stuck behind data that is being throttled
// is alive as long as messages come.
func (c *conn) alive() bool {
	before := c.received.Load()
	ctx, cancel := context.WithTimeout(c.ctx, c.relay.opts.PingTimeout)
	defer cancel()
	return c.ws.Ping(ctx) == nil || c.received.Load() != before
}

// read reads and obeys messages until the connection ends.
func (c *conn) read() {
	now := time.Now()
	frames := newBucket(c.relay.opts.FramesPerSecond, now)
	bytes := newBucket(c.relay.opts.BytesPerSecond, now)
	buf := make([]byte, relayproto.MaxMessage+1)
	var relayed int64
	for {
		n, ok := c.readOne(buf)
		if !ok {
			return
		}
		c.received.Add(1)
		m, err := relayproto.DecodeClient(buf[:n])
		if err != nil {
			c.end(relayproto.CodeMalformed, "a message is malformed")
			return
		}
		now := time.Now()
		if !c.wait(max(frames.take(1, now), bytes.take(n, now))) {
			return
		}
		relayed += int64(len(m.Frame))
		if most := c.relay.opts.MaxRelayedBytes; most > 0 && relayed > most {
			c.end(relayproto.CodeQuota, "this connection has used up its "+strconv.FormatInt(most, 10)+" bytes")
			return
		}
		if !c.obey(m) {
			return
		}
	}
}

// readOne reads one binary message into buf.
func (c *conn) readOne(buf []byte) (n int, ok bool) {
	typ, r, err := c.ws.Reader(c.ctx)
	if err != nil {
		return 0, false
	}
	if typ != websocket.MessageBinary {
		c.end(relayproto.CodeMalformed, "text messages are not part of the protocol")
		return 0, false
	}
	n, err = io.ReadFull(r, buf)
	switch {
	case err == nil: // buf is one longer than any message
		c.end(relayproto.CodeMalformed, "a message is over "+strconv.Itoa(relayproto.MaxMessage)+" bytes")
		return 0, false
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return n, true
	}
	return 0, false
}

// wait holds reading back for d; false if the connection ended meanwhile.
func (c *conn) wait(d time.Duration) bool {
	if d > 0 {
		c.relay.metrics.throttled.Inc()
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
		case <-c.stop:
		}
	}
	select {
	case <-c.stop:
		return false
	default:
		return true
	}
}

// obey does what a message says; false if that ended the connection.
func (c *conn) obey(m relayproto.Message) bool {
	if (m.Type == relayproto.TypeHello) == c.greeted.Load() {
		c.end(relayproto.CodeMalformed, "Hello comes first, and once")
		return false
	}
	switch m.Type {
	case relayproto.TypeHello:
		if m.Version != relayproto.Version {
			c.end(relayproto.CodeVersion, "this relay speaks version "+strconv.Itoa(relayproto.Version))
			return false
		}
		c.greeted.Store(true)
	case relayproto.TypeJoin:
		if !c.relay.hub.join(c, m) {
			c.end(relayproto.CodeMalformed, "a handle was joined twice")
			return false
		}
	case relayproto.TypeLeave:
		c.relay.hub.leave(c, m.Handle)
	case relayproto.TypeSend:
		if len(m.Frame) > c.relay.opts.MaxFrame {
			c.end(relayproto.CodeMalformed, "a frame is over "+strconv.Itoa(c.relay.opts.MaxFrame)+" bytes")
			return false
		}
		c.relay.hub.send(c, m)
	case relayproto.TypePing:
		c.queue(&relayproto.Message{Type: relayproto.TypePong, Nonce: m.Nonce})
	}
	return true
}
