package storetest

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// Open opens a Store on a medium. Only one of its Stores is open at a time.
type Open func() (storage.Store, error)

// Run checks an implementation. fresh gives the opener of a new and empty
// medium, and cleans up with t.Cleanup; it is called once per case.
func Run(t *testing.T, fresh func(t *testing.T) Open) {
	cases := []struct {
		name string
		run  func(t *testing.T, open Open)
	}{
		{"get and put", testGetPut},
		{"empty value and empty key", testEmpty},
		{"big values", testBig},
		{"bytes are owned", testOwnership},
		{"order of a batch", testBatchOrder},
		{"delete range in a batch", testDeleteRange},
		{"ranges", testRanges},
		{"pages", testPages},
		{"keys are ordered as bytes", testByteOrder},
		{"equals a model", testModel},
		{"reopen", testReopen},
		{"batches are atomic to readers", testAtomic},
		{"concurrent writers", testWriters},
		{"close", testClosed},
		{"close waits", testCloseWaits},
		{"done context", testContext},
		{"bad arguments", testArguments},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(t, fresh(t)) })
	}
}

// open opens a store and closes it at the end of the test.
func (open Open) open(t *testing.T) storage.Store {
	t.Helper()
	s, err := open()
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close at the end: %v", err)
		}
	})
	return s
}

// put is a batch of key, value, key, value.
func put(pairs ...string) *storage.Batch {
	b := new(storage.Batch)
	for i := 0; i+1 < len(pairs); i += 2 {
		b.Put([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	return b
}

func apply(t *testing.T, s storage.Store, b *storage.Batch) {
	t.Helper()
	if err := s.Apply(t.Context(), b, storage.Relaxed); err != nil {
		t.Fatalf("Apply of %d changes: %v", b.Len(), err)
	}
}

func scan(t *testing.T, s storage.Store, r storage.Range, limit int) []storage.Entry {
	t.Helper()
	entries, err := s.Scan(t.Context(), r, limit)
	if err != nil {
		t.Fatalf("Scan(%q..%q reverse=%v, %d): %v", r.Start, r.End, r.Reverse, limit, err)
	}
	return entries
}

// wantAll checks the whole content, given as key, value, key, value.
func wantAll(t *testing.T, s storage.Store, pairs ...string) {
	t.Helper()
	wantEntries(t, scan(t, s, storage.Range{}, 0), pairs...)
}

func wantEntries(t *testing.T, got []storage.Entry, pairs ...string) {
	t.Helper()
	var a, b []string
	for _, e := range got {
		a = append(a, fmt.Sprintf("%q=%q", e.Key, e.Value))
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		b = append(b, fmt.Sprintf("%q=%q", pairs[i], pairs[i+1]))
	}
	if fmt.Sprint(a) != fmt.Sprint(b) {
		t.Fatalf("entries are\n%v, want\n%v", a, b)
	}
}

func wantGet(t *testing.T, s storage.Store, key, value string) {
	t.Helper()
	got, err := s.Get(t.Context(), []byte(key))
	if err != nil {
		t.Fatalf("Get(%q): %v", key, err)
	}
	if !bytes.Equal(got, []byte(value)) {
		t.Fatalf("Get(%.40q) = %d bytes %.40q, want %d bytes %.40q", key, len(got), got, len(value), value)
	}
}

func wantAbsent(t *testing.T, s storage.Store, key string) {
	t.Helper()
	v, err := s.Get(t.Context(), []byte(key))
	wantKind(t, fmt.Sprintf("Get(%q)", key), err, errs.NotFound)
	if v != nil {
		t.Fatalf("Get(%q) gave %q beside its error", key, v)
	}
}

func wantKind(t *testing.T, what string, err error, kind errs.Kind) {
	t.Helper()
	if errs.KindOf(err) != kind {
		t.Fatalf("%s: error %v is %v, want %v", what, err, errs.KindOf(err), kind)
	}
}

// calls are all the methods but Close, each as one call that does nothing much.
func calls(s storage.Store) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Get": func(ctx context.Context) error {
			_, err := s.Get(ctx, []byte("a"))
			return err
		},
		"Scan": func(ctx context.Context) error {
			_, err := s.Scan(ctx, storage.Range{}, 1)
			return err
		},
		"Apply": func(ctx context.Context) error {
			return s.Apply(ctx, put("z", "late"), storage.Relaxed)
		},
	}
}
