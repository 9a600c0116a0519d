package credential

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// realm is a space with a founder and five more members, who know all of them and
// nothing of what they do next.
type realm struct {
	*world
	heads         []id.CredentialID
	a, b, c, d, e *person
}

func newRealm(t *testing.T, roles ...Role) *realm {
	r := &realm{world: newWorld(t)}
	for n, p := range []**person{&r.a, &r.b, &r.c, &r.d, &r.e} {
		*p = r.admit(n+1, r.owner, roles[n])
	}
	r.heads = r.eval().Heads()
	return r
}

// beside issues what knows only of the members.
func (r *realm) beside(p *person, c Claim) *Credential { return r.after(r.heads, p, c) }

// on issues what follows one credential alone.
func (r *realm) on(c *Credential, p *person, claim Claim) *Credential {
	return r.after([]id.CredentialID{c.ID()}, p, claim)
}

func remove(p *person) Claim { return Remove{Identity: p.identity} }

func revoke(p *person) Claim { return RevokeDevice{Identity: p.identity, Device: p.dev()} }

func set(p *person, role Role) Claim { return SetRole{Identity: p.identity, Role: role} }

func named(p *person) Claim { return Profile{Identity: p.identity, Name: "new"} }

// has checks the roles of a to e, 0 for no member, and that the twin agrees.
func (r *realm) has(founder Role, roles ...Role) {
	r.t.Helper()
	r.want("the founder", r.owner, founder)
	for n, p := range []*person{r.a, r.b, r.c, r.d, r.e} {
		r.want(string(rune('a'+n)), p, roles[n])
	}
	if d := newTwin(r.space, r.set).differs(r.eval(), r.set); d != "" {
		r.t.Fatalf("%s", d)
	}
}

