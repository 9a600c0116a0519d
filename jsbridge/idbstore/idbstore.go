//go:build js

package idbstore

import (
	"context"
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// The names of the object stores.
const (
	kvStore  = "kv"
	keyStore = "keys"
)

// Store implements storage.Store on an IndexedDB database.
type Store struct {
	name       string
	db         safejs.Value
	keyRange   safejs.Value // the constructor IDBKeyRange
	uint8Array safejs.Value // the constructor
	reverse    bool         // getAll takes a direction
	lost       func(error)
	unlisten   func()

	mu     sync.Mutex
	closed bool
	failed *errs.Error // why the connection is gone, if it is
	calls  sync.WaitGroup

	queue committer
	guard guard
}

var _ storage.Store = (*Store)(nil)

// enter begins a call; leave it with s.calls.Done when the error is nil.
func (s *Store) enter(ctx context.Context, op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errs.New(op, errs.Closed, "the store %q is closed", s.name)
	}
	if s.failed != nil {
		return &errs.Error{Op: op, Kind: s.failed.Kind, Msg: s.failed.Msg, Err: s.failed}
	}
	if err := jsval.ContextError(ctx, op); err != nil {
		return err
	}
	s.calls.Add(1)
	return nil
}

// fail ends the connection for a reason that lies outside. It runs on the event
// loop.
func (s *Store) fail(kind errs.Kind, msg string) {
	s.mu.Lock()
	first := s.failed == nil && !s.closed
	if first {
		s.failed = errs.New("idbstore", kind, "the database %q %s", s.name, msg)
	}
	s.mu.Unlock()
	// Transactions under way complete; the connection goes after them.
	_, _ = s.db.Call("close")
	if first && s.lost != nil {
		s.lost(s.failed)
	}
}

// Close implements storage.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	first := !s.closed
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	if first {
		s.unlisten()
		if s.guard.timer != nil {
			s.guard.timer.Stop()
		}
		if s.failed == nil {
			s.clearMark() // the connection closes after it
		}
		_, err := s.db.Call("close")
		return jsval.Error("idbstore.Close", errs.StorageUnavailable, err)
	}
	return nil
}

// Get implements storage.Store.
func (s *Store) Get(ctx context.Context, key []byte) ([]byte, error) {
	const op = "idbstore.Get"
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	k, err := s.bytes(key)
	if err != nil {
		return nil, err
	}
	v, err := s.read(ctx, op, kvStore, func(os safejs.Value) (safejs.Value, error) {
		return os.Call("get", k)
	})
	if err != nil {
		return nil, err
	}
	if v.IsUndefined() {
		return nil, errs.New(op, errs.NotFound, "no value under key %x", key)
	}
	return s.value(op, v)
}

// read begins a transaction, makes one request in it and waits for its result.
func (s *Store) read(ctx context.Context, op, store string, request func(os safejs.Value) (safejs.Value, error)) (safejs.Value, error) {
	os, err := s.begin(op, store, "readonly", storage.Relaxed)
	if err != nil {
		return safejs.Undefined(), err
	}
	req, err := request(os)
	if err != nil {
		return safejs.Undefined(), jsval.Error(op, errs.StorageUnavailable, err)
	}
	done := make(chan error, 1)
	if err := onResult(op, req, func(err error) { done <- err }); err != nil {
		return safejs.Undefined(), err
	}
	select {
	case err := <-done:
		if err != nil {
			return safejs.Undefined(), err
		}
		return req.Get("result")
	case <-ctx.Done():
		return safejs.Undefined(), jsval.ContextError(ctx, op)
	}
}

// begin opens a transaction on one object store and gives that.
func (s *Store) begin(op, store, mode string, d storage.Durability) (safejs.Value, error) {
	return s.beginOn(op, store, store, mode, d)
}

// beginOn is begin for a transaction on several object stores.
func (s *Store) beginOn(op string, scope any, store, mode string, d storage.Durability) (safejs.Value, error) {
	args := []any{scope, mode}
	if mode == "readwrite" {
		hint := "relaxed"
		if d == storage.Strict {
			hint = "strict"
		}
		args = append(args, map[string]any{"durability": hint})
	}
	tx, err := s.db.Call("transaction", args...)
	if err != nil {
		// The connection is closing, by the browser or by another tab.
		return tx, jsval.Error(op, errs.StorageUnavailable, err)
	}
	os, err := tx.Call("objectStore", store)
	return os, jsval.Error(op, errs.StorageUnavailable, err)
}

// bytes makes the JavaScript value that holds b, as a key or as a value.
func (s *Store) bytes(b []byte) (safejs.Value, error) {
	v, err := s.uint8Array.New(len(b))
	if err == nil && len(b) > 0 {
		_, err = safejs.CopyBytesToJS(v, b)
	}
	return v, jsval.Error("idbstore", errs.StorageFull, err) // no room for the copy
}

// value gives the bytes of a stored value.
func (s *Store) value(op string, v safejs.Value) ([]byte, error) {
	n, err := v.Length()
	b := make([]byte, max(n, 0))
	if err == nil && n > 0 {
		_, err = safejs.CopyBytesToGo(b, v)
	}
	if err != nil {
		return nil, errs.New(op, errs.StorageCorrupt, "a record of %q does not hold bytes: %w", s.name, err)
	}
	return b, nil
}

// bounds gives the IDBKeyRange of r: ok is false when r holds no
// key, which IDBKeyRange refuses to say.
func (s *Store) bounds(op string, r storage.Range) (kr safejs.Value, ok bool, err error) {
	if r.End != nil && string(r.Start) >= string(r.End) {
		return kr, false, nil
	}
	start, err := s.bytes(r.Start)
	if err != nil {
		return kr, false, err
	}
	if r.End == nil {
		kr, err = s.keyRange.Call("lowerBound", start)
		return kr, true, jsval.Error(op, errs.Internal, err)
	}
	end, err := s.bytes(r.End)
	if err != nil {
		return kr, false, err
	}
	kr, err = s.keyRange.Call("bound", start, end, false, true)
	return kr, true, jsval.Error(op, errs.Internal, err)
}
