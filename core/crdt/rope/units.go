package rope

// A lead byte tells how many bytes its character has, and how many UTF-16 code
// units: two for four bytes, one for any other. Halves of pairs have three.

func charLen(lead byte) int {
	switch {
	case lead < 0x80:
		return 1
	case lead < 0xe0:
		return 2
	case lead < 0xf0:
		return 3
	}
	return 4
}

// countUnits is the number of UTF-16 code units of well-formed bytes.
func countUnits(b []byte) int {
	n := 0
	for _, c := range b {
		if c&0xc0 != 0x80 {
			n++
		}
		if c >= 0xf0 {
			n++
		}
	}
	return n
}

// Units is the number of UTF-16 code units of well-formed UTF-8.
func Units(b []byte) int { return countUnits(b) }

// Offset is the byte at which UTF-16 code unit k of well-formed UTF-8 begins, or
// -1 if b ends before it or it is the second half of a character.
func Offset(b []byte, k int) int {
	at := 0
	for ; k > 0; k-- {
		if at == len(b) {
			return -1
		}
		n := charLen(b[at])
		if n == 4 {
			if k--; k == 0 {
				return -1
			}
		}
		at += n
	}
	return at
}

// offset is the byte at which unit k of b begins. inPair tells that it is the
// second unit of the character at that byte.
func offset(b []byte, units, k int) (at int, inPair bool) {
	if units == len(b) {
		return k, false // one byte each
	}
	for k > 0 {
		n := charLen(b[at])
		if n == 4 {
			if k == 1 {
				return at, true
			}
			k--
		}
		at, k = at+n, k-1
	}
	return at, false
}

// halves is a character of four bytes as the two halves of its pair.
func halves(c []byte) [6]byte {
	r := rune(c[0]&7)<<18 | rune(c[1]&63)<<12 | rune(c[2]&63)<<6 | rune(c[3]&63)
	r -= 0x10000
	high, low := 0xd800+r>>10, 0xdc00+r&0x3ff
	return [6]byte{
		0xe0 | byte(high>>12), 0x80 | byte(high>>6&63), 0x80 | byte(high&63),
		0xe0 | byte(low>>12), 0x80 | byte(low>>6&63), 0x80 | byte(low&63),
	}
}

// cut is the last place up to n where b may be cut between two characters.
func cut(b []byte, n int) int {
	if n >= len(b) {
		return len(b)
	}
	for b[n]&0xc0 == 0x80 {
		n--
	}
	return n
}
