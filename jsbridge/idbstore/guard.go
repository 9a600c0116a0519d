//go:build js

package idbstore

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/storage"
)

// This file keeps Chromium from losing a whole database. Its IndexedDB is a
// LevelDB that goes on with the log that it finds, even if that ends in the
// middle of a record because the browser was killed while it wrote. What is
// written behind such an end reads as damage the next time, and a damaged
// database is deleted (google/leveldb issue 1287; measured with SIGKILL while
// two tabs write without a pause: the third start found nothing).
//
// So a Store leaves a mark while it writes, and takes it away when it has not
// written for a while. Who opens a database with such a mark on it writes, before
// anything that matters, more than a log holds: LevelDB then begins another log
// and drops the old one.

const (
	// idleAfter is how long after the last write the mark is taken away.
	idleAfter = time.Second
	// A LevelDB log of Chromium's is given up at 4 MiB. Values over 64 KiB would
	// go to files of their own, and what compresses would be less.
	fillerCount = 176
	fillerSize  = 32 << 10

	markPrefix   = "writing/"
	fillerPrefix = "filler/"
)

// guard is the mark of one Store. It is touched only on the one thread, between
// events.
type guard struct {
	mark    string
	set     bool
	touched time.Time
	timer   *time.Timer
}

// scope gives the object stores of the next transaction of writes, which sets
// the mark if it is not set.
func (s *Store) scope() any {
	if s.guard.set {
		return kvStore
	}
	return []any{kvStore, keyStore}
}

// setMark sets the mark in a transaction that scope was for, and tells whether
// it did.
func (s *Store) setMark(tx safejs.Value) (sets bool, err error) {
	if s.guard.set {
		return false, nil
	}
	if s.guard.mark == "" {
		var name [8]byte
		_, _ = rand.Read(name[:]) // never fails
		s.guard.mark = markPrefix + hex.EncodeToString(name[:])
	}
	os, err := tx.Call("objectStore", keyStore)
	if err == nil {
		_, err = os.Call("put", true, s.guard.mark)
	}
	s.guard.set = err == nil
	return err == nil, err
}

// wrote notes the end of a transaction of writes.
func (s *Store) wrote() {
	s.guard.touched = time.Now()
	if s.guard.timer == nil {
		s.guard.timer = time.AfterFunc(idleAfter, s.rest)
	}
}

// rest takes the mark away if nothing was written for a while.
func (s *Store) rest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.failed != nil {
		return
	}
	if wait := idleAfter - time.Since(s.guard.touched); wait > 0 || s.queue.busy {
		s.guard.timer.Reset(max(wait, idleAfter/10))
		return
	}
	s.guard.timer = nil
	s.clearMark()
}

// clearMark takes the mark away. Transactions that come later set it again.
func (s *Store) clearMark() {
	if !s.guard.set {
		return
	}
	os, err := s.begin("idbstore", keyStore, "readwrite", storage.Relaxed)
	if err == nil {
		_, err = os.Call("delete", s.guard.mark)
	}
	s.guard.set = err != nil // a mark that stays costs the next start a little
}

// renewLog has LevelDB begin another log if a Store left its mark. Where there
// is no room for that, the mark stays for the next time.
func (s *Store) renewLog(ctx context.Context) error {
	const op = "idbstore.Open"
	marks, err := s.named(markPrefix)
	if err != nil {
		return err
	}
	found, err := s.read(ctx, op, keyStore, func(os safejs.Value) (safejs.Value, error) { return os.Call("count", marks) })
	if err != nil {
		return err
	}
	if n, err := found.Int(); err != nil || n == 0 {
		return err
	}
	if err := s.change(ctx, op, func(os safejs.Value) error {
		filler := make([]byte, fillerSize)
		for i := range fillerCount {
			_, _ = rand.Read(filler)
			v, err := s.bytes(filler)
			if err != nil {
				return err
			}
			if _, err := os.Call("put", v, fillerPrefix+string(rune('0'+i))); err != nil {
				return thrown(op, err)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	return s.change(ctx, op, func(os safejs.Value) error {
		fillers, err := s.named(fillerPrefix)
		if err == nil {
			_, err = os.Call("delete", fillers)
		}
		if err == nil {
			_, err = os.Call("delete", marks)
		}
		return err
	})
}

// named is the range of the names in keyStore that begin with prefix.
func (s *Store) named(prefix string) (safejs.Value, error) {
	return s.keyRange.Call("bound", prefix, prefix+"\uffff")
}
