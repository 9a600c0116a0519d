package space

import (
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// This file decides which blocks of data feeds count (DESIGN 6). Those of a device
// that may write do. Of a device whose writing was ended, by a removal, a
// revocation or a demotion, a block counts
//
//   - within a cut that came with that (credential.Membership.Limit says which cuts
//     are heard): it is the cut, or the cut follows it; or
//   - in the past of a block that counts, of another device, whose writer did not
//     know: it is under a key that was not introduced after the end.
//
// This is a function of the credentials and blocks alone. What does not count
// waits, stored, since a block that makes it count may still come. A feed that was
// cut stays so: its device, if it may write again, goes on in another.

// naming is a block that others name: it counts if the naming block does.
type naming struct {
	named feed.Ref
	by    feed.Ref   // zero: a block that is to be written here
	key   id.EpochID // that by is under
}

// deviceLimit is what credential.Membership.Limit gives of a device.
type deviceLimit struct {
	credential.Limit
	limited bool
}

// limitOf gives what of a device's feeds counts, by the present membership.
func (s *Space) limitOf(d id.DeviceKey) (l deviceLimit) {
	if !s.membership.Ends() {
		return l
	}
	l, known := s.limits[d]
	if !known {
		l.Limit, l.limited = s.membership.Limit(d)
		s.limits[d] = l
	}
	return l
}

// limit gives what of a feed counts; limited is false if all does.
func (s *Space) limit(h *feed.SignedHeader) (l credential.Limit, limited bool) {
	known := s.limitOf(h.Device)
	if !known.limited || known.Closed {
		return known.Limit, known.limited
	}
	_, cut := slices.BinarySearchFunc(known.Cuts, h.ID(), compareFeed)
	return known.Limit, cut
}

func compareFeed(r feed.Ref, f id.FeedID) int { return id.Compare(r.Feed, f) }

// counts tells whether a block of a data feed counts.
func (s *Space) counts(f *feedState, r feed.Ref) bool {
	l, limited := s.limit(f.header)
	if !limited {
		m, ok := s.member(f.header.Device)
		return ok && m.Role <= credential.Editor
	}
	n := &f.named
	if n.log != f.log { // its limit is new, or it was read from storage
		n.log, n.marks, n.missing = f.log, feed.Marks{}, slices.Clone(n.upTo)
		at, _ := slices.BinarySearchFunc(l.Cuts, f.header.ID(), compareFeed)
		for ; at < len(l.Cuts) && l.Cuts[at].Feed == f.header.ID(); at++ {
			n.missing = append(n.missing, l.Cuts[at])
		}
		n.mark()
	}
	return f.log.Marked(&n.marks, r)
}

// cutOff tells whether an own feed was cut, and is to be left by who may write
// again.
func (s *Space) cutOff(h *feed.SignedHeader) bool {
	l, limited := s.limit(h)
	return limited && !l.Closed && h.Kind == feed.Data
}

// namings are blocks of a feed that others name, while not all of the feed counts, and
// what they come to. Whether a naming block counts may rest on what names that in turn,
// in feeds of others who were put out, through as many ways as they like: so it is found
// from those that count on, and each naming comes to count once.
type namings struct {
	all   map[naming]struct{}
	upTo  []feed.Ref // the named that count
	waits []naming   // by blocks of this feed which do not count so far; of other feeds

	log     *feed.Log  // that marks are of
	marks   feed.Marks // the blocks that count: those of the cuts, and upTo
	missing []feed.Ref // of these, what is not here
}

// mark marks what came.
func (n *namings) mark() {
	n.missing = slices.DeleteFunc(n.missing, func(r feed.Ref) bool { return n.log.Mark(&n.marks, r) })
}

// noteNamings notes which blocks of limited feeds a change names.
func (s *Space) noteNamings(f *feedState, change []*feed.Block) {
	if !s.membership.Ends() {
		return
	}
	at := change[len(change)-1].Ref()
	for _, d := range change[0].Deltas {
		s.noteNaming(f.header.Device, naming{named: d, by: at, key: change[0].Epoch})
	}
}

// noteNaming notes one, by a block of that device.
func (s *Space) noteNaming(device id.DeviceKey, n naming) {
	f := s.feeds[n.named.Feed]
	if f == nil || f.header.Device == device {
		return
	}
	if _, known := f.named.all[n]; known {
		return
	}
	if _, limited := s.limit(f.header); !limited {
		return
	}
	if f.named.all == nil {
		f.named.all = map[naming]struct{}{}
	}
	f.named.all[n] = struct{}{}
	if !s.judge(f, n) {
		by := &s.feeds[n.by.Feed].named
		by.waits = append(by.waits, n)
	}
}

// judge takes a naming of a limited feed in if it counts, or never will while the
// membership is as it is; false if what names may count later.
func (s *Space) judge(f *feedState, n naming) bool {
	if l, _ := s.limit(f.header); l.Knew(n.key) {
		return true
	}
	if by := s.feeds[n.by.Feed]; by != nil && !s.counts(by, n.by) { // none: it is to be written
		return false
	}
	if !s.counts(f, n.named) {
		f.named.upTo = append(f.named.upTo, n.named)
		f.named.missing = append(f.named.missing, n.named)
		f.named.mark()
		s.unsettled, s.named = true, true
	}
	return true
}

// judgeWaiting judges again the namings whose blocks did not count, until none of them
// comes to count.
func (s *Space) judgeWaiting() {
	for again := true; again; {
		again = false
		for _, by := range s.feeds {
			if len(by.named.missing) > 0 && by.named.log == by.log {
				by.named.mark()
			}
			list := by.named.waits
			if len(list) == 0 {
				continue
			}
			by.named.waits = slices.DeleteFunc(list, func(n naming) bool { return s.judge(s.feeds[n.named.Feed], n) })
			again = again || len(by.named.waits) < len(list)
		}
	}
}

// setLimits finds, after the membership has changed, the devices whose blocks do
// not all count, and whether such a block is applied.
func (s *Space) setLimits() {
	before := s.limits
	s.limits = map[id.DeviceKey]deviceLimit{}
	for _, f := range s.feeds {
		f.named.upTo, f.named.waits, f.named.log = nil, nil, nil
		s.unsettled = s.unsettled || len(f.waiting) > 0 // it may count now
	}
	if !s.membership.Ends() {
		return
	}
	for _, f := range s.feeds {
		for n := range f.named.all {
			by := s.feeds[n.by.Feed]
			if _, limited := s.limit(f.header); limited && !s.judge(f, n) {
				by.named.waits = append(by.named.waits, n)
			}
		}
	}
	s.namePending()
	var limited []*feedState
	for _, f := range s.feeds {
		if _, is := s.limit(f.header); !is || f.header.Kind != feed.Data {
			continue
		}
		limited = append(limited, f)
		if !before[f.header.Device].limited {
			s.nameApplied(f)
		}
	}
	s.judgeWaiting()
	for _, f := range limited {
		s.unsound = s.unsound || s.exceeds(f)
	}
}

// namePending notes what edits name that are not written yet. They will be under
// the key of the time when they were made, or one that says no more.
func (s *Space) namePending() {
	if !s.db.HasBurst() && len(s.flights) == 0 {
		return
	}
	key, _ := s.EpochKey(id.EpochID{})
	if len(s.olderBursts) > 0 {
		key = s.olderBursts[len(s.olderBursts)-1].key
	}
	for _, d := range s.db.Pending() {
		s.noteNaming(s.self.Device, naming{named: d, key: key.ID()})
	}
}

// nameApplied notes what applied blocks of other devices name of a feed, directly
// or not, at the moment when its limit becomes known: none of them knew of it.
func (s *Space) nameApplied(f *feedState) {
	for _, other := range s.feeds {
		if other.header.Kind != feed.Data || other.header.Device == f.header.Device {
			continue
		}
		for _, head := range other.log.Heads() {
			by, ok := s.lastApplied(other, head)
			if !ok {
				continue
			}
			for _, own := range f.log.Heads() {
				if r, ok := s.followed(f, own, by); ok {
					s.noteNaming(other.header.Device, naming{named: r, by: by})
				}
			}
		}
	}
}

// lastApplied gives the last applied block of the line that ends at head.
func (s *Space) lastApplied(f *feedState, head feed.Ref) (feed.Ref, bool) {
	return s.last(f, head, func(r feed.Ref) bool { return s.db.Has(r) })
}

// followed gives the last block of the line to head that an applied block follows.
func (s *Space) followed(f *feedState, head, by feed.Ref) (feed.Ref, bool) {
	return s.last(f, head, func(r feed.Ref) bool { return s.db.Follows(by, r) })
}

// last gives the last block of the line to head for which ok holds, as it does for
// all before one for which it does.
func (s *Space) last(f *feedState, head feed.Ref, ok func(feed.Ref) bool) (feed.Ref, bool) {
	low, high := uint64(0), head.Seq // holds at low, or low is 0; not above high
	for low < high {
		mid := low + (high-low+1)/2
		if r, known := f.log.At(head, mid); known && ok(r) {
			low = mid
		} else {
			high = mid - 1
		}
	}
	if low == 0 {
		return feed.Ref{}, false
	}
	return f.log.At(head, low)
}

// exceeds tells whether a block of a feed is applied that does not count.
func (s *Space) exceeds(f *feedState) bool {
	return slices.ContainsFunc(f.log.Heads(), func(head feed.Ref) bool {
		r, ok := s.lastApplied(f, head)
		return ok && !s.counts(f, r)
	})
}

// Unsound tells whether a block is applied that does not count any more, because
// it came before what ended its author's writing. The space is to be read again,
// without its image: Load leaves such blocks out.
func (s *Space) Unsound() bool { return s.unsound }
