package objectdb

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"sort"
	"unicode/utf8"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// A step is kept in storage in the form of a block's payload (feed.Pack), of
//
//	[2, redo bool, time, message nil|str, blocks bin, [further...], containers bin, [parent...], [key str...],
//	 sources bin, [list index...], [record...], [replacement...]]
//	record = [kind, container, key, before, index, after, index, value nil|bin, left, right, place, run, child]
//	replacement = [text, gone, index, by, index, count]
//
// The tables are of blocks, of 16-byte ids of containers with the place of their
// parent in the table plus 1, or 0, and of items with their 8-byte source, the place
// of their list, and their index. Blocks of one feed that follow each other are
// named by the last of them, in 72 bytes (feed, number, hash), and how many further
// ones there are. before, after, gone and by are places of blocks; these, left,
// right and child are one more, or 0 for none. key is 0 for none, 2k+1 for key k and
// 2i+2 for item i. A value of nil is the container left. What a step took away of a
// text that it had inserted itself in the same block is never put back: the value
// has zeros for it.
//
// Version 1 was not packed, had no zeros, and named every block by itself, without
// further.
const (
	undoVersion      = 2
	undoVersionPlain = 1
	blockSize        = 2*id.HashSize + 8
	// minOwn is from how many bytes on it is looked at what a step took away itself.
	minOwn = 32
)

// UndoRecord is one step as it is to be stored under its number; one without bytes
// is to be removed.
type UndoRecord struct {
	Serial uint64
	Bytes  []byte
}

// WrittenBurst says which block a burst is about to be stored as.
type WrittenBurst struct {
	Burst *Burst
	Ref   feed.Ref
}

// HasUndoRecords reports whether CutUndo may have something to give.
func (db *DB) HasUndoRecords() bool {
	u := &db.undo
	if len(u.dropped) > 0 {
		return true
	}
	for _, stack := range [2][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			if s.dirty {
				return true
			}
		}
	}
	return false
}

// minPacked is up to what size a step is stored as it is: it makes room for another
// before long, and deflate takes longer than everything else about it.
const minPacked = 512

// CutUndo gives what of the undo stack has changed since it was called last: to be
// stored with the blocks of written, or after them. Steps that have edits in other
// bursts come with these. A step of more than 1 MiB is not stored.
func (db *DB) CutUndo(written ...WrittenBurst) (out []UndoRecord) {
	u := &db.undo
	for _, serial := range u.dropped {
		out = append(out, UndoRecord{Serial: serial})
	}
	u.dropped = nil
	for redo, stack := range [2][]*undoStep{u.undo, u.redo} {
		for _, s := range stack {
			if !s.dirty {
				continue
			}
			b, ok := db.encodeStep(s, redo == 1, written)
			if !ok {
				continue
			}
			s.dirty = false
			switch {
			case len(b) <= minPacked:
				b = feed.PackRaw(b)
			case len(b) <= maxUndo:
				b = feed.Pack(b)
			case s.stored:
				b = nil
			default:
				continue
			}
			s.stored = b != nil
			out = append(out, UndoRecord{s.serial, b})
		}
	}
	return out
}

// table numbers rows in the order of their first use.
type table struct {
	rows []int32
	at   map[int32]int
}

func (t *table) place(row int32) int {
	if at, ok := t.at[row]; ok {
		return at
	}
	if t.at == nil {
		t.at = map[int32]int{}
	}
	at := len(t.rows)
	t.at[row] = at
	t.rows = append(t.rows, row)
	return at
}

// stepEncoder writes a step.
type stepEncoder struct {
	db                              *DB
	written                         []WrittenBurst
	blocks, containers, keys, items table
	refs                            []byte
	further                         []uint64 // of each of refs
	unknown                         bool     // a block has no name yet
	out                             []byte
}

func (e *stepEncoder) uint(v int) { e.out = wire.AppendUint(e.out, uint64(v)) }

func (e *stepEncoder) stamp(at crdt.Stamp) {
	if at.Node == none {
		e.uint(0)
		e.uint(0)
		return
	}
	n := len(e.blocks.rows)
	place := e.blocks.place(at.Node)
	if place == n {
		e.block(at.Node)
	}
	e.uint(place + 1)
	e.uint(int(at.Index))
}

