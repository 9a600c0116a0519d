package feed

import (
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// VerifyRun accepts blocks that follow prev in the feed of h by one signature
// check: that of the last block, whose hash covers all before it. (Each repack
// among them is checked too, which says that its author wrote the last block that
// it names; that it stands for those blocks is for Folded.Unfold to say.) An empty
// run holds.
//
// prev is what the caller has verified before, or the empty feed. On success
// Sig is nil in every block whose signature was not checked, so that none is
// passed on unverified. On failure nothing was changed:
// errs.UnknownFeed for a block of another feed, errs.WrongSequence if the
// first block does not follow prev or the run has a gap, errs.CorruptBlock if
// hashes do not link, a needed signature is missing or wrong, or the run ends
// between the parts of a change.
func VerifyRun(h *SignedHeader, prev Ref, blocks []*Block) error {
	if len(blocks) == 0 {
		return nil
	}
	if err := checkLinks(h, prev, blocks); err != nil {
		return err
	}
	last := len(blocks) - 1
	if err := verifySig(h, blocks[last]); err != nil {
		return err
	}
	for _, b := range blocks[:last] {
		b.Sig = nil
	}
	return nil
}

// checkLinks checks that each block follows the one before.
func checkLinks(h *SignedHeader, prev Ref, blocks []*Block) error {
	const op = "feed.VerifyRun"
	feed := h.ID()
	part, parts := uint32(0), uint32(0) // of the block before, if inside a change
	for i, b := range blocks {
		switch {
		case b.Feed != feed:
			return errs.New(op, errs.UnknownFeed, "a block of feed %v in a run of feed %v", b.Feed, feed)
		case b.Repack != nil:
			return errs.New(op, errs.CorruptBlock, "block %d of feed %v is a repack that was not unfolded", b.Seq, feed)
		case b.Seq != prev.Seq+1:
			return errs.New(op, errs.WrongSequence, "block %d of feed %v does not follow %d", b.Seq, feed, prev.Seq)
		case b.Prev != prev.Hash && i == 0:
			return errs.New(op, errs.WrongSequence, "block %d of feed %v follows another block %d: %v, not %v", b.Seq, feed, prev.Seq, b.Prev, prev.Hash)
		case b.Prev != prev.Hash:
			return errs.New(op, errs.CorruptBlock, "block %d of feed %v does not link to the one before", b.Seq, feed)
		case b.Part != part+1, part > 0 && b.Parts != parts:
			return errs.New(op, errs.CorruptBlock, "block %d of feed %v is part %d of %d out of order", b.Seq, feed, b.Part, b.Parts)
		}
		part, parts = b.Part, b.Parts
		if part == parts {
			part, parts = 0, 0
		}
		prev = b.Ref()
	}
	if part != 0 {
		return errs.New(op, errs.CorruptBlock, "the run of feed %v ends after part %d of %d", feed, part, parts)
	}
	return nil
}

// VerifySig checks the signature that b carries by itself: an errs.CorruptBlock
// if there is none or it is not that of the feed's device.
func (b *Block) VerifySig(h *SignedHeader) error { return verifySig(h, b) }

func verifySig(h *SignedHeader, b *Block) error {
	const op = "feed.VerifyRun"
	if len(b.Sig) != sigSize {
		return errs.New(op, errs.CorruptBlock, "block %d of feed %v carries no signature", b.Seq, b.Feed)
	}
	if err := keys.Verify(h.Device, b.signed(), b.Sig); err != nil {
		return errs.New(op, errs.CorruptBlock, "block %d of feed %v is not signed by its device: %w", b.Seq, b.Feed, err)
	}
	return nil
}

// CheckRepack checks that r has the form of a repack of run, which are the
// plain blocks r.Repack.From..r.Seq as verified: the same feed, places, hashes,
// op count, and all deltas. Otherwise it is an errs.CorruptBlock. It looks at
// neither signature nor payload.
func CheckRepack(r *Block, run []*Block) error {
	const op = "feed.CheckRepack"
	if r.Repack == nil || len(run) < 2 {
		return errs.New(op, errs.CorruptBlock, "block %d of feed %v stands for %d blocks and is no repack of them", r.Seq, r.Feed, len(run))
	}
	first, last := run[0], run[len(run)-1]
	if r.Feed != first.Feed || r.Repack.From != first.From() || r.Seq != last.Seq || r.Prev != first.Prev {
		return errs.New(op, errs.CorruptBlock, "the repack %d..%d of feed %v stands at other places than %d..%d of feed %v", r.Repack.From, r.Seq, r.Feed, first.From(), last.Seq, first.Feed)
	}
	if r.Repack.FirstHash != first.Hash() || r.Repack.LastHash != last.Hash() {
		return errs.New(op, errs.CorruptBlock, "the repack %d..%d of feed %v names other blocks", r.Repack.From, r.Seq, r.Feed)
	}
	var ops uint64
	var deltas []Ref
	for _, b := range run {
		ops += b.Ops
		deltas = append(deltas, b.Deltas...)
	}
	if r.Ops != ops || !slices.Equal(r.Deltas, SortRefs(deltas)) {
		return errs.New(op, errs.CorruptBlock, "the repack %d..%d of feed %v has %d ops and %d deltas, its run has others", r.Repack.From, r.Seq, r.Feed, r.Ops, len(r.Deltas))
	}
	return nil
}
