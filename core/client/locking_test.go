package client_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

func with(passphrase string) keys.Unlock { return keys.Unlock{Passphrase: []byte(passphrase)} }

// everything is all that a profile stores.
func everything(t *testing.T, p *profile) (list []string) {
	t.Helper()
	entries, err := p.store.Scan(context.Background(), storage.Range{}, 0)
	ok(t, err)
	for _, e := range entries {
		list = append(list, fmt.Sprintf("%x %x", e.Key, e.Value))
	}
	return list
}

// TestClient_passphrase: what a profile holds opens with its passphrase and with
// nothing else, and what does not open it touches nothing.
func TestClient_passphrase(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c := w.client(p)
	ok(t, c.Unlock(ctx, with("one")))
	_, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
	sp, err := c.CreateSpace(ctx)
	ok(t, err)
	v := put(t, sp, "title", "kept")
	ok(t, sp.Flush(ctx, client.FlushDisk))
	if st := c.Status.Get(); !st.Passphrase || st.Passkeys != 0 {
		t.Errorf("the status says %+v", st)
	}
	ok(t, c.Destroy(ctx))

	refused := func(u keys.Unlock, want errs.Kind) {
		t.Helper()
		before := everything(t, p)
		c := w.client(p)
		code(t, c.Unlock(ctx, u), want)
		if st := c.Status.Get(); st.State != client.StateFailed || !errs.Is(st.Err, want) || c.Identity.Get() != nil || len(c.Spaces.Get()) != 0 {
			t.Errorf("the status says %+v", st)
		}
		ok(t, c.Destroy(ctx))
		if !slices.Equal(before, everything(t, p)) {
			t.Errorf("%v: the store is another one", want)
		}
	}
	opens := func(u keys.Unlock) *client.Client {
		t.Helper()
		c := w.client(p)
		ok(t, c.Unlock(ctx, u))
		if c.Identity.Get() == nil || !holds(record(c.Space(sp.Key()), v), "kept") {
			t.Error("what was there is not there")
		}
		return c
	}
	refused(with("on"), errs.WrongPassphrase)
	refused(keys.Unlock{}, errs.PassphraseRequired)

	c = opens(with("one"))
	ok(t, c.SetPassphrase(ctx, []byte("two")))
	ok(t, c.Destroy(ctx))
	refused(with("one"), errs.WrongPassphrase)

	c = opens(with("two"))
	secret := bytes.Repeat([]byte{7}, keys.PasskeySecret)
	ok(t, c.AddPasskey(ctx, keys.Passkey{Credential: []byte("id"), Salt: make([]byte, keys.PasskeySalt)}, secret))
	ok(t, c.SetPassphrase(ctx, nil))
	if st := c.Status.Get(); st.Passphrase || st.Passkeys != 1 || st.State != client.StateOpen {
		t.Errorf("the status says %+v", st)
	}
	ok(t, c.Destroy(ctx))
	refused(keys.Unlock{}, errs.PassphraseRequired)
	c = opens(keys.Unlock{AskPasskey: func(context.Context, []keys.Passkey) ([]byte, error) { return bytes.Clone(secret), nil }})
	ok(t, c.RemovePasskeys(ctx))
	ok(t, c.Destroy(ctx))
	refused(with("two"), errs.WrongPassphrase)
	ok(t, opens(keys.Unlock{}).Destroy(ctx))
}

func TestClient_C06_lockingBeforeInitialize(t *testing.T) {
	c, ctx := newWorld(t).client(newProfile()), context.Background()
	code(t, c.SetPassphrase(ctx, []byte("x")), errs.NotInitialized)
	code(t, c.AddPasskey(ctx, keys.Passkey{}, nil), errs.NotInitialized)
	code(t, c.RemovePasskeys(ctx), errs.NotInitialized)
}

// TestClient_C05_resetForgottenPassphrase: who forgot it can begin anew.
func TestClient_C05_resetForgottenPassphrase(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c := w.client(p)
	ok(t, c.Unlock(ctx, with("forgotten")))
	ok(t, c.Destroy(ctx))
	c = w.client(p)
	code(t, c.Initialize(ctx), errs.PassphraseRequired)
	ok(t, c.Reset(ctx))
	ok(t, c.Unlock(ctx, with("another")))
	_, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
}

