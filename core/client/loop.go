package client

import (
	"bytes"
	"context"
	"slices"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/syncer"
)

const (
	// slice is how long the loop works before it lets other events through.
	slice = 8 * time.Millisecond
	// typing is the least time between two blocks of own edits that nobody
	// waits for.
	typing = 10 * time.Millisecond
	// maxHeld and maxHeldBytes bound the runs of feeds whose admission has not arrived.
	maxHeld      = 4096
	maxHeldBytes = 8 << 20
)

// Message types between peers of a space: the first byte of a session message.
const (
	messageSync   = 0
	messageGossip = 1
)

// loop drives the engines of the open space until ctx is done.
func (sp *Space) loop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-sp.runtime().wakes():
		}
		timer.Reset(sp.turn())
	}
}

func (sp *Space) runtime() *runtime {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.run
}

// wakes is r's wake channel, or one that never fires when r is gone.
func (r *runtime) wakes() <-chan struct{} {
	if r == nil {
		return nil
	}
	return r.wake
}

// turn lets every engine take its inputs and carries out what they ask for. It
// gives the time until the next turn is due by itself.
func (sp *Space) turn() time.Duration {
	e := sp.s.c.ports.Env
	for {
		sp.mu.Lock()
		r := sp.run
		if r == nil {
			sp.mu.Unlock()
			return time.Hour
		}
		now := e.Clock.Now()
		r.swarm.Tick(now)
		r.sync.Tick(now.UnixMilli())
		out, more := sp.exchange(r, now)
		sp.closeLeft(r)
		kept := sp.keepKeys(r, now)
		sp.expel(r, now)
		if sp.core.Unsound() {
			sp.reread(r)
		}
		next := typing
		if kept { // else what is written waits for the keys
			next = sp.writeEdits(r, now)
		}
		sp.answer(r)
		told, heard := r.dirty, r.heard
		r.dirty, r.heard = dirty{}, nil
		next = min(next, max(0, r.swarm.NextTick().Sub(now)))
		tell, wait := r.telling.due(sp.core, told.members, now)
		if wait > 0 {
			next = min(next, wait)
		}
		if !r.keysDue.IsZero() {
			next = min(next, turnPasses)
		}
		sp.mu.Unlock()

		r.link.send(out)
		if tell {
			sp.tellMembers()
			sp.s.keeper().poke()
		}
		sp.observe(told)
		sp.tellChanges(more || e.Clock.Now().Sub(now) > slice/2)
		for _, tell := range heard {
			tell()
		}
		if !more && kept {
			return max(next, time.Millisecond)
		}
		sp.s.yield()
	}
}

// rest makes a function to call between pieces of long work: about once a slice
// it lets the platform handle other events.
func (s *session) rest() func() {
	clock := s.c.ports.Env.Clock
	last := clock.Now()
	return func() {
		if clock.Now().Sub(last) > slice {
			s.yield()
			last = clock.Now()
		}
	}
}

// yield lets the platform handle other events.
func (s *session) yield() {
	if y := s.c.ports.Yield; y != nil {
		y(s.ctx)
	}
}

// sliced makes a function that says when the slice of time that begins now is
// over.
func (s *session) sliced() (over func() bool) {
	clock := s.c.ports.Env.Clock
	start := clock.Now()
	return func() bool { return clock.Now().Sub(start) > slice }
}

// exchange moves messages between swarm and sync engine and takes received
// runs in, until all are quiet or the slice is over; more tells which.
func (sp *Space) exchange(r *runtime, start time.Time) (all mesh.Output, more bool) {
	e := sp.s.c.ports.Env
	for {
		net := r.swarm.Ready()
		for _, ev := range net.Events {
			sp.swarmEvent(r, ev)
		}
		join(&all, net)
		for pid := range r.sessions {
			r.sync.Credit(peerOf(pid), maxQueued-r.swarm.Queued(pid))
		}
		out := r.sync.Ready()
		sp.syncOutput(r, out)
		if !sp.settle(r, start) {
			return all, true
		}
		took := sp.takeRuns(r, start) // only now, so that what waits stays little
		if e.Clock.Now().Sub(start) > slice {
			return all, true
		}
		if len(net.Events) == 0 && len(out.Messages) == 0 && len(out.Runs) == 0 && !took {
			return all, false
		}
	}
}

