package objectdb

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/echospace/echospace/core/crdt/egwalker/plain"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
	"pgregory.net/rapid"
)

// fleet runs replicas and their twins by drawn choices.
type fleet struct {
	t        *rapid.T
	replicas []*replica
	pool     []*published
	feeds    int
	objects  int
	shown    *string // what who knows all shows, by a twin
	shownOf  int     // by how many blocks
	plain    bool    // no queries with an order and fewer checks, which take most of the time
	chars    rune    // the last that was inserted: each is once
	slots    slots
	board    bool // objID(1) is everywhere and has a list at a, a counter at b, a text at c
}

type published struct {
	block Block
	twin  *twinBlock
}

type replica struct {
	f       *fleet
	db      *DB
	feed    id.FeedID
	head    feed.Ref
	known   twin
	pending []*twinBlock // not written yet, in order
	open    *twinBlock   // the last of them, while the burst is open
	edited  string       // the text that the last op of open edits
	typed   bool         // by a transaction that another may join
	forked  bool         // it knows of another branch of its feed
	part    *published   // is being applied bit by bit
	mirror  *mirror
	all     uint32 // queries
	some    uint32
	hidden  uint32
	sorted  map[uint32][]byte // queries with an order or a window, and what they are
}

func (f *fleet) newFeed() id.FeedID {
	f.feeds++
	return feedID(f.feeds)
}

func (f *fleet) newReplica() *replica {
	r := &replica{f: f, db: New(Options{Source: uint64(f.feeds)}), feed: f.newFeed(), known: twin{}}
	r.head = feed.Ref{Feed: r.feed}
	r.db.SetWriter(r.feed, r.head)
	r.db.holdOps, r.db.holdStep = 1+f.feeds%4, 1
	r.look()
	return r
}

// look opens the queries.
func (r *replica) look() {
	r.mirror = newMirror()
	r.all = r.query(append(wire.AppendNil(wire.AppendArray(nil, 2)), 1))
	r.some = r.query(queryOf(filterOf([]string{"a"}, greaterEqual, vInt(2)), 0))
	r.hidden = r.query(append(wire.AppendNil(wire.AppendArray(nil, 2)), 2))
	r.sorted = map[uint32][]byte{}
	if r.f.plain {
		return
	}
	a, b := by("a", false), by("b", true)
	for _, q := range [][]byte{
		sortedQuery(0, 0, a, b), sortedQuery(0, 2, b), sortedQuery(1, 2, a), sortedQuery(2, 0), sortedQuery(0, 1, by("c", true), a),
	} {
		r.sorted[r.query(q)] = q
	}
}

// by is an order by one property.
func by(key string, descending bool) []byte {
	return wire.AppendBool(append(wire.AppendArray(nil, 2), opPath([]string{key})...), descending)
}

// sortedQuery is a query for all objects that are not deleted.
func sortedQuery(offset, limit int, order ...[]byte) []byte {
	b := wire.AppendUint(wire.AppendNil(wire.AppendArray(nil, 5)), 0)
	b = append(wire.AppendArray(b, len(order)), slices.Concat(order...)...)
	return wire.AppendUint(wire.AppendUint(b, uint64(offset)), uint64(limit))
}

func filterOf(path []string, c comparison, v []byte) []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 4), filterCompare)
	b = append(b, opPath(path)...)
	return append(wire.AppendUint(b, uint64(c)), v...)
}

func queryOf(filter []byte, deleted uint64) []byte {
	return wire.AppendUint(append(wire.AppendArray(nil, 2), filter...), deleted)
}

func (r *replica) query(q []byte) uint32 {
	n, ids, err := r.db.OpenQuery(q)
	if err != nil {
		r.f.t.Fatal(err)
	}
	r.mirror.lists[n] = splitIDs(ids)
	return n
}

func (f *fleet) pick(n int, what string) int { return rapid.IntRange(0, n-1).Draw(f.t, what) }

