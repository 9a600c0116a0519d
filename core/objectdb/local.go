package objectdb

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Local ops: arrays [code, object bin16, ...], one after the other. A key of a
// path is a str, or the place of an item in a list. A value is as in a payload,
// but containers come with what is in them: [4, k, v, ...], [6, v, ...], [7, str],
// [8, integer].
const (
	localCreate  = 1  // map: create an object with contents
	localSet     = 2  // [key...], value: the maps on the way must exist
	localDelKey  = 3  // [key...]
	localDelete  = 4  // delete an object
	localRestore = 5  // restore one
	localAdd     = 6  // [key...], int: add to the counter there
	localEdit    = 7  // [key...], pos, deleted, str: edit the text there, as EditText does
	localSplice  = 8  // [key...], n, removed, [value...]: items of the list there from the n-th on give way to others
	localMove    = 9  // [key...], from, to: the item at place from of the list there comes to place to
	localFormat  = 10 // [key...], from, to, only bool, [name, expand, value, ...]: marks for a part of the text there, with only set no others; expand is 1 in front, 2 behind, their sum or 0; the value nil takes a mark away

	localMessage = 11 // str, no object; the first only: what the transaction says of itself

	localFormats = 12 // [key...], [from, to, name, expand, value, ...]: many marks, each for a part of the text there
)

// localArity is the number of elements of each op.
var localArity = [...]int{localCreate: 3, localSet: 4, localDelKey: 3, localDelete: 2, localRestore: 2, localAdd: 4, localEdit: 6, localSplice: 6, localMove: 5, localFormat: 7, localFormats: 4}

// maxBurst is after how many bytes of changes a burst is closed, so that bulk
// becomes blocks that others apply without holding up their page. One change
// stays whole whatever its size.
const maxBurst = 64 << 10

// Local runs the ops as one transaction of the writer: all of them, seen at
// once by Read and the queries, or none. timeMs is wall time for the history.
// It fails with NotPermitted before SetWriter, MissingDependency if the
// writer's head is not applied, NotFound for an object or a map on a path that
// does not exist, InvalidArgument for an object that exists already, Malformed,
// UnsupportedValue or TooLarge for what no object can hold. Deleting a key that
// is not there is no op. The transaction joins the open burst, and is a step of
// the undo stack, or a part of the last one (see GroupSteps).
func (db *DB) Local(ops []byte, timeMs int64) error {
	if err := db.mayWrite(); err != nil {
		return err
	}
	if !db.undo.joins(none, timeMs) {
		db.EndStep()
	}
	message, ops, err := readMessage(ops)
	if err != nil {
		return err
	}
	return db.localOps(ops, timeMs, message, false)
}

// localOps runs the ops as a transaction and a step of the undo stack.
func (db *DB) localOps(ops []byte, timeMs int64, message []byte, remote bool) error {
	return db.transact(timeMs, message, remote, func() error {
		db.open.body = slices.Grow(db.open.body, len(ops)) // about what the elements take
		r := wire.NewReader(ops)
		for r.Err() == nil && r.Offset() < len(ops) {
			db.localOp(r, ops)
		}
		if err := r.Done("objectdb.Local"); err != nil {
			return db.nameFailure(err)
		}
		return nil
	}, func(first uint32) {
		u := &db.undo
		step := u.step(none, timeMs, message)
		db.capture(step, first)
		if n := step.size(); n >= sumUndo {
			u.grown += n
			u.undo = u.limit(u.undo)
		}
	})
}

// transact runs f as one transaction of the open burst: all of it, or nothing
// and the error. remote says that the page does not know what it does. done is
// called before it stands, unless it did nothing, with its first op.
func (db *DB) transact(timeMs int64, message []byte, remote bool, f func() error, done func(first uint32)) error {
	if db.open == nil {
		db.openBurst()
	}
	b := db.open
	saved := b.save()
	db.tx.begin(db.containers.Len(), db.items.Len())
	db.tx.remote = remote
	err := f()
	if err == nil && b.size() > maxBurst { // else it is far from the limit
		if n := b.bound(db); n > feed.MaxChange {
			err = errs.New("objectdb.Local", errs.TooLarge, "a transaction of up to %d bytes, the limit is %d: make several", n, feed.MaxChange)
		}
	}
	if err != nil {
		db.rollback(saved.ops)
		b.restore(saved)
	} else {
		if b.ops > saved.ops {
			done(saved.ops)
		}
		db.commit()
		b.endChange(timeMs, message, saved.ops)
	}
	db.tx.remote = false
	if err == nil && b.size() >= maxBurst {
		db.graph.Extend(b.node, uint64(b.ops))
		db.closeBurst()
		return nil
	}
	if b.ops == 0 {
		db.abandonBurst()
	} else {
		db.graph.Extend(b.node, uint64(b.ops))
	}
	return err
}

