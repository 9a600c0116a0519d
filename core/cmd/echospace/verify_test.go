//go:build !js

package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

func key(n byte) *keys.SigningKey { return keys.NewSigningKey([32]byte{n}) }

// founder is an identity with a device and a space of its own.
type founder struct {
	identity id.IdentityKey
	space    id.SpaceKey
	device   *keys.SigningKey
	chain    *credential.Credential
	found    *credential.Credential
}

func newFounder(t *testing.T) *founder {
	t.Helper()
	root, space := key(1), key(3)
	f := &founder{identity: root.Public(), space: space.Public(), device: key(2)}
	f.chain = issue(t, root, credential.Device{Identity: f.identity, Device: f.device.Public(), Sealing: keys.NewSealingKey([32]byte{2}).Public(), Label: "laptop"})
	f.found = issue(t, space, credential.Genesis{Space: f.space, Identity: f.identity})
	return f
}

func issue(t *testing.T, s keys.Signer, c credential.Claim) *credential.Credential {
	t.Helper()
	cred, err := credential.Issue(context.Background(), s, nil, time.Now().UnixMilli(), c)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

// present writes a presentation of everything and gives its file.
func (f *founder) present(t *testing.T, nonce []byte, expires time.Time) string {
	t.Helper()
	ev, err := credential.Evaluate(f.space, []*credential.Credential{f.found, f.chain}).Evidence(f.device.Public(), f.found.ID())
	if err != nil {
		t.Fatal(err)
	}
	b, err := credential.Present(context.Background(), f.device, &credential.Presentation{
		Identity: f.identity, Device: f.device.Public(), Nonce: nonce, Audience: "https://example.org",
		Issued: expires.Add(-time.Minute).UnixMilli(), Expires: expires.UnixMilli(),
		Chain: [][]byte{f.chain.Encode()}, Links: []*credential.Credential{f.chain}, Spaces: []credential.Evidence{ev},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "presentation")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestVerify_H07(t *testing.T) {
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	f := newFounder(t)
	nonce := []byte("drawn by whoever asks")
	file := f.present(t, nonce, time.Now().Add(time.Minute))
	late := f.present(t, nonce, time.Now().Add(-time.Second))
	altered := filepath.Join(t.TempDir(), "altered")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(altered, b, 0o600); err != nil {
		t.Fatal(err)
	}
	own := hex.EncodeToString(nonce)
	for name, c := range map[string]struct {
		args   []string
		fails  string   // what standard error says
		prints []string // lines of standard output
	}{
		"holds": {args: []string{file, "--nonce", own, "--audience", "https://example.org", "--trust", f.space.String()}, prints: []string{
			fmt.Sprintf("identity %v", f.identity), fmt.Sprintf("device %v", id.DeviceKey(f.device.Public())), `audience "https://example.org"`,
			fmt.Sprintf("member %v OWNER", f.space),
			fmt.Sprintf("credential %v GENESIS issuer %v at", f.found.ID(), f.space),
			fmt.Sprintf(`credential %v DEVICE %v "laptop" issuer %v at`, f.chain.ID(), id.DeviceKey(f.device.Public()), f.identity),
		}},
		"another nonce":     {args: []string{file, "--nonce", strings.Repeat("00", 20)}, fails: "PROOF_REPLAYED"},
		"another audience":  {args: []string{file, "--nonce", own, "--audience", "https://example.com"}, fails: "PROOF_REPLAYED"},
		"expired":           {args: []string{late, "--nonce", own}, fails: "PROOF_EXPIRED"},
		"not trusted":       {args: []string{file, "--nonce", own, "--trust", strings.Repeat("00", 32)}, fails: "NOT_PERMITTED"},
		"altered":           {args: []string{altered, "--nonce", own}, fails: "BAD_SIGNATURE"},
		"no presentation":   {args: []string{os.Args[0], "--nonce", own}, fails: "MALFORMED"},
		"no file":           {args: []string{file + "x", "--nonce", own}, fails: "no such file"},
		"nonce of no digit": {args: []string{file, "--nonce", "xy"}, fails: "--nonce"},
		"short trust":       {args: []string{file, "--nonce", own, "--trust", "00"}, fails: "--trust"},
		"no nonce":          {args: []string{file}, fails: "--nonce"},
	} {
		t.Run(name, func(t *testing.T) {
			cmd := exec.Command(path, append([]string{"verify"}, c.args...)...)
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if failed := err != nil; failed != (c.fails != "") || !strings.Contains(stderr.String(), c.fails) {
				t.Fatalf("%v, standard error:\n%s", err, &stderr)
			}
			for _, line := range c.prints {
				if !strings.Contains(string(out), line) {
					t.Errorf("%q is missing in\n%s", line, out)
				}
			}
		})
	}
}
