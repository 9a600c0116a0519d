package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// Author gives the identity that a device writes for, or wrote for while it was a
// member, and the name that it goes by; false for a device of which nothing is
// known here.
func (m *Membership) Author(d id.DeviceKey) (identity id.IdentityKey, name string, ok bool) {
	if member, ok := m.Device(d); ok {
		return member.Identity, member.Name, true
	}
	for identity, admissions := range m.e.admits {
		if !slices.Contains(m.e.held[identity], [32]byte(d)) {
			continue
		}
		if !slices.ContainsFunc(admissions, m.e.valid.has) {
			continue
		}
		for _, i := range append(admissions[:len(admissions):len(admissions)], m.e.profiles[identity]...) {
			if !m.e.valid.has(i) {
				continue
			}
			switch c := m.e.nodes[i].Claim.(type) {
			case Member:
				name = c.Name
			case Profile:
				name = c.Name
			}
		}
		return identity, name, true
	}
	return id.IdentityKey{}, "", false
}
