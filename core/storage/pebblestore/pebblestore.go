//go:build !js

package pebblestore

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// The first byte of a key in Pebble says whose it is. So a range of the user
// without an end has one here, which Pebble's range deletion needs.
const (
	spaceMeta = 0x00 // records of this package
	spaceUser = 0x01
)

// format is the version of the layout above; a higher one is refused.
const format = 1

var formatKey = []byte{spaceMeta, 'f'}

// Store implements storage.Store on a Pebble database.
type Store struct {
	db   *pebble.DB
	sync *syncPolicy

	mu     sync.RWMutex // held for reading during a call, so that Close waits
	closed bool

	commit sync.Mutex // one batch enters the log at a time; waiting for fsync is outside
	health health
}

var _ storage.Store = (*Store)(nil)

// Open opens or makes the database in directory dir. A directory that another
// process holds is an errs.StorageUnavailable, a damaged one an
// errs.StorageCorrupt, one of a newer version an errs.VersionUnsupported.
func Open(dir string, o Options) (*Store, error) {
	const op = "pebblestore.Open"
	s := &Store{sync: new(syncPolicy)}
	db, err := pebble.Open(dir, o.pebble(s))
	if err != nil {
		return nil, errs.New(op, kindOf(err), "cannot open the database in %q: %w", dir, err)
	}
	s.db = db
	if err := s.checkFormat(op); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return s, nil
}

func (s *Store) checkFormat(op string) error {
	v, closer, err := s.db.Get(formatKey)
	if errors.Is(err, pebble.ErrNotFound) {
		return errs.Wrap(op, errs.StorageUnavailable, s.db.Set(formatKey, []byte{format}, pebble.Sync))
	}
	if err != nil {
		return errs.Wrap(op, kindOf(err), err)
	}
	defer closer.Close()
	if len(v) != 1 {
		return errs.New(op, errs.StorageCorrupt, "the format record has %d bytes, want 1", len(v))
	}
	if v[0] != format {
		return errs.New(op, errs.VersionUnsupported, "the database has format %d, this version reads %d", v[0], format)
	}
	return nil
}

// enter begins a call; leave it with s.mu.RUnlock when the error is nil.
func (s *Store) enter(ctx context.Context, op string) error {
	s.mu.RLock()
	err := contextError(ctx, op)
	switch {
	case s.closed:
		err = errs.New(op, errs.Closed, "the store is closed")
	case err == nil:
		err = s.health.check(op)
	}
	if err != nil {
		s.mu.RUnlock()
	}
	return err
}

// contextError is nil while ctx is not done, and wraps its error after that.
func contextError(ctx context.Context, op string) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return errs.Wrap(op, errs.Timeout, err)
	}
	return errs.Wrap(op, errs.Cancelled, err)
}

// Get implements storage.Store.
func (s *Store) Get(ctx context.Context, key []byte) ([]byte, error) {
	const op = "pebblestore.Get"
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	v, closer, err := s.db.Get(userKey(key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, errs.New(op, errs.NotFound, "no value under key %x", key)
	}
	if err != nil {
		return nil, errs.Wrap(op, kindOf(err), err)
	}
	value := append([]byte{}, v...)
	return value, errs.Wrap(op, errs.StorageUnavailable, closer.Close())
}

// Scan implements storage.Store.
func (s *Store) Scan(ctx context.Context, r storage.Range, limit int) ([]storage.Entry, error) {
	const op = "pebblestore.Scan"
	if limit < 0 {
		return nil, errs.New(op, errs.InvalidArgument, "limit %d is negative; 0 means none", limit)
	}
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	lower, upper, ok := bounds(r)
	if !ok {
		return nil, nil
	}
	it, err := s.db.NewIterWithContext(ctx, &pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, errs.Wrap(op, kindOf(err), err)
	}
	first, next := it.First, it.Next
	if r.Reverse {
		first, next = it.Last, it.Prev
	}
	var page []storage.Entry
	for ok := first(); ok && (limit == 0 || len(page) < limit); ok = next() {
		page = append(page, storage.Entry{
			Key:   append([]byte{}, it.Key()[1:]...),
			Value: append([]byte{}, it.Value()...),
		})
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return nil, errs.Wrap(op, kindOf(err), err)
	}
	return page, nil
}

// Apply implements storage.Store.
func (s *Store) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	const op = "pebblestore.Apply"
	if b == nil {
		return errs.New(op, errs.InvalidArgument, "the batch is nil")
	}
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	if s.health.full.Load() {
		return errs.New(op, errs.StorageFull, "no room on the disk for a batch of %d bytes", b.Size())
	}
	pb := s.db.NewBatch()
	defer pb.Close()
	if err := fill(pb, b); err != nil {
		return errs.Wrap(op, kindOf(err), err)
	}
	if d == storage.Strict {
		defer s.sync.require()()
	}
	s.commit.Lock()
	err := s.db.ApplyNoSyncWait(pb, pebble.Sync)
	s.commit.Unlock()
	// Pebble reports some failures of the log by Logger.Fatalf alone, and then
	// SyncWait would wait for ever.
	if failed := s.health.check(op); failed != nil {
		return failed
	}
	if err == nil {
		err = pb.SyncWait()
	}
	if err != nil {
		s.health.fail(err)
		return errs.Wrap(op, kindOf(err), err)
	}
	return nil
}

// fill translates the changes, in order.
func fill(pb *pebble.Batch, b *storage.Batch) error {
	for _, c := range b.Changes {
		var err error
		switch {
		case c.DeleteRange:
			if lower, upper, ok := bounds(c.Range); ok {
				err = pb.DeleteRange(lower, upper, nil)
			}
		case c.Delete:
			err = pb.Delete(userKey(c.Key), nil)
		default:
			err = pb.Set(userKey(c.Key), c.Value, nil)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close implements storage.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return errs.Wrap("pebblestore.Close", errs.StorageUnavailable, s.db.Close())
}

func userKey(key []byte) []byte {
	return append(append(make([]byte, 0, 1+len(key)), spaceUser), key...)
}

// bounds gives r's bounds in Pebble; ok is false when it holds no key.
func bounds(r storage.Range) (lower, upper []byte, ok bool) {
	if r.End == nil {
		return userKey(r.Start), []byte{spaceUser + 1}, true
	}
	return userKey(r.Start), userKey(r.End), string(r.Start) < string(r.End)
}

// kindOf classifies an error of Pebble or of the file system.
func kindOf(err error) errs.Kind {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return errs.StorageFull
	case errors.Is(err, context.Canceled):
		return errs.Cancelled
	case errors.Is(err, context.DeadlineExceeded):
		return errs.Timeout
	case pebble.IsCorruptionError(err):
		return errs.StorageCorrupt
	default:
		return errs.StorageUnavailable
	}
}

// health is what background work of Pebble found out.
type health struct {
	full   atomic.Bool // the last flush found no room; the next one that finds some clears it
	failed atomic.Pointer[error]
}

// fail makes the store refuse everything from now on. The first error stays.
func (h *health) fail(err error) { h.failed.CompareAndSwap(nil, &err) }

func (h *health) check(op string) error {
	if p := h.failed.Load(); p != nil {
		return errs.New(op, kindOf(*p), "the log failed before, open the store again: %w", *p)
	}
	return nil
}
