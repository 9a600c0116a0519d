//go:build js

package idbstore

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/storetest"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// dbName names a database of this test, which is deleted at its end.
func dbName(t testing.TB) string {
	name := "test/" + t.Name()
	t.Cleanup(func() {
		if err := DeleteDatabase(context.Background(), name); err != nil {
			t.Errorf("delete the database: %v", err)
		}
	})
	return name
}

func open(t testing.TB, name string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func batch(pairs ...string) *storage.Batch {
	b := new(storage.Batch)
	for i := 0; i+1 < len(pairs); i += 2 {
		b.Put([]byte(pairs[i]), []byte(pairs[i+1]))
	}
	return b
}

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		name := dbName(t)
		return func() (storage.Store, error) { return Open(t.Context(), name, Options{}) }
	})
}

// TestScanValues gives what Scan does, as JavaScript has it.
func TestScanValues(t *testing.T) {
	s := open(t, dbName(t), Options{})
	if err := s.Apply(t.Context(), batch("a/1", "one", "a/2", "", "a/3", "three", "b", "not"), storage.Strict); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int]string{2: "a/1=one a/2= ", 9: "a/1=one a/2= a/3=three "} {
		got := ""
		err := s.ScanValues(t.Context(), storage.Prefix([]byte("a/")), limit, func(key []byte, v safejs.Value) {
			b, err := jsval.Bytes(v)
			if err != nil {
				t.Error(err)
			}
			got += fmt.Sprintf("%s=%s ", key, b)
		})
		if err != nil || got != want {
			t.Errorf("limit %d: %q, %v; want %q", limit, got, err, want)
		}
	}
	err := s.ScanValues(t.Context(), storage.Range{Start: []byte("b"), End: []byte("b")}, 1, func([]byte, safejs.Value) { t.Error("an empty range has something") })
	if err != nil {
		t.Error(err)
	}
}

// TestStoreWithoutDirection runs the suite as on an engine whose getAll knows
// no direction.
func TestStoreWithoutDirection(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Open {
		name := dbName(t)
		return func() (storage.Store, error) {
			s, err := Open(t.Context(), name, Options{})
			if err == nil {
				s.reverse = false
			}
			return s, err
		}
	})
}

func TestOpen_T05_newerVersion(t *testing.T) {
	name := dbName(t)
	idb, _ := jsval.Global("indexedDB")
	req, err := idb.Call("open", name, Version+1)
	if err != nil {
		t.Fatal(err)
	}
	none := func(safejs.Value, int) error { return nil }
	if err := awaitOpen(t.Context(), "test", req, none, func() {}); err != nil {
		t.Fatal(err)
	}
	db, _ := req.Get("result")
	defer db.Call("close")
	if _, err := Open(t.Context(), name, Options{}); !errs.Is(err, errs.VersionUnsupported) {
		t.Fatalf("Open: %v", err)
	}
}

func TestOpen_T06_unavailable(t *testing.T) {
	global := safejs.Global()
	object, _ := jsval.Global("Object")
	original, err := object.Call("getOwnPropertyDescriptor", global, "indexedDB")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := object.Call("defineProperty", global, "indexedDB", map[string]any{"value": nil, "configurable": true}); err != nil {
		t.Fatal(err)
	}
	_, err = Open(t.Context(), "x", Options{})
	if _, err := object.Call("defineProperty", global, "indexedDB", original); err != nil {
		t.Fatal(err)
	}
	if !errs.Is(err, errs.StorageUnavailable) {
		t.Fatalf("Open without indexedDB: %v", err)
	}
	if _, err := Open(t.Context(), "", Options{}); !errs.Is(err, errs.InvalidArgument) {
		t.Fatalf("Open without a name: %v", err)
	}
}

