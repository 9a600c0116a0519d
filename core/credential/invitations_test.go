package credential

import (
	"slices"
	"testing"

	"github.com/echospace/echospace/core/id"
)

// invited is an admission by an invitation.
func (p *person) invited(role Role, invitation id.InvitationID) Member {
	m := p.admission(role)
	m.Invitation = invitation
	return m
}

// host is a space of an OWNER and an ADMIN with a delegated invitation.
type host struct {
	*world
	admin    *person
	inv      id.InvitationID
	heads    []id.CredentialID // after the invitation
	one, two *person           // guests
}

func newHost(t *testing.T, role Role, multi bool) *host {
	w := newWorld(t)
	h := &host{world: w, admin: w.admit(1, w.owner, Admin), inv: id.InvitationID{9}, one: newPerson(t, 11), two: newPerson(t, 12)}
	w.by(w.owner, Invitation{Invitation: h.inv, Role: role, Multi: multi})
	h.heads = w.eval().Heads()
	return h
}

func (h *host) wantOpen(what string, want bool) {
	h.t.Helper()
	open := slices.ContainsFunc(h.eval().Invitations(), func(i Invitation) bool { return i.Invitation == h.inv })
	if open != want {
		h.t.Fatalf("%s: open %v, want %v", what, open, want)
	}
}

// isDue checks RotationDue, makes the keys that are due, and checks that they are
// due no more.
func (w *world) isDue(what string, want bool) {
	w.t.Helper()
	m := w.eval()
	if got := m.RotationDue(); got != want {
		w.t.Fatalf("%s: rotation due %v, want %v", what, got, want)
	}
	for n, control := range []bool{false, true} {
		parents := m.EpochHeads()
		if control {
			parents = m.ControlHeads()
		}
		slices.SortFunc(parents, id.Compare[id.EpochID])
		w.by(w.owner, Epoch{Key: id.EpochID{100, byte(len(w.set)), byte(n)}, Control: control, Parents: parents})
	}
	if w.eval().RotationDue() {
		w.t.Fatalf("%s: due after the rotation", what)
	}
}

func TestEvaluate_invitation_singleUse(t *testing.T) {
	t.Run("two hosts at once", func(t *testing.T) {
		h := newHost(t, Editor, false)
		h.wantOpen("made", true)
		a := h.after(h.heads, h.owner, h.one.invited(Editor, h.inv))
		h.wantOpen("used", false)
		h.isDueAlready(false)
		b := h.after(h.heads, h.admin, h.two.invited(Editor, h.inv))
		first, second, guest := a, b, h.two
		if id.Compare(b.ID(), a.ID()) < 0 {
			first, second, guest = b, a, h.one
		}
		wantValid(t, h.world, "the senior", first, true)
		wantValid(t, h.world, "the other", second, false)
		wantValid(t, h.world, "what rests on it", h.after([]id.CredentialID{second.ID()}, guest, Profile{Identity: guest.identity}), false)
		h.isDue("a guest with keys is out", true)
	})
	t.Run("one after the other", func(t *testing.T) {
		h := newHost(t, Editor, false)
		h.by(h.owner, h.one.invited(Editor, h.inv))
		h.by(h.admin, h.two.invited(Editor, h.inv))
		h.want("the first", h.one, Editor)
		h.want("the second", h.two, 0)
		h.isDue("a guest with keys is out", true)
	})
	t.Run("the first falls", func(t *testing.T) {
		h := newHost(t, Editor, false)
		first := h.after(h.heads, h.admin, h.one.invited(Editor, h.inv))
		h.after([]id.CredentialID{h.after(h.heads, h.owner, Profile{Identity: h.owner.identity}).ID()}, h.owner, h.two.invited(Editor, h.inv))
		h.want("the second", h.two, 0)
		h.after(h.heads, h.owner, Remove{Identity: h.admin.identity})
		wantValid(t, h.world, "the first, of a removed host", first, false)
		h.want("the second, the first being void", h.two, Editor)
	})
	t.Run("an ADMIN cannot unseat whom it cannot remove", func(t *testing.T) {
		h := newHost(t, Admin, false)
		later := h.after(h.heads, h.owner, Profile{Identity: h.owner.identity})
		h.after([]id.CredentialID{later.ID()}, h.owner, h.one.invited(Admin, h.inv))
		h.after(h.heads, h.admin, h.two.invited(Admin, h.inv))
		h.want("the OWNER's guest", h.one, Admin)
	})
	t.Run("an OWNER unseats", func(t *testing.T) {
		h := newHost(t, Admin, false)
		later := h.after(h.heads, h.admin, Profile{Identity: h.admin.identity})
		h.after([]id.CredentialID{later.ID()}, h.admin, h.one.invited(Admin, h.inv))
		h.after(h.heads, h.owner, h.two.invited(Admin, h.inv))
		h.want("the ADMIN's guest", h.one, 0)
		h.want("the OWNER's guest", h.two, Admin)
	})
	t.Run("more than once", func(t *testing.T) {
		h := newHost(t, Reader, true)
		h.after(h.heads, h.owner, h.one.invited(Reader, h.inv))
		h.after(h.heads, h.admin, h.two.invited(Reader, h.inv))
		h.want("one", h.one, Reader)
		h.want("two", h.two, Reader)
		h.wantOpen("used twice", true)
		h.isDueAlready(false)
	})
	t.Run("of one member", func(t *testing.T) {
		h := newHost(t, Reader, false)
		other := id.InvitationID{8} // no Invitation credential
		h.after(h.heads, h.owner, h.one.invited(Reader, other))
		h.by(h.admin, h.two.invited(Reader, other))
		h.want("one", h.one, Reader)
		h.want("two", h.two, Reader)
	})
	t.Run("unknown to the host", func(t *testing.T) {
		h := newHost(t, Reader, false)
		h.after(h.heads, h.owner, h.one.invited(Reader, h.inv))
		early := h.after([]id.CredentialID{h.set[2].ID()}, h.owner, h.two.invited(Reader, h.inv))
		wantValid(t, h.world, "that does not follow the invitation", early, true)
		h.want("who came by it", h.one, Reader)
	})
	t.Run("an invitation of nobody's", func(t *testing.T) {
		h := newHost(t, Reader, true)
		e := h.admit(3, h.owner, Editor)
		inv := id.InvitationID{7}
		h.by(e, Invitation{Invitation: inv, Role: Reader})
		void := h.set[len(h.set)-1].ID()
		h.after([]id.CredentialID{void}, h.owner, h.one.invited(Reader, inv))
		h.after([]id.CredentialID{void}, h.owner, h.two.invited(Reader, inv))
		h.want("one", h.one, Reader)
		h.want("two", h.two, Reader)
	})
}

