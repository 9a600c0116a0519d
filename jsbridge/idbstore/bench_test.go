//go:build js

package idbstore

import (
	"fmt"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// rawPut is one durable put as a page would write it by hand: transaction, put,
// complete event.
func (s *Store) rawPut(b *testing.B, key, value safejs.Value, n int) {
	tx, err := s.db.Call("transaction", kvStore, "readwrite", map[string]any{"durability": "relaxed"})
	if err != nil {
		b.Fatal(err)
	}
	os, _ := tx.Call("objectStore", kvStore)
	for range n {
		if _, err := os.Call("put", value, key); err != nil {
			b.Fatal(err)
		}
	}
	done := make(chan struct{})
	release, err := jsval.Listen(tx, "complete", func(safejs.Value) { close(done) })
	if err != nil {
		b.Fatal(err)
	}
	<-done
	release()
}

func BenchmarkApply(b *testing.B) {
	for _, d := range []storage.Durability{storage.Relaxed, storage.Strict} {
		b.Run(fmt.Sprintf("one small durability=%d", d), func(b *testing.B) {
			s := open(b, dbName(b), Options{})
			w := batch("key", "some value")
			for b.Loop() {
				if err := s.Apply(b.Context(), w, d); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("raw one small", func(b *testing.B) {
		s := open(b, dbName(b), Options{})
		k, _ := s.bytes([]byte("key"))
		v, _ := s.bytes([]byte("some value"))
		for b.Loop() {
			s.rawPut(b, k, v, 1)
		}
	})
	b.Run("1000 small", func(b *testing.B) {
		s := open(b, dbName(b), Options{})
		w := new(storage.Batch)
		for i := range 1000 {
			w.Put(fmt.Appendf(nil, "%06d", i), make([]byte, 200))
		}
		for b.Loop() {
			if err := s.Apply(b.Context(), w, storage.Relaxed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("raw 1000 puts of one key", func(b *testing.B) {
		s := open(b, dbName(b), Options{})
		k, _ := s.bytes([]byte("key"))
		v, _ := s.bytes(make([]byte, 200))
		for b.Loop() {
			s.rawPut(b, k, v, 1000)
		}
	})
	b.Run("64 KiB", func(b *testing.B) {
		s := open(b, dbName(b), Options{})
		w := batch("key", string(make([]byte, 64<<10)))
		for b.Loop() {
			if err := s.Apply(b.Context(), w, storage.Relaxed); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("100 callers at once", func(b *testing.B) {
		s := open(b, dbName(b), Options{})
		for b.Loop() {
			done := make(chan error, 100)
			for i := range 100 {
				go func() {
					done <- s.Apply(b.Context(), batch(fmt.Sprint(i), "some value"), storage.Relaxed)
				}()
			}
			for range 100 {
				if err := <-done; err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

func BenchmarkRead(b *testing.B) {
	s := open(b, dbName(b), Options{})
	w := new(storage.Batch)
	for i := range 10000 {
		w.Put(fmt.Appendf(nil, "%06d", i), make([]byte, 200))
	}
	if err := s.Apply(b.Context(), w, storage.Relaxed); err != nil {
		b.Fatal(err)
	}
	b.Run("Get", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Get(b.Context(), []byte("005000")); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, r := range []storage.Range{{}, {Reverse: true}} {
		for _, limit := range []int{1, 100, 10000} {
			b.Run(fmt.Sprintf("Scan limit=%d reverse=%v", limit, r.Reverse), func(b *testing.B) {
				for b.Loop() {
					page, err := s.Scan(b.Context(), r, limit)
					if err != nil || len(page) != limit {
						b.Fatal(len(page), err)
					}
				}
			})
		}
	}
	b.Run("raw getAll and getAllKeys of 10000", func(b *testing.B) {
		for b.Loop() {
			_, err := s.read(b.Context(), "bench", kvStore, func(os safejs.Value) (safejs.Value, error) {
				if _, err := os.Call("getAllKeys"); err != nil {
					return os, err
				}
				return os.Call("getAll")
			})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
}
