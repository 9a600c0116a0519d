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

// A snapshot is an image of a space (space.Image) in storage: sealed pages, each a
// record, and a record that names them, the directory, without which none counts.
// A new snapshot leaves the pages that are the same, writes the others beside
// them, and switches directories in one transaction, which removes what the old
// one alone named. Whatever ends it before leaves the old one. Of two tabs that
// write at once the last directory stands; if its pages went with the other's
// switch it is found wanting, and the feeds are read: the lock that they take
// saves work and holds nothing up.

// Snapshots says when snapshots are written. The zero value is the default.
type Snapshots struct {
	// Idle is how long a space must be left alone before; 0 is 3 s.
	Idle time.Duration
	// Bytes and Blocks are how much must have come since the last; 0 is 64 KiB,
	// or a sixteenth of the last if that is more, and 256 blocks.
	Bytes, Blocks int
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
	return o
}

const (
	directoryVersion = 1
	// maxSnapshotBatch bounds the bytes of pages that are sealed and stored at once.
	maxSnapshotBatch = 1 << 20
)

// storedPage is where a page is.
type storedPage struct {
	name  objectdb.PageName
	stamp uint64
	at    pageKey
	sum   id.Hash // of what is in it, if there is no stamp
}

// pageKey is the place of a page, and its nonce: a number that was drawn for the
// snapshot that it was written for, and its own.
type pageKey struct {
	generation uint64
	number     uint32
}

const pageKeySize = keys.BulkNonce

func (k pageKey) append(b []byte) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64(b, k.generation), k.number)
}

func (k pageKey) key(sp id.SpaceKey) []byte { return k.append(space.SnapshotKey(sp)) }

func (k pageKey) nonce() (n [keys.BulkNonce]byte) {
	k.append(n[:0])
	return n
}

func readPageKey(b []byte) pageKey {
	if len(b) != pageKeySize {
		return pageKey{}
	}
	return pageKey{binary.BigEndian.Uint64(b), binary.BigEndian.Uint32(b[8:])}
}

// pagesRange are all pages of a space.
func pagesRange(sp id.SpaceKey) storage.Range {
	r := storage.Prefix(space.SnapshotKey(sp))
	r.Start = append(r.Start, 0)
	return r
}

// directory is the record that makes a snapshot: [version, cipher, key, generation,
// pages, (name, stamp, place, sum unless there is a stamp)...], sealed by the
// keyring.
type directory struct {
	cipher     uint8       // of the pages
	key        keys.Secret // of the pages
	generation uint64
	pages      []storedPage
}

func (d *directory) encode() []byte {
	var p flat.Pack
	p.Uint(directoryVersion)
	p.Uint(uint64(d.cipher))
	p.Bytes = append(p.Bytes, d.key[:]...)
	p.Bytes = binary.BigEndian.AppendUint64(p.Bytes, d.generation)
	p.Uint(uint64(len(d.pages)))
	for i := range d.pages {
		q := &d.pages[i]
		p.Uint(uint64(q.name))
		p.Uint(q.stamp)
		p.Bytes = q.at.append(p.Bytes)
		if q.stamp == 0 {
			p.Bytes = append(p.Bytes, q.sum[:]...)
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
	d.pages = make([]storedPage, u.Count(2+pageKeySize))
	for i := range d.pages {
		q := &d.pages[i]
		q.name = objectdb.PageName(u.Uint(1<<63 - 1))
		q.stamp = u.Uint(1<<64 - 1)
		q.at = readPageKey(u.Next(pageKeySize))
		if q.stamp == 0 {
			copy(q.sum[:], u.Next(id.HashSize))
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
	// litter are pages that no directory names, left by attempts that failed.
	litter []pageKey
}

// bulk is the cipher of pages.
func (s *session) bulk() keys.Bulk {
	if s.storage.Bulk != nil {
		return s.storage.Bulk
	}
	return keys.PlainBulk{}
}

// restoreSpace makes a Space of its snapshot, which it takes in whole; nil if there
// is none that is good. Load is to follow.
func (s *session) restoreSpace(ctx context.Context, me *self, rec space.Record) (*space.Space, *snapshot, error) {
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
		return nil, nil, nil // without a directory pages count for nothing
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
	pages, err := s.readPages(ctx, rec.Key, known)
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

// readPages reads and opens every page that the directory names, which tells that
// each is what was written. While some are opened the next are read. It notes
// those that are not named as litter.
func (s *session) readPages(ctx context.Context, key id.SpaceKey, known *snapshot) (map[objectdb.PageName][]byte, error) {
	const op = "client.snapshot"
	dir, bulk := known.dir, s.bulk()
	if dir.cipher != bulk.Cipher() {
		return nil, errs.New(op, errs.VersionUnsupported, "the snapshot is under cipher %d, not %d", dir.cipher, bulk.Cipher())
	}
	names := make(map[pageKey][]objectdb.PageName, len(dir.pages))
	for _, q := range dir.pages { // several that are alike may be one record
		names[q.at] = append(names[q.at], q.name)
	}
	ctx, cancel := context.WithCancel(ctx)
	parts := s.scanAhead(ctx, pagesRange(key))
	defer func() {
		cancel()
		for range parts { // until its goroutine has ended
		}
	}()
	pages := make(map[objectdb.PageName][]byte, len(dir.pages))
	for read := range parts {
		if read.err != nil {
			return nil, read.err
		}
		var pieces []keys.BulkPiece
		var opened [][]objectdb.PageName
		for _, rec := range read.entries {
			place := readPageKey(rec.Key[len(space.SnapshotKey(key)):])
			if list := names[place]; len(list) > 0 {
				opened, pieces = append(opened, list), append(pieces, keys.BulkPiece{Nonce: place.nonce(), Data: rec.Value})
			} else {
				known.litter = append(known.litter, place)
			}
		}
		plain, err := bulk.Open(ctx, dir.key, pieces)
		if err != nil {
			return nil, err
		}
		for i, list := range opened {
			for _, name := range list {
				pages[name] = plain[i]
			}
		}
	}
	if len(pages) != len(dir.pages) {
		return nil, errs.New(op, errs.StorageCorrupt, "%d of %d pages are there", len(pages), len(dir.pages))
	}
	return pages, ctx.Err()
}

// scanned is a part of a range.
type scanned struct {
	entries []storage.Entry
	err     error
}

// scanAhead reads a range in parts, each while the one before is looked at, until
// ctx is done. Whoever calls it takes parts until there are no more. What is read
// at once is handed to the page in one task.
func (s *session) scanAhead(ctx context.Context, r storage.Range) <-chan scanned {
	const part = 32 // pages, of 128 KiB at most
	parts := make(chan scanned)
	go func() {
		defer s.c.rescue()
		defer close(parts)
		for {
			list, err := s.storage.Store.Scan(ctx, r, part)
			if err == nil && len(list) == 0 {
				return
			}
			select {
			case parts <- scanned{list, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
			r = r.After(list[len(list)-1].Key)
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
