package flat

import (
	"slices"
	"sort"
)

// maxLeaf bounds a leaf of Ranked: inserting moves at most so many rows, and
// the position of a row in a list of n costs n/maxLeaf steps.
const maxLeaf = 1024

// Ranked is a sorted list of distinct rows. The order is the caller's: compare
// must be a total order that does not change for rows in the list. The zero
// value is empty.
type Ranked struct {
	leaves [][]int32
	n      int
}

// Len is the number of rows.
func (l *Ranked) Len() int { return l.n }

// All calls yield for each row in order.
func (l *Ranked) All(yield func(row int32) bool) {
	for _, leaf := range l.leaves {
		for _, row := range leaf {
			if !yield(row) {
				return
			}
		}
	}
}

// Load replaces the list by rows, which are sorted, and takes them over.
func (l *Ranked) Load(rows []int32) {
	l.leaves, l.n = nil, len(rows)
	for part := range slices.Chunk(rows, maxLeaf/2) {
		l.leaves = append(l.leaves, slices.Clone(part))
	}
}

// Slice appends the rows that stand from one position up to another.
func (l *Ranked) Slice(to []int32, from, end int) []int32 {
	for _, leaf := range l.leaves {
		if from < end && from < len(leaf) {
			to = append(to, leaf[from:min(end, len(leaf))]...)
		}
		from, end = max(0, from-len(leaf)), max(0, end-len(leaf))
	}
	return to
}

// Bound is the position of the first row that is not before, which holds for the
// rows up to some place of the list and for none behind it.
func (l *Ranked) Bound(before func(row int32) bool) int {
	leaf := sort.Search(len(l.leaves), func(i int) bool {
		rows := l.leaves[i]
		return !before(rows[len(rows)-1])
	})
	if leaf == len(l.leaves) {
		return l.n
	}
	rows := l.leaves[leaf]
	at := sort.Search(len(rows), func(i int) bool { return !before(rows[i]) })
	for _, rows := range l.leaves[:leaf] {
		at += len(rows)
	}
	return at
}

// Walk calls yield for each row from one position up to another, in order, until
// it gives false.
func (l *Ranked) Walk(from, end int, yield func(row int32) bool) {
	for _, leaf := range l.leaves {
		if from >= end || end <= 0 {
			return
		}
		if from < len(leaf) {
			for _, row := range leaf[from:min(end, len(leaf))] {
				if !yield(row) {
					return
				}
			}
		}
		from, end = max(0, from-len(leaf)), end-len(leaf)
	}
}

// find gives the leaf and the place in it of row, or where it would go.
func (l *Ranked) find(row int32, compare func(a, b int32) int) (leaf, at int, found bool) {
	leaf = sort.Search(len(l.leaves), func(i int) bool {
		rows := l.leaves[i]
		return compare(rows[len(rows)-1], row) >= 0
	})
	if leaf == len(l.leaves) {
		if leaf == 0 {
			return 0, 0, false
		}
		return leaf - 1, len(l.leaves[leaf-1]), false
	}
	at, found = slices.BinarySearchFunc(l.leaves[leaf], row, compare)
	return leaf, at, found
}

// Insert adds row; a row that is there already stays once.
func (l *Ranked) Insert(row int32, compare func(a, b int32) int) {
	leaf, at, found := l.find(row, compare)
	if found {
		return
	}
	l.n++
	if len(l.leaves) == 0 {
		l.leaves = append(l.leaves, []int32{row})
		return
	}
	rows := l.leaves[leaf]
	if len(rows) < maxLeaf {
		l.leaves[leaf] = slices.Insert(rows, at, row)
		return
	}
	// Appending is the common case: keep the full leaf, start another.
	cut := maxLeaf / 2
	if leaf == len(l.leaves)-1 && at == maxLeaf {
		cut = maxLeaf
	}
	right := slices.Clone(rows[cut:])
	rows = rows[:cut]
	if at >= cut {
		right = slices.Insert(right, at-cut, row)
	} else {
		rows = slices.Insert(rows, at, row)
	}
	l.leaves[leaf] = rows
	l.leaves = slices.Insert(l.leaves, leaf+1, right)
}

// Remove takes row out and reports whether it was there.
func (l *Ranked) Remove(row int32, compare func(a, b int32) int) bool {
	leaf, at, found := l.find(row, compare)
	if !found {
		return false
	}
	l.delete(leaf, at)
	return true
}

func (l *Ranked) delete(leaf, at int) {
	l.n--
	l.leaves[leaf] = slices.Delete(l.leaves[leaf], at, at+1)
	if len(l.leaves[leaf]) == 0 {
		l.leaves = slices.Delete(l.leaves, leaf, leaf+1)
	}
}

// Position is where row stands, from 0, or -1.
func (l *Ranked) Position(row int32, compare func(a, b int32) int) int {
	leaf, at, found := l.find(row, compare)
	if !found {
		return -1
	}
	for _, rows := range l.leaves[:leaf] {
		at += len(rows)
	}
	return at
}

// at gives the leaf of a position and the place in it.
func (l *Ranked) at(pos int) (leaf, at int) {
	for pos >= len(l.leaves[leaf]) {
		pos -= len(l.leaves[leaf])
		leaf++
	}
	return leaf, pos
}

// Delete takes out the row at a position, whatever its place in the order.
func (l *Ranked) Delete(pos int) {
	leaf, at := l.at(pos)
	l.delete(leaf, at)
}

// Fits reports whether the row at a position stands between its neighbours, as
// it does unless what it is ordered by has changed.
func (l *Ranked) Fits(pos int, compare func(a, b int32) int) bool {
	leaf, at := l.at(pos)
	row := l.leaves[leaf][at]
	if pos > 0 {
		before, i := leaf, at-1
		if i < 0 {
			before--
			i = len(l.leaves[before]) - 1
		}
		if compare(l.leaves[before][i], row) > 0 {
			return false
		}
	}
	if pos == l.n-1 {
		return true
	}
	if at++; at == len(l.leaves[leaf]) {
		leaf, at = leaf+1, 0
	}
	return compare(row, l.leaves[leaf][at]) < 0
}
