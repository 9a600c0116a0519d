package archtest

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// engines gives the packages that make test-go runs without the race detector.
func engines(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^ENGINES\s*:=(.*)$`).FindSubmatch(text)
	if m == nil || len(strings.Fields(string(m[1]))) < 5 {
		t.Fatal("the Makefile names no engines")
	}
	return strings.Fields(string(m[1]))
}

// TestEngines_noGoroutines: the engines take events and give what is to be done, in one
// goroutine, and so do their tests. The race detector has nothing to find there, and
// makes them six times as slow.
func TestEngines_noGoroutines(t *testing.T) {
	top := root(t)
	for _, pkg := range engines(t) {
		files, err := filepath.Glob(filepath.Join(top, filepath.FromSlash(pkg), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no files (%v)", pkg, err)
		}
		for _, name := range files {
			set := token.NewFileSet()
			f, err := parser.ParseFile(set, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			at := path.Join(pkg, filepath.Base(name))
			for _, i := range f.Imports {
				if i.Path.Value == `"sync"` || i.Path.Value == `"sync/atomic"` {
					t.Errorf("%s imports %s", at, i.Path.Value)
				}
			}
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.GoStmt, *ast.SelectStmt, *ast.ChanType:
					t.Errorf("%s:%d: goroutines or channels", at, set.Position(n.Pos()).Line)
				case *ast.SelectorExpr:
					if n.Sel.Name == "Parallel" {
						t.Errorf("%s:%d: tests beside each other", at, set.Position(n.Pos()).Line)
					}
				}
				return true
			})
		}
	}
}
