package client_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
)

// device makes an open client on a new profile that is a further device of host's
// identity.
func (w *world) device(host *client.Client) *client.Client {
	w.t.Helper()
	return w.deviceOn(newProfile(), host)
}

func (w *world) deviceOn(p *profile, host *client.Client) *client.Client {
	w.t.Helper()
	guest := w.open(p)
	inv, err := host.CreateDeviceInvitation(client.InvitationOptions{})
	ok(w.t, err)
	v := inv.Value.Get()
	g, err := guest.AcceptDeviceInvitation(v.Code, client.AcceptOptions{})
	ok(w.t, err)
	ok(w.t, g.Authenticate(context.Background(), v.AuthCode))
	me := guest.Identity.Get()
	if me == nil || me.Key != host.Identity.Get().Key {
		w.t.Fatalf("the guest is %v when authenticate resolves", me)
	}
	if got := g.Value.Get(); got.Space != nil || got.Identity == nil || *got.Identity != me.Key {
		w.t.Fatalf("the guest's invitation names %v and %v", got.Space, got.Identity)
	}
	return guest
}

// arrives waits until a client has a space, open.
func arrives(t *testing.T, c *client.Client, key id.SpaceKey) *client.Space {
	t.Helper()
	eventually(t, "the space is there", func() bool {
		sp := c.Space(key)
		return sp != nil && sp.State.Get() == client.SpaceOpen
	})
	return c.Space(key)
}

// bothWays checks that two spaces are one.
func bothWays(t *testing.T, a, b *client.Space) {
	t.Helper()
	x, y := put(t, a, "title", "from the one"), put(t, b, "title", "from the other")
	eventually(t, "the other has it", func() bool { return holds(record(b, x), "from the one") })
	eventually(t, "the one has it", func() bool { return holds(record(a, y), "from the other") })
}

func TestHalo_H01_oneDevice(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.open(newProfile())
	if n := len(c.Devices.Get()); n != 0 {
		t.Fatalf("%d devices without an identity", n)
	}
	me, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
	list := c.Devices.Get()
	if len(list) != 1 || list[0].Key != me.Device || !list[0].Current || !list[0].Online || me.Name != "Ada" {
		t.Fatalf("%v has the devices %v", me, list)
	}
	if n := len(c.Spaces.Get()); n != 0 {
		t.Fatalf("%d spaces: the HALO shows", n)
	}
	ok(t, c.Destroy(ctx))
	if n := len(c.Devices.Get()); n != 0 {
		t.Fatalf("%d devices of a closed client", n)
	}
	ok(t, c.Initialize(ctx))
	if again := c.Devices.Get(); !slices.Equal(again, list) {
		t.Fatalf("the devices are %v after a restart, they were %v", again, list)
	}
}

func TestHalo_H02_H03_secondDevice(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one, bob := w.person("Ada"), w.person("Bob")
	own, err := one.CreateSpace(ctx)
	ok(t, err)
	shared, err := bob.CreateSpace(ctx)
	ok(t, err)
	guestOf := join(t, shared, one)
	p := newProfile()
	two := w.deviceOn(p, one)
	for _, c := range []*client.Client{one, two} {
		eventually(t, "both devices are listed, online", func() bool {
			list := c.Devices.Get()
			return len(list) == 2 && list[0].Current && !list[1].Current && list[0].Online && list[1].Online
		})
	}
	if name := two.Identity.Get().Name; name != "Ada" {
		t.Fatalf("the second device goes by %q", name)
	}
	bothWays(t, own, arrives(t, two, own.Key()))
	second := arrives(t, two, shared.Key())
	bothWays(t, shared, second)
	bothWays(t, guestOf, second)
	// A new one of either device, and one that the second joins.
	later, err := one.CreateSpace(ctx)
	ok(t, err)
	bothWays(t, later, arrives(t, two, later.Key()))
	its, err := two.CreateSpace(ctx)
	ok(t, err)
	bothWays(t, its, arrives(t, one, its.Key()))
	third, err := bob.CreateSpace(ctx)
	ok(t, err)
	bothWays(t, join(t, third, two), arrives(t, one, third.Key()))
	eventually(t, "Bob knows both devices", func() bool {
		return slices.ContainsFunc(shared.Members.Get(), func(m client.Member) bool { return !m.Self && len(m.Devices) == 2 })
	})
	if n := len(shared.Members.Get()); n != 2 {
		t.Fatalf("%d members", n)
	}
	// All of that is still so after a restart, with nobody there.
	ok(t, one.Destroy(ctx))
	ok(t, bob.Destroy(ctx))
	ok(t, two.Destroy(ctx))
	two = w.open(p)
	if n := len(two.Spaces.Get()); n != 5 {
		t.Fatalf("%d spaces after a restart", n)
	}
	if list := two.Devices.Get(); len(list) != 2 || list[1].Online {
		t.Fatalf("the devices are %v after a restart", list)
	}
	// Bob and the second device go on without the first.
	ok(t, bob.Initialize(ctx))
	bothWays(t, bob.Space(shared.Key()), two.Space(shared.Key()))
}

