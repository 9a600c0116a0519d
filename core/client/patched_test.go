package client_test

import (
	"context"
	"testing"
	"time"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
	"github.com/echospace/echospace/core/syncer"
	"github.com/echospace/echospace/core/wire"
)

// patched is a member, or one who was, that runs code of its own on the profile that it
// has: the engines are the real ones, what it says and keeps to itself is its choice.
type patched struct {
	*intruder
	t     *testing.T
	out   *outcast
	core  *space.Space
	store storage.Store
	sync  *syncer.Syncer

	// withholds tells what is never served.
	withholds func(f *feed.SignedHeader) bool
	// edits gives what is sent in place of a message; nil: as it is.
	edits func(msg []byte) [][]byte
}

// identityOf reads who a profile acts for.
func identityOf(t *testing.T, p *profile) space.Self {
	t.Helper()
	ctx := context.Background()
	ring, err := keys.OpenKeyring(ctx, testEnv(), p.keys, p.store)
	ok(t, err)
	raw, err := ring.Get(ctx, "identity")
	ok(t, err)
	r := wire.NewReader(raw)
	var self space.Self
	var device, sealing [32]byte
	r.ArrayLen(16)
	r.Uint(2)
	r.Fixed(self.Identity[:])
	r.Fixed(device[:])
	r.Fixed(sealing[:])
	for n := r.ArrayLen(64); n > 0 && r.Err() == nil; n-- {
		self.Chain = append(self.Chain, append([]byte(nil), r.Bytes(1<<16)...))
	}
	ok(t, r.Err())
	signer, err := p.devices.Load(ctx, device) // a copied profile has it
	ok(t, err)
	self.Signer, self.Sealing, self.Device = signer, keys.NewSealingKey(sealing), id.DeviceKey(signer.Public())
	return self
}

// copyOf copies a store.
func copyOf(t *testing.T, st storage.Store) storage.Store {
	t.Helper()
	list, err := st.Scan(context.Background(), storage.Range{}, 0)
	ok(t, err)
	var b storage.Batch
	for _, e := range list {
		b.Put(e.Key, e.Value)
	}
	out := memstore.New()
	ok(t, out.Apply(context.Background(), &b, storage.Relaxed))
	return out
}

// loaded opens a space with the rights of self and the keys of rec, from a store.
func loaded(t *testing.T, self space.Self, rec space.Record, st storage.Store) *space.Space {
	t.Helper()
	ctx := context.Background()
	core := space.Open(testEnv(), self, rec)
	headers, err := st.Scan(ctx, storage.Prefix(feed.HeaderPrefix(rec.Key)), 0)
	ok(t, err)
	for _, h := range headers {
		fid, _ := feed.ParseHeaderKey(h.Key)
		records, err := st.Scan(ctx, feed.BlockRange(fid, 1, 0), 0)
		ok(t, err)
		repacks, err := st.Scan(ctx, feed.RepackRange(fid, 1), 0)
		ok(t, err)
		core.Load(h, append(records, repacks...), func() {})
	}
	core.Ready()
	ok(t, core.EnsureWriter())
	return core
}

// patch makes such a peer of a profile whose client is closed.
func patch(t *testing.T, p *profile, key id.SpaceKey) *patched {
	t.Helper()
	out := castOut(t, p, key)
	m := &patched{t: t, out: out, store: copyOf(t, p.store), sync: syncer.New(syncer.Options{})}
	m.core = loaded(t, identityOf(t, p), out.rec, m.store)
	for _, f := range m.core.Feeds() {
		m.sync.AddFeed(f.Header, m.core.Log(f.Header.ID()))
	}
	return m
}

// meets has it go where the members are.
func (m *patched) meets(w *world, gate space.Gate) {
	m.intruder = w.intrudeWith(gate, m.out, m.handle)
}

