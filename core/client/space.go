package client

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
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
	Devices  []id.DeviceKey
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
	s   *session
	key id.SpaceKey

	State       Var[SpaceState]
	Members     Var[[]Member]
	Invitations Var[[]*Invitation]
	Sync        Var[SyncState]

	// mu guards everything below and is never held across a wait.
	mu   sync.Mutex
	run  *runtime // nil while closed
	core *space.Space
	// onChange is called, without locks, when the object database has changes
	// waiting; not again before they were drained.
	onChange func(late bool)
	told     bool
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
	runs     []heldRun
	busy     map[id.FeedID]*storing

	writing   bool // a block of own edits is being stored
	ending    bool // the last of them are queued
	recall    recall
	lastWrite time.Time
	edits     uint64 // counts local transactions
	stored    uint64 // edits up to here are stored
	waiters   []flushWaiter
	writeErr  error
	refused   bool // storage refused the last write
	dirty     dirty
	heard     []func() // deliveries of channel messages
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
	sp.State.Set(SpaceOpening)
	sp.Invitations.Set([]*Invitation{})
	sp.Members.Set([]Member{})
	return sp
}

// Key names the space.
func (sp *Space) Key() id.SpaceKey { return sp.key }

// start begins the runtime: the space is open when it returns.
func (sp *Space) start() error {
	r := &runtime{
		client:   sp.s.c,
		wake:     make(chan struct{}, 1),
		sessions: map[mesh.SessionID]mesh.PeerInfo{},
		busy:     map[id.FeedID]*storing{},
		news:     news{wake: make(chan struct{}, 1)},
	}
	tail := sp.core.Tail()
	r.news.bytes, r.news.blocks = tail.Bytes, tail.Blocks
	r.ctx, r.cancel = context.WithCancel(sp.s.ctx)
	sp.mu.Lock()
	sp.run = r
	r.sync = syncer.New(syncer.Options{})
	for _, f := range sp.core.Feeds() {
		r.sync.AddFeed(f.Header, sp.core.Log(f.Header.ID()))
	}
	r.store = newStoreQueue(sp.s.storage.Store, sp.s.rest())
	r.talk = mesh.NewGossip(sp.s.c.ports.Env)
	var err error
	if r.swarm, err = sp.newSwarm(); err != nil {
		sp.run = nil
		sp.mu.Unlock()
		r.cancel()
		sp.State.Set(SpaceClosed)
		return err
	}
	r.link = newLink(sp, r)
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
	sp.State.Set(SpaceOpen)
	return nil
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
		w.done <- err
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

// Open opens a closed Space again. On an open one it is harmless.
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
	b, err := sp.s.keyring.Get(ctx, spaceRecords+sp.key.String())
	if err != nil {
		return err
	}
	rec, err := space.DecodeRecord(b)
	if err != nil {
		return err
	}
	sp.State.Set(SpaceOpening)
	core, known, err := sp.s.readSpace(ctx, me, rec)
	if err != nil {
		sp.State.Set(SpaceClosed)
		return err
	}
	sp.mu.Lock()
	sp.core, sp.snapshot = core, known
	sp.told = false
	sp.mu.Unlock()
	return sp.start()
}

func (sp *Space) closedError(op string) error {
	return errs.New(op, errs.SpaceClosed, "space %s is closed; open() it first", id.Short(sp.key))
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

// edited counts an edit and has it stored.
func (r *runtime) edited() {
	r.edits++
	r.poke()
}

// OnChange sets the one function that is told when the object database has
// changes waiting: once, and not again until Changes drained them. It is called
// without locks held. late says that the task which calls it has gone on for so
// long that they are better drained in another.
func (sp *Space) OnChange(f func(late bool)) {
	sp.mu.Lock()
	sp.onChange = f
	sp.told = false
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
	if !db.HasChanges() {
		sp.told = false
	}
	return out
}

func (sp *Space) tellChanges(late bool) {
	sp.mu.Lock()
	f := sp.onChange
	due := f != nil && sp.run != nil && !sp.told && sp.core.DB().HasChanges()
	if due {
		sp.told = true
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
		return core.BuildControl(ctx, claims...)
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
	if err != nil {
		sp.mu.Unlock()
		return nil, err
	}
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