// A device of a device: the second, alone, admits a third.
func TestHalo_H02_H09_thirdDevice(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one := w.person("Ada")
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	two := w.device(one)
	bothWays(t, sp, arrives(t, two, sp.Key()))
	ok(t, one.GoOffline(ctx))
	three := w.device(two)
	bothWays(t, two.Space(sp.Key()), arrives(t, three, sp.Key()))
	ok(t, two.GoOffline(ctx))
	ok(t, one.GoOnline(ctx))
	bothWays(t, sp, three.Space(sp.Key()))
	for _, c := range []*client.Client{one, three} {
		eventually(t, "three devices, two online", func() bool {
			online := 0
			for _, d := range c.Devices.Get() {
				if d.Online {
					online++
				}
			}
			return len(c.Devices.Get()) == 3 && online == 2
		})
	}
}

func TestHalo_H04_H05_name(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one, bob := w.person("Ada"), w.person("Bob")
	sp, err := bob.CreateSpace(ctx)
	ok(t, err)
	join(t, sp, one)
	p := newProfile()
	two := w.deviceOn(p, one)
	arrives(t, two, sp.Key())
	_, err = two.UpdateProfile(ctx, "Ada L.")
	ok(t, err)
	eventually(t, "the other device goes by it", func() bool { return one.Identity.Get().Name == "Ada L." })
	// The other device too, so that what it is called next follows that.
	for _, s := range []*client.Space{sp, one.Space(sp.Key())} {
		eventually(t, "the member sees it", func() bool {
			return slices.ContainsFunc(s.Members.Get(), func(m client.Member) bool { return m.Name == "Ada L." })
		})
	}
	ok(t, two.Destroy(ctx))
	_, err = one.UpdateProfile(ctx, "Countess")
	ok(t, err)
	two = w.open(p)
	if name := two.Identity.Get().Name; name != "Ada L." && name != "Countess" {
		t.Fatalf("the name is %q after a restart", name)
	}
	eventually(t, "a device that was away hears of it", func() bool { return two.Identity.Get().Name == "Countess" })
	eventually(t, "the member too", func() bool {
		return slices.ContainsFunc(sp.Members.Get(), func(m client.Member) bool { return m.Name == "Countess" })
	})
}

