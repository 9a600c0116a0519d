package rtc

import (
	"bytes"
	"context"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/transport/transporttest"
)

// carrier delivers one side's signaling messages to the other, in order, and
// keeps those that came too early.
type carrier struct {
	mu   sync.Mutex
	to   *Conn
	held [][]byte
	seen []signalType
}

func (k *carrier) send(msg []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if m, err := decodeSignal(msg); err == nil {
		k.seen = append(k.seen, m.Type)
	}
	if k.to == nil {
		k.held = append(k.held, msg)
		return
	}
	k.to.Signal(msg)
}

func (k *carrier) connect(to *Conn) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.to = to
	for _, m := range k.held {
		to.Signal(m)
	}
	k.held = nil
}

func (k *carrier) count(t signalType) (n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, s := range k.seen {
		if s == t {
			n++
		}
	}
	return n
}

// peers are two connections that signal to each other; a is impolite.
type peers struct {
	a, b         *Conn
	fromA, fromB carrier
}

func newPeers(t *testing.T) *peers {
	t.Helper()
	p, d := &peers{}, New(Options{Loopback: true})
	var err error
	if p.a, err = d.open(transport.DirectOptions{Send: p.fromA.send}); err != nil {
		t.Fatalf("open: %v", err)
	}
	if p.b, err = d.open(transport.DirectOptions{Polite: true, Send: p.fromB.send}); err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { p.a.Close(); p.b.Close() })
	return p
}

func (p *peers) signal() {
	p.fromA.connect(p.b)
	p.fromB.connect(p.a)
}

func (p *peers) ready(t *testing.T) {
	t.Helper()
	for _, c := range []*Conn{p.a, p.b} {
		select {
		case <-c.Ready():
		case <-c.Done():
			t.Fatalf("ended before it was ready: %v", c.Err())
		}
	}
}

// connected gives two ready peers.
func connected(t *testing.T) *peers {
	t.Helper()
	p := newPeers(t)
	p.a.post(func() { p.a.negotiate(false) })
	p.signal()
	p.ready(t)
	return p
}

// cut ends the path of c as a crash would: without goodbye.
func (c *Conn) cut() { c.fail(errs.PeerUnreachable, "cut by the test") }

func TestConn(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Pair {
		p := connected(t)
		return transporttest.Pair{A: p.a, B: p.b, Cut: p.a.cut}
	})
}

func TestOpenThroughInterface(t *testing.T) {
	var a, b transport.DirectConn
	var toA, toB carrier
	d := New(Options{Loopback: true})
	a, err := d.Open(transport.DirectOptions{Send: toB.send})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if b, err = d.Open(transport.DirectOptions{Polite: true, Send: toA.send}); err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	toA.connect(a.(*Conn))
	toB.connect(b.(*Conn))
	exchange(t, a, b)
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	<-a.Done()
	<-b.Done()
	if !errs.Is(a.Err(), errs.Closed) || !errs.Is(b.Err(), errs.PeerUnreachable) {
		t.Fatalf("a: %v, b: %v", a.Err(), b.Err())
	}
}

// exchange sends one message each way.
func exchange(t *testing.T, a, b transport.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, d := range [][2]transport.Conn{{a, b}, {b, a}} {
		if err := d[0].Send(ctx, []byte("hello")); err != nil {
			t.Fatalf("Send: %v", err)
		}
		if m, err := d[1].Recv(ctx); err != nil || string(m) != "hello" {
			t.Fatalf("Recv: %q, %v", m, err)
		}
	}
}

// TestDirect_N07_glare has both sides want to offer at once: one negotiation
// makes one connection, and the polite side yielded.
func TestDirect_N07_glare(t *testing.T) {
	p := newPeers(t)
	for _, c := range []*Conn{p.a, p.b} {
		c.post(func() { c.negotiate(false) })
	}
	for p.fromA.count(signalOffer) == 0 || p.fromB.count(signalRequest) == 0 {
		time.Sleep(time.Millisecond)
	}
	p.signal()
	p.ready(t)
	exchange(t, p.a, p.b)
	for _, c := range []struct {
		who  *carrier
		name string
		typ  signalType
		want int
	}{
		{&p.fromA, "offers of the impolite side", signalOffer, 1},
		{&p.fromB, "offers of the polite side", signalOffer, 0},
		{&p.fromB, "answers of the polite side", signalAnswer, 1},
	} {
		if got := c.who.count(c.typ); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}

func TestBinding(t *testing.T) {
	p := connected(t)
	al, ar, err := p.a.Binding()
	if err != nil {
		t.Fatal(err)
	}
	bl, br, err := p.b.Binding()
	if err != nil {
		t.Fatal(err)
	}
	if al != br || bl != ar || al == bl || al == [32]byte{} {
		t.Fatalf("bindings do not match: %x %x, %x %x", al, ar, bl, br)
	}
}

func TestBindingBeforeReady(t *testing.T) {
	p := newPeers(t)
	if _, _, err := p.a.Binding(); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Binding: %v", err)
	}
}

