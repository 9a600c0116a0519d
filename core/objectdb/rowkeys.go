package objectdb

import (
	"bytes"

	"github.com/echospace/echospace/core/crdt/flat"
)

// rowKeys keeps byte strings by row: short ones in a word of the row, others on
// a heap.
type rowKeys struct {
	words flat.Column[uint64] // 0 is none; else as the word of a register
	heap  flat.Heap
}

// has reports whether a row has a key.
func (k *rowKeys) has(c int32) bool { return int(c) < k.words.Len() && *k.words.At(c) != 0 }

// get is the key of a row that has one, until the next put or drop, using buf
// for a short one.
func (k *rowKeys) get(c int32, buf *[8]byte) []byte {
	w := *k.words.At(c)
	if w>>56 == tagHeap {
		return k.heap.Get(w & flat.RefMask)
	}
	n := w >> 56 & 0x0f
	for i := range n {
		buf[i] = byte(w >> (8 * i))
	}
	return buf[:n]
}

// put gives a key to a row that has none.
func (k *rowKeys) put(c int32, b []byte) {
	for int(c) >= k.words.Len() {
		k.words.Append(0)
	}
	if len(b) > maxInline {
		*k.words.At(c) = tagHeap<<56 | k.heap.Put(c, b)
		return
	}
	w := uint64(tagInline|len(b)) << 56
	for i, v := range b {
		w |= uint64(v) << (8 * i)
	}
	*k.words.At(c) = w
}

// drop takes the key of a row.
func (k *rowKeys) drop(c int32) {
	w := k.words.At(c)
	if *w>>56 == tagHeap {
		k.heap.Free(*w & flat.RefMask)
		defer k.compact()
	}
	*w = 0
}

func (k *rowKeys) compact() {
	k.heap.Compact(func(c int32, ref uint64) *uint64 {
		if w := k.words.At(c); *w == tagHeap<<56|ref {
			return w
		}
		return nil
	})
}

// compare orders two rows that have keys by these.
func (k *rowKeys) compare(a, b int32) int {
	if *k.words.At(a) == *k.words.At(b) {
		return 0
	}
	var x, y [8]byte
	return bytes.Compare(k.get(a, &x), k.get(b, &y))
}
