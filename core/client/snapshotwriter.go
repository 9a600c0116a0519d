package client

import (
	"context"
	"encoding/binary"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// news counts what has come since the last snapshot. It belongs to a runtime.
type news struct {
	bytes, blocks int
	total         uint64 // of blocks, for good
	wake          chan struct{}
}

// add counts stored blocks. It never blocks.
func (n *news) add(in *space.Intake) {
	for _, b := range in.Blocks {
		n.bytes += len(b.Ciphertext)
	}
	n.blocks += len(in.Blocks)
	n.total += uint64(len(in.Blocks))
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// enough reports whether a snapshot would be worth it, after one of so many bytes
// that are written anew each time.
func (n *news) enough(o Snapshots, last int) bool {
	return n.bytes >= max(o.Bytes, last/16) || n.blocks >= o.Blocks
}

// snapshotter writes the snapshots of one open space, and repacks its blocks.
type snapshotter struct {
	sp    *Space
	r     *runtime
	known *snapshot
	rows  int // bytes of the pages of the last one that have no stamp
	moved uint64
	// packed are, per feed, the places before which nothing is to be repacked.
	packed map[id.FeedID]uint64
}

// snapshots writes a snapshot, and makes repacks, whenever the space was left alone
// for a while and there is enough that is new, until ctx is done.
func (sp *Space) snapshots(ctx context.Context, r *runtime, known *snapshot) {
	w := &snapshotter{sp: sp, r: r, known: known, packed: map[id.FeedID]uint64{}}
	options := sp.s.c.ports.Snapshots.withDefaults()
	timer := time.NewTimer(options.Idle)
	defer timer.Stop()
	armed := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.news.wake:
			if !armed {
				timer.Reset(options.Idle)
				armed = true
			}
			continue
		case <-timer.C:
			armed = false
		}
		if w.calm() {
			err := w.write(ctx, options)
			if err == nil {
				err = w.repack(ctx, options)
			}
			if err != nil && ctx.Err() == nil && !errs.Is(err, errs.Cancelled) {
				sp.s.c.ports.Env.Log.Warn("no snapshot was written, or not all is repacked", "space", id.Short(sp.key), "err", err)
			}
			if armed = errs.Is(err, errs.Cancelled); !armed {
				continue
			}
		}
		timer.Reset(options.Idle)
		armed = true
	}
}

// calm reports whether nothing has happened since it was asked last.
func (w *snapshotter) calm() bool {
	w.sp.mu.Lock()
	defer w.sp.mu.Unlock()
	moved := w.r.edits + w.r.news.total
	same := moved == w.moved && w.r.edits == w.r.stored
	w.moved = moved
	return same
}

// write writes a snapshot if there is enough that is new. It fails with Cancelled
// if the space changed meanwhile.
func (w *snapshotter) write(ctx context.Context, o Snapshots) error {
	w.sp.mu.Lock()
	enough := !w.r.spoiled && w.r.news.enough(o, w.rows)
	w.sp.mu.Unlock()
	if !enough {
		return nil
	}
	s := w.sp.s
	if s.c.ports.Lock != nil {
		release, err := s.c.ports.Lock(ctx, "snapshot "+w.sp.key.String())
		if err != nil {
			return err
		}
		defer release()
	}
	if err := w.meet(ctx); err != nil {
		return err
	}
	im, pages, counted, err := w.take(ctx)
	if err != nil {
		return err
	}
	dir, batch, err := w.store(ctx, pages)
	if err == nil {
		err = w.switchTo(ctx, im, dir, batch)
	}
	if err != nil {
		return err
	}
	s.c.ports.Env.Log.Debug("a snapshot is written", "space", id.Short(w.sp.key), "sheets", len(dir.sheets))
	w.sp.mu.Lock()
	defer w.sp.mu.Unlock()
	w.r.news.bytes -= counted.bytes
	w.r.news.blocks -= counted.blocks
	return nil
}

// meet looks whether the directory in storage is the one that is known. Another
// tab may have written: then nothing that is there can be used again.
func (w *snapshotter) meet(ctx context.Context) error {
	at := space.SnapshotKey(w.sp.key)
	sealed, err := w.sp.s.storage.Store.Get(ctx, at)
	if err != nil && !errs.Is(err, errs.NotFound) {
		return err
	}
	if err == nil && w.known.dir != nil {
		plain, err := w.sp.s.keyring.Open(sealed, at)
		if err == nil {
			if dir, err := decodeDirectory(plain); err == nil && dir.generation == w.known.dir.generation {
				return nil
			}
		}
	}
	w.known = &snapshot{}
	return nil
}

// take takes all pages of an image that can change, as long as nothing does, and
// those that cannot.
func (w *snapshotter) take(ctx context.Context) (*space.Image, []objectdb.Page, news, error) {
	sp := w.sp
	rest := sp.s.rest()
	sp.mu.Lock()
	counted := w.r.news
	im, ok := sp.core.Image()
	sp.mu.Unlock()
	if !ok {
		return nil, nil, counted, errs.New("client.snapshot", errs.Cancelled, "something is not stored yet")
	}
	var pages []objectdb.Page
	for {
		sp.mu.Lock()
		page, more, err := im.Next()
		sp.mu.Unlock()
		if err != nil || !more {
			return im, pages, counted, err
		}
		pages = append(pages, page)
		if rest(); ctx.Err() != nil {
			return nil, nil, counted, ctx.Err()
		}
	}
}

