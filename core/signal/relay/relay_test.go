//go:build !js

package relay_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal/relay"
	"github.com/echospace/echospace/core/signal/relayproto"
	"github.com/echospace/echospace/core/signal/signaltest"
)

// fixture is a relay on a real socket.
type fixture struct {
	relay *relay.Relay
	http  *httptest.Server
}

func start(t *testing.T, o relay.Options) *fixture {
	t.Helper()
	signaltest.NoLeaks(t)
	r, err := relay.New(o)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/relay", r)
	mux.Handle("/healthz", r.Health())
	mux.Handle("/metrics", r.Metrics())
	f := &fixture{relay: r, http: httptest.NewServer(mux)}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := r.Drain(ctx); err != nil {
			t.Errorf("Drain: %v", err)
		}
		f.http.Close()
	})
	return f
}

// metric gives the value of a line of /metrics, "" if it is not there.
func (f *fixture) metric(t *testing.T, name string) string {
	t.Helper()
	resp, err := f.http.Client().Get(f.http.URL + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body)
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, "echospace_relay_"+name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// await waits until a metric has the value.
func (f *fixture) await(t *testing.T, name, want string) {
	t.Helper()
	for ctx := signaltest.Context(t); f.metric(t, name) != want; time.Sleep(2 * time.Millisecond) {
		if ctx.Err() != nil {
			t.Fatalf("%s is %q, never %q", name, f.metric(t, name), want)
		}
	}
}

// raw is a client that speaks the protocol by hand.
type raw struct {
	t  *testing.T
	ws *websocket.Conn
}

func (f *fixture) dial(t *testing.T, header ...string) *raw {
	t.Helper()
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Add(header[i], header[i+1])
	}
	ws, _, err := websocket.Dial(signaltest.Context(t), "ws"+strings.TrimPrefix(f.http.URL, "http")+"/relay",
		&websocket.DialOptions{HTTPHeader: h})
	if err != nil {
		t.Fatal(err)
	}
	ws.SetReadLimit(relayproto.MaxMessage)
	t.Cleanup(func() { _ = ws.CloseNow() })
	return &raw{t, ws}
}

// hello is dial and the greetings.
func (f *fixture) hello(t *testing.T, header ...string) *raw {
	t.Helper()
	c := f.dial(t, header...)
	c.send(relayproto.Message{Type: relayproto.TypeHello, Version: relayproto.Version})
	c.want(relayproto.TypeWelcome)
	return c
}

func (c *raw) write(b []byte) {
	_ = c.ws.Write(signaltest.Context(c.t), websocket.MessageBinary, b) // the relay may have closed
}

func (c *raw) send(m relayproto.Message) { c.write(m.Append(nil)) }

func (c *raw) want(typ relayproto.Type) relayproto.Message {
	c.t.Helper()
	_, b, err := c.ws.Read(signaltest.Context(c.t))
	if err != nil {
		c.t.Fatalf("waiting for a message of type %d: %v", typ, err)
	}
	m, err := relayproto.DecodeRelay(b)
	if err != nil || m.Type != typ {
		c.t.Fatalf("got %+v, %v; want type %d", m, err, typ)
	}
	return m
}

// join joins and gives the peer id.
func (c *raw) join(handle uint32, topic byte) id.PeerID {
	c.t.Helper()
	m := relayproto.Message{Type: relayproto.TypeJoin, Handle: handle, Topic: signaltest.Topic(topic)}
	_, _ = rand.Read(m.Peer[:])
	c.send(m)
	return m.Peer
}

// wantGoodbye reads until Goodbye, checks its code and the close code.
func (c *raw) wantGoodbye(code relayproto.Code, status websocket.StatusCode) {
	c.t.Helper()
	var last relayproto.Message
	for {
		_, b, err := c.ws.Read(signaltest.Context(c.t))
		if err != nil {
			if last.Type != relayproto.TypeGoodbye || last.Code != code || websocket.CloseStatus(err) != status {
				c.t.Errorf("ended with %+v and %v; want Goodbye %v and close code %d", last, err, code, status)
			}
			return
		}
		if last, err = relayproto.DecodeRelay(b); err != nil {
			c.t.Fatal(err)
		}
	}
}

