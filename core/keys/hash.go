package keys

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/id"
	"golang.org/x/crypto/blake2b"
)

// Secret is a symmetric key of 32 bytes: an epoch, control or root key, or a
// preshared key. It has no String method on purpose; never print one.
type Secret [32]byte

// NewSecret draws a random Secret.
func NewSecret(e env.Env) Secret { return Secret(e.Bytes(len(Secret{}))) }

// ID names s without giving it away: 16 bytes of a labelled hash. It commits
// to s, so that a key received under an ID can be checked against it.
func (s Secret) ID() id.EpochID {
	h := SumLabel("echospace key id", s[:])
	return id.EpochID(h[:id.ShortSize])
}

// Sum is the BLAKE2b-256 of the parts one after the other. The bounds of the
// parts are not hashed: use SumLabel unless the format fixes them.
func Sum(parts ...[]byte) id.Hash {
	if len(parts) == 1 {
		return blake2b.Sum256(parts[0])
	}
	// Joining short parts costs less than a digest, which is made in several pieces.
	joined := make([]byte, 0, 512)
	for _, p := range parts {
		joined = append(joined, p...)
	}
	return blake2b.Sum256(joined)
}

// SumLabel is the BLAKE2b-256 of the label and the parts, each with its length
// in front.
func SumLabel(label string, parts ...[]byte) id.Hash {
	return Sum(appendParts(nil, label, parts))
}

// Derive makes a key of a secret by HKDF-SHA256. Different labels or infos
// give independent keys.
func Derive(secret []byte, label string, info ...[]byte) Secret {
	key, err := expand(secret, nil, appendParts(nil, label, info), len(Secret{}))
	if err != nil {
		// 32 bytes are far below the limit of HKDF: only a platform that
		// forbids the algorithm gets here, and no key may be made on it.
		panic("keys: HKDF-SHA256 is not available: " + err.Error())
	}
	return Secret(key)
}

// expand is HKDF-SHA256, extract and expand; it fails over 255 * 32 bytes.
func expand(secret, salt, info []byte, n int) ([]byte, error) {
	return hkdf.Key(sha256.New, secret, salt, string(info), n)
}

// appendParts appends the label and the parts with their lengths.
func appendParts(b []byte, label string, parts [][]byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(label)))
	b = append(b, label...)
	for _, p := range parts {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}
