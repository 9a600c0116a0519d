package keys

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"pgregory.net/rapid"
)

func unhex32(t *testing.T, s string) (out [32]byte) {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != 32 {
		t.Fatalf("%q is not 32 bytes", s)
	}
	return [32]byte(b)
}

func TestSum(t *testing.T) {
	// RFC 7693 has no BLAKE2b-256 vector; this is b2sum -l 256 of "abc".
	want := unhex32(t, "bddd813c634239723171ef3fee98579b94964e3bb1cb3e427262c8c068d52319")
	for name, parts := range map[string][][]byte{
		"one part":    {[]byte("abc")},
		"three parts": {[]byte("a"), nil, []byte("bc")},
	} {
		if got := Sum(parts...); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestLabels_separate(t *testing.T) {
	a := map[[32]byte]string{}
	for name, h := range map[string][32]byte{
		"sum a":       SumLabel("a"),
		"sum a,empty": SumLabel("a", nil),
		"sum a,b":     SumLabel("a", []byte("b")),
		"sum ab":      SumLabel("ab"),
		"sum a,b,c":   SumLabel("a", []byte("b"), []byte("c")),
		"sum a,bc":    SumLabel("a", []byte("bc")),
		"key a":       Derive(nil, "a"),
		"key b":       Derive(nil, "b"),
		"key a,b":     Derive(nil, "a", []byte("b")),
		"key 1,a":     Derive([]byte{1}, "a"),
	} {
		if other, ok := a[h]; ok {
			t.Errorf("%s equals %s", name, other)
		}
		a[h] = name
	}
}

func TestSecret_ID(t *testing.T) {
	a, b := NewSecret(testEnv(1)), NewSecret(testEnv(2))
	if a == b || a.ID() == b.ID() || b.ID() != NewSecret(testEnv(2)).ID() {
		t.Fatal("ids do not tell secrets apart")
	}
	if bytes.Contains(a[:], func() []byte { i := a.ID(); return i[:4] }()) {
		t.Fatal("the id shows the secret")
	}
}

func TestSeal_roundTrip(t *testing.T) {
	e := testEnv(3)
	rapid.Check(t, func(t *rapid.T) {
		key := NewSecret(e)
		plaintext := rapid.SliceOf(rapid.Byte()).Draw(t, "plaintext")
		aad := rapid.SliceOf(rapid.Byte()).Draw(t, "aad")
		sealed := Seal(e, key, plaintext, aad)
		got, err := Open(key, sealed, aad)
		if err != nil || !bytes.Equal(got, plaintext) {
			t.Fatalf("%x, %v", got, err)
		}
		bit := rapid.IntRange(0, len(sealed)*8-1).Draw(t, "bit")
		sealed[bit/8] ^= 1 << (bit % 8)
		if _, err := Open(key, sealed, aad); !errs.Is(err, errs.DecryptFailed) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	})
}

func TestSealTo(t *testing.T) {
	e := testEnv(4)
	// Clamping drops the lowest three bits of a seed.
	alice, mallory := NewSealingKey([32]byte{8}), NewSealingKey([32]byte{16})
	sealed, err := SealTo(e, alice.Public(), []byte("hello"), []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := alice.Open(sealed, []byte("aad")); err != nil || string(got) != "hello" {
		t.Fatalf("%q, %v", got, err)
	}
	if got, err := NewSealingKey(alice.Seed()).Open(sealed, []byte("aad")); err != nil || string(got) != "hello" {
		t.Fatalf("from the seed: %q, %v", got, err)
	}
	lowOrder := append(make([]byte, 32), sealed[32:]...)
	for name, open := range map[string]func() ([]byte, error){
		"another key":      func() ([]byte, error) { return mallory.Open(sealed, []byte("aad")) },
		"other data":       func() ([]byte, error) { return alice.Open(sealed, nil) },
		"cut":              func() ([]byte, error) { return alice.Open(sealed[:40], []byte("aad")) },
		"low-order sender": func() ([]byte, error) { return alice.Open(lowOrder, []byte("aad")) },
	} {
		if got, err := open(); !errs.Is(err, errs.DecryptFailed) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if _, err := SealTo(e, [32]byte{}, nil, nil); !errs.Is(err, errs.BadKey) {
		t.Errorf("sealed to the zero key: %v", err)
	}
}

func TestCheckPublic(t *testing.T) {
	good := NewSigningKey([32]byte{1}).Public()
	cases := map[string]string{
		"identity, order 1":              "0100000000000000000000000000000000000000000000000000000000000000",
		"identity with sign":             "0100000000000000000000000000000000000000000000000000000000000080",
		"order 2":                        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"order 4":                        "0000000000000000000000000000000000000000000000000000000000000000",
		"order 4, other sign":            "0000000000000000000000000000000000000000000000000000000000000080",
		"order 8":                        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"order 8, negated":               "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
		"non-canonical 0 (p)":            "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"non-canonical 3 (p+3)":          "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"non-canonical 2^255-1 and sign": "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"not on the curve":               "0200000000000000000000000000000000000000000000000000000000000000",
	}
	if err := CheckPublic(good); err != nil {
		t.Errorf("a good key: %v", err)
	}
	for name, h := range cases {
		if err := CheckPublic(unhex32(t, h)); !errs.Is(err, errs.BadKey) {
			t.Errorf("%s: %v", name, err)
		}
		if err := Verify(unhex32(t, h), nil, make([]byte, 64)); !errs.Is(err, errs.BadKey) {
			t.Errorf("Verify under %s: %v", name, err)
		}
	}
}

// TestVerify_lowOrderForgery shows what the check is for: under a low-order
// key one signature, made without a private key, verifies for every message.
func TestVerify_lowOrderForgery(t *testing.T) {
	public, sig := [32]byte{1}, make([]byte, 64)
	sig[0] = 1 // R = identity, S = 0
	if !ed25519.Verify(public[:], []byte("anything"), sig) {
		t.Fatal("the forgery is none")
	}
	if err := Verify(public, []byte("anything"), sig); !errs.Is(err, errs.BadKey) {
		t.Fatalf("got %v", err)
	}
}

func TestSigningKey(t *testing.T) {
	k := NewSigningKey([32]byte{9})
	if NewSigningKey(k.Seed()).Public() != k.Public() {
		t.Fatal("the seed makes another key")
	}
	sig, err := k.Sign(context.Background(), []byte("m"))
	if err != nil || Verify(k.Public(), []byte("m"), sig[:]) != nil {
		t.Fatalf("own signature refused, %v", err)
	}
	if err := Verify(k.Public(), []byte("n"), sig[:]); !errs.Is(err, errs.BadSignature) {
		t.Fatalf("other message: %v", err)
	}
	if err := Verify(k.Public(), []byte("m"), sig[:63]); !errs.Is(err, errs.BadSignature) {
		t.Fatalf("short signature: %v", err)
	}
}

func BenchmarkCheckPublic(b *testing.B) {
	k := NewSigningKey([32]byte{1}).Public()
	for b.Loop() {
		if err := CheckPublic(k); err != nil {
			b.Fatal(err)
		}
	}
}

// SealDerived makes the same bytes of the same message, and others of any other.
func TestSealDerived(t *testing.T) {
	key, text, aad := Secret{1}, []byte("hello"), []byte("place 1")
	sealed := SealDerived(key, text, aad)
	if !bytes.Equal(sealed, SealDerived(key, text, aad)) || !IsDerived(key, sealed, text, aad) {
		t.Fatal("the same message is sealed in two ways")
	}
	if got, err := Open(key, sealed, aad); err != nil || !bytes.Equal(got, text) {
		t.Fatalf("opens as %q, %v", got, err)
	}
	for name, other := range map[string][]byte{
		"another key":  SealDerived(Secret{2}, text, aad),
		"another text": SealDerived(key, []byte("hellp"), aad),
		"another aad":  SealDerived(key, text, []byte("place 2")),
		"a shift":      SealDerived(key, []byte("1hello"), []byte("place ")),
	} {
		if bytes.Equal(other[:24], sealed[:24]) {
			t.Errorf("%s has the same nonce", name)
		}
		if IsDerived(key, other, text, aad) {
			t.Errorf("%s passes for it", name)
		}
	}
	if IsDerived(key, nil, text, aad) {
		t.Error("nothing passes for it")
	}
}
