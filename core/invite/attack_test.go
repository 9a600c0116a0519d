package invite

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// insider is an attacker that knows the swarm key, and so can speak the
// protocol as a guest or as a host, but not the auth code.
type insider struct {
	*node
	p        *pump
	inv      Invitation
	heard    []message // from the other side, in order
	say      func(m message)
	sayBytes func(b []byte) // what may be no message
	on       func(m message)
	s        *secured
}

// falseGuest opens a session to a host.
func falseGuest(p *pump, inv Invitation, to id.PeerID) *insider {
	a := &insider{p: p, inv: inv}
	a.node = p.join(&node{raw: func(carried) {}})
	a.dial(to)
	p.deliver()
	return a
}

// dial makes a a guest of to.
func (a *insider) dial(to id.PeerID) {
	hs, err := newHandshake(a.p.env, &a.inv, true)
	if err != nil {
		a.p.t.Fatal(err)
	}
	body, _, _, err := hs.WriteMessage(nil, nil)
	if err != nil {
		a.p.t.Fatal(err)
	}
	hello := frame{kind: frameHello, body: body}
	copy(hello.tag[:], a.p.env.Bytes(tagSize))
	var ch *channel
	a.raw = func(c carried) {
		f, err := decodeFrame(c.data)
		if err != nil || f.tag != hello.tag {
			return
		}
		if f.kind == frameAnswer && ch == nil {
			_, g, h, err := hs.ReadMessage(nil, f.body)
			if err != nil {
				return
			}
			a.s = finish(hs, g, h)
			ch = newChannel(a.s, true, f.tag, a.p.now)
			a.speak(to, ch)
			a.say(message{typ: msgPresent})
			return
		}
		if f.kind == frameHost && ch != nil {
			a.take(ch, f)
			a.post(to, ch)
		}
	}
	a.send([]Frame{{To: to, Data: hello.encode()}})
}

// falseHost answers every guest that says hello.
func falseHost(p *pump, inv Invitation) *insider {
	a := &insider{p: p, inv: inv}
	a.node = p.join(&node{raw: a.answer})
	return a
}

func (a *insider) answer(c carried) {
	f, err := decodeFrame(c.data)
	if err != nil || f.kind != frameHello {
		return
	}
	hs, err := newHandshake(a.p.env, &a.inv, false)
	if err != nil {
		a.p.t.Fatal(err)
	}
	if _, _, _, err := hs.ReadMessage(nil, f.body); err != nil {
		return
	}
	body, g, h, err := hs.WriteMessage(nil, nil)
	if err != nil {
		a.p.t.Fatal(err)
	}
	a.s = finish(hs, g, h)
	ch := newChannel(a.s, false, f.tag, a.p.now)
	a.speak(c.from, ch)
	a.raw = func(c carried) {
		if f, err := decodeFrame(c.data); err == nil && f.kind == frameGuest {
			a.take(ch, f)
			a.post(c.from, ch)
		}
	}
	a.send([]Frame{{To: c.from, Data: frame{kind: frameAnswer, tag: f.tag, body: body}.encode()}})
}

// speak lets a say what it likes over ch.
func (a *insider) speak(to id.PeerID, ch *channel) {
	a.sayBytes = func(b []byte) {
		ch.queue = append(ch.queue, piece{body: b})
		a.post(to, ch)
	}
	a.say = func(m message) {
		ch.push(m)
		a.post(to, ch)
	}
}

func (a *insider) post(to id.PeerID, ch *channel) {
	for _, b := range ch.flush(a.p.now) {
		a.send([]Frame{{To: to, Data: b}})
	}
}

func (a *insider) take(ch *channel, f frame) {
	b, err := ch.receive(f, a.p.now)
	if err != nil || b == nil {
		return
	}
	m, err := decodeMessage(b)
	if err != nil {
		a.p.t.Fatal(err)
	}
	a.heard = append(a.heard, m)
	if a.on != nil {
		a.on(m)
	}
}

func (a *insider) types() (types []messageType) {
	for _, m := range a.heard {
		types = append(types, m.typ)
	}
	return types
}

