package client_test

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

// me gives a client's identity.
func me(c *client.Client) id.IdentityKey { return c.Identity.Get().Key }

// isMember tells whether somebody is a member by what a space knows.
func isMember(sp *client.Space, who id.IdentityKey) bool {
	for _, m := range sp.Members.Get() {
		if m.Identity == who {
			return true
		}
	}
	return false
}

// onlineThere tells whether a space has a session with somebody.
func onlineThere(sp *client.Space, who id.IdentityKey) bool {
	for _, m := range sp.Members.Get() {
		if m.Identity == who {
			return m.Online
		}
	}
	return false
}

func TestRights_S16_S17_removedMember(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob, spEve := join(t, sp, bob), join(t, sp, eve)
	before := put(t, spEve, "title", "written before")
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "what Eve wrote arrives", func() bool { return record(s, before) != nil })
	}

	ok(t, sp.RemoveMember(ctx, me(eve)))
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "Eve is no member", func() bool { return !isMember(s, me(eve)) })
	}
	eventually(t, "Eve learns of it", func() bool { return !isMember(spEve, me(eve)) })
	eventually(t, "the others stay connected", func() bool { return onlineThere(sp, me(bob)) && onlineThere(spBob, me(ada)) })
	eventually(t, "Eve is disconnected", func() bool { return online(spEve) == 0 })
	b := record(sp, before)
	if b == nil {
		t.Error("what Eve wrote before is gone")
	}
	if err := spEve.Edit(nil); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("an edit of the removed: %v", err)
	}

	secret := put(t, spBob, "title", "a secret")
	eventually(t, "the others go on", func() bool { return record(sp, secret) != nil })
	if record(spEve, secret) != nil {
		t.Error("the removed reads on")
	}

	again := join(t, sp, eve)
	eventually(t, "who is invited again reads what it missed", func() bool { return record(again, secret) != nil && record(again, before) != nil })
	late := put(t, again, "title", "back again")
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "who is invited again writes", func() bool { return record(s, late) != nil })
	}
}

// TestRights_S16_awayDuringTheRotation removes a member while another is offline,
// who then finds the others although the topic has changed.
func TestRights_S16_awayDuringTheRotation(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	join(t, sp, eve)
	ok(t, bob.GoOffline(ctx))
	own := put(t, spBob, "title", "written offline")
	for range 2 { // two generations behind
		eve2 := w.person("Eve")
		join(t, sp, eve2)
		ok(t, sp.RemoveMember(ctx, me(eve2)))
	}
	secret := put(t, sp, "title", "meanwhile")
	ok(t, sp.Flush(ctx, client.FlushStore))
	ok(t, bob.GoOnline(ctx))
	eventually(t, "who was away reads what was written meanwhile", func() bool { return record(spBob, secret) != nil })
	eventually(t, "what was written offline arrives", func() bool { return record(sp, own) != nil })
}

// TestRights_S17_takenBack has a member take in what the removed wrote meanwhile.
func TestRights_S17_takenBack(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob, spEve := join(t, sp, bob), join(t, sp, eve)
	before := put(t, spEve, "title", "before")
	own := put(t, spBob, "title", "Bob's own")
	eventually(t, "all is everywhere", func() bool {
		return record(spBob, before) != nil && record(sp, before) != nil && record(sp, own) != nil && record(spEve, own) != nil
	})
	ok(t, ada.GoOffline(ctx))
	ok(t, sp.RemoveMember(ctx, me(eve)))
	beyond := put(t, spEve, "title", "beyond")
	eventually(t, "Bob takes it in", func() bool { return record(spBob, beyond) != nil })
	ok(t, ada.GoOnline(ctx))
	eventually(t, "it is taken back", func() bool { return record(spBob, own) != nil && record(spBob, beyond) == nil })
	if record(spBob, before) == nil {
		t.Error("what was written before is gone")
	}
	after := put(t, spBob, "title", "after")
	eventually(t, "they go on", func() bool { return record(sp, after) != nil })
	if record(sp, beyond) != nil {
		t.Error("it reached who had removed its writer")
	}
	if list := bob.Spaces.Get(); len(list) != 1 || list[0] != spBob {
		t.Error("the space is another one now")
	}
}

func TestRights_S16_roles(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	if _, err := spBob.CreateInvitation(client.InvitationOptions{}); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("an EDITOR invites: %v", err)
	}
	role := func(s *client.Space) (r credential.Role) {
		for _, m := range s.Members.Get() {
			if m.Identity == me(bob) {
				r = m.Role
			}
		}
		return r
	}
	set := func(r credential.Role) {
		t.Helper()
		ok(t, sp.SetRole(ctx, me(bob), r))
		eventually(t, "the role arrives", func() bool { return role(spBob) == r })
		if role(sp) != r {
			t.Errorf("the role is %v here, want %v", role(sp), r)
		}
	}
	set(credential.Admin)
	fred := w.person("Fred")
	spFred := join(t, spBob, fred) // a new admin admits
	eventually(t, "all know who was admitted", func() bool { return isMember(sp, me(fred)) })
	set(credential.Reader)
	if err := spBob.Edit(nil); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("a READER edits: %v", err)
	}
	v := put(t, spFred, "title", "for all")
	eventually(t, "a READER reads", func() bool { return record(spBob, v) != nil })
	if err := spBob.SetRole(ctx, me(bob), credential.Owner); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("a READER makes itself OWNER: %v", err)
	}
	set(credential.Editor)
	v = put(t, spBob, "title", "an EDITOR again")
	eventually(t, "an EDITOR writes again", func() bool { return record(sp, v) != nil })
}

func TestRights_S16_leave(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada := w.person("Ada")
	p := newProfile()
	bob := w.open(p)
	_, err := bob.CreateIdentity(ctx, "Bob")
	ok(t, err)
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	if err := sp.Leave(ctx); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("the last OWNER leaves: %v", err)
	}
	spBob := join(t, sp, bob)
	other, err := bob.CreateSpace(ctx)
	ok(t, err)
	v := put(t, spBob, "title", "stays")
	eventually(t, "it arrives", func() bool { return record(sp, v) != nil })
	kept := put(t, other, "title", "of another space")
	ok(t, spBob.Leave(ctx))
	eventually(t, "the other learns of it", func() bool { return !isMember(sp, me(bob)) })
	if record(sp, v) == nil {
		t.Error("what was written is gone with its writer")
	}
	if list := bob.Spaces.Get(); len(list) != 1 || list[0] != other {
		t.Errorf("%d spaces are left, want the other", len(list))
	}
	if list, err := p.store.Scan(ctx, storage.Prefix(feed.HeaderPrefix(sp.Key())), 0); err != nil || len(list) != 0 {
		t.Errorf("%d feeds of the space are left: %v", len(list), err)
	}
	if record(other, kept) == nil {
		t.Error("another space lost an object")
	}
	v = put(t, sp, "title", "after it left")
	ok(t, sp.Flush(ctx, client.FlushStore)) // under a new key, which the one who stays makes
}
