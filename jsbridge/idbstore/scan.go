//go:build js

package idbstore

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// Scan implements storage.Store. It costs one transaction of two requests;
// backwards, on engines without getAll in that direction, one more per entry.
func (s *Store) Scan(ctx context.Context, r storage.Range, limit int) ([]storage.Entry, error) {
	const op = "idbstore.Scan"
	if limit < 0 {
		return nil, errs.New(op, errs.InvalidArgument, "limit %d is negative; 0 means none", limit)
	}
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	kr, ok, err := s.bounds(op, r)
	if err != nil || !ok {
		return nil, err
	}
	if r.Reverse && limit > 0 && !s.reverse {
		return s.scanCursor(ctx, op, kr, limit)
	}
	args := []any{kr}
	if limit > 0 {
		args = append(args, limit)
	}
	backwards := r.Reverse && limit > 0
	if backwards {
		args = []any{map[string]any{"query": kr, "count": limit, "direction": "prev"}}
	}
	var page []storage.Entry
	err = s.getAll(ctx, op, args, func(key []byte, v safejs.Value) error {
		b, err := s.value(op, v)
		page = append(page, storage.Entry{Key: key, Value: b})
		return err
	})
	if err == nil && r.Reverse && !backwards {
		// Without a limit the whole range comes anyway.
		for i, j := 0, len(page)-1; i < j; i, j = i+1, j-1 {
			page[i], page[j] = page[j], page[i]
		}
	}
	return page, err
}

// ScanValues is Scan, forwards, for values that are to stay JavaScript's: f gets
// each with its key, as it is stored, which is a Uint8Array unless it was damaged.
func (s *Store) ScanValues(ctx context.Context, r storage.Range, limit int, f func(key []byte, v safejs.Value)) error {
	const op = "idbstore.ScanValues"
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.calls.Done()
	kr, ok, err := s.bounds(op, r)
	if err != nil || !ok {
		return err
	}
	return s.getAll(ctx, op, []any{kr, limit}, func(key []byte, v safejs.Value) error {
		f(key, v)
		return nil
	})
}

// getAll reads keys and values by two requests of one transaction, which see
// the same state, and hands them to f. Requests are answered in order, so the
// second ends both.
func (s *Store) getAll(ctx context.Context, op string, args []any, f func(key []byte, v safejs.Value) error) error {
	var keyReq safejs.Value
	values, err := s.read(ctx, op, kvStore, func(os safejs.Value) (req safejs.Value, err error) {
		if keyReq, err = os.Call("getAllKeys", args...); err != nil {
			return req, err
		}
		return os.Call("getAll", args...)
	})
	if err != nil {
		return err
	}
	keys, err := keyReq.Get("result")
	if err != nil {
		return jsval.Error(op, errs.StorageUnavailable, err)
	}
	n, err := keys.Length()
	if err != nil {
		return jsval.Error(op, errs.StorageUnavailable, err)
	}
	for i := range n {
		k, v, err := s.entry(op, keys, values, i)
		if err == nil {
			err = f(k, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) entry(op string, keys, values safejs.Value, i int) (key []byte, v safejs.Value, err error) {
	k, err := keys.Index(i)
	if err == nil {
		v, err = values.Index(i)
	}
	if err != nil {
		return nil, v, jsval.Error(op, errs.StorageCorrupt, err)
	}
	key, err = s.key(op, k)
	return key, v, err
}

// key gives the bytes of a key, which IndexedDB gives as an ArrayBuffer.
func (s *Store) key(op string, k safejs.Value) ([]byte, error) {
	view, err := s.uint8Array.New(k)
	if err != nil {
		return nil, errs.New(op, errs.StorageCorrupt, "a key of %q is not binary: %w", s.name, err)
	}
	return s.value(op, view)
}

// scanCursor reads backwards entry by entry. The next step is requested inside
// the event of the one before, which keeps the transaction alive.
func (s *Store) scanCursor(ctx context.Context, op string, kr safejs.Value, limit int) ([]storage.Entry, error) {
	os, err := s.begin(op, kvStore, "readonly", storage.Relaxed)
	if err != nil {
		return nil, err
	}
	req, err := os.Call("openCursor", kr, "prev")
	if err != nil {
		return nil, jsval.Error(op, errs.StorageUnavailable, err)
	}
	type outcome struct {
		page []storage.Entry
		err  error
	}
	done := make(chan outcome, 1)
	var page []storage.Entry
	var step func(err error)
	step = func(err error) {
		more := false
		if err == nil {
			more, err = s.cursorStep(op, req, &page, limit)
		}
		if err == nil && more {
			err = onResult(op, req, step)
		}
		if err != nil || !more {
			done <- outcome{page, err}
		}
	}
	if err := onResult(op, req, step); err != nil {
		return nil, err
	}
	select {
	case o := <-done:
		return o.page, o.err
	case <-ctx.Done():
		return nil, jsval.ContextError(ctx, op)
	}
}

// cursorStep takes the entry that the cursor stands on and asks for the next.
func (s *Store) cursorStep(op string, req safejs.Value, page *[]storage.Entry, limit int) (more bool, err error) {
	cursor, err := req.Get("result")
	if err != nil || cursor.IsNull() {
		return false, jsval.Error(op, errs.StorageUnavailable, err)
	}
	k, err := cursor.Get("key")
	if err != nil {
		return false, jsval.Error(op, errs.StorageUnavailable, err)
	}
	v, err := cursor.Get("value")
	if err != nil {
		return false, jsval.Error(op, errs.StorageUnavailable, err)
	}
	var e storage.Entry
	if e.Key, err = s.key(op, k); err != nil {
		return false, err
	}
	if e.Value, err = s.value(op, v); err != nil {
		return false, err
	}
	*page = append(*page, e)
	if len(*page) == limit {
		return false, nil
	}
	_, err = cursor.Call("continue")
	return true, jsval.Error(op, errs.StorageUnavailable, err)
}
