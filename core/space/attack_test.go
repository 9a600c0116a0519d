package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// This file has members with code of their own: what they sign and build is what the
// format allows, not what Space would.

// issues stores a control block with claims that a Space would not make, as after all
// that the engine knows. It need not hold.
func (e *engine) issues(claims ...credential.Claim) {
	e.t.Helper()
	in, err := e.BuildControl(claims...)
	ok(e.t, err)
	e.store(in)
}

// heads gives the data heads of an engine's own device, as far as they are stored here.
func (e *engine) headsOf(d id.DeviceKey) (heads []feed.Ref) {
	for _, f := range e.Feeds() {
		if f.Header.Kind == feed.Data && f.Header.Device == d {
			heads = append(heads, f.Heads...)
		}
	}
	return feed.SortRefs(heads)
}

// writeAnyway makes an object and stores its block, by a client that asks nobody.
func (e *engine) writeAnyway() id.ObjectID {
	e.t.Helper()
	return e.write()
}

// TestAttack_R4_forgedCut has an ADMIN remove a member with cuts that nothing is at: what
// others built on stays, and nobody else's feed is touched.
func TestAttack_R4_forgedCut(t *testing.T) {
	nowhere := id.Hash(keys.Sum([]byte("nowhere")))
	cases := map[string]func(admin, eve, bob *engine, head feed.Ref) []feed.Ref{
		"none": func(_, _, _ *engine, head feed.Ref) []feed.Ref { return nil },
		"a block that does not exist": func(_, _, _ *engine, head feed.Ref) []feed.Ref {
			return []feed.Ref{{Feed: head.Feed, Seq: 1, Hash: nowhere}}
		},
		"a place beyond the head": func(_, _, _ *engine, head feed.Ref) []feed.Ref {
			return []feed.Ref{{Feed: head.Feed, Seq: feed.MaxSeq, Hash: nowhere}}
		},
		"the head's hash at another place": func(_, _, _ *engine, head feed.Ref) []feed.Ref {
			return []feed.Ref{{Feed: head.Feed, Seq: head.Seq + 7, Hash: head.Hash}}
		},
		"a feed that does not exist": func(_, _, _ *engine, _ feed.Ref) []feed.Ref {
			return []feed.Ref{{Feed: id.FeedID(nowhere), Seq: 1, Hash: nowhere}}
		},
		"another member's feed": func(_, _, bob *engine, _ feed.Ref) []feed.Ref { return bob.headsOf(bob.self.Device) },
		"the start of another member's feed": func(_, _, bob *engine, _ feed.Ref) []feed.Ref {
			h := bob.headsOf(bob.self.Device)[0]
			h.Seq = 1
			return []feed.Ref{h}
		},
		"a branch that is not there": func(_, _, _ *engine, head feed.Ref) []feed.Ref {
			return []feed.Ref{{Feed: head.Feed, Seq: head.Seq, Hash: nowhere}}
		},
		"below what others built on": func(admin, _, _ *engine, head feed.Ref) []feed.Ref {
			r, _ := admin.Log(head.Feed).At(head, 1)
			return []feed.Ref{r}
		},
	}
	for name, cuts := range cases {
		t.Run(name, func(t *testing.T) {
			owner := found(t)
			admin, eve, bob := owner.joinAs(credential.Admin), owner.join(), owner.join()
			var built, bobs []id.ObjectID
			for range 3 {
				built = append(built, eve.write())
			}
			bob.pull(eve)
			bobs = append(bobs, bob.write()) // which follows Eve's
			unbuilt := eve.write()           // which nobody follows
			for _, e := range []*engine{owner, admin, bob} {
				e.pull(owner)
				e.pull(eve)
				e.pull(bob)
			}
			admin.pull(eve)
			head := admin.headsOf(eve.self.Device)[0]
			list := cuts(admin, eve, bob, head)
			admin.issues(credential.Remove{Identity: eve.self.Identity, Cuts: list})
			for _, e := range []*engine{owner, bob, eve} {
				e.pull(admin)
			}
			bobs = append(bobs, bob.write())
			late := eve.writeAnyway()
			for _, e := range []*engine{owner, admin, bob} {
				if e.Unsound() {
					e.rec = e.Record()
					e.reopen(e.st)
				}
				for _, other := range []*engine{owner, admin, bob, eve} {
					if other != e {
						e.pull(other)
					}
				}
			}
			joined := owner.join()
			joined.pull(bob)
			_, kept := owner.DB().Read(unbuilt)
			for _, e := range []*engine{owner, admin, bob, joined} {
				for _, v := range append(built, bobs...) {
					if _, there := e.DB().Read(v); !there {
						t.Error("what counts by the rule is gone")
					}
				}
				if _, there := e.DB().Read(unbuilt); there != kept {
					t.Error("they differ about what nobody built on")
				}
				e.lacks(late)
				if e.Unsound() {
					t.Error("it is unsound in the end")
				}
			}
		})
	}
}

