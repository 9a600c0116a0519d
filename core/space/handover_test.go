package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// knowsOf tells whether an engine knows that another is, or was, a member.
func (e *engine) knowsOf(who *engine) bool {
	for _, entry := range e.Membership().Audit() {
		if entry.Subject == who.self.Identity {
			return true
		}
	}
	return false
}

// divided are the members of a space where a removed c and admitted x, and b removed d and
// admitted y, unknown to one another; r, with a role, knows all that.
type divided struct{ a, b, c, d, x, y, r *engine }

func divide(t testing.TB, role credential.Role) (v divided) {
	v.a = found(t)
	v.b, v.r = v.a.joinAs(credential.Owner), v.a.joinAs(role)
	v.c, v.d = v.a.join(), v.a.join()
	engines := []*engine{v.a, v.b, v.c, v.d, v.r}
	for range 2 {
		for _, e := range engines {
			for _, from := range engines {
				e.pull(from)
			}
		}
	}
	v.a.remove(v.c)
	v.x = v.a.join()
	v.b.remove(v.d)
	v.y = v.b.join()
	v.c.pull(v.b) // who does not know yet that c was removed
	v.d.pull(v.a)
	v.r.pull(v.a)
	v.r.pull(v.b)
	return v
}

// spied fails if a removed member that gets all that an engine stored, and has all keys
// that it was given, reads of whom it did not know.
func (v divided) spied(by *engine, unknown ...*engine) {
	by.t.Helper()
	for _, removed := range []struct {
		*engine
		unknown *engine
	}{{v.c, v.x}, {v.d, v.y}} {
		e := removed.engine
		e.rec = e.Record()
		e.reopen(by.copyStore())
		e.settle()
		for _, who := range append(unknown, removed.unknown) {
			if e.knowsOf(who) {
				by.t.Error("a removed member reads of whom it cannot know")
			}
		}
	}
}

// TestRotate_S16_joinsKeys: the block that leads to one key tells the removed nothing of
// whom they did not know.
func TestRotate_S16_joinsKeys(t *testing.T) {
	s := divide(t, credential.Editor)
	a, b, c, d, x, y := s.a, s.b, s.c, s.d, s.x, s.y
	a.pull(b)
	in, err := a.Rotate()
	ok(t, err)
	if in == nil {
		t.Fatal("two keys at once, and none that joins them is due")
	}
	a.store(in)
	v := a.write()
	s.spied(a)
	c.lacks(v)
	d.lacks(v)
	for range 2 {
		for _, e := range []*engine{b, x, y} {
			e.pull(a)
			e.shows(v)
		}
	}
	rotated(t, []*engine{a, b, x, y}, []*engine{c, d})

	late := a.join() // who holds the key by its admission
	late.pull(a)
	late.shows(v)
	if !late.knowsOf(x) || !late.knowsOf(y) {
		t.Error("a newcomer does not know all members")
	}
	for _, e := range []*engine{a, late} {
		e.rec = e.Record()
		e.reopen(e.st)
		e.shows(v)
	}
}

// TestReseal_S16_joinsKeys: a member that nobody handed the newest key gets what was
// decided under it.
func TestReseal_S16_joinsKeys(t *testing.T) {
	a := found(t)
	b, c := a.joinAs(credential.Owner), a.join()
	b.pull(a)
	a.remove(c)
	x := a.join()
	y := b.join() // by somebody who knows neither
	a.pull(b)
	in, err := a.Reseal()
	ok(t, err)
	if in == nil {
		t.Fatal("the newcomer lacks a key, and nothing is due")
	}
	a.store(in)
	v := a.write()
	c.rec = c.Record()
	c.reopen(a.copyStore())
	c.settle()
	if c.knowsOf(x) {
		t.Error("a removed member reads whom it cannot know")
	}
	for _, e := range []*engine{b, x, y} {
		e.pull(a)
		e.shows(v)
		if !e.knowsOf(x) || !e.knowsOf(y) {
			t.Error("a member does not know all others")
		}
	}
	rotated(t, []*engine{a, b, x, y}, []*engine{c})
}

