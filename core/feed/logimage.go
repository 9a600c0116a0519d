package feed

import (
	"slices"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// Branch is a line of blocks of a Log: Hashes[i] is that of place Base+i. Its first
// block follows place Base-1 of branch Parent, a lower number; -1 if it is a first
// block.
type Branch struct {
	Parent int
	Base   uint64
	Hashes []id.Hash
}

// Branches gives the lines of the log. The hashes are the Log's: not to be
// changed, and those of the moment.
func (l *Log) Branches() []Branch {
	out := make([]Branch, len(l.branches))
	for i, b := range l.branches {
		out[i] = Branch{b.parent, b.base, b.hashes[:len(b.hashes):len(b.hashes)]}
	}
	return out
}

// RestoreLog makes the Log of those lines, which it takes over. Lines that cannot
// be are an errs.StorageCorrupt.
func RestoreLog(f id.FeedID, branches []Branch) (*Log, error) {
	l := NewLog(f)
	for i, b := range branches {
		ok := len(b.Hashes) > 0 && b.Base > 0 && !slices.ContainsFunc(b.Hashes, id.IsZero[id.Hash])
		if b.Parent < 0 {
			ok = ok && b.Parent == -1 && b.Base == 1
		} else {
			ok = ok && b.Parent < i && b.Base > l.branches[b.Parent].base && b.Base-1 <= l.branches[b.Parent].tip()
		}
		if !ok {
			return nil, errs.New("feed.RestoreLog", errs.StorageCorrupt, "branch %d of feed %s does not fit", i, id.Short(f))
		}
		l.branches = append(l.branches, branch{b.Parent, b.Base, b.Hashes})
	}
	return l, nil
}