func (h *host) isDueAlready(want bool) {
	h.t.Helper()
	if got := h.eval().RotationDue(); got != want {
		h.t.Fatalf("rotation due %v, want %v", got, want)
	}
}

func TestEvaluate_invitation_over(t *testing.T) {
	for name, c := range map[string]struct {
		ends  func(h *host) Claim
		opens bool // all the same
	}{
		"spent":             {func(h *host) Claim { return Spent{Invitation: h.inv, Reason: Cancelled} }, false},
		"another spent":     {func(*host) Claim { return Spent{Invitation: id.InvitationID{1}, Reason: Used} }, true},
		"a member removed":  {func(h *host) Claim { return Remove{Identity: h.admin.identity} }, false},
		"a device revoked":  {func(h *host) Claim { return RevokeDevice{Identity: h.admin.identity, Device: h.admin.dev()} }, false},
		"a member demoted":  {func(h *host) Claim { return SetRole{Identity: h.admin.identity, Role: Reader} }, true},
		"somebody's name":   {func(h *host) Claim { return Profile{Identity: h.owner.identity} }, true},
		"nobody removed":    {func(*host) Claim { return Remove{Identity: id.IdentityKey(key(77).Public())} }, true},
		"the senior OWNER ": {func(h *host) Claim { return Remove{Identity: h.owner.identity} }, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t, Reader, true)
			h.after(h.heads, h.owner, h.one.invited(Reader, h.inv))
			h.after(h.heads, h.owner, c.ends(h))
			h.wantOpen("now", c.opens)
			h.want("who came beside it", h.one, Reader)
			due := h.eval().RotationDue()
			after := h.by(h.owner, h.two.invited(Reader, h.inv))
			wantValid(t, h.world, "after it", after, c.opens)
			h.isDue("with it", due || !c.opens)
			h.by(h.owner, Invitation{Invitation: h.inv, Role: Reader, Multi: true})
			h.wantOpen("invited again under the same id", c.opens)
			again := id.InvitationID{3}
			h.by(h.owner, Invitation{Invitation: again, Role: Reader, Multi: true})
			h.by(h.owner, newPerson(t, 13).invited(Reader, again))
			h.want("by another invitation", newPerson(t, 13), Reader)
		})
	}
}

func TestRotationDue(t *testing.T) {
	w := newWorld(t)
	a, b := w.admit(1, w.owner, Admin), w.admit(2, w.owner, Editor)
	if w.eval().RotationDue() {
		t.Fatal("due in a new space")
	}
	for _, step := range []struct {
		name string
		c    Claim
		want bool
	}{
		{"a name", Profile{Identity: w.owner.identity}, false},
		{"demoted to READER", SetRole{Identity: b.identity, Role: Reader}, false},
		{"demoted to KEEPER", SetRole{Identity: b.identity, Role: Keeper}, true},
		{"raised", SetRole{Identity: b.identity, Role: Editor}, false},
		{"a device revoked", RevokeDevice{Identity: a.identity, Device: a.dev()}, true},
		{"a member removed", Remove{Identity: a.identity}, true},
	} {
		w.by(w.owner, step.c)
		w.isDue(step.name, step.want)
	}
	heads, parents := w.eval().Heads(), w.eval().EpochHeads()
	w.after(heads, w.owner, Epoch{Key: id.EpochID{1, 1}, Parents: parents})
	w.after(heads, b, Epoch{Key: id.EpochID{1, 2}, Parents: parents})
	if got := w.eval().EpochHeads(); len(got) != 2 {
		t.Fatalf("keys made at once: heads %v", got)
	}
	w.isDue("keys made at once", true)
}
