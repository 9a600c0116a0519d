//go:build js

package main

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/idbstore"
	"github.com/echospace/echospace/jsbridge/webkeys"
)

// openRange implements client.Storage.OpenRange: what IndexedDB gives goes to
// WebCrypto as it is.
func openRange(store *idbstore.Store) func(context.Context, storage.Range, int, keys.Secret, client.Nonces) ([][]byte, func() ([][]byte, error), error) {
	return func(ctx context.Context, r storage.Range, limit int, key keys.Secret, nonce client.Nonces) ([][]byte, func() ([][]byte, error), error) {
		var names [][]byte
		var at []int
		var sealed []webkeys.Sealed
		err := store.ScanValues(ctx, r, limit, func(key []byte, v safejs.Value) {
			if n, wanted := nonce(key); wanted {
				at, sealed = append(at, len(names)), append(sealed, webkeys.Sealed{Nonce: n, Data: v})
			}
			names = append(names, key)
		})
		if err != nil || len(names) == 0 {
			return nil, nil, err
		}
		wait, err := webkeys.Bulk{}.Begin(ctx, key, sealed)
		if err != nil {
			return nil, nil, err
		}
		return names, func() ([][]byte, error) {
			plain, err := wait(ctx)
			out := make([][]byte, len(names))
			for i, b := range plain {
				out[at[i]] = b
			}
			return out, err
		}, nil
	}
}