// block names a block, which is the last in the table.
func (e *stepEncoder) block(n crdt.Node) {
	r := e.db.graph.Ref(n)
	for _, w := range e.written {
		if w.Burst.node == n {
			r = w.Ref
		}
	}
	e.unknown = e.unknown || id.IsZero(r.Hash)
	if at := len(e.blocks.rows) - 2; at >= 0 && e.db.graph.Predecessor(n) == e.blocks.rows[at] {
		e.refs = e.refs[:len(e.refs)-blockSize]
		e.further[len(e.further)-1]++
	} else {
		e.further = append(e.further, 0)
	}
	e.refs = append(e.refs, r.Feed[:]...)
	e.refs = binary.BigEndian.AppendUint64(e.refs, r.Seq)
	e.refs = append(e.refs, r.Hash[:]...)
}

// container places a container behind its parents.
func (e *stepEncoder) container(c int32) int {
	if row := e.db.containers.At(c); row.parent != none {
		if _, ok := e.containers.at[c]; !ok {
			e.container(row.parent)
		}
	}
	return e.containers.place(c)
}

func (e *stepEncoder) item(i int32) int {
	if i == none {
		return 0
	}
	e.container(e.db.items.At(i).list)
	return e.items.place(i) + 1
}

func (e *stepEncoder) record(s *undoStep, r *undoRecord) {
	ofItem := r.kind == recInserted || r.kind == recRemoved || r.kind == recMoved
	e.out = wire.AppendArray(e.out, 13)
	e.uint(int(r.kind))
	e.uint(e.container(r.container))
	switch {
	case ofItem:
		e.uint(2 * e.item(r.key))
	case r.kind != recRegister:
		e.uint(0)
	case r.key < none:
		e.uint(2 * e.item(itemOf(r.key)))
	default:
		e.uint(2*e.keys.place(r.key) + 1)
	}
	before, after := r.before, r.after
	switch r.kind {
	case recCreate, recCounter, recInserted:
		before, after = crdt.Stamp{Node: none}, crdt.Stamp{Node: none}
	case recText:
		before = crdt.Stamp{Node: none}
	}
	e.stamp(before)
	e.stamp(after)
	left, right, child := 0, 0, 0
	switch {
	case r.n == childValue:
		e.out = wire.AppendNil(e.out)
		left = e.container(r.left) + 1
	case r.kind == recLife:
		e.out = wire.AppendBytes(e.out, make([]byte, r.n))
	case r.kind == recText:
		e.out = wire.AppendBytes(e.out, e.db.foreign(s, r))
	default:
		e.out = wire.AppendBytes(e.out, s.value(r))
	}
	if r.kind == recRemoved || r.kind == recMoved {
		left, right = e.item(r.left), e.item(r.right)
	}
	if r.kind == recRemoved && r.child != none {
		child = e.container(r.child) + 1
	}
	place, run := r.place, r.run
	if r.kind == recText {
		place, run = e.db.elementsOf(r), 0
	}
	for _, v := range [...]int{left, right, int(place), int(run), child} {
		e.uint(v)
	}
}

// foreign is what a record of a text took away, with zeros for what it had inserted
// itself.
func (db *DB) foreign(s *undoStep, r *undoRecord) []byte {
	value := s.value(r)
	x := db.textOf(r.container)
	ev := x.event(r.after.Node)
	if len(value) < minOwn || ev < 0 {
		return value
	}
	out := make([]byte, 0, len(value))
	of := egwalker.Range{Event: ev, First: int32(r.after.Index), Len: db.elementsOf(r)}
	rest := value
	x.history.TakenAway(of, func(own bool, n int32) {
		size := rope.Offset(rest, int(n))
		if size < 0 {
			rest = nil // a stored record that is not of this text
			return
		}
		if own {
			out = append(out, make([]byte, n)...)
		} else {
			out = append(out, rest[:size]...)
		}
		rest = rest[size:]
	})
	if rest == nil || len(rest) > 0 {
		return value
	}
	return out
}

