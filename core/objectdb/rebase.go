package objectdb

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
)

// rebase readies the texts for bursts that move, from the nodes old, to where
// they follow everything, and gives the payloads of the bursts. The positions
// in these are those that their writer saw, and now it has seen more: its ops
// become the edits that they come to in all that the others did. The texts stay
// as they are.
func (db *DB) rebase(old []crdt.Node) [][]byte {
	moved := make([]map[int32]movedEdit, len(old))
	for c := range int32(db.containers.Len()) {
		if db.containers.At(c).kind != typeText {
			continue
		}
		for at, m := range db.rebaseText(db.textOf(c), old) {
			if moved[at] == nil {
				moved[at] = map[int32]movedEdit{}
			}
			moved[at][c] = m
		}
	}
	payloads := make([][]byte, len(old))
	for i, b := range db.bursts {
		payloads[i] = b.Payload
		if moved[i] != nil {
			payloads[i] = db.rewrite(b, moved[i])
		}
	}
	return payloads
}

// movedEdit is what a burst does to a text at its new place.
type movedEdit struct {
	edits []egwalker.Edit
	done  bool // is written
}

// rebaseText gives, by the place of the burst in old, the edits that the
// bursts' events come to behind all others, and makes them the history.
func (db *DB) rebaseText(x *textState, old []crdt.Node) map[int]movedEdit {
	if !slices.ContainsFunc(x.nodes, func(n crdt.Node) bool { return slices.Contains(old, n) }) {
		return nil
	}
	var others, all textState // without the moved events, and with them at their old places
	var last []int            // the events that move
	at := make([]egwalker.Event, len(x.nodes))
	for e, n := range x.nodes {
		if slices.Contains(old, n) {
			last = append(last, e)
			continue
		}
		at[e] = egwalker.Event(others.history.Len())
		others.add(db, x, e, at)
		all.add(db, x, e, at)
	}
	out := map[int]movedEdit{}
	var ops []egwalker.Op
	for _, e := range last {
		at[e] = egwalker.Event(all.history.Len())
		edits := all.add(db, x, e, at)
		out[slices.Index(old, x.nodes[e])] = movedEdit{edits: edits}
		ops = ops[:0]
		for _, edit := range edits {
			ops = append(ops, edit.Op)
		}
		if _, err := others.history.Append(ops); err != nil {
			panic(err) // they fit the same text
		}
		others.nodes = append(others.nodes, x.nodes[e])
	}
	x.history, x.nodes = others.history, others.nodes
	return out
}

// add adds event e of x, whose parents are at other places here, and gives the
// edits that it comes to.
func (t *textState) add(db *DB, x *textState, e int, at []egwalker.Event) []egwalker.Edit {
	event := egwalker.Event(e)
	var parents []egwalker.Event
	for _, p := range x.history.Parents(event) {
		parents = append(parents, at[p])
	}
	sort.Slice(parents, func(i, j int) bool { return parents[i] < parents[j] })
	t.nodes = append(t.nodes, x.nodes[e])
	_, edits, err := t.history.Merge(parents, x.history.Ops(event), byName{db.graph, t.nodes}, nil)
	if err != nil {
		panic(err) // it fitted before
	}
	return edits
}

// rewrite gives the payload of a burst with other edits.
func (db *DB) rewrite(b *Burst, moved map[int32]movedEdit) []byte {
	var p payload
	if err := p.decode(b.Payload, db.limits); err != nil {
		panic(err) // it was written here
	}
	contents := map[int32][]byte{}
	var targets []int32
	a := db.applier(b.node, &p)
	for i := range p.ops {
		o := &p.ops[i]
		if a.move(o) {
			continue
		}
		switch o.code {
		case elemPut, elemPutSeen:
			a.cursor = a.child(o, typeMap)
		case elemCreate:
			a.cursor = a.objects[o.index]
		case elemText, elemTextSeen, elemEdit, elemEditSeen:
			c := a.child(o, typeText)
			s := p.edits[o.start]
			targets = append(targets, c)
			contents[c] = append(contents[c], p.chars[s.chars:s.charsEnd]...)
		}
	}
	var cols columns
	for i, c := range targets {
		cols.begin()
		m, ok := moved[c]
		switch {
		case !ok: // all that it has are empty edits
			s := p.edits[i]
			for _, o := range p.runs[s.runs:s.runsEnd] {
				cols.add(o, nil)
			}
		case !m.done: // the first edit of the text makes all
			forInserted(m.edits, contents[c], func(e egwalker.Edit, inserted []byte) { cols.add(e.Op, inserted) })
			m.done = true
			moved[c] = m
		}
	}
	out := slices.Clone(b.Payload[:p.columns])
	out = cols.append(out)
	return append(out, b.Payload[p.changes:]...)
}
