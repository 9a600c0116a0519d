package client

import (
	"context"
	"sync"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/mesh"
)

// NetworkState is how the client is connected.
type NetworkState string

// The states of the network: offline on request, connecting while no relay is
// up, online.
const (
	NetworkOffline    NetworkState = "offline"
	NetworkConnecting NetworkState = "connecting"
	NetworkOnline     NetworkState = "online"
)

// Network is the state of the network as the page sees it.
type Network struct {
	State  NetworkState
	Relays []RelayStatus
	Peers  []Peer
}

// Peer is one session with another engine.
type Peer struct {
	Space    id.SpaceKey
	Identity id.IdentityKey
	Device   id.DeviceKey
	Path     mesh.Path
}

// participant is something that meets others under a topic while the client is
// online: a space's link, or an invitation.
type participant interface {
	up(relays []Relay)
	down()
}

// network is the client's switch between online and offline.
type network struct {
	s *session

	// switching serialises going online and offline, which waits.
	switching sync.Mutex

	mu           sync.Mutex
	relays       []Relay // nil while offline
	participants map[participant]struct{}
	closed       bool
	left         bool       // by GoOffline
	away         bool       // left to a visible tab
	attending    *attending // nil unless the page can be hidden
	wake         chan struct{}
}

func newNetwork(s *session) *network {
	n := &network{s: s, participants: map[participant]struct{}{}, wake: make(chan struct{}, 1)}
	s.spawn(n.tell)
	n.online()
	return n
}

// online connects to the relays; harmless if it is already.
func (n *network) online() {
	n.switching.Lock()
	defer n.switching.Unlock()
	n.mu.Lock()
	if n.relays != nil || n.closed || n.left || n.away {
		n.mu.Unlock()
		return
	}
	n.relays = n.s.c.ports.Relays(n.changed)
	for p := range n.participants {
		p.up(n.relays)
	}
	n.mu.Unlock()
	n.changed()
}

// isOnline tells whether the client is connected to relays, or tries to.
func (n *network) isOnline() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.relays != nil
}

// changed has the observers told soon.
func (n *network) changed() {
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// tell publishes the state of the network whenever it changed.
func (n *network) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.wake:
			n.publish()
		}
	}
}

// offline leaves every relay and ends every direct connection.
func (n *network) offline() {
	n.switching.Lock()
	defer n.switching.Unlock()
	n.mu.Lock()
	relays := n.relays
	n.relays = nil
	list := make([]participant, 0, len(n.participants))
	for p := range n.participants {
		list = append(list, p)
	}
	n.mu.Unlock()
	var leaving sync.WaitGroup
	for _, p := range list {
		leaving.Add(1)
		go func() {
			defer leaving.Done()
			defer n.s.c.rescue()
			p.down()
		}()
	}
	leaving.Wait()
	for _, r := range relays {
		_ = r.Close() // leaving; there is nothing to be done about an error
	}
	n.publish()
}

func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.offline()
}

// setAway leaves the network to another tab, or takes part again unless the
// client was told to be offline.
func (n *network) setAway(away bool) {
	n.mu.Lock()
	changed := n.away != away
	n.away = away
	n.mu.Unlock()
	switch {
	case !changed:
	case away:
		n.offline()
	default:
		n.online()
	}
}

func (n *network) follow(d *attending) {
	n.mu.Lock()
	n.attending = d
	n.mu.Unlock()
}

func (n *network) following() *attending {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.attending
}

// setLeft notes what the page asked for.
func (n *network) setLeft(left bool) {
	n.mu.Lock()
	n.left = left
	n.mu.Unlock()
}

func (n *network) attach(p participant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.participants[p] = struct{}{}
	n.attending.poke() // it may be what brings an absent tab back
	if n.relays != nil {
		p.up(n.relays)
	}
}

func (n *network) detach(p participant) {
	n.mu.Lock()
	delete(n.participants, p)
	n.mu.Unlock()
	p.down()
}

// publish tells observers how the network is now.
func (n *network) publish() {
	n.mu.Lock()
	relays := n.relays
	n.mu.Unlock()
	value := Network{State: NetworkOffline}
	if relays != nil {
		value.State = NetworkConnecting
	}
	for _, r := range relays {
		st := r.Status()
		if st.State == RelayUp {
			value.State = NetworkOnline
		}
		value.Relays = append(value.Relays, st)
	}
	for _, sp := range n.s.allSpaces() {
		value.Peers = append(value.Peers, sp.peers()...)
	}
	if c := n.s.c; c.current() == n.s || c.current() == nil {
		c.Network.Set(value)
	}
}

// GoOffline leaves the network until GoOnline. Edits go on and are stored.
func (c *Client) GoOffline(ctx context.Context) error {
	s, err := c.must("mesh.goOffline")
	if err != nil {
		return err
	}
	s.net.setLeft(true)
	s.net.offline()
	return ctx.Err()
}

// GoOnline joins the network again; harmless when online. A hidden tab of which
// another one is visible joins when it is seen.
func (c *Client) GoOnline(ctx context.Context) error {
	s, err := c.must("mesh.goOnline")
	if err != nil {
		return err
	}
	if s.ctx.Err() != nil {
		return errs.New("mesh.goOnline", errs.Closed, "the client was destroyed")
	}
	s.net.setLeft(false)
	s.net.online()
	return ctx.Err()
}

// Wake is called when the platform says that the network or the page is back:
// back-off ends and sessions are probed.
func (c *Client) Wake() {
	s := c.current()
	if s == nil {
		return
	}
	s.net.mu.Lock()
	relays := s.net.relays
	s.net.mu.Unlock()
	for _, r := range relays {
		r.Poke()
	}
	for _, sp := range s.everySpace() {
		sp.restart()
	}
}
