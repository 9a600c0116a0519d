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
	up(sig Signaler)
	down()
}

// network is the client's switch between online and offline.
type network struct {
	s *session

	mu           sync.Mutex
	signaler     Signaler // nil while offline
	release      func()
	participants map[participant]struct{}
	relays       []RelayStatus
	closed       bool
}

func newNetwork(s *session) *network {
	n := &network{s: s, participants: map[participant]struct{}{}}
	n.online()
	return n
}

// online connects to the relays; harmless if it is already.
func (n *network) online() {
	n.mu.Lock()
	if n.signaler != nil || n.closed {
		n.mu.Unlock()
		return
	}
	sig := n.s.c.ports.Signaler()
	n.signaler = sig
	for p := range n.participants {
		p.up(sig)
	}
	n.mu.Unlock()
	release := sig.OnStatus(func(list []RelayStatus) {
		n.mu.Lock()
		n.relays = list
		n.mu.Unlock()
		n.publish()
	})
	n.mu.Lock()
	n.release = release
	n.mu.Unlock()
}

// offline leaves every relay and ends every direct connection.
func (n *network) offline() {
	n.mu.Lock()
	sig, release := n.signaler, n.release
	n.signaler, n.release = nil, nil
	list := make([]participant, 0, len(n.participants))
	for p := range n.participants {
		list = append(list, p)
	}
	n.relays = nil
	n.mu.Unlock()
	if sig == nil {
		return
	}
	for _, p := range list {
		p.down()
	}
	if release != nil {
		release()
	}
	_ = sig.Close() // leaving; there is nothing to be done about an error
	n.publish()
}

func (n *network) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	n.offline()
}

func (n *network) attach(p participant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.participants[p] = struct{}{}
	if n.signaler != nil {
		p.up(n.signaler)
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
	state := NetworkOffline
	if n.signaler != nil {
		state = NetworkConnecting
		for _, r := range n.relays {
			if r.State == RelayUp {
				state = NetworkOnline
			}
		}
	}
	value := Network{State: state, Relays: n.relays}
	n.mu.Unlock()
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
	s.net.offline()
	return ctx.Err()
}

// GoOnline joins the network again; harmless when online.
func (c *Client) GoOnline(ctx context.Context) error {
	s, err := c.must("mesh.goOnline")
	if err != nil {
		return err
	}
	if s.ctx.Err() != nil {
		return errs.New("mesh.goOnline", errs.Closed, "the client was destroyed")
	}
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
	sig := s.net.signaler
	s.net.mu.Unlock()
	if sig == nil {
		return
	}
	sig.Poke()
	for _, sp := range s.allSpaces() {
		sp.restart()
	}
}
