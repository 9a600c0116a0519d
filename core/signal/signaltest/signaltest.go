package signaltest

import (
	"bytes"
	"context"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
)

// Fixture is a carrier (a hub, a relay) and a way to reach it. It lasts for one
// test.
type Fixture struct {
	// New gives a further Signaler on the carrier. The suite closes it.
	New func(t *testing.T) signal.Signaler
	// Break breaks the carrier for everybody and lets it come back.
	Break func(t *testing.T)
}

// Run runs the suite. make makes a fresh Fixture, which cleans up with the test.
func Run(t *testing.T, make func(t *testing.T) Fixture) {
	tests := []struct {
		name string
		run  func(t *testing.T, f Fixture)
	}{
		{"join, exchange, leave N01", testExchange},
		{"peers already there", testAlreadyThere},
		{"frames in order", testOrder},
		{"several topics on one Signaler N02", testTopics},
		{"one topic twice on one Signaler", testTwice},
		{"own frames are not reflected N08", testReflection},
		{"many peers N06", testMany},
		{"frames at the limit", testLimit},
		{"send to a peer that is not there", testGone},
		{"close ends Recv", testClose},
		{"closed Signaler", testCloseSignaler},
		{"done context", testContext},
		{"the carrier breaks and comes back N03", testBreak},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			NoLeaks(t)
			f := make(t)
			inner := f.New
			f.New = func(t *testing.T) signal.Signaler {
				s := inner(t)
				t.Cleanup(func() { _ = s.Close() })
				return s
			}
			tt.run(t, f)
		})
	}
}

// meet joins two Signalers to one topic and gives both stays with their ids.
func meet(t *testing.T, f Fixture, topic id.Topic) (a, b signal.Rendezvous, ida, idb id.PeerID) {
	t.Helper()
	a, b = Join(t, f.New(t), topic), Join(t, f.New(t), topic)
	ida, idb = Next(t, a, signal.Up).Self, Next(t, b, signal.Up).Self
	if ida == idb || id.IsZero(ida) || id.IsZero(idb) {
		t.Fatalf("peer ids %v and %v", ida, idb)
	}
	wantPeer(t, a, signal.Joined, idb)
	wantPeer(t, b, signal.Joined, ida)
	return a, b, ida, idb
}

func wantPeer(t *testing.T, r signal.Rendezvous, typ signal.EventType, peer id.PeerID) {
	t.Helper()
	if ev := Next(t, r, typ); ev.Peer != peer {
		t.Fatalf("event %d of peer %v, want %v", typ, ev.Peer, peer)
	}
}

func wantFrame(t *testing.T, r signal.Rendezvous, from id.PeerID, data []byte) {
	t.Helper()
	ev := Next(t, r, signal.Frame)
	if ev.Peer != from || !bytes.Equal(ev.Data, data) {
		t.Fatalf("frame of %d bytes from %v, want %d from %v", len(ev.Data), ev.Peer, len(data), from)
	}
}