// TestClient_T02_twoTabsWithPassphrase: tabs that open a new profile at once share one
// root; each needs the passphrase, and what one changes the other keeps working with.
func TestClient_T02_twoTabsWithPassphrase(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	p.locks = newLocks()
	tabs := []*client.Client{w.client(p), w.client(p)}
	var wg sync.WaitGroup
	for _, c := range tabs {
		wg.Go(func() {
			if err := c.Unlock(ctx, with("words")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := stored(t, p.store, "k/r/"); n != 1 {
		t.Errorf("%d roots, want 1", n)
	}
	third := w.client(p)
	code(t, third.Initialize(ctx), errs.PassphraseRequired)
	_, err := tabs[0].CreateIdentity(ctx, "Ada")
	ok(t, err)
	ok(t, tabs[0].SetPassphrase(ctx, []byte("others")))
	code(t, tabs[1].SetPassphrase(ctx, nil), errs.PassphraseRequired)
	code(t, third.Unlock(ctx, with("words")), errs.WrongPassphrase)
	ok(t, third.Unlock(ctx, with("others")))
	sp, err := tabs[0].CreateSpace(ctx)
	ok(t, err)
	eventually(t, "the other tabs have the space", func() bool {
		return tabs[1].Space(sp.Key()) != nil && third.Space(sp.Key()) != nil
	})
}

// said is a log of everything.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// TestClient_logsNoSecret looks for the passphrases, and the keys that a profile has, in
// all that is logged and said while it is locked, opened and refused.
func TestClient_logsNoSecret(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	log := &said{}
	w.log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := w.client(p)
	ok(t, c.Unlock(ctx, with("hunter2hunter2")))
	_, err := c.CreateIdentity(ctx, "Ada")
	ok(t, err)
	_, err = c.CreateSpace(ctx)
	ok(t, err)
	secret := bytes.Repeat([]byte{0x5a}, keys.PasskeySecret)
	ok(t, c.AddPasskey(ctx, keys.Passkey{Credential: []byte("id"), Salt: make([]byte, keys.PasskeySalt)}, secret))
	ok(t, c.SetPassphrase(ctx, []byte("hunter2again")))
	ok(t, c.Destroy(ctx))
	errors := []error{c.Unlock(ctx, with("hunter2hunter2")), c.Initialize(ctx)}
	ok(t, c.Unlock(ctx, with("hunter2again")))
	w.log.Debug("the control")
	ring, err := keys.UnlockKeyring(ctx, testEnv(), p.keys, p.store, keys.KeyringOptions{Unlock: with("hunter2again")})
	ok(t, err)
	list, err := ring.List(ctx, "")
	ok(t, err)
	forbidden := []string{"hunter2", hex.EncodeToString(secret[:8]), "90 90 90 90"}
	for _, record := range list {
		// The identity's seeds and the space's secrets are byte strings of 32 in these.
		for at := 0; at+32 <= len(record); at++ {
			if at > 1 && record[at-2] == 0xc4 && record[at-1] == 32 {
				forbidden = append(forbidden, hex.EncodeToString(record[at:at+32]), strings.Trim(fmt.Sprint(record[at:at+32]), "[]"))
			}
		}
	}
	public := []string{c.Identity.Get().Key.String(), c.Identity.Get().Device.String(), c.Spaces.Get()[0].Key().String()}
	text := log.String() + fmt.Sprintf("%v %+v", errors, errors)
	if !strings.Contains(text, "the control") || len(forbidden) < 9 {
		t.Fatalf("%d secrets, %d bytes of log: the test proves nothing", len(forbidden), len(text))
	}
	for _, f := range forbidden {
		if !slices.Contains(public, f) && strings.Contains(text, f) {
			t.Errorf("%.16s… is in the log or an error", f)
		}
	}
}

// TestClient_T05_lockedProfileHasItsFormat: versions that know no keyslots leave it.
func TestClient_T05_lockedProfileHasItsFormat(t *testing.T) {
	w, p, ctx := newWorld(t), newProfile(), context.Background()
	c := w.open(p)
	format := func() uint64 {
		b, err := p.store.Get(ctx, []byte("v"))
		ok(t, err)
		return wire.NewReader(b).Uint(99)
	}
	if n := format(); n != 1 {
		t.Errorf("a new profile has format %d", n)
	}
	ok(t, c.SetPassphrase(ctx, []byte("words")))
	if n := format(); n != 4 {
		t.Errorf("a locked profile has format %d, want 4", n)
	}
	ok(t, c.Destroy(ctx))
	writeFormat(t, p.store, 3)
	code(t, w.client(p).Unlock(ctx, with("words")), errs.StorageCorrupt)
}
