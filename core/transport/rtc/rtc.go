package rtc

import (
	"io"
	"log/slog"
	"time"

	"github.com/pion/webrtc/v3"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
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
	Log *slog.Logger
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
		o.Log = slog.New(slog.NewTextHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelError + 1}))
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
	const op = "rtc.Open"
	if !supported() {
		return nil, errs.New(op, errs.UnsupportedBrowser, "this browser has no RTCPeerConnection here; go on over the relay")
	}
	pc, err := newPeerConnection(d.o, configuration(o.ICEServers))
	if err != nil {
		return nil, errs.New(op, errs.InvalidArgument, "RTCPeerConnection refused its configuration: %w", err)
	}
	ch, err := newChannel(pc)
	if err != nil {
		pc.Close()
		return nil, errs.New(op, errs.UnsupportedBrowser, "cannot make a data channel: %w", err)
	}
	c := newConn(d.o, o, pc, ch)
	c.listen()
	go c.run()
	return c, nil
}

func configuration(servers []transport.ICEServer) webrtc.Configuration {
	var c webrtc.Configuration
	for _, s := range servers {
		ice := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
		if s.Credential != "" {
			ice.Credential = s.Credential
		}
		c.ICEServers = append(c.ICEServers, ice)
	}
	return c
}

// channelInit is that of the one data channel: both sides make it, none
// announces it.
func channelInit() *webrtc.DataChannelInit {
	ordered, negotiated, id := true, true, uint16(0)
	return &webrtc.DataChannelInit{Ordered: &ordered, Negotiated: &negotiated, ID: &id}
}

const channelLabel = "echospace"
