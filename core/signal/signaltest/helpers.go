package signaltest

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
)

// patience bounds every wait of the suite. It is only ever used up by a
// failing test.
const patience = 20 * time.Second

// Context gives a context that ends with the test, or when patience is used up.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// NoLeaks fails the test if, after everything else of it was cleaned up, more
// goroutines run than when it was called. Call it first, from tests that do not
// run in parallel.
func NoLeaks(t testing.TB) {
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
			if runtime.NumGoroutine() <= before {
				return
			}
			if time.Now().After(deadline) {
				break
			}
		}
		buf := make([]byte, 1<<20)
		t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
	})
}

// Join joins and closes the stay with the test.
func Join(t testing.TB, s signal.Signaler, topic id.Topic) signal.Rendezvous {
	t.Helper()
	r, err := s.Join(Context(t), topic)
	if err != nil {
		t.Fatalf("Join: %v", err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// Next gives the next event, which must be of the type.
func Next(t testing.TB, r signal.Rendezvous, want signal.EventType) signal.Event {
	t.Helper()
	ev, err := r.Recv(Context(t))
	if err != nil {
		t.Fatalf("Recv: %v; want event %d", err, want)
	}
	if ev.Type != want {
		t.Fatalf("event %+v; want one of type %d", ev, want)
	}
	return ev
}

// Until skips events until one of the type comes.
func Until(t testing.TB, r signal.Rendezvous, want signal.EventType) signal.Event {
	t.Helper()
	for {
		ev, err := r.Recv(Context(t))
		if err != nil {
			t.Fatalf("Recv: %v; want event %d", err, want)
		}
		if ev.Type == want {
			return ev
		}
	}
}

// Topic gives a topic by number.
func Topic(n byte) id.Topic { return id.Topic{0: n, 31: 0x70} }
