package rtc

import (
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/transport"
)

const (
	// defaultConnectTimeout bounds the time until a channel is open.
	defaultConnectTimeout = 30 * time.Second
	// lingerTimeout bounds the wait for the other side's goodbye after Close.
	lingerTimeout = 2 * time.Second
)

// Options configure a Direct. The zero value is the default.
type Options struct {
	// Clock times round trips; nil is the system's.
	Clock env.Clock
	// Log gets what was ignored or failed, at debug level; nil is none. It
	// sees no address, key or content.
	Log env.Logger
	// ConnectTimeout ends attempts that have not led to an open channel;
	// 0 means 30 s.
	ConnectTimeout time.Duration
	// Loopback also offers candidates of the loopback interface, for tests on
	// one machine. Browsers ignore it.
	Loopback bool
}

// Direct makes direct connections. It is safe for concurrent use.
type Direct struct{ o Options }

var _ transport.Direct = (*Direct)(nil)

// New makes a Direct.
func New(o Options) *Direct {
	if o.Clock == nil {
		o.Clock = env.ClockFunc(time.Now)
	}
	if o.Log == nil {
		o.Log = env.NoLog{}
	}
	if o.ConnectTimeout == 0 {
		o.ConnectTimeout = defaultConnectTimeout
	}
	return &Direct{o: o}
}

// Open starts one attempt; see transport.Direct. An ICE server that is not
// well-formed is an errs.InvalidArgument.
func (d *Direct) Open(o transport.DirectOptions) (transport.DirectConn, error) {
	c, err := d.open(o)
	if err != nil {
		return nil, err
	}
	if !o.Polite {
		c.post(func() { c.negotiate(false) })
	}
	return c, nil
}

func (d *Direct) open(o transport.DirectOptions) (*Conn, error) {
	pc, err := newPeerConnection("rtc.Open", d.o, o.ICEServers)
	if err != nil {
		return nil, err
	}
	c := newConn(d.o, o, pc)
	pc.listen(c.handlers())
	go c.run()
	return c, nil
}
