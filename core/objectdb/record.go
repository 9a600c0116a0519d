package objectdb

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// recordDeleted is the flag of a deleted object in its record.
const recordDeleted = 1

// Read gives the record of an object, deleted or not:
//
//	[object bin16, flags (bit 0 deleted), contents map, lamport, feed bin32]
//
// Keys of maps ascend bytewise. A text is [7, Text]: what TextLength, AppendText
// and EditText take. A list is [6, number, value, number, value, ...]; numbers
// tell its items apart for as long as the database lives, wherever they are
// moved. lamport and feed are those of the object's
// creation, zero for the properties object. It reports false for an object that
// was never created. The caller owns the bytes.
func (db *DB) Read(object id.ObjectID) (rec []byte, ok bool) {
	c := db.findObject(object)
	if c == none || !db.exists(c) {
		return nil, false
	}
	return db.appendRecord(nil, c), true
}

// ReadMany gives an array with a record, or nil, for each 16-byte id in ids.
// Bytes after the last whole id are passed over.
func (db *DB) ReadMany(ids []byte) []byte {
	out := wire.AppendArray(nil, len(ids)/id.ShortSize)
	all := len(ids)
	for ; len(ids) >= id.ShortSize; ids = ids[id.ShortSize:] {
		c := db.findObject(id.ObjectID(ids[:id.ShortSize]))
		if c == none || !db.exists(c) {
			out = wire.AppendNil(out)
			continue
		}
		out = db.appendRecord(out, c)
		if len(ids) == all { // room for others like the first
			out = slices.Grow(out, min(len(out)*(all/id.ShortSize), 256<<10))
		}
	}
	return out
}

func (db *DB) appendRecord(b []byte, c int32) []byte {
	row := db.containers.At(c)
	b = wire.AppendArray(b, 5)
	b = wire.AppendBytes(b, row.id[:])
	flags := uint64(0)
	if db.deleted(c) {
		flags |= recordDeleted
	}
	b = wire.AppendUint(b, flags)
	b = db.appendMap(b, c)
	var lamport uint64
	var creator id.FeedID
	if at := row.created; at.Node != none {
		lamport, creator = db.graph.Lamport(at), db.graph.FeedID(db.graph.FeedOf(at.Node))
	}
	b = wire.AppendUint(b, lamport)
	return wire.AppendBytes(b, creator[:])
}

// appendMap appends the contents of a container as a map value. Depth is
// bounded: payloads with deeper ones are refused.
func (db *DB) appendMap(b []byte, c int32) []byte {
	from, to := db.pushFields(c)
	b = wire.AppendArray(b, 1+2*(to-from))
	b = wire.AppendUint(b, valueMap)
	for i := from; i < to; i++ { // db.list grows further down and comes back
		e := db.fields.At(db.list[i])
		b = wire.AppendString(b, string(db.keys.At(e.Tag)))
		b = db.appendWord(b, e.Value)
	}
	db.list = db.list[:from]
	return b
}

// pushFields puts the fields of a map that have a value behind db.list, by key:
// at the places from <= i < to. The caller cuts them off again.
func (db *DB) pushFields(c int32) (from, to int) {
	from = len(db.list)
	sorted := true
	var last []byte
	for f := db.containers.At(c).first; f != none; {
		e := db.fields.At(f)
		if e.Value != wordDeleted {
			k := db.keys.At(e.Tag)
			sorted = sorted && bytes.Compare(last, k) <= 0
			last = k
			db.list = append(db.list, f)
		}
		f = e.Link
	}
	if !sorted {
		slices.SortFunc(db.list[from:], func(x, y int32) int {
			return bytes.Compare(db.keys.At(db.fields.At(x).Tag), db.keys.At(db.fields.At(y).Tag))
		})
	}
	return from, len(db.list)
}

// appendList appends the contents of a list.
func (db *DB) appendList(b []byte, c int32) []byte {
	l := db.listOf(c)
	b = wire.AppendArray(b, 1+2*(len(l.slots)-l.hidden))
	b = wire.AppendUint(b, valueList)
	for _, s := range l.slots {
		if db.isShown(s) {
			i := db.slotRows.At(s).item
			if db.plainly {
				b = wire.AppendBytes(b, db.items.At(i).name.bytes())
			} else {
				b = wire.AppendUint(b, uint64(i))
			}
			b = db.appendWord(b, db.fields.At(db.items.At(i).field).Value)
		}
	}
	return b
}

// appendWord appends the encoded value of a word that is not deleted.
func (db *DB) appendWord(b []byte, w uint64) []byte {
	if child := childWord(w); child != none {
		row := db.containers.At(child)
		switch row.kind {
		case typeCounter:
			return wire.AppendInt(wire.AppendUint(wire.AppendArray(b, 2), valueCounter), row.number)
		case typeList:
			return db.appendList(b, child)
		case typeText:
			if db.plainly {
				return db.appendPlainText(b, child)
			}
			return wire.AppendUint(wire.AppendUint(wire.AppendArray(b, 2), valueText), uint64(child))
		}
		return db.appendMap(b, child)
	}
	var buf [8]byte
	return append(b, db.raw(w, &buf)...)
}

// Conflicts gives the encoded values that a key holds, the winner first: more
// than one if they were set concurrently. An empty element stands for a
// deletion. It gives nil if there is no such object, map or key. The caller
// owns the bytes.
func (db *DB) Conflicts(object id.ObjectID, path ...Step) [][]byte {
	p, ok := db.walk(object, path)
	if !ok || p.key == none {
		return nil
	}
	f := db.field(p.container, p.key)
	if f == none {
		return nil
	}
	return db.encodeVersions(db.fields.Versions(nil, f))
}

// encodeVersions encodes values; a container that several created is there once.
func (db *DB) encodeVersions(versions []crdt.Version) [][]byte {
	var out [][]byte
	for i, v := range versions {
		same := func(w crdt.Version) bool { return w.Value == v.Value }
		switch {
		case v.Value == wordDeleted:
			out = append(out, []byte{})
		case childWord(v.Value) != none && slices.ContainsFunc(versions[:i], same):
		default:
			out = append(out, db.appendWord(nil, v.Value))
		}
	}
	return out
}
