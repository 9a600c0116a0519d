package objectdb

import (
	"encoding/binary"
	"slices"

	"github.com/echospace/echospace/core/crdt"
)

// undoShapes is, for every record of a text that was edited by one of these nodes,
// the kinds and lengths of the ops of that node, in the order of eachMoved.
func (db *DB) undoShapes(nodes []crdt.Node) (shapes []string) {
	db.eachMoved(nodes, func(s *undoStep, c int32, at *crdt.Stamp, n *int32) {
		shapes = append(shapes, db.shape(c, at.Node))
	})
	return shapes
}

// checkShapes gives up the records of texts whose ops are others after a move:
// their elements cannot be told any more.
func (db *DB) checkShapes(shapes []string, old, moved []crdt.Node) {
	db.eachMoved(moved, func(s *undoStep, c int32, at *crdt.Stamp, n *int32) {
		if shapes[0] != db.shape(c, at.Node) {
			*n = 0
		}
		shapes = shapes[1:]
	})
}

func (db *DB) eachMoved(nodes []crdt.Node, f func(s *undoStep, c int32, at *crdt.Stamp, n *int32)) {
	for _, stack := range [][]*undoStep{db.undo.undo, db.undo.redo} {
		for _, s := range stack {
			for i := range s.records {
				if r := &s.records[i]; r.kind == recText && slices.Contains(nodes, r.after.Node) {
					f(s, r.container, &r.after, &r.place)
				}
			}
			for i := range s.replaced {
				r := &s.replaced[i]
				for _, at := range []*crdt.Stamp{&r.gone, &r.by} {
					if slices.Contains(nodes, at.Node) {
						f(s, r.text, at, &r.n)
					}
				}
			}
		}
	}
}

func (db *DB) shape(c int32, n crdt.Node) string {
	x := db.textOf(c)
	e := x.event(n)
	if e < 0 {
		return ""
	}
	var b []byte
	for _, o := range x.history.Ops(e) {
		b = binary.AppendUvarint(append(b, byte(o.Kind)), uint64(o.Len))
	}
	return string(b)
}
