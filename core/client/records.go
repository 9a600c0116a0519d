package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/syncer"
)

// This file reads blocks of data feeds from storage, where each is in a record of its
// own or in a repack. Plain blocks are looked for first: one that is put into a
// repack meanwhile is found there.

// covering gives the stored repack that has a block; nil if there is none. It may
// read some that are of other branches.
func (sp *Space) covering(ctx context.Context, at feed.Ref) (*feed.Block, []byte, error) {
	r := feed.RepackRange(at.Feed, at.Seq)
	for {
		list, err := sp.s.storage.Store.Scan(ctx, r, 1)
		if err != nil || len(list) == 0 {
			return nil, nil, err
		}
		r = r.After(list[0].Key)
		last, from, ok := feed.ParseRepackKey(list[0].Key)
		if !ok || last.Seq-at.Seq >= feed.MaxRepack {
			return nil, nil, nil
		}
		if from > at.Seq || !sp.before(at, last) {
			continue
		}
		b, err := feed.DecodeBlock(list[0].Value)
		if err != nil || string(feed.RepackKey(b)) != string(list[0].Key) {
			continue // damaged
		}
		return b, list[0].Value, nil
	}
}

// before reports whether a block is another or comes before it in its feed.
func (sp *Space) before(at, last feed.Ref) bool {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	log := sp.core.Log(at.Feed)
	return log != nil && log.Contains(last, at)
}

// openRepack opens a repack.
func (sp *Space) openRepack(b *feed.Block) (*feed.Folded, keys.Secret, error) {
	sp.mu.Lock()
	key, held := sp.core.EpochKey(b.Epoch)
	sp.mu.Unlock()
	if !held {
		return nil, key, errs.New("client.openRepack", errs.KeyUnavailable, "no key of the repack %d..%d of feed %s is held", b.From(), b.Seq, id.Short(b.Feed))
	}
	folded, err := b.OpenRepack(key)
	return folded, key, err
}

// unfold makes the blocks of a stored repack again, in slices.
func (sp *Space) unfold(b *feed.Block) (blocks []*feed.Block, err error) {
	folded, key, err := sp.openRepack(b)
	for rest := sp.s.rest(); err == nil && blocks == nil; rest() {
		blocks, err = folded.Unfold(key, sp.s.sliced())
	}
	return blocks, err
}

// records reads what the sync engine asks for: blocks, and repacks if they are
// wanted; and the last block that each of them has. They are fewer if one is not
// there, or damaged.
func (sp *Space) records(ctx context.Context, r *runtime, rd syncer.Read) (raw [][]byte, ends []feed.Ref, err error) {
	entries, err := sp.s.storage.Store.Scan(ctx, feed.BlockRange(rd.Feed, rd.From.Seq+1, rd.To.Seq+1), 0)
	if err != nil {
		return nil, nil, err
	}
	sp.mu.Lock()
	path, _ := sp.core.Log(rd.Feed).Path(rd.From, rd.To)
	sp.mu.Unlock()
	for len(path) > 0 {
		if b := find(entries, feed.BlockKey(path[0])); b != nil {
			raw, ends, path = append(raw, b), append(ends, path[0]), path[1:]
			continue
		}
		repack, b, err := sp.covering(ctx, path[0])
		if err != nil || repack == nil {
			return raw, ends, err
		}
		// Of a repack that goes on in another branch only what is on the way is sent.
		if end := repack.Ref(); rd.Repacks && (sp.before(end, rd.To) || sp.before(rd.To, end)) {
			raw, ends = append(raw, b), append(ends, repack.Ref())
			for len(path) > 0 && path[0].Seq <= repack.Seq {
				path = path[1:]
			}
			continue
		}
		plain, err := sp.unfolded(r, repack)
		if err != nil {
			return raw, ends, err
		}
		before := len(path)
		for len(path) > 0 && path[0].Seq <= repack.Seq && plain[path[0].Seq-repack.From()].Ref() == path[0] {
			raw, ends = append(raw, plain[path[0].Seq-repack.From()].Encode()), append(ends, path[0])
			path = path[1:]
		}
		if len(path) == before {
			return raw, ends, nil // not what the key of the record says
		}
		if rd.To.Seq >= repack.Seq {
			sp.mu.Lock()
			r.plain = plainRun{} // nobody asks for the rest
			sp.mu.Unlock()
		}
	}
	return raw, ends, nil
}

// plainRun are the blocks of the repack that was unfolded last for a peer that takes
// none, or not this one: it asks for them piece by piece.
type plainRun struct {
	of     feed.Ref
	from   uint64
	blocks []*feed.Block
}

// unfolded gives the blocks of a repack.
func (sp *Space) unfolded(r *runtime, b *feed.Block) ([]*feed.Block, error) {
	sp.mu.Lock()
	known := r.plain
	sp.mu.Unlock()
	if known.of == b.Ref() && known.from == b.From() {
		return known.blocks, nil
	}
	blocks, err := sp.unfold(b)
	if err != nil {
		return nil, err
	}
	sp.mu.Lock()
	r.plain = plainRun{of: b.Ref(), from: b.From(), blocks: blocks}
	sp.mu.Unlock()
	return blocks, nil
}

// shelf opens the repacks that hold what is read of the past, and keeps the last
// few. It is for one goroutine.
type shelf struct {
	sp   *Space
	held []shelved // the last used first
}

// shelved is a repack on a shelf.
type shelved struct {
	from   uint64
	last   feed.Ref
	folded *feed.Folded
}

// maxShelved is how many repacks a shelf holds: the past of a few people is read
// alternately.
const maxShelved = 4

// holds reports whether a block is in a repack that is open, which is the first of
// them then.
func (s *shelf) holds(at feed.Ref) bool {
	for i, h := range s.held {
		if h.last.Feed == at.Feed && h.from <= at.Seq && at.Seq <= h.last.Seq && s.sp.before(at, h.last) {
			copy(s.held[1:i+1], s.held[:i])
			s.held[0] = h
			return true
		}
	}
	return false
}

// payload gives the payload of a change that is in a repack, which is one block;
// found is false if there is none.
func (s *shelf) payload(ctx context.Context, at feed.Ref) (payload []byte, found bool, err error) {
	if s.holds(at) {
		payload, err = s.held[0].folded.Payload(at.Seq)
		return payload, true, err
	}
	b, _, err := s.sp.covering(ctx, at)
	if err != nil || b == nil {
		return nil, false, err
	}
	folded, _, err := s.sp.openRepack(b)
	if err != nil {
		return nil, false, err
	}
	h := shelved{from: b.From(), last: b.Ref(), folded: folded}
	s.held = append([]shelved{h}, s.held[:min(len(s.held), maxShelved-1)]...)
	payload, err = folded.Payload(at.Seq)
	return payload, true, err
}
