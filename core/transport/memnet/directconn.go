package memnet

import (
	"context"
	"sync"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/wire"
)

// directConn is one side of a direct connection. The Network's mutex guards
// inner, remote and err; ready is closed once inner is set.
type directConn struct {
	net   *Network
	node  string
	o     transport.DirectOptions
	id    [16]byte
	print [32]byte

	ready, done chan struct{}
	endOnce     sync.Once

	inner  *conn
	remote [32]byte
	err    error
	stats  transport.DirectStats
}

// Signal takes the other side's hello and connects if that side is there. The
// second hello to arrive, or any after a Restart, finds the connection made.
func (c *directConn) Signal(msg []byte) {
	r := wire.NewReader(msg)
	r.Array(3)
	r.Uint(1)
	var id [16]byte
	var print [32]byte
	r.Fixed(id[:])
	r.Fixed(print[:])
	if r.Done("memnet.Signal") != nil {
		return
	}
	n := c.net
	n.mu.Lock()
	other := n.directs[id]
	if other == nil || other == c || c.inner != nil || other.inner != nil || c.err != nil || other.err != nil {
		n.mu.Unlock()
		return
	}
	if !n.reachable(c.node, other.node) {
		n.mu.Unlock()
		err := unreachable("memnet.Signal", other.node)
		c.end(err)
		other.end(err)
		return
	}
	if print != other.print {
		n.mu.Unlock()
		err := errs.New("memnet.Signal", errs.PeerUnreachable, "the certificate is not the one that was announced")
		c.end(err)
		other.end(err)
		return
	}
	c.inner, other.inner = n.connect(c.node, other.node)
	c.remote, other.remote = other.print, c.print
	n.mu.Unlock()
	for _, side := range []*directConn{c, other} {
		close(side.ready)
		// Ends with the link, which ends at the latest when a side closes.
		go side.watch()
	}
}

// watch ends c with its link.
func (c *directConn) watch() {
	<-c.inner.link.state
	c.end(unreachable("memnet.Direct", c.inner.link.nodes[1-c.inner.side]))
}

func (c *directConn) end(err error) {
	c.endOnce.Do(func() {
		c.net.mu.Lock()
		c.err = err
		delete(c.net.directs, c.id)
		c.net.mu.Unlock()
		close(c.done)
	})
}

func (c *directConn) Send(ctx context.Context, msg []byte) error {
	inner, err := c.connected(ctx, "memnet.Send")
	if err != nil {
		return err
	}
	if err := inner.Send(ctx, msg); err != nil {
		return err
	}
	c.net.mu.Lock()
	c.stats.Sent += uint64(len(msg))
	c.net.mu.Unlock()
	return nil
}

func (c *directConn) Recv(ctx context.Context) ([]byte, error) {
	inner, err := c.connected(ctx, "memnet.Recv")
	if err != nil {
		return nil, err
	}
	msg, err := inner.Recv(ctx)
	if err == nil {
		c.net.mu.Lock()
		c.stats.Received += uint64(len(msg))
		c.net.mu.Unlock()
	}
	return msg, err
}

// connected waits for the link.
func (c *directConn) connected(ctx context.Context, op string) (*conn, error) {
	select {
	case <-c.ready:
		return c.inner, nil
	default:
	}
	select {
	case <-c.ready:
		return c.inner, nil
	case <-c.done:
		return nil, c.Err()
	case <-ctx.Done():
		return nil, ctxError(ctx, op)
	}
}

func (c *directConn) Close() error {
	c.end(errs.New("memnet.Direct", errs.Closed, "this side closed the connection"))
	c.net.mu.Lock()
	inner := c.inner
	c.net.mu.Unlock()
	if inner != nil {
		return inner.Close()
	}
	return nil
}

func (c *directConn) Ready() <-chan struct{} { return c.ready }
func (c *directConn) Done() <-chan struct{}  { return c.done }

func (c *directConn) Err() error {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	return c.err
}

func (c *directConn) Binding() (local, remote [32]byte, err error) {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.inner == nil {
		return local, remote, errs.New("memnet.Binding", errs.PeerUnreachable, "not connected")
	}
	return c.print, c.remote, nil
}

// Restart says hello again, which helps if the other side was not there yet.
func (c *directConn) Restart() {
	select {
	case <-c.ready:
	case <-c.done:
	default:
		c.o.Send(c.hello())
	}
}

func (c *directConn) Stats() transport.DirectStats {
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	s := c.stats
	if c.inner != nil {
		s.RoundTrip = max(c.net.o.MinDelay+c.net.o.MaxDelay, time.Microsecond)
	}
	return s
}
