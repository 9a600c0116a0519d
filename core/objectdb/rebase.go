package objectdb

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
)

// rebase readies texts and lists for bursts that move, from the nodes old, to
// where they follow everything, and gives the payloads of the bursts. The
// positions in these are those that their writer saw, and now it has seen more:
// its ops become the edits that they come to in all that the others did. The
// texts and lists stay as they are.
func (db *DB) rebase(old []crdt.Node) [][]byte {
	out := make([]*unpacked, len(old))
	for i, b := range db.bursts {
		out[i] = db.unpack(b)
	}
	for c := range int32(db.containers.Len()) {
		s := db.sequenceOf(c)
		if s == nil {
			continue
		}
		for at, m := range s.rebase(db, old) {
			out[at].moved[c] = m
		}
	}
	payloads := make([][]byte, len(old))
	for i, u := range out {
		payloads[i] = u.pack(db)
	}
	return payloads
}

// rebase gives, by the place of the burst in old, the edits that the bursts'
// events come to behind all others, and makes them the history.
func (x *sequence) rebase(db *DB, old []crdt.Node) map[int][]egwalker.Edit {
	if !slices.ContainsFunc(x.nodes, func(n crdt.Node) bool { return slices.Contains(old, n) }) {
		return nil
	}
	var others, all sequence // without the moved events, and with them at their old places
	var last []int           // the events that move
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
	out := map[int][]egwalker.Edit{}
	var ops []egwalker.Op
	for _, e := range last {
		at[e] = egwalker.Event(all.history.Len())
		edits := all.add(db, x, e, at)
		out[slices.Index(old, x.nodes[e])] = edits
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
func (t *sequence) add(db *DB, x *sequence, e int, at []egwalker.Event) []egwalker.Edit {
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

// unpacked is the payload of a burst that moves.
type unpacked struct {
	payload  payload
	targets  []int32          // the container of each edit
	contents map[int32][]byte // what it inserts into each text
	moved    map[int32][]egwalker.Edit
}

// unpack takes the payload of a burst apart.
func (db *DB) unpack(b *Burst) *unpacked {
	u := &unpacked{contents: map[int32][]byte{}, moved: map[int32][]egwalker.Edit{}}
	p := &u.payload
	if err := p.decode(b.Payload, db.limits); err != nil {
		panic(err) // it was written here
	}
	a := db.applier(b.node, p)
	target := func(c int32, o *op) {
		s := p.edits[o.start]
		u.targets = append(u.targets, c)
		u.contents[c] = append(u.contents[c], p.chars[s.chars:s.charsEnd]...)
	}
	for i := range p.ops {
		o := &p.ops[i]
		if a.move(o) {
			continue
		}
		switch o.code {
		case elemPut, elemPutSeen:
			a.cursor = a.child(o, typeMap)
		case elemList, elemListSeen:
			a.cursor = a.child(o, typeList)
		case elemCreate:
			a.cursor = a.objects[o.index]
		case elemText, elemTextSeen, elemEdit, elemEditSeen, elemFormat, elemFormatSeen:
			target(a.child(o, typeText), o)
		case elemInsert, elemRemove, elemMove:
			target(a.cursor, o)
		}
	}
	return u
}

// pack gives the payload with the edits of the burst's new place: the first edit
// of a container makes them all.
func (u *unpacked) pack(db *DB) []byte {
	p := &u.payload
	if p.columns == 0 {
		return p.raw // without positions
	}
	var cols columns
	for _, c := range u.targets {
		cols.begin()
		add := func(e egwalker.Edit, inserted []byte) { cols.add(e.Op, inserted) }
		if db.containers.At(c).kind == typeText {
			forInserted(u.moved[c], u.contents[c], add)
		} else {
			for _, e := range u.moved[c] {
				add(e, nil)
			}
		}
		delete(u.moved, c)
	}
	out := cols.append(slices.Clone(p.raw[:p.columns]))
	return append(out, p.raw[p.changes:]...)
}
