package rope

import "github.com/echospace/echospace/core/crdt/flat"

// table is a column whose rows are given up and used again.
type table[T any] struct {
	flat.Column[T]
	free []int32
}

func (t *table[T]) add(row T) int32 {
	n := len(t.free)
	if n == 0 {
		return t.Append(row)
	}
	i := t.free[n-1]
	t.free = t.free[:n-1]
	*t.At(i) = row
	return i
}

func (t *table[T]) giveUp(i int32) { t.free = append(t.free, i) }