// readMessage reads what a transaction says of itself, if it does, and gives the
// ops behind that.
func readMessage(ops []byte) (message, rest []byte, err error) {
	if len(ops) < 2 || ops[1] != localMessage {
		return nil, ops, nil // most say nothing
	}
	r := wire.NewReader(ops)
	if n := r.ArrayLen(math.MaxInt32); n != 2 || r.Uint(math.MaxUint8) != localMessage || r.Err() != nil {
		return nil, ops, nil
	}
	message = slices.Clone(r.StringBytes(math.MaxInt32))
	if len(message) > maxMessage {
		r.Fail(errs.New("objectdb.Local", errs.TooLarge, "message of %d bytes, limit %d", len(message), maxMessage))
	}
	if len(message) == 0 {
		message = nil
	}
	if r.Err() != nil {
		return nil, nil, r.Done("objectdb.Local")
	}
	return message, r.Rest(), nil
}

func (db *DB) mayWrite() error {
	if !db.hasWriter {
		return errs.New("objectdb.Local", errs.NotPermitted, "the database has no feed to write to")
	}
	db.loadUndo() // what is written is a step behind those of before
	return db.writerErr
}

// nameFailure says where in which object a transaction failed.
func (db *DB) nameFailure(err error) error {
	if id.IsZero(db.tx.object) {
		return err
	}
	keys := make([]string, len(db.tx.path))
	for i, k := range db.tx.path {
		keys[i] = string(k)
	}
	return errs.New("objectdb.Local", errs.KindOf(err), "object %s, path %q: %w", db.tx.object, strings.Join(keys, "."), err)
}

func (db *DB) localOp(r *wire.Reader, ops []byte) {
	n := r.ArrayLen(len(ops))
	code := r.Uint(math.MaxUint64)
	db.tx.object, db.tx.path = id.ObjectID{}, db.tx.path[:0]
	if r.Err() == nil && (code == 0 || code >= uint64(len(localArity)) || localArity[code] != n) {
		r.Fail(fmt.Errorf("no op has code %d and %d elements", code, n))
	}
	r.Fixed(db.tx.object[:])
	if r.Err() != nil {
		return
	}
	if code == localCreate {
		db.localCreate(r, ops)
		return
	}
	c := db.findObject(db.tx.object)
	if c == none || !db.exists(c) {
		r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no such object"))
		return
	}
	switch code {
	case localSet:
		if at, depth := db.localPath(r, c, true); r.Err() == nil {
			db.localValue(r, ops, at, depth)
		}
	case localAdd:
		if at, _ := db.localPath(r, c, false); r.Err() == nil {
			db.localAdd(r, at)
		}
	case localEdit:
		if at, _ := db.localPath(r, c, false); r.Err() == nil {
			db.localEdit(r, at)
		}
	case localFormat:
		if at, _ := db.localPath(r, c, false); r.Err() == nil {
			db.localFormat(r, ops, at)
		}
	case localFormats:
		if at, _ := db.localPath(r, c, false); r.Err() == nil {
			db.localFormats(r, ops, at)
		}
	case localSplice, localMove:
		if at, depth := db.localPath(r, c, false); r.Err() == nil {
			db.localList(r, ops, at, depth, code)
		}
	case localDelKey:
		if at, _ := db.localPath(r, c, false); r.Err() == nil {
			db.localDeleteKey(r, at)
		}
	case localDelete, localRestore:
		db.localLife(r, c, code == localDelete)
	}
}

func (db *DB) localCreate(r *wire.Reader, ops []byte) {
	if id.IsZero(db.tx.object) || db.tx.object == PropertiesID {
		r.Fail(errs.New("objectdb.Local", errs.InvalidArgument, "the id is reserved"))
		return
	}
	c := db.object(db.tx.object)
	if db.exists(c) || db.containers.At(c).flags&flagHidden != 0 {
		r.Fail(errs.New("objectdb.Local", errs.InvalidArgument, "the object exists already"))
		return
	}
	pairs := db.limits.readValue(r)
	if r.Err() == nil && pairs < 0 {
		r.Fail(errors.New("the contents of an object are not a map"))
		return
	}
	db.create(c, db.open.create(db, c))
	db.tx.created(c)
	db.tx.touch(c)
	db.localObject(r, ops, c, pairs)
}

