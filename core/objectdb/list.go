package objectdb

import (
	"encoding/binary"
	"hash/maphash"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/errs"
)

// listState is what a list is: the history of its slots, and those that are
// there. A slot is a place that an item was put at. Moving an item puts it at a
// new slot and takes its old ones away; two moves at once leave it two, of which
// the one of the greater stamp counts. The others are hidden until somebody
// moves or removes the item again.
type listState struct {
	sequence
	slots  []int32 // rows of DB.slotRows, in order
	hidden int     // how many of them are not shown
}

// slot is a place of an item.
type slot struct {
	item int32
	at   crdt.Stamp // the op that put it there
}

// item is an element of a list.
type item struct {
	list  int32      // container
	field int32      // the register of its value; none once it was removed
	shown int32      // the slot that counts, or none
	place int32      // in the open burst's table, if it is there; none if nobody inserted it
	at    crdt.Stamp // the op that inserted it
	name  itemName
}

// itemName names an item for good: a number that the database which made it
// drew when it was opened, and a count. It is no stamp, since a copy of a
// profile makes stamps that others have made too.
type itemName struct {
	source uint64
	index  uint64
}

// itemKey stands for an item where a key of a map would be, and itemOf is the
// reverse. A key is not negative, and none is no key.
func itemKey(i int32) int32  { return -2 - i }
func itemOf(key int32) int32 { return -2 - key }

func (db *DB) listOf(c int32) *listState { return db.lists[db.containers.At(c).number] }

// bytes is the name as the key that container ids are made of.
func (n itemName) bytes() []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, n.source), n.index)
}

func (db *DB) itemHash(list int32, n itemName) uint64 {
	var b [20]byte
	binary.LittleEndian.PutUint32(b[:], uint32(list))
	binary.LittleEndian.PutUint64(b[4:], n.source)
	binary.LittleEndian.PutUint64(b[12:], n.index)
	return maphash.Bytes(db.seed, b[:])
}

// findItem gives the item of a list by its name, removed or not, or none, among
// those that were inserted in a past. Of several of one name, which only a faulty
// writer makes, it is the first by order, on every replica alike.
func (db *DB) findItem(list int32, n itemName, past crdt.Past) int32 {
	found := int32(none)
	db.byItem.Find(db.itemHash(list, n), func(i int32) bool {
		if it := db.items.At(i); it.list == list && it.name == n && past.Has(it.at.Node) {
			if found == none || db.graph.Compare(it.at, db.items.At(found).at) < 0 {
				found = i
			}
		}
		return false
	})
	return found
}

// addItem makes an item that op at inserted, without a value and a slot.
func (db *DB) addItem(list int32, at crdt.Stamp, n itemName) int32 {
	i := db.items.Append(item{list: list, field: none, shown: none, at: at, name: n})
	db.byItem.Insert(db.itemHash(list, n), i)
	db.items.At(i).field = db.fields.New(crdt.Entry{At: at, Owner: list, Tag: itemKey(i), Link: none})
	return i
}

// addSlot makes a slot of an item, which counts if no later one does.
func (db *DB) addSlot(i int32, at crdt.Stamp) int32 {
	s := db.slotRows.Append(slot{i, at})
	db.show(s)
	return s
}

// show has a slot count if no later one does, and its item was not removed.
func (db *DB) show(s int32) {
	row := db.slotRows.At(s)
	it := db.items.At(row.item)
	if it.field != none && (it.shown == none || db.graph.Compare(db.slotRows.At(it.shown).at, row.at) < 0) {
		it.shown = s
	}
}

// isShown reports whether a slot counts.
func (db *DB) isShown(s int32) bool {
	return db.items.At(db.slotRows.At(s).item).shown == s
}

// position gives where the n-th item that is shown stands among the slots; the
// number of slots if there are no more.
func (db *DB) position(l *listState, n int) int {
	if l.hidden == 0 {
		return min(n, len(l.slots))
	}
	for at, s := range l.slots {
		if db.isShown(s) {
			if n == 0 {
				return at
			}
			n--
		}
	}
	return len(l.slots)
}

// shownItem gives the n-th item, or none.
func (db *DB) shownItem(c int32, n int) int32 {
	l := db.listOf(c)
	if n < 0 || n >= len(l.slots)-l.hidden {
		return none
	}
	return db.slotRows.At(l.slots[db.position(l, n)]).item
}

