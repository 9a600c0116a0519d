package cpace

import (
	"bytes"
	"crypto/sha512"

	"github.com/echospace/echospace/core/errs"
	"github.com/gtank/ristretto255"
)

// Sizes in bytes.
const (
	PointSize  = 32               // an encoded group element
	ScalarSize = 32               // a scalar, little-endian
	KeySize    = sha512.Size      // the intermediate session key
	TagSize    = sha512.Size      // a confirmation tag
	SeedSize   = 64               // randomness that makes a scalar
	blockSize  = sha512.BlockSize // H.s_in_bytes of the draft
)

// Domain separation identifiers of the suite.
const (
	dsi    = "CPaceRistretto255"
	dsiISK = dsi + "_ISK"
)

// appendLV appends v with its length before it in LEB128: prepend_len.
func appendLV(b, v []byte) []byte {
	n := len(v)
	for n >= 0x80 {
		b = append(b, byte(n)|0x80)
		n >>= 7
	}
	return append(append(b, byte(n)), v...)
}

// lvCat concatenates the values, each with its length before it.
func lvCat(values ...[]byte) []byte {
	var b []byte
	for _, v := range values {
		b = appendLV(b, v)
	}
	return b
}

// orderedCat is o_cat: both values in an order that does not depend on who is
// who, the greater first.
func orderedCat(a, b []byte) []byte {
	if bytes.Compare(a, b) < 0 {
		a, b = b, a
	}
	return append(append([]byte("oc"), a...), b...)
}

// generatorString is what is hashed to the generator. The zero padding fills
// the first block of the hash, so that its compression takes the same time
// for every code.
func generatorString(c Context) []byte {
	used := 1 + len(lvCat(c.Code)) + len(lvCat([]byte(dsi)))
	return lvCat([]byte(dsi), c.Code, make([]byte, max(0, blockSize-used)), c.Channel, c.Session)
}

// generator is calculate_generator: the group element that both sides of a
// session with the same code share.
func generator(c Context) *ristretto255.Element {
	text := generatorString(c)
	h := sha512.Sum512(text)
	defer clear(h[:])
	clear(text)
	// It fails for another length only, and then gives the identity.
	g, err := ristretto255.NewIdentityElement().SetUniformBytes(h[:])
	if err != nil {
		return ristretto255.NewIdentityElement()
	}
	return g
}

// multiply is scalar_mult_vfy: s times the encoded point, refusing what is not
// the canonical encoding of a point, and a result that is the identity, with
// errs.BadKey.
func multiply(s *ristretto255.Scalar, point []byte) ([]byte, error) {
	p, err := ristretto255.NewIdentityElement().SetCanonicalBytes(point)
	if err != nil {
		return nil, errs.New("cpace", errs.BadKey, "%x is not the canonical encoding of a point", point)
	}
	k := ristretto255.NewIdentityElement().ScalarMult(s, p)
	if k.Equal(ristretto255.NewIdentityElement()) == 1 {
		return nil, errs.New("cpace", errs.BadKey, "%x gives the identity", point)
	}
	return k.Bytes(), nil
}
