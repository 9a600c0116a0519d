package client

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/id"
)

// Contact is somebody with whom the identity shares, or shared, a space.
type Contact struct {
	Identity id.IdentityKey
	Name     string // display name, may be empty
	Online   bool   // in one of the spaces at least
}

// keepContacts gives the contacts, and writes the new ones into the HALO.
func (h *halo) keepContacts(c haloContent, local []*Space, e *haloEdits) []Contact {
	online := map[id.IdentityKey]bool{}
	for _, sp := range local {
		for _, m := range sp.Members.Get() {
			if m.Self {
				continue
			}
			online[m.Identity] = online[m.Identity] || m.Online
			// What another device wrote may be newer than what is known here.
			at := named{sp.key, m.Identity}
			seen, before := h.names[at]
			name, there := c.contacts[m.Identity]
			if !there || m.Name != "" && name != m.Name && (name == "" || before && seen != m.Name) {
				c.contacts[m.Identity] = m.Name
				e.contact(m.Identity, m.Name)
			}
			h.names[at] = m.Name
		}
	}
	list := make([]Contact, 0, len(c.contacts))
	for who, name := range c.contacts {
		list = append(list, Contact{Identity: who, Name: name, Online: online[who]})
	}
	sort.Slice(list, func(i, j int) bool { return id.Compare(list[i].Identity, list[j].Identity) < 0 })
	return list
}

// publishContacts tells observers who the contacts are.
func (c *Client) publishContacts(h *halo, list []Contact) {
	if c.current() == h.s && !slices.Equal(list, c.Contacts.Get()) {
		c.Contacts.Set(list)
	}
}
