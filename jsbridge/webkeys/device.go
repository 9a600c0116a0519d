//go:build js

package webkeys

import (
	"context"
	"encoding/hex"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// deviceName is followed by the public key in hexadecimal.
const deviceName = "device/"

// DeviceKeys implements keys.DeviceKeys by Ed25519 keys of WebCrypto. Source: W3C, Web
// Cryptography API Level 2, section 23 (Ed25519).
type DeviceKeys struct {
	keys   Keys
	subtle safejs.Value
}

var _ keys.DeviceKeys = (*DeviceKeys)(nil)

// Devices gives the device keys that are, or will be, where the KeyStore's own is.
func (s *KeyStore) Devices() *DeviceKeys { return &DeviceKeys{keys: s.keys, subtle: s.subtle} }

// Make implements keys.DeviceKeys.
func (d *DeviceKeys) Make(ctx context.Context) (keys.Signer, error) {
	const op = "webkeys.DeviceKeys"
	pair, err := d.call(ctx, op, "generateKey", "Ed25519", false, []any{"sign"})
	if err != nil {
		return nil, err
	}
	var half [2]safejs.Value
	for i, name := range []string{"privateKey", "publicKey"} {
		if half[i], err = pair.Get(name); err != nil {
			return nil, jsval.Error(op, errs.UnsupportedBrowser, err)
		}
	}
	raw, err := d.call(ctx, op, "exportKey", "raw", half[1])
	if err != nil {
		return nil, err
	}
	b, err := jsval.Bytes(raw)
	if err != nil {
		return nil, err
	}
	public, ok := id.From[id.DeviceKey](b)
	if !ok {
		return nil, errs.New(op, errs.UnsupportedBrowser, "an Ed25519 public key of %d bytes", len(b))
	}
	kept, err := d.keys.AddKey(ctx, nameOf(public), half[0])
	if jsval.ErrorName(err) == "DataCloneError" { // the browser does not store such keys
		return nil, errs.New(op, errs.UnsupportedBrowser, "an Ed25519 key cannot be stored: %w", err)
	}
	if err != nil {
		return nil, err
	}
	s := &signer{subtle: d.subtle, key: kept, public: public}
	return s, s.try(ctx)
}

// Load implements keys.DeviceKeys.
func (d *DeviceKeys) Load(ctx context.Context, public [32]byte) (keys.Signer, error) {
	key, err := d.keys.LoadKey(ctx, nameOf(public))
	if err == nil && key.IsUndefined() {
		err = errs.New("webkeys.DeviceKeys", errs.KeyUnavailable, "the key of device %s is gone; the site's data was cleared in part", id.Short(id.DeviceKey(public)))
	}
	if err != nil {
		return nil, err
	}
	return &signer{subtle: d.subtle, key: key, public: public}, nil
}

// call calls a method of crypto.subtle that makes or reads a key. What is not supported,
// or throws something else, is an errs.UnsupportedBrowser.
func (d *DeviceKeys) call(ctx context.Context, op, method string, args ...any) (safejs.Value, error) {
	promise, err := d.subtle.Call(method, args...)
	if err != nil {
		return promise, jsval.Error(op, errs.UnsupportedBrowser, err)
	}
	v, err := jsval.Await(ctx, promise)
	if err != nil && ctx.Err() == nil {
		err = errs.New(op, errs.UnsupportedBrowser, "the browser has no Ed25519 in crypto.subtle: %w", err)
	}
	return v, err
}

func nameOf(public [32]byte) string { return deviceName + hex.EncodeToString(public[:]) }

// signer is a keys.Signer whose private key only the browser reads.
type signer struct {
	subtle, key safejs.Value
	public      [32]byte
}

// Public implements keys.Signer.
func (s *signer) Public() [32]byte { return s.public }

// Sign implements keys.Signer. It waits for the browser.
func (s *signer) Sign(ctx context.Context, msg []byte) (sig [64]byte, err error) {
	const op = "webkeys.Sign"
	data, err := jsval.Uint8Array(msg)
	if err != nil {
		return sig, err
	}
	promise, err := s.subtle.Call("sign", "Ed25519", s.key, data)
	if err != nil {
		return sig, jsval.Error(op, errs.KeyUnavailable, err)
	}
	v, err := jsval.Await(ctx, promise)
	if err != nil && ctx.Err() == nil {
		err = errs.New(op, errs.KeyUnavailable, "the browser does not sign: %w", err)
	}
	if err != nil {
		return sig, err
	}
	b, err := jsval.Bytes(v)
	if err == nil && copy(sig[:], b) != len(sig) {
		err = errs.New(op, errs.UnsupportedBrowser, "a signature of %d bytes", len(b))
	}
	return sig, err
}

// try checks that the browser signs, by the key as it was stored, what everybody else
// verifies.
func (s *signer) try(ctx context.Context) error {
	const op = "webkeys.DeviceKeys"
	msg := []byte("echospace device key test\x00")
	sig, err := s.Sign(ctx, msg)
	if err == nil {
		err = keys.Verify(s.public, msg, sig[:])
	}
	if err != nil && ctx.Err() == nil {
		return errs.New(op, errs.UnsupportedBrowser, "the browser does not sign by an Ed25519 key that it stored: %w", err)
	}
	return err
}
