//go:build js

package tabs

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// without hides a property of target for the time of fn.
func without(t *testing.T, target safejs.Value, name string, fn func()) {
	t.Helper()
	object, _ := jsval.Global("Object")
	own, err := object.Call("getOwnPropertyDescriptor", target, name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := object.Call("defineProperty", target, name, map[string]any{"value": safejs.Undefined(), "configurable": true}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if own.IsUndefined() {
			err = target.Delete(name) // the prototype's shows again
		} else {
			_, err = object.Call("defineProperty", target, name, own)
		}
		if err != nil {
			t.Fatal(err)
		}
	}()
	fn()
}

func slot(t *testing.T, name string) (uint32, func()) {
	t.Helper()
	n, release, err := AcquireSlot(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(release)
	return n, release
}

func TestAcquireSlot_T02(t *testing.T) {
	for want := range uint32(3) {
		if n, _ := slot(t, "a"); n != want {
			t.Fatalf("slot %d, want %d", n, want)
		}
	}
	n, release := slot(t, "b")
	if n != 0 {
		t.Fatalf("slot %d of another name, want 0", n)
	}
	slot(t, "b")
	release()
	release()
	// Giving back takes a moment in the browser. Lock waits for it.
	back, err := Lock(t.Context(), "b/slot/0")
	if err != nil {
		t.Fatal(err)
	}
	back()
	again, err := Lock(t.Context(), "b/slot/0")
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := slot(t, "b"); n != 2 {
		t.Fatalf("slot %d while 0 and 1 are held, want 2", n)
	}
	again()
}

func TestLock(t *testing.T) {
	release, err := Lock(t.Context(), "l")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok, err := TryLock(t.Context(), "l"); ok || err != nil {
		t.Fatalf("TryLock of a held lock: %v, %v", ok, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := Lock(ctx, "l")
		result <- err
	}()
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) {
		t.Fatalf("a Lock that was cancelled: %v", err)
	}
	next := make(chan func())
	go func() {
		r, err := Lock(t.Context(), "l")
		if err != nil {
			t.Errorf("Lock: %v", err)
		}
		next <- r
	}()
	release()
	(<-next)() // the one that was cancelled does not stand in its way
	if _, err := Lock(t.Context(), "-reserved"); !errs.Is(err, errs.InvalidArgument) {
		t.Errorf("a name that browsers reserve: %v", err)
	}
}

func TestLocks_missing(t *testing.T) {
	nav, _ := jsval.Global("navigator")
	without(t, nav, "locks", func() {
		a, release := slot(t, "x")
		release()
		if b, _ := slot(t, "x"); a == b || a < RandomSlot || b < RandomSlot {
			t.Errorf("slots %d and %d, want two random ones from %d up", a, b, RandomSlot)
		}
		if _, _, err := TryLock(t.Context(), "x"); !errs.Is(err, errs.UnsupportedBrowser) {
			t.Errorf("TryLock: %v", err)
		}
		if _, err := Lock(t.Context(), "x"); !errs.Is(err, errs.UnsupportedBrowser) {
			t.Errorf("Lock: %v", err)
		}
	})
}

func channel(t *testing.T, name string) *Channel {
	t.Helper()
	c, err := OpenChannel(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestChannel(t *testing.T) {
	a, b, other := channel(t, "c"), channel(t, "c"), channel(t, "d")
	got := make(chan string, 16)
	listen := func(c *Channel, who string) func() {
		release, err := c.Listen(func(msg []byte) { got <- who + string(msg) })
		if err != nil {
			t.Fatal(err)
		}
		return release
	}
	listen(a, "a")
	releaseB := listen(b, "b")
	listen(other, "other")
	if _, err := a.bc.Call("postMessage", "not bytes"); err != nil {
		t.Fatal(err)
	}
	for _, msg := range []string{"1", "", "3"} {
		if err := a.Post([]byte(msg)); err != nil {
			t.Fatal(err)
		}
	}
	if all := <-got + " " + <-got + " " + <-got; all != "b1 b b3" {
		t.Fatalf("got %q", all)
	}
	releaseB()
	if err := a.Post([]byte("nobody")); err != nil {
		t.Fatal(err)
	}
	if err := b.Post([]byte("!")); err != nil {
		t.Fatal(err)
	}
	if one := <-got; one != "a!" {
		t.Fatalf("got %q", one)
	}
	a.Close()
	a.Close()
	if err := a.Post(nil); !errs.Is(err, errs.Closed) {
		t.Errorf("Post after Close: %v", err)
	}
	if _, err := a.Listen(func([]byte) {}); !errs.Is(err, errs.Closed) {
		t.Errorf("Listen after Close: %v", err)
	}
}

func TestChannel_missing(t *testing.T) {
	without(t, safejs.Global(), "BroadcastChannel", func() {
		c := channel(t, "c")
		release, err := c.Listen(func([]byte) { t.Error("a message out of nowhere") })
		if err != nil {
			t.Fatal(err)
		}
		release()
		if err := c.Post([]byte("x")); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := c.Post(nil); !errs.Is(err, errs.Closed) {
			t.Errorf("Post after Close: %v", err)
		}
	})
}

func TestWatch(t *testing.T) {
	if s := Current(); !s.Visible {
		t.Errorf("the page under test is %+v", s)
	}
	var seen []string
	release, err := Watch(func(ev Event) {
		name := ev.Name
		if ev.Restored {
			name += "(restored)"
		}
		if !ev.State.Visible {
			name += "(hidden)"
		}
		seen = append(seen, name)
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, _ := jsval.Global("document")
	fire := func(target safejs.Value, class, typ string, init map[string]any) {
		t.Helper()
		ev, err := jsval.New(class, typ, init)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := target.Call("dispatchEvent", ev); err != nil {
			t.Fatal(err)
		}
	}
	object, _ := jsval.Global("Object")
	object.Call("defineProperty", doc, "visibilityState", map[string]any{"value": "hidden", "configurable": true})
	fire(doc, "Event", "visibilitychange", nil)
	if err := doc.Delete("visibilityState"); err != nil {
		t.Fatal(err)
	}
	fire(doc, "Event", "freeze", nil)
	fire(doc, "Event", "resume", nil)
	fire(safejs.Global(), "PageTransitionEvent", "pageshow", map[string]any{"persisted": true})
	fire(safejs.Global(), "Event", "offline", nil)
	fire(safejs.Global(), "Event", "online", nil)
	release()
	release()
	fire(doc, "Event", "resume", nil)
	want := "visibilitychange(hidden) freeze resume pageshow(restored) offline online"
	if got := strings.Join(seen, " "); got != want {
		t.Errorf("seen %q, want %q", got, want)
	}
}
