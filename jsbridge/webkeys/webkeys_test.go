//go:build js

package webkeys_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/keys/keystoretest"
	"github.com/echospace/echospace/jsbridge/idbstore"
	"github.com/echospace/echospace/jsbridge/jsval"
	"github.com/echospace/echospace/jsbridge/webkeys"
)

func testEnv() env.Env {
	return env.Env{Clock: env.ClockFunc(time.Now), Rand: rand.Reader, Log: slog.New(slog.DiscardHandler)}
}

// openDB opens a database that is deleted at the end of the test.
func openDB(t *testing.T, name string) *idbstore.Store {
	t.Helper()
	db, err := idbstore.Open(t.Context(), name, idbstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		if err := idbstore.DeleteDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return db
}

func newKeyStore(t *testing.T, db webkeys.Keys) *webkeys.KeyStore {
	t.Helper()
	ks, err := webkeys.New(testEnv(), db)
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

func TestKeyStore(t *testing.T) {
	n := 0
	keystoretest.Run(t, func(t *testing.T) keys.KeyStore {
		n++
		return newKeyStore(t, openDB(t, fmt.Sprintf("test/webkeys/%d", n)))
	})
}

// TestKeyStore_twoTabs: whoever makes the key, both open what either sealed.
func TestKeyStore_twoTabs(t *testing.T) {
	const name = "test/webkeys/tabs"
	one, two := newKeyStore(t, openDB(t, name)), newKeyStore(t, openDB(t, name))
	sealed := make(chan []byte, 2)
	for _, ks := range []*webkeys.KeyStore{one, two} {
		go func() {
			b, err := ks.Seal(t.Context(), []byte("root"), []byte("aad"))
			if err != nil {
				t.Errorf("Seal: %v", err)
			}
			sealed <- b
		}()
	}
	for range 2 {
		b := <-sealed
		for i, ks := range []*webkeys.KeyStore{one, two} {
			if got, err := ks.Open(t.Context(), b, []byte("aad")); err != nil || string(got) != "root" {
				t.Errorf("tab %d: %q, %v", i, got, err)
			}
		}
	}
}

func TestKeyStore_keyIsNotExtractable(t *testing.T) {
	db := openDB(t, "test/webkeys/extract")
	if _, err := newKeyStore(t, db).Seal(t.Context(), []byte("x"), nil); err != nil {
		t.Fatal(err)
	}
	key, err := db.LoadKey(t.Context(), "wrapping")
	if err != nil || key.IsUndefined() {
		t.Fatalf("the key is not where it should be: %v", err)
	}
	subtle, _ := jsval.Global("crypto", "subtle")
	promise, err := subtle.Call("exportKey", "raw", key)
	if err == nil {
		_, err = jsval.Await(t.Context(), promise)
	}
	if name := jsval.ErrorName(err); name != "InvalidAccessError" {
		t.Fatalf("exportKey: %v", err)
	}
}

func TestNew_insecureContext(t *testing.T) {
	crypto, _ := jsval.Global("crypto")
	object, _ := jsval.Global("Object")
	if _, err := object.Call("defineProperty", crypto, "subtle", map[string]any{"value": safejs.Undefined(), "configurable": true}); err != nil {
		t.Fatal(err)
	}
	_, err := webkeys.New(testEnv(), nil)
	if err := crypto.Delete("subtle"); err != nil { // the prototype's shows again
		t.Fatal(err)
	}
	if !errs.Is(err, errs.InsecureContext) {
		t.Fatalf("New: %v", err)
	}
}

func TestBulk(t *testing.T) { keystoretest.RunBulk(t, webkeys.Bulk{}) }

func newDeviceKeys(t *testing.T, db webkeys.Keys) *webkeys.DeviceKeys {
	t.Helper()
	return newKeyStore(t, db).Devices()
}

func TestDeviceKeys(t *testing.T) {
	keystoretest.RunDeviceKeys(t, func(t *testing.T) keys.DeviceKeys {
		return newDeviceKeys(t, openDB(t, "test/webkeys/device"))
	})
}

func TestDeviceKeys_areNotExtractable(t *testing.T) {
	db := openDB(t, "test/webkeys/deviceextract")
	s, err := newDeviceKeys(t, db).Make(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	public := s.Public()
	key, err := db.LoadKey(t.Context(), fmt.Sprintf("device/%x", public))
	if err != nil || key.IsUndefined() {
		t.Fatalf("the key is not where it should be: %v", err)
	}
	subtle, _ := jsval.Global("crypto", "subtle")
	for _, format := range []string{"pkcs8", "jwk"} {
		promise, err := subtle.Call("exportKey", format, key)
		if err == nil {
			_, err = jsval.Await(t.Context(), promise)
		}
		if name := jsval.ErrorName(err); name != "InvalidAccessError" {
			t.Errorf("exportKey %s: %v", format, err)
		}
	}
}

// TestDeviceKeys_notSupported has crypto.subtle without Ed25519, and a store that keeps no
// such keys.
func TestDeviceKeys_notSupported(t *testing.T) {
	db := openDB(t, "test/webkeys/deviceless")
	subtle, _ := jsval.Global("crypto", "subtle")
	object, _ := jsval.Global("Object")
	none, err := safejs.FuncOf(func(safejs.Value, []safejs.Value) any {
		promise, _ := jsval.Global("Promise")
		e, _ := jsval.New("DOMException", "Unrecognized name.", "NotSupportedError")
		rejected, _ := promise.Call("reject", e)
		return safejs.Unsafe(rejected)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer none.Release()
	if _, err := object.Call("defineProperty", subtle, "generateKey", map[string]any{"value": none, "configurable": true}); err != nil {
		t.Fatal(err)
	}
	_, err = newDeviceKeys(t, db).Make(t.Context())
	if err := subtle.Delete("generateKey"); err != nil { // the prototype's shows again
		t.Fatal(err)
	}
	if !errs.Is(err, errs.UnsupportedBrowser) {
		t.Errorf("without Ed25519: %v", err)
	}
	if _, err := newDeviceKeys(t, unclonable{db}).Make(t.Context()); !errs.Is(err, errs.UnsupportedBrowser) {
		t.Errorf("without storage of such keys: %v", err)
	}
}

// unclonable fails to store keys as a browser without structured clones of them does.
type unclonable struct{ webkeys.Keys }

func (u unclonable) AddKey(ctx context.Context, name string, key safejs.Value) (safejs.Value, error) {
	f, err := safejs.FuncOf(func(safejs.Value, []safejs.Value) any { return nil })
	if err != nil {
		return key, err
	}
	defer f.Release()
	return u.Keys.AddKey(ctx, name, safejs.Safe(safejs.Unsafe(f.Value())))
}