func TestRemovals(t *testing.T) {
	const gone = Role(0)
	for name, c := range map[string]struct {
		roles [5]Role
		do    func(r *realm)
		// then are the roles of the founder and of a to e.
		then [6]Role
	}{
		"pair": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.a))
		}, [6]Role{Owner, gone, gone, Editor, Editor, Editor}},
		"circle of three": {[5]Role{Owner, Owner, Owner, Editor, Editor}, func(r *realm) {
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.c))
			r.beside(r.c, remove(r.a))
		}, [6]Role{Owner, gone, gone, gone, Editor, Editor}},
		"circle of five": {[5]Role{Owner, Owner, Owner, Owner, Owner}, func(r *realm) {
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.c))
			r.beside(r.c, remove(r.d))
			r.beside(r.d, remove(r.e))
			r.beside(r.e, remove(r.a))
		}, [6]Role{Owner, gone, gone, gone, gone, gone}},
		"two circles that share a member": {[5]Role{Owner, Owner, Owner, Owner, Editor}, func(r *realm) {
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.a))
			r.beside(r.b, remove(r.c))
			r.beside(r.c, remove(r.b))
			r.beside(r.c, remove(r.d))
		}, [6]Role{Owner, gone, gone, gone, Owner, Editor}},
		"chain": {[5]Role{Owner, Owner, Owner, Owner, Editor}, func(r *realm) {
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.c))
			r.beside(r.c, remove(r.d))
		}, [6]Role{Owner, Owner, gone, Owner, gone, Editor}},
		"chain that hangs on a pair": {[5]Role{Owner, Owner, Owner, Owner, Editor}, func(r *realm) {
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.a))
			r.beside(r.b, set(r.c, Reader))
			r.beside(r.c, remove(r.d))
		}, [6]Role{Owner, gone, gone, Owner, gone, Editor}},
		"chain into a pair": {[5]Role{Owner, Owner, Owner, Editor, Editor}, func(r *realm) {
			r.beside(r.c, remove(r.a))
			r.beside(r.a, remove(r.b))
			r.beside(r.b, remove(r.a))
		}, [6]Role{Owner, gone, Owner, Owner, Editor, Editor}},
		"by a puppet": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			puppet := newPerson(r.t, 20)
			r.beside(r.a, remove(r.b))
			r.on(r.beside(r.b, puppet.admission(Owner)), puppet, remove(r.a))
			r.want("the puppet", puppet, gone)
		}, [6]Role{Owner, gone, gone, Editor, Editor, Editor}},
		"an ADMIN against an OWNER": {[5]Role{Admin, Editor, Admin, Editor, Editor}, func(r *realm) {
			r.beside(r.owner, remove(r.a))
			r.beside(r.a, remove(r.b))
			r.beside(r.a, remove(r.owner))
		}, [6]Role{Owner, gone, Editor, Admin, Editor, Editor}},
		"OWNERs demote one another": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.a, set(r.b, Reader))
			r.beside(r.b, set(r.a, Keeper))
		}, [6]Role{Owner, Keeper, Reader, Editor, Editor, Editor}},
		"one demotes, the other removes": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.a, set(r.b, Reader))
			r.beside(r.b, remove(r.a))
		}, [6]Role{Owner, gone, Reader, Editor, Editor, Editor}},
		"a demoted OWNER grants": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.a, set(r.b, Editor))
			r.beside(r.b, set(r.c, Owner))
			r.beside(r.b, remove(r.d))
			r.beside(r.b, named(r.b))
		}, [6]Role{Owner, Owner, Editor, Editor, Editor, Editor}},
		"a demoted ADMIN does what an ADMIN may": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.a, set(r.b, Admin))
			r.beside(r.b, remove(r.c))
			r.beside(r.b, set(r.d, Owner))
		}, [6]Role{Owner, Owner, Admin, gone, Editor, Editor}},
		"the last OWNERs, a pair": {[5]Role{Owner, Editor, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.owner, remove(r.a))
			r.beside(r.a, remove(r.owner))
		}, [6]Role{Owner, gone, Editor, Editor, Editor, Editor}},
		"the last OWNERs, a circle": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.b, remove(r.owner))
			r.beside(r.owner, remove(r.a))
			r.beside(r.a, remove(r.b))
		}, [6]Role{Owner, gone, gone, Editor, Editor, Editor}},
		"the last OWNERs leave": {[5]Role{Owner, Owner, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.owner, remove(r.owner))
			r.beside(r.a, remove(r.a))
			r.on(r.beside(r.b, named(r.b)), r.b, set(r.b, Reader))
		}, [6]Role{Owner, gone, Reader, Editor, Editor, Editor}},
		"the last but one leaves, and is removed": {[5]Role{Owner, Editor, Editor, Editor, Editor}, func(r *realm) {
			r.beside(r.a, remove(r.a))
			r.beside(r.owner, remove(r.a))
			r.beside(r.a, remove(r.owner))
		}, [6]Role{Owner, gone, Editor, Editor, Editor, Editor}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRealm(t, c.roles[:]...)
			c.do(r)
			r.t = t
			r.has(c.then[0], c.then[1:]...)
		})
	}
}

