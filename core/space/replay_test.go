package space_test

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage/memstore"
)

// nonsense stores a block of the engine's own that holds what no author may
// write, and gives it encoded.
func (e *engine) nonsense(ops uint64) []byte {
	e.t.Helper()
	head := feed.Ref{}
	var header *feed.SignedHeader
	for _, f := range e.Feeds() {
		if f.Header.ID() == e.writing(feed.Data) {
			header, head = f.Header, f.Heads[0]
		}
	}
	key, _ := e.EpochKey(id.EpochID{})
	b, err := feed.Build(ctx, testEnv(), feed.BlockHeader{Feed: header.ID(), Seq: head.Seq + 1, Prev: head.Hash, Epoch: key.ID(), Ops: ops}, key, []byte("nonsense"), e.self.Signer)
	ok(e.t, err)
	in, err := e.Receive(header, [][]byte{b.Encode()}, nil)
	ok(e.t, err)
	e.save(in)
	ok(e.t, e.Commit(in))
	e.Settle(nil)
	return b.Encode()
}

// replayed makes a space of the history of another.
func (e *engine) replayed() (out *engine, leftOut int) {
	e.t.Helper()
	out = &engine{t: e.t, self: newSelf(e.t), st: memstore.New()}
	s, rec, first, err := space.Create(ctx, testEnv(), out.self)
	ok(e.t, err)
	out.Space, out.rec = s, rec
	out.store(first)
	h := e.DB().MarkHistory()
	var changes []objectdb.HistoryBlock
	for more := true; more; {
		var list []objectdb.HistoryBlock
		list, more = h.Next()
		changes = append(changes, list...)
	}
	var lines []id.FeedID
	lineOf, ends := make([]int, len(changes)), map[feed.Ref]int{}
	for i, c := range changes {
		line, known := ends[c.Prev]
		if !known {
			line = len(lines)
			lines = append(lines, c.Ref.Feed)
		}
		delete(ends, c.Prev)
		ends[c.Ref], lineOf[i] = line, line
	}
	replay, err := out.BeginReplay(ctx, lines)
	ok(e.t, err)
	for i, c := range changes {
		raw, err := e.st.Get(ctx, feed.BlockKey(c.Ref))
		ok(e.t, err)
		b, err := feed.DecodeBlock(raw)
		ok(e.t, err)
		payload, taken, err := e.ReadChange([]*feed.Block{b})
		ok(e.t, err)
		if !taken {
			leftOut++
		}
		var parents []int
		for _, p := range c.Parents {
			parents = append(parents, int(p))
		}
		in, err := replay.Add(ctx, lineOf[i], parents, c.Ops, payload, !taken)
		ok(e.t, err)
		out.save(in)
	}
	return out, leftOut
}

// TestReplay_S12_forksAndWhatWasLeftOut replays a space with a forked feed and a
// block whose content counts nowhere.
func TestReplay_S12_forksAndWhatWasLeftOut(t *testing.T) {
	a := found(t)
	b := a.join()
	objects := []id.ObjectID{a.write(), b.write()}
	copied := b.copyStore()
	objects = append(objects, b.write())
	b.nonsense(3)
	a.pull(b)
	b.reopen(copied)
	objects = append(objects, b.write()) // at a place that is taken
	a.pull(b)
	objects = append(objects, a.write())
	a.shows(objects...)

	out, leftOut := a.replayed()
	if leftOut != 1 {
		t.Errorf("%d changes were left out, want 1", leftOut)
	}
	if _, leftOut = out.replayed(); leftOut != 1 {
		t.Errorf("%d changes of the copy are left out, want 1", leftOut)
	}
	same := func() {
		t.Helper()
		out.shows(objects...)
		for _, v := range objects {
			if got, want := out.DB().State(v), a.DB().State(v); !bytes.Equal(got, want) {
				t.Errorf("object %s is %x, want %x", v, got, want)
			}
		}
		if got, want := len(out.DB().Frontier()), len(a.DB().Frontier()); got != want {
			t.Errorf("%d heads, want %d", got, want)
		}
	}
	same()
	if damage := out.reopen(out.st); len(damage) > 0 {
		t.Errorf("damaged: %v", damage)
	}
	same()
	objects = append(objects, out.write())
	out.shows(objects...)
	for _, f := range out.Feeds() {
		if len(f.Heads) > 1 {
			t.Error("a replayed feed is forked")
		}
	}
}

func TestReplay_S12_refusesWhatCannotHaveBeen(t *testing.T) {
	for name, add := range map[string]func(r *space.Replay) error{
		"no such feed":        func(r *space.Replay) error { return try(r, 2, nil) },
		"negative feed":       func(r *space.Replay) error { return try(r, -1, nil) },
		"a later change":      func(r *space.Replay) error { return try(r, 1, []int{2}) },
		"a negative place":    func(r *space.Replay) error { return try(r, 1, []int{-1}) },
		"not behind its feed": func(r *space.Replay) error { return try(r, 0, nil) },
		"behind another place of its feed": func(r *space.Replay) error {
			return try(r, 0, []int{1, 0})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, _, _, err := space.Create(ctx, testEnv(), newSelf(t))
			ok(t, err)
			r, err := s.BeginReplay(ctx, []id.FeedID{{1}, {2}})
			ok(t, err)
			ok(t, try(r, 0, nil))
			ok(t, try(r, 0, []int{0}))
			if err := add(r); !errs.Is(err, errs.Malformed) {
				t.Errorf("%v, want MALFORMED", err)
			}
		})
	}
}

// try adds a change that does nothing.
func try(r *space.Replay, line int, parents []int) error {
	_, err := r.Add(ctx, line, parents, 1, nil, true)
	return err
}
