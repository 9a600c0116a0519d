package feed

import (
	"bytes"
	"compress/flate"
	"context"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
	"pgregory.net/rapid"
)

// TestBlock_everyBitCounts flips each bit of a small block: it is refused,
// either at once or by the run it is in.
func TestBlock_everyBitCounts(t *testing.T) {
	w, other := newWriter(t, 1), newWriter(t, 2)
	theirs := other.add([]byte("x"), 1)[0].Ref()
	first := w.add([]byte("hi"), 1, theirs)[0]
	raw := first.Encode()
	empty := Ref{Feed: first.Feed}
	if err := VerifyRun(w.header, empty, again(t, []*Block{first})); err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		flipped := bytes.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		b, err := DecodeBlock(flipped)
		if err == nil {
			err = VerifyRun(w.header, empty, []*Block{b})
		}
		if err == nil {
			t.Fatalf("bit %d of byte %d flipped goes unseen", bit%8, bit/8)
		}
		if errs.KindOf(err) == errs.Internal {
			t.Fatalf("bit %d: %v has no kind", bit, err)
		}
	}
}

func TestHeader_everyBitCounts(t *testing.T) {
	raw := newWriter(t, 1).header.Encode()
	for bit := range len(raw) * 8 {
		flipped := bytes.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := DecodeHeader(flipped); err == nil || errs.KindOf(err) == errs.Internal {
			t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
		}
	}
}

func TestNewHeader_refuses(t *testing.T) {
	w := newWriter(t, 1)
	h := w.header.Header
	if _, err := NewHeader(context.Background(), h, keys.NewSigningKey([32]byte{9})); !errs.Is(err, errs.InvalidArgument) {
		t.Errorf("a foreign signer: %v", err)
	}
	h.Kind = 2
	if _, err := NewHeader(context.Background(), h, w.signer); !errs.Is(err, errs.InvalidArgument) {
		t.Errorf("an unknown kind: %v", err)
	}
}

// encodeForm is a block with that header, whatever it says.
func encodeForm(h BlockHeader, ciphertext []byte) []byte {
	b := Block{BlockHeader: h, HeaderBytes: h.encode(), Ciphertext: ciphertext}
	return b.Encode()
}

