package space_test

import (
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
)

// remove has an engine put a member out.
func (e *engine) remove(who *engine) {
	e.t.Helper()
	in, err := e.Remove(who.self.Identity)
	ok(e.t, err)
	e.store(in)
}

// setRole has an engine give a member a role.
func (e *engine) setRole(who *engine, role credential.Role) {
	e.t.Helper()
	in, err := e.SetRole(who.self.Identity, role)
	ok(e.t, err)
	e.store(in)
}

// lacks fails if the engine has one of these objects.
func (e *engine) lacks(unwanted ...id.ObjectID) {
	e.t.Helper()
	for _, v := range unwanted {
		if _, there := e.DB().Read(v); there {
			e.t.Errorf("object %s is there", v)
		}
	}
}

// rotated fails unless the engines write under one key, which the others do not
// hold.
func rotated(t *testing.T, holders, others []*engine) {
	t.Helper()
	key, held := holders[0].EpochKey(id.EpochID{})
	if !held {
		t.Fatal("there is no key to write under")
	}
	for i, e := range holders {
		if k, held := e.EpochKey(id.EpochID{}); !held || k != key {
			t.Errorf("holder %d writes under another key", i)
		}
		if e.Secrets().Gate() != holders[0].Secrets().Gate() {
			t.Errorf("holder %d is to be met elsewhere", i)
		}
		if e.RotationDue() {
			t.Errorf("holder %d thinks that new keys are due", i)
		}
	}
	for i, e := range others {
		if _, held := e.EpochKey(key.ID()); held {
			t.Errorf("other %d holds the key", i)
		}
		if slices.Contains(e.Secrets().Controls, holders[0].Secrets().Controls[len(holders[0].Secrets().Controls)-1]) {
			t.Errorf("other %d holds the control key", i)
		}
		if e.Secrets().Gate() == holders[0].Secrets().Gate() {
			t.Errorf("other %d can find the members", i)
		}
	}
}

func TestRemove_S16_S17_theRemovedReadsAndWritesNothingMore(t *testing.T) {
	a := found(t)
	b, c := a.join(), a.join()
	c.pull(a)
	before := b.write()
	a.pull(b)
	c.pull(b)
	a.remove(b)
	c.pull(a)
	rotated(t, []*engine{a, c}, []*engine{b})

	secret := a.write()
	secret2 := c.write()
	b.pull(a)
	b.pull(c)
	b.lacks(secret, secret2)
	rotated(t, []*engine{a, c}, []*engine{b})
	if b.MayWrite() {
		t.Error("the removed thinks that it may write")
	}

	after := b.edit() // by a patched client
	in, err := b.Build()
	ok(t, err)
	b.store(in)
	a.pull(b)
	c.pull(b)
	for _, e := range []*engine{a, c} {
		e.lacks(after)
		if e.Unsound() {
			t.Error("what was never applied makes the space unsound")
		}
		if _, there := e.DB().Read(before); !there {
			t.Error("what was written before is gone")
		}
	}
	d := a.join() // later than all that
	d.pull(c)
	d.lacks(after)
	for _, v := range []id.ObjectID{before, secret, secret2} {
		if _, there := d.DB().Read(v); !there {
			t.Errorf("who joins later lacks object %s", v)
		}
	}
	d.reopen(d.st)
	d.lacks(after)
}

