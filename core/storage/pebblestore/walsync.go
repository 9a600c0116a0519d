//go:build !js

package pebblestore

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble knows two ways to commit: with fsync, or with a record that stays in
// the memory of the process for as long as nobody else writes. Neither is
// storage.Relaxed, which must survive the death of the process and should not
// cost an fsync. So every batch is committed with sync, which hands the record
// to the operating system, and the files of the write-ahead log leave out the
// fsync itself while nobody asks for a strict one.

// syncPolicy counts the strict calls under way.
type syncPolicy struct{ strict atomic.Int64 }

// require makes syncs real until done is called. A strict Apply spans its wait
// with it, so the sync that covers its record is a real one.
func (p *syncPolicy) require() (done func()) {
	p.strict.Add(1)
	return sync.OnceFunc(func() { p.strict.Add(-1) })
}

// walFS wraps the write-ahead log's files.
type walFS struct {
	vfs.FS
	policy *syncPolicy
}

func (fs *walFS) wrap(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil || !strings.HasSuffix(name, ".log") {
		return f, err
	}
	return &walFile{File: f, policy: fs.policy}, nil
}

// Create implements vfs.FS.
func (fs *walFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.Create(name, c)
	return fs.wrap(name, f, err)
}

// ReuseForWrite implements vfs.FS.
func (fs *walFS) ReuseForWrite(old, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := fs.FS.ReuseForWrite(old, name, c)
	return fs.wrap(name, f, err)
}

// Unwrap gives Pebble the file system below.
func (fs *walFS) Unwrap() vfs.FS { return fs.FS }

type walFile struct {
	vfs.File
	policy *syncPolicy
	owed   atomic.Bool // a sync was left out since the last real one
}

func (f *walFile) sync(do func() error) error {
	if f.policy.strict.Load() == 0 {
		f.owed.Store(true)
		return nil
	}
	f.owed.Store(false)
	return do()
}

// Sync implements vfs.File.
func (f *walFile) Sync() error { return f.sync(f.File.Sync) }

// SyncData implements vfs.File.
func (f *walFile) SyncData() error { return f.sync(f.File.SyncData) }

// Close pays what is owed first: a later log may hold a strict record, and no
// earlier one may be lost when that one lasts.
func (f *walFile) Close() error {
	if f.owed.Load() {
		if err := f.File.Sync(); err != nil {
			_ = f.File.Close() // the sync's error says more
			return err
		}
	}
	return f.File.Close()
}
