package invite

import (
	"fmt"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"pgregory.net/rapid"
)

// TestInvite_propertySchedules runs one single-use invitation through random
// joins, codes, losses, reloads and cancels over a network that loses, repeats,
// swaps and alters frames. The pump checks the states; here is what must hold
// of the whole: one admission at most, three judged guesses at most over all
// lives of the host, success only for whoever gave the right code.
func TestInvite_propertySchedules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range rapid.IntRange(1, 40).Draw(t, "length") {
			w.act()
			w.check()
		}
		w.p.drop, w.p.tamper = 0, 0
		w.p.pass(DefaultGuestTimeout + returnLimit + silenceLimit)
		w.check()
		for i, g := range w.guests {
			if g.ended == nil && !g.gone {
				t.Fatalf("guest %d waits for ever in %v", i, g.guest.State())
			}
		}
	})
}

// world is one invitation and all who ever took part.
type world struct {
	t      *rapid.T
	p      *pump
	inv    Invitation
	host   *node
	hosts  []*node
	guests []*node
	right  map[*node]bool // gave the right code
	spent  int            // as stored
	debits int
	admits map[string]bool
}

func newWorld(t *rapid.T) *world {
	p := newPump(t, rapid.Uint64().Draw(t, "seed"))
	p.drop = rapid.Float64Range(0, 0.3).Draw(t, "drop")
	p.dup = rapid.Float64Range(0, 0.3).Draw(t, "dup")
	p.swap = rapid.Float64Range(0, 1).Draw(t, "swap")
	p.tamper = rapid.Float64Range(0, 0.2).Draw(t, "tamper")
	w := &world{t: t, p: p, inv: testInvitation(p), right: map[*node]bool{}, admits: map[string]bool{}}
	w.startHost()
	return w
}

func (w *world) startHost() {
	h, err := NewHost(HostOptions{Env: w.p.env, Invitation: w.inv, Spent: w.spent})
	if err != nil {
		w.t.Fatal(err)
	}
	w.host = &node{host: h}
	w.host.onDebit = func(n *node, d Debit) {
		w.debits++
		w.spent = d.Spent
		n.host.Debited(nil)
	}
	w.host.admit = func(n *node, a Admit) {
		if n.host.Admitted(a.Conn, a.Introduction.Body) == nil {
			w.admits[string(a.Introduction.Body)] = true
		}
	}
	w.hosts = append(w.hosts, w.host)
	w.p.join(w.host)
}

// pick draws one of the guests, or nil.
func (w *world) pick() *node {
	if len(w.guests) == 0 {
		return nil
	}
	return w.guests[rapid.IntRange(0, len(w.guests)-1).Draw(w.t, "guest")]
}

func (w *world) act() {
	switch g := w.pick(); rapid.SampledFrom([]string{"join", "right", "wrong", "wrong", "steps", "pass", "leave", "cancel", "reload", "carry on"}).Draw(w.t, "act") {
	case "join":
		if len(w.guests) < 6 {
			n := w.p.newGuest(w.inv, 0)
			n.intro.Body = fmt.Appendf(nil, "guest %d", len(w.guests))
			w.guests = append(w.guests, n)
			w.p.join(n)
		}
	case "right":
		if g != nil && !g.gone && g.guest.Authenticate("123456") == nil {
			w.right[g] = true
		}
	case "wrong":
		if g != nil && !g.gone {
			_ = g.guest.Authenticate("999999")
		}
	case "steps":
		for range rapid.IntRange(1, 10).Draw(w.t, "steps") {
			if len(w.p.wire) > 0 {
				w.p.step()
			}
		}
	case "pass":
		w.p.pass(time.Duration(rapid.IntRange(1, 20).Draw(w.t, "seconds")) * time.Second)
	case "leave":
		if g != nil && !g.gone {
			w.p.leave(g)
		}
	case "cancel":
		if g != nil && rapid.IntRange(0, 2).Draw(w.t, "really") == 0 {
			g.guest.Cancel()
		}
	case "reload":
		// A host that has admitted somebody is not hosted again.
		if len(w.admits) == 0 && rapid.IntRange(0, 2).Draw(w.t, "really") == 0 {
			w.p.leave(w.host)
			w.startHost()
		}
	}
	w.p.collect()
}

func (w *world) check() {
	if w.debits > shortAttempts || w.spent > shortAttempts {
		w.t.Fatalf("%d guesses judged, %d stored", w.debits, w.spent)
	}
	if len(w.admits) > 1 {
		w.t.Fatalf("admitted %v", w.admits)
	}
	joined := 0
	for i, g := range w.guests {
		if len(g.joined) > 0 {
			joined++
			if !w.right[g] || string(g.joined[0]) != string(g.intro.Body) {
				w.t.Fatalf("guest %d joined with %q, right code %v", i, g.joined, w.right[g])
			}
		}
		if g.guest.guesses > guestGuesses {
			w.t.Fatalf("guest %d made %d guesses", i, g.guest.guesses)
		}
		if g.ended != nil && g.ended.State == Success && errs.KindOf(g.ended.Err) != errs.OK {
			w.t.Fatalf("guest %d succeeded with %v", i, g.ended.Err)
		}
	}
	if joined > 1 {
		w.t.Fatalf("%d guests joined", joined)
	}
}
