package memnet_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/transport/memnet"
	"github.com/echospace/echospace/core/transport/transporttest"
)

func TestConn(t *testing.T) {
	for _, o := range []memnet.Options{
		{},
		{Seed: 1, MaxDelay: time.Millisecond},
		{Seed: 2, Window: 1 << 20},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			transporttest.Run(t, func(t *testing.T) transporttest.Pair {
				n := memnet.New(o)
				a, b := n.Pair("a", "b")
				return transporttest.Pair{A: a, B: b, Cut: n.KillAll}
			})
		})
	}
}

// openDirect negotiates over carriers that deliver at once.
func openDirect(t *testing.T, n *memnet.Network) (a, b transport.DirectConn) {
	t.Helper()
	var early [][]byte
	a, err := n.Direct("a").Open(transport.DirectOptions{Send: func(m []byte) {
		if b == nil {
			early = append(early, m)
			return
		}
		b.Signal(m)
	}})
	if err != nil {
		t.Fatal(err)
	}
	b, err = n.Direct("b").Open(transport.DirectOptions{Polite: true, Send: func(m []byte) { a.Signal(m) }})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range early {
		b.Signal(m)
	}
	return a, b
}

func TestDirectConn(t *testing.T) {
	transporttest.Run(t, func(t *testing.T) transporttest.Pair {
		n := memnet.New(memnet.Options{Seed: 3})
		a, b := openDirect(t, n)
		return transporttest.Pair{A: a, B: b, Cut: n.KillAll}
	})
}

func TestDirectBinding(t *testing.T) {
	n := memnet.New(memnet.Options{})
	a, b := openDirect(t, n)
	defer a.Close()
	defer b.Close()
	<-a.Ready()
	<-b.Ready()
	al, ar, err := a.Binding()
	if err != nil {
		t.Fatal(err)
	}
	bl, br, err := b.Binding()
	if err != nil || al != br || bl != ar || al == bl {
		t.Fatalf("bindings do not match: %x %x, %x %x, %v", al, ar, bl, br, err)
	}
}

func TestDirectForbidden(t *testing.T) {
	n := memnet.New(memnet.Options{})
	d := n.Direct("a")
	d.Forbid(true)
	c, err := d.Open(transport.DirectOptions{Send: func([]byte) {}})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if !errs.Is(c.Err(), errs.PeerUnreachable) {
		t.Fatalf("Err: %v", c.Err())
	}
}

func TestDirectDoneAfterClose(t *testing.T) {
	n := memnet.New(memnet.Options{})
	a, b := openDirect(t, n)
	a.Close()
	<-a.Done()
	<-b.Done()
	b.Close()
	if !errs.Is(a.Err(), errs.Closed) || !errs.Is(b.Err(), errs.PeerUnreachable) {
		t.Fatalf("a: %v, b: %v", a.Err(), b.Err())
	}
}

func TestSplitAndHeal(t *testing.T) {
	n := memnet.New(memnet.Options{})
	a, b := n.Pair("a", "b")
	c, d := n.Pair("a", "c")
	n.Split([]string{"a", "c"}, []string{"b"})
	if err := a.Send(t.Context(), nil); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("across the split: %v", err)
	}
	if _, err := b.Recv(t.Context()); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("across the split: %v", err)
	}
	if err := c.Send(t.Context(), nil); err != nil {
		t.Fatalf("within a group: %v", err)
	}
	if _, err := d.Recv(t.Context()); err != nil {
		t.Fatalf("within a group: %v", err)
	}
	x, _ := n.Pair("b", "a")
	if err := x.Send(t.Context(), nil); !errs.Is(err, errs.PeerUnreachable) {
		t.Fatalf("new connection across the split: %v", err)
	}
	n.Heal()
	x, _ = n.Pair("b", "a")
	if err := x.Send(t.Context(), nil); err != nil {
		t.Fatalf("after Heal: %v", err)
	}
}

// TestKillRate checks that a seed kills at the same message every time.
func TestKillRate(t *testing.T) {
	run := func(seed uint64) int {
		n := memnet.New(memnet.Options{Seed: seed, KillRate: 0.02, Window: 1 << 20})
		a, _ := n.Pair("a", "b")
		for i := range 10000 {
			if a.Send(t.Context(), nil) != nil {
				return i
			}
		}
		return -1
	}
	seen := map[int]bool{}
	for seed := range uint64(20) {
		x, y := run(seed), run(seed)
		if x != y || x < 0 {
			t.Fatalf("seed %d: killed at %d, then at %d", seed, x, y)
		}
		seen[x] = true
	}
	if len(seen) < 5 {
		t.Fatalf("20 seeds killed at only %d places", len(seen))
	}
}

func TestDelayUnderSynctest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := memnet.New(memnet.Options{MinDelay: time.Second, MaxDelay: time.Minute})
		a, b := n.Pair("a", "b")
		start := time.Now()
		for i := range 50 {
			if err := a.Send(t.Context(), []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 50 {
			if m, err := b.Recv(t.Context()); err != nil || m[0] != byte(i) {
				t.Fatalf("message %d: %v %v", i, m, err)
			}
		}
		if d := time.Since(start); d < time.Second || d > time.Minute {
			t.Fatalf("50 messages took %v", d)
		}
	})
}
