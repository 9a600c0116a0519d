package memstore

import (
	"context"
	"slices"
	"sync"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// FaultStore is a Store on a Disk that fails on request. Its faults belong to
// the one that holds it; other Stores on the Disk have none. It is safe for
// concurrent use.
type FaultStore struct {
	store *Store

	mu      sync.Mutex
	full    bool
	failure error
	undo    []*storage.Batch // per relaxed batch since the last strict one
}

var _ storage.Store = (*FaultStore)(nil)

// NewFaultStore opens a FaultStore without faults on d.
func NewFaultStore(d *Disk) *FaultStore { return &FaultStore{store: d.Open()} }

// SetFull makes every Apply that puts something fail with errs.StorageFull
// until it is called with false. Batches of deletions succeed: they make room.
func (f *FaultStore) SetFull(full bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.full = full
}

// SetFailure makes every call but Close fail with errs.StorageUnavailable
// wrapping err, until it is called with nil.
func (f *FaultStore) SetFailure(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failure = err
}

// Corrupt replaces the value of key by what damage makes of it; nil from damage
// removes the record. It fails with errs.NotFound if there is none. The change
// itself is not one that Reopen undoes.
func (f *FaultStore) Corrupt(key []byte, damage func(value []byte) []byte) error {
	d := f.store.disk
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.values[string(key)]
	if !ok {
		return errs.New("memstore.Corrupt", errs.NotFound, "no value under key %x", key)
	}
	if v = damage(slices.Clone(v)); v == nil {
		d.delete(string(key))
		return nil
	}
	d.put(string(key), slices.Clone(v))
	return nil
}

// FlipBit is a damage for Corrupt: it inverts the lowest bit of the middle byte.
func FlipBit(value []byte) []byte {
	if len(value) > 0 {
		value[len(value)/2] ^= 1
	}
	return value
}

// Reopen does what a power cut does: it closes f, takes back at most its last k
// acknowledged batches, newest first, but none that a strict one followed or
// that was strict itself, and gives a new FaultStore without faults on the same
// Disk. lost is the number of batches taken back.
func (f *FaultStore) Reopen(k int) (reopened *FaultStore, lost int) {
	f.store.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	reopened = NewFaultStore(f.store.disk)
	for lost < k && len(f.undo) > 0 {
		last := len(f.undo) - 1
		// A store in memory without faults refuses nothing.
		_ = reopened.store.Apply(context.Background(), f.undo[last], storage.Relaxed)
		f.undo = f.undo[:last]
		lost++
	}
	return reopened, lost
}

func (f *FaultStore) fault(op string) error {
	if f.failure != nil {
		return errs.Wrap(op, errs.StorageUnavailable, f.failure)
	}
	return nil
}

// Get implements storage.Store.
func (f *FaultStore) Get(ctx context.Context, key []byte) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fault("memstore.Get"); err != nil {
		return nil, err
	}
	return f.store.Get(ctx, key)
}

// Scan implements storage.Store.
func (f *FaultStore) Scan(ctx context.Context, r storage.Range, limit int) ([]storage.Entry, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fault("memstore.Scan"); err != nil {
		return nil, err
	}
	return f.store.Scan(ctx, r, limit)
}

// Apply implements storage.Store.
func (f *FaultStore) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	const op = "memstore.Apply"
	if b == nil {
		return errs.New(op, errs.InvalidArgument, "the batch is nil")
	}
	f.mu.Lock() // the calls on the store in memory below wait for nothing
	defer f.mu.Unlock()
	if err := f.fault(op); err != nil {
		return err
	}
	puts := slices.ContainsFunc(b.Changes, func(c storage.Change) bool { return !c.Delete && !c.DeleteRange })
	if f.full && puts {
		return errs.New(op, errs.StorageFull, "no room for a batch of %d bytes", b.Size())
	}
	inverse := f.store.disk.inverse(b)
	if err := f.store.Apply(ctx, b, d); err != nil {
		return err
	}
	if d == storage.Strict {
		f.undo = nil
	} else {
		f.undo = append(f.undo, inverse)
	}
	return nil
}

// Close implements storage.Store.
func (f *FaultStore) Close() error { return f.store.Close() }

// inverse gives the batch that undoes b, made before b is applied.
func (d *Disk) inverse(b *storage.Batch) *storage.Batch {
	d.mu.RLock()
	defer d.mu.RUnlock()
	inv := new(storage.Batch)
	restore := func(key string) {
		if v, ok := d.values[key]; ok {
			inv.Put([]byte(key), v) // values are never changed in place
		} else {
			inv.Delete([]byte(key))
		}
	}
	for _, c := range b.Changes {
		if !c.DeleteRange {
			restore(string(c.Key))
			continue
		}
		lo, hi := d.bounds(c.Range)
		for _, key := range d.keys[lo:hi] {
			restore(key)
		}
	}
	return inv
}