func send(t *testing.T, r signal.Rendezvous, to id.PeerID, data []byte) {
	t.Helper()
	if err := r.Send(Context(t), to, data); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func testExchange(t *testing.T, f Fixture) {
	a, b, ida, idb := meet(t, f, Topic(1))
	buf := []byte("hello")
	send(t, a, idb, buf)
	copy(buf, "XXXXX") // the frame was copied
	wantFrame(t, b, ida, []byte("hello"))
	send(t, b, ida, nil)
	wantFrame(t, a, idb, nil)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	wantPeer(t, b, signal.Left, ida)
}

func testAlreadyThere(t *testing.T, f Fixture) {
	a, b, ida, idb := meet(t, f, Topic(1))
	c := Join(t, f.New(t), Topic(1))
	idc := Next(t, c, signal.Up).Self
	seen := map[id.PeerID]bool{Next(t, c, signal.Joined).Peer: true, Next(t, c, signal.Joined).Peer: true}
	if !seen[ida] || !seen[idb] {
		t.Fatalf("already there: %v, want %v and %v", seen, ida, idb)
	}
	wantPeer(t, a, signal.Joined, idc)
	wantPeer(t, b, signal.Joined, idc)
}

func testOrder(t *testing.T, f Fixture) {
	a, b, ida, idb := meet(t, f, Topic(1))
	const n = 200
	go func() {
		for i := range n {
			_ = a.Send(t.Context(), idb, []byte{byte(i)})
			_ = b.Send(t.Context(), ida, []byte{byte(i)})
		}
	}()
	for i := range n {
		wantFrame(t, b, ida, []byte{byte(i)})
		wantFrame(t, a, idb, []byte{byte(i)})
	}
}

func testTopics(t *testing.T, f Fixture) {
	s := f.New(t)
	const n = 5
	var mine, theirs []signal.Rendezvous
	for i := range byte(n) {
		mine = append(mine, Join(t, s, Topic(i)))
		theirs = append(theirs, Join(t, f.New(t), Topic(i)))
	}
	for i := range mine {
		self, peer := Next(t, mine[i], signal.Up).Self, Next(t, theirs[i], signal.Up).Self
		wantPeer(t, mine[i], signal.Joined, peer)
		wantPeer(t, theirs[i], signal.Joined, self)
		send(t, mine[i], peer, []byte{byte(i)})
		wantFrame(t, theirs[i], self, []byte{byte(i)})
	}
	// Leaving one topic leaves the others.
	_ = mine[0].Close()
	Next(t, theirs[0], signal.Left)
	_ = theirs[1].Close()
	Next(t, mine[1], signal.Left)
}

func testTwice(t *testing.T, f Fixture) {
	s := f.New(t)
	a, b := Join(t, s, Topic(1)), Join(t, s, Topic(1))
	ida, idb := Next(t, a, signal.Up).Self, Next(t, b, signal.Up).Self
	wantPeer(t, a, signal.Joined, idb)
	wantPeer(t, b, signal.Joined, ida)
	send(t, a, idb, []byte("to my twin"))
	wantFrame(t, b, ida, []byte("to my twin"))
	_ = b.Close()
	wantPeer(t, a, signal.Left, idb)
}

func testReflection(t *testing.T, f Fixture) {
	a, b, ida, idb := meet(t, f, Topic(1))
	if err := a.Send(Context(t), ida, []byte("me")); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Send to oneself: %v; want PEER_UNREACHABLE", err)
	}
	send(t, a, idb, []byte("you"))
	send(t, b, ida, []byte("reply"))
	wantFrame(t, a, idb, []byte("reply")) // and neither "me" nor "you" before it
}

func testMany(t *testing.T, f Fixture) {
	const n = 12
	all := make([]signal.Rendezvous, n)
	ids := make([]id.PeerID, n)
	for i := range all {
		all[i] = Join(t, f.New(t), Topic(1))
		ids[i] = Next(t, all[i], signal.Up).Self
	}
	for i, r := range all {
		seen := map[id.PeerID]bool{}
		for len(seen) < n-1 {
			seen[Next(t, r, signal.Joined).Peer] = true
		}
		if seen[ids[i]] {
			t.Fatalf("peer %d is told of itself", i)
		}
	}
	for i, r := range all {
		send(t, r, ids[(i+1)%n], []byte{byte(i)})
	}
	for i := range all {
		from := (i + n - 1) % n
		wantFrame(t, all[i], ids[from], []byte{byte(from)})
	}
}

