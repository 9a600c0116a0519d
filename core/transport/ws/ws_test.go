//go:build !js

package ws_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal/signaltest"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/transport/transporttest"
	"github.com/echospace/echospace/core/transport/ws"
)

// pair gives the two ends of one connection over a real socket.
func pair(t *testing.T) (client, server transport.Conn) {
	t.Helper()
	signaltest.NoLeaks(t)
	accepted := make(chan transport.Conn, 1)
	dialing, cancel := context.WithCancel(t.Context())
	defer cancel() // a done dialling context leaves the connection alone
	client, err := ws.Dial(dialing, serve(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := ws.Accept(w, r, ws.AcceptOptions{})
		if err != nil {
			t.Errorf("Accept: %v", err)
		}
		accepted <- c
	}))
	if err != nil {
		t.Fatal(err)
	}
	server = <-accepted
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Close()
	})
	return client, server
}

func serve(t *testing.T, h http.HandlerFunc) (url string) {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

func TestConn(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Pair {
		signaltest.NoLeaks(t)
		accepted := make(chan transport.Conn, 1)
		h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := ws.Accept(w, r, ws.AcceptOptions{})
			if err != nil {
				t.Errorf("Accept: %v", err)
			}
			accepted <- c
		}))
		t.Cleanup(h.Close)
		p := newProxy(t, strings.TrimPrefix(h.URL, "http://"))
		a, err := ws.Dial(signaltest.Context(t), "ws://"+p.addr)
		if err != nil {
			t.Fatal(err)
		}
		return transporttest.Pair{A: a, B: <-accepted, Cut: p.cut}
	})
}

// proxy carries one TCP connection, and can tear it off.
type proxy struct {
	addr string
	cut  func()
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	var in, out net.Conn
	ready := make(chan struct{})
	go func() {
		defer close(ready)
		if in, err = l.Accept(); err != nil {
			return
		}
		if out, err = net.Dial("tcp", to); err != nil {
			t.Errorf("proxy: %v", err)
			return
		}
		go func() { _, _ = io.Copy(in, out); _ = in.Close() }()
		go func() { _, _ = io.Copy(out, in); _ = out.Close() }()
	}()
	cut := func() {
		once.Do(func() {
			_ = l.Close()
			<-ready
			for _, c := range []net.Conn{in, out} {
				if c != nil {
					_ = c.Close()
				}
			}
		})
	}
	return &proxy{l.Addr().String(), cut}
}

func TestOrderBothWays(t *testing.T) {
	a, b := pair(t)
	ctx := signaltest.Context(t)
	go func() {
		for {
			msg, err := b.Recv(ctx)
			if err != nil || b.Send(ctx, msg) != nil {
				return
			}
		}
	}()
	const n = 300
	go func() {
		buf := make([]byte, 2)
		for i := range n {
			buf[0], buf[1] = byte(i>>8), byte(i) // reused: Send copies
			if err := a.Send(ctx, buf); err != nil {
				t.Errorf("Send %d: %v", i, err)
			}
		}
	}()
	for i := range n {
		msg, err := a.Recv(ctx)
		if err != nil || !bytes.Equal(msg, []byte{byte(i >> 8), byte(i)}) {
			t.Fatalf("message %d: %x, %v", i, msg, err)
		}
	}
}

