package objectdb

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
)

// text takes back all that the step did to a text.
func (run *undoRun) text(c int32) error {
	db := run.db
	if slices.Contains(run.texts, c) {
		return nil
	}
	run.texts = append(run.texts, c)
	if !db.attached(c) {
		return nil
	}
	x := db.textOf(c)
	var ranges []egwalker.Range
	var gone [][]byte
	for i := range run.step.records {
		r := run.current(run.step.records[i])
		if r.kind != recText || r.container != c {
			continue
		}
		if e := x.event(r.after.Node); e >= 0 {
			ranges = append(ranges, egwalker.Range{Event: e, First: int32(r.after.Index), Len: db.elementsOf(&r)})
			gone = append(gone, run.step.value(&r))
		}
	}
	pieces := x.history.Locate(ranges, db.replacements(x, c), x.boundPlaces(), byName{db.graph, x.nodes})
	for i := range pieces {
		pieces[i].Pos = x.textPosition(pieces[i].Pos)
	}
	pieces = joinInserted(pieces)
	parts := goneParts(pieces, gone)
	for i, p := range slices.Backward(pieces) {
		if p.Kind == egwalker.Insert {
			if err := db.replaceText(c, p.Pos, p.Len, nil); err != nil {
				return err
			}
			continue
		}
		if parts[i] == nil {
			continue // a stored record that is not of this text
		}
		by, _ := x.end(db, c, p.Pos, 0)
		if err := db.replaceText(c, p.Pos, 0, parts[i]); err != nil {
			return err
		}
		run.replaced = append(run.replaced, replacement{
			text: c, n: p.Len,
			gone: crdt.Stamp{Node: x.nodes[ranges[p.Range].Event], Index: uint32(p.First)},
			by:   crdt.Stamp{Node: db.open.node, Index: uint32(by)},
		})
	}
	if x.marks != nil {
		if err := run.remark(c); err != nil {
			return err
		}
	}
	if len(pieces) > 0 || len(run.formats) > 0 {
		db.tx.touch(c)
	}
	return nil
}

// joinInserted makes what is to go, and stands together in the text, one piece.
func joinInserted(pieces []egwalker.Piece) []egwalker.Piece {
	out := pieces[:0]
	for _, p := range pieces {
		if n := len(out); n > 0 && p.Kind == egwalker.Insert && out[n-1].Kind == egwalker.Insert && out[n-1].Pos+out[n-1].Len == p.Pos {
			out[n-1].Len += p.Len
			continue
		}
		out = append(out, p)
	}
	return out
}

// goneParts gives what of the content that ranges took away each piece is, nil for
// what is not in it.
func goneParts(pieces []egwalker.Piece, gone [][]byte) [][]byte {
	parts := make([][]byte, len(pieces))
	var order []int
	for i := range pieces {
		if pieces[i].Kind == egwalker.Delete {
			order = append(order, i)
		}
	}
	sort.Slice(order, func(a, b int) bool {
		p, q := &pieces[order[a]], &pieces[order[b]]
		return p.Range < q.Range || p.Range == q.Range && p.Off < q.Off
	})
	var rest []byte
	units := int32(0) // in front of rest
	for k, i := range order {
		p := &pieces[i]
		if k == 0 || pieces[order[k-1]].Range != p.Range {
			rest, units = gone[p.Range], 0
		}
		from := rope.Offset(rest, int(p.Off-units))
		if from < 0 {
			continue
		}
		rest, units = rest[from:], p.Off
		if end := rope.Offset(rest, int(p.Len)); end >= 0 {
			parts[i] = rest[:end:end]
		}
	}
	return parts
}

// textPosition is the position in the text of a place in its sequence, in which the
// boundaries of marks stand too.
func (x *textState) textPosition(place int32) int32 {
	if x.marks == nil {
		return place
	}
	bounds := x.marks.bounds
	return place - int32(sort.Search(len(bounds), func(i int) bool { return bounds[i].at+int32(i) >= place }))
}

// boundPlaces are the places of the boundaries in the sequence.
func (x *textState) boundPlaces() (places []int32) {
	if x.marks != nil {
		for i := range x.marks.bounds {
			places = append(places, x.marks.bounds[i].at+int32(i))
		}
	}
	return places
}

// replacements are what was put back into a text.
func (db *DB) replacements(x *textState, c int32) (out []egwalker.Replacement) {
	for _, stack := range [][]*undoStep{db.undo.undo, db.undo.redo} {
		for _, s := range stack {
			out = x.replacements(s.replaced, c, out)
		}
	}
	return out
}

func (x *textState) replacements(replaced []replacement, c int32, out []egwalker.Replacement) []egwalker.Replacement {
	for _, r := range replaced {
		if r.text != c {
			continue
		}
		gone, by := x.event(r.gone.Node), x.event(r.by.Node)
		if gone >= 0 && by >= 0 {
			out = append(out, egwalker.Replacement{
				Gone: egwalker.Range{Event: gone, First: int32(r.gone.Index), Len: r.n},
				By:   egwalker.Range{Event: by, First: int32(r.by.Index), Len: r.n},
			})
		}
	}
	return out
}