func TestHalo_H06_labelAndKind(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one := w.person("Ada")
	two := w.device(one)
	text := func(s string) *string { return &s }
	ok(t, one.UpdateDevice(ctx, text("the desk"), nil))
	if d := one.Devices.Get()[0]; d.Label != "the desk" || d.Kind != "NATIVE" {
		t.Fatalf("the device is %v", d)
	}
	ok(t, two.UpdateDevice(ctx, text("the pocket"), text("MOBILE")))
	ok(t, two.UpdateDevice(ctx, nil, nil))
	for _, c := range []*client.Client{one, two} {
		eventually(t, "both see both", func() bool {
			labels := map[string]string{}
			for _, d := range c.Devices.Get() {
				labels[d.Label] = d.Kind
			}
			return labels["the desk"] == "NATIVE" && labels["the pocket"] == "MOBILE"
		})
	}
	code(t, one.UpdateDevice(ctx, text(string(make([]byte, 257))), nil), errs.TooLarge)
	code(t, one.UpdateDevice(ctx, nil, text(string(make([]byte, 65)))), errs.TooLarge)
	code(t, w.open(newProfile()).UpdateDevice(ctx, text("x"), nil), errs.NoIdentity)
	code(t, w.client(newProfile()).UpdateDevice(ctx, text("x"), nil), errs.NotInitialized)
}

func TestHalo_H13_contacts(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	p := newProfile()
	one, bob, cyd := w.open(p), w.person("Bob"), w.person("Cyd")
	_, err := one.CreateIdentity(ctx, "Ada")
	ok(t, err)
	var spaces []*client.Space
	for range 2 {
		sp, err := one.CreateSpace(ctx)
		ok(t, err)
		join(t, sp, bob)
		spaces = append(spaces, sp)
	}
	join(t, spaces[0], cyd)
	two := w.device(one)
	are := func(c *client.Client, want ...string) func() bool {
		return func() bool {
			var names []string
			for _, contact := range c.Contacts.Get() {
				names = append(names, contact.Name)
			}
			slices.Sort(names)
			return slices.Equal(names, want)
		}
	}
	for _, c := range []*client.Client{one, two} {
		eventually(t, "both contacts, once each", are(c, "Bob", "Cyd"))
		eventually(t, "they are online", func() bool {
			return !slices.ContainsFunc(c.Contacts.Get(), func(c client.Contact) bool { return !c.Online })
		})
	}
	eventually(t, "Cyd knows both others", are(cyd, "Ada", "Bob"))
	_, err = bob.UpdateProfile(ctx, "Robert")
	ok(t, err)
	for _, c := range []*client.Client{one, two, cyd} {
		eventually(t, "the new name", func() bool { return are(c, "Cyd", "Robert")() || are(c, "Ada", "Robert")() })
	}
	// Whom it met it knows, also without the spaces.
	eventually(t, "it is stored", func() bool { return one.Spaces.Get()[0].Sync.Get().Unsent == 0 })
	ok(t, one.Destroy(ctx))
	w.hub.SetDown(true)
	one = w.open(p)
	eventually(t, "after a restart too", are(one, "Cyd", "Robert"))
}

// What a space is entered with changes; who has it of the HALO alone gets in all the same.
func TestHalo_H03_afterARotation(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	one, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	b := join(t, sp, bob)
	join(t, sp, eve)
	two := w.device(one)
	second := arrives(t, two, sp.Key())
	bothWays(t, b, second)
	ok(t, two.GoOffline(ctx))
	ok(t, sp.RemoveMember(ctx, me(eve)))
	x := put(t, sp, "title", "under the new key")
	ok(t, sp.Flush(ctx, client.FlushPeer))
	three := w.device(one)
	third := arrives(t, three, sp.Key())
	eventually(t, "a new device reads it", func() bool { return record(third, x) != nil })
	ok(t, one.Destroy(ctx))
	ok(t, two.GoOnline(ctx))
	eventually(t, "a device that was away reads it", func() bool { return record(second, x) != nil })
	bothWays(t, b, second)
	bothWays(t, b, third)
}

// old takes the HALO out of a profile: an older version made it so.
func old(t *testing.T, p *profile) {
	t.Helper()
	ring, err := keys.OpenKeyring(context.Background(), testEnv(), p.keys, p.store)
	ok(t, err)
	var b storage.Batch
	ring.Delete(&b, "halo")
	ok(t, p.store.Apply(context.Background(), &b, storage.Strict))
}

