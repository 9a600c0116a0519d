package client

import (
	"context"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// timeline reads the past of an open space from storage, in slices. It ends with
// the space.
type timeline struct {
	sp   *Space
	r    *runtime
	op   string
	ctx  context.Context
	rest func()
	shelf
}

// Blocks are read in batches of at most batchNodes blocks, and about batchOps ops,
// which is what of the past is in memory, and what one answer of the storage
// brings.
const (
	batchNodes = 256
	batchOps   = 1 << 13
)

// timeline runs f while the space is open. Closing the space ends it, and waits
// for it.
func (sp *Space) timeline(ctx context.Context, op string, f func(t *timeline) error) error {
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return sp.closedError(op)
	}
	r.tasks.Add(1)
	sp.mu.Unlock()
	defer r.tasks.Done()
	err := f(&timeline{sp: sp, r: r, op: op, ctx: ctx, rest: sp.s.rest(), shelf: shelf{sp: sp}})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return errs.Wrap(op, errs.Cancelled, ctx.Err())
	case r.ctx.Err() != nil:
		return sp.closedError(op)
	}
	return err
}

// lock gives the space, exclusively: until unlock, before which nothing may wait.
// After an error there is nothing to unlock.
func (t *timeline) lock() (*space.Space, error) {
	if err := t.ctx.Err(); err != nil {
		return nil, err
	}
	t.sp.mu.Lock()
	if t.sp.run != t.r {
		t.sp.mu.Unlock()
		return nil, t.sp.closedError(t.op)
	}
	return t.sp.core, nil
}

func (t *timeline) unlock() { t.sp.mu.Unlock() }

// now stores what is edited and shown up to here, and gives the last blocks.
func (t *timeline) now() (nodes []crdt.Node, v objectdb.Version, err error) {
	for {
		core, err := t.lock()
		if err != nil {
			return nil, nil, err
		}
		nodes = core.DB().Now()
		t.unlock()
		if err := t.sp.Flush(t.ctx, FlushStore); err != nil {
			return nil, nil, err
		}
		if err := t.stored(); err != nil {
			return nil, nil, err
		}
		if core, err = t.lock(); err != nil {
			return nil, nil, err
		}
		v, complete := core.DB().VersionOf(nodes)
		t.unlock()
		if complete {
			return nodes, v, nil
		}
		t.rest() // edits that moved to another feed are asked for again
	}
}

// stored waits until what others wrote and is shown already is stored.
func (t *timeline) stored() error {
	done := make(chan error, 2)
	var job storeJob
	job.batch.Put(syncKey, nil)
	job.done = func(err error) { done <- err }
	job.refused = func(err error) {
		select {
		case done <- err:
		default:
		}
	}
	if _, err := t.lock(); err != nil {
		return err
	}
	waits := len(t.r.busy) > 0
	if waits {
		t.r.store.add(job)
	}
	t.unlock()
	if !waits {
		return nil
	}
	select {
	case err := <-done:
		return err
	case <-t.ctx.Done():
		return t.ctx.Err()
	case <-t.r.ctx.Done():
		return t.r.ctx.Err()
	}
}

// resolve gives the blocks of a version, and the last of them.
func (t *timeline) resolve(v objectdb.Version) (nodes []crdt.Node, set *flat.Bits, err error) {
	if err := t.stored(); err != nil {
		return nil, nil, err
	}
	core, err := t.lock()
	if err != nil {
		return nil, nil, err
	}
	defer t.unlock()
	if nodes, err = core.DB().Resolve(v); err != nil {
		return nil, nil, err
	}
	return nodes, core.DB().Contains(nodes), nil
}

// pastBlock is a block of the past.
type pastBlock struct {
	objectdb.Block
	node    crdt.Node
	leftOut bool // its content counts for nothing
	parts   []feed.Ref
}

// read reads blocks from storage and hands them to f in the order of the nodes.
func (t *timeline) read(nodes []crdt.Node, f func(b *pastBlock) error) error {
	blocks := make([]pastBlock, 0, len(nodes))
	core, err := t.lock()
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if b, ok := locate(core, n); ok {
			blocks = append(blocks, b)
		}
	}
	t.unlock()
	for len(blocks) > 0 {
		n, ops := 0, uint64(0)
		for n < len(blocks) && ops < batchOps {
			ops += blocks[n].Ops
			n++
		}
		if err := t.readBatch(blocks[:n], f); err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	return nil
}

