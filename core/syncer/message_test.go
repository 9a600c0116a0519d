package syncer

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// samples are the messages of testdata/messages.txt, by name.
func samples() map[string][]byte {
	f := id.FeedID(bytes.Repeat([]byte{0xf1}, 32))
	at := func(seq uint64, b byte) feed.Ref {
		return feed.Ref{Feed: f, Seq: seq, Hash: id.Hash(bytes.Repeat([]byte{b}, 32))}
	}
	start := feed.Ref{Feed: f}
	return map[string][]byte{
		"hello":      encodeHello(),
		"have-empty": haveMessage{Last: true}.encode(),
		"have":       haveMessage{Entries: []haveEntry{{f, feed.Control, []feed.Ref{at(1, 1), at(300, 2)}}}}.encode(),
		"want":       wantMessage{Feed: f, Flags: wantHeader, To: at(300, 2), Points: []feed.Ref{at(7, 3), start}}.encode(),
		"run":        runMessage{Feed: f, Flags: runLast, Header: []byte("header"), To: at(2, 4), Blocks: [][]byte{[]byte("one"), []byte("two")}}.encode(),
		"run-part":   runMessage{Feed: f, Flags: runMore, To: at(1, 4), Blocks: [][]byte{{0}}}.encode(),
		"nack":       nackMessage{Feed: f, To: at(300, 2), Code: nackNoLink}.encode(),
	}
}

// TestGolden holds the encoding of each message to what it was.
func TestGolden(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "messages.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	got := samples()
	for line := range strings.Lines(string(text)) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		seen++
		if hex.EncodeToString(got[name]) != want {
			t.Errorf("%s encodes as\n%x, was\n%s", name, got[name], want)
		}
		if _, err := decode(got[name]); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if seen != len(got) {
		t.Errorf("%d golden messages, %d samples", seen, len(got))
	}
}

func encodeAny(t *testing.T, m any) []byte {
	switch m := m.(type) {
	case uint64:
		b := encodeHello()
		if m != version {
			return nil // only ours is ever written
		}
		return b
	case haveMessage:
		return m.encode()
	case wantMessage:
		return m.encode()
	case runMessage:
		return m.encode()
	case nackMessage:
		return m.encode()
	}
	t.Fatalf("decode gave a %T", m)
	return nil
}

func FuzzDecode(f *testing.F) {
	for _, b := range samples() {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decode(b)
		if err != nil {
			if !errs.Is(err, errs.Malformed) {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if again := encodeAny(t, m); again != nil && !bytes.Equal(again, b) {
			t.Fatalf("% x decodes but encodes as % x", b, again)
		}
	})
}

// FuzzStep feeds a syncer that holds a feed whatever a peer may send.
func FuzzStep(f *testing.F) {
	for _, b := range samples() {
		f.Add(b)
	}
	fl := newFleet(f, 1, 1)
	n := fl.nodes[0]
	h := n.addFeed(feed.Data)
	n.write(h, 3, 10)
	head := n.logs[h.ID()].Heads()[0]
	f.Add(wantMessage{Feed: h.ID(), To: head, Points: []feed.Ref{{Feed: h.ID()}}}.encode())
	f.Add(runMessage{Feed: h.ID(), To: head, Blocks: [][]byte{n.raw[head]}}.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s := New(Options{})
		s.AddFeed(h, n.logs[h.ID()])
		s.AddPeer(1, PeerOptions{})
		if err := s.Step(1, encodeHello()); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Step(1, b); err != nil && errs.KindOf(err) == errs.Internal {
				t.Fatalf("kind of %v", err)
			}
			s.Credit(1, 1<<20)
			for _, r := range s.Ready().Reads {
				s.ReadDone(r, [][]byte{n.raw[head]}, nil)
			}
			s.Tick(20_000)
			s.Status()
		}
	})
}

// TestMisbehaviour_N12: what breaks the protocol is refused with its kind.
func TestMisbehaviour_N12(t *testing.T) {
	f := newFleet(t, 9, 1)
	n := f.nodes[0]
	h, other := n.addFeed(feed.Data), n.addFeed(feed.Data)
	n.write(h, 1, 10)
	head := n.logs[h.ID()].Heads()[0]
	hello := encodeHello()
	badHeader := h.Encode()
	badHeader[len(badHeader)-1] ^= 1
	far := feed.Ref{Feed: other.ID(), Seq: 1, Hash: id.Hash{1}}
	for _, c := range []struct {
		name     string
		messages [][]byte
		want     errs.Kind
	}{
		{"no hello", [][]byte{samples()["have"]}, errs.PeerMisbehaved},
		{"hello twice", [][]byte{hello, hello}, errs.PeerMisbehaved},
		{"newer version", [][]byte{{0x92, 0, 2}}, errs.VersionUnsupported},
		{"garbage", [][]byte{[]byte("garbage")}, errs.Malformed},
		{"unknown type", [][]byte{hello, {0x92, 9, 1}}, errs.Malformed},
		{"trailing bytes", [][]byte{append(bytes.Clone(hello), 0)}, errs.Malformed},
		{"run without blocks", [][]byte{hello, runMessage{Feed: h.ID(), To: head}.encode()}, errs.Malformed},
		{"header of another feed", [][]byte{hello, runMessage{Feed: other.ID(), Header: h.Encode(), To: far, Blocks: [][]byte{{0}}}.encode()}, errs.PeerMisbehaved},
		{"header with a bad signature", [][]byte{hello, runMessage{Feed: other.ID(), Header: badHeader, To: far, Blocks: [][]byte{{0}}}.encode()}, errs.BadSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := New(Options{})
			s.AddFeed(h, n.logs[h.ID()])
			s.AddPeer(1, PeerOptions{})
			for i, m := range c.messages {
				err := s.Step(1, m)
				if last := i == len(c.messages)-1; last && !errs.Is(err, c.want) || !last && err != nil {
					t.Fatalf("message %d: %v, want %v", i, err, c.want)
				}
			}
		})
	}
}

// TestFlood_N12: pushes that nobody settles are ignored beyond a bound, and so
// are unsigned blocks that nobody asked for.
func TestFlood_N12(t *testing.T) {
	f := newFleet(t, 10, 1)
	n := f.nodes[0]
	h := n.addFeed(feed.Data)
	n.write(h, 1, 50_000)
	head := n.logs[h.ID()].Heads()[0]
	s := New(Options{})
	s.AddPeer(1, PeerOptions{})
	if err := s.Step(1, encodeHello()); err != nil {
		t.Fatal(err)
	}
	push := runMessage{Feed: h.ID(), Header: h.Encode(), To: head, Blocks: [][]byte{n.raw[head]}}
	runs := 0
	for range 1000 {
		if err := s.Step(1, push.encode()); err != nil {
			t.Fatal(err)
		}
		runs += len(s.Ready().Runs)
	}
	if most := maxPushed / 50_000; runs == 0 || runs > most {
		t.Fatalf("%d runs were taken, want at most %d", runs, most)
	}
	s = New(Options{})
	s.AddPeer(1, PeerOptions{})
	s.Step(1, encodeHello())
	push.Flags = runMore
	if err := s.Step(1, push.encode()); err != nil {
		t.Fatal(err)
	}
	if out := s.Ready(); len(out.Runs) != 0 || s.peers[1].held != 0 {
		t.Fatal("unsigned blocks that nobody asked for were kept")
	}
}
