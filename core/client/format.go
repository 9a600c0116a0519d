package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// formatVersion is the layout of a profile's storage. Version 1: "v" this
// number; "k/" the keyring; "h/", "b/" feed headers and blocks (package feed);
// "s/" snapshots (snapshot.go); "q/" damaged records, moved aside under their old
// key; "i/" spaces that are being imported (import.go). Version 2, which a profile
// has from its first repack on: "r/" repacks, in whose places there are no blocks.
// Version 4, which it has once it had a passphrase or a passkey: "k/l/" keyslots, and
// roots of the keyring that are locked. No version is one bit from another.
const (
	formatVersion = 4
	lockedFormat  = 4
	repackFormat  = 2
	firstFormat   = 1 // of a new profile
)

var formatKey = []byte("v")

// checkFormat refuses a profile that a newer version wrote and marks a new one.
func checkFormat(ctx context.Context, st storage.Store) error {
	const op = "client.open"
	b, err := st.Get(ctx, formatKey)
	if errs.Is(err, errs.NotFound) {
		var batch storage.Batch
		batch.Put(formatKey, wire.AppendUint(nil, firstFormat))
		return st.Apply(ctx, &batch, storage.Strict)
	}
	if err != nil {
		return err
	}
	r := wire.NewReader(b)
	v := r.Uint(1 << 32)
	if err := r.Done(op); err != nil {
		return errs.New(op, errs.StorageCorrupt, "the format record of the profile is damaged: %w", err)
	}
	if v == 0 || v == 3 {
		return errs.New(op, errs.StorageCorrupt, "the format record of the profile is damaged: no version has the number %d", v)
	}
	if v > formatVersion {
		return errs.New(op, errs.VersionUnsupported, "the profile has format %d and this Echospace reads up to %d; load the newer version", v, formatVersion)
	}
	return nil
}

// holdsRepacks marks a profile, in the batch that stores a repack, as one that
// versions which do not read them must not touch. Should another tab have locked the
// profile just now, they refuse the form of its roots instead of the number.
func (s *session) holdsRepacks(b *storage.Batch) {
	format := uint64(repackFormat)
	if k := s.keyring.Keyslots(); k.Passphrase || len(k.Passkeys) > 0 {
		format = lockedFormat
	}
	b.Put(formatKey, wire.AppendUint(nil, format))
}

// holdsLocks marks a profile likewise in the batch that locks it.
func holdsLocks(b *storage.Batch) { b.Put(formatKey, wire.AppendUint(nil, lockedFormat)) }
