package client_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/signal/memsignal"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/transport/memnet"
	"github.com/echospace/echospace/core/wire"
)

// generous bounds every wait of a test: it is reached only by a failure.
const generous = 3 * time.Minute

// world is what the clients of a test share: a relay and a network.
type world struct {
	t      *testing.T
	hub    *memsignal.Hub
	net    *memnet.Network
	direct bool // false: everything is relayed
	wrap   func(transport.Direct) transport.Direct
	yield  func(context.Context) // likewise; nil: none
	log    env.Logger            // of the clients made from now on; nil: the usual
	people int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{t: t, hub: memsignal.NewHub(memsignal.Options{}), net: memnet.New(memnet.Options{}), direct: true}
}

// profile is a place to keep a client's data, across restarts.
type profile struct {
	store storage.Store
	keys  keys.KeyStore
	// devices are the platform's keys that nobody reads; nil if it has none.
	devices *handles
	mu      sync.Mutex
	slots   map[uint32]bool
	tabs    tabHub
	locks   *locks // nil: one engine
	// snapshots says when they are written; the zero value is the default.
	snapshots client.Snapshots
}

func newProfile() *profile {
	e := testEnv()
	return &profile{store: memstore.New(), keys: keys.NewMemoryKeyStore(e), devices: newHandles(), slots: map[uint32]bool{}}
}

func testEnv() env.Env {
	level := slog.LevelError + 4
	if os.Getenv("ECHOSPACE_LOG") != "" {
		level = slog.LevelDebug
	}
	return env.Env{
		Clock: env.ClockFunc(time.Now), Rand: rand.Reader,
		Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}
}

// keepOpen is a Store that outlives the client that closes it.
type keepOpen struct{ storage.Store }

func (keepOpen) Close() error { return nil }

// client makes a client on a profile; the test's end destroys it.
func (w *world) client(p *profile) *client.Client {
	w.t.Helper()
	e := testEnv()
	if w.log != nil {
		e.Log = w.log
	}
	w.people++
	var direct transport.Direct
	if w.direct {
		direct = w.net.Direct(fmt.Sprint("node", w.people))
		if w.wrap != nil {
			direct = w.wrap(direct)
		}
	}
	ports := client.Ports{
		Env: e,
		OpenStore: func(context.Context, func(error)) (client.Storage, error) {
			return p.storage(), nil
		},
		Relays: func(func()) []client.Relay {
			return []client.Relay{{
				Signaler: w.hub.Signaler(),
				Status:   func() client.RelayStatus { return client.RelayStatus{URL: "mem:", State: client.RelayUp} },
				Poke:     func() {},
			}}
		},
		Direct: direct,
		Slot:   p.slot,
		Tabs:   p.tabs.join(),
		Device: client.DeviceProfile{Kind: "NATIVE"},

		Snapshots: p.snapshots,
		Yield:     w.yield,
	}
	if p.locks != nil {
		ports.Lock = p.locks.lock
	}
	c := client.New(ports)
	w.t.Cleanup(func() {
		if err := c.Destroy(context.Background()); err != nil {
			w.t.Errorf("destroy: %v", err)
		}
	})
	return c
}

// open makes an open client.
func (w *world) open(p *profile) *client.Client {
	w.t.Helper()
	c := w.client(p)
	ok(w.t, c.Initialize(context.Background()))
	return c
}

// edit edits a text.
func edit(t *testing.T, sp *client.Space, x objectdb.Text, pos, deleted int, inserted []byte, now int64) {
	t.Helper()
	_, err := sp.EditText(x, pos, deleted, inserted, now)
	ok(t, err)
}

// person makes an open client on a new profile with an identity.
func (w *world) person(name string) *client.Client {
	w.t.Helper()
	c := w.open(newProfile())
	_, err := c.CreateIdentity(context.Background(), name)
	ok(w.t, err)
	return c
}

// owner makes a client on p with an identity and a space.
func owner(t *testing.T, w *world, p *profile) (*client.Client, *client.Space) {
	t.Helper()
	c := w.open(p)
	_, err := c.CreateIdentity(context.Background(), "Ada")
	ok(t, err)
	sp, err := c.CreateSpace(context.Background())
	ok(t, err)
	return c, sp
}

// storage is what the profile stores in, which outlives its clients.
func (p *profile) storage() client.Storage {
	bulk := keys.PlainBulk{}
	s := client.Storage{Store: keepOpen{p.store}, Keys: p.keys, Bulk: bulk, OpenRange: client.OpenRange(p.store, bulk), Destroy: p.destroy}
	if p.devices != nil {
		s.Devices = p.devices
	}
	return s
}

func (p *profile) destroy(ctx context.Context) error {
	var b storage.Batch
	b.DeleteRange(storage.Range{})
	return errors.Join(p.store.Apply(ctx, &b, storage.Strict), p.keys.Reset(ctx))
}

