//go:build js

package idbstore

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// The methods of this file keep values that bytes cannot hold, such as
// non-extractable CryptoKeys, under names of their own.

// LoadKey gives the value of that name, or undefined if there is none.
func (s *Store) LoadKey(ctx context.Context, name string) (safejs.Value, error) {
	const op = "idbstore.LoadKey"
	if err := s.enter(ctx, op); err != nil {
		return safejs.Undefined(), err
	}
	defer s.calls.Done()
	return s.read(ctx, op, keyStore, func(os safejs.Value) (safejs.Value, error) {
		return os.Call("get", name)
	})
}

// AddKey stores key under that name unless there is one, with strict durability,
// and gives the one that is there afterwards: when two tabs race, the first wins
// and both get its key.
func (s *Store) AddKey(ctx context.Context, name string, key safejs.Value) (safejs.Value, error) {
	const op = "idbstore.AddKey"
	var get safejs.Value
	err := s.change(ctx, op, func(os safejs.Value) error {
		add, err := os.Call("add", key, name)
		if err != nil {
			return thrown(op, err)
		}
		err = on(add, map[string]func(safejs.Value){
			"onsuccess": func(safejs.Value) {},
			"onerror": func(ev safejs.Value) {
				// There is one already. That is no reason to abort, which would
				// be the default; any other failure is.
				if e, err := add.Get("error"); err == nil && jsval.String(e, "name") == "ConstraintError" {
					_, _ = ev.Call("preventDefault")
				}
			},
		})
		if err != nil {
			return err
		}
		get, err = os.Call("get", name)
		return thrown(op, err)
	})
	if err != nil {
		return safejs.Undefined(), err
	}
	return get.Get("result")
}

// DeleteKey removes the value of that name, which may be absent.
func (s *Store) DeleteKey(ctx context.Context, name string) error {
	const op = "idbstore.DeleteKey"
	return s.change(ctx, op, func(os safejs.Value) error {
		_, err := os.Call("delete", name)
		return thrown(op, err)
	})
}

// change makes requests in one strict transaction on the keys and waits for its
// end. Requests that were made before an error of issue are undone.
func (s *Store) change(ctx context.Context, op string, issue func(os safejs.Value) error) error {
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.calls.Done()
	os, err := s.begin(op, keyStore, "readwrite", storage.Strict)
	if err != nil {
		return err
	}
	tx, err := os.Get("transaction")
	if err != nil {
		return jsval.Error(op, errs.StorageUnavailable, err)
	}
	done := make(chan error, 1)
	if err := onEnd(op, tx, func(err error) { done <- err }); err != nil {
		return err
	}
	if err := issue(os); err != nil {
		_, _ = tx.Call("abort")
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return jsval.ContextError(ctx, op)
	}
}