// join appends what net asks the network for.
func join(all *mesh.Output, net mesh.Output) {
	all.Opens = append(all.Opens, net.Opens...)
	all.DirectSignals = append(all.DirectSignals, net.DirectSignals...)
	all.DirectSends = append(all.DirectSends, net.DirectSends...)
	all.DirectCloses = append(all.DirectCloses, net.DirectCloses...)
	all.DirectRestarts = append(all.DirectRestarts, net.DirectRestarts...)
	all.Frames = append(all.Frames, net.Frames...)
}

// maxQueued is how many bytes of bulk may wait in a session.
const maxQueued = 512 << 10

func peerOf(s mesh.SessionID) syncer.Peer { return syncer.Peer(s) }

func (sp *Space) swarmEvent(r *runtime, ev mesh.Event) {
	switch ev.Type {
	case mesh.Connected:
		r.sessions[ev.Session] = ev.Info
		r.sync.AddPeer(peerOf(ev.Session), sp.share(ev.Info))
		r.dirty.members, r.dirty.network = true, true
	case mesh.Disconnected:
		delete(r.sessions, ev.Session)
		r.sync.RemovePeer(peerOf(ev.Session))
		r.dirty.members, r.dirty.network, r.dirty.sync = true, true, true
		sp.s.c.ports.Env.Log.Info("peer left", "space", id.Short(sp.key), "device", id.Short(ev.Info.Device), "err", ev.Err)
	case mesh.PathChanged:
		r.dirty.network = true
		sp.s.c.ports.Env.Log.Info("path", "space", id.Short(sp.key), "device", id.Short(ev.Info.Device), "path", ev.Path, "err", ev.Err)
	case mesh.Message:
		sp.message(r, ev)
	}
}

func (sp *Space) message(r *runtime, ev mesh.Event) {
	if len(ev.Msg) == 0 {
		r.swarm.Disconnect(ev.Session, errs.New("client.message", errs.PeerMisbehaved, "an empty message"))
		return
	}
	var err error
	switch ev.Msg[0] {
	case messageSync:
		err = r.sync.Step(peerOf(ev.Session), ev.Msg[1:])
	case messageGossip:
		err = sp.gossip(r, ev.Session, ev.Msg[1:])
	default:
		err = errs.New("client.message", errs.PeerMisbehaved, "a message of type %d", ev.Msg[0])
	}
	if err != nil {
		r.swarm.Disconnect(ev.Session, err)
	}
}

func (sp *Space) syncOutput(r *runtime, out syncer.Output) {
	for _, m := range out.Messages {
		msg := append([]byte{messageSync}, m.Data...)
		if err := r.swarm.Send(mesh.SessionID(m.Peer), msg, m.Bulk); err != nil {
			r.swarm.Disconnect(mesh.SessionID(m.Peer), err)
		}
	}
	for _, rd := range out.Reads {
		r.spawn(func(ctx context.Context) { sp.read(ctx, r, rd) })
	}
	sp.hold(r, out.Runs)
	r.dirty.sync = r.dirty.sync || out.StatusChanged
}

// read fetches stored blocks for the sync engine.
func (sp *Space) read(ctx context.Context, r *runtime, rd syncer.Read) {
	blocks, ends, err := sp.records(ctx, r, rd)
	if err != nil && ctx.Err() == nil { // else nobody waits for them any more
		sp.s.c.ports.Env.Log.Error("blocks could not be read for a peer", "space", id.Short(sp.key), "err", err)
	}
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run != r {
		return
	}
	vouched := sp.core.Vouch(rd.Feed, blocks)
	ends = ends[:len(vouched)]
	if err == nil && (len(ends) == 0 || ends[len(ends)-1].Seq < rd.To.Seq) {
		sp.lacks(r, rd.Feed)
	}
	r.sync.ReadDone(rd, vouched, ends)
	r.poke()
}

