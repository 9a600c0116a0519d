package space_test

import (
	"context"
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/wire"
)

var ctx = context.Background()

// seeded, if it is set, is where keys and times come from, so that a seed gives them again.
var seeded *env.Env

func testEnv() env.Env {
	if seeded != nil {
		return *seeded
	}
	return env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: env.NoLog{}}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// engine is a Space with its storage.
type engine struct {
	t    testing.TB
	self space.Self
	rec  space.Record
	st   storage.Store
	*space.Space
}

func newSelf(t testing.TB) space.Self {
	t.Helper()
	e := testEnv()
	root, device := keys.NewSigningKey([32]byte(e.Bytes(32))), keys.NewSigningKey([32]byte(e.Bytes(32)))
	sealing := keys.NewSealingKey([32]byte(e.Bytes(32)))
	self := space.Self{Identity: id.IdentityKey(root.Public()), Device: id.DeviceKey(device.Public()), Signer: device, Sealing: sealing}
	c, err := credential.Issue(ctx, root, nil, 1, credential.Device{
		Identity: self.Identity, Device: self.Device, Sealing: sealing.Public(),
	})
	ok(t, err)
	self.Chain = [][]byte{c.Encode()}
	return self
}

// found makes a space.
func found(t testing.TB) *engine {
	t.Helper()
	e := &engine{t: t, self: newSelf(t), st: memstore.New()}
	s, rec, first, err := space.Create(ctx, testEnv(), e.self)
	ok(t, err)
	e.Space, e.rec = s, rec
	e.store(first)
	ok(t, e.EnsureWriter())
	return e
}

// join makes the engine of a member that is an EDITOR.
func (e *engine) join() *engine {
	e.t.Helper()
	return e.joinAs(credential.Editor)
}

// joinAs makes a member's engine.
func (e *engine) joinAs(role credential.Role) *engine {
	e.t.Helper()
	return e.joinBy(role, id.InvitationID{})
}

// joinBy makes the engine of a member that an invitation admits.
func (e *engine) joinBy(role credential.Role, inv id.InvitationID) *engine {
	e.t.Helper()
	guest := &engine{t: e.t, self: newSelf(e.t), st: memstore.New()}
	in, err := e.Admit(space.Introduction{Identity: guest.self.Identity, Device: guest.self.Device, Chain: guest.self.Chain}, role, inv)
	ok(e.t, err)
	e.store(in)
	a, err := space.DecodeAdmission(e.admission(guest.self.Device).Encode(), guest.self.Device)
	ok(e.t, err)
	guest.rec = a.Record
	guest.reopen(guest.st)
	for _, in := range guest.TakeControls(a.Controls) {
		guest.save(in)
	}
	guest.pull(e)
	return guest
}

// admission is what a guest that was admitted is handed.
func (e *engine) admission(guest id.DeviceKey) space.Admission {
	e.t.Helper()
	a, err := e.Admission(guest)
	ok(e.t, err)
	for _, f := range e.Feeds() {
		if f.Header.Kind != feed.Control {
			continue
		}
		var blocks [][]byte
		for _, rec := range e.records(f.Header.ID()) {
			blocks = append(blocks, rec.Value)
		}
		a.Controls = append(a.Controls, space.ControlFeed{Header: f.Header.Encode(), Blocks: blocks})
	}
	return a
}

// finish signs an own Intake; of another there is nothing to do.
func (e *engine) finish(in *space.Intake) {
	e.t.Helper()
	ok(e.t, e.Finish(ctx, in, func(do func()) { do() }))
}

func (e *engine) save(in *space.Intake) {
	e.t.Helper()
	if in.Header.Device == e.self.Device {
		e.finish(in)
	}
	var b storage.Batch
	in.AddTo(&b)
	ok(e.t, e.st.Apply(ctx, &b, storage.Relaxed))
}

func (e *engine) store(in *space.Intake) {
	e.t.Helper()
	e.save(in)
	ok(e.t, e.Stored(in))
}

// edit makes an object.
func (e *engine) edit() id.ObjectID {
	e.t.Helper()
	v := id.ObjectID(testEnv().Bytes(16))
	b := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 1), v[:])
	ok(e.t, e.DB().Local(wire.AppendUint(wire.AppendArray(b, 1), 4), 1))
	return v
}

// write makes an object and stores its block.
func (e *engine) write() id.ObjectID {
	e.t.Helper()
	v := e.edit()
	in, err := e.Build()
	ok(e.t, err)
	e.store(in)
	return v
}

// reopen loads the space from a store.
func (e *engine) reopen(st storage.Store) (damage []space.Damage) {
	e.t.Helper()
	e.st = st
	e.Space = space.Open(testEnv(), e.self, e.rec)
	headers, err := st.Scan(ctx, storage.Prefix(feed.HeaderPrefix(e.rec.Key)), 0)
	ok(e.t, err)
	for _, h := range headers {
		fid, _ := feed.ParseHeaderKey(h.Key)
		damage = append(damage, e.Load(h, e.records(fid), func() {})...)
	}
	e.Ready()
	ok(e.t, e.EnsureWriter())
	return damage
}

