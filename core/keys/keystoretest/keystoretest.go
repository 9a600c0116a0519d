package keystoretest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// Run tests the KeyStores that open makes, each fresh.
func Run(t *testing.T, open func(t *testing.T) keys.KeyStore) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, keys.KeyStore){
		"opens what it sealed":      opensWhatItSealed,
		"never seals twice alike":   neverAlike,
		"refuses what is altered":   refusesAltered,
		"reset destroys the key":    resetDestroys,
		"ends with its context":     endsWithContext,
		"serves concurrent callers": servesConcurrent,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
	t.Run("stores do not share keys", func(t *testing.T) {
		a, b := open(t), open(t)
		sealed := seal(t, a, []byte("x"), nil)
		seal(t, b, []byte("y"), nil)
		wantRefused(t, b, sealed, nil)
	})
}

func seal(t *testing.T, ks keys.KeyStore, plaintext, aad []byte) []byte {
	t.Helper()
	sealed, err := ks.Seal(context.Background(), plaintext, aad)
	if err != nil {
		t.Fatalf("Seal: %v", err)
	}
	return sealed
}

func wantRefused(t *testing.T, ks keys.KeyStore, sealed, aad []byte) {
	t.Helper()
	if out, err := ks.Open(context.Background(), sealed, aad); !errs.Is(err, errs.DecryptFailed) || out != nil {
		t.Fatalf("Open gives %d bytes and %v, want DECRYPT_FAILED", len(out), err)
	}
}

func opensWhatItSealed(t *testing.T, ks keys.KeyStore) {
	for _, n := range []int{0, 1, 32, 5000} {
		plaintext := bytes.Repeat([]byte{7}, n)
		got, err := ks.Open(context.Background(), seal(t, ks, plaintext, []byte("aad")), []byte("aad"))
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%d bytes: %d bytes come back, %v", n, len(got), err)
		}
	}
}

func neverAlike(t *testing.T, ks keys.KeyStore) {
	if bytes.Equal(seal(t, ks, []byte("same"), nil), seal(t, ks, []byte("same"), nil)) {
		t.Fatal("two seals are equal")
	}
}

func refusesAltered(t *testing.T, ks keys.KeyStore) {
	sealed := seal(t, ks, []byte("secret"), []byte("aad"))
	wantRefused(t, ks, sealed, []byte("other"))
	wantRefused(t, ks, sealed[:len(sealed)-1], []byte("aad"))
	wantRefused(t, ks, nil, []byte("aad"))
	for i := range sealed {
		altered := bytes.Clone(sealed)
		altered[i] ^= 1
		wantRefused(t, ks, altered, []byte("aad"))
	}
}

func resetDestroys(t *testing.T, ks keys.KeyStore) {
	sealed := seal(t, ks, []byte("secret"), nil)
	for range 2 {
		if err := ks.Reset(context.Background()); err != nil {
			t.Fatalf("Reset: %v", err)
		}
		wantRefused(t, ks, sealed, nil)
	}
	again := seal(t, ks, []byte("fresh"), nil)
	if got, err := ks.Open(context.Background(), again, nil); err != nil || string(got) != "fresh" {
		t.Fatalf("after Reset: %q, %v", got, err)
	}
	wantRefused(t, ks, sealed, nil)
}

func endsWithContext(t *testing.T, ks keys.KeyStore) {
	sealed := seal(t, ks, []byte("x"), nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, sealErr := ks.Seal(ctx, []byte("x"), nil)
	_, openErr := ks.Open(ctx, sealed, nil)
	for call, err := range map[string]error{"Seal": sealErr, "Open": openErr, "Reset": ks.Reset(ctx)} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", call, err)
		}
	}
	if _, err := ks.Open(context.Background(), sealed, nil); err != nil {
		t.Errorf("a cancelled Reset destroyed the key: %v", err)
	}
}

func servesConcurrent(t *testing.T, ks keys.KeyStore) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			sealed, err := ks.Seal(context.Background(), []byte("x"), nil)
			if err == nil {
				_, err = ks.Open(context.Background(), sealed, nil)
			}
			if err != nil {
				t.Errorf("concurrent callers: %v", err)
			}
		})
	}
	wg.Wait()
}
