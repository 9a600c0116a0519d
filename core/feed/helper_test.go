package feed

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

func testEnv(seed byte) env.Env {
	return env.Env{
		Clock: env.ClockFunc(func() time.Time { return time.UnixMilli(1_700_000_000_000) }),
		Rand:  rand.NewChaCha8([32]byte{seed}),
		Log:   slog.New(slog.DiscardHandler),
	}
}

// writer makes the blocks of one feed, all from a seed.
type writer struct {
	t      testing.TB
	env    env.Env
	signer *keys.SigningKey
	key    keys.Secret
	header *SignedHeader
	head   Ref
}

func newWriter(t testing.TB, seed byte) *writer {
	t.Helper()
	w := &writer{t: t, env: testEnv(seed), signer: keys.NewSigningKey([32]byte{seed}), key: keys.Secret{seed}}
	space := keys.NewSigningKey([32]byte{200}).Public()
	h, err := NewHeader(context.Background(), Header{
		Space: space, Device: w.signer.Public(), Slot: 3, Incarnation: [16]byte{seed, 1, 2}, Kind: Data,
	}, w.signer)
	if err != nil {
		t.Fatal(err)
	}
	w.header, w.head = h, Ref{Feed: h.ID()}
	return w
}

// next is the BlockHeader of the block after the head.
func (w *writer) next(ops uint64, deltas ...Ref) BlockHeader {
	return BlockHeader{Feed: w.head.Feed, Seq: w.head.Seq + 1, Prev: w.head.Hash, Epoch: w.key.ID(), Deltas: deltas, Ops: ops}
}

// add builds a block, or its parts, after the head.
func (w *writer) add(payload []byte, ops uint64, deltas ...Ref) []*Block {
	w.t.Helper()
	blocks, err := BuildParts(context.Background(), w.env, w.next(ops, deltas...), w.key, payload, w.signer)
	if err != nil {
		w.t.Fatal(err)
	}
	w.head = blocks[len(blocks)-1].Ref()
	return blocks
}

// addParts adds the parts of one change, however short.
func (w *writer) addParts(ops uint64, pieces ...[]byte) []*Block {
	w.t.Helper()
	var blocks []*Block
	for i, piece := range pieces {
		h := w.next(0)
		h.Part, h.Parts = uint32(i+1), uint32(len(pieces))
		if h.Part == h.Parts {
			h.Ops = ops
		}
		b, err := build(w.env, h, w.key, piece, new(packer))
		if err == nil && h.Part == h.Parts {
			err = b.Sign(context.Background(), w.signer)
		}
		if err != nil {
			w.t.Fatal(err)
		}
		blocks, w.head = append(blocks, b), b.Ref()
	}
	return blocks
}

// repack builds a repack of a run.
func (w *writer) repack(payload []byte, run []*Block) *Block {
	w.t.Helper()
	first, last := run[0], run[len(run)-1]
	h := BlockHeader{
		Feed: first.Feed, Seq: last.Seq, Prev: first.Prev, Epoch: w.key.ID(),
		Repack: &Repack{From: first.Seq, FirstHash: first.Hash(), LastHash: last.Hash()},
	}
	for _, b := range run {
		h.Ops += b.Ops
		h.Deltas = append(h.Deltas, b.Deltas...)
	}
	h.Deltas = SortRefs(h.Deltas)
	r, err := Build(context.Background(), w.env, h, w.key, payload, w.signer)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// fold makes the repack of a whole run.
func (w *writer) fold(run []*Block) *Block {
	w.t.Helper()
	f := NewFolder(w.key)
	for _, b := range run {
		if !f.Add(b) {
			w.t.Fatalf("block %d is not taken", b.Seq)
		}
	}
	r, err := f.Repack(w.env, func() {})
	if err != nil || len(f.Run()) != len(run) {
		w.t.Fatalf("a repack of %d of %d blocks: %v", len(f.Run()), len(run), err)
	}
	return r
}

// run adds n small blocks.
func (w *writer) run(n int) []*Block {
	w.t.Helper()
	var blocks []*Block
	for i := range n {
		blocks = append(blocks, w.add([]byte{byte(i)}, 1)...)
	}
	return blocks
}

// again decodes what blocks encode to: what a receiver has.
func again(t testing.TB, blocks []*Block) []*Block {
	t.Helper()
	out := make([]*Block, len(blocks))
	for i, b := range blocks {
		var err error
		if out[i], err = DecodeBlock(b.Encode()); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// hash makes a hash of a number.
func hash(n int) id.Hash { return keys.Sum([]byte{byte(n), byte(n >> 8), byte(n >> 16)}) }
