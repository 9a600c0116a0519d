package objectdb

import (
	"hash/maphash"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/crdt/rope"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// none is no row and no node.
const none = flat.None

// PropertiesID is the object of a space's own properties. It exists in every
// space, is never created nor deleted, and is in no query.
var PropertiesID = id.ObjectID{15: 1}

// Limits bound what one value may be. They are part of the format: the writers
// and readers of a space must agree on them.
type Limits struct {
	Key   int // bytes of a key; 0 is 1 KiB
	Value int // bytes of a string or of bytes; 0 is 16 MiB
	Depth int // maps inside each other, the object included; 0 is 32
}

// Options are those of New. The zero value is the default.
type Options struct {
	Limits Limits
	// Source is a random number. No two databases of one space may have the same,
	// not even those that are opened of one profile: items of lists are named by
	// it.
	Source uint64
}

func (l Limits) withDefaults() Limits {
	if l.Key == 0 {
		l.Key = 1 << 10
	}
	if l.Value == 0 {
		l.Value = 16 << 20
	}
	if l.Depth == 0 {
		l.Depth = 32
	}
	return l
}

// DB is the database of one space. Make one with New.
type DB struct {
	limits Limits
	graph  *crdt.Graph

	// Objects and the maps inside them.
	containers flat.Column[container]
	byID       flat.Index
	lastChild  struct { // the nested container that was looked for last
		name childName
		row  int32 // 0, which is an object, is none
	}
	keys      *flat.Strings
	fields    crdt.Registers
	byField   flat.Index // fields of containers that have many
	values    flat.Heap
	seed      maphash.Seed
	alive     int // objects that are created and not deleted
	texts     []*textState
	ropes     rope.Store // their contents
	lists     []*listState
	slotRows  flat.Column[slot]
	items     flat.Column[item]
	byItem    flat.Index
	source    uint64
	madeItems uint64 // how many items were made here
	epoch     uint64 // counts changes of the state, in groups

	// Writing.
	writer    id.FeedID
	hasWriter bool
	writerErr error     // why the writer's head cannot be followed
	head      crdt.Node // last own node, pending or committed
	open      *builder  // the open burst, or nil
	bursts    []*Burst  // closed and not written yet
	cut       int       // how many of them Cut has handed over
	slots     []int32   // per key its place in the open burst, if it is there
	tx        transaction
	lastShape objectShape
	undo      undoStack

	// Watching.
	dirty     []int32 // objects to look at in Changes, from drained on
	drained   int
	queries   []*query
	lastQuery uint32
	indexes   indexes
	order     func(a, b int32) int

	textLog []int32 // texts that are watched and have changed
	exports []*Export

	sortKey []byte  // scratch of queries
	records []byte  // scratch of Changes
	decoded payload // scratch of Apply and ApplySome
	parents []egwalker.Event
	names   byName
	edits   []egwalker.Edit
	list    []int32 // scratch of reading maps
	plainly bool    // records are read as Plain gives them

	many     int  // manyOps, less in tests
	long     bool // there was a text or list with as many
	prepared preparation
	held     *holding // a block that is applied bit by bit, or nil
	holdOps  int      // holdOps, less in tests
	holdStep int      // likewise
}

// New makes an empty database.
func New(o Options) *DB {
	db := blank(o)
	db.object(PropertiesID)
	return db
}

// blank is a database without a row.
func blank(o Options) *DB {
	db := &DB{limits: o.Limits.withDefaults(), graph: crdt.NewGraph(), keys: flat.NewStrings(), seed: maphash.MakeSeed(), head: none, source: o.Source, many: manyOps, holdOps: holdOps, holdStep: holdStep}
	db.order = db.compareCreated
	return db
}

// Block is what Apply takes: a block of a data feed, opened and inflated. Of a
// block in parts it is the whole: Ref is that of the last part, Prev the
// predecessor of the first.
type Block struct {
	Ref     feed.Ref
	Prev    id.Hash // zero for the first block of a feed
	Deltas  []feed.Ref
	Ops     uint64
	Payload []byte // not kept
}

// Apply adds a block and what it changes. A block that is there already is
// nothing new. It fails with MissingDependency while the predecessor or a delta
// is missing and with Malformed or UnsupportedValue if the payload is not of
// the format or has another number of ops than the header says; then nothing
// has changed. An open burst is closed first, for its ops did not see b.
func (db *DB) Apply(b Block) error {
	db.finish()
	if db.Has(b.Ref) {
		return nil
	}
	parents, err := db.graph.Check(b.Ref, b.Prev, b.Deltas)
	if err != nil {
		return err
	}
	p := &db.decoded
	defer db.forgetPrepared()
	if !db.prepared.decoded || db.prepared.of != b.Ref {
		db.prepared = preparation{decoded: true}
		if err := p.decode(b.Payload, db.limits); err != nil {
			return err
		}
	}
	if p.count != b.Ops {
		return errs.New("objectdb.Apply", errs.Malformed, "block %d of feed %s says %d ops and holds %d", b.Ref.Seq, id.Short(b.Ref.Feed), b.Ops, p.count)
	}
	db.closeBurst()
	db.epoch++
	n := db.graph.Add(b.Ref, parents, b.Ops)
	db.advance(b, n)
	db.applyOps(n, p)
	db.compact()
	return nil
}

// advance makes n the own head if it continues the own feed, as when the own
// blocks are loaded after SetWriter.
func (db *DB) advance(b Block, n crdt.Node) {
	if !db.hasWriter || b.Ref.Feed != db.writer || len(db.bursts) > 0 || db.writerErr != nil {
		return
	}
	if db.head == none && id.IsZero(b.Prev) || db.head != none && db.graph.Ref(db.head).Hash == b.Prev {
		db.head = n
	}
}

// Has reports whether the block was applied or written here.
func (db *DB) Has(r feed.Ref) bool {
	_, ok := db.graph.Find(r)
	return ok
}

// Frontier is the last block of every feed, of every branch of a forked one, by
// feed, then hash. Bursts that are not written are not in it.
func (db *DB) Frontier() []feed.Ref { return db.graph.Heads() }

// ObjectCount is the number of objects that are not deleted, without the
// properties object.
func (db *DB) ObjectCount() int { return db.alive }

// compact does a bounded piece of tidying: one segment of the value heap.
func (db *DB) compact() {
	db.values.Compact(func(owner int32, ref uint64) *uint64 {
		for i := owner; i != none; {
			e := db.fields.At(i)
			if e.Value>>56 == tagHeap && e.Value&flat.RefMask == ref {
				return &e.Value
			}
			i = e.Other
		}
		return nil
	})
}
