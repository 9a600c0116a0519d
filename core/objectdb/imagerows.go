package objectdb

import (
	"encoding/binary"
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/id"
)

// A page of rows is columns, one after the other, and then what is no number.

// packColumns writes n rows of k numbers as columns.
func packColumns(p *flat.Pack, n, k int, row func(i int, to []int64)) {
	columns := make([]int64, n*k)
	to := make([]int64, k)
	for i := range n {
		row(i, to)
		for c, v := range to {
			columns[c*n+i] = v
		}
	}
	for c := range k {
		p.Ints(columns[c*n : (c+1)*n])
	}
}

// span64 is what values a column may have.
type span64 struct{ least, most int64 }

// unpackColumns reads columns of n values each; nil if they are not whole.
func unpackColumns(u *flat.Unpack, n int, spans ...span64) [][]int64 {
	columns := make([][]int64, len(spans))
	for i, s := range spans {
		columns[i] = u.Column(n)
		u.Ints(columns[i], s.least, s.most)
	}
	if u.Bad() {
		return nil
	}
	return columns
}

// link is a row as seen from another: rows that were made together are as far
// from each other.
func link(from, to int32) int64 {
	if to == none {
		return 0
	}
	return int64(to) - int64(from) + maxRows
}

// links are the links between any two rows.
func links() span64 { return span64{0, 2 * maxRows} }

func below(n int) span64  { return span64{0, int64(n) - 1} }
func orNone(n int) span64 { return span64{int64(none), int64(n) - 1} }

// nodes spans the nodes that items and slots may name. What a transaction made
// that was refused may name the one that was taken back.
func (r *Restoring) nodes() span64 { return orNone(r.rows[sectionNodes] + 1) }

func (db *DB) packContainers(p *flat.Pack, from, to int) {
	packColumns(p, to-from, 11, func(i int, v []int64) {
		c := int32(from + i)
		row := db.containers.At(c)
		v[0], v[1] = int64(row.created.Node), int64(row.created.Index)
		v[2], v[3] = link(c, row.parent), int64(row.key)
		v[4], v[5] = int64(row.first), int64(row.last)
		v[6], v[7] = int64(row.count), int64(row.life)
		v[8], v[9] = int64(row.flags&flagAlive), int64(row.kind)
		v[10] = int64(row.seen.feed)
	})
	for c := from; c < to; c++ {
		p.Bytes = append(p.Bytes, db.containers.At(int32(c)).id[:]...)
		if row := db.containers.At(int32(c)); row.kind != typeMap {
			p.Bytes = binary.AppendVarint(p.Bytes, row.number)
		}
		if s := db.containers.At(int32(c)).seen; s.feed != none {
			p.Uint(s.lamport)
		}
	}
}

func (r *Restoring) unpackContainers(u *flat.Unpack, n int) {
	db := r.db
	from := int32(db.containers.Len())
	fields := orNone(r.rows[sectionFields])
	keys := span64{-1 - int64(r.rows[sectionItems]), int64(db.keys.Len()) - 1}
	v := unpackColumns(u, n,
		orNone(r.rows[sectionNodes]), span64{0, 1<<32 - 1}, links(), keys, fields, fields, span64{0, maxRows}, fields,
		span64{0, flagAlive}, span64{0, 255}, orNone(db.graph.Feeds()))
	if v == nil {
		return
	}
	db.containers.Grow(n)
	for i := 0; i < n; {
		rows := db.containers.Rows(from + int32(i))
		for k := range rows {
			c, at := from+int32(i+k), i+k
			row := &rows[k]
			row.created = crdt.Stamp{Node: crdt.Node(v[0][at]), Index: uint32(v[1][at])}
			row.parent, row.key = none, int32(v[3][at])
			if l := v[2][at]; l != 0 {
				row.parent = int32(l - maxRows + int64(c))
			}
			row.first, row.last, row.count, row.life = int32(v[4][at]), int32(v[5][at]), int32(v[6][at]), int32(v[7][at])
			row.flags, row.kind = uint8(v[8][at]), uint8(v[9][at])
			row.seen.feed = int32(v[10][at])
			b := u.Next(id.ShortSize)
			if b == nil || row.parent < none || row.parent >= c || row.kind != typeMap && !r.number(u, row) {
				u.Fail()
				return
			}
			row.id = id.ObjectID(b)
			if row.seen.feed != none {
				row.seen.lamport = u.Uint(1<<64 - 1)
			}
			db.byID.Insert(db.idHash(row), c)
		}
		i += len(rows)
	}
}

// number reads the number of a container that is no map.
func (r *Restoring) number(u *flat.Unpack, row *container) bool {
	switch row.kind {
	case typeCounter:
		row.number = u.Int()
		return true
	case typeText:
		row.number = u.Int()
		return row.number >= 0 && row.number < int64(r.rows[sectionTexts])
	case typeList:
		row.number = u.Int()
		return row.number >= 0 && row.number < int64(r.rows[sectionLists])
	}
	return false
}

