package feed

import (
	"bytes"
	"context"
	"math"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// Limits of a block.
const (
	// MaxBlock is how long a ciphertext may be.
	MaxBlock = 256 << 10
	// MaxDeltas is how many other heads one block may name.
	MaxDeltas = 4096
	// MaxParts is how many blocks one change may span.
	MaxParts = 256
	// MaxSeq is the highest place: what a JavaScript number holds exactly.
	MaxSeq = 1<<53 - 1
	// MaxOps is how many ops one change may have. An op takes at least a byte
	// of a payload of at most MaxParts blocks, so no honest change has more;
	// the bound keeps lamport times, which are sums of these, from overflowing.
	MaxOps = MaxParts * MaxBlock
	// MaxPayload is how long a payload may be that is to fit one block.
	MaxPayload = 16 << 20

	deltaSize      = 2 + 34 + 9 + 34
	maxBlockHeader = 256 + MaxDeltas*deltaSize
	minCiphertext  = keys.Overhead + 1
)

// Ref names one block. Seq counts from 1; Seq 0 with the zero Hash is the
// place before the first block: the empty feed.
type Ref struct {
	Feed id.FeedID
	Seq  uint64
	Hash id.Hash
}

// Compare orders refs by feed, seq and hash.
func (r Ref) Compare(o Ref) int {
	if c := bytes.Compare(r.Feed[:], o.Feed[:]); c != 0 {
		return c
	}
	if r.Seq != o.Seq {
		if r.Seq < o.Seq {
			return -1
		}
		return 1
	}
	return bytes.Compare(r.Hash[:], o.Hash[:])
}

// BlockHeader is the part of a block in clear.
type BlockHeader struct {
	Feed id.FeedID
	// Seq is the place in the feed, from 1.
	Seq uint64
	// Prev is the hash of the block before, zero for the first.
	Prev id.Hash
	// Epoch names the key that the ciphertext is under.
	Epoch id.EpochID
	// Deltas are heads of other feeds that the writer saw since its last
	// block: what this block causally follows beside Prev. Ascending by feed,
	// then hash, without duplicates.
	Deltas []Ref
	// Ops is how many elementary edits the payload has.
	Ops uint64
	// Length is that of the ciphertext. Build fills it in.
	Length uint64
	// Part of Parts, from 1. Build takes 0 of 0 for 1 of 1.
	Part, Parts uint32
	// Repack is nil for a plain block.
	Repack *Repack
}

// Repack says what a block stands for: the places From..Seq, whose first and
// last blocks had these hashes.
type Repack struct {
	From                uint64
	FirstHash, LastHash id.Hash
}

// Block is a block as stored and sent. Make it by Build or DecodeBlock, which
// check its form; nothing but Sig may change afterwards.
type Block struct {
	BlockHeader
	// HeaderBytes are the encoded BlockHeader, as hashed.
	HeaderBytes, Ciphertext []byte
	// Sig has 64 bytes, or none. That of a repack is of the last block it stands for.
	Sig []byte

	hash   id.Hash
	packed []byte // what was sealed, if Unfold made the block
}

// Build makes a block: it encodes the header, deflates the payload when that
// shrinks it, seals it under key and signs the hash, or, without a signer, leaves that
// to Sign: the hash does not depend on it. A header that DecodeBlock
// would refuse is errs.InvalidArgument, a payload that does not fit is
// errs.TooLarge (see BuildParts).
func Build(ctx context.Context, e env.Env, h BlockHeader, key keys.Secret, payload []byte, s keys.Signer) (*Block, error) {
	b, err := build(e, h, key, payload, new(packer))
	if err != nil || s == nil {
		return b, err
	}
	return b, b.Sign(ctx, s)
}

// build is Build without the signature.
func build(e env.Env, h BlockHeader, key keys.Secret, payload []byte, p *packer) (*Block, error) {
	const op = "feed.Build"
	if h.Part == 0 && h.Parts == 0 {
		h.Part, h.Parts = 1, 1
	}
	if len(payload) > MaxPayload {
		return nil, errs.New(op, errs.TooLarge, "a payload of %d bytes, the limit is %d", len(payload), MaxPayload)
	}
	var packed []byte
	if h.Repack == nil {
		packed = p.pack(payload)
	} else { // what is in it is deflated already
		packed = append([]byte{rawPayload}, payload...)
	}
	if len(packed)+keys.Overhead > MaxBlock {
		return nil, errs.New(op, errs.TooLarge, "a block of %d bytes, the limit is %d: span parts", len(packed)+keys.Overhead, MaxBlock)
	}
	h.Length = uint64(len(packed) + keys.Overhead)
	if err := h.check(op, errs.InvalidArgument); err != nil {
		return nil, err
	}
	b := &Block{BlockHeader: h, HeaderBytes: h.encode()}
	if h.foldable(len(packed)) {
		b.Ciphertext = keys.SealDerived(key, packed, b.HeaderBytes)
	} else {
		b.Ciphertext = keys.Seal(e, key, packed, b.HeaderBytes)
	}
	b.hash = b.sum()
	return b, nil
}

// Sign makes the signature, or makes it anew: where Ed25519 is deterministic it is
// the one that the block had when its device made it.
func (b *Block) Sign(ctx context.Context, s keys.Signer) error {
	sig, err := s.Sign(ctx, b.signed())
	if err != nil {
		return err
	}
	b.Sig = sig[:]
	return nil
}

// signed is the message that the signature is over: that of the block, or, of a
// repack, of the last block that it stands for.
func (b *Block) signed() []byte {
	h := b.Ref().Hash
	return append([]byte(blockLabel), h[:]...)
}

func (b *Block) sum() id.Hash {
	ct := keys.Sum(b.Ciphertext)
	return keys.Sum(b.HeaderBytes, ct[:])
}

// DecodeBlock reads what Encode made: errs.Malformed, errs.VersionUnsupported
// or errs.TooLarge. It checks the form, not the signature (see VerifyRun). The
// block shares raw's memory, which must not change.
func DecodeBlock(raw []byte) (*Block, error) {
	const op = "feed.DecodeBlock"
	b := &Block{}
	r := wire.Over(raw)
	r.Array(3)
	b.HeaderBytes = r.Bytes(maxBlockHeader)
	b.Ciphertext = r.Bytes(MaxBlock)
	b.Sig = r.Bytes(sigSize)
	if err := r.Done(op); err != nil {
		return nil, err
	}
	switch len(b.Sig) {
	case 0:
		b.Sig = nil
	case sigSize:
	default:
		return nil, errs.New(op, errs.Malformed, "a signature of %d bytes, want %d or none", len(b.Sig), sigSize)
	}
	if err := b.BlockHeader.decode(b.HeaderBytes); err != nil {
		return nil, err
	}
	if b.Length != uint64(len(b.Ciphertext)) {
		return nil, errs.New(op, errs.Malformed, "%d bytes of ciphertext, the header says %d", len(b.Ciphertext), b.Length)
	}
	b.hash = b.sum()
	return b, nil
}

// Encode gives [header, ciphertext, signature].
func (b *Block) Encode() []byte { return b.encodeWith(b.Sig) }

// WithoutSig is Encode without the signature.
func (b *Block) WithoutSig() []byte { return b.encodeWith(nil) }

func (b *Block) encodeWith(sig []byte) []byte {
	out := make([]byte, 0, len(b.HeaderBytes)+len(b.Ciphertext)+len(sig)+16)
	out = wire.AppendArray(out, 3)
	out = wire.AppendBytes(out, b.HeaderBytes)
	out = wire.AppendBytes(out, b.Ciphertext)
	return wire.AppendBytes(out, sig)
}

// Hash is BLAKE2b-256(header ‖ BLAKE2b-256(ciphertext)): what is signed, and
// what the next block names, unless this is a repack (see Ref).
func (b *Block) Hash() id.Hash { return b.hash }

// Ref is the block's place in the chain; of a repack, that of the last block
// it stands for.
func (b *Block) Ref() Ref {
	if b.Repack != nil {
		return Ref{Feed: b.Feed, Seq: b.Seq, Hash: b.Repack.LastHash}
	}
	return Ref{Feed: b.Feed, Seq: b.Seq, Hash: b.hash}
}

// From is the first place that the block fills: Seq, unless it is a repack.
func (b *Block) From() uint64 {
	if b.Repack != nil {
		return b.Repack.From
	}
	return b.Seq
}

// Open gives the payload: errs.DecryptFailed under another key, and
// errs.CorruptBlock if what was sealed does not inflate within its limit.
func (b *Block) Open(key keys.Secret) ([]byte, error) {
	packed, err := b.open(key)
	if err != nil {
		return nil, err
	}
	limit := MaxPayload
	if b.Parts > 1 {
		limit = partSize
	}
	payload, err := Unpack(packed, limit)
	if err != nil {
		return nil, errs.New("feed.Block.Open", errs.CorruptBlock, "block %d of feed %v: %w", b.Seq, b.Feed, err)
	}
	return payload, nil
}

// open gives what was sealed.
func (b *Block) open(key keys.Secret) ([]byte, error) {
	if b.packed != nil {
		return b.packed, nil
	}
	packed, err := keys.Open(key, b.Ciphertext, b.HeaderBytes)
	if err != nil {
		return nil, errs.New("feed.Block.Open", errs.DecryptFailed, "block %d of feed %v does not open under key %v: %w", b.Seq, b.Feed, key.ID(), err)
	}
	return packed, nil
}

func (h *BlockHeader) encode() []byte {
	b := wire.AppendArray(make([]byte, 0, 192+len(h.Deltas)*deltaSize), 11)
	b = wire.AppendUint(b, version)
	b = wire.AppendBytes(b, h.Feed[:])
	b = wire.AppendUint(b, h.Seq)
	b = wire.AppendBytes(b, h.Prev[:])
	b = wire.AppendBytes(b, h.Epoch[:])
	b = AppendRefs(b, h.Deltas)
	b = wire.AppendUint(b, h.Ops)
	b = wire.AppendUint(b, h.Length)
	b = wire.AppendUint(b, uint64(h.Part))
	b = wire.AppendUint(b, uint64(h.Parts))
	if h.Repack == nil {
		return wire.AppendNil(b)
	}
	b = wire.AppendArray(b, 3)
	b = wire.AppendUint(b, h.Repack.From)
	b = wire.AppendBytes(b, h.Repack.FirstHash[:])
	return wire.AppendBytes(b, h.Repack.LastHash[:])
}

func (h *BlockHeader) decode(b []byte) error {
	const op = "feed.DecodeBlock"
	r := wire.Over(b)
	n := r.ArrayLen(math.MaxInt32)
	if err := checkVersion(&r, op); err != nil {
		return err
	}
	if r.Err() == nil && n != 11 {
		return errs.New(op, errs.Malformed, "a block header of %d fields, want 11", n)
	}
	r.Fixed(h.Feed[:])
	h.Seq = r.Uint(MaxSeq)
	r.Fixed(h.Prev[:])
	r.Fixed(h.Epoch[:])
	h.Deltas = ReadRefs(&r, MaxDeltas)
	h.Ops = r.Uint(MaxOps)
	h.Length = r.Uint(MaxBlock)
	h.Part = uint32(r.Uint(MaxParts))
	h.Parts = uint32(r.Uint(MaxParts))
	if !r.SkipNil() {
		h.Repack = &Repack{}
		r.Array(3)
		h.Repack.From = r.Uint(MaxSeq)
		r.Fixed(h.Repack.FirstHash[:])
		r.Fixed(h.Repack.LastHash[:])
	}
	if err := r.Done(op); err != nil {
		return err
	}
	return h.check(op, errs.Malformed)
}

// check holds what the encoding alone does not.
func (h *BlockHeader) check(op string, kind errs.Kind) error {
	first := h.Seq
	if h.Repack != nil {
		first = h.Repack.From
	}
	switch {
	case h.Seq == 0 || h.Seq > MaxSeq:
		return errs.New(op, kind, "seq %d is outside 1..%d", h.Seq, uint64(MaxSeq))
	case h.Ops > MaxOps:
		return errs.New(op, kind, "%d ops are over %d", h.Ops, uint64(MaxOps))
	case h.Length < minCiphertext:
		return errs.New(op, kind, "%d bytes are too short for a ciphertext", h.Length)
	case (first == 1) != id.IsZero(h.Prev):
		return errs.New(op, kind, "block %d with the predecessor %v: only the first has none", first, h.Prev)
	case h.Part == 0 || h.Part > h.Parts || h.Parts > MaxParts || uint64(h.Part) > h.Seq:
		return errs.New(op, kind, "part %d of %d at place %d", h.Part, h.Parts, h.Seq)
	case h.Part > 1 && len(h.Deltas) > 0:
		return errs.New(op, kind, "part %d has deltas; the first part carries them", h.Part)
	case h.Part < h.Parts && h.Ops > 0:
		return errs.New(op, kind, "part %d of %d counts ops; the last part does", h.Part, h.Parts)
	}
	if err := h.checkDeltas(op, kind); err != nil {
		return err
	}
	return h.checkRepack(op, kind)
}

func (h *BlockHeader) checkDeltas(op string, kind errs.Kind) error {
	if len(h.Deltas) > MaxDeltas {
		return errs.New(op, kind, "%d deltas, the limit is %d", len(h.Deltas), MaxDeltas)
	}
	for i, d := range h.Deltas {
		if d.Feed == h.Feed {
			return errs.New(op, kind, "delta %d is of the own feed", i)
		}
		if d.Seq == 0 || d.Seq > MaxSeq {
			return errs.New(op, kind, "delta %d has seq %d", i, d.Seq)
		}
		if i == 0 {
			continue
		}
		p := h.Deltas[i-1]
		c := bytes.Compare(p.Feed[:], d.Feed[:])
		if c > 0 || c == 0 && bytes.Compare(p.Hash[:], d.Hash[:]) >= 0 {
			return errs.New(op, kind, "delta %d is not above the one before", i)
		}
	}
	return nil
}

func (h *BlockHeader) checkRepack(op string, kind errs.Kind) error {
	p := h.Repack
	switch {
	case p == nil:
		return nil
	case p.From == 0 || p.From >= h.Seq:
		return errs.New(op, kind, "a repack of %d..%d; it takes two places or more", p.From, h.Seq)
	case id.IsZero(p.FirstHash) || id.IsZero(p.LastHash) || p.FirstHash == p.LastHash:
		return errs.New(op, kind, "a repack of %d..%d needs the hashes of its first and last block", p.From, h.Seq)
	case h.Parts != 1:
		return errs.New(op, kind, "a repack in %d parts; take a shorter run", h.Parts)
	}
	return nil
}

// SortRefs puts refs in the order of BlockHeader.Deltas, in place, and drops
// duplicates.
func SortRefs(refs []Ref) []Ref {
	sort.Slice(refs, func(i, j int) bool {
		a, b := &refs[i], &refs[j]
		if c := bytes.Compare(a.Feed[:], b.Feed[:]); c != 0 {
			return c < 0
		}
		return bytes.Compare(a.Hash[:], b.Hash[:]) < 0
	})
	return slices.CompactFunc(refs, func(a, b Ref) bool { return a.Feed == b.Feed && a.Hash == b.Hash })
}

// AppendRefs appends refs as [[feed, seq, hash]...], in their order.
func AppendRefs(b []byte, refs []Ref) []byte {
	b = wire.AppendArray(b, len(refs))
	for _, d := range refs {
		b = wire.AppendArray(b, 3)
		b = wire.AppendBytes(b, d.Feed[:])
		b = wire.AppendUint(b, d.Seq)
		b = wire.AppendBytes(b, d.Hash[:])
	}
	return b
}

// ReadRefs reads what AppendRefs made, limit refs at most; nil for none.
func ReadRefs(r *wire.Reader, limit int) []Ref {
	n := r.ArrayLen(limit)
	if n == 0 {
		return nil
	}
	// An encoded ref takes over 64 bytes: the input bounds what is allocated.
	refs := make([]Ref, 0, min(n, len(r.Rest())/64+1))
	for range n {
		var d Ref
		r.Array(3)
		r.Fixed(d.Feed[:])
		d.Seq = r.Uint(MaxSeq)
		r.Fixed(d.Hash[:])
		if r.Err() != nil {
			return nil
		}
		refs = append(refs, d)
	}
	return refs
}
