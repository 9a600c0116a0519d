// The multiplication of crypto/internal/fips140/edwards25519/field for wasm, in the words
// of that package. The library's splits an element into five limbs of 51 bits, whose
// products have 102: a machine with a multiplication of 64 by 64 bits to 128 has them in
// one instruction. Wasm has none, and each such product is four multiplications, four
// additions and carries. Here an element is ten limbs of 26 and 25 bits in turn for the time
// of a multiplication (D. J. Bernstein, "Curve25519: new Diffie-Hellman speed records",
// PKC 2006, section 4): a product has 52 bits, a column of ten of them, some times 19
// and some times 2, less than 2^61, and nothing carries before the end.
//
// Limbs of the operands may have 52 bits, as the library has it. Limb i of ten is worth
// 2^ceil(25.5 i), so that a product of two odd ones counts twice.

/** What stands in the place of functions of the same names. */
export const FIELD = `
const low26, low25 = 1<<26 - 1, 1<<25 - 1

func feMulGeneric(v, a, b *Element) {
	a0, a1 := a.l0&low26, a.l0>>26
	a2, a3 := a.l1&low26, a.l1>>26
	a4, a5 := a.l2&low26, a.l2>>26
	a6, a7 := a.l3&low26, a.l3>>26
	a8, a9 := a.l4&low26, a.l4>>26
	b0, b1 := b.l0&low26, b.l0>>26
	b2, b3 := b.l1&low26, b.l1>>26
	b4, b5 := b.l2&low26, b.l2>>26
	b6, b7 := b.l3&low26, b.l3>>26
	b8, b9 := b.l4&low26, b.l4>>26
	w1, w2, w3, w4, w5, w6, w7, w8, w9 := 19*b1, 19*b2, 19*b3, 19*b4, 19*b5, 19*b6, 19*b7, 19*b8, 19*b9
	d1, d3, d5, d7, d9 := 2*a1, 2*a3, 2*a5, 2*a7, 2*a9
	h0 := a0*b0 + d1*w9 + a2*w8 + d3*w7 + a4*w6 + d5*w5 + a6*w4 + d7*w3 + a8*w2 + d9*w1
	h1 := a0*b1 + a1*b0 + a2*w9 + a3*w8 + a4*w7 + a5*w6 + a6*w5 + a7*w4 + a8*w3 + a9*w2
	h2 := a0*b2 + d1*b1 + a2*b0 + d3*w9 + a4*w8 + d5*w7 + a6*w6 + d7*w5 + a8*w4 + d9*w3
	h3 := a0*b3 + a1*b2 + a2*b1 + a3*b0 + a4*w9 + a5*w8 + a6*w7 + a7*w6 + a8*w5 + a9*w4
	h4 := a0*b4 + d1*b3 + a2*b2 + d3*b1 + a4*b0 + d5*w9 + a6*w8 + d7*w7 + a8*w6 + d9*w5
	h5 := a0*b5 + a1*b4 + a2*b3 + a3*b2 + a4*b1 + a5*b0 + a6*w9 + a7*w8 + a8*w7 + a9*w6
	h6 := a0*b6 + d1*b5 + a2*b4 + d3*b3 + a4*b2 + d5*b1 + a6*b0 + d7*w9 + a8*w8 + d9*w7
	h7 := a0*b7 + a1*b6 + a2*b5 + a3*b4 + a4*b3 + a5*b2 + a6*b1 + a7*b0 + a8*w9 + a9*w8
	h8 := a0*b8 + d1*b7 + a2*b6 + d3*b5 + a4*b4 + d5*b3 + a6*b2 + d7*b1 + a8*b0 + d9*w9
	h9 := a0*b9 + a1*b8 + a2*b7 + a3*b6 + a4*b5 + a5*b4 + a6*b3 + a7*b2 + a8*b1 + a9*b0
	h1 += h0 >> 26
	h2 += h1 >> 25
	h3 += h2 >> 26
	h4 += h3 >> 25
	h5 += h4 >> 26
	h6 += h5 >> 25
	h7 += h6 >> 26
	h8 += h7 >> 25
	h9 += h8 >> 26
	h0 = h0&low26 + 19*(h9>>25)
	v.l0 = h0&low26 + (h1&low25+h0>>26)<<26
	v.l1 = h2&low26 + h3&low25<<26
	v.l2 = h4&low26 + h5&low25<<26
	v.l3 = h6&low26 + h7&low25<<26
	v.l4 = h8&low26 + h9&low25<<26
}

func feSquareGeneric(v, a *Element) {
	a0, a1 := a.l0&low26, a.l0>>26
	a2, a3 := a.l1&low26, a.l1>>26
	a4, a5 := a.l2&low26, a.l2>>26
	a6, a7 := a.l3&low26, a.l3>>26
	a8, a9 := a.l4&low26, a.l4>>26
	d0, d1, d2, d3, d4, d5, d6, d7, d8, d9 := 2*a0, 2*a1, 2*a2, 2*a3, 2*a4, 2*a5, 2*a6, 2*a7, 2*a8, 2*a9
	q1, q3, q5, q7 := 4*a1, 4*a3, 4*a5, 4*a7
	w5, w6, w7, w8, w9 := 19*a5, 19*a6, 19*a7, 19*a8, 19*a9
	h0 := a0*a0 + q1*w9 + d2*w8 + q3*w7 + d4*w6 + d5*w5
	h1 := d0*a1 + d2*w9 + d3*w8 + d4*w7 + d5*w6
	h2 := d0*a2 + d1*a1 + q3*w9 + d4*w8 + q5*w7 + a6*w6
	h3 := d0*a3 + d1*a2 + d4*w9 + d5*w8 + d6*w7
	h4 := d0*a4 + q1*a3 + a2*a2 + q5*w9 + d6*w8 + d7*w7
	h5 := d0*a5 + d1*a4 + d2*a3 + d6*w9 + d7*w8
	h6 := d0*a6 + q1*a5 + d2*a4 + d3*a3 + q7*w9 + a8*w8
	h7 := d0*a7 + d1*a6 + d2*a5 + d3*a4 + d8*w9
	h8 := d0*a8 + q1*a7 + d2*a6 + q3*a5 + a4*a4 + d9*w9
	h9 := d0*a9 + d1*a8 + d2*a7 + d3*a6 + d4*a5
	h1 += h0 >> 26
	h2 += h1 >> 25
	h3 += h2 >> 26
	h4 += h3 >> 25
	h5 += h4 >> 26
	h6 += h5 >> 25
	h7 += h6 >> 26
	h8 += h7 >> 25
	h9 += h8 >> 26
	h0 = h0&low26 + 19*(h9>>25)
	v.l0 = h0&low26 + (h1&low25+h0>>26)<<26
	v.l1 = h2&low26 + h3&low25<<26
	v.l2 = h4&low26 + h5&low25<<26
	v.l3 = h6&low26 + h7&low25<<26
	v.l4 = h8&low26 + h9&low25<<26
}
`;
