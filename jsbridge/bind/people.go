//go:build js

package bind

import (
	"slices"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/wire"
)

// This file hands people to the page, of whom there may be thousands: as one array of
// bytes, since each object that is made from here costs microseconds, in one task, with
// the others.

// membersValue is [[identity key, display name or "", role, online, self, mayWrite,
// [[device key, faulty]...]]...] in the encoding of package wire; mayWrite is of this
// device.
func membersValue(list []client.Member) safejs.Value {
	b := wire.AppendArray(make([]byte, 0, 128*len(list)), len(list))
	for i := range list {
		m := &list[i]
		b = wire.AppendBytes(wire.AppendArray(b, 7), m.Identity[:])
		b = wire.AppendString(b, m.Name)
		b = wire.AppendString(b, m.Role.String())
		b = wire.AppendBool(b, m.Online)
		b = wire.AppendBool(b, m.Self)
		b = wire.AppendBool(b, m.MayWrite)
		b = wire.AppendArray(b, len(m.Devices))
		for j := range m.Devices {
			b = wire.AppendBytes(wire.AppendArray(b, 2), m.Devices[j][:])
			b = wire.AppendBool(b, slices.Contains(m.Faulty, m.Devices[j]))
		}
	}
	return bytesValue(b)
}

// contactsValue is [[identity key, display name or "", online]...], likewise.
func contactsValue(list []client.Contact) safejs.Value {
	b := wire.AppendArray(make([]byte, 0, 64*len(list)), len(list))
	for i := range list {
		c := &list[i]
		b = wire.AppendBytes(wire.AppendArray(b, 3), c.Identity[:])
		b = wire.AppendString(b, c.Name)
		b = wire.AppendBool(b, c.Online)
	}
	return bytesValue(b)
}
