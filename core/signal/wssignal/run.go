package wssignal

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal/relayproto"
	"github.com/echospace/echospace/core/transport"
)

// run connects, again and again, until Close.
func (c *Client) run() {
	defer func() { c.setStatus(Status{State: Closed}) }()
	attempt := 0
	for c.ctx.Err() == nil {
		if c.pause() {
			attempt = 0
			continue
		}
		attempt++
		c.setStatus(Status{State: Connecting, Attempt: attempt, Err: c.Status().Err})
		stood, err := c.connect(attempt)
		if c.ctx.Err() != nil {
			return
		}
		if stood >= backoffMost {
			attempt = 0
		}
		c.opts.Env.Log.Debug("relay connection ended", "attempt", attempt, "err", err)
		if c.isSuspended() {
			continue
		}
		c.setStatus(Status{State: Waiting, Attempt: attempt, Err: err})
		c.backoff(attempt)
	}
}

func (c *Client) isSuspended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.suspended
}

// pause waits while the client is suspended, and tells whether it was.
func (c *Client) pause() bool {
	if !c.isSuspended() {
		return false
	}
	c.setStatus(Status{State: Suspended, Err: errOffline()})
	for c.isSuspended() {
		select {
		case <-c.wake:
		case <-c.ctx.Done():
			return true
		}
	}
	return true
}

// backoff waits before attempt+1: a random part of a window that doubles with
// each attempt ("full jitter", M. Brooker, Exponential Backoff And Jitter). Poke,
// Resume and Suspend cut it short.
func (c *Client) backoff(attempt int) {
	window := backoffMost
	if n := max(attempt-1, 0); n < 6 {
		window = min(window, backoffFirst<<n)
	}
	t := time.NewTimer(time.Duration(c.random() % uint64(window+1)))
	defer t.Stop()
	for {
		c.mu.Lock()
		cut := c.poked || c.suspended
		c.poked = false
		c.mu.Unlock()
		if cut {
			return
		}
		select {
		case <-t.C:
			return
		case <-c.wake:
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Client) random() uint64 { return binary.BigEndian.Uint64(c.opts.Env.Bytes(8)) }

// connect makes one connection and serves it to its end. It gives how long the
// connection stood, zero if the relay never welcomed it.
func (c *Client) connect(attempt int) (stood time.Duration, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, dialTimeout)
	defer cancel()
	c.begin(cancel)
	conn, err := c.opts.Dial(ctx, c.opts.URL)
	if err != nil {
		return 0, errs.New("wssignal", errs.RelayUnreachable, "the relay %s cannot be reached: %w", c.opts.URL, err)
	}
	defer conn.Close()
	welcome, err := greet(ctx, conn)
	if err != nil {
		return 0, err
	}
	s := newSession(c, conn, welcome)
	began := c.now()
	if !c.attach(s) {
		s.cancel()
		return 0, errOffline()
	}
	kept := make(chan struct{})
	go func() {
		defer close(kept)
		s.keep()
	}()
	c.setStatus(Status{State: Up, Attempt: attempt, Limits: s.limits})
	s.fail(s.read())
	<-kept
	c.detach(s.err)
	return c.now().Sub(began), s.err
}

// begin begins an attempt, which Suspend ends by abort.
func (c *Client) begin(abort context.CancelFunc) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.abort, c.poked = abort, false
	if c.suspended {
		abort()
	}
}

// greet says Hello and waits for Welcome.
func greet(ctx context.Context, conn transport.Conn) (relayproto.Message, error) {
	const op = "wssignal"
	hello := relayproto.Message{Type: relayproto.TypeHello, Version: relayproto.Version}
	if err := conn.Send(ctx, hello.Append(nil)); err != nil {
		return relayproto.Message{}, errs.New(op, errs.RelayUnreachable, "the relay went away: %w", err)
	}
	b, err := conn.Recv(ctx)
	if err != nil {
		return relayproto.Message{}, errs.New(op, errs.RelayUnreachable, "the relay did not welcome this client: %w", err)
	}
	m, err := relayproto.DecodeRelay(b)
	switch {
	case err != nil:
		return m, errs.New(op, errs.PeerMisbehaved, "what answers is not a relay: %w", err)
	case m.Type == relayproto.TypeGoodbye:
		return m, refusal(m)
	case m.Type != relayproto.TypeWelcome:
		return m, errs.New(op, errs.PeerMisbehaved, "the relay began with a message of type %d", m.Type)
	case m.Version != relayproto.Version:
		return m, errs.New(op, errs.VersionUnsupported, "the relay speaks version %d, this client %d", m.Version, relayproto.Version)
	}
	return m, nil
}

// refusal is the error of a Refused or Goodbye.
func refusal(m relayproto.Message) error {
	kind := errs.RelayRefused
	if m.Code == relayproto.CodeVersion {
		kind = errs.VersionUnsupported
	}
	return errs.New("wssignal", kind, "the relay says: %s", m.Text).With("reason", m.Code.String())
}

// attach makes s the connection of all stays; false if there is to be none.
func (c *Client) attach(s *session) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.suspended || c.ctx.Err() != nil {
		return false
	}
	c.session = s
	c.poked = false
	for st := range c.stays {
		if !st.stalled {
			s.join(st)
		}
	}
	return true
}

// detach tells every stay that the connection is gone.
func (c *Client) detach(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.session = nil
	for st := range c.stays {
		st.down(err)
	}
}
