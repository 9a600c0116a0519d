package objectdb

import (
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// Burst is what becomes the next own block: transactions that were applied
// here already. Its parents and lamport times were fixed when it began.
type Burst struct {
	// Deltas are the heads of other feeds that the burst follows and the own
	// feed did not before, by feed, then hash.
	Deltas  []feed.Ref
	Ops     uint64
	Payload []byte

	node crdt.Node
}

// SetWriter names the own data feed and its head, which has been applied; Seq 0
// means that the feed is empty. Bursts that are not Written yet move to that
// feed, follow all that was applied, and are handed out by Cut again; those
// that Cut gave before are void. After a fork name another feed: a block cannot
// follow another branch of its own feed.
func (db *DB) SetWriter(f id.FeedID, head feed.Ref) {
	db.finish()
	db.closeBurst()
	db.epoch++
	prev := crdt.Node(none)
	db.writerErr = nil
	if head.Seq > 0 {
		n, ok := db.graph.Find(head)
		if !ok || head.Feed != f {
			db.writerErr = errs.New("objectdb.SetWriter", errs.MissingDependency, "head %d of the own feed %s has not been applied", head.Seq, id.Short(f))
		} else {
			prev = n
		}
	}
	same := db.hasWriter && db.writer == f
	db.writer, db.hasWriter = f, true
	switch {
	case len(db.bursts) == 0:
		db.head = prev
	case db.writerErr == nil && !(same && db.graph.Predecessor(db.bursts[0].node) == prev):
		db.remarked(func() { db.rehome(prev) })
	}
}

// Bridge puts a block of the own feed that changes nothing before the bursts that are
// not Written, which move behind it as SetWriter moves them: it takes over what they
// follow when that is more than one block may name. None of them may have been given
// by Cut. It fails like Skip.
func (db *DB) Bridge(b Block) error {
	if err := db.Skip(b); err != nil {
		return err
	}
	db.SetWriter(b.Ref.Feed, b.Ref)
	return db.writerErr
}

// EmptyPayload is that of a block without ops.
func (db *DB) EmptyPayload() []byte { return (&builder{}).payload(db) }

// Cut closes the open burst and gives the next one that it has not given yet,
// in order; false if there is none.
func (db *DB) Cut() (*Burst, bool) {
	db.closeBurst()
	if db.cut == len(db.bursts) {
		return nil, false
	}
	db.cut++
	return db.bursts[db.cut-1], true
}

// Written tells that b, the first burst not written yet, has become block r and
// is stored. Another burst is passed over.
func (db *DB) Written(r feed.Ref, b *Burst) {
	if len(db.bursts) == 0 || db.bursts[0] != b || db.cut == 0 {
		return
	}
	db.epoch++
	forked := db.graph.Forked(b.node)
	if forked { // ties with the other branch are broken by the hash
		db.finish()
		db.detachCreatedBy([]crdt.Node{b.node})
		db.remarked(func() {
			db.reorder(b.node, func() { db.graph.Commit(b.node, r) })
		})
		db.recountSlots()
		db.settle()
	} else {
		db.graph.Commit(b.node, r)
	}
	db.bursts[0] = nil
	db.bursts = db.bursts[1:]
	db.cut--
	if len(db.bursts) == 0 {
		db.bursts = nil
	}
}

// openBurst begins a burst that follows everything.
func (db *DB) openBurst() {
	db.epoch++
	b := &builder{cursor: none, edited: none, before: db.head, tips: db.graph.Tips()}
	b.node, b.whole = db.graph.Begin(db.writer, db.head)
	b.past = db.graph.PastOf(b.node)
	if b.whole {
		b.past = db.graph.Everything(b.node)
	}
	db.open, db.head = b, b.node
}

// abandonBurst takes back an open burst without ops.
func (db *DB) abandonBurst() {
	db.graph.Abandon(db.open.node, db.open.tips)
	db.head = db.open.before
	db.open = nil
}

// closeBurst queues the open burst.
func (db *DB) closeBurst() {
	if db.open == nil {
		return
	}
	b := db.open
	db.open = nil
	db.bursts = append(db.bursts, &Burst{
		Deltas: db.graph.Deltas(b.node), Ops: uint64(b.ops), Payload: b.payload(db), node: b.node,
	})
}

// rehome moves the bursts that are not written behind prev in the own feed.
// Their ops move with their nodes; what they follow only grows, and the positions
// of their edits of texts are counted anew.
func (db *DB) rehome(prev crdt.Node) {
	db.forgetPrepared()
	old := make([]crdt.Node, len(db.bursts))
	for i, b := range db.bursts {
		old[i] = b.node
	}
	db.detachCreatedBy(old)
	shapes := db.undoShapes(old)
	payloads := db.rebase(old)
	moved := db.graph.Rehome(old, db.writer, prev)
	rename := func(s *crdt.Stamp) {
		if i := slices.Index(old, s.Node); i >= 0 && s.Node != none {
			s.Node = moved[i]
		}
	}
	for i := range int32(db.fields.Len()) {
		rename(&db.fields.At(i).At)
	}
	for c := range int32(db.containers.Len()) {
		rename(&db.containers.At(c).created)
	}
	for i := range int32(db.items.Len()) {
		rename(&db.items.At(i).at)
	}
	for s := range int32(db.slotRows.Len()) {
		rename(&db.slotRows.At(s).at)
	}
	for c := range int32(db.containers.Len()) {
		s := db.sequenceOf(c)
		if s == nil {
			continue
		}
		for i, n := range s.nodes {
			if at := slices.Index(old, n); at >= 0 {
				s.nodes[i] = moved[at]
			}
		}
	}
	for _, x := range db.texts {
		if x.marks != nil {
			for i := range x.marks.rows {
				rename(&x.marks.rows[i].at)
			}
		}
	}
	db.undo.rename(rename)
	db.checkShapes(shapes, old, moved)
	db.recountSlots()
	for i, b := range db.bursts {
		db.bursts[i] = &Burst{Deltas: db.graph.Deltas(moved[i]), Ops: b.Ops, Payload: payloads[i], node: moved[i]}
	}
	db.cut = 0
	db.head = moved[len(moved)-1]
	db.settle()
}

// detachCreatedBy takes the objects that these nodes created out of the
// results, before their order changes. They come back in the next Changes.
func (db *DB) detachCreatedBy(nodes []crdt.Node) {
	for c := range int32(db.containers.Len()) {
		if n := db.containers.At(c).created.Node; n != none && slices.Contains(nodes, n) {
			db.detach(c)
			db.touch(c, true)
		}
	}
}

// settle evaluates every register with several values again.
func (db *DB) settle() {
	var versions []crdt.Version
	for f := range int32(db.fields.Len()) {
		e := db.fields.At(f)
		if e.Owner == none || e.Other == none {
			continue
		}
		versions = db.fields.Versions(versions[:0], f)
		kept := versions[:0:0]
		for _, v := range versions {
			followed := slices.ContainsFunc(versions, func(w crdt.Version) bool {
				return w.At.Node != v.At.Node && db.graph.Contains(w.At.Node, v.At.Node)
			})
			if followed {
				db.freeWord(v.Value)
			} else {
				kept = append(kept, v)
			}
		}
		db.fields.Restore(db.graph, f, kept)
		if e.Tag == none { // of delete and restore
			db.recount(e.Owner)
		}
		db.touch(e.Owner, true)
	}
}
