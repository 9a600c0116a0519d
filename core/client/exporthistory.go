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

// pastSections makes the sections of the history.
func (x *exporter) pastSections() (sections [][]byte, count uint64, err error) {
	if err := x.sp.Flush(x.ctx, FlushStore); err != nil {
		return nil, 0, err
	}
	w := changeWriter{x: x, blocks: blockReader{sp: x.sp, shelf: shelf{sp: x.sp}}, ends: map[feed.Ref]int{}}
	for more := true; more; {
		var list []objectdb.HistoryBlock
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
	for i, f := range feeds {
		who, _ := sp.core.Author(f)
		list[i] = author{feed: f, identity: who.Identity, name: who.Name}
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

func (w *changeWriter) add(c *objectdb.HistoryBlock) error {
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
	sp    *Space
	held  map[feed.Ref][]byte
	shelf shelf
}

// readAhead is how many blocks of a feed are read at a time.
const readAhead = 64

// payload gives what a change does; nil if that was left out.
func (r *blockReader) payload(x *exporter, c *objectdb.HistoryBlock) ([]byte, error) {
	blocks, payload, err := r.change(x.ctx, c)
	if err != nil {
		return nil, err
	}
	err = x.with(func() error {
		if blocks == nil { // it was in a repack
			if x.sp.core.LeftOutAt(c.Ref.Hash) {
				payload = nil
			}
			return nil
		}
		p, ok, err := x.sp.core.ReadChange(blocks)
		if ok {
			payload = p
		}
		return err
	})
	x.rest()
	return payload, err
}

// change reads the blocks of a change, or its payload if it is in a repack. One that
// others wrote may be in the database some milliseconds before it is stored.
func (r *blockReader) change(ctx context.Context, c *objectdb.HistoryBlock) (blocks []*feed.Block, payload []byte, err error) {
	if r.held[c.Ref] == nil && r.shelf.holds(c.Ref) {
		payload, _, err = r.shelf.payload(ctx, c.Ref)
		return nil, payload, err
	}
	for wait := time.Millisecond; wait < 4*time.Second; wait *= 2 {
		if blocks, err = r.parts(ctx, c); err != nil || blocks != nil {
			return blocks, nil, err
		}
		if c.Ref.Seq == c.Prev.Seq+1 {
			var found bool
			if payload, found, err = r.shelf.payload(ctx, c.Ref); err != nil || found {
				return nil, payload, err
			}
		}
		select {
		case <-ctx.Done():
			return nil, nil, errs.New("space.export", errs.Cancelled, "the export was given up: %w", ctx.Err())
		case <-time.After(wait):
		}
	}
	return nil, nil, errs.New("space.export", errs.StorageCorrupt, "block %d of feed %s is not stored; export without the history", c.Ref.Seq, id.Short(c.Ref.Feed))
}

// parts gives the blocks of a change, or nil if one is not there.
func (r *blockReader) parts(ctx context.Context, c *objectdb.HistoryBlock) ([]*feed.Block, error) {
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
func (r *blockReader) fetch(ctx context.Context, c *objectdb.HistoryBlock) error {
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
