package invite

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
)

// FuzzFrame hands arbitrary bytes to a host and a guest in the middle of a
// session: neither may panic, move, or be kept from going on.
func FuzzFrame(f *testing.F) {
	f.Add(frame{kind: frameHello, body: make([]byte, 48)}.encode())
	f.Add(frame{kind: frameAnswer, tag: [tagSize]byte{1}, body: make([]byte, 48)}.encode())
	f.Add(frame{kind: frameGuest, nonce: 9, body: make([]byte, 20)}.encode())
	f.Add(frame{kind: frameHost, nonce: 9, body: make([]byte, 20)}.encode())
	f.Add(frame{kind: frameBeacon}.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if fr, err := decodeFrame(data); err == nil {
			if fr.kind == frameHello || fr.kind == frameAnswer || fr.kind == frameBeacon || fr.nonce > 0 {
				if !bytes.Equal(fr.encode(), data) {
					t.Fatalf("%x is encoded again as %x", data, fr.encode())
				}
			}
		} else if k := errs.KindOf(err); k != errs.Malformed && k != errs.VersionUnsupported && k != errs.TooLarge {
			t.Fatalf("kind %v", k)
		}
		p := newPump(t, 400)
		inv := testInvitation(p)
		h, g := p.addHost(inv, 0), p.addGuest(inv)
		p.deliver()
		_ = h.host.Frame(g.id, data)
		_ = g.guest.Frame(h.id, data)
		p.collect()
		if err := g.authenticate("123456"); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzMessage lets somebody who knows the swarm key say two arbitrary messages
// to a host, and one to a guest: the next honest guest gets in, unless the
// attempts were used up, and the attacker does not.
func FuzzMessage(f *testing.F) {
	for _, m := range []message{
		{typ: msgStart, point: basePoint}, {typ: msgConfirm, tag: make([]byte, 64)}, {typ: msgOpened}, {typ: msgPresent},
		{typ: msgIntroduce, intro: Introduction{Body: []byte("b"), Proof: []byte("p"), KeyProof: make([]byte, 64)}},
		{typ: msgBye, kind: errs.Cancelled}, {typ: msgWelcome, attempts: 3}, {typ: msgWelcome, attempts: 3, role: 4}, {typ: msgReply, point: basePoint},
		{typ: msgProven}, {typ: msgWrong, attempts: 1}, {typ: msgAdmitted, payload: []byte("x")}, {typ: msgEnd, kind: errs.InvitationUsed},
	} {
		f.Add(m.encode(), message{typ: msgConfirm, tag: make([]byte, 64)}.encode())
	}
	f.Fuzz(func(t *testing.T, first, second []byte) {
		if len(first) > 1000 || len(second) > 1000 {
			return
		}
		for _, b := range [][]byte{first, second} {
			if m, err := decodeMessage(b); err == nil && !bytes.Equal(m.encode(), b) {
				t.Fatalf("%x is encoded again as %x", b, m.encode())
			}
		}
		p := newPump(t, 401)
		inv := testInvitation(p)
		h := p.addHost(inv, 0)
		a := falseGuest(p, inv, h.id)
		a.sayBytes(first)
		a.sayBytes(second)
		p.deliver()
		b := falseHost(p, inv)
		g := p.addGuest(inv)
		p.deliver()
		b.sayBytes(first)
		p.deliver()
		if len(h.admitted) != 0 || len(g.joined) != 0 {
			t.Fatal("the attacker got in")
		}
		p.leave(b.node)
		honest := p.addGuest(inv)
		if err := honest.authenticate("123456"); err != nil {
			t.Fatal(err)
		}
	})
}
