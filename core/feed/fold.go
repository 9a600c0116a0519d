package feed

import (
	"slices"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// Folder makes the repack of a run of blocks. It is for one goroutine.
type Folder struct {
	key  keys.Secret
	run  []*Block
	list []folded
	size int
	refs int // deltas
	ops  uint64
	// signed is how many blocks there are up to the last that carries a signature.
	signed int
}

// NewFolder makes a Folder for blocks under that key.
func NewFolder(key keys.Secret) *Folder { return &Folder{key: key} }

// Add takes the next block of the run; false if it cannot be part of this repack:
// it does not follow the one before, is under another key, too big, one of several
// parts, a repack, or sealed so that it cannot be made again; or the repack is
// full.
func (f *Folder) Add(b *Block) bool {
	if n := len(f.run); n > 0 {
		if before := f.run[n-1]; n == MaxRepack || b.Feed != before.Feed || b.Seq != before.Seq+1 || b.Prev != before.hash || b.Epoch != before.Epoch {
			return false
		}
	} else if b.Epoch != f.key.ID() {
		return false
	}
	n := len(b.Ciphertext) - keys.Overhead
	if !b.foldable(n) || f.size+n > maxFold || f.refs+len(b.Deltas) > MaxDeltas || f.ops+b.Ops > MaxOps {
		return false
	}
	packed, err := b.open(f.key)
	if err != nil || !keys.IsDerived(f.key, b.Ciphertext, packed, b.HeaderBytes) {
		return false
	}
	f.run, f.list = append(f.run, b), append(f.list, folded{packed: packed, ops: b.Ops})
	f.size, f.refs, f.ops = f.size+n, f.refs+len(b.Deltas), f.ops+b.Ops
	if len(b.Sig) == sigSize {
		f.signed = len(f.run)
	}
	return true
}

// Run gives the blocks that Repack stands for: those up to the last that carries a
// signature.
func (f *Folder) Run() []*Block { return f.run[:f.signed] }

// Repack makes the repack of Run, which has to have two blocks or more, and
// shortens Run if they are too long for one. It calls rest between pieces of work.
// The signature that the last block carries must be one that holds.
func (f *Folder) Repack(e env.Env, rest func()) (*Block, error) {
	for {
		b, err := f.repack(e, rest)
		if !errs.Is(err, errs.TooLarge) || len(f.Run()) < 2 {
			return b, err
		}
		f.shorten()
	}
}

// shorten halves the run.
func (f *Folder) shorten() {
	half := f.signed / 2
	for f.signed = half; f.signed > 0 && len(f.run[f.signed-1].Sig) != sigSize; f.signed-- {
	}
}

func (f *Folder) repack(e env.Env, rest func()) (*Block, error) {
	run := f.Run()
	if len(run) < 2 {
		return nil, errs.New("feed.Folder.Repack", errs.InvalidArgument, "a run of %d blocks; it takes two or more, the last of them signed", len(run))
	}
	first, last := run[0], run[len(run)-1]
	h := BlockHeader{
		Feed: first.Feed, Seq: last.Seq, Prev: first.Prev, Epoch: first.Epoch,
		Repack: &Repack{From: first.Seq, FirstHash: first.hash, LastHash: last.hash},
	}
	for _, b := range run {
		h.Ops += b.Ops
		h.Deltas = append(h.Deltas, b.Deltas...)
	}
	h.Deltas = SortRefs(h.Deltas)
	type name struct {
		feed id.FeedID
		hash id.Hash
	}
	places := make(map[name]int, len(h.Deltas))
	for i, d := range h.Deltas {
		places[name{d.Feed, d.Hash}] = i
	}
	for i, b := range run {
		f.list[i].deltas = f.list[i].deltas[:0]
		for _, d := range b.Deltas {
			f.list[i].deltas = append(f.list[i].deltas, places[name{d.Feed, d.Hash}])
		}
	}
	r, err := build(e, h, f.key, encodeFolded(f.list[:len(run)], rest), nil)
	if err != nil {
		return nil, err
	}
	r.Sig = last.Sig
	return r, nil
}

// Folded is what a repack has of the blocks that it stands for. It is for one
// goroutine.
type Folded struct {
	repack *Block
	list   []folded
	made   []*Block
}

// OpenRepack opens a repack: errs.DecryptFailed under another key, and
// errs.CorruptBlock for what is no repack, or does not read.
func (b *Block) OpenRepack(key keys.Secret) (*Folded, error) {
	const op = "feed.OpenRepack"
	if b.Repack == nil || b.Seq-b.Repack.From >= MaxRepack {
		return nil, errs.New(op, errs.CorruptBlock, "block %d..%d of feed %v is no repack, or of too many blocks", b.From(), b.Seq, b.Feed)
	}
	payload, err := b.Open(key)
	if err != nil {
		return nil, err
	}
	list, err := decodeFolded(payload, int(b.Seq-b.Repack.From+1), len(b.Deltas))
	if errs.Is(err, errs.VersionUnsupported) {
		return nil, err
	}
	if err != nil {
		return nil, errs.New(op, errs.CorruptBlock, "the repack %d..%d of feed %v: %w", b.From(), b.Seq, b.Feed, err)
	}
	return &Folded{repack: b, list: list}, nil
}

// Payload gives the payload of the block at a place of the repack.
func (f *Folded) Payload(seq uint64) ([]byte, error) {
	const op = "feed.Folded.Payload"
	from := f.repack.Repack.From
	if seq < from || seq > f.repack.Seq {
		return nil, errs.New(op, errs.InvalidArgument, "place %d of a repack of %d..%d", seq, from, f.repack.Seq)
	}
	payload, err := Unpack(f.list[seq-from].packed, MaxPayload)
	if err != nil {
		return nil, errs.New(op, errs.CorruptBlock, "block %d of feed %v: %w", seq, f.repack.Feed, err)
	}
	return payload, nil
}

// Unfold makes the blocks of the repack again, as they were, but that only the last
// carries a signature; whether that holds is for VerifyRun to say. It stops when
// enough, which may be nil, says so, and goes on where it was when it is called
// again; nil blocks mean that it is not done. Blocks other than those that the
// repack names are an errs.CorruptBlock.
func (f *Folded) Unfold(key keys.Secret, enough func() bool) ([]*Block, error) {
	r := f.repack
	if f.made == nil {
		f.made = make([]*Block, 0, len(f.list))
	}
	for len(f.made) < len(f.list) {
		if err := f.next(key); err != nil {
			return nil, err
		}
		if len(f.made) < len(f.list) && enough != nil && len(f.made)%unfoldStep == 0 && enough() {
			return nil, nil
		}
	}
	last := f.made[len(f.made)-1]
	if last.hash != r.Repack.LastHash || f.made[0].hash != r.Repack.FirstHash || !f.holdsAll() {
		return nil, errs.New("feed.Unfold", errs.CorruptBlock, "the repack %d..%d of feed %v stands for other blocks than it names", r.From(), r.Seq, r.Feed)
	}
	last.Sig = r.Sig
	return f.made, nil
}

// unfoldStep is after how many blocks Unfold asks whether it is enough.
const unfoldStep = 16

// next makes the next block.
func (f *Folded) next(key keys.Secret) error {
	r, i := f.repack, len(f.made)
	c := &f.list[i]
	h := BlockHeader{
		Feed: r.Feed, Seq: r.Repack.From + uint64(i), Prev: r.Prev, Epoch: r.Epoch, Ops: c.ops,
		Length: uint64(len(c.packed) + keys.Overhead), Part: 1, Parts: 1,
	}
	if i > 0 {
		h.Prev = f.made[i-1].hash
	}
	for _, at := range c.deltas {
		h.Deltas = append(h.Deltas, r.Deltas[at])
	}
	if err := h.check("feed.Unfold", errs.CorruptBlock); err != nil {
		return err
	}
	b := &Block{BlockHeader: h, HeaderBytes: h.encode(), packed: c.packed}
	b.Ciphertext = keys.SealDerived(key, c.packed, b.HeaderBytes)
	b.hash = b.sum()
	f.made = append(f.made, b)
	return nil
}

// holdsAll reports whether the header of the repack has the ops and the deltas of
// its blocks, and no others.
func (f *Folded) holdsAll() bool {
	var ops uint64
	used := make([]bool, len(f.repack.Deltas))
	for i := range f.list {
		ops += f.list[i].ops
		for _, at := range f.list[i].deltas {
			used[at] = true
		}
	}
	return ops == f.repack.Ops && !slices.Contains(used, false)
}
