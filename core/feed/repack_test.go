package feed

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// randomRun adds n blocks of all kinds that a repack takes.
func (w *writer) randomRun(r *rand.Rand, n int) []*Block {
	var theirs [3]*writer
	for i := range theirs {
		theirs[i] = newWriter(w.t, byte(10+i))
	}
	typed := bytes.Repeat([]byte{0xc0}, 57)
	var run []*Block
	for range n {
		var payload []byte
		switch r.IntN(8) {
		case 0:
			payload = make([]byte, r.IntN(300))
			for i := range payload {
				payload[i] = byte(r.Uint32())
			}
		case 1:
			payload = bytes.Repeat([]byte{byte(r.IntN(3))}, r.IntN(3*maxFolded))
		default:
			binary.BigEndian.PutUint64(typed[20:], binary.BigEndian.Uint64(typed[20:])+60+r.Uint64N(200))
			typed[40] = byte('a' + r.IntN(26))
			payload = typed[:len(typed)-r.IntN(2)]
		}
		var deltas []Ref
		for _, o := range theirs {
			switch r.IntN(12) {
			case 0:
				o.add([]byte{1}, 1)
				fallthrough
			case 1:
				if o.head.Seq > 0 {
					deltas = append(deltas, o.head)
				}
			}
		}
		run = append(run, w.add(payload, r.Uint64N(4), SortRefs(deltas)...)...)
	}
	return run
}

// TestRepack_unfolds folds runs of all kinds, and makes their blocks again.
func TestRepack_unfolds(t *testing.T) {
	for range 40 {
		seed := uint64(time.Now().UnixNano())
		r := rand.New(rand.NewPCG(seed, 1))
		w := newWriter(t, 1)
		w.run(r.IntN(3))
		prev := w.head
		run := w.randomRun(r, 2+r.IntN(80))
		repack := again(t, []*Block{w.fold(run)})[0]
		if err := CheckRepack(repack, run); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		f, err := repack.OpenRepack(w.key)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		var made []*Block
		steps := 0
		for made == nil {
			if made, err = f.Unfold(w.key, func() bool { return true }); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			steps++
		}
		if want := (len(run) + unfoldStep - 1) / unfoldStep; steps != want {
			t.Errorf("seed %d: %d steps for %d blocks, want %d", seed, steps, len(run), want)
		}
		sameRun(t, w, run, made)
		for i, b := range run {
			want, _ := b.Open(w.key)
			if got, err := f.Payload(b.Seq); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("seed %d: block %d has another payload: %v", seed, i, err)
			}
		}
		if err := VerifyRun(w.header, prev, made); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := repack.VerifySig(w.header); err != nil {
			t.Fatalf("seed %d: the repack by itself: %v", seed, err)
		}
	}
}

// sameRun fails unless two runs are the same but for signatures, of which the second
// has the last.
func sameRun(t *testing.T, w *writer, run, made []*Block) {
	t.Helper()
	if len(made) != len(run) {
		t.Fatalf("%d blocks of %d", len(made), len(run))
	}
	for i, b := range made {
		if !bytes.Equal(b.WithoutSig(), run[i].WithoutSig()) || b.Hash() != run[i].Hash() {
			t.Fatalf("block %d is another", i)
		}
		want, _ := run[i].Open(w.key)
		if got, err := b.Open(w.key); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("block %d opens as another: %v", i, err)
		}
		if last := i == len(run)-1; last != bytes.Equal(b.Sig, run[i].Sig) || !last && b.Sig != nil {
			t.Fatalf("block %d has the signature %x", i, b.Sig)
		}
	}
}

