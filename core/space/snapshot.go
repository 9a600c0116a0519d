package space

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// This file keeps a space from being made of all its blocks again whenever it is
// opened. An image holds the database and, per data feed, how far it has been
// applied. What it says is true of the feeds for good: blocks never change, and
// what they come to together does not depend on anything else. So an image may
// be older than the feeds by any number of blocks, which are applied behind it.
//
// It is never trusted above them. Of each feed the heads that it names must be
// stored, since storage loses what was written last first, and who restores a
// copy of a profile restores both; whoever stores a block of another branch, at a
// place that an image may have passed, removes the image in the same batch
// (Intake.AddTo); what does not fit is dropped, and the feeds are read.

const imageVersion = 1

// SnapshotKey is where the record is without which no image of the space counts.
func SnapshotKey(space id.SpaceKey) []byte { return slices.Concat([]byte("s/"), space[:]) }

// The sections of an image behind those of the database.
const (
	sectionFeeds  = 1 << 8
	sectionHashes = sectionFeeds + 1
	// sectionVerified came later; an image without it is read.
	sectionVerified = sectionFeeds + 2
)

func pageName(section, number int) objectdb.PageName {
	return objectdb.PageName(section)<<32 | objectdb.PageName(number)
}

// pageHashes is how many hashes of a branch make a page, which is the same for
// good.
const pageHashes = 2048

// Image is a Space at one moment, taken page by page; see objectdb.Image.
type Image struct {
	*objectdb.Image
	space    *Space
	branches uint64
	pages    []objectdb.Page // of the feeds
}

// Image begins an image of what is stored; false while something is not, or is
// damaged.
func (s *Space) Image() (*Image, bool) {
	if s.unsettled || len(s.flights) > 0 {
		return nil, false
	}
	for _, f := range s.feeds {
		if f.damaged || len(f.orphans) > 0 {
			return nil, false
		}
	}
	for _, head := range s.db.Frontier() { // some may be shown and not be stored yet
		if f := s.feeds[head.Feed]; f == nil || !f.log.Has(head) {
			return nil, false
		}
	}
	db, ok := s.db.Image()
	if !ok {
		return nil, false
	}
	im := &Image{Image: db, space: s, branches: s.branches}
	im.packFeeds()
	return im, true
}

// Next takes the next page, as objectdb.Image.Next does.
func (im *Image) Next() (page objectdb.Page, more bool, err error) {
	if n := len(im.pages); n > 0 {
		page, im.pages = im.pages[n-1], im.pages[:n-1]
		return page, true, nil
	}
	return im.Image.Next()
}

// Void reports whether a branch came since the image was begun that it may not
// know of: then it must not be kept.
func (im *Image) Void() bool { return im.space.branches != im.branches }

// packFeeds makes the pages of the feeds: [version, feeds, (feed, from, branches,
// (parent+1, base, hashes, those behind the last page)...)..., changes whose content
// is left out, (hash)...], and pages of hashes. from is the place from which on
// blocks are to be read.
func (im *Image) packFeeds() {
	s := im.space
	var p flat.Pack
	p.Uint(imageVersion)
	feeds := make([]*feedState, 0, len(s.feeds))
	for _, f := range s.feeds {
		if f.header.Kind == feed.Data {
			feeds = append(feeds, f)
		}
	}
	sort.Slice(feeds, func(i, j int) bool { return id.Compare(feeds[i].log.Feed(), feeds[j].log.Feed()) < 0 })
	p.Uint(uint64(len(feeds)))
	hashPages := 0
	for _, f := range feeds {
		v := f.log.Feed()
		p.Bytes = append(p.Bytes, v[:]...)
		branches, from := s.applied(f.log)
		p.Uint(from)
		p.Uint(uint64(len(branches)))
		for _, b := range branches {
			p.Uint(uint64(b.Parent + 1))
			p.Uint(b.Base)
			p.Uint(uint64(len(b.Hashes)))
			for ; len(b.Hashes) >= pageHashes; hashPages++ {
				part := b.Hashes[:pageHashes]
				b.Hashes = b.Hashes[pageHashes:]
				im.pages = append(im.pages, objectdb.Page{Name: pageName(sectionHashes, hashPages), Bytes: joinHashes(nil, part)})
			}
			p.Bytes = joinHashes(p.Bytes, b.Hashes)
		}
	}
	leftOut := make([]id.Hash, 0, len(s.leftOut))
	for h := range s.leftOut {
		leftOut = append(leftOut, h)
	}
	sort.Slice(leftOut, func(i, j int) bool { return id.Compare(leftOut[i], leftOut[j]) < 0 })
	p.Uint(uint64(len(leftOut)))
	p.Bytes = joinHashes(p.Bytes, leftOut)
	im.pages = append(im.pages, objectdb.Page{Name: pageName(sectionFeeds, 0), Bytes: p.Bytes},
		objectdb.Page{Name: pageName(sectionVerified, 0), Bytes: s.packVerified()})
}

func joinHashes(to []byte, hashes []id.Hash) []byte {
	for i := range hashes {
		to = append(to, hashes[i][:]...)
	}
	return to
}

