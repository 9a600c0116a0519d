package keys

import (
	"context"
	"crypto/ed25519"

	"filippo.io/edwards25519"

	"github.com/echospace/echospace/core/errs"
)

// Signer signs in the name of a public key. Its private key may be out of
// reach, such as a handle of the browser; Sign may then block.
type Signer interface {
	Public() [32]byte
	// Sign gives an Ed25519 signature over msg. Callers begin msg with a
	// label of their own, so that no signature fits two purposes.
	Sign(ctx context.Context, msg []byte) ([64]byte, error)
}

// SigningKey is an Ed25519 private key held in memory. It is immutable until Erase.
type SigningKey struct {
	key ed25519.PrivateKey
}

var _ Signer = (*SigningKey)(nil)

// NewSigningKey makes the key of a seed of 32 random bytes.
func NewSigningKey(seed [32]byte) *SigningKey {
	return &SigningKey{key: ed25519.NewKeyFromSeed(seed[:])}
}

// Public is the key that Verify takes.
func (k *SigningKey) Public() [32]byte { return [32]byte(k.key[32:]) }

// Seed is the secret that NewSigningKey takes.
func (k *SigningKey) Seed() [32]byte { return [32]byte(k.key[:32]) }

// Erase overwrites the private key with zeros: the key signs nothing of use any more.
func (k *SigningKey) Erase() { clear(k.key[:32]) }

// Sign signs msg. It neither blocks nor fails.
func (k *SigningKey) Sign(_ context.Context, msg []byte) ([64]byte, error) {
	return [64]byte(ed25519.Sign(k.key, msg)), nil
}

// Verify checks an Ed25519 signature: errs.BadKey for a public key that
// CheckPublic refuses, errs.BadSignature for anything else that does not hold,
// a non-canonical R or S included.
func Verify(public [32]byte, msg []byte, sig []byte) error {
	if err := CheckCanonical(public); err != nil {
		return err
	}
	if len(sig) == ed25519.SignatureSize && ed25519.Verify(public[:], msg, sig) {
		return nil
	}
	if err := checkOnCurve(public); err != nil {
		return err
	}
	return errs.New("keys.Verify", errs.BadSignature, "the signature of %x over %d bytes does not verify", public[:], len(msg))
}

// CheckPublic reports errs.BadKey for an Ed25519 public key that is not the
// canonical encoding of a point of the curve, or is of low order. It takes
// tens of microseconds; see CheckCanonical where many keys are read.
func CheckPublic(public [32]byte) error {
	if err := CheckCanonical(public); err != nil {
		return err
	}
	return checkOnCurve(public)
}

// lowOrderY tells whether y is among the y coordinates, little-endian, of the eight points whose
// order divides the cofactor: 0 (order 4), 1 (1), -1 (2), and two of order 8.
func lowOrderY(y [32]byte) bool {
	switch y {
	case [32]byte{},
		[32]byte{1},
		[32]byte{
			0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
			0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
		},
		[32]byte{
			0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
			0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
		},
		[32]byte{
			0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
			0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
		}:
		return true
	}
	return false
}

// CheckCanonical is the cheap half of CheckPublic: it lets keys pass that are
// no point of the curve, under which no signature ever verifies. The encoding
// is y with the sign of x in the top bit (RFC 8032, section 5.1.2); the one
// other encoding that is not canonical, x = 0 with the sign set, is of low
// order.
func CheckCanonical(public [32]byte) error {
	y := public
	y[31] &= 0x7f
	if !belowPrime(y) {
		return errs.New("keys.CheckPublic", errs.BadKey, "the public key %x is not canonical", public[:])
	}
	if lowOrderY(y) {
		return errs.New("keys.CheckPublic", errs.BadKey, "the public key %x is of low order", public[:])
	}
	return nil
}

// belowPrime reports whether v, little-endian, is below 2^255 - 19.
func belowPrime(v [32]byte) bool {
	if v[31] != 0x7f {
		return v[31] < 0x7f
	}
	for _, c := range v[1:31] {
		if c != 0xff {
			return true
		}
	}
	return v[0] < 0xed
}

// checkOnCurve checks that x² = (y² - 1) / (d·y² + 1) has a solution. It is
// slow (tens of microseconds) and of public values only.
func checkOnCurve(public [32]byte) error {
	if _, err := new(edwards25519.Point).SetBytes(public[:]); err != nil {
		return errs.New("keys.CheckPublic", errs.BadKey, "the public key %x is not a point of the curve", public[:])
	}
	return nil
}
