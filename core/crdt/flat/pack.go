package flat

import "encoding/binary"

// Pack writes columns of integers and bytes as Unpack reads them. What it makes
// is for this device's own storage, not for others: there is one reader, of the
// same version.
//
// A column is its period and runs of one difference to the value a period before, or
// to the one before where there is none: zigzag(difference)<<1 and, with the lowest
// bit set, how often. Rows that were made together differ by the same from one to
// the next, or, where an object has several, from one object to the next.
type Pack struct{ Bytes []byte }

// Uint writes a number. It is called from many places, none of them a hot loop.
//
//go:noinline
func (p *Pack) Uint(v uint64) { p.Bytes = binary.AppendUvarint(p.Bytes, v) }

// Raw writes bytes with their length.
func (p *Pack) Raw(b []byte) {
	p.Uint(uint64(len(b)))
	p.Bytes = append(p.Bytes, b...)
}

// maxRun bounds a run, and with it what a few bytes can make a reader make room
// for.
const maxRun = 1 << 12

// maxStep bounds the difference in a run, so that no sum of them overflows.
const maxStep = 1 << 48

// maxPeriod bounds the period of a column, and sampled is how many values tell it.
const (
	maxPeriod = 24
	sampled   = 512
)

// before is what the value at i is told by.
func before(column []int64, i, period int) int64 {
	switch {
	case i >= period:
		return column[i-period]
	case i > 0:
		return column[i-1]
	}
	return 0
}

// periodOf is the period by which a column has the fewest runs.
func periodOf(column []int64) (best int) {
	column = column[:min(len(column), sampled)]
	fewest := len(column) + 1
	for period := 1; period <= maxPeriod; period++ {
		runs, last := period, int64(0)
		for i := range column {
			if d := column[i] - before(column, i, period); i == 0 || d != last {
				last = d
				runs++
			}
		}
		if runs < fewest {
			best, fewest = period, runs
		}
	}
	return max(1, best)
}

// Ints writes a column. Its values are between -1<<60 and 1<<60.
func (p *Pack) Ints(column []int64) {
	if len(column) == 0 {
		return
	}
	period := periodOf(column)
	p.Uint(uint64(period))
	for i := 0; i < len(column); {
		d := column[i] - before(column, i, period)
		n := 1
		for n < maxRun && d >= -maxStep && d <= maxStep && i+n < len(column) && column[i+n]-before(column, i+n, period) == d {
			n++
		}
		head := uint64(d)<<2 ^ uint64(d>>63)<<1
		if n > 1 {
			p.Uint(head | 1)
			p.Uint(uint64(n))
		} else {
			p.Uint(head)
		}
		i += n
	}
}

// Unpack reads what Pack wrote. After something that is not of the form it
// gives zeros, and Done reports false.
type Unpack struct {
	rest []byte
	bad  bool
}

// NewUnpack reads b, which must not change.
func NewUnpack(b []byte) *Unpack { return &Unpack{rest: b} }

// Fail has Done report false.
//
//go:noinline
func (u *Unpack) Fail() { u.bad, u.rest = true, nil }

// Done reports whether everything was of the form and read to the end.
func (u *Unpack) Done() bool { return !u.bad && len(u.rest) == 0 }

// Bad reports whether something was not of the form.
func (u *Unpack) Bad() bool { return u.bad }

// Uint reads a number up to most.
//
//go:noinline
func (u *Unpack) Uint(most uint64) uint64 {
	v, n := binary.Uvarint(u.rest)
	if n <= 0 || v > most {
		u.Fail()
		return 0
	}
	u.rest = u.rest[n:]
	return v
}

// Count reads how many of something follow, each of which takes at least size
// bytes, so that no more is made than there is.
func (u *Unpack) Count(size int) int { return int(u.Uint(uint64(len(u.rest) / size))) }

// Raw reads bytes with their length, in place.
func (u *Unpack) Raw() []byte { return u.Next(int(u.Uint(uint64(len(u.rest))))) }

