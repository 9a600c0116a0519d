package space_test

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space/spacetest"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/storage/memstore"
)

// The space of the benchmarks of what trust costs.
const (
	oldMembers     = 1000
	oldCredentials = 5000
)

// settleOld makes an engine of the owner of an old space, as its storage has it.
func settleOld(t testing.TB, members, credentials int) *engine {
	t.Helper()
	e := &engine{t: t, self: newSelf(t), st: memstore.New()}
	a := spacetest.Old(t, testEnv(), e.self, members, credentials)
	e.rec = a.Record
	var b storage.Batch
	for _, f := range a.Controls {
		h, err := feed.DecodeHeader(f.Header)
		ok(t, err)
		b.Put(feed.HeaderKey(h.Space, h.ID()), f.Header)
		for _, raw := range f.Blocks {
			blk, err := feed.DecodeBlock(raw)
			ok(t, err)
			b.Put(feed.BlockKey(blk.Ref()), raw)
		}
	}
	ok(t, e.st.Apply(ctx, &b, storage.Relaxed))
	return e
}

// TestOld opens a space that was not lived through.
func TestOld(t *testing.T) {
	e := settleOld(t, 50, 400)
	if damage := e.reopen(e.st); len(damage) > 0 {
		t.Fatal(damage)
	}
	if n := len(e.Membership().Members()); n != 50 || e.Waiting() > 0 {
		t.Errorf("%d members, and %d changes wait", n, e.Waiting())
	}
	if e.RotationDue() || e.LackKeys() {
		t.Error("new keys are due, or somebody lacks some")
	}
	if want := e.rec.Secrets; len(want.Controls) < 2 || len(e.Secrets().Controls) != len(want.Controls) {
		t.Errorf("%d control keys, the record has %d", len(e.Secrets().Controls), len(want.Controls))
	}
	e.shows(e.write())
}

// BenchmarkTrustOpen opens a space of many members and credentials from storage.
func BenchmarkTrustOpen(b *testing.B) {
	e := settleOld(b, oldMembers, oldCredentials)
	for b.Loop() {
		e.reopen(e.st)
	}
	if n := len(e.Membership().Members()); n != oldMembers || e.Waiting() > 0 || e.LackKeys() {
		b.Fatalf("%d members, and %d changes wait", n, e.Waiting())
	}
}

// BenchmarkTrustReopen opens it again, from an image.
func BenchmarkTrustReopen(b *testing.B) {
	e := settleOld(b, oldMembers, oldCredentials)
	e.reopen(e.st)
	pages := e.image()
	for b.Loop() {
		e.mustRestore(pages)
	}
	if n := len(e.Membership().Members()); n != oldMembers || e.Waiting() > 0 || e.Tail().Blocks > 0 {
		b.Fatalf("%d members, %d changes wait, and the tail is %v", n, e.Waiting(), e.Tail())
	}
}

// signsLast signs like its Signer if it is told to, and else gives noise.
type signsLast struct {
	keys.Signer
	last bool
}

func (s *signsLast) Sign(ctx context.Context, msg []byte) (sig [64]byte, err error) {
	if s.last {
		return s.Signer.Sign(ctx, msg)
	}
	copy(sig[:], msg)
	return sig, nil
}

// run is a feed as a peer serves it.
type run struct {
	header *feed.SignedHeader
	blocks [][]byte
}

// unsignedRuns makes feeds of a member of which the last block alone has a signature
// that verifies.
func unsignedRuns(t testing.TB, e, member *engine, feeds, blocks int) (list []run) {
	t.Helper()
	env := testEnv()
	key, _ := e.EpochKey(id.EpochID{})
	for range feeds {
		h, err := feed.NewHeader(ctx, feed.Header{
			Space: e.Key(), Device: member.self.Device, Incarnation: [16]byte(env.Bytes(16)), Kind: feed.Data,
		}, member.self.Signer)
		ok(t, err)
		r := run{header: h}
		signer := &signsLast{Signer: member.self.Signer}
		head := feed.BlockHeader{Feed: h.ID(), Epoch: key.ID(), Ops: 1}
		for n := range blocks {
			signer.last = n == blocks-1
			head.Seq++
			b, err := feed.Build(ctx, env, head, key, env.Bytes(200), signer)
			ok(t, err)
			head.Prev = b.Hash()
			r.blocks = append(r.blocks, b.Encode())
		}
		list = append(list, r)
	}
	return list
}

// verified gives how many blocks runs have, and how many signatures were kept, which
// are those that were verified.
func (e *engine) verified(runs []run) (blocks, signatures int) {
	e.t.Helper()
	for _, r := range runs {
		in, err := e.Receive(r.header, r.blocks, nil)
		ok(e.t, err)
		blocks += len(in.Blocks)
		for _, b := range in.Blocks {
			if b.Sig != nil {
				signatures++
			}
		}
	}
	return blocks, signatures
}

// TestReceive_oneSignatureAcceptsARun takes in blocks whose signatures are noise, up to
// the last of each run.
func TestReceive_oneSignatureAcceptsARun(t *testing.T) {
	e := found(t)
	runs := unsignedRuns(t, e, e.join(), 10, 1000)
	if blocks, signatures := e.verified(runs); blocks != 10_000 || signatures != 10 {
		t.Errorf("%d blocks, and %d signatures that were verified", blocks, signatures)
	}
	cut := runs[0]
	cut.blocks = cut.blocks[:999]
	if _, err := e.Receive(cut.header, cut.blocks, nil); !errs.Is(err, errs.BadSignature) {
		t.Errorf("a run whose last signature is noise gives %v", err)
	}
}

// BenchmarkTrustVerify verifies 10,000 blocks of 10 feeds.
func BenchmarkTrustVerify(b *testing.B) {
	e := found(b)
	runs := unsignedRuns(b, e, e.join(), 10, 1000)
	for b.Loop() {
		if blocks, signatures := e.verified(runs); blocks != 10_000 || signatures != 10 {
			b.Fatal(blocks, signatures)
		}
	}
}

// BenchmarkTrustRotate removes a member from a space with some 1,000 devices: the
// removal, and new keys for all who stay.
func BenchmarkTrustRotate(b *testing.B) {
	e := settleOld(b, oldMembers, 1300)
	devices := 0
	for b.Loop() {
		b.StopTimer()
		e.reopen(e.st)
		members := e.Membership().Members()
		devices = len(e.Membership().Readers(true))
		b.StartTimer()
		in, err := e.Remove(members[len(members)-1].Identity)
		ok(b, err)
		e.finish(in)
		if e.RotationDue() || len(in.Blocks) == 0 {
			b.Fatal("no new keys were made")
		}
	}
	b.ReportMetric(float64(devices), "devices")
}
