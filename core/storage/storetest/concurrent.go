package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
)

// testAtomic: a reader sees all of a batch or nothing of it. Every batch sets
// the same value under all keys, so one page never holds two values.
func testAtomic(t *testing.T, open Open) {
	s := open.open(t)
	const keys, rounds = 8, 25
	batch := func(i int) *storage.Batch {
		b := new(storage.Batch)
		b.DeleteRange(storage.Range{})
		for k := range keys {
			b.Put([]byte{byte(k)}, fmt.Append(nil, i))
		}
		return b
	}
	apply(t, s, batch(0))
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range rounds {
			if err := s.Apply(t.Context(), batch(i), storage.Relaxed); err != nil {
				t.Errorf("Apply: %v", err)
			}
		}
	})
	for range 2 {
		wg.Go(func() {
			for range rounds {
				page, err := s.Scan(t.Context(), storage.Range{}, 0)
				if err != nil || len(page) != keys {
					t.Errorf("a page of %d entries while batches of %d are applied, error %v", len(page), keys, err)
					return
				}
				for _, e := range page {
					if string(e.Value) != string(page[0].Value) {
						t.Errorf("one page holds values of the batches %s and %s", page[0].Value, e.Value)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// testWriters: what Apply acknowledged is visible at once to its writer, and
// after all writers ended everything is there.
func testWriters(t *testing.T, open Open) {
	s := open.open(t)
	const writers, rounds = 8, 12
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				key := fmt.Appendf(nil, "%d/%02d", w, i)
				b := new(storage.Batch)
				b.Put(key, key)
				d := storage.Relaxed
				if i%5 == 0 {
					d = storage.Strict
				}
				if err := s.Apply(t.Context(), b, d); err != nil {
					t.Errorf("Apply: %v", err)
					return
				}
				if got, err := s.Get(t.Context(), key); err != nil || string(got) != string(key) {
					t.Errorf("Get(%s) after its Apply = %q, %v", key, got, err)
				}
			}
		})
	}
	wg.Wait()
	if n := len(scan(t, s, storage.Range{}, 0)); n != writers*rounds {
		t.Fatalf("%d entries, want %d", n, writers*rounds)
	}
}

func testClosed(t *testing.T, open Open) {
	s := open.open(t)
	apply(t, s, put("a", "1"))
	for i := range 2 {
		if err := s.Close(); err != nil {
			t.Fatalf("Close, call %d: %v", i+1, err)
		}
	}
	for name, call := range calls(s) {
		wantKind(t, name+" after Close", call(t.Context()), errs.Closed)
	}
	wantAll(t, open.open(t), "a", "1")
}

// testCloseWaits: a call that races with Close either completes or is refused.
func testCloseWaits(t *testing.T, open Open) {
	s := open.open(t)
	const n = 16
	var wg sync.WaitGroup
	results := make([]error, n)
	started := make(chan struct{}, n)
	for i := range n {
		wg.Go(func() {
			started <- struct{}{}
			results[i] = s.Apply(t.Context(), put(fmt.Sprintf("%02d", i), "v"), storage.Relaxed)
		})
	}
	<-started
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	s = open.open(t)
	for i, err := range results {
		key := fmt.Sprintf("%02d", i)
		if err == nil {
			wantGet(t, s, key, "v")
			continue
		}
		wantKind(t, "Apply that lost to Close", err, errs.Closed)
		wantAbsent(t, s, key)
	}
}

func testContext(t *testing.T, open Open) {
	s := open.open(t)
	apply(t, s, put("a", "1"))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	late, cancelLate := context.WithDeadline(t.Context(), time.Unix(1, 0))
	defer cancelLate()
	for name, call := range calls(s) {
		err := call(cancelled)
		wantKind(t, name+" with a cancelled context", err, errs.Cancelled)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v does not wrap context.Canceled", name, err)
		}
		err = call(late)
		wantKind(t, name+" after its deadline", err, errs.Timeout)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s after its deadline: %v does not wrap context.DeadlineExceeded", name, err)
		}
	}
	// The store lives on: contexts end calls, not stores.
	wantGet(t, s, "a", "1")
	apply(t, s, put("b", "2"))
	wantGet(t, s, "b", "2")
}
