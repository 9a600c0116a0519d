package invite

import (
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// stage is how far one session has come.
type stage uint8

const (
	stageHello      stage = iota // the handshake is not confirmed
	stageReady                   // a sealed channel stands
	stageStarted                 // CPace points are exchanged
	stageConfirmed               // the guest's tag is not judged yet
	stageProven                  // the guest may introduce itself
	stageIntroduced              // the host's caller decides
	stageAdmitted                // the payload is on its way
	stageKnown                   // likewise, to who was a member before
)

// guestLink is one guest's session at the host.
type guestLink struct {
	conn   Conn
	hello  []byte // the guest's first message, and the answer to it
	answer []byte
	sec    *secured
	ch     *channel
	stage  stage
	over   bool // the guest was told that it ends
	overAt time.Time
	run    *run
	tag    []byte // the guest's confirmation
	intro  Introduction
}

// tell ends the session for a reason that the guest hears.
func (g *guestLink) tell(now time.Time, kind errs.Kind, payload []byte) {
	if !g.over && g.stage > stageHello {
		g.ch.push(message{typ: msgEnd, kind: kind, payload: payload})
		g.over, g.overAt = true, now
	}
}

// state is what the session adds to the host's.
func (g *guestLink) state(a Auth) State {
	switch {
	case g.over || g.stage == stageHello:
		return Connecting
	case g.stage == stageReady && a == SharedSecret:
		return ReadyForAuthentication
	case g.stage == stageReady || a == None || a == KnownPublicKey && g.stage < stageIntroduced:
		return Connected
	}
	return Authenticating
}

func (h *Host) find(c Conn) *guestLink {
	for _, g := range h.guests {
		if g.conn == c {
			return g
		}
	}
	return nil
}

// live reports whether g still takes part.
func (h *Host) live(g *guestLink) bool { return !g.over && h.find(g.conn) == g }

// drop forgets a session. What it has confirmed is judged all the same, and
// what it was admitted for can be fetched later.
func (h *Host) drop(g *guestLink, err error) {
	h.guests = slices.DeleteFunc(h.guests, func(o *guestLink) bool { return o == g })
	if !g.over && g.stage > stageHello {
		h.out.Dropped = append(h.out.Dropped, Dropped{Conn: g.conn, Err: err})
	}
	for _, a := range h.admissions {
		if a.guest == g {
			a.guest, a.since = nil, h.now
		}
	}
}

// hello answers a guest's first message; a repeated one gets the same answer.
func (h *Host) hello(p id.PeerID, f frame) error {
	c := Conn{Peer: p, Session: f.tag}
	if g := h.find(c); g != nil {
		if string(g.hello) == string(f.body) && g.stage == stageHello {
			h.frame(c.Peer, g.answer)
		}
		return nil
	}
	if err := h.room(c); err != nil {
		return err
	}
	hs, err := newHandshake(h.env, &h.inv, false)
	if err != nil {
		return err
	}
	if _, _, _, err := hs.ReadMessage(nil, f.body); err != nil {
		return handshakeFailed(err)
	}
	body, guest, host, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return handshakeFailed(err)
	}
	g := &guestLink{conn: c, hello: append([]byte(nil), f.body...), sec: finish(hs, guest, host)}
	g.answer = frame{kind: frameAnswer, tag: f.tag, body: body}.encode()
	g.ch = newChannel(g.sec, false, f.tag, h.now)
	h.guests = append(h.guests, g)
	h.frame(c.Peer, g.answer)
	return nil
}

// room makes place for a session of a peer: a peer that says hello again has
// given up the oldest before.
func (h *Host) room(c Conn) error {
	var own []*guestLink
	for _, g := range h.guests {
		if g.conn.Peer == c.Peer {
			own = append(own, g)
		}
	}
	if len(own) >= maxGuestsPerPeer {
		h.drop(own[0], final(errs.GuestGone))
	}
	if len(h.guests) >= maxGuests {
		return errs.New("invite.Host", errs.TooLarge, "%d guests at a time are the limit", maxGuests)
	}
	return nil
}

// sealed takes a frame of a session.
func (h *Host) sealed(g *guestLink, f frame) error {
	b, err := g.ch.receive(f, h.now)
	if errs.KindOf(err) == errs.DecryptFailed {
		return err
	}
	if err == nil && g.stage == stageHello {
		h.establish(g)
	}
	if err == nil && b != nil && !g.over {
		err = h.message(g, b)
	}
	if err != nil {
		h.drop(g, err)
	}
	return err
}

