package space

import (
	"context"
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// writer is the end of an own feed. Its head runs ahead of the feed's log by
// the blocks that were built and are being stored.
type writer struct {
	kind feed.Kind
	// header is nil until the first block is to be written.
	header *feed.SignedHeader
	head   feed.Ref // the last block that was built
	stored feed.Ref // the last that is stored
	// left: the next block begins a new incarnation.
	left bool
	// seen are the control heads that own control blocks already named.
	seen map[id.FeedID]feed.Ref
}

// takeUp makes the writer continue a feed behind head, which has been applied.
func (s *Space) takeUp(w *writer, h *feed.SignedHeader, head feed.Ref) {
	w.header, w.head, w.stored, w.left = h, head, head, false
	if w.kind == feed.Data {
		s.db.SetWriter(h.ID(), head)
		s.olderBursts = nil // edits that move follow what is known now
	}
}

func (s *Space) writerOf(k feed.Kind) *writer {
	if k == feed.Control {
		return &s.control
	}
	return &s.data
}

// begin makes sure that the writer has a feed to go on with.
func (s *Space) begin(w *writer) (isNew bool, err error) {
	if w.header == nil || w.left {
		h, err := feed.DraftHeader(feed.Header{
			Space: s.key, Device: s.self.Device, Slot: s.self.Slot,
			Incarnation: [16]byte(s.env.Bytes(16)), Kind: w.kind,
		})
		if err != nil {
			return false, err
		}
		s.takeUp(w, h, feed.Ref{Feed: h.ID()})
	}
	return w.head.Seq == 0, nil
}

// EnsureWriter makes the own data feed if there is none yet, so that local
// edits have a writer. It stores nothing: the header goes with the first block.
func (s *Space) EnsureWriter() error {
	_, err := s.begin(&s.data)
	return err
}

// BuildControl makes credentials of claims in this device's name, for one control
// block. They count here at once; the caller has the Intake finished, stores it, and
// then calls Stored.
func (s *Space) BuildControl(claims ...credential.Claim) (*Intake, error) {
	return s.handOver(s.handOn, func() ([]credential.Claim, error) { return claims, nil })
}

// controlKey is the key of the control blocks that are made now.
func (s *Space) controlKey() keys.Secret { return s.secrets.Controls[len(s.secrets.Controls)-1] }

// buildClaims is BuildControl for claims that depend on the ones before, under a
// key that all who are to read them hold, behind credentials that the block brings
// again. If a claim is not permitted none counts.
func (s *Space) buildClaims(key keys.Secret, again []*credential.Credential, steps ...func() ([]credential.Claim, error)) (in *Intake, err error) {
	c := claims{s: s}
	defer func() { s.sealer = nil }()
	made, err := c.make(steps)
	if err == nil {
		in, err = s.buildControl(key, append(again, c.list...))
	}
	if err != nil {
		for _, c := range c.list {
			delete(s.credentials, c.ID())
		}
		if len(c.list) > 0 {
			s.evaluate()
		}
		return nil, err
	}
	for i, k := range made {
		if b := &s.olderBursts[i]; b.asOf != nil {
			b.key, b.asOf = k, nil
		}
	}
	s.duties = duties{}
	return in, nil
}

// claims are credentials that are made of claims, for one block.
type claims struct {
	s    *Space
	list []*credential.Credential
}

// make makes those of steps, behind what is due first; keys are for each of olderBursts that
// waits for one.
func (c *claims) make(steps []func() ([]credential.Claim, error)) (made []keys.Secret, err error) {
	s := c.s
	older := s.olderBursts
	if !s.membership.MayWrite(s.self.Device) {
		older = nil
	}
	made = make([]keys.Secret, len(older))
	for i := range older {
		known := older[i].asOf
		if known == nil {
			continue
		}
		parents := known.ParentsOf(s.self.Device)
		if n := len(c.list); n > 0 {
			parents = append(parents, c.list[n-1].ID())
		}
		list := s.keysAsOf(known)
		if err := c.issue(parents, list); err != nil {
			s.keyBursts()
			return nil, err
		}
		made[i] = s.byID[list[len(list)-1].(credential.Epoch).Key]
	}
	// Somebody issues what nothing follows, without end: the own name, once more,
	// follows as much of that as one credential can.
	for m, ok := s.membership.Device(s.self.Device); ok && len(s.membership.Heads()) >= credential.MaxParents; {
		again := credential.Profile{Identity: m.Identity, Name: m.Name, Fields: m.Fields}
		if err := c.issue(s.membership.ParentsOf(s.self.Device), []credential.Claim{again}); err != nil {
			return nil, err
		}
	}
	for _, step := range steps {
		list, err := step()
		if err == nil {
			err = c.issue(s.membership.ParentsOf(s.self.Device), list)
		}
		if err != nil {
			return nil, err
		}
	}
	return made, nil
}

// issue makes credentials, each behind the one before.
func (c *claims) issue(parents []id.CredentialID, list []credential.Claim) error {
	s, from := c.s, len(c.list)
	for _, claim := range list {
		made, err := credential.Draft(s.self.Device, parents, s.env.UnixMilli(), claim)
		if err != nil {
			return err
		}
		c.list = append(c.list, made)
		parents = s.membership.ParentsBehind(made.ID())
	}
	s.addCredentials(c.list[from:])
	for i, made := range c.list[from:] {
		if !s.membership.Valid(made.ID()) {
			return errs.New("space.BuildControl", errs.NotPermitted, "the rules of the space do not let this device issue a %T", list[i])
		}
	}
	return nil
}

// buildControl makes the Intake of a control block that Seal seals, once the
// credentials are signed.
func (s *Space) buildControl(key keys.Secret, list []*credential.Credential) (*Intake, error) {
	if size := len(controlPayload(list)) + maxInner; size > feed.MaxChange || len(list) > maxCredentials {
		return nil, errs.New("space.BuildControl", errs.TooLarge, "%d credentials of %d bytes, the limit is %d", len(list), size, feed.MaxChange)
	}
	isNew, err := s.begin(&s.control)
	if err != nil {
		return nil, err
	}
	s.flights[s.control.header.ID()]++
	d := &draft{key: key, list: list}
	for _, c := range list {
		if !c.Signed() {
			d.unsigned = append(d.unsigned, c)
		}
	}
	return &Intake{Header: s.control.header, isNew: isNew, draft: d}, nil
}

// controlDeltas are the heads of other control feeds that this engine's control
// blocks have not named yet.
func (s *Space) controlDeltas() []feed.Ref {
	if s.control.seen == nil {
		s.control.seen = map[id.FeedID]feed.Ref{}
	}
	var deltas []feed.Ref
	for fid, f := range s.feeds {
		if len(deltas) == feed.MaxDeltas {
			break // the next block names the others
		}
		if f.header.Kind != feed.Control || (s.control.header != nil && fid == s.control.header.ID()) {
			continue
		}
		for _, head := range f.log.Heads() {
			if len(deltas) < feed.MaxDeltas && head.Seq > 0 && s.control.seen[fid] != head {
				s.control.seen[fid] = head
				deltas = append(deltas, head)
			}
		}
	}
	return feed.SortRefs(deltas)
}

// HasLocal reports whether there are edits that no block holds yet.
func (s *Space) HasLocal() bool { return s.db.HasBurst() }

// Build seals the edits that were made since the last call into blocks; nil
// means that there were none, or that what was built before must be Stored
// first, because these edits go to another feed, or that new keys are due first. The caller has the Intake finished,
// stores it, and only then calls Stored and lets the blocks leave the device. An Intake
// whose finishing or storing failed stays valid and is to be stored again, before any
// later one.
func (s *Space) Build() (*Intake, error) {
	if ready, err := s.settleWriter(); !ready || err != nil {
		return nil, err
	}
	if _, ok := s.EpochKey(id.EpochID{}); !ok {
		return nil, errs.New("space.Build", errs.KeyUnavailable, "no epoch key of space %s is held", id.Short(s.key))
	}
	if s.unkeyed() {
		if s.membership.MayWrite(s.self.Device) {
			return nil, nil // Rotate comes first
		}
		s.keyBursts() // nobody takes in what is written then, but it is under a key
	}
	all, ready, err := s.bridge()
	if !ready || err != nil {
		return nil, err
	}
	for {
		burst, ok := s.db.Cut()
		if !ok {
			return all, nil
		}
		key, _ := s.burstKey()
		in, err := s.seal(&s.data, key, burst.Deltas, burst.Ops, burst.Payload)
		if err != nil {
			return all, err
		}
		last := len(in.Blocks) - 1
		in.bursts = []written{{burst: burst, at: in.Blocks[last]}}
		if all == nil {
			all = in
			continue
		}
		s.flights[in.Header.ID()]-- // they are stored together
		all.Blocks = append(all.Blocks, in.Blocks...)
		all.bursts = append(all.bursts, in.bursts...)
	}
}

// bridge makes blocks that change nothing, and follow what the edits do, if that is more
// than one block may name: somebody makes feeds or branches without end. False if that
// has to wait for blocks under way.
func (s *Space) bridge() (all *Intake, ready bool, err error) {
	for {
		follows := feed.SortRefs(s.db.Pending())
		if len(follows) <= feed.MaxDeltas {
			return all, true, nil
		}
		if all == nil && s.flights[s.data.header.ID()] > 0 {
			return nil, false, nil
		}
		key, _ := s.EpochKey(id.EpochID{})
		if len(s.olderBursts) > 0 {
			key = s.olderBursts[0].key
		}
		in, err := s.seal(&s.data, key, follows[:feed.MaxDeltas], 0, s.db.EmptyPayload())
		if err == nil {
			err = s.db.Bridge(node(in.Blocks))
		}
		if err != nil {
			return nil, false, err
		}
		if all == nil {
			all = in
		} else {
			s.flights[in.Header.ID()]-- // they are stored together
			all.Blocks = append(all.Blocks, in.Blocks...)
		}
	}
}

// settleWriter decides which feed the next edits go to, before they are cut
// into bursts of that feed; false if that has to wait for blocks under way.
func (s *Space) settleWriter() (ready bool, err error) {
	w := &s.data
	if w.header != nil && !w.left {
		fid := w.header.ID()
		if f := s.feeds[fid]; f != nil && s.flights[fid] == 0 && !slices.Contains(f.log.Heads(), w.stored) {
			// The feed's end is back, but cannot be followed: what it refers to
			// is not here.
			s.leave(w)
		}
	}
	if w.left && s.flights[w.header.ID()] > 0 {
		return false, nil // a burst that is being stored belongs to the old feed
	}
	_, err = s.begin(w)
	return err == nil, err
}

// seal makes the next blocks of a writer from one payload, without signatures.
func (s *Space) seal(w *writer, key keys.Secret, deltas []feed.Ref, ops uint64, payload []byte) (*Intake, error) {
	isNew, err := s.begin(w)
	if err != nil {
		return nil, err
	}
	h := feed.BlockHeader{Feed: w.header.ID(), Seq: w.head.Seq + 1, Prev: w.head.Hash, Epoch: key.ID(), Deltas: deltas, Ops: ops}
	blocks, err := feed.BuildParts(context.Background(), s.env, h, key, payload, nil)
	if err != nil {
		return nil, err
	}
	w.head = blocks[len(blocks)-1].Ref()
	s.flights[w.header.ID()]++
	return &Intake{Header: w.header, Blocks: blocks, isNew: isNew}, nil
}

// Stored registers own blocks whose storage transaction completed. Intakes of
// one kind come in the order in which they were built.
func (s *Space) Stored(in *Intake) error {
	f := s.feed(in.Header)
	f.kept = true
	for _, b := range in.Blocks {
		if err := f.log.Add(b.Seq, b.Hash(), b.Prev); err != nil {
			return err
		}
	}
	if in.Header.Kind == feed.Control {
		f.verified.add(in.Blocks) // it was made here
	}
	for _, w := range in.bursts {
		s.db.Written(w.at.Ref(), w.burst)
	}
	fid := in.Header.ID()
	s.landed(fid)
	if w := s.writerOf(in.Header.Kind); w.header == in.Header {
		if len(f.log.Heads()) == 1 {
			w.stored = in.Blocks[len(in.Blocks)-1].Ref()
		}
		s.follow(w)
	}
	s.watch(f)
	return nil
}

// landed counts an Intake of an own feed out.
func (s *Space) landed(fid id.FeedID) {
	if s.flights[fid]--; s.flights[fid] <= 0 {
		delete(s.flights, fid)
	}
}
