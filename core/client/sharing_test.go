package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/storage"
)

// join lets guest into a new single-use invitation of sp.
func join(t *testing.T, sp *client.Space, guest *client.Client) *client.Space {
	t.Helper()
	return joinAs(t, sp, guest, credential.Editor)
}

func joinAs(t *testing.T, sp *client.Space, guest *client.Client, role credential.Role) *client.Space {
	t.Helper()
	inv, err := sp.CreateInvitation(client.InvitationOptions{Role: role})
	ok(t, err)
	v := inv.Value.Get()
	g, err := guest.AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	ok(t, g.Authenticate(context.Background(), v.AuthCode))
	key := g.Value.Get().Space
	if key == nil || *key != sp.Key() {
		t.Fatalf("the guest's invitation names space %v", key)
	}
	joined := guest.Space(*key)
	if joined == nil || joined.State.Get() != client.SpaceOpen {
		t.Fatal("the space is not open when authenticate resolves") // P04
	}
	return joined
}

func pair(t *testing.T, w *world) (a, b *client.Space) {
	t.Helper()
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(context.Background())
	ok(t, err)
	return a, join(t, a, guest)
}

func TestShare_S04_S05_twoWay(t *testing.T) {
	for _, direct := range []bool{true, false} {
		t.Run(fmt.Sprint("direct ", direct), func(t *testing.T) {
			w := newWorld(t)
			w.direct = direct
			a, b := pair(t, w)
			x, y := put(t, a, "title", "from a"), put(t, b, "title", "from b")
			eventually(t, "b has a's object", func() bool { return holds(record(b, x), "from a") })
			eventually(t, "a has b's object", func() bool { return holds(record(a, y), "from b") })
			change(t, b, x, "title", "by b")
			eventually(t, "a sees the change", func() bool { return holds(record(a, x), "by b") })
			for _, sp := range []*client.Space{a, b} {
				eventually(t, "two members online with names", func() bool {
					n := 0
					for _, m := range sp.Members.Get() {
						if m.Online && m.Name != "" {
							n++
						}
					}
					return n == 2
				})
			}
		})
	}
}

func TestShare_directPathIsTaken(t *testing.T) {
	w := newWorld(t)
	host, guest := w.person("Ada"), w.person("Bob")
	sp, err := host.CreateSpace(context.Background())
	ok(t, err)
	join(t, sp, guest)
	for _, c := range []*client.Client{host, guest} {
		eventually(t, "the path is direct", func() bool {
			peers := c.Network.Get().Peers
			return len(peers) == 1 && peers[0].Path == mesh.Direct
		})
	}
}

func TestShare_S14_S17_lateJoinerGetsHistory(t *testing.T) {
	w := newWorld(t)
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(context.Background())
	ok(t, err)
	for i := range 500 {
		put(t, a, "title", fmt.Sprint("object ", i))
	}
	b := join(t, a, guest)
	eventually(t, "the late joiner has all", func() bool { return count(b) == 500 })
}

func TestShare_S15_O17_offlineEditsMerge(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	b := join(t, a, guest)
	x := put(t, a, "title", "start")
	eventually(t, "synced", func() bool { return holds(record(b, x), "start") })
	ok(t, host.GoOffline(ctx))
	ok(t, guest.GoOffline(ctx))
	change(t, a, x, "a", "edit of a")
	change(t, b, x, "b", "edit of b")
	y, z := put(t, a, "title", "new of a"), put(t, b, "title", "new of b")
	ok(t, host.GoOnline(ctx))
	ok(t, guest.GoOnline(ctx))
	for _, sp := range []*client.Space{a, b} {
		eventually(t, "all edits are on both sides", func() bool {
			return holds(record(sp, x), "edit of a") && holds(record(sp, x), "edit of b") && record(sp, y) != nil && record(sp, z) != nil
		})
	}
	if string(record(a, x)) != string(record(b, x)) {
		t.Fatal("the two sides differ")
	}
}

