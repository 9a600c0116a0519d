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
}

func newMembership(e *evaluation) *Membership {
	m := &Membership{
		e: e, byIdentity: map[id.IdentityKey]int{}, byDevice: map[id.DeviceKey]int{},
		valid: map[id.CredentialID]bool{},
	}
	m.findMembers()
	m.findHeads()
	return m
}

func (m *Membership) findMembers() {
	e := m.e
	type found struct {
		MemberInfo
		admission int
	}
	var all []found
	for identity := range e.admits {
		s, ok := e.standing(identity, e.all)
		if !ok {
			continue
		}
		f := found{MemberInfo{Identity: identity, Role: s.role, Devices: e.devices(identity)}, s.admission}
		if c, ok := e.nodes[s.admission].Claim.(Member); ok {
			f.Name = c.Name
		}
		for _, p := range e.profiles[identity] {
			if e.valid.has(p) {
				c := e.nodes[p].Claim.(Profile)
				f.Name, f.Fields = c.Name, c.Fields
			}
		}
		all = append(all, f)
	}
	// An admission admits one identity, so the order is total.
	sort.Slice(all, func(i, j int) bool { return all[i].admission < all[j].admission })
	for i, f := range all {
		m.members = append(m.members, f.MemberInfo)
		m.byIdentity[f.Identity] = i
		for _, d := range f.Devices {
			if _, taken := m.byDevice[d.Device]; !taken {
				m.byDevice[d.Device] = i
			}
		}
	}
}

// devices gives an identity's devices that hold in the whole set.
func (e *evaluation) devices(identity id.IdentityKey) []DeviceInfo {
	var out []DeviceInfo
	for _, key := range e.held[identity] {
		if b, ok := e.device(key, identity, e.all); ok {
			out = append(out, DeviceInfo{Device: key, Sealing: b.device.Sealing, Label: b.device.Label})
		}
	}
	return out
}

func (m *Membership) findHeads() {
	e := m.e
	covered := newBitset(len(e.nodes))
	e.valid.each(func(i int) {
		n := &e.nodes[i]
		if l, identity, ok := linkOf(n.Credential); ok && !e.linkHolds(i, l, identity) {
			return
		}
		m.valid[n.id] = true
		covered.union(n.past)
	})
	for i := range e.nodes {
		if n := &e.nodes[i]; m.valid[n.id] && !covered.has(i) {
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

// Heads are the credentials that hold and that no other such follows, sorted:
// the Parents of what is issued next.
func (m *Membership) Heads() []id.CredentialID { return slices.Clone(m.heads) }

// Valid tells whether a credential of the set holds.
func (m *Membership) Valid(c id.CredentialID) bool { return m.valid[c] }

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
