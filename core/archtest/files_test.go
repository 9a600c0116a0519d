package archtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestTopLevel: the top level is a map of the project and stays one.
func TestTopLevel(t *testing.T) {
	allowed := []string{
		"go.mod", "go.sum", "wasm", "jsbridge", "core", "web", "wasm_exec.js", "index.html", "package.json",
		"package-lock.json", "Makefile", "README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "SECURITY.md",
		"bin", "node_modules", // made by the build, not committed
	}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("%s does not belong at the top level", e.Name())
		}
	}
}

// TestWasmExec: the support file must be that of the toolchain that builds the
// module, or the module does not start.
func TestWasmExec(t *testing.T) {
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(out)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(root(t), "wasm_exec.js"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("wasm_exec.js is not that of this Go toolchain; copy it from $(go env GOROOT)/lib/wasm")
	}
}

// Download budget of what a page loads, module and package together, in bytes.
const (
	maxBrotli = 1_350_000
	maxGzip   = 1_750_000
)

// TestDownloadSize holds the download to its budget. The build makes the
// compressed files; without them there is nothing to measure, which is a
// failure in CI and a skip elsewhere.
func TestDownloadSize(t *testing.T) {
	for suffix, limit := range map[string]int64{".br": maxBrotli, ".gz": maxGzip} {
		var size int64
		for _, name := range []string{"echospace.wasm", "index.js"} {
			info, err := os.Stat(filepath.Join(root(t), "web", "dist", name+suffix))
			if err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("%v; build first", err)
				}
				t.Skipf("%v; run make build first", err)
			}
			size += info.Size()
		}
		t.Logf("the download as %s: %d bytes, limit %d", suffix, size, limit)
		if size > limit {
			t.Errorf("the download as %s has %d bytes, the limit is %d", suffix, size, limit)
		}
	}
}
