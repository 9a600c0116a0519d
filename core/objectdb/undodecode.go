package objectdb

import (
	"encoding/binary"
	"errors"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

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
	if r.Err() == nil && (v < undoVersionPlain || v > undoVersionFormat) {
		return nil, false, errs.New(op, errs.VersionUnsupported, "step of version %d; this version reads %d to %d", v, undoVersionPlain, undoVersionFormat)
	}
	if r.Err() == nil && n != 11+int(min(v, undoVersion)) {
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
	d.need(r.Err() != nil || s.version() == max(v, undoVersion), "a step of another version than its records")
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
		item := db.findItem(list, name, db.graph.Everything(none))
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
	whole := func(v []byte, depth int) bool {
		r := wire.NewReader(v)
		d.db.limits.readWhole(r, depth)
		return r.Done("") == nil
	}
	ok := false
	switch rec.kind {
	case recCreate:
		ok = row.parent == none
	case recLife:
		ok = row.parent == none && rec.after.Node != none && len(value) <= 1 && rec.container != propertiesRow
	case recRegister:
		ok = (row.kind == typeMap && key&1 == 1 || isItem) && rec.after.Node != none && (isNil || len(value) == 0 || containerKind(value) == 0 && whole(value, 0))
	case recCounter:
		r := wire.NewReader(value)
		r.Int()
		ok = row.kind == typeCounter && r.Done("") == nil
	case recText:
		ok = row.kind == typeText && rec.after.Node != none && utf8.Valid(value)
	case recFormat:
		ok = row.kind == typeText && rec.before.Node != none && rec.after.Node != none
	case recInserted:
		ok = isItem
	case recMoved:
		ok = isItem && rec.after.Node != none
	case recRemoved:
		ok = isItem && rec.after.Node != none && whole(value, d.db.limits.Depth)
		if n := len(d.s.records); rec.run > 0 {
			ok = ok && n > 0 && d.s.records[n-1].kind == recRemoved && d.s.records[n-1].run == rec.run-1 && d.s.records[n-1].container == rec.container
		}
	}
	d.need(ok, "record does not fit what it is about")
}
