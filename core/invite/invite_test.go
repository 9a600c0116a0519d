package invite

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

var happy = []State{Connecting, Connected, ReadyForAuthentication, Authenticating, Success}

func TestInvite_I01_noAuth(t *testing.T) {
	for _, kind := range []Kind{Space, Device} {
		t.Run(kind.String(), func(t *testing.T) {
			p := newPump(t, 1)
			inv := testInvitation(p, func(i *Invitation) { i.Auth, i.Kind = None, kind })
			h, g := p.addHost(inv, 0), p.addGuest(inv)
			p.deliver()
			wantEnd(t, h, Success, errs.OK)
			wantEnd(t, g, Success, errs.OK)
			wantStates(t, h, Connecting, Connected, Success)
			wantStates(t, g, Connecting, Connected, Success)
			if string(g.joined[0]) != "keys for guest 1" {
				t.Errorf("payload %q", g.joined[0])
			}
		})
	}
}

func TestInvite_I02_I26_sharedSecret(t *testing.T) {
	p := newPump(t, 2)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	if err := g.authenticate("123 456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
	wantStates(t, h, happy...)
	wantStates(t, g, happy...)
	if !bytes.Equal(g.joined[0], []byte("keys for guest 1")) || len(g.joined) != 1 || len(h.admitted) != 1 {
		t.Errorf("joined %q, admitted %d", g.joined, len(h.admitted))
	}
	if !g.guest.Done() {
		t.Error("the guest is not done although all has arrived")
	}
	p.pass(linger)
	if !h.host.Done() {
		t.Error("the host is not done")
	}
}

func TestInvite_I03_wrongThenRight(t *testing.T) {
	p := newPump(t, 3)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	err := g.authenticate("654321")
	if e, ok := errors.AsType[*errs.Error](err); !ok || e.Kind != errs.WrongAuthCode || e.Details["attemptsLeft"] != 2 {
		t.Fatalf("got %v", err)
	}
	if g.guest.State() != ReadyForAuthentication || h.host.State() != ReadyForAuthentication {
		t.Fatalf("states %v, %v after a wrong code", g.guest.State(), h.host.State())
	}
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
	wantStates(t, g, Connecting, Connected, ReadyForAuthentication, Authenticating, ReadyForAuthentication, Authenticating, Success)
}

func TestInvite_I04_threeWrong(t *testing.T) {
	p := newPump(t, 4)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	for range 2 {
		if err := g.authenticate("000000"); errs.KindOf(err) != errs.WrongAuthCode {
			t.Fatal(err)
		}
	}
	if err := g.authenticate("000000"); errs.KindOf(err) != errs.TooManyAttempts {
		t.Fatal(err)
	}
	wantEnd(t, h, Error, errs.TooManyAttempts)
	wantEnd(t, g, Error, errs.TooManyAttempts)
	if err := g.guest.Authenticate("123456"); errs.KindOf(err) != errs.TooManyAttempts {
		t.Errorf("authenticate after the end: %v", err)
	}
}

// The attempts are those of the invitation: a guest that goes as soon as it
// has guessed, and comes back, gets no more of them.
func TestInvite_I04_droppingAndReconnecting(t *testing.T) {
	p := newPump(t, 5)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	stored := 0
	h.onDebit = func(n *node, d Debit) { stored = d.Spent; n.host.Debited(nil) }
	for i := range 3 {
		g := p.addGuest(inv)
		p.deliver()
		_ = g.guest.Authenticate("000000")
		p.collect()
		for len(p.wire) > 0 && len(h.debits) == i {
			p.step()
			if g.guest.guesses == 1 && !g.gone {
				g.gone = true // says nothing more, hears nothing more
			}
		}
		p.leave(g)
		p.deliver()
	}
	if stored != 3 {
		t.Fatalf("%d attempts stored, want 3", stored)
	}
	wantEnd(t, h, Error, errs.TooManyAttempts)
	g := p.addGuest(inv)
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.TooManyAttempts {
		t.Fatalf("a late guest with the right code: %v", err)
	}
}

func TestInvite_I04_severalGuestsAtOnce(t *testing.T) {
	p := newPump(t, 6)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	var debits []*node
	h.onDebit = func(n *node, _ Debit) { debits = append(debits, n) }
	var guests []*node
	for range 6 {
		guests = append(guests, p.addGuest(inv))
	}
	p.deliver()
	for i, g := range guests {
		code := "000000"
		if i == 5 {
			code = "123456" // right, but in line behind too many wrong ones
		}
		_ = g.guest.Authenticate(code)
	}
	p.collect()
	p.deliver()
	if len(debits) != 1 || len(h.host.judging) != 5 {
		t.Fatalf("%d judged while a debit is out, %d wait", len(debits), len(h.host.judging))
	}
	for i := range 3 {
		if len(debits) != i+1 {
			t.Fatalf("%d debits after %d were stored", len(debits), i)
		}
		h.host.Debited(nil)
		p.collect()
		p.deliver()
	}
	if len(debits) != 3 || len(h.admitted) != 0 {
		t.Fatalf("%d guesses were judged, %d admitted", len(debits), len(h.admitted))
	}
	wantEnd(t, h, Error, errs.TooManyAttempts)
	for _, g := range guests {
		wantEnd(t, g, Error, errs.TooManyAttempts)
	}
}

func TestInvite_I04_I13_hostReload(t *testing.T) {
	p := newPump(t, 7)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	h.onDebit = func(*node, Debit) {} // goes away while storing
	g := p.addGuest(inv)
	p.deliver()
	_ = g.guest.Authenticate("000000")
	p.collect()
	p.deliver()
	if len(h.debits) != 1 {
		t.Fatal("no debit before the answer")
	}
	if len(g.rejected) != 0 || g.ended != nil {
		t.Fatal("the guest was answered before the debit was stored")
	}
	p.leave(h)
	p.deliver()
	wantEnd(t, g, Error, errs.HostUnreachable) // its guess was not answered; it is not repeated
	h2 := p.addHost(inv, h.debits[0])
	g2 := p.addGuest(inv)
	if err := g2.authenticate("000000"); errs.KindOf(err) != errs.WrongAuthCode {
		t.Fatal(err)
	}
	if err := g2.authenticate("000000"); errs.KindOf(err) != errs.TooManyAttempts {
		t.Fatal(err)
	}
	wantEnd(t, h2, Error, errs.TooManyAttempts)
	h3 := p.addHost(inv, 3)
	p.pass(time.Second)
	wantEnd(t, h3, Error, errs.TooManyAttempts)
}

func TestInvite_I04_debitCannotBeStored(t *testing.T) {
	p := newPump(t, 8)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	h.onDebit = func(n *node, _ Debit) { n.host.Debited(errs.New("test", errs.StorageFull, "full")) }
	if err := g.authenticate("000000"); errs.KindOf(err) != errs.HostUnreachable {
		t.Fatal(err)
	}
	wantEnd(t, h, Error, errs.StorageFull)
}

// Whoever drives a machine and stops when it is done has heard how it ended.
func TestInvite_doneOnceTheEndIsTold(t *testing.T) {
	type machine interface {
		Cancel()
		Done() bool
	}
	p := newPump(t, 21)
	inv := testInvitation(p)
	host, guest := p.addHost(inv, 0).host, p.newGuest(inv, 0).guest
	for name, c := range map[string]struct {
		m     machine
		ended func() *Ended
	}{
		"host":  {host, func() *Ended { return host.Ready().Ended }},
		"guest": {guest, func() *Ended { return guest.Ready().Ended }},
	} {
		c.m.Cancel()
		if c.m.Done() {
			t.Errorf("%s: done before its end was told", name)
		}
		if e := c.ended(); e == nil || e.State != Cancelled {
			t.Errorf("%s: it ended with %v", name, e)
		}
		if !c.m.Done() {
			t.Errorf("%s: not done although it has nobody to tell", name)
		}
	}
}

func TestInvite_I05_timeout(t *testing.T) {
	t.Run("of the invitation", func(t *testing.T) {
		p := newPump(t, 9)
		inv := testInvitation(p, func(i *Invitation) { i.Timeout = 20 * time.Second })
		h, g := p.addHost(inv, 0), p.addGuest(inv)
		p.pass(19 * time.Second)
		if h.ended != nil {
			t.Fatal("ended early")
		}
		p.pass(time.Second)
		wantEnd(t, h, Timeout, errs.Timeout)
		wantEnd(t, g, Timeout, errs.Timeout)
		p.pass(linger)
		if !h.host.Done() || !g.guest.Done() {
			t.Error("something is left running")
		}
	})
	t.Run("of one guest", func(t *testing.T) {
		p := newPump(t, 10)
		inv := testInvitation(p)
		h := p.addHost(inv, 0)
		g := p.join(p.newGuest(inv, 10*time.Second))
		p.pass(10 * time.Second)
		wantEnd(t, g, Timeout, errs.Timeout)
		if h.ended != nil || h.host.State() != Connecting {
			t.Fatalf("host is %v", h.host.State())
		}
		if err := p.addGuest(inv).authenticate("123456"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("default, without any host", func(t *testing.T) {
		p := newPump(t, 11)
		g := p.addGuest(testInvitation(p))
		_ = g.guest.Authenticate("123456")
		p.pass(DefaultGuestTimeout)
		wantEnd(t, g, Timeout, errs.Timeout)
	})
}

func TestInvite_I06_hostCancels(t *testing.T) {
	p := newPump(t, 12)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	p.deliver()
	h.host.Cancel()
	h.host.Cancel()
	p.collect()
	p.deliver()
	wantEnd(t, h, Cancelled, errs.Cancelled)
	wantEnd(t, g, Error, errs.CancelledByHost)
}

func TestInvite_I07_I20_guestCancels(t *testing.T) {
	p := newPump(t, 13)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	p.deliver()
	g.guest.Cancel()
	g.guest.Cancel()
	p.collect()
	p.deliver()
	wantEnd(t, g, Cancelled, errs.Cancelled)
	if h.host.State() != Connecting || len(h.dropped) != 1 || errs.KindOf(h.dropped[0].Err) != errs.GuestGone {
		t.Fatalf("host is %v, dropped %v", h.host.State(), h.dropped)
	}
	if err := p.addGuest(inv).authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
}

func TestInvite_I08_guestNetworkBreaks(t *testing.T) {
	p := newPump(t, 14)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	p.deliver()
	g.guest.PeerLeft(h.id) // the relay went down for the guest
	p.leave(g)
	g.gone = false // its machine still runs
	p.pass(hostGrace)
	wantEnd(t, g, Error, errs.HostUnreachable)
	if h.host.State() != Connecting {
		t.Fatalf("host is %v", h.host.State())
	}
	if err := p.addGuest(inv).authenticate("123456"); err != nil {
		t.Fatal(err)
	}
}

// A guest that is lost between admission and its own acknowledgement comes
// back for what it was given, and nobody else gets in meanwhile.
func TestInvite_I08_lostWhileAdmitted(t *testing.T) {
	p := newPump(t, 15)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	h.admit = func(n *node, a Admit) {
		p.leave(g)
		n.accept(a)
	}
	_ = g.guest.Authenticate("123456")
	p.collect()
	p.deliver()
	if len(h.admitted) != 1 || h.ended != nil {
		t.Fatalf("admitted %d, ended %v", len(h.admitted), h.ended)
	}
	if err := p.addGuest(inv).authenticate("123456"); errs.KindOf(err) != errs.InvitationUsed {
		t.Fatalf("another guest: %v", err)
	}
	again := p.newGuest(inv, 0)
	again.intro = g.intro
	p.join(again)
	if err := again.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	if string(again.joined[0]) != "keys for guest 1" || len(h.admitted) != 1 {
		t.Fatalf("payload %q, admitted %d", again.joined[0], len(h.admitted))
	}
	wantEnd(t, h, Success, errs.OK)
}

func TestInvite_I08_lostForGood(t *testing.T) {
	p := newPump(t, 16)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	g.onJoined = func(*node) {}
	_ = g.guest.Authenticate("123456")
	p.collect()
	p.deliver()
	p.leave(g)
	p.pass(returnLimit)
	wantEnd(t, h, Success, errs.OK) // the member is admitted, whatever became of it
}

func TestInvite_I09_hostGone(t *testing.T) {
	for name, tell := range map[string]bool{"the relay says so": true, "silently": false} {
		t.Run(name, func(t *testing.T) {
			p := newPump(t, 17)
			inv := testInvitation(p)
			h, g := p.addHost(inv, 0), p.addGuest(inv)
			p.deliver()
			if tell {
				p.leave(h)
				p.pass(hostGrace)
			} else {
				h.gone = true
				p.pass(silenceLimit + hostGrace + time.Second)
			}
			wantEnd(t, g, Error, errs.HostUnreachable)
		})
	}
	t.Run("back at once", func(t *testing.T) {
		p := newPump(t, 18)
		inv := testInvitation(p)
		h, g := p.addHost(inv, 0), p.addGuest(inv)
		p.deliver()
		p.leave(h)
		p.pass(hostGrace / 2)
		h2 := p.addHost(inv, 0)
		if err := g.authenticate("123456"); err != nil {
			t.Fatal(err)
		}
		wantEnd(t, h2, Success, errs.OK)
		wantStates(t, g, happy...)
	})
}

func TestInvite_I10_alreadyMember(t *testing.T) {
	p := newPump(t, 19)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	h.admit = func(n *node, a Admit) { n.host.Refused(a.Conn, errs.AlreadyMember, []byte("space key")) }
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.AlreadyMember {
		t.Fatal(err)
	}
	if string(g.ended.Payload) != "space key" || len(g.joined) != 0 {
		t.Fatalf("payload %q, joined %d", g.ended.Payload, len(g.joined))
	}
	if h.ended != nil || h.host.State() != Connecting {
		t.Fatalf("host is %v", h.host.State())
	}
	h.admit = nil
	if err := p.addGuest(inv).authenticate("123456"); err != nil {
		t.Fatalf("the invitation was not used up, but: %v", err)
	}
}

// A guest that is a member already is handed the space all the same: it may
// have lost it. What the guest says decides what comes of the invitation.
func TestInvite_I10_knownGuest(t *testing.T) {
	known := func(n *node, a Admit) {
		if err := n.host.Known(a.Conn, []byte("keys again")); err != nil {
			n.p.t.Fatal(err)
		}
	}
	t.Run("has the space", func(t *testing.T) {
		p := newPump(t, 21)
		inv := testInvitation(p)
		h, g := p.addHost(inv, 0), p.addGuest(inv)
		h.admit = known
		g.onJoined = func(n *node) { n.guest.Failed(final(errs.AlreadyMember)) }
		if err := g.authenticate("123456"); errs.KindOf(err) != errs.AlreadyMember {
			t.Fatal(err)
		}
		p.pass(time.Second)
		if h.ended != nil || h.host.State() != Connecting {
			t.Fatalf("host is %v", h.host.State())
		}
		h.admit = nil
		if err := p.addGuest(inv).authenticate("123456"); err != nil {
			t.Fatalf("the invitation was not used up, but: %v", err)
		}
	})
	t.Run("lost the space", func(t *testing.T) {
		p := newPump(t, 22)
		inv := testInvitation(p)
		h, g := p.addHost(inv, 0), p.addGuest(inv)
		h.admit = known
		if err := g.authenticate("123456"); err != nil {
			t.Fatal(err)
		}
		if string(g.joined[0]) != "keys again" {
			t.Fatalf("payload %q", g.joined[0])
		}
		p.pass(time.Second)
		wantEnd(t, h, Success, errs.OK)
		wantEnd(t, g, Success, errs.OK)
	})
	t.Run("beside one that is being admitted", func(t *testing.T) {
		p := newPump(t, 23)
		inv := testInvitation(p)
		h := p.addHost(inv, 0)
		var asked []Admit
		h.admit = func(_ *node, a Admit) { asked = append(asked, a) }
		member, guest := p.addGuest(inv), p.addGuest(inv)
		_ = member.guest.Authenticate("123456")
		p.collect()
		p.deliver()
		member.onJoined = func(*node) {} // opens it later
		known(h, asked[0])
		_ = guest.guest.Authenticate("123456")
		p.collect()
		p.deliver()
		if len(asked) != 2 {
			t.Fatalf("asked for %d", len(asked))
		}
		member.guest.Opened()
		p.collect()
		p.deliver()
		if h.ended != nil {
			t.Fatal("the host ended while another guest was being admitted")
		}
		h.accept(asked[1])
		p.collect()
		p.deliver()
		wantEnd(t, member, Success, errs.OK)
		wantEnd(t, guest, Success, errs.OK)
		wantEnd(t, h, Success, errs.OK)
	})
}

func TestInvite_I11_knownKey(t *testing.T) {
	right, wrong := keys.NewSigningKey([32]byte{1}), keys.NewSigningKey([32]byte{2})
	public := right.Public()
	sign := func(k *keys.SigningKey) func(*node, Introduce) {
		return func(n *node, i Introduce) {
			in := n.intro
			if k != nil {
				s, err := k.Sign(context.Background(), i.Binding)
				if err != nil {
					t.Fatal(err)
				}
				in.KeyProof = s[:]
			}
			if err := n.guest.Introduced(i.Conn, in); err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, c := range map[string]struct {
		named *[32]byte
		held  *keys.SigningKey
		ok    bool
	}{
		"right key":       {&public, right, true},
		"other key":       {&public, wrong, false},
		"guest has none":  {&public, nil, false},
		"host names none": {nil, right, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPump(t, 20)
			inv := testInvitation(p, func(i *Invitation) { i.Auth, i.GuestKey = KnownPublicKey, c.named })
			h := p.addHost(inv, 0)
			g := p.newGuest(inv, 0)
			g.introduce = sign(c.held)
			p.join(g)
			p.deliver()
			if !c.ok {
				wantEnd(t, g, Error, errs.WrongGuest)
				if h.ended != nil || h.host.State() != Connecting {
					t.Fatalf("host is %v", h.host.State())
				}
				return
			}
			wantEnd(t, g, Success, errs.OK)
			wantEnd(t, h, Success, errs.OK)
			wantStates(t, g, Connecting, Connected, Authenticating, Success)
			wantStates(t, h, Connecting, Connected, Authenticating, Success)
		})
	}
}

// TestInvite_I11_keyOfIdentity names a guest by a key that never signs itself: the host's
// caller finds in the introduction which key signs for it.
func TestInvite_I11_keyOfIdentity(t *testing.T) {
	device, other := keys.NewSigningKey([32]byte{1}), keys.NewSigningKey([32]byte{2})
	identity := [32]byte{7}
	for name, c := range map[string]struct {
		body string
		held *keys.SigningKey
		ok   bool
	}{
		"own device":       {"identity 7", device, true},
		"another's device": {"identity 7", other, false},
		"another identity": {"identity 8", device, false},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPump(t, 22)
			inv := testInvitation(p, func(i *Invitation) { i.Auth, i.GuestKey = KnownPublicKey, &identity })
			m, err := NewHost(HostOptions{Env: p.env, Invitation: inv, KeyOf: func(guest [32]byte, body []byte) ([32]byte, bool) {
				return device.Public(), string(body) == fmt.Sprint("identity ", guest[0])
			}})
			if err != nil {
				t.Fatal(err)
			}
			h := p.join(&node{host: m})
			g := p.newGuest(inv, 0)
			g.introduce = func(n *node, i Introduce) {
				s, err := c.held.Sign(context.Background(), i.Binding)
				if err != nil {
					t.Fatal(err)
				}
				if err := n.guest.Introduced(i.Conn, Introduction{Body: []byte(c.body), KeyProof: s[:]}); err != nil {
					t.Fatal(err)
				}
			}
			p.join(g)
			p.deliver()
			if !c.ok {
				wantEnd(t, g, Error, errs.WrongGuest)
				if h.ended != nil || len(h.admitted) != 0 {
					t.Fatal("the host ended, or was asked to admit")
				}
				return
			}
			wantEnd(t, g, Success, errs.OK)
			wantEnd(t, h, Success, errs.OK)
		})
	}
}

// TestInvite_toldRole: a guest learns what it will be before it says the auth code.
func TestInvite_toldRole(t *testing.T) {
	for _, role := range []uint8{0, 2, 255} {
		p := newPump(t, 23)
		inv := testInvitation(p, func(i *Invitation) { i.Role = role })
		p.addHost(inv, 0)
		g := p.newGuest(inv, 0)
		p.join(g)
		p.deliver()
		if g.guest.State() != ReadyForAuthentication || g.role != role {
			t.Errorf("in state %v the guest was told %d, want %d", g.guest.State(), g.role, role)
		}
	}
}

func TestInvite_I12_expiry(t *testing.T) {
	p := newPump(t, 21)
	inv := testInvitation(p, func(i *Invitation) { i.Expires = epoch.Add(30 * time.Second).UnixMilli() })
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	p.pass(30 * time.Second)
	wantEnd(t, h, Expired, errs.InvitationExpired)
	wantEnd(t, g, Expired, errs.InvitationExpired)
	late := p.addGuest(inv)
	wantEnd(t, late, Expired, errs.InvitationExpired)
}

func TestInvite_I18_oneOfFive(t *testing.T) {
	for seed := range uint64(5) {
		p := newPump(t, 100+seed)
		p.swap = 1
		inv := testInvitation(p)
		h := p.addHost(inv, 0)
		var guests []*node
		for range 5 {
			g := p.addGuest(inv)
			_ = g.guest.Authenticate("123456")
			guests = append(guests, g)
		}
		p.collect()
		p.until("five ends", func() bool {
			for _, g := range guests {
				if g.ended == nil {
					return false
				}
			}
			return true
		})
		joined := 0
		for _, g := range guests {
			if g.ended.State == Success {
				joined++
				continue
			}
			wantEnd(t, g, Error, errs.InvitationUsed)
		}
		if joined != 1 || len(h.admitted) != 1 {
			t.Fatalf("seed %d: %d joined, %d admitted", 100+seed, joined, len(h.admitted))
		}
		wantEnd(t, h, Success, errs.OK)
	}
}

// A guest that knows the code and then stalls holds nobody up.
func TestInvite_I18_nothingReserved(t *testing.T) {
	p := newPump(t, 22)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	stalls := p.newGuest(inv, 0)
	stalls.introduce = func(*node, Introduce) {}
	p.join(stalls)
	_ = stalls.guest.Authenticate("123456")
	p.collect()
	p.deliver()
	if err := p.addGuest(inv).authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
	wantEnd(t, stalls, Error, errs.InvitationUsed)
}

func TestInvite_I19_multiUse(t *testing.T) {
	p := newPump(t, 23)
	inv := testInvitation(p, multiUse)
	h := p.addHost(inv, 0)
	for range 2 {
		if err := p.addGuest(inv).authenticate("oi2-345 6789"); err != nil {
			t.Fatal(err)
		}
	}
	wantStates(t, h, append(append(append([]State{}, happy...), happy...), Connecting)...)
	var guests []*node
	for range 3 {
		g := p.addGuest(inv)
		_ = g.guest.Authenticate("0123456789")
		guests = append(guests, g)
	}
	p.collect()
	p.deliver()
	for _, g := range guests {
		wantEnd(t, g, Success, errs.OK)
	}
	if len(h.admitted) != 5 || h.ended != nil {
		t.Fatalf("admitted %d, ended %v", len(h.admitted), h.ended)
	}
}

func TestInvite_I19_multiUseBackOff(t *testing.T) {
	p := newPump(t, 24)
	inv := testInvitation(p, multiUse)
	h := p.addHost(inv, 0)
	for range 2 {
		g := p.addGuest(inv)
		for range 2 {
			_ = g.authenticate("9999999999")
		}
		g.guest.Cancel()
	}
	at := p.now
	if err := p.addGuest(inv).authenticate("0123456789"); err != nil {
		t.Fatal(err)
	}
	if p.now.Equal(at) {
		t.Error("a guess right after four wrong ones was judged at once")
	}
	if h.host.AttemptsLeft() != longAttempts-4 {
		t.Errorf("%d attempts left", h.host.AttemptsLeft())
	}
}

func TestInvite_I28_hostComesLater(t *testing.T) {
	p := newPump(t, 25)
	inv := testInvitation(p)
	g := p.addGuest(inv)
	other := p.addGuest(inv) // guests do not take each other for hosts
	_ = g.guest.Authenticate("123456")
	p.pass(time.Minute)
	if g.guest.State() != Connecting || other.guest.State() != Connecting {
		t.Fatalf("states %v, %v without a host", g.guest.State(), other.guest.State())
	}
	h := p.addHost(inv, 0)
	second := p.addHost(inv, 0) // hosts do not take each other for guests
	p.until("joined", func() bool { return g.ended != nil })
	wantEnd(t, g, Success, errs.OK)
	if h.ended == nil == (second.ended == nil) {
		t.Error("not exactly one of two hosts admitted")
	}
}

func TestInvite_bigPayload(t *testing.T) {
	p := newPump(t, 26)
	p.drop, p.dup, p.swap = 0.1, 0.1, 0.2
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	payload := p.env.Bytes(MaxMessage)
	h.admit = func(n *node, a Admit) {
		if err := n.host.Admitted(a.Conn, make([]byte, MaxMessage+1)); errs.KindOf(err) != errs.TooLarge {
			t.Errorf("too long a payload: %v", err)
		}
		if err := n.host.Admitted(a.Conn, payload); err != nil {
			t.Error(err)
		}
		if err := n.host.Admitted(a.Conn, payload); errs.KindOf(err) != errs.Closed {
			t.Errorf("admitted twice: %v", err)
		}
	}
	g.introduce = func(n *node, i Introduce) {
		if err := n.guest.Introduced(i.Conn, Introduction{Proof: make([]byte, MaxMessage+1)}); errs.KindOf(err) != errs.TooLarge {
			t.Errorf("too long an introduction: %v", err)
		}
		if err := n.guest.Introduced(i.Conn, n.intro); err != nil {
			t.Error(err)
		}
	}
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(g.joined[0], payload) {
		t.Fatal("the payload arrived altered")
	}
}

func TestInvite_failedToOpen(t *testing.T) {
	p := newPump(t, 27)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	g.onJoined = func(n *node) { n.guest.Failed(errs.New("test", errs.StorageFull, "full")) }
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.StorageFull {
		t.Fatal(err)
	}
	again := p.newGuest(inv, 0)
	again.intro = g.intro
	p.join(again)
	if err := again.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
}

func TestNewHost_refuses(t *testing.T) {
	if _, err := NewHost(HostOptions{Env: testEnv(1), Invitation: New(testEnv(1))}); errs.KindOf(err) != errs.InvalidArgument {
		t.Errorf("without an auth code: %v", err)
	}
}

func TestAuthenticate_refuses(t *testing.T) {
	p := newPump(t, 28)
	g := p.addGuest(testInvitation(p))
	_ = g.guest.Authenticate("1")
	if err := g.guest.Authenticate("2"); errs.KindOf(err) != errs.InvalidArgument {
		t.Errorf("while one is out: %v", err)
	}
	n := p.addGuest(testInvitation(p, func(i *Invitation) { i.Auth = None }))
	if err := n.guest.Authenticate("1"); errs.KindOf(err) != errs.InvalidArgument {
		t.Errorf("without auth: %v", err)
	}
}

// A host that is cancelled while its caller admits says so to the caller.
func TestInvite_cancelledWhileAdmitting(t *testing.T) {
	p := newPump(t, 29)
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	h.admit = func(n *node, a Admit) {
		n.host.Cancel()
		if err := n.host.Admitted(a.Conn, nil); errs.KindOf(err) != errs.Closed {
			t.Errorf("admitted after the end: %v", err)
		}
	}
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.CancelledByHost {
		t.Fatal(err)
	}
}
