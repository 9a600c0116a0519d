package space_test

import (
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
)

// newcomer is admitted by e and has met nobody yet.
func (e *engine) newcomer(role credential.Role) (*engine, space.Admission) {
	e.t.Helper()
	guest := &engine{t: e.t, self: newSelf(e.t)}
	in, err := e.Admit(space.Introduction{Identity: guest.self.Identity, Device: guest.self.Device, Chain: guest.self.Chain}, role, id.InvitationID{})
	ok(e.t, err)
	e.store(in)
	a, err := space.DecodeAdmission(e.admission(guest.self.Device).Encode(), guest.self.Device)
	ok(e.t, err)
	guest.Space = space.Open(testEnv(), guest.self, a.Record)
	return guest, a
}

// A newcomer knows the members and may use its rights before it meets anybody.
func TestAdmission_bringsTheMembers(t *testing.T) {
	e := found(t)
	other := e.join()
	in, err := other.BuildControl(credential.Profile{Identity: other.self.Identity, Name: "Bob"})
	ok(t, err)
	other.store(in)
	e.pull(other)
	guest, a := e.newcomer(credential.Admin)
	slices.Reverse(a.Controls) // the order of the feeds does not matter
	list := guest.TakeControls(a.Controls)
	if len(list) != len(a.Controls) || len(list) != 2 {
		t.Fatalf("%d of %d control feeds are taken", len(list), len(a.Controls))
	}
	if n := len(guest.Membership().Members()); n != 3 {
		t.Fatalf("the newcomer knows %d members", n)
	}
	if m, _ := guest.Membership().Device(other.self.Device); m.Name != "Bob" {
		t.Fatalf("the newcomer knows %q", m.Name)
	}
	if !guest.Membership().MayInvite(guest.self.Device, credential.Editor) {
		t.Fatal("an admin may not invite")
	}
	_, err = guest.BuildControl(credential.Profile{Identity: guest.self.Identity, Name: "Eve"})
	ok(t, err)
	if again := guest.TakeControls(a.Controls); len(again) != 0 {
		t.Fatalf("%d are taken again", len(again))
	}
}

// A feed that is wrong is left out; the admission holds without it.
func TestAdmission_badFeeds(t *testing.T) {
	e, stranger := found(t), found(t)
	for _, c := range []struct {
		name  string
		spoil func(a *space.Admission)
		taken int
	}{
		{"header cut", func(a *space.Admission) { a.Controls[0].Header = a.Controls[0].Header[:20] }, 0},
		{"block cut", func(a *space.Admission) { a.Controls[0].Blocks[0] = a.Controls[0].Blocks[0][:20] }, 0},
		{"signature altered", func(a *space.Admission) {
			f := a.Controls[0]
			last := slices.Clone(f.Blocks[len(f.Blocks)-1])
			last[len(last)-1] ^= 1
			f.Blocks[len(f.Blocks)-1] = last
		}, 0},
		{"first block missing", func(a *space.Admission) { a.Controls[0].Blocks = a.Controls[0].Blocks[1:] }, 0},
		{"another space's feed", func(a *space.Admission) {
			a.Controls = append(a.Controls, stranger.admission(stranger.self.Device).Controls...)
		}, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			guest, a := e.newcomer(credential.Editor)
			c.spoil(&a)
			if got := len(guest.TakeControls(a.Controls)); got != c.taken {
				t.Fatalf("%d feeds are taken, want %d", got, c.taken)
			}
			if !guest.MayWrite() {
				t.Fatal("the proof does not speak for the newcomer")
			}
		})
	}
}
