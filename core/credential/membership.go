package credential

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/id"
)

// MemberInfo is a member as Evaluate found it. Its slices are the Membership's
// and must not be changed.
type MemberInfo struct {
	Identity id.IdentityKey
	Role     Role
	// Name is that of the latest Profile, else that of the admission.
	Name string
	// Fields are those of the latest Profile, or nil.
	Fields []byte
	// Devices are those that are not revoked, in order of seniority. It may
	// be empty.
	Devices []DeviceInfo
	// chain are the keys that lead from the identity to the device that showed this by
	// a proof, without either.
	chain [][32]byte
}

// DeviceInfo is a device of a member.
type DeviceInfo struct {
	Device id.DeviceKey
	// Sealing is the X25519 key that keys.SealTo takes.
	Sealing [32]byte
	Label   string
}

// Membership is who is in a space, by a set of credentials. It is immutable
// and safe for concurrent use.
type Membership struct {
	e          *evaluation
	members    []MemberInfo
	byIdentity map[id.IdentityKey]int
	byDevice   map[id.DeviceKey]int
	heads      []id.CredentialID
	valid      map[id.CredentialID]bool
	finding    *finding // nil once the members are found
	ends       bool     // see Ends
}

func newMembership(e *evaluation) *Membership {
	m := beginMembership(e)
	m.findMembers(nil)
	m.findHeads()
	return m
}

// beginMembership makes one of which nothing is found yet.
func beginMembership(e *evaluation) *Membership {
	m := &Membership{
		e: e, byIdentity: map[id.IdentityKey]int{}, byDevice: map[id.DeviceKey]int{},
		valid: map[id.CredentialID]bool{}, finding: &finding{},
	}
	for identity := range e.admits {
		m.finding.left = append(m.finding.left, identity)
	}
	return m
}

// finding is what findMembers has come to.
type finding struct {
	left []id.IdentityKey
	all  []foundMember
}

type foundMember struct {
	MemberInfo
	admission int
}

// findMembers finds the members, until enough; done tells whether that was all.
func (m *Membership) findMembers(enough func() bool) (done bool) {
	f := m.finding
	for n := len(f.left); n > 0; n = len(f.left) {
		if member, ok := m.e.findMember(f.left[n-1]); ok {
			f.all = append(f.all, member)
		}
		f.left = f.left[:n-1]
		if n%someNodes == 0 && enough != nil && enough() {
			return false
		}
	}
	m.finding = nil
	// An admission admits one identity, so the order is total.
	sort.Slice(f.all, func(i, j int) bool { return f.all[i].admission < f.all[j].admission })
	for i, member := range f.all {
		m.members = append(m.members, member.MemberInfo)
		m.byIdentity[member.Identity] = i
		for _, d := range member.Devices {
			if _, taken := m.byDevice[d.Device]; !taken {
				m.byDevice[d.Device] = i
			}
		}
	}
	return true
}

// findMember gives what is to be known of a member; false if it is none.
func (e *evaluation) findMember(identity id.IdentityKey) (f foundMember, ok bool) {
	s, ok := e.standing(identity, e.all)
	if !ok {
		return f, false
	}
	f = foundMember{MemberInfo{Identity: identity, Role: s.role, Devices: e.devices(identity)}, s.admission}
	if c, ok := e.nodes[s.admission].Claim.(Member); ok {
		f.Name = c.Name
	}
	for _, p := range e.profiles[identity] {
		if e.valid.has(p) {
			c := e.nodes[p].Claim.(Profile)
			f.Name, f.Fields = c.Name, c.Fields
		}
	}
	return f, true
}

// devices gives an identity's devices that hold in the whole set, in the order in
// which they were first vouched for by what holds.
func (e *evaluation) devices(identity id.IdentityKey) []DeviceInfo {
	type found struct {
		DeviceInfo
		at, place int
	}
	var list []found
	for _, key := range e.held[identity] {
		b, ok := e.device(key, identity, e.all)
		if !ok {
			continue
		}
		f := found{DeviceInfo: DeviceInfo{Device: key, Sealing: b.device.Sealing, Label: b.device.Label}}
		for _, first := range e.bindings[key] {
			if first.identity == identity && e.valid.has(first.at) {
				f.at, f.place = first.at, first.place
				break
			}
		}
		list = append(list, f)
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].at < list[j].at || list[i].at == list[j].at && list[i].place < list[j].place
	})
	var out []DeviceInfo
	for _, f := range list {
		out = append(out, f.DeviceInfo)
	}
	return out
}

