package memstore

import (
	"context"
	"errors"
	"slices"
	"sort"
	"sync"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// Disk holds the entries of all Stores opened on it. It is safe for concurrent
// use.
type Disk struct {
	mu     sync.RWMutex
	keys   []string          // sorted
	values map[string][]byte // never changed in place
}

// NewDisk makes an empty Disk.
func NewDisk() *Disk { return &Disk{values: map[string][]byte{}} }

// Open gives a new Store on the disk.
func (d *Disk) Open() *Store { return &Store{disk: d} }

// New gives a Store on a Disk of its own.
func New() *Store { return NewDisk().Open() }

// Store implements storage.Store on a Disk.
type Store struct {
	disk   *Disk
	mu     sync.RWMutex // held for reading during a call, so that Close waits
	closed bool
}

var _ storage.Store = (*Store)(nil)

// enter begins a call; leave it with s.mu.RUnlock when the error is nil.
func (s *Store) enter(ctx context.Context, op string) error {
	s.mu.RLock()
	err := contextError(ctx, op)
	if s.closed {
		err = errs.New(op, errs.Closed, "the store is closed")
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
	const op = "memstore.Get"
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	v, ok := s.disk.values[string(key)]
	if !ok {
		return nil, errs.New(op, errs.NotFound, "no value under key %x", key)
	}
	return append([]byte{}, v...), nil
}

// Scan implements storage.Store.
func (s *Store) Scan(ctx context.Context, r storage.Range, limit int) ([]storage.Entry, error) {
	const op = "memstore.Scan"
	if limit < 0 {
		return nil, errs.New(op, errs.InvalidArgument, "limit %d is negative; 0 means none", limit)
	}
	if err := s.enter(ctx, op); err != nil {
		return nil, err
	}
	defer s.mu.RUnlock()
	s.disk.mu.RLock()
	defer s.disk.mu.RUnlock()
	lo, hi := s.disk.bounds(r)
	n := hi - lo
	if limit > 0 {
		n = min(n, limit)
	}
	page := make([]storage.Entry, n)
	for i := range page {
		k := lo + i
		if r.Reverse {
			k = hi - 1 - i
		}
		key := s.disk.keys[k]
		page[i] = storage.Entry{Key: []byte(key), Value: append([]byte{}, s.disk.values[key]...)}
	}
	return page, nil
}

// Apply implements storage.Store. d makes no difference in memory.
func (s *Store) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	const op = "memstore.Apply"
	if b == nil {
		return errs.New(op, errs.InvalidArgument, "the batch is nil")
	}
	if err := s.enter(ctx, op); err != nil {
		return err
	}
	defer s.mu.RUnlock()
	s.disk.mu.Lock()
	defer s.disk.mu.Unlock()
	for _, c := range b.Changes {
		switch {
		case c.DeleteRange:
			s.disk.deleteRange(c.Range)
		case c.Delete:
			s.disk.delete(string(c.Key))
		default:
			s.disk.put(string(c.Key), slices.Clone(c.Value))
		}
	}
	return nil
}

// Close implements storage.Store. The Disk keeps its entries.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	return nil
}

// bounds gives the indexes lo <= i < hi of the keys in r.
func (d *Disk) bounds(r storage.Range) (lo, hi int) {
	lo, hi = sort.SearchStrings(d.keys, string(r.Start)), len(d.keys)
	if r.End != nil {
		hi = max(lo, sort.SearchStrings(d.keys, string(r.End)))
	}
	return lo, hi
}

func (d *Disk) put(key string, value []byte) {
	if _, ok := d.values[key]; !ok {
		i := sort.SearchStrings(d.keys, key)
		d.keys = slices.Insert(d.keys, i, key)
	}
	d.values[key] = value
}

func (d *Disk) delete(key string) {
	if _, ok := d.values[key]; !ok {
		return
	}
	i := sort.SearchStrings(d.keys, key)
	d.keys = slices.Delete(d.keys, i, i+1)
	delete(d.values, key)
}

func (d *Disk) deleteRange(r storage.Range) {
	lo, hi := d.bounds(r)
	for _, key := range d.keys[lo:hi] {
		delete(d.values, key)
	}
	d.keys = slices.Delete(d.keys, lo, hi)
}