// transact draws a transaction and runs it on both.
func (r *replica) transact() {
	if r.forked {
		r.move(r.f.newFeed(), feed.Ref{})
	}
	if r.f.pick(2, "how") == 0 && r.typeText() {
		return
	}
	r.transaction(func() (ops []byte, ok bool) {
		ok = true
		most := 3
		if *focus != "" {
			most = 12
		}
		for n := 1 + r.f.pick(most, "ops"); n > 0 && ok; n-- {
			var op []byte
			if *focus != "" && r.f.pick(8, "of the type") > 0 {
				op, ok = r.drawOpOf(*focus)
			} else {
				op, ok = r.drawOp()
			}
			ops = append(ops, op...)
		}
		return ops, ok
	})
}

// begin opens a burst on the twin.
func (r *replica) begin() {
	if r.open == nil {
		r.open = &twinBlock{ref: feed.Ref{Feed: r.feed}, pending: true, past: r.follows(r.known, r.prev())}
		r.open.derive()
		r.known[r.open] = true
		r.pending = append(r.pending, r.open)
	}
}

// transaction runs what draw draws, and tells whether the database must take.
func (r *replica) transaction(draw func() ([]byte, bool)) {
	r.endStep()
	r.begin()
	before := len(r.open.ops)
	r.edited, r.typed = "", false
	ops, ok := draw()
	if !ok {
		for _, o := range r.open.ops[before:] {
			drawnOps[typeOf(o)]--
		}
		r.open.ops = r.open.ops[:before]
		r.edited = ""
	}
	if err := r.db.Local(ops, 1000); ok != (err == nil) {
		r.f.t.Fatalf("transaction: %v, the twin says %v", err, ok)
	}
	r.abandonEmpty()
}

// endStep ends a step of the undo stack, and with it the edit of a text.
func (r *replica) endStep() {
	r.db.EndStep()
	r.edited = ""
}

func (r *replica) abandonEmpty() {
	if len(r.open.ops) == 0 {
		delete(r.known, r.open)
		r.pending = r.pending[:len(r.pending)-1]
		r.open = nil
	}
}

// prev is the own block that the next follows, or nil.
func (r *replica) prev() *twinBlock {
	if n := len(r.pending); n > 0 {
		return r.pending[n-1]
	}
	for b := range r.known {
		if !b.pending && b.ref == r.head {
			return b
		}
	}
	return nil
}

// follows is the past of a block after prev that names all it can: every tip
// of known but those in another branch of its own feed.
func (r *replica) follows(known twin, prev *twinBlock) map[*twinBlock]bool {
	past := map[*twinBlock]bool{}
	for b := range known {
		tip := true
		for o := range known {
			tip = tip && !o.past[b]
		}
		if b == prev || tip && b.ref.Feed != r.feed {
			past[b] = true
			maps.Copy(past, b.past)
		}
	}
	return past
}

func (r *replica) add(o twinOp) *twinOp {
	r.edited = ""
	o.block, o.index = r.open, len(r.open.ops)
	for _, v := range o.also {
		v.block, v.index = o.block, o.index
	}
	r.open.ops = append(r.open.ops, &o)
	drawnOps[typeOf(&o)]++
	return &o
}

// flush writes the first pending block.
func (r *replica) flush() {
	bound := math.MaxInt // of the open burst; the closed ones come first
	if r.db.open != nil {
		bound = r.db.open.bound(r.db)
	}
	closed := len(r.db.bursts) > 0
	b, ok := r.db.Cut()
	if ok && !closed && len(b.Payload) > bound {
		r.f.t.Fatalf("a payload of %d bytes, %d at most", len(b.Payload), bound)
	}
	r.open, r.edited, r.typed = nil, "", false
	if !ok {
		if len(r.pending) != 0 {
			r.f.t.Fatal("a burst is missing")
		}
		return
	}
	tb := r.pending[0]
	blk := blockOf(r.db, r.feed, r.head, b)
	if b.Ops != uint64(len(tb.ops)) {
		r.f.t.Fatalf("burst of %d ops, the twin has %d", b.Ops, len(tb.ops))
	}
	if r.db.graph.Forked(b.node) {
		r.whole()
	}
	r.db.Written(blk.Ref, b)
	r.head, tb.ref, tb.pending = blk.Ref, blk.Ref, false
	r.pending = r.pending[1:]
	r.f.pool = append(r.f.pool, &published{blk, tb})
}

