package client

import (
	"context"
	"sort"
	"sync"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// Version of the client library.
const Version = "0.1.0"

// State is where a Client's life is.
type State string

// The states of a Client.
const (
	StateClosed  State = "closed"
	StateOpening State = "opening"
	StateOpen    State = "open"
	StateFailed  State = "failed"
	StateCrashed State = "crashed" // a panic; set by who handles Ports.Crashed
)

// Status is a Client's state, with the reason when it is not well.
type Status struct {
	State      State
	Err        error
	Persistent bool // the platform promised to keep the storage
	Passphrase bool // opens the profile, as far as this engine knows
	Passkeys   int  // how many open it
}

// Client is one profile: an identity, its spaces, and their network.
type Client struct {
	ports Ports

	Status   Var[Status]
	Identity Var[*Identity]
	Devices  Var[[]Device]  // of the identity, the own one first
	Contacts Var[[]Contact] // by their keys
	Recovery Var[Recovery]
	Spaces   Var[[]*Space]
	Network  Var[Network]
	Trust    Var[*credential.Membership] // told when what Credentials gives may have changed; by what does not matter
	// Invitations are those for further devices that are hosted.
	Invitations Var[[]*Invitation]

	// life serialises Initialize, Destroy and Reset, which wait.
	life sync.Mutex

	mu      sync.Mutex
	session *session // nil while closed
}

// session is what exists between Initialize and Destroy.
type session struct {
	c        *Client
	ctx      context.Context
	cancel   context.CancelFunc
	tasks    sync.WaitGroup
	storage  Storage
	keyring  *keys.Keyring
	slot     uint32
	freeSlot func()
	net      *network
	release  []func()

	// opening serialises the opening and removal of spaces, which wait. Who holds it may
	// wait for the tabs' lock of a space's record, not the reverse.
	opening sync.Mutex
	// importing serialises imports, which wait.
	importing sync.Mutex
	// locking serialises what opens the profile, which waits.
	locking sync.Mutex
	// renaming serialises the changes of the identity's name, which wait.
	renaming sync.Mutex
	// founding serialises the making of an identity and its HALO, which waits.
	founding sync.Mutex

	mu      sync.Mutex
	closing bool
	self    *self // nil until there is an identity
	halo    *halo // likewise
	spaces  map[id.SpaceKey]*Space
	ended   map[id.SpaceKey]uint64 // joins before it are, of spaces that went (space.Record.Joined)
	hosted  map[id.InvitationID]*Invitation
	taking  map[id.InvitationID]struct{} // delegated ones that are, or are to be hosted here
	joined  map[id.InvitationID]*Invitation
	// giveUp ends the recovery of an identity that is under way.
	giveUp context.CancelCauseFunc
}

// New makes a closed Client.
func New(p Ports) *Client {
	c := &Client{ports: p}
	c.Status.Set(Status{State: StateClosed})
	c.Spaces.Set([]*Space{})
	c.Devices.Set([]Device{})
	c.Contacts.Set([]Contact{})
	c.Invitations.Set([]*Invitation{})
	c.Network.Set(Network{State: NetworkOffline})
	c.Identity.Subscribe(func(*Identity) { c.Trust.Set(nil) })
	c.Spaces.Subscribe(func([]*Space) { c.Trust.Set(nil) })
	return c
}

// Initialize opens the profile: storage, identity and spaces. A second call is
// harmless. After Destroy it opens again. A profile that is locked fails with
// errs.PassphraseRequired: see Unlock.
func (c *Client) Initialize(ctx context.Context) error { return c.Unlock(ctx, keys.Unlock{}) }

// Unlock is Initialize with what opens a profile that has a passphrase or passkeys; a
// profile that is new gets the passphrase. See keys.UnlockKeyring for what fails, and
// changes nothing then.
func (c *Client) Unlock(ctx context.Context, u keys.Unlock) error {
	c.life.Lock()
	defer c.life.Unlock()
	if c.current() != nil {
		return nil
	}
	c.Status.Set(Status{State: StateOpening})
	s, err := c.open(ctx, u)
	if err != nil {
		c.Status.Set(Status{State: StateFailed, Err: err})
		return err
	}
	c.mu.Lock()
	c.session = s
	c.mu.Unlock()
	c.publishIdentity(s)
	c.publishSpaces(s)
	s.listenTabs()
	s.keepHalo()
	c.Status.Set(s.opensWith(Status{State: StateOpen}))
	s.persist()
	s.rehost()
	s.spawn(s.tidyImports)
	return nil
}

// persist asks the platform to keep the data. Nobody waits for the answer: a
// browser may put the question to the person, who may never answer.
func (s *session) persist() {
	if s.storage.Persist == nil {
		return
	}
	s.spawn(func(ctx context.Context) {
		if !s.storage.Persist(ctx) || s.c.current() != s {
			return
		}
		s.c.Status.Update(func(st Status) Status {
			st.Persistent = st.State == StateOpen
			return st
		})
	})
}

func (c *Client) open(ctx context.Context, u keys.Unlock) (*session, error) {
	s := &session{
		c: c, spaces: map[id.SpaceKey]*Space{}, ended: map[id.SpaceKey]uint64{},
		hosted: map[id.InvitationID]*Invitation{}, taking: map[id.InvitationID]struct{}{}, joined: map[id.InvitationID]*Invitation{},
	}
	// The session outlives the call that opens it.
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(ctx))
	if err := s.load(ctx, u); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// load opens storage and everything in it.
func (s *session) load(ctx context.Context, u keys.Unlock) (err error) {
	p := s.c.ports
	if s.storage, err = p.OpenStore(ctx, func(err error) { s.c.fail(s, err) }); err != nil {
		return err
	}
	if err = checkFormat(ctx, s.storage.Store); err != nil {
		return err
	}
	if s.keyring, err = s.openKeyring(ctx, u); err != nil {
		return err
	}
	if s.slot, s.freeSlot, err = p.Slot(ctx); err != nil {
		return err
	}
	s.net = newNetwork(s)
	if err = s.loadIdentity(ctx); err != nil {
		return err
	}
	if err = s.loadHalo(ctx); err != nil {
		return err
	}
	return s.loadSpaces(ctx)
}

// close ends everything of the session and waits for it.
func (s *session) close() {
	s.shutSpaces()
	for _, inv := range s.allInvitations() {
		inv.abandon()
	}
	s.cancel()
	if s.net != nil {
		s.net.close()
	}
	for _, release := range s.release {
		release()
	}
	s.mu.Lock()
	s.closing = true // no task is added while they are waited for
	s.mu.Unlock()
	s.tasks.Wait()
	s.shutSpaces() // what a task of the session was just opening
	if s.storage.Store != nil {
		_ = s.storage.Store.Close() // nothing acknowledged depends on it
	}
	if s.keyring != nil {
		s.keyring.Forget()
	}
	if s.freeSlot != nil {
		s.freeSlot()
	}
}

func (s *session) shutSpaces() {
	for _, sp := range s.everySpace() {
		sp.shut(errs.New("client", errs.Closed, "the client was destroyed"))
	}
}

// fail ends a session whose storage was taken away.
func (c *Client) fail(s *session, err error) {
	c.mu.Lock()
	mine := c.session == s
	if mine {
		c.session = nil
	}
	c.mu.Unlock()
	if !mine {
		return
	}
	go func() { // owned by nobody else: the session is gone from the Client
		defer c.rescue()
		s.close()
		c.publishClosed(Status{State: StateFailed, Err: err})
	}()
}

// Destroy flushes, leaves the network and closes the profile. Pending calls
// fail with errs.Closed. A second call is harmless.
func (c *Client) Destroy(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	s := c.take()
	if s == nil {
		return nil
	}
	for _, sp := range s.everySpace() {
		if err := sp.Flush(ctx, FlushStore); err != nil {
			c.ports.Env.Log.Warn("flush before destroy failed", "space", id.Short(sp.Key()), "err", err)
		}
	}
	s.close()
	c.publishClosed(Status{State: StateClosed})
	return nil
}

// Reset destroys and then removes everything that the profile stored: identity,
// keys, spaces. It cannot be undone.
func (c *Client) Reset(ctx context.Context) error {
	c.life.Lock()
	defer c.life.Unlock()
	s := c.take()
	if s == nil {
		storage, err := c.ports.OpenStore(ctx, func(error) {})
		if err != nil {
			return err
		}
		return storage.Destroy(ctx)
	}
	s.close()
	c.publishClosed(Status{State: StateClosed})
	return s.storage.Destroy(ctx)
}

func (c *Client) take() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.session
	c.session = nil
	return s
}

