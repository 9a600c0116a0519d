package objectdb

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/errs"
)

// sequence is the history of a text or a list. Each event is what one block
// does to it.
type sequence struct {
	history egwalker.Sequence
	nodes   []crdt.Node // of the events
}

// sequenceOf is the history of a container, or nil if it has none.
func (db *DB) sequenceOf(c int32) *sequence {
	switch row := db.containers.At(c); row.kind {
	case typeText:
		return &db.texts[row.number].sequence
	case typeList:
		return &db.lists[row.number].sequence
	}
	return nil
}

// byName orders the events of a sequence by what wrote them.
type byName struct {
	graph *crdt.Graph
	nodes []crdt.Node
}

func (o byName) Before(a, b egwalker.Event) bool {
	return o.graph.CompareNames(o.nodes[a], o.nodes[b]) < 0
}

// extend adds ops of the open burst; join tells whether they go on with the last
// one in the payload. It fails, with nothing changed, if the
// sequence has taken in all that it can, or holds what the burst cannot follow.
func (s *sequence) extend(db *DB, ops []egwalker.Op, join bool) error {
	b := db.open
	db.noteLong(s)
	if last := len(s.nodes) - 1; last >= 0 && s.nodes[last] == b.node {
		return s.history.Extend(ops, join)
	}
	if !b.whole {
		for _, e := range s.history.Frontier() {
			if !b.past.Has(s.nodes[e]) {
				return errs.New("objectdb.Local", errs.FeedForked, "it was edited in a branch of the own feed, which the next block cannot follow")
			}
		}
	}
	if _, err := s.history.Append(ops); err != nil {
		return errs.New("objectdb.Local", errs.TooLarge, "it cannot take in more edits: %w", err)
	}
	s.nodes = append(s.nodes, b.node)
	return nil
}

// end gives how many elements the open burst has in the sequence of container c,
// and how a delete at pos would join its last op.
func (s *sequence) end(db *DB, c, pos, deleted int32) (elements int32, join joinKind) {
	b, e := db.open, len(s.nodes)-1
	if e < 0 || s.nodes[e] != b.node {
		return 0, joinNone
	}
	ops := s.history.Ops(egwalker.Event(e))
	if last := ops[len(ops)-1]; deleted > 0 && last.Kind == egwalker.Delete && b.goesOn(c) && db.textOf(c).marks == nil {
		switch last.Pos {
		case pos:
			join = joinBehind
		case pos + deleted:
			join = joinBefore
		}
	}
	return s.history.Elements(egwalker.Event(e)), join
}

// joinKind is how a delete goes on with the one before.
type joinKind uint8

const (
	joinNone   joinKind = iota
	joinBehind          // takes away what was behind
	joinBefore          // what was before
)

// merge adds what block n with that past does, and gives the edits that it comes
// to, until the next call. Ops that do not fit what their writer saw, which only
// a faulty one makes, are passed over by every replica alike.
func (s *sequence) merge(db *DB, n crdt.Node, past crdt.Past, ops []egwalker.Op) []egwalker.Edit {
	parents, ok := s.last(db.graph.Parents(n), db.parents[:0])
	if !ok {
		parents = s.project(past, db.parents[:0])
	}
	db.parents = parents
	s.nodes = append(s.nodes, n)
	db.names = byName{db.graph, s.nodes}
	_, edits, err := s.history.Merge(db.parents, ops, &db.names, db.edits[:0])
	db.edits = trim(edits)
	if err != nil {
		s.nodes = s.nodes[:len(s.nodes)-1]
		return nil
	}
	db.noteLong(s)
	return edits
}

// noteLong has ApplySome look at what blocks edit once a replay may take long.
func (db *DB) noteLong(s *sequence) {
	if s.history.OpCount() >= db.many {
		db.long = true
	}
}

// lookBack is among how many of the last events a parent's is looked for.
const lookBack = 32

// last gives what project gives of the past of a block with these parents, if each
// of them did something to the sequence, and lately.
func (s *sequence) last(parents []crdt.Node, to []egwalker.Event) ([]egwalker.Event, bool) {
	var room [8]egwalker.Event
	events := room[:0]
	from := max(0, len(s.nodes)-lookBack)
	for _, p := range parents {
		at := slices.Index(s.nodes[from:], p)
		if at < 0 {
			return to, false
		}
		events = append(events, egwalker.Event(from+at))
	}
	if len(events) == 0 {
		return to, false
	}
	return s.history.Last(events, to), true
}

// project gives the last events that are in a past.
func (s *sequence) project(past crdt.Past, to []egwalker.Event) []egwalker.Event {
	return s.history.Project(func(e egwalker.Event) bool { return past.Has(s.nodes[e]) }, to)
}

// layout is the order of the elements.
func (s *sequence) layout(db *DB) []egwalker.Run {
	return s.history.Layout(byName{db.graph, s.nodes})
}

// mark is a point to which the sequence can be taken back.
func (s *sequence) mark() sequenceMark { return sequenceMark{s.history.Mark(), len(s.nodes)} }

type sequenceMark struct {
	history egwalker.Mark
	nodes   int
}

func (s *sequence) takeBack(m sequenceMark) {
	s.history.TakeBack(m.history)
	s.nodes = s.nodes[:m.nodes]
}

// part is a run of elements in one order, and where it stands.
type part struct{ first, len, pos int32 }

// rearranged gives the parts of an order of the elements in another order.
func rearranged(before, after []egwalker.Run) []part {
	parts := make([]part, 0, len(before))
	pos := int32(0)
	for _, r := range before {
		parts = append(parts, part{r.First, r.Len, pos})
		pos += r.Len
	}
	sort.Slice(parts, func(i, j int) bool { return parts[i].first < parts[j].first })
	var out []part
	for _, r := range after {
		for r.Len > 0 {
			p := parts[sort.Search(len(parts), func(i int) bool { return parts[i].first > r.First })-1]
			off := r.First - p.first
			n := min(r.Len, p.len-off)
			out = append(out, part{r.First, n, p.pos + off})
			r.First, r.Len = r.First+n, r.Len-n
		}
	}
	return out
}

// reorder runs f, which changes what block n is called, and with it the order of
// what it and others insert at one place.
func (db *DB) reorder(n crdt.Node, f func()) {
	db.forgetPrepared()
	var at []int32
	var before [][]egwalker.Run
	for c := range int32(db.containers.Len()) {
		if s := db.sequenceOf(c); s != nil && slices.Contains(s.nodes, n) {
			at = append(at, c)
			before = append(before, s.layout(db))
		}
	}
	f()
	for i, c := range at {
		s := db.sequenceOf(c)
		s.history.Reset()
		after := s.layout(db)
		if slices.Equal(before[i], after) {
			continue
		}
		parts := rearranged(before[i], after)
		if db.containers.At(c).kind == typeText {
			db.arrangeText(c, parts)
		} else {
			db.arrangeList(c, parts)
		}
		db.touch(c, true)
	}
}
