package objectdb

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// The payload of a block is
//
//	[1, feeds bin, [key str...], objects bin, [change...]]
//	[2, feeds bin, [key str...], objects bin, sources, items, counts, runs, places, chars, [change...]]
//	change = [time, message nil|str, [element...]]
//
// The second form is that of a payload that edits texts or lists; columns.go
// describes its columns, of which each edit takes its part in turn. The third is
// that of one that marks texts as well: it looks like the second.
//
// feeds are 32-byte feed ids, objects 16-byte object ids. Feeds, keys and
// objects stand in the order of their first use, all of them used; k, o and f
// below are places in these tables. Under the cursor may be a list instead of a
// map: k is the place of one of its items in the table of items then. time is in
// milliseconds since 1970, from the second change on the difference to the one
// before. Elements move a cursor or are ops on what is under it; only ops count
// and have lamport times. The
// cursor survives the end of a change. A non-negative k followed by a value
// sets that key. The others:
const (
	elemCreate        = -1  // op: create the next object of the table, go to it
	elemSelect        = -2  // o: go to an object
	elemPut           = -3  // op; k: set the key to a new map, nothing seen; go to it
	elemPutSeen       = -4  // op; k lamport f: as elemPut over the op seen
	elemEnter         = -5  // k: go to the map that elemPut makes
	elemEnterSeen     = -6  // k lamport f: go to the map that elemPutSeen makes
	elemLeave         = -7  // go to the parent
	elemDeleteKey     = -8  // op; k
	elemDelete        = -9  // op: delete the object under the cursor
	elemRestore       = -10 // op: restore it
	elemCount         = -11 // op; k n: set the key to a new counter, nothing seen, and add n to it
	elemCountSeen     = -12 // op; k lamport f n: likewise over the op seen
	elemAdd           = -13 // op; k n: add n to the counter that elemCount makes
	elemAddSeen       = -14 // op; k lamport f n: to the one that elemCountSeen makes
	elemText          = -15 // op; k: set the key to a new text, nothing seen, and edit it
	elemTextSeen      = -16 // op; k lamport f: likewise over the op seen
	elemEdit          = -17 // op; k: edit the text that elemText makes
	elemEditSeen      = -18 // op; k lamport f: edit the one that elemTextSeen makes
	elemList          = -19 // op; k: set the key to a new list, nothing seen; go to it
	elemListSeen      = -20 // op; k lamport f: likewise over the op seen
	elemEnterList     = -21 // k: go to the list that elemList makes
	elemEnterListSeen = -22 // k lamport f: go to the one that elemListSeen makes
	elemInsert        = -23 // op; i n value...: edit the list, which makes n new items, named from i on; containers are [type]
	elemRemove        = -24 // op; i: edit the list, and remove an item
	elemMove          = -25 // op; i: edit the list, which puts an item elsewhere
	elemFormat        = -26 // op; k name value: mark the text that elemText makes, between its next two boundaries; name is a place in the table of keys
	elemFormatSeen    = -27 // op; k lamport f name value: mark the one that elemTextSeen makes
	elemLast          = elemFormatSeen
	elemSet           = 0 // in op.code only: set a key
	payloadVersion    = 1
	columnsVersion    = 2
	marksVersion      = 3
)

// Bounds on the tables of one payload.
const (
	maxMessage = 1 << 10
	maxTable   = 1 << 30
)

// op is one decoded element.
type op struct {
	code    int8
	index   int32 // k or o
	feed    int32 // f
	lamport uint64
	number  int64  // n, or name
	start   uint32 // of the value in payload.raw; of an edit its place in payload.edits
	end     uint32
	values  uint32 // elemInsert, elemFormat: where the values begin in payload.raw
}

// payload is a decoded payload. It is reused from block to block.
type payload struct {
	raw     []byte
	feeds   []byte
	keys    [][]byte
	objects []byte
	ops     []op
	count   uint64 // of ops, moves not counted

	heads *[]changeHead // if not nil, is given the changes

	items []itemName
	runs  []egwalker.Op
	edits []span
	chars []byte
	// What follows the items up to the changes is raw[columns:changes].
	columns, changes int
	version          uint64
}

// changeHead is where a change begins in a payload.
type changeHead struct {
	time    int64 // the difference to that of the change before
	message []byte
	first   int // of its ops
}

