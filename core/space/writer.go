package space

import (
	"context"
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
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
	}
}

func (s *Space) writerOf(k feed.Kind) *writer {
	if k == feed.Control {
		return &s.control
	}
	return &s.data
}

// begin makes sure that the writer has a feed to go on with.
func (s *Space) begin(ctx context.Context, w *writer) (isNew bool, err error) {
	if w.header == nil || w.left {
		h, err := feed.NewHeader(ctx, feed.Header{
			Space: s.key, Device: s.self.Device, Slot: s.self.Slot,
			Incarnation: [16]byte(s.env.Bytes(16)), Kind: w.kind,
		}, s.self.Signer)
		if err != nil {
			return false, err
		}
		s.takeUp(w, h, feed.Ref{Feed: h.ID()})
	}
	return w.head.Seq == 0, nil
}

// EnsureWriter makes the own data feed if there is none yet, so that local
// edits have a writer. It stores nothing: the header goes with the first block.
func (s *Space) EnsureWriter(ctx context.Context) error {
	_, err := s.begin(ctx, &s.data)
	return err
}

// BuildControl issues claims in this device's name and seals them into one
// control block. The claims count here at once; the caller stores the Intake
// and then calls Stored.
func (s *Space) BuildControl(ctx context.Context, claims ...credential.Claim) (*Intake, error) {
	list := make([]*credential.Credential, 0, len(claims))
	for _, claim := range claims {
		c, err := credential.Issue(ctx, s.self.Signer, s.membership.Heads(), s.env.UnixMilli(), claim)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
		s.addCredentials([]*credential.Credential{c})
		if !s.membership.Valid(c.ID()) {
			delete(s.credentials, c.ID())
			s.evaluate()
			return nil, errs.New("space.BuildControl", errs.NotPermitted, "the rules of the space do not let this device issue a %T", claim)
		}
	}
	return s.buildControl(ctx, list)
}

func (s *Space) buildControl(ctx context.Context, list []*credential.Credential) (*Intake, error) {
	payload := wire.AppendArray(nil, 2)
	payload = wire.AppendUint(payload, 1)
	payload = wire.AppendArray(payload, len(list))
	for _, c := range list {
		payload = wire.AppendBytes(payload, c.Encode())
	}
	key := s.secrets.Controls[len(s.secrets.Controls)-1]
	return s.seal(ctx, &s.control, key, s.controlDeltas(), uint64(len(list)), payload)
}

// controlDeltas are the heads of other control feeds that this engine's control
// blocks have not named yet.
func (s *Space) controlDeltas() []feed.Ref {
	if s.control.seen == nil {
		s.control.seen = map[id.FeedID]feed.Ref{}
	}
	var deltas []feed.Ref
	for fid, f := range s.feeds {
		if f.header.Kind != feed.Control || (s.control.header != nil && fid == s.control.header.ID()) {
			continue
		}
		for _, head := range f.log.Heads() {
			if head.Seq > 0 && s.control.seen[fid] != head {
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
// first, because these edits go to another feed. The caller stores the Intake,
// and only then calls Stored and lets the blocks leave the device. An Intake
// whose storing failed stays valid and is to be stored again, before any later
// one.
func (s *Space) Build(ctx context.Context) (*Intake, error) {
	if ready, err := s.settleWriter(ctx); !ready || err != nil {
		return nil, err
	}
	key, ok := s.EpochKey(id.EpochID{})
	if !ok {
		return nil, errs.New("space.Build", errs.KeyUnavailable, "no epoch key of space %s is held", id.Short(s.key))
	}
	var all *Intake
	for {
		burst, ok := s.db.Cut()
		if !ok {
			return all, nil
		}
		in, err := s.seal(ctx, &s.data, key, burst.Deltas, burst.Ops, burst.Payload)
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

// settleWriter decides which feed the next edits go to, before they are cut
// into bursts of that feed; false if that has to wait for blocks under way.
func (s *Space) settleWriter(ctx context.Context) (ready bool, err error) {
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
	_, err = s.begin(ctx, w)
	return err == nil, err
}

// seal makes the next blocks of a writer from one payload.
func (s *Space) seal(ctx context.Context, w *writer, key keys.Secret, deltas []feed.Ref, ops uint64, payload []byte) (*Intake, error) {
	isNew, err := s.begin(ctx, w)
	if err != nil {
		return nil, err
	}
	h := feed.BlockHeader{Feed: w.header.ID(), Seq: w.head.Seq + 1, Prev: w.head.Hash, Epoch: key.ID(), Deltas: deltas, Ops: ops}
	blocks, err := feed.BuildParts(ctx, s.env, h, key, payload, s.self.Signer)
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
	for _, w := range in.bursts {
		s.db.Written(w.at.Ref(), w.burst)
	}
	fid := in.Header.ID()
	if s.flights[fid]--; s.flights[fid] <= 0 {
		delete(s.flights, fid)
	}
	if w := s.writerOf(in.Header.Kind); w.header == in.Header {
		if len(f.log.Heads()) == 1 {
			w.stored = in.Blocks[len(in.Blocks)-1].Ref()
		}
		s.follow(w)
	}
	s.watch(f)
	return nil
}
