package feed

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"math"
)

// Rows of the same length that look alike are coded by columns: column c is byte c
// of every row, in order. The first row stands by itself; of the others each
// column is coded as it is, or as the differences to the row before (mod 256), or
// as these less what the column behind it borrows, as of big-endian numbers that
// grow; whichever is shortest. A column is
//
//	mode << 2 | form, and then
//	formConstant: the byte; formRaw: the bytes; formDeflated: uvarint n, n bytes (RFC 1951)
const (
	formConstant = 0
	formRaw      = 1
	formDeflated = 2

	modePlain  = 0
	modeDiff   = 1
	modeBorrow = 2
	modes      = 3
)

// appendColumns appends rows of n bytes, which stand in rows one after the other.
// rest is called between pieces of work.
func appendColumns(b, rows []byte, n int, rest func()) []byte {
	count := len(rows)/n - 1
	b = append(b, rows[:n]...)
	if count == 0 {
		return b
	}
	column := make([]byte, count)
	for c := range n {
		mode := chooseMode(rows, n, c, column)
		rest()
		takeColumn(rows, n, c, mode, column)
		b = appendStream(b, byte(mode), column, rest)
	}
	return b
}

// takeColumn gives column c in a mode, without the first row.
func takeColumn(rows []byte, n, c, mode int, to []byte) {
	at := n + c
	for i := range to {
		v := rows[at]
		if mode != modePlain {
			v -= rows[at-n]
		}
		if mode == modeBorrow && c+1 < n && rows[at+1] < rows[at+1-n] {
			v--
		}
		to[i] = v
		at += n
	}
}

// putColumn reverses takeColumn, when the columns behind are there.
func putColumn(rows []byte, n, c, mode int, from []byte) {
	at := n + c
	for _, v := range from {
		if mode != modePlain {
			v += rows[at-n]
		}
		if mode == modeBorrow && c+1 < n && rows[at+1] < rows[at+1-n] {
			v++
		}
		rows[at] = v
		at += n
	}
}

// chooseMode gives the mode in which the bytes of a column take the fewest bits by
// themselves. It uses scratch.
func chooseMode(rows []byte, n, c int, scratch []byte) (best int) {
	least := math.Inf(1)
	for mode := range modes {
		takeColumn(rows, n, c, mode, scratch)
		bits := entropy(scratch)
		if bits < least {
			best, least = mode, bits
		}
		if bits == 0 {
			break
		}
	}
	return best
}

// entropy is how many bits the bytes take if each has a code by its frequency.
func entropy(b []byte) (bits float64) {
	var counts [256]int
	for _, v := range b {
		counts[v]++
	}
	for _, n := range counts {
		if n > 0 {
			bits -= float64(n) * math.Log2(float64(n)/float64(len(b)))
		}
	}
	return bits
}

// appendStream appends bytes in the form that is shortest, calling rest now and then.
func appendStream(b []byte, mode byte, data []byte, rest func()) []byte {
	defer rest()
	if len(data) > 0 && bytes.Count(data, data[:1]) == len(data) {
		return append(b, mode<<2|formConstant, data[0])
	}
	packed := compress(&coders, flate.HuffmanOnly, data)
	rest()
	if searched := compress(&deflaters, flate.DefaultCompression, data); packed == nil || searched != nil && len(searched) < len(packed) {
		packed = searched
	}
	if packed == nil || len(packed)+1 >= len(data) { // its first byte is not written, but its length is
		return append(append(b, mode<<2|formRaw), data...)
	}
	b = binary.AppendUvarint(append(b, mode<<2|formDeflated), uint64(len(packed)-1))
	return append(b, packed[1:]...)
}

// streams reads what appendStream wrote. After an error it gives nothing.
type streams struct {
	b   []byte
	bad bool
}

func (s *streams) take(n int) []byte {
	if s.bad || n < 0 || n > len(s.b) {
		s.bad = true
		return nil
	}
	b := s.b[:n:n]
	s.b = s.b[n:]
	return b
}

// next reads n bytes in the form that they have, and their mode.
func (s *streams) next(n int) (data []byte, mode int) {
	head := s.take(1)
	if s.bad {
		return nil, 0
	}
	mode = int(head[0] >> 2)
	switch head[0] & 3 {
	case formConstant:
		if v := s.take(1); v != nil {
			return bytes.Repeat(v, n), mode
		}
	case formRaw:
		return s.take(n), mode
	case formDeflated:
		packed := s.take(s.uvarint(MaxBlock))
		if s.bad {
			return nil, 0
		}
		if out, err := inflate(packed, n); err == nil && len(out) == n {
			return out, mode
		}
	}
	s.bad = true
	return nil, 0
}

// uvarint reads a number of at most limit.
func (s *streams) uvarint(limit int) int {
	v, used := binary.Uvarint(s.b)
	if s.bad || used <= 0 || v > uint64(limit) {
		s.bad = true
		return 0
	}
	s.b = s.b[used:]
	return int(v)
}

// list reads a list of at most so many uvarints.
func (s *streams) list(count int) streams {
	data, mode := s.next(s.uvarint(count * binary.MaxVarintLen64))
	s.bad = s.bad || mode != 0
	return streams{b: data, bad: s.bad}
}

// columns reads count rows of n bytes, which appendColumns wrote.
func (s *streams) columns(count, n int) (rows []byte) {
	first := s.take(n)
	if s.bad {
		return nil
	}
	rows = make([]byte, count*n)
	copy(rows, first)
	if count == 1 {
		return rows
	}
	type coded struct {
		data []byte
		mode int
	}
	columns := make([]coded, n)
	for c := range columns {
		data, mode := s.next(count - 1)
		if s.bad = s.bad || mode >= modes; s.bad {
			return nil
		}
		columns[c] = coded{data, mode}
	}
	for c := n - 1; c >= 0; c-- {
		putColumn(rows, n, c, columns[c].mode, columns[c].data)
	}
	return rows
}
