// Package flat holds large states in a few pointer-free allocations, so that
// the garbage collector, which stops the one thread of a page, has next to
// nothing to look at: 100,000 objects cost it some thousand pointers.
//
//   - Column: rows of a pointer-free struct in chunks; growing copies nothing.
//   - Index: an open-addressing hash table from a key that the caller holds
//     elsewhere to a row number.
//   - Strings: interned strings, numbered from 0.
//   - Heap: values of any length, freed and compacted a segment at a time.
//   - Bits: a set of row numbers.
//   - Ranked: a sorted list of row numbers that knows positions.
//   - Set: an ordered set of 64-bit numbers.
//
// Nothing here is safe for concurrent use. Row numbers are int32; None is no
// row. A row number out of range is a fault of the caller and panics.
package flat

// None is the row number of nothing.
const None int32 = -1
