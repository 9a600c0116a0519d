package client

import (
	"context"
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// Typing makes a small block each time. When a space is left alone, runs of them, of
// whichever feed, become repacks (space/repack.go): each is one transaction, which
// stores a record with all that is in those that it removes, after that record was
// unfolded and found to be the same blocks. Whatever ends it before or behind leaves
// nothing lost.

const (
	// repackAtOnce bounds the blocks whose records one transaction removes.
	repackAtOnce = 4096
	// repackGrowth is how much bigger the repack before may be than what is joined
	// with it: so no block is repacked more often than the logarithm of their number.
	repackGrowth = 8
	// repackRead is how many records are read at a time.
	repackRead = 256
)

// repack makes repacks of what came since it last did. It fails with Cancelled if
// the space is used meanwhile.
func (w *snapshotter) repack(ctx context.Context, o Snapshots) error {
	w.sp.mu.Lock()
	due := w.sp.core.Repackable()
	if o.Repack < 0 || w.r.spoiled {
		due = nil
	}
	w.sp.mu.Unlock()
	due = slices.DeleteFunc(due, func(f space.Feed) bool { return f.Heads[0].Seq < w.packed[f.Header.ID()]+uint64(o.Repack) })
	if len(due) == 0 {
		return nil
	}
	if lock := w.sp.s.c.ports.Lock; lock != nil {
		release, err := lock(ctx, "snapshot "+w.sp.key.String())
		if err != nil {
			return err
		}
		defer release()
	}
	for _, f := range due {
		p := packing{w: w, header: f.Header, head: f.Heads[0], least: o.Repack, rest: w.sp.s.rest()}
		if err := p.pass(ctx); err != nil {
			return err
		}
	}
	return nil
}

// undisturbed reports whether nothing has happened since calm was asked.
func (w *snapshotter) undisturbed() bool {
	w.sp.mu.Lock()
	defer w.sp.mu.Unlock()
	return w.r.edits+w.r.news.total == w.moved
}

// packing makes repacks of one feed.
type packing struct {
	w      *snapshotter
	header *feed.SignedHeader
	head   feed.Ref
	least  int // how many blocks in a row are worth one
	rest   func()

	base   *feed.Block // the repack before, if there is one
	folder *feed.Folder
	run    []*feed.Block // in the folder
}

// pass looks at the blocks behind the last repack, and behind those that were looked
// at in vain, up to the one before the last. It notes which are left for the next: none
// are passed over for good because another tab wrote one that is not heard of yet.
func (p *packing) pass(ctx context.Context) error {
	from, err := p.begin(ctx)
	if err != nil {
		return err
	}
	p.w.packed[p.head.Feed] = from
	if p.head.Seq < from+uint64(p.least) {
		return nil
	}
	r := feed.BlockRange(p.head.Feed, from, p.head.Seq)
	for {
		list, err := p.w.sp.s.storage.Store.Scan(ctx, r, repackRead)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			if err := p.flush(ctx); err != nil {
				return err
			}
			p.w.packed[p.head.Feed] = p.head.Seq
			if len(p.run) > 0 {
				p.w.packed[p.head.Feed] = p.run[0].Seq
			}
			return nil
		}
		r = r.After(list[len(list)-1].Key)
		for _, e := range list {
			b, err := feed.DecodeBlock(e.Value)
			if err != nil || string(feed.BlockKey(b.Ref())) != string(e.Key) || !p.knows(b.Ref()) {
				return p.flush(ctx) // damaged, or not heard of yet
			}
			if err := p.add(ctx, b); err != nil {
				return err
			}
			p.rest()
		}
		if !p.w.undisturbed() {
			return errs.New("client.repack", errs.Cancelled, "the space is used again")
		}
	}
}

// begin finds the last repack, and gives the place from which on to look.
func (p *packing) begin(ctx context.Context) (uint64, error) {
	from := max(1, p.w.packed[p.head.Feed])
	r := feed.RepackRange(p.head.Feed, 1)
	r.Reverse = true
	list, err := p.w.sp.s.storage.Store.Scan(ctx, r, 1)
	if err != nil || len(list) == 0 {
		return from, err
	}
	b, err := feed.DecodeBlock(list[0].Value)
	if err != nil || string(feed.RepackKey(b)) != string(list[0].Key) || !p.knows(b.Ref()) {
		return p.head.Seq, nil // damaged, or not heard of yet
	}
	p.base = b
	return max(from, b.Seq+1), nil
}

func (p *packing) knows(r feed.Ref) bool {
	p.w.sp.mu.Lock()
	defer p.w.sp.mu.Unlock()
	log := p.w.sp.core.Log(r.Feed)
	return log != nil && log.Has(r)
}