// TestRemove_S16_cut has a block of the removed beyond the cut reach one member
// only, and looks at what becomes of it in every order.
func TestRemove_S16_cut(t *testing.T) {
	cases := []struct {
		name   string
		counts bool
		meet   func(c *engine) (own id.ObjectID) // what c does after it took the block
	}{
		{"nothing follows it", false, func(c *engine) id.ObjectID { return id.ObjectID{} }},
		{"a block follows it", true, func(c *engine) id.ObjectID { return c.write() }},
		{"an edit follows it that is not written yet", true, func(c *engine) id.ObjectID { return c.edit() }},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			a := found(t)
			b, c := a.join(), a.join()
			within := b.write()
			a.pull(b)
			c.pull(a)
			beyond := b.write()
			c.pull(b)
			own := test.meet(c)
			a.remove(b)
			c.pull(a)
			if c.Unsound() == test.counts {
				t.Fatalf("unsound: %v, want %v", c.Unsound(), !test.counts)
			}
			if in, err := c.Build(); err != nil {
				t.Fatal(err)
			} else if in != nil {
				c.store(in)
			}
			if !test.counts {
				c.reopen(c.st)
			}
			a.pull(c)
			d := a.join()
			d.pull(c)
			late := a.join()
			late.pull(a)
			for _, e := range []*engine{a, c, d, late} {
				for i := range 2 {
					if _, there := e.DB().Read(beyond); there != test.counts {
						t.Errorf("the block beyond the cut is there: %v, want %v", there, test.counts)
					}
					if _, there := e.DB().Read(within); !there {
						t.Error("the block within the cut is gone")
					}
					if _, there := e.DB().Read(own); !there && !id.IsZero(own) {
						t.Error("what followed the block is gone")
					}
					if e.Unsound() {
						t.Error("it is unsound")
					}
					if i == 0 {
						e.reopen(e.st)
					}
				}
			}
		})
	}
}

func TestRemove_R3_concurrentRemovals(t *testing.T) {
	a := found(t)
	b := a.joinAs(credential.Admin)
	c, d := a.join(), a.join()
	for _, e := range []*engine{b, c, d} {
		e.pull(a)
	}
	a.remove(c) // each seals to the other's removed
	b.remove(d)
	a.pull(b)
	b.pull(a)
	if !a.RotationDue() || !b.RotationDue() {
		t.Fatal("two keys stand side by side, and no new one is due")
	}
	in, err := b.Rotate()
	ok(t, err)
	b.store(in)
	a.pull(b)
	secret := a.write()
	b.pull(a)
	b.shows(secret)
	for _, e := range []*engine{c, d} {
		e.pull(a)
		e.pull(b)
		e.lacks(secret)
	}
	rotated(t, []*engine{a, b}, []*engine{c, d})
}

func TestRemove_admittedMeanwhile(t *testing.T) {
	a := found(t)
	b, c := a.joinAs(credential.Admin), a.join()
	b.pull(a)
	a.remove(c)
	d := b.join() // b does not know of the removal
	a.pull(b)
	b.pull(a)
	d.pull(b)
	secret := a.write()
	d.pull(a)
	d.lacks(secret)
	if !a.LackKeys() {
		t.Fatal("a device lacks the key, and nobody notices")
	}
	in, err := a.Reseal()
	ok(t, err)
	a.store(in)
	d.pull(a)
	d.shows(secret)
	rotated(t, []*engine{a, d}, []*engine{c})
	if in, err := a.Reseal(); in != nil || err != nil {
		t.Errorf("sealed twice: %v, %v", in, err)
	}
	own := d.write()
	a.pull(d)
	a.shows(own)
}

func TestSetRole_S16(t *testing.T) {
	a := found(t)
	b, c := a.join(), a.join()
	before := b.write()
	a.pull(b)
	a.setRole(b, credential.Reader)
	for _, e := range []*engine{b, c} {
		e.pull(a)
	}
	if b.MayWrite() {
		t.Error("a READER may write")
	}
	refused := b.edit()
	in, err := b.Build()
	ok(t, err)
	b.store(in)
	a.pull(b)
	a.lacks(refused)
	secret := a.write()
	b.pull(a)
	c.pull(a)
	if _, there := b.DB().Read(secret); !there {
		t.Error("a READER does not read")
	}
	for _, v := range []id.ObjectID{before, secret} {
		if _, there := c.DB().Read(v); !there {
			t.Errorf("object %s is gone", v)
		}
	}

	a.setRole(b, credential.Editor)
	b.pull(a)
	b.reopen(b.st) // without what was refused
	b.lacks(refused)
	again := b.write()
	a.pull(b)
	if _, there := a.DB().Read(again); !there {
		t.Error("an EDITOR again, and it does not count")
	}
	a.lacks(refused)

	a.setRole(b, credential.Keeper)
	b.pull(a)
	hidden := a.write()
	b.pull(a)
	b.lacks(hidden)
	if k, _ := a.EpochKey(id.EpochID{}); func() bool { _, held := b.EpochKey(k.ID()); return held }() {
		t.Error("a KEEPER holds the key")
	}
	if a.Secrets().Gate() != b.Secrets().Gate() {
		t.Error("a KEEPER does not find the members")
	}
}

