package client

import (
	"bytes"
	"slices"
	"sort"
	"sync"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal"
)

const (
	// maxHelped is how many recovery keys a client serves. Members of a large space
	// choose other ones each.
	maxHelped = 32
	// Questions that a helper looks at in a second, of one peer and of all.
	maxAsked    = 64
	maxAskedAll = 256
	// maxAnswered bounds what a helper queues at a relay in a second, in bytes.
	maxAnswered = 4 << 20
)

// helper serves one recovery key.
type helper struct {
	*stay
	gate recoveryGate

	mu     sync.Mutex
	items  map[id.Hash][]byte // as they were listed last
	made   map[*Space]made
	second int64             // the present one
	asked  map[id.PeerID]int // in it
	all    int
	bytes  int
}

// helpers are those of a session.
type helpers struct {
	serving map[[32]byte]*helper
	known   map[*Space]known // of spaces whose credentials did not change since
}

// known are the recovery keys in a space.
type known struct {
	by   *credential.Membership
	keys [][32]byte
}

// serve stays under the topics of the recovery keys of all who share a space with this
// identity, and under those of its own. The keeper alone calls it.
func (h *halo) serve(spaces []*Space) {
	if h.helpers.serving == nil {
		h.helpers.serving = map[[32]byte]*helper{}
	}
	wanted := h.wanted(spaces)
	for key, helping := range h.helpers.serving {
		if !slices.Contains(wanted, key) {
			delete(h.helpers.serving, key)
			h.s.net.detach(helping)
		}
	}
	for _, key := range wanted {
		if h.helpers.serving[key] == nil {
			helping := &helper{gate: recoveryGateOf(key)}
			helping.stay = &stay{s: h.s, topic: helping.gate.topic, event: helping.event}
			h.helpers.serving[key] = helping
			h.s.net.attach(helping)
		}
	}
}

// wanted gives the recovery keys to serve.
func (h *halo) wanted(spaces []*Space) (list [][32]byte) {
	now := map[*Space]known{}
	for _, sp := range spaces {
		sp.mu.Lock()
		open, m, self := sp.run != nil, sp.core.Membership(), sp.core.Self().Device
		sp.mu.Unlock()
		if !open {
			continue
		}
		k := h.helpers.known[sp]
		if k.by != m {
			k = known{by: m}
			if _, member := m.Device(self); member {
				k.keys = m.Recoverable()
			}
		}
		now[sp] = k
		list = append(list, k.keys...)
	}
	h.helpers.known = now
	sort.Slice(list, func(i, j int) bool { return bytes.Compare(list[i][:], list[j][:]) < 0 })
	list = slices.Compact(list)
	if len(list) > maxHelped {
		h.space.mu.Lock()
		own := h.space.core.Self().Device
		h.space.mu.Unlock()
		rank := func(key [32]byte) id.Hash { return keys.SumLabel("echospace recovery helper", own[:], key[:]) }
		sort.Slice(list, func(i, j int) bool { return id.Compare(rank(list[i]), rank(list[j])) > 0 })
		list = list[:maxHelped]
	}
	return list
}

// event answers questions.
func (h *helper) event(relay int, ev signal.Event) {
	if ev.Type != signal.Frame || !h.admits(ev.Peer, 0) {
		return
	}
	a, ok := h.gate.decodeAsk(ev.Data)
	if !ok {
		return
	}
	what, known := h.find(a.item)
	if !known || a.offset > len(what) {
		return
	}
	t := tell{item: a.item, offset: a.offset, size: len(what), piece: what[a.offset:min(len(what), a.offset+recoveryPiece)]}
	frame, err := h.gate.encodeTell(h.s.c.ports.Env, a.ephemeral, t)
	if err == nil && h.admits(ev.Peer, len(frame)) {
		h.send(relay, ev.Peer, frame)
	}
}

// admits counts a question, or the bytes of an answer; false if they are too many.
func (h *helper) admits(p id.PeerID, size int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now := h.s.c.ports.Env.Clock.Now().Unix(); now != h.second {
		h.second, h.asked, h.all, h.bytes = now, map[id.PeerID]int{}, 0, 0
	}
	if size == 0 {
		h.asked[p]++
		h.all++
	}
	h.bytes += size
	return h.asked[p] <= maxAsked && h.all <= maxAskedAll && h.bytes <= maxAnswered
}

// find gives an item, or the list of all.
func (h *helper) find(name id.Hash) (what []byte, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if what, ok = h.items[name]; ok {
		return what, true
	}
	if !id.IsZero(name) && h.items != nil {
		return nil, false // it asks for the list again
	}
	h.items = map[id.Hash][]byte{}
	var list []byte
	for _, sp := range h.s.everySpace() {
		for _, it := range h.itemsOf(sp) {
			if len(it) > maxItem || len(h.items) >= maxRecoverable {
				continue
			}
			sum := keys.Sum(it)
			h.items[sum] = it
			list = append(list, sum[:]...)
		}
	}
	if id.IsZero(name) {
		return list, true
	}
	what, ok = h.items[name]
	return what, ok
}

// made are the items of a space, as of a membership and its keys.
type made struct {
	by         *credential.Membership
	generation uint64
	items      [][]byte
}

// itemsOf gives what a space has for the recovery key; nothing if its identity is no
// member, or no envelope is kept. h.mu is held.
func (h *helper) itemsOf(sp *Space) [][]byte {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return nil
	}
	m, generation := sp.core.Membership(), sp.core.Generation()
	if known := h.made[sp]; known.by == m && known.generation == generation {
		return known.items // the same again, since sealing makes others each time
	}
	if h.made == nil {
		h.made = map[*Space]made{}
	}
	now := made{by: m, generation: generation}
	who, ok := m.RecoveryOf(h.gate.key)
	_, member := m.Device(sp.core.Self().Device)
	e := m.RecoveryEnvelope(who, h.gate.key)
	if e != nil && !e.Signed() {
		return nil // this device makes it just now
	}
	if ok && member && e != nil {
		now.items = [][]byte{item{space: sp.key, envelope: e.Encode(), issuer: m.Chain(who, e.Issuer), chain: m.Chain(who, h.gate.key)}.encode()}
		for _, c := range m.RecoveryKeys(who) {
			if claim, ok := c.Claim.(credential.Recovery); ok && claim.Key == h.gate.key {
				if sealed, err := sp.core.HandTo(claim); err == nil {
					now.items = append(now.items, item{space: sp.key, keys: sealed}.encode())
				}
			}
		}
	}
	h.made[sp] = now
	return now.items
}
