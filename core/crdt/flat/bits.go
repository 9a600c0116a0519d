package flat

// Bits is a set of row numbers. The zero value is empty.
type Bits struct{ words []uint64 }

// Has reports whether row is in the set.
func (b *Bits) Has(row int32) bool {
	i := int(row >> 6)
	return i < len(b.words) && b.words[i]>>(row&63)&1 == 1
}

// Add puts row into the set.
func (b *Bits) Add(row int32) {
	for int(row>>6) >= len(b.words) {
		b.words = append(b.words, 0)
	}
	b.words[row>>6] |= 1 << (row & 63)
}

// Remove takes row out of the set.
func (b *Bits) Remove(row int32) {
	if b.Has(row) {
		b.words[row>>6] &^= 1 << (row & 63)
	}
}

// End is a number behind the last row of the set.
func (b *Bits) End() int32 { return int32(len(b.words)) << 6 }

// Covers reports whether every row of o is in the set.
func (b *Bits) Covers(o *Bits) bool {
	for i, w := range o.words {
		if i >= len(b.words) && w != 0 || i < len(b.words) && w&^b.words[i] != 0 {
			return false
		}
	}
	return true
}
