package keys_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/wire"
)

// cheap is the cost of guesses that a test makes by the dozen.
var cheap = keys.Argon2Cost{Passes: 1, KiB: 64, Lanes: 1}

// counting is a Store that counts what is written.
type counting struct {
	storage.Store
	batches []storage.Durability
}

func (c *counting) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	c.batches = append(c.batches, d)
	return c.Store.Apply(ctx, b, d)
}

// safe is a profile: a store and its key store, and keyrings on them.
type safe struct {
	t  *testing.T
	st *counting
	ks keys.KeyStore
	n  byte
}

func newSafe(t *testing.T) *safe {
	return &safe{t: t, st: &counting{Store: memstore.New()}, ks: keys.NewMemoryKeyStore(testEnv(200))}
}

func (s *safe) tryOpen(u keys.Unlock) (*keys.Keyring, error) {
	s.n++
	return keys.UnlockKeyring(context.Background(), testEnv(s.n), s.ks, s.st, keys.KeyringOptions{Unlock: u, Cost: cheap})
}

func (s *safe) open(u keys.Unlock) *keys.Keyring {
	s.t.Helper()
	k, err := s.tryOpen(u)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// refuses checks that what is given does not open the keyring, and that nothing of the
// store is another for it.
func (s *safe) refuses(u keys.Unlock, want errs.Kind) error {
	s.t.Helper()
	before, writes := s.content(), len(s.st.batches)
	_, err := s.tryOpen(u)
	if errs.KindOf(err) != want {
		s.t.Fatalf("opened with %v, want %v", err, want)
	}
	if !slices.Equal(before, s.content()) || len(s.st.batches) != writes {
		s.t.Fatalf("%v changed the store", err)
	}
	return err
}

// content is all that is stored.
func (s *safe) content() (list []string) {
	s.t.Helper()
	entries, err := s.st.Scan(context.Background(), storage.Range{}, 0)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%x %x", e.Key, e.Value))
	}
	return list
}

func (s *safe) records(prefix string) []storage.Entry {
	s.t.Helper()
	entries, err := s.st.Scan(context.Background(), storage.Prefix([]byte(prefix)), 0)
	if err != nil {
		s.t.Fatal(err)
	}
	return entries
}

