package space_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage/memstore"
)

// pullOnly takes in of the control feeds of another engine what ends below a place, and
// of data feeds all.
func (e *engine) pullOnly(from *engine, below map[id.FeedID]uint64) {
	e.t.Helper()
	for range 3 {
		for _, f := range from.Feeds() {
			for _, head := range f.Heads {
				if most, cut := below[head.Feed]; cut {
					head, _ = from.Log(head.Feed).At(head, min(most, head.Seq))
				}
				if head.Seq > 0 {
					e.pullLine(from, f.Header, head)
				}
			}
		}
	}
}

// TestAttack_R4_truncatedControlFeed has somebody serve the control feeds without their
// ends, which hold a removal, to a newcomer and to a member who returns, with the data of
// the removed. What they know, they know; the rest they learn from the first who has it,
// and then it is as if they had known it all along.
func TestAttack_R4_truncatedControlFeed(t *testing.T) {
	for name, newcomer := range map[string]bool{"to a newcomer": true, "to one who returns": false} {
		t.Run(name, func(t *testing.T) {
			owner := found(t)
			eve, bob := owner.join(), owner.join()
			before := eve.write()
			owner.pull(eve)
			bob.pull(owner)
			victim := bob
			var a space.Admission
			if newcomer {
				victim = &engine{t: t, self: newSelf(t), st: memstore.New()}
				in, err := owner.Admit(space.Introduction{Identity: victim.self.Identity, Device: victim.self.Device, Chain: victim.self.Chain}, credential.Editor, id.InvitationID{})
				ok(t, err)
				owner.store(in)
				a = owner.admission(victim.self.Device)
			}
			below := map[id.FeedID]uint64{}
			for _, f := range owner.Feeds() {
				if f.Header.Kind == feed.Control {
					below[f.Header.ID()] = f.Heads[0].Seq
				}
			}
			owner.remove(eve)
			secret := owner.write()
			late := eve.writeAnyway()
			if newcomer { // whom a host that helps Eve tells no more than that
				admission, err := space.DecodeAdmission(a.Encode(), victim.self.Device)
				ok(t, err)
				victim.rec = admission.Record
				victim.reopen(victim.st)
				for _, in := range victim.TakeControls(admission.Controls) {
					victim.save(in)
				}
			}
			victim.pullOnly(owner, below)
			victim.pullOnly(eve, below)
			victim.lacks(secret) // it is under a key that comes with the removal
			if _, there := victim.DB().Read(before); !there {
				t.Error("what was written before is not there")
			}
			if _, there := victim.DB().Read(late); !there {
				t.Error("who does not know of the removal leaves its work out")
			}
			own := victim.edit() // which follows what the removed wrote
			in, err := victim.Build()
			ok(t, err)
			victim.store(in)
			victim.pull(owner) // the first who tells all
			victim.shows(before, own, secret, late)
			if victim.Unsound() {
				t.Error("what the own work follows is taken back")
			}
			owner.pull(victim)
			owner.shows(before, own, secret, late) // as somebody built on it who did not know
			after := eve.writeAnyway()
			for _, e := range []*engine{victim, owner} {
				e.pull(eve)
				e.lacks(after)
			}
			if _, member := victim.Membership().Identity(eve.self.Identity); member {
				t.Error("the removal is not known")
			}
			rotated(t, []*engine{owner, victim}, []*engine{eve})
		})
	}
}

// TestAttack_R4_nonceAfterFork: a device whose storage went back builds other blocks at
// the same places. No nonce meets two plaintexts; the same plaintext makes the same block,
// and so no fork at all.
func TestAttack_R4_nonceAfterFork(t *testing.T) {
	a := found(t)
	a.write()
	old := a.copyStore()
	nonces := map[string][]byte{}
	for range 40 {
		again := &engine{t: t, self: a.self, rec: a.rec, st: old}
		again.reopen(again.copyStore())
		again.edit()
		in, err := again.Build()
		ok(t, err)
		for _, b := range in.Blocks {
			nonce, rest := string(b.Ciphertext[:24]), b.Ciphertext[24:]
			if other, used := nonces[nonce]; used && !bytes.Equal(other, rest) {
				t.Fatal("a nonce meets two plaintexts")
			}
			nonces[nonce] = rest
		}
	}
	if len(nonces) != 40 {
		t.Fatalf("%d nonces of 40 blocks", len(nonces))
	}
	f := a.forger()
	key := a.Secrets().Epochs[0]
	var made [][]byte
	for range 2 {
		b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: f.header.ID(), Seq: 1, Epoch: key.ID(), Ops: 1}, key, []byte("the same"), a.self.Signer)
		ok(t, err)
		made = append(made, b.Encode())
	}
	if !bytes.Equal(made[0], made[1]) {
		t.Error("the same plaintext at the same place makes two blocks")
	}
}

