package sim_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/signal/memsignal"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/transport/memnet"
	"github.com/echospace/echospace/core/wire"
)

var ctx = context.Background()

// patience bounds, in simulated time, what must happen by itself.
const patience = 20 * time.Minute

// fleet is some peers in one space.
type fleet struct {
	t     *testing.T
	rng   *rand.Rand
	env   env.Env
	hub   *memsignal.Hub
	net   *memnet.Network
	peers []*peer
	space id.SpaceKey

	mu sync.Mutex
	// owed are the blocks that must survive: every block that was ever stored,
	// but those that a fault took off the last disk that held them.
	owed map[string]bool
	// before is which block each follows, by their keys: a repack tells of none but
	// the last that it has.
	before sync.Map

	final map[id.ObjectID]bool // what all have at the end
}

// peer is one profile and the client that runs on it.
type peer struct {
	f       *fleet
	name    string
	disk    *memstore.FaultStore
	keys    keys.KeyStore
	c       *client.Client
	sp      *client.Space
	offline bool // its relay is out of reach
	relays  []*memsignal.Signaler
	objects []id.ObjectID // that it made
}

// newFleet founds a space with n members, all online.
func newFleet(t *testing.T, seed uint64, n int) *fleet {
	f := &fleet{
		t: t, rng: rand.New(rand.NewPCG(seed, 0x666c656574)), owed: map[string]bool{},
		hub: memsignal.NewHub(memsignal.Options{Seed: seed}),
		net: memnet.New(memnet.Options{Seed: seed, MinDelay: time.Millisecond, MaxDelay: 20 * time.Millisecond}),
	}
	f.hub.SetFaults(memsignal.Faults{MinDelay: time.Millisecond, MaxDelay: 30 * time.Millisecond})
	var log env.Logger = env.NoLog{}
	if os.Getenv("ECHOSPACE_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	var key [32]byte
	key[0], key[1], key[2] = byte(seed), byte(seed>>8), byte(seed>>16)
	f.env = env.Env{Clock: env.ClockFunc(time.Now), Rand: &lockedReader{r: rand.NewChaCha8(key)}, Log: log}
	t.Cleanup(f.close)
	for i := range n {
		p := &peer{f: f, name: fmt.Sprint("peer", i), disk: memstore.NewFaultStore(memstore.NewDisk()), keys: keys.NewMemoryKeyStore(f.env)}
		f.peers = append(f.peers, p)
		p.open()
		_, err := p.c.CreateIdentity(ctx, p.name)
		f.ok(err)
		if i == 0 {
			p.sp, err = p.c.CreateSpace(ctx)
			f.ok(err)
			f.space = p.sp.Key()
			continue
		}
		f.join(f.peers[0], p)
	}
	return f
}

type lockedReader struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedReader) Read(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(b)
}

func (f *fleet) join(host, guest *peer) {
	inv, err := host.sp.CreateInvitation(client.InvitationOptions{})
	f.ok(err)
	v := inv.Value.Get()
	g, err := guest.c.AcceptInvitation(v.Code, client.AcceptOptions{})
	f.ok(err)
	f.ok(g.Authenticate(ctx, v.AuthCode))
	guest.sp = guest.c.Space(f.space)
}

func (f *fleet) ok(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("unexpected error: %v", err)
	}
}

// eventually waits, in simulated time.
func (f *fleet) eventually(what string, cond func() bool) {
	f.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if cond() {
			return
		}
		time.Sleep(200 * time.Millisecond)
	}
	f.t.Fatalf("never happened: %s", what)
}

// recorder is a peer's store, which notes the blocks that it stored.
type recorder struct {
	*memstore.FaultStore
	f *fleet
}

func (r recorder) Close() error { return nil } // the disk outlives the client

func (r recorder) Apply(ctx context.Context, b *storage.Batch, d storage.Durability) error {
	r.f.mu.Lock()
	defer r.f.mu.Unlock()
	if err := r.FaultStore.Apply(ctx, b, d); err != nil {
		return err
	}
	for _, c := range b.Changes {
		if _, isBlock := feed.ParseBlockKey(c.Key); isBlock && !c.Delete && !c.DeleteRange {
			r.f.owed[string(c.Key)] = true
			if b, err := feed.DecodeBlock(c.Value); err == nil {
				r.f.before.Store(string(c.Key), string(feed.BlockKey(feed.Ref{Feed: b.Feed, Seq: b.Seq - 1, Hash: b.Prev})))
			}
		}
	}
	return nil
}