// add takes the next block.
func (p *packing) add(ctx context.Context, b *feed.Block) error {
	if len(p.run) < repackAtOnce && p.take(b) {
		return nil
	}
	if err := p.flush(ctx); err != nil || p.take(b) {
		return err
	}
	p.folder, p.run = nil, nil
	if !p.take(b) { // neither with those before nor by itself
		p.folder = nil
		p.w.packed[p.head.Feed] = b.Seq + 1
	}
	return nil
}

// take puts a block into the folder, or into a new one.
func (p *packing) take(b *feed.Block) bool {
	if p.folder == nil {
		p.w.sp.mu.Lock()
		key, held := p.w.sp.core.EpochKey(b.Epoch)
		p.w.sp.mu.Unlock()
		if !held {
			return false
		}
		p.folder = feed.NewFolder(key)
	}
	if !p.folder.Add(b) {
		return false
	}
	p.run = append(p.run, b)
	return true
}

// flush makes a repack of the blocks in the folder, if they are enough. Those behind
// the last one that is signed stay in it.
func (p *packing) flush(ctx context.Context) error {
	for p.folder != nil && len(p.folder.Run()) >= p.least {
		run := p.folder.Run()
		if last := run[len(run)-1]; last.VerifySig(p.header) != nil {
			last.Sig = nil // damaged: the hashes do not cover it
			p.refill(p.run)
			continue
		}
		made, err := p.store(ctx)
		if err != nil {
			return err
		}
		p.refill(p.run[made:])
	}
	return nil
}

// refill begins a folder with blocks that were in one.
func (p *packing) refill(run []*feed.Block) {
	p.folder, p.run = nil, nil
	for _, b := range run {
		if !p.take(b) {
			break
		}
	}
}

// store stores the repack of the blocks in the folder, joined with the one before if
// that is not much bigger, and tells how many of the blocks are in it.
func (p *packing) store(ctx context.Context) (made int, err error) {
	var batch storage.Batch
	repack, all, err := p.joined()
	if repack != nil {
		batch.Delete(feed.RepackKey(p.base))
	} else if err == nil {
		repack, err = p.folder.Repack(p.w.sp.s.c.ports.Env, p.rest)
		all = p.folder.Run()
	}
	if err == nil {
		err = p.check(repack, all)
	}
	if err != nil {
		return 0, err
	}
	run := p.folder.Run()
	space.AddRepack(&batch, repack, run)
	p.w.sp.s.holdsRepacks(&batch)
	if err := p.w.sp.s.storage.Store.Apply(ctx, &batch, storage.Relaxed); err != nil {
		return 0, err
	}
	p.w.sp.s.c.ports.Env.Log.Debug("blocks are repacked", "space", id.Short(p.w.sp.key), "feed", id.Short(repack.Feed), "from", repack.From(), "to", repack.Seq, "bytes", len(repack.Ciphertext))
	p.base = repack
	return len(run), nil
}

// joined makes the repack of the one before and the blocks in the folder, and gives
// the blocks of both; nil if they are not to be one.
func (p *packing) joined() (*feed.Block, []*feed.Block, error) {
	run := p.folder.Run()
	b := p.base
	if b == nil || b.Ref().Hash != run[0].Prev || b.Epoch != run[0].Epoch {
		return nil, nil, nil
	}
	if n := b.Seq - b.From() + 1; n > repackGrowth*uint64(len(run)) || n+uint64(len(run)) > feed.MaxRepack {
		return nil, nil, nil
	}
	all, err := p.w.sp.unfold(b)
	if err != nil {
		return nil, nil, nil // damaged: it is found when it is read
	}
	all = append(all, run...)
	p.w.sp.mu.Lock()
	key, _ := p.w.sp.core.EpochKey(b.Epoch)
	p.w.sp.mu.Unlock()
	folder := feed.NewFolder(key)
	for _, blk := range all {
		if !folder.Add(blk) {
			return nil, nil, nil // too much for one
		}
		p.rest()
	}
	repack, err := folder.Repack(p.w.sp.s.c.ports.Env, p.rest)
	if err != nil || len(folder.Run()) < len(all) {
		return nil, nil, err
	}
	return repack, all, nil
}

// check reads a repack as everybody else will, before anything is removed.
func (p *packing) check(repack *feed.Block, run []*feed.Block) error {
	again, err := feed.DecodeBlock(repack.Encode())
	if err == nil {
		err = again.VerifySig(p.header)
	}
	if err != nil {
		return err
	}
	made, err := p.w.sp.unfold(again)
	if err != nil {
		return err
	}
	if !slices.EqualFunc(made, run, func(x, y *feed.Block) bool { return x.Hash() == y.Hash() }) {
		return errs.New("client.repack", errs.Internal, "the repack %d..%d of feed %s is of other blocks", repack.From(), repack.Seq, id.Short(repack.Feed))
	}
	return nil
}
