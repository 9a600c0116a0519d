package client

import (
	"context"
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
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
	done  func(error) // called once; sp.mu may be held
}

// writeEdits seals and stores the edits that wait, if no write of own edits is
// under way and the last was long enough ago. It gives the time until the next
// call is due.
func (sp *Space) writeEdits(r *runtime, now time.Time) time.Duration {
	if r.writing {
		return time.Hour
	}
	if !sp.core.HasLocal() { // an edit that changes nothing leaves nothing to store
		r.stored = r.edits
		sp.answer(r)
		sp.storeUndo(r)
		return time.Hour
	}
	if wait := typing - now.Sub(r.lastWrite); wait > 0 && wait <= typing && !r.flushing() {
		return wait
	}
	if sp.recalls(r, now) {
		return recallPoll
	}
	in, err := sp.core.Build()
	if err != nil {
		sp.storeFailed(r, err)
		sp.failWaiters(r, err)
	} else if !r.refused {
		r.writeErr = nil
	}
	if in == nil {
		return retryStore
	}
	r.lastWrite = now
	r.writing = true
	edits := r.edits
	sp.enqueueOwn(r, in, storage.Relaxed, func(err error) {
		r.writing = false
		if err == nil {
			r.stored = max(r.stored, edits)
			r.dirty.sync = true
		}
	})
	return time.Hour
}

const (
	// maxRecall is how long edits wait for own blocks that a peer tells of.
	maxRecall  = 3 * time.Second
	recallPoll = 100 * time.Millisecond
)

// recalls reports whether own blocks, which storage lost, are on their way
// back: the next block must follow them. A peer that tells of such blocks and
// does not bring them has the writer leave the feed, once; after that it is not
// believed.
func (sp *Space) recalls(r *runtime, now time.Time) bool {
	fid, ok := sp.core.Writing(feed.Data)
	if !ok || r.recall.over || r.busy[fid] == nil && !r.sync.Lacks(fid) {
		r.recall.since = time.Time{}
		return false
	}
	if r.recall.since.IsZero() {
		r.recall.since = now
	}
	if now.Sub(r.recall.since) < maxRecall {
		return true
	}
	r.recall.over = true
	sp.core.Leave(feed.Data)
	return false
}

// writeLast queues the edits that are not under way yet: the runtime ends, and
// its queue stores what it holds. sp.mu is held.
func (sp *Space) writeLast(r *runtime) {
	r.ending = true
	if fid, ok := sp.core.Writing(feed.Data); ok && r.sync.Lacks(fid) {
		sp.core.Leave(feed.Data)
	}
	if !sp.core.HasLocal() {
		if !r.writing {
			sp.storeUndo(r)
		}
		return
	}
	in, err := sp.core.Build()
	if err != nil {
		sp.s.c.ports.Env.Log.Error("the last edits could not be sealed", "space", id.Short(sp.key), "err", err)
	}
	if in != nil {
		sp.enqueueOwn(r, in, storage.Relaxed, func(error) {})
	}
}

// recall is the wait for own blocks that storage lost.
type recall struct {
	since time.Time // zero: there is none
	over  bool      // it was in vain once
}

// closeLeft stores what closes the own feeds that were left, if any was.
func (sp *Space) closeLeft(r *runtime) {
	in, err := sp.core.CloseLeft()
	if err != nil {
		sp.s.c.ports.Env.Log.Error("a feed that was left could not be closed", "space", id.Short(sp.key), "err", err)
	}
	if in != nil {
		sp.enqueueOwn(r, in, storage.Relaxed, func(error) {})
	}
}

// maxLive is how many bytes of own blocks are sent to peers before they ask.
const maxLive = 64 << 10

// maxUndoAlong is how many steps of the undo stack are stored along with their blocks,
// each as a record of its own. More of them in one write are of a loop of transactions
// that may still go on: most steps would give way before anybody could undo them. They
// are stored when the edits come to rest, and nobody who waits for the blocks waits for
// them.
const maxUndoAlong = 64

