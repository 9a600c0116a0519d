package crdt

import "github.com/echospace/echospace/core/crdt/flat"

// PastOfAll is the set of nodes and of all that they follow. It costs its size.
func (g *Graph) PastOfAll(nodes []Node) *flat.Bits {
	set := &flat.Bits{}
	for stack := append([]Node(nil), nodes...); len(stack) > 0; {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if !set.Has(n) {
			set.Add(n)
			stack = append(stack, g.Parents(n)...)
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