// TestRemovals_late: somebody who was put out signs as of before.
func TestRemovals_late(t *testing.T) {
	t.Run("an ADMIN", func(t *testing.T) {
		r := newRealm(t, Admin, Editor, Editor, Editor, Editor)
		r.by(r.owner, remove(r.a))
		r.by(r.b, named(r.b))
		for _, c := range []Claim{remove(r.b), revoke(r.c), set(r.d, Keeper), r.a.admission(Admin), newPerson(t, 20).admission(Editor)} {
			r.beside(r.a, c)
		}
		r.has(Owner, 0, Editor, Editor, Editor, Editor)
		if len(r.eval().Members()) != 5 || !r.eval().MayWrite(r.c.dev()) {
			t.Error("it brought somebody in, or revoked a device")
		}
	})
	t.Run("an OWNER, and others built on its removal", func(t *testing.T) {
		r := newRealm(t, Owner, Owner, Editor, Editor, Editor)
		r.by(r.a, remove(r.b))
		f := r.admit(20, r.a, Editor)
		r.by(r.c, named(r.c))
		r.beside(r.b, remove(r.a))
		r.has(Owner, Owner, 0, Editor, Editor, Editor)
		r.want("whom the remover admitted since", f, Editor)
	})
	t.Run("an OWNER, with a witness of its own making", func(t *testing.T) {
		r := newRealm(t, Owner, Owner, Editor, Editor, Editor)
		r.by(r.a, remove(r.b))
		r.by(r.c, named(r.c))
		puppet := newPerson(t, 20)
		s := r.on(r.beside(r.b, puppet.admission(Editor)), r.b, remove(r.a))
		r.on(s, puppet, named(puppet))
		r.on(s, r.b, named(r.b))
		r.has(Owner, Owner, 0, Editor, Editor, Editor)
	})
	t.Run("an OWNER, with a witness that only reads", func(t *testing.T) {
		r := newRealm(t, Owner, Owner, Editor, Keeper, Reader)
		r.by(r.a, remove(r.b))
		r.by(r.c, named(r.c))
		s := r.beside(r.b, remove(r.a))
		r.on(s, r.d, named(r.d))
		r.on(s, r.e, named(r.e))
		r.has(Owner, Owner, 0, Editor, Keeper, Reader)
	})
	t.Run("an OWNER, with a witness", func(t *testing.T) {
		r := newRealm(t, Owner, Owner, Editor, Editor, Reader)
		r.by(r.a, remove(r.b))
		r.by(r.c, named(r.c))
		s := r.beside(r.b, remove(r.a))
		r.on(s, r.d, named(r.d))
		r.has(Owner, 0, 0, Editor, Editor, Reader) // as if signed in time
	})
	t.Run("an OWNER, nobody having built on its removal", func(t *testing.T) {
		r := newRealm(t, Owner, Owner, Editor, Editor, Editor)
		r.by(r.a, remove(r.b))
		r.by(r.a, named(r.a))
		r.beside(r.b, remove(r.a))
		r.has(Owner, 0, 0, Editor, Editor, Editor)
	})
	t.Run("the founder", func(t *testing.T) {
		r := newRealm(t, Owner, Editor, Editor, Editor, Editor)
		r.by(r.a, remove(r.owner))
		r.by(r.b, named(r.b))
		r.beside(r.owner, remove(r.a))
		r.has(0, Owner, Editor, Editor, Editor, Editor)
	})
	t.Run("a demoted OWNER", func(t *testing.T) {
		r := newRealm(t, Owner, Owner, Editor, Editor, Editor)
		r.by(r.a, set(r.b, Editor))
		r.by(r.c, named(r.c))
		for _, c := range []Claim{remove(r.a), set(r.b, Owner), set(r.d, Owner), remove(r.c)} {
			r.beside(r.b, c)
		}
		r.has(Owner, Owner, Editor, Editor, Editor, Editor)
	})
	t.Run("one who left", func(t *testing.T) {
		r := newRealm(t, Admin, Editor, Editor, Editor, Editor)
		r.by(r.a, remove(r.a))
		r.beside(r.a, remove(r.b))
		r.has(Owner, 0, Editor, Editor, Editor, Editor)
	})
	// An ADMIN, who is one still, signs as of before others were raised.
	t.Run("as of before one was made OWNER", func(t *testing.T) {
		r := newRealm(t, Admin, Editor, Editor, Editor, Editor)
		r.by(r.owner, set(r.b, Owner))
		r.by(r.owner, set(r.c, Admin))
		mine := r.by(r.b, named(r.b))
		raise := r.by(r.b, set(r.d, Admin))
		for _, c := range []Claim{
			remove(r.b), revoke(r.b), set(r.b, Keeper), remove(r.c), revoke(r.c), set(r.c, Keeper), remove(r.d), revoke(r.d), set(r.d, Keeper),
		} {
			r.beside(r.a, c)
		}
		r.has(Owner, Admin, Owner, Admin, Admin, Editor)
		wantValid(t, r.world, "what it did since", mine, true)
		wantValid(t, r.world, "what it gave since", raise, true)
		for _, p := range []*person{r.b, r.c, r.d} {
			if !r.eval().MayWrite(p.dev()) {
				t.Error("its device is revoked")
			}
		}
	})
	t.Run("to cut an OWNER's feeds", func(t *testing.T) {
		r := newRealm(t, Admin, Editor, Editor, Editor, Editor)
		r.by(r.owner, set(r.b, Owner))
		cuts := []feed.Ref{{Feed: id.FeedID{1}, Seq: 1, Hash: id.Hash{1}}}
		r.beside(r.a, Remove{Identity: r.b.identity, Cuts: cuts})
		r.beside(r.a, RevokeDevice{Identity: r.b.identity, Device: r.b.dev(), Cuts: cuts})
		r.beside(r.a, SetRole{Identity: r.b.identity, Role: Reader, Cuts: cuts})
		if l, limited := r.eval().Limit(r.b.dev()); limited {
			t.Errorf("they are: %+v", l)
		}
		r.beside(r.owner, set(r.c, Editor))
		r.beside(r.a, SetRole{Identity: r.c.identity, Role: Reader, Cuts: cuts})
		if l, limited := r.eval().Limit(r.c.dev()); limited {
			t.Errorf("those of an EDITOR, whom the OWNER keeps so, are: %+v", l)
		}
		r.beside(r.a, Remove{Identity: r.d.identity, Cuts: cuts})
		if l, limited := r.eval().Limit(r.d.dev()); !limited || !l.Closed || len(l.Cuts) != 1 {
			t.Errorf("those of the removed are not: %+v", l)
		}
		r.has(Owner, Admin, Owner, Editor, 0, Editor)
	})
	t.Run("to undo a demotion", func(t *testing.T) {
		r := newRealm(t, Admin, Owner, Editor, Editor, Editor)
		r.by(r.owner, set(r.b, Reader))
		// As of before b was admitted, as a READER.
		fake := r.after([]id.CredentialID{r.set[2].ID()}, r.a, r.b.admission(Reader))
		r.on(fake, r.a, remove(r.b))
		r.has(Owner, Admin, Reader, Editor, Editor, Editor)
	})
}

