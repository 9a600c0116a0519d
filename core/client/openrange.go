package client

import (
	"context"

	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
)

// OpenRange makes a Storage.OpenRange of a Store and a Bulk that do not know each
// other.
func OpenRange(store storage.Store, bulk keys.Bulk) func(context.Context, storage.Range, int, keys.Secret, Nonces) ([][]byte, func() ([][]byte, error), error) {
	return func(ctx context.Context, r storage.Range, limit int, key keys.Secret, nonce Nonces) (names [][]byte, opened func() ([][]byte, error), err error) {
		list, err := store.Scan(ctx, r, limit)
		var pieces []keys.BulkPiece
		var at []int
		for i, e := range list {
			names = append(names, e.Key)
			if n, wanted := nonce(e.Key); wanted {
				at, pieces = append(at, i), append(pieces, keys.BulkPiece{Nonce: n, Data: e.Value})
			}
		}
		return names, func() ([][]byte, error) {
			plain, err := bulk.Open(ctx, key, pieces)
			out := make([][]byte, len(names))
			for i, b := range plain {
				out[at[i]] = b
			}
			return out, err
		}, err
	}
}
