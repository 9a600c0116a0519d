package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// The keyring holds of each space its record, which an engine stores whenever it has new
// keys, and beside it by which join the identity is in it: an engine that has not heard of
// a later join writes the one, and cannot take back the other.

// putRecord adds the record of a space, and by which join it is, to a batch.
func (s *session) putRecord(b *storage.Batch, rec space.Record) {
	s.keyring.Put(b, spaceRecords+rec.Key.String(), rec.Encode())
	s.putJoined(b, rec.Key, rec.Joined)
}

func (s *session) putJoined(b *storage.Batch, key id.SpaceKey, joined uint64) {
	if joined > 0 {
		s.keyring.Put(b, joinRecords+key.String(), wire.AppendUint(nil, joined))
	}
}

// storedRecord gives the record of a space in the keyring.
func (s *session) storedRecord(ctx context.Context, key id.SpaceKey) (rec space.Record, err error) {
	b, err := s.keyring.Get(ctx, spaceRecords+key.String())
	if err != nil {
		return rec, err
	}
	defer clear(b)
	if rec, err = space.DecodeRecord(b); err != nil {
		return rec, err
	}
	if b, err = s.keyring.Get(ctx, joinRecords+key.String()); err == nil {
		err = readJoined(&rec, b)
	} else if errs.Is(err, errs.NotFound) {
		err = nil
	}
	return rec, err
}

// readJoined takes up by which join a record is: the later of the two that are stored.
func readJoined(rec *space.Record, b []byte) error {
	r := wire.NewReader(b)
	rec.Joined = max(rec.Joined, r.Uint(space.MaxJoined))
	return r.Done("client.open")
}

// raiseJoined has a space be here by a later join than it was entered by, of which the HALO
// tells: a removal of the earlier one is not of this.
func (s *session) raiseJoined(ctx context.Context, sp *Space, joined uint64) error {
	release, err := s.lockTabs(ctx, sp.record, false)
	if err != nil {
		return err
	}
	defer release()
	rec, err := s.storedRecord(ctx, sp.key)
	if errs.Is(err, errs.NotFound) {
		return nil // another tab has just removed it
	}
	if err != nil {
		return err
	}
	if rec.Joined < joined {
		var b storage.Batch
		s.putJoined(&b, sp.key, joined)
		if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
			return err
		}
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.core.RaiseJoined(joined)
	return nil
}
