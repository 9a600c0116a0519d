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
// each up to which block it was found good: its header, that block, and all credentials
// up to there. That is true for good, since the block's hash is of all that comes before,
// and the image is sealed by this device. No hash is of the signatures of the header and
// the block, which others are sent, so what the image holds is a sum of these as well.

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

// verifiedLabel begins what the sum of a control feed is of.
const verifiedLabel = "echospace verified control feed v1"

func sumVerified(h *feed.SignedHeader, to id.Hash, sig []byte) id.Hash {
	return keys.SumLabel(verifiedLabel, h.Encode(), to[:], sig)
}

// packVerified makes the page of the control feeds: [feeds, (feed, seq, sum)...]. Of a feed
// whose head was not verified it says nothing: that may still wait for a key.
func (s *Space) packVerified() []byte {
	var feeds []*feedState
	for _, f := range s.feeds {
		if heads := f.log.Heads(); f.header.Kind == feed.Control && len(heads) == 1 && heads[0] == f.verified.to && len(f.verified.sig) > 0 {
			feeds = append(feeds, f)
		}
	}
	sort.Slice(feeds, func(i, j int) bool { return id.Compare(feeds[i].log.Feed(), feeds[j].log.Feed()) < 0 })
	var p flat.Pack
	p.Uint(uint64(len(feeds)))
	for _, f := range feeds {
		fid, sum := f.log.Feed(), sumVerified(f.header, f.verified.to.Hash, f.verified.sig)
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
// assures that all is good, if header and block are what it says that of.
func (s *Space) assuredFor(h *feed.SignedHeader, list []loaded) (to feed.Ref, ok bool) {
	v, ok := s.assured[h.ID()]
	if !ok {
		return to, false
	}
	for _, b := range list {
		if b.Seq == v.seq && sumVerified(h, b.Hash(), b.Sig) == v.sum {
			return b.Ref(), true
		}
	}
	return to, false
}
