package objectdb

import (
	"sort"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// A step is kept in storage in the form of a block's payload (feed.Pack), of
//
//	[2 or 3, redo bool, time, message nil|str, blocks bin, [further...], containers bin, [parent...], [key str...],
//	 sources bin, [list index...], [record...], [replacement...]]
//	record = [kind, container, key, before, index, after, index, value nil|bin, left, right, place, run, child]
//	replacement = [text, gone, index, by, index, count]
//
// The tables are of blocks, of 16-byte ids of containers with the place of their
// parent in the table plus 1, or 0, and of items with their 8-byte source, the place
// of their list, and their index. Blocks of one feed that follow each other are
// named by the last of them, in 72 bytes (feed, number, hash), and how many further
// ones there are. before, after, gone and by are places of blocks; these, left,
// right and child are one more, or 0 for none. key is 0 for none, 2k+1 for key k and
// 2i+2 for item i. A value of nil is the container left. What a step took away of a
// text that it had inserted itself in the same block is never put back: the value
// has zeros for it.
//
// Version 3 is that of a step with records of marks. Version 1 was not packed, had no
// zeros, and named every block by itself, without further.
const (
	undoVersion       = 2
	undoVersionPlain  = 1
	undoVersionFormat = 3
	blockSize         = 2*id.HashSize + 8
	// minOwn is from how many bytes on it is looked at what a step took away itself.
	minOwn = 32
)

// UndoRecord is one step as it is to be stored under its number; one without bytes
// is to be removed.
type UndoRecord struct {
	Serial uint64
	Bytes  []byte
}

// WrittenBurst says which block a burst is about to be stored as.
type WrittenBurst struct {
	Burst *Burst
	Ref   feed.Ref
}

// HasUndoRecords reports whether CutUndo may have something to give.
func (db *DB) HasUndoRecords() bool { return db.UndoRecords() > 0 }

// UndoRecords is how many steps CutUndo may have to give.
func (db *DB) UndoRecords() int {
	u := &db.undo
	n := len(u.dropped)
	for _, stack := range [2][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			if s.dirty {
				n++
			}
		}
	}
	return n
}

// minPacked is up to what size a step is stored as it is: it makes room for another
// before long, and deflate takes longer than everything else about it.
const minPacked = 512

// minRecord is what a record of a step takes at least.
const minRecord = 14

// CutUndo gives what of the undo stack has changed since it was called last: to be
// stored with the blocks of written, or after them. Steps that have edits in other
// bursts come with these. A step of more than 1 MiB is not stored.
func (db *DB) CutUndo(written ...WrittenBurst) (out []UndoRecord) {
	u := &db.undo
	for _, serial := range u.dropped {
		out = append(out, UndoRecord{Serial: serial})
	}
	u.dropped = nil
	for redo, stack := range [2][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			if !s.dirty {
				continue
			}
			var b []byte
			fits, ok := minRecord*len(s.records) <= maxUndo, true
			if fits {
				b, ok = db.encodeStep(s, redo == 1, written)
			}
			if !ok {
				continue
			}
			s.dirty = false
			switch {
			case fits && len(b) <= minPacked:
				b = feed.PackRaw(b)
			case fits && len(b) <= maxUndo:
				b = feed.Pack(b)
			case s.stored:
				b = nil
			default:
				continue
			}
			s.stored = b != nil
			out = append(out, UndoRecord{s.serial, b})
		}
	}
	return out
}

// DeferUndo has load called, which calls RestoreUndo, when the stack is first
// needed: a big step takes longer to read than a space to open.
func (db *DB) DeferUndo(load func()) { db.undo.load = load }

func (db *DB) loadUndo() {
	if load := db.undo.load; load != nil {
		db.undo.load = nil
		load()
	}
}

// RestoreUndo takes up the steps that CutUndo gave to a database of the same
// profile, once the blocks that they are about are applied and before there are
// any others. It gives the numbers of those that do not read, or are about what is
// not here; CutUndo has them removed.
func (db *DB) RestoreUndo(records []UndoRecord) (bad []uint64) {
	u := &db.undo
	sort.Slice(records, func(i, j int) bool { return records[i].Serial < records[j].Serial })
	for _, r := range records {
		u.serial = max(u.serial, r.Serial)
		s, redo, err := db.readStep(r.Bytes)
		if err != nil {
			bad = append(bad, r.Serial)
			u.dropped = append(u.dropped, r.Serial)
			continue
		}
		s.serial, s.stored = r.Serial, true
		if redo {
			u.redo = append(u.redo, s)
		} else {
			u.undo = append(u.undo, s)
		}
		u.version++
	}
	return bad
}