// TestAttack_R4_cutByTheCut: whose writing has ended says itself up to where it counted,
// in credentials that it may still sign.
func TestAttack_R4_cutByTheCut(t *testing.T) {
	cases := map[string]struct {
		ends func(owner, eve *engine) // Eve's writing
		says func(eve *engine, cuts []feed.Ref) credential.Claim
	}{
		"removed, and revokes its device": {
			func(owner, eve *engine) { owner.remove(eve) },
			func(eve *engine, cuts []feed.Ref) credential.Claim {
				return credential.RevokeDevice{Identity: eve.self.Identity, Device: eve.self.Device, Cuts: cuts}
			}},
		"demoted, and leaves": {
			func(owner, eve *engine) { owner.setRole(eve, credential.Reader) },
			func(eve *engine, cuts []feed.Ref) credential.Claim {
				return credential.Remove{Identity: eve.self.Identity, Cuts: cuts}
			}},
		"demoted, and revokes its device": {
			func(owner, eve *engine) { owner.setRole(eve, credential.Reader) },
			func(eve *engine, cuts []feed.Ref) credential.Claim {
				return credential.RevokeDevice{Identity: eve.self.Identity, Device: eve.self.Device, Cuts: cuts}
			}},
	}
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			owner := found(t)
			eve, bob := owner.join(), owner.join()
			before := eve.write()
			owner.pull(eve)
			test.ends(owner, eve)
			eve.pull(owner)
			bob.pull(owner)
			late := eve.writeAnyway()
			claim := test.says(eve, eve.headsOf(eve.self.Device))
			eve.issues(claim)
			for _, e := range []*engine{owner, bob} {
				e.pull(eve)
				e.lacks(late)
				if _, there := e.DB().Read(before); !there {
					t.Error("what was written before is gone")
				}
			}
		})
	}
	t.Run("a READER that never wrote", func(t *testing.T) {
		owner := found(t)
		eve := owner.joinAs(credential.Reader)
		late := eve.writeAnyway()
		eve.issues(credential.Remove{Identity: eve.self.Identity, Cuts: eve.headsOf(eve.self.Device)})
		owner.pull(eve)
		owner.lacks(late)
	})
	t.Run("a recovery key, as of before the removal", func(t *testing.T) {
		owner := found(t)
		eve, bob := owner.join(), owner.join()
		e := testEnv()
		recovery := keys.NewSigningKey([32]byte(e.Bytes(32)))
		claim, err := credential.Countersign(ctx, recovery, eve.self.Identity, [32]byte(e.Bytes(32)))
		ok(t, err)
		eve.issues(claim)
		before := eve.write()
		owner.pull(eve)
		bob.pull(eve)
		parents := eve.Membership().Parents()
		owner.remove(eve)
		bob.pull(owner)
		eve.pull(owner)
		late := eve.writeAnyway()
		c, err := credential.Issue(ctx, recovery, parents, 1, credential.RevokeDevice{Identity: eve.self.Identity, Device: eve.self.Device, Cuts: eve.headsOf(eve.self.Device)})
		ok(t, err)
		eve.brings(c)
		for _, e := range []*engine{owner, bob} {
			e.pull(eve)
			e.lacks(late)
			if _, there := e.DB().Read(before); !there {
				t.Error("what was written before is gone")
			}
		}
	})
}

// controlPayload is what a control block holds.
func controlPayload(list ...*credential.Credential) []byte {
	b := wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 2), 1), len(list))
	for _, c := range list {
		b = wire.AppendBytes(b, c.Encode())
	}
	return b
}

// brings stores a control block with credentials that were signed elsewhere.
func (e *engine) brings(list ...*credential.Credential) {
	e.t.Helper()
	e.bringsPayload(controlPayload(list...), uint64(len(list)))
}