func (c *Client) current() *session {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.session
}

// open session or errs.NotInitialized.
func (c *Client) must(op string) (*session, error) {
	s := c.current()
	if s == nil {
		return nil, errs.New(op, errs.NotInitialized, "the client is not open; await initialize() first")
	}
	return s, nil
}

func (c *Client) publishClosed(st Status) {
	c.Spaces.Set([]*Space{})
	c.Devices.Set([]Device{})
	c.Contacts.Set([]Contact{})
	c.Invitations.Set([]*Invitation{})
	c.Identity.Set(nil)
	c.Recovery.Set(Recovery{})
	c.Network.Set(Network{State: NetworkOffline})
	c.Status.Set(st)
}

func (c *Client) publishSpaces(s *session) {
	if c.current() == s {
		c.Spaces.Set(s.allSpaces())
	}
}

// everySpace gives the spaces and the HALO.
func (s *session) everySpace() []*Space {
	list := s.allSpaces()
	if h := s.keeper(); h != nil {
		list = append(list, h.space)
	}
	return list
}

// spaceOf gives the space of a key, which may be the HALO; nil if there is none.
func (s *session) spaceOf(key id.SpaceKey) *Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.halo != nil && s.halo.space.key == key {
		return s.halo.space
	}
	return s.spaces[key]
}

// allSpaces gives the spaces in the order of their keys.
func (s *session) allSpaces() []*Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*Space, 0, len(s.spaces))
	for _, sp := range s.spaces {
		list = append(list, sp)
	}
	sort.Slice(list, func(i, j int) bool { return id.Compare(list[i].key, list[j].key) < 0 })
	return list
}

// Space gives the space of a key, or nil.
func (c *Client) Space(key id.SpaceKey) *Space {
	s := c.current()
	if s == nil {
		return nil
	}
	return s.listed(key)
}

// listed gives the space of a key, which is not the HALO; nil if there is none.
func (s *session) listed(key id.SpaceKey) *Space {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.spaces[key]
}

// spawn runs f until the session ends; close waits for it. Once it waits, spawn
// does nothing.
func (s *session) spawn(f func(ctx context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	s.tasks.Add(1)
	go func() {
		defer s.tasks.Done()
		defer s.c.rescue()
		f(s.ctx)
	}()
}

// rescue, deferred by every goroutine, hands a panic to the platform. Without
// Ports.Crashed the panic goes its way.
func (c *Client) rescue() {
	if c.ports.Crashed == nil {
		return
	}
	if reason := recover(); reason != nil {
		c.ports.Crashed(reason)
	}
}
