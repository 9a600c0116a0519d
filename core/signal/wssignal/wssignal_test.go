//go:build !js

package wssignal_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/relay"
	"github.com/echospace/echospace/core/signal/signaltest"
	"github.com/echospace/echospace/core/signal/wssignal"
	"github.com/echospace/echospace/core/transport/ws"
)

func testEnv() env.Env {
	return env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
}

// server is a real relay that can be stopped and started at one address.
type server struct {
	t     *testing.T
	opts  relay.Options
	addr  string
	relay *relay.Relay
	http  *http.Server
	done  chan struct{}
}

func startRelay(t *testing.T, o relay.Options) *server {
	t.Helper()
	s := &server{t: t, opts: o, addr: "127.0.0.1:0"}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *server) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = l.Addr().String()
	if s.relay, err = relay.New(s.opts); err != nil {
		s.t.Fatal(err)
	}
	s.http = &http.Server{Handler: s.relay}
	s.done = make(chan struct{})
	go func(h *http.Server) {
		defer close(s.done)
		_ = h.Serve(l)
	}(s.http)
}

// stop drains the relay, as the command does on SIGTERM.
func (s *server) stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = s.relay.Drain(ctx)
	_ = s.http.Close()
	<-s.done
}

func (s *server) url() string { return "ws://" + s.addr + "/relay" }