func testLimit(t *testing.T, f Fixture) {
	a, b, ida, idb := meet(t, f, Topic(1))
	big := bytes.Repeat([]byte("0123456789abcdef"), signal.MaxFrame/16+1)
	if err := a.Send(Context(t), idb, big[:signal.MaxFrame+1]); !errs.Is(err, errs.TooLarge) {
		t.Fatalf("a frame of MaxFrame+1: %v; want TOO_LARGE", err)
	}
	for _, n := range []int{signal.MaxFrame, signal.MaxFrame - 1, 1, signal.MaxFrame} {
		send(t, a, idb, big[:n])
		wantFrame(t, b, ida, big[:n])
	}
}

func testGone(t *testing.T, f Fixture) {
	a, b, _, idb := meet(t, f, Topic(1))
	if err := a.Send(Context(t), id.PeerID{1}, nil); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Send to nobody: %v; want PEER_UNREACHABLE", err)
	}
	_ = b.Close()
	wantPeer(t, a, signal.Left, idb)
	if err := a.Send(Context(t), idb, nil); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Send to a peer that left: %v; want PEER_UNREACHABLE", err)
	}
}

func testClose(t *testing.T, f Fixture) {
	a := Join(t, f.New(t), Topic(1))
	Next(t, a, signal.Up)
	got := make(chan error)
	go func() {
		_, err := a.Recv(context.Background())
		got <- err
	}()
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-got; !errs.Is(err, errs.Closed) {
		t.Errorf("pending Recv: %v; want CLOSED", err)
	}
	if _, err := a.Recv(Context(t)); !errs.Is(err, errs.Closed) {
		t.Errorf("later Recv: %v; want CLOSED", err)
	}
	if err := a.Send(Context(t), id.PeerID{1}, nil); !errs.Is(err, errs.Closed) {
		t.Errorf("Send: %v; want CLOSED", err)
	}
}

func testCloseSignaler(t *testing.T, f Fixture) {
	s := f.New(t)
	a := Join(t, s, Topic(1))
	b := Join(t, f.New(t), Topic(1))
	self := Next(t, a, signal.Up).Self
	Next(t, b, signal.Up)
	Next(t, b, signal.Joined)
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	wantPeer(t, b, signal.Left, self)
	for {
		if _, err := a.Recv(Context(t)); err != nil {
			if !errs.Is(err, errs.Closed) {
				t.Errorf("Recv: %v; want CLOSED", err)
			}
			break
		}
	}
	if _, err := s.Join(Context(t), Topic(2)); !errs.Is(err, errs.Closed) {
		t.Errorf("Join: %v; want CLOSED", err)
	}
}

func testContext(t *testing.T, f Fixture) {
	s := f.New(t)
	done, cancel := context.WithCancel(t.Context())
	r, err := s.Join(done, Topic(1))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cancel()
	if _, err := s.Join(done, Topic(1)); !errs.Is(err, errs.Cancelled) {
		t.Errorf("Join: %v; want CANCELLED", err)
	}
	Next(t, r, signal.Up) // a done Join ctx does not end the stay
	if _, err := r.Recv(done); !errs.Is(err, errs.Cancelled) {
		t.Errorf("Recv: %v; want CANCELLED", err)
	}
}

func testBreak(t *testing.T, f Fixture) {
	a, b, ida, idb := meet(t, f, Topic(1))
	f.Break(t)
	for _, r := range []signal.Rendezvous{a, b} {
		// A side that broke first may still see the other one leave.
		if ev := Until(t, r, signal.Down); ev.Err == nil {
			t.Error("Down says no reason")
		}
	}
	newa, newb := Next(t, a, signal.Up).Self, Next(t, b, signal.Up).Self
	if newa == ida || newb == idb {
		t.Error("a peer id was used for two stays")
	}
	wantPeer(t, a, signal.Joined, newb)
	wantPeer(t, b, signal.Joined, newa)
	if err := a.Send(Context(t), idb, nil); !errs.Is(err, errs.PeerUnreachable) {
		t.Errorf("Send to the id before: %v; want PEER_UNREACHABLE", err)
	}
	send(t, a, newb, []byte("again"))
	wantFrame(t, b, newa, []byte("again"))
}
