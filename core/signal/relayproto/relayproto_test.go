package relayproto

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

var update = flag.Bool("update", false, "write the golden vectors anew")

const golden = "testdata/messages.txt"

// named is a message with the name of its golden vector.
type named struct {
	name string
	msg  Message
}

func vectors() []named {
	var topic id.Topic
	var peer, other id.PeerID
	for i := range topic {
		topic[i] = byte(i)
	}
	for i := range peer {
		peer[i], other[i] = 0xa0+byte(i), 0xff
	}
	return []named{
		{"hello", Message{Type: TypeHello, Version: Version}},
		{"join", Message{Type: TypeJoin, Handle: 7, Topic: topic, Peer: peer}},
		{"leave", Message{Type: TypeLeave, Handle: 1<<32 - 1}},
		{"send", Message{Type: TypeSend, Handle: 7, Peer: other, Frame: []byte("opaque")}},
		{"send-empty", Message{Type: TypeSend, Handle: 0, Peer: other, Frame: []byte{}}},
		{"ping", Message{Type: TypePing, Nonce: 1 << 40}},
		{"welcome", Message{Type: TypeWelcome, Version: Version, Limits: Limits{4 << 20, 2000, MaxFrame, 256}}},
		{"joined-alone", Message{Type: TypeJoined, Handle: 7}},
		{"joined", Message{Type: TypeJoined, Handle: 300, Peers: []id.PeerID{peer, other}}},
		{"peer-joined", Message{Type: TypePeerJoined, Handle: 7, Peer: other}},
		{"peer-left", Message{Type: TypePeerLeft, Handle: 7, Peer: other}},
		{"deliver", Message{Type: TypeDeliver, Handle: 7, Peer: other, Frame: []byte("opaque")}},
		{"undeliverable", Message{Type: TypeUndeliverable, Handle: 7, Peer: other}},
		{"refused", Message{Type: TypeRefused, Handle: 7, Code: CodePeers, Text: "full"}},
		{"goodbye", Message{Type: TypeGoodbye, Code: CodeDraining, Text: "the relay restarts"}},
		{"pong", Message{Type: TypePong, Nonce: 5}},
	}
}

// decodeAny reads a message of either side.
func decodeAny(b []byte) (Message, error) {
	m, err := DecodeClient(b)
	if err != nil {
		m, err = DecodeRelay(b)
	}
	return m, err
}

func TestGolden(t *testing.T) {
	if *update {
		var out strings.Builder
		for _, v := range vectors() {
			out.WriteString(v.name + " " + hex.EncodeToString(v.msg.Append(nil)) + "\n")
		}
		if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := readGolden(t)
	for _, v := range vectors() {
		t.Run(v.name, func(t *testing.T) {
			enc := v.msg.Append(nil)
			if !bytes.Equal(enc, want[v.name]) {
				t.Errorf("encodes as %x, golden %x", enc, want[v.name])
			}
			got, err := decodeAny(want[v.name])
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(v.msg, got); d != "" {
				t.Errorf("decoded golden differs (-want +got):\n%s", d)
			}
		})
	}
	if len(want) != len(vectors()) {
		t.Errorf("%d golden vectors, %d messages", len(want), len(vectors()))
	}
}

func readGolden(t *testing.T) map[string][]byte {
	t.Helper()
	f, err := os.Open(golden)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	m := map[string][]byte{}
	for s := bufio.NewScanner(f); s.Scan(); {
		name, text, _ := strings.Cut(s.Text(), " ")
		b, err := hex.DecodeString(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		m[name] = b
	}
	return m
}

func TestSizeOfLargestFrame(t *testing.T) {
	m := Message{Type: TypeDeliver, Handle: 1<<32 - 1, Frame: make([]byte, MaxFrame)}
	b := m.Append(nil)
	if len(b) > MaxMessage {
		t.Fatalf("a frame of %d bytes makes a message of %d, over %d", MaxFrame, len(b), MaxMessage)
	}
	if got, err := DecodeRelay(b); err != nil || len(got.Frame) != MaxFrame {
		t.Fatalf("got %d bytes, %v", len(got.Frame), err)
	}
	full := Message{Type: TypeJoined, Handle: 1<<32 - 1, Peers: make([]id.PeerID, MaxPeers)}
	if b := full.Append(nil); len(b) > MaxMessage {
		t.Fatalf("%d peers make a message of %d bytes, over %d", MaxPeers, len(b), MaxMessage)
	}
}

func TestRefusals_N12(t *testing.T) {
	client := func(m Message) []byte { return m.Append(nil) }
	hello := client(Message{Type: TypeHello, Version: 1})
	tests := []struct {
		name string
		in   []byte
	}{
		{"empty", nil},
		{"not an array", []byte{0x01}},
		{"empty array", []byte{0x90}},
		{"unknown type", []byte{0x92, 0x09, 0x01}},
		{"type 0", []byte{0x91, 0x00}},
		{"relay's message", client(Message{Type: TypeWelcome})},
		{"too few elements", []byte{0x91, 0x01}},
		{"too many elements", []byte{0x93, 0x01, 0x01, 0x01}},
		{"trailing byte", append(bytes.Clone(hello), 0)},
		{"cut short", hello[:len(hello)-1]},
		{"longer form of a number", []byte{0x92, 0x01, 0xcc, 0x01}},
		{"handle over 32 bits", []byte{0x92, 0x03, 0xcf, 0, 0, 0, 1, 0, 0, 0, 0}},
		{"frame over the limit", client(Message{Type: TypeSend, Frame: make([]byte, MaxFrame+1)})},
		{"message over the limit", make([]byte, MaxMessage+1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if m, err := DecodeClient(tt.in); !errs.Is(err, errs.Malformed) {
				t.Errorf("got %+v, %v; want MALFORMED", m, err)
			}
		})
	}
}

func TestTextIsCut(t *testing.T) {
	m := Message{Type: TypeGoodbye, Code: CodeMalformed, Text: strings.Repeat("x", 1000)}
	got, err := DecodeRelay(m.Append(nil))
	if err != nil || len(got.Text) != maxText {
		t.Fatalf("text of %d bytes, %v", len(got.Text), err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, v := range vectors() {
		f.Add(v.msg.Append(nil))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeAny(b)
		if err != nil {
			return
		}
		if enc := m.Append(nil); !bytes.Equal(enc, b) {
			t.Fatalf("%x decodes as %+v, which encodes as %x", b, m, enc)
		}
	})
}
