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
	head   feed.Ref
	// carry is the head of the feed that this one continues after a fork: the
	// first block names it, so that the causal past is not lost.
	carry []feed.Ref
	// seen are the control heads that own control blocks already named.
	seen map[id.FeedID]feed.Ref
}

// adoptWriters takes up writing the stored feeds of this engine's device and
// slot: of each kind the longest that was never forked. It is called once
// everything that was loaded has been applied, since the database can only
// follow a head that it knows.
func (s *Space) adoptWriters() {
	for _, f := range s.feeds {
		h, heads := f.header, f.log.Heads()
		w := s.writerOf(h.Kind)
		if h.Device != s.self.Device || h.Slot != s.self.Slot || len(heads) != 1 {
			continue
		}
		longer := w.header == nil || heads[0].Seq > w.head.Seq ||
			heads[0].Seq == w.head.Seq && id.Compare(h.ID(), w.header.ID()) < 0
		if longer && (h.Kind == feed.Control || s.db.Has(heads[0])) {
			w.header, w.head = h, heads[0]
		}
	}
	if w := s.data; w.header != nil {
		s.db.SetWriter(w.header.ID(), w.head)
	}
}

func (s *Space) takeUp(w *writer, h *feed.SignedHeader, head feed.Ref) {
	w.header, w.head = h, head
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

// begin makes sure that the writer has a feed.
func (s *Space) begin(ctx context.Context, w *writer) (isNew bool, err error) {
	if w.header == nil {
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
// means that there were none. The caller stores the Intake, and only then
// calls Stored and lets the blocks leave the device. An Intake whose storing
// failed stays valid and is to be stored again, before any later one.
func (s *Space) Build(ctx context.Context) (*Intake, error) {
	var all *Intake
	for {
		burst, ok := s.db.Cut()
		if !ok {
			return all, nil
		}
		key, ok := s.EpochKey(id.EpochID{})
		if !ok {
			return all, errs.New("space.Build", errs.KeyUnavailable, "no epoch key of space %s is held", id.Short(s.key))
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
		all.Blocks = append(all.Blocks, in.Blocks...)
		all.bursts = append(all.bursts, in.bursts...)
	}
}

// seal makes the next blocks of a writer from one payload.
func (s *Space) seal(ctx context.Context, w *writer, key keys.Secret, deltas []feed.Ref, ops uint64, payload []byte) (*Intake, error) {
	isNew, err := s.begin(ctx, w)
	if err != nil {
		return nil, err
	}
	if len(w.carry) > 0 {
		deltas = feed.SortRefs(slices.Concat(deltas, w.carry))
	}
	h := feed.BlockHeader{Feed: w.header.ID(), Seq: w.head.Seq + 1, Prev: w.head.Hash, Epoch: key.ID(), Deltas: deltas, Ops: ops}
	blocks, err := feed.BuildParts(ctx, s.env, h, key, payload, s.self.Signer)
	if err != nil {
		return nil, err
	}
	w.carry = nil
	w.head = blocks[len(blocks)-1].Ref()
	return &Intake{Header: w.header, Blocks: blocks, isNew: isNew}, nil
}

// Stored registers own blocks whose storage transaction completed.
func (s *Space) Stored(in *Intake) error {
	f := s.feed(in.Header)
	for _, b := range in.Blocks {
		if err := f.log.Add(b.Seq, b.Hash(), b.Prev); err != nil {
			return err
		}
	}
	for _, w := range in.bursts {
		s.db.Written(w.at.Ref(), w.burst)
	}
	return nil
}
