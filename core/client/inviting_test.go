package client_test

import (
	"context"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
)

// accepts has a guest accept an invitation, and gives how it ended.
func accepts(t *testing.T, guest *client.Client, inv *client.Invitation) (*client.Invitation, error) {
	t.Helper()
	v := inv.Value.Get()
	g, err := guest.AcceptInvitation(v.Code, client.AcceptOptions{})
	ok(t, err)
	return g, g.Authenticate(context.Background(), v.AuthCode)
}

func roleOf(sp *client.Space, who id.IdentityKey) credential.Role {
	for _, m := range sp.Members.Get() {
		if m.Identity == who {
			return m.Role
		}
	}
	return 0
}

func TestInvite_I11_knownIdentity(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	key := [32]byte(me(bob))
	inv, err := sp.CreateInvitation(client.InvitationOptions{Auth: invite.KnownPublicKey, GuestKey: &key})
	ok(t, err)
	if inv.Value.Get().AuthCode != "" {
		t.Error("it has an auth code")
	}
	if _, err := accepts(t, eve, inv); !errs.Is(err, errs.WrongGuest) {
		t.Errorf("another identity: %v", err)
	}
	if v := inv.Value.Get(); v.Ended || isMember(sp, me(eve)) {
		t.Fatalf("after another identity the invitation is %v", v.State)
	}
	if _, err := accepts(t, bob, inv); err != nil {
		t.Fatalf("the one who was named: %v", err)
	}
	eventually(t, "both sides succeed", func() bool { return inv.Value.Get().State == invite.Success && isMember(sp, me(bob)) })
	if isMember(sp, me(eve)) {
		t.Error("the other one is a member")
	}
}

func TestInvite_I11_persistentKnownIdentity(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	p := newProfile()
	ada, sp := owner(t, w, p)
	bob, eve := w.person("Bob"), w.person("Eve")
	key := [32]byte(me(bob))
	inv, err := sp.CreateInvitation(client.InvitationOptions{Auth: invite.KnownPublicKey, GuestKey: &key, Persistent: true, Role: credential.Reader})
	ok(t, err)
	eventually(t, "it is stored and hosted", func() bool { return inv.Value.Get().State == invite.Connecting })
	ok(t, ada.Destroy(ctx))
	ada = w.open(p)
	sp = ada.Space(sp.Key())
	eventually(t, "it is hosted again", func() bool { return len(sp.Invitations.Get()) == 1 })
	if v := sp.Invitations.Get()[0].Value.Get(); v.Role != credential.Reader || v.Code != inv.Value.Get().Code {
		t.Errorf("hosted again as %v", v.Role)
	}
	if _, err := accepts(t, eve, sp.Invitations.Get()[0]); !errs.Is(err, errs.WrongGuest) {
		t.Errorf("another identity: %v", err)
	}
	_, err = accepts(t, bob, sp.Invitations.Get()[0])
	ok(t, err)
	eventually(t, "Bob reads", func() bool { return roleOf(sp, me(bob)) == credential.Reader })
}

func TestInvite_I11_refuses(t *testing.T) {
	w := newWorld(t)
	_, sp := owner(t, w, newProfile())
	key, weak := [32]byte(me(w.person("Bob"))), [32]byte{1}
	for name, o := range map[string]client.InvitationOptions{
		"nobody is named":         {Auth: invite.KnownPublicKey},
		"no key":                  {Auth: invite.KnownPublicKey, GuestKey: &weak},
		"a key with an auth code": {GuestKey: &key},
		"a key without any":       {Auth: invite.None, GuestKey: &key},
	} {
		if _, err := sp.CreateInvitation(o); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestInvite_S16_role: the guest is told its role before it says the auth code, and gets
// it.
func TestInvite_S16_role(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada := w.person("Ada")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	for _, role := range []credential.Role{0, credential.Reader, credential.Admin, credential.Owner} {
		want := role
		if role == 0 {
			want = credential.Editor
		}
		t.Run(want.String(), func(t *testing.T) {
			bob := w.person("Bob")
			inv, err := sp.CreateInvitation(client.InvitationOptions{Role: role})
			ok(t, err)
			if got := inv.Value.Get().Role; got != want {
				t.Errorf("the host's says %v", got)
			}
			g, err := bob.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
			ok(t, err)
			eventually(t, "the guest may say the code", func() bool { return g.Value.Get().State == invite.ReadyForAuthentication })
			if got := g.Value.Get().Role; got != want {
				t.Errorf("the guest is told %v", got)
			}
			ok(t, g.Authenticate(ctx, inv.Value.Get().AuthCode))
			if got := g.Value.Get().Role; got != want {
				t.Errorf("the guest is %v", got)
			}
			eventually(t, "the host agrees", func() bool { return roleOf(sp, me(bob)) == want })
		})
	}
}

func TestInvite_I22_rights(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada := w.person("Ada")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	for _, role := range []credential.Role{credential.Admin, credential.Editor, credential.Reader} {
		t.Run(role.String(), func(t *testing.T) {
			bob := w.person("Bob")
			theirs := joinAs(t, sp, bob, role)
			for grant := credential.Owner; grant <= credential.Keeper; grant++ {
				inv, err := theirs.CreateInvitation(client.InvitationOptions{Role: grant})
				if may := role == credential.Admin && grant >= credential.Admin; may != (err == nil) || !may && !errs.Is(err, errs.NotPermitted) {
					t.Errorf("as %v: %v", grant, err)
				}
				if err == nil {
					ok(t, inv.Cancel(ctx))
				}
			}
			if role != credential.Admin {
				return
			}
			carol := w.person("Carol")
			inv, err := theirs.CreateInvitation(client.InvitationOptions{Role: credential.Reader})
			ok(t, err)
			_, err = accepts(t, carol, inv)
			ok(t, err)
			eventually(t, "the owner sees whom the ADMIN admitted", func() bool { return roleOf(sp, me(carol)) == credential.Reader })
		})
	}
}

// TestInvite_I18_I19_roles holds single and multiple use for invitations of other roles.
func TestInvite_I18_I19_roles(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada := w.person("Ada")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	for _, role := range []credential.Role{credential.Reader, credential.Admin} {
		for _, multi := range []bool{false, true} {
			inv, err := sp.CreateInvitation(client.InvitationOptions{Auth: invite.None, Role: role, MultiUse: multi})
			ok(t, err)
			var guests []*client.Client
			for range 3 {
				guests = append(guests, w.person("guest"))
			}
			outcomes := make([]error, len(guests))
			var all sync.WaitGroup
			for i, g := range guests {
				all.Go(func() {
					accepted, err := g.AcceptInvitation(inv.Value.Get().Code, client.AcceptOptions{})
					if err == nil {
						err = accepted.Authenticate(ctx, "")
					}
					outcomes[i] = err
				})
			}
			all.Wait()
			admitted := 0
			for i, err := range outcomes {
				switch {
				case err == nil:
					admitted++
					eventually(t, "the guest has its role", func() bool { return roleOf(sp, me(guests[i])) == role })
				case multi || !errs.Is(err, errs.InvitationUsed):
					t.Errorf("%v, multi-use %v: %v", role, multi, err)
				}
			}
			if want := map[bool]int{false: 1, true: 3}[multi]; admitted != want {
				t.Errorf("%v, multi-use %v: %d were admitted, want %d", role, multi, admitted, want)
			}
			if multi {
				ok(t, inv.Cancel(ctx))
			}
		}
	}
}
