package objectdb

import (
	"encoding/binary"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// table numbers rows in the order of their first use.
type table struct {
	rows []int32
	at   map[int32]int
}

func (t *table) place(row int32) int {
	if at, ok := t.at[row]; ok {
		return at
	}
	if t.at == nil {
		t.at = map[int32]int{}
	}
	at := len(t.rows)
	t.at[row] = at
	t.rows = append(t.rows, row)
	return at
}

// stepEncoder writes a step.
type stepEncoder struct {
	db                              *DB
	written                         []WrittenBurst
	blocks, containers, keys, items table
	refs                            []byte
	further                         []uint64 // of each of refs
	unknown                         bool     // a block has no name yet
	out                             []byte
}

func (e *stepEncoder) uint(v int) { e.out = wire.AppendUint(e.out, uint64(v)) }

func (e *stepEncoder) stamp(at crdt.Stamp) {
	if at.Node == none {
		e.uint(0)
		e.uint(0)
		return
	}
	n := len(e.blocks.rows)
	place := e.blocks.place(at.Node)
	if place == n {
		e.block(at.Node)
	}
	e.uint(place + 1)
	e.uint(int(at.Index))
}

// block names a block, which is the last in the table.
func (e *stepEncoder) block(n crdt.Node) {
	r := e.db.graph.Ref(n)
	for _, w := range e.written {
		if w.Burst.node == n {
			r = w.Ref
		}
	}
	e.unknown = e.unknown || id.IsZero(r.Hash)
	if at := len(e.blocks.rows) - 2; at >= 0 && e.db.graph.Predecessor(n) == e.blocks.rows[at] {
		e.refs = e.refs[:len(e.refs)-blockSize]
		e.further[len(e.further)-1]++
	} else {
		e.further = append(e.further, 0)
	}
	e.refs = append(e.refs, r.Feed[:]...)
	e.refs = binary.BigEndian.AppendUint64(e.refs, r.Seq)
	e.refs = append(e.refs, r.Hash[:]...)
}

// container places a container behind its parents.
func (e *stepEncoder) container(c int32) int {
	if row := e.db.containers.At(c); row.parent != none {
		if _, ok := e.containers.at[c]; !ok {
			e.container(row.parent)
		}
	}
	return e.containers.place(c)
}

func (e *stepEncoder) item(i int32) int {
	if i == none {
		return 0
	}
	e.container(e.db.items.At(i).list)
	return e.items.place(i) + 1
}

func (e *stepEncoder) record(s *undoStep, r *undoRecord) {
	ofItem := r.kind == recInserted || r.kind == recRemoved || r.kind == recMoved
	e.out = wire.AppendArray(e.out, 13)
	e.uint(int(r.kind))
	e.uint(e.container(r.container))
	switch {
	case ofItem:
		e.uint(2 * e.item(r.key))
	case r.kind != recRegister:
		e.uint(0)
	case r.key < none:
		e.uint(2 * e.item(itemOf(r.key)))
	default:
		e.uint(2*e.keys.place(r.key) + 1)
	}
	before, after := r.before, r.after
	switch r.kind {
	case recCreate, recCounter, recInserted:
		before, after = crdt.Stamp{Node: none}, crdt.Stamp{Node: none}
	case recText:
		before = crdt.Stamp{Node: none}
	}
	e.stamp(before)
	e.stamp(after)
	left, right, child := 0, 0, 0
	switch {
	case r.n == childValue:
		e.out = wire.AppendNil(e.out)
		left = e.container(r.left) + 1
	case r.kind == recLife:
		e.out = wire.AppendBytes(e.out, make([]byte, r.n))
	case r.kind == recText:
		e.out = wire.AppendBytes(e.out, e.db.foreign(s, r))
	default:
		e.out = wire.AppendBytes(e.out, s.value(r))
	}
	if r.kind == recRemoved || r.kind == recMoved {
		left, right = e.item(r.left), e.item(r.right)
	}
	if r.kind == recRemoved && r.child != none {
		child = e.container(r.child) + 1
	}
	place, run := r.place, r.run
	if r.kind == recText {
		place, run = e.db.elementsOf(r), 0
	}
	for _, v := range [...]int{left, right, int(place), int(run), child} {
		e.uint(v)
	}
}

// foreign is what a record of a text took away, with zeros for what it had inserted
// itself.
func (db *DB) foreign(s *undoStep, r *undoRecord) []byte {
	value := s.value(r)
	x := db.textOf(r.container)
	ev := x.event(r.after.Node)
	if len(value) < minOwn || ev < 0 {
		return value
	}
	out := make([]byte, 0, len(value))
	of := egwalker.Range{Event: ev, First: int32(r.after.Index), Len: db.elementsOf(r)}
	rest := value
	x.history.TakenAway(of, func(own bool, n int32) {
		size := rope.Offset(rest, int(n))
		if size < 0 {
			rest = nil // a stored record that is not of this text
			return
		}
		if own {
			out = append(out, make([]byte, n)...)
		} else {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	})
	if rest == nil || len(rest) > 0 {
		return value
	}
	return out
}

// version is the first that knows all records of the step.
func (s *undoStep) version() uint64 {
	for i := range s.records {
		if s.records[i].kind == recFormat {
			return undoVersionFormat
		}
	}
	return undoVersion
}

// encodeStep gives false if a block of it has no name yet.
func (db *DB) encodeStep(s *undoStep, redo bool, written []WrittenBurst) ([]byte, bool) {
	e := &stepEncoder{db: db, written: written}
	e.out = wire.AppendArray(e.out, len(s.records))
	for i := range s.records {
		e.record(s, &s.records[i])
	}
	e.out = wire.AppendArray(e.out, len(s.replaced))
	for _, r := range s.replaced {
		e.out = wire.AppendArray(e.out, 6)
		e.uint(e.container(r.text))
		e.stamp(r.gone)
		e.stamp(r.by)
		e.uint(int(r.n))
	}
	if e.unknown {
		return nil, false
	}
	records := e.out
	b := wire.AppendArray(nil, 13)
	b = wire.AppendUint(b, s.version())
	b = wire.AppendBool(b, redo)
	b = wire.AppendInt(b, s.time)
	if s.message == nil {
		b = wire.AppendNil(b)
	} else {
		b = wire.AppendString(b, string(s.message))
	}
	b = wire.AppendArray(wire.AppendBytes(b, e.refs), len(e.further))
	for _, n := range e.further {
		b = wire.AppendUint(b, n)
	}
	var ids []byte
	for _, c := range e.containers.rows {
		ids = append(ids, db.containers.At(c).id[:]...)
	}
	b = wire.AppendArray(wire.AppendBytes(b, ids), len(e.containers.rows))
	for _, c := range e.containers.rows {
		parent := 0
		if p := db.containers.At(c).parent; p != none {
			parent = e.containers.place(p) + 1
		}
		b = wire.AppendUint(b, uint64(parent))
	}
	b = wire.AppendArray(b, len(e.keys.rows))
	for _, k := range e.keys.rows {
		b = wire.AppendString(b, string(db.keys.At(k)))
	}
	var sources []byte
	for _, i := range e.items.rows {
		sources = binary.BigEndian.AppendUint64(sources, db.items.At(i).name.source)
	}
	b = wire.AppendArray(wire.AppendBytes(b, sources), 2*len(e.items.rows))
	for _, i := range e.items.rows {
		it := db.items.At(i)
		b = wire.AppendUint(b, uint64(e.containers.place(it.list)))
		b = wire.AppendUint(b, it.name.index)
	}
	return append(b, records...), true
}
