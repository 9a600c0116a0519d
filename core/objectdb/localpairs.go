package objectdb

import (
	"bytes"
	"errors"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/wire"
)

// objectShape is what the keys of the object were that was made last: the next one mostly
// has the same, which then are not looked up.
type objectShape struct {
	keys    []int32
	encoded [][]byte
}

// key reads the next key of the contents of an object, of which it is number i, and
// gives its number and it.
func (s *objectShape) key(db *DB, r *wire.Reader, i int) (key int32, k []byte) {
	if i < len(s.keys) && r.Literal(s.encoded[i]) {
		return s.keys[i], db.keys.At(s.keys[i])
	}
	s.keys, s.encoded = s.keys[:i], s.encoded[:i]
	k = db.limits.readKey(r)
	if r.Err() == nil && i > 0 && bytes.Compare(db.keys.At(s.keys[i-1]), k) >= 0 {
		r.Fail(errNotAscending)
	}
	if r.Err() != nil {
		return none, k
	}
	key = db.internKey(k)
	s.keys = append(s.keys, key)
	s.encoded = append(s.encoded, wire.AppendString(nil, string(k)))
	return key, k
}

var errNotAscending = errors.New("keys of a map are not ascending")

// localPairs reads the contents of a new map into c.
func (db *DB) localPairs(r *wire.Reader, ops []byte, c int32, pairs, depth int) {
	var last []byte
	for i := range pairs {
		k := db.limits.readKey(r)
		db.tx.path = append(db.tx.path, k)
		if r.Err() == nil && i > 0 && bytes.Compare(last, k) >= 0 {
			r.Fail(errNotAscending)
		}
		if r.Err() != nil {
			return
		}
		db.localValue(r, ops, place{c, db.internKey(k)}, depth)
		if r.Err() != nil {
			return
		}
		last = k
		db.tx.path = db.tx.path[:len(db.tx.path)-1]
	}
}

// localObject is localPairs for the contents of an object. One without a field needs
// no look at what it has: scalars are appended to it.
func (db *DB) localObject(r *wire.Reader, ops []byte, c int32, pairs int) {
	row := db.containers.At(c)
	if row.count > 0 || pairs > manyFields || !db.tx.fresh(c) || db.limits.Value < wire.MaxScalar {
		db.localPairs(r, ops, c, pairs, 1)
		return
	}
	for i := range pairs {
		key, k := db.lastShape.key(db, r, i)
		if r.Err() == nil {
			if raw := r.Scalar(); raw != nil {
				db.appendField(c, row, key, raw)
				continue
			}
		}
		db.tx.path = append(db.tx.path, k)
		db.localValue(r, ops, place{c, key}, 1)
		if r.Err() != nil {
			return
		}
		db.tx.path = db.tx.path[:len(db.tx.path)-1]
	}
}

// appendField sets a key that c, whose row is given, does not have.
func (db *DB) appendField(c int32, row *container, key int32, raw []byte) {
	at := db.open.set(db, place{c, key}, raw)
	f := db.fields.New(crdt.Entry{At: at, Owner: c, Tag: key, Link: none})
	e := db.fields.At(f)
	if len(raw) <= maxInline {
		e.Value = inlineWord(raw)
	} else {
		e.Value = tagHeap<<56 | db.values.Put(f, raw)
	}
	if row.last == none {
		row.first = f
	} else {
		db.fields.At(row.last).Link = f
	}
	row.last = f
	row.count++
}