func (s *safe) put(key, value []byte) {
	s.t.Helper()
	var b storage.Batch
	b.Put(key, value)
	must(s.t, s.st.Store.Apply(context.Background(), &b, storage.Relaxed))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func phrase(s string) keys.Unlock { return keys.Unlock{Passphrase: []byte(s)} }

// passkey is one that gives n as its secret.
func passkey(n byte) (keys.Passkey, []byte) {
	return keys.Passkey{Credential: []byte{n, 1}, Salt: bytes.Repeat([]byte{n}, keys.PasskeySalt)}, bytes.Repeat([]byte{n}, keys.PasskeySecret)
}

// finger unlocks with the passkey n.
func finger(n byte) keys.Unlock {
	return keys.Unlock{AskPasskey: func(context.Context, []keys.Passkey) ([]byte, error) {
		_, secret := passkey(n)
		return secret, nil
	}}
}

func TestKeyring_passphraseOnFirstUse(t *testing.T) {
	s := newSafe(t)
	k := s.open(phrase("correct horse"))
	if len(s.st.batches) != 1 || s.st.batches[0] != storage.Strict {
		t.Fatalf("made by the writes %v, want one strict one", s.st.batches)
	}
	put(t, k, s.st, "device", "seed")
	wantSecret(t, s.open(phrase("correct horse")), "device", "seed")
	for _, wrong := range []string{"correct hors", "Correct horse", "correct horse ", "x"} {
		s.refuses(phrase(wrong), errs.WrongPassphrase)
	}
	err := s.refuses(keys.Unlock{}, errs.PassphraseRequired)
	var e *errs.Error
	if !errors.As(err, &e) || e.Details["passphrase"] != true || e.Details["passkeys"] != 0 {
		t.Errorf("details %v, want a passphrase and no passkeys", e.Details)
	}
	if got := s.open(phrase("correct horse")).Keyslots(); !got.Passphrase || len(got.Passkeys) != 0 {
		t.Errorf("keyslots %+v", got)
	}
}

// TestKeyring_passphraseWhereNoneIsSet: what would protect nothing is refused.
func TestKeyring_passphraseWhereNoneIsSet(t *testing.T) {
	s := newSafe(t)
	s.open(keys.Unlock{})
	err := s.refuses(phrase("x"), errs.WrongPassphrase)
	if !strings.Contains(err.Error(), "has no passphrase") {
		t.Error(err)
	}
	long := phrase(strings.Repeat("x", keys.MaxPassphrase+1))
	s.refuses(long, errs.InvalidArgument)
	if err := s.open(keys.Unlock{}).SetPassphrase(context.Background(), long.Passphrase); !errs.Is(err, errs.InvalidArgument) {
		t.Error(err)
	}
}

// TestKeyring_copiedProfileOpensNothing is an attacker with every file of a profile,
// the key of the KeyStore too, and all that they open.
func TestKeyring_copiedProfileOpensNothing(t *testing.T) {
	ctx := context.Background()
	for name, protect := range map[string]func(*keys.Keyring) error{
		"passphrase":     func(k *keys.Keyring) error { return k.SetPassphrase(ctx, []byte("correct horse")) },
		"passkey":        func(k *keys.Keyring) error { p, x := passkey(1); return k.AddPasskey(ctx, p, x) },
		"nothing at all": func(*keys.Keyring) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSafe(t)
			k := s.open(keys.Unlock{})
			must(t, protect(k))
			put(t, k, s.st, "device", "the seed")
			got := s.breakIn()
			if opened := slices.Contains(got, "the seed"); opened != (name == "nothing at all") {
				t.Fatalf("opened: %v (%d guesses)", opened, len(got))
			}
		})
	}
}

// breakIn opens whatever the KeyStore opens, takes every 32 bytes in it and in the
// records for keys, and gives all plaintexts.
func (s *safe) breakIn() (plain []string) {
	ctx := context.Background()
	all := s.records("")
	var material [][]byte
	for _, e := range all {
		material = append(material, e.Key, e.Value)
		aads := [][]byte{e.Key, nil}
		values := [][]byte{e.Value}
		r := wire.NewReader(e.Value) // of a keyslot
		if n := r.ArrayLen(20); n > 1 && r.Err() == nil {
			for range n - 1 {
				r.Skip()
			}
			aads = append(aads, append(bytes.Clone(e.Key), e.Value[:r.Offset()]...))
			values = append(values, r.Bytes(2000))
		}
		for _, v := range values {
			for _, aad := range aads {
				if inner, err := s.ks.Open(ctx, v, aad); err == nil {
					material = append(material, inner)
				}
			}
		}
	}
	for _, m := range material {
		plain = append(plain, string(m))
		for at := 0; at+32 <= len(m); at++ {
			for _, e := range all {
				if len(e.Value) < id.ShortSize {
					continue
				}
				if x, err := keys.Open(keys.Secret(m[at:at+32]), e.Value[id.ShortSize:], e.Key); err == nil {
					plain = append(plain, string(x))
				}
			}
		}
	}
	return plain
}

// severalRoots makes a safe whose openers raced.
func severalRoots(t *testing.T) *safe {
	s := newSafe(t)
	s.open(keys.Unlock{})
	rest := s.records("k/r/")
	for i := range 2 {
		other := &safe{t: t, st: &counting{Store: memstore.New()}, ks: s.ks, n: s.n + 10 + byte(i)}
		k := other.open(keys.Unlock{})
		put(t, k, other.st, fmt.Sprint("of the loser ", i), fmt.Sprint("secret ", i))
		rest = append(rest, other.records("k/")...)
	}
	for _, e := range rest {
		s.put(e.Key, e.Value)
	}
	if n := len(s.records("k/r/")); n != 3 {
		t.Fatalf("%d roots, want 3", n)
	}
	return s
}

