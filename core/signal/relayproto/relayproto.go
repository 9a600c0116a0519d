package relayproto

import (
	"math"
	"strconv"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/wire"
)

// Fixed sizes of the protocol.
const (
	Version    = 1
	MaxFrame   = signal.MaxFrame
	MaxMessage = 64 << 10 // of any message, in bytes; a WebSocket message over it is refused unread
	MaxPeers   = 2048     // in one Joined
	maxText    = 256      // bytes of a reason
)

// Type is the first element of a message.
type Type uint8

// The types of messages. Those below 16 are a client's, the others the relay's.
const (
	TypeHello         Type = 1
	TypeJoin          Type = 2
	TypeLeave         Type = 3
	TypeSend          Type = 4
	TypePing          Type = 5
	TypeWelcome       Type = 16
	TypeJoined        Type = 17
	TypePeerJoined    Type = 18
	TypePeerLeft      Type = 19
	TypeDeliver       Type = 20
	TypeUndeliverable Type = 21
	TypeRefused       Type = 22
	TypeGoodbye       Type = 23
	TypePong          Type = 24
)

// Code says why the relay refused a join or ends a connection. Numbers are
// fixed; a client treats one that it does not know as a refusal.
type Code uint32

// The codes.
const (
	CodeMalformed   Code = 1  // the client broke the protocol
	CodeVersion     Code = 2  // the relay does not speak the client's version
	CodeOrigin      Code = 3  // the page's origin is not allowed
	CodeConnections Code = 4  // too many connections, in all or from this address
	CodeTopics      Code = 5  // too many topics on this connection
	CodePeers       Code = 6  // too many peers under the topic
	CodeDuplicate   Code = 7  // the peer id is under the topic already, or zero
	CodeQuota       Code = 8  // the connection has used up its relayed bytes
	CodeSlow        Code = 9  // the client does not read what it is sent
	CodeDraining    Code = 10 // the relay goes away; another one, or this one soon, will do
	CodeSilent      Code = 11 // the client did not say Hello, or does not answer pings
)

var codeNames = map[Code]string{
	CodeMalformed: "malformed", CodeVersion: "version", CodeOrigin: "origin",
	CodeConnections: "connections", CodeTopics: "topics", CodePeers: "peers",
	CodeDuplicate: "duplicate", CodeQuota: "quota", CodeSlow: "slow",
	CodeDraining: "draining", CodeSilent: "silent",
}

// String gives a word for metrics and logs, and code_n for an unknown code.
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n
	}
	return "code_" + strconv.FormatUint(uint64(c), 10)
}

// Message is one message; which fields count depends on its Type.
type Message struct {
	Type    Type
	Version uint32      // Hello, Welcome
	Handle  uint32      // all but Hello, Ping, Welcome, Goodbye, Pong
	Topic   id.Topic    // Join
	Peer    id.PeerID   // Join (own), Send (to), PeerJoined, PeerLeft, Deliver (from), Undeliverable (to)
	Peers   []id.PeerID // Joined
	Frame   []byte      // Send, Deliver
	Nonce   uint64      // Ping, Pong
	Code    Code        // Refused, Goodbye
	Text    string      // Refused, Goodbye
	Limits  Limits      // Welcome
}

// Limits are what a relay states about itself in Welcome; zero is not stated.
type Limits struct {
	BytesPerSecond  uint64 // of frames that one connection may send
	FramesPerSecond uint64
	MaxFrame        uint32
	MaxTopics       uint32
}

// Append appends the encoding of m to b. Fields that do not belong to m.Type
// are left out; an over-long Text is cut. A Frame over MaxFrame or more Peers
// than MaxPeers give a message that Decode refuses.
func (m *Message) Append(b []byte) []byte {
	start := func(n int) { b = wire.AppendUint(wire.AppendArray(b, n), uint64(m.Type)) }
	handle := func(n int) { start(n); b = wire.AppendUint(b, uint64(m.Handle)) }
	switch m.Type {
	case TypeHello:
		start(2)
		b = wire.AppendUint(b, uint64(m.Version))
	case TypeJoin:
		handle(4)
		b = wire.AppendBytes(wire.AppendBytes(b, m.Topic[:]), m.Peer[:])
	case TypeLeave:
		handle(2)
	case TypeSend, TypeDeliver:
		handle(4)
		b = wire.AppendBytes(wire.AppendBytes(b, m.Peer[:]), m.Frame)
	case TypePing, TypePong:
		start(2)
		b = wire.AppendUint(b, m.Nonce)
	case TypeWelcome:
		start(6)
		b = wire.AppendUint(b, uint64(m.Version))
		b = wire.AppendUint(wire.AppendUint(b, m.Limits.BytesPerSecond), m.Limits.FramesPerSecond)
		b = wire.AppendUint(wire.AppendUint(b, uint64(m.Limits.MaxFrame)), uint64(m.Limits.MaxTopics))
	case TypeJoined:
		handle(3)
		b = wire.AppendArray(b, len(m.Peers))
		for _, p := range m.Peers {
			b = wire.AppendBytes(b, p[:])
		}
	case TypePeerJoined, TypePeerLeft, TypeUndeliverable:
		handle(3)
		b = wire.AppendBytes(b, m.Peer[:])
	case TypeRefused:
		handle(4)
		b = wire.AppendString(wire.AppendUint(b, uint64(m.Code)), cut(m.Text))
	case TypeGoodbye:
		start(3)
		b = wire.AppendString(wire.AppendUint(b, uint64(m.Code)), cut(m.Text))
	}
	return b
}