func (s *server) client(t *testing.T, o wssignal.Options) *wssignal.Client {
	o.Env, o.URL = testEnv(), s.url()
	if o.Dial == nil {
		o.Dial = ws.Dial
	}
	c := wssignal.New(o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSignaler(t *testing.T) {
	signaltest.Run(t, func(t *testing.T) signaltest.Fixture {
		s := startRelay(t, relay.Options{})
		return signaltest.Fixture{
			New: func(t *testing.T) signal.Signaler { return s.client(t, wssignal.Options{}) },
			Break: func(*testing.T) {
				s.stop()
				s.start()
			},
		}
	})
}

func TestConnect(t *testing.T) {
	signaltest.NoLeaks(t)
	s := startRelay(t, relay.Options{})
	up := make(chan struct{}, 1)
	c := s.client(t, wssignal.Options{OnStatus: func(st wssignal.Status) {
		if st.State == wssignal.Up {
			up <- struct{}{}
		}
	}})
	c.Connect()
	c.Connect()
	<-up
	signaltest.Until(t, signaltest.Join(t, c, signaltest.Topic(1)), signal.Up)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	c.Connect()
}

func TestRelayRestart_N03(t *testing.T) {
	signaltest.NoLeaks(t)
	s := startRelay(t, relay.Options{})
	c := s.client(t, wssignal.Options{})
	a := signaltest.Join(t, c, signaltest.Topic(1))
	b := signaltest.Join(t, s.client(t, wssignal.Options{}), signaltest.Topic(1))
	for range 3 {
		signaltest.Until(t, a, signal.Up)
		to := signaltest.Next(t, a, signal.Joined).Peer
		if err := a.Send(signaltest.Context(t), to, []byte("hi")); err != nil {
			t.Fatal(err)
		}
		signaltest.Until(t, b, signal.Frame)
		s.stop()
		if ev := signaltest.Until(t, a, signal.Down); !errs.Is(ev.Err, errs.RelayRefused) {
			t.Errorf("drained relay: Down because %v", ev.Err)
		}
		signaltest.Until(t, b, signal.Down)
		s.start()
	}
}

func TestSuspend_C09(t *testing.T) {
	signaltest.NoLeaks(t)
	s := startRelay(t, relay.Options{})
	seen := make(chan wssignal.Status, 64)
	c := s.client(t, wssignal.Options{OnStatus: func(st wssignal.Status) { seen <- st }})
	r := signaltest.Join(t, c, signaltest.Topic(1))
	first := signaltest.Next(t, r, signal.Up).Self
	await := func(want wssignal.State) wssignal.Status {
		t.Helper()
		for {
			select {
			case st := <-seen:
				if st.State == want {
					return st
				}
			case <-signaltest.Context(t).Done():
				t.Fatalf("never %v", want)
			}
		}
	}
	await(wssignal.Up)
	c.Suspend()
	c.Suspend()
	if ev := signaltest.Next(t, r, signal.Down); !errs.Is(ev.Err, errs.Offline) {
		t.Errorf("Down because %v", ev.Err)
	}
	if st := await(wssignal.Suspended); !errs.Is(st.Err, errs.Offline) {
		t.Errorf("status %+v", st)
	}
	late := signaltest.Join(t, c, signaltest.Topic(2))
	c.Resume()
	if again := signaltest.Next(t, r, signal.Up).Self; again == first {
		t.Error("the same peer id after Resume")
	}
	signaltest.Next(t, late, signal.Up)
	_ = c.Close()
	await(wssignal.Closed)
}

func TestRefused(t *testing.T) {
	t.Run("join", func(t *testing.T) {
		signaltest.NoLeaks(t)
		s := startRelay(t, relay.Options{MaxTopics: 1})
		c := s.client(t, wssignal.Options{})
		a := signaltest.Join(t, c, signaltest.Topic(1))
		signaltest.Next(t, a, signal.Up)
		b := signaltest.Join(t, c, signaltest.Topic(2))
		if ev := signaltest.Next(t, b, signal.Down); !errs.Is(ev.Err, errs.RelayRefused) {
			t.Errorf("Down because %v; want RELAY_REFUSED", ev.Err)
		}
		_ = a.Close() // now there is room, and b is still trying
		signaltest.Next(t, b, signal.Up)
	})
	t.Run("connection", func(t *testing.T) {
		signaltest.NoLeaks(t)
		s := startRelay(t, relay.Options{MaxConnections: 1})
		one := s.client(t, wssignal.Options{})
		signaltest.Next(t, signaltest.Join(t, one, signaltest.Topic(1)), signal.Up)
		waiting := make(chan wssignal.Status, 64)
		two := s.client(t, wssignal.Options{OnStatus: func(st wssignal.Status) {
			if st.State == wssignal.Waiting {
				waiting <- st
			}
		}})
		r := signaltest.Join(t, two, signaltest.Topic(1))
		if st := <-waiting; !errs.Is(st.Err, errs.RelayRefused) || st.Attempt != 1 {
			t.Errorf("status %+v; want RELAY_REFUSED", st)
		}
		_ = one.Close()
		signaltest.Next(t, r, signal.Up)
	})
}

func TestFrameLimitOfRelay(t *testing.T) {
	signaltest.NoLeaks(t)
	s := startRelay(t, relay.Options{MaxFrame: 1000, BytesPerSecond: 123456})
	a := signaltest.Join(t, s.client(t, wssignal.Options{}), signaltest.Topic(1))
	b := signaltest.Join(t, s.client(t, wssignal.Options{}), signaltest.Topic(1))
	up := signaltest.Next(t, a, signal.Up)
	if want := (signal.Limits{BytesPerSecond: 123456, MaxFrame: 1000}); up.Limits != want {
		t.Errorf("limits %+v, want %+v", up.Limits, want)
	}
	to := signaltest.Next(t, b, signal.Up).Self
	signaltest.Until(t, a, signal.Joined)
	if err := a.Send(signaltest.Context(t), to, make([]byte, 1001)); !errs.Is(err, errs.TooLarge) {
		t.Errorf("Send: %v; want TOO_LARGE", err)
	}
	if err := a.Send(signaltest.Context(t), to, make([]byte, 1000)); err != nil {
		t.Errorf("Send: %v", err)
	}
	signaltest.Until(t, b, signal.Frame)
}

func TestUnreadStayIsBounded(t *testing.T) {
	signaltest.NoLeaks(t)
	s := startRelay(t, relay.Options{})
	slow := s.client(t, wssignal.Options{QueueBytes: 100_000})
	a := signaltest.Join(t, slow, signaltest.Topic(1))
	other := signaltest.Join(t, slow, signaltest.Topic(2)) // is read, and goes on
	b := signaltest.Join(t, s.client(t, wssignal.Options{}), signaltest.Topic(1))
	c := signaltest.Join(t, s.client(t, wssignal.Options{}), signaltest.Topic(2))
	first := signaltest.Next(t, a, signal.Up).Self
	signaltest.Until(t, b, signal.Up)
	signaltest.Until(t, b, signal.Joined)
	var err error
	for range 1000 {
		if err = b.Send(signaltest.Context(t), first, make([]byte, 10_000)); err != nil {
			break
		}
	}
	if !errs.Is(err, errs.PeerUnreachable) {
		t.Errorf("Send to a stay that is not read: %v; want PEER_UNREACHABLE", err)
	}
	if ev := signaltest.Next(t, b, signal.Left); ev.Peer != first {
		t.Errorf("%v left", ev.Peer)
	}
	signaltest.Until(t, c, signal.Up)
	to := signaltest.Until(t, c, signal.Joined).Peer
	if err := c.Send(signaltest.Context(t), to, []byte("other topic")); err != nil {
		t.Fatal(err)
	}
	signaltest.Until(t, other, signal.Frame)
	if ev := signaltest.Next(t, a, signal.Down); !errs.Is(ev.Err, errs.TooLarge) {
		t.Errorf("Down because %v", ev.Err)
	}
	if again := signaltest.Next(t, a, signal.Up).Self; again == first {
		t.Error("the same peer id after catching up")
	}
}

func TestNotARelay_N12(t *testing.T) {
	signaltest.NoLeaks(t)
	tests := []struct {
		name string
		say  []byte
		kind errs.Kind
	}{
		{"garbage", []byte("SSH-2.0"), errs.PeerMisbehaved},
		{"wrong first message", []byte{0x92, 24, 1}, errs.PeerMisbehaved},
		{"other version", []byte{0x96, 16, 2, 0, 0, 0, 0}, errs.VersionUnsupported},
		{"silent close", nil, errs.RelayUnreachable},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, err := ws.Accept(w, r, ws.AcceptOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				if tt.say != nil {
					_ = c.Send(r.Context(), tt.say)
				}
				_ = c.Close()
			}))
			defer h.Close()
			got := make(chan error, 64)
			c := wssignal.New(wssignal.Options{
				Env: testEnv(), URL: "ws" + strings.TrimPrefix(h.URL, "http"), Dial: ws.Dial,
				OnStatus: func(s wssignal.Status) {
					if s.State == wssignal.Waiting {
						got <- s.Err
					}
				},
			})
			defer c.Close()
			signaltest.Join(t, c, signaltest.Topic(1))
			if err := <-got; !errs.Is(err, tt.kind) {
				t.Errorf("got %v, want %v", err, tt.kind)
			}
		})
	}
}
