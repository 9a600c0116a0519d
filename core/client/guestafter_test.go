package client_test

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/credential"
)

// A guest that comes after a device came, wrote and was removed gets all that counts,
// and knows itself a member.
func TestShare_S13_H12_guestAfterARemovedDevice(t *testing.T) {
	for name, tc := range map[string]struct {
		role   credential.Role
		others bool // another member is there
	}{"alone": {credential.Editor, false}, "reader": {credential.Reader, true}, "editor": {credential.Editor, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, w := context.Background(), newWorld(t)
			one := w.person("Ada")
			sp, err := one.CreateSpace(ctx)
			ok(t, err)
			put(t, sp, "title", "first")
			if tc.others {
				join(t, sp, w.person("Bob"))
			}
			two := w.deviceOn(newProfile(), one)
			spTwo := arrives(t, two, sp.Key())
			of := put(t, spTwo, "title", "of the device")
			eventually(t, "it arrives", func() bool { return record(sp, of) != nil })
			gone := two.Identity.Get().Device
			ok(t, one.RemoveDevice(ctx, gone))
			eventually(t, "the device is gone", func() bool { return !hasDevice(sp, gone) })
			after := put(t, sp, "title", "after it went")
			eve := w.person("Eve")
			spEve := joinAs(t, sp, eve, tc.role)
			eventually(t, "the guest knows itself a member", func() bool { return isMember(spEve, me(eve)) })
			eventually(t, "the guest gets all", func() bool { return record(spEve, after) != nil && record(spEve, of) != nil })
		})
	}
}