func TestShare_S06_messages(t *testing.T) {
	w := newWorld(t)
	a, b := pair(t, w)
	got := make(chan string, 16)
	stop := b.Listen("one", func(m client.ChannelMessage) { got <- "one " + string(m.Data) })
	b.Listen("two", func(m client.ChannelMessage) { got <- "two " + string(m.Data) })
	eventually(t, "connected", func() bool { return online(a) == 2 && online(b) == 2 })
	ok(t, a.PostMessage(t.Context(), "one", []byte("hello")))
	ok(t, a.PostMessage(t.Context(), "two", []byte("there")))
	if x, y := next(t, got), next(t, got); x != "one hello" || y != "two there" {
		t.Fatalf("got %q, %q", x, y)
	}
	stop()
	ok(t, a.PostMessage(t.Context(), "one", []byte("unheard")))
	ok(t, a.PostMessage(t.Context(), "two", []byte("again")))
	if x := next(t, got); x != "two again" {
		t.Fatalf("got %q after the listener was gone", x)
	}
	code(t, a.PostMessage(t.Context(), "one", make([]byte, 1<<20)), errs.TooLarge)
}

func online(sp *client.Space) (n int) {
	for _, m := range sp.Members.Get() {
		if m.Online {
			n++
		}
	}
	return n
}

func TestShare_S10_twoSpaces(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, guest := w.person("Ada"), w.person("Bob")
	var a, b [2]*client.Space
	for i := range a {
		var err error
		a[i], err = host.CreateSpace(ctx)
		ok(t, err)
		b[i] = join(t, a[i], guest)
	}
	for i := range a {
		x := put(t, a[i], "title", fmt.Sprint("space ", i))
		eventually(t, "synced in its space", func() bool { return record(b[i], x) != nil })
		if record(b[1-i], x) != nil {
			t.Fatal("an object came into the other space")
		}
	}
}

func TestShare_S13_thirdFromSecond(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	ada, bob, cyd := w.person("Ada"), w.person("Bob"), w.person("Cyd")
	a, err := ada.CreateSpace(ctx)
	ok(t, err)
	b, c := join(t, a, bob), join(t, a, cyd)
	ok(t, cyd.GoOffline(ctx))
	x := put(t, a, "title", "while c was away")
	eventually(t, "b has it", func() bool { return record(b, x) != nil })
	ok(t, ada.GoOffline(ctx))
	ok(t, cyd.GoOnline(ctx))
	eventually(t, "c got it from b", func() bool { return record(c, x) != nil })
}

func TestShare_S05_leavingTurnsOffline(t *testing.T) {
	w := newWorld(t)
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(context.Background())
	ok(t, err)
	join(t, a, guest)
	eventually(t, "both online", func() bool { return online(a) == 2 })
	ok(t, guest.Destroy(context.Background()))
	eventually(t, "the guest is offline", func() bool { return online(a) == 1 })
}

func TestInvite_I03_I04_wrongCodes(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, guest := w.person("Ada"), w.person("Bob")
	sp, err := host.CreateSpace(ctx)
	ok(t, err)
	inv, err := sp.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	g, err := guest.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	wrong := "000000"
	if inv.Value.Get().AuthCode == wrong {
		wrong = "000001"
	}
	for left := 2; left > 0; left-- {
		err := g.Authenticate(ctx, wrong)
		code(t, err, errs.WrongAuthCode)
	}
	code(t, g.Authenticate(ctx, wrong), errs.TooManyAttempts)
	code(t, g.Authenticate(ctx, inv.Value.Get().AuthCode), errs.TooManyAttempts)
	eventually(t, "the host ends too", func() bool {
		v := inv.Value.Get()
		return v.State == invite.Error && errs.Is(v.Err, errs.TooManyAttempts)
	})
	eventually(t, "it is listed no more", func() bool { return len(sp.Invitations.Get()) == 0 })
}

func TestInvite_I10_alreadyMember(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	join(t, a, guest)
	inv, err := a.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	g, err := guest.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	code(t, g.Authenticate(ctx, inv.Value.Get().AuthCode), errs.AlreadyMember)
	if key := g.Value.Get().Space; key == nil || *key != a.Key() {
		t.Fatalf("the invitation names space %v", key)
	}
	if n := len(a.Members.Get()); n != 2 {
		t.Fatalf("%d members", n)
	}
}

// A guest whose storage failed just after it was admitted is a member without
// the space. The next invitation hands it over.
func TestInvite_I10_memberWithoutTheSpace(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host := w.person("Ada")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	guest, _, disk := faulty(t, w)
	inv, err := a.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	disk.SetFull(true)
	g, err := guest.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	code(t, g.Authenticate(ctx, inv.Value.Get().AuthCode), errs.StorageFull)
	if guest.Space(a.Key()) != nil {
		t.Fatal("the guest has the space: the test proves nothing")
	}
	eventually(t, "the host has it as a member", func() bool { return len(a.Members.Get()) == 2 })
	disk.SetFull(false)
	again, err := a.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	// Its HALO, which stores the admission as soon as it can, may have been faster.
	if err := accept(t, guest, again.Value.Get()); err != nil && !errs.Is(err, errs.AlreadyMember) {
		t.Fatal(err)
	}
	b := arrives(t, guest, a.Key())
	x := put(t, a, "title", "for who came back")
	eventually(t, "it replicates", func() bool { return record(b, x) != nil })
	if n := len(a.Members.Get()); n != 2 {
		t.Fatalf("%d members", n)
	}
}