// receive applies one drawn block.
func (r *replica) receive() {
	if len(r.f.pool) > 0 {
		r.apply(r.f.pool[r.f.pick(len(r.f.pool), "block")])
	}
}

// receiveSome applies a part of a block, of the one that it has begun if there is one.
func (r *replica) receiveSome() {
	if r.part == nil {
		if len(r.f.pool) == 0 {
			return
		}
		p := r.f.pool[r.f.pick(len(r.f.pool), "block")]
		if r.known[p.twin] || !r.ready(p) {
			return
		}
		r.part = p
	}
	left := r.f.pick(8, "part")
	done, err := r.db.ApplySome(r.part.block, func() bool { left--; return left < 0 })
	if err != nil {
		r.f.t.Fatalf("block refused: %v", err)
	}
	if has := r.db.Has(r.part.block.Ref); has != done {
		r.f.t.Fatalf("the block is done: %v, there: %v", done, has)
	}
	if done {
		p := r.part
		r.part = nil
		r.learn(p)
	}
}

// whole has the twin know the block that is being applied, as the database will before
// it goes on to something that needs it whole.
func (r *replica) whole() {
	p := r.part
	r.part = nil
	if p != nil && r.db.Holds(p.block.Ref) {
		r.db.finish()
		r.learn(p)
	}
}

func (r *replica) ready(p *published) bool {
	for b := range p.twin.past {
		if !r.known[b] {
			return false
		}
	}
	return true
}

func (r *replica) apply(p *published) {
	switch {
	case r.part != nil && r.part != p:
		r.whole()
	case r.part == p:
		r.part = nil // it goes on
	}
	ready := r.ready(p)
	err := r.db.Apply(p.block)
	switch {
	case !ready && !errs.Is(err, errs.MissingDependency):
		r.f.t.Fatalf("block before what it follows: %v", err)
	case ready && err != nil:
		r.f.t.Fatalf("block refused: %v", err)
	}
	if ready && !r.known[p.twin] {
		r.learn(p)
	}
}

// learn has the twin know a block that was applied.
func (r *replica) learn(p *published) {
	r.open, r.edited, r.typed = nil, "", false
	r.known[p.twin] = true
	switch {
	case p.block.Ref.Feed != r.feed:
	case len(r.pending) == 0 && p.block.Prev == r.head.Hash: // it goes on with the own feed
		r.head = p.block.Ref
	case r.f.pick(2, "notices") == 0: // forked: write elsewhere
		r.move(r.f.newFeed(), feed.Ref{})
	default: // what is pending is written here yet, but nothing that follows the other branch
		r.forked = true
	}
}

// move names another own feed; what is pending follows everything then.
func (r *replica) move(f id.FeedID, head feed.Ref) {
	r.whole()
	head.Feed = f
	r.db.SetWriter(f, head)
	r.feed, r.head, r.open, r.edited, r.typed, r.forked = f, head, nil, "", false, false
	pending := r.pending
	r.pending = nil
	prev, settled := r.prev(), maps.Clone(r.known)
	for _, b := range pending {
		delete(settled, b)
	}
	edits := make([]map[string][]plain.Edit, len(pending))
	for i, b := range pending {
		edits[i] = settled.rebase(b)
		settled[b] = true
	}
	for _, b := range pending {
		delete(settled, b)
	}
	for i, b := range pending {
		b.setEdits(edits[i])
		b.ref.Feed, b.past = f, r.follows(settled, prev)
		b.derive()
		settled[b], prev = true, b
	}
	r.pending = pending
}

