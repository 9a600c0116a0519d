package feed

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

func TestVerifyRun(t *testing.T) {
	w := newWriter(t, 1)
	empty := w.head
	blocks := w.run(6)
	for name, c := range map[string]struct {
		prev     Ref
		from, to int
	}{
		"all":        {empty, 0, 6},
		"the first":  {empty, 0, 1},
		"the middle": {blocks[1].Ref(), 2, 4},
		"the last":   {blocks[4].Ref(), 5, 6},
		"none":       {empty, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			run := again(t, blocks[c.from:c.to])
			if err := VerifyRun(w.header, c.prev, run); err != nil {
				t.Fatal(err)
			}
			for i, b := range run {
				if (b.Sig != nil) != (i == len(run)-1) {
					t.Errorf("block %d of %d keeps a signature: %v", i+1, len(run), b.Sig != nil)
				}
				if b.Ref() != blocks[c.from+i].Ref() {
					t.Errorf("block %d changed its hash", i)
				}
			}
		})
	}
}

func TestVerifyRun_refuses(t *testing.T) {
	w, other := newWriter(t, 1), newWriter(t, 2)
	empty := w.head
	blocks := w.run(4)
	theirs := other.run(1)
	for name, c := range map[string]struct {
		prev   Ref
		change func(run []*Block) []*Block
		want   errs.Kind
	}{
		"no signature at the end":    {empty, func(r []*Block) []*Block { r[3].Sig = nil; return r }, errs.CorruptBlock},
		"a foreign signature":        {empty, func(r []*Block) []*Block { r[3].Sig = theirs[0].Sig; return r }, errs.CorruptBlock},
		"an earlier one's signature": {empty, func(r []*Block) []*Block { r[3].Sig = r[2].Sig; return r }, errs.CorruptBlock},
		"a gap":                      {empty, func(r []*Block) []*Block { return []*Block{r[0], r[2], r[3]} }, errs.WrongSequence},
		"a block twice":              {empty, func(r []*Block) []*Block { return []*Block{r[0], r[0]} }, errs.WrongSequence},
		"not from the start":         {empty, func(r []*Block) []*Block { return r[1:] }, errs.WrongSequence},
		"another predecessor":        {Ref{Feed: empty.Feed, Seq: 1, Hash: id.Hash{1}}, func(r []*Block) []*Block { return r[1:] }, errs.WrongSequence},
		"another feed":               {empty, func(r []*Block) []*Block { return append(r, theirs...) }, errs.UnknownFeed},
	} {
		t.Run(name, func(t *testing.T) {
			run := c.change(again(t, blocks))
			sig := run[0].Sig
			if err := VerifyRun(w.header, c.prev, run); errs.KindOf(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if len(run) > 1 && !bytes.Equal(run[0].Sig, sig) {
				t.Error("a refused run was changed")
			}
		})
	}
	t.Run("a swapped ciphertext before the end", func(t *testing.T) {
		run := again(t, blocks)
		forged := &Block{BlockHeader: run[1].BlockHeader, HeaderBytes: run[1].HeaderBytes, Ciphertext: bytes.Clone(run[2].Ciphertext)}
		b, err := DecodeBlock(forged.Encode())
		if err != nil {
			t.Fatal(err)
		}
		run[1] = b
		if err := VerifyRun(w.header, empty, run); !errs.Is(err, errs.CorruptBlock) {
			t.Errorf("got %v", err)
		}
	})
}

func TestRepack(t *testing.T) {
	w, other := newWriter(t, 1), newWriter(t, 2)
	empty := w.head
	blocks := w.run(3)
	blocks = append(blocks, w.add([]byte("d"), 2, other.run(1)[0].Ref())...)
	blocks = append(blocks, w.run(2)...)
	run := blocks[1:4]
	r := w.repack([]byte("joined"), run)
	if err := CheckRepack(r, run); err != nil {
		t.Fatal(err)
	}
	if r.Ref() != run[2].Ref() || r.From() != 2 || r.Hash() == run[2].Hash() {
		t.Fatalf("the repack stands at %v", r.Ref())
	}
	compact := append([]*Block{blocks[0], r}, blocks[4:]...)
	if err := VerifyRun(w.header, empty, again(t, compact)); !errs.Is(err, errs.CorruptBlock) {
		t.Errorf("a repack inside a run: %v", err)
	}
	for name, run := range map[string][]*Block{
		"too short": blocks[1:3], "too long": blocks[1:5], "shifted": blocks[2:5], "one block": blocks[1:2], "none": nil,
	} {
		if err := CheckRepack(r, run); !errs.Is(err, errs.CorruptBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := CheckRepack(blocks[3], run); !errs.Is(err, errs.CorruptBlock) {
		t.Errorf("a plain block: %v", err)
	}
	fewer := *r
	fewer.Ops--
	if err := CheckRepack(&fewer, run); !errs.Is(err, errs.CorruptBlock) {
		t.Errorf("fewer ops: %v", err)
	}
}