// TestFolder_refuses what no repack can stand for.
func TestFolder_refuses(t *testing.T) {
	w := newWriter(t, 1)
	first := w.run(1)[0]
	second := w.run(1)[0]
	third := w.run(1)[0]
	fork := *w
	fork.head = first.Ref()
	big := w.add(randomBytes(maxFolded), 1)[0]
	parts := w.addParts(1, []byte("a"), []byte("b"))
	other := newWriter(t, 2)
	theirs := other.run(2)
	rekeyed := *w
	rekeyed.key, rekeyed.head = keys.Secret{9}, first.Ref()
	drawn := *second
	drawn.Ciphertext = keys.Seal(w.env, w.key, Pack([]byte{0}), second.HeaderBytes)
	damaged := *second
	damaged.Ciphertext = append([]byte(nil), second.Ciphertext...)
	damaged.Ciphertext[len(damaged.Ciphertext)-1] ^= 1
	for _, c := range []struct {
		name  string
		begin []*Block
		next  *Block
	}{
		{"a gap", []*Block{first}, third},
		{"a block again", []*Block{first}, first},
		{"another branch", []*Block{first, second}, fork.add([]byte("x"), 1)[0]},
		{"another feed", []*Block{first}, theirs[1]},
		{"a big block", []*Block{first, second, third}, big},
		{"a part", nil, parts[0]},
		{"a repack", nil, w.fold([]*Block{first, second})},
		{"another key", []*Block{first}, rekeyed.add([]byte("x"), 1)[0]},
		{"another key, first", nil, rekeyed.add([]byte("x"), 1)[0]},
		{"a nonce that was drawn", []*Block{first}, &drawn},
		{"a damaged block", []*Block{first}, &damaged},
	} {
		f := NewFolder(w.key)
		for _, b := range c.begin {
			if !f.Add(b) {
				t.Fatalf("%s: block %d is not taken", c.name, b.Seq)
			}
		}
		if f.Add(c.next) {
			t.Errorf("%s is taken", c.name)
		}
		if len(f.Run()) != len(c.begin) {
			t.Errorf("%s: a run of %d, want %d", c.name, len(f.Run()), len(c.begin))
		}
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// A repack ends at a block that is signed, and is of two blocks at least.
func TestFolder_signed(t *testing.T) {
	w := newWriter(t, 1)
	run := w.run(6)
	for _, c := range []struct{ signed, want int }{{6, 6}, {4, 4}, {2, 2}, {1, 0}, {0, 0}} {
		f := NewFolder(w.key)
		for i, b := range again(t, run) {
			if i != c.signed-1 {
				b.Sig = nil
			}
			f.Add(b)
		}
		r, err := f.Repack(w.env, func() {})
		if c.want == 0 {
			if !errs.Is(err, errs.InvalidArgument) {
				t.Errorf("signed at %d: %v, want INVALID_ARGUMENT", c.signed, err)
			}
			continue
		}
		if err != nil || r.Seq != uint64(c.want) || r.VerifySig(w.header) != nil || len(f.Run()) != c.want {
			t.Errorf("signed at %d: %d blocks up to %d, %v", c.signed, len(f.Run()), r.Seq, err)
		}
	}
}

// What does not fit one block is a repack of fewer.
func TestFolder_shortens(t *testing.T) {
	w := newWriter(t, 1)
	f := NewFolder(w.key)
	r := rand.New(rand.NewPCG(3, 4))
	for i := range 100 {
		payload := make([]byte, maxFolded-1)
		for k := range payload {
			payload[k] = byte(r.Uint32())
		}
		if !f.Add(w.add(payload, 1)[0]) {
			t.Fatalf("block %d is not taken", i)
		}
	}
	repack, err := f.Repack(w.env, func() {})
	if err != nil || len(f.Run()) >= 100 || len(f.Run()) < 20 || len(repack.Ciphertext) > MaxBlock {
		t.Fatalf("a repack of %d blocks: %v", len(f.Run()), err)
	}
	o, err := repack.OpenRepack(w.key)
	if err != nil {
		t.Fatal(err)
	}
	if made, err := o.Unfold(w.key, nil); err != nil || len(made) != len(f.Run()) {
		t.Fatalf("%d blocks: %v", len(made), err)
	}
}

// TestUnfold_refuses repacks that stand for something else than they name: whoever
// made them, they are found out by everybody who has the key.
func TestUnfold_refuses(t *testing.T) {
	w := newWriter(t, 1)
	theirs := newWriter(t, 2).run(2)
	w.run(1)
	run := append(w.add([]byte("one"), 1, theirs[0].Ref()), w.add([]byte("two"), 2)...)
	good := []folded{{packed: Pack([]byte("one")), ops: 1, deltas: []int{0}}, {packed: Pack([]byte("two")), ops: 2}}
	head := w.fold(run).BlockHeader
	for _, c := range []struct {
		name   string
		change func(h *BlockHeader, list []folded) []byte
		kind   errs.Kind
	}{
		{"nothing", func(*BlockHeader, []folded) []byte { return nil }, errs.OK},
		{"another payload", func(_ *BlockHeader, l []folded) []byte { l[1].packed = Pack([]byte("too")); return nil }, errs.CorruptBlock},
		{"other ops", func(h *BlockHeader, l []folded) []byte { l[0].ops = 7; h.Ops = 9; return nil }, errs.CorruptBlock},
		{"ops that do not add up", func(h *BlockHeader, _ []folded) []byte { h.Ops++; return nil }, errs.CorruptBlock},
		{"a delta elsewhere", func(_ *BlockHeader, l []folded) []byte {
			l[0].deltas, l[1].deltas = nil, l[0].deltas
			return nil
		}, errs.CorruptBlock},
		{"a delta too many", func(h *BlockHeader, _ []folded) []byte {
			h.Deltas = SortRefs([]Ref{theirs[0].Ref(), theirs[1].Ref()})
			return nil
		}, errs.CorruptBlock},
		{"a delta that is not there", func(h *BlockHeader, _ []folded) []byte { h.Deltas = nil; return nil }, errs.CorruptBlock},
		{"another block before", func(h *BlockHeader, _ []folded) []byte { h.Prev = hash(1); return nil }, errs.CorruptBlock},
		{"another first", func(h *BlockHeader, _ []folded) []byte { h.Repack.FirstHash = hash(1); return nil }, errs.CorruptBlock},
		{"another last", func(h *BlockHeader, _ []folded) []byte { h.Repack.LastHash = hash(1); return nil }, errs.CorruptBlock},
		{"another place", func(h *BlockHeader, _ []folded) []byte { h.Seq++; h.Repack.From++; return nil }, errs.CorruptBlock},
		{"a place more", func(h *BlockHeader, _ []folded) []byte { h.Seq++; return nil }, errs.CorruptBlock},
		{"too many places", func(h *BlockHeader, _ []folded) []byte { h.Seq += MaxRepack; return nil }, errs.CorruptBlock},
		{"no repack", func(h *BlockHeader, _ []folded) []byte { h.Repack = nil; return nil }, errs.CorruptBlock},
		{"a newer form", func(_ *BlockHeader, l []folded) []byte {
			b := encodeFolded(l, func() {})
			b[1] = repackVersion + 1
			return b
		}, errs.VersionUnsupported},
		{"cut off", func(_ *BlockHeader, l []folded) []byte {
			b := encodeFolded(l, func() {})
			return b[:len(b)-1]
		}, errs.CorruptBlock},
		{"a byte more", func(_ *BlockHeader, l []folded) []byte { return append(encodeFolded(l, func() {}), 0) }, errs.CorruptBlock},
		{"nothing in it", func(*BlockHeader, []folded) []byte { return []byte{} }, errs.CorruptBlock},
	} {
		h := head
		p := *h.Repack
		h.Repack, h.Length = &p, 0
		list := append([]folded(nil), good...)
		payload := c.change(&h, list)
		if payload == nil {
			payload = encodeFolded(list, func() {})
		}
		r, err := Build(context.Background(), w.env, h, w.key, payload, w.signer)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		f, err := r.OpenRepack(w.key)
		if err == nil {
			_, err = f.Unfold(w.key, nil)
		}
		if errs.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
	}
	if _, err := w.fold(run).OpenRepack(keys.Secret{8}); !errs.Is(err, errs.DecryptFailed) {
		t.Errorf("under another key: %v", err)
	}
	f, err := w.fold(run).OpenRepack(w.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range []uint64{1, 4} {
		if _, err := f.Payload(seq); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("place %d: %v", seq, err)
		}
	}
}

// TestDecodeFolded_damage reads payloads that nobody wrote.
func TestDecodeFolded_damage(t *testing.T) {
	body := func(parts ...[]byte) []byte {
		b := wire.AppendUint(wire.AppendUint(wire.AppendArray(nil, 3), repackVersion), 2)
		return wire.AppendBytes(b, bytes.Join(parts, nil))
	}
	list := func(v ...byte) []byte { return appendStream([]byte{byte(len(v))}, 0, v, func() {}) }
	lengths, ops, deltas := list(2, 2), list(1, 1), list(0, 1, 0)
	row, columns := []byte{0, 7}, []byte{formConstant, 0, modeDiff<<2 | formConstant, 1}
	for _, c := range []struct {
		name string
		raw  []byte
		kind errs.Kind
	}{
		{"good", body(lengths, ops, deltas, row, columns), errs.OK},
		{"a length of 0", body(list(0, 2), ops, deltas, row, columns), errs.Malformed},
		{"too long", body(appendStream([]byte{4}, 0, []byte{2, 0x81, 0x80, 0x01}, func() {}), ops, deltas, row, columns), errs.Malformed},
		{"a length too few", body(list(2), ops, deltas, row, columns), errs.Malformed},
		{"a length too many", body(list(2, 2, 2), ops, deltas, row, columns), errs.Malformed},
		{"ops too few", body(lengths, list(1), deltas, row, columns), errs.Malformed},
		{"ops too many", body(lengths, list(1, 1, 1), deltas, row, columns), errs.Malformed},
		{"a delta of none", body(lengths, ops, list(0, 1, 1), row, columns), errs.Malformed},
		{"more deltas than there are", body(lengths, ops, list(0, 2, 0, 0), row, columns), errs.Malformed},
		{"a list that is longer than any", body([]byte{200, 1, 0}, lengths), errs.Malformed},
		{"a list in a mode", body([]byte{2, modeDiff<<2 | formConstant, 2}, ops, deltas, row, columns), errs.Malformed},
		{"a form that is none", body(lengths, ops, deltas, row, []byte{3, 0}, columns[2:]), errs.Malformed},
		{"a mode that is none", body(lengths, ops, deltas, row, []byte{modes << 2, 0}, columns[2:]), errs.Malformed},
		{"no column", body(lengths, ops, deltas, row), errs.Malformed},
		{"no row", body(lengths, ops, deltas), errs.Malformed},
		{"a deflated column that does not inflate", body(lengths, ops, deltas, row, []byte{formDeflated, 1, 0xff}, columns[2:]), errs.Malformed},
		{"a deflated column that is cut off", body(lengths, ops, deltas, row, []byte{formDeflated, 100, 0xff}), errs.Malformed},
		{"a byte behind it", body(lengths, ops, deltas, row, columns, []byte{0}), errs.Malformed},
		{"empty", nil, errs.Malformed},
	} {
		got, err := decodeFolded(c.raw, 2, 1)
		if errs.KindOf(err) != c.kind {
			t.Errorf("%s: %v, want %v", c.name, err, c.kind)
		}
		if err == nil && (string(got[1].packed) != "\x00\x08" || len(got[0].deltas) != 0 || len(got[1].deltas) != 1) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// FuzzDecodeFolded: what decodes is the same after it was encoded again.
func FuzzDecodeFolded(f *testing.F) {
	f.Add(encodeFolded([]folded{{packed: []byte("ab"), ops: 1}, {packed: []byte("ac"), ops: 300, deltas: []int{0, 2}}, {packed: []byte("x")}}, func() {}), 3, 3)
	f.Add([]byte{}, 2, 0)
	f.Fuzz(func(t *testing.T, raw []byte, n, deltas int) {
		if n < 0 || n > 512 || deltas < 0 || deltas > MaxDeltas {
			return
		}
		list, err := decodeFolded(raw, n, deltas)
		if err != nil {
			return
		}
		back, err := decodeFolded(encodeFolded(list, func() {}), n, deltas)
		if err != nil || len(back) != len(list) {
			t.Fatalf("%d blocks after %d, %v", len(back), len(list), err)
		}
		for i := range list {
			if !bytes.Equal(list[i].packed, back[i].packed) || list[i].ops != back[i].ops || len(list[i].deltas) != len(back[i].deltas) {
				t.Fatalf("block %d is another: %+v, %+v", i, list[i], back[i])
			}
		}
	})
}
