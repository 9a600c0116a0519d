//go:build js

package webkeys

import (
	"context"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// Bulk implements keys.Bulk by WebCrypto: AES-256-GCM (NIST SP 800-38D) on the
// browser's own threads. 30 MB in pieces of 128 KiB take 50 ms there, and 500 ms
// by ChaCha20-Poly1305 on the page's thread.
type Bulk struct{}

var _ keys.Bulk = Bulk{}

// Cipher implements keys.Bulk.
func (Bulk) Cipher() uint8 { return 2 }

// Seal implements keys.Bulk.
func (Bulk) Seal(ctx context.Context, key keys.Secret, pieces []keys.BulkPiece) ([][]byte, error) {
	return runAll(ctx, "encrypt", key, pieces)
}

// Open implements keys.Bulk.
func (Bulk) Open(ctx context.Context, key keys.Secret, pieces []keys.BulkPiece) ([][]byte, error) {
	return runAll(ctx, "decrypt", key, pieces)
}

// runAll begins all calls before it waits for the first, so that they run at once.
func runAll(ctx context.Context, method string, key keys.Secret, pieces []keys.BulkPiece) ([][]byte, error) {
	list := make([]Sealed, len(pieces))
	for i, p := range pieces {
		data, err := jsval.Uint8Array(p.Data)
		if err != nil {
			return nil, err
		}
		list[i] = Sealed{p.Nonce, data}
	}
	calls, err := begin(ctx, method, key, list)
	if err != nil {
		return nil, err
	}
	return calls.wait(ctx)
}

// Sealed is a keys.BulkPiece whose data, any BufferSource, is JavaScript's.
type Sealed struct {
	Nonce [keys.BulkNonce]byte
	Data  safejs.Value
}

// Begin is Open for what is not in Go's memory. It returns once all are being
// opened; wait, which need not be called, gives them.
func (Bulk) Begin(ctx context.Context, key keys.Secret, pieces []Sealed) (wait func(context.Context) ([][]byte, error), err error) {
	calls, err := begin(ctx, "decrypt", key, pieces)
	if err != nil {
		return nil, err
	}
	return calls.wait, nil
}

// calls are promises of the bytes of pieces. All is heard of when each has settled,
// so that no rejection goes unheard.
type calls struct {
	promises []safejs.Value
	all      safejs.Value
}

func begin(ctx context.Context, method string, key keys.Secret, pieces []Sealed) (*calls, error) {
	const op = "webkeys.Bulk"
	subtle, ok := jsval.Global("crypto", "subtle")
	if !ok {
		return nil, errs.New(op, errs.InsecureContext, "the page has no crypto.subtle; serve it over https or from localhost")
	}
	imported, err := importKey(ctx, subtle, key)
	if err != nil {
		return nil, err
	}
	constructor, ok := jsval.Global("Promise")
	if !ok {
		return nil, errs.New(op, errs.UnsupportedBrowser, "there are no promises")
	}
	c := &calls{promises: make([]safejs.Value, len(pieces))}
	list := make([]any, len(pieces))
	for i, p := range pieces {
		nonce, err := jsval.Uint8Array(p.Nonce[:])
		if err != nil {
			return nil, err
		}
		if c.promises[i], err = subtle.Call(method, map[string]any{"name": "AES-GCM", "iv": nonce}, imported, p.Data); err != nil {
			return nil, jsval.Error(op, errs.KeyUnavailable, err)
		}
		list[i] = safejs.Unsafe(c.promises[i])
	}
	c.all, err = constructor.Call("allSettled", list)
	return c, jsval.Error(op, errs.UnsupportedBrowser, err)
}

// wait gives the bytes of all, each as soon as it and those before it are there,
// while the browser works on the rest.
func (c *calls) wait(ctx context.Context) (out [][]byte, err error) {
	out = make([][]byte, len(c.promises))
	for i, p := range c.promises {
		var v safejs.Value
		if v, err = jsval.Await(ctx, p); err == nil {
			out[i], err = jsval.Bytes(v)
		}
		if err != nil {
			_, _ = jsval.Await(ctx, c.all) // the first error says enough
			break
		}
	}
	if jsval.ErrorName(err) == "OperationError" { // all that WebCrypto says
		err = errs.New("webkeys.Bulk", errs.DecryptFailed, "a piece was not sealed under the key: %w", err)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

func importKey(ctx context.Context, subtle safejs.Value, key keys.Secret) (safejs.Value, error) {
	raw, err := jsval.Uint8Array(key[:])
	if err != nil {
		return raw, err
	}
	promise, err := subtle.Call("importKey", "raw", raw, "AES-GCM", false, []any{"encrypt", "decrypt"})
	if err != nil {
		return promise, jsval.Error("webkeys.Bulk", errs.UnsupportedBrowser, err)
	}
	return jsval.Await(ctx, promise)
}