func TestRemove_errors(t *testing.T) {
	a := found(t)
	b, c := a.joinAs(credential.Admin), a.join()
	b.pull(a)
	c.pull(a)
	nobody := newSelf(t).Identity
	cases := []struct {
		name string
		do   func() (*space.Intake, error)
		want errs.Kind
	}{
		{"nobody", func() (*space.Intake, error) { return a.Remove(nobody) }, errs.NotFound},
		{"an EDITOR removes", func() (*space.Intake, error) { return c.Remove(a.self.Identity) }, errs.NotPermitted},
		{"an ADMIN removes an OWNER", func() (*space.Intake, error) { return b.Remove(a.self.Identity) }, errs.NotPermitted},
		{"the last OWNER leaves", func() (*space.Intake, error) { return a.Remove(a.self.Identity) }, errs.NotPermitted},
		{"the last OWNER steps down", func() (*space.Intake, error) { return a.SetRole(a.self.Identity, credential.Admin) }, errs.NotPermitted},
		{"more than the own role", func() (*space.Intake, error) { return b.SetRole(c.self.Identity, credential.Owner) }, errs.NotPermitted},
		{"the role of nobody", func() (*space.Intake, error) { return a.SetRole(nobody, credential.Reader) }, errs.NotFound},
		{"a device of nobody", func() (*space.Intake, error) { return a.RevokeDevice(c.self.Identity, a.self.Device) }, errs.NotFound},
		{"an EDITOR revokes another's", func() (*space.Intake, error) { return c.RevokeDevice(b.self.Identity, b.self.Device) }, errs.NotPermitted},
		{"the same role", func() (*space.Intake, error) { return a.SetRole(c.self.Identity, credential.Editor) }, errs.OK},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			in, err := test.do()
			if in != nil || errs.KindOf(err) != test.want {
				t.Errorf("gave %v, %v, want %v", in, err, test.want)
			}
		})
	}
}

func TestRemove_S17_invitedAgain(t *testing.T) {
	a := found(t)
	b := a.join()
	before := b.write()
	a.pull(b)
	a.remove(b)
	b.pull(a)
	old := b.writing(feed.Data)
	in, err := a.Admit(space.Introduction{Identity: b.self.Identity, Device: b.self.Device, Chain: b.self.Chain}, credential.Editor, id.InvitationID{})
	ok(t, err)
	a.store(in)
	admission, err := space.DecodeAdmission(a.admission(b.self.Device).Encode(), b.self.Device)
	ok(t, err)
	b.rec = admission.Record
	b.reopen(b.st)
	for _, in := range b.TakeControls(admission.Controls) {
		b.save(in)
	}
	b.pull(a)
	again := b.write()
	a.pull(b)
	a.shows(before, again)
	if b.writing(feed.Data) == old {
		t.Error("the writer goes on in a feed that was cut")
	}
	rotated(t, []*engine{a, b}, nil)
}

// TestKeeper_S16 holds what a KEEPER stores against what it can read.
func TestKeeper_S16_servesWhatItCannotRead(t *testing.T) {
	a := found(t)
	first := a.write()
	a.remove(a.join()) // there is more than one key
	k := a.joinAs(credential.Keeper)
	second := a.write()
	k.pull(a)
	k.lacks(first, second)
	if n := len(k.Secrets().Epochs); n != 0 {
		t.Errorf("a KEEPER holds %d keys of data", n)
	}
	b := a.join()
	b.pull(k) // nobody else is there
	for _, v := range []id.ObjectID{first, second} {
		if _, there := b.DB().Read(v); !there {
			t.Error("the KEEPER does not serve what it stores")
		}
	}
	k.reopen(k.st)
	k.lacks(first, second)

	a.setRole(k, credential.Reader)
	k.pull(a)
	for _, v := range []id.ObjectID{first, second} {
		if _, there := k.DB().Read(v); !there {
			t.Error("who is to read now does not")
		}
	}
}