// lacks notes that a block of a feed, which a snapshot spared from being read, is
// missing or damaged in storage. The next start is to read the feeds, set the
// record aside, and have peers bring the block. sp.mu is held.
func (sp *Space) lacks(r *runtime, f id.FeedID) {
	if r.spoiled {
		return
	}
	r.spoiled = true
	sp.s.c.ports.Env.Log.Error("a stored block is missing or damaged; the next start looks for it", "space", id.Short(sp.key), "feed", id.Short(f))
	sp.s.dropSnapshot(sp.key)
}

// stored reads the encoded blocks of a control feed behind from (the empty feed if
// its Seq is 0) up to to; fewer if one of them is not there.
func (sp *Space) stored(ctx context.Context, from, to feed.Ref) ([][]byte, error) {
	entries, err := sp.s.storage.Store.Scan(ctx, feed.BlockRange(to.Feed, from.Seq+1, to.Seq+1), 0)
	if err != nil {
		return nil, err
	}
	sp.mu.Lock()
	path, _ := sp.core.Log(to.Feed).Path(from, to)
	sp.mu.Unlock()
	blocks := make([][]byte, 0, len(path))
	for _, ref := range path {
		raw := find(entries, feed.BlockKey(ref))
		if raw == nil {
			break
		}
		blocks = append(blocks, raw)
	}
	return blocks, nil
}

// find gives the value under key, of entries in the order of their keys.
func find(entries []storage.Entry, key []byte) []byte {
	at, ok := slices.BinarySearchFunc(entries, key, func(e storage.Entry, key []byte) int { return bytes.Compare(e.Key, key) })
	if !ok {
		return nil
	}
	return entries[at].Value
}

// heldRun is a received run that waits: for its turn, for the storing of what it
// follows, or for the admission of its feed.
type heldRun struct {
	syncer.Run
	parcel *space.Parcel // once it is its turn
	// refused is what space.Acquainted was when it was of no member, or 0.
	refused uint64
}

// size is how many bytes the blocks have.
func (h *heldRun) size() (n int) {
	for _, b := range h.Blocks {
		n += len(b)
	}
	return n
}

// hold queues received runs for takeRuns.
func (sp *Space) hold(r *runtime, runs []syncer.Run) {
	for _, run := range runs {
		run.Header = sp.core.Header(run.Header)
		r.runs = append(r.runs, heldRun{Run: run})
	}
}

// takeRuns verifies received runs and hands them to storage: those that follow
// what is stored, or is on its way there. It ends with the slice of time that
// began at start, and reports whether it took any.
func (sp *Space) takeRuns(r *runtime, start time.Time) (took bool) {
	kept, early := r.runs[:0], 0 // bytes that came before their admission
	for i, run := range r.runs {
		if run.refused == sp.core.Acquainted() { // nothing is known now that was not then
			kept = append(kept, run)
			early += run.size()
			continue
		}
		if took && sp.s.c.ports.Env.Clock.Now().Sub(start) > slice {
			kept = append(kept, r.runs[i:]...)
			break
		}
		if r.refused { // what waits for storage is enough
			r.sync.Rejected(run.Peer, run.Feed)
			continue
		}
		var after *space.Intake
		if b := r.busy[run.Header.ID()]; b != nil {
			if after = b.last; !after.Follows(run.Blocks[0]) {
				kept = append(kept, run)
				continue
			}
		}
		if run.parcel == nil {
			run.parcel = space.NewParcel(run.Header, run.Blocks)
		}
		done, err := sp.core.Unfold(run.parcel, func() bool { return sp.s.c.ports.Env.Clock.Now().Sub(start) > slice })
		if err == nil && !done {
			kept = append(append(kept, run), r.runs[i+1:]...)
			took = true
			break
		}
		var in *space.Intake
		if err == nil {
			in, err = sp.core.Take(run.parcel, after)
		}
		run.parcel = nil
		switch {
		case errs.Is(err, errs.UnknownFeed) && run.Header.Space == sp.key && len(kept) < maxHeld && early < maxHeldBytes:
			run.refused = sp.core.Acquainted()
			kept = append(kept, run)
			early += run.size()
		case err != nil:
			sp.refuse(r, run.Run, err)
			took = true
		case in == nil:
			r.sync.Duplicate(run.Run)
			took = true
		default:
			sp.enqueueReceived(r, in, run.Peer)
			took = true
		}
	}
	clear(r.runs[len(kept):])
	r.runs = kept
	return took
}