func TestLimits(t *testing.T) {
	a, b := pair(t)
	ctx := signaltest.Context(t)
	if err := a.Send(ctx, make([]byte, transport.MaxMessage+1)); !errs.Is(err, errs.TooLarge) {
		t.Fatalf("over the limit: %v", err)
	}
	for _, n := range []int{transport.MaxMessage, 0} {
		if err := a.Send(ctx, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if msg, err := b.Recv(ctx); err != nil || len(msg) != n {
			t.Fatalf("%d bytes, %v; want %d", len(msg), err, n)
		}
	}
}

func TestCallOutlivedByConnection(t *testing.T) {
	a, b := pair(t)
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Recv(done); !errs.Is(err, errs.Cancelled) {
		t.Fatalf("Recv: %v", err)
	}
	if err := a.Send(done, nil); !errs.Is(err, errs.Cancelled) {
		t.Fatalf("Send: %v", err)
	}
	ctx := signaltest.Context(t)
	if err := b.Send(ctx, []byte("still")); err != nil {
		t.Fatal(err)
	}
	if msg, err := a.Recv(ctx); err != nil || string(msg) != "still" {
		t.Fatalf("%q, %v", msg, err)
	}
}

func TestCloseFlushesAndEnds(t *testing.T) {
	a, b := pair(t)
	ctx := signaltest.Context(t)
	for range 10 {
		if err := a.Send(ctx, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		if _, err := b.Recv(ctx); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if _, err := b.Recv(ctx); !errors.Is(err, io.EOF) {
		t.Errorf("Recv after the other side closed: %v; want io.EOF", err)
	}
	if err := b.Send(ctx, nil); !errs.Is(err, errs.PeerUnreachable) {
		t.Errorf("Send after the other side closed: %v", err)
	}
	if err := a.Send(ctx, nil); !errs.Is(err, errs.Closed) {
		t.Errorf("Send after Close: %v", err)
	}
	if _, err := a.Recv(ctx); !errs.Is(err, errs.Closed) {
		t.Errorf("Recv after Close: %v", err)
	}
}

func TestCloseEndsPendingRecv(t *testing.T) {
	a, _ := pair(t)
	got := make(chan error)
	go func() {
		_, err := a.Recv(context.Background())
		got <- err
	}()
	_ = a.Close()
	if err := <-got; !errs.Is(err, errs.Closed) {
		t.Fatalf("pending Recv: %v", err)
	}
}

func TestBackPressure(t *testing.T) {
	a, b := pair(t)
	// Nothing is received: the sender must come to a stop, which only its
	// context ends, long before 128 MiB.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	const many = 2048
	n := 0
	for ; n < many; n++ {
		if err := a.Send(ctx, make([]byte, transport.MaxMessage)); err != nil {
			if !errs.Is(err, errs.Timeout) {
				t.Fatalf("Send %d: %v", n, err)
			}
			break
		}
	}
	if n == many {
		t.Fatalf("%d messages sent into a full path", n)
	}
	for i := range n {
		if _, err := b.Recv(signaltest.Context(t)); err != nil {
			t.Fatalf("message %d of %d: %v", i, n, err)
		}
	}
}

func TestBrokenConnection(t *testing.T) {
	signaltest.NoLeaks(t)
	tests := []struct {
		name string
		do   func(c *websocket.Conn)
	}{
		{"socket torn", func(c *websocket.Conn) { _ = c.CloseNow() }},
		{"close code", func(c *websocket.Conn) { _ = c.Close(websocket.StatusPolicyViolation, "no") }},
		{"text message", func(c *websocket.Conn) {
			_ = c.Write(context.Background(), websocket.MessageText, []byte("hi"))
			_, _, _ = c.Read(context.Background())
		}},
		{"too large", func(c *websocket.Conn) {
			_ = c.Write(context.Background(), websocket.MessageBinary, make([]byte, transport.MaxMessage+1))
			_, _, _ = c.Read(context.Background())
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			url := serve(t, func(w http.ResponseWriter, r *http.Request) {
				c, err := websocket.Accept(w, r, nil)
				if err != nil {
					t.Error(err)
					return
				}
				tt.do(c)
				_ = c.CloseNow()
			})
			c, err := ws.Dial(signaltest.Context(t), url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Recv(signaltest.Context(t)); !errs.Is(err, errs.PeerUnreachable) {
				t.Fatalf("Recv: %v; want PEER_UNREACHABLE", err)
			}
		})
	}
}

func TestDialRefused(t *testing.T) {
	signaltest.NoLeaks(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusTeapot) })
	if _, err := ws.Dial(signaltest.Context(t), url); !errs.Is(err, errs.PeerUnreachable) || !strings.Contains(err.Error(), "418") {
		t.Errorf("HTTP server: %v", err)
	}
	if _, err := ws.Dial(signaltest.Context(t), "ws://127.0.0.1:1/"); !errs.Is(err, errs.PeerUnreachable) {
		t.Errorf("nobody there: %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ws.Dial(done, url); !errs.Is(err, errs.Cancelled) {
		t.Errorf("done ctx: %v", err)
	}
}

func TestAcceptOrigin(t *testing.T) {
	signaltest.NoLeaks(t)
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if c, err := ws.Accept(w, r, ws.AcceptOptions{Origins: []string{"good.example"}}); err == nil {
			_ = c.Close()
		}
	})
	for origin, ok := range map[string]bool{"https://good.example": true, "https://bad.example": false, "": true} {
		c, _, err := websocket.Dial(signaltest.Context(t), url, &websocket.DialOptions{HTTPHeader: http.Header{"Origin": {origin}}})
		if (err == nil) != ok {
			t.Errorf("origin %q: %v", origin, err)
		}
		if err == nil {
			_, _, _ = c.Read(signaltest.Context(t))
			_ = c.CloseNow()
		}
	}
}
