package client_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/keys/keystoretest"
)

// handles are device keys as a browser has them: nothing but their holder reads them,
// and whoever wants a signature waits for another thread.
type handles struct {
	mu   sync.Mutex
	keys map[[32]byte]*keys.SigningKey
	// held, if it is not nil, is what signatures wait for.
	held chan struct{}
	fail error
	made int // signatures
}

func newHandles() *handles { return &handles{keys: map[[32]byte]*keys.SigningKey{}} }

// handle is one of them; it is no keys.SigningKey.
type handle struct {
	all    *handles
	public [32]byte
}

func (h *handles) Make(ctx context.Context) (keys.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := h.wait(ctx); err != nil {
		return nil, err
	}
	k := keys.NewSigningKey([32]byte(testEnv().Bytes(32)))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.keys[k.Public()] = k
	return &handle{h, k.Public()}, nil
}

func (h *handles) Load(ctx context.Context, public [32]byte) (keys.Signer, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if h.key(public) == nil {
		return nil, errs.New("test", errs.KeyUnavailable, "no key %x", public)
	}
	return &handle{h, public}, nil
}

func (h *handles) key(public [32]byte) *keys.SigningKey {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys[public]
}

func (h *handle) Public() [32]byte { return h.public }

func (h *handle) Sign(ctx context.Context, msg []byte) (sig [64]byte, err error) {
	if err := ctx.Err(); err != nil {
		return sig, err
	}
	if err := h.all.wait(ctx); err != nil {
		return sig, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		sig, err = h.all.key(h.public).Sign(ctx, msg)
		h.all.mu.Lock()
		h.all.made++
		h.all.mu.Unlock()
	}()
	<-done
	return sig, err
}

// hold has new keys and signatures wait until release.
func (h *handles) hold() (release func()) {
	c := make(chan struct{})
	h.mu.Lock()
	h.held = c
	h.mu.Unlock()
	return sync.OnceFunc(func() {
		h.mu.Lock()
		h.held = nil
		h.mu.Unlock()
		close(c)
	})
}

func (h *handles) wait(ctx context.Context) error {
	h.mu.Lock()
	held, fail := h.held, h.fail
	h.mu.Unlock()
	if held != nil {
		select {
		case <-held:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fail
}

func (h *handles) failWith(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = err
}

func TestHandles(t *testing.T) {
	h := newHandles()
	keystoretest.RunDeviceKeys(t, func(*testing.T) keys.DeviceKeys { return h })
}

func storageOf(t *testing.T, c *client.Client) client.KeyStorage {
	t.Helper()
	list := c.Devices.Get()
	if len(list) == 0 || !list[0].Current {
		t.Fatalf("devices: %v", list)
	}
	return list[0].KeyStorage
}

// TestDeviceKey_whereItIs has each kind of profile, which keeps what it has.
func TestDeviceKey_whereItIs(t *testing.T) {
	ctx := context.Background()
	secret := keys.Unlock{Passphrase: []byte("correct horse")}
	for name, c := range map[string]struct {
		handles, later bool // the platform has such keys, when the profile is made or from the second start on
		unlock         keys.Unlock
		want           client.KeyStorage
	}{
		"the platform has keys that nobody reads": {true, true, keys.Unlock{}, client.KeyWebCrypto},
		"it has none":                          {false, false, keys.Unlock{}, client.KeySealed},
		"it has none when the profile is made": {false, true, keys.Unlock{}, client.KeySealed},
		"the profile has a passphrase":         {true, true, secret, client.KeySealed},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := newProfile()
			all := p.devices
			if !c.handles {
				p.devices = nil
			}
			a := w.client(p)
			ok(t, a.Unlock(ctx, c.unlock))
			_, err := a.CreateIdentity(ctx, "Ada")
			ok(t, err)
			sp, err := a.CreateSpace(ctx)
			ok(t, err)
			put(t, sp, "title", "x")
			ok(t, sp.Flush(ctx, client.FlushStore))
			if got := storageOf(t, a); got != c.want || (len(all.keys) > 0) != (c.want == client.KeyWebCrypto) {
				t.Errorf("the key is %s, and %d are the platform's", got, len(all.keys))
			}
			device := a.Identity.Get().Device
			ok(t, a.Destroy(ctx))
			if c.later {
				p.devices = all
			}
			a = w.client(p)
			ok(t, a.Unlock(ctx, c.unlock))
			if got := storageOf(t, a); got != c.want || a.Identity.Get().Device != device {
				t.Errorf("after a restart the key is %s", got)
			}
			again := a.Space(sp.Key())
			put(t, again, "title", "x")
			ok(t, again.Flush(ctx, client.FlushStore))
		})
	}
}

