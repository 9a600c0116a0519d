package rope

import (
	"slices"

	"github.com/echospace/echospace/core/crdt/flat"
)

// Text is a text of a Store.
type Text = int32

// Store holds texts. The zero value is empty.
type Store struct {
	texts  table[text]
	pieces table[piece]
	nodes  table[node]
	slabs  slabs

	// The piece of the last edit and where it begins, if last is not none.
	last      int32
	lastText  Text
	lastStart int32
}

// none is no row. A zero Store has no last piece: see at.
const none = flat.None

type text struct {
	root         int32 // a node or, if leaf, a piece; none while empty
	leaf         bool
	bytes, units int32
}

const (
	maxPiece  = 1 << 10
	fill      = 3 * maxPiece / 4 // of a piece of a long insert
	minPiece  = maxPiece / 8     // below it a piece is joined to its neighbour
	nodeWidth = 16
)

// piece is a row of the tree's leaves.
type piece struct {
	slab     int32 // where its bytes are
	parent   int32 // node, or none
	n, units int16
	class    int8
}

type node struct {
	child        [nodeWidth]int32
	bytes, units [nodeWidth]int32
	n            int32
	parent       int32
	low          bool // its children are pieces
}

// New makes an empty text.
func (s *Store) New() Text { return s.texts.add(text{root: none, leaf: true}) }

// Free gives a text up.
func (s *Store) Free(t Text) {
	s.Delete(t, 0, s.Len(t))
	s.texts.giveUp(t)
}

// Len is the length in UTF-16 code units.
func (s *Store) Len(t Text) int { return int(s.texts.At(t).units) }

// Bytes is the length in bytes.
func (s *Store) Bytes(t Text) int { return int(s.texts.At(t).bytes) }

func (s *Store) newPiece(content []byte) int32 {
	class := classOf(len(content))
	p := piece{class: class, slab: s.slabs.take(class), parent: none, n: int16(len(content)), units: int16(countUnits(content))}
	copy(s.slabs.at(p.class, p.slab), content)
	return s.pieces.add(p)
}

func (s *Store) freePiece(row int32) {
	p := s.pieces.At(row)
	s.slabs.give(p.class, p.slab)
	s.pieces.giveUp(row)
	s.last = none
}

// content is the bytes of a piece, in place.
func (s *Store) content(p *piece) []byte { return s.slabs.at(p.class, p.slab)[:p.n] }

// setContent has a piece hold b, which must not share memory with it.
func (s *Store) setContent(row int32, b []byte) {
	p := s.pieces.At(row)
	if class := classOf(len(b)); class != p.class {
		s.slabs.give(p.class, p.slab)
		p.class, p.slab = class, s.slabs.take(class)
	}
	copy(s.slabs.at(p.class, p.slab), b)
	p.n, p.units = int16(len(b)), int16(countUnits(b))
}

// change adds to the sums above a piece, and to those of the text.
func (s *Store) change(t Text, row, bytes, units int32) {
	x := s.texts.At(t)
	x.bytes += bytes
	x.units += units
	child, parent := row, s.pieces.At(row).parent
	for parent != none {
		n := s.nodes.At(parent)
		i := n.slot(child)
		n.bytes[i] += bytes
		n.units[i] += units
		child, parent = parent, n.parent
	}
}

func (n *node) slot(child int32) int32 {
	i := int32(0)
	for n.child[i] != child {
		i++
	}
	return i
}

// at finds the piece that position pos is in or at the end of, and where that
// piece begins. The text is not empty.
func (s *Store) at(t Text, pos int32) (row, start int32) {
	if s.lastText == t && s.last != none && s.pieces.Len() > 0 && pos >= s.lastStart && pos <= s.lastStart+int32(s.pieces.At(s.last).units) {
		return s.last, s.lastStart
	}
	x := s.texts.At(t)
	row = x.root
	for leaf := x.leaf; !leaf; {
		n := s.nodes.At(row)
		i := int32(0)
		for ; i < n.n-1 && pos-start > n.units[i]; i++ {
			start += n.units[i]
		}
		row, leaf = n.child[i], n.low
	}
	s.last, s.lastText, s.lastStart = row, t, start
	return row, start
}

