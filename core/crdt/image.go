package crdt

import (
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/id"
)

// An image of a Graph is its nodes in parts (PackNodes), which stay what they
// are while the graph grows, but for what Commit names, and the rest (Pack).
// What an image says is kept in range, so that a part of another image is
// refused or, at worst, tells of another graph.

// Pack writes everything but the nodes.
func (g *Graph) Pack(p *flat.Pack) {
	p.Uint(uint64(g.nodes.Len()))
	p.Uint(uint64(len(g.feeds)))
	for _, f := range g.feeds {
		p.Bytes = append(p.Bytes, f[:]...)
	}
	for _, list := range [][]Node{g.heads, g.tips} {
		p.Uint(uint64(len(list)))
		for _, n := range list {
			p.Uint(uint64(n))
		}
	}
}

// Unpack makes the graph that Pack wrote, but for its nodes, and gives how many
// of these there are. Reading is at fault if there are more than most.
func (g *Graph) Unpack(u *flat.Unpack, most int) (nodes int) {
	*g = Graph{asked: None}
	nodes = int(u.Uint(uint64(most)))
	for n := u.Count(id.HashSize); n > 0 && !u.Bad(); n-- {
		before := len(g.feeds)
		if b := u.Next(id.HashSize); b != nil {
			g.Feed(id.FeedID(b))
		}
		if len(g.feeds) == before {
			u.Fail()
		}
	}
	for _, list := range []*[]Node{&g.heads, &g.tips} {
		*list = make([]Node, u.Count(1))
		for i := range *list {
			if (*list)[i] = Node(u.Uint(uint64(max(nodes, 1) - 1))); nodes == 0 {
				u.Fail()
			}
		}
	}
	return nodes
}

// nodeColumns are the integers of a node: feed, seq, start, ops, whether it is
// pending, how many parents.
const nodeColumns = 6

// PackNodes writes the nodes from one up to another.
func (g *Graph) PackNodes(p *flat.Pack, from, to int) {
	var columns [nodeColumns][]int64
	var parents []int64
	for i := from; i < to; i++ {
		v := g.nodes.At(Node(i))
		pending := int64(0)
		if v.pending {
			pending = 1
		}
		for k, x := range [nodeColumns]int64{int64(v.feed), int64(v.seq), int64(v.start), int64(v.ops), pending, int64(v.count)} {
			columns[k] = append(columns[k], x)
		}
		for _, q := range g.Parents(Node(i)) {
			parents = append(parents, int64(i)-int64(q))
		}
	}
	for _, c := range columns {
		p.Ints(c)
	}
	p.Uint(uint64(len(parents)))
	p.Ints(parents)
	for i := from; i < to; i++ {
		if v := g.nodes.At(Node(i)); !v.pending {
			p.Bytes = append(p.Bytes, v.hash[:]...)
		}
	}
}

// maxCount bounds what counts ops and places.
const maxCount = 1 << 60

// UnpackNodes adds the n nodes that PackNodes wrote.
func (g *Graph) UnpackNodes(u *flat.Unpack, n int) {
	from := g.nodes.Len()
	most := [nodeColumns]int64{int64(len(g.feeds)) - 1, maxCount, maxCount, maxCount, 1, int64(from + n)}
	var columns [nodeColumns][]int64
	for k := range columns {
		columns[k] = u.Column(n)
		u.Ints(columns[k], 0, most[k])
	}
	count := u.Uint(1 << 31)
	sum := uint64(0)
	for _, c := range columns[5] {
		sum += uint64(c)
	}
	parents := u.Column(int(count))
	u.Ints(parents, 1, int64(from+n))
	if u.Bad() || sum != count {
		u.Fail()
		return
	}
	g.nodes.Grow(n)
	for i := range n {
		at := Node(from + i)
		v := g.nodes.At(at)
		*v = node{
			feed: int32(columns[0][i]), seq: uint64(columns[1][i]), start: uint64(columns[2][i]), ops: uint64(columns[3][i]),
			pending: columns[4][i] == 1, parents: uint32(len(g.parents)), count: uint32(columns[5][i]),
		}
		for _, back := range parents[:v.count] {
			if back > int64(at) {
				u.Fail()
				return
			}
			g.parents = append(g.parents, at-Node(back))
		}
		parents = parents[v.count:]
		if v.pending {
			continue
		}
		h := u.Next(id.HashSize)
		if h == nil {
			return
		}
		v.hash = id.Hash(h)
		g.byHash.Insert(hashOf((*[32]byte)(&v.hash)), at)
	}
}

// Grow adds n rows, which are to be filled in.
func (r *Registers) Grow(n int) { r.rows.Grow(n) }

// Rows is row i and some of those behind it, in place.
func (r *Registers) Rows(i int32) []Entry { return r.rows.Rows(i) }

// Vacant is the first of the rows to use again, or None; SetVacant restores it.
func (r *Registers) Vacant() int32 { return r.vacant - 1 }

// SetVacant makes the rows that hang together from i on, if it is not None,
// those to use again.
func (r *Registers) SetVacant(i int32) { r.vacant = i + 1 }

// Feeds is how many feeds are numbered.
func (g *Graph) Feeds() int { return len(g.feeds) }
