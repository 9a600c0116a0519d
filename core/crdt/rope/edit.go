package rope

import "slices"

// ValidPosition reports whether pos is a position in or at the end of a text
// that cuts no surrogate pair.
func (s *Store) ValidPosition(t Text, pos int) bool {
	if pos < 0 || pos > s.Len(t) {
		return false
	}
	if x := s.texts.At(t); pos == 0 || pos == int(x.units) || x.bytes == x.units { // all of one byte
		return true
	}
	row, start := s.at(t, int32(pos))
	p := s.pieces.At(row)
	_, inPair := offset(s.content(p), int(p.units), pos-int(start))
	return !inPair
}

// Insert puts well-formed UTF-8 in front of position pos, which is at most the
// text's length. It does not keep b.
func (s *Store) Insert(t Text, pos int, b []byte) {
	if len(b) == 0 {
		return
	}
	if s.texts.At(t).root == none {
		first := b[:cut(b, fill)]
		s.addAfter(t, none, first)
		s.last = none
		s.Insert(t, s.Len(t), b[len(first):])
		return
	}
	row, start := s.at(t, int32(pos))
	p := s.pieces.At(row)
	off, inPair := offset(s.content(p), int(p.units), pos-int(start))
	if inPair {
		off = s.unpair(t, row, off)
		row, _ = s.at(t, int32(pos))
		p = s.pieces.At(row)
	}
	if int(p.n)+len(b) <= maxPiece {
		s.insertIn(t, row, off, b)
		return
	}
	s.last = none
	content := s.content(p)
	rest := append([]byte(nil), content[off:]...)
	units := countUnits(rest)
	s.change(t, row, -int32(len(rest)), -int32(units))
	s.setContent(row, append([]byte(nil), content[:off]...))
	// Even pieces: the first takes what it has room for.
	if room := fill - off; room > 0 {
		n := cut(b, room)
		s.insertIn(t, row, off, b[:n])
		b = b[n:]
	}
	for len(b) > 0 {
		n := cut(b, fill)
		row = s.addAfter(t, row, b[:n])
		b = b[n:]
	}
	if p := s.pieces.At(row); int(p.n)+len(rest) <= fill {
		s.insertIn(t, row, int(p.n), rest)
	} else if len(rest) > 0 {
		s.addAfter(t, row, rest)
	}
	s.dropEmpty(t, row)
	s.last = none
}

// dropEmpty takes a piece out that an insert at its beginning left empty.
func (s *Store) dropEmpty(t Text, row int32) {
	if s.pieces.At(row).n == 0 {
		s.remove(t, row)
	}
}

// insertIn puts b into a piece that has room for it.
func (s *Store) insertIn(t Text, row int32, off int, b []byte) {
	if len(b) == 0 {
		return
	}
	p := s.pieces.At(row)
	n := int(p.n)
	if class := classOf(n + len(b)); class != p.class {
		old := s.slabs.at(p.class, p.slab)
		slab := s.slabs.take(class)
		copy(s.slabs.at(class, slab), old[:n])
		s.slabs.give(p.class, p.slab)
		p.class, p.slab = class, slab
	}
	buf := s.slabs.at(p.class, p.slab)
	copy(buf[off+len(b):], buf[off:n])
	copy(buf[off:], b)
	units := countUnits(b)
	p.n += int16(len(b))
	p.units += int16(units)
	s.change(t, row, int32(len(b)), int32(units))
}

// unpair holds the character at off of a piece as two halves, and gives where
// the second begins.
func (s *Store) unpair(t Text, row int32, off int) int {
	p := s.pieces.At(row)
	content := s.content(p)
	h := halves(content[off : off+4])
	if len(content)+2 > maxPiece { // the halves go to a piece of their own
		rest := append(h[:], content[off+4:]...)
		s.change(t, row, -int32(len(content)-off), -int32(countUnits(content[off:])))
		s.setContent(row, append([]byte(nil), content[:off]...))
		s.addAfter(t, row, rest)
		s.dropEmpty(t, row)
		s.last = none
		return 3
	}
	s.change(t, row, 2, 0)
	s.setContent(row, slices.Concat(content[:off], h[:], content[off+4:]))
	return off + 3
}

// Delete takes n code units away from position pos on; they are in the text.
func (s *Store) Delete(t Text, pos, n int) {
	for n > 0 {
		row, start := s.at(t, int32(pos))
		if int(start)+int(s.pieces.At(row).units) == pos { // at its end
			row, start = s.after(row), int32(pos)
			s.last, s.lastStart = row, start
		}
		p := s.pieces.At(row)
		k := min(n, int(p.units)-pos+int(start))
		from, inPair := offset(s.content(p), int(p.units), pos-int(start))
		if inPair {
			s.unpair(t, row, from)
			continue
		}
		to, inPair := offset(s.content(p), int(p.units), pos-int(start)+k)
		if inPair {
			s.unpair(t, row, to)
			continue
		}
		s.deleteIn(t, row, from, to, k)
		n -= k
	}
}

// deleteIn takes bytes from..to, which are so many units, out of a piece.
func (s *Store) deleteIn(t Text, row int32, from, to, units int) {
	p := s.pieces.At(row)
	content := s.content(p)
	copy(content[from:], content[to:])
	p.n -= int16(to - from)
	p.units -= int16(units)
	s.change(t, row, -int32(to-from), -int32(units))
	switch {
	case p.n == 0:
		s.remove(t, row)
	case p.n < minPiece:
		s.join(t, row)
	}
}

// join makes one piece of a short one and the one behind it, if they are
// children of one node and there is room.
func (s *Store) join(t Text, row int32) {
	p := s.pieces.At(row)
	if p.parent == none {
		return
	}
	n := s.nodes.At(p.parent)
	at := n.slot(row)
	if at+1 == n.n {
		return
	}
	next := n.child[at+1]
	q := s.pieces.At(next)
	if int(p.n)+int(q.n) > fill {
		return
	}
	content := append([]byte(nil), s.content(q)...)
	s.change(t, next, -int32(q.n), -int32(q.units))
	s.insertIn(t, row, int(p.n), content)
	s.remove(t, next)
}

// Append appends the text between two positions, in UTF-8 unless halves of
// pairs are in it.
func (s *Store) Append(to []byte, t Text, from, end int) []byte {
	if from >= end {
		return to
	}
	row, start := s.at(t, int32(from))
	for pos := int(start); pos < end; row = s.after(row) {
		p := s.pieces.At(row)
		content, units := s.content(p), int(p.units)
		a, cutA := offset(content, units, max(0, min(from-pos, units)))
		b, cutB := offset(content, units, min(end-pos, units))
		if cutA {
			h := halves(content[a : a+4])
			to = append(to, h[3:]...)
			a += 4
		}
		if a < b {
			to = append(to, content[a:b]...)
		}
		if cutB && b >= a {
			h := halves(content[b : b+4])
			to = append(to, h[:3]...)
		}
		pos += units
	}
	return to
}
