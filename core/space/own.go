package space

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// This file keeps the own feeds in one line although storage may lose their
// end: a power cut takes the last writes back, a user restores an older copy
// of the profile. The peers hold what was sent, and bring it.
//
//   - Nothing was written past the place: the blocks are taken back, and the
//     writer goes on behind them.
//   - Another block was built at the place: the feed is forked. Both branches
//     stay, the writer leaves the feed for a new incarnation, and a CloseFeed
//     credential says so.
//   - The feed is damaged here, or a peer tells of blocks that it does not
//     bring: the writer leaves the feed too, before it forks it.

// closing is what a CloseFeed credential says.
type closing struct {
	issuer [32]byte
	heads  []feed.Ref
}

// noteClosings reads the CloseFeed credentials that hold.
func (s *Space) noteClosings() {
	s.closings = map[id.FeedID][]closing{}
	for cid, c := range s.credentials {
		if claim, ok := c.Claim.(credential.CloseFeed); ok && s.membership.Valid(cid) {
			s.closings[claim.Feed] = append(s.closings[claim.Feed], closing{c.Issuer, claim.Heads})
		}
	}
}

// closed reports whether the device of a feed has closed it. Only its word
// counts: nobody else can tell where the feed ended.
func (s *Space) closed(h *feed.SignedHeader) bool {
	return slices.ContainsFunc(s.closings[h.ID()], func(c closing) bool { return c.issuer == [32]byte(h.Device) })
}

// own reports whether this engine may write to a feed of that header: another
// slot of the device is another engine.
func (s *Space) own(h *feed.SignedHeader) bool {
	return h.Device == s.self.Device && h.Slot == s.self.Slot
}

// adopt takes up writing the longest stored feed of this engine that is in one
// line, whole and not closed. The others are to be closed.
func (s *Space) adopt(w *writer) {
	var best *feed.SignedHeader
	var head feed.Ref
	for _, known := range s.Feeds() {
		h := known.Header
		switch {
		case h.Kind != w.kind || !s.own(h) || s.closed(h) || s.cutOff(h):
		case len(known.Heads) > 1 || s.feeds[h.ID()].damaged:
			s.leaving[h.ID()] = true
		case len(known.Heads) == 0 || h.Kind == feed.Data && !s.db.Has(known.Heads[0]):
			// Nothing to continue, or nothing that could be continued yet.
		case best == nil || known.Heads[0].Seq > head.Seq:
			best, head = h, known.Heads[0]
		}
	}
	if best != nil {
		s.takeUp(w, best, head)
	}
}

// follow brings a writer in line with what is stored of its feed.
func (s *Space) follow(w *writer) {
	if w.header == nil || w.left {
		return
	}
	fid := w.header.ID()
	f := s.feeds[fid]
	if f == nil {
		return
	}
	heads := f.log.Heads()
	switch {
	case len(heads) > 1 || s.closed(w.header) || s.cutOff(w.header):
		s.leave(w)
	case len(heads) == 0 || heads[0] == w.stored:
	case s.flights[fid] > 0:
		s.leave(w) // what is being stored will be another branch
	case w.kind == feed.Control || s.db.Has(heads[0]):
		s.env.Log.Info("own blocks are taken back", "space", id.Short(s.key), "feed", id.Short(fid), "from", w.stored.Seq+1, "to", heads[0].Seq)
		s.takeUp(w, w.header, heads[0])
	}
}

// leave has the writer begin a new incarnation with its next block.
func (s *Space) leave(w *writer) {
	w.left = true
	s.leaving[w.header.ID()] = true
	s.env.Log.Warn("an own feed is left for a new incarnation", "space", id.Short(s.key), "feed", id.Short(w.header.ID()), "kind", w.kind, "seq", w.head.Seq)
}

// InFlight tells whether own blocks are being stored.
func (s *Space) InFlight() bool { return len(s.flights) > 0 }

