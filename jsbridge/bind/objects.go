//go:build js

package bind

import (
	"crypto/rand"
	"math"
	"slices"
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/wire"
)

// Operations of a transaction (package objectdb).
const (
	opCreate    = 1
	opSet       = 2
	opDeleteKey = 3
	opDelete    = 4
	opRestore   = 5
)

// A query of package objectdb is [filter, deleted].
const (
	filterCompare = 1
	filterAnd     = 2
	compareEqual  = 0
	hideDeleted   = 0
)

// drainBytes is about how much of the changes is taken at a time.
const drainBytes = 1 << 20

// objects is the plain door to the objects of one space.
type objects struct {
	*scope
	sp *client.Space

	mu       sync.Mutex // never held across a callback
	queries  []*plainQuery
	followed bool   // onChange() drains the changes
	unfollow func() // ends the observation of the state; nil without queries
}

// plainQuery is a query of the page and its result.
type plainQuery struct {
	query    []byte
	callback safejs.Value
	number   uint32 // of the live query behind it
	ids      []id.ObjectID
	over     bool
}

// bindObjects binds the objects of a space, each call one transaction:
//
//	add(object): id            a string of 32 hexadecimal digits
//	get(id): object            a copy; undefined if there is none, or if it is deleted
//	update(id, patch)          sets each property of patch, a nested object as a
//	                           whole; a property that is undefined is removed
//	remove(id), restore(id)    removing what is removed is harmless, and so is
//	                           restoring what is there
//	query(filter, callback(objects, ids)): stop
//	onChange(callback(late)): stop   for the exports of package hotpath
//
// An object is a plain one of null, booleans, numbers, strings, bigints, Dates,
// Uint8Arrays and plain objects of these; anything else is UNSUPPORTED_VALUE
// with the detail path. A reference to another object, which only the TypeScript
// package makes, reads as that object's id.
//
// query calls back before it returns and then after each change, with copies of
// all objects whose properties equal those of filter (undefined: all objects),
// in the order of their creation, and in the same order their ids. A space has
// either queries or an onChange: the other is refused with INVALID_ARGUMENT,
// since both drain the same changes.
func (bc *boundClient) bindObjects(v safejs.Value, sp *client.Space) {
	o := &objects{scope: bc.scope, sp: sp}
	o.method(v, "add", func(args arguments) (any, error) { return o.add(args.at(0)) })
	o.method(v, "get", func(args arguments) (any, error) {
		object, err := args.object("space.get")
		if err != nil {
			return nil, err
		}
		return o.get(object)
	})
	o.method(v, "update", func(args arguments) (any, error) {
		object, err := args.object("space.update")
		if err != nil {
			return nil, err
		}
		return nil, o.update(object, args.at(1))
	})
	for name, code := range map[string]uint64{"remove": opDelete, "restore": opRestore} {
		o.method(v, name, func(args arguments) (any, error) {
			object, err := args.object("space." + name)
			if err != nil {
				return nil, err
			}
			return nil, sp.Edit(wire.AppendBytes(operation(nil, code, 2), object[:]))
		})
	}
	o.method(v, "query", func(args arguments) (any, error) {
		cb, err := args.callback("space.query", 1)
		if err != nil {
			return nil, err
		}
		return o.query(args.at(0), cb)
	})
	o.method(v, "onChange", func(args arguments) (any, error) {
		cb, err := args.callback("onChange", 0)
		if err != nil {
			return nil, err
		}
		return o.onChange(cb)
	})
}

// object is the id at 0, or errs.InvalidArgument.
func (a arguments) object(op string) (id.ObjectID, error) {
	s, err := a.text(op, 0)
	if err != nil {
		return id.ObjectID{}, err
	}
	object, ok := id.Parse[id.ObjectID](s)
	if !ok {
		return object, errs.New(op, errs.InvalidArgument, "%q is no id of an object: those are 32 hexadecimal digits", s)
	}
	return object, nil
}

func hexID(r *wire.Reader) string {
	var object id.ObjectID
	r.Fixed(object[:])
	return object.String()
}

// operation begins an operation of n elements.
func operation(b []byte, code uint64, n int) []byte {
	return wire.AppendUint(wire.AppendArray(b, n), code)
}

func (o *objects) add(v safejs.Value) (any, error) {
	var object id.ObjectID
	if _, err := rand.Read(object[:]); err != nil {
		return nil, errs.Wrap("space.add", errs.Internal, err)
	}
	e := encoder{out: wire.AppendBytes(operation(nil, opCreate, 3), object[:])}
	if err := e.plain(v); err != nil {
		return nil, err
	}
	if err := o.sp.Edit(e.out); err != nil {
		return nil, err
	}
	return object.String(), nil
}