func TestKeyring_setPassphrase(t *testing.T) {
	ctx := context.Background()
	s := severalRoots(t)
	k := s.open(keys.Unlock{})
	put(t, k, s.st, "device", "seed")
	check := func(k *keys.Keyring) {
		t.Helper()
		wantSecret(t, k, "device", "seed")
		wantSecret(t, k, "of the loser 0", "secret 0")
		wantSecret(t, k, "of the loser 1", "secret 1")
	}
	steps := []string{"one", "two", "", "three"}
	for i, next := range steps {
		old := append(s.records("k/r/"), s.records("k/l/")...)
		s.st.batches = nil
		must(t, k.SetPassphrase(ctx, []byte(next)))
		if len(s.st.batches) != 1 || s.st.batches[0] != storage.Strict {
			t.Fatalf("step %d: the writes %v, want one strict one", i, s.st.batches)
		}
		for _, e := range old {
			for _, now := range s.records("k/") {
				if bytes.Equal(e.Value, now.Value) {
					t.Fatalf("step %d: record %x is still there", i, e.Key)
				}
			}
		}
		if n := len(s.records("k/r/")); n != 3 {
			t.Fatalf("step %d: %d roots, want 3", i, n)
		}
		check(k)
		check(s.open(phrase(next)))
		if k.Keyslots().Passphrase != (next != "") || s.open(phrase(next)).Keyslots().Passphrase != (next != "") {
			t.Fatalf("step %d: Keyslots says otherwise", i)
		}
		for _, other := range steps {
			if other != "" && other != next {
				s.refuses(phrase(other), errs.WrongPassphrase)
			}
		}
		if next != "" {
			s.refuses(keys.Unlock{}, errs.PassphraseRequired)
		}
	}
}

// TestKeyring_changeIsAllOrNothing: a write that fails or is lost leaves the one
// state, one that happened the other, whatever the change.
func TestKeyring_changeIsAllOrNothing(t *testing.T) {
	ctx := context.Background()
	p, secret := passkey(1)
	for name, c := range map[string]struct {
		from, to keys.Unlock
		change   func(*keys.Keyring) error
	}{
		"set":         {keys.Unlock{}, phrase("new"), func(k *keys.Keyring) error { return k.SetPassphrase(ctx, []byte("new")) }},
		"change":      {phrase("old"), phrase("new"), func(k *keys.Keyring) error { return k.SetPassphrase(ctx, []byte("new")) }},
		"remove":      {phrase("old"), keys.Unlock{}, func(k *keys.Keyring) error { return k.SetPassphrase(ctx, nil) }},
		"add passkey": {keys.Unlock{}, finger(1), func(k *keys.Keyring) error { return k.AddPasskey(ctx, p, secret) }},
	} {
		for _, lost := range []int{0, 1} {
			t.Run(fmt.Sprint(name, ", lost ", lost), func(t *testing.T) {
				fault := memstore.NewFaultStore(memstore.NewDisk())
				s := &safe{t: t, st: &counting{Store: fault}, ks: keys.NewMemoryKeyStore(testEnv(200))}
				k := s.open(c.from)
				put(t, k, s.st, "device", "seed")
				before := s.content()
				fault.SetFull(true)
				if err := c.change(k); !errs.Is(err, errs.StorageFull) {
					t.Fatalf("a full store: %v", err)
				}
				fault.SetFull(false)
				if !slices.Equal(before, s.content()) {
					t.Fatal("a change that failed changed the store")
				}
				wantSecret(t, s.open(c.from), "device", "seed")
				// What was known before is so after a failure too.
				must(t, c.change(k))
				fault, _ = fault.Reopen(lost)
				s.st.Store = fault
				opens := c.to
				if lost == 1 {
					// A strict write is not lost; should one be, the former state is whole.
					if slices.Equal(before, s.content()) {
						opens = c.from
					}
				}
				wantSecret(t, s.open(opens), "device", "seed")
			})
		}
	}
}

