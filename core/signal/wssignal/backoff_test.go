package wssignal_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/relayproto"
	"github.com/echospace/echospace/core/signal/signaltest"
	"github.com/echospace/echospace/core/signal/wssignal"
	"github.com/echospace/echospace/core/transport"
)

// seededEnv is testEnv with a seeded source.
func seededEnv(seed byte) env.Env {
	return env.Env{
		Clock: env.ClockFunc(time.Now), Rand: rand.NewChaCha8([32]byte{seed}), Log: slog.New(slog.DiscardHandler),
	}
}

// script is a relay end under synctest: what the client sends comes out of
// sent, what is put into say goes to the client.
type script struct {
	sent, say chan []byte
	closed    chan struct{}
}

func newScript() *script {
	return &script{sent: make(chan []byte, 100), say: make(chan []byte, 100), closed: make(chan struct{})}
}

func (s *script) Send(ctx context.Context, msg []byte) error {
	select {
	case s.sent <- msg:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *script) Recv(ctx context.Context) ([]byte, error) {
	select {
	case b := <-s.say:
		if b == nil {
			return nil, io.EOF
		}
		return b, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (s *script) Close() error {
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	return nil
}

// tell says a message of the relay.
func (s *script) tell(m relayproto.Message) { s.say <- m.Append(nil) }

// heard gives the next message of the client.
func (s *script) heard(t *testing.T) relayproto.Message {
	t.Helper()
	m, err := relayproto.DecodeClient(<-s.sent)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func welcome() relayproto.Message {
	return relayproto.Message{Type: relayproto.TypeWelcome, Version: relayproto.Version}
}

func TestBrokenRelay_N04(t *testing.T) {
	for seed := range byte(5) {
		synctest.Test(t, func(t *testing.T) {
			var attempts []time.Time
			var last wssignal.Status
			c := wssignal.New(wssignal.Options{
				Env: seededEnv(seed), URL: "ws://relay.test/relay",
				Dial: func(context.Context, string) (transport.Conn, error) {
					attempts = append(attempts, time.Now())
					return nil, errors.New("connection refused")
				},
				OnStatus: func(s wssignal.Status) { last = s },
			})
			if _, err := c.Join(t.Context(), signaltest.Topic(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Minute)
			synctest.Wait()
			// Windows of 0.25, 0.5 ... 15 s, each used up by half on average: about
			// 85 attempts in ten minutes.
			if n := len(attempts); n < 50 || n > 140 {
				t.Errorf("seed %d: %d attempts in ten minutes", seed, n)
			}
			for i := 1; i < len(attempts); i++ {
				window := min(250*time.Millisecond<<min(i-1, 10), 15*time.Second)
				if gap := attempts[i].Sub(attempts[i-1]); gap > window {
					t.Errorf("seed %d: %v before attempt %d, over %v", seed, gap, i+1, window)
				}
			}
			if last.State != wssignal.Waiting || last.Attempt != len(attempts) || !errs.Is(last.Err, errs.RelayUnreachable) {
				t.Errorf("seed %d: status %+v after %d attempts", seed, last, len(attempts))
			}
			before := len(attempts)
			c.Poke()
			synctest.Wait()
			if len(attempts) != before+1 {
				t.Errorf("seed %d: Poke made %d attempts, want 1 at once", seed, len(attempts)-before)
			}
			_ = c.Close()
			synctest.Wait()
			if last.State != wssignal.Closed {
				t.Errorf("seed %d: status %+v after Close", seed, last)
			}
		})
	}
}

func TestRelayThatAcceptsAndDrops_N04(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		attempts := 0
		c := wssignal.New(wssignal.Options{
			Env: seededEnv(1), URL: "ws://relay.test/relay",
			Dial: func(context.Context, string) (transport.Conn, error) {
				attempts++
				s := newScript()
				s.tell(welcome())
				s.say <- nil // and the end
				return s, nil
			},
		})
		defer c.Close()
		if _, err := c.Join(t.Context(), signaltest.Topic(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if attempts < 50 || attempts > 140 {
			t.Errorf("%d attempts in ten minutes; a short connection must not reset the back-off", attempts)
		}
	})
}

func TestDialIsBounded_N04(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dials := 0
		c := wssignal.New(wssignal.Options{
			Env: seededEnv(1), URL: "ws://relay.test/relay",
			Dial: func(ctx context.Context, _ string) (transport.Conn, error) {
				dials++
				<-ctx.Done() // a network that swallows everything
				return nil, ctx.Err()
			},
		})
		defer c.Close()
		if _, err := c.Join(t.Context(), signaltest.Topic(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if dials < 2 || dials > 6 {
			t.Errorf("%d dials in a minute", dials)
		}
		c.Suspend() // ends the present one at once
		synctest.Wait()
		if s := c.Status(); s.State != wssignal.Suspended {
			t.Errorf("status %+v", s)
		}
	})
}

func TestLiveness_N03(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan *script, 10)
		c := wssignal.New(wssignal.Options{
			Env: seededEnv(1), URL: "ws://relay.test/relay",
			Dial: func(context.Context, string) (transport.Conn, error) {
				s := newScript()
				s.tell(welcome())
				conns <- s
				return s, nil
			},
		})
		defer c.Close()
		r, err := c.Join(t.Context(), signaltest.Topic(1))
		if err != nil {
			t.Fatal(err)
		}
		first := <-conns
		begin := time.Now()
		first.heard(t) // Hello
		join := first.heard(t)
		first.tell(relayproto.Message{Type: relayproto.TypeJoined, Handle: join.Handle})
		signaltest.Next(t, r, signal.Up)

		ping := first.heard(t)
		if silence := time.Since(begin); ping.Type != relayproto.TypePing || silence != 45*time.Second {
			t.Errorf("%+v after %v; want a ping after 45 s", ping, silence)
		}
		time.Sleep(9 * time.Second)
		first.tell(relayproto.Message{Type: relayproto.TypePong, Nonce: ping.Nonce})
		synctest.Wait()
		answered := time.Now()
		first.heard(t)
		if silence := time.Since(answered); silence != 45*time.Second {
			t.Errorf("next ping after %v", silence)
		}
		// This one is not answered.
		ev, err := r.Recv(t.Context())
		if err != nil || ev.Type != signal.Down || !errs.Is(ev.Err, errs.RelayUnreachable) {
			t.Fatalf("%+v, %v", ev, err)
		}
		if waited := time.Since(answered); waited != 55*time.Second {
			t.Errorf("given up after %v", waited)
		}
		<-first.closed

		second := <-conns
		second.heard(t)
		if again := second.heard(t); again.Type != relayproto.TypeJoin || again.Peer == join.Peer || again.Topic != join.Topic {
			t.Errorf("joins again with %+v", again)
		}
		c.Poke() // asks at once whether the relay is there
		poked := time.Now()
		if m := second.heard(t); m.Type != relayproto.TypePing || time.Since(poked) != 0 {
			t.Errorf("after Poke: %+v after %v", m, time.Since(poked))
		}
	})
}

func TestGarbageFromRelay_N12(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conns := make(chan *script, 100)
		c := wssignal.New(wssignal.Options{
			Env: seededEnv(1), URL: "ws://relay.test/relay",
			Dial: func(context.Context, string) (transport.Conn, error) {
				s := newScript()
				s.tell(welcome())
				conns <- s
				return s, nil
			},
		})
		defer c.Close()
		r, err := c.Join(t.Context(), signaltest.Topic(1))
		if err != nil {
			t.Fatal(err)
		}
		for name, say := range map[string][]byte{
			"garbage":           {0xc1, 2, 3},
			"client's message":  (&relayproto.Message{Type: relayproto.TypePing}).Append(nil),
			"second welcome":    (&relayproto.Message{Type: relayproto.TypeWelcome, Version: 1}).Append(nil),
			"frame cut short":   {0x94, 20, 1, 0xc4},
			"over-long message": make([]byte, relayproto.MaxMessage+1),
		} {
			s := <-conns
			s.heard(t)
			join := s.heard(t)
			// What is not for us is no reason to go.
			s.tell(relayproto.Message{Type: relayproto.TypeDeliver, Handle: 999, Frame: []byte("x")})
			s.tell(relayproto.Message{Type: relayproto.TypeJoined, Handle: join.Handle})
			s.tell(relayproto.Message{Type: relayproto.TypeDeliver, Handle: join.Handle, Frame: []byte("from nobody")})
			signaltest.Next(t, r, signal.Up)
			s.say <- say
			if ev := signaltest.Next(t, r, signal.Down); !errs.Is(ev.Err, errs.PeerMisbehaved) {
				t.Errorf("%s: Down because %v", name, ev.Err)
			}
			<-s.closed
		}
	})
}
