package keys

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"golang.org/x/crypto/chacha20poly1305"
)

// hexBytes is a hexadecimal JSON string.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vector is one case of any of the four files.
type vector struct {
	ID      int      `json:"tcId"`
	Comment string   `json:"comment"`
	Flags   []string `json:"flags"`
	Result  string   `json:"result"`

	Msg, Sig             hexBytes
	Public, Private      hexBytes
	Shared               hexBytes
	Key, IV, AAD         hexBytes
	CT, Tag              hexBytes
	IKM, Salt, Info, OKM hexBytes
	Size                 int

	publicKey []byte
}

// class names a case by its result and flags.
func (v *vector) class() string {
	if len(v.Flags) == 0 {
		return v.Result + "/plain"
	}
	return v.Result + "/" + strings.Join(v.Flags, "+")
}

// runVectors runs check on each case of a file, one subtest per class.
func runVectors(t *testing.T, file string, check func(t *testing.T, v *vector)) {
	t.Helper()
	classes, order := map[string][]*vector{}, []string(nil)
	for _, v := range loadVectors(t, file) {
		if classes[v.class()] == nil {
			order = append(order, v.class())
		}
		classes[v.class()] = append(classes[v.class()], v)
	}
	results := map[string]int{}
	for _, class := range order {
		t.Run(class, func(t *testing.T) {
			for _, v := range classes[class] {
				check(t, v)
				results[v.Result]++
				if t.Failed() {
					t.Fatalf("case %d: %s", v.ID, v.Comment)
				}
			}
		})
	}
	t.Logf("%s: %v", file, results)
	if results["valid"] == 0 || results["invalid"]+results["acceptable"] == 0 {
		t.Errorf("%s: %v cases ran, want valid ones and others", file, results)
	}
}

func loadVectors(t *testing.T, file string) []*vector {
	t.Helper()
	dir := os.Getenv("ECHOSPACE_VECTORS")
	if dir == "" {
		dir = filepath.Join(repositoryRoot(t), "..", "shared", "vectors")
	}
	f, err := os.Open(filepath.Join(dir, "wycheproof", file))
	if os.IsNotExist(err) && os.Getenv("CI") != "true" {
		t.Skipf("vectors are not here: %v (set ECHOSPACE_VECTORS)", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		NumberOfTests int
		TestGroups    []struct {
			PublicKey json.RawMessage
			Tests     []*vector
		}
	}
	if err := json.NewDecoder(z).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	var all []*vector
	for _, g := range doc.TestGroups {
		var key struct{ PK hexBytes }
		if g.PublicKey != nil {
			if err := json.Unmarshal(g.PublicKey, &key); err != nil {
				t.Fatal(err)
			}
		}
		for _, v := range g.Tests {
			v.publicKey = key.PK
		}
		all = append(all, g.Tests...)
	}
	if len(all) == 0 || len(all) != doc.NumberOfTests {
		t.Fatalf("%d cases in %s, which says %d", len(all), file, doc.NumberOfTests)
	}
	return all
}

func repositoryRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Skip("no go.mod above the test: not run in the repository")
		}
		dir = filepath.Dir(dir)
	}
}

func TestVerify_wycheproof(t *testing.T) {
	runVectors(t, "ed25519_test.json.gz", func(t *testing.T, v *vector) {
		err := Verify([32]byte(v.publicKey), v.Msg, v.Sig)
		if v.Result == "valid" && err != nil {
			t.Errorf("refused: %v", err)
		}
		if v.Result == "invalid" && !errs.Is(err, errs.BadSignature) && !errs.Is(err, errs.BadKey) {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

// TestSealingKey_wycheproof agrees as the vectors say wherever their public
// key is canonical and of full order, and refuses all others.
func TestSealingKey_wycheproof(t *testing.T) {
	refused := map[string]bool{"LowOrderPublic": true, "NonCanonicalPublic": true, "ZeroSharedSecret": true}
	runVectors(t, "x25519_test.json.gz", func(t *testing.T, v *vector) {
		weak := false
		for _, f := range v.Flags {
			weak = weak || refused[f]
		}
		got, err := NewSealingKey([32]byte(v.Private)).agree([32]byte(v.Public))
		switch {
		case weak && !errs.Is(err, errs.BadKey):
			t.Errorf("agrees on %x with a weak key, %v", got, err)
		case !weak && (err != nil || !bytes.Equal(got, v.Shared)):
			// A key with the top bit set is the one other refusal.
			if v.Public[31]&0x80 == 0 || !errs.Is(err, errs.BadKey) {
				t.Errorf("agrees on %x, %v, want %x", got, err, []byte(v.Shared))
			}
		}
	})
}

func TestOpen_wycheproof(t *testing.T) {
	runVectors(t, "xchacha20_poly1305_test.json.gz", func(t *testing.T, v *vector) {
		sealed := bytes.Join([][]byte{v.IV, v.CT, v.Tag}, nil)
		got, err := Open(Secret(v.Key), sealed, v.AAD)
		if v.Result == "invalid" {
			if !errs.Is(err, errs.DecryptFailed) || got != nil {
				t.Errorf("opens as %x, %v", got, err)
			}
			return
		}
		if err != nil || !bytes.Equal(got, v.Msg) {
			t.Errorf("opens as %x, %v", got, err)
		}
		e := testEnv(0)
		e.Rand = bytes.NewReader(v.IV)
		if again := Seal(e, Secret(v.Key), v.Msg, v.AAD); !bytes.Equal(again, sealed) {
			t.Errorf("seals as %x, want %x", again, sealed)
		}
		if len(sealed) != len(v.Msg)+Overhead || len(v.IV) != chacha20poly1305.NonceSizeX {
			t.Errorf("Overhead is %d, the vector's %d", Overhead, len(sealed)-len(v.Msg))
		}
	})
}

func TestDerive_wycheproof(t *testing.T) {
	runVectors(t, "hkdf_sha256_test.json.gz", func(t *testing.T, v *vector) {
		got, err := expand(v.IKM, v.Salt, v.Info, v.Size)
		if v.Result == "invalid" {
			if err == nil {
				t.Errorf("%d bytes derived", len(got))
			}
			return
		}
		if err != nil || !bytes.Equal(got, v.OKM) {
			t.Errorf("got %x, %v", got, err)
		}
	})
}
