package space

import (
	"context"
	"slices"
	"sort"

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

// Load takes one feed from storage: its header record, and its block records from
// From on and the repacks that end there or behind, in any order. A record that is
// damaged is left out and reported. What follows it is kept until the feed is whole
// again, by Commit or the next time. Call Ready after the last feed. It calls rest
// between pieces of work.
func (s *Space) Load(header storage.Entry, records []storage.Entry, rest func()) (damage []Damage) {
	h, err := feed.ReadHeader(header.Value)
	if err == nil && string(feed.HeaderKey(s.key, h.ID())) != string(header.Key) {
		err = errs.New("space.Load", errs.StorageCorrupt, "the header of feed %s of space %s is under another key", id.Short(h.ID()), id.Short(h.Space))
	}
	if err != nil {
		return []Damage{{Key: header.Key, Err: err}}
	}
	var list []loaded
	for _, rec := range records {
		blocks, repack, err := s.readRecord(rec, rest)
		if err != nil {
			damage = append(damage, Damage{Key: rec.Key, Err: err})
			continue
		}
		for _, b := range blocks {
			list = append(list, loaded{b, repack})
		}
	}
	list = inOrder(list)
	assured, end, ok := s.assuredFor(h, list)
	if !ok {
		if err := h.Verify(); err != nil {
			return []Damage{{Key: header.Key, Err: err}}
		}
	}
	f := s.feed(h)
	f.kept, f.damaged, f.assured = true, len(damage) > 0, assured
	var found *Damage
	if !end || list[len(list)-1].Ref() != assured {
		list, found = s.checkEnd(h, list)
	}
	if found != nil {
		damage = append(damage, *found)
		f.damaged = f.damaged || found.Mended == nil
	}
	blocks := make([]*feed.Block, len(list))
	for i := range list {
		blocks[i] = list[i].Block
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

// loaded is a block, and the repack that it came in, if it came in one.
type loaded struct {
	*feed.Block
	repack *feed.Block
}

// inOrder sorts blocks by place and hash, and drops all but one of those that are in
// several records.
func inOrder(list []loaded) []loaded {
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return a.Seq < b.Seq || a.Seq == b.Seq && id.Compare(a.Hash(), b.Hash()) < 0
	})
	return slices.CompactFunc(list, func(a, b loaded) bool { return a.Seq == b.Seq && a.Hash() == b.Hash() })
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

// Tail is how many blocks were loaded that no image holds, or assures to be good.
func (s *Space) Tail() Tail {
	return Tail{s.tail.Blocks + s.unassured(), s.tail.Bytes}
}

// Tail is blocks, and the bytes in those of data feeds.
type Tail struct{ Blocks, Bytes int }

// checkEnd verifies the signature of a feed's last block, by which everybody
// else takes in the run that ends there. The hashes do not cover it, and a
// peer that is given a wrong one leaves. Of this device's own blocks it is made
// again; of others what the record brought is left out. A block without one is not
// the end of a run that was taken in: what followed it is missing.
func (s *Space) checkEnd(h *feed.SignedHeader, list []loaded) ([]loaded, *Damage) {
	if len(list) == 0 {
		return list, nil
	}
	end := list[len(list)-1]
	record, key := end.repack, []byte(nil)
	if record == nil {
		record, key = end.Block, feed.BlockKey(end.Ref())
	} else {
		key = feed.RepackKey(record)
	}
	if record.Sig == nil {
		return list, nil
	}
	err := record.VerifySig(h)
	if err == nil {
		return list, nil
	}
	if h.Device == s.self.Device {
		if err := record.Sign(context.Background(), s.self.Signer); err == nil {
			end.Sig = record.Sig
			return list, &Damage{Key: key, Err: err, Mended: record.Encode()}
		}
	}
	kept := slices.DeleteFunc(list, func(b loaded) bool { return b.Block == end.Block || b.repack != nil && b.repack == end.repack })
	return kept, &Damage{Key: key, Err: err}
}

// readRecord gives the blocks of a record, and the repack if it is one.
func (s *Space) readRecord(rec storage.Entry, rest func()) (blocks []*feed.Block, repack *feed.Block, err error) {
	b, err := feed.DecodeBlock(rec.Value)
	if err != nil {
		return nil, nil, err
	}
	key := feed.BlockKey(b.Ref())
	if b.Repack != nil {
		key = feed.RepackKey(b)
	}
	if string(key) != string(rec.Key) {
		return nil, nil, errs.New("space.Load", errs.StorageCorrupt, "block %d of feed %s does not have the hash of its key", b.Seq, id.Short(b.Feed))
	}
	if b.Repack == nil {
		return []*feed.Block{b}, nil, nil
	}
	blocks, err = s.unfold(b, rest)
	return blocks, b, err
}

// Ready applies what was loaded and takes up the own feeds.
func (s *Space) Ready() Effects {
	eff, _ := s.Settle(nil)
	s.adopt(&s.control)
	s.adopt(&s.data)
	return eff
}
