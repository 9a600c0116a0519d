package space_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// controls gives the control feeds of the space, with the header's record and the blocks'.
func (e *engine) controls() (list []storedFeed) {
	e.t.Helper()
	for _, f := range e.Feeds() {
		if f.Header.Kind == feed.Control {
			list = append(list, storedFeed{f.Header.ID(), e.recordsFrom(f.Header.ID(), 1)})
		}
	}
	return list
}

type storedFeed struct {
	id     id.FeedID
	blocks []storage.Entry
}

// put changes one record.
func (e *engine) put(key, value []byte) {
	e.t.Helper()
	var b storage.Batch
	b.Put(key, value)
	ok(e.t, e.st.Apply(ctx, &b, storage.Strict))
}

// TestImage_assuresControlFeeds opens a space from an image whose control feeds were
// verified before: what lies behind the image, and what was altered, is verified.
func TestImage_assuresControlFeeds(t *testing.T) {
	e := settleOld(t, 20, 150)
	e.reopen(e.st)
	if tail := e.Tail(); tail.Blocks < 100 {
		t.Fatalf("without an image the tail is %v", tail)
	}
	members := e.Membership().Members()
	pages := e.image()
	e.mustRestore(pages)
	if tail := e.Tail(); tail.Blocks != 0 {
		t.Errorf("behind the image the tail is %v", tail)
	}
	if got := e.Membership().Members(); len(got) != len(members) || e.Waiting() > 0 {
		t.Errorf("%d members, %d before, and %d changes wait", len(got), len(members), e.Waiting())
	}
	again := e.image()
	for name, page := range pages {
		if !bytes.Equal(again[name], page) {
			t.Errorf("page %x is another after the image was read", uint64(name))
		}
	}
}

// TestImage_verifiesWhatItDoesNotAssure has records altered that the image assures.
func TestImage_verifiesWhatItDoesNotAssure(t *testing.T) {
	flipped := func(b []byte) []byte {
		b = slices.Clone(b)
		b[len(b)-1] ^= 1 // the signature stands last
		return b
	}
	for _, c := range []struct {
		name string
		do   func(e *engine, f storedFeed) (damaged []byte)
	}{
		{"the signature of a header", func(e *engine, f storedFeed) []byte {
			key := feed.HeaderKey(e.rec.Key, f.id)
			raw, err := e.st.Get(ctx, key)
			ok(e.t, err)
			e.put(key, flipped(raw))
			return key
		}},
		{"the signature of the last block", func(e *engine, f storedFeed) []byte {
			end := f.blocks[len(f.blocks)-1]
			e.put(end.Key, flipped(end.Value))
			return end.Key
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := settleOld(t, 20, 150)
			e.reopen(e.st)
			pages := e.image()
			list := e.controls()
			at := slices.IndexFunc(list, func(f storedFeed) bool {
				h, err := feed.DecodeBlock(f.blocks[0].Value)
				ok(t, err)
				own, _ := e.Writing(feed.Control)
				return len(f.blocks) > 1 && h.Feed != own
			})
			key := c.do(e, list[at])
			ok(t, e.takeImage(pages))
			_, damage := e.loadBehind()
			if len(damage) != 1 || !bytes.Equal(damage[0].Key, key) {
				t.Errorf("damaged are %v, want %x", damage, key)
			}
		})
	}
}

