package memsignal

import (
	"context"
	"errors"
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
)

// Signaler is one client of a Hub; a signal.Signaler.
type Signaler struct {
	hub    *Hub
	down   bool // guarded by hub.mu, as is closed
	closed bool
}

var _ signal.Signaler = (*Signaler)(nil)

// SetDown cuts this client off from the Hub, or lets it come back.
func (s *Signaler) SetDown(down bool) {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	s.down = down
	s.hub.settle()
}

// Join implements signal.Signaler.
func (s *Signaler) Join(ctx context.Context, t id.Topic) (signal.Rendezvous, error) {
	const op = "memsignal.Join"
	if ctx.Err() != nil {
		return nil, contextError(op, ctx.Err())
	}
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.closed {
		return nil, errs.New(op, errs.Closed, "the Signaler was closed")
	}
	r := &rendezvous{s: s, topic: t, wake: make(chan struct{}, 1)}
	h.all = append(h.all, r)
	h.settle()
	return r, nil
}

// Close implements signal.Signaler.
func (s *Signaler) Close() error {
	h := s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	s.closed = true
	for _, r := range slices.Clone(h.all) {
		if r.s == s {
			r.leave()
		}
	}
	return nil
}

// rendezvous is a stay under a topic. All fields are guarded by hub.mu; a stay
// that was left is no longer in hub.all.
type rendezvous struct {
	s      *Signaler
	topic  id.Topic
	self   id.PeerID
	up     bool
	closed bool
	events []signal.Event
	wake   chan struct{} // holds a token while something may be new for Recv
}

func (r *rendezvous) push(ev signal.Event) {
	r.events = append(r.events, ev)
	r.poke()
}

func (r *rendezvous) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Recv implements signal.Rendezvous.
func (r *rendezvous) Recv(ctx context.Context) (signal.Event, error) {
	const op = "memsignal.Recv"
	for {
		if ctx.Err() != nil {
			return signal.Event{}, contextError(op, ctx.Err())
		}
		if ev, ok, err := r.take(op); ok || err != nil {
			return ev, err
		}
		select {
		case <-r.wake:
		case <-ctx.Done():
		}
	}
}

func (r *rendezvous) take(op string) (signal.Event, bool, error) {
	r.s.hub.mu.Lock()
	defer r.s.hub.mu.Unlock()
	if r.closed {
		r.poke() // for whoever Recvs next
		return signal.Event{}, false, errs.New(op, errs.Closed, "the stay under the topic was closed")
	}
	if len(r.events) == 0 {
		return signal.Event{}, false, nil
	}
	ev := r.events[0]
	r.events[0] = signal.Event{}
	r.events = r.events[1:]
	return ev, true, nil
}

// Send implements signal.Rendezvous. It does not block.
func (r *rendezvous) Send(ctx context.Context, to id.PeerID, frame []byte) error {
	const op = "memsignal.Send"
	if ctx.Err() != nil {
		return contextError(op, ctx.Err())
	}
	h := r.s.hub
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case r.closed:
		return errs.New(op, errs.Closed, "the stay under the topic was closed")
	case len(frame) > signal.MaxFrame:
		return errs.New(op, errs.TooLarge, "frame of %d bytes, limit %d", len(frame), signal.MaxFrame)
	case !r.up:
		return errs.New(op, errs.PeerUnreachable, "the hub is down")
	case to == r.self || h.find(r.topic, to) == nil:
		return errs.New(op, errs.PeerUnreachable, "peer %s is not under the topic", id.Short(to))
	}
	h.carry(Frame{Topic: r.topic, From: r.self, To: to, Data: append([]byte(nil), frame...)})
	return nil
}

// Close implements signal.Rendezvous.
func (r *rendezvous) Close() error {
	r.s.hub.mu.Lock()
	defer r.s.hub.mu.Unlock()
	r.leave()
	return nil
}

func (r *rendezvous) leave() {
	if r.closed {
		return
	}
	r.closed = true
	r.events = nil
	h := r.s.hub
	h.all = slices.DeleteFunc(h.all, func(p *rendezvous) bool { return p == r })
	if r.up {
		r.up = false
		h.tell(r, signal.Left)
	}
	r.poke()
}

func contextError(op string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errs.Wrap(op, errs.Timeout, err)
	}
	return errs.Wrap(op, errs.Cancelled, err)
}
