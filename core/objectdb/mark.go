package objectdb

import (
	"bytes"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/wire"
)

// Marks are what formats a text: a name and a value for the characters between
// two places. They behave as those of Peritext (Litt, Lim, Kleppmann and van
// Hardenberg, "Peritext: A CRDT for Collaborative Rich Text Editing", CSCW 2022):
// each end is bound to the character on one side of it, which decides whether
// what is inserted there is formatted too; of several marks of one name over one
// character the later one, by the stamps of their ops, counts.
//
// The two ends are elements of the sequence of the text, boundaries, so that they
// are ordered, merged and replayed as its characters are and stay where the
// character was that they were bound to. The positions in the history of a text
// count them; those of callers, and in the content, do not.

// marks are the marks of a text. Pointers do not grow with their number.
type marks struct {
	bounds []boundary // those in the text, in order
	rows   []mark
	values []byte // of the rows, encoded, one behind the other
}

// boundary is an end of a mark.
type boundary struct {
	at   int32         // the characters in front of it, in UTF-16 code units
	mark int32         // 2*row, plus 1 for the end; noMark if it is of none
	side egwalker.Kind // what it keeps to
}

// noMark is what a boundary is of that a faulty writer made without a mark.
const noMark = -1

// mark is a name and its value.
type mark struct {
	name       int32 // key
	ends       int8  // how many of its boundaries are in the text; with less than both it formats nothing
	at         crdt.Stamp
	value, end uint32 // marks.values[value:end]
}

func (m *marks) value(row int32) []byte { return m.values[m.rows[row].value:m.rows[row].end] }

// addRow adds a mark without boundaries.
func (m *marks) addRow(name int32, at crdt.Stamp, value []byte) int32 {
	from := uint32(len(m.values))
	m.values = append(m.values, value...)
	m.rows = append(m.rows, mark{name: name, at: at, value: from, end: uint32(len(m.values))})
	return int32(len(m.rows) - 1)
}

// search gives the first boundary that is not before, in the order of before.
func (m *marks) search(before func(i int, b *boundary) bool) int {
	low, high := 0, len(m.bounds)
	for low < high {
		if i := (low + high) / 2; before(i, &m.bounds[i]) {
			low = i + 1
		} else {
			high = i
		}
	}
	return low
}

// first is the first boundary at position pos or behind it, and behind the first
// that is behind it.
func (m *marks) first(pos int32) int {
	return m.search(func(_ int, b *boundary) bool { return b.at < pos })
}
func (m *marks) behind(pos int32) int {
	return m.search(func(_ int, b *boundary) bool { return b.at <= pos })
}

// inFront is how many boundaries stand in front of a place in the sequence.
func (m *marks) inFront(place int32) int {
	return m.search(func(i int, b *boundary) bool { return b.at+int32(i) < place })
}

// put makes room for n characters in front of a place in the sequence, and gives
// their position.
func (m *marks) put(place, n int32) int32 {
	k := m.inFront(place)
	for i := k; i < len(m.bounds); i++ {
		m.bounds[i].at += n
	}
	return place - int32(k)
}

// take takes n elements from a place in the sequence on away, and gives the
// position and number of the characters among them. Boundaries among them, which
// only a faulty writer deletes, are no more.
func (m *marks) take(place, n int32) (pos, chars int32) {
	k, end := m.inFront(place), m.inFront(place+n)
	chars = n - int32(end-k)
	for i := end; i < len(m.bounds); i++ {
		m.bounds[i].at -= chars
	}
	for _, b := range m.bounds[k:end] {
		if b.mark != noMark {
			m.rows[b.mark/2].ends--
		}
	}
	m.bounds = slices.Delete(m.bounds, k, end)
	return place - int32(k), chars
}

// bind puts a boundary in front of a place in the sequence.
func (m *marks) bind(place, mark int32, side egwalker.Kind) {
	k := m.inFront(place)
	m.bounds = slices.Insert(m.bounds, k, boundary{place - int32(k), mark, side})
	if mark != noMark {
		m.rows[mark/2].ends++
	}
}

// drop takes the marks from a row on back, with their boundaries.
func (m *marks) drop(row int32) {
	m.bounds = slices.DeleteFunc(m.bounds, func(b boundary) bool { return b.mark != noMark && b.mark/2 >= row })
	m.values = m.values[:m.rows[row].value]
	m.rows = m.rows[:row]
}

// placeOf is where in the sequence characters are to be inserted at a position:
// behind the last boundary there that keeps to a character in front. So what was
// bound to a character that is deleted by now decides too.
func (m *marks) placeOf(pos int32) int32 {
	low := m.first(pos)
	for i := m.behind(pos); i > low; i-- {
		if m.bounds[i-1].side == egwalker.InsertAfter {
			return pos + int32(i)
		}
	}
	return pos + int32(low)
}

// placeFor is where in the sequence a boundary is to be inserted at a position:
// directly beside the character that it keeps to.
func (m *marks) placeFor(pos int32, side egwalker.Kind) int32 {
	if side == egwalker.InsertAfter {
		return pos + int32(m.first(pos))
	}
	return pos + int32(m.behind(pos))
}