func TestProtocol(t *testing.T) {
	f := start(t, relay.Options{BytesPerSecond: 1 << 20})
	a, b := f.dial(t), f.hello(t)
	a.send(relayproto.Message{Type: relayproto.TypeHello, Version: 1})
	if m := a.want(relayproto.TypeWelcome); m.Limits != (relayproto.Limits{BytesPerSecond: 1 << 20, FramesPerSecond: 2000, MaxFrame: relayproto.MaxFrame, MaxTopics: 256}) {
		t.Errorf("limits %+v", m.Limits)
	}
	pa := a.join(1, 1)
	if m := a.want(relayproto.TypeJoined); m.Handle != 1 || len(m.Peers) != 0 {
		t.Errorf("alone: %+v", m)
	}
	pb := b.join(9, 1)
	if m := b.want(relayproto.TypeJoined); m.Handle != 9 || len(m.Peers) != 1 || m.Peers[0] != pa {
		t.Errorf("second: %+v", m)
	}
	if m := a.want(relayproto.TypePeerJoined); m.Handle != 1 || m.Peer != pb {
		t.Errorf("first is told: %+v", m)
	}
	a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pb, Frame: []byte("x")})
	if m := b.want(relayproto.TypeDeliver); m.Handle != 9 || m.Peer != pa || string(m.Frame) != "x" {
		t.Errorf("delivered %+v", m)
	}
	a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: id.PeerID{7}, Frame: []byte("x")})
	if m := a.want(relayproto.TypeUndeliverable); m.Handle != 1 || m.Peer != (id.PeerID{7}) {
		t.Errorf("undeliverable %+v", m)
	}
	b.send(relayproto.Message{Type: relayproto.TypeLeave, Handle: 9})
	if m := a.want(relayproto.TypePeerLeft); m.Peer != pb {
		t.Errorf("left %+v", m)
	}
	// Of a handle that was left, nothing comes and nothing breaks.
	b.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 9, Peer: pa})
	b.send(relayproto.Message{Type: relayproto.TypeLeave, Handle: 9})
	b.send(relayproto.Message{Type: relayproto.TypePing, Nonce: 42})
	if m := b.want(relayproto.TypePong); m.Nonce != 42 {
		t.Errorf("pong %+v", m)
	}
	for name, want := range map[string]string{"connections": "2", "topics": "1", "peers": "1", "frames_total": "1", "bytes_total": "1", "undeliverable_total": "1"} {
		if got := f.metric(t, name); got != want {
			t.Errorf("metric %s is %q, want %q", name, got, want)
		}
	}
	_ = a.ws.Close(websocket.StatusNormalClosure, "")
	f.await(t, "topics", "0")
}

func TestPeerGoneWithItsConnection(t *testing.T) {
	f := start(t, relay.Options{})
	a, b := f.hello(t), f.hello(t)
	a.join(1, 1)
	a.want(relayproto.TypeJoined)
	pb := b.join(1, 1)
	a.want(relayproto.TypePeerJoined)
	_ = b.ws.CloseNow()
	if m := a.want(relayproto.TypePeerLeft); m.Peer != pb {
		t.Errorf("left %+v", m)
	}
}

func TestGarbage_N12(t *testing.T) {
	hello := (&relayproto.Message{Type: relayproto.TypeHello, Version: 1}).Append(nil)
	join := (&relayproto.Message{Type: relayproto.TypeJoin, Handle: 1, Peer: id.PeerID{1}}).Append(nil)
	tests := []struct {
		name  string
		write [][]byte
		code  relayproto.Code
	}{
		{"garbage", [][]byte{hello, []byte("garbage")}, relayproto.CodeMalformed},
		{"garbage first", [][]byte{{0xc1}}, relayproto.CodeMalformed},
		{"empty message", [][]byte{hello, {}}, relayproto.CodeMalformed},
		{"no hello", [][]byte{join}, relayproto.CodeMalformed},
		{"hello twice", [][]byte{hello, hello}, relayproto.CodeMalformed},
		{"handle twice", [][]byte{hello, join, join}, relayproto.CodeMalformed},
		{"other version", [][]byte{{0x92, 1, 9}}, relayproto.CodeVersion},
		{"message over the limit", [][]byte{hello, make([]byte, relayproto.MaxMessage+1)}, relayproto.CodeMalformed},
		{"message far over the limit", [][]byte{hello, make([]byte, 1<<20)}, relayproto.CodeMalformed},
	}
	f := start(t, relay.Options{})
	good := f.hello(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := f.dial(t)
			for _, b := range tt.write {
				c.write(b)
			}
			c.wantGoodbye(tt.code, websocket.StatusProtocolError)
			good.send(relayproto.Message{Type: relayproto.TypePing, Nonce: 1})
			good.want(relayproto.TypePong)
		})
	}
	t.Run("text message", func(t *testing.T) {
		c := f.hello(t)
		_ = c.ws.Write(signaltest.Context(t), websocket.MessageText, []byte("hi"))
		c.wantGoodbye(relayproto.CodeMalformed, websocket.StatusProtocolError)
	})
	f.await(t, `drops_total{reason="malformed"}`, fmt.Sprint(len(tests)))
	f.await(t, `drops_total{reason="version"}`, "1")
}