// TestHandOver_S16_tellsNobodyElse: what somebody does while keys are due reaches who is
// to have it, and not the removed, whatever its role allows.
func TestHandOver_S16_tellsNobodyElse(t *testing.T) {
	t.Run("a READER hands keys on", func(t *testing.T) {
		s := divide(t, credential.Reader)
		in, err := s.r.Reseal()
		ok(t, err)
		if in != nil {
			s.r.store(in)
		}
		s.spied(s.r)
	})
	for _, role := range []credential.Role{credential.Editor, credential.Reader, credential.Keeper} {
		t.Run(role.String()+" leaves", func(t *testing.T) {
			s := divide(t, role)
			in, err := s.r.Remove(s.r.self.Identity)
			ok(t, err)
			s.r.store(in)
			s.spied(s.r)
			s.a.pull(s.r)
			s.a.pull(s.b)
			in, err = s.a.Rotate()
			ok(t, err)
			s.a.store(in)
			if _, is := s.a.Membership().Identity(s.r.self.Identity); is {
				t.Error("it is still a member")
			}
		})
	}
	t.Run("an OWNER admits", func(t *testing.T) {
		s := divide(t, credential.Owner)
		s.spied(s.r, s.r.join())
	})
	t.Run("an OWNER admits where one key is due", func(t *testing.T) {
		a := found(t)
		c := a.join()
		c.pull(a)
		r := a.joinAs(credential.Owner)
		r.pull(a)
		gone := a.joinAs(credential.Admin)
		gone.pull(a)
		r.pull(gone)
		a.pull(r)
		in, err := gone.Remove(gone.self.Identity) // who leaves makes no key
		ok(t, err)
		gone.store(in)
		r.pull(gone)
		if !r.RotationDue() {
			t.Fatal("no key is due")
		}
		x := r.join()
		gone.pull(r)
		if gone.knowsOf(x) {
			t.Error("who left reads of whom it cannot know")
		}
		for _, e := range []*engine{a, c, x} {
			e.pull(gone)
			e.pull(r)
			if !e.knowsOf(x) {
				t.Error("a member does not know of the newcomer")
			}
		}
		rotated(t, []*engine{r, a, c, x}, []*engine{gone})
	})
}

// TestAdmit_S16_byWhoLacksKeys: who holds no new key admits a reader, and is handed the
// keys afterwards.
func TestAdmit_S16_byWhoLacksKeys(t *testing.T) {
	a := found(t)
	z, m := a.joinAs(credential.Owner), a.join()
	z.pull(a)
	a.remove(m)
	h := z.joinAs(credential.Owner)
	h.pull(a)
	x := h.joinAs(credential.Reader)
	a.pull(h)
	v := a.write()
	all := []*engine{a, z, h, x}
	for range 4 {
		for _, e := range all {
			for _, from := range all {
				e.pull(from)
			}
			in, err := e.Rotate()
			ok(t, err)
			if in == nil {
				in, err = e.Reseal()
				ok(t, err)
			}
			if in != nil {
				e.store(in)
			}
		}
	}
	for _, e := range all {
		e.shows(v)
	}
}

// handingOver makes the payload of a control block in which by hands a key to the founder,
// with what it likes as the inner part.
func handingOver(by, founder *engine, inner []byte) (payload []byte, c *credential.Credential) {
	by.t.Helper()
	key, space := keys.NewSecret(testEnv()), by.Key()
	kid := key.ID()
	m, _ := by.Membership().Identity(founder.self.Identity)
	content := wire.AppendUint(wire.AppendArray(nil, 3), 1)
	content = wire.AppendArray(wire.AppendBytes(content, key[:]), 0)
	aad := keys.SumLabel("echospace epoch envelope v1", space[:], kid[:], []byte{1}, m.Devices[0].Device[:])
	sealed, err := keys.SealTo(testEnv(), m.Devices[0].Sealing, content, aad[:])
	ok(by.t, err)
	c, err = credential.Issue(ctx, by.self.Signer, by.Membership().ParentsOf(by.self.Device), 1, credential.Epoch{
		Key: kid, Control: true, Parents: []id.EpochID{by.Secrets().Controls[0].ID()},
		Envelopes: []credential.Envelope{{Device: m.Devices[0].Device, Sealed: sealed}},
	})
	ok(by.t, err)
	const label = "echospace control inner part v1"
	bound := keys.SumLabel(label, space[:], kid[:])
	payload = wire.AppendUint(wire.AppendArray(nil, 3), 2)
	payload = wire.AppendBytes(wire.AppendArray(payload, 1), c.Encode())
	return wire.AppendBytes(payload, keys.Seal(testEnv(), keys.Derive(key[:], label), inner, bound[:])), c
}

// TestHandOver_rubbishInside: of a block whose inner part does not read the rest counts for
// all, be it that they can open that part or not.
func TestHandOver_rubbishInside(t *testing.T) {
	a := found(t)
	b, h := a.joinAs(credential.Reader), a.join()
	for _, e := range []*engine{b, h} {
		e.pull(a)
	}
	payload, c := handingOver(h, a, []byte("rubbish"))
	h.bringsPayload(payload, 1)
	for _, e := range []*engine{a, b} {
		e.pull(h)
		if !e.Membership().Knows(c.ID()) {
			t.Error("the credential outside is left out")
		}
	}
}

// TestReseal_manyCredentials: a member may lack more than others ever put into one block.
func TestReseal_manyCredentials(t *testing.T) {
	a := found(t)
	b, c := a.joinAs(credential.Owner), a.join()
	b.pull(a)
	a.remove(c)
	for range 2 {
		claims := make([]credential.Claim, 2100)
		for i := range claims {
			claims[i] = credential.Profile{Identity: a.self.Identity, Name: "Ada"}
		}
		in, err := a.BuildControl(claims...)
		ok(t, err)
		a.store(in)
	}
	y := b.join()
	a.pull(b)
	in, err := a.Reseal()
	ok(t, err)
	a.store(in)
	v := a.write()
	y.pull(a)
	y.shows(v)
	if a.LackKeys() || y.LackKeys() {
		t.Error("somebody still lacks keys")
	}
}

