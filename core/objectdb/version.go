package objectdb

import (
	"errors"
	"math"
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Version names a state of the database for good: that of some blocks and of all
// that they follow. It holds the last blocks only, those that none of the others
// follows, by feed, then hash; none is the state before the first block. Equal
// versions have equal encodings.
type Version []feed.Ref

// versionFormat is the first element of an encoded Version.
const versionFormat = 1

// maxTips bounds the blocks of one Version.
const maxTips = 1 << 12

// Encode gives [1, [[feed bin32, seq, hash bin32]...]].
func (v Version) Encode() []byte {
	return feed.AppendRefs(wire.AppendUint(wire.AppendArray(nil, 2), versionFormat), v)
}

// DecodeVersion reads what Encode made. It fails with VersionUnsupported for a
// later form and with Malformed.
func DecodeVersion(b []byte) (Version, error) {
	const op = "objectdb.DecodeVersion"
	r := wire.NewReader(b)
	n := r.ArrayLen(math.MaxInt32)
	form := r.Uint(math.MaxUint64)
	if r.Err() == nil && form != versionFormat {
		return nil, errs.New(op, errs.VersionUnsupported, "a version in form %d; this Echospace reads form %d", form, versionFormat)
	}
	if r.Err() == nil && n != 2 {
		r.Fail(errors.New("is not a version"))
	}
	v := Version(feed.ReadRefs(r, maxTips))
	for i, ref := range v {
		if ref.Seq == 0 || id.IsZero(ref.Hash) {
			r.Fail(errors.New("a version names the place before a feed"))
		}
		if i > 0 && (id.Compare(v[i-1].Feed, ref.Feed) > 0 || v[i-1].Feed == ref.Feed && id.Compare(v[i-1].Hash, ref.Hash) >= 0) {
			r.Fail(errors.New("the blocks of a version are not ascending"))
		}
	}
	if err := r.Done(op); err != nil {
		return nil, err
	}
	return v, nil
}

// Now closes the open burst and gives the last nodes, pending ones among them:
// what VersionOf names once they are written.
func (db *DB) Now() []crdt.Node {
	db.closeBurst()
	return db.graph.Tips()
}

// VersionOf is the version of nodes from Now and all that they follow; false while
// one of them is pending and has no name.
func (db *DB) VersionOf(nodes []crdt.Node) (Version, bool) {
	v := make(Version, 0, len(nodes))
	for _, n := range nodes {
		if db.graph.Pending(n) {
			return nil, false
		}
		v = append(v, db.graph.Ref(n))
	}
	return Version(feed.SortRefs(v)), true
}

// Resolve gives the nodes that a version names. It fails with MissingDependency,
// naming the first block that has not been applied.
func (db *DB) Resolve(v Version) ([]crdt.Node, error) {
	nodes := make([]crdt.Node, 0, len(v))
	for _, ref := range v {
		n, ok := db.graph.Find(ref)
		if !ok {
			return nil, errs.New("objectdb.Resolve", errs.MissingDependency, "block %d of feed %s, which the version holds, has not arrived here", ref.Seq, id.Short(ref.Feed)).
				With("feed", ref.Feed.String()).With("seq", int(ref.Seq))
		}
		nodes = append(nodes, n)
	}
	return nodes, nil
}

// Contains is the set of all blocks of a version, given by its nodes.
func (db *DB) Contains(nodes []crdt.Node) *flat.Bits { return db.graph.PastOfAll(nodes) }

// Walk goes through the blocks of a version, given by its nodes, newest first.
func (db *DB) Walk(nodes []crdt.Node) *crdt.Walk { return db.graph.Walk(nodes) }

// IsNow reports whether nothing was written or applied after nodes.
func (db *DB) IsNow(nodes []crdt.Node) bool {
	tips := db.graph.Tips()
	return len(tips) == len(nodes) && !slices.ContainsFunc(tips, func(n crdt.Node) bool { return !slices.Contains(nodes, n) })
}

// NodeCount is the number behind the last node. What was added since an earlier
// count has the numbers from that on.
func (db *DB) NodeCount() int { return db.graph.Len() }

// BlockOf is a block without its payload, and the one before it in its feed
// (Seq 0 if it is the first). A pending node, or one that was moved, is none.
func (db *DB) BlockOf(n crdt.Node) (b Block, prev feed.Ref, ok bool) {
	if db.graph.Pending(n) {
		return b, prev, false
	}
	b.Ref = db.graph.Ref(n)
	prev.Feed = b.Ref.Feed
	if p := db.graph.Predecessor(n); p != crdt.None {
		prev = db.graph.Ref(p)
	}
	b.Prev, b.Deltas = prev.Hash, db.graph.Deltas(n)
	_, b.Ops = db.graph.Ops(n)
	return b, prev, true
}