func (t *timeline) readBatch(blocks []pastBlock, f func(b *pastBlock) error) error {
	entries, err := t.scan(blocks)
	if err != nil {
		return err
	}
	for i := range blocks {
		b := &blocks[i]
		if err := t.open(b, entries[b.Ref.Feed]); err != nil {
			return err
		}
		if err := f(b); err != nil {
			return err
		}
		b.Payload = nil
		t.rest()
	}
	return nil
}

// locate tells where a block and its parts are stored; false for a node that is
// none.
func locate(core *space.Space, n crdt.Node) (b pastBlock, ok bool) {
	var prev feed.Ref
	b.Block, prev, ok = core.DB().BlockOf(n)
	if !ok {
		return b, false
	}
	b.node = n
	if log := core.Log(b.Ref.Feed); log != nil {
		b.parts, _ = log.Path(prev, b.Ref)
	}
	return b, true
}

// scan reads the entries that hold the blocks, by feed.
func (t *timeline) scan(blocks []pastBlock) (map[id.FeedID][]storage.Entry, error) {
	type span struct{ from, to uint64 }
	spans := map[id.FeedID]span{}
	for i := range blocks {
		for _, ref := range blocks[i].parts {
			s, ok := spans[ref.Feed]
			if !ok {
				s = span{ref.Seq, ref.Seq}
			}
			spans[ref.Feed] = span{min(s.from, ref.Seq), max(s.to, ref.Seq)}
		}
	}
	out := map[id.FeedID][]storage.Entry{}
	for f, s := range spans {
		entries, err := t.sp.s.storage.Store.Scan(t.ctx, feed.BlockRange(f, s.from, s.to+1), 0)
		if err != nil {
			return nil, err
		}
		out[f] = entries
		t.rest()
	}
	return out, nil
}

// open opens a block of its stored parts.
func (t *timeline) open(b *pastBlock, entries []storage.Entry) error {
	parts := make([]*feed.Block, 0, len(b.parts))
	for _, ref := range b.parts {
		raw := find(entries, feed.BlockKey(ref))
		if raw == nil {
			break
		}
		part, err := feed.DecodeBlock(raw)
		if err != nil {
			return err
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 && len(b.parts) == 1 {
		if found, err := t.takeOut(b); found || err != nil {
			return err
		}
	}
	if len(parts) == 0 || len(parts) < len(b.parts) {
		return errs.New(t.op, errs.StorageCorrupt, "block %d of feed %s is not in storage", b.Ref.Seq, id.Short(b.Ref.Feed))
	}
	core, err := t.lock()
	if err != nil {
		return err
	}
	defer t.unlock()
	var ok bool
	b.Payload, ok, err = core.ReadChange(parts)
	b.leftOut = !ok
	return err
}

// takeOut reads a block that is in a repack; false if there is none.
func (t *timeline) takeOut(b *pastBlock) (found bool, err error) {
	if b.Payload, found, err = t.payload(t.ctx, b.Ref); !found || err != nil {
		return found, err
	}
	core, err := t.lock()
	if err != nil {
		return true, err
	}
	defer t.unlock()
	if b.leftOut = core.LeftOutAt(b.Ref.Hash); b.leftOut {
		b.Payload = nil
	}
	return true, nil
}

// replay applies the blocks of a set, but those of another, to a database.
func (t *timeline) replay(past *objectdb.DB, set, but *flat.Bits) error {
	return t.each(set, but, func(b *pastBlock) error {
		if b.leftOut {
			return past.Skip(b.Block)
		}
		for {
			done, err := past.ApplySome(b.Block, t.sp.s.sliced())
			if done || err != nil {
				return err
			}
			t.rest()
		}
	})
}

// each hands the blocks of a set, but those of another, to f, none before what it
// follows.
func (t *timeline) each(set, but *flat.Bits, f func(b *pastBlock) error) error {
	var batch []crdt.Node
	for n := range set.End() {
		if !set.Has(n) || but != nil && but.Has(n) {
			continue
		}
		if batch = append(batch, n); len(batch) < batchNodes {
			continue
		}
		if err := t.read(batch, f); err != nil {
			return err
		}
		batch = batch[:0]
	}
	return t.read(batch, f)
}