// guess puts a code to the host, as a guest would.
func (a *insider) guess(code string) {
	r := newRun(a.p.env, &a.inv, a.s, nil, code, roleGuest)
	a.on = func(m message) {
		if m.typ == msgReply {
			if err := r.initiate(m.point); err != nil {
				a.p.t.Fatal(err)
			}
			a.say(message{typ: msgConfirm, tag: r.keys.Tag()})
		}
	}
	a.say(message{typ: msgStart, point: r.point()})
}

// The host's CPace reply tells nothing about the code: without confirming, no
// guest hears more than a point, which is a fresh random one each time, and no
// attempt is spent.
func TestAttack_I25_replyLeaksNothing(t *testing.T) {
	p := newPump(t, 200)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	var heard [][]messageType
	points := map[[32]byte]bool{}
	for _, code := range []string{"123456", "000000"} {
		a := falseGuest(p, inv, h.id)
		for range 5 {
			r := newRun(p.env, &inv, a.s, nil, code, roleGuest)
			a.say(message{typ: msgStart, point: r.point()})
			p.pass(time.Second)
		}
		for _, m := range a.heard[1:] {
			points[m.point] = true
		}
		heard = append(heard, a.types())
		p.leave(a.node)
	}
	if !slices.Equal(heard[0], heard[1]) || len(heard[0]) != 6 {
		t.Fatalf("right code hears %v, wrong code %v", heard[0], heard[1])
	}
	if len(points) != 10 {
		t.Errorf("%d different points in 10 replies", len(points))
	}
	if h.host.AttemptsLeft() != 3 || len(h.debits) != 0 {
		t.Errorf("%d attempts left", h.host.AttemptsLeft())
	}
}

// However many sessions guess at once, leave, or come again: three are judged.
func TestAttack_I04_parallelGuessing(t *testing.T) {
	for name, slow := range map[string]bool{"debits stored at once": false, "debits stored late": true} {
		t.Run(name, func(t *testing.T) {
			p := newPump(t, 201)
			inv := testInvitation(p)
			h := p.addHost(inv, 0)
			if slow {
				h.onDebit = func(*node, Debit) {}
			}
			var all []*insider
			for range 20 {
				all = append(all, falseGuest(p, inv, h.id))
			}
			for i, a := range all {
				a.guess(fmt.Sprintf("9%05d", i))
			}
			for range 10 {
				p.deliver()
				if slow {
					p.leave(all[len(h.debits)].node)
					h.host.Debited(nil)
					p.collect()
				}
			}
			if !slices.Equal(h.debits, []int{1, 2, 3}) {
				t.Fatalf("debits %v", h.debits)
			}
			verdicts := 0
			for _, a := range all {
				for _, typ := range a.types() {
					if typ == msgProven {
						t.Fatal("proven")
					}
					if typ == msgWrong {
						verdicts++
					}
				}
			}
			if verdicts > 2 { // the third guess hears the end
				t.Errorf("%d verdicts", verdicts)
			}
			wantEnd(t, h, Error, errs.TooManyAttempts)
		})
	}
}

// A relay that knows the swarm key speaks Noise with both sides and passes on
// what they say: the session ids differ, so even the right code proves nothing.
func TestAttack_I25_manInTheMiddle(t *testing.T) {
	p := newPump(t, 202)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	toHost := falseGuest(p, inv, h.id)
	toGuest := falseHost(p, inv)
	g := p.newGuest(inv, 0)
	p.relay = func(c carried) []carried { // hides host and guest from each other
		if c.from == h.id && c.to == g.id || c.from == g.id && c.to == h.id {
			return nil
		}
		return []carried{c}
	}
	p.join(g)
	p.deliver()
	toHost.on = func(m message) { toGuest.say(m) }
	toGuest.on = func(m message) {
		if m.typ != msgPresent {
			toHost.say(m)
		}
	}
	toGuest.say(toHost.heard[0]) // welcome
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.WrongAuthCode {
		t.Fatalf("got %v", err)
	}
	if len(h.admitted) != 0 || len(g.joined) != 0 || h.host.AttemptsLeft() != 2 {
		t.Fatalf("admitted %d, joined %d, left %d", len(h.admitted), len(g.joined), h.host.AttemptsLeft())
	}
}

