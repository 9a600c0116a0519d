package invite

import (
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// TestGolden holds what crosses the wire: the encoding of each message and kind
// of frame, and a digest of every frame of a seeded session, which changes with
// any label, key derivation or order of messages. A change is a new protocol
// version.
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/wire.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	got.WriteString("# messages and frames by name, then the frames of a session as digests\n")
	for _, g := range goldenWire() {
		fmt.Fprintf(&got, "%s: %s\n", g.name, hex.EncodeToString(g.bytes))
	}
	p := newPump(t, 1000)
	inv := testInvitation(p)
	p.addHost(inv, 0)
	g := p.addGuest(inv)
	_ = g.authenticate("654321")
	if err := g.authenticate("123456"); err != nil {
		t.Fatal(err)
	}
	for i, c := range p.log {
		sum := keys.Sum(c.data)
		fmt.Fprintf(&got, "frame %d: %d bytes, %x\n", i, len(c.data), sum[:8])
	}
	if got.String() != string(raw) {
		t.Errorf("testdata/wire.txt differs; now it is\n%s", got.String())
	}
}

type golden struct {
	name  string
	bytes []byte
}

func goldenWire() []golden {
	tag := [tagSize]byte{1, 2, 3, 4, 5, 6, 7, 8}
	return []golden{
		{"start", message{typ: msgStart, point: basePoint}.encode()},
		{"confirm", message{typ: msgConfirm, tag: []byte{1, 2}}.encode()},
		{"introduce", message{typ: msgIntroduce, intro: Introduction{Body: []byte("b"), Proof: []byte("p"), KeyProof: []byte("k")}}.encode()},
		{"opened", message{typ: msgOpened}.encode()},
		{"bye", message{typ: msgBye, kind: errs.Cancelled}.encode()},
		{"present", message{typ: msgPresent}.encode()},
		{"welcome", message{typ: msgWelcome, attempts: 300}.encode()},
		{"welcome with a role", message{typ: msgWelcome, attempts: 300, role: 4}.encode()},
		{"reply", message{typ: msgReply, point: basePoint}.encode()},
		{"proven", message{typ: msgProven, tag: []byte{3}}.encode()},
		{"wrong", message{typ: msgWrong, attempts: 2}.encode()},
		{"admitted", message{typ: msgAdmitted, payload: []byte("keys")}.encode()},
		{"known", message{typ: msgKnown, payload: []byte("keys")}.encode()},
		{"end", message{typ: msgEnd, kind: errs.AlreadyMember, payload: []byte("key")}.encode()},
		{"hello frame", frame{kind: frameHello, tag: tag, body: []byte{9}}.encode()},
		{"answer frame", frame{kind: frameAnswer, tag: tag, body: []byte{9}}.encode()},
		{"guest frame", frame{kind: frameGuest, tag: tag, nonce: 1, body: []byte{9}}.encode()},
		{"host frame", frame{kind: frameHost, tag: tag, nonce: 300, body: []byte{9}}.encode()},
		{"beacon frame", frame{kind: frameBeacon}.encode()},
	}
}