func (p *profile) slot(context.Context) (uint32, func(), error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := uint32(0)
	for p.slots[n] {
		n++
	}
	p.slots[n] = true
	return n, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.slots, n)
	}, nil
}

// tabHub carries messages between the engines of one profile.
type tabHub struct {
	mu    sync.Mutex
	peers map[*tab]struct{}
}

type tab struct {
	hub *tabHub
	mu  sync.Mutex
	fns map[int]func([]byte)
	n   int
}

func (h *tabHub) join() *tab {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.peers == nil {
		h.peers = map[*tab]struct{}{}
	}
	t := &tab{hub: h, fns: map[int]func([]byte){}}
	h.peers[t] = struct{}{}
	return t
}

func (t *tab) Post(msg []byte) {
	t.hub.mu.Lock()
	var fns []func([]byte)
	for other := range t.hub.peers {
		if other == t {
			continue
		}
		other.mu.Lock()
		for _, fn := range other.fns {
			fns = append(fns, fn)
		}
		other.mu.Unlock()
	}
	t.hub.mu.Unlock()
	for _, fn := range fns {
		fn(msg)
	}
}

func (t *tab) Listen(fn func([]byte)) (release func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	n := t.n
	t.fns[n] = fn
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.fns, n)
	}
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("unexpected error: %v", err)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(generous); time.Now().Before(end); {
		if cond() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("never happened: %s", what)
}

// object is a fresh object id.
func object() (v id.ObjectID) {
	_, _ = rand.Read(v[:]) // never fails
	return v
}

// put creates an object with one text property.
func put(t *testing.T, sp *client.Space, key, value string) id.ObjectID {
	t.Helper()
	v, b := creation(key, value)
	ok(t, sp.Edit(b))
	return v
}

// creation gives the operations that put a fresh object.
func creation(key, value string) (v id.ObjectID, ops []byte) {
	v = object()
	b := wire.AppendArray(nil, 3)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, v[:])
	b = wire.AppendArray(b, 3)
	b = wire.AppendUint(b, 4)
	b = wire.AppendString(b, key)
	return v, wire.AppendString(b, value)
}

// change sets a text property.
func change(t *testing.T, sp *client.Space, v id.ObjectID, key, value string) {
	t.Helper()
	b := wire.AppendArray(nil, 4)
	b = wire.AppendUint(b, 2)
	b = wire.AppendBytes(b, v[:])
	b = wire.AppendArray(b, 1)
	b = wire.AppendString(b, key)
	b = wire.AppendString(b, value)
	ok(t, sp.Edit(b))
}

// record reads an object, nil if it is not there.
func record(sp *client.Space, v id.ObjectID) (rec []byte) {
	_ = sp.Objects("test", func(db *objectdb.DB) error {
		if r, ok := db.Read(v); ok {
			rec = append([]byte(nil), r...)
		}
		return nil
	})
	return rec
}

func count(sp *client.Space) (n int) {
	_ = sp.Objects("test", func(db *objectdb.DB) error {
		n = db.ObjectCount()
		return nil
	})
	return n
}

// objects gives the ids of all objects.
func objects(sp *client.Space) (list []id.ObjectID) {
	_ = sp.Objects("test", func(db *objectdb.DB) error {
		list = db.ObjectIDs()
		return nil
	})
	slices.SortFunc(list, id.Compare)
	return list
}

// holds reports whether the record has that text in it.
func holds(rec []byte, text string) bool { return bytes.Contains(rec, []byte(text)) }

func writeFormat(t *testing.T, st storage.Store, version uint64) {
	t.Helper()
	var b storage.Batch
	b.Put([]byte("v"), wire.AppendUint(nil, version))
	ok(t, st.Apply(context.Background(), &b, storage.Strict))
}

// blocks counts the stored blocks, headers the stored feeds.
func blocks(t *testing.T, st storage.Store) int  { return stored(t, st, "b/") }
func headers(t *testing.T, st storage.Store) int { return stored(t, st, "h/") }

func stored(t *testing.T, st storage.Store, prefix string) int {
	t.Helper()
	list, err := st.Scan(context.Background(), storage.Prefix([]byte(prefix)), 0)
	ok(t, err)
	return len(list)
}

// next waits for a value of a channel.
func next[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(generous):
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

// contents are the records of all objects of the space, deleted ones too, in
// the order of creation.
func contents(t *testing.T, sp *client.Space) (records []byte) {
	t.Helper()
	query := wire.AppendUint(wire.AppendNil(wire.AppendArray(nil, 2)), 1)
	ok(t, sp.Objects("test", func(db *objectdb.DB) error {
		n, ids, err := db.OpenQuery(query)
		if err != nil {
			return err
		}
		defer db.CloseQuery(n)
		records = bytes.Clone(db.ReadMany(ids))
		return nil
	}))
	return records
}
