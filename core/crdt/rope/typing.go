package rope

import "unicode/utf8"

// InsertASCII puts ASCII characters in front of position pos, if that is in the piece
// of the last edit, which holds nothing but such and has room. Else, and if there are
// none or others among them, it reports false, and Insert does it.
func (s *Store) InsertASCII(t Text, pos int, b []byte) bool {
	p, off := s.under(t, pos)
	if p == nil || len(b) == 0 {
		return false
	}
	buf := s.slabs.at(p.class, p.slab)
	n := int(p.n)
	if n+len(b) > len(buf) || off > n {
		return false
	}
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	copy(buf[off+len(b):], buf[off:n])
	copy(buf[off:], b)
	p.n += int16(len(b))
	p.units += int16(len(b))
	s.change(t, s.last, int32(len(b)), int32(len(b)))
	return true
}

// DeleteByte takes away the character at position pos and gives it, if it is in the
// piece of the last edit, which holds nothing but ASCII and stays long enough. Else
// it reports false, and Delete does it.
func (s *Store) DeleteByte(t Text, pos int) (c byte, ok bool) {
	p, off := s.under(t, pos)
	if p == nil {
		return 0, false
	}
	n := int(p.n)
	if off >= n || n <= minPiece {
		return 0, false
	}
	buf := s.slabs.at(p.class, p.slab)
	c = buf[off]
	copy(buf[off:n-1], buf[off+1:n])
	p.n--
	p.units--
	s.change(t, s.last, -1, -1)
	return c, true
}

// under gives the piece of the last edit, if pos is in it and it holds nothing
// but ASCII, and where in it pos is.
func (s *Store) under(t Text, pos int) (*piece, int) {
	if s.lastText != t || s.last == none || s.pieces.Len() == 0 {
		return nil, 0
	}
	p := s.pieces.At(s.last)
	off := pos - int(s.lastStart)
	if off < 0 || off > int(p.n) || p.n != p.units {
		return nil, 0
	}
	return p, off
}