// cover changes the marks that are over a character at a boundary. They stand by
// their names, and those of one name with the latest, which counts, last.
func (db *DB) cover(m *marks, over []int32, b *boundary) []int32 {
	switch {
	case b.mark == noMark || m.rows[b.mark/2].ends != 2:
	case b.mark&1 == 0:
		over = db.addOver(m, over, b.mark/2)
	default:
		over = dropOver(over, b.mark/2)
	}
	return over
}

func (db *DB) addOver(m *marks, over []int32, row int32) []int32 {
	r := &m.rows[row]
	at := sort.Search(len(over), func(i int) bool {
		o := &m.rows[over[i]]
		return o.name > r.name || o.name == r.name && db.graph.Compare(o.at, r.at) > 0
	})
	return slices.Insert(over, at, row)
}

func dropOver(over []int32, row int32) []int32 {
	if i := slices.Index(over, row); i >= 0 {
		over = slices.Delete(over, i, i+1)
	}
	return over
}

// winner is the latest mark of a name among those over a character, or noMark.
func (m *marks) winner(over []int32, name int32) int32 {
	for i := len(over) - 1; i >= 0; i-- {
		if m.rows[over[i]].name == name {
			return over[i]
		}
	}
	return noMark
}

// counts reports whether mark i of those over a character is the latest of its name.
func (m *marks) counts(over []int32, i int) bool {
	return i+1 == len(over) || m.rows[over[i]].name != m.rows[over[i+1]].name
}

// isSet reports whether a mark formats: it is no removal.
func (m *marks) isSet(row int32) bool {
	return row != noMark && !bytes.Equal(m.value(row), markRemoved)
}

// markRemoved is the value of a mark that takes others of its name away.
var markRemoved = wire.AppendNil(nil)

// winners are the marks that count of those over a character, the names ascending.
func (db *DB) winners(m *marks, over []int32) []int32 {
	var set []int32
	for i, row := range over {
		if m.counts(over, i) && m.isSet(row) {
			set = append(set, row)
		}
	}
	slices.SortFunc(set, func(a, b int32) int {
		return bytes.Compare(db.keys.At(m.rows[a].name), db.keys.At(m.rows[b].name))
	})
	return set
}

// appendAttributes appends what the marks over a character come to: [name, value,
// ...], the names ascending.
func (db *DB) appendAttributes(to []byte, m *marks, over []int32) []byte {
	set := db.winners(m, over)
	to = wire.AppendArray(to, 2*len(set))
	for _, row := range set {
		to = wire.AppendString(to, string(db.keys.At(m.rows[row].name)))
		to = append(to, m.value(row)...)
	}
	return to
}

// segments goes through the characters between two positions in parts that have
// the same marks over them.
func (db *DB) segments(m *marks, from, end int32, f func(from, end int32, over []int32)) {
	db.segmentsOf(m, none, from, end, f)
}

// segmentsOf is segments for the marks of one name, or with none of all.
func (db *DB) segmentsOf(m *marks, name, from, end int32, f func(from, end int32, over []int32)) {
	var over []int32
	at := int32(0)
	for i := range m.bounds {
		b := &m.bounds[i]
		if b.at >= end {
			break
		}
		if name != none && b.mark != noMark && m.rows[b.mark/2].name != name {
			continue
		}
		if low := max(at, from); b.at > low {
			f(low, b.at, over)
		}
		at = b.at
		over = db.cover(m, over, b)
	}
	if low := max(at, from); low < end {
		f(low, end, over)
	}
}

// attributes goes through the characters between two positions in parts that are
// formatted alike; nil is not at all.
func (db *DB) attributes(m *marks, from, end int32, f func(from, end int32, attributes []byte)) {
	start := from
	var last []byte
	db.segments(m, from, end, func(low, high int32, over []int32) {
		var a []byte
		if len(over) > 0 {
			a = db.appendAttributes(nil, m, over)
		}
		if len(a) == 1 { // an empty array
			a = nil
		}
		if !bytes.Equal(a, last) {
			if low > start {
				f(start, low, last)
			}
			start, last = low, a
		}
	})
	if start < end {
		f(start, end, last)
	}
}

// TextMarks gives how a text is formatted: [[units, name, value, ...]...], its
// characters in parts that are formatted alike, each with its length in UTF-16
// code units and the marks over it, the names ascending. It is empty for a text
// that never was. It fails with NotFound.
func (db *DB) TextMarks(t Text) ([]byte, error) {
	x, err := db.text(t)
	if err != nil {
		return nil, err
	}
	return db.packMarks(x), nil
}

func (db *DB) packMarks(x *textState) []byte {
	if x.marks == nil {
		return wire.AppendArray(nil, 0)
	}
	var parts []byte
	count := 0
	db.attributes(x.marks, 0, int32(db.ropes.Len(x.content)), func(from, end int32, attributes []byte) {
		r := wire.NewReader(attributes)
		n := 0
		if attributes != nil {
			n = r.ArrayLen(len(attributes))
		}
		parts = wire.AppendUint(wire.AppendArray(parts, 1+n), uint64(end-from))
		parts = append(parts, r.Rest()...)
		count++
	})
	return append(wire.AppendArray(nil, count), parts...)
}