// encodeStep gives false if a block of it has no name yet.
func (db *DB) encodeStep(s *undoStep, redo bool, written []WrittenBurst) ([]byte, bool) {
	e := &stepEncoder{db: db, written: written}
	e.out = wire.AppendArray(e.out, len(s.records))
	for i := range s.records {
		e.record(s, &s.records[i])
	}
	e.out = wire.AppendArray(e.out, len(s.replaced))
	for _, r := range s.replaced {
		e.out = wire.AppendArray(e.out, 6)
		e.uint(e.container(r.text))
		e.stamp(r.gone)
		e.stamp(r.by)
		e.uint(int(r.n))
	}
	if e.unknown {
		return nil, false
	}
	records := e.out
	b := wire.AppendArray(nil, 13)
	b = wire.AppendUint(b, undoVersion)
	b = wire.AppendBool(b, redo)
	b = wire.AppendInt(b, s.time)
	if s.message == nil {
		b = wire.AppendNil(b)
	} else {
		b = wire.AppendString(b, string(s.message))
	}
	b = wire.AppendArray(wire.AppendBytes(b, e.refs), len(e.further))
	for _, n := range e.further {
		b = wire.AppendUint(b, n)
	}
	var ids []byte
	for _, c := range e.containers.rows {
		ids = append(ids, db.containers.At(c).id[:]...)
	}
	b = wire.AppendArray(wire.AppendBytes(b, ids), len(e.containers.rows))
	for _, c := range e.containers.rows {
		parent := 0
		if p := db.containers.At(c).parent; p != none {
			parent = e.containers.place(p) + 1
		}
		b = wire.AppendUint(b, uint64(parent))
	}
	b = wire.AppendArray(b, len(e.keys.rows))
	for _, k := range e.keys.rows {
		b = wire.AppendString(b, string(db.keys.At(k)))
	}
	var sources []byte
	for _, i := range e.items.rows {
		sources = binary.BigEndian.AppendUint64(sources, db.items.At(i).name.source)
	}
	b = wire.AppendArray(wire.AppendBytes(b, sources), 2*len(e.items.rows))
	for _, i := range e.items.rows {
		it := db.items.At(i)
		b = wire.AppendUint(b, uint64(e.containers.place(it.list)))
		b = wire.AppendUint(b, it.name.index)
	}
	return append(b, records...), true
}

// DeferUndo has load called, which calls RestoreUndo, when the stack is first
// needed: a big step takes longer to read than a space to open.
func (db *DB) DeferUndo(load func()) { db.undo.load = load }

func (db *DB) loadUndo() {
	if load := db.undo.load; load != nil {
		db.undo.load = nil
		load()
	}
}

// RestoreUndo takes up the steps that CutUndo gave to a database of the same
// profile, once the blocks that they are about are applied and before there are
// any others. It gives the numbers of those that do not read, or are about what is
// not here; CutUndo has them removed.
func (db *DB) RestoreUndo(records []UndoRecord) (bad []uint64) {
	u := &db.undo
	sort.Slice(records, func(i, j int) bool { return records[i].Serial < records[j].Serial })
	for _, r := range records {
		u.serial = max(u.serial, r.Serial)
		s, redo, err := db.readStep(r.Bytes)
		if err != nil {
			bad = append(bad, r.Serial)
			u.dropped = append(u.dropped, r.Serial)
			continue
		}
		s.serial, s.stored = r.Serial, true
		if redo {
			u.redo = append(u.redo, s)
		} else {
			u.undo = append(u.undo, s)
		}
		u.version++
	}
	return bad
}

// stepDecoder reads a step.
type stepDecoder struct {
	db                              *DB
	r                               *wire.Reader
	s                               *undoStep
	blocks, containers, keys, items []int32
}

func (d *stepDecoder) need(ok bool, what string) {
	if !ok {
		d.r.Fail(errors.New(what))
	}
}

// row reads a place in a table, plus 1; none for 0.
func (d *stepDecoder) row(rows []int32) int32 {
	at := d.r.Uint(math.MaxInt32)
	if d.r.Err() != nil || at == 0 {
		return none
	}
	if at > uint64(len(rows)) {
		d.need(false, "place is not in its table")
		return none
	}
	return rows[at-1]
}

// container reads the place of a container.
func (d *stepDecoder) container() int32 {
	at := d.r.Uint(math.MaxInt32)
	if d.r.Err() != nil || at >= uint64(len(d.containers)) {
		d.need(false, "container is not in the table")
		return none
	}
	return d.containers[at]
}

