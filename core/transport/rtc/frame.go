package rtc

import (
	"math"

	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/core/wire"
)

// A frame is one message of the data channel: a type byte and its payload.
const (
	frameMore   = 0 // a part of a message; the rest follows
	frameLast   = 1 // a message, or its last part
	frameCredit = 2 // uint: so much more may be sent
	frameBye    = 3 // the sender closed; nothing follows
	framePing   = 4 // uint: to be sent back
	framePong   = 5 // uint of the ping
)

const (
	// maxFrame is what every implementation takes: pion reads into a buffer of
	// this size.
	maxFrame = math.MaxUint16
	// frameCost is charged to the window per frame beyond its bytes, so that
	// empty messages are not free.
	frameCost = 32
	// window is how much a sender may have on the way or waiting at a receiver
	// that does not take it: 40 MB/s at a round trip of 100 ms.
	window = 4 << 20
	// maxBuffered and lowBuffered bound what waits in the channel: with more,
	// the start of a transfer was measured ten times slower.
	maxBuffered = 128 << 10
	lowBuffered = 64 << 10
)

// split makes the frames of a message.
func split(msg []byte) [][]byte {
	frames := make([][]byte, 0, 2)
	for len(msg) > maxFrame-1 {
		frames = append(frames, frame(frameMore, msg[:maxFrame-1]))
		msg = msg[maxFrame-1:]
	}
	return append(frames, frame(frameLast, msg))
}

func frame(kind byte, payload []byte) []byte {
	return append(append(make([]byte, 0, 1+len(payload)), kind), payload...)
}

func uintFrame(kind byte, v uint64) []byte { return wire.AppendUint([]byte{kind}, v) }

// cost is what the frames charge to the window.
func cost(frames [][]byte) int {
	n := 0
	for _, f := range frames {
		n += len(f) + frameCost
	}
	return n
}

// inbox is the receiving half: it joins frames to messages and counts the
// window. The Conn's mutex guards it.
type inbox struct {
	part    []byte // of a message whose rest is missing
	partFee int
	queue   []inMessage
	charged int    // what the sender has used and not got back
	owed    int    // taken by the reader, not yet given back
	count   uint64 // bytes of messages
}

type inMessage struct {
	data []byte
	fee  int
}

// data takes a frame of a message; false means that the peer broke the rules.
// It keeps payload.
func (b *inbox) data(kind byte, payload []byte) bool {
	fee := 1 + len(payload) + frameCost
	b.charged += fee
	if b.charged > window || len(b.part)+len(payload) > transport.MaxMessage {
		return false
	}
	if kind == frameMore {
		// Only a full frame may say that more follows.
		if len(payload) != maxFrame-1 {
			return false
		}
		b.part, b.partFee = append(b.part, payload...), b.partFee+fee
		return true
	}
	if b.part != nil {
		payload = append(b.part, payload...)
		b.part = nil
	}
	b.queue = append(b.queue, inMessage{payload, fee + b.partFee})
	b.partFee = 0
	b.count += uint64(len(payload))
	return true
}

// take gives the next message and the credit to send back, if it is time.
func (b *inbox) take() (msg []byte, credit int, ok bool) {
	if len(b.queue) == 0 {
		return nil, 0, false
	}
	m := b.queue[0]
	b.queue[0] = inMessage{}
	b.queue = b.queue[1:]
	if b.owed += m.fee; b.owed >= window/4 {
		credit = b.owed
		b.charged -= credit
		b.owed = 0
	}
	return m.data, credit, true
}