func TestStore_T07_versionChange(t *testing.T) {
	cases := []struct {
		name string
		do   func(t *testing.T, name string)
		kind errs.Kind
	}{
		{"upgrade", func(t *testing.T, name string) {
			idb, _ := jsval.Global("indexedDB")
			req, err := idb.Call("open", name, Version+1)
			if err != nil {
				t.Fatal(err)
			}
			none := func(safejs.Value, int) error { return nil }
			if err := awaitOpen(t.Context(), "test", req, none, func() {}); err != nil {
				t.Fatalf("the newer version is kept out: %v", err)
			}
			db, _ := req.Get("result")
			db.Call("close")
		}, errs.VersionUnsupported},
		{"delete", func(t *testing.T, name string) {
			if err := DeleteDatabase(t.Context(), name); err != nil {
				t.Fatalf("DeleteDatabase is kept out: %v", err)
			}
		}, errs.StorageUnavailable},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			name := dbName(t)
			var lost []error
			s := open(t, name, Options{Lost: func(err error) { lost = append(lost, err) }})
			if err := s.Apply(t.Context(), batch("a", "1"), storage.Relaxed); err != nil {
				t.Fatal(err)
			}
			c.do(t, name)
			if len(lost) != 1 || !errs.Is(lost[0], c.kind) {
				t.Fatalf("Lost was told %v", lost)
			}
			if _, err := s.Get(t.Context(), []byte("a")); !errs.Is(err, c.kind) {
				t.Errorf("Get: %v", err)
			}
			if err := s.Apply(t.Context(), batch("a", "2"), storage.Relaxed); !errs.Is(err, c.kind) {
				t.Errorf("Apply: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

func TestOpen_migratesAndShares(t *testing.T) {
	name := dbName(t)
	one, two := open(t, name, Options{}), open(t, name, Options{})
	if err := one.Apply(t.Context(), batch("a", "1"), storage.Strict); err != nil {
		t.Fatal(err)
	}
	if v, err := two.Get(t.Context(), []byte("a")); err != nil || string(v) != "1" {
		t.Fatalf("the other connection sees %q, %v", v, err)
	}
}

// refuse makes every transaction that puts a value of n bytes abort with a
// DOMException of that name, as one does that exceeds the quota, until the test
// ends.
func refuse(t *testing.T, n int, name string) {
	t.Helper()
	proto, ok := jsval.Global("IDBObjectStore", "prototype")
	if !ok {
		t.Fatal("no IDBObjectStore")
	}
	original, err := proto.Get("put")
	if err != nil {
		t.Fatal(err)
	}
	patch, err := safejs.FuncOf(func(this safejs.Value, args []safejs.Value) any {
		if jsval.Int(args[0], "length") == n {
			tx, _ := this.Get("transaction")
			object, _ := jsval.Global("Object")
			exception, _ := jsval.New("DOMException", "no room", name)
			object.Call("defineProperty", tx, "error", map[string]any{"value": exception})
			req, _ := original.Call("call", this, args[0], args[1])
			tx.Call("abort")
			return req
		}
		req, _ := original.Call("call", this, args[0], args[1])
		return req
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := proto.Set("put", patch); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		proto.Set("put", original)
		patch.Release()
	})
}

func TestApply_T03_full(t *testing.T) {
	s := open(t, dbName(t), Options{})
	if err := s.Apply(t.Context(), batch("a", "1"), storage.Relaxed); err != nil {
		t.Fatal(err)
	}
	t.Run("full", func(t *testing.T) {
		refuse(t, 7, "QuotaExceededError")
		err := s.Apply(t.Context(), batch("a", "2", "b", "1234567"), storage.Relaxed)
		if !errs.Is(err, errs.StorageFull) {
			t.Fatalf("Apply: %v", err)
		}
	})
	if v, err := s.Get(t.Context(), []byte("a")); err != nil || string(v) != "1" {
		t.Fatalf("a is %q, %v", v, err)
	}
	if err := s.Apply(t.Context(), batch("b", "1234567"), storage.Relaxed); err != nil {
		t.Fatalf("Apply when there is room again: %v", err)
	}
}

// TestApply_group: of calls that were committed together only the one that does
// not fit fails.
func TestApply_group(t *testing.T) {
	s := open(t, dbName(t), Options{})
	refuse(t, 7, "QuotaExceededError")
	results := make([]error, 20)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			value := "v"
			if i == 11 {
				value = "1234567"
			}
			results[i] = s.Apply(t.Context(), batch(fmt.Sprintf("%02d", i), value, fmt.Sprintf("%02d+", i), "x"), storage.Relaxed)
		})
	}
	wg.Wait()
	for i, err := range results {
		if (i == 11) != errs.Is(err, errs.StorageFull) || (i != 11 && err != nil) {
			t.Errorf("Apply %d: %v", i, err)
		}
	}
	page, err := s.Scan(t.Context(), storage.Range{}, 0)
	if err != nil || len(page) != 2*(len(results)-1) {
		t.Errorf("%d records, want %d; %v", len(page), 2*(len(results)-1), err)
	}
}

// TestApply_slices: a batch of many slices is one transaction, and a caller
// whose context ends may change its batch at once.
func TestApply_slices(t *testing.T) {
	s := open(t, dbName(t), Options{})
	const n = 3*sliceChanges + 5
	b := new(storage.Batch)
	for i := range n {
		b.Put(fmt.Appendf(nil, "%06d", i), []byte("value"))
	}
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- s.Apply(ctx, b, storage.Relaxed) }()
	for s.underWay() == 0 { // until its transaction has begun
		if _, err := s.Get(t.Context(), []byte("x")); !errs.Is(err, errs.NotFound) {
			t.Fatal(err)
		}
	}
	cancel()
	err := <-result
	for i := range b.Changes {
		copy(b.Changes[i].Key, "XXXXXX")
	}
	if err != nil && !errs.Is(err, errs.Cancelled) {
		t.Fatalf("Apply: %v", err)
	}
	if err := s.Apply(t.Context(), batch("end", ""), storage.Relaxed); err != nil { // comes after it
		t.Fatal(err)
	}
	page, err := s.Scan(t.Context(), storage.Range{End: []byte("9")}, 0)
	if err != nil || len(page) != n {
		t.Fatalf("%d records, want all %d; %v", len(page), n, err)
	}
	if strings.HasPrefix(string(page[n-1].Key), "X") {
		t.Error("the store read the batch after Apply returned")
	}
}