// release forgets the bytes of the block, and buffers of unusual size.
func (p *payload) release() {
	clear(p.keys)
	*p = payload{keys: p.keys[:0], ops: p.ops[:0], items: trim(p.items), runs: trim(p.runs), edits: trim(p.edits)}
	if cap(p.ops) > 1<<14 {
		p.ops = nil
	}
	if cap(p.keys) > 1<<10 {
		p.keys = nil
	}
}

func (p *payload) object(o int32) id.ObjectID {
	return id.ObjectID(p.objects[o*id.ShortSize : (o+1)*id.ShortSize])
}

func (p *payload) feed(f int32) id.FeedID {
	return id.FeedID(p.feeds[f*id.HashSize : (f+1)*id.HashSize])
}

// decode reads a payload and checks all that can be wrong with it.
func (p *payload) decode(raw []byte, limits Limits) error {
	d, err := p.begin(raw, limits)
	if err != nil {
		return err
	}
	for !d.some(math.MaxInt) {
	}
	return d.end()
}

// begin reads the tables of a payload. The decoder that it gives reads the rest.
func (p *payload) begin(raw []byte, limits Limits) (decoder, error) {
	const op = "objectdb.decode"
	r := wire.NewReader(raw)
	*p = payload{raw: raw, keys: p.keys[:0], ops: p.ops[:0], items: p.items[:0], runs: p.runs[:0], edits: p.edits[:0], heads: p.heads}
	n := r.ArrayLen(maxTable)
	v := r.Uint(math.MaxUint64)
	if r.Err() == nil && (v < payloadVersion || v > marksVersion) {
		return decoder{}, errs.New(op, errs.VersionUnsupported, "payload of version %d; this version reads %d to %d", v, payloadVersion, marksVersion)
	}
	p.version = v
	want := 5
	if v >= columnsVersion {
		want = 11
	}
	if n != want {
		r.Fail(fmt.Errorf("payload of version %d has %d elements, want %d", v, n, want))
	}
	p.feeds = r.Bytes(maxTable)
	for n := r.ArrayLen(maxTable); n > 0 && r.Err() == nil; n-- {
		p.keys = append(p.keys, limits.readKey(r))
	}
	p.objects = r.Bytes(maxTable)
	if len(p.feeds)%id.HashSize != 0 || len(p.objects)%id.ShortSize != 0 {
		r.Fail(errors.New("table of ids is not of whole ids"))
	}
	if v >= columnsVersion {
		p.items = readItems(r, p.items)
		p.columns = r.Offset()
		p.runs, p.edits, p.chars = readColumns(r, v, p.runs, p.edits)
		p.changes = r.Offset()
		if r.Err() == nil && len(p.items)+len(p.edits) == 0 {
			r.Fail(errors.New("columns of nothing"))
		}
		if r.Err() == nil && v == marksVersion && !hasBoundary(p.runs) {
			r.Fail(errors.New("payload of marks without boundaries"))
		}
	}
	d := decoder{p: p, r: r, limits: limits, feeds: len(p.feeds) / id.HashSize, objects: len(p.objects) / id.ShortSize}
	d.changes = r.ArrayLen(maxTable)
	return d, nil
}

// some reads about as many elements of the changes; done tells that there are no more,
// or that something is wrong.
func (d *decoder) some(elements int) (done bool) {
	r := d.r
	for ; r.Err() == nil && elements > 0; elements-- {
		if d.left > 0 {
			if d.left -= d.element(); d.left < 0 {
				r.Fail(errors.New("change ends within an element"))
			}
			continue
		}
		d.endChange()
		if d.changes == 0 {
			return true
		}
		d.changes--
		d.beginChange()
	}
	return r.Err() != nil
}

// end says what is wrong with the payload.
func (d *decoder) end() error {
	p, r := d.p, d.r
	if d.usedKeys != len(p.keys) || d.usedFeeds != d.feeds || d.usedObjects != d.objects ||
		d.usedEdits != len(p.edits) || d.usedItems != len(p.items) || d.usedChars != len(p.chars) {
		r.Fail(errors.New("table has unused entries"))
	}
	return r.Done("objectdb.decode")
}

