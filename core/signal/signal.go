package signal

import (
	"context"

	"github.com/echospace/echospace/core/id"
)

// MaxFrame is the longest frame that a Rendezvous carries, in bytes: with the
// relay's header it still fits one transport message of 64 KiB.
const MaxFrame = 64<<10 - 256

// Signaler joins topics.
type Signaler interface {
	// Join announces this side under the topic and returns at once, connected
	// or not: a relay that cannot be reached is retried with back-off until
	// Close, and Recv tells when it is up. It fails only for a closed Signaler
	// or a done ctx; ctx does not bound the life of the Rendezvous.
	Join(ctx context.Context, t id.Topic) (Rendezvous, error)
	// Close leaves every topic and is idempotent.
	Close() error
}

// Rendezvous is one stay under one topic.
type Rendezvous interface {
	// Recv gives the next event. One goroutine calls it. It fails with
	// errs.Closed after Close.
	Recv(ctx context.Context) (Event, error)
	// Send carries one opaque frame to a peer, in order per peer while both
	// stay up. It blocks while the path is full. A peer that is gone, or a
	// relay that is down, is an errs.PeerUnreachable; a frame over MaxFrame an
	// errs.TooLarge.
	Send(ctx context.Context, to id.PeerID, frame []byte) error
	// Close leaves the topic and is idempotent.
	Close() error
}

// EventType says what an Event is.
type EventType uint8

const (
	// Up: the relay answered; Self is this side's id until Down. Peers that
	// are there already follow as Joined.
	Up EventType = iota + 1
	// Down: the relay is lost; all peers are gone with it, without Left.
	// Err says why. It may come without an Up before it, when the relay
	// refuses the topic.
	Down
	// Joined: Peer is there now.
	Joined
	// Left: Peer went away.
	Left
	// Frame: Peer sent Data, which the receiver owns.
	Frame
)

// Event is what happens at a Rendezvous, in order.
type Event struct {
	Type EventType
	Self id.PeerID // Up
	Peer id.PeerID // Joined, Left, Frame
	Data []byte    // Frame
	Err  error     // Down
	// Limits of the relay, with Up.
	Limits Limits
}

// Limits are what the relay states about itself; zero means not stated.
type Limits struct {
	BytesPerSecond uint64 // of relayed frames, per connection
	MaxFrame       int
}