func TestKeyring_passkeys(t *testing.T) {
	ctx := context.Background()
	s := newSafe(t)
	k := s.open(phrase("words"))
	put(t, k, s.st, "device", "seed")
	for n := byte(1); n <= 2; n++ {
		p, secret := passkey(n)
		must(t, k.AddPasskey(ctx, p, secret))
	}
	for name, u := range map[string]keys.Unlock{"passphrase": phrase("words"), "first": finger(1), "second": finger(2)} {
		t.Run(name, func(t *testing.T) {
			again := s.open(u)
			wantSecret(t, again, "device", "seed")
			if got := again.Keyslots(); !got.Passphrase || len(got.Passkeys) != 2 {
				t.Errorf("keyslots %+v", got)
			}
		})
	}
	s.refuses(finger(3), errs.WrongPassphrase)
	s.refuses(phrase("other"), errs.WrongPassphrase)
	// The passphrase changes and goes; the passkeys stay.
	must(t, k.SetPassphrase(ctx, []byte("other")))
	s.refuses(phrase("words"), errs.WrongPassphrase)
	wantSecret(t, s.open(finger(2)), "device", "seed")
	must(t, k.SetPassphrase(ctx, nil))
	s.refuses(phrase("other"), errs.PassphraseRequired)
	err := s.refuses(keys.Unlock{}, errs.PassphraseRequired)
	var e *errs.Error
	if !errors.As(err, &e) || e.Details["passphrase"] != false || e.Details["passkeys"] != 2 {
		t.Errorf("details %v", e.Details)
	}
	// One of the same credential takes the place of the other.
	p, _ := passkey(1)
	_, secret := passkey(7)
	must(t, k.AddPasskey(ctx, p, secret))
	s.refuses(finger(1), errs.WrongPassphrase)
	wantSecret(t, s.open(finger(7)), "device", "seed")
	must(t, k.RemovePasskeys(ctx))
	wantSecret(t, s.open(keys.Unlock{}), "device", "seed")
	if got := k.Keyslots(); got.Passphrase || got.Passkeys != nil {
		t.Errorf("keyslots %+v, want none", got)
	}
}

func TestKeyring_asksPasskey(t *testing.T) {
	ctx := context.Background()
	s := newSafe(t)
	k := s.open(keys.Unlock{})
	never := keys.Unlock{AskPasskey: func(context.Context, []keys.Passkey) ([]byte, error) {
		t.Error("asked where there is none, or a passphrase was given")
		return nil, nil
	}}
	s.open(never)
	want, secret := passkey(1)
	must(t, k.AddPasskey(ctx, want, secret))
	must(t, k.SetPassphrase(ctx, []byte("words")))
	never.Passphrase = []byte("words")
	s.open(never)
	asked := 0
	s.open(keys.Unlock{AskPasskey: func(_ context.Context, among []keys.Passkey) ([]byte, error) {
		asked++
		if len(among) != 1 || !bytes.Equal(among[0].Credential, want.Credential) || !bytes.Equal(among[0].Salt, want.Salt) {
			t.Errorf("asked among %x, want %x", among, want)
		}
		return bytes.Clone(secret), nil
	}})
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	s.refuses(keys.Unlock{AskPasskey: func(context.Context, []keys.Passkey) ([]byte, error) {
		return nil, errs.New("test", errs.Cancelled, "the person said no")
	}}, errs.Cancelled)
}

