package objectdb

import (
	"math"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Plain gives the contents of an object as a map that means the same outside of
// this database: texts are [7, str], those that were ever formatted [7, str, [from, end,
// name, expand, value, ...]] with the parts that have one value of one mark, by their
// beginning, then by name, and how each grows; and the items of a list stand behind the
// names by which all replicas know them: [6, bin16, value, bin16, value, ...]. It
// gives nil for an object that was not created, or is deleted. The caller owns the
// bytes.
func (db *DB) Plain(object id.ObjectID) []byte {
	c := db.findObject(object)
	if c == none || !db.exists(c) || db.deleted(c) {
		return nil
	}
	db.plainly = true
	defer func() { db.plainly = false }()
	return db.appendMap(nil, c)
}

// ObjectIDs gives the ids of all objects that were created, deleted ones too, and
// of the properties object.
func (db *DB) ObjectIDs() []id.ObjectID {
	var out []id.ObjectID
	for c := range int32(db.containers.Len()) {
		if db.containers.At(c).parent == none && db.exists(c) {
			out = append(out, db.containers.At(c).id)
		}
	}
	return out
}

// entry is an element of a plain map or list: name is the key, or the item's name.
type entry struct {
	name  string
	value []byte
}

// entries takes a plain map or list apart.
func entries(raw []byte) []entry {
	r := wire.NewReader(raw)
	n := (r.ArrayLen(math.MaxInt32) - 1) / 2
	kind := r.Uint(math.MaxUint8)
	out := make([]entry, n)
	for i := range out {
		if kind == valueMap {
			out[i].name = r.String(math.MaxInt32)
		} else {
			out[i].name = string(r.Bytes(math.MaxInt32))
		}
		out[i].value = r.Skip()
	}
	return out
}

// charsOf is the content of a plain text.
func charsOf(raw []byte) []byte {
	r := wire.NewReader(raw)
	r.ArrayLen(3)
	r.Uint(math.MaxUint8)
	return r.StringBytes(math.MaxInt32)
}

// numberOf is the sum of a plain counter.
func numberOf(raw []byte) int64 {
	r := wire.NewReader(raw)
	r.ArrayLen(2)
	r.Uint(math.MaxUint8)
	return r.Int()
}

// appendNameless appends a plain value as Local takes it: without the names of items
// and the marks of texts.
func appendNameless(b, raw []byte) []byte { return appendShown(b, raw, false) }

// appendShown is appendNameless; with marks it keeps these, but for how they grow.
func appendShown(b, raw []byte, marks bool) []byte {
	kind := containerKind(raw)
	if kind == valueText {
		return appendShownText(b, raw, marks)
	}
	if kind != valueMap && kind != valueList {
		return append(b, raw...)
	}
	list := entries(raw)
	if kind == valueList {
		b = wire.AppendUint(wire.AppendArray(b, 1+len(list)), valueList)
	} else {
		b = wire.AppendUint(wire.AppendArray(b, 1+2*len(list)), valueMap)
	}
	for _, e := range list {
		if kind == valueMap {
			b = wire.AppendString(b, e.name)
		}
		b = appendShown(b, e.value, marks)
	}
	return b
}
