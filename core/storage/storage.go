package storage

import (
	"context"
	"slices"
)

// Store is safe for concurrent use. Every method fails with errs.Closed after
// Close, errs.StorageUnavailable when the medium fails, and ctx's error when it
// is done; a write whose ctx ended may or may not have happened.
type Store interface {
	// Get gives the value of key; the caller owns the bytes. An absent key is
	// an errs.NotFound.
	Get(ctx context.Context, key []byte) ([]byte, error)
	// Scan gives one page of at most limit entries of r in r's order; limit 0
	// means no limit. The caller owns the entries. No cursor outlives the
	// call: to go on, scan again from after the last key. An empty page means
	// that there are no more.
	Scan(ctx context.Context, r Range, limit int) ([]Entry, error)
	// Apply makes all changes of the batch or none. Later changes of one key
	// win over earlier ones. Nil means that the transaction completed; after
	// that every Get and Scan sees it. A full medium is errs.StorageFull, and
	// leaves what was there. b must not change during the call, and may be
	// reused after it.
	Apply(ctx context.Context, b *Batch, d Durability) error
	// Close waits for calls under way and is idempotent.
	Close() error
}

// Durability says when Apply may return.
type Durability uint8

const (
	// Relaxed: once the transaction completed; a power cut may undo it, the
	// death of the process may not.
	Relaxed Durability = iota
	// Strict: once the medium was told to make it last (fsync).
	Strict
)

// Entry is one key and its value.
type Entry struct{ Key, Value []byte }

// Range is the keys k with Start <= k < End, as byte strings. A nil End is no
// upper bound.
type Range struct {
	Start, End []byte
	// Reverse gives the highest key first.
	Reverse bool
}

// Prefix is the range of the keys that begin with p.
func Prefix(p []byte) Range {
	end := slices.Clone(p)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i] != 0xff {
			end[i]++
			return Range{Start: slices.Clone(p), End: end[:i+1]}
		}
	}
	return Range{Start: slices.Clone(p)}
}

// Contains reports whether key is in the range.
func (r Range) Contains(key []byte) bool {
	return string(key) >= string(r.Start) && (r.End == nil || string(key) < string(r.End))
}

// After is the part of r that follows key in r's order.
func (r Range) After(key []byte) Range {
	if r.Reverse {
		r.End = slices.Clone(key)
		return r
	}
	r.Start = append(slices.Clone(key), 0)
	return r
}

// Change is one step of a Batch.
type Change struct {
	Key []byte
	// Value is what Key gets, or with Delete unused.
	Value  []byte
	Delete bool
	// DeleteRange deletes every key of Range; Key is unused then.
	DeleteRange bool
	Range       Range
}

// Batch is a list of changes in order. The zero value is empty and ready.
type Batch struct {
	Changes []Change
	size    int
}

// Put sets key to value. The batch keeps both slices.
func (b *Batch) Put(key, value []byte) {
	b.Changes = append(b.Changes, Change{Key: key, Value: value})
	b.size += len(key) + len(value)
}

// Delete removes key, which may be absent. The batch keeps the slice.
func (b *Batch) Delete(key []byte) {
	b.Changes = append(b.Changes, Change{Key: key, Delete: true})
	b.size += len(key)
}

// DeleteRange removes every key of r that is there when the batch is applied,
// those included that earlier changes of the batch set.
func (b *Batch) DeleteRange(r Range) {
	b.Changes = append(b.Changes, Change{DeleteRange: true, Range: r})
	b.size += len(r.Start) + len(r.End)
}

// Append adds the changes of other after those of b.
func (b *Batch) Append(other *Batch) {
	b.Changes = append(b.Changes, other.Changes...)
	b.size += other.size
}

// Len is the number of changes.
func (b *Batch) Len() int { return len(b.Changes) }

// Size is the number of bytes of keys and values.
func (b *Batch) Size() int { return b.size }

// Reset empties the batch and keeps its memory.
func (b *Batch) Reset() { b.Changes, b.size = b.Changes[:0], 0 }
