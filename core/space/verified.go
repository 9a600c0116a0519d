package space

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// This file keeps control feeds from being verified again whenever a space is opened: of a
// thousand members that is ten thousand signatures, seconds in a page. An image says of
// each up to which block it was found good: its header, and all credentials up to there.
// That is true for good, since the block's hash is of all that comes before, and the image
// is sealed by this device. No hash is of the signatures of the header and the last
// block, which others are sent, so what the image holds is a sum of these as well.

// verified is how far a control feed was read without fault, from its first block on.
type verified struct {
	to  feed.Ref
	sig []byte // of that block
}

// add notes a change that was read, if it follows.
func (v *verified) add(change []*feed.Block) {
	first, last := change[0], change[len(change)-1]
	if first.Seq == v.to.Seq+1 && first.Prev == v.to.Hash {
		*v = verified{last.Ref(), slices.Clone(last.Sig)}
	}
}

// assured is what an image says of a control feed.
type assured struct {
	seq uint64
	sum id.Hash
}

// verifiedLabel begins what the sum of a control feed is of. A version that takes less than
// this one for verified needs another.
const verifiedLabel = "echospace verified control feed v1"

func sumVerified(h *feed.SignedHeader, to id.Hash, sig []byte) id.Hash {
	return keys.SumLabel(verifiedLabel, h.Encode(), to[:], sig)
}

// packVerified makes the page of the control feeds: [feeds, (feed, seq, sum)...]. The
// block's signature is part of the sum if it is the feed's end: those of others were not
// looked at.
func (s *Space) packVerified() []byte {
	var feeds []*feedState
	for _, f := range s.feeds {
		if f.header.Kind == feed.Control && f.verified.to.Seq > 0 {
			feeds = append(feeds, f)
		}
	}
	sort.Slice(feeds, func(i, j int) bool { return id.Compare(feeds[i].log.Feed(), feeds[j].log.Feed()) < 0 })
	var p flat.Pack
	p.Uint(uint64(len(feeds)))
	for _, f := range feeds {
		sig := f.verified.sig
		if heads := f.log.Heads(); len(heads) != 1 || heads[0] != f.verified.to {
			sig = nil
		}
		fid, sum := f.log.Feed(), sumVerified(f.header, f.verified.to.Hash, sig)
		p.Bytes = append(p.Bytes, fid[:]...)
		p.Uint(f.verified.to.Seq)
		p.Bytes = append(p.Bytes, sum[:]...)
	}
	return p.Bytes
}

// unpackVerified takes in the page of an image, which one of an earlier version lacks.
func (s *Space) unpackVerified(page []byte) error {
	if page == nil {
		return nil
	}
	u := flat.NewUnpack(page)
	for n := u.Count(2*id.HashSize + 1); n > 0 && !u.Bad(); n-- {
		b := u.Next(id.HashSize)
		v := assured{seq: u.Uint(feed.MaxSeq)}
		if sum := u.Next(id.HashSize); !u.Bad() {
			v.sum = id.Hash(sum)
			s.assured[id.FeedID(b)] = v
		}
	}
	if !u.Done() {
		return errs.New("space.Restore", errs.StorageCorrupt, "an image does not read: the page of its control feeds is not whole")
	}
	return nil
}

// assuredFor gives the block among those that were read of a feed up to which the image
// assures that all is good, if it is what the image says that of. end: with its signature.
func (s *Space) assuredFor(h *feed.SignedHeader, list []loaded) (to feed.Ref, end, ok bool) {
	v, ok := s.assured[h.ID()]
	if !ok {
		return to, false, false
	}
	for _, b := range list {
		if b.Seq != v.seq {
			continue
		}
		if len(b.Sig) > 0 && sumVerified(h, b.Hash(), b.Sig) == v.sum {
			return b.Ref(), true, true
		}
		if sumVerified(h, b.Hash(), nil) == v.sum {
			return b.Ref(), false, true
		}
	}
	return to, false, false
}

// unassured counts the blocks that an image would assure, and the one that was taken in
// does not.
func (s *Space) unassured() (n int) {
	for _, f := range s.feeds {
		if f.header.Kind == feed.Control && f.verified.to.Seq > f.assured.Seq {
			n += int(f.verified.to.Seq - f.assured.Seq)
		}
	}
	return n
}
