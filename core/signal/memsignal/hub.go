package memsignal

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
)

// Options configure a Hub. The zero value carries everything at once and whole.
type Options struct {
	Seed   uint64
	Faults Faults
	Limits signal.Limits // stated with Up
}

// Faults are what goes wrong with frames. Probabilities are per frame, 0 to 1.
type Faults struct {
	Drop      float64
	Duplicate float64
	// Reorder holds a frame back until the next one on its way (same sender,
	// same receiver) passed, or for 10 ms.
	Reorder float64
	// A frame takes MinDelay and a random part of MaxDelay-MinDelay. Order is
	// kept; only Reorder breaks it.
	MinDelay, MaxDelay time.Duration
	// Tamper, if set, sees every frame before the other faults and gives what
	// is carried instead: nothing, others, to other receivers. It is called
	// with the Hub locked and must not call it. It owns f.Data.
	Tamper func(f Frame) []Frame
}

// reorderHold bounds how long Reorder holds the last frame of a way.
const reorderHold = 10 * time.Millisecond

// Frame is one frame on its way.
type Frame struct {
	Topic    id.Topic
	From, To id.PeerID
	Data     []byte
}

// Stats count what a Hub did with frames.
type Stats struct{ Sent, Delivered, Dropped, Duplicated, Reordered uint64 }

// Hub is the meeting point. It is safe for concurrent use.
type Hub struct {
	mu     sync.Mutex
	rng    *rand.Rand
	faults Faults
	limits signal.Limits
	down   bool
	all    []*rendezvous // in order of joining, which is the order of all events
	ways   map[way]*queue
	stats  Stats
}

// way is the path of frames from one peer to another.
type way struct {
	topic    id.Topic
	from, to id.PeerID
}

// queue holds the frames of a way that wait for their timers.
type queue struct {
	frames []Frame
	held   *Frame // by Reorder
}

// NewHub makes a Hub.
func NewHub(o Options) *Hub {
	return &Hub{
		rng:    rand.New(rand.NewPCG(o.Seed, 0x6563686f)),
		faults: o.Faults, limits: o.Limits,
		ways: map[way]*queue{},
	}
}

// Signaler gives a client of the Hub.
func (h *Hub) Signaler() *Signaler { return &Signaler{hub: h} }

// SetFaults replaces the faults for frames sent from now on.
func (h *Hub) SetFaults(f Faults) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.faults = f
}

// SetDown starts or ends an outage of the whole Hub. Frames under way are lost.
func (h *Hub) SetDown(down bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.down = down
	h.settle()
}

// Stats gives the counts so far.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.stats
}

// settle brings every stay up or down, as outages now say. All who go down do
// so before anybody learns of it, as when a relay dies.
func (h *Hub) settle() {
	var gone []*rendezvous
	for _, r := range h.all {
		if r.up && (h.down || r.s.down) {
			r.up = false
			r.push(signal.Event{Type: signal.Down, Err: errs.New("memsignal", errs.RelayUnreachable, "the hub is down")})
			gone = append(gone, r)
		}
	}
	for _, r := range gone {
		h.tell(r, signal.Left)
	}
	for _, r := range h.all {
		if !r.up && !h.down && !r.s.down {
			h.bringUp(r)
		}
	}
}

// bringUp announces r under a fresh id and tells it who is there.
func (h *Hub) bringUp(r *rendezvous) {
	binary.BigEndian.PutUint64(r.self[:8], h.rng.Uint64())
	binary.BigEndian.PutUint64(r.self[8:], h.rng.Uint64())
	r.up = true
	r.push(signal.Event{Type: signal.Up, Self: r.self, Limits: h.limits})
	for _, p := range h.all {
		if p != r && p.up && p.topic == r.topic {
			r.push(signal.Event{Type: signal.Joined, Peer: p.self})
		}
	}
	h.tell(r, signal.Joined)
}

// tell tells the others under r's topic about r.
func (h *Hub) tell(r *rendezvous, typ signal.EventType) {
	for _, p := range h.all {
		if p != r && p.up && p.topic == r.topic {
			p.push(signal.Event{Type: typ, Peer: r.self})
		}
	}
}

// find gives who is under the topic with that id, or nil.
func (h *Hub) find(topic id.Topic, peer id.PeerID) *rendezvous {
	for _, p := range h.all {
		if p.up && p.topic == topic && p.self == peer {
			return p
		}
	}
	return nil
}

// carry takes a frame through the faults.
func (h *Hub) carry(f Frame) {
	h.stats.Sent++
	frames := []Frame{f}
	if h.faults.Tamper != nil {
		frames = h.faults.Tamper(f)
	}
	for _, f := range frames {
		if h.chance(h.faults.Drop) {
			h.stats.Dropped++
			continue
		}
		h.start(f)
		if h.chance(h.faults.Duplicate) {
			h.stats.Duplicated++
			h.start(Frame{f.Topic, f.From, f.To, append([]byte(nil), f.Data...)})
		}
	}
}

// chance draws only for a fault that is on, so that seeds stay comparable.
func (h *Hub) chance(p float64) bool { return p > 0 && h.rng.Float64() < p }

// start puts a frame on its way.
func (h *Hub) start(f Frame) {
	w := way{f.Topic, f.From, f.To}
	q := h.ways[w]
	if q == nil {
		q = &queue{}
		h.ways[w] = q
	}
	if q.held == nil && h.chance(h.faults.Reorder) {
		h.stats.Reordered++
		held := &f
		q.held = held
		time.AfterFunc(reorderHold+h.faults.MaxDelay, func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			if q.held == held {
				q.held = nil
				h.deliver(*held)
			}
		})
		return
	}
	d := h.faults.MinDelay
	if span := h.faults.MaxDelay - d; span > 0 {
		d += time.Duration(h.rng.Int64N(int64(span)))
	}
	q.frames = append(q.frames, f)
	if d <= 0 && len(q.frames) == 1 {
		h.next(q)
		return
	}
	// Whichever timer fires first takes the oldest frame: order is kept.
	time.AfterFunc(d, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.next(q)
	})
}

// next delivers the oldest frame of a way, then the one held back behind it.
func (h *Hub) next(q *queue) {
	f := q.frames[0]
	q.frames = q.frames[1:]
	h.deliver(f)
	if held := q.held; held != nil {
		q.held = nil
		h.deliver(*held)
	}
}

func (h *Hub) deliver(f Frame) {
	to := h.find(f.Topic, f.To)
	if to == nil {
		h.stats.Dropped++
		return
	}
	h.stats.Delivered++
	to.push(signal.Event{Type: signal.Frame, Peer: f.From, Data: f.Data})
}