// enqueueOwn has own blocks signed, stores them and then announces them. A signature
// that fails, or a write that storage refuses, is tried again until it succeeds, since
// later blocks build on it;
// done is called once, under sp.mu, with nil unless the runtime ended before.
// sp.mu is held.
func (sp *Space) enqueueOwn(r *runtime, in *space.Intake, d storage.Durability, done func(error)) {
	core := sp.core
	job := storeJob{durability: d, own: true, size: in.Size()}
	job.finish = func(ctx context.Context, b *storage.Batch) error {
		err := core.Finish(ctx, in, sp.locked)
		if err == nil {
			in.AddTo(b)
		}
		return err
	}
	if in.Header.Kind == feed.Data && (r.ending || sp.core.DB().UndoRecords() <= maxUndoAlong) {
		sp.addUndo(&job.batch, in)
	}
	job.refused = func(err error) { sp.storeRefused(r, err) }
	job.done = func(err error) {
		sp.mu.Lock()
		if err == nil {
			r.storeTakes()
			r.dirty.sync = r.dirty.sync || r.writeErr != nil
			r.writeErr = nil
		}
		if err == nil && sp.run == r {
			if err = sp.core.Stored(in); err == nil {
				r.news.add(in)
				r.sync.Stored(in.Header, sp.core.Log(in.Header.ID()), in.Refs(), live(in))
			}
			r.dirty.members = r.dirty.members || in.Header.Kind == feed.Control
		}
		done(err)
		awaited := sp.answer(r)
		sp.mu.Unlock()
		if err != nil {
			r.poke()
			return
		}
		sp.follow(r, func() {
			sp.s.postBlocks(sp.key, in)
			r.poke()
		}, awaited || in.Size() > maxLive)
	}
	r.store.add(job)
}

// live gives what is sent of own blocks before peers ask. What is more than a message is
// fetched by who wants it.
func live(in *space.Intake) [][]byte {
	list := [][]byte{}
	if in.Size() <= maxLive {
		for _, blk := range in.Blocks {
			list = append(list, blk.Encode())
		}
	}
	return list
}

// locked runs f with sp.mu held. f does not wait.
func (sp *Space) locked(f func()) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	f()
}

// follow does what follows the storing of own blocks, in order: late, if somebody waited
// for that and is to go on before. It is called on the queue's goroutine.
func (sp *Space) follow(r *runtime, do func(), late bool) {
	sp.mu.Lock()
	r.follows = append(r.follows, do)
	first := len(r.follows) == 1 // else who does the first does this
	sp.mu.Unlock()
	switch {
	case first && late:
		r.spawn(func(context.Context) {
			sp.s.yield()
			sp.doFollowing(r)
		})
	case first:
		sp.doFollowing(r)
	}
}

func (sp *Space) doFollowing(r *runtime) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	for len(r.follows) > 0 {
		do := r.follows[0]
		sp.mu.Unlock()
		do()
		sp.mu.Lock()
		r.follows = r.follows[1:]
	}
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
	done := make(chan error, 1)
	sp.await(r, to == FlushPeer, func(err error) { done <- err })
	sp.mu.Unlock()
	sp.s.net.following().poke()
	select {
	case err := <-done:
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

// FlushThen is Flush to FlushStore for who must not wait: it calls done once, with what
// Flush gives. done must not wait either, and not call the Space.
func (sp *Space) FlushThen(done func(error)) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		done(sp.closedError("space.flush"))
		return
	}
	sp.await(sp.run, false, done)
}

// await has done called when all edits up to now are stored, or by a peer too. sp.mu is
// held.
func (sp *Space) await(r *runtime, peer bool, done func(error)) {
	r.waiters = append(r.waiters, flushWaiter{edits: r.edits, peer: peer, done: done})
	sp.answer(r)
	r.poke()
}

// syncKey is written strictly to make all earlier transactions last.
var syncKey = []byte("y")

// answer tells the flushes that are satisfied, and whether there were any.
func (sp *Space) answer(r *runtime) (answered bool) {
	kept := r.waiters[:0]
	for _, w := range r.waiters {
		if r.stored >= w.edits && (!w.peer || r.anyPeerHasAll()) {
			w.done(nil)
			answered = true
			continue
		}
		kept = append(kept, w)
	}
	r.waiters = kept
	return answered
}

// flushing reports whether somebody waits for edits that are not stored.
func (r *runtime) flushing() bool {
	return slices.ContainsFunc(r.waiters, func(w flushWaiter) bool { return w.edits > r.stored })
}

func (r *runtime) anyPeerHasAll() bool {
	for _, p := range r.sync.Status() {
		if p.Stored {
			return true
		}
	}
	return false
}

// failWaiters tells every flush that waits for storage that it refused a write.
func (sp *Space) failWaiters(r *runtime, err error) {
	kept := r.waiters[:0]
	for _, w := range r.waiters {
		if w.edits <= r.stored {
			kept = append(kept, w) // waits for a peer only
			continue
		}
		w.done(err)
	}
	r.waiters = kept
}
