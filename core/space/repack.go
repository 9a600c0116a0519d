package space

import (
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

// This file is about runs of small blocks of data feeds that are stored, and sent,
// as one record each (feed.Folder). Everything else here knows plain blocks only:
// what comes in is unfolded to them first, and a repack that does not unfold to the
// blocks that the author signed is refused like any damaged block.
//
// A repack has a key of its own, so that no write of a plain block can take it away,
// and no record is removed but in the batch that stores one with all that is in it.
// So, whatever else writes at the same time, a block that was stored is in some
// record; it may be in several.

// Parcel is a run of encoded blocks of one feed on its way in.
type Parcel struct {
	header *feed.SignedHeader
	raw    [][]byte      // not read yet
	blocks []*feed.Block // those of the repacks among them
	packed []unfolded
	folded *feed.Folded // of the repack that is being unfolded
	repack *feed.Block
}

// unfolded is a repack and where its blocks are.
type unfolded struct {
	repack   *feed.Block
	from, to int
}

// NewParcel makes the Parcel of a run, whose memory it keeps.
func NewParcel(h *feed.SignedHeader, raw [][]byte) *Parcel { return &Parcel{header: h, raw: raw} }

// Unfold reads a Parcel: it decodes its blocks and makes those of its repacks again.
// It stops when enough, which may be nil, says so, and goes on where it was when it
// is called again; done tells which. Take is to follow.
//
// Errors: those of Receive that it meets, and errs.KeyUnavailable for a repack under
// a key that is not held, instead of which the plain blocks are to be asked for.
func (s *Space) Unfold(p *Parcel, enough func() bool) (done bool, err error) {
	if err := s.checkHeader("space.Receive", p.header); err != nil && !s.introduces(p.header, p.raw) {
		return false, err
	}
	for p.repack != nil || len(p.raw) > 0 {
		if p.repack == nil {
			b, err := s.decode(p.header, p.raw[0])
			if err != nil {
				return false, err
			}
			p.raw = p.raw[1:]
			if b.Repack == nil {
				p.blocks = append(p.blocks, b)
				continue
			}
			if p.folded, err = s.open(p.header, b); err != nil {
				return false, err
			}
			p.repack = b
		}
		blocks, err := p.folded.Unfold(s.byID[p.repack.Epoch], enough)
		if err != nil {
			return false, err
		}
		if blocks == nil {
			return false, nil
		}
		for len(blocks) > 0 && p.has(blocks[0]) { // records may overlap
			blocks = blocks[1:]
		}
		p.packed = append(p.packed, unfolded{p.repack, len(p.blocks), len(p.blocks) + len(blocks)})
		p.blocks = append(p.blocks, blocks...)
		p.repack, p.folded = nil, nil
	}
	return true, nil
}

// has reports whether a block is among those that were read, which stand at
// consecutive places unless they are refused later.
func (p *Parcel) has(b *feed.Block) bool {
	if len(p.blocks) == 0 || b.Seq < p.blocks[0].Seq {
		return false
	}
	at := b.Seq - p.blocks[0].Seq
	return at < uint64(len(p.blocks)) && p.blocks[at].Hash() == b.Hash()
}

// decode reads one block of a feed.
func (s *Space) decode(h *feed.SignedHeader, raw []byte) (*feed.Block, error) {
	b, err := feed.DecodeBlock(raw)
	if err == nil && b.Feed != h.ID() {
		return nil, errs.New("space.Receive", errs.CorruptBlock, "a block of feed %s came as one of feed %s", id.Short(b.Feed), id.Short(h.ID()))
	}
	return b, err
}

// open opens a repack whose signature holds.
func (s *Space) open(h *feed.SignedHeader, b *feed.Block) (*feed.Folded, error) {
	const op = "space.Receive"
	if h.Kind != feed.Data {
		return nil, errs.New(op, errs.CorruptBlock, "a repack in the control feed %s", id.Short(h.ID()))
	}
	key, held := s.byID[b.Epoch]
	if !held {
		return nil, errs.New(op, errs.KeyUnavailable, "no key of the repack %d..%d of feed %s is held", b.From(), b.Seq, id.Short(b.Feed))
	}
	if err := b.VerifySig(h); err != nil {
		return nil, err
	}
	return b.OpenRepack(key)
}

// Folded opens a stored repack, for its payloads: errs.KeyUnavailable without its
// key, and errs.CorruptBlock or errs.DecryptFailed for a record that is damaged.
func (s *Space) Folded(b *feed.Block) (*feed.Folded, error) {
	key, held := s.byID[b.Epoch]
	if !held {
		return nil, errs.New("space.Folded", errs.KeyUnavailable, "no key of the repack %d..%d of feed %s is held", b.From(), b.Seq, id.Short(b.Feed))
	}
	return b.OpenRepack(key)
}

// unfold gives the blocks of a stored repack, calling rest now and then.
func (s *Space) unfold(b *feed.Block, rest func()) (blocks []*feed.Block, err error) {
	f, err := s.Folded(b)
	for err == nil && blocks == nil {
		blocks, err = f.Unfold(s.byID[b.Epoch], func() bool { rest(); return false })
	}
	return blocks, err
}

// LeftOutAt reports whether the content of the change that ends at a block is left
// out (see ReadChange).
func (s *Space) LeftOutAt(last id.Hash) bool { return s.leftOut[last] }

// Take makes the Intake of a Parcel that is unfolded; see Receive.
func (s *Space) Take(p *Parcel, after *Intake) (*Intake, error) {
	h, blocks := p.header, p.blocks
	f, known := s.feeds[h.ID()]
	log := feed.NewLog(h.ID())
	if known {
		log = f.log
	}
	stored := 0
	for stored < len(blocks) && log.Has(blocks[stored].Ref()) {
		stored++
	}
	if blocks = blocks[stored:]; len(blocks) == 0 {
		return nil, nil
	}
	prev := feed.Ref{Feed: h.ID(), Seq: blocks[0].Seq - 1, Hash: blocks[0].Prev}
	if prev.Seq > 0 && !log.Has(prev) && (after == nil || after.end() != prev) {
		return nil, errs.New("space.Receive", errs.MissingDependency, "block %d of feed %s follows one that is not here", blocks[0].Seq, id.Short(h.ID()))
	}
	if err := feed.VerifyRun(h, prev, blocks); err != nil {
		return nil, err
	}
	in := &Intake{Header: h, Blocks: blocks, isNew: !known || !f.kept, branch: branches(log, prev, after)}
	for _, u := range p.packed {
		if u.to > stored {
			in.covered = append(in.covered, p.blocks[u.from:max(u.from, stored)]...)
			in.packed = append(in.packed, unfolded{u.repack, max(u.from-stored, 0), u.to - stored})
		}
	}
	if in.branch {
		s.branches++
	}
	return in, nil
}

// records are the blocks and repacks that an Intake stores, in order.
func (in *Intake) records() []*feed.Block {
	if len(in.packed) == 0 {
		return in.Blocks
	}
	var list []*feed.Block
	at := 0
	for _, u := range in.packed {
		list = append(append(list, in.Blocks[at:u.from]...), u.repack)
		at = u.to
	}
	return append(list, in.Blocks[at:]...)
}

// Records gives the encoded blocks and repacks of an Intake, in order: what Receive
// takes.
func (in *Intake) Records() [][]byte {
	list := in.records()
	raw := make([][]byte, len(list))
	for i, b := range list {
		raw[i] = b.Encode()
	}
	return raw
}

// Repacked reports whether an Intake stores repacks.
func (in *Intake) Repacked() bool { return len(in.packed) > 0 }

// AddRepack adds to a batch the record of a repack that stands for these stored
// blocks, among others perhaps, and removes theirs.
func AddRepack(b *storage.Batch, repack *feed.Block, blocks []*feed.Block) {
	for _, blk := range blocks {
		b.Delete(feed.BlockKey(blk.Ref()))
	}
	b.Put(feed.RepackKey(repack), repack.Encode())
}

// Repackable gives the data feeds whose blocks may be repacked, in the order of
// their ids: those that are in one line, and whole.
func (s *Space) Repackable() (list []Feed) {
	for _, f := range s.Feeds() {
		if st := s.feeds[f.Header.ID()]; f.Header.Kind == feed.Data && len(f.Heads) == 1 && !st.damaged && len(st.orphans) == 0 {
			list = append(list, f)
		}
	}
	return list
}
