package mesh

import (
	"errors"
	"math"
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/wire"
)

const (
	// MaxGossip is the longest payload of a gossip message, in bytes.
	MaxGossip = 32 << 10

	gossipVersion = 1
	gossipHops    = 8               // enough for thousands of peers with six links each
	gossipKept    = 4096            // ids remembered per generation
	gossipAge     = 2 * time.Minute // and for at least how long, if they are fewer
)

// gossipID names a message; random, chosen by its author.
type gossipID [16]byte

// Gossip floods small messages through the sessions of a Swarm: each peer
// passes on what it has not seen, to all but the one it came from. It knows
// nothing of content: the caller seals and signs payloads, and checks before
// it passes on. It is for callers that serialise.
//
// Ids are remembered in two generations, so a message that goes around longer
// than the older one lives could be seen again; the hop limit ends it.
type Gossip struct {
	env     env.Env
	recent  map[gossipID]struct{}
	older   map[gossipID]struct{}
	rotated time.Time
}

// NewGossip makes a Gossip that has seen nothing.
func NewGossip(e env.Env) *Gossip {
	return &Gossip{env: e, recent: map[gossipID]struct{}{}, older: map[gossipID]struct{}{}, rotated: e.Clock.Now()}
}

// GossipMessage is a message that was received for the first time.
type GossipMessage struct {
	// Payload shares memory with what was received.
	Payload []byte
	// Forward is what to send to every session but the one it came from, once
	// the payload proved genuine; nil if it went far enough.
	Forward []byte
}

// Publish gives the message to send to every session. A payload over MaxGossip
// is an errs.TooLarge.
func (g *Gossip) Publish(payload []byte, now time.Time) ([]byte, error) {
	if len(payload) > MaxGossip {
		return nil, errs.New("mesh.Gossip.Publish", errs.TooLarge, "the message has %d bytes, limit %d", len(payload), MaxGossip)
	}
	var v gossipID
	copy(v[:], g.env.Bytes(len(v)))
	g.first(v, now)
	return appendGossip(v, gossipHops, payload), nil
}

// Receive takes a message that a session carried. It reports false for one
// that was seen before, or published here. Bytes that are no gossip message
// are an errs.Malformed, for which the caller disconnects the session.
func (g *Gossip) Receive(msg []byte, now time.Time) (GossipMessage, bool, error) {
	v, hops, payload, err := decodeGossip(msg)
	if err != nil {
		return GossipMessage{}, false, err
	}
	if !g.first(v, now) {
		return GossipMessage{}, false, nil
	}
	m := GossipMessage{Payload: payload}
	if hops > 1 {
		m.Forward = appendGossip(v, hops-1, payload)
	}
	return m, true, nil
}

// first remembers v and tells whether it was new.
func (g *Gossip) first(v gossipID, now time.Time) bool {
	if len(g.recent) >= gossipKept || now.Sub(g.rotated) >= gossipAge {
		g.older, g.recent, g.rotated = g.recent, map[gossipID]struct{}{}, now
	}
	if _, ok := g.older[v]; ok {
		return false
	}
	if _, ok := g.recent[v]; ok {
		return false
	}
	g.recent[v] = struct{}{}
	return true
}

// appendGossip encodes [version, id, hops left, payload].
func appendGossip(v gossipID, hops uint64, payload []byte) []byte {
	b := wire.AppendArray(make([]byte, 0, len(payload)+32), 4)
	b = wire.AppendUint(b, gossipVersion)
	b = wire.AppendBytes(b, v[:])
	b = wire.AppendUint(b, hops)
	return wire.AppendBytes(b, payload)
}

// decodeGossip reads a gossip message. A peer can set the hops as it likes, up
// to the limit, and so can at most shorten or restart the way of a message.
func decodeGossip(b []byte) (v gossipID, hops uint64, payload []byte, err error) {
	r := wire.NewReader(b)
	r.Array(4)
	if ver := r.Uint(math.MaxUint64); r.Err() == nil && ver != gossipVersion {
		r.Fail(errors.New("another version"))
	}
	r.Fixed(v[:])
	hops = r.Uint(gossipHops)
	payload = r.Bytes(MaxGossip)
	return v, hops, payload, r.Done("mesh.decodeGossip")
}