func (d *stepDecoder) stamp() crdt.Stamp {
	n := d.row(d.blocks)
	return crdt.Stamp{Node: n, Index: uint32(d.r.Uint(math.MaxInt32))}
}

// readStep reads a stored step, packed or of the version that was not.
func (db *DB) readStep(b []byte) (s *undoStep, redo bool, err error) {
	if len(b) > 0 && b[0] < 0x80 { // no array
		if b, err = feed.Unpack(b, maxUndo); err != nil {
			return nil, false, errs.New("objectdb.RestoreUndo", errs.Malformed, "%w", err)
		}
	}
	return db.decodeStep(b)
}

func (db *DB) decodeStep(raw []byte) (s *undoStep, redo bool, err error) {
	const op = "objectdb.RestoreUndo"
	r := wire.NewReader(raw)
	n := r.ArrayLen(math.MaxInt32)
	v := r.Uint(math.MaxUint64)
	if r.Err() == nil && v != undoVersion && v != undoVersionPlain {
		return nil, false, errs.New(op, errs.VersionUnsupported, "step of version %d; this version reads %d", v, undoVersion)
	}
	if r.Err() == nil && n != 11+int(v) {
		r.Fail(errors.New("a step of another number of elements"))
	}
	s = &undoStep{}
	d := &stepDecoder{db: db, r: r, s: s}
	redo = r.Bool()
	s.time = r.Int()
	if !r.SkipNil() {
		s.message = append([]byte{}, r.StringBytes(maxMessage)...)
	}
	d.tables(v)
	for n := r.ArrayLen(maxTable); n > 0 && r.Err() == nil; n-- {
		d.record()
	}
	for n := r.ArrayLen(maxReplaced); n > 0 && r.Err() == nil; n-- {
		r.Array(6)
		v := replacement{text: d.container()}
		v.gone, v.by, v.n = d.stamp(), d.stamp(), int32(r.Uint(math.MaxInt32))
		d.need(r.Err() != nil || db.containers.At(v.text).kind == typeText && v.gone.Node != none && v.by.Node != none, "no replacement in a text")
		s.replaced = append(s.replaced, v)
	}
	d.need(len(s.records) > 0, "a step of nothing")
	return s, redo, r.Done(op)
}

// readBlocks reads the table of blocks.
func (d *stepDecoder) readBlocks(version uint64) {
	r, db := d.r, d.db
	blocks := r.Bytes(maxTable)
	d.need(len(blocks)%blockSize == 0, "table of blocks is not of whole blocks")
	if version != undoVersionPlain {
		r.Array(len(blocks) / blockSize)
	}
	for ; len(blocks) >= blockSize && r.Err() == nil; blocks = blocks[blockSize:] {
		ref := feed.Ref{Feed: id.FeedID(blocks[:id.HashSize]), Seq: binary.BigEndian.Uint64(blocks[id.HashSize:]), Hash: id.Hash(blocks[id.HashSize+8 : blockSize])}
		further := uint64(0)
		if version != undoVersionPlain {
			further = r.Uint(maxTable)
		}
		n, ok := db.graph.Find(ref)
		d.need(ok, "a block is not here")
		from := len(d.blocks)
		for ok {
			d.blocks = append(d.blocks, n)
			if uint64(len(d.blocks)-from) > further {
				break
			}
			n = db.graph.Predecessor(n)
			ok = n != none
			d.need(ok, "a feed is shorter than a step says")
		}
		slices.Reverse(d.blocks[from:])
	}
}

