package flat

// Index finds row numbers by hash: an open-addressing table with linear
// probing whose slots hold the lower 32 bits of the hash and the row, so that
// growing needs no look at the rows. Rows cannot be taken out. The zero value
// is empty.
type Index struct {
	slots []uint64 // hash<<32 | row+1; 0 is free
	n     int
}

const minSlots = 64

// Find gives the row of that hash for which equal holds, or None.
func (x *Index) Find(hash uint64, equal func(row int32) bool) int32 {
	if len(x.slots) == 0 {
		return None
	}
	mask := uint64(len(x.slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		s := x.slots[i]
		if s == 0 {
			return None
		}
		if uint32(s>>32) == uint32(hash) {
			if row := int32(uint32(s)) - 1; equal(row) {
				return row
			}
		}
	}
}

// Insert adds a row under a hash. The caller has looked that it is not there.
func (x *Index) Insert(hash uint64, row int32) {
	if 4*(x.n+1) > 3*len(x.slots) {
		x.grow()
	}
	x.put(uint64(uint32(hash))<<32 | uint64(uint32(row+1)))
	x.n++
}

func (x *Index) put(slot uint64) {
	mask := uint64(len(x.slots) - 1)
	i := slot >> 32 & mask
	for x.slots[i] != 0 {
		i = (i + 1) & mask
	}
	x.slots[i] = slot
}

func (x *Index) grow() {
	old := x.slots
	x.slots = make([]uint64, max(minSlots, 2*len(old)))
	for _, s := range old {
		if s != 0 {
			x.put(s)
		}
	}
}
