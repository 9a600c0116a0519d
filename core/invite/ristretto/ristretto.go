package ristretto

import (
	"bytes"
	"errors"

	"filippo.io/edwards25519"
	"filippo.io/edwards25519/field"
)

// Size of an encoded element in bytes; UniformSize of what FromUniform takes.
const (
	Size        = 32
	UniformSize = 64
)

// element makes a field element of little-endian bytes, whose top bit is
// ignored.
func element(b []byte) *field.Element {
	e, err := new(field.Element).SetBytes(b)
	if err != nil {
		return new(field.Element) // not 32 bytes: no caller of this package does that
	}
	return e
}

func constant(c string) *field.Element { return element([]byte(c)) }

func one() *field.Element { return new(field.Element).One() }

func mul(a, b *field.Element) *field.Element { return new(field.Element).Multiply(a, b) }
func add(a, b *field.Element) *field.Element { return new(field.Element).Add(a, b) }
func sub(a, b *field.Element) *field.Element { return new(field.Element).Subtract(a, b) }
func square(a *field.Element) *field.Element { return new(field.Element).Square(a) }
func negate(a *field.Element) *field.Element { return new(field.Element).Negate(a) }

// choose is a if cond is 1, b if it is 0, in constant time.
func choose(a, b *field.Element, cond int) *field.Element {
	return new(field.Element).Select(a, b, cond)
}

// Decode gives the point of an encoding (section 4.3.1). Any but the one
// canonical encoding of an element is an error.
func Decode(b []byte) (*edwards25519.Point, error) {
	if len(b) != Size {
		return nil, errors.New("ristretto: not 32 bytes")
	}
	s := element(b)
	if !bytes.Equal(s.Bytes(), b) || s.IsNegative() == 1 {
		return nil, errors.New("ristretto: not canonical")
	}
	ss := square(s)
	u1, u2 := sub(one(), ss), add(one(), ss)
	u2Sq := square(u2)
	v := sub(negate(mul(constant(d), square(u1))), u2Sq)
	inv, isSquare := new(field.Element).SqrtRatio(one(), mul(v, u2Sq))
	denX := mul(inv, u2)
	denY := mul(mul(inv, denX), v)
	x := new(field.Element).Absolute(mul(add(s, s), denX))
	y := mul(u1, denY)
	t := mul(x, y)
	if isSquare == 0 || t.IsNegative() == 1 || y.Equal(new(field.Element)) == 1 {
		return nil, errors.New("ristretto: no element")
	}
	return new(edwards25519.Point).SetExtendedCoordinates(x, y, one(), t)
}

// Encode gives the canonical encoding of p's element (section 4.3.2), which is
// all zeros for the identity. It takes constant time.
func Encode(p *edwards25519.Point) [Size]byte {
	x, y, z, t := p.ExtendedCoordinates()
	u1, u2 := mul(add(z, y), sub(z, y)), mul(x, y)
	inv, _ := new(field.Element).SqrtRatio(one(), mul(u1, square(u2)))
	den1, den2 := mul(inv, u1), mul(inv, u2)
	zInv := mul(mul(den1, den2), t)
	rotate := mul(t, zInv).IsNegative()
	i := constant(sqrtM1)
	rx, ry := choose(mul(y, i), x, rotate), choose(mul(x, i), y, rotate)
	den := choose(mul(den1, constant(invSqrtAMinusD)), den2, rotate)
	ry = choose(negate(ry), ry, mul(rx, zInv).IsNegative())
	s := new(field.Element).Absolute(mul(den, sub(z, ry)))
	return [Size]byte(s.Bytes())
}

// FromUniform maps 64 uniform bytes to a uniform element (section 4.3.4), in
// constant time.
func FromUniform(b [UniformSize]byte) *edwards25519.Point {
	return new(edwards25519.Point).Add(elligator(element(b[:32])), elligator(element(b[32:])))
}

// elligator is the MAP of section 4.3.4.
func elligator(t *field.Element) *edwards25519.Point {
	d := constant(d)
	r := mul(constant(sqrtM1), square(t))
	u := mul(add(r, one()), constant(oneMinusDSq))
	minusOne := negate(one())
	v := mul(sub(minusOne, mul(r, d)), add(r, d))
	s, isSquare := new(field.Element).SqrtRatio(u, v)
	s = choose(s, negate(new(field.Element).Absolute(mul(s, t))), isSquare)
	c := choose(minusOne, r, isSquare)
	n := sub(mul(mul(c, sub(r, one())), constant(dMinusOneSq)), v)
	ss := square(s)
	w0, w1 := mul(add(s, s), v), mul(n, constant(sqrtADMinusOne))
	w2, w3 := sub(one(), ss), add(one(), ss)
	p, err := new(edwards25519.Point).SetExtendedCoordinates(mul(w0, w3), mul(w2, w1), mul(w1, w3), mul(w0, w2))
	if err != nil {
		// Every t maps onto the curve; anything else is a broken machine.
		panic("ristretto: the map left the curve")
	}
	return p
}
