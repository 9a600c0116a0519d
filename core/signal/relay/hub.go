//go:build !js

package relay

import (
	"sync"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal/relayproto"
)

// hub knows who is under which topic. Its lock is held for map look-ups and
// appends to queues only.
type hub struct {
	opts    Options
	metrics *metrics

	mu     sync.RWMutex
	topics map[topicKey]*topic
}

type topicKey = id.Topic

// topic is who is there; it exists while somebody is.
type topic struct {
	key   topicKey
	stays map[id.PeerID]*stay
}

// stay is one join of one connection.
type stay struct {
	conn   *conn
	handle uint32
	peer   id.PeerID
	topic  *topic
}

// join puts c under a topic and tells everybody, or refuses. It gives false if
// the handle is in use, which is a breach of the protocol.
func (h *hub) join(c *conn, m relayproto.Message) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if c.stays[m.Handle] != nil {
		return false
	}
	t := h.topics[m.Topic]
	if code, text := h.mayJoin(c, t, m.Peer); code != 0 {
		h.metrics.refusals.WithLabelValues(code.String()).Inc()
		c.queue(&relayproto.Message{Type: relayproto.TypeRefused, Handle: m.Handle, Code: code, Text: text})
		return true
	}
	if t == nil {
		t = &topic{key: m.Topic, stays: map[id.PeerID]*stay{}}
		h.topics[m.Topic] = t
		h.metrics.topics.Inc()
	}
	joined := &relayproto.Message{Type: relayproto.TypeJoined, Handle: m.Handle}
	for peer, s := range t.stays {
		joined.Peers = append(joined.Peers, peer)
		s.conn.queue(&relayproto.Message{Type: relayproto.TypePeerJoined, Handle: s.handle, Peer: m.Peer})
	}
	s := &stay{conn: c, handle: m.Handle, peer: m.Peer, topic: t}
	t.stays[m.Peer] = s
	c.stays[m.Handle] = s
	h.metrics.peers.Inc()
	c.queue(joined)
	return true
}

func (h *hub) mayJoin(c *conn, t *topic, peer id.PeerID) (relayproto.Code, string) {
	switch {
	case len(c.stays) >= h.opts.MaxTopics:
		return relayproto.CodeTopics, "too many topics on this connection"
	case id.IsZero(peer) || t != nil && t.stays[peer] != nil:
		return relayproto.CodeDuplicate, "the peer id is zero or in use"
	case t != nil && len(t.stays) >= h.opts.MaxPeers:
		return relayproto.CodePeers, "too many peers under this topic"
	}
	return 0, ""
}

// leave ends one stay of c, if it is one, and tells the others.
func (h *hub) leave(c *conn, handle uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := c.stays[handle]; s != nil {
		h.remove(s)
	}
}

// leaveAll ends every stay of c.
func (h *hub) leaveAll(c *conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range c.stays {
		h.remove(s)
	}
}

func (h *hub) remove(s *stay) {
	delete(s.conn.stays, s.handle)
	delete(s.topic.stays, s.peer)
	h.metrics.peers.Dec()
	if len(s.topic.stays) == 0 {
		delete(h.topics, s.topic.key)
		h.metrics.topics.Dec()
		return
	}
	for _, other := range s.topic.stays {
		other.conn.queue(&relayproto.Message{Type: relayproto.TypePeerLeft, Handle: other.handle, Peer: s.peer})
	}
}

// send queues a frame at its receiver, or tells c that there is none. A handle
// that is not joined is ignored: the frame crossed with the end of the stay.
func (h *hub) send(c *conn, m relayproto.Message) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	from := c.stays[m.Handle]
	if from == nil {
		return
	}
	to := from.topic.stays[m.Peer]
	if to == nil {
		h.metrics.undeliverable.Inc()
		c.queue(&relayproto.Message{Type: relayproto.TypeUndeliverable, Handle: m.Handle, Peer: m.Peer})
		return
	}
	to.conn.queue(&relayproto.Message{Type: relayproto.TypeDeliver, Handle: to.handle, Peer: from.peer, Frame: m.Frame})
	h.metrics.frames.Inc()
	h.metrics.bytes.Add(float64(len(m.Frame)))
}
