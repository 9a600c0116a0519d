package client

import (
	"context"

	"github.com/echospace/echospace/core/crdt"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
)

// Change is one transaction of a space's past.
type Change struct {
	objectdb.Change
	Place  ChangePlace
	Block  feed.Ref // alone the Version right after the block that the change came in
	Author space.Author
}

// ChangePlace names a change for good: its block and its place in it.
type ChangePlace struct {
	Block id.Hash
	Index uint32
}

// HistoryQuery says which changes History gives. The zero value asks for the last
// ones of the whole space.
type HistoryQuery struct {
	Object id.ObjectID  // if not zero, only changes of this object
	Limit  int          // 0 is 100
	Before *ChangePlace // the change before which to begin; nil: the end
}

const (
	defaultChanges = 100
	maxChanges     = 10_000
)

// History gives changes, the newest first: none stands before one that follows it,
// and concurrent ones stand alike on all replicas. What is edited so far is stored
// first. With an object the cost is the history that is looked through, without
// one the changes that are given.
//
// Errors: errs.SpaceClosed, errs.InvalidArgument for a limit over 10,000,
// errs.NotFound for an unknown change to begin before, those of Flush and of the
// storage.
func (sp *Space) History(ctx context.Context, q HistoryQuery) (out []Change, err error) {
	const op = "space.history"
	if q.Limit == 0 {
		q.Limit = defaultChanges
	}
	if q.Limit < 0 || q.Limit > maxChanges {
		return nil, errs.New(op, errs.InvalidArgument, "a limit of %d changes, want 1 to %d", q.Limit, maxChanges)
	}
	err = sp.timeline(ctx, op, func(t *timeline) error {
		h := historian{timeline: t, q: q}
		err := h.run()
		out = h.out
		return err
	})
	return out, err
}

// historian gathers changes.
type historian struct {
	*timeline
	q      HistoryQuery
	walk   *crdt.Walk
	found  bool // the change to begin before was met
	reader objectdb.Reader
	out    []Change
}

func (h *historian) run() error {
	nodes, _, err := h.now()
	if err != nil {
		return err
	}
	h.found = h.q.Before == nil
	core, err := h.lock()
	if err != nil {
		return err
	}
	h.walk = core.DB().Walk(nodes)
	h.unlock()
	for err == nil && len(h.out) < h.q.Limit {
		var batch []crdt.Node
		var over bool
		if batch, over, err = h.next(); over {
			break
		}
		if err == nil {
			err = h.read(batch, h.take)
		}
		h.rest()
	}
	if err == nil && !h.found {
		err = errs.New(h.op, errs.NotFound, "there is no change %s.%d here to begin before", h.q.Before.Block, h.q.Before.Index)
	}
	return err
}

// maxSkipped is how many blocks are passed over at a time.
const maxSkipped = 1 << 12

// next gives the next blocks to read, none of them if it only passed over blocks.
func (h *historian) next() (batch []crdt.Node, over bool, err error) {
	want := batchNodes
	if id.IsZero(h.q.Object) {
		want = min(want, h.q.Limit-len(h.out)) // each has a change
	}
	core, err := h.lock()
	if err != nil {
		return nil, false, err
	}
	defer h.unlock()
	for skipped := 0; len(batch) < want && skipped < maxSkipped; {
		n := h.walk.Next()
		if n == crdt.None {
			return batch, len(batch) == 0, nil
		}
		if !h.found {
			b, _, _ := core.DB().BlockOf(n)
			if h.found = b.Ref.Hash == h.q.Before.Block; !h.found {
				skipped++
				continue
			}
		}
		batch = append(batch, n)
	}
	return batch, false, nil
}

// take gathers the changes of one block.
func (h *historian) take(b *pastBlock) error {
	if b.leftOut || len(h.out) == h.q.Limit {
		return nil
	}
	if has, err := h.concerns(b.Payload); !has {
		return err
	}
	changes, err := h.reader.Changes(b.Payload)
	if err != nil {
		return err
	}
	core, err := h.lock()
	if err != nil {
		return err
	}
	who, _ := core.Author(b.Ref.Feed)
	h.unlock()
	for i := len(changes) - 1; i >= 0; i-- {
		c := &changes[i]
		at := ChangePlace{b.Ref.Hash, uint32(i)}
		behind := h.q.Before != nil && at.Block == h.q.Before.Block && at.Index >= h.q.Before.Index
		if !behind && len(h.out) < h.q.Limit && touches(c, h.q.Object) {
			h.out = append(h.out, Change{*c, at, b.Ref, who})
		}
	}
	return nil
}

// concerns reports whether a payload may have a change that is asked for.
func (h *historian) concerns(payload []byte) (bool, error) {
	if id.IsZero(h.q.Object) {
		return true, nil
	}
	ids, err := objectdb.PayloadObjects(payload)
	for ; len(ids) > 0; ids = ids[id.ShortSize:] {
		if id.ObjectID(ids[:id.ShortSize]) == h.q.Object {
			return true, nil
		}
	}
	return false, err
}

func touches(c *objectdb.Change, object id.ObjectID) bool {
	for i := range c.Touched {
		if c.Touched[i].Object == object {
			return true
		}
	}
	return id.IsZero(object)
}