// tables reads the tables, all of which must be of what is here.
func (d *stepDecoder) tables(version uint64) {
	r, db := d.r, d.db
	d.readBlocks(version)
	ids := r.Bytes(maxTable)
	n := r.ArrayLen(maxTable)
	d.need(len(ids) == n*id.ShortSize, "table of containers is not of whole ids")
	for i := 0; i < n && r.Err() == nil; i++ {
		c := db.find(id.ObjectID(ids[i*id.ShortSize:(i+1)*id.ShortSize]), d.row(d.containers))
		d.need(c != none, "a container is not here")
		d.containers = append(d.containers, c)
	}
	for n := r.ArrayLen(maxTable); n > 0 && r.Err() == nil; n-- {
		d.keys = append(d.keys, db.internKey(db.limits.readKey(r)))
	}
	sources := r.Bytes(maxTable)
	n = r.ArrayLen(maxTable) / 2
	d.need(len(sources) == 8*n, "table of items is not of whole names")
	for i := 0; i < n && r.Err() == nil; i++ {
		list := d.container()
		name := itemName{binary.BigEndian.Uint64(sources[8*i:]), r.Uint(math.MaxUint64)}
		if r.Err() != nil {
			return
		}
		item := db.findItem(list, name)
		d.need(item != none, "an item is not here")
		d.items = append(d.items, item)
	}
}

func (d *stepDecoder) record() {
	r, db := d.r, d.db
	r.Array(13)
	rec := undoRecord{kind: recordKind(r.Uint(uint64(recLast))), container: d.container(), key: none, left: none, right: none, child: none}
	key := r.Uint(math.MaxInt32)
	if r.Err() != nil {
		return
	}
	row := db.containers.At(rec.container)
	ofItem := rec.kind == recInserted || rec.kind == recRemoved || rec.kind == recMoved
	switch {
	case key == 0:
	case key&1 == 1 && key/2 < uint64(len(d.keys)):
		rec.key = d.keys[key/2]
	case key&1 == 0 && key/2 <= uint64(len(d.items)):
		rec.key = d.items[key/2-1]
		d.need(db.items.At(rec.key).list == rec.container, "item of another list")
		if !ofItem {
			rec.key = itemKey(rec.key)
		}
	default:
		d.need(false, "key is not in its table")
	}
	rec.before, rec.after = d.stamp(), d.stamp()
	isNil := r.SkipNil()
	var value []byte
	if !isNil {
		value = r.Bytes(maxUndo)
	}
	if isNil {
		rec.n, rec.left = childValue, d.row(d.containers)
		d.need(r.Err() != nil || rec.kind == recRegister && rec.left != none && db.containers.At(rec.left).parent == rec.container &&
			db.containers.At(rec.left).key == rec.key, "no container of that key")
	} else {
		rec.left = d.row(d.items)
		rec.at, rec.n = d.s.put(value)
	}
	rec.right = d.row(d.items)
	rec.place, rec.run = int32(r.Uint(math.MaxInt32)), int32(r.Uint(math.MaxInt32))
	rec.child = d.row(d.containers)
	if r.Err() == nil {
		d.check(&rec, row, key, value, isNil)
	}
	if rec.kind == recLife {
		rec.n = int32(len(value))
	}
	d.s.records = append(d.s.records, rec)
}

// check refuses a record that does not fit what it is about.
func (d *stepDecoder) check(rec *undoRecord, row *container, key uint64, value []byte, isNil bool) {
	isItem := row.kind == typeList && key > 0 && key&1 == 0
	whole := func(v []byte) bool {
		r := wire.NewReader(v)
		return d.db.limits.readValue(r) == -1 && r.Done("") == nil
	}
	ok := false
	switch rec.kind {
	case recCreate:
		ok = row.parent == none
	case recLife:
		ok = row.parent == none && rec.after.Node != none && len(value) <= 1 && rec.container != propertiesRow
	case recRegister:
		ok = (row.kind == typeMap && key&1 == 1 || isItem) && rec.after.Node != none && (isNil || len(value) == 0 || whole(value))
	case recCounter:
		r := wire.NewReader(value)
		r.Int()
		ok = row.kind == typeCounter && r.Done("") == nil
	case recText:
		ok = row.kind == typeText && rec.after.Node != none && utf8.Valid(value)
	case recInserted:
		ok = isItem
	case recMoved:
		ok = isItem && rec.after.Node != none
	case recRemoved:
		r := wire.NewReader(value)
		r.Skip()
		ok = isItem && rec.after.Node != none && (containerKind(value) != 0 && r.Done("") == nil || whole(value))
		if n := len(d.s.records); rec.run > 0 {
			ok = ok && n > 0 && d.s.records[n-1].kind == recRemoved && d.s.records[n-1].run == rec.run-1 && d.s.records[n-1].container == rec.container
		}
	}
	d.need(ok, "record does not fit what it is about")
}
