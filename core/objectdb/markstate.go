package objectdb

import (
	"bytes"

	"github.com/echospace/echospace/core/wire"
)

// formatted is a part of a text that has one value of one mark.
type formatted struct {
	from, end   int32
	first, last int32 // the marks that count at its beginning and at its end
}

// formattedParts are the parts of a text that its marks come to, by their
// beginning, then by name: equal for texts that are formatted alike.
func (db *DB) formattedParts(x *textState) []formatted {
	m := x.marks
	var parts []formatted
	var open, next []int // those that reach to the characters looked at
	db.segments(m, 0, int32(db.ropes.Len(x.content)), func(from, end int32, over []int32) {
		next = next[:0]
	winners:
		for _, row := range db.winners(m, over) {
			for _, i := range open {
				p := &parts[i]
				if p.end == from && m.rows[p.last].name == m.rows[row].name && bytes.Equal(m.value(p.last), m.value(row)) {
					p.end, p.last = end, row
					next = append(next, i)
					continue winners
				}
			}
			next = append(next, len(parts))
			parts = append(parts, formatted{from, end, row, row})
		}
		open, next = next, open
	})
	return parts
}

// formatsOf are the marks that make a text be formatted as one is. Each grows as those
// do that it stands for.
func (db *DB) formatsOf(x *textState) (list []newMark) {
	m, expands := x.marks, x.marks.expands()
	for _, p := range db.formattedParts(x) {
		list = append(list, newMark{p.from, p.end, m.rows[p.first].name, expands[p.first]&expandBefore | expands[p.last]&expandAfter, m.value(p.first)})
	}
	return list
}

// fillMarks writes the marks of a text, whose content is there.
func (w *stateWriter) fillMarks(c int32) {
	x := w.db.textOf(c)
	if x.marks == nil {
		return
	}
	for _, f := range w.db.formatsOf(x) {
		b := wire.AppendUint(wire.AppendUint(w.head(localFormat), uint64(f.from)), uint64(f.end))
		b = wire.AppendArray(wire.AppendBool(b, false), 3)
		b = wire.AppendUint(wire.AppendString(b, string(w.db.keys.At(f.name))), f.expand)
		w.b = append(b, f.value...)
	}
}
