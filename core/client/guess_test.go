package client_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/signal/memsignal"
)

// TestInvite_I04_parallelGuests: many guess at once; the attempts are the
// invitation's.
func TestInvite_I04_parallelGuests(t *testing.T) {
	t.Parallel()
	const guests = 6
	w := newWorld(t)
	host := w.person("Ada")
	sp, err := host.CreateSpace(context.Background())
	ok(t, err)
	inv, err := sp.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	v := inv.Value.Get()
	outcomes := make(chan errs.Kind, 3*guests)
	var all sync.WaitGroup
	for n := range guests {
		// Who comes when all attempts are spent finds nobody, and is not to wait for long.
		g, err := w.person(fmt.Sprint("Eve ", n)).AcceptInvitation(v.Code, client.AcceptOptions{Timeout: 20 * time.Second})
		ok(t, err)
		all.Go(func() {
			for range 3 {
				kind := errs.KindOf(guess(g, v.AuthCode))
				outcomes <- kind
				if kind != errs.WrongAuthCode {
					return
				}
			}
		})
	}
	all.Wait()
	close(outcomes)
	tally := map[errs.Kind]int{}
	for kind := range outcomes {
		tally[kind]++
	}
	if tally[errs.WrongAuthCode] > 2 || tally[errs.TooManyAttempts] == 0 || tally[errs.OK] > 0 {
		t.Fatalf("the guests were told %v", tally)
	}
	endsWithTooMany(t, sp, inv)
	late, err := w.person("Bob").AcceptInvitation(v.Code, client.AcceptOptions{Timeout: 2 * time.Second})
	ok(t, err)
	if late.Authenticate(context.Background(), v.AuthCode) == nil {
		t.Fatal("the right code was taken after the last attempt")
	}
}

func endsWithTooMany(t *testing.T, sp *client.Space, inv *client.Invitation) {
	t.Helper()
	eventually(t, "the host ends", func() bool {
		return errs.Is(inv.Value.Get().Err, errs.TooManyAttempts) && len(sp.Invitations.Get()) == 0
	})
	if n := len(sp.Members.Get()); n != 1 {
		t.Fatalf("%d members", n)
	}
}

// TestInvite_I04_reconnects: a guest leaves the relay between its guesses.
func TestInvite_I04_reconnects(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, eve := w.person("Ada"), w.person("Eve")
	sp, err := host.CreateSpace(ctx)
	ok(t, err)
	inv, err := sp.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	v := inv.Value.Get()
	for n, want := range []errs.Kind{errs.WrongAuthCode, errs.WrongAuthCode, errs.TooManyAttempts} {
		g, err := eve.AcceptInvitation(v.Code, client.AcceptOptions{})
		ok(t, err)
		if got := errs.KindOf(guess(g, v.AuthCode)); got != want {
			t.Fatalf("guess %d: %v, want %v", n, got, want)
		}
		// A fresh guest each time, from a fresh address: what it counted itself
		// is forgotten.
		_ = g.Cancel(ctx)
		eventually(t, "the guest is over", func() bool {
			again, err := eve.AcceptInvitation(v.Code, client.AcceptOptions{})
			ok(t, err)
			return again != g
		})
		ok(t, eve.GoOffline(ctx))
		ok(t, eve.GoOnline(ctx))
	}
	endsWithTooMany(t, sp, inv)
}

// TestInvite_I04_dropsBeforeItIsTold: guests that vanish with their guess
// under way, at different moments, so as not to be charged for it.
func TestInvite_I04_dropsBeforeItIsTold(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host := w.person("Ada")
	sp, err := host.CreateSpace(ctx)
	ok(t, err)
	inv, err := sp.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	v := inv.Value.Get()
	topic := v.Topic()
	// A guest that stands ready has the relay deaf to the host after some more
	// frames of the host: one of them is what the guess needs, the next tells
	// the outcome.
	const mostGuests = 24
	untold := 0
	for n := 0; inv.Value.Get().Err == nil; n++ {
		if n == mostGuests {
			t.Fatalf("%d guests guessed, and the host goes on", n)
		}
		eve := w.person("Eve")
		g, err := eve.AcceptInvitation(v.Code, client.AcceptOptions{})
		ok(t, err)
		eventually(t, "the guest is ready, or all is over", func() bool {
			st := g.Value.Get()
			return st.State == invite.ReadyForAuthentication || st.Err != nil || inv.Value.Get().Err != nil
		})
		if inv.Value.Get().Err != nil { // with the guess before: there is no host to meet
			break
		}
		var mu sync.Mutex
		var guest id.PeerID
		var sent, told int
		w.hub.SetFaults(memsignal.Faults{Tamper: func(f memsignal.Frame) []memsignal.Frame {
			mu.Lock()
			defer mu.Unlock()
			switch {
			case f.Topic != topic:
			case id.IsZero(guest) || f.From == guest: // who speaks first after this is the guest
				guest = f.From
				sent++
			case told > n%4:
				return nil
			default:
				told++
			}
			return []memsignal.Frame{f}
		}})
		outcome := make(chan error, 1)
		go func() { outcome <- guess(g, v.AuthCode) }()
		eventually(t, "the guess is under way", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return told > n%4 || len(outcome) > 0 || sent > 3
		})
		ok(t, eve.Destroy(ctx))
		err = <-outcome
		t.Logf("guest %d, deaf after %d frames, was told %v", n, n%4+1, errs.KindOf(err))
		switch errs.KindOf(err) {
		case errs.OK:
			t.Fatal("a wrong code was taken")
		case errs.Closed:
			untold++
		}
		w.hub.SetFaults(memsignal.Faults{})
	}
	endsWithTooMany(t, sp, inv)
	if untold == 0 {
		t.Fatal("every guest was told: the test proves nothing")
	}
}
