package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
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

// TestRotate_S16_joinsKeys: two members each remove somebody and admit somebody, unknown to
// one another. The block that leads to one key tells the removed nothing of whom they did
// not know, though they get all that is stored and have all keys that they were given.
func TestRotate_S16_joinsKeys(t *testing.T) {
	a := found(t)
	b := a.joinAs(credential.Owner)
	c, d := a.join(), a.join()
	engines := []*engine{a, b, c, d}
	for range 2 {
		for _, e := range engines {
			for _, from := range engines {
				e.pull(from)
			}
		}
	}
	a.remove(c)
	x := a.join()
	c.pull(b)
	b.remove(d)
	y := b.join()
	c.pull(b) // who does not know yet that c was removed
	d.pull(a)
	a.pull(b)
	in, err := a.Rotate()
	ok(t, err)
	if in == nil {
		t.Fatal("two keys at once, and none that joins them is due")
	}
	a.store(in)
	v := a.write()
	for _, removed := range []struct {
		*engine
		unknown *engine
	}{{c, x}, {d, y}} {
		e := removed.engine
		e.rec = e.Record()
		e.reopen(a.copyStore())
		for range 2 {
			e.settle()
		}
		if e.knowsOf(removed.unknown) {
			t.Error("a removed member reads whom it cannot know")
		}
		if !e.Membership().Removed(e.self.Device) && e.MayWrite() {
			t.Error("a removed member does not learn of its removal")
		}
		e.lacks(v)
	}
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
