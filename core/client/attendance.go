package client

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/wire"
)

// A page that nobody looks at leaves the network to another tab of the profile
// that somebody looks at: what that one receives and stores it passes on through
// Tabs. Nothing but the number of connections depends on it, so whatever goes
// wrong here has a tab stay or return.

const (
	// hiddenGrace is how long a tab stays after it was hidden, or used the
	// network for something that only it can do.
	hiddenGrace = 30 * time.Second
	// beat is how often a visible tab says that it is.
	beat = 5 * time.Second
	// silence is how long a visible tab may say nothing before it counts as gone.
	silence = 3 * beat
)

// attendance decides whether a tab is on the network. It does no I/O, starts no
// goroutine and knows no clock; the caller serialises its calls.
type attendance struct {
	hidden  bool
	since   time.Time            // when it was hidden, or busy last
	visible map[uint32]time.Time // by slot: siblings that are visible, and when they said so
	said    time.Time            // when the own state was told last
	tell    bool                 // the own state changed
}

// verdict is what attendance asks for.
type verdict struct {
	Tell bool          // tell the siblings the own state
	Away bool          // be off the network
	Next time.Duration // turn again after this time
}

// seen takes in whether the own page can be seen.
func (a *attendance) seen(now time.Time, visible bool) {
	if a.hidden == visible {
		a.hidden, a.since, a.tell = !visible, now, true
	}
}

// heard takes in what a sibling said of itself.
func (a *attendance) heard(now time.Time, slot uint32, visible bool) {
	if a.visible == nil {
		a.visible = map[uint32]time.Time{}
	}
	if visible {
		a.visible[slot] = now
	} else {
		delete(a.visible, slot)
	}
}

// turn decides. busy says that the tab does what no sibling can do for it.
func (a *attendance) turn(now time.Time, busy bool) (v verdict) {
	if busy {
		a.since = now
	}
	last := time.Time{} // when the sibling that was heard last was
	for slot, at := range a.visible {
		if now.Sub(at) >= silence {
			delete(a.visible, slot)
		} else if at.After(last) {
			last = at
		}
	}
	grace := hiddenGrace - now.Sub(a.since)
	v = verdict{Away: a.hidden && len(a.visible) > 0 && grace <= 0, Tell: a.tell, Next: time.Hour}
	if !a.hidden {
		v.Tell = v.Tell || now.Sub(a.said) >= beat
		v.Next = beat
	}
	if v.Tell {
		a.tell, a.said = false, now
	}
	switch {
	case v.Away:
		v.Next = silence - now.Sub(last)
	case a.hidden && len(a.visible) > 0:
		v.Next = grace
	}
	return v
}

// attending drives the attendance of a session.
type attending struct {
	s    *session
	wake chan struct{}

	mu sync.Mutex
	a  attendance
}

// attend follows the page until the session ends. Without a page that can be
// hidden, or without siblings, the engine is on the network.
func (s *session) attend() {
	p := s.c.ports
	if p.Visible == nil || p.Tabs == nil {
		return
	}
	d := &attending{s: s, wake: make(chan struct{}, 1)}
	d.a.said = p.Env.Clock.Now().Add(-beat) // a visible tab says so at once
	s.net.follow(d)
	s.release = append(s.release, p.Visible(func(visible bool) {
		d.with(func(a *attendance) { a.seen(p.Env.Clock.Now(), visible) })
	}))
	s.spawn(d.run)
}

// with runs f on the attendance and has its verdict carried out.
func (d *attending) with(f func(*attendance)) {
	d.mu.Lock()
	f(&d.a)
	d.mu.Unlock()
	d.poke()
}

// poke has the attendance decide again. It never blocks; d may be nil.
func (d *attending) poke() {
	if d == nil {
		return
	}
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

func (d *attending) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.wake:
		case <-timer.C:
		}
		busy := d.s.busy()
		d.mu.Lock()
		v := d.a.turn(d.s.c.ports.Env.Clock.Now(), busy)
		visible := !d.a.hidden
		d.mu.Unlock()
		if v.Tell {
			d.s.postPresence(visible)
		}
		d.s.net.setAway(v.Away)
		timer.Reset(v.Next)
	}
}

// busy tells whether the session does what no sibling can do for it: an
// invitation is under way, a flush waits for a peer, or the page listens to a
// channel, whose messages are not stored.
func (s *session) busy() bool {
	if len(s.allInvitations()) > 0 {
		return true
	}
	for _, sp := range s.allSpaces() {
		if sp.busy() {
			return true
		}
	}
	return false
}

func (sp *Space) busy() bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return false
	}
	for _, w := range sp.run.waiters {
		if w.peer {
			return true
		}
	}
	return len(sp.listens) > 0
}

// postPresence tells the siblings whether this tab can be seen: [slot, visible].
func (s *session) postPresence(visible bool) {
	b := wire.AppendArray(nil, 2)
	b = wire.AppendUint(b, uint64(s.slot))
	s.postTabs(tabPresence, wire.AppendBool(b, visible))
}

// presence takes in what a sibling said of itself.
func (s *session) presence(body []byte) error {
	r := wire.NewReader(body)
	r.Array(2)
	slot := uint32(r.Uint(1<<32 - 1))
	visible := r.Bool()
	if err := r.Done("client.tabs"); err != nil {
		return err
	}
	if d := s.net.following(); d != nil && slot != s.slot {
		d.with(func(a *attendance) { a.heard(s.c.ports.Env.Clock.Now(), slot, visible) })
	}
	return nil
}