func TestLimitJoins(t *testing.T) {
	f := start(t, relay.Options{MaxTopics: 2, MaxPeers: 2})
	a, b, c := f.hello(t), f.hello(t), f.hello(t)
	refused := func(c *raw, code relayproto.Code) {
		t.Helper()
		if m := c.want(relayproto.TypeRefused); m.Handle != 3 || m.Code != code {
			t.Errorf("refused %+v, want %v", m, code)
		}
	}
	pa := a.join(1, 1)
	a.want(relayproto.TypeJoined)
	a.join(2, 2)
	a.want(relayproto.TypeJoined)
	t.Run("topics per connection", func(t *testing.T) {
		a.join(3, 3)
		refused(a, relayproto.CodeTopics)
	})
	t.Run("peer id in use", func(t *testing.T) {
		b.send(relayproto.Message{Type: relayproto.TypeJoin, Handle: 3, Topic: signaltest.Topic(1), Peer: pa})
		refused(b, relayproto.CodeDuplicate)
	})
	t.Run("peer id zero", func(t *testing.T) {
		b.send(relayproto.Message{Type: relayproto.TypeJoin, Handle: 3, Topic: signaltest.Topic(1)})
		refused(b, relayproto.CodeDuplicate)
	})
	t.Run("peers per topic", func(t *testing.T) {
		b.join(1, 1)
		b.want(relayproto.TypeJoined)
		c.join(3, 1)
		refused(c, relayproto.CodePeers)
	})
	t.Run("room again", func(t *testing.T) {
		_ = b.ws.CloseNow()
		a.want(relayproto.TypePeerJoined)
		a.want(relayproto.TypePeerLeft)
		c.join(3, 1)
		c.want(relayproto.TypeJoined)
	})
	for _, reason := range []string{"topics", "peers"} {
		f.await(t, `refusals_total{reason="`+reason+`"}`, "1")
	}
	f.await(t, `refusals_total{reason="duplicate"}`, "2")
}

func TestLimitConnections(t *testing.T) {
	t.Run("in all", func(t *testing.T) {
		f := start(t, relay.Options{MaxConnections: 2})
		a, _ := f.hello(t), f.hello(t)
		f.dial(t).wantGoodbye(relayproto.CodeConnections, websocket.StatusTryAgainLater)
		_ = a.ws.Close(websocket.StatusNormalClosure, "")
		f.await(t, "connections", "1")
		f.hello(t)
	})
	t.Run("per address", func(t *testing.T) {
		f := start(t, relay.Options{MaxConnectionsPerAddress: 1})
		f.hello(t)
		// Without TrustProxy the header changes nothing.
		f.dial(t, "X-Forwarded-For", "192.0.2.1").wantGoodbye(relayproto.CodeConnections, websocket.StatusTryAgainLater)
	})
	t.Run("per address behind a proxy", func(t *testing.T) {
		f := start(t, relay.Options{MaxConnectionsPerAddress: 1, TrustProxy: true})
		f.hello(t, "X-Forwarded-For", "192.0.2.1")
		f.hello(t, "X-Forwarded-For", "192.0.2.1, 192.0.2.2")
		f.dial(t, "X-Forwarded-For", "192.0.2.9", "X-Forwarded-For", "192.0.2.2").wantGoodbye(relayproto.CodeConnections, websocket.StatusTryAgainLater)
		f.hello(t, "X-Forwarded-For", "2001:db8:1:2::1")
		f.dial(t, "X-Forwarded-For", "2001:db8:1:2:ffff::").wantGoodbye(relayproto.CodeConnections, websocket.StatusTryAgainLater)
		f.hello(t, "X-Forwarded-For", "2001:db8:1:3::1")
	})
}