// decoder walks the elements of a payload.
type decoder struct {
	p                                *payload
	r                                *wire.Reader
	limits                           Limits
	feeds, objects                   int
	usedKeys, usedFeeds, usedObjects int
	usedItems, usedEdits, usedChars  int
	inside                           []bool // per container from the object down to the cursor whether it is a list
	current                          int32

	changes int    // that were not begun
	left    int    // of the values of the present one
	before  uint64 // it: the ops of those before
	inOne   bool   // there is one
}

func (d *decoder) beginChange() {
	r := d.r
	r.Array(3)
	head := changeHead{time: r.Int(), first: len(d.p.ops)}
	if !r.SkipNil() {
		head.message = r.StringBytes(maxMessage)
	}
	if d.p.heads != nil {
		*d.p.heads = append(*d.p.heads, head)
	}
	d.before, d.inOne = d.p.count, true
	d.left = r.ArrayLen(math.MaxInt32)
	d.p.ops = slices.Grow(d.p.ops, d.left/2) // most elements are a key and a value
}

func (d *decoder) endChange() {
	if d.inOne && d.p.count == d.before {
		d.r.Fail(errors.New("change without ops"))
	}
}

// element reads one element and gives how many values it is made of.
func (d *decoder) element() int {
	r := d.r
	if r.Peek() == wire.Uint {
		o := op{code: elemSet, index: d.key()}
		o.start = uint32(r.Offset())
		if pairs := d.limits.readValue(r); pairs != -1 {
			r.Fail(errors.New("container is not written as one"))
		}
		o.end = uint32(r.Offset())
		d.add(o, true)
		return 2
	}
	code := r.Int()
	if code < elemLast {
		r.Fail(fmt.Errorf("unknown element %d", code))
		return 1
	}
	return d.special(op{code: int8(code)})
}

func (d *decoder) special(o op) int {
	used := 1
	switch o.code {
	case elemCreate:
		o.index = d.use(uint64(d.usedObjects), &d.usedObjects, d.objects, "object")
		d.enterObject(o.index)
		d.need(d.r.Err() != nil || d.p.object(o.index) != PropertiesID, "the properties object cannot be created")
	case elemSelect:
		o.index = d.use(d.r.Uint(maxTable), &d.usedObjects, d.objects, "object")
		d.enterObject(o.index)
		used = 2
	case elemPut, elemEnter, elemList, elemEnterList:
		o.index = d.key()
		d.nest(o.code == elemList || o.code == elemEnterList)
		used = 2
	case elemPutSeen, elemEnterSeen, elemListSeen, elemEnterListSeen:
		o.index = d.key()
		d.nest(o.code == elemListSeen || o.code == elemEnterListSeen)
		o.lamport = d.r.Uint(math.MaxUint64)
		o.feed = d.use(d.r.Uint(maxTable), &d.usedFeeds, d.feeds, "feed")
		used = 4
	case elemCount, elemAdd:
		o.index = d.key()
		o.number = d.r.Int()
		used = 3
	case elemCountSeen, elemAddSeen:
		o.index = d.key()
		o.lamport = d.r.Uint(math.MaxUint64)
		o.feed = d.use(d.r.Uint(maxTable), &d.usedFeeds, d.feeds, "feed")
		o.number = d.r.Int()
		used = 5
	case elemText, elemEdit:
		o.start = d.edit(true)
		o.index = d.key()
		used = 2
	case elemTextSeen, elemEditSeen:
		o.start = d.edit(true)
		o.index = d.key()
		o.lamport = d.r.Uint(math.MaxUint64)
		o.feed = d.use(d.r.Uint(maxTable), &d.usedFeeds, d.feeds, "feed")
		used = 4
	case elemFormat, elemFormatSeen:
		o.start = d.edit(true)
		o.index = d.key()
		used = 4
		if o.code == elemFormatSeen {
			o.lamport = d.r.Uint(math.MaxUint64)
			o.feed = d.use(d.r.Uint(maxTable), &d.usedFeeds, d.feeds, "feed")
			used = 6
		}
		d.mark(&o)
	case elemInsert:
		d.need(d.inList(), "insert into what is no list")
		o.start = d.edit(false)
		o.index = d.key()
		used += 1 + d.newItems(&o)
	case elemRemove, elemMove:
		d.need(d.inList(), "item of what is no list")
		o.start = d.edit(false)
		o.index = d.key()
		used = 2
	case elemLeave:
		d.need(len(d.inside) > 1, "nothing to leave")
		d.inside = d.inside[:max(0, len(d.inside)-1)]
	case elemDeleteKey:
		d.need(!d.inList(), "item deleted as a key")
		o.index = d.key()
		used = 2
	case elemDelete, elemRestore:
		d.need(len(d.inside) == 1, "delete or restore of what is not an object")
		d.need(d.r.Err() != nil || d.p.object(d.current) != PropertiesID, "the properties object cannot be deleted")
	}
	d.add(o, !o.moves())
	return used
}