// place is a key of a container.
type place struct{ container, key int32 }

// localPath reads a path and walks it to the container of its last key, which
// it interns only if make is set: a key never seen is on no object.
func (db *DB) localPath(r *wire.Reader, c int32, intern bool) (place, int) {
	n := r.ArrayLen(math.MaxInt32)
	if r.Err() == nil && (n == 0 || n > db.limits.Depth) {
		r.Fail(errs.New("objectdb.Local", errs.InvalidArgument, "path of %d keys, want 1 to %d", n, db.limits.Depth))
	}
	for i := 1; r.Err() == nil; i++ {
		key := db.pathKey(r, c, intern && i == n)
		if r.Err() != nil {
			break
		}
		if i == n {
			return place{c, key}, n
		}
		if c = db.containerAt(place{c, key}); c == none {
			r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no map and no list"))
		}
	}
	return place{none, none}, n
}

// pathKey reads one step of a path: a key of a map, which it interns if intern
// is set, or the place of an item in a list.
func (db *DB) pathKey(r *wire.Reader, c int32, intern bool) int32 {
	if db.containers.At(c).kind == typeList {
		n := r.Uint(math.MaxInt32)
		db.tx.path = append(db.tx.path, strconv.AppendUint(nil, n, 10))
		i := db.shownItem(c, int(n))
		if i == none {
			r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no such item"))
			return none
		}
		return itemKey(i)
	}
	k := db.limits.readKey(r)
	db.tx.path = append(db.tx.path, k)
	if intern && r.Err() == nil {
		return db.internKey(k)
	}
	return db.keys.Find(k)
}

// localValue reads a value and writes it; depth is that of the container.
func (db *DB) localValue(r *wire.Reader, ops []byte, p place, depth int) {
	start := r.Offset()
	pairs := db.limits.readValue(r)
	if r.Err() != nil {
		return
	}
	switch pairs {
	case isCounter:
		db.localCounter(r, p)
		return
	case isText:
		db.localText(r, p)
		return
	}
	if pairs <= isList {
		db.localNewList(r, ops, p, isList-pairs, depth)
		return
	}
	if pairs < 0 {
		raw := ops[start:r.Offset()]
		db.localWrite(p, db.open.set(db, p, raw), content{raw: raw})
		return
	}
	if depth >= db.limits.Depth {
		r.Fail(errs.New("objectdb.Local", errs.TooLarge, "maps are nested deeper than %d", db.limits.Depth))
		return
	}
	child := db.child(p.container, p.key, db.lastSeen(p), typeMap)
	db.localWrite(p, db.open.put(db, p, child), content{child: child})
	db.localPairs(r, ops, child, pairs, depth+1)
}

// localCounter reads the start of a new counter and writes it.
func (db *DB) localCounter(r *wire.Reader, p place) {
	n := r.Int()
	if r.Err() != nil {
		return
	}
	child := db.child(p.container, p.key, db.lastSeen(p), typeCounter)
	db.localWrite(p, db.open.count(db, elemCount, child, n), content{child: child})
	db.addTo(child, n)
}

// localAdd adds to a counter.
func (db *DB) localAdd(r *wire.Reader, p place) {
	n := r.Int()
	if r.Err() != nil {
		return
	}
	child := db.childOf(p.container, p.key, typeCounter)
	if child == none {
		r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no counter"))
		return
	}
	db.tx.touch(p.container)
	db.open.count(db, elemAdd, child, n)
	db.addTo(child, n)
}

// localText reads the content of a new text and writes it.
func (db *DB) localText(r *wire.Reader, p place) {
	chars := r.StringBytes(math.MaxInt32)
	db.limits.size(r, chars)
	if r.Err() != nil {
		return
	}
	child := db.child(p.container, p.key, db.lastSeen(p), typeText)
	db.localWrite(p, db.open.text(db, elemText, child), content{child: child})
	db.replace(r, child, 0, 0, chars)
}

