package crdt

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// Begin adds a pending node to feed f after prev, the feed's pending or
// committed head (None if it is empty). Its other parents are all tips, so that
// it follows everything in the graph, except what is in a branch of the same
// feed, which no block can name; whole reports that nothing was excepted.
// also are further parents of other feeds.
func (g *Graph) Begin(f id.FeedID, prev Node, also ...Node) (n Node, whole bool) {
	own := g.Feed(f)
	parents := make([]Node, 0, 1+len(g.tips)+len(also))
	seq, whole := uint64(1), true
	if prev != None {
		parents = append(parents, prev)
		seq = g.nodes.At(prev).seq + 1
	}
	for _, t := range g.tips {
		switch {
		case t == prev:
		case g.nodes.At(t).feed == own:
			whole = false
		default:
			parents = append(parents, t)
		}
	}
	for _, p := range also {
		if g.nodes.At(p).feed != own && !slices.Contains(parents, p) {
			parents = append(parents, p)
		}
	}
	return g.append(own, seq, parents, 0), whole
}

// Pending reports whether a node has no name yet.
func (g *Graph) Pending(n Node) bool { return g.nodes.At(n).pending }

// Extend says how many ops a pending node has now.
func (g *Graph) Extend(n Node, ops uint64) { g.nodes.At(n).ops = ops }

// Abandon takes the pending node n, the last that was added, out again.
// Its parents become tips as they were.
func (g *Graph) Abandon(n Node, tips []Node) {
	v := g.nodes.At(n)
	g.parents = g.parents[:v.parents]
	g.nodes.Truncate(int(n))
	g.tips = append(g.tips[:0], tips...)
	g.asked, g.known = None, 0
}

// Before runs f with what will be the past of a block with the parents from Check,
// once it is added. f adds nothing to the graph.
func (g *Graph) Before(r feed.Ref, parents []Node, f func(Past)) {
	tips := g.Tips()
	n := g.append(g.Feed(r.Feed), r.Seq, parents, 0)
	f(g.PastOf(n))
	g.Abandon(n, tips)
}

// Hold is Add of a block that is out of sight until Show: no ref names it and nothing
// follows it. It has its number, and a past, for the stamps of its ops.
func (g *Graph) Hold(r feed.Ref, parents []Node, ops uint64) Node {
	return g.place(g.Feed(r.Feed), r.Seq, parents, ops)
}

// Show ends Hold.
func (g *Graph) Show(n Node, h id.Hash) {
	g.top(n)
	g.commit(n, h)
	g.asked, g.known = None, 0 // nobody had it in mind
}

// Latest reports whether a block with these parents follows everything.
func (g *Graph) Latest(parents []Node) bool {
	return !slices.ContainsFunc(g.tips, func(t Node) bool { return !slices.Contains(parents, t) })
}

// Tips are the nodes that no other follows. The slice is the caller's.
func (g *Graph) Tips() []Node { return slices.Clone(g.tips) }

// Deltas are the refs of a node's parents in other feeds, by feed, then hash.
func (g *Graph) Deltas(n Node) []feed.Ref {
	var out []feed.Ref
	own := g.nodes.At(n).feed
	for _, p := range g.Parents(n) {
		if g.nodes.At(p).feed != own {
			out = append(out, g.Ref(p))
		}
	}
	sortRefs(out)
	return out
}

// Commit names a pending node: its block is r.
func (g *Graph) Commit(n Node, r feed.Ref) {
	g.nodes.At(n).seq = r.Seq
	g.commit(n, r.Hash)
}

// Forked reports whether the feed of a pending node has another branch, so that
// ties with it, which are broken by hash, must be looked at again once the hash
// is known.
func (g *Graph) Forked(n Node) bool {
	prev := g.Predecessor(n)
	return slices.ContainsFunc(g.heads, func(h Node) bool { return h != prev && g.nodes.At(h).feed == g.nodes.At(n).feed })
}

// Rehome moves pending nodes, in order, to the end of the graph and to another
// feed, after prev. They keep what they followed and then follow everything
// else too. The old nodes stay as numbers that nothing refers to; the result
// are the new ones, one per old.
func (g *Graph) Rehome(old []Node, f id.FeedID, prev Node) []Node {
	gone := func(n Node) bool { return slices.Contains(old, n) }
	g.tips = slices.DeleteFunc(g.tips, gone)
	g.restoreTips(old)
	g.asked, g.known = None, 0
	out := make([]Node, 0, len(old))
	for _, n := range old {
		_, ops := g.Ops(n)
		moved, _ := g.Begin(f, prev)
		g.Extend(moved, ops)
		out = append(out, moved)
		prev = moved
	}
	return out
}

// restoreTips makes tips of the parents that only the gone nodes followed.
func (g *Graph) restoreTips(gone []Node) {
	var candidates []Node
	for _, n := range gone {
		candidates = append(candidates, g.Parents(n)...)
	}
	sort.Slice(candidates, func(i, j int) bool { return candidates[i] < candidates[j] })
	for _, p := range slices.Backward(slices.Compact(candidates)) {
		followed := func(t Node) bool { return g.Contains(t, p) }
		if !slices.Contains(gone, p) && !slices.ContainsFunc(g.tips, followed) {
			g.tips = append(g.tips, p)
		}
	}
}
