package client

import (
	"context"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// FlushTarget says how far Flush waits.
type FlushTarget string

// The targets of Flush.
const (
	FlushStore FlushTarget = "store" // the storage transaction completed
	FlushDisk  FlushTarget = "disk"  // and the medium was told to make it last
	FlushPeer  FlushTarget = "peer"  // and some other engine has stored it all
)

type flushWaiter struct {
	edits uint64
	peer  bool
	done  chan error // buffered
}

// writeEdits seals and stores the edits that wait, if no write of own edits is
// under way and the last was long enough ago. It gives the time until the next
// call is due.
func (sp *Space) writeEdits(ctx context.Context, r *runtime, now time.Time) time.Duration {
	sp.answer(r)
	if r.writing || !sp.core.HasLocal() {
		return time.Hour
	}
	if wait := typing - now.Sub(r.lastWrite); wait > 0 && wait <= typing {
		return wait
	}
	in, err := sp.core.Build(ctx)
	if err != nil {
		sp.storeFailed(r, err)
		sp.failWaiters(r, err)
	}
	if in == nil {
		return retryStore
	}
	r.lastWrite = now
	r.writing = true
	edits := r.edits
	sp.enqueueOwn(r, in, storage.Relaxed, func(err error) {
		sp.mu.Lock()
		r.writing = false
		if err == nil {
			r.stored = max(r.stored, edits)
			r.writeErr = nil
		}
		sp.answer(r)
		sp.mu.Unlock()
	})
	return time.Hour
}

// enqueueOwn stores own blocks and then announces them. A write that storage
// refuses is reported to done and tried again until it succeeds, since later
// blocks build on it; done is called once. sp.mu is held.
func (sp *Space) enqueueOwn(r *runtime, in *space.Intake, d storage.Durability, done func(error)) {
	var b storage.Batch
	in.AddTo(&b)
	live := make([][]byte, len(in.Blocks))
	for i, blk := range in.Blocks {
		live[i] = blk.Encode()
	}
	var attempt func(report func(error))
	attempt = func(report func(error)) {
		r.store.add(storeJob{batch: b, durability: d, done: func(err error) {
			if err != nil {
				sp.mu.Lock()
				sp.storeFailed(r, err)
				sp.failWaiters(r, err)
				sp.mu.Unlock()
				sp.retryLater(r, func() { attempt(report) })
				return
			}
			sp.mu.Lock()
			if sp.run == r {
				if err = sp.core.Stored(in); err == nil {
					r.sync.Stored(in.Header, sp.core.Log(in.Header.ID()), in.Refs(), live)
				}
			}
			r.dirty.members = r.dirty.members || in.Header.Kind == 0
			sp.mu.Unlock()
			report(err)
			sp.s.postBlocks(sp.key, in)
			r.poke()
		}})
	}
	attempt(done)
}

// retryLater calls f after a pause, unless the runtime ends before.
func (sp *Space) retryLater(r *runtime, f func()) {
	r.spawn(func(ctx context.Context) {
		select {
		case <-time.After(retryStore):
			f()
		case <-ctx.Done():
		}
	})
}

// Flush waits until every edit made before the call is as safe as to says.
//
// Errors: errs.SpaceClosed, the storage's error if a write was refused (the
// edits stay and are tried again), and ctx's.
func (sp *Space) Flush(ctx context.Context, to FlushTarget) error {
	const op = "space.flush"
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return sp.closedError(op)
	}
	w := flushWaiter{edits: r.edits, peer: to == FlushPeer, done: make(chan error, 1)}
	r.waiters = append(r.waiters, w)
	sp.answer(r)
	sp.mu.Unlock()
	r.poke()
	select {
	case err := <-w.done:
		if err != nil || to != FlushDisk {
			return err
		}
	case <-ctx.Done():
		return errs.New(op, errs.Timeout, "the edits of space %s were not flushed to %s in time: %w", id.Short(sp.key), to, ctx.Err())
	case <-r.ctx.Done():
		return sp.closedError(op)
	}
	var b storage.Batch
	b.Put(syncKey, nil)
	return sp.s.storage.Store.Apply(ctx, &b, storage.Strict)
}

// syncKey is written strictly to make all earlier transactions last.
var syncKey = []byte("y")

// answer tells the flushes that are satisfied.
func (sp *Space) answer(r *runtime) {
	kept := r.waiters[:0]
	for _, w := range r.waiters {
		if r.stored >= w.edits && (!w.peer || r.anyPeerHasAll()) {
			w.done <- nil
			continue
		}
		kept = append(kept, w)
	}
	r.waiters = kept
}

func (r *runtime) anyPeerHasAll() bool {
	for _, p := range r.sync.Status() {
		if p.Stored {
			return true
		}
	}
	return false
}

// failWaiters tells every flush that a write was refused.
func (sp *Space) failWaiters(r *runtime, err error) {
	for _, w := range r.waiters {
		w.done <- err
	}
	r.waiters = nil
}
