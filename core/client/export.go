package client

import (
	"context"
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// ExportOptions are those of Space.Export. The zero value is the default.
type ExportOptions struct {
	// History adds every change that the state was made of, with its time and
	// who wrote it.
	History bool
}

// Export gives an archive of the space (archive.go says of what form): all
// objects that are not deleted, under their ids, with everything in them, and
// the properties of the space. Of a key that was set concurrently it has the
// winner. It is of one moment, although edits go on meanwhile. Without history
// it waits for nothing but its turn; with it, for the storing of all edits.
//
// Errors: errs.SpaceClosed, also if the space is closed meanwhile,
// errs.TooLarge over 1 GiB of content, ctx's, and, with history, those of Flush
// and errs.StorageCorrupt if a block is not to be read.
func (sp *Space) Export(ctx context.Context, o ExportOptions) ([]byte, error) {
	rest := sp.s.rest()
	x := &exporter{sp: sp, ctx: ctx, rest: rest, packer: packer{rest: rest}}
	if err := x.objects(o.History); err != nil {
		return nil, err
	}
	a := about{created: uint64(max(0, sp.s.c.ports.Env.UnixMilli())), history: o.History, objects: x.count}
	var past [][]byte
	var err error
	if o.History {
		if past, a.changes, err = x.pastSections(); err != nil {
			return nil, err
		}
	}
	first, err := x.packer.section(sectionAbout, a.encode())
	if err != nil {
		return nil, err
	}
	sections := [][]byte{first}
	for _, chunk := range x.chunks {
		sections = append(sections, chunk...)
	}
	return sealArchive(append(sections, past...), rest), nil
}

// exporter is an export under way.
type exporter struct {
	sp     *Space
	ctx    context.Context
	db     *objectdb.DB
	export *objectdb.Export
	rest   func()
	packer packer
	chunks [][][]byte // the sections of each chunk
	sizes  []uint64   // the content of each
	past   *objectdb.History
	count  uint64
}

// with runs f on the database, which must be the one that the export began with.
func (x *exporter) with(f func() error) error {
	const op = "space.export"
	if err := x.ctx.Err(); err != nil {
		return errs.New(op, errs.Cancelled, "the export was given up: %w", err)
	}
	return x.sp.Objects(op, func(db *objectdb.DB) error {
		if x.db == nil {
			x.db = db
		}
		if x.db != db {
			return x.sp.closedError(op)
		}
		return f()
	})
}

// maxRounds is how often an export looks for what changed meanwhile before it
// takes all that is left at once.
const maxRounds = 16

// objects makes the chunks of the state, and marks the history of that moment.
func (x *exporter) objects(history bool) error {
	more := true
	err := x.with(func() error {
		x.export = x.db.BeginExport()
		return nil
	})
	defer func() {
		if x.export != nil {
			_ = x.sp.Objects("space.export", func(*objectdb.DB) error { // a closed one tracks nothing
				x.export.End()
				return nil
			})
		}
	}()
	for err == nil && more {
		err = x.with(func() error {
			more = x.export.Scan()
			return nil
		})
		x.rest()
	}
	for more = true; err == nil && more; {
		var ops []byte
		err = x.with(func() error {
			_, ops, more = x.export.Next(sectionSize)
			return nil
		})
		if err == nil && more {
			err = x.put(len(x.chunks), ops)
		}
	}
	for round := 0; err == nil; round++ {
		var stale []int
		late := map[int][]byte{}
		err = x.with(func() error {
			if stale = x.export.Stale(); len(stale) > 1 && round < maxRounds {
				return nil
			}
			for _, chunk := range stale {
				late[chunk] = x.export.Again(chunk)
			}
			x.count = uint64(x.db.ObjectCount())
			if history {
				x.past = x.db.MarkHistory()
			}
			return nil
		})
		for _, chunk := range stale {
			ops, taken := late[chunk]
			if err == nil && !taken {
				err = x.with(func() error {
					ops = x.export.Again(chunk)
					return nil
				})
			}
			if err == nil {
				err = x.put(chunk, ops)
			}
		}
		if err == nil && len(late) == len(stale) {
			return nil
		}
	}
	return err
}

// put makes the sections of a chunk.
func (x *exporter) put(chunk int, ops []byte) error {
	for len(x.chunks) <= chunk {
		x.chunks, x.sizes = append(x.chunks, nil), append(x.sizes, 0)
	}
	x.packer.total += uint64(len(ops)) - x.sizes[chunk]
	x.sizes[chunk] = uint64(len(ops))
	x.chunks[chunk] = nil
	for len(ops) > 0 {
		n := 0
		for n < len(ops) && n < sectionSize {
			_, op, err := objectdb.NextState(ops[n:])
			if err != nil {
				return errs.Wrap("space.export", errs.Internal, err)
			}
			n += len(op)
		}
		s, err := x.section(sectionObjects, ops[:n])
		if err != nil {
			return err
		}
		x.chunks[chunk] = append(x.chunks[chunk], s)
		ops = ops[n:]
	}
	return nil
}

// section makes a section unless the archive is too large.
func (x *exporter) section(kind uint64, content []byte) ([]byte, error) {
	if x.packer.total > maxArchive {
		return nil, errs.New("space.export", errs.TooLarge, "the space holds more than %d bytes, which is what an archive takes", maxArchive)
	}
	return x.packer.section(kind, content)
}

// pastSections makes the sections of the history.
func (x *exporter) pastSections() (sections [][]byte, count uint64, err error) {
	if err := x.sp.Flush(x.ctx, FlushStore); err != nil {
		return nil, 0, err
	}
	w := changeWriter{x: x, blocks: blockReader{sp: x.sp}, ends: map[feed.Ref]int{}}
	for more := true; more; {
		var list []objectdb.Change
		err := x.with(func() error {
			if !x.past.Written() {
				return errs.New("space.export", errs.FeedForked, "the own feed was left while its history was read; export again")
			}
			list, more = x.past.Next()
			return nil
		})
		if err != nil {
			return nil, 0, err
		}
		for i := range list {
			if err := w.add(&list[i]); err != nil {
				return nil, 0, err
			}
		}
	}
	if err := w.flush(); err != nil {
		return nil, 0, err
	}
	var authors []byte
	err = x.with(func() error {
		authors = encodeAuthors(x.sp.authors(w.feeds))
		return nil
	})
	if err != nil {
		return nil, 0, err
	}
	first, err := x.section(sectionFeeds, authors)
	return append([][]byte{first}, w.sections...), uint64(w.count), err
}

// authors says who writes feeds. sp.mu is held.
func (sp *Space) authors(feeds []id.FeedID) []author {
	list := make([]author, len(feeds))
	names := map[id.IdentityKey]string{}
	for _, m := range sp.core.Membership().Members() {
		names[m.Identity] = m.Name
	}
	devices := map[id.FeedID]id.DeviceKey{}
	for _, f := range sp.core.Feeds() {
		devices[f.Header.ID()] = f.Header.Device
	}
	for i, f := range feeds {
		list[i].feed = f
		if m, ok := sp.core.Membership().Device(devices[f]); ok {
			list[i].identity = m.Identity
			list[i].name = names[m.Identity]
		}
	}
	return list
}

// changeWriter makes the sections of changes.
type changeWriter struct {
	x        *exporter
	blocks   blockReader
	feeds    []id.FeedID      // of the lines: each a feed, or a branch of one
	ends     map[feed.Ref]int // the lines by their last changes
	count    int
	content  []byte
	sections [][]byte
}

func (w *changeWriter) add(c *objectdb.Change) error {
	payload, err := w.blocks.payload(w.x, c)
	if err != nil {
		return err
	}
	line, ok := w.ends[c.Prev]
	if !ok { // the first of a feed, or of another branch
		line = len(w.feeds)
		w.feeds = append(w.feeds, c.Ref.Feed)
	}
	delete(w.ends, c.Prev)
	w.ends[c.Ref] = line
	a := archivedChange{line: line, ops: c.Ops, payload: payload}
	for _, p := range c.Parents {
		a.parents = append(a.parents, int(p))
	}
	before := len(w.content)
	w.content = a.encode(w.content, w.count)
	w.x.packer.total += uint64(len(w.content) - before)
	w.count++
	if len(w.content) >= sectionSize {
		return w.flush()
	}
	return nil
}

func (w *changeWriter) flush() error {
	if len(w.content) == 0 {
		return nil
	}
	s, err := w.x.section(sectionChanges, w.content)
	w.sections, w.content = append(w.sections, s), nil
	return err
}

// blockReader reads the blocks of feeds from storage, some of a feed at a time.
type blockReader struct {
	sp   *Space
	held map[feed.Ref][]byte
}

// readAhead is how many blocks of a feed are read at a time.
const readAhead = 64

// payload gives what a change does; nil if that was left out.
func (r *blockReader) payload(x *exporter, c *objectdb.Change) ([]byte, error) {
	blocks, err := r.change(x.ctx, c)
	if err != nil {
		return nil, err
	}
	var payload []byte
	err = x.with(func() error {
		p, ok, err := x.sp.core.ReadChange(blocks)
		if ok {
			payload = p
		}
		return err
	})
	x.rest()
	return payload, err
}

// change reads the blocks of a change. One that others wrote may be in the
// database some milliseconds before it is stored.
func (r *blockReader) change(ctx context.Context, c *objectdb.Change) (blocks []*feed.Block, err error) {
	for wait := time.Millisecond; wait < 4*time.Second; wait *= 2 {
		if blocks, err = r.parts(ctx, c); err != nil || blocks != nil {
			return blocks, err
		}
		select {
		case <-ctx.Done():
			return nil, errs.New("space.export", errs.Cancelled, "the export was given up: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
	return nil, errs.New("space.export", errs.StorageCorrupt, "block %d of feed %s is not stored; export without the history", c.Ref.Seq, id.Short(c.Ref.Feed))
}

// parts gives the blocks of a change, or nil if one is not there.
func (r *blockReader) parts(ctx context.Context, c *objectdb.Change) ([]*feed.Block, error) {
	if r.held[c.Ref] == nil {
		if err := r.fetch(ctx, c); err != nil {
			return nil, err
		}
	}
	var blocks []*feed.Block
	for ref := c.Ref; ref.Seq > c.Prev.Seq; {
		raw := r.held[ref]
		if raw == nil {
			return nil, nil
		}
		b, err := feed.DecodeBlock(raw)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, b)
		ref.Seq, ref.Hash = ref.Seq-1, b.Prev
	}
	slices.Reverse(blocks)
	for _, b := range blocks {
		delete(r.held, b.Ref())
	}
	return blocks, nil
}

// fetch reads from the first block of a change on.
func (r *blockReader) fetch(ctx context.Context, c *objectdb.Change) error {
	from := c.Prev.Seq + 1
	entries, err := r.sp.s.storage.Store.Scan(ctx, feed.BlockRange(c.Ref.Feed, from, max(c.Ref.Seq+1, from+readAhead)), 0)
	if err != nil {
		return err
	}
	if r.held == nil {
		r.held = map[feed.Ref][]byte{}
	}
	for _, e := range entries {
		if ref, ok := feed.ParseBlockKey(e.Key); ok {
			r.held[ref] = e.Value
		}
	}
	return nil
}
