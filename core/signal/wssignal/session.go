package wssignal

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/relayproto"
	"github.com/echospace/echospace/core/transport"
)

// session is one connection to the relay, from Welcome on. joined and what
// follows it is guarded by client.mu.
type session struct {
	client *Client
	conn   transport.Conn
	limits signal.Limits
	ctx    context.Context // done once the session failed
	cancel context.CancelFunc
	wake   chan struct{} // a token for keep

	err      error // why the session failed
	failOnce sync.Once
	joined   map[uint32]*stay // by handle, joining ones too
	control  [][]byte         // waits for keep to send it
	received time.Time        // when something last was, in wall time
	probing  bool             // ping now
	pinged   time.Time        // when the last ping left
	awaiting bool             // nothing came since
}

func newSession(c *Client, conn transport.Conn, welcome relayproto.Message) *session {
	ctx, cancel := context.WithCancel(c.ctx)
	limits := signal.Limits{BytesPerSecond: welcome.Limits.BytesPerSecond, MaxFrame: relayproto.MaxFrame}
	if n := int(welcome.Limits.MaxFrame); n > 0 && n < limits.MaxFrame {
		limits.MaxFrame = n
	}
	return &session{
		client: c, conn: conn, limits: limits, ctx: ctx, cancel: cancel,
		wake: make(chan struct{}, 1), joined: map[uint32]*stay{}, received: c.now(),
	}
}

// fail ends the session with its first reason, which err holds once fail
// returned. It takes no lock, so that it may be called with or without client.mu.
func (s *session) fail(err error) {
	s.failOnce.Do(func() {
		s.err = err
		s.cancel()
	})
}

// join asks for st's topic under a new handle and peer id.
func (s *session) join(st *stay) {
	c := s.client
	c.lastHandle++ // 2^32 joins outlive no client
	st.handle = c.lastHandle
	st.self, _ = id.From[id.PeerID](c.opts.Env.Bytes(id.ShortSize))
	s.joined[st.handle] = st
	s.post(&relayproto.Message{Type: relayproto.TypeJoin, Handle: st.handle, Topic: st.topic, Peer: st.self})
}

// leave gives st's handle up.
func (s *session) leave(st *stay) {
	if s.joined[st.handle] != st {
		return
	}
	delete(s.joined, st.handle)
	s.post(&relayproto.Message{Type: relayproto.TypeLeave, Handle: st.handle})
}

// post has keep send a control message.
func (s *session) post(m *relayproto.Message) {
	s.control = append(s.control, m.Append(nil))
	s.notify()
}

// probe has keep ask whether the relay is there.
func (s *session) probe() {
	s.probing = true
	s.notify()
}

func (s *session) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// read reads until the connection ends, and gives why.
func (s *session) read() error {
	for {
		b, err := s.conn.Recv(s.ctx)
		if err != nil {
			if errors.Is(err, io.EOF) {
				return errs.New("wssignal", errs.RelayUnreachable, "the relay closed the connection")
			}
			return errs.New("wssignal", errs.RelayUnreachable, "the relay is lost: %w", err)
		}
		m, err := relayproto.DecodeRelay(b)
		if err != nil {
			return errs.New("wssignal", errs.PeerMisbehaved, "the relay sent garbage: %w", err)
		}
		if err := s.obey(m); err != nil {
			return err
		}
	}
}

// obey does what a message says. An error ends the session.
func (s *session) obey(m relayproto.Message) error {
	switch m.Type {
	case relayproto.TypeGoodbye:
		return refusal(m)
	case relayproto.TypeWelcome:
		return errs.New("wssignal", errs.PeerMisbehaved, "the relay sent a second Welcome")
	}
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	s.received, s.awaiting = s.client.now(), false
	if st := s.joined[m.Handle]; st != nil && m.Type != relayproto.TypePong {
		st.obey(s, m)
	}
	return nil // a handle that was given up meanwhile
}

// keep sends control messages and pings after silence, until the session ends.
func (s *session) keep() {
	t := time.NewTimer(idleTimeout)
	defer t.Stop()
	for {
		for {
			b := s.nextControl()
			if b == nil {
				break
			}
			if !s.send(b) {
				return
			}
		}
		wait, ping, dead := s.liveness()
		switch {
		case dead:
			s.fail(errs.New("wssignal", errs.RelayUnreachable, "the relay does not answer"))
			return
		case ping:
			m := relayproto.Message{Type: relayproto.TypePing}
			if !s.send(m.Append(nil)) {
				return
			}
		}
		t.Reset(wait)
		select {
		case <-s.ctx.Done():
			return
		case <-s.wake:
		case <-t.C:
		}
	}
}

// liveness decides on wall time, which goes on while the machine sleeps: the
// first look after waking up finds the silence long and pings.
func (s *session) liveness() (wait time.Duration, ping, dead bool) {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	now := s.client.now()
	if s.awaiting {
		wait = pongTimeout - now.Sub(s.pinged)
		return min(wait, pongTimeout), false, wait <= 0
	}
	wait = idleTimeout - now.Sub(s.received)
	if s.probing || wait <= 0 {
		s.probing, s.awaiting, s.pinged = false, true, now
		return pongTimeout, true, false
	}
	return min(wait, idleTimeout), false, false
}

func (s *session) nextControl() []byte {
	s.client.mu.Lock()
	defer s.client.mu.Unlock()
	if len(s.control) == 0 {
		return nil
	}
	b := s.control[0]
	s.control = s.control[1:]
	return b
}

// send sends a control message. One that cannot leave for so long means that
// the path is dead.
func (s *session) send(b []byte) bool {
	ctx, cancel := context.WithTimeout(s.ctx, pongTimeout)
	defer cancel()
	if err := s.conn.Send(ctx, b); err != nil {
		s.fail(errs.New("wssignal", errs.RelayUnreachable, "the relay is lost: %w", err))
		return false
	}
	return true
}