func (db *DB) packFields(p *flat.Pack, from, to int) {
	words := make([]uint64, 0, to-from)
	packColumns(p, to-from, 6, func(i int, v []int64) {
		f := int32(from + i)
		e := db.fields.At(f)
		v[0], v[1] = int64(e.At.Node), int64(e.At.Index)
		v[2], v[3] = link(f, e.Other), int64(e.Owner)
		v[4], v[5] = int64(e.Tag), link(f, e.Link)
		words = append(words, e.Value)
	})
	p.Words(words)
}

// unpackFields is the longest part of a restore: its loops call nothing.
func (r *Restoring) unpackFields(u *flat.Unpack, n int) {
	db := r.db
	from := int32(db.fields.Len())
	v := unpackColumns(u, n,
		orNone(r.rows[sectionNodes]), span64{0, 1<<32 - 1}, links(), orNone(r.rows[sectionContainers]),
		span64{-1 - int64(r.rows[sectionItems]), int64(db.keys.Len()) - 1}, links())
	if v == nil {
		return
	}
	words := make([]uint64, n)
	if u.Words(words); u.Bad() {
		return
	}
	db.fields.Grow(n)
	fields, containers := int32(r.rows[sectionFields]), uint64(r.rows[sectionContainers])
	ok := true
	for i := 0; i < n; {
		rows := db.fields.Rows(from + int32(i))
		nodes, indices, others, owners, tags, links := v[0][i:], v[1][i:], v[2][i:], v[3][i:], v[4][i:], v[5][i:]
		values := words[i:]
		for k := range rows {
			e := &rows[k]
			f := from + int32(i+k)
			e.At = crdt.Stamp{Node: crdt.Node(nodes[k]), Index: uint32(indices[k])}
			e.Owner, e.Tag, e.Value = int32(owners[k]), int32(tags[k]), values[k]
			e.Other, e.Link = none, none
			if l := others[k]; l != 0 {
				e.Other = int32(l - maxRows + int64(f))
			}
			if l := links[k]; l != 0 {
				e.Link = int32(l - maxRows + int64(f))
			}
			ok = ok && e.Other >= none && e.Other < fields && e.Link >= none && e.Link < fields
			switch e.Value >> 56 {
			case tagHeap:
				ok = ok && db.values.Holds(e.Value&flat.RefMask)
			case tagChild:
				ok = ok && e.Value&flat.RefMask < containers
			}
		}
		i += len(rows)
	}
	if !ok {
		u.Fail()
	}
}

func (db *DB) packItems(p *flat.Pack, from, to int) {
	packColumns(p, to-from, 6, func(i int, v []int64) {
		row := db.items.At(int32(from + i))
		v[0], v[1], v[2] = int64(row.list), int64(row.field), int64(row.shown)
		v[3], v[4] = int64(row.at.Node), int64(row.at.Index)
		v[5] = 1
		if row.place == none {
			v[5] = 0
		}
	})
	last := itemName{}
	for i := from; i < to; i++ {
		n := db.items.At(int32(i)).name
		p.Uint(n.source ^ last.source)
		p.Bytes = binary.AppendVarint(p.Bytes, int64(n.index-last.index))
		last = n
	}
}

func (r *Restoring) unpackItems(u *flat.Unpack, n int) {
	db := r.db
	from := int32(db.items.Len())
	v := unpackColumns(u, n,
		below(r.rows[sectionContainers]), orNone(r.rows[sectionFields]), orNone(r.rows[sectionSlots]),
		r.nodes(), span64{0, 1<<32 - 1}, span64{0, 1})
	if v == nil {
		return
	}
	db.items.Grow(n)
	last := itemName{}
	for i := range n {
		at := from + int32(i)
		row := db.items.At(at)
		row.list, row.field, row.shown = int32(v[0][i]), int32(v[1][i]), int32(v[2][i])
		row.at = crdt.Stamp{Node: crdt.Node(v[3][i]), Index: uint32(v[4][i])}
		last = itemName{u.Uint(1<<64-1) ^ last.source, last.index + uint64(u.Int())}
		row.name = last
		if v[5][i] == 0 {
			row.place = none
			continue
		}
		db.byItem.Insert(db.itemHash(row.list, row.name), at)
	}
}

func (db *DB) packSlots(p *flat.Pack, from, to int) {
	packColumns(p, to-from, 3, func(i int, v []int64) {
		row := db.slotRows.At(int32(from + i))
		v[0], v[1], v[2] = int64(row.item), int64(row.at.Node), int64(row.at.Index)
	})
}

func (r *Restoring) unpackSlots(u *flat.Unpack, n int) {
	db := r.db
	from := int32(db.slotRows.Len())
	v := unpackColumns(u, n, below(r.rows[sectionItems]), r.nodes(), span64{0, 1<<32 - 1})
	if v == nil {
		return
	}
	db.slotRows.Grow(n)
	for i := range n {
		*db.slotRows.At(from + int32(i)) = slot{int32(v[0][i]), crdt.Stamp{Node: crdt.Node(v[1][i]), Index: uint32(v[2][i])}}
	}
}