// fork makes r write to the feed of another replica, from a head it knows.
func (r *replica) fork() {
	r.whole() // what is applied in part is known
	o := r.f.replicas[r.f.pick(len(r.f.replicas), "other")]
	if o.feed == r.feed || !r.db.Has(o.head) || o.head.Seq == 0 {
		return
	}
	for b := range r.known { // it must not know of a branch already
		if b.ref.Feed == o.feed && b.ref != o.head && !r.block(o.head).past[b] {
			return
		}
	}
	r.move(o.feed, o.head)
}

// block is the twin of a block that r knows.
func (r *replica) block(ref feed.Ref) *twinBlock {
	for b := range r.known {
		if b.ref == ref {
			return b
		}
	}
	return nil
}

// atLeastTwo is the filter of the query some.
func (t twin) atLeastTwo(value string) bool {
	if counter, ok := strings.CutPrefix(value, "#"); ok {
		return t.sum(counter) >= 2
	}
	return len(value) == 1 && value >= "2"
}

// check compares a replica with its twin.
func (r *replica) check() {
	t := r.f.t
	if got, want := r.show(), r.expected(); got != want {
		t.Fatalf("the database holds\n%s\nthe twin\n%s", got, want)
	}
	r.mirror.drain(t, r.db, 64)
	for c := range int32(r.db.containers.Len()) {
		if r.db.containers.At(c).kind != typeText {
			continue
		}
		if held, ok := r.mirror.texts[Text(c)]; !ok {
			r.mirror.watch(t, r.db, Text(c))
		} else if got, want := string(utf16.Decode(held)), contentOf(t, r.db, Text(c)); got != want {
			t.Fatalf("who watches text %d holds %q, it is %q", c, got, want)
		}
	}
	var all, some, hidden []string
	for _, o := range r.known.objects() {
		gone := r.known.deleted(o)
		all = append(all, o)
		if gone {
			hidden = append(hidden, o)
		} else if a := r.known.register("value", o, "a"); len(a) > 0 && r.known.atLeastTwo(a[0].value) {
			some = append(some, o)
		}
	}
	r.checkQuery(r.all, all)
	r.checkQuery(r.some, some)
	r.checkQuery(r.hidden, hidden)
	for n, q := range r.sorted { // asked anew it is the same
		fresh, ids, err := r.db.OpenQuery(q)
		if err != nil {
			t.Fatal(err)
		}
		r.db.CloseQuery(fresh)
		var want []string
		for _, v := range splitIDs(ids) {
			want = append(want, v.String())
		}
		r.checkQuery(n, want)
	}
	if got, want := r.db.ObjectCount(), len(all)-len(hidden); got != want {
		t.Fatalf("ObjectCount is %d, want %d", got, want)
	}
	for obj, rec := range r.mirror.records {
		if c := r.db.findObject(obj); c != propertiesRow && fmt.Sprint(rec.creator) == fmt.Sprint(id.FeedID{}) {
			t.Fatalf("record of %s without creator", obj)
		}
	}
}

// expected is what a replica shows by its twin. Those that know all blocks show the same.
func (r *replica) expected() string {
	f := r.f
	if len(r.pending) > 0 || len(r.known) < len(f.pool) {
		return r.known.showAll(f.slots)
	}
	if f.shown == nil || f.shownOf < len(f.pool) {
		shown := r.known.showAll(f.slots)
		f.shown, f.shownOf = &shown, len(f.pool)
	}
	return *f.shown
}

func (r *replica) checkQuery(n uint32, want []string) {
	var got []string
	for _, v := range r.mirror.lists[n] {
		got = append(got, v.String())
	}
	if !slices.Equal(got, want) {
		r.f.t.Fatalf("live query %d holds\n%v\nthe twin\n%v", n, got, want)
	}
}