func (m *Membership) findHeads() {
	e := m.e
	covered := newBitset(len(e.nodes))
	e.valid.each(func(i int) {
		n := &e.nodes[i]
		if l, identity, ok := linkOf(n.Credential); ok && !e.linkHolds(i, l, identity) {
			m.ends = true
			return
		}
		m.ends = m.ends || e.endsWriting(i)
		m.valid[n.id] = true
		covered.union(n.past)
	})
	e.misused.each(func(i int) { covered.union(e.nodes[i].past) })
	for i := range e.nodes {
		m.ends = m.ends || e.isVoidGrant(i)
		if n := &e.nodes[i]; (m.valid[n.id] || e.misused.has(i)) && !covered.has(i) {
			m.heads = append(m.heads, n.id)
		}
	}
	sort.Slice(m.heads, func(i, j int) bool { return id.Compare(m.heads[i], m.heads[j]) < 0 })
}

// linkHolds judges a Device or Recovery by the whole set.
func (e *evaluation) linkHolds(i int, l link, identity id.IdentityKey) bool {
	if l.issuer == [32]byte(identity) {
		return true
	}
	return e.chainOf(l.issuer, identity, e.all) != nil && !e.revoked(l.issuer, identity, e.all, i)
}

// Members gives the members in order of their admission, the first OWNER
// first. The slice must not be changed.
func (m *Membership) Members() []MemberInfo { return m.members }

// Identity gives the member of that identity.
func (m *Membership) Identity(i id.IdentityKey) (MemberInfo, bool) {
	at, ok := m.byIdentity[i]
	if !ok {
		return MemberInfo{}, false
	}
	return m.members[at], true
}

// Device gives the member whose device it is; of several who claim it, the
// one admitted first.
func (m *Membership) Device(d id.DeviceKey) (MemberInfo, bool) {
	at, ok := m.byDevice[d]
	if !ok {
		return MemberInfo{}, false
	}
	return m.members[at], true
}

// Heads are the credentials that hold, or that are void for their invitation alone,
// and that no other such follows, sorted.
func (m *Membership) Heads() []id.CredentialID { return slices.Clone(m.heads) }

// Parents are the Heads and the founding: the parents of whatever is issued next. That
// each names the founding shows a stranger of which space it is (VerifyPresentation).
func (m *Membership) Parents() []id.CredentialID {
	if m.e.genesis < 0 {
		return m.Heads()
	}
	return append(m.Heads(), m.e.nodes[m.e.genesis].id)
}

// ParentsOf gives as many Parents as a credential may name, for one by a device of a
// member: those that show it to be one are among them. What follows them leaves fewer
// heads, if there are more.
func (m *Membership) ParentsOf(d id.DeviceKey) []id.CredentialID {
	all := m.Parents()
	if len(all) <= MaxParents {
		return all
	}
	e := m.e
	needed := newBitset(len(e.nodes))
	if member, ok := m.Device(d); ok {
		e.need(needed, d, member.Identity, e.all)
	}
	list := []id.CredentialID{e.nodes[e.genesis].id}
	var rest []id.CredentialID
	for i := range e.nodes {
		n := &e.nodes[i]
		if _, head := slices.BinarySearchFunc(m.heads, n.id, id.Compare); !head {
			continue
		}
		shows := false
		needed.each(func(k int) {
			if k == i || n.past.has(k) {
				needed.remove(k)
				shows = true
			}
		})
		if shows {
			list = append(list, n.id)
		} else {
			rest = append(rest, n.id)
		}
	}
	return append(list, rest[:min(len(rest), MaxParents-len(list))]...)
}

// ParentsBehind are the Parents once a credential, whose parents are the present ones,
// is among the set and holds.
func (m *Membership) ParentsBehind(c id.CredentialID) []id.CredentialID {
	if m.e.genesis < 0 {
		return []id.CredentialID{c}
	}
	return []id.CredentialID{c, m.e.nodes[m.e.genesis].id}
}

