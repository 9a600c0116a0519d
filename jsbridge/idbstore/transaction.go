//go:build js

package idbstore

import (
	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// sliceChanges and sliceBytes bound what is handed to IndexedDB in one go, so
// that no task on the page gets long. The next slice follows when the last
// request of the one before succeeded, which keeps the transaction alive.
const (
	sliceChanges = 256
	sliceBytes   = 1 << 20
)

// transaction carries out a group of writes. It is touched only on the one
// thread, between events, and waits for nothing.
type transaction struct {
	store  *Store
	group  []*write
	tx, os safejs.Value

	write, change int   // the next change to hand over
	refused       error // why this side gave up, if it did
	marks         bool  // it sets the guard's mark
}

func (t *transaction) start() {
	const op = "idbstore.Apply"
	d := storage.Relaxed
	for _, w := range t.group {
		d = max(d, w.d)
	}
	var err error
	if t.os, err = t.store.beginOn(op, t.store.scope(), kvStore, "readwrite", d); err != nil {
		t.settle(err) // the connection is gone; no batch would fare better alone
		return
	}
	t.tx, err = t.os.Get("transaction")
	if err == nil {
		t.marks, err = t.store.setMark(t.tx)
	}
	if err == nil {
		err = onEnd(op, t.tx, t.end)
	}
	if err != nil {
		t.settle(jsval.Error(op, errs.StorageUnavailable, err))
		return
	}
	t.slice()
}

// slice hands over the next changes.
func (t *transaction) slice() {
	const op = "idbstore.Apply"
	last, bytes := safejs.Undefined(), 0
	for n := 0; t.write < len(t.group); {
		changes := t.group[t.write].batch.Changes
		if t.change == len(changes) {
			t.write, t.change = t.write+1, 0
			continue
		}
		if n >= sliceChanges || bytes >= sliceBytes {
			if err := onResult(op, last, t.sliceDone); err != nil {
				t.giveUp(err)
			}
			return
		}
		c := changes[t.change]
		req, err := t.store.request(op, t.os, c)
		if err != nil {
			t.giveUp(err)
			return
		}
		if !req.IsUndefined() {
			last = req
			n++
		}
		t.change++
		bytes += len(c.Key) + len(c.Value)
	}
	// Without commit, in engines that lack it, the end comes one event later.
	_, _ = t.tx.Call("commit")
}

func (t *transaction) sliceDone(err error) {
	if err == nil { // otherwise the transaction aborts by itself
		t.slice()
	}
}

// request makes the request of one change; undefined if it needs none.
func (s *Store) request(op string, os safejs.Value, c storage.Change) (safejs.Value, error) {
	none := safejs.Undefined()
	if c.DeleteRange {
		kr, ok, err := s.bounds(op, c.Range)
		if err != nil || !ok {
			return none, err
		}
		req, err := os.Call("delete", kr)
		return req, thrown(op, err)
	}
	key, err := s.bytes(c.Key)
	if err != nil {
		return none, err
	}
	if c.Delete {
		req, err := os.Call("delete", key)
		return req, thrown(op, err)
	}
	value, err := s.bytes(c.Value)
	if err != nil {
		return none, err
	}
	req, err := os.Call("put", value, key)
	return req, thrown(op, err)
}

// giveUp aborts the transaction; its abort event follows.
func (t *transaction) giveUp(err error) {
	t.refused = err
	if _, err := t.tx.Call("abort"); err != nil {
		// It was aborted already, and the event is on its way.
		return
	}
}

// end is called when the transaction completed or was aborted. Of a group that
// failed, each is tried again alone: the fault may be that of one of them.
func (t *transaction) end(err error) {
	if err != nil && t.refused != nil && !errs.Is(err, errs.StorageFull) {
		err = t.refused // it says more
	}
	if err != nil && t.marks {
		t.store.guard.set = false // it is undone with the rest
	}
	if err == nil || len(t.group) == 1 {
		t.settle(err)
		return
	}
	s := t.store
	for _, w := range t.group {
		w.alone = true
	}
	s.mu.Lock()
	s.queue.waiting = append(t.group, s.queue.waiting...)
	s.mu.Unlock()
	s.commitNext()
}

// settle gives the result to all of the group and goes on with the next one.
func (t *transaction) settle(err error) {
	t.store.wrote()
	for _, w := range t.group {
		w.done <- err
	}
	t.store.commitNext()
}

// thrown classifies what a call of IndexedDB threw.
func thrown(op string, err error) error {
	if err == nil {
		return nil
	}
	err = jsval.Error(op, errs.StorageUnavailable, err)
	if kind := kindOf(jsval.ErrorName(err)); kind != errs.StorageUnavailable {
		return errs.Wrap(op, kind, err)
	}
	return err
}
