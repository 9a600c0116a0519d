package client_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/wire"
)

// hosted waits until the space hosts one invitation.
func hosted(t *testing.T, c *client.Client, sp *client.Space) *client.Invitation {
	t.Helper()
	var list []*client.Invitation
	eventually(t, "an invitation is hosted", func() bool {
		list = c.Space(sp.Key()).Invitations.Get()
		return len(list) == 1
	})
	return list[0]
}

// guess gives a code that is wrong.
func guess(g *client.Invitation, right string) error {
	wrong := "0000000000"[:len(right)]
	if right == wrong {
		wrong = "1111111111"[:len(right)]
	}
	return g.Authenticate(context.Background(), wrong)
}

// invitationRecord opens the one record of an invitation that p holds.
func invitationRecord(t *testing.T, p *profile) (ring *keys.Keyring, name string, record []byte) {
	t.Helper()
	ring, err := keys.OpenKeyring(context.Background(), testEnv(), p.keys, p.store)
	ok(t, err)
	list, err := ring.List(context.Background(), "invitation/")
	ok(t, err)
	if len(list) != 1 {
		t.Fatalf("%d invitations are on record", len(list))
	}
	for name, record = range list {
	}
	return ring, name, record
}

// spent reads the spent attempts, the record's last field but one.
func spent(t *testing.T, p *profile) (n uint64) {
	t.Helper()
	_, _, record := invitationRecord(t, p)
	r := wire.NewReader(record)
	for fields := r.ArrayLen(16); fields > 2; fields-- {
		r.Skip()
	}
	n = r.Uint(1 << 20)
	r.Bool()
	ok(t, r.Done("test"))
	return n
}

// setSpent rewrites it, from none.
func setSpent(t *testing.T, p *profile, n uint64) {
	t.Helper()
	ring, name, record := invitationRecord(t, p)
	var b storage.Batch
	ring.Put(&b, name, append(wire.AppendUint(record[:len(record)-2], n), record[len(record)-1]))
	ok(t, p.store.Apply(context.Background(), &b, storage.Strict))
}

// snapshot copies a profile as it is stored at this moment, as if the machine
// had stopped here.
func snapshot(t *testing.T, p *profile) *profile {
	t.Helper()
	list, err := p.store.Scan(context.Background(), storage.Range{}, 0)
	ok(t, err)
	out := &profile{store: memstore.New(), keys: p.keys, devices: p.devices, slots: map[uint32]bool{}}
	var b storage.Batch
	for _, e := range list {
		b.Put(e.Key, e.Value)
	}
	ok(t, out.store.Apply(context.Background(), &b, storage.Strict))
	return out
}

func TestInvite_I13_persistentIsHostedAgain(t *testing.T) {
	for _, multi := range []bool{false, true} {
		w, ctx, p := newWorld(t), context.Background(), newProfile()
		host, sp := owner(t, w, p)
		inv, err := sp.CreateInvitation(client.InvitationOptions{Persistent: true, MultiUse: multi})
		ok(t, err)
		was := inv.Value.Get()
		ok(t, host.Destroy(ctx)) // right away: it is kept all the same
		ok(t, host.Initialize(ctx))
		now := hosted(t, host, sp).Value.Get()
		if now.Code != was.Code || now.AuthCode != was.AuthCode || !now.Persistent || now.MultiUse != multi {
			t.Fatalf("it was %+v and is %+v", was.Invitation, now.Invitation)
		}
		for n, name := range []string{"Bob", "Cyd"} {
			if n > 0 && !multi {
				break
			}
			guest := w.person(name)
			g, err := guest.AcceptInvitation(was.Code, client.AcceptOptions{})
			ok(t, err)
			ok(t, g.Authenticate(ctx, was.AuthCode))
		}
		// Used up, a single-use one stays away; a multi-use one comes again.
		ok(t, host.Destroy(ctx))
		if kept := stored(t, p.store, "k/s/invitation/"); (kept == 1) != multi {
			t.Fatalf("multi-use %v: %d invitations are on record", multi, kept)
		}
	}
}

func TestInvite_I13_I04_spentStaysSpent(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, sp := owner(t, w, p)
	inv, err := sp.CreateInvitation(client.InvitationOptions{Persistent: true})
	ok(t, err)
	v := inv.Value.Get()
	for life := range 3 {
		// A new guest each time: attempts are the invitation's, not the guest's.
		g, err := w.person("Eve").AcceptInvitation(v.Code, client.AcceptOptions{})
		ok(t, err)
		code(t, guess(g, v.AuthCode), errs.WrongAuthCode)
		// The moment at which the guest knows, the attempt is on record: the
		// next life begins from what is stored now, not from a clean end.
		p = snapshot(t, p)
		if n := spent(t, p); n != uint64(life)+1 {
			t.Fatalf("life %d: %d attempts are on record as spent", life, n)
		}
		ok(t, host.Destroy(ctx))
		host = w.open(p)
		hosted(t, host, sp)
	}
	g, err := w.person("Bob").AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	ok(t, g.Authenticate(ctx, v.AuthCode))
}