// Next reads n bytes, in place; nil if they are not there.
func (u *Unpack) Next(n int) []byte {
	if n < 0 || n > len(u.rest) {
		u.Fail()
		return nil
	}
	b := u.rest[:n:n]
	u.rest = u.rest[n:]
	return b
}

// Column makes room for a column of n values; none if what is left cannot be so
// long.
//
//go:noinline
func (u *Unpack) Column(n int) []int64 {
	if u.bad || n/maxRun > len(u.rest) || n > 0 && len(u.rest) == 0 {
		u.Fail()
		return nil
	}
	return make([]int64, n)
}

// Ints reads a column, whose values must be from least to most.
func (u *Unpack) Ints(column []int64, least, most int64) {
	n, rest := ints(u.rest, column, least, most)
	if u.bad || n < len(column) {
		u.Fail()
		clear(column)
		return
	}
	u.rest = rest
}

// ints reads as much of a column as is in range, and gives how many values that
// are and what follows them.
func ints(rest []byte, column []int64, least, most int64) (i int, behind []byte) {
	if len(column) == 0 {
		return 0, rest
	}
	u := Unpack{rest: rest}
	period := int(u.Uint(maxPeriod))
	rest = u.rest
	for period > 0 && i < len(column) {
		var head uint64
		if len(rest) > 0 && rest[0] < 0x80 {
			head, rest = uint64(rest[0]), rest[1:]
		} else {
			v, n := binary.Uvarint(rest)
			if n <= 0 {
				break
			}
			head, rest = v, rest[n:]
		}
		d := int64(head>>2) ^ -int64(head>>1&1)
		end := i + 1
		if head&1 == 1 {
			n, size := binary.Uvarint(rest)
			if size <= 0 || n > maxRun || n > uint64(len(column)-i) || n == 0 || d < -maxStep || d > maxStep {
				break
			}
			rest = rest[size:]
			end = i + int(n)
		}
		for ; i < end && i < period; i++ {
			if column[i] = before(column, i, period) + d; column[i] < least || column[i] > most {
				return i, rest
			}
		}
		if i == end {
			continue
		}
		from := column[i-period:]
		for k, to := 0, column[i:end]; k < len(to); k++ {
			v := from[k] + d
			if v < least || v > most {
				return i + k, rest
			}
			to[k] = v
		}
		i = end
	}
	return i, rest
}

// Int reads a number with a sign, as binary.AppendVarint writes it.
func (u *Unpack) Int() int64 {
	v, n := binary.Varint(u.rest)
	if n <= 0 {
		u.Fail()
		return 0
	}
	u.rest = u.rest[n:]
	return v
}

// Words writes words whose upper byte says what is in them: of 0x80|n, the n lower
// bytes count; of any other the 56 bits below, as the difference to the last of
// these; 0 stands for 0.
func (p *Pack) Words(words []uint64) {
	last := int64(0)
	for _, w := range words {
		tag := byte(w >> 56)
		p.Bytes = append(p.Bytes, tag)
		switch {
		case tag&0x80 != 0:
			for n := tag & 0x0f; n > 0; n-- {
				p.Bytes = append(p.Bytes, byte(w))
				w >>= 8
			}
		case tag != 0:
			v := int64(w & RefMask)
			p.Bytes = binary.AppendVarint(p.Bytes, v-last)
			last = v
		}
	}
}

// Words reads what Words wrote.
func (u *Unpack) Words(words []uint64) {
	rest := u.rest
	last := int64(0)
	for i := range words {
		if len(rest) == 0 {
			u.Fail()
			return
		}
		tag := rest[0]
		w := uint64(tag) << 56
		rest = rest[1:]
		switch {
		case tag&0x80 != 0:
			n := int(tag & 0x0f)
			if n > 7 || n > len(rest) {
				u.Fail()
				return
			}
			for k, c := range rest[:n] {
				w |= uint64(c) << (8 * k)
			}
			rest = rest[n:]
		case tag != 0:
			v, n := binary.Varint(rest)
			if last += v; n <= 0 || last < 0 || last > RefMask {
				u.Fail()
				return
			}
			w |= uint64(last)
			rest = rest[n:]
		}
		words[i] = w
	}
	u.rest = rest
}