func TestDecodeBlock_refuses(t *testing.T) {
	ct := make([]byte, minCiphertext)
	good := BlockHeader{Feed: id.FeedID{1}, Seq: 2, Prev: id.Hash{1}, Ops: 1, Length: uint64(len(ct)), Part: 1, Parts: 1}
	ref := func(f byte, seq uint64, h byte) Ref { return Ref{Feed: id.FeedID{f}, Seq: seq, Hash: id.Hash{h}} }
	if _, err := DecodeBlock(encodeForm(good, ct)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(h *BlockHeader){
		"seq 0":                     func(h *BlockHeader) { h.Seq = 0 },
		"seq beyond the limit":      func(h *BlockHeader) { h.Seq = MaxSeq + 1 },
		"first with predecessor":    func(h *BlockHeader) { h.Seq = 1 },
		"second without":            func(h *BlockHeader) { h.Prev = id.Hash{} },
		"another length":            func(h *BlockHeader) { h.Length++ },
		"part 0":                    func(h *BlockHeader) { h.Part = 0 },
		"part over parts":           func(h *BlockHeader) { h.Part = 2 },
		"too many parts":            func(h *BlockHeader) { h.Parts, h.Ops = MaxParts+1, 0 },
		"part 3 at place 2":         func(h *BlockHeader) { h.Part, h.Parts = 3, 3 },
		"ops before the last part":  func(h *BlockHeader) { h.Parts = 2 },
		"deltas after part 1":       func(h *BlockHeader) { h.Part, h.Parts, h.Deltas = 2, 2, []Ref{ref(2, 1, 1)} },
		"delta of the own feed":     func(h *BlockHeader) { h.Deltas = []Ref{ref(1, 1, 1)} },
		"delta at seq 0":            func(h *BlockHeader) { h.Deltas = []Ref{ref(2, 0, 1)} },
		"deltas out of order":       func(h *BlockHeader) { h.Deltas = []Ref{ref(3, 1, 1), ref(2, 1, 1)} },
		"deltas twice":              func(h *BlockHeader) { h.Deltas = []Ref{ref(2, 1, 1), ref(2, 1, 1)} },
		"repack of one place":       func(h *BlockHeader) { h.Repack = &Repack{2, id.Hash{1}, id.Hash{2}} },
		"repack from 0":             func(h *BlockHeader) { h.Repack = &Repack{0, id.Hash{1}, id.Hash{2}} },
		"repack of first with prev": func(h *BlockHeader) { h.Repack = &Repack{1, id.Hash{1}, id.Hash{2}} },
		"repack without hashes":     func(h *BlockHeader) { h.Seq, h.Repack = 3, &Repack{From: 2} },
	} {
		t.Run(name, func(t *testing.T) {
			h := good
			change(&h)
			if _, err := DecodeBlock(encodeForm(h, ct)); errs.KindOf(err) != errs.Malformed {
				t.Errorf("got %v, want MALFORMED", err)
			}
		})
	}
	newer := bytes.Clone(good.encode())
	newer[1] = 2
	raw := (&Block{HeaderBytes: newer, Ciphertext: ct}).Encode()
	if _, err := DecodeBlock(raw); errs.KindOf(err) != errs.VersionUnsupported {
		t.Errorf("a newer version: %v", err)
	}
	for name, raw := range map[string][]byte{
		"short ciphertext": encodeForm(BlockHeader{Feed: id.FeedID{1}, Seq: 1, Length: 1, Part: 1, Parts: 1}, []byte{1}),
		"short signature":  (&Block{HeaderBytes: good.encode(), Ciphertext: ct, Sig: make([]byte, 63)}).Encode(),
		"long ciphertext":  encodeForm(good, make([]byte, MaxBlock+1)),
		"trailing byte":    append(encodeForm(good, ct), 0),
	} {
		if _, err := DecodeBlock(raw); errs.KindOf(err) != errs.Malformed {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// digits are random ones: nothing repeats, but a byte tells little.
func digits(w *writer, n int) []byte {
	out := w.env.Bytes(n)
	for i, b := range out {
		out[i] = '0' + b%10
	}
	return out
}

// What repeats itself is searched for repetitions, what only has frequent bytes
// is coded by them: both at the size that this wins.
func TestDeflate_bulkSizes(t *testing.T) {
	w := newWriter(t, 1)
	text := []byte(strings.Repeat("to be or not to be, ", bulkSize/10))
	if n := len(new(packer).deflate(text)); n > len(text)/50 {
		t.Errorf("%d bytes that repeat take %d", len(text), n)
	}
	random := digits(w, 2*bulkSize)
	if n := len(new(packer).deflate(random)); n > len(random)/2 {
		t.Errorf("%d digits take %d", len(random), n)
	}
}

func TestBuild_payloads(t *testing.T) {
	w := newWriter(t, 1)
	for name, c := range map[string]struct {
		payload []byte
		form    byte
	}{
		"empty":                    {nil, rawPayload},
		"short":                    {[]byte("abc"), rawPayload},
		"random":                   {w.env.Bytes(5000), rawPayload},
		"repetitive":               {[]byte(strings.Repeat("abc", 1000)), deflatedPayload},
		"16 MiB zeros":             {make([]byte, MaxPayload), deflatedPayload},
		"bulk of noise":            {w.env.Bytes(bulkSize), rawPayload},
		"bulk that repeats":        {[]byte(strings.Repeat("to be or not to be, ", bulkSize/10)), deflatedPayload},
		"bulk of frequent bytes":   {digits(w, bulkSize), deflatedPayload},
		"bulk with a noisy middle": {append(append(make([]byte, bulkSize), w.env.Bytes(bulkSize)...), make([]byte, bulkSize)...), deflatedPayload},
	} {
		t.Run(name, func(t *testing.T) {
			b, err := Build(context.Background(), w.env, w.next(1), w.key, c.payload, w.signer)
			if err != nil {
				t.Fatal(err)
			}
			got, err := b.Open(w.key)
			if err != nil || !bytes.Equal(got, c.payload) {
				t.Fatalf("%d bytes come back, %v", len(got), err)
			}
			packed, err := keys.Open(w.key, b.Ciphertext, b.HeaderBytes)
			if err != nil || packed[0] != c.form {
				t.Errorf("form %d, %v, want %d", packed[0], err, c.form)
			}
			if _, err := b.Open(keys.Secret{99}); !errs.Is(err, errs.DecryptFailed) {
				t.Errorf("another key: %v", err)
			}
		})
	}
	if _, err := Build(context.Background(), w.env, w.next(1), w.key, make([]byte, MaxPayload+1), w.signer); !errs.Is(err, errs.TooLarge) {
		t.Errorf("a payload over the limit: %v", err)
	}
	if _, err := Build(context.Background(), w.env, w.next(1), w.key, w.env.Bytes(MaxBlock), w.signer); !errs.Is(err, errs.TooLarge) {
		t.Errorf("a block over the limit: %v", err)
	}
}

// TestBlock_Open_refusesBombs seals what Build never makes.
func TestBlock_Open_refusesBombs(t *testing.T) {
	w := newWriter(t, 1)
	deflated := func(n int) []byte {
		var buf bytes.Buffer
		buf.WriteByte(deflatedPayload)
		z, err := flate.NewWriter(&buf, 9)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := z.Write(make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	for name, packed := range map[string][]byte{
		"over 16 MiB":    deflated(MaxPayload + 1),
		"trailing bytes": append(deflated(100), 0),
		"not deflate":    {deflatedPayload, 0xff, 0xff},
		"stream cut":     deflated(100)[:5],
		"unknown form":   {2, 1},
	} {
		h := w.next(1)
		h.Part, h.Parts, h.Length = 1, 1, uint64(len(packed)+keys.Overhead)
		b := &Block{BlockHeader: h, HeaderBytes: h.encode()}
		b.Ciphertext = keys.Seal(w.env, w.key, packed, b.HeaderBytes)
		if _, err := b.Open(w.key); !errs.Is(err, errs.CorruptBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestParts(t *testing.T) {
	w, other := newWriter(t, 1), newWriter(t, 2)
	theirs := other.add([]byte("x"), 1)[0].Ref()
	for name, c := range map[string]struct{ size, parts int }{
		"empty":           {0, 1},
		"as much as fits": {partSize, 1},
		"one byte more":   {partSize + 1, 2},
		"two and a half":  {partSize*2 + partSize/2, 3},
		"exactly two":     {partSize * 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			payload, start := w.env.Bytes(c.size), w.head
			blocks := w.add(payload, 7, theirs)
			if len(blocks) != c.parts {
				t.Fatalf("%d blocks, want %d", len(blocks), c.parts)
			}
			got := again(t, blocks)
			if err := VerifyRun(w.header, start, got); err != nil {
				t.Fatal(err)
			}
			if n, err := Group(got); n != c.parts || err != nil {
				t.Fatalf("Group gives %d, %v", n, err)
			}
			out, err := OpenParts(got, w.key)
			if err != nil || !bytes.Equal(out, payload) {
				t.Fatalf("%d bytes come back, %v", len(out), err)
			}
			last := blocks[c.parts-1]
			if last.Ops != 7 || len(last.Sig) != 64 || len(blocks[0].Deltas) != 1 {
				t.Errorf("ops %d, signature %d bytes, %d deltas", last.Ops, len(last.Sig), len(blocks[0].Deltas))
			}
			if c.parts > 1 {
				wantNoSplit(t, w, start, blocks)
			}
		})
	}
	if _, err := Split(make([]byte, MaxChange+1)); !errs.Is(err, errs.TooLarge) {
		t.Errorf("a change over the limit: %v", err)
	}
	if blocks := w.add(make([]byte, 5<<20), 1); len(blocks) != 1 {
		t.Errorf("5 MiB of zeros take %d blocks", len(blocks))
	}
}

// wantNoSplit checks that no run between the parts of a change holds.
func wantNoSplit(t *testing.T, w *writer, start Ref, parts []*Block) {
	t.Helper()
	n := len(parts)
	if err := VerifyRun(w.header, start, again(t, parts[:n-1])); !errs.Is(err, errs.CorruptBlock) {
		t.Errorf("a run that ends between parts: %v", err)
	}
	if err := VerifyRun(w.header, parts[0].Ref(), again(t, parts[1:])); !errs.Is(err, errs.CorruptBlock) {
		t.Errorf("a run that begins between parts: %v", err)
	}
	if got, err := Group(parts[:n-1]); got != 0 || err != nil {
		t.Errorf("Group of missing parts: %d, %v", got, err)
	}
	if _, err := Group(parts[1:]); !errs.Is(err, errs.CorruptBlock) {
		t.Errorf("Group from the middle: %v", err)
	}
	if _, err := OpenParts(parts[:n-1], w.key); !errs.Is(err, errs.MissingDependency) {
		t.Errorf("OpenParts of missing parts: %v", err)
	}
}

func TestSplitJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := make([]byte, rapid.IntRange(0, 4*partSize).Draw(t, "size"))
		parts, err := Split(payload)
		if err != nil || !bytes.Equal(Join(parts), payload) {
			t.Fatalf("%v", err)
		}
		for i, p := range parts {
			if len(p) > partSize || len(p) == 0 && len(parts) > 1 {
				t.Fatalf("part %d has %d bytes", i, len(p))
			}
		}
	})
}

func TestStoreKeys(t *testing.T) {
	r := Ref{Feed: id.FeedID{1}, Seq: 300, Hash: id.Hash{2}}
	if got, ok := ParseBlockKey(BlockKey(r)); !ok || got != r {
		t.Errorf("block key reads as %v", got)
	}
	for name, c := range map[string]struct {
		from, to uint64
		want     bool
	}{
		"all": {0, 0, true}, "from it": {300, 0, true}, "after it": {301, 0, false},
		"up to it": {1, 300, false}, "with it": {1, 301, true},
	} {
		if BlockRange(r.Feed, c.from, c.to).Contains(BlockKey(r)) != c.want {
			t.Errorf("%s: contains is %v", name, !c.want)
		}
	}
	if BlockRange(id.FeedID{2}, 0, 0).Contains(BlockKey(r)) {
		t.Error("a range has another feed's block")
	}
	space, feed := id.SpaceKey{3}, id.FeedID{4}
	key := HeaderKey(space, feed)
	if f, ok := ParseHeaderKey(key); !ok || f != feed || !bytes.HasPrefix(key, HeaderPrefix(space)) {
		t.Errorf("header key reads as %v", f)
	}
	if _, ok := ParseHeaderKey(BlockKey(r)); ok {
		t.Error("a block key reads as a header key")
	}
	if _, ok := ParseBlockKey(key); ok {
		t.Error("a header key reads as a block key")
	}
}

// FuzzDecodeBlock: what decodes encodes to the same bytes.
func FuzzDecodeBlock(f *testing.F) {
	vectors, _, _ := goldenVectors(f)
	for _, v := range vectors {
		if len(v.raw) < 1<<16 {
			f.Add(v.raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := DecodeBlock(raw)
		if err != nil {
			if errs.KindOf(err) == errs.Internal {
				t.Fatalf("no kind: %v", err)
			}
			return
		}
		if !bytes.Equal(b.Encode(), raw) || !bytes.Equal(b.BlockHeader.encode(), b.HeaderBytes) {
			t.Fatalf("%x encodes as %x", raw, b.Encode())
		}
	})
}

// FuzzDecodeHeader: what decodes encodes to the same bytes, signature aside.
func FuzzDecodeHeader(f *testing.F) {
	h := newWriter(f, 1).header
	f.Add(h.Encode())
	f.Add(h.Bytes)
	f.Fuzz(func(t *testing.T, raw []byte) {
		if h, err := DecodeHeader(raw); err == nil && !bytes.Equal(h.Encode(), raw) {
			t.Fatalf("%x encodes as %x", raw, h.Encode())
		}
		// The signature hides most of what decodes; look below it too.
		var in Header
		if err := decodeHeader(&in, raw); err == nil && !bytes.Equal(encodeHeader(in), raw) {
			t.Fatalf("%x encodes as %x", raw, encodeHeader(in))
		}
	})
}

func TestReadRefs_boundsMemory(t *testing.T) {
	r := wire.NewReader(append(wire.AppendArray(nil, MaxDeltas), bytes.Repeat([]byte{0xc0}, MaxDeltas)...))
	if refs := ReadRefs(r, MaxDeltas); refs != nil || r.Err() == nil {
		t.Fatalf("%d refs read", len(refs))
	}
}