func TestTransferBothWays(t *testing.T) {
	p := connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const total = 8 << 20
	start := time.Now()
	var wg sync.WaitGroup
	for _, d := range [][2]*Conn{{p.a, p.b}, {p.b, p.a}} {
		wg.Go(func() {
			msg := bytes.Repeat([]byte{7}, 60<<10)
			for n := 0; n < total; n += len(msg) {
				if err := d[0].Send(ctx, msg); err != nil {
					t.Errorf("Send after %d bytes: %v", n, err)
					return
				}
			}
			d[0].Send(ctx, nil)
		})
		wg.Go(func() {
			for n := 0; ; {
				m, err := d[1].Recv(ctx)
				if err != nil {
					t.Errorf("Recv after %d bytes: %v", n, err)
					return
				}
				if len(m) == 0 {
					return
				}
				n += len(m)
			}
		})
	}
	wg.Wait()
	s := p.a.Stats()
	if s.Sent < total || s.Received < total {
		t.Errorf("Stats: %+v, want at least %d both ways", s, total)
	}
	t.Logf("8 MB both ways in %v, round trip %v", time.Since(start), s.RoundTrip)
}

func TestStatsRoundTrip(t *testing.T) {
	p := connected(t)
	for p.a.Stats().RoundTrip == 0 {
		time.Sleep(time.Millisecond)
	}
}

// TestRestart_N03 restarts ICE from each side, and from both at once.
func TestRestart_N03(t *testing.T) {
	p := connected(t)
	for _, c := range []struct {
		name string
		who  []*Conn
	}{{"impolite", []*Conn{p.a}}, {"polite", []*Conn{p.b}}, {"both", []*Conn{p.a, p.b}}} {
		t.Run(c.name, func(t *testing.T) {
			answers := p.fromA.count(signalAnswer) + p.fromB.count(signalAnswer)
			before := fragments(p)
			for _, x := range c.who {
				x.Restart()
			}
			for p.fromA.count(signalAnswer)+p.fromB.count(signalAnswer) == answers || fragments(p) == before {
				time.Sleep(time.Millisecond)
			}
			exchange(t, p.a, p.b)
		})
	}
}

// userFragment is the first a=ice-ufrag of a description (RFC 8839).
func userFragment(sdp string) string {
	for line := range strings.Lines(sdp) {
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// fragments are the ICE user fragments in force at a, asked on its goroutine.
func fragments(p *peers) string {
	result := make(chan string, 1)
	p.a.post(func() {
		result <- userFragment(p.a.pc.description(currentLocalDescription)) + " " + userFragment(p.a.pc.description(currentRemoteDescription))
	})
	return <-result
}

func TestKill(t *testing.T) {
	p := connected(t)
	p.a.cut()
	<-p.b.Done()
	if !errs.Is(p.b.Err(), errs.PeerUnreachable) {
		t.Fatalf("Err: %v", p.b.Err())
	}
	if _, err := p.b.Recv(t.Context()); !errs.Is(err, errs.PeerUnreachable) || err == io.EOF {
		t.Fatalf("Recv: %v", err)
	}
}

func TestConnectTimeout(t *testing.T) {
	d := New(Options{ConnectTimeout: time.Millisecond})
	c, err := d.Open(transport.DirectOptions{Send: func([]byte) {}})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if !errs.Is(c.Err(), errs.PeerUnreachable) {
		t.Fatalf("Err: %v", c.Err())
	}
	c.Close()
}

// TestMisbehaviour_N12 sends what no peer may send.
func TestMisbehaviour_N12(t *testing.T) {
	full := make([]byte, maxFrame-1)
	for _, c := range []struct {
		name   string
		frames [][]byte
		want   errs.Kind // the first reason stays: a goodbye is PEER_UNREACHABLE
	}{
		{"empty", [][]byte{{}}, errs.PeerMisbehaved},
		{"unknown type", [][]byte{{9}}, errs.PeerMisbehaved},
		{"malformed credit", [][]byte{{frameCredit, 0xc0}}, errs.PeerMisbehaved},
		{"credit from nothing", [][]byte{uintFrame(frameCredit, 1)}, errs.PeerMisbehaved},
		{"trailing bytes", [][]byte{append(uintFrame(framePing, 1), 0)}, errs.PeerMisbehaved},
		{"long goodbye", [][]byte{{frameBye, 1}}, errs.PeerMisbehaved},
		{"message after goodbye", [][]byte{{frameBye}, {frameLast}}, errs.PeerUnreachable},
		{"goodbye amid a message", [][]byte{frame(frameMore, full), {frameBye}}, errs.PeerMisbehaved},
		{"short part", [][]byte{{frameMore, 1}}, errs.PeerMisbehaved},
		{"message over the limit", [][]byte{frame(frameMore, full), frame(frameLast, full)}, errs.PeerMisbehaved},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := connected(t)
			for _, f := range c.frames {
				if err := p.a.pc.send(f); err != nil {
					t.Fatal(err)
				}
			}
			<-p.b.gone
			if err := p.b.Err(); !errs.Is(err, c.want) {
				t.Fatalf("Err: %v, want %v", err, c.want)
			}
		})
	}
	t.Run("beyond the window", func(t *testing.T) {
		p := connected(t)
		for sent := 0; sent <= window; sent += len(full) {
			for p.a.pc.bufferedAmount() > maxBuffered {
				time.Sleep(time.Millisecond)
			}
			if err := p.a.pc.send(frame(frameLast, full)); err != nil {
				break
			}
		}
		<-p.b.Done()
		if !errs.Is(p.b.Err(), errs.PeerMisbehaved) {
			t.Fatalf("Err: %v", p.b.Err())
		}
	})
}