// handle takes events, and says what the sync engine would, or something else.
func (m *patched) handle(i *intruder, events []mesh.Event) {
	for _, ev := range events {
		switch {
		case ev.Type == mesh.Connected:
			m.sync.AddPeer(syncer.Peer(ev.Session), syncer.PeerOptions{})
		case ev.Type == mesh.Disconnected:
			m.sync.RemovePeer(syncer.Peer(ev.Session))
		case ev.Type == mesh.Message && len(ev.Msg) > 0 && ev.Msg[0] == 0:
			_ = m.sync.Step(syncer.Peer(ev.Session), ev.Msg[1:]) // it leaves nobody
		}
	}
	m.sync.Tick(time.Now().UnixMilli())
	for range 16 {
		for _, ev := range i.seen {
			if ev.Type == mesh.Connected {
				m.sync.Credit(syncer.Peer(ev.Session), 1<<20)
			}
		}
		out := m.sync.Ready()
		for _, msg := range out.Messages {
			list := [][]byte{msg.Data}
			if m.edits != nil {
				list = m.edits(msg.Data)
			}
			for _, data := range list {
				_ = i.swarm.Send(mesh.SessionID(msg.Peer), append([]byte{0}, data...), msg.Bulk)
			}
		}
		for _, rd := range out.Reads {
			m.read(rd)
		}
		for _, run := range out.Runs {
			m.take(run)
		}
		if len(out.Messages)+len(out.Reads)+len(out.Runs) == 0 {
			return
		}
	}
}

func (m *patched) read(rd syncer.Read) {
	log := m.core.Log(rd.Feed)
	path, _ := log.Path(rd.From, rd.To)
	var blocks [][]byte
	for _, f := range m.core.Feeds() {
		if f.Header.ID() == rd.Feed && m.withholds != nil && m.withholds(f.Header) {
			path = nil
		}
	}
	for _, ref := range path {
		raw, err := m.store.Get(context.Background(), feed.BlockKey(ref))
		if err != nil {
			break
		}
		blocks = append(blocks, raw)
	}
	m.sync.ReadDone(rd, m.core.Vouch(rd.Feed, blocks), nil)
}

func (m *patched) take(run syncer.Run) {
	in, err := m.core.Receive(run.Header, run.Blocks, nil)
	if err == nil && in == nil {
		m.sync.Duplicate(run)
		return
	}
	if err == nil {
		m.keep(in)
		if err = m.core.Commit(in); err == nil {
			m.core.Settle(nil)
			m.sync.Stored(run.Header, m.core.Log(run.Feed), in.Refs(), nil)
			return
		}
	}
	m.sync.Rejected(run.Peer, run.Feed)
}

func (m *patched) keep(in *space.Intake) {
	var b storage.Batch
	in.AddTo(&b)
	ok(m.t, m.store.Apply(context.Background(), &b, storage.Relaxed))
}

// own stores and announces a block that it made.
func (m *patched) own(in *space.Intake) {
	m.t.Helper()
	ok(m.t, m.core.Finish(context.Background(), in, func(do func()) { do() }))
	m.keep(in)
	ok(m.t, m.core.Stored(in))
	m.sync.Stored(in.Header, m.core.Log(in.Header.ID()), in.Refs(), nil)
}

// writes makes an object with a text, whatever its role is.
func (m *patched) writes(text string) id.ObjectID {
	m.t.Helper()
	v := object()
	b := wire.AppendBytes(wire.AppendUint(wire.AppendArray(nil, 3), 1), v[:])
	b = wire.AppendUint(wire.AppendArray(b, 3), 4)
	ok(m.t, m.core.DB().Local(wire.AppendString(wire.AppendString(b, "title"), text), 1))
	in, err := m.core.Build()
	ok(m.t, err)
	m.own(in)
	return v
}

// steal takes in all that another one has stored, as it is.
func (m *patched) steal(from *patched) {
	m.t.Helper()
	for _, f := range from.core.Feeds() {
		for _, head := range f.Heads {
			path, _ := from.core.Log(f.Header.ID()).Path(feed.Ref{Feed: f.Header.ID()}, head)
			var blocks [][]byte
			for _, ref := range path {
				raw, err := from.store.Get(context.Background(), feed.BlockKey(ref))
				ok(m.t, err)
				blocks = append(blocks, raw)
			}
			m.take(syncer.Run{Feed: f.Header.ID(), Header: f.Header, Blocks: blocks})
		}
	}
}