// TestKeeper_raisedWithoutKeys has a patched client make a KEEPER an EDITOR and hand it
// no keys of data: it makes its own.
func TestKeeper_raisedWithoutKeys(t *testing.T) {
	for name, rotated := range map[string]bool{"the first keys": false, "later ones": true} {
		t.Run(name, func(t *testing.T) {
			a := found(t)
			if rotated {
				a.remove(a.join())
			}
			k := a.joinAs(credential.Keeper)
			in, err := a.BuildControl(credential.SetRole{Identity: k.self.Identity, Role: credential.Editor})
			ok(t, err)
			a.store(in)
			k.pull(a)
			if !k.RotationDue() {
				t.Fatal("a writer without a key makes none")
			}
			in, err = k.Rotate()
			ok(t, err)
			k.store(in)
			own := k.write()
			a.pull(k)
			if _, there := a.DB().Read(own); !there {
				t.Error("what it writes is not read")
			}
		})
	}
}

// TestEpoch_ofTheOtherKind has a writer declare the control key a key of data, whose
// holders would write data that a KEEPER reads.
func TestEpoch_ofTheOtherKind(t *testing.T) {
	a := found(t)
	b, k := a.join(), a.joinAs(credential.Keeper)
	control := b.Secrets().Controls[0].ID()
	in, err := b.BuildControl(credential.Epoch{Key: control})
	ok(t, err)
	b.store(in)
	for _, e := range []*engine{a, k} {
		e.pull(b)
		if key, held := e.EpochKey(id.EpochID{}); held && key.ID() == control {
			t.Error("data would be written under the control key")
		}
	}
}

// What is seen already and on its way to storage is within the cut: what is written
// next names it.
func TestRemove_S17_cutHoldsWhatIsShown(t *testing.T) {
	for name, first := range map[string]bool{"the first block of a feed": true, "a later one": false} {
		t.Run(name, func(t *testing.T) {
			a := found(t)
			b := a.joinAs(credential.Editor)
			if !first {
				b.write()
				a.pull(b)
			}
			v := b.write()
			in := b.next(a)
			a.show(in)
			gone, err := a.Remove(b.self.Identity)
			ok(t, err)
			a.save(in)
			a.store(gone)
			ok(t, a.Commit(in))
			a.Settle(nil)
			w := a.write()
			if a.Unsound() {
				t.Error("the cut is below what was seen")
			}
			c := a.join()
			a.reopen(a.st)
			for _, e := range []*engine{a, c} {
				e.shows(v, w)
			}
		})
	}
}

// What is edited while new keys are due is for none of those who were put out, also if
// each of the keys at hand is one that somebody of them holds.
func TestRemove_R3_editedWhileKeysAreDue(t *testing.T) {
	a := found(t)
	b, c := a.joinAs(credential.Owner), a.joinAs(credential.Owner)
	x, y := a.join(), a.join()
	for _, e := range []*engine{b, c, x, y} {
		e.pull(a)
	}
	a.remove(x)
	b.remove(y) // each of the two keys is sealed to one of those whom the other removed
	before := c.edit()
	c.pull(a)
	c.pull(b)
	secret := c.edit()
	if !c.RotationDue() {
		t.Fatal("no new keys are due: the test shows nothing")
	}
	in, err := c.Rotate()
	ok(t, err)
	c.store(in)
	for c.HasLocal() {
		in, err := c.Build()
		ok(t, err)
		c.store(in)
	}
	for range 2 {
		for _, e := range []*engine{a, b, x, y} {
			e.pull(a)
			e.pull(b)
			e.pull(c)
		}
	}
	x.lacks(secret)
	y.lacks(secret)
	for _, e := range []*engine{a, b} {
		e.shows(before, secret)
	}
}

// A key that somebody made who did not know of a removal stands beside that of the
// removal: nobody who knows writes under it.
func TestRemove_R3_keyBesideARemoval(t *testing.T) {
	for range 8 { // either key may be the senior
		a := found(t)
		b, x, gone := a.joinAs(credential.Owner), a.join(), a.join()
		b.pull(a)
		x.pull(a)
		gone.pull(a)
		b.remove(x)
		gone.pull(b) // holds the key of that
		a.remove(gone)
		b.pull(a)
		secret := b.edit()
		for b.HasLocal() {
			if b.RotationDue() {
				in, err := b.Rotate()
				ok(t, err)
				b.store(in)
			}
			in, err := b.Build()
			ok(t, err)
			b.store(in)
		}
		gone.pull(a)
		gone.pull(b)
		gone.lacks(secret)
	}
}