// TestAttack_R4_weakSealingKey has a member name a low-order point as the key that keys
// are sealed to: it gets none, and the others get theirs.
func TestAttack_R4_weakSealingKey(t *testing.T) {
	for name, point := range map[string][32]byte{
		"zero": {}, "one": {1},
		"of order 8": {0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
	} {
		t.Run(name, func(t *testing.T) {
			owner := found(t)
			bob, out := owner.join(), owner.join()
			e := testEnv()
			root := keys.NewSigningKey([32]byte(e.Bytes(32)))
			self := newSelf(t)
			self.Identity = id.IdentityKey(root.Public())
			c, err := credential.Issue(ctx, root, nil, 1, credential.Device{Identity: self.Identity, Device: self.Device, Sealing: point})
			ok(t, err)
			in, err := owner.Admit(space.Introduction{Identity: self.Identity, Device: self.Device, Chain: [][]byte{c.Encode()}}, credential.Editor, id.InvitationID{})
			ok(t, err)
			owner.store(in)
			owner.remove(out)
			bob.pull(owner)
			secret := owner.write()
			bob.pull(owner)
			bob.shows(secret)
			rotated(t, []*engine{owner, bob}, []*engine{out})
			for _, e := range []*engine{owner, bob} { // else they would make such blocks without end
				if in, err := e.Reseal(); in != nil || err != nil {
					t.Errorf("keys are sealed again: %v, %v", in != nil, err)
				}
			}
			for _, g := range owner.Membership().Grants(self.Device) {
				t.Errorf("key %v is sealed to it", g.Key)
			}
		})
	}
}

// TestAttack_R4_claimedTimes has a member sign with clocks of its choice: who is a
// member, with which role, and which blocks count does not depend on them.
func TestAttack_R4_claimedTimes(t *testing.T) {
	for _, clock := range []int64{math.MinInt64, 0, 1, math.MaxInt64} {
		owner := found(t)
		admin, eve := owner.joinAs(credential.Admin), owner.join()
		before := eve.write()
		for _, e := range []*engine{owner, admin} {
			e.pull(eve)
		}
		parents := eve.Membership().Parents()
		owner.remove(eve)
		issue := func(by *engine, parents []id.CredentialID, claim credential.Claim) {
			t.Helper()
			c, err := credential.Issue(ctx, by.self.Signer, parents, clock, claim)
			ok(t, err)
			by.brings(c)
		}
		friend := newSelf(t)
		issue(eve, parents, credential.Member{Identity: friend.Identity, Role: credential.Editor, Devices: friend.Chain})
		issue(eve, parents, credential.Profile{Identity: eve.self.Identity, Name: "first"})
		issue(eve, parents, credential.SetRole{Identity: eve.self.Identity, Role: credential.Owner})
		issue(admin, parents, credential.SetRole{Identity: owner.self.Identity, Role: credential.Reader})
		late := eve.writeAnyway()
		for range 2 {
			for _, from := range []*engine{eve, admin, owner} {
				for _, e := range []*engine{owner, admin} {
					if e != from {
						e.pull(from)
					}
				}
			}
		}
		if admin.Unsound() {
			admin.rec = admin.Record()
			admin.reopen(admin.st)
		}
		for _, e := range []*engine{owner, admin} {
			m := e.Membership()
			if _, member := m.Identity(eve.self.Identity); member {
				t.Errorf("clock %d: the removed is back", clock)
			}
			if _, member := m.Identity(friend.Identity); member {
				t.Errorf("clock %d: whom the removed admitted is in", clock)
			}
			if o, _ := m.Identity(owner.self.Identity); o.Role != credential.Owner {
				t.Errorf("clock %d: the OWNER is %v", clock, o.Role)
			}
			e.lacks(late)
			if _, there := e.DB().Read(before); !there {
				t.Errorf("clock %d: what was written before is gone", clock)
			}
			if n := len(e.Gates(testEnv().Clock.Now())); n > 4 {
				t.Errorf("clock %d: %d topics", clock, n)
			}
		}
	}
}

// TestAttack_R4_removalsInCircles has two and three OWNERs remove one another at once,
// each with keys for all whom it does not remove: what they end in is the same in every
// order, and nobody who is out holds the keys of those who are in.
func TestAttack_R4_removalsInCircles(t *testing.T) {
	for _, size := range []int{2, 3} {
		for order := range 6 {
			founder := found(t)
			circle := []*engine{}
			for range size {
				circle = append(circle, founder.joinAs(credential.Owner))
			}
			bob := founder.join()
			all := append([]*engine{founder, bob}, circle...)
			for _, e := range all {
				e.pull(founder)
			}
			for i, e := range circle {
				e.remove(circle[(i+1)%size])
			}
			for n := range 3 * len(all) {
				e, from := all[(n*(order+1))%len(all)], all[(n+order)%len(all)]
				if e != from {
					e.pull(from)
				}
			}
			for range 2 {
				for _, from := range all {
					for _, e := range all {
						if e != from {
							e.pull(from)
						}
					}
				}
			}
			var in, out []*engine
			for _, e := range all {
				if _, member := founder.Membership().Identity(e.self.Identity); member {
					in = append(in, e)
				} else {
					out = append(out, e)
				}
			}
			if len(out) != size { // nobody built on either: all of them go
				t.Fatalf("circle of %d, order %d: %d are out", size, order, len(out))
			}
			made, err := founder.Rotate()
			ok(t, err)
			founder.store(made)
			bob.pull(founder)
			secret := founder.write()
			bob.pull(founder)
			bob.shows(secret)
			for _, e := range out {
				e.pull(founder)
				e.pull(bob)
				e.lacks(secret)
			}
			rotated(t, in, out)
		}
	}
}
