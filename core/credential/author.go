package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// Author gives the identity that a device writes for, or wrote for while it was a
// member or others took it for one, and the name that it goes by; false for a device of
// which nothing is known here.
func (m *Membership) Author(d id.DeviceKey) (identity id.IdentityKey, name string, ok bool) {
	if member, ok := m.Device(d); ok {
		return member.Identity, member.Name, true
	}
	e := m.e
	for _, identity := range e.claimers[d] {
		admissions := e.admits[identity]
		if slices.ContainsFunc(admissions, e.valid.has) && e.chainOf([32]byte(d), identity, e.all) != nil {
			return identity, m.lastName(identity), true
		}
		if former := e.former(d, identity, admissions, nil); former != nil {
			return identity, former.Name, true
		}
	}
	return id.IdentityKey{}, "", false
}

// lastName gives the name by which an identity went that was a member.
func (m *Membership) lastName(identity id.IdentityKey) (name string) {
	e := m.e
	for _, list := range [][]int{e.admits[identity], e.profiles[identity]} {
		for _, i := range list {
			if !e.valid.has(i) {
				continue
			}
			switch c := e.nodes[i].Claim.(type) {
			case Member:
				name = c.Name
			case Profile:
				name = c.Name
			}
		}
	}
	return name
}
