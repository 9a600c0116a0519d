package client_test

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
)

// hasDevice tells whether a device is one of a member's by what a space knows.
func hasDevice(sp *client.Space, d id.DeviceKey) bool {
	for _, m := range sp.Members.Get() {
		for _, known := range m.Devices {
			if known == d {
				return true
			}
		}
	}
	return false
}

func TestHalo_H12_removedDevice(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	one, bob, stolen := w.person("Ada"), w.person("Bob"), newProfile()
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	two := w.deviceOn(stolen, one)
	spTwo := arrives(t, two, sp.Key())
	closed, err := one.CreateSpace(ctx)
	ok(t, err)
	closedTwo := arrives(t, two, closed.Key())
	before := put(t, spTwo, "title", "by the device, before")
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "it arrives", func() bool { return record(s, before) != nil })
	}
	inClosed := put(t, closedTwo, "title", "there too")
	eventually(t, "it arrives", func() bool { return record(closed, inClosed) != nil })
	gone := two.Identity.Get().Device
	ok(t, closed.Close(ctx))

	for name, test := range map[string]struct {
		key  id.DeviceKey
		want errs.Kind
	}{"itself": {one.Identity.Get().Device, errs.InvalidArgument}, "nobody": {id.DeviceKey{1}, errs.NotFound}, "another's": {bob.Identity.Get().Device, errs.NotFound}} {
		if err := one.RemoveDevice(ctx, test.key); !errs.Is(err, test.want) {
			t.Errorf("removing %s: %v, want %v", name, err, test.want)
		}
	}
	ok(t, one.RemoveDevice(ctx, gone))
	for _, s := range []*client.Space{sp, spBob, spTwo} {
		eventually(t, "the device is gone", func() bool { return !hasDevice(s, gone) })
	}
	if !isMember(sp, me(one)) || !isMember(spBob, me(one)) {
		t.Error("the identity went with its device")
	}
	eventually(t, "the device is off the list", func() bool { return len(one.Devices.Get()) == 1 })
	if err := spTwo.Edit(nil); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("an edit by the removed device: %v", err)
	}
	secret := put(t, spBob, "title", "after the removal")
	eventually(t, "the others go on", func() bool { return record(sp, secret) != nil })
	if record(sp, before) == nil || record(spBob, before) == nil {
		t.Error("what the device wrote before is gone")
	}
	if record(spTwo, secret) != nil {
		t.Error("the removed device reads on")
	}
	later, err := one.CreateSpace(ctx)
	ok(t, err)

	ok(t, closed.Open(ctx)) // it was closed meanwhile
	eventually(t, "the device is gone there too", func() bool { return !hasDevice(closed, gone) })
	if record(closed, inClosed) == nil {
		t.Error("what the device wrote in the closed space is gone")
	}
	ok(t, two.Destroy(ctx))

	// Its whole profile in the hands of code that is not ours.
	out := castOut(t, stolen, sp.Key())
	at := w.intrude(out.rec.Secrets.Gate(), out)
	eventually(t, "it is refused", func() bool { return len(at.events(mesh.Dropped))+len(at.events(mesh.Disconnected)) > 0 })
	if n := len(at.events(mesh.Message)); n > 0 {
		t.Errorf("the removed device was told %d messages", n)
	}
	at.leave()
	two = w.open(stolen)
	if sp := two.Space(later.Key()); sp != nil {
		t.Error("the removed device has a space that was made after it went")
	}
	three := w.device(one) // another one gets all
	for _, s := range []*client.Space{sp, closed, later} {
		arrives(t, three, s.Key())
	}
	eventually(t, "it reads what the removed one could not", func() bool { return record(three.Space(sp.Key()), secret) != nil })
}
