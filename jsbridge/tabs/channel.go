//go:build js

package tabs

import (
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// Channel carries bytes between the tabs that have a channel of the same name
// open. Messages of one tab arrive in order; a frozen tab gets them late or
// never, so they may only be hints. It is safe for concurrent use.
type Channel struct {
	bc   safejs.Value // undefined where there is no BroadcastChannel
	none bool

	mu       sync.Mutex
	closed   bool
	releases map[int]func()
	next     int
}

// OpenChannel opens the channel of that name.
func OpenChannel(name string) (*Channel, error) {
	c := &Channel{releases: map[int]func(){}}
	ctor, ok := jsval.Global("BroadcastChannel")
	if !ok {
		c.none = true
		return c, nil
	}
	var err error
	c.bc, err = ctor.New(name)
	return c, jsval.Error("tabs.OpenChannel", errs.UnsupportedBrowser, err)
}

// Post sends a copy of msg to all others on the channel, the own tab's further
// Channels of that name included, but not to this Channel. It does not wait.
func (c *Channel) Post(msg []byte) error {
	const op = "tabs.Post"
	c.mu.Lock()
	closed := c.closed
	c.mu.Unlock()
	if closed {
		return errs.New(op, errs.Closed, "the channel is closed")
	}
	if c.none {
		return nil
	}
	v, err := jsval.Uint8Array(msg)
	if err != nil {
		return err
	}
	_, err = c.bc.Call("postMessage", v)
	return jsval.Error(op, errs.Internal, err)
}

// Listen calls fn, on the event loop, with every message; fn owns the bytes and
// must not block. What is not bytes is ignored: any script of the origin can
// post on the channel. release is idempotent; Close releases too.
func (c *Channel) Listen(fn func(msg []byte)) (release func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, errs.New("tabs.Listen", errs.Closed, "the channel is closed")
	}
	if c.none {
		return func() {}, nil
	}
	unlisten, err := jsval.Listen(c.bc, "message", func(ev safejs.Value) {
		data, err := ev.Get("data")
		if err != nil {
			return
		}
		if msg, err := jsval.Bytes(data); err == nil {
			fn(msg)
		}
	})
	if err != nil {
		return nil, err
	}
	n := c.next
	c.next++
	c.releases[n] = unlisten
	return func() {
		c.mu.Lock()
		delete(c.releases, n)
		c.mu.Unlock()
		unlisten()
	}, nil
}

// Close ends the channel and its listeners; it is idempotent.
func (c *Channel) Close() {
	c.mu.Lock()
	releases := c.releases
	c.releases = map[int]func(){}
	first := !c.closed
	c.closed = true
	c.mu.Unlock()
	for _, r := range releases {
		r()
	}
	if first && !c.none {
		_, _ = c.bc.Call("close") // throws nothing
	}
}