// open starts a client on the peer's disk.
func (p *peer) open() {
	p.c = client.New(client.Ports{
		Env: p.f.env,
		OpenStore: func(context.Context, func(error)) (client.Storage, error) {
			store, bulk := recorder{p.disk, p.f}, keys.PlainBulk{}
			return client.Storage{Store: store, Keys: p.keys, Bulk: bulk, OpenRange: client.OpenRange(store, bulk)}, nil
		},
		Relays: func(func()) []client.Relay {
			s := p.f.hub.Signaler()
			s.SetDown(p.offline)
			p.relays = append(p.relays, s)
			return []client.Relay{{Signaler: s, Status: func() client.RelayStatus { return client.RelayStatus{State: client.RelayUp} }, Poke: func() {}}}
		},
		Direct: p.f.net.Direct(p.name),
		Slot:   func(context.Context) (uint32, func(), error) { return 0, func() {}, nil },
		// So often that restarts and copies of disks come to lie anywhere around one.
		Snapshots: client.Snapshots{Idle: 300 * time.Millisecond, Bytes: 1, Blocks: 1, Repack: 3},
	})
	p.f.ok(p.c.Initialize(ctx))
	if p.sp != nil {
		if p.sp = p.c.Space(p.f.space); p.sp == nil {
			p.f.t.Fatalf("%s lost the space", p.name)
		}
	}
}

func (p *peer) close() { p.f.ok(p.c.Destroy(ctx)) }

// reach puts the peer in or out of reach of everybody.
func (p *peer) reach(online bool) {
	p.offline = !online
	for _, r := range p.relays {
		r.SetDown(p.offline)
	}
	if p.offline {
		p.f.ok(p.c.GoOffline(ctx)) // ends direct connections too
		return
	}
	p.f.ok(p.c.GoOnline(ctx))
}

// cut is a power cut that takes the last k relaxed writes.
func (p *peer) cut(k int) {
	p.fault(func() { p.disk, _ = p.disk.Reopen(k) })
}

// copyDisk gives what is on the disk.
func (p *peer) copyDisk() []storage.Entry {
	list, err := p.disk.Scan(ctx, storage.Range{}, 0)
	p.f.ok(err)
	return list
}

// restore puts an older copy in the place of the disk.
func (p *peer) restore(old []storage.Entry) {
	p.fault(func() {
		p.disk, _ = p.disk.Reopen(0)
		var b storage.Batch
		b.DeleteRange(storage.Range{})
		for _, e := range old {
			b.Put(e.Key, e.Value)
		}
		p.f.ok(p.disk.Apply(ctx, &b, storage.Strict))
	})
}

// fault kills the client, changes its disk and starts it again. What was on
// that disk alone is not owed any more.
func (p *peer) fault(change func()) {
	f := p.f
	f.mu.Lock()
	before := p.blocks()
	change()
	after := p.blocks()
	for key := range before {
		if after[key] {
			continue
		}
		elsewhere := slices.ContainsFunc(f.peers, func(o *peer) bool { return o != p && o.blocks()[key] })
		if !elsewhere {
			delete(f.owed, key)
		}
	}
	f.mu.Unlock()
	p.close() // what it still says is of before the fault
	p.open()
}

// blocks are the keys of the blocks on the disk, and of those in repacks.
func (p *peer) blocks() map[string]bool {
	set := map[string]bool{}
	for _, e := range p.scan(storage.Prefix(feed.HeaderPrefix(p.f.space))) {
		if fid, ok := feed.ParseHeaderKey(e.Key); ok {
			maps.Copy(set, p.f.unfold(p.scan(feed.BlockRange(fid, 1, 0)), p.scan(feed.RepackRange(fid, 1))))
		}
	}
	return set
}

func (p *peer) scan(r storage.Range) []storage.Entry {
	list, err := p.disk.Scan(ctx, r, 0)
	p.f.ok(err)
	return list
}

func (f *fleet) unfold(plain, repacks []storage.Entry) map[string]bool {
	set := map[string]bool{}
	for _, e := range plain {
		set[string(e.Key)] = true
	}
	for _, e := range repacks {
		last, from, _ := feed.ParseRepackKey(e.Key)
		key := string(feed.BlockKey(last))
		for seq := last.Seq; seq >= from; seq-- {
			set[key] = true
			if prev, known := f.before.Load(key); known {
				key = prev.(string)
			} else if seq > from {
				f.t.Fatalf("a repack of block %d, which nobody wrote", seq-1)
			}
		}
	}
	return set
}

// ofSpace tells whether a block, or a repack, is of the space that all are in, by who has the header
// of its feed.
func (f *fleet) ofSpace(key string) bool {
	ref, plain := feed.ParseBlockKey([]byte(key))
	if !plain {
		ref, _, _ = feed.ParseRepackKey([]byte(key))
	}
	return slices.ContainsFunc(f.peers, func(p *peer) bool {
		return len(p.scan(storage.Prefix(feed.HeaderKey(f.space, ref.Feed)))) > 0
	})
}

// feeds are the peer's own feeds of a kind, as on its disk.
func (p *peer) feeds(k feed.Kind) (own []id.FeedID) {
	list, err := p.disk.Scan(ctx, storage.Prefix(feed.HeaderPrefix(p.f.space)), 0)
	p.f.ok(err)
	self := p.c.Identity.Get().Device
	for _, e := range list {
		if h, err := feed.DecodeHeader(e.Value); err == nil && h.Kind == k && h.Device == self {
			own = append(own, h.ID())
		}
	}
	return own
}

// ownBlocks are the keys of the blocks of the peer's own edits on its disk.
func (p *peer) ownBlocks() map[string]bool {
	set := map[string]bool{}
	for _, f := range p.feeds(feed.Data) {
		maps.Copy(set, p.f.unfold(p.scan(feed.BlockRange(f, 1, 0)), p.scan(feed.RepackRange(f, 1))))
	}
	return set
}

