package flat

import "sort"

// setLeaf bounds a leaf of Set: adding moves at most so many numbers.
const setLeaf = 512

// Set is a set of 64-bit numbers that knows their order. The zero value is
// empty. To add, remove and find a number costs the logarithm of how many there
// are, and a move within a leaf.
type Set struct {
	leaves [][]uint64 // ascending, none of them empty
	n      int
}

// Len is how many numbers there are.
func (s *Set) Len() int { return s.n }

// find gives the leaf and the place in it of v, or where it would go.
func (s *Set) find(v uint64) (leaf, at int, found bool) {
	leaf = sort.Search(len(s.leaves), func(i int) bool {
		l := s.leaves[i]
		return l[len(l)-1] >= v
	})
	if leaf == len(s.leaves) {
		if leaf == 0 {
			return 0, 0, false
		}
		return leaf - 1, len(s.leaves[leaf-1]), false
	}
	l := s.leaves[leaf]
	at = sort.Search(len(l), func(i int) bool { return l[i] >= v })
	return leaf, at, l[at] == v
}

// Has reports whether v is in the set.
func (s *Set) Has(v uint64) bool {
	_, _, found := s.find(v)
	return found
}

// Add puts v in and reports whether it was not there.
func (s *Set) Add(v uint64) bool {
	leaf, at, found := s.find(v)
	if found {
		return false
	}
	s.n++
	if len(s.leaves) == 0 {
		s.leaves = append(s.leaves, []uint64{v})
		return true
	}
	if len(s.leaves[leaf]) == setLeaf && s.relieve(leaf) {
		leaf, at, _ = s.find(v)
	}
	l := s.leaves[leaf]
	if len(l) == setLeaf {
		cut := setLeaf / 2
		if leaf == len(s.leaves)-1 && at == setLeaf { // appending keeps leaves full
			cut = setLeaf
		}
		right := append(make([]uint64, 0, setLeaf), l[cut:]...)
		s.leaves[leaf] = l[:cut]
		s.leaves = append(s.leaves, nil)
		copy(s.leaves[leaf+2:], s.leaves[leaf+1:])
		s.leaves[leaf+1] = right
		if at >= cut {
			leaf, at = leaf+1, at-cut
		}
		l = s.leaves[leaf]
	}
	l = append(l, v)
	copy(l[at+1:], l[at:])
	l[at] = v
	s.leaves[leaf] = l
	return true
}

// relieve moves numbers from a full leaf to the one before it if that has much room,
// as it has after runs of ascending numbers were added in many places.
func (s *Set) relieve(leaf int) bool {
	if leaf == 0 || len(s.leaves[leaf-1]) > setLeaf*3/4 {
		return false
	}
	left, l := s.leaves[leaf-1], s.leaves[leaf]
	n := min(setLeaf-len(left), setLeaf/2)
	s.leaves[leaf-1] = append(left, l[:n]...)
	s.leaves[leaf] = append(l[:0], l[n:]...)
	return true
}

// Remove takes v out and reports whether it was there.
func (s *Set) Remove(v uint64) bool {
	leaf, at, found := s.find(v)
	if !found {
		return false
	}
	s.n--
	l := s.leaves[leaf]
	if l = append(l[:at], l[at+1:]...); len(l) > 0 {
		s.leaves[leaf] = l
		return true
	}
	s.leaves = append(s.leaves[:leaf], s.leaves[leaf+1:]...)
	return true
}

// Range calls yield for each number from from on that is less than end, in
// order, until it gives false. It reports whether yield never did.
func (s *Set) Range(from, end uint64, yield func(v uint64) bool) bool {
	leaf, at, _ := s.find(from)
	for ; leaf < len(s.leaves); leaf, at = leaf+1, 0 {
		for _, v := range s.leaves[leaf][at:] {
			if v >= end {
				return true
			}
			if !yield(v) {
				return false
			}
		}
	}
	return true
}
