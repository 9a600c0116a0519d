//go:build js

package idbstore

import (
	"context"
	"runtime"
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// groupBytes bounds what is committed together; one batch may exceed it.
const groupBytes = 4 << 20

// write is one Apply on its way.
type write struct {
	batch *storage.Batch
	d     storage.Durability
	alone bool       // was in a group that failed
	done  chan error // has room for the one result, so that nobody waits to give it
}

// committer holds the writes that wait for the transaction under way. It has no
// goroutine: an Apply starts the first transaction, the end of one starts the
// next.
type committer struct {
	waiting []*write
	busy    bool
}

// Apply implements storage.Store. When ctx ends while the batch waits for its
// turn it is not written; once its transaction began it may be.
func (s *Store) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	const op = "idbstore.Apply"
	if b == nil {
		return errs.New(op, errs.InvalidArgument, "the batch is nil")
	}
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.calls.Done()
	w := &write{batch: b, d: d, done: make(chan error, 1)}
	s.mu.Lock()
	s.queue.waiting = append(s.queue.waiting, w)
	start := !s.queue.busy
	s.queue.busy = true
	s.mu.Unlock()
	if start {
		// Others that are about to call Apply come into the same transaction.
		runtime.Gosched()
		s.commitNext()
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		s.abandon(w)
		return jsval.ContextError(ctx, op)
	}
}

// abandon lets go of the caller's batch. A write that waits is taken out; one
// under way may still be reading the batch, which becomes the caller's again,
// so it goes on with a copy.
func (s *Store) abandon(w *write) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.queue.waiting, w); i >= 0 {
		s.queue.waiting = slices.Delete(s.queue.waiting, i, i+1)
		return
	}
	c := &storage.Batch{Changes: slices.Clone(w.batch.Changes)}
	for i := range c.Changes {
		ch := &c.Changes[i]
		ch.Key, ch.Value = slices.Clone(ch.Key), slices.Clone(ch.Value)
		ch.Range.Start, ch.Range.End = slices.Clone(ch.Range.Start), slices.Clone(ch.Range.End)
	}
	w.batch = c
}

// take removes the next group from the queue: the writes that were not in a
// group that failed, in order, up to groupBytes; or one that was.
func (c *committer) take() []*write {
	n, size := 0, 0
	for n < len(c.waiting) {
		w := c.waiting[n]
		size += w.batch.Size()
		if n > 0 && (w.alone || size > groupBytes) {
			break
		}
		n++
		if w.alone {
			break
		}
	}
	group := slices.Clone(c.waiting[:n])
	c.waiting = slices.Delete(c.waiting, 0, n)
	return group
}

// commitNext begins the transaction of the next group, if any waits. It waits
// for nothing: it is also called on the event loop.
func (s *Store) commitNext() {
	s.mu.Lock()
	group := s.queue.take()
	s.queue.busy = len(group) > 0
	s.mu.Unlock()
	if len(group) > 0 {
		t := &transaction{store: s, group: group}
		t.start()
	}
}