// underWay is 1 while a transaction is.
func (s *Store) underWay() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queue.busy && len(s.queue.waiting) == 0 {
		return 1
	}
	return 0
}

func TestKeys(t *testing.T) {
	name := dbName(t)
	s, other := open(t, name, Options{}), open(t, name, Options{})
	if v, err := s.LoadKey(t.Context(), "k"); err != nil || !v.IsUndefined() {
		t.Fatalf("LoadKey of none: %v", err)
	}
	var got [2]string
	var wg sync.WaitGroup
	for i, st := range []*Store{s, other} {
		wg.Go(func() {
			mine, _ := safejs.ValueOf(fmt.Sprintf("key of %d", i))
			v, err := st.AddKey(t.Context(), "k", mine)
			if err != nil {
				t.Errorf("AddKey: %v", err)
			}
			got[i], _ = v.String()
		})
	}
	wg.Wait()
	if got[0] != got[1] || got[0] == "" {
		t.Fatalf("two that raced got %q", got)
	}
	if err := s.DeleteKey(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	if v, err := other.LoadKey(t.Context(), "k"); err != nil || !v.IsUndefined() {
		t.Fatalf("LoadKey after DeleteKey: %v", err)
	}
	if page, err := s.Scan(t.Context(), storage.Range{}, 0); err != nil || len(page) != 0 {
		t.Errorf("keys show among the records: %v, %v", page, err)
	}
}
