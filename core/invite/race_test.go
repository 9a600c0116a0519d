package invite

import (
	"fmt"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
)

// While the caller is admitting somebody, the attempts can run out, but the
// admission stands and no fourth guess is judged.
func TestInvite_I04_I18_guessingWhileAdmitting(t *testing.T) {
	p := newPump(t, 500)
	inv := testInvitation(p, func(i *Invitation) { i.Timeout = time.Minute })
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	var asked []Admit
	h.admit = func(_ *node, a Admit) { asked = append(asked, a) }
	_ = g.guest.Authenticate("123456")
	p.collect()
	p.deliver()
	for i := range 5 {
		falseGuest(p, inv, h.id).guess(fmt.Sprintf("9%05d", i))
		p.deliver()
	}
	p.pass(2 * time.Minute) // over the invitation's time too
	if len(h.debits) != 3 || h.ended != nil || len(asked) != 1 {
		t.Fatalf("debits %v, ended %v, asked %d", h.debits, h.ended, len(asked))
	}
	h.accept(asked[0])
	p.collect()
	p.deliver()
	wantEnd(t, g, Success, errs.OK)
	wantEnd(t, h, Success, errs.OK)
}

// A single-use host asks for one guest at a time, and for the next if that one
// is refused; if it is admitted the next is not asked for.
func TestInvite_I18_askedOneByOne(t *testing.T) {
	p := newPump(t, 501)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	var asked []Admit
	h.admit = func(_ *node, a Admit) { asked = append(asked, a) }
	var guests []*node
	for range 3 {
		g := p.addGuest(inv)
		_ = g.guest.Authenticate("123456")
		guests = append(guests, g)
	}
	p.collect()
	p.deliver()
	if len(asked) != 1 {
		t.Fatalf("asked for %d at once", len(asked))
	}
	h.host.Refused(asked[0].Conn, errs.AlreadyMember, nil)
	p.collect()
	p.deliver()
	if len(asked) != 2 {
		t.Fatalf("asked for %d after a refusal", len(asked))
	}
	h.accept(asked[1])
	p.collect()
	p.deliver()
	if len(asked) != 2 {
		t.Fatalf("asked for %d after an admission", len(asked))
	}
	wantEnd(t, guests[0], Error, errs.AlreadyMember)
	wantEnd(t, guests[1], Success, errs.OK)
	wantEnd(t, guests[2], Error, errs.InvitationUsed)
}

// Whoever was told that it is over is not judged: it would hear a verdict that
// nobody asked for, and cost an attempt.
func TestInvite_I04_notJudgedAfterTheEnd(t *testing.T) {
	p := newPump(t, 502)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	g.onJoined = func(*node) {} // takes its time
	var asked []Admit
	h.admit = func(_ *node, a Admit) { asked = append(asked, a) }
	h.onDebit = func(*node, Debit) {}
	_ = g.guest.Authenticate("123456")
	p.collect()
	p.deliver()
	first, second := falseGuest(p, inv, h.id), falseGuest(p, inv, h.id)
	first.guess("900000")
	second.guess("900001")
	p.deliver()
	h.accept(asked[0])
	h.host.Debited(nil)
	p.collect()
	p.deliver()
	if len(h.debits) != 1 {
		t.Fatalf("debits %v", h.debits)
	}
	if last := second.heard[len(second.heard)-1]; last.typ != msgEnd || last.kind != errs.InvitationUsed {
		t.Fatalf("the second heard %v", second.types())
	}
	g.guest.Opened()
	p.collect()
	p.deliver()
	wantEnd(t, h, Success, errs.OK)
}

// A machine that slept does not take the silence for its peer's.
func TestInvite_sleep(t *testing.T) {
	p := newPump(t, 503)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	g := p.join(p.newGuest(inv, -1))
	p.deliver()
	p.now = p.now.Add(time.Hour)
	p.pass(time.Minute)
	if h.host.State() != ReadyForAuthentication || g.guest.State() != ReadyForAuthentication {
		t.Fatalf("after sleep %v and %v", h.host.State(), g.guest.State())
	}
	if len(h.dropped)+len(g.dropped) != 0 {
		t.Fatalf("dropped %v and %v", h.dropped, g.dropped)
	}
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantStates(t, g, happy...)
}

// A replayed frame is no sign of life.
func TestChannel_replayIsNoSignOfLife(t *testing.T) {
	p := newPump(t, 504)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	p.deliver()
	last := p.log[len(p.log)-1]
	for _, c := range p.log {
		if c.from == g.id {
			last = c
		}
	}
	g.gone = true
	for range 40 {
		p.now = p.now.Add(500 * time.Millisecond)
		h.host.Tick(p.now)
		if err := h.host.Frame(last.from, last.data); err == nil && len(h.host.guests) > 0 {
			t.Fatal("a replay was taken")
		}
	}
	p.collect()
	if h.host.State() != Connecting {
		t.Fatalf("host is %v with a guest that is gone", h.host.State())
	}
}

// Several guests of one invitation, and more than the topic should hold, do not
// keep each other from finding the host.
func TestGuest_crowdedTopic(t *testing.T) {
	p := newPump(t, 505)
	inv := testInvitation(p)
	g := p.addGuest(inv)
	for range 2 * maxHosts {
		p.join(&node{raw: func(carried) {}})
	}
	h := p.addHost(inv, 0)
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
}
