package mesh

import (
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// Limits of the protocol.
const (
	// MaxMessage is the longest message that Send takes, in bytes.
	MaxMessage = 1 << 20
	// MaxQueued is how much one session queues before Send refuses, in bytes.
	MaxQueued = 16 << 20
	// MaxAuth is the longest payload of Auth, in bytes.
	MaxAuth = 56 << 10
)

type (
	// SessionID names a session of one Swarm; never reused, never zero.
	SessionID uint64
	// DirectID names one attempt at a direct connection of one Swarm; never
	// reused, never zero.
	DirectID uint64
	// RelayID numbers the relays that a driver uses; its choice, from zero.
	RelayID uint8
)

// Auth is what the two ends of a session prove to each other.
type Auth interface {
	// Payload proves this device to whoever holds the swarm's secret; it must
	// bind the Noise static, for example by a signature over it. At most
	// MaxAuth bytes. It is sealed on the way.
	Payload(static [32]byte) ([]byte, error)
	// Verify judges the payload of the other side, whose Noise static this
	// is. An error refuses the peer; its Kind is told to the peer.
	Verify(payload []byte, static [32]byte) (PeerInfo, error)
}

// PeerInfo is what Auth learned of a peer.
type PeerInfo struct {
	Identity id.IdentityKey
	Device   id.DeviceKey
	// Instance is random per running engine. Two sessions of one instance are
	// one too many: the newer stays. The own instance is ignored.
	Instance [16]byte
	// Data is Auth's own; the Swarm hands it on.
	Data any
}

// Options configure a Swarm. Env, Topic, PSK, Auth and Instance must be set.
type Options struct {
	// Env gives randomness and the log; its clock is read once, by NewSwarm.
	Env   env.Env
	Topic id.Topic
	// PSK is the swarm's secret. Who does not hold it learns nothing but that
	// there is a peer.
	PSK      keys.Secret
	Auth     Auth
	Instance [16]byte
	// Direct tells that the driver can open direct connections.
	Direct bool
	// MaxPeers bounds the sessions; zero means 32.
	MaxPeers int
	// Pacer is shared by swarms whose frames share relay connections; nil
	// means one of its own.
	Pacer *Pacer
}

// Path is how the frames of a session travel.
type Path uint8

// The paths.
const (
	Relayed Path = iota + 1
	Direct
)

// String gives "relayed" or "direct".
func (p Path) String() string {
	if p == Direct {
		return "direct"
	}
	return "relayed"
}

// EventType says what an Event is.
type EventType uint8

const (
	// Connected: Session stands, with Info; it may be used. Path is Relayed.
	Connected EventType = iota + 1
	// Disconnected: Session is over; Err says why. errs.Closed means a clean
	// end, by either side or because a newer session replaced it.
	Disconnected
	// Message: Session received Msg, which the caller owns; Bulk as sent.
	Message
	// PathChanged: Session's frames now take Path. Err, if any, says why the
	// direct path is not taken: errs.ChannelNotBound if its ends could not be
	// shown to be those of the session.
	PathChanged
	// Dropped: a peer with which no session stood was refused, did not answer
	// or broke the protocol; Err says which, errs.PeerMisbehaved for the last.
	// It is tried again, ever later.
	Dropped
	// StatusChanged: Sessions or Status would answer differently.
	StatusChanged
)

// Event is something that happened, in order.
type Event struct {
	Type    EventType
	Session SessionID
	Info    PeerInfo  // Connected, Disconnected
	Path    Path      // Connected, PathChanged
	Msg     []byte    // Message
	Bulk    bool      // Message
	Peer    id.PeerID // Dropped
	Err     error
}

// Frame is to be sent to a peer at a relay: signal.Rendezvous.Send.
type Frame struct {
	Relay RelayID
	To    id.PeerID
	Data  []byte
}

// OpenDirect asks for a direct connection: transport.Direct.Open. If that
// fails, answer with DirectClosed.
type OpenDirect struct {
	ID     DirectID
	Polite bool
}

// DirectMsg is a message for, or on, a direct connection.
type DirectMsg struct {
	ID  DirectID
	Msg []byte
}

// Output is what the driver has to do, list by list in the order of the
// fields, each list in its own order. The driver owns the bytes.
type Output struct {
	Opens          []OpenDirect
	DirectSignals  []DirectMsg // DirectConn.Signal
	DirectSends    []DirectMsg // DirectConn.Send
	DirectCloses   []DirectID  // DirectConn.Close, once what was sent has left or 1 s is over
	DirectRestarts []DirectID  // DirectConn.Restart
	Frames         []Frame
	Events         []Event
}

// Empty tells whether there is nothing to do.
func (o *Output) Empty() bool {
	return len(o.Opens)+len(o.DirectSignals)+len(o.DirectSends)+len(o.DirectCloses)+
		len(o.DirectRestarts)+len(o.Frames)+len(o.Events) == 0
}

// SessionStatus describes a session.
type SessionStatus struct {
	Session   SessionID
	Info      PeerInfo
	Path      Path
	Since     time.Time
	Heard     time.Time     // when anything last came
	RoundTrip time.Duration // smoothed, zero if not yet measured, no finer than Tick
	Queued    int           // bytes not yet handed out
	Unacked   int           // bytes handed out and not acknowledged
	// DirectErr says why the path is not Direct, nil while an attempt is under
	// way or none was made. errs.UnsupportedBrowser: this side or the other
	// cannot.
	DirectErr error
}

// Status describes a Swarm.
type Status struct {
	RelaysUp   int
	Peers      int // seen at relays, without this side
	Handshakes int // under way
	Sessions   int
}
