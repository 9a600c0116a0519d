package keys

import (
	"context"
	"crypto/cipher"

	"github.com/echospace/echospace/core/errs"
	"golang.org/x/crypto/chacha20poly1305"
)

// BulkNonce is the size of the nonces of a Bulk. No two pieces under one key may
// have the same.
const BulkNonce = chacha20poly1305.NonceSize

// BulkPiece is one of many messages: its nonce, and what is to be sealed or opened.
type BulkPiece struct {
	Nonce [BulkNonce]byte
	Data  []byte
}

// Bulk seals and opens many large pieces at once, by a cipher of the platform's
// choice. In a page that is one which runs beside its one thread. It is safe for
// concurrent use.
type Bulk interface {
	// Cipher tells what was sealed by one from what another can open. 0 is nobody's.
	Cipher() uint8
	// Seal gives each piece sealed, in new memory.
	Seal(ctx context.Context, key Secret, pieces []BulkPiece) ([][]byte, error)
	// Open reverses Seal. One that was not sealed under the key and nonce fails
	// all with an errs.DecryptFailed.
	Open(ctx context.Context, key Secret, pieces []BulkPiece) ([][]byte, error)
}

// PlainBulk is a Bulk that does all itself: ChaCha20-Poly1305 (RFC 8439).
type PlainBulk struct{}

// Cipher implements Bulk.
func (PlainBulk) Cipher() uint8 { return 1 }

// Seal implements Bulk.
func (PlainBulk) Seal(ctx context.Context, key Secret, pieces []BulkPiece) ([][]byte, error) {
	return eachPiece(ctx, pieces, func(p BulkPiece) ([]byte, error) {
		return bulkAEAD(key).Seal(nil, p.Nonce[:], p.Data, nil), nil
	})
}

// Open implements Bulk.
func (PlainBulk) Open(ctx context.Context, key Secret, pieces []BulkPiece) ([][]byte, error) {
	return eachPiece(ctx, pieces, func(p BulkPiece) ([]byte, error) {
		b, err := bulkAEAD(key).Open(nil, p.Nonce[:], p.Data, nil)
		if err != nil {
			err = errs.New("keys.Bulk", errs.DecryptFailed, "%d bytes do not open under the key", len(p.Data))
		}
		return b, err
	})
}

func eachPiece(ctx context.Context, pieces []BulkPiece, f func(BulkPiece) ([]byte, error)) ([][]byte, error) {
	out := make([][]byte, len(pieces))
	for i, p := range pieces {
		err := ctx.Err()
		if err == nil {
			out[i], err = f(p)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func bulkAEAD(key Secret) cipher.AEAD {
	a, err := chacha20poly1305.New(key[:])
	if err != nil {
		// New fails on a wrong key length alone, which the type rules out.
		panic("keys: ChaCha20-Poly1305: " + err.Error())
	}
	return a
}
