package space

import (
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// vouched is after about how many bytes a run that is served carries a
// signature.
const vouched = 48 << 10

// Vouch gives stored blocks and repacks of a feed, which follow one another, as a
// peer is to get them, up to the first that is damaged: with a signature after some tens of kilobytes and at the end, where
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
		if err != nil || !known.log.Has(b.Ref()) {
			break // its record was spoiled since it was read first, or indexed by an image
		}
		if b.Repack != nil { // its hash is no word for what is in it
			if _, err := b.Open(s.byID[b.Epoch]); err != nil || b.VerifySig(known.header) != nil {
				break
			}
			out, size = append(out, raw), 0
			continue
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
