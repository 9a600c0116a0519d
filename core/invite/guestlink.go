package invite

import (
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/flynn/noise"
)

// hostLink is one session of the guest with a peer that may be a host.
type hostLink struct {
	conn    Conn
	hs      *noise.HandshakeState // until the peer answers
	hello   []byte
	next    time.Time // of the next hello
	wait    time.Duration
	sec     *secured
	ch      *channel // once the peer has answered
	ready   bool     // the host has said welcome
	stage   stage
	tries   int // codes that were put to this host
	run     *run
	pending bool // a confirmation is out and not answered
}

func (g *Guest) find(c Conn) *hostLink {
	for _, h := range g.hosts {
		if h.conn == c {
			return h
		}
	}
	return nil
}

// dial begins a session with p, unless there is one.
func (g *Guest) dial(p id.PeerID) {
	if len(g.hosts) >= maxHosts || slices.ContainsFunc(g.hosts, func(h *hostLink) bool { return h.conn.Peer == p }) {
		return
	}
	h := &hostLink{conn: Conn{Peer: p}, wait: resendFirst}
	copy(h.conn.Session[:], g.env.Bytes(tagSize))
	if err := g.handshake(h); err != nil {
		g.out.Dropped = append(g.out.Dropped, Dropped{Conn: h.conn, Err: err})
		return
	}
	g.hosts = append(g.hosts, h)
	g.sayHello(h)
}

// handshake makes the first message of a new handshake.
func (g *Guest) handshake(h *hostLink) error {
	hs, err := newHandshake(g.env, &g.inv, true)
	if err != nil {
		return err
	}
	body, _, _, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return handshakeFailed(err)
	}
	h.hs = hs
	h.hello = frame{kind: frameHello, tag: h.conn.Session, body: body}.encode()
	return nil
}

// sayHello sends the first message, again and again with back-off: the peer
// may be a host that is not listening yet.
func (g *Guest) sayHello(h *hostLink) {
	if g.ended != nil || g.now.Before(h.next) {
		return
	}
	g.frame(h.conn.Peer, h.hello)
	h.next = g.now.Add(h.wait)
	h.wait = min(2*h.wait, helloMost)
}

// beacon is a host saying that it is there: it goes before peers that have not
// answered.
func (g *Guest) beacon(p id.PeerID) {
	if g.ended != nil {
		return
	}
	for _, h := range g.hosts {
		if h.conn.Peer != p {
			continue
		}
		if h.ch == nil && h.wait > 2*resendFirst {
			h.next, h.wait = g.now, resendFirst
			g.sayHello(h)
		}
		return
	}
	if full := len(g.hosts) >= maxHosts; full {
		at := slices.IndexFunc(g.hosts, func(h *hostLink) bool { return h.ch == nil })
		if at < 0 {
			return
		}
		g.hosts = slices.Delete(g.hosts, at, at+1)
	}
	g.dial(p)
}

// answer finishes the handshake. A failed attempt leaves a state that cannot
// be used again, so the next hello is a new one.
func (g *Guest) answer(h *hostLink, f frame) error {
	_, guest, host, err := h.hs.ReadMessage(nil, f.body)
	if err != nil {
		copy(h.conn.Session[:], g.env.Bytes(tagSize))
		if e := g.handshake(h); e != nil {
			return e
		}
		return handshakeFailed(err)
	}
	h.sec, h.hs, h.stage = finish(h.hs, guest, host), nil, stageReady
	h.ch = newChannel(h.sec, true, f.tag, g.now)
	h.ch.push(message{typ: msgPresent})
	g.lostAt = time.Time{}
	return nil
}

// lose forgets a session. With again the peer is still there and is tried once
// more. A confirmation that was not answered may have been a spent attempt, so
// it is not repeated: the guest ends.
func (g *Guest) lose(h *hostLink, err error, again bool) {
	g.hosts = slices.DeleteFunc(g.hosts, func(o *hostLink) bool { return o == h })
	if h.ch != nil {
		g.out.Dropped = append(g.out.Dropped, Dropped{Conn: h.conn, Err: err})
	}
	if g.active == h {
		g.active = nil
	}
	if g.ended != nil || g.joined {
		return
	}
	if h.pending {
		g.end(Error, final(errs.HostUnreachable), nil)
		return
	}
	if h.ch != nil && !g.standing() {
		g.lostAt = g.now
	}
	if again {
		g.dial(h.conn.Peer)
	}
}

// standing reports whether a sealed channel to any host stands.
func (g *Guest) standing() bool {
	return slices.ContainsFunc(g.hosts, func(h *hostLink) bool { return h.ch != nil })
}

// sealed takes a frame of a session.
func (g *Guest) sealed(h *hostLink, f frame) error {
	b, err := h.ch.receive(f, g.now)
	if errs.KindOf(err) == errs.DecryptFailed {
		return err
	}
	if err == nil && b != nil && g.ended == nil {
		err = g.message(h, b)
	}
	if err != nil {
		g.lose(h, err, false)
	}
	return err
}

