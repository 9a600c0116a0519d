package objectdb

import (
	"math"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

// localList reads a splice or a move and makes it.
func (db *DB) localList(r *wire.Reader, ops []byte, p place, depth int, code uint64) {
	a, b := r.Uint(math.MaxInt32), r.Uint(math.MaxInt32)
	values := 0
	if code == localSplice {
		values = r.ArrayLen(math.MaxInt32)
	}
	if r.Err() != nil {
		return
	}
	c := db.childOf(p.container, p.key, typeList)
	if c == none {
		r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no list"))
		return
	}
	if code == localMove {
		if err := db.moveItem(c, int(a), int(b)); err != nil {
			r.Fail(err)
		}
		return
	}
	db.localSplice(r, ops, c, int(a), int(b), values, depth+1)
}

// localNewList reads the items of a new list and writes it.
func (db *DB) localNewList(r *wire.Reader, ops []byte, p place, n, depth int) {
	if depth >= db.limits.Depth {
		r.Fail(errs.New("objectdb.Local", errs.TooLarge, "lists are nested deeper than %d", db.limits.Depth))
		return
	}
	child := db.child(p.container, p.key, db.lastSeen(p), typeList)
	db.localWrite(p, db.open.put(db, p, child), content{child: child})
	db.localSplice(r, ops, child, 0, 0, n, depth+1)
}

// localSplice reads n values and puts them in the place of others; depth is that
// of the list.
func (db *DB) localSplice(r *wire.Reader, ops []byte, c int32, at, removed, n, depth int) {
	values := make([][]byte, 0, min(n, len(ops)))
	for range n {
		start := r.Offset()
		if containerKind(r.Rest()) != 0 {
			r.Skip()
		} else {
			db.limits.readValue(r)
		}
		if r.Err() != nil {
			return
		}
		values = append(values, ops[start:r.Offset()])
	}
	items, err := db.splice(c, at, removed, values)
	if err != nil {
		r.Fail(err)
		return
	}
	for k, i := range items {
		if kind := containerKind(values[k]); kind != 0 {
			db.fillItem(r, values[k], c, i, kind, depth)
		}
	}
}

// fillItem puts what an encoded container holds into that of a new item.
func (db *DB) fillItem(r *wire.Reader, value []byte, c, i int32, kind uint8, depth int) {
	path := len(db.tx.path)
	child := db.childOf(c, itemKey(i), kind)
	inner := wire.NewReader(value)
	pairs := db.limits.readValue(inner)
	switch {
	case inner.Err() != nil:
	case kind == typeCounter:
		if n := inner.Int(); inner.Err() == nil && n != 0 {
			db.open.count(db, elemAdd, child, n)
			db.addTo(child, n)
		}
	case kind == typeText:
		chars := inner.StringBytes(math.MaxInt32)
		if db.limits.size(inner, chars); inner.Err() == nil {
			db.replace(inner, child, 0, 0, chars)
		}
	case depth >= db.limits.Depth:
		inner.Fail(errs.New("objectdb.Local", errs.TooLarge, "maps and lists are nested deeper than %d", db.limits.Depth))
	case kind == typeMap:
		db.localPairs(inner, value, child, pairs, depth+1)
	default:
		db.localSplice(inner, value, child, 0, 0, isList-pairs, depth+1)
	}
	if err := inner.Err(); err != nil {
		r.Fail(err)
		return
	}
	db.tx.path = db.tx.path[:path]
}