// SameOwn tells whether another Space of this engine has the same blocks of own feeds.
func (s *Space) SameOwn(o *Space) bool {
	own := func(s *Space) (heads []feed.Ref) {
		for _, f := range s.Feeds() {
			if s.own(f.Header) {
				heads = append(heads, f.Heads...)
			}
		}
		return heads
	}
	return slices.Equal(own(s), own(o))
}

// Writing names the feed that the next own block of a kind would extend; false
// if that block would begin one.
func (s *Space) Writing(k feed.Kind) (id.FeedID, bool) {
	w := s.writerOf(k)
	if w.header == nil || w.left {
		return id.FeedID{}, false
	}
	return w.header.ID(), true
}

// Leave gives up the feed that Writing names, because it is known to go on
// where this engine cannot: the next block begins a new incarnation.
func (s *Space) Leave(k feed.Kind) {
	if _, ok := s.Writing(k); ok {
		s.leave(s.writerOf(k))
	}
}

// CloseLeft makes the control block that closes the feeds that were left; nil
// if there is none to close. The caller stores the Intake and calls Stored.
func (s *Space) CloseLeft() (*Intake, error) {
	var claims []credential.Claim
	for _, fid := range s.due() {
		delete(s.leaving, fid)
		if f := s.feeds[fid]; f != nil && !s.closed(f.header) {
			claims = append(claims, credential.CloseFeed{Feed: fid, Heads: f.log.Heads()})
		}
	}
	if len(claims) == 0 {
		return nil, nil
	}
	return s.BuildControl(claims...)
}

// due are the feeds that were left and of which nothing is being stored, so
// that the heads are all there.
func (s *Space) due() (list []id.FeedID) {
	for fid := range s.leaving {
		if s.flights[fid] == 0 {
			list = append(list, fid)
		}
	}
	sort.Slice(list, func(i, j int) bool { return id.Compare(list[i], list[j]) < 0 })
	return list
}

// Faulty names the devices that forked a feed again after they had closed it,
// which no loss of storage explains but restoring one old copy twice. What is
// done about them is for an admin to decide.
func (s *Space) Faulty() []id.DeviceKey {
	var list []id.DeviceKey
	for _, f := range s.feeds {
		if s.strays(f) && !slices.Contains(list, f.header.Device) {
			list = append(list, f.header.Device)
		}
	}
	sort.Slice(list, func(i, j int) bool { return id.Compare(list[i], list[j]) < 0 })
	return list
}

// strays reports whether a feed has a branch that its closing does not know.
func (s *Space) strays(f *feedState) bool {
	if _, forked := f.log.Forked(); !forked {
		return false
	}
	for _, c := range s.closings[f.header.ID()] {
		if c.issuer != [32]byte(f.header.Device) || len(c.heads) == 0 || slices.ContainsFunc(c.heads, func(r feed.Ref) bool { return !f.log.Has(r) }) {
			continue
		}
		for _, head := range f.log.Heads() {
			if !slices.ContainsFunc(c.heads, func(r feed.Ref) bool { return f.log.Contains(head, r) || f.log.Contains(r, head) }) {
				return true
			}
		}
	}
	return false
}

// watch says once that a feed is forked, and once that its device is at fault.
func (s *Space) watch(f *feedState) {
	at, forked := f.log.Forked()
	if !forked || f.faulty {
		return
	}
	h := f.header
	if !f.forked {
		f.forked = true
		s.env.Log.Warn("a feed is forked; both branches are kept", "space", id.Short(s.key), "feed", id.Short(h.ID()), "device", id.Short(h.Device), "at", at)
	}
	if s.strays(f) {
		f.faulty = true
		s.untold.add(Effects{Members: true})
		err := errs.New("space", errs.FeedForked, "device %s forked feed %s again after it was closed; an admin may remove the device", id.Short(h.Device), id.Short(h.ID()))
		s.env.Log.Error("a device is at fault", "space", id.Short(s.key), "err", err)
	}
}
