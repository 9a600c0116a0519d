package client

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/syncer"
)

// SpaceState is where a Space's life is.
type SpaceState string

// The states of a Space.
const (
	SpaceClosed  SpaceState = "closed"
	SpaceOpening SpaceState = "opening"
	SpaceOpen    SpaceState = "open"
)

// Member is one member as the page sees it.
type Member struct {
	Identity id.IdentityKey
	Role     credential.Role
	Name     string
	Online   bool
	Self     bool
	MayWrite bool // of Self: this device may
	Devices  []id.DeviceKey
	// Faulty are those of its devices that forked a feed again after they had closed
	// it: an admin may remove them.
	Faulty []id.DeviceKey
}

// SyncState is how far the peers are, for one Space.
type SyncState struct {
	Peers  []syncer.PeerStatus
	Unsent uint64 // local transactions that are not stored yet
	Err    error
}

// Space is one space of a Client. While it is closed it has a key and nothing
// else.
type Space struct {
	s      *session
	key    id.SpaceKey
	record string // its name in the keyring

	State       Var[SpaceState]
	Members     Var[[]Member]
	Invitations Var[[]*Invitation]
	Sync        Var[SyncState]
	Trust       Var[*credential.Membership] // by which Audit tells; nil before
	// mu guards everything below and is never held across a wait.
	mu   sync.Mutex
	run  *runtime // nil while closed
	core *space.Space
	// onChange is called, without locks, when the object database has changes
	// waiting; not again before they were drained.
	onChange func(late bool)
	told     notice
	snapshot *snapshot // in storage, as it was when core was read
	listens  map[string][]*listener
	readonly bool
}

// runtime is what an open Space adds: engines, queues, goroutines.
type runtime struct {
	client *Client
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	wake  chan struct{}
	sync  *syncer.Syncer
	swarm *mesh.Swarm
	talk  *mesh.Gossip
	store *storeQueue
	link  *link
	news  news

	plain   plainRun
	spoiled bool // a stored block is damaged: no snapshot is written

	sessions map[mesh.SessionID]mesh.PeerInfo
	expelled expelled

	generation uint64    // of the keys, as stored and met under
	keysDue    time.Time // since when keys are due that are not made; zero: none are
	rereading  bool

	runs []heldRun
	busy map[id.FeedID]*storing

	writing   bool // a block of own edits is being stored
	ending    bool // the last of them are queued
	recall    recall
	lastWrite time.Time
	edits     uint64 // counts local transactions
	stored    uint64 // edits up to here are stored
	waiters   []flushWaiter
	follows   []func() // of the own blocks that were stored last
	writeErr  error
	refused   bool // storage refused the last write
	dirty     dirty
	telling   telling
	heard     []func()        // deliveries of channel messages
	posting   <-chan struct{} // closed once the last own channel message is sent
}

// storing are the runs of a feed that are on their way to storage.
type storing struct {
	count int
	last  *space.Intake
}

// dirty is what observers are to be told after a step.
type dirty struct{ members, sync, network bool }

func newSpace(s *session, core *space.Space, known *snapshot) *Space {
	sp := &Space{s: s, key: core.Key(), core: core, snapshot: known, listens: map[string][]*listener{}}
	sp.record = spaceRecords + sp.key.String()
	sp.State.Set(SpaceOpening)
	sp.Invitations.Set([]*Invitation{})
	sp.Members.Set([]Member{})
	return sp
}

// Key names the space.
func (sp *Space) Key() id.SpaceKey { return sp.key }

// start begins the runtime: the space is open when it returns without an error. Else it
// is closed.
func (sp *Space) start(ctx context.Context) error {
	sp.mu.Lock()
	core := sp.core
	gate, self := core.Secrets().Gate(), core.Self()
	sp.mu.Unlock()
	swarm, err := sp.s.newSwarm(ctx, core, gate, self)
	if err != nil {
		sp.State.Set(SpaceClosed)
		return err
	}
	sp.startWith(swarm)
	return nil
}

// startWith is start with a swarm that newSwarm made of the space's core. It waits for
// nothing.
func (sp *Space) startWith(swarm *mesh.Swarm) {
	r := &runtime{
		client:   sp.s.c,
		wake:     make(chan struct{}, 1),
		sessions: map[mesh.SessionID]mesh.PeerInfo{},
		expelled: expelled{},
		busy:     map[id.FeedID]*storing{},
		news:     news{wake: make(chan struct{}, 1)},
	}
	r.ctx, r.cancel = context.WithCancel(sp.s.ctx)
	sp.mu.Lock()
	tail := sp.core.Tail()
	r.news.bytes, r.news.blocks = tail.Bytes, tail.Blocks
	sp.run = r
	r.sync = syncer.New(syncer.Options{})
	for _, f := range sp.core.Feeds() {
		r.sync.AddFeed(f.Header, sp.core.Log(f.Header.ID()))
	}
	r.store = newStoreQueue(sp.s.storage.Store, sp.s.rest())
	r.talk = mesh.NewGossip(sp.s.c.ports.Env)
	r.swarm = swarm
	r.link = newLink(sp, r)
	r.generation = sp.core.Generation()
	r.link.setGates(sp.core.Gates(sp.s.c.ports.Env.Clock.Now()))
	sp.readonly = !sp.core.MayWrite()
	// Before the mutex is given back, and with it the right to shut.
	r.spawn(sp.loop)
	r.spawn(r.store.run)
	known := sp.snapshot
	sp.snapshot = nil
	if sp.s.storage.Bulk != nil {
		r.spawn(func(ctx context.Context) { sp.snapshots(ctx, r, known) })
	}
	sp.mu.Unlock()
	sp.s.net.attach(r.link)
	sp.tellMembers()
	sp.followDelegated()
	sp.State.Set(SpaceOpen)
	sp.s.keeper().poke()
}

