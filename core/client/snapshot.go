package client

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// A snapshot is an image of a space (space.Image) in storage: sealed sheets of
// pages, each a record, and a record that names them, the directory, without which
// none counts. A new snapshot leaves the sheets that are the same, writes the
// others beside them, and switches directories in one transaction, which removes
// what the old one alone named. Whatever ends it before leaves the old one. Of two
// tabs that write at once the last directory stands; if its sheets went with the
// other's switch it is found wanting, and the feeds are read: the lock that they
// take saves work and holds nothing up.

// Snapshots says when snapshots are written, and blocks repacked. The zero value is the default.
type Snapshots struct {
	// Idle is how long a space must be left alone before; 0 is 3 s.
	Idle time.Duration
	// Bytes and Blocks are how much must have come since the last; 0 is 64 KiB,
	// or a sixteenth of the last if that is more, and 256 blocks.
	Bytes, Blocks int
	// Repack is how many small blocks in a row, of one feed, are made one record
	// when the space is left alone; 0 is 64, less is never.
	Repack int
}

func (o Snapshots) withDefaults() Snapshots {
	if o.Idle == 0 {
		o.Idle = 3 * time.Second
	}
	if o.Bytes == 0 {
		o.Bytes = 64 << 10
	}
	if o.Blocks == 0 {
		o.Blocks = 256
	}
	if o.Repack == 0 {
		o.Repack = 64
	}
	return o
}

const (
	directoryVersion = 1
	// maxSnapshotBatch is after how many bytes sheets are sealed and stored.
	maxSnapshotBatch = 1 << 20
	// sheetBits is how many of the last bits of their names pages of one sheet may
	// differ in. Chromium reads 30 MB in 500 ms from records of 128 KiB, and in 250
	// from records of 1 MiB.
	sheetBits = 3
)

// sheet is pages with neighbouring names, one behind the other.
type sheet struct {
	pages []sheetPage
	at    sheetKey
	sum   id.Hash // the same only if the sheet is: of the stamps of its pages, or of its bytes
}

type sheetPage struct {
	name objectdb.PageName
	size int
}

// sheetKey is the place of a sheet, and its nonce: a number that was drawn for the
// snapshot that it was written for, and its own.
type sheetKey struct {
	generation uint64
	number     uint32
}

const sheetKeySize = keys.BulkNonce

func (k sheetKey) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, k.generation), k.number)
}

func (k sheetKey) key(sp id.SpaceKey) []byte { return k.append(space.SnapshotKey(sp)) }

func (k sheetKey) nonce() (n [keys.BulkNonce]byte) {
	k.append(n[:0])
	return n
}

func readSheetKey(b []byte) sheetKey {
	if len(b) != sheetKeySize {
		return sheetKey{}
	}
	return sheetKey{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}
}

// sheetsRange are all sheets of a space.
func sheetsRange(sp id.SpaceKey) storage.Range {
	r := storage.Prefix(space.SnapshotKey(sp))
	r.Start = append(r.Start, 0)
	return r
}

// directory is the record that makes a snapshot: [version, cipher, key, generation,
// sheets, (place, sum, pages, (name, size)...)...], sealed by the keyring.
type directory struct {
	cipher     uint8       // of the sheets
	key        keys.Secret // of the sheets
	generation uint64
	sheets     []sheet
}

// has reports whether a sheet is in the directory. There are some hundred at most.
func (d *directory) has(at sheetKey) bool {
	for i := range d.sheets {
		if d.sheets[i].at == at {
			return true
		}
	}
	return false
}

func (d *directory) encode() []byte {
	var p flat.Pack
	p.Uint(directoryVersion)
	p.Uint(uint64(d.cipher))
	p.Bytes = append(p.Bytes, d.key[:]...)
	p.Bytes = binary.BigEndian.AppendUint64(p.Bytes, d.generation)
	p.Uint(uint64(len(d.sheets)))
	for i := range d.sheets {
		q := &d.sheets[i]
		p.Bytes = append(q.at.append(p.Bytes), q.sum[:]...)
		p.Uint(uint64(len(q.pages)))
		for _, page := range q.pages {
			p.Uint(uint64(page.name))
			p.Uint(uint64(page.size))
		}
	}
	return p.Bytes
}

// decodeDirectory reads what encode gave: VersionUnsupported for another version,
// StorageCorrupt for anything else.
func decodeDirectory(b []byte) (*directory, error) {
	const op = "client.snapshot"
	u := flat.NewUnpack(b)
	if v := u.Uint(1 << 16); !u.Bad() && v != directoryVersion {
		return nil, errs.New(op, errs.VersionUnsupported, "version %d of a snapshot is not %d", v, directoryVersion)
	}
	d := &directory{cipher: uint8(u.Uint(255))}
	copy(d.key[:], u.Next(len(d.key)))
	if b := u.Next(8); b != nil {
		d.generation = binary.BigEndian.Uint64(b)
	}
	d.sheets = make([]sheet, u.Count(1+sheetKeySize+id.HashSize))
	for i := range d.sheets {
		q := &d.sheets[i]
		q.at = readSheetKey(u.Next(sheetKeySize))
		copy(q.sum[:], u.Next(id.HashSize))
		q.pages = make([]sheetPage, u.Count(2))
		for k := range q.pages {
			q.pages[k] = sheetPage{objectdb.PageName(u.Uint(1<<63 - 1)), int(u.Uint(1 << 31))}
		}
	}
	if !u.Done() {
		return nil, errs.New(op, errs.StorageCorrupt, "the directory of a snapshot is not whole")
	}
	return d, nil
}

