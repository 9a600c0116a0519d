package space

import (
	"context"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// This file brings the changes of one space into another, for export and import.
// The blocks themselves cannot come along: they name the old space and are
// sealed and signed by its members. What they hold can: each feed becomes one of
// this device, with the same changes in the same causal order, so that what was
// concurrent still is, and merges as it did.

// ReadChange opens one whole change of a data feed, as Settle does. It gives
// false for one whose content was left out.
func (s *Space) ReadChange(blocks []*feed.Block) (payload []byte, ok bool, err error) {
	if len(blocks) == 0 {
		return nil, false, errs.New("space.ReadChange", errs.InvalidArgument, "a change without blocks")
	}
	if s.leftOut[blocks[len(blocks)-1].Hash()] {
		return nil, false, nil
	}
	key, held := s.byID[blocks[0].Epoch]
	if !held {
		return nil, false, errs.New("space.ReadChange", errs.KeyUnavailable, "no epoch key of block %d of feed %s is held", blocks[0].Seq, id.Short(blocks[0].Feed))
	}
	payload, err = feed.OpenParts(blocks, key)
	return payload, err == nil, err
}

// replaySlot is the first slot of replayed feeds. Engines take the lowest free
// slot, or a random one where there are no locks, so that hardly one of them goes
// on with such a feed; nothing would be wrong if one did.
const replaySlot = 1 << 31

// Replay writes the changes of another space into a new one. Make one with
// BeginReplay.
type Replay struct {
	s     *Space
	lines []replayLine
	refs  []feed.Ref // of the changes so far, by their place
}

// replayLine is a feed of the other space, or a branch of one, and what it
// becomes.
type replayLine struct {
	old    id.FeedID
	header *feed.SignedHeader
	head   feed.Ref
}

// BeginReplay makes a feed for each feed of the other space, which is named once
// for each of its branches. Ties are broken by the order of feeds: the new ones
// are in the order of the old.
func (s *Space) BeginReplay(ctx context.Context, old []id.FeedID) (*Replay, error) {
	r := &Replay{s: s, lines: make([]replayLine, len(old))}
	order := make([]int, len(old))
	for i, v := range old {
		order[i], r.lines[i].old = i, v
		h, err := feed.NewHeader(ctx, feed.Header{
			Space: s.key, Device: s.self.Device, Slot: replaySlot + uint32(i),
			Incarnation: [16]byte(s.env.Bytes(16)), Kind: feed.Data,
		}, s.self.Signer)
		if err != nil {
			return nil, err
		}
		r.lines[i].header = h
	}
	sort.SliceStable(order, func(i, j int) bool { return id.Compare(old[order[i]], old[order[j]]) < 0 })
	made := make([]*feed.SignedHeader, len(old))
	for i := range r.lines {
		made[i] = r.lines[i].header
	}
	sort.Slice(made, func(i, j int) bool { return id.Compare(made[i].ID(), made[j].ID()) < 0 })
	for i, at := range order {
		r.lines[at].header = made[i]
	}
	return r, nil
}

// rename gives the new name of a feed. One that is not listed keeps its own: a
// change that moved to another feed before it was written still names containers
// by the old one.
func (r *Replay) rename(old id.FeedID) id.FeedID {
	for i := range r.lines {
		if r.lines[i].old == old {
			return r.lines[i].header.ID()
		}
	}
	return old
}

// Add makes the next change: of a line, following the changes at those places,
// with that payload, or with nothing but its place if it was left out. It counts
// in the database at once. The caller stores the Intakes in order.
//
// Errors: errs.Malformed for what cannot have been a change there, and those of
// objectdb.DB.Apply.
func (r *Replay) Add(ctx context.Context, line int, parents []int, ops uint64, payload []byte, leftOut bool) (*Intake, error) {
	const op = "space.Replay"
	s := r.s
	if line < 0 || line >= len(r.lines) {
		return nil, errs.New(op, errs.Malformed, "a change of feed %d of %d", line, len(r.lines))
	}
	l := &r.lines[line]
	deltas, err := r.deltas(l, parents)
	if err != nil {
		return nil, err
	}
	if !leftOut {
		if payload, err = objectdb.RenameFeeds(payload, r.rename); err != nil {
			return nil, err
		}
	}
	key, ok := s.EpochKey(id.EpochID{})
	if !ok {
		return nil, errs.New(op, errs.KeyUnavailable, "no epoch key of space %s is held", id.Short(s.key))
	}
	h := feed.BlockHeader{Feed: l.header.ID(), Seq: l.head.Seq + 1, Prev: l.head.Hash, Epoch: key.ID(), Deltas: deltas, Ops: ops}
	blocks, err := feed.BuildParts(ctx, s.env, h, key, payload, s.self.Signer)
	if err != nil {
		return nil, err
	}
	in := &Intake{Header: l.header, Blocks: blocks, isNew: l.head.Seq == 0}
	return in, r.take(l, in, payload, leftOut)
}

// deltas are the parents without the line's own head, which must be among them.
func (r *Replay) deltas(l *replayLine, parents []int) (deltas []feed.Ref, err error) {
	follows := l.head.Seq == 0
	for _, p := range parents {
		switch {
		case p < 0 || p >= len(r.refs):
			return nil, errs.New("space.Replay", errs.Malformed, "a change follows one that comes later")
		case r.refs[p] == l.head:
			follows = true
		case r.refs[p].Feed == l.header.ID():
			return nil, errs.New("space.Replay", errs.Malformed, "a change follows another place of its feed than the one before")
		default:
			deltas = append(deltas, r.refs[p])
		}
	}
	if !follows {
		return nil, errs.New("space.Replay", errs.Malformed, "a change does not follow the one before in its feed")
	}
	return feed.SortRefs(deltas), nil
}

// take has the change count here.
func (r *Replay) take(l *replayLine, in *Intake, payload []byte, leftOut bool) error {
	at := node(in.Blocks)
	at.Payload = payload
	f := r.s.feed(in.Header)
	f.kept = true
	if len(f.index(in.Blocks)) > 0 {
		return errs.New("space.Replay", errs.Internal, "block %d of a new feed does not link", at.Ref.Seq)
	}
	l.head = at.Ref
	r.refs = append(r.refs, at.Ref)
	if leftOut {
		r.s.leftOut[at.Ref.Hash] = true
		return r.s.db.Skip(at)
	}
	return r.s.db.Apply(at)
}
