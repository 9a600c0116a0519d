package objectdb

import (
	"bytes"
	"errors"
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// stateSize is about how many bytes one op of a state has, unless one value has
// more: containers with more in them are made empty, and filled by further ops.
const stateSize = 64 << 10

// State gives the ops that make an object as it is now in a database that does
// not have it: one create, or, if it holds much, a create and what fills it. Of
// the properties object it gives what sets each key. Nil for an object that is
// not there or deleted. Equal contents give equal bytes.
func (db *DB) State(object id.ObjectID) []byte {
	c := db.findObject(object)
	if c == none || !db.exported(c) {
		return nil
	}
	return db.appendState(nil, c)
}

func (db *DB) appendState(b []byte, c int32) []byte {
	w := stateWriter{db: db, b: b, object: db.containers.At(c).id}
	switch {
	case c == propertiesRow:
		w.fill(c)
	case db.contentSize(c, stateSize) < 0:
		w.b = wire.AppendUint(wire.AppendArray(w.head(localCreate), 1), valueMap)
		w.fill(c)
	default:
		w.b = db.appendContent(w.head(localCreate), c)
	}
	return w.b
}

// stateWriter writes the ops of one object.
type stateWriter struct {
	db     *DB
	b      []byte
	object id.ObjectID
	path   [][]byte // encoded keys and places in lists
}

// head begins an op.
func (w *stateWriter) head(code uint64) []byte {
	b := wire.AppendUint(wire.AppendArray(w.b, localArity[code]), code)
	b = wire.AppendBytes(b, w.object[:])
	if code == localCreate {
		return b
	}
	b = wire.AppendArray(b, len(w.path))
	for _, k := range w.path {
		b = append(b, k...)
	}
	return b
}

// fill writes what is in a container that the ops so far left empty.
func (w *stateWriter) fill(c int32) {
	switch w.db.containers.At(c).kind {
	case typeText:
		w.fillText(c)
	case typeList:
		w.fillList(c)
	case typeMap:
		from, to := w.db.pushFields(c)
		for i := from; i < to; i++ {
			e := w.db.fields.At(w.db.list[i])
			w.path = append(w.path, wire.AppendString(nil, string(w.db.keys.At(e.Tag))))
			if big := w.db.bigChild(e.Value); big != none {
				w.b = w.db.appendEmpty(w.head(localSet), big)
				w.fill(big)
			} else {
				w.b = w.db.appendValue(w.head(localSet), e.Value)
			}
			w.path = w.path[:len(w.path)-1]
		}
		w.db.list = w.db.list[:from]
	}
}

func (w *stateWriter) fillText(c int32) {
	db, x := w.db, w.db.textOf(c).content
	for pos, end := 0, 0; pos < db.ropes.Len(x); pos = end {
		if end = min(pos+stateSize/2, db.ropes.Len(x)); !db.ropes.ValidPosition(x, end) {
			end--
		}
		b := wire.AppendUint(wire.AppendUint(w.head(localEdit), uint64(pos)), 0)
		w.b = wire.AppendString(b, string(db.ropes.Append(nil, x, pos, end)))
	}
	w.fillMarks(c)
}

// fillList puts the items in, as many at a time as an op holds.
func (w *stateWriter) fillList(c int32) {
	db := w.db
	var values []byte
	count, at := 0, 0
	flush := func() {
		if count > 0 {
			b := wire.AppendUint(wire.AppendUint(w.head(localSplice), uint64(at)), 0)
			w.b = append(wire.AppendArray(b, count), values...)
			at, count, values = at+count, 0, values[:0]
		}
	}
	for _, s := range db.listOf(c).slots {
		if !db.isShown(s) {
			continue
		}
		word := db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value
		if big := db.bigChild(word); big != none {
			flush()
			values, count = db.appendEmpty(values, big), 1
			flush()
			w.path = append(w.path, wire.AppendUint(nil, uint64(at-1)))
			w.fill(big)
			w.path = w.path[:len(w.path)-1]
			continue
		}
		values, count = db.appendValue(values, word), count+1
		if len(values) >= stateSize {
			flush()
		}
	}
	flush()
}

// bigChild is the container that a word stands for, if it holds so much that it
// is filled by ops of its own; none otherwise.
func (db *DB) bigChild(word uint64) int32 {
	if c := childWord(word); c != none && db.contentSize(c, stateSize) < 0 {
		return c
	}
	return none
}

// contentSize takes about what the encoding of a container has from room, and
// gives what is left: less than 0 is that it does not fit.
func (db *DB) contentSize(c int32, room int) int {
	row := db.containers.At(c)
	switch row.kind {
	case typeCounter:
		return room - 9
	case typeText:
		if db.textOf(c).marks != nil {
			return -1 // marks are ops of their own
		}
		return room - db.ropes.Bytes(db.textOf(c).content)
	case typeList:
		for _, s := range db.listOf(c).slots {
			if room < 0 {
				break
			}
			if db.isShown(s) {
				room = db.wordSize(db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value, room)
			}
		}
		return room
	}
	for f := row.first; f != none && room >= 0; {
		e := db.fields.At(f)
		if e.Value != wordDeleted {
			room = db.wordSize(e.Value, room-len(db.keys.At(e.Tag)))
		}
		f = e.Link
	}
	return room
}

func (db *DB) wordSize(word uint64, room int) int {
	if c := childWord(word); c != none {
		return db.contentSize(c, room)
	}
	var buf [8]byte
	return room - len(db.raw(word, &buf)) - 1
}

// appendEmpty appends an empty container of the kind of c, as local ops have it.
func (db *DB) appendEmpty(b []byte, c int32) []byte {
	kind := db.containers.At(c).kind
	if kind == typeText {
		return wire.AppendString(wire.AppendUint(wire.AppendArray(b, 2), valueText), "")
	}
	return wire.AppendUint(wire.AppendArray(b, 1), uint64(kind))
}

// appendValue appends the value of a word with all that is in it, as local ops
// have it.
func (db *DB) appendValue(b []byte, word uint64) []byte {
	if c := childWord(word); c != none {
		return db.appendContent(b, c)
	}
	var buf [8]byte
	return append(b, db.raw(word, &buf)...)
}

func (db *DB) appendContent(b []byte, c int32) []byte {
	row := db.containers.At(c)
	switch row.kind {
	case typeCounter:
		return wire.AppendInt(wire.AppendUint(wire.AppendArray(b, 2), valueCounter), row.number)
	case typeText:
		x := db.textOf(c).content
		b = wire.AppendUint(wire.AppendArray(b, 2), valueText)
		return wire.AppendString(b, string(db.ropes.Append(nil, x, 0, db.ropes.Len(x))))
	case typeList:
		l := db.listOf(c)
		b = wire.AppendUint(wire.AppendArray(b, 1+len(l.slots)-l.hidden), valueList)
		for _, s := range l.slots {
			if db.isShown(s) {
				b = db.appendValue(b, db.fields.At(db.items.At(db.slotRows.At(s).item).field).Value)
			}
		}
		return b
	}
	from, to := db.pushFields(c)
	b = wire.AppendUint(wire.AppendArray(b, 1+2*(to-from)), valueMap)
	for i := from; i < to; i++ {
		e := db.fields.At(db.list[i])
		b = wire.AppendString(b, string(db.keys.At(e.Tag)))
		b = db.appendValue(b, e.Value)
	}
	db.list = db.list[:from]
	return b
}

// NextState gives what the first of some ops of states is about, and the op: the
// rest begins behind it. It fails with Malformed for what no state has.
func NextState(ops []byte) (object id.ObjectID, op []byte, err error) {
	r := wire.NewReader(ops)
	r.ArrayLen(math.MaxInt32)
	code := r.Uint(math.MaxUint64)
	r.Fixed(object[:])
	if err := r.Err(); err != nil {
		return object, nil, errs.New("objectdb.NextState", errs.Malformed, "an op does not read: %w", err)
	}
	switch code {
	case localCreate, localSet, localEdit, localFormat, localSplice:
	default:
		return object, nil, errs.New("objectdb.NextState", errs.Malformed, "an op of code %d is in no state", code)
	}
	r = wire.NewReader(ops)
	op = r.Skip()
	if err := r.Err(); err != nil {
		return object, nil, errs.New("objectdb.NextState", errs.Malformed, "an op does not read: %w", err)
	}
	return object, op, nil
}

// Restate makes an object what the ops of its State elsewhere say, in one
// transaction, and reports whether it was anything else. It fails like Local.
func (db *DB) Restate(object id.ObjectID, state []byte, timeMs int64) (changed bool, err error) {
	if bytes.Equal(db.State(object), state) {
		return false, nil
	}
	c := db.findObject(object)
	if c == none || !db.exists(c) {
		return true, db.Local(state, timeMs)
	}
	w := stateWriter{db: db, object: object}
	if len(state) == 0 && c != propertiesRow {
		return true, db.Local(w.life(localDelete), timeMs)
	}
	if db.deleted(c) {
		w.b = w.life(localRestore)
	}
	from, to := db.pushFields(c)
	for _, f := range db.list[from:to] {
		w.path = append(w.path[:0], wire.AppendString(nil, string(db.keys.At(db.fields.At(f).Tag))))
		w.b = w.head(localDelKey)
	}
	db.list = db.list[:from]
	all := stateWriter{db: db, object: object}
	return true, db.Local(append(w.b, all.setAll(state)...), timeMs)
}

// life is an op that deletes or restores the object.
func (w *stateWriter) life(code uint64) []byte {
	b := wire.AppendUint(wire.AppendArray(w.b, localArity[code]), code)
	return wire.AppendBytes(b, w.object[:])
}

// setAll gives the ops of a state with the keys that its create has set one by
// one, for an object that exists.
func (w *stateWriter) setAll(state []byte) []byte {
	r := wire.NewReader(state)
	r.ArrayLen(math.MaxInt32)
	if r.Uint(math.MaxUint64) != localCreate {
		return state
	}
	r.Skip() // the object
	n := r.ArrayLen(math.MaxInt32)
	r.Skip() // the type
	for range n / 2 {
		w.path = append(w.path[:0], r.Skip())
		w.b = append(w.head(localSet), r.Skip()...)
		if r.Err() != nil {
			break // Local names what is wrong
		}
	}
	return append(w.b, r.Rest()...)
}

// Others gives the objects that an export would hold, the properties object left
// aside, of which has reports false.
func (db *DB) Others(has func(id.ObjectID) bool) (list []id.ObjectID) {
	for c := range int32(db.containers.Len()) {
		if v := db.containers.At(c).id; c != propertiesRow && db.exported(c) && !has(v) {
			list = append(list, v)
		}
	}
	return list
}

// RenameFeeds gives a payload with other names for the feeds that it refers to.
// Nothing else of it is looked at: Apply does that. It fails with Malformed for
// what is no payload.
func RenameFeeds(payload []byte, name func(id.FeedID) id.FeedID) ([]byte, error) {
	const op = "objectdb.RenameFeeds"
	r := wire.NewReader(payload)
	r.ArrayLen(maxTable)
	r.Uint(math.MaxUint64)
	start := r.Offset()
	feeds := r.Bytes(maxTable)
	if len(feeds)%id.HashSize != 0 {
		r.Fail(errors.New("table of ids is not of whole ids"))
	}
	if err := r.Err(); err != nil {
		return nil, errs.New(op, errs.Malformed, "no payload begins so: %w", err)
	}
	renamed := make([]byte, 0, len(feeds))
	for ; len(feeds) > 0; feeds = feeds[id.HashSize:] {
		to := name(id.FeedID(feeds[:id.HashSize]))
		renamed = append(renamed, to[:]...)
	}
	out := make([]byte, 0, len(payload))
	out = wire.AppendBytes(append(out, payload[:start]...), renamed)
	return append(out, r.Rest()...), nil
}