func (g *Guest) message(h *hostLink, b []byte) error {
	m, err := decodeMessage(b)
	if err != nil {
		return err
	}
	switch {
	case m.typ == msgEnd:
		g.told(h, m)
	case g.joined:
		// The caller has the payload; nothing a host says matters any more.
	case m.typ == msgWelcome && !h.ready:
		h.ready, g.out.Role = true, m.role
	case m.typ == msgReply && h.stage == stageStarted && !h.pending:
		return g.confirm(h, m)
	case m.typ == msgProven && h.pending:
		return g.proven(h, m)
	case m.typ == msgWrong && h.pending:
		h.pending, h.stage = false, stageReady
		g.reject(h, int(m.attempts))
	case (m.typ == msgAdmitted || m.typ == msgKnown) && h.stage == stageIntroduced:
		h.stage, g.joined = stageAdmitted, true
		g.out.Joined = &Joined{Payload: m.payload, Known: m.typ == msgKnown}
	default:
		return errs.New("invite.Guest", errs.PeerMisbehaved, "message %d does not fit stage %d", m.typ, h.stage)
	}
	return nil
}

// confirm tells the host the guest's tag. From here on the host, if it is a
// false one, may know whether its guess was right, so this counts.
func (g *Guest) confirm(h *hostLink, m message) error {
	if err := h.run.initiate(m.point); err != nil {
		return err
	}
	g.guesses++
	h.tries++
	h.pending = true
	h.ch.push(message{typ: msgConfirm, tag: h.run.keys.Tag()})
	return nil
}

// proven checks that the host knows the code too. One that does not but claims
// so is false, and was told one guess.
func (g *Guest) proven(h *hostLink, m message) error {
	h.pending = false
	if !h.run.keys.Verify(m.tag) {
		g.reject(h, guestGuesses)
		return errs.New("invite.Guest", errs.PeerMisbehaved, "the host does not know the auth code")
	}
	h.stage = stageProven
	g.out.Introduce = &Introduce{Conn: h.conn, Binding: h.sec.binding()}
	return nil
}

// reject ends an Authenticate without success, and the guest with its last.
func (g *Guest) reject(h *hostLink, left int) {
	left = min(left, guestGuesses-g.guesses)
	g.code, g.active = nil, nil
	if left <= 0 {
		g.end(Error, final(errs.TooManyAttempts), nil)
		return
	}
	g.out.Rejected = errs.New("invite.Authenticate", errs.WrongAuthCode,
		"the auth code is wrong; %d more may be tried", left).With("attemptsLeft", left)
}

// told takes a host's word that it is over. Another host may still be right;
// without one it is over for the guest.
func (g *Guest) told(h *hostLink, m message) {
	tried, pending := h == g.active, h.pending
	h.pending = false
	if g.joined {
		return
	}
	if h.stage < stageIntroduced {
		m.payload = nil // not asked for, so not believed
	}
	g.lose(h, final(m.kind), false)
	switch {
	case !g.standing():
		g.lostAt = time.Time{}
		g.end(stateFor(m.kind), final(m.kind), m.payload)
	case tried && pending:
		g.reject(h, guestGuesses)
	}
}

// settle goes on with what waits and brings the state up to date.
func (g *Guest) settle() {
	if g.ended != nil || g.steps.state == Init {
		return
	}
	if g.active == nil && !g.joined {
		g.begin()
	}
	if g.ended == nil && !g.joined {
		g.steps.climb(g.stands())
	}
}

// stands is the state that follows from the sessions. Between hosts it stays
// what it was.
func (g *Guest) stands() State {
	switch {
	case g.active != nil && (g.inv.Auth == SharedSecret || g.inv.Auth == KnownPublicKey && g.active.stage >= stageIntroduced):
		return Authenticating
	case g.active != nil:
		return Connected
	case slices.ContainsFunc(g.hosts, func(h *hostLink) bool { return h.ready }), g.steps.state == Authenticating && g.code == nil:
		return ReadyForAuthentication
	case g.standing():
		return max(g.steps.state, Connected)
	}
	return g.steps.state
}

// begin takes the host that was tried least and goes on with it as far as the
// guest can alone.
func (g *Guest) begin() {
	if g.inv.Auth == SharedSecret && g.code == nil {
		return
	}
	var h *hostLink
	for _, o := range g.hosts {
		if o.ready && (h == nil || o.tries < h.tries) {
			h = o
		}
	}
	if h == nil {
		return
	}
	if g.inv.Auth != SharedSecret {
		g.active, h.stage = h, stageProven
		g.out.Introduce = &Introduce{Conn: h.conn, Binding: h.sec.binding()}
		return
	}
	if g.guesses >= guestGuesses {
		g.end(Error, final(errs.TooManyAttempts), nil)
		return
	}
	g.steps.climb(ReadyForAuthentication)
	g.active, h.stage = h, stageStarted
	h.run = newRun(g.env, &g.inv, h.sec, h.run, *g.code, roleGuest)
	h.ch.push(message{typ: msgStart, point: h.run.point()})
}