// spawn runs f until the runtime ends.
func (r *runtime) spawn(f func(ctx context.Context)) {
	r.tasks.Add(1)
	go func() {
		defer r.tasks.Done()
		defer r.client.rescue()
		f(r.ctx)
	}()
}

// poke makes the loop take another turn soon. It never blocks.
func (r *runtime) poke() {
	if len(r.wake) > 0 { // as for all edits of a task but the first
		return
	}
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// shut ends the runtime; pending flushes fail with err.
func (sp *Space) shut(err error) {
	sp.tellOwed()
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return
	}
	sp.writeLast(r)
	sp.run = nil
	r.swarm.Close()
	waiters := r.waiters
	r.waiters = nil
	out := r.swarm.Ready()
	sp.mu.Unlock()
	r.link.send(out) // the good-byes
	sp.s.net.detach(r.link)
	r.cancel()
	r.tasks.Wait()
	for _, w := range waiters {
		w.done(err)
	}
	sp.State.Set(SpaceClosed)
}

// Close stops replication and refuses access until Open. Edits are stored
// first. A second call is harmless.
func (sp *Space) Close(ctx context.Context) error {
	if sp.State.Get() != SpaceOpen {
		return nil
	}
	if err := sp.Flush(ctx, FlushStore); err != nil {
		return err
	}
	sp.shut(sp.closedError("space.close"))
	return nil
}

// Open opens a closed Space again. On an open one it is harmless. One that was left or
// deleted, or joined again since, does not open.
//
// Errors: errs.SpaceClosed for such a one, errs.Closed, and those of storage.
func (sp *Space) Open(ctx context.Context) error {
	sp.s.c.life.Lock()
	defer sp.s.c.life.Unlock()
	if sp.State.Get() == SpaceOpen {
		return nil
	}
	if sp.s.ctx.Err() != nil {
		return errs.New("space.open", errs.Closed, "the client was destroyed")
	}
	me, err := sp.s.identity("space.open")
	if err != nil {
		return err
	}
	sp.s.opening.Lock()
	defer sp.s.opening.Unlock()
	if sp.s.listed(sp.key) != sp {
		return sp.goneError("space.open")
	}
	rec, err := sp.s.storedRecord(ctx, sp.key)
	if err != nil {
		return err
	}
	sp.State.Set(SpaceOpening)
	core, known, err := sp.s.readSpace(ctx, me, rec)
	if err != nil {
		sp.State.Set(SpaceClosed)
		return err
	}
	sp.replace(core, known)
	return sp.start(ctx)
}

// replace puts another core in the place of that of a closed space.
func (sp *Space) replace(core *space.Space, known *snapshot) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	sp.core, sp.snapshot = core, known
	sp.told = untold
}

// joined is by which join the identity is in the space (space.Record.Joined).
func (sp *Space) joined() uint64 {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	return sp.core.Record().Joined
}

func containsAll(list, want []keys.Secret) bool {
	return !slices.ContainsFunc(want, func(k keys.Secret) bool { return !slices.Contains(list, k) })
}

func (sp *Space) closedError(op string) error {
	return errs.New(op, errs.SpaceClosed, "space %s is closed; open() it first", id.Short(sp.key))
}

func (sp *Space) goneError(op string) error {
	return errs.New(op, errs.SpaceClosed, "space %s was left or deleted; if it was joined again since, the client lists it anew", id.Short(sp.key))
}

// Objects runs f on the object database of the open space, exclusively. f must
// not wait. It takes one uncontended mutex on js/wasm and so never blocks there.
func (sp *Space) Objects(op string, f func(db *objectdb.DB) error) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return sp.closedError(op)
	}
	return f(sp.core.DB())
}

// Edit applies one transaction of local operations (package objectdb describes
// the bytes). It is visible at once and stored soon; Flush waits for that.
//
// Errors: errs.SpaceClosed, errs.NotPermitted for a reader, and those of
// objectdb; after any of them nothing has changed.
func (sp *Space) Edit(ops []byte) error {
	return sp.EditAt(ops, sp.s.c.ports.Env.UnixMilli(), false)
}

