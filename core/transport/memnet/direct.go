package memnet

import (
	"encoding/binary"
	"sync"

	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/wire"
)

// Direct makes direct connections of one node, as WebRTC would: each side says
// hello through the other's signaling, with the fingerprint of a certificate
// of its own. It implements transport.Direct.
type Direct struct {
	net  *Network
	node string

	mu  sync.Mutex
	off bool
}

var _ transport.Direct = (*Direct)(nil)

// Direct gives the node's maker of direct connections.
func (n *Network) Direct(node string) *Direct { return &Direct{net: n, node: node} }

// Forbid makes all attempts from now on fail with PEER_UNREACHABLE, as behind a
// firewall, until called with false. Connections that stand are left alone:
// Network.Kill ends them.
func (d *Direct) Forbid(off bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.off = off
}

// Open starts one attempt.
func (d *Direct) Open(o transport.DirectOptions) (transport.DirectConn, error) {
	d.mu.Lock()
	off := d.off
	d.mu.Unlock()
	c := &directConn{node: d.node, o: o, ready: make(chan struct{}), done: make(chan struct{})}
	d.net.mu.Lock()
	for i := 0; i < len(c.id); i += 8 {
		binary.BigEndian.PutUint64(c.id[i:], d.net.rng.Uint64())
	}
	for i := 0; i < len(c.print); i += 8 {
		binary.BigEndian.PutUint64(c.print[i:], d.net.rng.Uint64())
	}
	d.net.directs[c.id] = c
	d.net.mu.Unlock()
	c.net = d.net
	if off {
		c.end(unreachable("memnet.Open", "anybody: direct connections are forbidden"))
		return c, nil
	}
	o.Send(c.hello())
	return c, nil
}

// hello is [1, id, fingerprint].
func (c *directConn) hello() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 3), 1)
	return wire.AppendBytes(wire.AppendBytes(b, c.id[:]), c.print[:])
}