// applied gives the branches of a log as far as the database has taken them in,
// and the lowest of their ends: what waits behind them is read again.
func (s *Space) applied(log *feed.Log) (branches []feed.Branch, from uint64) {
	all := log.Branches()
	at := make([]int, len(all)) // where they are among those kept
	from = 1
	first := true
	lower := func(seq uint64) {
		if first || seq < from {
			from, first = max(1, seq), false
		}
	}
	for i, b := range all {
		n := len(b.Hashes)
		for n > 0 && !s.db.Has(feed.Ref{Feed: log.Feed(), Seq: b.Base + uint64(n) - 1, Hash: b.Hashes[n-1]}) {
			n--
		}
		lower(b.Base + uint64(n) - 1)
		if at[i] = -1; n == 0 {
			continue
		}
		if b.Parent >= 0 {
			b.Parent = at[b.Parent]
		}
		b.Hashes = b.Hashes[:n]
		at[i] = len(branches)
		branches = append(branches, b)
	}
	return branches, from
}

// restored is a data feed as an image has it.
type restored struct {
	log  *feed.Log
	from uint64
}

// Restoring is a Space that takes an image in, page by page.
type Restoring struct {
	space *Space
	db    *objectdb.Restoring
	feeds map[id.FeedID]*restored
}

// Restore begins to take in an image, before anything is loaded; see
// objectdb.Restore. The Space is of no use if it fails.
func (s *Space) Restore(open func(objectdb.PageName) []byte) (*Restoring, error) {
	db, err := objectdb.Restore(s.options(), open)
	if err != nil {
		return nil, err
	}
	r := &Restoring{space: s, db: db, feeds: map[id.FeedID]*restored{}}
	if err := r.unpackFeeds(open); err != nil {
		return r, err
	}
	return r, s.unpackVerified(open(pageName(sectionVerified, 0)))
}

// Next takes the next page in; more is false when the image is in. Load is to
// follow, of all feeds, from From on.
func (r *Restoring) Next() (more bool, err error) {
	if more, err = r.db.Next(); err == nil && !more {
		r.space.db, r.space.restored = r.db.DB(), r.feeds
	}
	return more, err
}

func (r *Restoring) unpackFeeds(open func(objectdb.PageName) []byte) error {
	u := flat.NewUnpack(open(pageName(sectionFeeds, 0)))
	if v := u.Uint(1 << 16); !u.Bad() && v != imageVersion {
		return errs.New("space.Restore", errs.VersionUnsupported, "version %d of an image is not %d", v, imageVersion)
	}
	pages := 0
	for n := u.Count(id.HashSize); n > 0 && !u.Bad(); n-- {
		b := u.Next(id.HashSize)
		if b == nil {
			break
		}
		fid := id.FeedID(b)
		from := u.Uint(feed.MaxSeq)
		branches := make([]feed.Branch, u.Count(3))
		for i := range branches {
			b := feed.Branch{Parent: int(u.Uint(uint64(i))) - 1, Base: u.Uint(feed.MaxSeq)}
			count := int(u.Uint(1 << 31))
			for ; count >= pageHashes && !u.Bad(); count -= pageHashes {
				page := open(pageName(sectionHashes, pages))
				if pages++; len(page) != pageHashes*id.HashSize {
					u.Fail()
				} else {
					b.Hashes = splitHashes(b.Hashes, page)
				}
			}
			b.Hashes = splitHashes(b.Hashes, u.Next(count*id.HashSize))
			branches[i] = b
		}
		log, err := feed.RestoreLog(fid, branches)
		if u.Bad() || err != nil || r.feeds[fid] != nil {
			u.Fail()
			break
		}
		r.feeds[fid] = &restored{log, from}
	}
	for n := u.Count(id.HashSize); n > 0 && !u.Bad(); n-- {
		r.space.leftOut[id.Hash(u.Next(id.HashSize))] = true
	}
	if !u.Done() {
		return errs.New("space.Restore", errs.StorageCorrupt, "an image does not read: the page of its feeds is not whole")
	}
	return nil
}

func splitHashes(to []id.Hash, b []byte) []id.Hash {
	to = slices.Grow(to, len(b)/id.HashSize)
	for ; len(b) >= id.HashSize; b = b[id.HashSize:] {
		to = append(to, id.Hash(b[:id.HashSize]))
	}
	return to
}

// From is the place from which on the blocks of a feed are to be read for Load: 1,
// unless an image was taken in that holds what comes before.
func (s *Space) From(f id.FeedID) uint64 {
	if r := s.restored[f]; r != nil {
		return r.from
	}
	return 1
}

// Fits reports, after the last feed was loaded, whether everything that the image
// names was. If not, the Space is of no use, nor is the image.
func (s *Space) Fits() bool { return !s.unfit && len(s.restored) == 0 }

// takeRestored gives a feed the log that the image has, if the blocks that were
// read hold all its heads, which come last.
func (s *Space) takeRestored(f *feedState, blocks []*feed.Block, damaged bool) {
	r := s.restored[f.log.Feed()]
	if r == nil {
		return
	}
	delete(s.restored, f.log.Feed())
	read := map[feed.Ref]bool{}
	for _, b := range blocks {
		read[b.Ref()] = true
	}
	for _, head := range r.log.Heads() {
		s.unfit = s.unfit || !read[head]
	}
	s.unfit = s.unfit || damaged
	f.log = r.log
}
