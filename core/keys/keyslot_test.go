package keys

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// TestKeyslot_argon2id are cases of the reference implementation (phc-winner-argon2,
// src/test.c, version 0x13) with the memory and lanes of our own cost.
func TestKeyslot_argon2id(t *testing.T) {
	for passes, want := range map[uint32]string{
		1: "f6a5adc1ba723dddef9b5ac1d464e180fcd9dffc9d1cbf76cca2fed795d9ca98",
		2: "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7",
		4: "9025d48e68ef7395cca9079da4c4ec3affb3c8911fe4f86d1a2520856f63172c",
	} {
		s := &keyslot{method: byPassphrase, salt: []byte("somesalt"), cost: Argon2Cost{Passes: passes, KiB: DefaultCost().KiB, Lanes: DefaultCost().Lanes}}
		if got := s.wrapping([]byte("password")); hex.EncodeToString(got[:]) != want {
			t.Errorf("%d passes: got %x, want %s", passes, got[:], want)
		}
	}
	if DefaultCost() != (Argon2Cost{Passes: 3, KiB: 65536, Lanes: 1}) {
		t.Errorf("the default cost is %+v: state it in doc.go and SECURITY.md", DefaultCost())
	}
}

func sampleKeyslot() *keyslot {
	return &keyslot{
		key: []byte("k/l/0123456789abcdef"), master: [16]byte{1, 2, 3}, method: byPassphrase,
		salt: []byte("0123456789abcdef"), cost: DefaultCost(), sealed: bytes.Repeat([]byte{9}, 80),
	}
}

// TestKeyslot_golden holds the format: profiles have it.
func TestKeyslot_golden(t *testing.T) {
	want := "9901c4100102030000000000000000000000000001c4103031323334353637383961626364656603ce0001000001c400" +
		"c450" + strings.Repeat("09", 80)
	if got := hex.EncodeToString(sampleKeyslot().encode()); got != want {
		t.Errorf("encoded as\n%s, want\n%s", got, want)
	}
}

func TestKeyslot_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		alter func(s *keyslot) []byte
		want  errs.Kind
	}{
		"newer version":  {func(s *keyslot) []byte { b := s.encode(); b[1] = 2; return b }, errs.VersionUnsupported},
		"unknown method": {func(s *keyslot) []byte { s.method = 3; return s.encode() }, errs.VersionUnsupported},
		"no passes":      {func(s *keyslot) []byte { s.cost.Passes = 0; return s.encode() }, errs.StorageCorrupt},
		"no lanes":       {func(s *keyslot) []byte { s.cost.Lanes = 0; return s.encode() }, errs.StorageCorrupt},
		"endless passes": {func(s *keyslot) []byte { s.cost.Passes = 65; return s.encode() }, errs.StorageCorrupt},
		"much memory":    {func(s *keyslot) []byte { s.cost.KiB = 1<<20 + 1; return s.encode() }, errs.StorageCorrupt},
		"trailing byte":  {func(s *keyslot) []byte { return append(s.encode(), 0) }, errs.StorageCorrupt},
		"cut short":      {func(s *keyslot) []byte { return s.encode()[:40] }, errs.StorageCorrupt},
		"empty":          {func(*keyslot) []byte { return nil }, errs.StorageCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			s := sampleKeyslot()
			if _, err := decodeKeyslot(storage.Entry{Key: s.key, Value: c.alter(s)}); errs.KindOf(err) != c.want {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func FuzzKeyslot(f *testing.F) {
	f.Add(sampleKeyslot().encode())
	passkey := sampleKeyslot()
	passkey.method, passkey.cost, passkey.credential = byPasskey, Argon2Cost{}, []byte("credential")
	f.Add(passkey.encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeKeyslot(storage.Entry{Key: []byte("k/l/x"), Value: b})
		if err != nil {
			if k := errs.KindOf(err); k != errs.StorageCorrupt && k != errs.VersionUnsupported {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if !bytes.Equal(s.encode(), b) {
			t.Fatalf("%x is encoded again as %x", b, s.encode())
		}
	})
}

// BenchmarkUnlock is one guess at a passphrase.
func BenchmarkUnlock(b *testing.B) {
	s := sampleKeyslot()
	for b.Loop() {
		s.wrapping([]byte("correct horse battery staple"))
	}
}