// refuse drops a run and, unless it merely came too early, its sender.
func (sp *Space) refuse(r *runtime, run syncer.Run, err error) {
	r.sync.Rejected(run.Peer, run.Feed)
	switch errs.KindOf(err) {
	case errs.MissingDependency, errs.UnknownFeed:
		return
	case errs.KeyUnavailable: // of a repack
		r.sync.PlainOnly(run.Feed)
		return
	}
	r.swarm.Disconnect(mesh.SessionID(run.Peer), errs.New("client.receive", errs.PeerMisbehaved, "a refused block: %w", err))
}

// enqueueReceived has a verified run shown, stores it, and then takes it in.
func (sp *Space) enqueueReceived(r *runtime, in *space.Intake, from syncer.Peer) {
	fid := in.Header.ID()
	if r.busy[fid] == nil {
		r.busy[fid] = &storing{}
	}
	r.busy[fid].count++
	r.busy[fid].last = in
	var job storeJob
	in.AddTo(&job.batch)
	if in.Repacked() {
		sp.s.holdsRepacks(&job.batch)
	}
	sp.core.Show(in)
	job.refused = func(err error) { sp.storeRefused(r, err) }
	job.done = func(err error) {
		sp.mu.Lock()
		if err == nil {
			r.storeTakes()
		}
		if r.busy[fid].count--; r.busy[fid].count == 0 {
			delete(r.busy, fid)
		}
		switch {
		case sp.run != r:
		case err != nil:
			r.sync.Rejected(from, fid)
			sp.storeFailed(r, err)
		default:
			if !sp.commit(r, in) {
				r.sync.Rejected(from, fid)
			}
		}
		sp.mu.Unlock()
		r.poke()
		if err == nil {
			sp.s.postBlocks(sp.key, in)
		}
	}
	r.store.add(job)
}

// commit takes a stored run into the state and announces it; false if it does
// not link. The next turn applies it.
func (sp *Space) commit(r *runtime, in *space.Intake) bool {
	if err := sp.core.Commit(in); err != nil {
		sp.s.c.ports.Env.Log.Error("a stored run does not link", "space", id.Short(sp.key), "err", err)
		return false
	}
	r.news.add(in)
	r.sync.Stored(in.Header, sp.core.Log(in.Header.ID()), in.Refs(), nil)
	return true
}

// settle applies what waits until the slice of time that began at start is
// over; done tells whether that was all.
func (sp *Space) settle(r *runtime, start time.Time) (done bool) {
	clock := sp.s.c.ports.Env.Clock
	eff, done := sp.core.Settle(func() bool { return clock.Now().Sub(start) > slice })
	if eff.Members {
		sp.membersChanged(r)
	}
	return done
}

// share is what a peer gets. One that proved a membership of which no
// credential has arrived here yet gets and gives control feeds, which bring it.
func (sp *Space) share(peer mesh.PeerInfo) syncer.PeerOptions {
	_, known := sp.core.Membership().Device(peer.Device)
	return syncer.PeerOptions{ControlOnly: !known}
}

// membersChanged follows a new evaluation of the membership.
func (sp *Space) membersChanged(r *runtime) {
	sp.readonly = !sp.core.MayWrite()
	r.dirty.members = true
	for sid, info := range r.sessions {
		r.sync.SetPeerOptions(peerOf(sid), sp.share(info))
	}
}

// storeRefused tells what waits that storage refuses a write, or that own blocks cannot be
// signed: then what others wrote is taken in all the same.
func (sp *Space) storeRefused(r *runtime, err error) {
	sp.mu.Lock()
	r.refused = !errs.Is(err, errs.KeyUnavailable)
	sp.storeFailed(r, err)
	sp.failWaiters(r, err)
	sp.mu.Unlock()
	r.poke()
}

// storeTakes notes that storage takes writes.
func (r *runtime) storeTakes() {
	if r.refused {
		r.refused, r.writeErr, r.dirty.sync = false, nil, true
	}
}

func (sp *Space) storeFailed(r *runtime, err error) {
	r.writeErr = err
	r.dirty.sync = true
	sp.s.c.ports.Env.Log.Error("a write was not stored; it is tried again", "space", id.Short(sp.key), "err", err)
}
