package rope

// slabs hold the bytes of pieces in three sizes, so that a short text is small.
type slabs struct {
	small  table[[64]byte]
	middle table[[256]byte]
	large  table[[maxPiece]byte]
}

func classOf(n int) int8 {
	switch {
	case n <= 64:
		return 0
	case n <= 256:
		return 1
	}
	return 2
}

func (s *slabs) take(class int8) int32 {
	switch class {
	case 0:
		return s.small.add([64]byte{})
	case 1:
		return s.middle.add([256]byte{})
	}
	return s.large.add([maxPiece]byte{})
}

func (s *slabs) give(class int8, slab int32) {
	switch class {
	case 0:
		s.small.giveUp(slab)
	case 1:
		s.middle.giveUp(slab)
	default:
		s.large.giveUp(slab)
	}
}

// at is the whole of a slab.
func (s *slabs) at(class int8, slab int32) []byte {
	switch class {
	case 0:
		return s.small.At(slab)[:]
	case 1:
		return s.middle.At(slab)[:]
	}
	return s.large.At(slab)[:]
}