// A false host learns one guess from each confirmation; the guest makes three.
func TestAttack_I04_falseHosts(t *testing.T) {
	p := newPump(t, 203)
	inv := testInvitation(p)
	g := p.addGuest(inv)
	confirmed := 0
	lie := func(a *insider, answer message) {
		a.on = func(m message) {
			switch m.typ {
			case msgStart:
				r := newRun(p.env, &inv, a.s, nil, "000000", roleHost)
				if err := r.respond(m.point); err != nil {
					t.Fatal(err)
				}
				a.say(message{typ: msgReply, point: r.point()})
			case msgConfirm:
				confirmed++
				a.say(answer)
			case msgIntroduce:
				t.Fatal("introduced to a false host")
			}
		}
		a.say(message{typ: msgWelcome, attempts: 3})
	}
	for i, answer := range []message{{typ: msgWrong, attempts: 300}, {typ: msgProven, tag: make([]byte, 64)}, {typ: msgEnd, kind: errs.InvitationUsed}} {
		a := falseHost(p, inv)
		p.deliver()
		lie(a, answer)
		p.deliver()
		err := g.authenticate("123456")
		if want := []errs.Kind{errs.WrongAuthCode, errs.WrongAuthCode, errs.TooManyAttempts}[i]; errs.KindOf(err) != want {
			t.Fatalf("host %d: %v, want %v", i, err, want)
		}
	}
	if confirmed != 3 {
		t.Errorf("%d confirmations", confirmed)
	}
	wantEnd(t, g, Error, errs.TooManyAttempts)
}

// After a false host has answered, the true one is tried.
func TestAttack_falseHostBesideTheTrueOne(t *testing.T) {
	p := newPump(t, 204)
	inv := testInvitation(p)
	a := falseHost(p, inv)
	g := p.addGuest(inv)
	p.deliver()
	a.on = func(m message) {
		if m.typ == msgStart {
			a.say(message{typ: msgReply, point: m.point})
		} else if m.typ == msgConfirm {
			a.say(message{typ: msgWrong, attempts: 2})
		}
	}
	a.say(message{typ: msgWelcome, attempts: 3})
	p.deliver()
	h := p.addHost(inv, 0)
	p.deliver()
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.WrongAuthCode {
		t.Fatal(err)
	}
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, h, Success, errs.OK)
}

// What a host says unasked is not believed.
func TestAttack_falseMembership(t *testing.T) {
	p := newPump(t, 205)
	inv := testInvitation(p)
	a := falseHost(p, inv)
	g := p.addGuest(inv)
	p.deliver()
	a.say(message{typ: msgEnd, kind: errs.AlreadyMember, payload: []byte("a space of the attacker")})
	p.deliver()
	if g.ended == nil || g.ended.Payload != nil {
		t.Fatalf("ended %+v", g.ended)
	}
	g = p.addGuest(inv)
	b := falseHost(p, inv)
	p.deliver()
	b.say(message{typ: msgAdmitted, payload: []byte("a space of the attacker")})
	p.deliver()
	if len(g.joined) != 0 || len(g.dropped) == 0 || errs.KindOf(g.dropped[0].Err) != errs.PeerMisbehaved {
		t.Fatalf("joined %d, dropped %v", len(g.joined), g.dropped)
	}
}

func TestAttack_replay(t *testing.T) {
	p := newPump(t, 206)
	inv := testInvitation(p, multiUse)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	_ = g.authenticate("9999999999")
	if err := g.authenticate("0123456789"); err != nil {
		t.Fatal(err)
	}
	states := len(h.states)
	for _, again := range slices.Clone(p.log) {
		p.wire = append(p.wire, again)
		// And as if another peer had sent it.
		again.from = id.PeerID{1}
		p.wire = append(p.wire, again)
	}
	p.deliver()
	p.pass(30 * time.Second)
	if len(h.admitted) != 1 || len(h.debits) != 1 || len(g.joined) != 1 || len(h.states) != states {
		t.Errorf("admitted %d, debits %v, joined %d, states %v", len(h.admitted), h.debits, len(g.joined), h.states)
	}
}

// N08: every frame also comes back to its sender.
func TestAttack_N08_reflection(t *testing.T) {
	p := newPump(t, 207)
	p.relay = func(c carried) []carried {
		return []carried{{from: c.to, to: c.from, data: c.data}, {from: c.from, to: c.from, data: c.data}, c}
	}
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	wantStates(t, h, happy...)
	wantStates(t, g, happy...)
}

