package flat

// chunkBits makes chunks of 512 rows: small enough for an empty database,
// large enough that the chunks of a million rows are 2,000 pointers.
const (
	chunkBits = 9
	chunkSize = 1 << chunkBits
	chunkMask = chunkSize - 1
)

// Column is a growing array of T, which must hold no pointer. Pointers from At
// stay valid while the row exists. The zero value is empty.
type Column[T any] struct {
	chunks []*[chunkSize]T
	n      int
}

// Len is the number of rows.
func (c *Column[T]) Len() int { return c.n }

// At is row i, in place.
func (c *Column[T]) At(i int32) *T { return &c.chunks[uint32(i)>>chunkBits][i&chunkMask] }

// Append adds a row and gives its number.
func (c *Column[T]) Append(v T) int32 {
	if c.n == len(c.chunks)<<chunkBits {
		c.chunks = append(c.chunks, new([chunkSize]T))
	}
	i := int32(c.n)
	c.n++
	*c.At(i) = v
	return i
}

// Truncate drops the rows from n on.
func (c *Column[T]) Truncate(n int) { c.n = n }

// Rows is row i and those behind it in its chunk, in place: long loops over rows
// cost no call each.
func (c *Column[T]) Rows(i int32) []T {
	rows := c.chunks[uint32(i)>>chunkBits][i&chunkMask:]
	return rows[:min(len(rows), c.n-int(i))]
}

// Grow adds n rows of zeros.
func (c *Column[T]) Grow(n int) {
	c.n += n
	for c.n > len(c.chunks)<<chunkBits {
		c.chunks = append(c.chunks, new([chunkSize]T))
	}
}
