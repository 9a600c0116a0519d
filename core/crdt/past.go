package crdt

import (
	"bytes"
	"cmp"
)

// Stamp is one op: a node and the op's index in it.
type Stamp struct {
	Node  Node
	Index uint32
}

// Lamport is the op's logical time: greater than that of every op it follows.
func (g *Graph) Lamport(s Stamp) uint64 { return g.nodes.At(s.Node).start + uint64(s.Index) }

// Compare orders ops totally and alike on all replicas: by lamport, feed, and
// block hash. An op comes after all that it follows.
func (g *Graph) Compare(a, b Stamp) int {
	if a.Node == b.Node {
		return cmp.Compare(a.Index, b.Index)
	}
	x, y := g.nodes.At(a.Node), g.nodes.At(b.Node)
	if c := cmp.Compare(x.start+uint64(a.Index), y.start+uint64(b.Index)); c != 0 {
		return c
	}
	return g.compareNames(x, y)
}

// CompareNames orders blocks totally and alike on all replicas, whatever
// follows what: by feed, then block hash, that of a pending one last.
func (g *Graph) CompareNames(a, b Node) int {
	if a == b {
		return 0
	}
	return g.compareNames(g.nodes.At(a), g.nodes.At(b))
}

func (g *Graph) compareNames(x, y *node) int {
	if x.feed != y.feed {
		return bytes.Compare(g.feeds[x.feed][:], g.feeds[y.feed][:])
	}
	hx, hy := &x.hash, &y.hash
	if x.pending {
		hx = &noHash
	}
	if y.pending {
		hy = &noHash
	}
	return bytes.Compare(hx[:], hy[:])
}

// Contains reports whether a is n or in the causal past of n.
func (g *Graph) Contains(n, a Node) bool {
	if a >= n {
		return a == n
	}
	g.walks++
	stack := []Node{n}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, p := range g.Parents(top) {
			if p == a {
				return true
			}
			if v := g.nodes.At(p); p > a && v.walk != g.walks {
				v.walk = g.walks
				stack = append(stack, p)
			}
		}
	}
	return false
}

// Past tells what is in the causal past of one node among the nodes added
// before it.
type Past struct {
	g     *Graph
	of    Node
	whole bool
}

// PastOf is the past of n. It costs nothing until it is asked; the first
// question costs the nodes back to the oldest that is concurrent to n, unless
// n merely continues the node asked about before.
func (g *Graph) PastOf(n Node) Past { return Past{g: g, of: n} }

// Everything is the past of a node that follows all others.
func (g *Graph) Everything(n Node) Past { return Past{g: g, of: n, whole: true} }

// Has reports whether a is the node or in its past.
func (p Past) Has(a Node) bool {
	if p.whole || a == p.of {
		return true
	}
	if p.g.asked != p.of {
		p.g.mark(p.of)
	}
	return p.g.nodes.At(a).mark != p.g.round
}

// mark sets the mark of every node that is concurrent to n. It walks down from
// the newest node; open counts the nodes further down that are known to be
// reachable and not known to be in the past. When none is open all below is.
func (g *Graph) mark(n Node) {
	g.round++
	g.walks += 2
	reached, past := g.walks-1, g.walks
	open := 0
	reach := func(a Node, inPast bool) {
		v := g.nodes.At(a)
		switch {
		case inPast && v.walk == reached:
			open--
			v.walk = past
		case inPast:
			v.walk = past
		case v.walk != reached && v.walk != past:
			open++
			v.walk = reached
		}
	}
	for _, t := range g.tips {
		reach(t, t == n)
	}
	if g.nodes.At(n).walk != past {
		reach(n, true)
	}
	for i := Node(g.nodes.Len()) - 1; i >= 0 && open > 0; i-- {
		v := g.nodes.At(i)
		inPast := v.walk == past
		if !inPast && v.walk != reached {
			continue // a moved pending node: nothing leads to it
		}
		if !inPast {
			v.mark = g.round
			open--
		}
		for _, p := range g.Parents(i) {
			reach(p, inPast)
		}
	}
	g.asked, g.known = n, g.nodes.Len()
}