// TestDeviceKey_setAfter: a passphrase that comes later does not move the key, which is
// where the client says.
func TestDeviceKey_setAfter(t *testing.T) {
	w := newWorld(t)
	p := newProfile()
	ctx := context.Background()
	a, sp := owner(t, w, p)
	ok(t, a.SetPassphrase(ctx, []byte("later")))
	put(t, sp, "title", "x")
	ok(t, sp.Flush(ctx, client.FlushStore))
	ok(t, a.Destroy(ctx))
	a = w.client(p)
	code(t, a.Initialize(ctx), errs.PassphraseRequired)
	ok(t, a.Unlock(ctx, keys.Unlock{Passphrase: []byte("later")}))
	if got := storageOf(t, a); got != client.KeyWebCrypto {
		t.Errorf("the key is %s", got)
	}
}

// TestDeviceKey_record: with a key that nobody reads there is nothing to read in the
// keyring, and without the key the profile does not open, and says why.
func TestDeviceKey_record(t *testing.T) {
	w := newWorld(t)
	p := newProfile()
	ctx := context.Background()
	a, _ := owner(t, w, p)
	device := a.Identity.Get().Device
	ok(t, a.Destroy(ctx))
	ring, err := keys.OpenKeyring(ctx, testEnv(), p.keys, p.store)
	ok(t, err)
	raw, err := ring.Get(ctx, "identity")
	ok(t, err)
	seed := p.devices.key(device).Seed()
	if bytes.Contains(raw, seed[:]) || !bytes.Contains(raw, device[:]) {
		t.Error("the record holds the key, or does not name it")
	}
	kept := p.devices
	for name, devices := range map[string]*handles{"another platform": nil, "its keys were cleared": newHandles()} {
		p.devices = devices
		b := w.client(p)
		if err := b.Initialize(ctx); !errs.Is(err, errs.KeyUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p.devices = kept
	ok(t, w.client(p).Initialize(ctx))
}

// TestDeviceKey_tabs: two engines of a profile sign by the same key.
func TestDeviceKey_tabs(t *testing.T) {
	w := newWorld(t)
	p := newProfile()
	ctx := context.Background()
	a, sp := owner(t, w, p)
	b := w.open(p)
	if len(p.devices.keys) != 1 || storageOf(t, b) != client.KeyWebCrypto || b.Identity.Get().Device != a.Identity.Get().Device {
		t.Fatalf("%d keys", len(p.devices.keys))
	}
	other := b.Space(sp.Key())
	o := put(t, other, "title", "x")
	ok(t, other.Flush(ctx, client.FlushStore))
	eventually(t, "the first sees it", func() bool { return has(sp, o) })
}

// TestDeviceKey_furtherDevice has a key of its own, which it keeps when it comes again.
func TestDeviceKey_furtherDevice(t *testing.T) {
	w := newWorld(t)
	a := w.person("Ada")
	p := newProfile()
	b := w.deviceOn(p, a)
	if got := storageOf(t, b); got != client.KeyWebCrypto || len(p.devices.keys) != 1 {
		t.Errorf("the key is %s, %d were made", got, len(p.devices.keys))
	}
}

// TestDeviceKey_slow holds every signature back: edits are made and seen meanwhile,
// nobody waits who must not, and nothing leaves or is stored without its signature.
func TestDeviceKey_slow(t *testing.T) {
	w := newWorld(t)
	p := newProfile()
	ctx := context.Background()
	a, sp := owner(t, w, p)
	b := w.person("Bob")
	other := join(t, sp, b)
	bothWays(t, sp, other)
	release := p.devices.hold()
	var made []id.ObjectID
	flushed := make(chan error, 20)
	for range 20 {
		made = append(made, put(t, sp, "title", "x")) // takes the lock of the space, and returns
		sp.FlushThen(func(err error) { flushed <- err })
	}
	role := make(chan error, 1)
	go func() { role <- sp.SetRole(ctx, me(b), credential.Admin) }()
	posted := make(chan error, 2)
	heard := make(chan string, 2)
	defer other.Listen("x", func(m client.ChannelMessage) { heard <- string(m.Data) })()
	eventually(t, "edits wait", func() bool { return sp.Sync.Get().Unsent > 0 })
	go func() { posted <- sp.PostMessage(ctx, "x", []byte("one")) }()
	if n := len(flushed); n > 0 {
		t.Errorf("%d flushes are over without a signature", n)
	}
	release()
	for range made {
		ok(t, <-flushed)
	}
	ok(t, <-role)
	ok(t, <-posted)
	eventually(t, "the other sees all", func() bool {
		return !slices.ContainsFunc(made, func(o id.ObjectID) bool { return !has(other, o) })
	})
	eventually(t, "the other has the role", func() bool { return roleIn(other, me(b)) == credential.Admin })
	if got := <-heard; got != "one" {
		t.Errorf("heard %q", got)
	}
	ok(t, a.Destroy(ctx))
	again := w.open(p).Space(sp.Key())
	for _, o := range made {
		if !has(again, o) {
			t.Fatal("an edit is not there after a restart")
		}
	}
}

// TestDeviceKey_fails: who waits is told, what was written stays, what others write
// comes, and all goes on when the key signs again.
func TestDeviceKey_fails(t *testing.T) {
	w := newWorld(t)
	p := newProfile()
	ctx := context.Background()
	a, sp := owner(t, w, p)
	b := w.person("Bob")
	other := join(t, sp, b)
	broken := errors.New("the browser does not sign today")
	p.devices.failWith(broken)
	first := put(t, sp, "title", "first")
	err := sp.Flush(ctx, client.FlushStore)
	if !errs.Is(err, errs.KeyUnavailable) || !errors.Is(err, broken) {
		t.Fatalf("flush: %v", err)
	}
	second := put(t, sp, "title", "second")
	theirs := put(t, other, "title", "theirs")
	eventually(t, "what the other writes is there", func() bool { return has(sp, theirs) })
	eventually(t, "the state says why", func() bool { return errs.Is(sp.Sync.Get().Err, errs.KeyUnavailable) })
	if _, err := a.CreateSpace(ctx); !errs.Is(err, errs.KeyUnavailable) {
		t.Errorf("createSpace: %v", err)
	}
	if err := sp.PostMessage(ctx, "x", nil); !errors.Is(err, broken) {
		t.Errorf("postMessage: %v", err)
	}
	p.devices.failWith(nil)
	eventually(t, "the other sees both", func() bool { return has(other, first) && has(other, second) })
	ok(t, sp.Flush(ctx, client.FlushStore))
	eventually(t, "the state is well again", func() bool { return sp.Sync.Get().Err == nil })
	ok(t, a.Destroy(ctx))
	again := w.open(p).Space(sp.Key())
	if !has(again, first) || !has(again, second) || !has(again, theirs) {
		t.Error("an edit is not there after a restart")
	}
}

func has(sp *client.Space, o id.ObjectID) bool { return record(sp, o) != nil }

func roleIn(sp *client.Space, who id.IdentityKey) credential.Role {
	for _, m := range sp.Members.Get() {
		if m.Identity == who {
			return m.Role
		}
	}
	return 0
}