// localEdit reads an edit and makes it.
func (db *DB) localEdit(r *wire.Reader, p place) {
	pos, deleted := r.Uint(math.MaxInt32), r.Uint(math.MaxInt32)
	inserted := r.StringBytes(math.MaxInt32)
	if r.Err() != nil {
		return
	}
	child := db.childOf(p.container, p.key, typeText)
	if child == none {
		r.Fail(errs.New("objectdb.Local", errs.NotFound, "there is no text"))
		return
	}
	if err := db.checkEdit(db.textOf(child), int(pos), int(deleted), inserted); err != nil {
		r.Fail(err)
		return
	}
	db.tx.touch(p.container)
	db.replace(r, child, int32(pos), int32(deleted), inserted)
}

// replace edits a text so that it can be taken back.
func (db *DB) replace(r *wire.Reader, c, pos, deleted int32, inserted []byte) {
	if err := db.replaceText(c, pos, deleted, inserted); err != nil {
		r.Fail(err)
	}
}

func (db *DB) replaceText(c, pos, deleted int32, inserted []byte) error {
	x := db.textOf(c)
	fresh := db.tx.fresh(c)
	before := &textUndo{pos: int(pos)}
	if !fresh {
		before.mark = x.mark()
		if x.marks != nil {
			before.bounds = slices.Clone(x.marks.bounds)
		}
		before.deleted = db.ropes.Append(nil, x.content, int(pos), int(pos+deleted))
		before.first, before.join = x.end(db, c, pos, deleted)
	}
	if err := db.editText(c, x, pos, deleted, inserted); err != nil {
		return err
	}
	if !fresh {
		db.tx.undo = append(db.tx.undo, undo{kind: undoText, row: c, by: int64(rope.Units(inserted)), text: before})
	}
	return nil
}

// addTo changes a counter so that it can be taken back.
func (db *DB) addTo(counter int32, n int64) {
	row := db.containers.At(counter)
	row.number += n
	if !db.tx.fresh(counter) {
		db.tx.undo = append(db.tx.undo, undo{kind: undoAdd, row: counter, by: n})
	}
}

// lastSeen names the op that a new container at p replaces.
func (db *DB) lastSeen(p place) seen {
	f := db.field(p.container, p.key)
	if f == none {
		return seen{feed: none}
	}
	at := db.fields.At(f).At
	return seen{lamport: db.graph.Lamport(at), feed: db.graph.FeedOf(at.Node)}
}

func (db *DB) localDeleteKey(r *wire.Reader, p place) {
	if p.key == none {
		return
	}
	if p.key < none {
		r.Fail(errs.New("objectdb.Local", errs.InvalidArgument, "an item of a list is removed by a splice"))
		return
	}
	f := db.field(p.container, p.key)
	if f == none || db.fields.At(f).Value == wordDeleted && db.fields.At(f).Other == none {
		return
	}
	db.localWrite(p, db.open.deleteKey(db, p), deletion)
}

func (db *DB) localLife(r *wire.Reader, c int32, del bool) {
	if c == propertiesRow {
		r.Fail(errs.New("objectdb.Local", errs.InvalidArgument, "the properties object cannot be deleted"))
		return
	}
	db.writeLife(c, del)
}

// writeLife deletes an object, or restores it.
func (db *DB) writeLife(c int32, del bool) crdt.Stamp {
	word := uint64(wordFalse)
	if del {
		word = wordTrue
	}
	if life := db.containers.At(c).life; life != none {
		db.tx.keep(&db.fields, life)
	} else {
		db.tx.undo = append(db.tx.undo, undo{kind: undoLife, row: c})
	}
	at := db.open.life(db, c, del)
	db.setLife(c, at, word, db.open.past)
	db.tx.touch(c)
	return at
}

// localWrite writes a register so that it can be taken back.
func (db *DB) localWrite(p place, at crdt.Stamp, v content) {
	db.tx.touch(p.container)
	fresh := db.tx.fresh(p.container)
	f := db.field(p.container, p.key)
	if f == none {
		f = db.addField(p.container, p.key, at)
		db.fields.At(f).Value = db.word(f, v)
		if !fresh {
			db.tx.undo = append(db.tx.undo, undo{kind: undoField, row: p.container, at: f})
		}
		return
	}
	if !fresh {
		db.tx.keep(&db.fields, f)
	}
	for _, w := range db.fields.Write(db.graph, f, at, db.word(f, v), db.open.past) {
		if fresh {
			db.freeWord(w)
		} else {
			db.tx.dropped = append(db.tx.dropped, w)
		}
	}
}
