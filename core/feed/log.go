package feed

import (
	"bytes"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// Log indexes the blocks of one feed in memory, 32 bytes per block: which are
// there, and how they follow one another. A feed is a line of blocks; a fork
// hangs a further line, a branch, off it. It holds no block and verifies
// nothing. It is for one goroutine.
type Log struct {
	feed     id.FeedID
	branches []branch
	// at finds the branch of a block of a feed that is forked again and again; nil
	// while there are few branches.
	at map[id.Hash]int32
}

// fewBranches is up to how many each is looked at.
const fewBranches = 16

// branch is a line of blocks. hashes[i] is that of place base+i. Its first block
// follows place base-1 of the branch parent, which comes before it in Log.branches;
// -1 if it is a first block.
type branch struct {
	parent int
	base   uint64
	hashes []id.Hash
}

// tip is the last place.
func (b *branch) tip() uint64 { return b.base + uint64(len(b.hashes)) - 1 }

// holds tells whether the branch itself has that block.
func (b *branch) holds(seq uint64, h id.Hash) bool {
	return seq >= b.base && seq <= b.tip() && b.hashes[seq-b.base] == h
}

// NewLog makes the Log of an empty feed.
func NewLog(f id.FeedID) *Log { return &Log{feed: f} }

// Feed is the feed's id.
func (l *Log) Feed() id.FeedID { return l.feed }

// Add indexes the block at seq that follows prev (zero for the first). One
// that is there already changes nothing; one at a place that another block
// fills starts a branch. An unknown prev is an errs.MissingDependency.
func (l *Log) Add(seq uint64, hash, prev id.Hash) error {
	if seq == 0 || id.IsZero(hash) || (seq == 1) != id.IsZero(prev) {
		return errs.New("feed.Log.Add", errs.InvalidArgument, "block %d of feed %v with hash %v after %v", seq, l.feed, hash, prev)
	}
	if _, ok := l.find(seq, hash); ok {
		return nil
	}
	at := -1
	if seq > 1 {
		var ok bool
		if at, ok = l.find(seq-1, prev); !ok {
			return errs.New("feed.Log.Add", errs.MissingDependency, "block %d of feed %v follows %v, which is not there", seq, l.feed, prev)
		}
	}
	if at < 0 || l.branches[at].tip() != seq-1 {
		l.branches = append(l.branches, branch{parent: at, base: seq})
		at = len(l.branches) - 1
	}
	b := &l.branches[at]
	b.hashes = append(b.hashes, hash)
	if l.at != nil {
		l.at[hash] = int32(at)
	}
	return nil
}

// find gives the branch that holds a block.
func (l *Log) find(seq uint64, hash id.Hash) (int, bool) {
	if seq == 0 || id.IsZero(hash) {
		return 0, false
	}
	if len(l.branches) > fewBranches {
		if l.at == nil {
			l.index()
		}
		i, ok := l.at[hash]
		return int(i), ok && l.branches[i].holds(seq, hash)
	}
	for i := range l.branches {
		if l.branches[i].holds(seq, hash) {
			return i, true
		}
	}
	return 0, false
}

func (l *Log) index() {
	l.at = map[id.Hash]int32{}
	for i := range l.branches {
		for _, h := range l.branches[i].hashes {
			l.at[h] = int32(i)
		}
	}
}

// isStart tells whether r is the empty feed's place.
func (l *Log) isStart(r Ref) bool { return r.Feed == l.feed && r.Seq == 0 && id.IsZero(r.Hash) }

// locate is find for a Ref.
func (l *Log) locate(r Ref) (int, bool) {
	if r.Feed != l.feed {
		return 0, false
	}
	return l.find(r.Seq, r.Hash)
}

// Has reports whether the block is indexed; the place before the first always
// is.
func (l *Log) Has(r Ref) bool {
	_, ok := l.locate(r)
	return ok || l.isStart(r)
}

// Heads gives the last block of every branch, sorted by hash: none if the feed
// is empty, more than one if it is forked.
func (l *Log) Heads() []Ref {
	// A block that follows a tip extends its branch, so every tip is a head.
	heads := make([]Ref, 0, len(l.branches))
	for i := range l.branches {
		b := &l.branches[i]
		heads = append(heads, Ref{Feed: l.feed, Seq: b.tip(), Hash: b.hashes[len(b.hashes)-1]})
	}
	sort.Slice(heads, func(i, j int) bool { return bytes.Compare(heads[i].Hash[:], heads[j].Hash[:]) < 0 })
	return heads
}

// Forked gives the lowest place that two blocks claim.
func (l *Log) Forked() (at uint64, ok bool) {
	for i := 1; i < len(l.branches); i++ {
		if b := l.branches[i].base; !ok || b < at {
			at, ok = b, true
		}
	}
	return at, ok
}

// Branchings is how many lines hang off the first: 0 for a feed that is not forked.
func (l *Log) Branchings() int { return max(0, len(l.branches)-1) }

// on gives the branch that fills place seq of the line that ends at branch at;
// -1 for place 0.
func (l *Log) on(at int, seq uint64) int {
	for at >= 0 && seq < l.branches[at].base {
		at = l.branches[at].parent
	}
	return at
}

// At gives the block at place seq of the line that ends at head: false if head
// is unknown or before seq.
func (l *Log) At(head Ref, seq uint64) (Ref, bool) {
	at, ok := l.locate(head)
	if seq == 0 {
		return Ref{Feed: l.feed}, ok || l.isStart(head)
	}
	if !ok || seq > head.Seq {
		return Ref{}, false
	}
	b := &l.branches[l.on(at, seq)]
	return Ref{Feed: l.feed, Seq: seq, Hash: b.hashes[seq-b.base]}, true
}

// Contains reports whether r is head or comes before it.
func (l *Log) Contains(head, r Ref) bool {
	if r.Feed != l.feed {
		return false
	}
	got, ok := l.At(head, r.Seq)
	return ok && got == r
}

// Path gives the blocks after from up to and including to, in order; false if
// from is not before or equal to to, or either is unknown. From the place before
// the first, all.
func (l *Log) Path(from, to Ref) ([]Ref, bool) {
	if !l.Contains(to, from) {
		return nil, false
	}
	refs := make([]Ref, 0, to.Seq-from.Seq)
	at, _ := l.locate(to)
	for seq := to.Seq; seq > from.Seq; seq-- {
		at = l.on(at, seq)
		b := &l.branches[at]
		refs = append(refs, Ref{Feed: l.feed, Seq: seq, Hash: b.hashes[seq-b.base]})
	}
	slices.Reverse(refs)
	return refs, true
}

// Common gives the last block that is in the lines of both a and b, or the
// place before the first if there is none or either is unknown.
func (l *Log) Common(a, b Ref) Ref {
	start := Ref{Feed: l.feed}
	x, okA := l.locate(a)
	y, okB := l.locate(b)
	if !okA || !okB {
		return start
	}
	seq := min(a.Seq, b.Seq)
	x, y = l.on(x, seq), l.on(y, seq)
	// A parent comes before its child, and -1 before all: step up from the
	// later branch.
	for x != y {
		if x < y {
			x, y = y, x
		}
		seq = min(seq, l.branches[x].base-1)
		x = l.branches[x].parent
		y = l.on(y, seq)
	}
	if seq == 0 {
		return start
	}
	line := &l.branches[l.on(x, seq)]
	return Ref{Feed: l.feed, Seq: seq, Hash: line.hashes[seq-line.base]}
}

// Marks are blocks of a Log, each with all that it follows. The zero value has none.
type Marks struct{ tops []uint64 } // by branch, its last marked place

// Mark adds a block to the marks; false if it is unknown.
func (l *Log) Mark(m *Marks, r Ref) bool {
	at, ok := l.locate(r)
	if !ok {
		return false
	}
	for len(m.tops) < len(l.branches) {
		m.tops = append(m.tops, 0)
	}
	for seq := r.Seq; at >= 0 && m.tops[at] < seq; at = l.branches[at].parent {
		m.tops[at] = seq
		seq = l.branches[at].base - 1
	}
	return true
}

// Marked reports whether a block is marked.
func (l *Log) Marked(m *Marks, r Ref) bool {
	at, ok := l.locate(r)
	return ok && at < len(m.tops) && r.Seq <= m.tops[at]
}
