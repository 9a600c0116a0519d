package transport

import (
	"context"
	"time"
)

// MaxMessage is the longest message that every Conn carries, in bytes.
const MaxMessage = 64 << 10

// Conn carries whole messages in order. One goroutine may Send while another
// one Recvs; several may Send.
type Conn interface {
	// Send blocks while the path is full, and copies msg. After Close it is an
	// errs.Closed, after the other side or the path is gone an
	// errs.PeerUnreachable. A message over MaxMessage is an errs.TooLarge and
	// leaves the connection as it was. Nil does not mean that it arrived.
	Send(ctx context.Context, msg []byte) error
	// Recv gives the next message, which the caller owns; io.EOF after the
	// other side closed cleanly and everything before was received.
	Recv(ctx context.Context) ([]byte, error)
	// Close is idempotent and ends pending calls of this side.
	Close() error
}

// Dial opens a connection to a WebSocket URL.
type Dial func(ctx context.Context, url string) (Conn, error)

// ICEServer is a STUN or TURN server.
type ICEServer struct {
	URLs                 []string
	Username, Credential string
}

// Direct makes direct connections between two peers that already exchange
// signaling messages. core/transport/rtc implements it with WebRTC.
type Direct interface {
	// Open starts one attempt and returns at once. It fails with
	// errs.UnsupportedBrowser where there is no WebRTC.
	Open(o DirectOptions) (DirectConn, error)
}

// DirectOptions configure one direct connection.
type DirectOptions struct {
	// Polite is true on exactly one of the two sides; it decides who yields
	// when both make an offer (W3C WebRTC, "perfect negotiation").
	Polite     bool
	ICEServers []ICEServer
	// Send hands one opaque signaling message to the other side. It must not
	// block: implementations of DirectConn call it from event handlers. Order
	// is kept by the carrier.
	Send func(msg []byte)
}

// DirectConn is a direct connection under way or established.
type DirectConn interface {
	Conn // usable once Ready is closed
	// Signal takes one message that the other side's Send gave. It does not
	// block. A malformed one is ignored and logged.
	Signal(msg []byte)
	// Ready is closed when messages can flow.
	Ready() <-chan struct{}
	// Done is closed when the connection failed or was closed; Err says why.
	Done() <-chan struct{}
	Err() error
	// Binding gives the SHA-256 fingerprints of the two DTLS certificates, as
	// used by the connection itself. Valid once Ready is closed.
	Binding() (local, remote [32]byte, err error)
	// Restart asks for new candidates (ICE restart), for example after a
	// change of network. It does not block.
	Restart()
	// Stats: bytes on the channel and the measured round trip, zero if unknown.
	Stats() DirectStats
}

// DirectStats are figures of a direct connection.
type DirectStats struct {
	Sent, Received uint64 // bytes of messages
	RoundTrip      time.Duration
}
