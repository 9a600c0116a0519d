package feed

import (
	"encoding/binary"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// The payload of a repack is
//
//	[1, n, bin]
//
// of n blocks. In the bin are three lists of uvarints: how long what each block
// sealed is, how many ops it has, and which of the deltas of the header are its own
// (how many, and the distances between them). Each is uvarint length, and bytes in
// a form of columns.go. Then comes what they sealed, form byte and payload, those of
// one length together, the shortest first, by their columns.
//
// Everything else of a block follows: its place, the hash of the one before, the
// length, and, since what is small is sealed by keys.SealDerived, the ciphertext.
// So whoever has the key makes the very blocks of a repack again, and their
// hashes; those of the first and the last must be the ones that the repack names,
// and the signature that it carries is that of the last.

// Limits of a repack.
const (
	// MaxRepack is how many blocks one repack may stand for.
	MaxRepack = 1 << 15
	// maxFolded is how long what a block sealed may be, form byte and payload, for
	// it to be part of a repack; what is longer gains nothing.
	maxFolded = 4 << 10
	// maxFold bounds what the blocks of a repack sealed, together.
	maxFold = 8 << 20

	repackVersion = 1
)

// IsRepack reports whether an encoded block is a repack. It looks at the form only.
func IsRepack(raw []byte) bool {
	r := wire.NewReader(raw)
	r.Array(3)
	var h BlockHeader
	return h.decode(r.Bytes(maxBlockHeader)) == nil && h.Repack != nil
}

// foldable reports whether a block that seals n bytes may be part of a repack.
func (h *BlockHeader) foldable(n int) bool {
	return h.Repack == nil && h.Part == 1 && h.Parts == 1 && n <= maxFolded
}

// folded is what a repack has of one block: what was sealed, and where its deltas
// are among those of the repack.
type folded struct {
	packed []byte
	ops    uint64
	deltas []int
}

// encodeFolded gives the payload of a repack.
func encodeFolded(list []folded, rest func()) []byte {
	var lengths, ops, deltas []byte
	groups := map[int][]byte{}
	for i := range list {
		f := &list[i]
		n := len(f.packed)
		groups[n] = append(groups[n], f.packed...)
		lengths = binary.AppendUvarint(lengths, uint64(n))
		ops = binary.AppendUvarint(ops, f.ops)
		deltas = binary.AppendUvarint(deltas, uint64(len(f.deltas)))
		before := -1
		for _, at := range f.deltas {
			deltas = binary.AppendUvarint(deltas, uint64(at-before-1))
			before = at
		}
		if i%1024 == 0 {
			rest()
		}
	}
	sizes := make([]int, 0, len(groups))
	for n := range groups {
		sizes = append(sizes, n)
	}
	sort.Slice(sizes, func(i, j int) bool { return sizes[i] < sizes[j] })
	var body []byte
	for _, l := range [][]byte{lengths, ops, deltas} {
		body = appendStream(binary.AppendUvarint(body, uint64(len(l))), 0, l, rest)
	}
	for _, n := range sizes {
		body = appendColumns(body, groups[n], n, rest)
	}
	b := wire.AppendUint(wire.AppendArray(nil, 3), repackVersion)
	return wire.AppendBytes(wire.AppendUint(b, uint64(len(list))), body)
}

// decodeFolded reads what encodeFolded gave, of n blocks with so many deltas
// together: errs.VersionUnsupported or errs.Malformed.
func decodeFolded(b []byte, n, deltas int) ([]folded, error) {
	const op = "feed.repack"
	r := wire.NewReader(b)
	r.Array(3)
	if err := checkVersion(r, op); err != nil {
		return nil, err
	}
	count := r.Uint(MaxRepack)
	s := streams{b: r.Bytes(MaxPayload)}
	if err := r.Done(op); err != nil {
		return nil, err
	}
	if count != uint64(n) {
		return nil, errs.New(op, errs.Malformed, "a repack of %d blocks has %d", n, count)
	}
	list := make([]folded, n)
	if sizes := s.places(list, deltas); !s.bad {
		s.contents(list, sizes)
	}
	if s.bad || len(s.b) > 0 {
		return nil, errs.New(op, errs.Malformed, "a repack of %d blocks does not read", n)
	}
	return list, nil
}

// places reads the lists: the ops, the deltas, and how long what was sealed is.
func (s *streams) places(list []folded, deltas int) (sizes []int) {
	sizes = make([]int, len(list))
	lengths, ops, owned := s.list(len(list)), s.list(len(list)), s.list(len(list)+deltas)
	total := 0
	for i := range list {
		size := lengths.uvarint(maxFolded)
		if total += size; size == 0 || total > maxFold {
			s.bad = true
			return nil
		}
		sizes[i] = size
		list[i].ops = uint64(ops.uvarint(MaxOps))
		at := -1
		for n := owned.uvarint(deltas); n > 0 && !owned.bad; n-- {
			at += owned.uvarint(deltas) + 1
			owned.bad = owned.bad || at >= deltas
			list[i].deltas = append(list[i].deltas, at)
		}
	}
	for _, l := range []*streams{&lengths, &ops, &owned} {
		s.bad = s.bad || l.bad || len(l.b) > 0
	}
	return sizes
}

// contents reads what was sealed.
func (s *streams) contents(list []folded, lengths []int) {
	groups := map[int][]int{}
	var sizes []int
	for i, n := range lengths {
		if groups[n] == nil {
			sizes = append(sizes, n)
		}
		groups[n] = append(groups[n], i)
	}
	sort.Slice(sizes, func(i, j int) bool { return sizes[i] < sizes[j] })
	for _, n := range sizes {
		rows := s.columns(len(groups[n]), n)
		if s.bad {
			return
		}
		for k, i := range groups[n] {
			list[i].packed = rows[k*n : (k+1)*n : (k+1)*n]
		}
	}
}