// shownItems gives the items from the n-th on, as many as asked for; they are
// there.
func (db *DB) shownItems(l *listState, n, count int) []int32 {
	out := make([]int32, 0, count)
	for at := db.position(l, n); len(out) < count; at++ {
		if s := l.slots[at]; db.isShown(s) {
			out = append(out, db.slotRows.At(s).item)
		}
	}
	return out
}

// slotsOf gives the positions of all slots of items, ascending.
func (db *DB) slotsOf(l *listState, items []int32) []int {
	wanted := make(map[int32]bool, len(items))
	for _, i := range items {
		wanted[i] = true
	}
	var out []int
	for at, s := range l.slots {
		if wanted[db.slotRows.At(s).item] {
			out = append(out, at)
		}
	}
	return out
}

// takeOps are the ops that take positions away, from the last on so that those
// before keep theirs.
func takeOps(positions []int) (ops []egwalker.Op) {
	for end := len(positions); end > 0; {
		from := end - 1
		for from > 0 && positions[from-1] == positions[from]-1 {
			from--
		}
		ops = append(ops, egwalker.Op{Kind: egwalker.Delete, Pos: int32(positions[from]), Len: int32(end - from)})
		end = from
	}
	return ops
}

// dropItem forgets the value of an item: it was removed for good.
func (db *DB) dropItem(i int32) {
	it := db.items.At(i)
	if it.field != none {
		db.freeField(it.field)
	}
	it.field, it.shown = none, none
}

// recountHidden counts the slots of a list that are not shown.
func (db *DB) recountHidden(l *listState) {
	l.hidden = 0
	for _, s := range l.slots {
		if !db.isShown(s) {
			l.hidden++
		}
	}
}

// mergeList does to the slots of a list what block n with that past does: ops,
// whose inserts make the slots given.
func (db *DB) mergeList(n crdt.Node, past crdt.Past, c int32, ops []egwalker.Op, made []int32) {
	l := db.listOf(c)
	for _, e := range l.merge(db, n, past, ops) {
		if e.Kind == egwalker.Delete {
			l.slots = slices.Delete(l.slots, int(e.Pos), int(e.Pos+e.Len))
		} else {
			l.slots = slices.Insert(l.slots, int(e.Pos), made[e.From:e.From+e.Len]...)
		}
	}
	db.recountHidden(l)
}

// arrangeList brings the slots of a list into another order.
func (db *DB) arrangeList(c int32, parts []part) {
	l := db.listOf(c)
	slots := make([]int32, 0, len(l.slots))
	for _, p := range parts {
		slots = append(slots, l.slots[p.pos:p.pos+p.len]...)
	}
	l.slots = slots
}

// recountSlots finds anew which slots count, after their stamps have changed.
func (db *DB) recountSlots() {
	for i := range int32(db.items.Len()) {
		db.items.At(i).shown = none
	}
	for _, l := range db.lists {
		for _, s := range l.slots {
			db.show(s)
		}
	}
	for _, l := range db.lists {
		db.recountHidden(l)
	}
}

// keyBytes is a key, or the name of an item that stands for one.
func (db *DB) keyBytes(key int32) []byte {
	if key < none {
		return db.items.At(itemOf(key)).name.bytes()
	}
	return db.keys.At(key)
}

// splice is a local edit of a list: removed items from the n-th on give way to
// fresh ones.
func (db *DB) splice(c int32, n, removed int, values [][]byte) ([]int32, error) {
	l := db.listOf(c)
	if shown := len(l.slots) - l.hidden; n < 0 || n > shown || removed < 0 || removed > shown-n {
		return nil, errs.New("objectdb.Local", errs.InvalidArgument, "%d items from place %d on are not in a list of %d", removed, n, shown)
	}
	if removed > 0 {
		if err := db.removeItems(c, l, db.shownItems(l, n, removed)); err != nil {
			return nil, err
		}
	}
	if len(values) == 0 {
		return nil, nil
	}
	pos := 0
	if n > 0 {
		pos = db.position(l, n-1) + 1
	}
	return db.insertItems(c, l, pos, values)
}

// removeItems removes items, with all their slots.
func (db *DB) removeItems(c int32, l *listState, gone []int32) error {
	ops := takeOps(db.slotsOf(l, gone))
	if err := db.extendList(c, l, ops); err != nil {
		return err
	}
	db.noteRemoved(c, l, gone)
	db.takeSlots(c, l, ops)
	for _, i := range gone {
		db.open.item(db, elemRemove, c, i, ops)
		ops = nil // the first takes all slots away
		it := db.items.At(i)
		db.tx.undo = append(db.tx.undo, undo{kind: undoRemove, row: i, at: it.shown, n: it.field})
		db.tx.removed = append(db.tx.removed, it.field)
		it.field, it.shown = none, none
	}
	return nil
}

