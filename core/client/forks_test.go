package client_test

import (
	"context"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// TestAttack_R4_forksAgain has a device fork its feed, close it, and fork it again:
// everybody shows it as faulty, nobody's work is lost, and the OWNER puts it out.
func TestAttack_R4_forksAgain(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	pEve := newProfile()
	ada, bob, eve := w.person("Ada"), w.person("Bob"), w.named(pEve, "Eve")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob, spEve := join(t, sp, bob), join(t, sp, eve)
	x := put(t, spEve, "title", "of Eve")
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "it arrives", func() bool { return record(s, x) != nil })
	}
	ok(t, eve.Destroy(ctx))
	m := patch(t, pEve, sp.Key())
	who := m.core.Self()
	device := who.Device
	m.meets(w, m.out.rec.Secrets.Gate())
	var h *feed.SignedHeader
	for _, f := range m.core.Feeds() {
		if f.Header.Kind == feed.Data && f.Header.Device == device {
			h = f.Header
		}
	}
	branch := func() feed.Ref {
		m.mu.Lock()
		defer m.mu.Unlock()
		key := m.core.Secrets().Epochs[0]
		b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: h.ID(), Seq: 1, Epoch: key.ID(), Ops: 1}, key, testEnv().Bytes(8), who.Signer)
		ok(t, err)
		in, err := m.core.Receive(h, [][]byte{b.Encode()}, nil)
		ok(t, err)
		m.keep(in)
		ok(t, m.core.Commit(in))
		m.sync.Stored(h, m.core.Log(h.ID()), in.Refs(), nil)
		return b.Ref()
	}
	faulty := func(s *client.Space) (list []id.DeviceKey) {
		for _, member := range s.Members.Get() {
			list = append(list, member.Faulty...)
		}
		return list
	}
	branch()
	m.mu.Lock()
	m.issue(credential.CloseFeed{Feed: h.ID(), Heads: feed.SortRefs(m.core.Log(h.ID()).Heads())})
	m.issue(credential.Profile{Identity: who.Identity, Name: "Eve, once"})
	m.mu.Unlock()
	eventually(t, "the closing is known", func() bool { return nameOf(sp, who.Identity) == "Eve, once" })
	if list := append(faulty(sp), faulty(spBob)...); len(list) > 0 {
		t.Fatalf("faulty after one fork: %v", list)
	}
	for range 100 {
		branch()
	}
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "the device is shown as faulty", func() bool { return slices.Contains(faulty(s), device) })
		if len(faulty(s)) != 1 {
			t.Errorf("faulty: %v", faulty(s))
		}
	}
	y, z := put(t, sp, "title", "of Ada"), put(t, spBob, "title", "of Bob")
	eventually(t, "the others go on", func() bool { return record(spBob, y) != nil && record(sp, z) != nil })
	ok(t, sp.RevokeDevice(ctx, who.Identity, device))
	eventually(t, "it is put out", func() bool { return !hasDevice(spBob, device) })
	m.leave()
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "nothing is shown of it any more", func() bool { return len(faulty(s)) == 0 })
		for _, v := range []id.ObjectID{x, y, z} {
			if record(s, v) == nil {
				t.Error("an object is gone")
			}
		}
	}
}
