package objectdb

import (
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/id"
)

// transaction is what takes back a local transaction that fails midway.
type transaction struct {
	first   int32 // containers from here on were made by the transaction
	items   int32 // and items
	undo    []undo
	saved   []crdt.Version
	dropped []uint64 // words to free when the transaction stands
	removed []int32  // and registers
	marks   []sequenceMark
	taken   []int32 // slots of lists
	touched []int32
	object  id.ObjectID // where the transaction is, for errors
	path    [][]byte
	records []undoRecord // of items of lists, for the undo stack
	values  []byte       // that they hold
	remote  bool         // the page does not know yet what the transaction does
}

// undo is one step back.
type undo struct {
	kind undoKind
	row  int32
	at   int32 // undoWrite: the register's versions are saved[at:at+n]
	n    int32
	by   int64 // undoAdd: what was added to counter row; undoText: the units inserted; undoTake: tx.taken from there on
	text *textUndo
}

// textUndo is what a text was before an edit at a position.
type textUndo struct {
	mark    sequenceMark
	pos     int
	deleted []byte
	bounds  []boundary
	first   int32 // how many elements the burst had for the text
	join    joinKind
}

type undoKind uint8

const (
	undoCreate  undoKind = iota // n objects from row on were not created
	undoField                   // container row did not have its last field, at
	undoLife                    // row had no register of delete and restore
	undoWrite                   // register row held other versions
	undoAdd                     // counter row had less
	undoText                    // text row was not edited
	undoFormat                  // text row did not have n marks from at on
	undoHistory                 // list row was as at marks[at]
	undoTake                    // list row had n slots at position at: tx.taken from by on
	undoPut                     // list row did not have n slots from position at on
	undoRemove                  // item row had register n, and slot at counted
	undoShown                   // of item row slot at counted
	undoNote                    // nothing: tx.records[at] is for the undo stack
)

// maxScratch bounds what a transaction's buffers keep for the next.
const maxScratch = 1 << 14

func (t *transaction) begin(containers, items int) {
	clear(t.marks) // they hold memory
	*t = transaction{
		first: int32(containers), items: int32(items), undo: trim(t.undo), saved: trim(t.saved),
		dropped: trim(t.dropped), removed: trim(t.removed), marks: t.marks[:0], taken: trim(t.taken), touched: trim(t.touched), path: trim(t.path),
		records: trim(t.records), values: trim(t.values),
	}
}

func trim[T any](s []T) []T {
	if cap(s) > maxScratch {
		return nil
	}
	return s[:0]
}

func (t *transaction) fresh(c int32) bool { return c >= t.first }

func (t *transaction) touch(c int32) {
	if n := len(t.touched); n == 0 || t.touched[n-1] != c {
		t.touched = append(t.touched, c)
	}
}

// created notes that an object was created.
func (t *transaction) created(c int32) {
	if n := len(t.undo); n > 0 && t.undo[n-1].kind == undoCreate && t.undo[n-1].row+t.undo[n-1].n == c {
		t.undo[n-1].n++
		return
	}
	t.undo = append(t.undo, undo{kind: undoCreate, row: c, n: 1})
}

// keep saves a register that is about to be written.
func (t *transaction) keep(fields *crdt.Registers, f int32) {
	at := len(t.saved)
	t.saved = fields.Versions(t.saved, f)
	t.undo = append(t.undo, undo{kind: undoWrite, row: f, at: int32(at), n: int32(len(t.saved) - at)})
}

// commit lets the transaction stand.
func (db *DB) commit() {
	for _, w := range db.tx.dropped {
		db.freeWord(w)
	}
	for _, f := range db.tx.removed {
		db.freeField(f)
	}
	for _, c := range db.tx.touched {
		db.touch(c, db.tx.remote)
	}
	db.compact()
}

// rollback takes the transaction back; its ops are those of the open burst from
// index first on. Containers that it made stay as rows of nothing.
func (db *DB) rollback(first uint32) {
	for i := len(db.tx.undo) - 1; i >= 0; i-- {
		u := db.tx.undo[i]
		switch u.kind {
		case undoCreate:
			for c := u.row; c < u.row+u.n; c++ {
				db.containers.At(c).created.Node = none
				db.recount(c)
			}
		case undoField:
			db.dropLastField(u.row)
		case undoLife:
			db.fields.Delete(db.containers.At(u.row).life)
			db.containers.At(u.row).life = none
			db.recount(u.row)
		case undoWrite:
			db.undoWrite(u, first)
		case undoAdd:
			db.containers.At(u.row).number -= u.by
		case undoText:
			db.undoText(u)
		case undoFormat:
			db.undoFormat(u)
		default:
			db.undoList(u)
		}
	}
	for _, c := range db.tx.touched {
		if db.containers.At(c).kind == typeList {
			db.recountHidden(db.listOf(c))
		}
	}
	for i := db.tx.items; int(i) < db.items.Len(); i++ {
		db.dropItem(i)
	}
	for c := db.tx.first; int(c) < db.containers.Len(); c++ {
		db.dropFields(c)
	}
}

// undoList takes a step in a list back. How many slots are hidden is counted when
// all steps are taken back.
func (db *DB) undoList(u undo) {
	switch u.kind {
	case undoHistory:
		db.listOf(u.row).takeBack(db.tx.marks[u.at])
	case undoTake:
		l := db.listOf(u.row)
		l.slots = slices.Insert(l.slots, int(u.at), db.tx.taken[u.by:u.by+int64(u.n)]...)
	case undoPut:
		l := db.listOf(u.row)
		l.slots = slices.Delete(l.slots, int(u.at), int(u.at+u.n))
	case undoRemove:
		it := db.items.At(u.row)
		it.field, it.shown = u.n, u.at
	case undoShown:
		db.items.At(u.row).shown = u.at
	}
}

func (db *DB) undoText(u undo) {
	x, before := db.textOf(u.row), u.text
	if x.marks != nil {
		x.marks.bounds = before.bounds
	}
	db.changeText(x, u.row, int32(before.pos), int32(u.by), before.deleted, true)
	x.takeBack(before.mark)
}

func (db *DB) undoWrite(u undo, first uint32) {
	for i := u.row; i != none; i = db.fields.At(i).Other {
		if e := db.fields.At(i); e.At.Node == db.open.node && e.At.Index >= first {
			db.freeWord(e.Value)
		}
	}
	db.fields.Restore(db.graph, u.row, db.tx.saved[u.at:u.at+u.n])
	if e := db.fields.At(u.row); e.Tag == none {
		db.recount(e.Owner)
	}
}