// moves reports whether o only moves the cursor.
func (o *op) moves() bool {
	switch o.code {
	case elemSelect, elemEnter, elemEnterSeen, elemEnterList, elemEnterListSeen, elemLeave:
		return true
	}
	return false
}

func (d *decoder) enterObject(o int32) { d.inside, d.current = append(d.inside[:0], false), o }

func (d *decoder) nest(list bool) {
	d.need(len(d.inside) < d.limits.Depth, "maps are nested too deep")
	d.inside = append(d.inside, list)
}

func (d *decoder) inList() bool { return len(d.inside) > 0 && d.inside[len(d.inside)-1] }

// edit takes the next edit of a text, or of a list.
func (d *decoder) edit(text bool) uint32 {
	d.need(d.usedEdits < len(d.p.edits), "edit without its part of the columns")
	if d.r.Err() != nil {
		return 0
	}
	e := &d.p.edits[d.usedEdits]
	e.chars = int32(d.usedChars)
	for _, o := range d.p.runs[e.runs:e.runsEnd] {
		d.need(text || o.Kind <= egwalker.Delete, "boundary in a list")
		if text && o.Kind == egwalker.Insert && d.r.Err() == nil {
			var err error
			if d.usedChars, err = useChars(d.p.chars, d.usedChars, int(o.Len)); err != nil {
				d.r.Fail(err)
			}
		}
	}
	e.charsEnd = int32(d.usedChars)
	d.usedEdits++
	return uint32(d.usedEdits - 1)
}

// mark reads the name and value of a mark.
func (d *decoder) mark(o *op) {
	d.need(d.p.version == marksVersion, "mark in a payload that is of none")
	o.number = int64(d.use(d.r.Uint(maxTable), &d.usedKeys, len(d.p.keys), "key"))
	o.values = uint32(d.r.Offset())
	d.limits.readMark(d.r)
	o.end = uint32(d.r.Offset())
}

// newItems reads the values of new items.
func (d *decoder) newItems(o *op) int {
	n := d.r.Uint(maxTable)
	d.need(n > 0, "insert of nothing")
	o.number, o.values = int64(n), uint32(d.r.Offset())
	for i := uint64(0); i < n && d.r.Err() == nil; i++ {
		if isPlaceholder(d.r.Rest()) {
			d.r.Skip()
			continue
		}
		if d.limits.readValue(d.r) != -1 {
			d.r.Fail(errors.New("container with contents among new items"))
		}
	}
	o.end = uint32(d.r.Offset())
	return 1 + int(n)
}

// isPlaceholder reports whether an encoded value is [type] of a container.
func isPlaceholder(b []byte) bool { return len(b) > 1 && b[0] == 0x91 && containerKind(b) != 0 }

// key reads the place of a key, or of an item if the cursor is at a list.
func (d *decoder) key() int32 {
	d.need(len(d.inside) > 0, "key without object")
	if d.inList() {
		return d.use(d.r.Uint(maxTable), &d.usedItems, len(d.p.items), "item")
	}
	return d.use(d.r.Uint(maxTable), &d.usedKeys, len(d.p.keys), "key")
}

// use checks a place in a table: one that was used, or the next.
func (d *decoder) use(at uint64, used *int, size int, what string) int32 {
	if d.r.Err() != nil {
		return 0
	}
	if at > uint64(*used) || at >= uint64(size) {
		d.r.Fail(fmt.Errorf("%s %d of %d is out of turn", what, at, size))
		return 0
	}
	if at == uint64(*used) {
		*used++
	}
	return int32(at)
}

func (d *decoder) need(ok bool, what string) {
	if !ok {
		d.r.Fail(errors.New(what))
	}
}

func (d *decoder) add(o op, counts bool) {
	if d.r.Err() != nil {
		return
	}
	d.p.ops = append(d.p.ops, o)
	if counts {
		d.p.count++
	}
}
