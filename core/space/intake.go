package space

import (
	"context"

	"bytes"
	"sort"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// Intake is a run of verified blocks of one feed that is to be stored.
type Intake struct {
	Header *feed.SignedHeader
	Blocks []*feed.Block
	isNew  bool // the header is not stored yet
	shown  bool // see Show
	// bursts of own data blocks, each with the block that it ends at.
	bursts []written
}

type written struct {
	burst *objectdb.Burst
	at    *feed.Block
}

// AddTo adds the records to a batch.
func (in *Intake) AddTo(b *storage.Batch) {
	if in.isNew {
		b.Put(feed.HeaderKey(in.Header.Space, in.Header.ID()), in.Header.Encode())
	}
	for _, blk := range in.Blocks {
		b.Put(feed.BlockKey(blk.Ref()), blk.Encode())
	}
}

// Refs names the blocks, in order.
func (in *Intake) Refs() []feed.Ref {
	refs := make([]feed.Ref, len(in.Blocks))
	for i, b := range in.Blocks {
		refs[i] = b.Ref()
	}
	return refs
}

// Effects tell what a commit changed.
type Effects struct {
	Members bool // the membership
	Objects bool // the object database
}

func (e *Effects) add(o Effects) {
	e.Members = e.Members || o.Members
	e.Objects = e.Objects || o.Objects
}

// end is the last block.
func (in *Intake) end() feed.Ref { return in.Blocks[len(in.Blocks)-1].Ref() }

// Follows reports whether an encoded block is the one behind the Intake.
func (in *Intake) Follows(raw []byte) bool {
	b, err := feed.DecodeBlock(raw)
	return err == nil && b.From() == in.end().Seq+1 && b.Prev == in.end().Hash
}

// Receive verifies a run of encoded blocks of another engine against the feed
// that it extends. It changes nothing; blocks that are stored already are left
// out, and nil means that none was new. after, if it is not nil, is the last
// Intake of the feed that is being stored: the run may follow it.
//
// Errors: errs.UnknownFeed for a feed of no member (its admission may still
// arrive), errs.CorruptBlock, errs.BadSignature and errs.Malformed for what is
// wrong for good, errs.MissingDependency for a run that does not link to a
// stored block.
func (s *Space) Receive(h *feed.SignedHeader, raw [][]byte, after *Intake) (*Intake, error) {
	const op = "space.Receive"
	if err := s.checkHeader(op, h); err != nil {
		return nil, err
	}
	blocks, err := decodeBlocks(h.ID(), raw)
	if err != nil {
		return nil, err
	}
	f, known := s.feeds[h.ID()]
	log := feed.NewLog(h.ID())
	if known {
		log = f.log
	}
	for len(blocks) > 0 && log.Has(blocks[0].Ref()) {
		blocks = blocks[1:]
	}
	if len(blocks) == 0 {
		return nil, nil
	}
	prev := feed.Ref{Feed: h.ID(), Seq: blocks[0].Seq - 1, Hash: blocks[0].Prev}
	if prev.Seq > 0 && !log.Has(prev) && (after == nil || after.end() != prev) {
		return nil, errs.New(op, errs.MissingDependency, "block %d of feed %s follows one that is not here", blocks[0].Seq, id.Short(h.ID()))
	}
	if err := feed.VerifyRun(h, prev, blocks); err != nil {
		return nil, err
	}
	return &Intake{Header: h, Blocks: blocks, isNew: !known || !f.kept}, nil
}

func decodeBlocks(f id.FeedID, raw [][]byte) ([]*feed.Block, error) {
	blocks := make([]*feed.Block, 0, len(raw))
	for _, b := range raw {
		blk, err := feed.DecodeBlock(b)
		if err != nil {
			return nil, err
		}
		if blk.Feed != f {
			return nil, errs.New("space.Receive", errs.CorruptBlock, "a block of feed %s came as one of feed %s", id.Short(blk.Feed), id.Short(f))
		}
		if err := plain(blk); err != nil {
			return nil, err
		}
		blocks = append(blocks, blk)
	}
	return blocks, nil
}

// plain refuses a repack, which no version yet writes: everything here counts
// on one record per place and branch.
func plain(b *feed.Block) error {
	if b.Repack == nil {
		return nil
	}
	return errs.New("space", errs.VersionUnsupported, "block %d of feed %s is a repack, which this version does not read", b.Seq, id.Short(b.Feed))
}

// vouched is after about how many bytes a run that is served carries a
// signature.
const vouched = 48 << 10

// Vouch gives stored blocks of a feed, which follow one another, as a peer is to
// get them: with a signature after some tens of kilobytes and at the end, where
// there is one that holds, and none between. Those between are not covered by
// any hash, and a peer that is given a wrong one leaves.
func (s *Space) Vouch(f id.FeedID, blocks [][]byte) [][]byte {
	known := s.feeds[f]
	if known == nil {
		return nil
	}
	out := make([][]byte, 0, len(blocks))
	size := 0
	for i, raw := range blocks {
		b, err := feed.DecodeBlock(raw)
		if err != nil {
			break // its record was spoiled since it was read first
		}
		size += len(raw)
		if wanted := size >= vouched || i == len(blocks)-1; wanted && b.Sig != nil && b.VerifySig(known.header) == nil {
			size = 0
		} else {
			raw = b.WithoutSig()
		}
		out = append(out, raw)
	}
	return out
}

// Header gives the header of a feed from its encoding, without another check of
// its signature if the feed is known.
func (s *Space) Header(f id.FeedID, encoded []byte) (*feed.SignedHeader, error) {
	if known := s.feeds[f]; known != nil && bytes.Equal(known.header.Encode(), encoded) {
		return known.header, nil
	}
	return feed.DecodeHeader(encoded)
}

// Show has Settle apply the changes of a verified Intake before it is stored:
// what somebody else writes just now is seen two milliseconds earlier, and the
// processor works while storage does. They are in the state for good then, but
// neither passed on nor acknowledged before Commit: until then their author is
// who keeps them. The caller stores the Intake before whatever is built from
// now on. Own feeds and control feeds are left to Commit.
func (s *Space) Show(in *Intake) {
	if in.Header.Kind != feed.Data || s.own(in.Header) {
		return
	}
	f := s.feed(in.Header)
	for blocks := in.Blocks; len(blocks) > 0; {
		n, err := feed.Group(blocks)
		if err != nil || n == 0 {
			return // a verified run is one of whole changes
		}
		f.waiting = append(f.waiting, blocks[:n])
		blocks = blocks[n:]
	}
	in.shown, s.unsettled = true, true
}

// Commit indexes a stored Intake and, unless it was shown, has Settle apply its
// changes. The caller makes sure that Intakes of one feed are committed in the
// order they were received.
func (s *Space) Commit(in *Intake) error {
	f := s.feed(in.Header)
	f.kept = true
	var left []*feed.Block
	if in.shown {
		left = f.index(in.Blocks)
	} else {
		left = f.link(in.Blocks)
	}
	if len(left) > 0 {
		return errs.New("space.Commit", errs.MissingDependency, "block %d of feed %s follows one that is not here", left[0].Seq, id.Short(in.Header.ID()))
	}
	f.orphans = f.link(f.orphans)
	s.unsettled = true
	s.watch(f)
	if s.own(in.Header) { // the writer follows its feed before it builds again
		eff, _ := s.Settle(nil)
		s.untold.add(eff)
	}
	return nil
}

// Settle applies the changes that wait, control before data, until none can be
// applied or enough, which may be nil, says so between two of them; done tells
// which. It is to be called after Show and Commit.
func (s *Space) Settle(enough func() bool) (eff Effects, done bool) {
	eff, s.untold = s.untold, Effects{}
	if !s.unsettled {
		return eff, true
	}
	if done = s.settle(&eff, enough); done {
		s.unsettled = false
	}
	s.follow(&s.control)
	s.follow(&s.data)
	return eff, done
}

// Damage is a stored record that could not be read.
type Damage struct {
	Key []byte
	Err error
	// Mended is what the record must say, if that is known: the block was
	// taken, and the record is to be replaced. Nil: it is to be set aside.
	Mended []byte
}

// Load takes one feed from storage: its header record and its block records
// in key order. A record that is damaged is left out and reported. What follows
// it is kept until the feed is whole again, by Commit or the next time. Call
// Ready after the last feed.
func (s *Space) Load(header storage.Entry, records []storage.Entry) (damage []Damage) {
	h, err := feed.DecodeHeader(header.Value)
	if err == nil && string(feed.HeaderKey(s.key, h.ID())) != string(header.Key) {
		err = errs.New("space.Load", errs.StorageCorrupt, "the header of feed %s of space %s is under another key", id.Short(h.ID()), id.Short(h.Space))
	}
	if err != nil {
		return []Damage{{Key: header.Key, Err: err}}
	}
	f := s.feed(h)
	f.kept = true
	blocks := make([]*feed.Block, 0, len(records))
	f.damaged = false
	for i, rec := range records {
		b, err := readRecord(rec)
		if err == nil && i == len(records)-1 {
			var mended []byte
			if mended, err = s.checkEnd(h, b); mended != nil {
				damage = append(damage, Damage{Key: rec.Key, Err: err, Mended: mended})
				err = nil
			}
		}
		if err != nil {
			damage = append(damage, Damage{Key: rec.Key, Err: err})
			f.damaged = true
			continue
		}
		blocks = append(blocks, b)
	}
	f.orphans = f.link(blocks)
	s.unsettled = true
	f.damaged = f.damaged || len(f.orphans) > 0
	if len(f.orphans) > 0 {
		s.env.Log.Warn("stored blocks wait for a missing one", "space", id.Short(s.key), "feed", id.Short(h.ID()), "blocks", len(f.orphans), "from", f.orphans[0].Seq)
	}
	return damage
}

// checkEnd verifies the signature of a feed's last block, by which everybody
// else takes in the run that ends there. The hashes do not cover it, and a
// peer that is given a wrong one leaves. Of this device's own blocks it is made
// again. A block without one is not the end of a run that was taken in: what
// followed it is missing.
func (s *Space) checkEnd(h *feed.SignedHeader, b *feed.Block) (mended []byte, err error) {
	if b.Sig == nil {
		return nil, nil
	}
	if err = b.VerifySig(h); err == nil || h.Device != s.self.Device {
		return nil, err
	}
	if err := b.Sign(context.Background(), s.self.Signer); err != nil {
		return nil, err
	}
	return b.Encode(), err
}

func readRecord(rec storage.Entry) (*feed.Block, error) {
	b, err := feed.DecodeBlock(rec.Value)
	if err != nil {
		return nil, err
	}
	if string(feed.BlockKey(b.Ref())) != string(rec.Key) {
		return nil, errs.New("space.Load", errs.StorageCorrupt, "block %d of feed %s does not have the hash of its key", b.Seq, id.Short(b.Feed))
	}
	return b, plain(b)
}

// link indexes and queues the whole changes whose predecessor is there, of
// blocks in the order of their places. It gives back the others. Of a forked
// feed the blocks of both branches come mixed: a part follows the one whose
// hash it names.
func (f *feedState) link(blocks []*feed.Block) (left []*feed.Block) {
	open := map[id.Hash][]*feed.Block{} // unfinished changes, by the hash of their last part
	for _, b := range blocks {
		if f.log.Has(b.Ref()) {
			continue
		}
		change := append(open[b.Prev], b)
		delete(open, b.Prev)
		switch {
		case len(change) != int(b.Part), b.Part == 1 && !f.log.Has(feed.Ref{Feed: b.Feed, Seq: b.Seq - 1, Hash: b.Prev}):
			left = append(left, change...)
		case b.Part < b.Parts:
			open[b.Hash()] = change
		case !f.add(change):
			left = append(left, change...)
		}
	}
	for _, change := range open {
		left = append(left, change...)
	}
	sort.SliceStable(left, func(i, j int) bool { return left[i].Seq < left[j].Seq })
	return left
}

// index indexes blocks that follow one another; it gives those that do not
// follow what is there.
func (f *feedState) index(blocks []*feed.Block) (left []*feed.Block) {
	for i, b := range blocks {
		if f.log.Add(b.Seq, b.Hash(), b.Prev) != nil {
			return blocks[i:]
		}
	}
	return nil
}

// add indexes a whole change and queues it.
func (f *feedState) add(change []*feed.Block) bool {
	if n, err := feed.Group(change); err != nil || n != len(change) {
		return false
	}
	if len(f.index(change)) > 0 {
		return false
	}
	f.waiting = append(f.waiting, change)
	return true
}

// Ready applies what was loaded and takes up the own feeds.
func (s *Space) Ready() Effects {
	eff, _ := s.Settle(nil)
	s.adopt(&s.control)
	s.adopt(&s.data)
	return eff
}

// settle applies waiting changes until none can be, or it is enough.
func (s *Space) settle(all *Effects, enough func() bool) (done bool) {
	for progress := true; progress; {
		progress = false
		for _, kind := range []feed.Kind{feed.Control, feed.Data} {
			for _, f := range s.feeds {
				if f.header.Kind != kind || len(f.waiting) == 0 {
					continue
				}
				n, stopped := s.drain(f, all, enough)
				progress = progress || n > 0
				if stopped {
					return false
				}
			}
		}
	}
	return true
}

// drain applies what it can of a feed's waiting changes, and tells how many
// that were and whether it was enough.
func (s *Space) drain(f *feedState, all *Effects, enough func() bool) (applied int, stopped bool) {
	if _, forked := f.log.Forked(); forked || f.header.Kind == feed.Control {
		return s.drainBranches(f, all, enough)
	}
	for applied < len(f.waiting) {
		if applied > 0 && enough != nil && enough() {
			stopped = true
			break
		}
		eff, done := s.apply(f, f.waiting[applied])
		all.add(eff)
		if !done {
			break // what comes after it follows it
		}
		f.waiting[applied] = nil
		applied++
	}
	f.waiting = f.waiting[applied:]
	return applied, stopped
}

// drainBranches is drain for a feed where a change that has to wait does not
// hold up the next: that may be one of another branch, or, of a control feed,
// one under another key.
func (s *Space) drainBranches(f *feedState, all *Effects, enough func() bool) (applied int, stopped bool) {
	kept := f.waiting[:0]
	for i, change := range f.waiting {
		if applied > 0 && enough != nil && enough() {
			kept = append(kept, f.waiting[i:]...)
			stopped = true
			break
		}
		eff, done := s.apply(f, change)
		all.add(eff)
		if done {
			applied++
		} else {
			kept = append(kept, change)
		}
	}
	clear(f.waiting[len(kept):])
	f.waiting = kept
	return applied, stopped
}

// node is the place of a change in the causal graph.
func node(change []*feed.Block) objectdb.Block {
	first, last := change[0], change[len(change)-1]
	return objectdb.Block{Ref: last.Ref(), Prev: first.Prev, Deltas: first.Deltas, Ops: last.Ops}
}

// apply opens one change and takes its content; false means not yet.
func (s *Space) apply(f *feedState, change []*feed.Block) (Effects, bool) {
	member, ok := s.member(f.header.Device)
	if !ok && f.header.Kind == feed.Data {
		return Effects{}, false
	}
	key, ok := s.byID[change[0].Epoch]
	if !ok {
		return Effects{}, false
	}
	at := node(change)
	if f.header.Kind == feed.Data {
		if s.db.Has(at.Ref) {
			return Effects{}, true // another way brought it too
		}
		if !s.db.Ready(at) {
			return Effects{}, false
		}
	}
	payload, err := feed.OpenParts(change, key)
	if err == nil && f.header.Kind == feed.Control {
		return s.applyControl(at.Ref, payload), true
	}
	if err == nil && member.Role > credential.Editor {
		err = errs.New("space.apply", errs.NotPermitted, "the writer is %v", member.Role)
	}
	if err == nil {
		at.Payload = payload
		if err = s.db.Apply(at); err == nil {
			return Effects{Objects: true}, true
		}
	}
	s.leaveOut(f, at, err)
	return Effects{}, true
}

// leaveOut drops the content of a block that is its author's but holds what no
// author may write. The block stays stored and keeps its place in the causal
// graph, since others refer to it.
func (s *Space) leaveOut(f *feedState, at objectdb.Block, err error) {
	s.env.Log.Warn("content of a block is left out", "feed", id.Short(at.Ref.Feed), "seq", at.Ref.Seq, "err", err)
	if f.header.Kind != feed.Data {
		return
	}
	at.Payload = nil
	if err := s.db.Skip(at); err != nil {
		s.env.Log.Error("a block has no place", "feed", id.Short(at.Ref.Feed), "seq", at.Ref.Seq, "err", err)
	}
}

// maxCredentials bounds the credentials of one control block.
const maxCredentials = 4096

func (s *Space) applyControl(at feed.Ref, payload []byte) Effects {
	r := wire.NewReader(payload)
	r.Array(2)
	readVersion(r, 1)
	var list []*credential.Credential
	for n := r.ArrayLen(maxCredentials); n > 0 && r.Err() == nil; n-- {
		c, err := credential.Decode(r.Bytes(feed.MaxBlock))
		if err != nil {
			r.Fail(err)
			break
		}
		list = append(list, c)
	}
	if err := r.Done("space.control"); err != nil {
		s.env.Log.Warn("a control block is left out", "feed", id.Short(at.Feed), "seq", at.Seq, "err", err)
		return Effects{}
	}
	return Effects{Members: s.addCredentials(list)}
}
