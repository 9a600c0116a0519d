package client

import (
	"context"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// RemoveMember puts a member out for good: it can neither connect nor write any
// more, and reads nothing that is written from now on. What it wrote before stays.
// It returns when that is stored; the others learn it when they meet this device.
//
// Errors: errs.NotFound, errs.NotPermitted, errs.SpaceClosed.
func (sp *Space) RemoveMember(ctx context.Context, who id.IdentityKey) error {
	sp.prepareKeys()
	return sp.change(ctx, func(core *space.Space) (*space.Intake, error) { return core.Remove(who) })
}

// SetRole changes a member's role. Errors: as RemoveMember.
func (sp *Space) SetRole(ctx context.Context, who id.IdentityKey, role credential.Role) error {
	if role == credential.Keeper {
		sp.prepareKeys()
	}
	return sp.change(ctx, func(core *space.Space) (*space.Intake, error) { return core.SetRole(who, role) })
}

// RevokeDevice ends a device of a member in this space. Errors: as RemoveMember.
func (sp *Space) RevokeDevice(ctx context.Context, who id.IdentityKey, d id.DeviceKey) error {
	sp.prepareKeys()
	return sp.change(ctx, func(core *space.Space) (*space.Intake, error) { return core.RevokeDevice(who, d) })
}

// prepareKeys does most of the work of new keys for all members, in slices.
func (sp *Space) prepareKeys() {
	for done := false; !done; {
		sp.mu.Lock()
		done = sp.run == nil || sp.core.PrepareKeys(sp.s.sliced())
		sp.mu.Unlock()
		if !done {
			sp.s.yield()
		}
	}
}

// change stores own edits, which the others are to keep, and then a control block.
func (sp *Space) change(ctx context.Context, build func(*space.Space) (*space.Intake, error)) error {
	if err := sp.Flush(ctx, FlushStore); err != nil && !errs.Is(err, errs.NotPermitted) {
		return err
	}
	_, err := sp.writeControl(ctx, build)
	return err
}

// turnPasses is how long the device whose turn it is may leave keys due. It may not know
// that they are, or lack those that it is to hand on.
const turnPasses = 3 * time.Second

// keepKeys makes the keys that are due, if it is this device's turn, and follows
// those that came; done is false if that is to go on in another slice than the one that
// began at now. sp.mu is held.
func (sp *Space) keepKeys(r *runtime, now time.Time) (done bool) {
	due := sp.core.RotationDue()
	switch needed := due || sp.core.LackKeys(); {
	case !needed:
		r.keysDue = time.Time{}
	case r.keysDue.IsZero():
		r.keysDue = now
	}
	if !r.keysDue.IsZero() && (due && sp.core.HasLocal() || sp.first(r) || now.Sub(r.keysDue) >= turnPasses) {
		clock := sp.s.c.ports.Env.Clock
		if due && !sp.core.PrepareKeys(func() bool { return clock.Now().Sub(now) > slice }) {
			return false
		}
		r.keysDue = time.Time{}
		in, err := sp.core.Rotate()
		if err == nil && in == nil {
			in, err = sp.core.Reseal()
		}
		if err != nil {
			sp.s.c.ports.Env.Log.Error("new keys could not be made", "space", id.Short(sp.key), "err", err)
		}
		if in != nil {
			sp.enqueueOwn(r, in, storage.Strict, func(error) {})
			sp.membersChanged(r)
		}
	}
	if g := sp.core.Generation(); g != r.generation {
		r.generation = g
		job := storeJob{durability: storage.Strict, own: true, refused: func(err error) { sp.storeRefused(r, err) }, done: func(error) {}}
		sp.s.keyring.Put(&job.batch, sp.record, sp.core.Record().Encode())
		r.store.add(job)
		sp.s.keeper().poke()
		r.link.setGates(sp.core.Gates(sp.s.c.ports.Env.Clock.Now()))
	}
	return true
}

// first tells whether no other device that is online, and may write, comes before
// this one: what anybody may do, one does.
func (sp *Space) first(r *runtime) bool {
	own := sp.core.Self().Device
	for _, info := range r.sessions {
		if id.Compare(info.Device, own) < 0 && sp.core.Membership().MayWrite(info.Device) {
			return false
		}
	}
	return true
}

// farewell is how long a device that was removed may still fetch the news of it.
const farewell = time.Second

// expel ends the sessions of devices that were removed. They were given control
// feeds only from the moment when that was known. sp.mu is held.
func (sp *Space) expel(r *runtime, now time.Time) {
	for sid, info := range r.sessions {
		if !sp.core.Membership().Outcast(info.Device, credential.MemberInfo{Identity: info.Identity}) {
			delete(r.expelled, sid)
			continue
		}
		since, known := r.expelled[sid]
		if !known {
			r.expelled[sid] = now
		} else if now.Sub(since) >= farewell {
			r.swarm.Disconnect(sid, errs.New("client.session", errs.NotPermitted, "device %s was removed from space %s", id.Short(info.Device), id.Short(sp.key)))
		}
	}
	for sid := range r.expelled {
		if _, there := r.sessions[sid]; !there {
			delete(r.expelled, sid)
		}
	}
}

// expelled are sessions of removed devices, with the time when that was noticed.
type expelled map[mesh.SessionID]time.Time

// reread reads the space anew from its feeds, beside the running one, and then puts it
// in its place: a block was applied that does not count any more. Whoever uses the
// space never finds it closed; its live objects are read again.
func (sp *Space) reread(r *runtime) {
	if r.rereading {
		return
	}
	r.rereading = true
	log := sp.s.c.ports.Env.Log
	log.Warn("blocks that were taken in do not count any more; the space is read again", "space", id.Short(sp.key))
	sp.s.dropSnapshot(sp.key)
	sp.s.spawn(func(ctx context.Context) {
		for ctx.Err() == nil {
			if err := sp.Flush(ctx, FlushStore); err != nil {
				log.Warn("edits were not stored before the space is read again", "space", id.Short(sp.key), "err", err)
			}
			sp.mu.Lock()
			rec := sp.core.Record()
			sp.mu.Unlock()
			me, err := sp.s.identity("client.reread")
			if err != nil {
				return
			}
			core, known, err := sp.s.readSpace(ctx, me, rec)
			if err != nil {
				log.Error("the space could not be read again", "space", id.Short(sp.key), "err", err)
				return
			}
			swarm, err := sp.s.newSwarm(ctx, core, core.Secrets().Gate(), core.Self())
			if err != nil {
				log.Error("the space could not be opened again yet", "space", id.Short(sp.key), "err", err)
			} else if sp.swap(r, core, known, swarm) {
				return
			}
			select { // somebody writes without a pause
			case <-ctx.Done():
			case <-time.After(retryStore):
			}
		}
	})
}

// swap puts a core in the place of the running one, unless something of the own feeds
// came after it was read, or is on its way to storage. It waits for nothing, so that
// nobody acts between the end of one runtime and the start of the next.
func (sp *Space) swap(r *runtime, core *space.Space, known *snapshot, swarm *mesh.Swarm) (done bool) {
	sp.mu.Lock()
	if sp.run != r {
		sp.mu.Unlock()
		return true // it was closed meanwhile
	}
	if r.writing || len(r.waiters) > 0 || sp.core.HasLocal() || sp.core.InFlight() || !sp.core.SameOwn(core) {
		sp.mu.Unlock()
		return false
	}
	sp.run = nil
	r.swarm.Close()
	out := r.swarm.Ready()
	sp.mu.Unlock()
	r.link.send(out) // the good-byes
	sp.State.Set(SpaceClosed)
	sp.replace(core, known)
	sp.startWith(swarm)
	sp.s.spawn(func(context.Context) {
		sp.s.net.detach(r.link)
		r.cancel()
		r.tasks.Wait()
	})
	return true
}