func TestLimitOrigin(t *testing.T) {
	tests := []struct {
		name    string
		origins []string
		origin  string
		ok      bool
	}{
		{"no origin", nil, "", true},
		{"same host", nil, "http://HOST", true},
		{"foreign", nil, "https://evil.example", false},
		{"null", nil, "null", false},
		{"listed host", []string{"app.example"}, "https://app.example", true},
		{"listed host, other port", []string{"app.example"}, "https://app.example:8443", false},
		{"pattern", []string{"*.example"}, "https://App.Example", true},
		{"with scheme", []string{"https://app.example"}, "http://app.example", false},
		{"not listed", []string{"app.example"}, "https://app.example.evil.example", false},
		{"any", []string{"*"}, "https://evil.example", true},
		{"any, null", []string{"*"}, "null", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := start(t, relay.Options{Origins: tt.origins})
			var header []string
			if tt.origin != "" {
				host := strings.TrimPrefix(f.http.URL, "http://")
				header = []string{"Origin", strings.Replace(tt.origin, "HOST", host, 1)}
			}
			if tt.ok {
				f.hello(t, header...)
				return
			}
			f.dial(t, header...).wantGoodbye(relayproto.CodeOrigin, websocket.StatusPolicyViolation)
		})
	}
}

// pair gives two clients under one topic.
func (f *fixture) pair(t *testing.T) (a, b *raw, pa, pb id.PeerID) {
	t.Helper()
	a, b = f.hello(t), f.hello(t)
	pa = a.join(1, 1)
	a.want(relayproto.TypeJoined)
	pb = b.join(1, 1)
	b.want(relayproto.TypeJoined)
	a.want(relayproto.TypePeerJoined)
	return a, b, pa, pb
}

func TestLimitFrameSize(t *testing.T) {
	f := start(t, relay.Options{MaxFrame: 100})
	a, b, _, pb := f.pair(t)
	a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pb, Frame: make([]byte, 100)})
	b.want(relayproto.TypeDeliver)
	a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pb, Frame: make([]byte, 101)})
	a.wantGoodbye(relayproto.CodeMalformed, websocket.StatusProtocolError)
	b.want(relayproto.TypePeerLeft)
}

func TestLimitRelayedBytes(t *testing.T) {
	f := start(t, relay.Options{MaxRelayedBytes: 250})
	a, b, _, pb := f.pair(t)
	for range 3 {
		a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pb, Frame: make([]byte, 100)})
	}
	a.wantGoodbye(relayproto.CodeQuota, websocket.StatusPolicyViolation)
	b.want(relayproto.TypeDeliver)
	b.want(relayproto.TypeDeliver)
	b.want(relayproto.TypePeerLeft)
}

func TestLimitRates(t *testing.T) {
	for name, o := range map[string]relay.Options{
		"frames": {FramesPerSecond: 50},
		"bytes":  {BytesPerSecond: 50 * 128},
	} {
		t.Run(name, func(t *testing.T) {
			f := start(t, o)
			a, b, _, pb := f.pair(t)
			const n = 60 // more than the bucket holds: slowed down, none lost
			for i := range n {
				a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pb, Frame: bytes.Repeat([]byte{byte(i)}, 100)})
			}
			for i := range n {
				if m := b.want(relayproto.TypeDeliver); m.Frame[0] != byte(i) {
					t.Fatalf("frame %d at place %d", m.Frame[0], i)
				}
			}
			if f.metric(t, "throttled_total") == "0" {
				t.Error("nothing was throttled")
			}
		})
	}
}

