package space

import (
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/objectdb"
)

// Effects tell what a commit changed.
type Effects struct {
	Members bool // the membership
	Objects bool // the object database
}

func (e *Effects) add(o Effects) {
	e.Members = e.Members || o.Members
	e.Objects = e.Objects || o.Objects
}

// Settle applies the changes that wait, control before data, until none can be
// applied or enough, which may be nil, says so between two of them or in the middle of
// what takes long; done tells which. It is to be called after Show and Commit.
func (s *Space) Settle(enough func() bool) (eff Effects, done bool) {
	eff, s.untold = s.untold, Effects{}
	if !s.unsettled {
		return eff, true
	}
	if done = s.settle(&eff, enough); done {
		s.unsettled = false
	}
	s.follow(&s.control)
	s.follow(&s.data)
	return eff, done
}

// settle applies waiting changes until none can be, or it is enough.
func (s *Space) settle(all *Effects, enough func() bool) (done bool) {
	if f := s.opened.feed; f != nil { // what was begun first: another change would have it finished at once
		if _, stopped := s.drain(f, all, enough); stopped {
			return false
		}
	}
	for progress := true; progress || s.named; {
		s.judgeWaiting()
		progress, s.named = false, false
		for _, kind := range []feed.Kind{feed.Control, feed.Data} {
			for _, f := range s.feeds {
				if f.header.Kind != kind || len(f.waiting) == 0 {
					continue
				}
				n, stopped := s.drain(f, all, enough)
				progress = progress || n > 0
				if stopped {
					return false
				}
			}
			for kind == feed.Control && (s.stale || s.evaluating != nil) { // once for all of them, and before data
				if !s.evaluateSome(enough) {
					return false
				}
				all.Members, progress = true, true // with keys, perhaps, for what was passed over
			}
		}
	}
	return true
}

// drain applies what it can of a feed's waiting changes, and tells how many
// that were and whether it was enough.
func (s *Space) drain(f *feedState, all *Effects, enough func() bool) (applied int, stopped bool) {
	if _, forked := f.log.Forked(); forked || f.header.Kind == feed.Control {
		return s.drainBranches(f, all, enough)
	}
	for applied < len(f.waiting) {
		if applied > 0 && enough != nil && enough() {
			stopped = true
			break
		}
		eff, is := s.apply(f, f.waiting[applied], enough)
		all.add(eff)
		if is != applyDone {
			stopped = is == applyStopped
			break // what comes after it follows it
		}
		f.waiting[applied] = nil
		applied++
	}
	f.waiting = f.waiting[applied:]
	return applied, stopped
}

// drainBranches is drain for a feed where a change that has to wait does not
// hold up the next: that may be one of another branch, or, of a control feed,
// one under another key.
func (s *Space) drainBranches(f *feedState, all *Effects, enough func() bool) (applied int, stopped bool) {
	kept := f.waiting[:0]
	for i, change := range f.waiting {
		if applied > 0 && enough != nil && enough() {
			kept = append(kept, f.waiting[i:]...)
			stopped = true
			break
		}
		eff, is := s.apply(f, change, enough)
		all.add(eff)
		if is == applyStopped {
			kept = append(kept, f.waiting[i:]...)
			stopped = true
			break
		}
		if is == applyDone {
			applied++
		} else {
			kept = append(kept, change)
		}
	}
	clear(f.waiting[len(kept):])
	f.waiting = kept
	return applied, stopped
}

// node is the place of a change in the causal graph.
func node(change []*feed.Block) objectdb.Block {
	first, last := change[0], change[len(change)-1]
	return objectdb.Block{Ref: last.Ref(), Prev: first.Prev, Deltas: first.Deltas, Ops: last.Ops}
}

// applyState is how far the taking in of a change came.
type applyState uint8

const (
	applyDone    applyState = iota
	applyWaits              // for what it follows
	applyStopped            // it was enough, and goes on
)

// apply opens one change and takes its content.
func (s *Space) apply(f *feedState, change []*feed.Block, enough func() bool) (Effects, applyState) {
	at := node(change)
	if f.header.Kind == feed.Data && s.db.Holds(at.Ref) {
		return s.applyData(f, at, enough)
	}
	if f.header.Kind == feed.Data {
		s.noteNamings(f, change)
		if !s.counts(f, at.Ref) || !s.own(f.header) && !s.informed() {
			return Effects{}, applyWaits
		}
	}
	key, ok := s.byID[change[0].Epoch]
	if !ok || s.lacksInner(at.Ref) {
		return Effects{}, applyWaits
	}
	if f.header.Kind == feed.Data {
		if s.db.Has(at.Ref) {
			return Effects{}, applyDone // another way brought it too
		}
		if !s.db.Ready(at) {
			return Effects{}, applyWaits
		}
	}
	done, err := s.openChange(f, at.Ref, change, key, enough)
	switch {
	case err != nil:
		s.leaveOut(f, at, err)
		return Effects{}, applyDone
	case !done:
		return Effects{}, applyStopped
	case f.header.Kind == feed.Data:
		return s.applyData(f, at, enough)
	}
	return Effects{}, s.applyControl(f, change, enough)
}

// leaveOut drops the content of a block that is its author's but holds what no
// author may write. The block stays stored and keeps its place in the causal
// graph, since others refer to it.
func (s *Space) leaveOut(f *feedState, at objectdb.Block, err error) {
	s.opened = opened{}
	s.env.Log.Warn("content of a block is left out", "feed", id.Short(at.Ref.Feed), "seq", at.Ref.Seq, "err", err)
	if f.header.Kind != feed.Data {
		return
	}
	at.Payload = nil
	s.leftOut[at.Ref.Hash] = true
	if err := s.db.Skip(at); err != nil {
		s.env.Log.Error("a block has no place", "feed", id.Short(at.Ref.Feed), "seq", at.Ref.Seq, "err", err)
	}
}

// applyControl reads the control block that is opened, and notes its credentials, which
// count once they are evaluated. It waits if it holds more than this device can open yet.
func (s *Space) applyControl(f *feedState, change []*feed.Block, enough func() bool) applyState {
	at := change[len(change)-1].Ref()
	if s.opened.control == nil {
		decode := credential.Decode
		if f.log.Contains(f.assured, at) {
			decode = credential.DecodeVerified
		}
		s.opened.control = beginReading(s.opened.payload, decode)
	}
	c := s.opened.control
	done, err := s.readSome(c, enough)
	if !done {
		return applyStopped
	}
	s.opened = opened{}
	if err != nil {
		s.env.Log.Warn("a control block is left out", "feed", id.Short(at.Feed), "seq", at.Seq, "err", err)
		return applyDone
	}
	s.noteCredentials(c.list)
	if len(c.lacks) > 0 {
		s.inner[at.Hash] = c.lacks
		return applyWaits
	}
	delete(s.inner, at.Hash)
	if !c.unsure {
		f.verified.add(change)
	}
	return applyDone
}

// lacksInner tells whether a control block was read but for its inner part, and still none
// of the keys is held one of which opens that.
func (s *Space) lacksInner(at feed.Ref) bool {
	lacks, read := s.inner[at.Hash]
	for _, k := range lacks {
		if _, held := s.byID[k]; held {
			return false
		}
	}
	return read
}