// nextSheet gives the first sheet that pages make. Of pages with a stamp it does
// not look at the bytes.
func nextSheet(pages []objectdb.Page) (q sheet) {
	var stamps []byte
	for _, page := range pages {
		if page.Name>>sheetBits != pages[0].Name>>sheetBits {
			break
		}
		q.pages = append(q.pages, sheetPage{page.Name, len(page.Bytes)})
		stamps = binary.BigEndian.AppendUint64(stamps, page.Stamp)
	}
	if pages[0].Stamp == 0 {
		stamps = joinPages(pages[:len(q.pages)])
	}
	q.sum = keys.Sum(stamps)
	return q
}

// find gives a sheet the place of one that is the same, if there is one.
func (d *directory) find(q *sheet) bool {
	for i := range d.sheets {
		if d.sheets[i].sum == q.sum {
			q.at = d.sheets[i].at
			return true
		}
	}
	return false
}

func joinPages(pages []objectdb.Page) (b []byte) {
	for i := range pages {
		b = append(b, pages[i].Bytes...)
	}
	return b
}

// store stores the sheets that are not in storage, and gives the directory of all,
// and the sheets that are to be stored with it.
func (w *snapshotter) store(ctx context.Context, pages []objectdb.Page) (*directory, *storage.Batch, error) {
	env := w.sp.s.c.ports.Env
	dir := &directory{cipher: w.sp.s.storage.Bulk.Cipher(), generation: binary.BigEndian.Uint64(env.Bytes(8))}
	old := w.known.dir
	if old != nil && old.cipher == dir.cipher {
		dir.key = old.key
	} else {
		old = &directory{}
		w.known = &snapshot{}
		dir.key = keys.NewSecret(env)
	}
	var fresh []keys.BulkPiece
	batch := &storage.Batch{}
	rest := w.sp.s.rest()
	w.rows = 0
	size := 0
	for len(pages) > 0 {
		q := nextSheet(pages)
		own := pages[:len(q.pages)]
		pages = pages[len(own):]
		if !old.find(&q) {
			q.at = sheetKey{dir.generation, uint32(len(dir.sheets))}
			fresh = append(fresh, keys.BulkPiece{Nonce: q.at.nonce(), Data: joinPages(own)})
			size += len(fresh[len(fresh)-1].Data)
			w.known.litter = append(w.known.litter, q.at) // until a directory names it
		}
		for _, page := range own {
			if page.Stamp == 0 {
				w.rows += len(page.Bytes)
			}
		}
		dir.sheets = append(dir.sheets, q)
		rest()
		if size < maxSnapshotBatch && len(pages) > 0 {
			continue
		}
		if err := w.storeBatch(ctx, batch); err != nil {
			return nil, nil, err
		}
		sealed, err := w.sp.s.storage.Bulk.Seal(ctx, dir.key, fresh)
		if err != nil {
			return nil, nil, err
		}
		for k, b := range sealed {
			batch.Put(readSheetKey(fresh[k].Nonce[:]).key(w.sp.key), b)
		}
		fresh, size = fresh[:0], 0
	}
	return dir, batch, nil
}

func (w *snapshotter) storeBatch(ctx context.Context, b *storage.Batch) error {
	if b.Len() == 0 {
		return nil
	}
	err := w.sp.s.storage.Store.Apply(ctx, b, storage.Relaxed)
	b.Reset()
	return err
}

// switchTo makes the directory the one that counts, and removes every sheet that
// it does not name.
func (w *snapshotter) switchTo(ctx context.Context, im *space.Image, dir *directory, batch *storage.Batch) error {
	s, key := w.sp.s, w.sp.key
	if w.known.dir == nil { // no sheet of another generation is named
		all, own := sheetsRange(key), storage.Prefix(binary.BigEndian.AppendUint64(space.SnapshotKey(key), dir.generation))
		batch.DeleteRange(storage.Range{Start: all.Start, End: own.Start})
		if own.End != nil {
			batch.DeleteRange(storage.Range{Start: own.End, End: all.End})
		}
	} else {
		gone := w.known.litter
		for i := range w.known.dir.sheets {
			gone = append(gone, w.known.dir.sheets[i].at)
		}
		for _, k := range gone {
			if !dir.has(k) {
				batch.Delete(k.key(key))
			}
		}
	}
	at := space.SnapshotKey(key)
	batch.Put(at, s.keyring.Seal(dir.encode(), at))
	if w.void(im) {
		return errs.New("client.snapshot", errs.Cancelled, "a feed has another branch, or a damaged block")
	}
	if err := s.storage.Store.Apply(ctx, batch, storage.Relaxed); err != nil {
		return err
	}
	w.known = &snapshot{dir: dir}
	if w.void(im) { // it may have been stored just before
		s.dropSnapshot(key)
		w.known = &snapshot{}
	}
	return nil
}

// void reports whether an image must not be kept.
func (w *snapshotter) void(im *space.Image) bool {
	w.sp.mu.Lock()
	defer w.sp.mu.Unlock()
	return im.Void() || w.r.spoiled
}
