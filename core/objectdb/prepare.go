package objectdb

import (
	"slices"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/egwalker"
	"github.com/echospace/echospace/core/feed"
)

// manyOps is from how many runs of edits in one text or list on a replay of them may
// hold up a page.
const manyOps = 1 << 12

// preparation is what is known of the block that ApplySome was last called with, and
// has not begun to apply.
type preparation struct {
	of      feed.Ref
	targets []target
	reading *decoder // that is not done, or nil
	decoded bool     // DB.decoded is its payload
	looked  bool     // targets are known
}

// target is a text or list that the block edits, and the events that its edits follow.
type target struct {
	container int32
	parents   []egwalker.Event
}

// prepare replays bit by bit, until enough, what is concurrent to the edits of texts
// and lists in a block that is read: that may be a day's work. done tells that nothing is
// left. An open burst is closed if there is something to do.
func (db *DB) prepare(b Block, parents []crdt.Node, enough func() bool) (done bool) {
	p := &db.prepared
	if !p.looked {
		p.looked = true
		if db.long && !db.graph.Latest(parents) {
			db.findTargets(b, parents)
		}
	}
	if len(p.targets) > 0 {
		db.closeBurst()
	}
	for len(p.targets) > 0 {
		t := p.targets[0]
		s := db.sequenceOf(t.container)
		if !s.history.Prepare(t.parents, byName{db.graph, s.nodes}, enough) {
			return false
		}
		p.targets = p.targets[1:]
	}
	return true
}

// findTargets finds what has to be replayed.
func (db *DB) findTargets(b Block, parents []crdt.Node) {
	p := &db.prepared
	for _, c := range db.edited(&db.decoded) {
		s := db.sequenceOf(c)
		if s.history.OpCount() < db.many {
			continue
		}
		t := target{container: c}
		var ok bool
		if t.parents, ok = s.last(parents, nil); !ok {
			db.graph.Before(b.Ref, parents, func(past crdt.Past) {
				t.parents = s.project(past, nil)
			})
		}
		p.targets = append(p.targets, t)
	}
}

// forgetPrepared forgets the block that ApplySome was last called with.
func (db *DB) forgetPrepared() {
	if db.prepared.decoded || db.prepared.reading != nil {
		db.decoded.release()
	}
	db.prepared = preparation{}
}

// edited gives the texts and lists here that a payload edits. It changes nothing.
func (db *DB) edited(p *payload) (out []int32) {
	f := finder{db: db, applier: applier{db: db, p: p}, path: []int32{none}}
	add := func(c int32) {
		if c != none && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	for i := range p.ops {
		o := &p.ops[i]
		switch o.code {
		case elemSelect, elemCreate:
			f.path = append(f.path[:0], db.findObject(p.object(int32(o.index))))
		case elemEnter, elemEnterSeen, elemPut, elemPutSeen:
			f.path = append(f.path, f.child(o, typeMap))
		case elemEnterList, elemEnterListSeen, elemList, elemListSeen:
			f.path = append(f.path, f.child(o, typeList))
		case elemLeave: // never from an object: decode refuses that
			f.path = f.path[:len(f.path)-1]
		case elemText, elemTextSeen, elemEdit, elemEditSeen, elemFormat, elemFormatSeen:
			add(f.child(o, typeText))
		case elemInsert, elemRemove, elemMove:
			add(f.cursor())
		}
	}
	return out
}

// finder follows the cursor of a payload through what is here already.
type finder struct {
	db      *DB
	applier applier
	path    []int32 // from an object down to the cursor; none for what is not here
}

func (f *finder) cursor() int32 { return f.path[len(f.path)-1] }

// child is the container of a kind that o is about, or none.
func (f *finder) child(o *op, kind uint8) int32 {
	db, parent := f.db, f.cursor()
	if parent == none {
		return none
	}
	key := int32(none)
	if db.containers.At(parent).kind == typeList {
		i := db.findItem(parent, f.applier.p.items[o.index], db.graph.Everything(none))
		if i == none {
			return none
		}
		key = itemKey(i)
	} else {
		key = db.internKey(f.applier.p.keys[o.index])
	}
	c, _ := db.findChild(parent, key, f.applier.seen(o), kind)
	return c
}