// Valid tells whether a credential of the set holds.
func (m *Membership) Valid(c id.CredentialID) bool { return m.valid[c] }

// Knows tells whether a credential is in the set, be it one that holds or not.
func (m *Membership) Knows(c id.CredentialID) bool {
	return slices.ContainsFunc(m.e.nodes, func(n node) bool { return n.id == c })
}

// TakesMore tells whether a credential that takes something away is known here, and not
// to another membership of the space.
func (m *Membership) TakesMore(than *Membership) bool {
	return slices.ContainsFunc(m.e.nodes, func(n node) bool {
		switch n.Claim.(type) {
		case Remove, RevokeDevice, SetRole:
			return !than.Knows(n.id)
		}
		return false
	})
}

// LastProfile gives the Profile that says what a member is called; false if none does.
func (m *Membership) LastProfile(who id.IdentityKey) (c id.CredentialID, p Profile, ok bool) {
	list := m.e.profiles[who]
	for i := len(list) - 1; i >= 0; i-- {
		if n := &m.e.nodes[list[i]]; m.e.valid.has(list[i]) {
			return n.id, n.Claim.(Profile), true
		}
	}
	return c, p, false
}

// MayInvite tells whether the device may admit members with that role.
func (m *Membership) MayInvite(d id.DeviceKey, grant Role) bool {
	member, ok := m.Device(d)
	return ok && member.Role.mayGrant(grant)
}

// MayWrite tells whether blocks of the device count now.
func (m *Membership) MayWrite(d id.DeviceKey) bool {
	member, ok := m.Device(d)
	return ok && member.Role.mayWrite()
}

// MayRead tells whether the device gets epoch keys.
func (m *Membership) MayRead(d id.DeviceKey) bool {
	member, ok := m.Device(d)
	return ok && member.Role.mayRead()
}

// Removed reports whether d was a device of a member and is one no more: its
// member was removed, or it was revoked. A device of which nothing is known
// here was not removed.
func (m *Membership) Removed(d id.DeviceKey) bool {
	if _, ok := m.byDevice[d]; ok {
		return false
	}
	for identity, admissions := range m.e.admits {
		admitted := slices.ContainsFunc(admissions, m.e.valid.has)
		if admitted && slices.Contains(m.e.held[identity], [32]byte(d)) {
			return true
		}
	}
	return false
}

// Outcast tells whether a device that shows itself to be of that member, by a proof, is
// one of somebody who was put out: it was removed, its member was, or a key was that may
// have admitted it since. A proof cannot tell, for its maker leaves out what came after.
// What led to a key that holds here is no matter: a device of then may be gone.
func (m *Membership) Outcast(d id.DeviceKey, who MemberInfo) bool {
	if _, known := m.byDevice[d]; known {
		return false
	}
	if m.Removed(d) {
		return true
	}
	if _, member := m.byIdentity[who.Identity]; !member && slices.ContainsFunc(m.e.admits[who.Identity], m.e.valid.has) {
		return true
	}
	for i := len(who.chain) - 1; i >= 0; i-- {
		switch key := who.chain[i]; {
		case m.Holds(who.Identity, key):
			return false
		case slices.Contains(m.e.held[who.Identity], key):
			return true
		}
	}
	return false
}

// MayRemove tells whether the device may remove that member: another's by its
// role, its own always; never the last OWNER.
func (m *Membership) MayRemove(d id.DeviceKey, who id.IdentityKey) bool {
	by, ok := m.Device(d)
	target, known := m.Identity(who)
	return ok && known && (by.Identity == who || by.Role.mayRemove(target.Role)) &&
		(target.Role != Owner || m.e.otherOwner(who, m.e.all))
}

// MaySet tells whether the device may give that member a role.
func (m *Membership) MaySet(d id.DeviceKey, who id.IdentityKey, role Role) bool {
	by, ok := m.Device(d)
	target, known := m.Identity(who)
	return ok && known && by.Role.maySet(target.Role, role) &&
		(target.Role != Owner || role == Owner || m.e.otherOwner(who, m.e.all))
}
