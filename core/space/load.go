package space

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

// Damage is a stored record that could not be read.
type Damage struct {
	Key []byte
	Err error
	// Mended is what the record must say, if that is known: the block was
	// taken, and the record is to be replaced. Nil: it is to be set aside.
	Mended []byte
}

// Load takes one feed from storage: its header record and its block records
// from From on in key order. A record that is damaged is left out and reported. What follows
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
	s.takeRestored(f, blocks, f.damaged)
	s.count(f, blocks)
	f.orphans = f.link(blocks)
	s.unsettled = true
	f.damaged = f.damaged || len(f.orphans) > 0
	if len(f.orphans) > 0 {
		s.env.Log.Warn("stored blocks wait for a missing one", "space", id.Short(s.key), "feed", id.Short(h.ID()), "blocks", len(f.orphans), "from", f.orphans[0].Seq)
	}
	return damage
}

// count counts what no image holds.
func (s *Space) count(f *feedState, blocks []*feed.Block) {
	for _, b := range blocks {
		if f.header.Kind == feed.Data && !f.log.Has(b.Ref()) {
			s.tail.Blocks++
			s.tail.Bytes += len(b.Ciphertext)
		}
	}
}

// Tail is how many data blocks were loaded that no image holds.
func (s *Space) Tail() Tail { return s.tail }

// Tail is blocks of data feeds, and the bytes in them.
type Tail struct{ Blocks, Bytes int }

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

// Ready applies what was loaded and takes up the own feeds.
func (s *Space) Ready() Effects {
	eff, _ := s.Settle(nil)
	s.adopt(&s.control)
	s.adopt(&s.data)
	return eff
}
