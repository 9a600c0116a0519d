//go:build js

package wsconn

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/jsbridge/jsval"
)

const (
	// highWater is what may be buffered by the browser before Send waits.
	highWater = 1 << 20
	// queueBytes bounds the messages that wait for Recv.
	queueBytes = 32 << 20
	// firstPoll and lastPoll bound the steps in which a Send waits, doubling.
	firstPoll = time.Millisecond
	lastPoll  = 64 * time.Millisecond
)

// Close codes. A page may only give 1000 and its own, from 3000 on.
const (
	codeNormal   = 1000
	codeAway     = 1001
	codeNone     = 1005 // a close frame without a code
	codePolicy   = 1008
	codeTryLater = 1013
	codeNotOurs  = 4003 // a text message
	codeTooMuch  = 4009
)

// conn implements transport.Conn. Its state changes in event handlers, which
// append and poke.
type conn struct {
	ws       safejs.Value
	unlisten func()

	mu     sync.Mutex
	queue  [][]byte
	queued int           // bytes in queue
	poke   chan struct{} // closed and replaced when Recv or Send should look again
	end    error         // why the connection is over: io.EOF or an *errs.Error
	closed bool          // by this side
}

var _ transport.Conn = (*conn)(nil)

// newConn takes over an open or connecting WebSocket. opened, if not nil, is
// called once, on the event loop, when it opened.
func newConn(ws safejs.Value, opened func()) (*conn, error) {
	c := &conn{ws: ws, poke: make(chan struct{})}
	if err := ws.Set("binaryType", "arraybuffer"); err != nil {
		return nil, jsval.Error("wsconn", errs.Internal, err)
	}
	var err error
	c.unlisten, err = jsval.ListenAll(ws, map[string]func(safejs.Value){
		"open": func(safejs.Value) {
			if opened != nil {
				opened()
			}
		},
		"message": c.onMessage,
		"close":   func(ev safejs.Value) { c.finish(closeError(ev)) },
		// An error event says nothing and is always followed by a close event.
	})
	return c, err
}

// onMessage queues a message.
func (c *conn) onMessage(ev safejs.Value) {
	data, err := ev.Get("data")
	if err != nil || jsval.Is(data, safejs.TypeString) {
		c.drop(codeNotOurs, errs.New("wsconn.Recv", errs.PeerMisbehaved, "the other side sent a text message; only binary ones are taken"))
		return
	}
	msg, err := jsval.Bytes(data)
	if err != nil {
		c.drop(codeNotOurs, errs.Wrap("wsconn.Recv", errs.PeerMisbehaved, err))
		return
	}
	c.mu.Lock()
	queued := c.queued + len(msg)
	if len(msg) <= transport.MaxMessage && queued <= queueBytes && c.end == nil {
		c.queue, c.queued = append(c.queue, msg), queued
		c.wake()
	}
	c.mu.Unlock()
	switch {
	case len(msg) > transport.MaxMessage:
		c.drop(codeTooMuch, errs.New("wsconn.Recv", errs.PeerMisbehaved, "the other side sent a message of %d bytes; %d is the limit", len(msg), transport.MaxMessage))
	case queued > queueBytes:
		c.drop(codeTooMuch, errs.New("wsconn.Recv", errs.PeerMisbehaved, "the other side sends faster than messages are taken; %d bytes wait", queued))
	}
}

// closeError says what a close event means.
func closeError(ev safejs.Value) error {
	code, reason := jsval.Int(ev, "code"), jsval.String(ev, "reason")
	clean := jsval.Bool(ev, "wasClean")
	switch {
	case clean && (code == codeNormal || code == codeAway || code == codeNone):
		return io.EOF
	case clean && (code == codePolicy || code == codeTryLater):
		return errs.New("wsconn", errs.RelayRefused, "the server closed the connection: %q (code %d)", reason, code).With("closeCode", code)
	}
	return errs.New("wsconn", errs.PeerUnreachable, "the connection broke: %q (code %d)", reason, code).With("closeCode", code)
}

// wake makes all that wait look again. Call it with c.mu held.
func (c *conn) wake() {
	close(c.poke)
	c.poke = make(chan struct{})
}

// finish ends the connection for a reason that came from outside; the first
// one stays.
func (c *conn) finish(err error) {
	c.mu.Lock()
	if c.end == nil {
		c.end = err
	}
	c.wake()
	c.mu.Unlock()
	c.unlisten()
}

// drop ends the connection because the other side broke the rules.
func (c *conn) drop(code int, err error) {
	c.finish(err)
	_, _ = c.ws.Call("close", code) // throws only for a code that is not allowed
}

// Send implements transport.Conn.
func (c *conn) Send(ctx context.Context, msg []byte) error {
	const op = "wsconn.Send"
	if len(msg) > transport.MaxMessage {
		return errs.New(op, errs.TooLarge, "a message of %d bytes; %d is the limit", len(msg), transport.MaxMessage)
	}
	if err := c.waitForRoom(ctx, op); err != nil {
		return err
	}
	data, err := jsval.Uint8Array(msg)
	if err != nil {
		return err
	}
	_, err = c.ws.Call("send", data)
	return jsval.Error(op, errs.PeerUnreachable, err)
}

// waitForRoom returns nil when the connection is up and takes a message.
func (c *conn) waitForRoom(ctx context.Context, op string) error {
	for poll := firstPoll; ; poll = min(2*poll, lastPoll) {
		if err := jsval.ContextError(ctx, op); err != nil {
			return err
		}
		c.mu.Lock()
		end, closed, poke := c.end, c.closed, c.poke
		c.mu.Unlock()
		switch {
		case closed:
			return errs.New(op, errs.Closed, "the connection is closed")
		case end == io.EOF:
			return errs.New(op, errs.PeerUnreachable, "the other side closed the connection")
		case end != nil:
			return errs.New(op, errs.PeerUnreachable, "the connection is over: %w", end)
		case jsval.Int(c.ws, "bufferedAmount") < highWater:
			return nil
		}
		timer := time.NewTimer(poll)
		select {
		case <-timer.C:
		case <-poke:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// Recv implements transport.Conn.
func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	const op = "wsconn.Recv"
	for {
		if err := jsval.ContextError(ctx, op); err != nil {
			return nil, err
		}
		c.mu.Lock()
		msg, err := c.next(op)
		poke := c.poke
		c.mu.Unlock()
		if msg != nil || err != nil {
			return msg, err
		}
		select {
		case <-poke:
		case <-ctx.Done():
		}
	}
}

// next takes the next message, or says why there will be none. Call it with
// c.mu held.
func (c *conn) next(op string) ([]byte, error) {
	switch {
	case c.closed:
		return nil, errs.New(op, errs.Closed, "the connection is closed")
	case len(c.queue) > 0:
		msg := c.queue[0]
		c.queue[0] = nil
		c.queue, c.queued = c.queue[1:], c.queued-len(msg)
		return msg, nil
	}
	return nil, c.end
}

// Close implements transport.Conn. The browser still sends what is buffered.
func (c *conn) Close() error {
	c.mu.Lock()
	first := !c.closed
	if first {
		c.closed, c.queue, c.queued = true, nil, 0
		c.wake()
	}
	c.mu.Unlock()
	if !first {
		return nil
	}
	c.unlisten()
	_, err := c.ws.Call("close", codeNormal)
	return jsval.Error("wsconn.Close", errs.Internal, err)
}
