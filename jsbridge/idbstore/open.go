//go:build js

package idbstore

import (
	"context"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// Version is the version of the database's layout. A database of a newer one is
// refused, an older one is migrated when it is opened.
const Version = 1

// blockedGrace is how long Open and DeleteDatabase wait for other tabs to close
// their connections once the browser says that they block. Tabs of this version
// close theirs by themselves, as soon as their transactions ended.
const blockedGrace = 5 * time.Second

// Options configure a Store. The zero value is the default.
type Options struct {
	// Lost is called once, on the event loop, when the connection is gone for a
	// reason outside: another tab upgrades the database
	// (errs.VersionUnsupported), or it was deleted or cleared
	// (errs.StorageUnavailable). It must not block. Close is still due.
	Lost func(err error)
}

// Open opens the database of that name and makes it if it is absent. It fails
// with errs.StorageUnavailable where IndexedDB is missing, forbidden, failing
// or blocked by another tab, with errs.VersionUnsupported if a newer version
// wrote the database, and with errs.StorageFull if there is no room to make it.
func Open(ctx context.Context, name string, o Options) (*Store, error) {
	const op = "idbstore.Open"
	if name == "" {
		return nil, errs.New(op, errs.InvalidArgument, "the name of the database is empty")
	}
	s := &Store{name: name, lost: o.Lost}
	idb, err := s.globals(op)
	if err != nil {
		return nil, err
	}
	req, err := idb.Call("open", name, Version)
	if err != nil {
		return nil, jsval.Error(op, errs.StorageUnavailable, err)
	}
	closeLate := func() { // the connection came after the caller had gone
		if db, err := req.Get("result"); err == nil {
			_, _ = db.Call("close")
		}
	}
	if err := awaitOpen(ctx, op, req, migrate, closeLate); err != nil {
		return nil, err
	}
	if s.db, err = req.Get("result"); err != nil {
		return nil, jsval.Error(op, errs.StorageUnavailable, err)
	}
	s.unlisten, err = jsval.ListenAll(s.db, map[string]func(safejs.Value){
		"versionchange": func(ev safejs.Value) {
			if v, err := ev.Get("newVersion"); err == nil && v.IsNull() {
				s.fail(errs.StorageUnavailable, "is being deleted by another page")
				return
			}
			s.fail(errs.VersionUnsupported, "is being upgraded by a newer version in another page; reload this one")
		},
		"close": func(safejs.Value) {
			s.fail(errs.StorageUnavailable, "was closed by the browser, as when the site's data is cleared")
		},
	})
	if err == nil {
		if err = s.renewLog(ctx); errs.Is(err, errs.StorageFull) {
			err = nil
		}
	}
	if err != nil {
		_, _ = s.db.Call("close") // the error says more
		return nil, err
	}
	return s, nil
}

// globals finds what the store needs of the page.
func (s *Store) globals(op string) (idb safejs.Value, err error) {
	var ok [3]bool
	idb, ok[0] = jsval.Global("indexedDB")
	s.keyRange, ok[1] = jsval.Global("IDBKeyRange")
	s.uint8Array, ok[2] = jsval.Global("Uint8Array")
	if ok != [3]bool{true, true, true} {
		return idb, errs.New(op, errs.StorageUnavailable,
			"IndexedDB is not available here; private mode, a sandboxed frame or a setting may forbid it")
	}
	// Engines that have getAllRecords also take {query, count, direction} in
	// getAll and getAllKeys; others would take that object for a key.
	_, s.reverse = jsval.Global("IDBObjectStore", "prototype", "getAllRecords")
	return idb, nil
}

// migrate brings a database from an older version to this one, inside the
// upgrade transaction of req. Version 0 is a new database.
func migrate(req safejs.Value, oldVersion int) error {
	db, err := req.Get("result")
	if err != nil {
		return err
	}
	if oldVersion < 1 {
		for _, name := range []string{kvStore, keyStore} {
			if _, err := db.Call("createObjectStore", name); err != nil {
				return err
			}
		}
	}
	return nil
}

// awaitOpen waits for an open or delete request. late is called on the event
// loop if the request succeeds after awaitOpen returned an error.
func awaitOpen(ctx context.Context, op string, req safejs.Value, upgrade func(req safejs.Value, old int) error, late func()) error {
	done := make(chan error, 1)
	blocked := make(chan struct{}, 1)
	var upgradeErr error
	abandoned := false // only touched on the one thread, between events
	release, err := jsval.ListenAll(req, map[string]func(safejs.Value){
		"blocked": func(safejs.Value) { blocked <- struct{}{} },
		"upgradeneeded": func(ev safejs.Value) {
			if upgradeErr = upgrade(req, jsval.Int(ev, "oldVersion")); upgradeErr != nil {
				if tx, err := req.Get("transaction"); err == nil {
					_, _ = tx.Call("abort") // the error event follows
				}
			}
		},
	})
	if err != nil {
		return err
	}
	err = onResult(op, req, func(err error) {
		release()
		if upgradeErr != nil {
			err = jsval.Error(op, errs.StorageUnavailable, upgradeErr)
		}
		if abandoned && err == nil {
			late()
			return
		}
		done <- err
	})
	if err != nil {
		release()
		return err
	}
	var grace <-chan time.Time
	for {
		select {
		case err := <-done:
			return err
		case <-blocked:
			timer := time.NewTimer(blockedGrace)
			defer timer.Stop()
			grace = timer.C
		case <-grace:
			abandoned = true
			return errs.New(op, errs.StorageUnavailable, "another page holds the database and does not close it; close that page")
		case <-ctx.Done():
			abandoned = true
			return jsval.ContextError(ctx, op)
		}
	}
}

// DeleteDatabase removes the database of that name with all its records and
// keys; an absent one is fine. Stores of other tabs lose their connection. Close
// the own Store before. It fails with errs.StorageUnavailable if another page
// does not let go.
func DeleteDatabase(ctx context.Context, name string) error {
	const op = "idbstore.DeleteDatabase"
	idb, ok := jsval.Global("indexedDB")
	if !ok {
		return errs.New(op, errs.StorageUnavailable, "IndexedDB is not available here")
	}
	req, err := idb.Call("deleteDatabase", name)
	if err != nil {
		return jsval.Error(op, errs.StorageUnavailable, err)
	}
	none := func(safejs.Value, int) error { return nil }
	return awaitOpen(ctx, op, req, none, func() {})
}
