package space

import (
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// This file hands an invitation to all who may invite. Its Invitation credential
// holds [1, [[device bin32, sealed bin]...]], by device: what a host needs to know,
// the auth code too, sealed to each device of a member that may invite so. Who gets
// that right later does not host it.

const delegatedLabel = "echospace delegated invitation v1"

func (s *Space) delegatedAAD(inv id.InvitationID, d id.DeviceKey) []byte {
	sum := keys.SumLabel(delegatedLabel, s.key[:], inv[:], d[:])
	return sum[:]
}

// Delegation makes the claim that hands an invitation, with its content, to the
// members that may invite.
func (s *Space) Delegation(claim credential.Invitation, content []byte) credential.Invitation {
	var boxes []byte
	n := 0
	for _, d := range s.membership.Inviters(claim.Role) {
		box, err := keys.SealTo(s.env, d.Sealing, content, s.delegatedAAD(claim.Invitation, d.Device))
		if err == nil { // a device that named a weak key hosts nothing
			boxes = wire.AppendBytes(wire.AppendBytes(wire.AppendArray(boxes, 2), d.Device[:]), box)
			n++
		}
	}
	b := wire.AppendUint(wire.AppendArray(nil, 2), 1)
	claim.Sealed = append(wire.AppendArray(b, n), boxes...)
	return claim
}

// Delegates tells whether a delegated invitation is open.
func (s *Space) Delegates(inv id.InvitationID) bool {
	return slices.ContainsFunc(s.membership.Invitations(), func(c credential.Invitation) bool { return c.Invitation == inv })
}

// Delegated is an open invitation that was handed to this device.
type Delegated struct {
	Invitation id.InvitationID
	Content    []byte
}

// Delegated gives the open invitations that this device may host.
func (s *Space) Delegated() (list []Delegated) {
	if s.self.Sealing == nil {
		return nil
	}
	for _, c := range s.membership.Invitations() {
		if !s.membership.MayInvite(s.self.Device, c.Role) {
			continue
		}
		r := wire.NewReader(c.Sealed)
		r.Array(2)
		readVersion(r, 1)
		for n := r.ArrayLen(maxControls); n > 0 && r.Err() == nil; n-- {
			var d id.DeviceKey
			r.Array(2)
			r.Fixed(d[:])
			sealed := r.Bytes(maxRecord)
			if d != s.self.Device || r.Err() != nil {
				continue
			}
			content, err := s.self.Sealing.Open(sealed, s.delegatedAAD(c.Invitation, d))
			if err != nil {
				s.env.Log.Warn("a delegated invitation does not open", "space", id.Short(s.key), "invitation", id.Short(c.Invitation), "err", err)
				break
			}
			list = append(list, Delegated{c.Invitation, content})
		}
	}
	return list
}