func TestSlowReaderIsDropped(t *testing.T) {
	f := start(t, relay.Options{QueueBytes: 1 << 20, BytesPerSecond: 1 << 30, FramesPerSecond: 1 << 20})
	a, slow, _, pslow := f.pair(t)
	other := f.hello(t)
	pother := other.join(1, 1)
	a.want(relayproto.TypePeerJoined)
	other.want(relayproto.TypeJoined)
	left := make(chan struct{})
	go func() { // a is told when the relay gave up on the slow one
		defer close(left)
		for {
			_, b, err := a.ws.Read(context.Background())
			if err != nil {
				return
			}
			if m, err := relayproto.DecodeRelay(b); err == nil && m.Type == relayproto.TypePeerLeft && m.Peer == pslow {
				return
			}
		}
	}()
	frame := make([]byte, relayproto.MaxFrame)
	for sent := 0; ; sent++ { // what the kernel's buffers take, and the queue
		select {
		case <-left:
		default:
			if sent > 4096 {
				t.Fatal("a client that reads nothing was never dropped")
			}
			a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pslow, Frame: frame})
			continue
		}
		break
	}
	f.await(t, `drops_total{reason="slow"}`, "1")
	other.want(relayproto.TypePeerLeft)
	a.send(relayproto.Message{Type: relayproto.TypeSend, Handle: 1, Peer: pother, Frame: []byte("others go on")})
	other.want(relayproto.TypeDeliver)
	_ = slow.ws.CloseNow()
}

func TestSilentClients(t *testing.T) {
	t.Run("no hello", func(t *testing.T) {
		f := start(t, relay.Options{HelloTimeout: time.Millisecond})
		f.dial(t).wantGoodbye(relayproto.CodeSilent, websocket.StatusPolicyViolation)
	})
	t.Run("no pong", func(t *testing.T) {
		// Long enough for a live one on a machine that is busy.
		f := start(t, relay.Options{PingInterval: 20 * time.Millisecond, PingTimeout: 3 * time.Second})
		dead, live := f.hello(t), f.hello(t)
		// live reads, and so answers pings; dead does not.
		got := make(chan error, 1)
		go func() {
			_, _, err := live.ws.Read(context.Background())
			got <- err
		}()
		f.await(t, `drops_total{reason="silent"}`, "1")
		select {
		case err := <-got:
			t.Errorf("the live one ended too: %v", err)
		default:
			_ = live.ws.CloseNow()
			<-got
		}
		_ = dead.ws.CloseNow()
	})
}

func TestDrain(t *testing.T) {
	f := start(t, relay.Options{})
	health := func() int {
		resp, err := f.http.Client().Get(f.http.URL + "/healthz")
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if s := health(); s != http.StatusOK {
		t.Errorf("healthz %d", s)
	}
	a, _, _, _ := f.pair(t)
	drained := make(chan error, 1)
	go func() { drained <- f.relay.Drain(signaltest.Context(t)) }()
	a.wantGoodbye(relayproto.CodeDraining, websocket.StatusServiceRestart)
	if s := health(); s != http.StatusServiceUnavailable {
		t.Errorf("healthz while draining %d", s)
	}
	f.dial(t).wantGoodbye(relayproto.CodeDraining, websocket.StatusServiceRestart)
	if err := <-drained; err != nil { // b never answered the closing handshake
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainTearsOffWhatStays(t *testing.T) {
	f := start(t, relay.Options{})
	f.hello(t) // reads nothing more
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.relay.Drain(ctx); !errs.Is(err, errs.Timeout) {
		t.Errorf("Drain: %v; want TIMEOUT", err)
	}
	f.await(t, "connections", "0")
}

func TestNotAWebSocket(t *testing.T) {
	f := start(t, relay.Options{})
	resp, err := f.http.Client().Get(f.http.URL + "/relay")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUpgradeRequired {
		t.Errorf("status %d", resp.StatusCode)
	}
}

func TestOptionsRefused(t *testing.T) {
	for name, o := range map[string]relay.Options{
		"negative":       {MaxTopics: -1},
		"frame too long": {MaxFrame: relayproto.MaxFrame + 1},
		"bad pattern":    {Origins: []string{"["}},
	} {
		if _, err := relay.New(o); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var e *errs.Error
	if _, err := relay.New(relay.Options{MaxPeers: -5}); !errors.As(err, &e) || !strings.Contains(e.Error(), "MaxPeers is -5") {
		t.Errorf("message %v", err)
	}
}