func TestKeyring_refusesPasskey(t *testing.T) {
	p, secret := passkey(1)
	for name, c := range map[string]struct {
		p      keys.Passkey
		secret []byte
	}{
		"no credential":   {keys.Passkey{Salt: p.Salt}, secret},
		"long credential": {keys.Passkey{Credential: make([]byte, 1024), Salt: p.Salt}, secret},
		"short salt":      {keys.Passkey{Credential: p.Credential, Salt: p.Salt[1:]}, secret},
		"short secret":    {p, secret[1:]},
		"no secret":       {p, nil},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSafe(t)
			k := s.open(keys.Unlock{})
			before := s.content()
			if err := k.AddPasskey(context.Background(), c.p, c.secret); !errs.Is(err, errs.InvalidArgument) || !slices.Equal(before, s.content()) {
				t.Fatalf("got %v, want INVALID_ARGUMENT and nothing stored", err)
			}
		})
	}
}

// TestKeyring_T02_anotherTabChanges: a keyring that is open stays so, and does not
// undo what it has not been shown.
func TestKeyring_T02_anotherTabChanges(t *testing.T) {
	ctx := context.Background()
	s := newSafe(t)
	one, two := s.open(keys.Unlock{}), s.open(keys.Unlock{})
	must(t, one.SetPassphrase(ctx, []byte("words")))
	put(t, two, s.st, "from two", "x")
	wantSecret(t, one, "from two", "x")
	must(t, two.Refresh(ctx))
	before := s.content()
	p, secret := passkey(1)
	for name, err := range map[string]error{
		"set": two.SetPassphrase(ctx, []byte("others")), "remove": two.SetPassphrase(ctx, nil), "add": two.AddPasskey(ctx, p, secret),
	} {
		if !errs.Is(err, errs.PassphraseRequired) {
			t.Errorf("%s: %v, want PASSPHRASE_REQUIRED", name, err)
		}
	}
	if !slices.Equal(before, s.content()) {
		t.Error("a refused change changed the store")
	}
	wantSecret(t, s.open(phrase("words")), "from two", "x")
	// What is taken away again is free for both.
	must(t, one.SetPassphrase(ctx, nil))
	must(t, two.SetPassphrase(ctx, []byte("others")))
	wantSecret(t, s.open(phrase("others")), "from two", "x")
}

// TestKeyring_T02_openersRaceLocked: without a lock between them two tabs of one
// passphrase make a root each, and both open everything.
func TestKeyring_T02_openersRaceLocked(t *testing.T) {
	a, b := newSafe(t), newSafe(t)
	b.ks, b.n = a.ks, 50
	put(t, a.open(phrase("words")), a.st, "a", "1")
	put(t, b.open(phrase("words")), b.st, "b", "2")
	for _, e := range b.records("") {
		a.put(e.Key, e.Value)
	}
	k := a.open(phrase("words"))
	wantSecret(t, k, "a", "1")
	wantSecret(t, k, "b", "2")
	must(t, k.SetPassphrase(context.Background(), []byte("next")))
	again := a.open(phrase("next"))
	wantSecret(t, again, "a", "1")
	wantSecret(t, again, "b", "2")
	a.refuses(phrase("words"), errs.WrongPassphrase)
}

// TestKeyring_sealsUnderLockedRoot: a root that somebody puts beside the locked ones,
// however old it claims to be, seals nothing.
func TestKeyring_sealsUnderLockedRoot(t *testing.T) {
	s := newSafe(t)
	put(t, s.open(phrase("words")), s.st, "device", "seed")
	planted := &safe{t: t, st: &counting{Store: memstore.New()}, ks: s.ks, n: 150} // an older time
	theirs := planted.open(keys.Unlock{})
	for _, e := range planted.records("k/r/") {
		s.put(e.Key, e.Value)
	}
	k := s.open(phrase("words"))
	if _, err := theirs.Open(k.Seal([]byte("x"), nil), nil); !errs.Is(err, errs.KeyUnavailable) {
		t.Fatalf("the planted root opens what is new: %v", err)
	}
}