// bringsPayload stores a control block with a payload under the first key.
func (e *engine) bringsPayload(payload []byte, ops uint64) {
	e.t.Helper()
	var header *feed.SignedHeader
	var head feed.Ref
	for _, f := range e.Feeds() {
		if f.Header.Kind == feed.Control && f.Header.Device == e.self.Device {
			header, head = f.Header, f.Heads[0]
		}
	}
	if header == nil {
		h, err := feed.NewHeader(ctx, feed.Header{Space: e.Key(), Device: e.self.Device, Incarnation: [16]byte(testEnv().Bytes(16)), Kind: feed.Control}, e.self.Signer)
		ok(e.t, err)
		header, head = h, feed.Ref{Feed: h.ID()}
	}
	key := e.Secrets().Controls[0]
	b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: header.ID(), Seq: head.Seq + 1, Prev: head.Hash, Epoch: key.ID(), Ops: ops}, key, payload, e.self.Signer)
	ok(e.t, err)
	in, err := e.Receive(header, [][]byte{b.Encode()}, nil)
	ok(e.t, err)
	e.save(in)
	ok(e.t, e.Commit(in))
	e.Settle(nil)
}

// forger builds blocks of one data feed, which it forks, by code of its own.
type forger struct {
	e      *engine
	header *feed.SignedHeader
	head   feed.Ref
}

func (e *engine) forger() *forger {
	e.t.Helper()
	h, err := feed.NewHeader(ctx, feed.Header{Space: e.Key(), Device: e.self.Device, Slot: 7, Incarnation: [16]byte(testEnv().Bytes(16)), Kind: feed.Data}, e.self.Signer)
	ok(e.t, err)
	return &forger{e: e, header: h, head: feed.Ref{Feed: h.ID()}}
}

// build makes a block behind at, with nothing in it that reads.
func (f *forger) build(at feed.Ref, deltas ...feed.Ref) []byte {
	f.e.t.Helper()
	key := f.e.Secrets().Epochs[0]
	b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: f.header.ID(), Seq: at.Seq + 1, Prev: at.Hash, Epoch: key.ID(), Deltas: feed.SortRefs(deltas), Ops: 1}, key, testEnv().Bytes(4), f.e.self.Signer)
	ok(f.e.t, err)
	f.head = b.Ref()
	return b.Encode()
}

// give has an engine take blocks of one line in.
func (f *forger) give(to *engine, raw ...[]byte) {
	to.t.Helper()
	in, err := to.Receive(f.header, raw, nil)
	ok(to.t, err)
	if in == nil {
		return
	}
	to.save(in)
	ok(to.t, to.Commit(in))
	to.Settle(nil)
}

// TestAttack_namingsInCircles has two who were put out name one another's late blocks
// again and again, in feeds that they forked: to judge them is work that grows with
// their number, not with the ways through them.
func TestAttack_namingsInCircles(t *testing.T) {
	const rounds = 500
	owner := found(t)
	eve, mallory, bob, cyd := owner.join(), owner.join(), owner.join(), owner.join()
	owner.remove(eve)
	owner.remove(mallory)
	bob.pull(owner)
	a, b := eve.forger(), mallory.forger()
	for _, f := range []*forger{a, b} { // so that what waits does not hide what follows it
		start := f.head
		f.give(bob, f.build(start))
		f.give(bob, f.build(start))
	}
	for range rounds {
		raw := a.build(a.head, b.head)
		a.give(bob, raw)
		raw = b.build(b.head, a.head)
		b.give(bob, raw)
	}
	own := bob.write()
	owner.pull(bob)
	if _, there := owner.DB().Read(own); !there {
		t.Error("the others do not go on")
	}
	for _, f := range []*forger{a, b} {
		if bob.DB().Has(f.head) {
			t.Error("a block of the removed counts")
		}
	}
	// One who did not know names the last of them: then all count that it follows.
	cyd.forgeAfter(bob, b.head)
	for _, f := range []*forger{a, b} {
		if !bob.DB().Has(f.head) {
			t.Error("what somebody built on who did not know does not count")
		}
	}
	owner.pull(bob)
	if owner.Waiting() != bob.Waiting() || bob.Waiting() != 2 {
		t.Errorf("%d and %d changes wait, want the two that are on no line", owner.Waiting(), bob.Waiting())
	}
}

// forgeAfter has an engine get a block that follows another.
func (e *engine) forgeAfter(to *engine, after feed.Ref) {
	f := e.forger()
	f.give(to, f.build(f.head, after))
}