// TestSignalGarbage_N12: malformed signaling is ignored.
func TestSignalGarbage_N12(t *testing.T) {
	p := newPeers(t)
	for _, c := range []*Conn{p.a, p.b} {
		c.Signal(nil)
		c.Signal([]byte("garbage"))
		c.Signal(signalMessage{signalRequest, "text"}.encode())
		c.Signal(signalMessage{signalOffer, "no description"}.encode())
		c.Signal(signalMessage{signalAnswer, "v=0\r\n"}.encode())
		c.Signal(signalMessage{signalCandidate, "candidate:nonsense"}.encode())
	}
	p.a.post(func() { p.a.negotiate(false) })
	p.signal()
	p.ready(t)
	exchange(t, p.a, p.b)
}

// TestLeaks: when connections end, so do their goroutines, however they end.
func TestLeaks(t *testing.T) {
	warm := connected(t) // what pion starts once and keeps
	warm.a.Close()
	warm.b.Close()
	settle := func(limit int) int {
		n := 0
		for range 3000 {
			if n = runtime.NumGoroutine(); n <= limit {
				return n
			}
			time.Sleep(2 * time.Millisecond)
		}
		return n
	}
	base := settle(3)
	for _, c := range []struct {
		name string
		end  func(p *peers)
	}{
		{"closed by one side", func(p *peers) { p.a.Close() }},
		{"closed by both", func(p *peers) { p.a.Close(); p.b.Close() }},
		{"cut", func(p *peers) { p.b.cut() }},
	} {
		p := newPeers(t)
		p.a.post(func() { p.a.negotiate(false) })
		p.signal()
		p.ready(t)
		c.end(p)
		if n := settle(base); n > base {
			buf := make([]byte, 1<<20)
			t.Fatalf("%s: %d goroutines, before %d\n%s", c.name, n, base, buf[:runtime.Stack(buf, true)])
		}
	}
	// Closed before it was connected.
	p := newPeers(t)
	p.a.Close()
	p.b.Close()
	if n := settle(base); n > base {
		t.Fatalf("closed at once: %d goroutines, before %d", n, base)
	}
}

func TestFingerprint(t *testing.T) {
	one := "sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":")
	other := "sha-256 " + strings.TrimSuffix(strings.Repeat("AC:", 32), ":")
	for _, c := range []struct {
		name, sdp string
		ok        bool
	}{
		{"one", "v=0\r\na=fingerprint:" + one + "\r\n", true},
		{"lower case", "v=0\r\na=fingerprint:" + strings.ToLower(one) + "\r\n", true},
		{"the same twice", "a=fingerprint:" + one + "\r\nm=x\r\na=fingerprint:" + one + "\r\n", true},
		{"none", "v=0\r\n", false},
		{"two", "a=fingerprint:" + one + "\r\na=fingerprint:" + other + "\r\n", false},
		{"another hash", "a=fingerprint:sha-1 AB:CD\r\n", false},
		{"two hashes", "a=fingerprint:" + one + "\r\na=fingerprint:sha-512 AB\r\n", false},
		{"short", "a=fingerprint:sha-256 AB:CD\r\n", false},
		{"no digits", "a=fingerprint:" + strings.Replace(one, "AB", "XY", 1) + "\r\n", false},
	} {
		fp, err := fingerprint(c.sdp)
		if (err == nil) != c.ok || c.ok && fp != [32]byte(bytes.Repeat([]byte{0xab}, 32)) {
			t.Errorf("%s: %x, %v", c.name, fp, err)
		}
	}
}

func FuzzDecodeSignal(f *testing.F) {
	f.Add(signalMessage{signalOffer, "v=0\r\n"}.encode())
	f.Add(signalMessage{signalCandidate, ""}.encode())
	f.Add([]byte{0x92, 4, 0xa0})
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeSignal(b)
		if err != nil {
			if !errs.Is(err, errs.Malformed) {
				t.Fatalf("kind of %v", err)
			}
			return
		}
		if again := m.encode(); !bytes.Equal(again, b) {
			t.Fatalf("% x decodes but encodes as % x", b, again)
		}
	})
}