func TestHalo_T05_olderProfile(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	p.locks = newLocks()
	c, sp := owner(t, w, p)
	v := put(t, sp, "title", "of before")
	ok(t, c.Destroy(ctx))
	old(t, p)
	// Two tabs at once make one.
	tabs := []*client.Client{w.client(p), w.client(p)}
	opened := make(chan error)
	for _, c := range tabs {
		go func() { opened <- c.Initialize(ctx) }()
	}
	for range tabs {
		ok(t, <-opened)
	}
	halo := recordOf(t, p, "halo").Key
	two := w.device(tabs[0])
	three := w.device(tabs[1])
	for _, c := range []*client.Client{two, three} {
		got := arrives(t, c, sp.Key())
		eventually(t, "the objects of before", func() bool { return record(got, v) != nil })
		eventually(t, "all devices are of one HALO", func() bool { return len(c.Devices.Get()) == 3 })
	}
	if recordOf(t, p, "halo").Key != halo {
		t.Fatal("the profile got another HALO")
	}
}

func TestHalo_C04_T02_tabs(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	p.locks = newLocks()
	tabs := []*client.Client{w.open(p), w.open(p)}
	made := make(chan error)
	for n, c := range tabs {
		go func() {
			_, err := c.CreateIdentity(ctx, fmt.Sprint("tab ", n))
			made <- err
		}()
	}
	if a, b := <-made, <-made; (a == nil) == (b == nil) || !errs.Is(a, errs.IdentityExists) && !errs.Is(b, errs.IdentityExists) {
		t.Fatalf("two tabs made an identity: %v, %v", a, b)
	}
	for _, c := range tabs {
		eventually(t, "both tabs have it", func() bool { return c.Identity.Get() != nil && len(c.Devices.Get()) == 1 })
	}
	// What one tab of a further device accepts is there in the other.
	q := newProfile()
	q.locks = newLocks()
	other := w.open(q)
	one := w.deviceOn(q, tabs[0])
	eventually(t, "the other tab has the identity", func() bool { return other.Identity.Get() != nil })
	sp, err := tabs[1].CreateSpace(ctx)
	ok(t, err)
	for _, c := range []*client.Client{one, other, tabs[0]} {
		bothWays(t, sp, arrives(t, c, sp.Key()))
	}
	_, err = other.UpdateProfile(ctx, "renamed")
	ok(t, err)
	for _, c := range append(tabs, one) {
		eventually(t, "the name is everywhere", func() bool { return c.Identity.Get().Name == "renamed" })
	}
}

