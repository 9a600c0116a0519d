//go:build js

package wsconn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// socket is an EventTarget with the methods of a WebSocket, whose network is
// this test. What the connection makes of a server is tested against real ones
// where a URL is given, and end to end.
type socket struct {
	t      *testing.T
	target safejs.Value
	sent   [][]byte
	code   int // of close
}

func newSocket(t *testing.T) (*socket, *conn) {
	t.Helper()
	target, err := jsval.New("EventTarget")
	if err != nil {
		t.Fatal(err)
	}
	s := &socket{t: t, target: target}
	s.method("send", func(args []safejs.Value) {
		b, err := jsval.Bytes(args[0])
		if err != nil {
			t.Error(err)
		}
		s.sent = append(s.sent, b)
	})
	s.method("close", func(args []safejs.Value) { s.code, _ = args[0].Int() })
	s.buffered(0)
	c, err := newConn(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return s, c
}

func (s *socket) method(name string, fn func(args []safejs.Value)) {
	f, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any { fn(args); return nil })
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(f.Release)
	if err := s.target.Set(name, f); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) buffered(n int) {
	if err := s.target.Set("bufferedAmount", n); err != nil {
		s.t.Fatal(err)
	}
}

// fire dispatches an event of that class and type.
func (s *socket) fire(class, typ string, init map[string]any) {
	s.t.Helper()
	ev, err := jsval.New(class, typ, init)
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.target.Call("dispatchEvent", ev); err != nil {
		s.t.Fatal(err)
	}
}

func (s *socket) receive(msg []byte) {
	s.t.Helper()
	u8, err := jsval.Uint8Array(msg)
	if err != nil {
		s.t.Fatal(err)
	}
	buffer, _ := u8.Get("buffer")
	s.fire("MessageEvent", "message", map[string]any{"data": buffer})
}

func (s *socket) closes(code int, clean bool) {
	s.t.Helper()
	s.fire("CloseEvent", "close", map[string]any{"code": code, "wasClean": clean, "reason": "bye"})
}

func TestRecv(t *testing.T) {
	s, c := newSocket(t)
	for i := range 20 {
		s.receive(fmt.Append(nil, i))
	}
	s.receive(nil)
	s.receive(make([]byte, transport.MaxMessage))
	s.closes(codeNormal, true)
	for i := range 20 {
		if msg, err := c.Recv(t.Context()); err != nil || string(msg) != fmt.Sprint(i) {
			t.Fatalf("message %d: %q, %v", i, msg, err)
		}
	}
	for _, n := range []int{0, transport.MaxMessage} {
		if msg, err := c.Recv(t.Context()); err != nil || len(msg) != n {
			t.Fatalf("%d bytes, %v; want %d", len(msg), err, n)
		}
	}
	for range 2 {
		if _, err := c.Recv(t.Context()); err != io.EOF {
			t.Fatalf("after the end: %v", err)
		}
	}
	if err := c.Send(t.Context(), []byte("x")); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("Send to a side that closed: %v", err)
	}
}

func TestRecv_end(t *testing.T) {
	cases := []struct {
		name  string
		do    func(s *socket)
		kind  errs.Kind
		clean bool
		code  int
	}{
		{"normal", func(s *socket) { s.closes(1000, true) }, 0, true, 0},
		{"going away", func(s *socket) { s.closes(1001, true) }, 0, true, 0},
		{"without a code", func(s *socket) { s.closes(1005, true) }, 0, true, 0},
		{"broken", func(s *socket) { s.closes(1006, false) }, errs.PeerUnreachable, false, 0},
		{"policy", func(s *socket) { s.closes(1008, true) }, errs.RelayRefused, false, 0},
		{"overload", func(s *socket) { s.closes(1013, true) }, errs.RelayRefused, false, 0},
		{"server error", func(s *socket) { s.closes(1011, true) }, errs.PeerUnreachable, false, 0},
		{"text", func(s *socket) { s.fire("MessageEvent", "message", map[string]any{"data": "text"}) }, errs.PeerMisbehaved, false, codeNotOurs},
		{"no bytes", func(s *socket) { s.fire("MessageEvent", "message", map[string]any{"data": 1}) }, errs.PeerMisbehaved, false, codeNotOurs},
		{"too long", func(s *socket) { s.receive(make([]byte, transport.MaxMessage+1)) }, errs.PeerMisbehaved, false, codeTooMuch},
		{"flood", func(s *socket) {
			msg := make([]byte, transport.MaxMessage)
			for range queueBytes/len(msg) + 1 {
				s.receive(msg)
			}
		}, errs.PeerMisbehaved, false, codeTooMuch},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, conn := newSocket(t)
			// An event runs a Recv that waits before it returns, so to let the
			// queue fill nobody may wait.
			if c.name == "flood" {
				c.do(s)
			}
			result := make(chan error)
			go func() {
				for {
					if _, err := conn.Recv(t.Context()); err != nil {
						result <- err
						return
					}
				}
			}()
			if c.name != "flood" {
				c.do(s)
			}
			err := <-result
			if c.clean != (err == io.EOF) || (!c.clean && errs.KindOf(err) != c.kind) {
				t.Errorf("Recv: %v", err)
			}
			if s.code != c.code {
				t.Errorf("closed with %d, want %d", s.code, c.code)
			}
		})
	}
}