// TestSecrets_S16_ofAnotherDevice: the key that a device writes under is that of the
// removal that it knows of, also if another device of its identity hands it that.
func TestSecrets_S16_ofAnotherDevice(t *testing.T) {
	a := found(t)
	bob, gone := a.joinAs(credential.Owner), a.join()
	gone.pull(a)
	bob.pull(a)
	self := a.withHalo().further()
	a.pull(bob)
	two := a.onDevice(self)
	two.pull(a)
	two.pull(bob)
	bob.remove(gone) // does not know the second device
	a.pull(bob)
	two.pull(bob)
	two.TakeSecrets(a.Secrets())
	two.settle()
	if in, err := two.Rotate(); err == nil && in != nil {
		two.store(in)
	}
	v := two.write()
	gone.pull(bob)
	gone.pull(two)
	gone.lacks(v)
}

// joined is a space whose control feeds hold blocks that join keys.
func joined(t testing.TB) *engine {
	a := found(t)
	b, c := a.joinAs(credential.Owner), a.join()
	b.pull(a)
	a.remove(c)
	b.join()
	a.pull(b)
	in, err := a.Reseal()
	ok(t, err)
	a.store(in)
	return a
}

// FuzzControl: whatever a member writes into a control block, nobody loses the space.
func FuzzControl(f *testing.F) {
	seeded = seededEnv(1) // every worker has the same space
	defer func() { seeded = nil }()
	a := joined(f)
	first := a.Secrets().Controls[0]
	for _, h := range a.Feeds() {
		for _, e := range a.records(h.Header.ID()) {
			b, err := feed.DecodeBlock(e.Value)
			ok(f, err)
			b.Epoch = first.ID()
			if payload, err := feed.OpenParts([]*feed.Block{b}, first); err == nil && h.Header.Kind == feed.Control {
				f.Add(payload)
			}
		}
	}
	members := len(a.Membership().Members())
	f.Fuzz(func(t *testing.T, payload []byte) {
		e := &engine{t: t, self: a.self, rec: a.rec, st: a.st}
		e.reopen(e.copyStore())
		e.bringsPayload(payload, 1)
		if _, there := e.DB().Read(e.write()); !there {
			t.Error("what is written is not there")
		}
		if n := len(e.Membership().Members()); n != members {
			t.Errorf("%d members, want %d", n, members)
		}
	})
}

// TestBuild_S17_keyAsOfTheEdit: somebody edits while a key is due, on top of a block that a
// removal of rights cuts off, and gets the key from who knew of that. The edit counts, and
// what it follows, since its author did not know.
func TestBuild_S17_keyAsOfTheEdit(t *testing.T) {
	a := found(t)
	one, two, four := a.join(), a.join(), a.join()
	for _, e := range []*engine{one, two, four} {
		e.pull(a)
	}
	late := two.write() // which a has not seen
	four.pull(two)
	in, err := one.Remove(one.self.Identity)
	ok(t, err)
	one.store(in)
	four.pull(one)
	if !four.RotationDue() {
		t.Fatal("no key is due")
	}
	edited := four.edit()
	a.setRole(two, credential.Reader)
	a.pull(one)
	in, err = a.Rotate()
	ok(t, err)
	a.store(in)
	four.pull(a)
	if in, err = four.Build(); err != nil || in != nil {
		t.Fatalf("an edit is written before its key is made: %v, %v", in, err)
	}
	in, err = four.Rotate()
	ok(t, err)
	four.store(in)
	in, err = four.Build()
	ok(t, err)
	four.store(in)
	if _, held := one.EpochKey(in.Blocks[0].Epoch); held {
		t.Error("who left before holds the key of the edit")
	}
	for range 2 {
		for _, e := range []*engine{a, two} {
			e.pull(two)
			e.pull(four)
		}
	}
	for _, e := range []*engine{a, four} {
		e.shows(late, edited)
	}
	next := four.write()
	a.pull(four)
	a.shows(next)
	rotated(t, []*engine{four, a}, []*engine{one})
}

// TestBuild_S17_keyOfWhoMayNotMakeOne: who lost its role while an edit waits for a key that
// only it would have made writes it under a key of the space, if at all.
func TestBuild_S17_keyOfWhoMayNotMakeOne(t *testing.T) {
	a := found(t)
	one, two, four := a.join(), a.join(), a.join()
	for _, e := range []*engine{one, two, four} {
		e.pull(a)
	}
	in, err := one.Remove(one.self.Identity)
	ok(t, err)
	one.store(in)
	four.pull(one)
	four.edit()
	a.setRole(two, credential.Reader)
	a.setRole(four, credential.Reader)
	four.pull(a)
	in, err = four.Build()
	ok(t, err)
	if in == nil {
		t.Fatal("nothing was built: the test shows nothing")
	}
	four.finish(in)
	if _, held := a.EpochKey(in.Blocks[0].Epoch); !held {
		t.Error("an edit is under a key that no member has")
	}
}
