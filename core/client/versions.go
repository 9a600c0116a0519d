package client

import (
	"context"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/crdt/flat"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// Version stores what is edited so far and gives the version that it makes: the
// state at the time of the call, not what is written while it waits.
//
// Errors: errs.SpaceClosed, and those of Flush.
func (sp *Space) Version(ctx context.Context) (v objectdb.Version, err error) {
	err = sp.timeline(ctx, "space.version", func(t *timeline) error {
		_, v, err = t.now()
		return err
	})
	return v, err
}

// At gives the database of a version, which nobody writes to. It costs the history
// up to there, and as much memory as the space had then.
//
// Errors: errs.SpaceClosed, errs.MissingDependency naming the first block of the
// version that is not here, and those of the storage.
func (sp *Space) At(ctx context.Context, v objectdb.Version) (past *objectdb.DB, err error) {
	err = sp.timeline(ctx, "space.at", func(t *timeline) error {
		_, set, err := t.resolve(v)
		if err != nil {
			return err
		}
		past = objectdb.New(objectdb.Options{})
		return t.replay(past, set, nil)
	})
	if err != nil {
		return nil, err
	}
	return past, nil
}

// Diff gives how version b differs from a. It fails like At.
func (sp *Space) Diff(ctx context.Context, a, b objectdb.Version) (d objectdb.Difference, err error) {
	err = sp.timeline(ctx, "space.diff", func(t *timeline) error {
		_, inA, err := t.resolve(a)
		if err != nil {
			return err
		}
		_, inB, err := t.resolve(b)
		if err != nil {
			return err
		}
		return t.diff(&d, inA, inB)
	})
	return d, err
}

func (t *timeline) diff(d *objectdb.Difference, inA, inB *flat.Bits) error {
	touched := touchedObjects{}
	if err := t.touched(&touched, inA, inB); err != nil {
		return err
	}
	if err := t.touched(&touched, inB, inA); err != nil {
		return err
	}
	var before, after [][]byte
	var err error
	if inA.Covers(inB) { // b is the older: go on from there
		after, before, err = t.states(&touched, inB, inA)
	} else {
		before, after, err = t.states(&touched, inA, inB)
	}
	if err != nil {
		return err
	}
	for i, v := range touched.list {
		d.Add(v, before[i], after[i])
		t.rest()
	}
	return nil
}

// states gives how objects are in two sets of blocks.
func (t *timeline) states(of *touchedObjects, x, y *flat.Bits) (inX, inY [][]byte, err error) {
	db := objectdb.New(objectdb.Options{})
	if err = t.replay(db, x, nil); err != nil {
		return nil, nil, err
	}
	inX = t.plain(db, of.list)
	if y.Covers(x) {
		err = t.replay(db, y, x)
	} else {
		db = objectdb.New(objectdb.Options{})
		err = t.replay(db, y, nil)
	}
	if err != nil {
		return nil, nil, err
	}
	return inX, t.plain(db, of.list), nil
}

func (t *timeline) plain(db *objectdb.DB, objects []id.ObjectID) [][]byte {
	out := make([][]byte, len(objects))
	for i, v := range objects {
		out[i] = db.Plain(v)
		t.rest()
	}
	return out
}

// touchedObjects are objects, each once.
type touchedObjects struct {
	list []id.ObjectID
	has  map[id.ObjectID]bool
}

func (o *touchedObjects) add(list ...id.ObjectID) {
	if o.has == nil {
		o.has = map[id.ObjectID]bool{}
	}
	for _, v := range list {
		if !o.has[v] {
			o.has[v] = true
			o.list = append(o.list, v)
		}
	}
}

// touched adds the objects that the blocks of a set, but those of another, are
// about.
func (t *timeline) touched(to *touchedObjects, set, but *flat.Bits) error {
	return t.each(set, but, func(b *pastBlock) error {
		if b.leftOut {
			return nil
		}
		ids, err := objectdb.PayloadObjects(b.Payload)
		for ; len(ids) > 0; ids = ids[id.ShortSize:] {
			to.add(id.ObjectID(ids[:id.ShortSize]))
		}
		return err
	})
}

// RestoreOptions are those of Restore. The zero value restores everything.
type RestoreOptions struct {
	Objects []id.ObjectID // if not nil, only these
	Message string        // for the history
}

// Restore makes the state what it was at a version, by one transaction like any
// other: objects that were created since are deleted, those that were deleted since
// are restored, and what was edited is edited back. What others write at the same
// time merges with it. It reports whether anything was to be changed.
//
// Errors: those of At, errs.NotPermitted for a reader, and those of Edit.
func (sp *Space) Restore(ctx context.Context, v objectdb.Version, o RestoreOptions) (changed bool, err error) {
	const op = "space.restore"
	sp.mu.Lock()
	err = sp.mayEdit()
	sp.mu.Unlock()
	if err != nil {
		return false, err
	}
	err = sp.timeline(ctx, op, func(t *timeline) error {
		r := restoring{timeline: t, options: o, all: o.Objects == nil}
		r.objects.add(o.Objects...)
		changed, err = r.run(v)
		return err
	})
	if err == nil {
		sp.tellChanges(false)
	}
	return changed, err
}

// maxRestoreRounds is how often Restore looks at what was written meanwhile before it
// compares all objects instead.
const maxRestoreRounds = 8

// restoring is a Restore under way.
type restoring struct {
	*timeline
	options RestoreOptions
	all     bool // objects are those that something touched since
	objects touchedObjects
	past    *objectdb.DB
	seen    *flat.Bits // blocks whose objects are known, and those of the version
}

func (r *restoring) run(v objectdb.Version) (changed bool, err error) {
	if _, r.seen, err = r.resolve(v); err != nil {
		return false, err
	}
	r.past = objectdb.New(objectdb.Options{})
	if err := r.replay(r.past, r.seen, nil); err != nil {
		return false, err
	}
	for round := 0; ; round++ {
		nodes, err := r.catchUp()
		if err != nil {
			return false, err
		}
		done, changed, err := r.commit(nodes, round == maxRestoreRounds)
		if done || err != nil {
			return changed, err
		}
		r.rest()
	}
}

// catchUp looks at what was written since, and gives the last blocks of that.
func (r *restoring) catchUp() ([]crdt.Node, error) {
	if !r.all {
		return nil, nil
	}
	nodes, _, err := r.now()
	if err != nil {
		return nil, err
	}
	core, err := r.lock()
	if err != nil {
		return nil, err
	}
	held := core.DB().Contains(nodes)
	r.unlock()
	err = r.touched(&r.objects, held, r.seen)
	r.seen = held
	return nodes, err
}

// commit makes the transaction, unless something has been written after the nodes;
// at last it looks at all objects instead.
func (r *restoring) commit(nodes []crdt.Node, last bool) (done, changed bool, err error) {
	core, err := r.lock()
	if err != nil {
		return false, false, err
	}
	defer r.unlock()
	db := core.DB()
	objects := r.objects.list
	switch {
	case r.all && last:
		objects = db.ObjectIDs()
	case r.all && !db.IsNow(nodes):
		return false, false, nil
	}
	ops := db.RestoreOps(r.past, objects)
	if len(ops) == 0 {
		return true, false, nil
	}
	if err = r.sp.mayEdit(); err == nil {
		err = db.Rewrite(ops, r.sp.s.c.ports.Env.UnixMilli(), r.options.Message)
	}
	if err == nil {
		r.r.edited()
	}
	return true, err == nil, err
}
