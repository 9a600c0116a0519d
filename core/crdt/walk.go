package crdt

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt/flat"
)

// Committed gives the committed nodes that nodes stand for, ascending: a pending
// one stands for what it follows. None of them follows another.
func (g *Graph) Committed(nodes []Node) []Node {
	out := make([]Node, 0, len(nodes))
	var seen flat.Bits
	for stack := slices.Clone(nodes); len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		switch {
		case seen.Has(n):
		case g.nodes.At(n).pending:
			stack = append(stack, g.Parents(n)...)
		default:
			out = append(out, n)
		}
		seen.Add(n)
	}
	sort.Slice(out, func(i, j int) bool { return out[i] < out[j] })
	if len(out) == 1 {
		return out
	}
	followed := g.PastOfAll(out, false)
	return slices.DeleteFunc(out, followed.Has)
}

// PastOfAll is the set of what nodes follow, and of the nodes themselves if they
// are to be in it. It costs the size of the set.
func (g *Graph) PastOfAll(nodes []Node, themselves bool) *flat.Bits {
	set := &flat.Bits{}
	var stack []Node
	reach := func(n Node) {
		if !set.Has(n) {
			set.Add(n)
			stack = append(stack, n)
		}
	}
	for _, n := range nodes {
		if themselves {
			reach(n)
			continue
		}
		for _, p := range g.Parents(n) {
			reach(p)
		}
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, p := range g.Parents(n) {
			reach(p)
		}
	}
	return set
}

// Walk goes through committed nodes and all that they follow, the newest first.
type Walk struct {
	g    *Graph
	heap []Node
	last Node
}

// Walk begins a walk. The graph may grow meanwhile.
func (g *Graph) Walk(from []Node) *Walk {
	w := &Walk{g: g, last: None}
	for _, n := range from {
		w.push(n)
	}
	return w
}

// Next gives the next node: none comes before one that follows it, and of others
// that with the greater lamport, feed and hash is first, on all replicas alike.
// It is None at the end.
func (w *Walk) Next() Node {
	for len(w.heap) > 0 {
		n := w.pop()
		if n == w.last {
			continue
		}
		w.last = n
		for _, p := range w.g.Parents(n) {
			w.push(p)
		}
		return n
	}
	return None
}

// newer orders by the last op, which is later than all that the node follows.
func (w *Walk) newer(a, b Node) bool {
	if a == b {
		return false
	}
	x, y := w.g.nodes.At(a), w.g.nodes.At(b)
	if xe, ye := x.start+x.ops, y.start+y.ops; xe != ye {
		return xe > ye
	}
	if x.start != y.start {
		return x.start > y.start
	}
	if x.ops == 0 { // and y's: one may follow the other
		return a > b
	}
	return w.g.compareNames(x, y) > 0
}

func (w *Walk) push(n Node) {
	w.heap = append(w.heap, n)
	for i := len(w.heap) - 1; i > 0; {
		up := (i - 1) / 2
		if !w.newer(w.heap[i], w.heap[up]) {
			return
		}
		w.heap[i], w.heap[up] = w.heap[up], w.heap[i]
		i = up
	}
}

func (w *Walk) pop() Node {
	top := w.heap[0]
	last := len(w.heap) - 1
	w.heap[0] = w.heap[last]
	w.heap = w.heap[:last]
	for i := 0; ; {
		down := 2*i + 1
		if down >= last {
			return top
		}
		if down+1 < last && w.newer(w.heap[down+1], w.heap[down]) {
			down++
		}
		if !w.newer(w.heap[down], w.heap[i]) {
			return top
		}
		w.heap[i], w.heap[down] = w.heap[down], w.heap[i]
		i = down
	}
}