// records are those of a feed, repacks last.
func (e *engine) records(f id.FeedID) []storage.Entry { return e.recordsFrom(f, 1) }

func (e *engine) recordsFrom(f id.FeedID, from uint64) []storage.Entry {
	e.t.Helper()
	list, err := e.st.Scan(ctx, feed.BlockRange(f, from, 0), 0)
	ok(e.t, err)
	repacks, err := e.st.Scan(ctx, feed.RepackRange(f, from), 0)
	ok(e.t, err)
	return append(list, repacks...)
}

// copyStore is an older copy to come back to.
func (e *engine) copyStore() storage.Store {
	e.t.Helper()
	list, err := e.st.Scan(ctx, storage.Range{}, 0)
	ok(e.t, err)
	var b storage.Batch
	for _, entry := range list {
		b.Put(entry.Key, entry.Value)
	}
	st := memstore.New()
	ok(e.t, st.Apply(ctx, &b, storage.Relaxed))
	return st
}

// pull takes in everything that another engine has stored.
func (e *engine) pull(from *engine) {
	e.t.Helper()
	for again := true; again; {
		again = false
		for _, f := range from.Feeds() {
			for _, head := range f.Heads {
				if log := e.Log(head.Feed); log != nil && log.Has(head) {
					continue
				}
				again = e.pullLine(from, f.Header, head) || again
			}
		}
	}
}

func (e *engine) pullLine(from *engine, h *feed.SignedHeader, head feed.Ref) bool {
	e.t.Helper()
	raw := from.sent(h, feed.Ref{Feed: h.ID()}, head)
	in, err := e.Receive(h, raw, nil)
	if errs.Is(err, errs.UnknownFeed) {
		return false
	}
	ok(e.t, err)
	if in == nil {
		return false
	}
	e.save(in)
	ok(e.t, e.Commit(in))
	e.settle()
	return true
}

// settle settles in the smallest pieces.
func (e *engine) settle() {
	for done := false; !done; {
		_, done = e.Settle(func() bool { return true })
	}
}

func (e *engine) writing(k feed.Kind) id.FeedID {
	e.t.Helper()
	f, has := e.Writing(k)
	if !has {
		e.t.Fatalf("no %v feed is being written", k)
	}
	return f
}

// shows fails unless the engine has these objects and nothing waits.
func (e *engine) shows(want ...id.ObjectID) {
	e.t.Helper()
	for _, v := range want {
		if _, there := e.DB().Read(v); !there {
			e.t.Errorf("object %s is not there", v)
		}
	}
	if e.Waiting() > 0 {
		e.t.Errorf("%d changes wait", e.Waiting())
	}
}

// closeLeft stores what closes the feeds that were left.
func (e *engine) closeLeft() {
	e.t.Helper()
	in, err := e.CloseLeft()
	ok(e.t, err)
	if in == nil {
		e.t.Fatal("nothing is to be closed")
	}
	e.store(in)
	if in, err := e.CloseLeft(); in != nil || err != nil {
		e.t.Fatalf("closed twice: %v, %v", in, err)
	}
}

// TestSpace_T01_ownTailIsTakenBack loses the end of the own feeds, which the
// peer brings before anything was written there.
func TestSpace_T01_ownTailIsTakenBack(t *testing.T) {
	a := found(t)
	b := a.join()
	first := a.write()
	old := a.copyStore()
	second, third := a.write(), a.write()
	in, err := a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: "Ada"})
	ok(t, err)
	a.store(in)
	data, control := a.writing(feed.Data), a.writing(feed.Control)
	b.pull(a)
	a.reopen(old)
	pending := a.edit() // not in a block yet: it moves behind
	a.pull(b)
	a.shows(first, second, third, pending)
	last := a.write()
	in, err = a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: "Bea"})
	ok(t, err)
	a.store(in)
	if a.writing(feed.Data) != data || a.writing(feed.Control) != control {
		t.Fatal("the writer did not go on in its feeds")
	}
	b.pull(a)
	b.shows(first, second, third, pending, last)
	if in, err := a.CloseLeft(); in != nil || err != nil {
		t.Fatalf("something is to be closed: %v, %v", in, err)
	}
	for _, f := range b.Feeds() {
		if len(f.Heads) != 1 {
			t.Errorf("feed %s is forked", id.Short(f.Header.ID()))
		}
	}
}