// TestKeyring_T04_damagedLock flips every bit of the keyslot and the locked root.
func TestKeyring_T04_damagedLock(t *testing.T) {
	s := newSafe(t)
	s.open(phrase("words"))
	for _, prefix := range []string{"k/l/", "k/r/"} {
		e := s.records(prefix)[0]
		for bit := range 8 * len(e.Value) {
			sick := bytes.Clone(e.Value)
			sick[bit/8] ^= 1 << (bit % 8)
			s.put(e.Key, sick)
			_, err := s.tryOpen(phrase("words"))
			switch errs.KindOf(err) {
			case errs.StorageCorrupt, errs.DecryptFailed, errs.VersionUnsupported:
				if !strings.Contains(err.Error(), "key") {
					t.Errorf("%s, bit %d: %v", prefix, bit, err)
				}
			default:
				t.Fatalf("%s, bit %d: %v", prefix, bit, err)
			}
		}
		s.put(e.Key, e.Value)
	}
	s.open(phrase("words"))
	var b storage.Batch
	b.Delete(s.records("k/l/")[0].Key)
	must(t, s.st.Apply(context.Background(), &b, storage.Relaxed))
	s.refuses(phrase("words"), errs.StorageCorrupt)
}

// TestKeyring_T04_rootUnderAnotherMaster: what the KeyStore opens and the master key
// does not is refused, never taken for a key.
func TestKeyring_T04_rootUnderAnotherMaster(t *testing.T) {
	s := newSafe(t)
	s.open(phrase("words"))
	e := s.records("k/r/")[0]
	for _, inner := range [][]byte{nil, make([]byte, 32), make([]byte, 32+keys.Overhead)} {
		sealed, err := s.ks.Seal(context.Background(), inner, e.Key)
		must(t, err)
		s.put(e.Key, sealed)
		s.refuses(phrase("words"), errs.DecryptFailed)
	}
}

func TestKeyring_lockedWrongKeyStore(t *testing.T) {
	s := newSafe(t)
	s.open(phrase("words"))
	must(t, s.ks.Reset(context.Background()))
	err := s.refuses(phrase("words"), errs.DecryptFailed)
	if !strings.Contains(err.Error(), "key store") {
		t.Error(err)
	}
}

func TestKeyring_exclusive(t *testing.T) {
	ctx, st, ks := context.Background(), memstore.New(), keys.NewMemoryKeyStore(testEnv(1))
	held, taken, marked := false, 0, 0
	open := func(u keys.Unlock) *keys.Keyring {
		k, err := keys.UnlockKeyring(ctx, testEnv(2), ks, st, keys.KeyringOptions{
			Unlock: u, Cost: cheap, Mark: func(*storage.Batch) { marked++ },
			Exclusive: func(context.Context) (func(), error) {
				if held {
					t.Error("taken twice")
				}
				held, taken = true, taken+1
				return func() { held = false }, nil
			},
		})
		must(t, err)
		return k
	}
	k := open(keys.Unlock{})
	open(keys.Unlock{})
	must(t, k.SetPassphrase(ctx, []byte("words")))
	open(phrase("words"))
	must(t, k.SetPassphrase(ctx, nil))
	if held || taken != 3 || marked != 1 {
		t.Errorf("held %v, taken %d times, marked %d times; want the first root and two changes, and one that locks", held, taken, marked)
	}
}

// TestKeyring_errorsHoldNoSecret looks for passphrases and keys in what is said.
func TestKeyring_errorsHoldNoSecret(t *testing.T) {
	s := newSafe(t)
	k := s.open(phrase("hunter2hunter2"))
	_, secret := passkey(0x5a)
	for _, err := range []error{
		s.refuses(phrase("hunter2hunter3"), errs.WrongPassphrase), s.refuses(keys.Unlock{}, errs.PassphraseRequired),
		k.SetPassphrase(context.Background(), bytes.Repeat([]byte("hunter2"), 200)),
		k.AddPasskey(context.Background(), keys.Passkey{}, secret),
	} {
		if said := fmt.Sprintf("%v %+v %#v", err, err, err); err == nil || strings.Contains(said, "hunter2") || strings.Contains(said, "5a5a5a5a") || strings.Contains(said, "ZZZZ") {
			t.Errorf("an error tells a secret, or there is none: %s", said)
		}
	}
}
