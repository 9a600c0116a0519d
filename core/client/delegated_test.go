package client_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/invite"
)

// accept has a guest accept a code and say the auth code.
func accept(t *testing.T, guest *client.Client, v client.InvitationValue) error {
	t.Helper()
	g, err := guest.AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	return g.Authenticate(context.Background(), v.AuthCode)
}

// offered gives the one invitation that a space hosts.
func offered(t *testing.T, sp *client.Space) *client.Invitation {
	t.Helper()
	eventually(t, "an invitation is hosted", func() bool { return len(sp.Invitations.Get()) == 1 })
	return sp.Invitations.Get()[0]
}

// ends waits until an invitation has ended with a state.
func ends(t *testing.T, i *client.Invitation, want invite.State) {
	t.Helper()
	eventually(t, "the invitation ends as "+want.String(), func() bool {
		v := i.Value.Get()
		return v.Ended && v.State == want
	})
}

func TestInvite_I21_delegated(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	alice, bobs := w.person("Alice"), newProfile()
	sp, err := alice.CreateSpace(ctx)
	ok(t, err)
	bob := w.open(bobs)
	_, err = bob.CreateIdentity(ctx, "Bob")
	ok(t, err)
	spBob := joinAs(t, sp, bob, credential.Admin)
	carol := w.person("Carol")
	spCarol := join(t, sp, carol)

	inv, err := sp.CreateInvitation(client.InvitationOptions{Delegated: true, Role: credential.Reader})
	ok(t, err)
	v := inv.Value.Get()
	if len(v.AuthCode) < 10 {
		t.Errorf("the auth code has %d characters, and every host takes guesses", len(v.AuthCode))
	}
	if at := offered(t, spBob).Value.Get(); at.Code != v.Code || at.AuthCode != v.AuthCode {
		t.Error("another invitation was handed on")
	}
	eventually(t, "Carol has the membership", func() bool { return len(spCarol.Members.Get()) == 3 })
	if n := len(spCarol.Invitations.Get()); n != 0 {
		t.Errorf("an EDITOR hosts %d invitations", n)
	}
	ok(t, alice.GoOffline(ctx))

	ok(t, bob.Destroy(ctx)) // it outlives a restart
	bob = w.open(bobs)
	spBob = bob.Space(sp.Key())
	atBob := offered(t, spBob)

	fred := w.person("Fred")
	ok(t, accept(t, fred, v))
	ends(t, atBob, invite.Success)
	eventually(t, "Fred is a READER", func() bool {
		for _, m := range spBob.Members.Get() {
			if m.Identity == me(fred) {
				return m.Role == credential.Reader
			}
		}
		return false
	})
	ok(t, alice.GoOnline(ctx))
	ends(t, inv, invite.Success)
	eventually(t, "it is gone everywhere", func() bool { return len(sp.Invitations.Get())+len(spBob.Invitations.Get()) == 0 })

	for _, s := range []*client.Space{sp, spBob} {
		log := say(t, s)
		for _, line := range []string{"Alice INVITED Alice READER", "Bob ADMITTED Fred READER"} {
			if !slices.Contains(log, line) {
				t.Errorf("the log lacks %q: %q", line, log)
			}
		}
	}

	late := w.person("Late")
	g, err := late.AcceptInvitation(v.Code, client.AcceptOptions{Timeout: time.Second})
	ok(t, err)
	if err := g.Authenticate(ctx, v.AuthCode); err == nil {
		t.Error("a used invitation admits a second guest")
	}
}

func TestInvite_I21_revokedByAnotherAdmin(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	alice, bob := w.person("Alice"), w.person("Bob")
	sp, err := alice.CreateSpace(ctx)
	ok(t, err)
	spBob := joinAs(t, sp, bob, credential.Admin)
	inv, err := sp.CreateInvitation(client.InvitationOptions{Delegated: true, MultiUse: true})
	ok(t, err)
	v := inv.Value.Get()
	first := w.person("First")
	ok(t, accept(t, first, v))
	ok(t, offered(t, spBob).Cancel(ctx))
	ends(t, inv, invite.Cancelled)
	eventually(t, "nobody hosts it", func() bool { return len(sp.Invitations.Get())+len(spBob.Invitations.Get()) == 0 })
	if !isMember(sp, me(first)) {
		t.Error("who was admitted before is no member")
	}
}

// TestInvite_I21_aRemovalEndsIt: whoever was removed knows the code.
func TestInvite_I21_aRemovalEndsIt(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	alice, bob, eve := w.person("Alice"), w.person("Bob"), w.person("Eve")
	sp, err := alice.CreateSpace(ctx)
	ok(t, err)
	spBob := joinAs(t, sp, bob, credential.Admin)
	joinAs(t, sp, eve, credential.Admin)
	inv, err := sp.CreateInvitation(client.InvitationOptions{Delegated: true, MultiUse: true})
	ok(t, err)
	atBob := offered(t, spBob)
	ok(t, sp.RemoveMember(ctx, me(eve)))
	ends(t, inv, invite.Cancelled)
	ends(t, atBob, invite.Cancelled)
}

func TestInvite_I22_withoutTheRight(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	for _, role := range []credential.Role{credential.Editor, credential.Reader, credential.Keeper} {
		spBob := joinAs(t, sp, bob, role)
		for _, o := range []client.InvitationOptions{{}, {Delegated: true}, {Role: credential.Owner}} {
			if _, err := spBob.CreateInvitation(o); !errs.Is(err, errs.NotPermitted) {
				t.Errorf("a member that is %v invites: %v", role, err)
			}
		}
		ok(t, spBob.Leave(ctx))
		eventually(t, "it has left", func() bool { return !isMember(sp, me(bob)) })
	}
}
