package keystoretest

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// RunDeviceKeys tests the DeviceKeys that open makes; a second call gives another holder
// of the same keys, as another tab is.
func RunDeviceKeys(t *testing.T, open func(t *testing.T) keys.DeviceKeys) {
	t.Helper()
	ctx := context.Background()
	one, two := open(t), open(t)
	a, err := one.Make(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err := one.Make(ctx)
	if err != nil || a.Public() == b.Public() {
		t.Fatalf("the second key is %x, the first %x: %v", b.Public(), a.Public(), err)
	}
	again, err := two.Load(ctx, a.Public())
	if err != nil || again.Public() != a.Public() {
		t.Fatalf("the other holder: %v", err)
	}
	for name, s := range map[string]keys.Signer{"made": a, "loaded": again} {
		for _, msg := range [][]byte{nil, []byte("x"), make([]byte, 100_000)} {
			sig, err := s.Sign(ctx, msg)
			if err == nil {
				err = keys.Verify(a.Public(), msg, sig[:])
			}
			if err != nil {
				t.Errorf("%s, %d bytes: %v", name, len(msg), err)
			}
			if keys.Verify(b.Public(), msg, sig[:]) == nil {
				t.Errorf("%s: it signs by the other key", name)
			}
		}
	}
	if _, err := two.Load(ctx, [32]byte{1}); !errs.Is(err, errs.KeyUnavailable) {
		t.Errorf("a key that was never made: %v", err)
	}
	manySign(t, a)
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := one.Make(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Make after the end: %v", err)
	}
	if _, err := one.Load(ended, a.Public()); !errors.Is(err, context.Canceled) {
		t.Errorf("Load after the end: %v", err)
	}
	if _, err := a.Sign(ended, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Sign after the end: %v", err)
	}
}

func manySign(t *testing.T, s keys.Signer) {
	t.Helper()
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			msg := []byte{byte(i)}
			sig, err := s.Sign(context.Background(), msg)
			if err == nil {
				err = keys.Verify(s.Public(), msg, sig[:])
			}
			if err != nil {
				t.Errorf("message %d of many at once: %v", i, err)
			}
		})
	}
	all.Wait()
}