// objectState gives every object of a peer, deleted ones too, in the order of
// a query, with the properties' conflicts.
func (p *peer) objectState() (state []byte) {
	p.f.ok(p.sp.Objects("sim", func(db *objectdb.DB) error {
		q := wire.AppendUint(wire.AppendNil(wire.AppendArray(nil, 2)), 1)
		n, ids, err := db.OpenQuery(q)
		if err != nil {
			return err
		}
		db.CloseQuery(n)
		state = append(state, plainState(db, ids)...)
		for len(ids) > 0 {
			for _, c := range db.Conflicts(id.ObjectID(ids[:16]), objectdb.Key("v")) {
				state = append(state, c...)
			}
			ids = ids[16:]
		}
		return nil
	}))
	return state
}

// has reports whether the peer knows an object, be it deleted.
func (p *peer) has(v id.ObjectID) (found bool) {
	p.f.ok(p.sp.Objects("sim", func(db *objectdb.DB) error {
		_, found = db.Read(v)
		return nil
	}))
	return found
}

// create makes an object with a value, an empty list, map and text.
func (p *peer) create(value string) id.ObjectID {
	v := id.ObjectID(p.f.env.Bytes(16))
	b := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 1), v[:])
	b = wire.AppendUint(wire.AppendArray(b, 9), 4)
	b = wire.AppendUint(wire.AppendArray(wire.AppendString(b, "l"), 1), 6)
	b = wire.AppendUint(wire.AppendArray(wire.AppendString(b, "m"), 1), 4)
	b = wire.AppendString(wire.AppendUint(wire.AppendArray(wire.AppendString(b, "t"), 2), 7), "")
	b = wire.AppendString(wire.AppendString(b, "v"), value)
	p.f.ok(p.sp.Edit(b))
	p.objects = append(p.objects, v)
	return v
}

// set changes a property; a path of two goes into the nested map.
func (p *peer) set(v id.ObjectID, value string, path ...string) {
	b := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 4), 2), v[:])
	b = wire.AppendArray(b, len(path))
	for _, key := range path {
		b = wire.AppendString(b, key)
	}
	p.f.ok(p.sp.Edit(wire.AppendString(b, value)))
}

// remove deletes an object, or restores it.
func (p *peer) remove(v id.ObjectID, restore bool) {
	kind := uint64(4)
	if restore {
		kind = 5
	}
	p.f.ok(p.sp.Edit(wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 2), kind), v[:])))
}

// flush waits for storage or for a peer.
func (p *peer) flush(to client.FlushTarget) {
	p.f.t.Helper()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := p.sp.Flush(limited, to); err != nil {
		p.f.t.Fatalf("%s: flush to %s: %v", p.name, to, err)
	}
}

// settled reports whether all peers hold the same blocks and show the same
// objects.
func (f *fleet) settled() bool {
	first := f.peers[0]
	blocks, state := first.blocks(), first.objectState()
	for _, p := range f.peers[1:] {
		if !maps.Equal(p.blocks(), blocks) || !bytes.Equal(p.objectState(), state) {
			return false
		}
	}
	return true
}

// finish brings all together, checks what must hold, and ends the clients.
func (f *fleet) finish() {
	f.t.Helper()
	for _, p := range f.peers {
		p.disk.SetFull(false)
		p.reach(true)
	}
	for _, p := range f.peers {
		p.flush(client.FlushStore)
	}
	f.eventually("all peers are equal", func() bool { return f.settled() && f.quiet() })
	f.mu.Lock()
	for _, p := range f.peers {
		held := p.blocks()
		for key := range f.owed {
			if !f.ofSpace(key) {
				continue // of somebody's HALO, which nobody else is given
			}
			if !held[key] {
				ref, _ := feed.ParseBlockKey([]byte(key))
				f.t.Errorf("%s lacks block %d of feed %s, which some disk held", p.name, ref.Seq, id.Short(ref.Feed))
			}
		}
	}
	f.mu.Unlock()
	f.final = map[id.ObjectID]bool{}
	for _, p := range f.peers {
		for _, v := range p.objects {
			f.final[v] = f.peers[0].has(v)
		}
	}
	f.reopened()
}

// quiet reports whether nothing has changed for a while.
func (f *fleet) quiet() bool {
	before := f.peers[0].blocks()
	time.Sleep(5 * time.Second)
	return maps.Equal(before, f.peers[0].blocks()) && f.settled()
}

// reopened checks that every client shows the same from its disk alone.
func (f *fleet) reopened() {
	f.t.Helper()
	for _, p := range f.peers {
		state := p.objectState()
		p.close()
		p.offline = true
		p.open()
		if !bytes.Equal(p.objectState(), state) {
			f.t.Errorf("%s shows other objects after a restart", p.name)
		}
	}
}

func (f *fleet) close() {
	for _, p := range f.peers {
		if err := p.c.Destroy(ctx); err != nil {
			f.t.Errorf("%s: destroy: %v", p.name, err)
		}
	}
}