// snapshot is what is known of the snapshot in storage.
type snapshot struct {
	dir *directory // nil: none that is known to be whole
	// litter are sheets that no directory names, left by attempts that failed.
	litter []sheetKey
}

// restoreSpace makes a Space of its snapshot, which it takes in whole; nil if there
// is none that is good. Load is to follow.
func (s *session) restoreSpace(ctx context.Context, me *self, rec space.Record) (*space.Space, *snapshot, error) {
	if s.storage.Bulk == nil {
		return nil, nil, nil
	}
	core, known, err := s.takeSnapshot(ctx, me, rec)
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	if err != nil {
		s.c.ports.Env.Log.Warn("a snapshot is dropped; the feeds are read", "space", id.Short(rec.Key), "err", err)
		return nil, nil, nil
	}
	return core, known, nil
}

// takeSnapshot makes a Space of its snapshot; nil if there is none.
func (s *session) takeSnapshot(ctx context.Context, me *self, rec space.Record) (*space.Space, *snapshot, error) {
	at := space.SnapshotKey(rec.Key)
	sealed, err := s.storage.Store.Get(ctx, at)
	if errs.Is(err, errs.NotFound) {
		return nil, nil, nil // without a directory sheets count for nothing
	}
	if err != nil {
		return nil, nil, err
	}
	plain, err := s.keyring.Open(sealed, at)
	if err != nil {
		return nil, nil, err
	}
	known := &snapshot{}
	if known.dir, err = decodeDirectory(plain); err != nil {
		return nil, nil, err
	}
	pages, err := s.readSheets(ctx, rec.Key, known)
	if err != nil {
		return nil, nil, err
	}
	core := space.Open(s.c.ports.Env, me.forSpace(s.slot), rec)
	r, err := core.Restore(func(name objectdb.PageName) []byte {
		b := pages[name]
		delete(pages, name)
		return b
	})
	rest := s.rest()
	for more := true; err == nil && more; rest() {
		more, err = r.Next()
	}
	return core, known, err
}

// readSheets reads and opens every sheet that the directory names, which tells that
// each is what was written. While some are opened the next are read. It notes
// those that are not named as litter.
func (s *session) readSheets(ctx context.Context, key id.SpaceKey, known *snapshot) (map[objectdb.PageName][]byte, error) {
	const op = "client.snapshot"
	dir, bulk := known.dir, s.storage.Bulk
	if dir.cipher != bulk.Cipher() {
		return nil, errs.New(op, errs.VersionUnsupported, "the snapshot is under cipher %d, not %d", dir.cipher, bulk.Cipher())
	}
	prefix := len(space.SnapshotKey(key))
	ctx, cancel := context.WithCancel(ctx)
	parts := s.openAhead(ctx, sheetsRange(key), dir.key, func(key []byte) (nonce [keys.BulkNonce]byte, wanted bool) {
		at := readSheetKey(key[prefix:])
		return at.nonce(), dir.has(at)
	})
	defer func() {
		cancel()
		for range parts { // until its goroutine has ended
		}
	}()
	pages := map[objectdb.PageName][]byte{}
	missing := len(dir.sheets)
	for part := range parts {
		if part.err != nil {
			return nil, part.err
		}
		plain, err := part.opened()
		if err != nil {
			return nil, err
		}
		for i, name := range part.names {
			at := readSheetKey(name[prefix:])
			if !dir.has(at) {
				known.litter = append(known.litter, at)
			}
			for k := range dir.sheets { // several that are alike may be one record
				q := &dir.sheets[k]
				if q.at != at {
					continue
				}
				missing--
				if !q.split(plain[i], pages) {
					return nil, errs.New(op, errs.StorageCorrupt, "a sheet has %d bytes", len(plain[i]))
				}
			}
		}
	}
	if missing > 0 && ctx.Err() == nil {
		return nil, errs.New(op, errs.StorageCorrupt, "%d of %d sheets are not there", missing, len(dir.sheets))
	}
	return pages, ctx.Err()
}

// split takes a sheet apart; false if it is not of its pages.
func (q *sheet) split(b []byte, pages map[objectdb.PageName][]byte) bool {
	for _, page := range q.pages {
		if page.size > len(b) {
			return false
		}
		pages[page.name] = b[:page.size:page.size]
		b = b[page.size:]
	}
	return len(b) == 0
}

// part is some records of a range that are being opened: as Storage.OpenRange says.
type part struct {
	names  [][]byte
	opened func() ([][]byte, error)
	err    error
}

// openAhead reads a range in parts, each while the one before is opened and looked
// at, until ctx is done. Whoever calls it takes parts until there are no more. What
// is read at once is handed to the page in one task.
func (s *session) openAhead(ctx context.Context, r storage.Range, key keys.Secret, nonce Nonces) <-chan part {
	const records = 2 // sheets, of about 1 MiB at most
	parts := make(chan part)
	go func() {
		defer s.c.rescue()
		defer close(parts)
		for {
			names, opened, err := s.storage.OpenRange(ctx, r, records, key, nonce)
			if err == nil && len(names) == 0 {
				return
			}
			select {
			case parts <- part{names, opened, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			r = r.After(names[len(names)-1])
		}
	}()
	return parts
}

// dropSnapshot has the snapshot of a space count no more, soon.
func (s *session) dropSnapshot(key id.SpaceKey) {
	s.spawn(func(ctx context.Context) {
		var b storage.Batch
		b.Delete(space.SnapshotKey(key))
		if err := s.storage.Store.Apply(ctx, &b, storage.Relaxed); err != nil {
			s.c.ports.Env.Log.Warn("a snapshot could not be dropped", "space", id.Short(key), "err", err)
		}
	})
}
