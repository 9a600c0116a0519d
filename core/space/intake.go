package space

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/storage"
)

// Intake is a run of verified blocks of one feed that is to be stored.
type Intake struct {
	Header *feed.SignedHeader
	Blocks []*feed.Block
	isNew  bool // the header is not stored yet
	shown  bool // see Show
	branch bool // it begins another branch of its feed
	// packed are the repacks that Blocks came in, if any, and covered the blocks of
	// theirs that are stored already.
	packed  []unfolded
	covered []*feed.Block
	// bursts of own data blocks, each with the block that it ends at.
	bursts []written
	// draft is what an own control block is to be made of.
	draft *draft
}

type written struct {
	burst *objectdb.Burst
	at    *feed.Block
}

// AddTo adds the records to a batch. An own Intake is Finished before.
func (in *Intake) AddTo(b *storage.Batch) {
	if in.isNew {
		b.Put(feed.HeaderKey(in.Header.Space, in.Header.ID()), in.Header.Encode())
	}
	for _, blk := range in.records() {
		if blk.Repack == nil {
			b.Put(feed.BlockKey(blk.Ref()), blk.Encode())
		} else {
			b.Put(feed.RepackKey(blk), blk.Encode())
		}
	}
	for _, blk := range in.covered {
		b.Delete(feed.BlockKey(blk.Ref()))
	}
	if in.branch {
		b.Delete(SnapshotKey(in.Header.Space))
	}
}

// Size is about how many bytes the blocks have.
func (in *Intake) Size() (n int) {
	for _, b := range in.Blocks {
		n += len(b.Ciphertext)
	}
	return n
}

// Refs names the blocks, in order.
func (in *Intake) Refs() []feed.Ref {
	refs := make([]feed.Ref, len(in.Blocks))
	for i, b := range in.Blocks {
		refs[i] = b.Ref()
	}
	return refs
}

// end is the last block.
func (in *Intake) end() feed.Ref { return in.Blocks[len(in.Blocks)-1].Ref() }

// Follows reports whether an encoded block is the one behind the Intake.
func (in *Intake) Follows(raw []byte) bool {
	b, err := feed.DecodeBlock(raw)
	return err == nil && b.From() == in.end().Seq+1 && b.Prev == in.end().Hash
}

// Receive verifies a run of encoded blocks of another engine, and repacks of such,
// against the feed that it extends. It changes nothing; blocks that are stored already are left
// out, and nil means that none was new. after, if it is not nil, is the last
// Intake of the feed that is being stored: the run may follow it.
//
// Errors: errs.UnknownFeed for a feed of no member (its admission may still
// arrive), errs.CorruptBlock, errs.BadSignature and errs.Malformed for what is
// wrong for good, errs.MissingDependency for a run that does not link to a
// stored block, errs.KeyUnavailable for a repack under a key that is not held.
func (s *Space) Receive(h *feed.SignedHeader, raw [][]byte, after *Intake) (*Intake, error) {
	p := NewParcel(h, raw)
	if _, err := s.Unfold(p, nil); err != nil {
		return nil, err
	}
	return s.Take(p, after)
}

// branches reports whether a run behind prev begins a branch of what is stored, or
// is being stored.
func branches(log *feed.Log, prev feed.Ref, after *Intake) bool {
	if after != nil && after.end() == prev {
		return false
	}
	heads := log.Heads()
	if prev.Seq == 0 {
		return len(heads) > 0 || after != nil
	}
	return !slices.Contains(heads, prev)
}

// Header gives the one of a feed's headers that is kept, if the feed is known, or h.
func (s *Space) Header(h *feed.SignedHeader) *feed.SignedHeader {
	if known := s.feeds[h.ID()]; known != nil {
		return known.header
	}
	return h
}

// Show has Settle apply the changes of a verified Intake before it is stored:
// what somebody else writes just now is seen two milliseconds earlier, and the
// processor works while storage does. They are in the state for good then, but
// neither passed on nor acknowledged before Commit: until then their author is
// who keeps them. The caller stores the Intake before whatever is built from
// now on. Own feeds and control feeds are left to Commit.
func (s *Space) Show(in *Intake) {
	if in.Header.Kind != feed.Data || s.own(in.Header) {
		return
	}
	f := s.feed(in.Header)
	for blocks := in.Blocks; len(blocks) > 0; {
		n, err := feed.Group(blocks)
		if err != nil || n == 0 {
			return // a verified run is one of whole changes
		}
		f.waiting = append(f.waiting, blocks[:n])
		blocks = blocks[n:]
	}
	in.shown, s.unsettled = true, true
}

// Commit indexes a stored Intake and, unless it was shown, has Settle apply its
// changes. The caller makes sure that Intakes of one feed are committed in the
// order they were received.
func (s *Space) Commit(in *Intake) error {
	f := s.feed(in.Header)
	f.kept = true
	var left []*feed.Block
	if in.shown {
		left = f.index(in.Blocks)
	} else {
		left = f.link(in.Blocks)
	}
	if len(left) > 0 {
		return errs.New("space.Commit", errs.MissingDependency, "block %d of feed %s follows one that is not here", left[0].Seq, id.Short(in.Header.ID()))
	}
	f.orphans = f.link(f.orphans)
	s.unsettled = true
	s.watch(f)
	if s.own(in.Header) { // the writer follows its feed before it builds again
		eff, _ := s.Settle(nil)
		s.untold.add(eff)
	}
	return nil
}

// link indexes and queues the whole changes whose predecessor is there, of
// blocks in the order of their places. It gives back the others. Of a forked
// feed the blocks of both branches come mixed: a part follows the one whose
// hash it names.
func (f *feedState) link(blocks []*feed.Block) (left []*feed.Block) {
	open := map[id.Hash][]*feed.Block{} // unfinished changes, by the hash of their last part
	for _, b := range blocks {
		if f.log.Has(b.Ref()) {
			continue
		}
		change := append(open[b.Prev], b)
		delete(open, b.Prev)
		switch {
		case len(change) != int(b.Part), b.Part == 1 && !f.log.Has(feed.Ref{Feed: b.Feed, Seq: b.Seq - 1, Hash: b.Prev}):
			left = append(left, change...)
		case b.Part < b.Parts:
			open[b.Hash()] = change
		case !f.add(change):
			left = append(left, change...)
		}
	}
	for _, change := range open {
		left = append(left, change...)
	}
	sort.SliceStable(left, func(i, j int) bool { return left[i].Seq < left[j].Seq })
	return left
}

// index indexes blocks that follow one another; it gives those that do not
// follow what is there.
func (f *feedState) index(blocks []*feed.Block) (left []*feed.Block) {
	for i, b := range blocks {
		if f.log.Add(b.Seq, b.Hash(), b.Prev) != nil {
			return blocks[i:]
		}
	}
	return nil
}

// add indexes a whole change and queues it.
func (f *feedState) add(change []*feed.Block) bool {
	if n, err := feed.Group(change); err != nil || n != len(change) {
		return false
	}
	if len(f.index(change)) > 0 {
		return false
	}
	f.waiting = append(f.waiting, change)
	return true
}
