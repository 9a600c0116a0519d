package memstore_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/storage/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Open {
		disk := memstore.NewDisk()
		return func() (storage.Store, error) { return disk.Open(), nil }
	})
}

func TestFaultStoreWithoutFaults(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Open {
		disk := memstore.NewDisk()
		return func() (storage.Store, error) { return memstore.NewFaultStore(disk), nil }
	})
}

func TestStoresShareADisk(t *testing.T) {
	disk := memstore.NewDisk()
	one, two := disk.Open(), disk.Open()
	mustApply(t, one, "a", "1", storage.Relaxed)
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, two, "a", "1")
}

func mustApply(t *testing.T, s storage.Store, key, value string, d storage.Durability) {
	t.Helper()
	b := new(storage.Batch)
	b.Put([]byte(key), []byte(value))
	if err := s.Apply(t.Context(), b, d); err != nil {
		t.Fatal(err)
	}
}

// want checks the value of key, or with an empty value that there is none.
func want(t *testing.T, s storage.Store, key, value string) {
	t.Helper()
	got, err := s.Get(t.Context(), []byte(key))
	if value == "" {
		if !errs.Is(err, errs.NotFound) {
			t.Errorf("%s is %q, %v; want none", key, got, err)
		}
		return
	}
	if err != nil || string(got) != value {
		t.Errorf("%s is %q, %v; want %q", key, got, err, value)
	}
}

func TestFaultStore_T03_full(t *testing.T) {
	f := memstore.NewFaultStore(memstore.NewDisk())
	mustApply(t, f, "a", "1", storage.Relaxed)
	f.SetFull(true)
	b := new(storage.Batch)
	b.Delete([]byte("a"))
	b.Put([]byte("b"), []byte("2"))
	if err := f.Apply(t.Context(), b, storage.Strict); !errs.Is(err, errs.StorageFull) {
		t.Fatalf("Apply on a full store: %v", err)
	}
	want(t, f, "a", "1")
	want(t, f, "b", "")
	room := new(storage.Batch)
	room.Delete([]byte("a"))
	if err := f.Apply(t.Context(), room, storage.Relaxed); err != nil {
		t.Fatalf("a deletion on a full store: %v", err)
	}
	f.SetFull(false)
	mustApply(t, f, "b", "2", storage.Relaxed)
	want(t, f, "b", "2")
}

func TestFaultStore_failure(t *testing.T) {
	f := memstore.NewFaultStore(memstore.NewDisk())
	cause := errors.New("cable pulled")
	f.SetFailure(cause)
	_, err := f.Get(t.Context(), []byte("a"))
	if !errs.Is(err, errs.StorageUnavailable) || !errors.Is(err, cause) {
		t.Fatalf("Get: %v", err)
	}
	f.SetFailure(nil)
	want(t, f, "a", "")
}

func TestFaultStore_reopen(t *testing.T) {
	cases := []struct {
		name       string
		lose, lost int
		a, b, c    string
	}{
		{"nothing", 0, 0, "3", "", "1"},
		{"one", 1, 1, "2", "1", ""},
		{"two", 2, 2, "1", "1", ""},
		{"not the strict one", 9, 2, "1", "1", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := memstore.NewFaultStore(memstore.NewDisk())
			mustApply(t, f, "b", "1", storage.Relaxed)
			mustApply(t, f, "a", "1", storage.Strict)
			mustApply(t, f, "a", "2", storage.Relaxed)
			b := new(storage.Batch)
			b.Put([]byte("a"), []byte("overwritten"))
			b.Put([]byte("c"), []byte("in range"))
			b.DeleteRange(storage.Prefix([]byte("b")))
			b.DeleteRange(storage.Prefix([]byte("c")))
			b.Put([]byte("a"), []byte("3"))
			b.Put([]byte("c"), []byte("1"))
			if err := f.Apply(t.Context(), b, storage.Relaxed); err != nil {
				t.Fatal(err)
			}
			g, lost := f.Reopen(c.lose)
			if lost != c.lost {
				t.Errorf("lost %d batches, want %d", lost, c.lost)
			}
			want(t, g, "a", c.a)
			want(t, g, "b", c.b)
			want(t, g, "c", c.c)
			if _, err := f.Get(t.Context(), []byte("a")); !errs.Is(err, errs.Closed) {
				t.Errorf("Get of the old store: %v", err)
			}
		})
	}
}

func TestFaultStore_T04_corrupt(t *testing.T) {
	f := memstore.NewFaultStore(memstore.NewDisk())
	mustApply(t, f, "a", "abc", storage.Relaxed)
	if err := f.Corrupt([]byte("a"), memstore.FlipBit); err != nil {
		t.Fatal(err)
	}
	want(t, f, "a", "acc")
	if err := f.Corrupt([]byte("a"), func(v []byte) []byte { return bytes.TrimSuffix(v, []byte("c")) }); err != nil {
		t.Fatal(err)
	}
	want(t, f, "a", "ac")
	if err := f.Corrupt([]byte("a"), func([]byte) []byte { return nil }); err != nil {
		t.Fatal(err)
	}
	want(t, f, "a", "")
	if err := f.Corrupt([]byte("a"), memstore.FlipBit); !errs.Is(err, errs.NotFound) {
		t.Fatalf("Corrupt of an absent record: %v", err)
	}
}
