//go:build !js

package pebblestore

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		dir := t.TempDir()
		return func() (storage.Store, error) { return Open(dir, Options{}) }
	})
}

func open(t *testing.T, fs vfs.FS) *Store {
	t.Helper()
	s, err := Open("db", Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func put(t *testing.T, s *Store, key string, size int, d storage.Durability) error {
	t.Helper()
	b := new(storage.Batch)
	b.Put([]byte(key), make([]byte, size))
	return s.Apply(t.Context(), b, d)
}

// TestPowerCut: a strict write and all before it survive the loss of what was
// not synced, over the change from one log file to the next.
func TestPowerCut(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := open(t, fs)
	for i := range 5 {
		if err := put(t, s, fmt.Sprintf("relaxed/%d", i), 10, storage.Relaxed); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.db.Flush(); err != nil { // begins a new log
		t.Fatal(err)
	}
	for _, d := range []storage.Durability{storage.Relaxed, storage.Strict} {
		if err := put(t, s, fmt.Sprintf("later/%d", d), 10, d); err != nil {
			t.Fatal(err)
		}
	}
	after := open(t, fs.CrashClone(vfs.CrashCloneCfg{})) // keeps only what was synced
	page, err := after.Scan(t.Context(), storage.Range{}, 0)
	if err != nil || len(page) != 7 {
		t.Fatalf("%d records after the power cut, want 7; %v", len(page), err)
	}
}

// TestRelaxedReachesTheSystem: the process may die right after a relaxed Apply.
func TestRelaxedReachesTheSystem(t *testing.T) {
	fs := &countingFS{FS: vfs.NewMem()}
	s := open(t, fs)
	before, syncs := fs.written.Load(), fs.syncs.Load()
	if err := put(t, s, "a", 100, storage.Relaxed); err != nil {
		t.Fatal(err)
	}
	if n := fs.written.Load() - before; n < 100 {
		t.Errorf("%d bytes reached the file system, want at least 100", n)
	}
	if n := fs.syncs.Load() - syncs; n != 0 {
		t.Errorf("%d syncs for a relaxed Apply", n)
	}
	if err := put(t, s, "b", 100, storage.Strict); err != nil {
		t.Fatal(err)
	}
	if n := fs.syncs.Load() - syncs; n == 0 {
		t.Error("no sync for a strict Apply")
	}
}

func TestStore_T03_full(t *testing.T) {
	fs := &countingFS{FS: vfs.NewMem()}
	s := open(t, fs)
	if err := put(t, s, "a", 10, storage.Relaxed); err != nil {
		t.Fatal(err)
	}
	fs.full.Store(true)
	for i := range 2 {
		if err := put(t, s, "b", 10, storage.Strict); !errs.Is(err, errs.StorageFull) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("Apply %d on a full disk: %v", i, err)
		}
	}
	fs.full.Store(false)
	_ = s.Close() // may complain about the log that failed
	s = open(t, fs)
	if _, err := s.Get(t.Context(), []byte("a")); err != nil {
		t.Fatalf("what was acknowledged: %v", err)
	}
	if err := put(t, s, "b", 10, storage.Strict); err != nil {
		t.Fatalf("Apply when there is room again: %v", err)
	}
}

func TestOpen_refuses(t *testing.T) {
	t.Run("a directory in use", func(t *testing.T) {
		fs := vfs.NewMem()
		open(t, fs)
		if _, err := Open("db", Options{FS: fs}); !errs.Is(err, errs.StorageUnavailable) {
			t.Fatalf("second Open: %v", err)
		}
	})
	t.Run("T05 a newer format", func(t *testing.T) {
		fs := vfs.NewMem()
		s := open(t, fs)
		if err := s.db.Set(formatKey, []byte{format + 1}, pebble.Sync); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if _, err := Open("db", Options{FS: fs}); !errs.Is(err, errs.VersionUnsupported) {
			t.Fatalf("Open: %v", err)
		}
	})
}

// countingFS counts what reaches log files, and refuses it when full.
type countingFS struct {
	vfs.FS
	written, syncs atomic.Int64
	full           atomic.Bool
}

func (fs *countingFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	if err == nil && strings.HasSuffix(name, ".log") {
		f = &countingFile{File: f, fs: fs}
	}
	return f, err
}

type countingFile struct {
	vfs.File
	fs *countingFS
}

func (f *countingFile) Write(p []byte) (int, error) {
	if f.fs.full.Load() {
		return 0, syscall.ENOSPC
	}
	f.fs.written.Add(int64(len(p)))
	return f.File.Write(p)
}

func (f *countingFile) Sync() error {
	f.fs.syncs.Add(1)
	return f.File.Sync()
}

func (f *countingFile) SyncData() error {
	f.fs.syncs.Add(1)
	return f.File.SyncData()
}
