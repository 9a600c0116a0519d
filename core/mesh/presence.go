package mesh

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/echospace/echospace/core/id"
)

const (
	// BeaconEvery is how often an engine tells by gossip that it is there,
	// once some members may be no neighbours (more than FullMesh peers).
	BeaconEvery = 10 * time.Second
	// BeaconLife is how long a beacon holds.
	BeaconLife = 25 * time.Second
)

// Presence tells who is online: those with a session, at once, and those whose
// beacon came by gossip, for BeaconLife. The caller authenticates beacons. It
// is for callers that serialise.
type Presence struct {
	sessions map[SessionID]presenceKey
	heard    map[presenceKey]time.Time
	changed  bool
}

// presenceKey is one running engine.
type presenceKey struct {
	identity id.IdentityKey
	device   id.DeviceKey
	instance [16]byte
}

// OnlineDevice is a device that is online.
type OnlineDevice struct {
	Identity id.IdentityKey
	Device   id.DeviceKey
	// Connected tells that there is a session with it.
	Connected bool
}

// NewPresence makes a Presence with nobody online.
func NewPresence() *Presence {
	return &Presence{sessions: map[SessionID]presenceKey{}, heard: map[presenceKey]time.Time{}}
}

// Session takes the Connected and Disconnected events of a Swarm and ignores
// others. With the end of a session a beacon of the same engine ends too: a
// neighbour that is gone is gone, and if it is not, its next beacon says so.
func (p *Presence) Session(e Event) {
	switch e.Type {
	case Connected:
		p.sessions[e.Session] = presenceKey{e.Info.Identity, e.Info.Device, e.Info.Instance}
		p.changed = true
	case Disconnected:
		k, ok := p.sessions[e.Session]
		if !ok {
			return
		}
		delete(p.sessions, e.Session)
		delete(p.heard, k)
		p.changed = true
	}
}

// Beacon notes that an engine said by gossip that it is there.
func (p *Presence) Beacon(i id.IdentityKey, d id.DeviceKey, instance [16]byte, now time.Time) {
	k := presenceKey{i, d, instance}
	if _, had := p.heard[k]; !had {
		p.changed = true
	}
	p.heard[k] = now
}

// Gone notes that an engine said by gossip that it leaves.
func (p *Presence) Gone(i id.IdentityKey, d id.DeviceKey, instance [16]byte) {
	k := presenceKey{i, d, instance}
	if _, had := p.heard[k]; had {
		delete(p.heard, k)
		p.changed = true
	}
}

// Tick forgets beacons that are too old, and tells whether Online would answer
// differently than when Tick last said so.
func (p *Presence) Tick(now time.Time) bool {
	for k, at := range p.heard {
		if now.Sub(at) >= BeaconLife {
			delete(p.heard, k)
			p.changed = true
		}
	}
	changed := p.changed
	p.changed = false
	return changed
}

// Online gives each device that is online once, ordered by identity and device.
func (p *Presence) Online() []OnlineDevice {
	var list []OnlineDevice
	for _, k := range p.sessions {
		list = append(list, OnlineDevice{k.identity, k.device, true})
	}
	for k := range p.heard {
		list = append(list, OnlineDevice{k.identity, k.device, false})
	}
	sort.Slice(list, func(i, j int) bool {
		a, b := list[i], list[j]
		return cmp.Or(id.Compare(a.Identity, b.Identity), id.Compare(a.Device, b.Device), order(b.Connected)-order(a.Connected)) < 0
	})
	return slices.CompactFunc(list, func(a, b OnlineDevice) bool { return a.Identity == b.Identity && a.Device == b.Device })
}

func order(connected bool) int {
	if connected {
		return 1
	}
	return 0
}
