package invite

import (
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

func testEnv(seed uint64) env.Env {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	return env.Env{Rand: rand.NewChaCha8(s), Log: slog.New(slog.NewTextHandler(io.Discard, nil))}
}

// epoch is when every test begins.
var epoch = time.UnixMilli(1_800_000_000_000)

// tb is what *testing.T and *rapid.T share.
type tb interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

// pump is a topic at a relay, with any hosts and guests under it, in memory and
// on a clock of its own. It may lose, repeat, swap and alter frames by seed.
type pump struct {
	t     tb
	env   env.Env
	rng   *rand.Rand
	now   time.Time
	nodes []*node
	wire  []carried
	log   []carried // everything that was ever sent

	drop, dup, swap, tamper float64
	// relay sees each frame before it is delivered; what it gives instead is
	// delivered.
	relay func(c carried) []carried
}

// carried is a frame on its way.
type carried struct {
	from, to id.PeerID
	data     []byte
}

// node is one machine with the caller that drives it.
type node struct {
	p     *pump
	id    id.PeerID
	host  *Host
	guest *Guest
	raw   func(c carried) // neither: an attacker that gets the frames
	gone  bool

	states   []State
	ended    *Ended
	intro    Introduction
	rejected []error
	joined   [][]byte
	admitted []Introduction
	debits   []int
	role     uint8
	dropped  []Dropped
	// What the caller answers; the zero values admit, store and open.
	admit     func(n *node, a Admit)
	onDebit   func(n *node, d Debit)
	introduce func(n *node, i Introduce)
	onJoined  func(n *node)
}

func newPump(t tb, seed uint64) *pump {
	return &pump{t: t, env: testEnv(seed), rng: rand.New(rand.NewPCG(seed, 1)), now: epoch}
}

// join puts n under the topic; the others hear of it.
func (p *pump) join(n *node) *node {
	n.p = p
	copy(n.id[:], p.env.Bytes(id.ShortSize))
	n.tick()
	for _, o := range p.nodes {
		if !o.gone {
			o.peerJoined(n.id)
			n.peerJoined(o.id)
		}
	}
	p.nodes = append(p.nodes, n)
	p.collect()
	return n
}

// leave takes n away without a word; the relay tells the others.
func (p *pump) leave(n *node) {
	n.gone = true
	for _, o := range p.nodes {
		if !o.gone {
			o.peerLeft(n.id)
		}
	}
	p.collect()
}

func (p *pump) addHost(inv Invitation, spent int) *node {
	p.t.Helper()
	h, err := NewHost(HostOptions{Env: p.env, Invitation: inv, Spent: spent})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.join(&node{host: h})
}

func (p *pump) addGuest(inv Invitation) *node {
	p.t.Helper()
	return p.join(p.newGuest(inv, 0))
}

func (p *pump) newGuest(inv Invitation, timeout time.Duration) *node {
	p.t.Helper()
	received, err := Decode(inv.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	g, err := NewGuest(GuestOptions{Env: p.env, Invitation: received, Timeout: timeout})
	if err != nil {
		p.t.Fatal(err)
	}
	return &node{guest: g, intro: Introduction{Body: fmt.Appendf(nil, "guest %d", len(p.nodes))}}
}

func (n *node) peerJoined(o id.PeerID) {
	switch {
	case n.host != nil:
		n.host.PeerJoined(o)
	case n.guest != nil:
		n.guest.PeerJoined(o)
	}
}

func (n *node) peerLeft(o id.PeerID) {
	switch {
	case n.host != nil:
		n.host.PeerLeft(o)
	case n.guest != nil:
		n.guest.PeerLeft(o)
	}
}

func (n *node) tick() {
	switch {
	case n.host != nil:
		n.host.Tick(n.p.now)
	case n.guest != nil:
		n.guest.Tick(n.p.now)
	}
}

// collect does what every machine asks for, until none asks.
func (p *pump) collect() {
	for again := true; again; {
		again = false
		for _, n := range p.nodes {
			switch {
			case n.host != nil:
				again = n.driveHost() || again
			case n.guest != nil:
				again = n.driveGuest() || again
			}
		}
	}
}

func (n *node) send(frames []Frame) {
	for _, f := range frames {
		if len(f.Data) > MaxFrame {
			n.p.t.Fatalf("a frame of %d bytes", len(f.Data))
		}
		if !n.gone {
			c := carried{n.id, f.To, f.Data}
			n.p.wire, n.p.log = append(n.p.wire, c), append(n.p.log, c)
		}
	}
}

func (n *node) driveHost() (again bool) {
	out := n.host.Ready()
	n.send(out.Frames)
	n.record(out.States, out.Ended)
	n.dropped = append(n.dropped, out.Dropped...)
	if out.Debit != nil {
		n.debits = append(n.debits, out.Debit.Spent)
		if n.onDebit != nil {
			n.onDebit(n, *out.Debit)
		} else {
			n.host.Debited(nil)
		}
	}
	for _, a := range out.Admit {
		if n.admit != nil {
			n.admit(n, a)
		} else {
			n.accept(a)
		}
	}
	return out.Debit != nil || len(out.Admit) > 0
}

// accept admits, with a payload that names who was.
func (n *node) accept(a Admit) {
	if n.host.Admitted(a.Conn, append([]byte("keys for "), a.Introduction.Body...)) == nil {
		n.admitted = append(n.admitted, a.Introduction)
	}
}

func (n *node) driveGuest() (again bool) {
	out := n.guest.Ready()
	n.role = max(n.role, out.Role)
	n.send(out.Frames)
	n.record(out.States, out.Ended)
	n.dropped = append(n.dropped, out.Dropped...)
	if out.Rejected != nil {
		n.rejected = append(n.rejected, out.Rejected)
	}
	if out.Introduce != nil {
		if n.introduce != nil {
			n.introduce(n, *out.Introduce)
		} else {
			if err := n.guest.Introduced(out.Introduce.Conn, n.intro); err != nil {
				n.p.t.Fatal(err)
			}
		}
	}
	if out.Joined != nil {
		n.joined = append(n.joined, out.Joined.Payload)
		if n.onJoined != nil {
			n.onJoined(n)
		} else {
			n.guest.Opened()
		}
	}
	return out.Introduce != nil || out.Joined != nil
}

// record checks what holds of every run: no state twice in a row, nothing
// after a final one, up one rung at a time.
func (n *node) record(states []State, e *Ended) {
	n.p.t.Helper()
	for _, s := range states {
		last := Init
		if len(n.states) > 0 {
			last = n.states[len(n.states)-1]
		}
		final := last > Success || last == Success && (n.guest != nil || !n.host.inv.MultiUse)
		if s == last || final || s == Init {
			n.p.t.Fatalf("state %v after %v", s, n.states)
		}
		n.states = append(n.states, s)
	}
	if e != nil {
		if n.ended != nil {
			n.p.t.Fatalf("ended twice: %v, %v", n.ended, e)
		}
		n.ended = e
	}
}

// deliver carries frames until none is on its way.
func (p *pump) deliver() {
	for rounds := 0; len(p.wire) > 0; rounds++ {
		if rounds > 100_000 {
			p.t.Fatal("the machines never stop talking")
		}
		p.step()
	}
}

// step carries one frame.
func (p *pump) step() {
	at := 0
	if len(p.wire) > 1 && p.rng.Float64() < p.swap {
		at = p.rng.IntN(len(p.wire))
	}
	c := p.wire[at]
	p.wire = slices.Delete(p.wire, at, at+1)
	if p.rng.Float64() < p.drop {
		return
	}
	if p.rng.Float64() < p.dup {
		p.wire = append(p.wire, c)
	}
	if p.rng.Float64() < p.tamper {
		c.data = slices.Clone(c.data)
		c.data[p.rng.IntN(len(c.data))] ^= 1 << p.rng.IntN(8)
	}
	through := []carried{c}
	if p.relay != nil {
		through = p.relay(c)
	}
	for _, c := range through {
		for _, n := range p.nodes {
			if n.id != c.to || n.gone {
				continue
			}
			switch {
			case n.host != nil:
				_ = n.host.Frame(c.from, c.data)
			case n.guest != nil:
				_ = n.guest.Frame(c.from, c.data)
			case n.raw != nil:
				n.raw(c)
			}
		}
	}
	p.collect()
}

// pass lets time go by in steps of half a second.
func (p *pump) pass(d time.Duration) {
	p.deliver()
	for end := p.now.Add(d); p.now.Before(end); {
		p.now = p.now.Add(500 * time.Millisecond)
		for _, n := range p.nodes {
			if !n.gone {
				n.tick()
			}
		}
		p.collect()
		p.deliver()
	}
}

// until lets time go by until cond holds.
func (p *pump) until(what string, cond func() bool) {
	p.t.Helper()
	p.deliver()
	for range 2000 {
		if cond() {
			return
		}
		p.pass(500 * time.Millisecond)
	}
	p.t.Fatalf("never came: %s", what)
}

// authenticate gives a code and waits for its outcome.
func (n *node) authenticate(code string) error {
	n.p.t.Helper()
	before := len(n.rejected)
	if err := n.guest.Authenticate(code); err != nil {
		return err
	}
	n.p.collect()
	n.p.until("an outcome of "+code, func() bool { return n.ended != nil || len(n.rejected) > before })
	if len(n.rejected) > before {
		return n.rejected[len(n.rejected)-1]
	}
	return n.ended.Err
}

// testInvitation has the auth code 123456, or 0123456789 if it is long.
func testInvitation(p *pump, change ...func(*Invitation)) Invitation {
	inv := New(p.env)
	for _, f := range change {
		f(&inv)
	}
	if inv.Auth == SharedSecret {
		inv.AuthCode = "123456"
		if inv.Long() {
			inv.AuthCode = "0123456789"
		}
	}
	return inv
}

func multiUse(inv *Invitation) { inv.MultiUse = true }

func wantEnd(t tb, n *node, s State, k errs.Kind) {
	t.Helper()
	if n.ended == nil {
		t.Fatalf("has not ended, states %v", n.states)
	}
	if n.ended.State != s || errs.KindOf(n.ended.Err) != k {
		t.Fatalf("ended %v with %v, want %v with %v", n.ended.State, n.ended.Err, s, k)
	}
	if last := n.states[len(n.states)-1]; last != s {
		t.Fatalf("last state is %v, want %v", last, s)
	}
}

func wantStates(t tb, n *node, want ...State) {
	t.Helper()
	if !slices.Equal(n.states, want) {
		t.Fatalf("states %v, want %v", n.states, want)
	}
}
