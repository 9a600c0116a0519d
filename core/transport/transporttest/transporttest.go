package transporttest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

// Pair is two ends of one connection, ready for messages.
type Pair struct {
	A, B transport.Conn
	// Cut ends the path abruptly: neither side can tell the other. Nil skips
	// the tests that need it.
	Cut func()
}

// patience bounds a wait for something that must happen; it only turns a hang
// into a failure.
const patience = 30 * time.Second

// Run runs the suite. open makes a fresh pair for each test; the suite closes
// both ends.
func Run(t *testing.T, open func(t *testing.T) Pair) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, ctx context.Context, p Pair)
	}{
		{"order", testOrder},
		{"sizes", testSizes},
		{"too large", testTooLarge},
		{"back-pressure", testBackPressure},
		{"concurrent senders", testConcurrentSenders},
		{"both directions", testBothDirections},
		{"clean close", testCleanClose},
		{"close ends own calls", testCloseEndsOwnCalls},
		{"close twice", testCloseTwice},
		{"abrupt end", testAbruptEnd},
		{"context", testContext},
		{"ownership", testOwnership},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			p := open(t)
			defer p.A.Close()
			defer p.B.Close()
			c.test(t, ctx, p)
		})
	}
}

// message is n bytes that depend on seed.
func message(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func send(t *testing.T, ctx context.Context, c transport.Conn, msg []byte) {
	t.Helper()
	if err := c.Send(ctx, msg); err != nil {
		t.Fatalf("Send of %d bytes: %v", len(msg), err)
	}
}

func recv(t *testing.T, ctx context.Context, c transport.Conn) []byte {
	t.Helper()
	msg, err := c.Recv(ctx)
	if err != nil {
		t.Fatalf("Recv: %v", err)
	}
	return msg
}

func testOrder(t *testing.T, ctx context.Context, p Pair) {
	const n = 500
	go func() {
		for i := range n {
			if err := p.A.Send(ctx, []byte{byte(i >> 8), byte(i)}); err != nil {
				t.Errorf("Send %d: %v", i, err)
				return
			}
		}
	}()
	for i := range n {
		if got := recv(t, ctx, p.B); len(got) != 2 || int(got[0])<<8|int(got[1]) != i {
			t.Fatalf("message %d is % x", i, got)
		}
	}
}

func testSizes(t *testing.T, ctx context.Context, p Pair) {
	for _, n := range []int{0, 1, 2, 255, 1 << 10, 16 << 10, transport.MaxMessage - 2, transport.MaxMessage - 1, transport.MaxMessage} {
		want := message(1, n)
		send(t, ctx, p.A, want)
		if got := recv(t, ctx, p.B); !bytes.Equal(got, want) {
			t.Fatalf("of %d bytes came %d, or other ones", n, len(got))
		}
	}
}

func testTooLarge(t *testing.T, ctx context.Context, p Pair) {
	if err := p.A.Send(ctx, make([]byte, transport.MaxMessage+1)); !errs.Is(err, errs.TooLarge) {
		t.Fatalf("Send over MaxMessage: %v, want TOO_LARGE", err)
	}
	send(t, ctx, p.A, []byte("still up"))
	if got := recv(t, ctx, p.B); string(got) != "still up" {
		t.Fatalf("got %q", got)
	}
}

// testBackPressure fills the path until a Send blocks, and then drains it.
func testBackPressure(t *testing.T, ctx context.Context, p Pair) {
	const most = 1024 // 64 MiB: more than any Conn may hold
	sent := 0
	for ; sent < most; sent++ {
		short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
		err := p.A.Send(short, message(uint64(sent), transport.MaxMessage))
		cancel()
		if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		if err != nil {
			t.Fatalf("Send %d: %v", sent, err)
		}
	}
	if sent == most {
		t.Fatalf("%d messages were taken although nobody received", sent)
	}
	blocked := make(chan error, 1)
	go func() { blocked <- p.A.Send(ctx, []byte("last")) }()
	for i := range sent {
		if got := recv(t, ctx, p.B); !bytes.Equal(got, message(uint64(i), transport.MaxMessage)) {
			t.Fatalf("message %d of %d differs", i, sent)
		}
	}
	// A Send that its context ended did not happen: the next one is "last".
	if got := recv(t, ctx, p.B); string(got) != "last" {
		t.Fatalf("after the full path came %d bytes, want the blocked message", len(got))
	}
	if err := <-blocked; err != nil {
		t.Fatalf("the blocked Send: %v", err)
	}
}

func testConcurrentSenders(t *testing.T, ctx context.Context, p Pair) {
	const senders, each = 8, 40
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				if err := p.A.Send(ctx, append([]byte{byte(s), byte(i)}, message(uint64(s), 1500*i)...)); err != nil {
					t.Errorf("sender %d, message %d: %v", s, i, err)
					return
				}
			}
		})
	}
	next := [senders]int{}
	for range senders * each {
		got := recv(t, ctx, p.B)
		s, i := int(got[0]), int(got[1])
		if i != next[s] {
			t.Fatalf("sender %d: message %d, want %d", s, i, next[s])
		}
		next[s]++
		if !bytes.Equal(got[2:], message(uint64(s), 1500*i)) {
			t.Fatalf("sender %d: message %d differs", s, i)
		}
	}
	wg.Wait()
}