func TestSend_backPressure(t *testing.T) {
	s, c := newSocket(t)
	if err := c.Send(t.Context(), []byte("one")); err != nil {
		t.Fatal(err)
	}
	s.buffered(highWater)
	ctx, cancel := context.WithCancel(t.Context())
	cancelled, blocked := make(chan error), make(chan error)
	go func() { cancelled <- c.Send(ctx, []byte("never")) }()
	go func() { blocked <- c.Send(t.Context(), []byte("two")) }()
	cancel()
	if err := <-cancelled; !errors.Is(err, context.Canceled) {
		t.Fatalf("a Send that was cancelled: %v", err)
	}
	s.buffered(highWater - 1)
	if err := <-blocked; err != nil {
		t.Fatal(err)
	}
	if got := bytes.Join(s.sent, []byte(" ")); string(got) != "one two" {
		t.Errorf("sent %q", got)
	}
	s.buffered(highWater)
	go func() { blocked <- c.Send(t.Context(), []byte("three")) }()
	c.Close()
	if err := <-blocked; !errs.Is(err, errs.Closed) {
		t.Fatalf("a Send that Close ended: %v", err)
	}
	if err := c.Send(t.Context(), make([]byte, transport.MaxMessage+1)); !errs.Is(err, errs.TooLarge) {
		t.Fatalf("a message over the limit: %v", err)
	}
}

func TestClose(t *testing.T) {
	s, c := newSocket(t)
	s.receive([]byte("never taken"))
	result := make(chan error)
	go func() {
		for {
			if _, err := c.Recv(t.Context()); err != nil {
				result <- err
				return
			}
		}
	}()
	for range 2 {
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if err := <-result; !errs.Is(err, errs.Closed) {
		t.Errorf("a Recv that Close ended: %v", err)
	}
	if s.code != codeNormal {
		t.Errorf("closed with %d", s.code)
	}
	s.receive([]byte("late")) // finds no listener
	if len(c.queue) != 0 {
		t.Error("a message was queued after Close")
	}
}

func TestDial_refused(t *testing.T) {
	cases := []struct {
		name, url string
		kind      errs.Kind
	}{
		{"closed port", "ws://127.0.0.1:9/relay", errs.RelayUnreachable},
		{"port that browsers do not open", "ws://127.0.0.1:22/", errs.RelayUnreachable},
		{"other scheme", "gopher://127.0.0.1/", errs.InvalidArgument},
		{"no URL", "ws://", errs.InvalidArgument},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			conn, err := Dial(t.Context(), c.url)
			if errs.KindOf(err) != c.kind || conn != nil {
				t.Fatalf("Dial: %v, want %v", err, c.kind)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, "ws://127.0.0.1:9/"); !errors.Is(err, context.Canceled) {
		t.Fatalf("Dial with a cancelled context: %v", err)
	}
}

// TestDial_echo needs a server that sends back what it gets.
func TestDial_echo(t *testing.T) {
	url := os.Getenv("ECHOSPACE_TEST_WS")
	if url == "" {
		t.Skip("ECHOSPACE_TEST_WS names no echo server")
	}
	c, err := Dial(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	go func() {
		for i := range 100 {
			if err := c.Send(t.Context(), bytes.Repeat([]byte{byte(i)}, i*transport.MaxMessage/99)); err != nil {
				t.Errorf("Send: %v", err)
			}
		}
	}()
	for i := range 100 {
		msg, err := c.Recv(t.Context())
		if err != nil || !bytes.Equal(msg, bytes.Repeat([]byte{byte(i)}, i*transport.MaxMessage/99)) {
			t.Fatalf("message %d: %d bytes, %v", i, len(msg), err)
		}
	}
}