// cut shortens an ASCII reason to what Decode accepts.
func cut(s string) string {
	if len(s) > maxText {
		return s[:maxText]
	}
	return s
}

// shape is how many elements a message of each type has.
var shape = map[Type]int{
	TypeHello: 2, TypeJoin: 4, TypeLeave: 2, TypeSend: 4, TypePing: 2,
	TypeWelcome: 6, TypeJoined: 3, TypePeerJoined: 3, TypePeerLeft: 3, TypeDeliver: 4,
	TypeUndeliverable: 3, TypeRefused: 4, TypeGoodbye: 3, TypePong: 2,
}

// DecodeClient reads a message that a client sent; DecodeRelay one that the
// relay sent. Frame shares b's memory. Anything else is an errs.Malformed.
func DecodeClient(b []byte) (Message, error) {
	return decode("relayproto.DecodeClient", b, TypeHello, TypePing)
}

// DecodeRelay is the other half of DecodeClient.
func DecodeRelay(b []byte) (Message, error) {
	return decode("relayproto.DecodeRelay", b, TypeWelcome, TypePong)
}

func decode(op string, b []byte, first, last Type) (Message, error) {
	if len(b) > MaxMessage {
		return Message{}, errs.New(op, errs.Malformed, "message of %d bytes, limit %d", len(b), MaxMessage)
	}
	r := wire.NewReader(b)
	n := r.ArrayLen(6)
	m := Message{Type: Type(r.Uint(math.MaxUint8))}
	if r.Err() == nil && (m.Type < first || m.Type > last || shape[m.Type] != n) {
		return Message{}, errs.New(op, errs.Malformed, "no message of type %d has %d elements here", m.Type, n)
	}
	m.read(r)
	if err := r.Done(op); err != nil {
		return Message{}, err
	}
	return m, nil
}

// read reads the elements after the type.
func (m *Message) read(r *wire.Reader) {
	u32 := func() uint32 { return uint32(r.Uint(math.MaxUint32)) }
	switch m.Type {
	case TypeHello, TypePing, TypeWelcome, TypeGoodbye, TypePong:
	default:
		m.Handle = u32()
	}
	switch m.Type {
	case TypeHello:
		m.Version = u32()
	case TypeJoin:
		r.Fixed(m.Topic[:])
		r.Fixed(m.Peer[:])
	case TypeSend, TypeDeliver:
		r.Fixed(m.Peer[:])
		m.Frame = r.Bytes(MaxFrame)
	case TypePing, TypePong:
		m.Nonce = r.Uint(math.MaxUint64)
	case TypeWelcome:
		m.Version = u32()
		m.Limits.BytesPerSecond = r.Uint(math.MaxUint64)
		m.Limits.FramesPerSecond = r.Uint(math.MaxUint64)
		m.Limits.MaxFrame, m.Limits.MaxTopics = u32(), u32()
	case TypeJoined:
		m.readPeers(r)
	case TypePeerJoined, TypePeerLeft, TypeUndeliverable:
		r.Fixed(m.Peer[:])
	case TypeRefused, TypeGoodbye:
		m.Code = Code(u32())
		m.Text = r.String(maxText)
	}
}

func (m *Message) readPeers(r *wire.Reader) {
	n := r.ArrayLen(MaxPeers)
	if n == 0 || r.Err() != nil {
		return
	}
	m.Peers = make([]id.PeerID, n)
	for i := range m.Peers {
		r.Fixed(m.Peers[i][:])
	}
}