func TestRemovals_H12_devices(t *testing.T) {
	phone := func(r *realm) *person { return &person{identity: r.a.identity, device: key(71)} }
	has := func(t *testing.T, r *realm, what string, p *person, want bool) {
		t.Helper()
		if got := r.eval().MayRead(p.dev()); got != want {
			t.Errorf("%s reads: %v, want %v", what, got, want)
		}
	}
	make := func(t *testing.T) (*realm, *person) {
		r := newRealm(t, Admin, Editor, Editor, Editor, Editor)
		p := phone(r)
		r.by(r.a, Device{Identity: r.a.identity, Device: p.dev(), Sealing: sealingOf(71)})
		r.heads = r.eval().Heads()
		return r, p
	}
	t.Run("two revoke one another", func(t *testing.T) {
		r, p := make(t)
		r.beside(r.a, revoke(p))
		r.beside(p, revoke(r.a))
		has(t, r, "the first", r.a, false)
		has(t, r, "the second", p, false)
		r.has(Owner, Admin, Editor, Editor, Editor, Editor)
	})
	t.Run("a third saw the one", func(t *testing.T) {
		r, p := make(t)
		third := &person{identity: r.a.identity, device: key(72)}
		r.by(r.a, Device{Identity: r.a.identity, Device: third.dev(), Sealing: sealingOf(72)})
		r.heads = r.eval().Heads()
		r.on(r.beside(r.a, revoke(p)), third, named(r.a))
		r.beside(p, revoke(r.a))
		has(t, r, "the first", r.a, true)
		has(t, r, "the second", p, false)
		has(t, r, "the third", third, true)
		r.has(Owner, Admin, Editor, Editor, Editor, Editor)
	})
	t.Run("a recovery key against a device", func(t *testing.T) {
		r, p := make(t)
		recovery := &person{identity: r.a.identity, device: key(73)}
		r.by(r.a, recoveryOf(t, r.a.identity, recovery.device))
		r.heads = r.eval().Heads()
		r.beside(p, revoke(recovery))
		r.beside(p, revoke(r.a))
		r.beside(recovery, revoke(p))
		has(t, r, "the first", r.a, true)
		has(t, r, "the thief", p, false)
		again := &person{identity: r.a.identity, device: key(74)}
		r.by(recovery, Device{Identity: r.a.identity, Device: again.dev(), Sealing: sealingOf(74)})
		has(t, r, "brought in by the recovery key", again, true)
		r.has(Owner, Admin, Editor, Editor, Editor, Editor)
	})
	t.Run("a device against its member's removal", func(t *testing.T) {
		r, p := make(t)
		r.beside(p, remove(r.b))
		r.beside(r.a, revoke(p))
		r.has(Owner, Admin, Editor, Editor, Editor, Editor)
	})
}
