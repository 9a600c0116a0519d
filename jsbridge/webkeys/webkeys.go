//go:build js

package webkeys

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/jsbridge/jsval"
)

const (
	version   = 1
	nonceSize = 12
	tagSize   = 16
	keyName   = "wrapping"
)

// Keys keeps CryptoKeys; idbstore.Store does.
type Keys interface {
	// LoadKey gives the key of that name, or undefined.
	LoadKey(ctx context.Context, name string) (safejs.Value, error)
	// AddKey stores the key unless there is one, and gives the one that is
	// there afterwards.
	AddKey(ctx context.Context, name string, key safejs.Value) (safejs.Value, error)
	// DeleteKey removes the key, which may be absent.
	DeleteKey(ctx context.Context, name string) error
}

// KeyStore implements keys.KeyStore. It holds no key between calls, so that a
// Reset in one tab counts in all.
type KeyStore struct {
	env    env.Env
	keys   Keys
	subtle safejs.Value
}

var _ keys.KeyStore = (*KeyStore)(nil)

// New gives the KeyStore whose key is, or will be, among k.
func New(e env.Env, k Keys) (*KeyStore, error) {
	subtle, ok := jsval.Global("crypto", "subtle")
	if !ok {
		return nil, errs.New("webkeys.New", errs.InsecureContext,
			"the page has no crypto.subtle; serve it over https or from localhost")
	}
	return &KeyStore{env: e, keys: k, subtle: subtle}, nil
}

// Seal implements keys.KeyStore.
func (s *KeyStore) Seal(ctx context.Context, plaintext, aad []byte) ([]byte, error) {
	const op = "webkeys.Seal"
	key, err := s.keys.LoadKey(ctx, keyName)
	if err == nil && key.IsUndefined() {
		key, err = s.makeKey(ctx)
	}
	if err != nil {
		return nil, err
	}
	nonce := s.env.Bytes(nonceSize)
	ciphertext, err := s.run(ctx, op, "encrypt", key, nonce, plaintext, aad)
	if err != nil {
		return nil, err
	}
	return append(append([]byte{version}, nonce...), ciphertext...), nil
}

// makeKey makes the wrapping key; if another tab is faster, its key is given.
func (s *KeyStore) makeKey(ctx context.Context) (safejs.Value, error) {
	const op = "webkeys.Seal"
	promise, err := s.subtle.Call("generateKey",
		map[string]any{"name": "AES-GCM", "length": 256}, false, []any{"encrypt", "decrypt"})
	if err != nil {
		return promise, jsval.Error(op, errs.UnsupportedBrowser, err)
	}
	key, err := jsval.Await(ctx, promise)
	if err != nil {
		return key, err
	}
	return s.keys.AddKey(ctx, keyName, key)
}

// Open implements keys.KeyStore.
func (s *KeyStore) Open(ctx context.Context, sealed, aad []byte) ([]byte, error) {
	const op = "webkeys.Open"
	if err := jsval.ContextError(ctx, op); err != nil {
		return nil, err
	}
	if len(sealed) < 1+nonceSize+tagSize || sealed[0] != version {
		return nil, errs.New(op, errs.DecryptFailed, "%d bytes that this key store did not seal", len(sealed))
	}
	key, err := s.keys.LoadKey(ctx, keyName)
	if err != nil {
		return nil, err
	}
	if key.IsUndefined() {
		return nil, errs.New(op, errs.DecryptFailed, "the wrapping key is gone; it was reset or the site's data was cleared")
	}
	plaintext, err := s.run(ctx, op, "decrypt", key, sealed[1:1+nonceSize], sealed[1+nonceSize:], aad)
	if jsval.ErrorName(err) == "OperationError" { // all that WebCrypto says
		return nil, errs.New(op, errs.DecryptFailed, "the bytes were not sealed by this key with this context: %w", err)
	}
	return plaintext, err
}

// run calls encrypt or decrypt and waits for its bytes.
func (s *KeyStore) run(ctx context.Context, op, method string, key safejs.Value, nonce, data, aad []byte) ([]byte, error) {
	var args [3]safejs.Value
	for i, b := range [][]byte{nonce, data, aad} {
		var err error
		if args[i], err = jsval.Uint8Array(b); err != nil {
			return nil, err
		}
	}
	promise, err := s.subtle.Call(method,
		map[string]any{"name": "AES-GCM", "iv": args[0], "additionalData": args[2]}, key, args[1])
	if err != nil {
		return nil, jsval.Error(op, errs.KeyUnavailable, err) // what is stored is no such key
	}
	out, err := jsval.Await(ctx, promise)
	if err != nil {
		return nil, err
	}
	return jsval.Bytes(out)
}

// Reset implements keys.KeyStore.
func (s *KeyStore) Reset(ctx context.Context) error { return s.keys.DeleteKey(ctx, keyName) }