// The admission brings the members: who was just admitted has its rights, and
// meets another newcomer, although the one who admitted them is gone.
func TestShare_S13_newcomersWithoutTheirHost(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	bobs := joinAs(t, a, bob, credential.Admin)
	ok(t, bob.GoOffline(ctx))
	_, err = bobs.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	_, err = bob.UpdateProfile(ctx, "Bob the admin")
	ok(t, err)
	eves := join(t, a, eve)
	ok(t, host.Destroy(ctx))
	ok(t, bob.GoOnline(ctx))
	x, y := put(t, bobs, "title", "of Bob"), put(t, eves, "title", "of Eve")
	eventually(t, "Eve has Bob's", func() bool { return record(eves, x) != nil })
	eventually(t, "Bob has Eve's", func() bool { return record(bobs, y) != nil })
	eventually(t, "Eve sees Bob's new name", func() bool {
		return slices.ContainsFunc(eves.Members.Get(), func(m client.Member) bool { return m.Name == "Bob the admin" })
	})
}

func TestInvite_I23_I24_accepting(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, nobody, guest := w.person("Ada"), w.open(newProfile()), w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	inv, err := a.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	_, err = nobody.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	code(t, err, errs.NoIdentity)
	x, err := guest.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	y, err := guest.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	if x != y {
		t.Fatal("the same code gave two invitations")
	}
}

func TestInvite_I28_hostOffline(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, guest := w.person("Ada"), w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	ok(t, host.GoOffline(ctx))
	inv, err := a.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	g, err := guest.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	done := make(chan error, 1)
	go func() { done <- g.Authenticate(ctx, inv.Value.Get().AuthCode) }()
	ok(t, host.GoOnline(ctx))
	ok(t, next(t, done))
}

func TestInvite_S16_editorMayNotInvite(t *testing.T) {
	w := newWorld(t)
	_, b := pair(t, w)
	_, err := b.CreateInvitation(client.InvitationOptions{})
	code(t, err, errs.NotPermitted)
}

func TestTabs_T02_twoTabsOfOneProfile(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	one := w.open(p)
	_, err := one.CreateIdentity(ctx, "Ada")
	ok(t, err)
	a, err := one.CreateSpace(ctx)
	ok(t, err)
	two := w.open(p)
	b := two.Space(a.Key())
	if b == nil {
		t.Fatal("the second tab has no space")
	}
	ok(t, one.GoOffline(ctx)) // so that only the tabs' channel carries
	x := put(t, a, "title", "of one")
	eventually(t, "the second tab sees it", func() bool { return record(b, x) != nil })
	y := put(t, b, "title", "of two")
	eventually(t, "the first tab sees it", func() bool { return record(a, y) != nil })
	c, err := two.CreateSpace(ctx)
	ok(t, err)
	eventually(t, "a space of one tab is in the other", func() bool { return one.Space(c.Key()) != nil })
}

// gatedStore holds its Applies up while it is shut.
type gatedStore struct {
	storage.Store
	mu sync.RWMutex
}

func (g *gatedStore) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.Store.Apply(ctx, b, d)
}

// What somebody else writes shows before it is stored, but is not acknowledged.
func TestShare_S04_showsBeforeItIsStored(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host := w.person("Ada")
	p := newProfile()
	gate := &gatedStore{Store: p.store}
	p.store = gate
	guest := w.open(p)
	_, err := guest.CreateIdentity(ctx, "Bob")
	ok(t, err)
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	b := join(t, a, guest)
	put(t, a, "title", "first")
	ok(t, a.Flush(ctx, client.FlushPeer))
	gate.mu.Lock()
	x := put(t, a, "title", "second")
	eventually(t, "it shows", func() bool { return record(b, x) != nil })
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	code(t, a.Flush(short, client.FlushPeer), errs.Timeout)
	gate.mu.Unlock()
	ok(t, a.Flush(ctx, client.FlushPeer))
}
