package space

import "github.com/echospace/echospace/core/id"

// Author is who writes to a feed. Identity is zero if nothing is known of the
// device's owner.
type Author struct {
	Device   id.DeviceKey
	Identity id.IdentityKey
	Name     string
}

// Author gives whom a feed is of, members that were removed too; false for an
// unknown feed.
func (s *Space) Author(f id.FeedID) (a Author, ok bool) {
	st, ok := s.feeds[f]
	if !ok {
		return a, false
	}
	a.Device = st.header.Device
	if m, ok := s.member(a.Device); ok {
		a.Identity, a.Name = m.Identity, m.Name
	} else if identity, name, ok := s.membership.Author(a.Device); ok {
		a.Identity, a.Name = identity, name
	}
	return a, true
}
