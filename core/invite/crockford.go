package invite

// alphabet is Crockford's base 32: no I, L, O or U.
const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// encode32 writes b five bits at a time, most significant first; the last
// character is filled with zero bits.
func encode32(b []byte) string {
	out := make([]byte, 0, (len(b)*8+4)/5)
	var acc, bits uint
	for _, c := range b {
		acc, bits = acc<<8|uint(c), bits+8
		for ; bits >= 5; bits -= 5 {
			out = append(out, alphabet[acc>>(bits-5)&31])
		}
	}
	if bits > 0 {
		out = append(out, alphabet[acc<<(5-bits)&31])
	}
	return string(out)
}

// decode32 reads what encode32 writes, without separators, in either case and
// with O for 0, I and L for 1. It reports the first character that is outside
// the alphabet, or ok. Bits that do not make a byte must be zero and too few
// for a character.
func decode32(s string) (b []byte, bad rune, ok bool) {
	var acc, bits uint
	for _, c := range s {
		v := digit32(c)
		if v < 0 {
			return nil, c, false
		}
		acc, bits = acc<<5|uint(v), bits+5
		if bits >= 8 {
			bits -= 8
			b = append(b, byte(acc>>bits))
		}
	}
	return b, 0, bits < 5 && acc&(1<<bits-1) == 0
}

// digit32 gives the value of c, or -1.
func digit32(c rune) int {
	c = canonical32(c)
	for i, a := range alphabet {
		if a == c {
			return i
		}
	}
	return -1
}

// canonical32 maps the characters that are read alike to the one of the
// alphabet; others are returned in upper case.
func canonical32(c rune) rune {
	if c >= 'a' && c <= 'z' {
		c += 'A' - 'a'
	}
	switch c {
	case 'O':
		return '0'
	case 'I', 'L':
		return '1'
	}
	return c
}
