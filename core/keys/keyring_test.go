package keys_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/keys/keystoretest"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
)

// testEnv is for one goroutine.
func testEnv(seed byte) env.Env {
	return env.Env{
		Clock: env.ClockFunc(func() time.Time { return time.UnixMilli(1_700_000_000_000 - int64(seed)) }),
		Rand:  rand.NewChaCha8([32]byte{seed}),
		Log:   slog.New(slog.DiscardHandler),
	}
}

func TestMemoryKeyStore(t *testing.T) {
	var seed byte
	keystoretest.Run(t, func(*testing.T) keys.KeyStore {
		seed++
		return keys.NewMemoryKeyStore(env.Env{Rand: &locked{r: rand.NewChaCha8([32]byte{seed})}})
	})
}

type locked struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *locked) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func open(t *testing.T, seed byte, ks keys.KeyStore, st storage.Store) *keys.Keyring {
	t.Helper()
	k, err := keys.OpenKeyring(context.Background(), testEnv(seed), ks, st)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func put(t *testing.T, k *keys.Keyring, st storage.Store, name, secret string) {
	t.Helper()
	var b storage.Batch
	k.Put(&b, name, []byte(secret))
	if err := st.Apply(context.Background(), &b, storage.Relaxed); err != nil {
		t.Fatal(err)
	}
}

func wantSecret(t *testing.T, k *keys.Keyring, name, want string) {
	t.Helper()
	got, err := k.Get(context.Background(), name)
	if err != nil || string(got) != want {
		t.Fatalf("%s is %q, %v, want %q", name, got, err, want)
	}
}

func TestKeyring_keepsSecrets(t *testing.T) {
	ctx, disk, ks := context.Background(), memstore.NewDisk(), keys.NewMemoryKeyStore(testEnv(1))
	st := disk.Open()
	k := open(t, 2, ks, st)
	if _, err := k.Get(ctx, "absent"); !errs.Is(err, errs.NotFound) {
		t.Fatalf("an absent name: %v", err)
	}
	put(t, k, st, "device/a", "one")
	put(t, k, st, "device/b", "two")
	put(t, k, st, "epoch/c", "three")
	put(t, k, st, "device/b", "two again")
	again := open(t, 3, ks, disk.Open())
	wantSecret(t, again, "device/b", "two again")
	list, err := again.List(ctx, "device/")
	if err != nil || len(list) != 2 || string(list["device/a"]) != "one" {
		t.Fatalf("List gives %d secrets, %v", len(list), err)
	}
	var b storage.Batch
	again.Delete(&b, "device/a")
	if err := st.Apply(ctx, &b, storage.Relaxed); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Get(ctx, "device/a"); !errs.Is(err, errs.NotFound) {
		t.Fatalf("a deleted name: %v", err)
	}
	entries, _ := st.Scan(ctx, storage.Prefix([]byte("k/")), 0)
	for _, e := range entries {
		if bytes.Contains(e.Value, []byte("two")) {
			t.Fatalf("record %q is in clear", e.Key)
		}
	}
}

// gate is a Store whose first scans wait for one another, so that several
// openers find it empty.
type gate struct {
	storage.Store
	once sync.Once
	meet *sync.WaitGroup
}

func (g *gate) Scan(ctx context.Context, r storage.Range, limit int) ([]storage.Entry, error) {
	entries, err := g.Store.Scan(ctx, r, limit)
	g.once.Do(func() { g.meet.Done(); g.meet.Wait() })
	return entries, err
}

// TestKeyring_openersRace opens one empty Store several times at once: each
// reads what any other wrote, at once and when opened again.
func TestKeyring_openersRace(t *testing.T) {
	const n = 4
	disk, ks := memstore.NewDisk(), keys.NewMemoryKeyStore(env.Env{Rand: &locked{r: rand.NewChaCha8([32]byte{1})}})
	rings := make([]*keys.Keyring, n)
	var meet, wg sync.WaitGroup
	meet.Add(n)
	for i := range n {
		wg.Go(func() {
			k, err := keys.OpenKeyring(context.Background(), testEnv(byte(i)), ks, &gate{Store: disk.Open(), meet: &meet})
			if err != nil {
				t.Error(err)
				return
			}
			rings[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
	st := disk.Open()
	for i, k := range rings {
		put(t, k, st, fmt.Sprint("secret", i), fmt.Sprint("value", i))
	}
	for _, k := range append(rings, open(t, 9, ks, st)) {
		for i := range n {
			wantSecret(t, k, fmt.Sprint("secret", i), fmt.Sprint("value", i))
		}
	}
	sealed := open(t, 10, ks, st).Seal([]byte("x"), nil)
	for i, k := range rings {
		if err := k.Refresh(context.Background()); err != nil {
			t.Fatal(err)
		}
		if got, err := k.Open(sealed, nil); err != nil || string(got) != "x" {
			t.Errorf("keyring %d opens another's record as %q, %v", i, got, err)
		}
	}
}

// TestKeyring_T04_damagedRecord names the record that is damaged.
func TestKeyring_T04_damagedRecord(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		damage func(v []byte) []byte
		want   errs.Kind
	}{
		"cut short":     {func(v []byte) []byte { return v[:20] }, errs.StorageCorrupt},
		"empty":         {func([]byte) []byte { return []byte{} }, errs.StorageCorrupt},
		"root id":       {func(v []byte) []byte { v[0] ^= 1; return v }, errs.StorageCorrupt},
		"nonce":         {func(v []byte) []byte { v[20] ^= 1; return v }, errs.DecryptFailed},
		"tag":           {func(v []byte) []byte { v[len(v)-1] ^= 1; return v }, errs.DecryptFailed},
		"one byte more": {func(v []byte) []byte { return append(v, 0) }, errs.DecryptFailed},
	} {
		t.Run(name, func(t *testing.T) {
			disk := memstore.NewDisk()
			st := memstore.NewFaultStore(disk)
			k := open(t, 1, keys.NewMemoryKeyStore(testEnv(2)), st)
			put(t, k, st, "device/seed", "secret")
			if err := st.Corrupt([]byte("k/s/device/seed"), c.damage); err != nil {
				t.Fatal(err)
			}
			_, err := k.Get(ctx, "device/seed")
			if errs.KindOf(err) != c.want || !strings.Contains(err.Error(), "device/seed") {
				t.Errorf("Get: %v, want %v naming the record", err, c.want)
			}
			if _, err := k.List(ctx, ""); errs.KindOf(err) != c.want {
				t.Errorf("List: %v, want %v", err, c.want)
			}
		})
	}
}

func TestKeyring_recordsCannotBeSwapped(t *testing.T) {
	ctx, st := context.Background(), memstore.New()
	k := open(t, 1, keys.NewMemoryKeyStore(testEnv(2)), st)
	put(t, k, st, "a", "secret of a")
	v, err := st.Get(ctx, []byte("k/s/a"))
	if err != nil {
		t.Fatal(err)
	}
	var b storage.Batch
	b.Put([]byte("k/s/b"), v)
	if err := st.Apply(ctx, &b, storage.Relaxed); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Get(ctx, "b"); !errs.Is(err, errs.DecryptFailed) {
		t.Fatalf("the record of a opens as b: %v", err)
	}
}

func TestKeyring_wrongKeyStore(t *testing.T) {
	ctx, disk := context.Background(), memstore.NewDisk()
	st, ks := disk.Open(), keys.NewMemoryKeyStore(testEnv(1))
	put(t, open(t, 2, ks, st), st, "a", "x")
	count := func() int {
		entries, err := st.Scan(ctx, storage.Range{}, 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	before := count()
	_, other := keys.OpenKeyring(ctx, testEnv(3), keys.NewMemoryKeyStore(testEnv(4)), st)
	if err := ks.Reset(ctx); err != nil {
		t.Fatal(err)
	}
	_, reset := keys.OpenKeyring(ctx, testEnv(5), ks, st)
	for name, err := range map[string]error{"another key store": other, "a reset key store": reset} {
		if !errs.Is(err, errs.DecryptFailed) || !strings.Contains(err.Error(), "key store") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if count() != before {
		t.Error("a keyring that does not open wrote to the store")
	}
}

func TestKeyring_storageFails(t *testing.T) {
	st := memstore.NewFaultStore(memstore.NewDisk())
	st.SetFull(true)
	if _, err := keys.OpenKeyring(context.Background(), testEnv(1), keys.NewMemoryKeyStore(testEnv(2)), st); !errs.Is(err, errs.StorageFull) {
		t.Fatalf("a full store: %v", err)
	}
	st.SetFull(false)
	open(t, 3, keys.NewMemoryKeyStore(testEnv(2)), st)
}