func TestInvite_I23_kinds(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, nobody, bob := w.person("Ada"), w.open(newProfile()), w.person("Bob")
	sp, err := host.CreateSpace(ctx)
	ok(t, err)
	toSpace, err := sp.CreateInvitation(client.InvitationOptions{})
	ok(t, err)
	toDevice, err := host.CreateDeviceInvitation(client.InvitationOptions{})
	ok(t, err)
	if v := toDevice.Value.Get(); v.Kind != invite.Device || v.Space != nil || v.AuthCode == "" {
		t.Fatalf("the invitation is %v", v)
	}
	_, err = bob.AcceptDeviceInvitation(toDevice.Value.Get().Code, client.AcceptOptions{})
	code(t, err, errs.IdentityExists)
	_, err = nobody.AcceptDeviceInvitation(toSpace.Value.Get().Code, client.AcceptOptions{})
	code(t, err, errs.InvalidInvitation)
	_, err = bob.AcceptInvitation(toDevice.Value.Get().Code, client.AcceptOptions{})
	code(t, err, errs.InvalidInvitation)
	_, err = nobody.CreateDeviceInvitation(client.InvitationOptions{})
	code(t, err, errs.NoIdentity)
	_, err = w.client(newProfile()).CreateDeviceInvitation(client.InvitationOptions{})
	code(t, err, errs.NotInitialized)
	_, err = w.client(newProfile()).AcceptDeviceInvitation(toDevice.Value.Get().Code, client.AcceptOptions{})
	code(t, err, errs.NotInitialized)
	_, err = nobody.AcceptDeviceInvitation("junk", client.AcceptOptions{})
	code(t, err, errs.InvalidInvitation)
	for name, o := range map[string]client.InvitationOptions{"a role": {Role: 1}, "a key": {Auth: invite.KnownPublicKey, GuestKey: new([32]byte)}} {
		if _, err := host.CreateDeviceInvitation(o); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("an invitation for a device with %s: %v", name, err)
		}
	}
	// An identity that is made meanwhile stays.
	g, err := nobody.AcceptDeviceInvitation(toDevice.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	again, err := nobody.AcceptDeviceInvitation(toDevice.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	if g != again {
		t.Fatal("the same code gave two invitations")
	}
	_, err = nobody.CreateIdentity(ctx, "somebody")
	ok(t, err)
	code(t, g.Authenticate(ctx, toDevice.Value.Get().AuthCode), errs.IdentityExists)
	if name := nobody.Identity.Get().Name; name != "somebody" {
		t.Fatalf("the identity became that of %q", name)
	}
}

// A device that was admitted but could not store it comes back as the same device.
func TestInvite_I10_deviceThatLostIt(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host := w.person("Ada")
	sp, err := host.CreateSpace(ctx)
	ok(t, err)
	p := newProfile()
	gate := &taking{Store: p.store}
	gate.pass.Store(-1)
	p.store = gate
	guest := w.open(p)
	inv, err := host.CreateDeviceInvitation(client.InvitationOptions{})
	ok(t, err)
	g, err := guest.AcceptDeviceInvitation(inv.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	gate.pass.Store(1) // its keys, not what it is handed
	code(t, g.Authenticate(ctx, inv.Value.Get().AuthCode), errs.StorageFull)
	if guest.Identity.Get() != nil {
		t.Fatal("an identity that is not stored")
	}
	eventually(t, "the host has the device", func() bool { return len(host.Devices.Get()) == 2 })
	gate.pass.Store(-1)
	again, err := host.CreateDeviceInvitation(client.InvitationOptions{})
	ok(t, err)
	g, err = guest.AcceptDeviceInvitation(again.Value.Get().Code, client.AcceptOptions{})
	ok(t, err)
	ok(t, g.Authenticate(ctx, again.Value.Get().AuthCode))
	eventually(t, "the host ends well", func() bool { return again.Value.Get().State == invite.Success })
	bothWays(t, sp, arrives(t, guest, sp.Key()))
	if n := len(host.Devices.Get()); n != 2 {
		t.Fatalf("%d devices", n)
	}
}

// taking is a Store that takes as many more writes; any number below zero is all.
type taking struct {
	storage.Store
	pass atomic.Int64
}

func (r *taking) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	if r.pass.Load() == 0 {
		return errs.New("test", errs.StorageFull, "no more room")
	}
	if r.pass.Load() > 0 {
		r.pass.Add(-1)
	}
	return r.Store.Apply(ctx, b, d)
}

// A persistent device invitation is hosted again.
func TestInvite_I13_device(t *testing.T) {
	w, ctx, p := newWorld(t), context.Background(), newProfile()
	host, sp := owner(t, w, p)
	inv, err := host.CreateDeviceInvitation(client.InvitationOptions{Persistent: true})
	ok(t, err)
	v := inv.Value.Get()
	ok(t, host.Destroy(ctx))
	host = w.open(p)
	eventually(t, "it is listed", func() bool {
		list := host.Invitations.Get()
		return len(list) == 1 && list[0].Value.Get().AuthCode == v.AuthCode
	})
	guest := w.open(newProfile())
	g, err := guest.AcceptDeviceInvitation(v.Code, client.AcceptOptions{Timeout: time.Minute})
	ok(t, err)
	ok(t, g.Authenticate(ctx, v.AuthCode))
	bothWays(t, host.Space(sp.Key()), arrives(t, guest, sp.Key()))
	eventually(t, "it is listed no more", func() bool { return len(host.Invitations.Get()) == 0 })
}