func testBothDirections(t *testing.T, ctx context.Context, p Pair) {
	const n = 64
	var wg sync.WaitGroup
	for _, d := range [][2]transport.Conn{{p.A, p.B}, {p.B, p.A}} {
		wg.Go(func() {
			for i := range n {
				if err := d[0].Send(ctx, message(uint64(i), 32<<10)); err != nil {
					t.Errorf("Send %d: %v", i, err)
					return
				}
			}
		})
		wg.Go(func() {
			for i := range n {
				got, err := d[1].Recv(ctx)
				if err != nil || !bytes.Equal(got, message(uint64(i), 32<<10)) {
					t.Errorf("message %d: %d bytes, %v", i, len(got), err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func testCleanClose(t *testing.T, ctx context.Context, p Pair) {
	const n = 10
	for i := range n {
		send(t, ctx, p.A, message(uint64(i), 20<<10))
	}
	if err := p.A.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	for i := range n {
		if got := recv(t, ctx, p.B); !bytes.Equal(got, message(uint64(i), 20<<10)) {
			t.Fatalf("message %d differs", i)
		}
	}
	for range 2 { // the end stays the end
		if _, err := p.B.Recv(ctx); err != io.EOF {
			t.Fatalf("Recv after a clean close: %v, want io.EOF", err)
		}
	}
	if err := p.B.Send(ctx, []byte("x")); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Send to a side that closed: %v, want PEER_UNREACHABLE", err)
	}
}

func testCloseEndsOwnCalls(t *testing.T, ctx context.Context, p Pair) {
	result := make(chan error, 1)
	go func() {
		_, err := p.A.Recv(ctx)
		result <- err
	}()
	// Whether Recv is already waiting or not, Close must end it.
	if err := p.A.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := <-result; !errs.Is(err, errs.Closed) {
		t.Fatalf("pending Recv: %v, want CLOSED", err)
	}
	if err := p.A.Send(ctx, []byte("x")); !errs.Is(err, errs.Closed) {
		t.Fatalf("Send after Close: %v, want CLOSED", err)
	}
	if _, err := p.A.Recv(ctx); !errs.Is(err, errs.Closed) {
		t.Fatalf("Recv after Close: %v, want CLOSED", err)
	}
}

func testCloseTwice(t *testing.T, ctx context.Context, p Pair) {
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := p.A.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := p.B.Close(); err != nil {
				t.Errorf("Close of the other side: %v", err)
			}
		})
	}
	wg.Wait()
}

func testAbruptEnd(t *testing.T, ctx context.Context, p Pair) {
	if p.Cut == nil {
		t.Skip("this connection cannot be cut")
	}
	result := make(chan error, 1)
	go func() {
		_, err := p.B.Recv(ctx)
		result <- err
	}()
	p.Cut()
	if err := <-result; !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Recv on a cut path: %v, want PEER_UNREACHABLE", err)
	}
	if err := p.B.Send(ctx, []byte("x")); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Send on a cut path: %v, want PEER_UNREACHABLE", err)
	}
}

func testContext(t *testing.T, ctx context.Context, p Pair) {
	done, cancel := context.WithCancel(ctx)
	result := make(chan error, 1)
	go func() {
		_, err := p.B.Recv(done)
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("Recv with a cancelled context: %v", err)
	}
	if err := p.A.Send(done, []byte("x")); !errors.Is(err, context.Canceled) {
		t.Fatalf("Send with a cancelled context: %v", err)
	}
	send(t, ctx, p.A, []byte("goes on"))
	if got := recv(t, ctx, p.B); string(got) != "goes on" {
		t.Fatalf("got %q: a cancelled call changed the connection", got)
	}
}

func testOwnership(t *testing.T, ctx context.Context, p Pair) {
	msg := []byte("first")
	send(t, ctx, p.A, msg)
	copy(msg, "XXXXX") // the caller may reuse it at once
	send(t, ctx, p.A, []byte("second"))
	first := recv(t, ctx, p.B)
	if string(first) != "first" {
		t.Fatalf("got %q: Send kept the caller's bytes", first)
	}
	_ = append(first, "YYYYYYYYYYYYYYYY"...) // the receiver owns them
	if got := recv(t, ctx, p.B); string(got) != "second" {
		t.Fatalf("got %q: two messages share memory", got)
	}
}