func (o *objects) get(object id.ObjectID) (any, error) {
	list, _, err := o.read("space.get", []id.ObjectID{object})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

func (o *objects) update(object id.ObjectID, patch safejs.Value) error {
	const op = "space.update"
	if there, _, err := o.read(op, []id.ObjectID{object}); err != nil {
		return err
	} else if len(there) == 0 {
		return errs.New(op, errs.NotFound, "object %v is not there, or deleted; restore() it first", object)
	}
	e := encoder{}
	patch, keys, err := e.snapshot(patch)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if gone, err := isUndefined(patch, k); err != nil {
			return err
		} else if gone {
			e.target(opDeleteKey, 3, object, k)
			continue
		}
		e.target(opSet, 4, object, k)
		if err := e.property(patch, k); err != nil {
			return err
		}
	}
	return o.sp.Edit(e.out)
}

func isUndefined(o safejs.Value, name string) (bool, error) {
	v, err := o.Get(name)
	return v.IsUndefined(), err
}

// target begins an operation on a property.
func (e *encoder) target(code uint64, n int, object id.ObjectID, key string) {
	e.out = wire.AppendBytes(operation(e.out, code, n), object[:])
	e.out = wire.AppendString(wire.AppendArray(e.out, 1), key)
}

// read gives copies of the objects of those ids that exist and are not
// deleted, and their ids.
func (o *objects) read(op string, ids []id.ObjectID) (list []safejs.Value, there []safejs.Value, err error) {
	err = o.sp.Objects(op, func(db *objectdb.DB) error {
		r := decoder{wire.NewReader(db.ReadMany(slices.Concat(bytesOf(ids)...))), db}
		list, there, err = r.records(op)
		return err
	})
	return list, there, err
}

// records reads records, or nil, into copies of the objects that are not
// deleted, and their ids.
func (r decoder) records(op string) (list []safejs.Value, there []safejs.Value, err error) {
	for range r.ArrayLen(math.MaxInt32) {
		if r.SkipNil() {
			continue
		}
		r.Array(5)
		name := hexID(r.Reader)
		deleted := r.Uint(math.MaxUint32)&1 != 0
		v, err := r.value()
		if err != nil {
			return nil, nil, err
		}
		r.Skip()
		r.Skip()
		content, ok := v.(safejs.Value)
		if !ok || deleted {
			continue
		}
		text, err := safejs.ValueOf(name)
		if err != nil {
			return nil, nil, err
		}
		list, there = append(list, content), append(there, text)
	}
	return list, there, r.Done(op)
}

func bytesOf(ids []id.ObjectID) [][]byte {
	out := make([][]byte, len(ids))
	for i := range ids {
		out[i] = ids[i][:]
	}
	return out
}

// filter encodes the query for a plain object of equalities.
func filter(v safejs.Value) ([]byte, error) {
	e := encoder{out: wire.AppendArray(nil, 2)}
	if v.IsUndefined() {
		e.out = wire.AppendNil(e.out)
		return wire.AppendUint(e.out, hideDeleted), nil
	}
	v, keys, err := e.snapshot(v)
	if err != nil {
		return nil, err
	}
	e.out = operation(e.out, filterAnd, 1+len(keys))
	for _, k := range keys {
		e.out = operation(e.out, filterCompare, 4)
		e.out = wire.AppendString(wire.AppendArray(e.out, 1), k)
		e.out = wire.AppendUint(e.out, compareEqual)
		if err := e.property(v, k); err != nil {
			return nil, err
		}
	}
	return wire.AppendUint(e.out, hideDeleted), nil
}

func (o *objects) query(v, callback safejs.Value) (any, error) {
	const op = "space.query"
	encoded, err := filter(v)
	if err != nil {
		return nil, err
	}
	q := &plainQuery{query: encoded, callback: callback}
	if err := o.follow(op); err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.queries = append(o.queries, q)
	o.mu.Unlock()
	if err := o.open(op, q); err != nil {
		o.stop(q)
		return nil, err
	}
	o.tell(q)
	return o.unsubscriber(func() { o.stop(q) }), nil
}

// follow takes the changes of the space, unless they are taken already.
func (o *objects) follow(op string) error {
	o.mu.Lock()
	taken, following := o.followed, o.unfollow != nil
	o.mu.Unlock()
	if taken {
		return errs.New(op, errs.InvalidArgument, "the changes of this space are drained by onChange(); stop it first")
	}
	if following {
		return nil
	}
	o.sp.OnChange(func(bool) { o.drain() })
	cancel := o.sp.State.Subscribe(o.stateChanged)
	o.mu.Lock()
	o.unfollow = cancel
	o.mu.Unlock()
	return nil
}