// after is the piece behind another, or none.
func (s *Store) after(row int32) int32 {
	child, parent := row, s.pieces.At(row).parent
	for parent != none {
		n := s.nodes.At(parent)
		i := n.slot(child)
		if i+1 < n.n {
			row = n.child[i+1]
			for !n.low {
				n = s.nodes.At(row)
				row = n.child[0]
			}
			return row
		}
		child, parent = parent, n.parent
	}
	return none
}

// addAfter puts a new piece, whose bytes are not counted yet, behind another;
// the first of a text if row is none.
func (s *Store) addAfter(t Text, row int32, content []byte) int32 {
	fresh := s.newPiece(content)
	x := s.texts.At(t)
	switch {
	case row == none:
		x.root, x.leaf = fresh, true
	case s.pieces.At(row).parent == none:
		p := s.pieces.At(row)
		top := node{n: 1, parent: none, low: true}
		top.child[0], top.bytes[0], top.units[0] = row, int32(p.n), int32(p.units)
		p.parent = s.nodes.add(top)
		x.root, x.leaf = p.parent, false
		s.adopt(t, p.parent, row, fresh)
	default:
		s.adopt(t, s.pieces.At(row).parent, row, fresh)
	}
	p := s.pieces.At(fresh)
	s.change(t, fresh, int32(p.n), int32(p.units))
	return fresh
}

// adopt makes fresh, with sums of zero, a child of parent behind child.
func (s *Store) adopt(t Text, parent, child, fresh int32) {
	if s.nodes.At(parent).n == nodeWidth {
		parent = s.splitNode(t, parent, child)
	}
	n := s.nodes.At(parent)
	at := n.slot(child) + 1
	copy(n.child[at+1:n.n+1], n.child[at:n.n])
	copy(n.bytes[at+1:n.n+1], n.bytes[at:n.n])
	copy(n.units[at+1:n.n+1], n.units[at:n.n])
	n.child[at], n.bytes[at], n.units[at] = fresh, 0, 0
	n.n++
	s.setParent(n.low, fresh, parent)
}

func (s *Store) setParent(low bool, child, parent int32) {
	if low {
		s.pieces.At(child).parent = parent
	} else {
		s.nodes.At(child).parent = parent
	}
}

// splitNode makes room in a node; it gives the half that child is in then.
func (s *Store) splitNode(t Text, at, child int32) int32 {
	const half = nodeWidth / 2
	n := s.nodes.At(at)
	if n.parent == none {
		top := node{n: 1, parent: none}
		x := s.texts.At(t)
		top.child[0], top.bytes[0], top.units[0] = at, x.bytes, x.units
		x.root = s.nodes.add(top)
		n.parent = x.root
	}
	fresh := s.nodes.add(node{low: n.low, n: nodeWidth - half})
	s.adopt(t, n.parent, at, fresh)
	r := s.nodes.At(fresh)
	copy(r.child[:], n.child[half:])
	copy(r.bytes[:], n.bytes[half:])
	copy(r.units[:], n.units[half:])
	n.n = half
	var bytes, units int32
	for i := range r.n {
		bytes, units = bytes+r.bytes[i], units+r.units[i]
		s.setParent(r.low, r.child[i], fresh)
	}
	up := s.nodes.At(n.parent)
	i := up.slot(at)
	up.bytes[i], up.units[i] = up.bytes[i]-bytes, up.units[i]-units
	up.bytes[i+1], up.units[i+1] = bytes, units
	if slices.Contains(n.child[:n.n], child) {
		return at
	}
	return fresh
}

// remove takes a piece, whose bytes are counted no more, out of the tree.
func (s *Store) remove(t Text, row int32) {
	child, parent := row, s.pieces.At(row).parent
	s.freePiece(row)
	for parent != none {
		n := s.nodes.At(parent)
		at := n.slot(child)
		copy(n.child[at:], n.child[at+1:n.n])
		copy(n.bytes[at:], n.bytes[at+1:n.n])
		copy(n.units[at:], n.units[at+1:n.n])
		if n.n--; n.n > 0 {
			return
		}
		child, parent = parent, n.parent
		s.nodes.giveUp(child)
	}
	x := s.texts.At(t)
	x.root, x.leaf = none, true
}