// TestSpace_T01_fork writes past the place before the peer brings the end.
func TestSpace_T01_fork(t *testing.T) {
	cases := []struct {
		name           string
		stored, flying bool // an own block, when the end comes back
	}{{"stored", true, false}, {"being stored", false, true}, {"both", true, true}}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			a := found(t)
			b := a.join()
			all := []id.ObjectID{a.write()}
			old := a.copyStore()
			all = append(all, a.write(), a.write())
			b.pull(a)
			a.reopen(old)
			forked := a.writing(feed.Data)
			if c.stored {
				all = append(all, a.write())
			}
			var flight *space.Intake
			if c.flying {
				all = append(all, a.edit())
				var err error
				flight, err = a.Build()
				ok(t, err)
				a.save(flight)
				all = append(all, a.edit()) // will go to the new incarnation
			}
			a.pull(b)
			if flight != nil {
				if in, err := a.Build(); in != nil || err != nil {
					t.Fatalf("edits were built before those under way were stored: %v, %v", in, err)
				}
				ok(t, a.Stored(flight))
			}
			all = append(all, a.write())
			if a.writing(feed.Data) == forked {
				t.Fatal("the writer goes on in the forked feed")
			}
			a.closeLeft()
			b.pull(a)
			a.shows(all...)
			b.shows(all...)
			if heads := b.Log(forked).Heads(); len(heads) != 2 {
				t.Errorf("%d branches, want 2", len(heads))
			}
			next := a.writing(feed.Data)
			a.reopen(a.st)
			a.shows(all...)
			if a.writing(feed.Data) != next {
				t.Error("the new incarnation is not taken up after a restart")
			}
			if len(a.Faulty())+len(b.Faulty()) > 0 {
				t.Error("a fork that was closed makes the device faulty")
			}
		})
	}
}

// TestSpace_T01_controlFork forks a control feed.
func TestSpace_T01_controlFork(t *testing.T) {
	a := found(t)
	b := a.join()
	old := a.copyStore()
	rename := func(name string) {
		in, err := a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: name})
		ok(t, err)
		a.store(in)
	}
	rename("Ada")
	b.pull(a)
	a.reopen(old)
	forked := a.writing(feed.Control)
	rename("Bea")
	a.pull(b)
	a.closeLeft()
	if a.writing(feed.Control) == forked {
		t.Fatal("the writer goes on in the forked feed")
	}
	b.pull(a)
	if !slices.EqualFunc(a.Membership().Members(), b.Membership().Members(), func(x, y credential.MemberInfo) bool { return x.Name == y.Name }) {
		t.Error("the members differ")
	}
}

// TestSpace_T01_forkAfterClosing restores one copy twice.
func TestSpace_T01_forkAfterClosing(t *testing.T) {
	a := found(t)
	b := a.join()
	all := []id.ObjectID{a.write()}
	old := a.copyStore()
	all = append(all, a.write())
	b.pull(a)
	for n := range 2 {
		if len(b.Faulty()) != 0 {
			t.Fatalf("faulty after %d restores", n)
		}
		again := &engine{t: t, self: a.self, rec: a.rec, st: old}
		a.reopen(again.copyStore())
		all = append(all, a.write())
		a.pull(b)
		all = append(all, a.write())
		if in, err := a.CloseLeft(); err != nil {
			t.Fatal(err)
		} else if in != nil {
			a.store(in)
		}
		b.pull(a)
		a.shows(all...)
		b.shows(all...)
	}
	if got := b.Faulty(); len(got) != 1 || got[0] != a.self.Device {
		t.Fatalf("faulty: %v, want the device that restored twice", got)
	}
}

// TestSpace_T02_slots: an engine of another slot leaves the feed alone.
func TestSpace_T02_slots(t *testing.T) {
	a := found(t)
	v := a.write()
	other := &engine{t: t, self: a.self, rec: a.rec}
	other.self.Slot = 1
	other.reopen(a.st)
	other.shows(v)
	other.write()
	if other.writing(feed.Data) == a.writing(feed.Data) {
		t.Fatal("two slots write to one feed")
	}
}

// TestSpace_T04_damage loses a part of a long change and finds it again.
func TestSpace_T04_damage(t *testing.T) {
	a := found(t)
	b := a.join()
	all := []id.ObjectID{a.write()}
	long := a.edit()
	op := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 4), 2), long[:])
	op = wire.AppendString(wire.AppendArray(op, 1), "v")
	ok(t, a.DB().Local(wire.AppendBytes(wire.AppendUint(wire.AppendArray(op, 2), 1), testEnv().Bytes(700<<10)), 1))
	in, err := a.Build()
	ok(t, err)
	a.store(in)
	all = append(all, long, a.write())
	old := a.writing(feed.Data)
	b.pull(a)
	records := a.records(old)
	if len(records) < 5 {
		t.Fatalf("%d blocks, want parts", len(records))
	}
	unsent := a.write() // behind the damage, and nowhere else
	var damage storage.Batch
	damage.Delete(records[2].Key)
	ok(t, a.st.Apply(ctx, &damage, storage.Relaxed))
	a.reopen(a.st)
	a.shows(all[0])
	all = append(all, unsent, a.write())
	if a.writing(feed.Data) == old {
		t.Fatal("the writer goes on in a feed that is damaged")
	}
	a.pull(b)
	a.shows(all...)
	a.closeLeft()
	b.pull(a)
	b.shows(all...)
	if heads := b.Log(old).Heads(); len(heads) != 1 {
		t.Errorf("the damaged feed has %d branches", len(heads))
	}
}
