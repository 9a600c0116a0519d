package objectdb

import (
	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// historyStep is how many blocks one call of History.Next looks at.
const historyStep = 1 << 11

// History walks the blocks that a database was made of at one moment. Make one
// with MarkHistory.
type History struct {
	db      *DB
	pending []crdt.Node // bursts of which no block was written
	nodes   crdt.Node
	next    crdt.Node
	places  []int32 // of the nodes, in what Next gives
	given   int32
}

// HistoryBlock is a block in a History.
type HistoryBlock struct {
	Ref  feed.Ref
	Prev feed.Ref // Seq 0 for the first of a feed
	// Parents are what the block follows at once: the places in the History,
	// from 0. The first is that of Prev if there is one.
	Parents []int32
	Ops     uint64
}

// MarkHistory gives what the database is made of now. It closes the open burst.
func (db *DB) MarkHistory() *History {
	db.closeBurst()
	h := &History{db: db, nodes: crdt.Node(db.graph.Len())}
	for _, b := range db.bursts {
		h.pending = append(h.pending, b.node)
	}
	return h
}

// Written reports whether every burst of the History has become a block under
// the number that it had.
func (h *History) Written() bool {
	for _, n := range h.pending {
		if id.IsZero(h.db.graph.Ref(n).Hash) {
			return false
		}
	}
	return true
}

// Next gives further blocks, each behind what it follows, and reports false
// behind the last. A History that is not Written lacks some.
func (h *History) Next() (list []HistoryBlock, more bool) {
	g := h.db.graph
	for end := min(h.next+historyStep, h.nodes); h.next < end; h.next++ {
		n := h.next
		ref := g.Ref(n)
		h.places = append(h.places, h.given)
		if id.IsZero(ref.Hash) {
			continue // the number that a burst had before it moved
		}
		h.given++
		c := HistoryBlock{Ref: ref, Prev: feed.Ref{Feed: ref.Feed}, Parents: make([]int32, 0, len(g.Parents(n)))}
		_, c.Ops = g.Ops(n)
		if p := g.Predecessor(n); p != none {
			c.Prev = g.Ref(p)
		}
		for _, p := range g.Parents(n) {
			c.Parents = append(c.Parents, h.places[p])
		}
		list = append(list, c)
	}
	return list, h.next < h.nodes
}
