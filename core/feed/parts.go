package feed

import (
	"context"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// partSize is what fits a block even when it does not deflate.
const partSize = MaxBlock - minCiphertext

// mayFit reports whether a payload may be one block when it is deflated. Of a
// long one the beginning tells: deflating all of it in vain would be half of
// the work.
func mayFit(payload []byte) bool {
	if len(payload) <= 2*partSize {
		return true
	}
	return len(payload) <= MaxPayload && len(Pack(payload[:partSize]))*(len(payload)/partSize) < 2*MaxBlock
}

// MaxChange is how long a payload may be that BuildParts takes.
const MaxChange = MaxParts * partSize

// Split cuts a payload so that each piece fits a block; one piece, maybe empty,
// for a payload that fits as it is. A payload over MaxChange is errs.TooLarge.
// The pieces share its memory.
func Split(payload []byte) ([][]byte, error) {
	if len(payload) > MaxChange {
		return nil, errs.New("feed.Split", errs.TooLarge, "a change of %d bytes, the limit is %d", len(payload), MaxChange)
	}
	var parts [][]byte
	for len(payload) > partSize {
		parts = append(parts, payload[:partSize:partSize])
		payload = payload[partSize:]
	}
	return append(parts, payload), nil
}

// Join reverses Split.
func Join(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	out := make([]byte, 0, n)
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// BuildParts is Build for a payload of up to MaxChange bytes: one block if it
// fits, deflated or not, else parts at consecutive places of which h is the
// first. A long payload whose beginning hardly shrinks is not tried as one. h.Part and
// h.Parts must be 0. Only the last block is signed, or, without a signer, is to be; all
// must be stored in one batch.
func BuildParts(ctx context.Context, e env.Env, h BlockHeader, key keys.Secret, payload []byte, s keys.Signer) ([]*Block, error) {
	if h.Part != 0 || h.Parts != 0 {
		return nil, errs.New("feed.BuildParts", errs.InvalidArgument, "part %d of %d is already set", h.Part, h.Parts)
	}
	if h.Repack != nil || mayFit(payload) {
		b, err := Build(ctx, e, h, key, payload, s)
		if err == nil {
			return []*Block{b}, nil
		}
		if !errs.Is(err, errs.TooLarge) || h.Repack != nil {
			return nil, err
		}
	}
	pieces, err := Split(payload)
	if err != nil {
		return nil, err
	}
	blocks := make([]*Block, len(pieces))
	ops, p := h.Ops, new(packer)
	h.Parts = uint32(len(pieces))
	for i, piece := range pieces {
		h.Part, h.Ops = uint32(i+1), 0
		if h.Part == h.Parts {
			h.Ops = ops
		}
		if blocks[i], err = build(e, h, key, piece, p); err != nil {
			return nil, err
		}
		h.Seq, h.Prev, h.Deltas = h.Seq+1, blocks[i].hash, nil
	}
	if s == nil {
		return blocks, nil
	}
	return blocks, blocks[len(blocks)-1].Sign(ctx, s)
}

// Group tells how many of the blocks, which follow one another, make up the
// first change: 1 for a plain block or a repack, n for n parts, and 0 if parts
// are still missing at the end. Parts that do not fit together are an
// errs.CorruptBlock.
func Group(blocks []*Block) (int, error) {
	if len(blocks) == 0 {
		return 0, nil
	}
	first := blocks[0]
	if first.Part != 1 {
		return 0, errs.New("feed.Group", errs.CorruptBlock, "block %d of feed %v is part %d of %d without those before", first.Seq, first.Feed, first.Part, first.Parts)
	}
	for i, b := range blocks {
		if b.Part != uint32(i+1) || b.Parts != first.Parts || b.Epoch != first.Epoch {
			return 0, errs.New("feed.Group", errs.CorruptBlock, "block %d of feed %v is part %d of %d, want part %d of %d", b.Seq, b.Feed, b.Part, b.Parts, i+1, first.Parts)
		}
		if b.Part == b.Parts {
			return i + 1, nil
		}
	}
	return 0, nil
}

// OpenParts opens the blocks of one whole change, as Group tells them, and
// gives its payload. It fails like Block.Open and Group; parts missing at the
// end are an errs.MissingDependency.
func OpenParts(blocks []*Block, key keys.Secret) ([]byte, error) {
	n, err := Group(blocks)
	if err != nil {
		return nil, err
	}
	if n == 0 || n != len(blocks) {
		return nil, errs.New("feed.OpenParts", errs.MissingDependency, "%d blocks are not one whole change", len(blocks))
	}
	if n == 1 {
		return blocks[0].Open(key)
	}
	pieces := make([][]byte, n)
	for i, b := range blocks {
		if pieces[i], err = b.Open(key); err != nil {
			return nil, err
		}
	}
	return Join(pieces), nil
}
