package archtest

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/echospace/echospace/"

// source is one Go file that is not a test.
type source struct {
	file    string // relative to the root
	pkg     string // directory, relative to the root
	imports []string
	tag     string // the expression after //go:build, or ""
	text    string
}

// isSuite reports whether a package is for tests alone: storetest, signaltest and such.
func isSuite(pkg string) bool { return strings.HasSuffix(pkg, "test") }

func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}

// sources parses every Go file of core, jsbridge and wasm.
func sources(t *testing.T) (list []source) {
	t.Helper()
	top := root(t)
	for _, tree := range []string{"core", "jsbridge", "wasm"} {
		err := filepath.WalkDir(filepath.Join(top, tree), func(p string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(p, ".go") || strings.HasSuffix(p, "_test.go") {
				return err
			}
			text, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), p, text, parser.ImportsOnly|parser.ParseComments)
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(top, p)
			if err != nil {
				return err
			}
			s := source{file: filepath.ToSlash(rel), pkg: path.Dir(filepath.ToSlash(rel)), text: string(text)}
			for _, i := range f.Imports {
				name, err := strconv.Unquote(i.Path.Value)
				if err != nil {
					return err
				}
				s.imports = append(s.imports, strings.TrimPrefix(name, module))
			}
			for _, line := range strings.Split(s.text, "\n") {
				if tag, ok := strings.CutPrefix(line, "//go:build "); ok {
					s.tag = tag
				}
			}
			list = append(list, s)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(list) < 50 {
		t.Fatalf("only %d files were found: the rules would hold nothing", len(list))
	}
	return list
}

func under(pkg, tree string) bool { return pkg == tree || strings.HasPrefix(pkg, tree+"/") }

func underAny(pkg string, trees []string) bool {
	return slices.ContainsFunc(trees, func(t string) bool { return under(pkg, t) })
}

// layers are the arrows of the house: a package of the core may import those
// of earlier layers and of its own, nothing of a later one.
var layers = [][]string{
	{"core/id", "core/errs", "core/env", "core/wire"},
	{"core/storage", "core/transport", "core/signal"}, // the interfaces
	{"core/keys", "core/feed", "core/crdt"},
	{"core/credential", "core/objectdb"},
	{"core/space", "core/invite", "core/syncer"},
	{"core/mesh"},
	{"core/client"},
}

// technology is what implements the interfaces: it is chosen by a composition
// root and known to nobody else.
var technology = []string{
	"core/storage/memstore", "core/storage/pebblestore", "core/storage/storetest",
	"core/transport/memnet", "core/transport/rtc", "core/transport/ws", "core/transport/transporttest",
	"core/signal/memsignal", "core/signal/wssignal", "core/signal/relay", "core/signal/relayproto", "core/signal/signaltest",
	"core/keys/keystoretest",
}

// roots may choose technology.
var roots = []string{"wasm", "core/cmd", "core/sim", "core/archtest"}

func layerOf(pkg string) int {
	for i, l := range layers {
		if underAny(pkg, l) {
			return i
		}
	}
	return -1
}

func TestImports_layers(t *testing.T) {
	for _, s := range sources(t) {
		from := layerOf(s.pkg)
		if from < 0 || underAny(s.pkg, technology) {
			continue
		}
		for _, i := range s.imports {
			if to := layerOf(i); to > from {
				t.Errorf("%s imports %s, which is of a later layer", s.file, i)
			}
		}
	}
}

func TestImports_rules(t *testing.T) {
	rules := []struct {
		name   string
		from   func(pkg string) bool
		banned func(imported string) bool
		why    string
	}{
		{"core never imports jsbridge", func(p string) bool { return under(p, "core") },
			func(i string) bool { return under(i, "jsbridge") || i == "wasm" },
			"the core is tested natively and must not know the page"},
		{"syscall/js stays in jsbridge, wasm and the js side of rtc",
			func(p string) bool { return !under(p, "jsbridge") && p != "wasm" && p != "core/transport/rtc" },
			func(i string) bool { return i == "syscall/js" || i == "github.com/hack-pad/safejs" },
			"one place per browser API, with its releases"},
		{"technology is chosen by roots only",
			func(p string) bool { return !underAny(p, technology) && !underAny(p, roots) && !under(p, "jsbridge") },
			func(i string) bool { return underAny(i, technology) },
			"what a package cannot name it cannot depend on"},
		{"technology packages do not know the client", func(p string) bool { return underAny(p, technology) },
			func(i string) bool { return under(i, "core/client") || under(i, "core/mesh") || under(i, "core/space") },
			"they implement an interface and nothing else"},
		{"domain packages are free of platform", func(p string) bool { return layerOf(p) >= 0 && !underAny(p, technology) && !isSuite(p) },
			func(i string) bool {
				return slices.Contains([]string{"os", "net", "net/http", "crypto/rand", "math/rand", "math/rand/v2", "os/exec"}, i) ||
					strings.HasPrefix(i, "github.com/pion/") || strings.Contains(i, "websocket")
			},
			"Env and the ports give time, randomness and I/O, so that tests can"},
		{"no net/http in the page", func(p string) bool { return under(p, "jsbridge") || p == "wasm" },
			func(i string) bool { return i == "net/http" },
			"it adds megabytes to the download"},
		{"testing stays in tests", func(p string) bool { return !isSuite(p) }, func(i string) bool { return i == "testing" },
			"it registers flags and grows the module"},
	}
	for _, r := range rules {
		t.Run(r.name, func(t *testing.T) {
			for _, s := range sources(t) {
				if !r.from(s.pkg) {
					continue
				}
				for _, i := range s.imports {
					if r.banned(i) {
						t.Errorf("%s imports %s: %s", s.file, i, r.why)
					}
				}
			}
		})
	}
}

// TestSource_rules looks for what imports do not show.
func TestSource_rules(t *testing.T) {
	for _, s := range sources(t) {
		domain := layerOf(s.pkg) >= 0 && !underAny(s.pkg, technology)
		if domain && strings.Contains(s.text, "time.Now(") {
			t.Errorf("%s reads time.Now: wall time comes from env.Env", s.file)
		}
		if domain && s.pkg != "core/client" && strings.Contains(s.text, "\tgo func") {
			t.Errorf("%s starts a goroutine: they live in core/client and nowhere below", s.file)
		}
		for _, i := range s.imports {
			if strings.HasPrefix(i, "github.com/pion/") && s.tag != "!js" {
				t.Errorf("%s imports %s for the page too: pion's TLS, ICE and certificates are a fifth of the download", s.file, i)
			}
		}
		if strings.Contains(s.text, "\nfunc init(") {
			t.Errorf("%s has an init function: nothing happens by being imported", s.file)
		}
		if domain && s.pkg != "core/objectdb" && strings.Contains(s.text, "slices.Sort") {
			t.Errorf("%s: slices.Sort* makes 15 KB of code for each type; sort.Slice has one for all", s.file)
		}
		if strings.Contains(s.text, "log.Fatal") {
			t.Errorf("%s ends the process", s.file)
		}
		stub := s.file == "wasm/native.go" && s.tag == "!js" // so that go build ./... works on any host
		if (under(s.pkg, "jsbridge") || s.pkg == "wasm") && path.Base(s.file) != "doc.go" && !stub && s.tag != "js" {
			t.Errorf("%s is built as %q: files of jsbridge and wasm carry //go:build js", s.file, s.tag)
		}
	}
}

// TestPackages_haveDoc: every package says what it is, in a file that every
// platform builds.
func TestPackages_haveDoc(t *testing.T) {
	doc := map[string]bool{}
	for _, s := range sources(t) {
		doc[s.pkg] = doc[s.pkg] || s.tag == "" && strings.Contains(s.text, "// Package ") || strings.Contains(s.text, "// Command ")
	}
	for pkg, ok := range doc {
		if !ok {
			t.Errorf("%s has no untagged package comment", pkg)
		}
	}
}