// TestImage_assuresNothingForged has a member that is faulty bring a credential that its
// issuer did not sign: it counts for nothing, neither at once nor behind an image.
func TestImage_assuresNothingForged(t *testing.T) {
	payload := func(raw []byte) []byte {
		return wire.AppendBytes(wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 2), 1), 1), raw)
	}
	for name, bring := range map[string]func(guest, owner *engine, raw []byte){
		"in a control block": func(guest, _ *engine, raw []byte) { guest.bringsPayload(payload(raw), 1) },
		"in the inner part of one": func(guest, owner *engine, raw []byte) {
			outer, _ := handingOver(guest, owner, payload(raw))
			guest.bringsPayload(outer, 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			owner := found(t)
			admin, guest := owner.joinAs(credential.Admin), owner.join()
			c, err := credential.Issue(ctx, admin.self.Signer, owner.Membership().Heads(), 1, credential.SetRole{Identity: guest.self.Identity, Role: credential.Reader})
			ok(t, err)
			forged := c.Encode()
			forged[len(forged)-1] ^= 1
			bring(guest, owner, forged)
			owner.pull(guest)
			for range 2 {
				if m, _ := owner.Membership().Identity(guest.self.Identity); m.Role != credential.Editor {
					t.Errorf("the guest is %v", m.Role)
				}
				owner.mustRestore(owner.image())
				if at := guest.headsOfControl(); owner.Assured(at.Feed) >= at.Seq {
					t.Error("the image assures what is forged")
				}
			}
			guest.reopen(guest.st)
			bring(guest, owner, c.Encode())
			owner.pull(guest)
			if m, _ := owner.Membership().Identity(guest.self.Identity); m.Role != credential.Reader {
				t.Errorf("with the signature the guest is %v", m.Role)
			}
		})
	}
}

// TestImage_assuresWhatIsSettled: an inner part that one key opens while another, which
// comes first, is not held may say something else under that.
func TestImage_assuresWhatIsSettled(t *testing.T) {
	owner := found(t)
	guest := owner.join()
	owner.pull(guest)
	name := guest.names(1)[0]
	payload, second := handingOver(guest, owner, controlPayload(name))
	key := keys.NewSecret(testEnv()) // which is handed to nobody
	first, err := credential.Issue(ctx, guest.self.Signer, guest.Membership().ParentsOf(guest.self.Device), 1, credential.Epoch{
		Key: key.ID(), Control: true, Parents: []id.EpochID{guest.Secrets().Controls[0].ID()},
	})
	ok(t, err)
	r := wire.NewReader(payload)
	r.Array(3)
	r.Uint(2)
	r.Array(1)
	r.Bytes(credential.MaxSize)
	sealed := r.Bytes(len(payload))
	payload = wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 3), 2), 2)
	payload = wire.AppendBytes(wire.AppendBytes(payload, first.Encode()), second.Encode())
	guest.bringsPayload(wire.AppendBytes(payload, sealed), 2)
	owner.pull(guest)
	owner.rec = owner.Record()
	at := guest.headsOfControl()
	for range 2 {
		owner.mustRestore(owner.image())
		if m, _ := owner.Membership().Identity(guest.self.Identity); m.Name != "a" {
			t.Errorf("the inner part is not read: the name is %q", m.Name)
		}
		if seq := owner.Assured(at.Feed); seq >= at.Seq {
			t.Error("the image assures what another key may make something else")
		}
	}
}

// headsOfControl is the one head of the own control feed.
func (e *engine) headsOfControl() feed.Ref {
	e.t.Helper()
	return e.Log(e.controlFeed().ID()).Heads()[0]
}

// TestImage_assuresBesideForks: a feed that forked, or holds a block that is left out, is
// assured as far as it was read, and no image is worth writing for the rest.
func TestImage_assuresBesideForks(t *testing.T) {
	for name, spoil := range map[string]func(founder, member *engine){
		"a fork": func(founder, member *engine) {
			old := founder.copyStore()
			founder.brings(founder.names(3)...)
			member.pull(founder)
			founder.reopen(old)
			founder.brings(founder.names(1)...)
			member.pull(founder)
		},
		"a block that is left out": func(founder, member *engine) {
			founder.bringsPayload([]byte("rubbish"), 1)
			member.pull(founder)
		},
	} {
		t.Run(name, func(t *testing.T) {
			founder := found(t)
			member := founder.join()
			for range 5 {
				founder.brings(founder.names(2)...)
			}
			member.pull(founder)
			good := founder.headsOfControl()
			spoil(founder, member)
			member.rec = member.Record()
			for range 2 {
				member.mustRestore(member.image())
				if seq := member.Assured(good.Feed); seq < good.Seq {
					t.Errorf("assured up to %d, what is good ends at %d", seq, good.Seq)
				}
				if tail := member.Tail(); tail.Blocks > 0 {
					t.Errorf("the tail is %v", tail)
				}
			}
		})
	}
}
