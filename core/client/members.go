package client

import (
	"slices"
	"sort"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
)

// observe tells observers what a turn changed, but for the members.
func (sp *Space) observe(d dirty) {
	if d.members {
		sp.followDelegated()
	}
	if d.network {
		sp.s.net.changed()
	}
	if d.sync {
		sp.mu.Lock()
		var st SyncState
		if r := sp.run; r != nil {
			st = SyncState{Peers: r.sync.Status(), Unsent: r.edits - r.stored, Err: r.writeErr}
		}
		sp.mu.Unlock()
		sp.Sync.Set(st)
	}
}

// rights are what this device may do in a space.
type rights struct {
	role     credential.Role
	mayWrite bool
}

// telling is when observers were last told of the members, and what this device might do
// then; owed: they are to be told again.
type telling struct {
	owed   bool
	last   time.Time
	rights rights
}

// due tells whether observers are to be told of the members now, or else how long they are
// not to be yet: that takes a page some 10 microseconds for each, and while many arrive
// every turn knows of more. Of few they are told at once, so that whoever changes them sees
// it, and of other rights of this device. changed: what they were told is not so any more.
func (t *telling) due(core *space.Space, changed bool, now time.Time) (tell bool, wait time.Duration) {
	const few, each, most = 32, 300 * time.Microsecond, 500 * time.Millisecond
	if t.owed = t.owed || changed; !t.owed {
		return false, 0
	}
	members := core.Membership()
	me, _ := members.Identity(core.Self().Identity)
	own := rights{me.Role, core.MayWrite()}
	if n := len(members.Members()); n > few && own == t.rights {
		wait = t.last.Add(min(time.Duration(n)*each, most)).Sub(now)
	}
	if wait > 0 {
		return false, wait
	}
	*t = telling{last: now, rights: own}
	return true, 0
}

// tellOwed tells observers of the members what they were not told yet.
func (sp *Space) tellOwed() {
	sp.mu.Lock()
	r := sp.run
	owed := r != nil && (r.telling.owed || r.dirty.members)
	sp.mu.Unlock()
	if owed {
		sp.tellMembers()
	}
}

// tellMembers publishes the members with their presence.
func (sp *Space) tellMembers() {
	sp.mu.Lock()
	r := sp.run
	if r == nil {
		sp.mu.Unlock()
		return
	}
	online := map[id.IdentityKey]bool{}
	for _, info := range r.sessions {
		online[info.Identity] = true
	}
	me := sp.core.Self().Identity
	membership := sp.core.Membership()
	faulty := sp.core.Faulty()
	var list []Member
	for _, m := range membership.Members() {
		out := Member{Identity: m.Identity, Role: m.Role, Name: m.Name, Self: m.Identity == me}
		out.Online = out.Self || online[m.Identity]
		out.MayWrite = out.Self && sp.core.MayWrite()
		for _, d := range m.Devices {
			out.Devices = append(out.Devices, d.Device)
			if slices.Contains(faulty, d.Device) {
				out.Faulty = append(out.Faulty, d.Device)
			}
		}
		list = append(list, out)
	}
	sp.mu.Unlock()
	sort.Slice(list, func(i, j int) bool { return id.Compare(list[i].Identity, list[j].Identity) < 0 })
	if !slices.EqualFunc(list, sp.Members.Get(), equalMember) {
		sp.Members.Set(list)
	}
	sp.trustChanged(membership)
}

func equalMember(a, b Member) bool {
	return a.Identity == b.Identity && a.Role == b.Role && a.Name == b.Name &&
		a.Online == b.Online && a.Self == b.Self && a.MayWrite == b.MayWrite && slices.Equal(a.Devices, b.Devices) && slices.Equal(a.Faulty, b.Faulty)
}

// peers gives the space's sessions.
func (sp *Space) peers() (list []Peer) {
	sp.mu.Lock()
	defer sp.mu.Unlock()
	if sp.run == nil {
		return nil
	}
	for _, st := range sp.run.swarm.Sessions() {
		list = append(list, Peer{Space: sp.key, Identity: st.Info.Identity, Device: st.Info.Device, Path: st.Path})
	}
	return list
}

// restart probes sessions after a wake-up.
func (sp *Space) restart() {
	sp.mu.Lock()
	r := sp.run
	if r != nil {
		r.swarm.Restart()
	}
	sp.mu.Unlock()
	if r != nil {
		r.poke()
	}
}