func TestInvite_I13_I04_lastAttemptAfterRestart(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, sp := owner(t, w, p)
	inv, err := sp.CreateInvitation(client.InvitationOptions{Persistent: true})
	ok(t, err)
	v := inv.Value.Get()
	ok(t, host.Destroy(ctx))
	setSpent(t, p, 299)
	ok(t, host.Initialize(ctx))
	again := hosted(t, host, sp)
	g, err := w.person("Eve").AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	code(t, guess(g, v.AuthCode), errs.TooManyAttempts)
	eventually(t, "the host ends too", func() bool { return errs.Is(again.Value.Get().Err, errs.TooManyAttempts) })
	if n := stored(t, p.store, "k/s/invitation/"); n != 0 {
		t.Fatalf("%d invitations are on record", n)
	}
}

func TestInvite_I13_endedIsNotHostedAgain(t *testing.T) {
	cases := map[string]struct {
		o     client.InvitationOptions
		end   func(t *testing.T, inv *client.Invitation)
		state invite.State
	}{
		"cancelled": {
			end:   func(t *testing.T, inv *client.Invitation) { ok(t, inv.Cancel(context.Background())) },
			state: invite.Cancelled,
		},
		"timeout": {o: client.InvitationOptions{Timeout: time.Millisecond}, state: invite.Timeout},
		"expired": {o: client.InvitationOptions{Expires: 1}, state: invite.Expired},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w, p := newWorld(t), newProfile()
			_, sp := owner(t, w, p)
			c.o.Persistent = true
			inv, err := sp.CreateInvitation(c.o)
			ok(t, err)
			if c.end != nil {
				c.end(t, inv)
			}
			eventually(t, "it ends", func() bool { return inv.Value.Get().State == c.state })
			// Whoever sees the end finds no record any more.
			if n := stored(t, p.store, "k/s/invitation/"); n != 0 {
				t.Fatalf("%d invitations are on record", n)
			}
		})
	}
}

func TestInvite_I13_I12_runsOutWhileNobodyHosts(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, sp := owner(t, w, p)
	_, err := sp.CreateInvitation(client.InvitationOptions{Persistent: true, Timeout: 300 * time.Millisecond})
	ok(t, err)
	ok(t, host.Destroy(ctx))
	if n := stored(t, p.store, "k/s/invitation/"); n != 1 {
		t.Fatalf("%d invitations are on record", n)
	}
	time.Sleep(300 * time.Millisecond) // the invitation's time, not the test's
	ok(t, host.Initialize(ctx))
	eventually(t, "it is forgotten", func() bool { return stored(t, p.store, "k/s/invitation/") == 0 })
	eventually(t, "it is listed no more", func() bool { return len(host.Space(sp.Key()).Invitations.Get()) == 0 })
}

func TestInvite_I14_othersAreGone(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, sp := owner(t, w, p)
	inv, err := sp.CreateInvitation(client.InvitationOptions{MultiUse: true})
	ok(t, err)
	v := inv.Value.Get()
	g, err := w.person("Bob").AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	code(t, guess(g, v.AuthCode), errs.WrongAuthCode)
	ok(t, host.Destroy(ctx))
	ok(t, host.Initialize(ctx))
	if n := stored(t, p.store, "k/s/invitation/"); n != 0 {
		t.Fatalf("%d invitations are on record", n)
	}
	late, err := w.person("Cyd").AcceptInvitation(v.Code, client.AcceptOptions{Timeout: time.Second})
	ok(t, err)
	if err := late.Authenticate(ctx, v.AuthCode); err == nil {
		t.Fatal("a guest was admitted to an invitation that is gone")
	}
	if n := len(host.Space(sp.Key()).Invitations.Get()); n != 0 {
		t.Fatalf("%d invitations are hosted", n)
	}
}

// TestInvite_I13_T02_anotherTabTakesOver: of two tabs one hosts, so that the
// attempts are counted once; when it is gone the other goes on.
func TestInvite_I13_T02_anotherTabTakesOver(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	p.locks = newLocks()
	one, sp := owner(t, w, p)
	inv, err := sp.CreateInvitation(client.InvitationOptions{Persistent: true})
	ok(t, err)
	v := inv.Value.Get()
	eventually(t, "it is kept", func() bool { return stored(t, p.store, "k/s/invitation/") == 1 })
	two := w.open(p)
	g, err := w.person("Eve").AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	code(t, guess(g, v.AuthCode), errs.WrongAuthCode)
	if n := len(two.Space(sp.Key()).Invitations.Get()); n != 0 {
		t.Fatal("both tabs host the invitation")
	}
	ok(t, one.Destroy(ctx))
	hosted(t, two, sp)
	late, err := w.person("Bob").AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	code(t, guess(late, v.AuthCode), errs.WrongAuthCode)
	if n := spent(t, p); n != 2 {
		t.Fatalf("%d attempts are on record as spent", n)
	}
	ok(t, late.Authenticate(ctx, v.AuthCode))
}

// locks are the named locks of the engines of a profile.
type locks struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

func newLocks() *locks { return &locks{held: map[string]chan struct{}{}} }

func (l *locks) lock(ctx context.Context, name string) (release func(), err error) {
	for {
		l.mu.Lock()
		other, taken := l.held[name]
		if !taken {
			mine := make(chan struct{})
			l.held[name] = mine
			l.mu.Unlock()
			return sync.OnceFunc(func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				delete(l.held, name)
				close(mine)
			}), nil
		}
		l.mu.Unlock()
		select {
		case <-other:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
