package rope

import "github.com/echospace/echospace/core/crdt/flat"

// slabs hold the bytes of pieces in three sizes, so that a short text is small.
type slabs struct {
	small  flat.Column[[64]byte]
	middle flat.Column[[256]byte]
	large  flat.Column[[maxPiece]byte]
	free   [3][]int32
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
	if n := len(s.free[class]); n > 0 {
		slab := s.free[class][n-1]
		s.free[class] = s.free[class][:n-1]
		return slab
	}
	switch class {
	case 0:
		return s.small.Append([64]byte{})
	case 1:
		return s.middle.Append([256]byte{})
	}
	return s.large.Append([maxPiece]byte{})
}

func (s *slabs) give(class int8, slab int32) { s.free[class] = append(s.free[class], slab) }

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
