//go:build js

package idbstore

import (
	"context"
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/storage"
)

// count counts the names in keyStore that begin with prefix.
func count(t *testing.T, s *Store, prefix string) int {
	t.Helper()
	names, err := s.named(prefix)
	if err != nil {
		t.Fatal(err)
	}
	v, err := s.read(context.Background(), "test", keyStore, func(os safejs.Value) (safejs.Value, error) { return os.Call("count", names) })
	if err != nil {
		t.Fatal(err)
	}
	n, err := v.Int()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// A Store leaves a mark while it writes, and who finds one renews the log.
func TestGuard(t *testing.T) {
	ctx, name := t.Context(), dbName(t)
	write := func(s *Store, key string) {
		t.Helper()
		if err := s.Apply(ctx, batch(key, "value"), storage.Relaxed); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, name, Options{})
	write(s, "a")
	if n := count(t, s, markPrefix); n != 1 {
		t.Fatalf("%d marks while it writes", n)
	}
	for end := time.Now().Add(time.Minute); count(t, s, markPrefix) > 0; {
		if time.Now().After(end) {
			t.Fatal("the mark stays although nothing is written")
		}
		time.Sleep(10 * time.Millisecond)
	}
	write(s, "b")
	// As if the browser were killed: the connection goes without a word.
	s.guard.timer.Stop()
	if _, err := s.db.Call("close"); err != nil {
		t.Fatal(err)
	}
	s = open(t, name, Options{})
	if marks, fillers := count(t, s, markPrefix), count(t, s, fillerPrefix); marks != 0 || fillers != 0 {
		t.Fatalf("%d marks, %d fillers after the next start", marks, fillers)
	}
	for _, key := range []string{"a", "b"} {
		if v, err := s.Get(ctx, []byte(key)); err != nil || string(v) != "value" {
			t.Fatalf("%s is %q, %v", key, v, err)
		}
	}
	write(s, "c")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, name, Options{})
	if n := count(t, s, markPrefix); n != 0 {
		t.Fatalf("%d marks after a clean end", n)
	}
}
