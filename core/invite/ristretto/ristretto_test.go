package ristretto

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"filippo.io/edwards25519"
	"github.com/gtank/ristretto255"
)

// TestTwin holds map, encoding, decoding and multiplication to those of another
// implementation.
func TestTwin(t *testing.T) {
	random := rand.NewChaCha8([32]byte{1})
	for range 200 {
		var seed, number [UniformSize]byte
		random.Read(seed[:])
		random.Read(number[:])
		p, twin := FromUniform(seed), ristretto255.NewElement().FromUniformBytes(seed[:])
		enc := Encode(p)
		if !bytes.Equal(enc[:], twin.Encode(nil)) {
			t.Fatalf("%x maps to %x, twin %x", seed, enc, twin.Encode(nil))
		}
		s, err := new(edwards25519.Scalar).SetUniformBytes(number[:])
		if err != nil {
			t.Fatal(err)
		}
		q, err := Decode(enc[:])
		if err != nil {
			t.Fatalf("%x: %v", enc, err)
		}
		got := Encode(new(edwards25519.Point).ScalarMult(s, q))
		want := ristretto255.NewElement().ScalarMult(ristretto255.NewScalar().FromUniformBytes(number[:]), twin).Encode(nil)
		if !bytes.Equal(got[:], want) {
			t.Fatalf("%x times %x: %x, twin %x", number, enc, got, want)
		}
	}
}

// TestTorsion: the four points of an element have one encoding.
func TestTorsion(t *testing.T) {
	low, err := new(edwards25519.Point).SetBytes(make([]byte, 32)) // y = 0: a point of order 4
	if err != nil {
		t.Fatal(err)
	}
	p := FromUniform([UniformSize]byte{7})
	want := Encode(p)
	for i := range 4 {
		if got := Encode(p); got != want {
			t.Errorf("plus %d times the point of order 4: %x, want %x", i, got, want)
		}
		p.Add(p, low)
	}
	if zero := Encode(edwards25519.NewIdentityPoint()); zero != [Size]byte{} {
		t.Errorf("the identity is %x", zero)
	}
}

// TestDecode_refused takes edge cases, and random bytes, as the twin does.
func TestDecode_refused(t *testing.T) {
	edge := [][]byte{
		make([]byte, 31), make([]byte, 33),
		bytes.Repeat([]byte{0xff}, 32),
		append([]byte{1}, make([]byte, 31)...),                                // negative
		append([]byte{0xed}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...), // p
		append([]byte{0xec}, append(bytes.Repeat([]byte{0xff}, 30), 0x7f)...), // -1: y = 0
		append(make([]byte, 31), 0x80),                                        // the top bit alone
	}
	for _, b := range edge {
		if _, err := Decode(b); err == nil {
			t.Errorf("%x is taken", b)
		}
	}
	random := rand.NewChaCha8([32]byte{2})
	taken := 0
	for range 500 {
		b := make([]byte, Size)
		random.Read(b)
		b[0] &^= 1
		b[31] &= 0x7f
		p, err := Decode(b)
		if twin := ristretto255.NewElement().Decode(b); (err == nil) != (twin == nil) {
			t.Fatalf("%x: %v, twin %v", b, err, twin)
		}
		if err != nil {
			continue
		}
		taken++
		if again := Encode(p); !bytes.Equal(again[:], b) {
			t.Fatalf("%x comes back as %x", b, again)
		}
	}
	if taken == 0 {
		t.Fatal("no random bytes were an element")
	}
}
