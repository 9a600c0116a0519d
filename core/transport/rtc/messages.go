package rtc

import (
	"context"
	"io"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/wire"
)

// Send waits until the connection is ready and both the other side's window
// and the channel have room; see transport.Conn.
func (c *Conn) Send(ctx context.Context, msg []byte) error {
	const op = "rtc.Send"
	if len(msg) > transport.MaxMessage {
		return errs.New(op, errs.TooLarge, "message of %d bytes, limit %d", len(msg), transport.MaxMessage)
	}
	if err := c.wait(ctx, op, c.ready, func() bool { return c.isReady }); err != nil {
		return err
	}
	select {
	case c.sending <- struct{}{}:
		defer func() { <-c.sending }()
	case <-c.done:
		return c.ended(op)
	case <-ctx.Done():
		return ctxError(ctx, op)
	}
	frames := split(msg)
	fee := cost(frames)
	if err := c.wait(ctx, op, c.credits, func() bool { return c.credit >= fee }); err != nil {
		return err
	}
	size := uint64(len(msg) + len(frames))
	if err := c.wait(ctx, op, c.room, func() bool { return c.pc.bufferedAmount()+size <= maxBuffered }); err != nil {
		return err
	}
	c.mu.Lock()
	c.credit -= fee
	c.sent += uint64(len(msg))
	c.mu.Unlock()
	for _, f := range frames {
		if err := c.pc.send(f); err != nil {
			c.fail(errs.PeerUnreachable, "the data channel refused a message: %w", err)
			return c.ended(op)
		}
	}
	return nil
}

// wait waits until ok, which it asks under c.mu, again after each poke.
func (c *Conn) wait(ctx context.Context, op string, poked <-chan struct{}, ok func() bool) error {
	for {
		if ctx.Err() != nil {
			return ctxError(ctx, op)
		}
		c.mu.Lock()
		end, yes := c.err != nil, ok()
		c.mu.Unlock()
		if end {
			return c.ended(op)
		}
		if yes {
			return nil
		}
		select {
		case <-poked:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// ended is the error of a call on a connection that ended.
func (c *Conn) ended(op string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errs.New(op, errs.Closed, "this side closed the connection")
	}
	return errs.New(op, errs.PeerUnreachable, "the connection is gone: %w", c.err)
}

// Recv gives the next message; see transport.Conn. What came before the end is
// given first.
func (c *Conn) Recv(ctx context.Context) ([]byte, error) {
	const op = "rtc.Recv"
	for {
		if ctx.Err() != nil {
			return nil, ctxError(ctx, op)
		}
		c.mu.Lock()
		msg, credit, ok := c.in.take()
		end, clean := c.err != nil, c.bye && !c.closed
		c.mu.Unlock()
		switch {
		case ok:
			if credit > 0 {
				c.control(uintFrame(frameCredit, uint64(credit)))
			}
			return msg, nil
		case clean:
			return nil, io.EOF
		case end:
			return nil, c.ended(op)
		}
		select {
		case <-c.arrived:
		case <-c.done:
		case <-ctx.Done():
		}
	}
}

// control sends a frame outside the window. A failure shows as the channel's
// end.
func (c *Conn) control(f []byte) {
	if err := c.pc.send(f); err != nil {
		c.log.Debug("rtc: control frame", "err", err)
	}
}

// onMessage takes a frame, and nil for text. It never waits.
func (c *Conn) onMessage(data []byte) {
	if len(data) == 0 {
		c.fail(errs.PeerMisbehaved, "a frame that is text or empty")
		return
	}
	kind, payload := data[0], data[1:]
	switch kind {
	case frameMore, frameLast:
		c.onData(kind, payload)
	case frameBye:
		c.onBye(payload)
	case frameCredit, framePing, framePong:
		r := wire.NewReader(payload)
		v := r.Uint(1 << 62)
		if err := r.Done("rtc.frame"); err != nil {
			c.fail(errs.PeerMisbehaved, "frame of type %d: %w", kind, err)
			return
		}
		c.onNumber(kind, v)
	default:
		c.fail(errs.PeerMisbehaved, "a frame of unknown type %d", kind)
	}
}

func (c *Conn) onData(kind byte, payload []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed: // still on the way when we closed
		return
	case c.bye:
		c.end(errs.New("rtc", errs.PeerMisbehaved, "a message after goodbye"), true)
	case !c.in.data(kind, payload):
		c.end(errs.New("rtc", errs.PeerMisbehaved, "a frame of %d bytes beyond the window or the message limit", len(payload)), true)
	default:
		poke(c.arrived)
	}
}

// onBye takes the other side's goodbye: with ours it ends the connection,
// without it is answered.
func (c *Conn) onBye(payload []byte) {
	c.mu.Lock()
	if len(payload) != 0 || c.bye || c.in.part != nil {
		c.end(errs.New("rtc", errs.PeerMisbehaved, "goodbye twice or amid a message"), true)
		c.mu.Unlock()
		return
	}
	c.bye = true
	c.end(errs.New("rtc", errs.PeerUnreachable, "the other side closed the connection"), c.closed)
	answer := !c.closed
	c.mu.Unlock()
	if answer {
		c.control([]byte{frameBye})
	}
}

func (c *Conn) onNumber(kind byte, v uint64) {
	switch kind {
	case frameCredit:
		c.mu.Lock()
		defer c.mu.Unlock()
		if v > window || c.credit+int(v) > window {
			c.end(errs.New("rtc", errs.PeerMisbehaved, "credit of %d bytes that were not sent", v), true)
			return
		}
		c.credit += int(v)
		poke(c.credits)
	case framePing:
		// Our own messages never fill the channel so far: the peer pings
		// without reading the answers.
		if c.pc.bufferedAmount() > 2*maxBuffered {
			c.fail(errs.PeerMisbehaved, "pings whose answers are not read")
			return
		}
		c.control(uintFrame(framePong, v))
	case framePong:
		c.mu.Lock()
		defer c.mu.Unlock()
		if v == c.pings && !c.pingAt.IsZero() {
			c.roundTrip = max(c.o.Clock.Now().Sub(c.pingAt), 1)
			c.pingAt = time.Time{}
		}
	}
}

// ping measures the round trip unless a measurement is out.
func (c *Conn) ping() {
	c.mu.Lock()
	if !c.pingAt.IsZero() {
		c.mu.Unlock()
		return
	}
	c.pingAt = c.o.Clock.Now()
	c.pings++
	n := c.pings
	c.mu.Unlock()
	c.control(uintFrame(framePing, n))
}

// ctxError keeps ctx's error reachable for errors.Is.
func ctxError(ctx context.Context, op string) error {
	kind := errs.Cancelled
	if ctx.Err() == context.DeadlineExceeded {
		kind = errs.Timeout
	}
	return errs.Wrap(op, kind, ctx.Err())
}
