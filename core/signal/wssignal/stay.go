package wssignal

import (
	"context"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/relayproto"
)

// eventOverhead is what an event counts in a queue beside its data, in bytes.
const eventOverhead = 64

// stay is a signal.Rendezvous. All fields but the first three and wake are
// guarded by client.mu.
type stay struct {
	client *Client
	topic  id.Topic
	wake   chan struct{} // a token while something may be new for Recv

	closed  bool
	handle  uint32    // of the present or last join
	self    id.PeerID // of the same
	peers   map[id.PeerID]struct{}
	up      bool // joined and Up was queued
	stalled bool // joins again once its queue was read
	refused int  // joins in a row
	retry   *time.Timer

	events []signal.Event
	size   int
}

// push queues an event. A queue that overflows becomes one Down.
func (st *stay) push(ev signal.Event) {
	st.size += eventOverhead + len(ev.Data)
	if st.size > st.client.opts.QueueBytes {
		st.stall()
		return
	}
	st.events = append(st.events, ev)
	st.poke()
}

// stall leaves the topic until the reader has caught up.
func (st *stay) stall() {
	err := errs.New("wssignal", errs.TooLarge, "over %d bytes of events wait to be received; the topic was left", st.client.opts.QueueBytes)
	if s := st.client.session; s != nil {
		s.leave(st)
	}
	st.up, st.peers, st.stalled = false, nil, true
	st.events, st.size = []signal.Event{{Type: signal.Down, Err: err}}, eventOverhead
	st.poke()
}

func (st *stay) poke() {
	select {
	case st.wake <- struct{}{}:
	default:
	}
}

// obey takes a message of the relay about this stay.
func (st *stay) obey(s *session, m relayproto.Message) {
	if m.Type == relayproto.TypeRefused {
		st.refuse(s, m)
		return
	}
	if m.Type == relayproto.TypeJoined && !st.up {
		st.bringUp(s, m.Peers)
		return
	}
	if !st.up {
		return
	}
	_, there := st.peers[m.Peer]
	switch m.Type {
	case relayproto.TypePeerJoined:
		st.add(m.Peer)
	case relayproto.TypePeerLeft, relayproto.TypeUndeliverable:
		if there {
			delete(st.peers, m.Peer)
			st.push(signal.Event{Type: signal.Left, Peer: m.Peer})
		}
	case relayproto.TypeDeliver:
		// A frame from somebody who is not there could not be answered.
		if there {
			st.push(signal.Event{Type: signal.Frame, Peer: m.Peer, Data: m.Frame})
		}
	}
}

func (st *stay) bringUp(s *session, peers []id.PeerID) {
	st.up, st.refused = true, 0
	st.peers = make(map[id.PeerID]struct{}, len(peers))
	st.push(signal.Event{Type: signal.Up, Self: st.self, Limits: s.limits})
	for _, p := range peers {
		if st.up { // a push may stall it
			st.add(p)
		}
	}
}

func (st *stay) add(p id.PeerID) {
	if _, there := st.peers[p]; there || p == st.self {
		return
	}
	st.peers[p] = struct{}{}
	st.push(signal.Event{Type: signal.Joined, Peer: p})
}

// refuse reports a refused join once, and tries again as long as the session
// stands.
func (st *stay) refuse(s *session, m relayproto.Message) {
	delete(s.joined, st.handle)
	st.refused++
	if st.refused == 1 {
		st.push(signal.Event{Type: signal.Down, Err: refusal(m)})
	}
	window := min(backoffFirst<<min(st.refused, 6), backoffMost)
	delay := backoffFirst + time.Duration(st.client.random()%uint64(window))
	st.retry = time.AfterFunc(delay, func() {
		st.client.mu.Lock()
		defer st.client.mu.Unlock()
		if st.client.session == s && !st.closed && !st.stalled && s.joined[st.handle] != st {
			s.join(st)
		}
	})
}

// down tells that the connection is gone.
func (st *stay) down(err error) {
	st.stopRetry()
	if st.up {
		st.up, st.peers = false, nil
		st.push(signal.Event{Type: signal.Down, Err: err})
	}
}

func (st *stay) stopRetry() {
	if st.retry != nil {
		st.retry.Stop()
		st.retry = nil
	}
	st.refused = 0
}

// Recv implements signal.Rendezvous.
func (st *stay) Recv(ctx context.Context) (signal.Event, error) {
	const op = "wssignal.Recv"
	for {
		if ctx.Err() != nil {
			return signal.Event{}, contextError(op, ctx.Err())
		}
		if ev, ok, err := st.take(op); ok || err != nil {
			return ev, err
		}
		select {
		case <-st.wake:
		case <-ctx.Done():
		}
	}
}

func (st *stay) take(op string) (signal.Event, bool, error) {
	c := st.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if st.closed {
		st.poke() // for whoever Recvs next
		return signal.Event{}, false, errs.New(op, errs.Closed, "the stay under the topic was closed")
	}
	if len(st.events) == 0 {
		return signal.Event{}, false, nil
	}
	ev := st.events[0]
	st.events[0] = signal.Event{}
	st.events = st.events[1:]
	st.size -= eventOverhead + len(ev.Data)
	if st.stalled && len(st.events) == 0 {
		st.stalled = false
		if c.session != nil {
			c.session.join(st)
		}
	}
	return ev, true, nil
}

// Send implements signal.Rendezvous.
func (st *stay) Send(ctx context.Context, to id.PeerID, frame []byte) error {
	const op = "wssignal.Send"
	s, msg, err := st.prepare(op, to, frame)
	if err != nil {
		return err
	}
	if err := s.conn.Send(ctx, msg); err != nil {
		if ctx.Err() != nil {
			return contextError(op, ctx.Err())
		}
		return errs.New(op, errs.PeerUnreachable, "the relay is lost: %w", err)
	}
	return nil
}

// prepare checks and encodes a frame, and gives the session to send it on.
func (st *stay) prepare(op string, to id.PeerID, frame []byte) (*session, []byte, error) {
	c := st.client
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := relayproto.MaxFrame
	if c.session != nil {
		limit = c.session.limits.MaxFrame
	}
	_, there := st.peers[to]
	switch {
	case st.closed:
		return nil, nil, errs.New(op, errs.Closed, "the stay under the topic was closed")
	case len(frame) > limit:
		return nil, nil, errs.New(op, errs.TooLarge, "frame of %d bytes, limit %d", len(frame), limit)
	case !st.up || c.session == nil:
		return nil, nil, errs.New(op, errs.PeerUnreachable, "not connected to the relay")
	case !there:
		return nil, nil, errs.New(op, errs.PeerUnreachable, "peer %s is not under the topic", id.Short(to))
	}
	m := relayproto.Message{Type: relayproto.TypeSend, Handle: st.handle, Peer: to, Frame: frame}
	return c.session, m.Append(make([]byte, 0, eventOverhead+len(frame))), nil
}

// Close implements signal.Rendezvous.
func (st *stay) Close() error {
	st.client.mu.Lock()
	defer st.client.mu.Unlock()
	st.closeLocked()
	return nil
}

func (st *stay) closeLocked() {
	if st.closed {
		return
	}
	st.closed = true
	st.events, st.peers, st.up = nil, nil, false
	st.stopRetry()
	delete(st.client.stays, st)
	if s := st.client.session; s != nil {
		s.leave(st)
	}
	st.poke()
}