// EditAt is Edit at a time in milliseconds since 1970. With endStep no later edit
// joins its step of the undo stack.
func (sp *Space) EditAt(ops []byte, now int64, endStep bool) error {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	err := sp.mayEdit()
	if err == nil {
		err = sp.core.DB().Local(ops, now)
	}
	if err == nil {
		sp.run.edited()
		if endStep {
			sp.core.DB().EndStep()
		}
	}
	return err
}

// EditText replaces deleted UTF-16 code units from pos on by UTF-8, as a
// transaction of its own, made at a time in milliseconds since 1970. It is like
// Edit, at a fraction of the cost: asking for the time would be half of it.
// It gives objectdb.PlainLength.
func (sp *Space) EditText(t objectdb.Text, pos, deleted int, inserted []byte, now int64) (plain int, err error) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if err := sp.mayEdit(); err != nil {
		return -1, err
	}
	db := sp.core.DB()
	if err := db.EditText(t, pos, deleted, inserted, now); err != nil {
		return -1, err
	}
	sp.run.edited()
	return db.PlainLength(t), nil
}

// mayEdit refuses edits of a space that is closed or only read. sp.mu is held.
func (sp *Space) mayEdit() error {
	const op = "space.db"
	if sp.run == nil {
		return sp.closedError(op)
	}
	if sp.readonly {
		return errs.New(op, errs.NotPermitted, "your role in space %s does not allow edits", id.Short(sp.key))
	}
	return nil
}

// edited counts an edit and has it stored. sp.mu is held.
func (r *runtime) edited() {
	r.dirty.sync = r.dirty.sync || r.edits == r.stored // nobody was told that there are unsent ones
	r.edits++
	r.poke()
}

// notice is what the follower of a space knows of changes that wait.
type notice uint8

const (
	untold   notice = iota
	toldLate        // that it takes them in a later task, or the rest of them
	toldNow         // that it takes them when this task ends
)

// OnChange sets the one function that is told when the object database has
// changes waiting: once, and not again until Changes drained them. It is called
// without locks held. late says that the task which calls it has gone on for so
// long that they are better drained in another. What happened in a text that is
// watched is never late, and told besides if late changes wait already: who edits
// that text by positions in what they were told must be told before their next
// task.
func (sp *Space) OnChange(f func(late bool)) {
	sp.mu.Lock()
	sp.onChange = f
	sp.told = untold
	sp.mu.Unlock()
	sp.tellChanges(false)
}

// Changes drains about limit bytes of changes; nil when there are none.
func (sp *Space) Changes(limit int) []byte {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return nil
	}
	db := sp.core.DB()
	out := db.Changes(limit)
	sp.told = untold
	if db.HasChanges() {
		sp.told = toldLate
	}
	return out
}

func (sp *Space) tellChanges(late bool) {
	sp.mu.Lock()
	f := sp.onChange
	due := false
	if f != nil && sp.run != nil {
		db := sp.core.DB()
		late = late && !db.TextsChanged()
		level := toldNow
		if late {
			level = toldLate
		}
		due = db.TextsChanged() && sp.told < level || sp.told == untold && db.HasChanges()
		if due {
			sp.told = level
		}
	}
	sp.mu.Unlock()
	if due {
		f(late)
	}
}

// publishProfile writes the new display name into the space.
func (sp *Space) publishProfile(ctx context.Context, who id.IdentityKey, name string) error {
	_, err := sp.control(ctx, credential.Profile{Identity: who, Name: name})
	return err
}

// control issues claims, stores their block strictly and announces it.
func (sp *Space) control(ctx context.Context, claims ...credential.Claim) (*space.Intake, error) {
	return sp.writeControl(ctx, func(core *space.Space) (*space.Intake, error) {
		return core.BuildControl(claims...)
	})
}

// writeControl stores the control block that build makes, strictly, in order
// with every other write of the space.
func (sp *Space) writeControl(ctx context.Context, build func(*space.Space) (*space.Intake, error)) (*space.Intake, error) {
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return nil, sp.closedError("space.control")
	}
	if fid, ok := sp.core.Writing(feed.Control); ok && r.sync.Lacks(fid) {
		sp.core.Leave(feed.Control) // storage lost its end: do not fork it
	}
	in, err := build(sp.core)
	if err != nil || in == nil {
		sp.mu.Unlock()
		return nil, err
	}
	sp.membersChanged(r)
	done := make(chan error, 1)
	sp.enqueueOwn(r, in, storage.Strict, func(err error) { done <- err })
	sp.mu.Unlock()
	select {
	case err := <-done:
		return in, err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.ctx.Done():
		return nil, sp.closedError("space.control")
	}
}

// WaitUntilReady returns once the space is open. On a closed one it fails with
// errs.SpaceClosed.
func (sp *Space) WaitUntilReady(ctx context.Context) error {
	ready := make(chan SpaceState, 1)
	cancel := sp.State.Subscribe(func(s SpaceState) {
		if s != SpaceOpening {
			select {
			case ready <- s:
			default:
			}
		}
	})
	defer cancel()
	select {
	case s := <-ready:
		if s != SpaceOpen {
			return sp.closedError("space.waitUntilReady")
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