func packNumbers(p *flat.Pack, list []int32) {
	column := make([]int64, len(list))
	for i, v := range list {
		column[i] = int64(v)
	}
	p.Uint(uint64(len(list)))
	p.Ints(column)
}

// unpackNumbers reads numbers below a bound.
func unpackNumbers(u *flat.Unpack, bound int) []int32 {
	column := u.Column(int(u.Uint(maxRows)))
	u.Ints(column, 0, int64(bound)-1)
	out := make([]int32, len(column))
	for i, v := range column {
		out[i] = int32(v)
	}
	return out
}

func (s *sequence) pack(p *flat.Pack) {
	s.history.Pack(p)
	packNumbers(p, s.nodes)
}

func (r *Restoring) unpackSequence(u *flat.Unpack, s *sequence) {
	s.history.Unpack(u)
	s.nodes = unpackNumbers(u, r.rows[sectionNodes])
	if len(s.nodes) != s.history.Len() {
		u.Fail()
	}
	r.db.noteLong(s)
}

func (db *DB) packText(p *flat.Pack, x *textState) {
	x.pack(p)
	p.Raw(db.ropes.Append(nil, x.content, 0, db.ropes.Len(x.content)))
	x.marks.pack(p)
}

// pack writes marks, or that there are none.
func (m *marks) pack(p *flat.Pack) {
	if m == nil {
		p.Uint(0)
		return
	}
	p.Uint(1)
	p.Uint(uint64(len(m.rows)))
	packColumns(p, len(m.rows), 5, func(i int, v []int64) {
		row := &m.rows[i]
		v[0], v[1], v[2], v[3], v[4] = int64(row.name), int64(row.ends), int64(row.at.Node), int64(row.at.Index), int64(row.end-row.value)
	})
	p.Raw(m.values)
	p.Uint(uint64(len(m.bounds)))
	packColumns(p, len(m.bounds), 3, func(i int, v []int64) {
		b := &m.bounds[i]
		v[0], v[1], v[2] = int64(b.at), int64(b.mark), int64(b.side)
	})
}

// unpackMarks reads marks of a text of so many units; nil if there are none.
func (r *Restoring) unpackMarks(u *flat.Unpack, units int) *marks {
	if u.Uint(1) == 0 {
		return nil
	}
	m := &marks{}
	n := int(u.Uint(maxRows))
	v := unpackColumns(u, n, below(r.db.keys.Len()), span64{-128, 127}, r.nodes(), span64{0, 1<<32 - 1}, span64{0, 1<<32 - 1})
	m.values = slices.Clone(u.Raw())
	bounds := int(u.Uint(maxRows))
	b := unpackColumns(u, bounds, span64{0, int64(units)}, span64{noMark, 2*int64(n) - 1}, span64{0, 255})
	if v == nil || b == nil {
		return m
	}
	m.rows, m.bounds = make([]mark, n), make([]boundary, bounds)
	from := int64(0)
	for i := range m.rows {
		end := from + v[4][i]
		if end > int64(len(m.values)) {
			u.Fail()
			return m
		}
		m.rows[i] = mark{int32(v[0][i]), int8(v[1][i]), crdt.Stamp{Node: crdt.Node(v[2][i]), Index: uint32(v[3][i])}, uint32(from), uint32(end)}
		from = end
	}
	for i := range m.bounds {
		m.bounds[i] = boundary{int32(b[0][i]), int32(b[1][i]), egwalker.Kind(b[2][i])}
	}
	return m
}

func (r *Restoring) unpackText(u *flat.Unpack) {
	db := r.db
	x := &textState{content: db.ropes.New()}
	r.unpackSequence(u, &x.sequence)
	if b := u.Raw(); len(b) > 0 {
		db.ropes.Insert(x.content, 0, b)
	}
	x.marks = r.unpackMarks(u, db.ropes.Len(x.content))
	length := db.ropes.Len(x.content)
	if x.marks != nil {
		length += len(x.marks.bounds)
	}
	if length != x.history.Length() {
		u.Fail()
	}
	db.texts = append(db.texts, x)
}

func (db *DB) packList(p *flat.Pack, l *listState) {
	l.pack(p)
	packNumbers(p, l.slots)
	p.Uint(uint64(l.hidden))
}

func (r *Restoring) unpackList(u *flat.Unpack) {
	l := &listState{}
	r.unpackSequence(u, &l.sequence)
	l.slots = unpackNumbers(u, r.rows[sectionSlots])
	l.hidden = int(u.Uint(uint64(len(l.slots))))
	if len(l.slots) != l.history.Length() {
		u.Fail()
	}
	r.db.lists = append(r.db.lists, l)
}