// Frames of one guest put in the place of another's.
func TestAttack_substitution(t *testing.T) {
	p := newPump(t, 208)
	inv := testInvitation(p)
	h, g, other := p.addHost(inv, 0), p.addGuest(inv), p.addGuest(inv)
	p.relay = func(c carried) []carried {
		out := []carried{c}
		switch {
		case c.from == g.id:
			out = append(out, carried{other.id, c.to, c.data})
		case c.to == g.id:
			out = append(out, carried{c.from, other.id, c.data})
		}
		return out
	}
	_ = other.guest.Authenticate("000000")
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	p.deliver()
	if len(h.admitted) != 1 || !bytes.Equal(h.admitted[0].Body, g.intro.Body) || len(other.joined) != 0 {
		t.Errorf("admitted %q, the other joined %d", h.admitted, len(other.joined))
	}
}

// Altered, lost, repeated and reordered frames cost no attempt and let nobody in.
func TestAttack_I25_tampering(t *testing.T) {
	for seed := range uint64(20) {
		p := newPump(t, 300+seed)
		p.drop, p.dup, p.swap, p.tamper = 0.15, 0.15, 0.2, 0.15
		inv := testInvitation(p)
		h, g := p.addHost(inv, 0), p.addGuest(inv)
		err := g.authenticate("123456")
		if len(h.debits) != 0 || len(h.admitted) > 1 {
			t.Fatalf("seed %d: debits %v, admitted %d", 300+seed, h.debits, len(h.admitted))
		}
		if err != nil && errs.KindOf(err) != errs.HostUnreachable {
			t.Fatalf("seed %d: %v", 300+seed, err)
		}
	}
}

// A relay that replaces every frame by noise prevents, and no more.
func TestAttack_noise(t *testing.T) {
	p := newPump(t, 209)
	p.tamper = 1
	inv := testInvitation(p)
	h, g := p.addHost(inv, 0), p.addGuest(inv)
	if err := g.authenticate("123456"); errs.KindOf(err) != errs.Timeout {
		t.Fatal(err)
	}
	if h.host.State() != Connecting || h.host.AttemptsLeft() != 3 {
		t.Fatalf("host is %v", h.host.State())
	}
}

// TestMisbehaviour: a message out of place drops who sent it, and nobody else.
func TestMisbehaviour_N12(t *testing.T) {
	for name, ms := range map[string][]message{
		"confirm without start": {{typ: msgConfirm}},
		"introduce unproven":    {{typ: msgIntroduce}},
		"opened unasked":        {{typ: msgOpened}},
		"host's message":        {{typ: msgProven}},
		"identity as point":     {{typ: msgStart}},
		"start while judged":    {{typ: msgStart, point: basePoint}, {typ: msgConfirm}, {typ: msgStart, point: basePoint}},
		"long introduction":     {{typ: msgIntroduce, intro: Introduction{Body: make([]byte, MaxMessage), Proof: make([]byte, MaxMessage)}}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPump(t, 210)
			inv := testInvitation(p)
			h := p.addHost(inv, 0)
			h.onDebit = func(*node, Debit) {}
			a := falseGuest(p, inv, h.id)
			for _, m := range ms {
				a.say(m)
			}
			p.deliver()
			if len(h.dropped) != 1 {
				t.Fatalf("dropped %v", h.dropped)
			}
			if k := errs.KindOf(h.dropped[0].Err); k != errs.PeerMisbehaved && k != errs.BadKey {
				t.Fatalf("dropped for %v", h.dropped[0].Err)
			}
			h.onDebit = nil
			h.host.Debited(nil)
			if err := p.addGuest(inv).authenticate("123456"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// basePoint is the generator of ristretto255 (RFC 9496, appendix A.1).
var basePoint = [32]byte{
	0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f,
	0x58, 0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
}

func TestHost_manySessions(t *testing.T) {
	p := newPump(t, 211)
	inv := testInvitation(p)
	h := p.addHost(inv, 0)
	a := falseGuest(p, inv, h.id)
	for range 2 * maxGuestsPerPeer {
		a.dial(h.id)
		p.deliver()
	}
	if n := len(h.host.guests); n != maxGuestsPerPeer {
		t.Errorf("%d sessions of one peer", n)
	}
	if err := p.addGuest(inv).authenticate("123456"); err != nil {
		t.Fatal(err)
	}
}
