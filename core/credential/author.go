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
		for _, a := range admissions {
			if c, is := m.e.nodes[a].Claim.(Member); is && m.e.valid.has(a) {
				name, ok = c.Name, true
			} else if m.e.valid.has(a) {
				ok = true // the founder
			}
		}
		if !ok {
			continue
		}
		for _, p := range m.e.profiles[identity] {
			if c, is := m.e.nodes[p].Claim.(Profile); is && m.e.valid.has(p) {
				name = c.Name
			}
		}
		return identity, name, true
	}
	return id.IdentityKey{}, "", false
}