// insertItems puts new items in front of a position among the slots.
func (db *DB) insertItems(c int32, l *listState, pos int, values [][]byte) ([]int32, error) {
	ops := []egwalker.Op{{Kind: egwalker.Insert, Pos: int32(pos), Len: int32(len(values))}}
	if err := db.extendList(c, l, ops); err != nil {
		return nil, err
	}
	items, made := make([]int32, len(values)), make([]int32, len(values))
	at := db.open.next()
	for k, v := range values {
		items[k] = db.addItem(c, at, itemName{db.source, db.madeItems})
		db.madeItems++
		db.initItem(c, items[k], v)
		made[k] = db.addSlot(items[k], at)
		db.noteItem(undoRecord{kind: recInserted, container: c, key: items[k]})
	}
	db.open.insert(db, c, items[0], ops, values)
	db.putSlots(c, l, pos, made)
	return items, nil
}

// initItem gives a new item its value: an encoded one, or, if v is of a
// container, an empty one of its kind.
func (db *DB) initItem(c, i int32, v []byte) {
	f := db.items.At(i).field
	value := content{raw: v}
	if kind := containerKind(v); kind != 0 {
		value = content{child: db.child(c, itemKey(i), seen{feed: none}, kind)}
	}
	db.fields.At(f).Value = db.word(f, value)
}

// moveItem moves the n-th item so that it is the to-th.
func (db *DB) moveItem(c int32, n, to int) error {
	l := db.listOf(c)
	shown := len(l.slots) - l.hidden
	if n < 0 || n >= shown || to < 0 || to >= shown {
		return errs.New("objectdb.Local", errs.InvalidArgument, "a move from %d to %d in a list of %d", n, to, shown)
	}
	if n == to {
		return nil
	}
	i := db.shownItem(c, n)
	at := db.slotsOf(l, []int32{i})
	// Its new place is behind the item that it then follows.
	pos := 0
	if to > 0 {
		before := to - 1
		if to > n {
			before = to
		}
		pos = db.position(l, before) + 1
	}
	pos -= sort.SearchInts(at, pos) // its own slots go first
	takes := takeOps(at)
	ops := append(takes, egwalker.Op{Kind: egwalker.Insert, Pos: int32(pos), Len: 1})
	if err := db.extendList(c, l, ops); err != nil {
		return err
	}
	stamp := db.open.item(db, elemMove, c, i, ops)
	db.noteItem(undoRecord{
		kind: recMoved, container: c, key: i, left: db.shownItem(c, n-1), right: db.shownItem(c, n+1), place: int32(n),
		before: db.slotRows.At(db.items.At(i).shown).at, after: stamp,
	})
	db.takeSlots(c, l, takes)
	db.tx.undo = append(db.tx.undo, undo{kind: undoShown, row: i, at: db.items.At(i).shown})
	s := db.addSlot(i, stamp)
	db.items.At(i).shown = s
	db.putSlots(c, l, pos, []int32{s})
	return nil
}

// extendList adds ops of the open burst to the history so that they can be
// taken back.
func (db *DB) extendList(c int32, l *listState, ops []egwalker.Op) error {
	mark := l.mark()
	if err := l.extend(db, ops, false); err != nil {
		return err
	}
	db.tx.marks = append(db.tx.marks, mark)
	db.tx.undo = append(db.tx.undo, undo{kind: undoHistory, row: c, at: int32(len(db.tx.marks) - 1)})
	db.tx.touch(c)
	return nil
}

// takeSlots takes slots out, as the ops say.
func (db *DB) takeSlots(c int32, l *listState, takes []egwalker.Op) {
	for _, o := range takes {
		part := l.slots[o.Pos : o.Pos+o.Len]
		for _, s := range part {
			if !db.isShown(s) {
				l.hidden--
			}
		}
		db.tx.undo = append(db.tx.undo, undo{kind: undoTake, row: c, at: o.Pos, n: o.Len, by: int64(len(db.tx.taken))})
		db.tx.taken = append(db.tx.taken, part...)
		l.slots = slices.Delete(l.slots, int(o.Pos), int(o.Pos+o.Len))
	}
}

// putSlots puts slots that are shown in.
func (db *DB) putSlots(c int32, l *listState, pos int, made []int32) {
	l.slots = slices.Insert(l.slots, pos, made...)
	db.tx.undo = append(db.tx.undo, undo{kind: undoPut, row: c, at: int32(pos), n: int32(len(made))})
}