func (o *objects) onChange(callback safejs.Value) (any, error) {
	o.mu.Lock()
	busy := o.followed || o.unfollow != nil
	o.followed = o.followed || !busy
	o.mu.Unlock()
	if busy {
		return nil, errs.New("onChange", errs.InvalidArgument, "the changes of this space are drained by another onChange(), or by query(); stop that first")
	}
	o.sp.OnChange(func(late bool) { o.call(callback, late) })
	return o.unsubscriber(func() {
		o.mu.Lock()
		o.followed = false
		o.mu.Unlock()
		o.sp.OnChange(nil)
	}), nil
}

// stop ends a query; with the last one the changes are left alone.
func (o *objects) stop(q *plainQuery) {
	o.mu.Lock()
	q.over = true
	o.queries = slices.DeleteFunc(o.queries, func(other *plainQuery) bool { return other == q })
	var unfollow func()
	if len(o.queries) == 0 {
		unfollow, o.unfollow = o.unfollow, nil
	}
	o.mu.Unlock()
	if unfollow != nil {
		unfollow()
		o.sp.OnChange(nil)
	}
	_ = o.sp.Objects("space.query", func(db *objectdb.DB) error { // it ended with a closed space
		db.CloseQuery(q.number)
		return nil
	})
}

// open opens the live query behind q on the space's present database.
func (o *objects) open(op string, q *plainQuery) error {
	return o.sp.Objects(op, func(db *objectdb.DB) error {
		number, ids, err := db.OpenQuery(q.query)
		if err != nil {
			return err
		}
		o.mu.Lock()
		defer o.mu.Unlock()
		q.number, q.ids = number, splitIDs(ids)
		return nil
	})
}

func splitIDs(b []byte) []id.ObjectID {
	ids := make([]id.ObjectID, 0, len(b)/id.ShortSize)
	for chunk := range slices.Chunk(b, id.ShortSize) {
		ids = append(ids, id.ObjectID(chunk))
	}
	return ids
}

// stateChanged opens the queries again on the database of a space that was
// closed and opened.
func (o *objects) stateChanged(s client.SpaceState) {
	if s != client.SpaceOpen {
		return
	}
	for _, q := range o.present() {
		if o.open("space.query", q) == nil {
			o.tell(q)
		}
	}
}

func (o *objects) present() []*plainQuery {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.queries)
}

// drain takes what changed and tells the queries that it concerns.
func (o *objects) drain() {
	touched := map[*plainQuery]bool{}
	for more := true; more; {
		out := o.sp.Changes(drainBytes)
		if out == nil {
			break
		}
		r := wire.NewReader(out)
		r.Array(4)
		for range r.ArrayLen(math.MaxInt32) {
			r.Skip() // an object's record: the callbacks get all objects anyway
		}
		for range r.ArrayLen(math.MaxInt32) {
			if q := o.result(r); q != nil {
				touched[q] = true
			}
		}
		r.Skip() // of texts, none of which is watched here
		more = r.Bool()
	}
	for _, q := range o.present() {
		if touched[q] {
			o.tell(q)
		}
	}
}

// result applies the changes of one query's result, and gives the query; nil
// for one that was stopped.
func (o *objects) result(r *wire.Reader) *plainQuery {
	o.mu.Lock()
	defer o.mu.Unlock()
	r.Array(4)
	number := uint32(r.Uint(math.MaxUint32))
	q := &plainQuery{} // takes what concerns nobody
	at := slices.IndexFunc(o.queries, func(q *plainQuery) bool { return q.number == number })
	if at >= 0 {
		q = o.queries[at]
	}
	for range r.ArrayLen(math.MaxInt32) {
		r.Array(2)
		place := int(r.Uint(math.MaxInt32))
		r.Skip() // the object that stands there
		if place < len(q.ids) {
			q.ids = slices.Delete(q.ids, place, place+1)
		}
	}
	for range r.ArrayLen(math.MaxInt32) {
		r.Array(2)
		place := int(r.Uint(math.MaxInt32))
		var object id.ObjectID
		r.Fixed(object[:])
		q.ids = slices.Insert(q.ids, min(place, len(q.ids)), object)
	}
	r.Skip() // the changed ones stay where they are
	if at < 0 {
		return nil
	}
	return q
}

// tell calls back with the present result.
func (o *objects) tell(q *plainQuery) {
	o.mu.Lock()
	ids, over := slices.Clone(q.ids), q.over
	o.mu.Unlock()
	if over {
		return
	}
	list, names, err := o.read("space.query", ids)
	if err != nil {
		report(err)
		return
	}
	o.call(q.callback, array(list), array(names))
}
