//go:build js

package jsval

import (
	"runtime"
	"testing"
	"time"

	"github.com/hack-pad/safejs"
)

func TestFunctions(t *testing.T) {
	f, err := NewFunctions()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	sum, err := f.New(func(args []safejs.Value) any {
		total := 0
		for _, a := range args {
			n, err := a.Int()
			if err != nil {
				t.Error(err)
			}
			total += n
		}
		return total
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []any
		want int
	}{{nil, 0}, {[]any{1}, 1}, {[]any{1, 2, 3}, 6}} {
		v, err := sum.Invoke(c.args...)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := v.Int(); err != nil || n != c.want {
			t.Errorf("%v gives %d, %v", c.args, n, err)
		}
	}
	if n := f.Live(); n != 1 {
		t.Fatalf("%d live", n)
	}
}

// What JavaScript has let go of is forgotten. Both collectors have to run for
// that, and only memory that fills makes the browser's.
func TestFunctions_areForgotten(t *testing.T) {
	f, err := NewFunctions()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Release()
	const made = 1000
	for range made {
		if _, err := f.New(func([]safejs.Value) any { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(2 * time.Minute); f.Live() > made/2; {
		if time.Now().After(end) {
			t.Fatalf("%d of %d functions are still held", f.Live(), made)
		}
		runtime.GC()
		for range 64 {
			mustNew(t, "Array", 1<<16)
		}
		time.Sleep(time.Millisecond) // lets the finalizers of both run
	}
}
