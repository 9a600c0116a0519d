package crdt

import (
	"encoding/binary"
	"math"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// Node is a block of the graph. Nodes are numbered in the order in which they
// were added, so a parent's number is below its child's. None is no node.
type Node = int32

// None is no node: the predecessor of a first block.
const None = flat.None

// node is a row of the graph.
type node struct {
	hash    id.Hash
	seq     uint64
	start   uint64 // lamport of the first op
	ops     uint64
	feed    int32
	parents uint32 // where they begin in Graph.parents; the predecessor first
	count   uint32 // how many
	mark    uint32 // equals Graph.round if outside the past last asked for
	walk    uint32 // scratch of Past
	pending bool
}

// Graph holds the blocks that were applied. Make one with NewGraph.
type Graph struct {
	nodes   flat.Column[node]
	parents []Node
	byHash  flat.Index // of committed nodes
	feeds   []id.FeedID
	byFeed  flat.Index
	heads   []Node // per feed and branch the last committed node
	tips    []Node // nodes without children, ascending
	round   uint32
	walks   uint32
	asked   Node // whose past the marks are about
	known   int  // number of nodes that the marks cover
}

// NewGraph makes an empty graph.
func NewGraph() *Graph { return &Graph{asked: None} }

func hashOf(h *[32]byte) uint64 { return binary.LittleEndian.Uint64(h[:]) }

// Feed numbers a feed.
func (g *Graph) Feed(f id.FeedID) int32 {
	h := hashOf((*[32]byte)(&f))
	if i := g.byFeed.Find(h, func(i int32) bool { return g.feeds[i] == f }); i != flat.None {
		return i
	}
	i := int32(len(g.feeds))
	g.feeds = append(g.feeds, f)
	g.byFeed.Insert(h, i)
	return i
}

// Find gives the committed node that r names. A ref of Seq 0 names none.
func (g *Graph) Find(r feed.Ref) (Node, bool) {
	n := g.byHash.Find(hashOf((*[32]byte)(&r.Hash)), func(n int32) bool { return g.nodes.At(n).hash == r.Hash })
	if n == None {
		return None, false
	}
	v := g.nodes.At(n)
	if v.seq != r.Seq || g.feeds[v.feed] != r.Feed {
		return None, false
	}
	return n, true
}

// Len is the number of nodes, pending ones included.
func (g *Graph) Len() int { return g.nodes.Len() }

// Ref names a node. That of a pending one has a zero hash.
func (g *Graph) Ref(n Node) feed.Ref {
	v := g.nodes.At(n)
	return feed.Ref{Feed: g.feeds[v.feed], Seq: v.seq, Hash: v.hash}
}

// Parents are the predecessor, if there is one, and the nodes of the deltas.
// The slice is the graph's.
func (g *Graph) Parents(n Node) []Node {
	v := g.nodes.At(n)
	return g.parents[v.parents : v.parents+v.count]
}

// Ops is the lamport of the node's first op and how many ops it has.
func (g *Graph) Ops(n Node) (start, count uint64) {
	v := g.nodes.At(n)
	return v.start, v.ops
}

// Check resolves the parents of a block that is to be added: MissingDependency
// if one is not there, Malformed if the names contradict each other. prev is
// zero for the first block of a feed. Seq may leap over the parts and the
// repacked blocks that one node stands for.
func (g *Graph) Check(r feed.Ref, prev id.Hash, deltas []feed.Ref) ([]Node, error) {
	const op = "crdt.Check"
	if r.Seq == 0 || id.IsZero(r.Hash) {
		return nil, errs.New(op, errs.Malformed, "block without number or hash in feed %s", id.Short(r.Feed))
	}
	parents := make([]Node, 0, 1+len(deltas))
	if !id.IsZero(prev) {
		n := g.byHash.Find(hashOf((*[32]byte)(&prev)), func(n int32) bool { return g.nodes.At(n).hash == prev })
		if n == None {
			return nil, errs.New(op, errs.MissingDependency, "predecessor %s of block %d of feed %s has not been applied", id.Short(prev), r.Seq, id.Short(r.Feed))
		}
		if v := g.nodes.At(n); g.feeds[v.feed] != r.Feed || v.seq >= r.Seq {
			return nil, errs.New(op, errs.Malformed, "predecessor of block %d of feed %s is block %d of feed %s", r.Seq, id.Short(r.Feed), v.seq, id.Short(g.feeds[v.feed]))
		}
		parents = append(parents, n)
	}
	for _, d := range deltas {
		n, ok := g.Find(d)
		switch {
		case d.Feed == r.Feed:
			return nil, errs.New(op, errs.Malformed, "block %d of feed %s names its own feed as seen", r.Seq, id.Short(r.Feed))
		case !ok:
			return nil, errs.New(op, errs.MissingDependency, "block %d of feed %s, which block %d of feed %s follows, has not been applied", d.Seq, id.Short(d.Feed), r.Seq, id.Short(r.Feed))
		}
		parents = append(parents, n)
	}
	return parents, nil
}

// Ready reports whether Check would not fail with MissingDependency, without
// the cost of an error.
func (g *Graph) Ready(r feed.Ref, prev id.Hash, deltas []feed.Ref) bool {
	if r.Seq == 0 || id.IsZero(r.Hash) {
		return true
	}
	if !id.IsZero(prev) {
		n := g.byHash.Find(hashOf((*[32]byte)(&prev)), func(n int32) bool { return g.nodes.At(n).hash == prev })
		if n == None {
			return false
		}
		if v := g.nodes.At(n); g.feeds[v.feed] != r.Feed || v.seq >= r.Seq {
			return true
		}
	}
	for _, d := range deltas {
		if d.Feed == r.Feed {
			return true
		}
		if _, ok := g.Find(d); !ok {
			return false
		}
	}
	return true
}

// Add puts a committed block with the parents from Check into the graph.
func (g *Graph) Add(r feed.Ref, parents []Node, ops uint64) Node {
	n := g.append(g.Feed(r.Feed), r.Seq, parents, ops)
	g.commit(n, r.Hash)
	return n
}

func (g *Graph) append(f int32, seq uint64, parents []Node, ops uint64) Node {
	n := g.place(f, seq, parents, ops)
	g.top(n)
	// What is concurrent to a node is so to its only child, if nothing else came.
	if len(parents) == 1 && parents[0] == g.asked && g.known == int(n) {
		g.asked, g.known = n, int(n)+1
	}
	return n
}

// place makes a pending node that nothing else knows of.
func (g *Graph) place(f int32, seq uint64, parents []Node, ops uint64) Node {
	start := uint64(1)
	for _, p := range parents {
		v := g.nodes.At(p)
		start = max(start, v.start+v.ops)
	}
	n := g.nodes.Append(node{seq: seq, start: start, ops: ops, feed: f, parents: uint32(len(g.parents)), count: uint32(len(parents)), pending: true})
	g.parents = append(g.parents, parents...)
	return n
}

// top makes a node a tip, in place of its parents.
func (g *Graph) top(n Node) {
	parents := g.Parents(n)
	g.tips = slices.DeleteFunc(g.tips, func(t Node) bool { return slices.Contains(parents, t) })
	at := len(g.tips)
	for at > 0 && g.tips[at-1] > n {
		at--
	}
	g.tips = slices.Insert(g.tips, at, n)
}

// commit names a node and makes it the head of its branch.
func (g *Graph) commit(n Node, h id.Hash) {
	v := g.nodes.At(n)
	v.hash, v.pending = h, false
	g.byHash.Insert(hashOf((*[32]byte)(&h)), n)
	if prev := g.Predecessor(n); prev != None {
		if i := slices.Index(g.heads, prev); i >= 0 {
			g.heads[i] = n
			return
		}
	}
	g.heads = append(g.heads, n)
}

// Predecessor is the parent in the same feed, or None.
func (g *Graph) Predecessor(n Node) Node {
	if ps := g.Parents(n); len(ps) > 0 && g.nodes.At(ps[0]).feed == g.nodes.At(n).feed {
		return ps[0]
	}
	return None
}

// Heads are the last committed blocks of every feed and branch, by feed, then
// hash.
func (g *Graph) Heads() []feed.Ref {
	out := make([]feed.Ref, 0, len(g.heads))
	for _, n := range g.heads {
		out = append(out, g.Ref(n))
	}
	sortRefs(out)
	return out
}

// sortRefs sorts by feed, then hash.
func sortRefs(refs []feed.Ref) {
	sort.Slice(refs, func(i, j int) bool {
		a, b := &refs[i], &refs[j]
		if c := id.Compare(a.Feed, b.Feed); c != 0 {
			return c < 0
		}
		return id.Compare(a.Hash, b.Hash) < 0
	})
}

// noHash stands for the hash of a pending node: it orders last.
var noHash = func() (h id.Hash) {
	for i := range h {
		h[i] = math.MaxUint8
	}
	return h
}()

// FeedID is the feed of that number.
func (g *Graph) FeedID(f int32) id.FeedID { return g.feeds[f] }

// FeedOf is the number of the node's feed.
func (g *Graph) FeedOf(n Node) int32 { return g.nodes.At(n).feed }
