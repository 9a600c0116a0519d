package keystoretest

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// RunBulk tests a keys.Bulk.
func RunBulk(t *testing.T, b keys.Bulk) {
	ctx := context.Background()
	key := keys.Secret{1, 2, 3}
	pieces := make([]keys.BulkPiece, 20)
	for i := range pieces {
		pieces[i] = keys.BulkPiece{Nonce: [keys.BulkNonce]byte{byte(i)}, Data: bytes.Repeat([]byte{byte(i)}, i*i*400)}
	}
	sealed, err := b.Seal(ctx, key, pieces)
	if err != nil || len(sealed) != len(pieces) || b.Cipher() == 0 {
		t.Fatalf("sealed %d of %d by cipher %d: %v", len(sealed), len(pieces), b.Cipher(), err)
	}
	closed := make([]keys.BulkPiece, len(pieces))
	for i, s := range sealed {
		closed[i] = keys.BulkPiece{Nonce: pieces[i].Nonce, Data: s}
		if n := len(pieces[i].Data); n > 8 && bytes.Contains(s, pieces[i].Data) {
			t.Errorf("piece %d is in clear", i)
		}
	}
	opened, err := b.Open(ctx, key, closed)
	if err != nil {
		t.Fatal(err)
	}
	for i, o := range opened {
		if !bytes.Equal(o, pieces[i].Data) {
			t.Errorf("piece %d is another", i)
		}
	}
	for name, damage := range map[string]func(list []keys.BulkPiece) keys.Secret{
		"another key":   func([]keys.BulkPiece) keys.Secret { return keys.Secret{9} },
		"another nonce": func(list []keys.BulkPiece) keys.Secret { list[5].Nonce[3]++; return key },
		"a bit":         func(list []keys.BulkPiece) keys.Secret { list[5].Data[7] ^= 4; return key },
		"a cut":         func(list []keys.BulkPiece) keys.Secret { list[5].Data = list[5].Data[:20]; return key },
		"nothing":       func(list []keys.BulkPiece) keys.Secret { list[5].Data = nil; return key },
	} {
		list := slices.Clone(closed)
		list[5].Data = bytes.Clone(list[5].Data)
		if got, err := b.Open(ctx, damage(list), list); !errs.Is(err, errs.DecryptFailed) || got != nil {
			t.Errorf("%s: %d pieces and %v", name, len(got), err)
		}
	}
	if none, err := b.Open(ctx, key, nil); err != nil || len(none) != 0 {
		t.Errorf("no pieces: %v, %v", none, err)
	}
}
