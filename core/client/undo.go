package client

import (
	"bytes"
	"context"
	"encoding/binary"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// undoPrefix is where the steps of the undo stacks are stored, each sealed under
// the keyring: u/ space slot serial. A stack belongs to the slot of the engine that
// did the steps, and goes to the engine that has the slot next.
const undoPrefix = "u/"

// drawnSlot is the first of the slots that are drawn at random where there are no
// locks. No engine has such a slot again, so nothing is kept for the next.
const drawnSlot = 1 << 16

func undoKeys(key id.SpaceKey, slot uint32) []byte {
	return binary.BigEndian.AppendUint32(undoKeysOf(key), slot)
}

func undoKeysOf(key id.SpaceKey) []byte { return append([]byte(undoPrefix), key[:]...) }

// Undo takes back what this engine did last in the space, as objectdb.Undo says; it
// gives whether there was something to take back. It is visible at once and stored
// soon.
//
// Errors: those of Edit; after any of them nothing has changed.
func (sp *Space) Undo() (bool, error) { return sp.revert((*objectdb.DB).Undo) }

// Redo takes the last Undo back.
func (sp *Space) Redo() (bool, error) { return sp.revert((*objectdb.DB).Redo) }

func (sp *Space) revert(f func(*objectdb.DB, int64) (bool, error)) (bool, error) {
	now := sp.s.c.ports.Env.UnixMilli()
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if err := sp.mayEdit(); err != nil {
		return false, err
	}
	ok, err := f(sp.core.DB(), now)
	sp.run.edited() // steps without effect are gone too
	return ok, err
}

// ClearUndo forgets all that can be undone and redone here. It fails with
// errs.SpaceClosed.
func (sp *Space) ClearUndo() error {
	return sp.Objects("space.clearUndo", func(db *objectdb.DB) error {
		db.ClearUndo()
		sp.run.poke()
		return nil
	})
}

// addUndo adds what of the undo stack has changed to the batch of own blocks, or to
// one of its own with nil. sp.mu is held.
func (sp *Space) addUndo(b *storage.Batch, in *space.Intake) {
	if sp.s.slot >= drawnSlot {
		return
	}
	prefix := undoKeys(sp.key, sp.s.slot)
	for _, r := range sp.core.CutUndo(in) {
		key := binary.BigEndian.AppendUint64(bytes.Clone(prefix), r.Serial)
		if r.Bytes == nil {
			b.Delete(key)
		} else {
			b.Put(key, sp.s.keyring.Seal(r.Bytes, key))
		}
	}
}

// storeUndo queues what of the undo stack is not stored yet though its blocks are.
// sp.mu is held.
func (sp *Space) storeUndo(r *runtime) {
	if sp.s.slot >= drawnSlot || !sp.core.DB().HasUndoRecords() {
		return
	}
	job := storeJob{own: true, done: func(error) {}}
	sp.addUndo(&job.batch, nil)
	if job.batch.Len() == 0 {
		return
	}
	job.refused = func(err error) { sp.storeRefused(r, err) }
	job.done = func(err error) {
		if err == nil {
			sp.mu.Lock()
			r.storeTakes()
			sp.mu.Unlock()
		}
	}
	r.store.add(job)
}

// readUndo gives the stored undo stack of this engine's slot to a space that was
// read, which opens it when it is needed. A step that does not open, or is about
// what is not here, is removed: what it tells is lost, no data.
func (s *session) readUndo(ctx context.Context, core *space.Space) error {
	prefix := undoKeys(core.Key(), s.slot)
	entries, err := s.storage.Store.Scan(ctx, storage.Prefix(prefix), 0)
	if err != nil || len(entries) == 0 {
		return err
	}
	if err := s.keyring.Refresh(ctx); err != nil {
		return err
	}
	core.DB().DeferUndo(func() {
		if bad := core.DB().RestoreUndo(s.openUndo(len(prefix), entries)); len(bad) > 0 {
			s.c.ports.Env.Log.Warn("steps of the undo stack are given up", "space", id.Short(core.Key()), "steps", len(bad), "err", errs.New("client.undo", errs.StorageCorrupt, "they are damaged, or their blocks are not here"))
		}
	})
	return nil
}

// openUndo opens stored steps, whose numbers stand behind a prefix of their keys.
func (s *session) openUndo(prefix int, entries []storage.Entry) (records []objectdb.UndoRecord) {
	for _, e := range entries {
		if len(e.Key) != prefix+8 {
			continue
		}
		b, err := s.keyring.Open(e.Value, e.Key)
		if err != nil {
			b = nil // it has no form
		}
		records = append(records, objectdb.UndoRecord{Serial: binary.BigEndian.Uint64(e.Key[prefix:]), Bytes: b})
	}
	return records
}