// establish welcomes a guest whose first sealed frame shows that it is there
// and no replay.
func (h *Host) establish(g *guestLink) {
	g.stage = stageReady
	if h.ended != nil {
		g.tell(h.now, h.farewell, nil)
		return
	}
	g.ch.push(message{typ: msgWelcome, attempts: uint64(h.AttemptsLeft()), role: h.inv.Role})
}

func (h *Host) message(g *guestLink, b []byte) error {
	m, err := decodeMessage(b)
	if err != nil {
		return err
	}
	shared := h.inv.Auth == SharedSecret
	switch {
	case m.typ == msgPresent:
	case m.typ == msgBye:
		h.drop(g, final(errs.GuestGone))
	case m.typ == msgStart && shared && (g.stage == stageReady || g.stage == stageStarted):
		g.stage = stageStarted
		g.run = newRun(h.env, &h.inv, g.sec, g.run, h.inv.AuthCode, roleHost)
		if err = g.run.respond(m.point); err == nil {
			g.ch.push(message{typ: msgReply, point: g.run.point()})
		}
	case m.typ == msgConfirm && g.stage == stageStarted:
		g.stage, g.tag = stageConfirmed, append([]byte(nil), m.tag...)
		h.judging = append(h.judging, g)
	case m.typ == msgIntroduce && (g.stage == stageProven || g.stage == stageReady && !shared):
		h.introduce(g, m.intro)
	case m.typ == msgOpened && (g.stage == stageAdmitted || g.stage == stageKnown):
		h.opened(g)
	default:
		err = errs.New("invite.Host", errs.PeerMisbehaved, "message %d does not fit stage %d", m.typ, g.stage)
	}
	return err
}

// judge decides the confirmations that wait, one at a time: while a wrong one
// is being stored as a spent attempt, no other is looked at.
func (h *Host) judge() {
	for h.ended == nil && h.debiting == nil && len(h.judging) > 0 && !h.now.Before(h.notBefore) && h.AttemptsLeft() > 0 {
		g := h.judging[0]
		h.judging = h.judging[1:]
		if g.over {
			continue // it was told that it ends, and learns nothing more
		}
		if g.run.keys.Verify(g.tag) {
			g.stage = stageProven
			g.ch.push(message{typ: msgProven, tag: g.run.keys.Tag()})
			continue
		}
		h.spent++
		h.debiting = g
		h.out.Debit = &Debit{Spent: h.spent}
	}
}

// Debited tells that the last Debit is stored, or why not: then nobody may
// guess any more, and the host ends with that error.
func (h *Host) Debited(err error) {
	g := h.debiting
	if g == nil || h.ended != nil {
		return
	}
	h.debiting = nil
	if err != nil {
		h.finish(&Ended{State: Error, Err: errs.New("invite.Host", errs.KindOf(err), "an attempt could not be stored: %w", err)}, errs.HostUnreachable)
		return
	}
	h.notBefore = h.now.Add(h.backOff())
	g.stage = stageReady
	switch {
	case h.AttemptsLeft() > 0:
		g.ch.push(message{typ: msgWrong, attempts: uint64(h.AttemptsLeft())})
	case h.committed():
		h.refuse(g, errs.TooManyAttempts, nil)
	default:
		h.end(Error, errs.TooManyAttempts, errs.TooManyAttempts)
	}
	h.settle()
}

// backOff is how long nobody is judged after a wrong code: nothing for the
// first three of an invitation, then from one second doubling to half a minute.
func (h *Host) backOff() time.Duration {
	over := h.spent - shortAttempts
	if over <= 0 {
		return 0
	}
	return min(time.Second<<min(over-1, 5), 30*time.Second)
}

// knows reports whether the guest's signature is by the key that is named, or by
// one that acts for it.
func (h *Host) knows(g *guestLink, in Introduction) bool {
	if h.inv.GuestKey == nil {
		return false
	}
	key := *h.inv.GuestKey
	if h.keyOf != nil {
		var ok bool
		if key, ok = h.keyOf(key, in.Body); !ok {
			return false
		}
	}
	return keys.Verify(key, g.sec.binding(), in.KeyProof) == nil
}
