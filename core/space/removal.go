package space

import (
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// This file takes rights away. What is taken, the cuts of the feeds that it
// concerns, and the new keys for all who stay are one control block: whoever knows
// the one knows the other.

// Remove makes the control block that removes a member, which may be the own one.
// The caller stores the Intake and calls Stored.
//
// Errors: errs.NotFound for nobody's key, errs.NotPermitted for what the own role
// does not allow and for the last OWNER.
func (s *Space) Remove(who id.IdentityKey) (*Intake, error) {
	const op = "space.removeMember"
	if err := s.mayRemove(op, who); err != nil {
		return nil, err
	}
	m, _ := s.membership.Identity(who)
	return s.take(credential.Remove{Identity: who, Cuts: s.cuts(m.Devices)}, who != s.self.Identity)
}

// SetRole makes the control block that changes a member's role; nil if it has that
// already. A KEEPER that is to read is handed the keys in the same block. Errors: as
// Remove.
func (s *Space) SetRole(who id.IdentityKey, role credential.Role) (*Intake, error) {
	m, ok := s.membership.Identity(who)
	if !ok {
		return nil, s.noMember("space.setRole", who)
	}
	if m.Role == role {
		return nil, nil
	}
	if !s.membership.MaySet(s.self.Device, who, role) {
		return nil, errs.New("space.setRole", errs.NotPermitted, "your role in space %s does not let you make this %v %v; there is always an OWNER", id.Short(s.key), m.Role, role)
	}
	claim := credential.SetRole{Identity: who, Role: role}
	if role > credential.Editor {
		claim.Cuts = s.cuts(m.Devices)
	}
	if m.Role == credential.Keeper {
		return s.handOver(s.handOn, one(claim), func() ([]credential.Claim, error) {
			return []credential.Claim{s.newestClaim(false, m.Devices)}, nil
		})
	}
	return s.take(claim, role == credential.Keeper)
}

// RevokeDevice makes the control block that ends a device of a member.
// Errors: as Remove.
func (s *Space) RevokeDevice(who id.IdentityKey, d id.DeviceKey) (*Intake, error) {
	const op = "space.removeDevice"
	if m, ok := s.membership.Identity(who); ok && !slices.ContainsFunc(m.Devices, func(i credential.DeviceInfo) bool { return i.Device == d }) {
		return nil, errs.New(op, errs.NotFound, "%s is no device of member %s in space %s", id.Short(d), id.Short(who), id.Short(s.key))
	}
	if who != s.self.Identity {
		if err := s.mayRemove(op, who); err != nil {
			return nil, err
		}
	}
	cuts := s.cuts([]credential.DeviceInfo{{Device: d}})
	return s.take(credential.RevokeDevice{Identity: who, Device: d, Cuts: cuts}, d != s.self.Device)
}

func (s *Space) noMember(op string, who id.IdentityKey) error {
	return errs.New(op, errs.NotFound, "%s is no member of space %s", id.Short(who), id.Short(s.key))
}

func (s *Space) mayRemove(op string, who id.IdentityKey) error {
	m, ok := s.membership.Identity(who)
	if !ok {
		return s.noMember(op, who)
	}
	if !s.membership.MayRemove(s.self.Device, who) {
		return errs.New(op, errs.NotPermitted, "your role in space %s does not let you remove this %v; there is always an OWNER", id.Short(s.key), m.Role)
	}
	return nil
}

// take makes the block of a claim that takes something away, with new keys if
// rotate is set and this device may make them. Who may not leaves that to the next
// who writes.
func (s *Space) take(claim credential.Claim, rotate bool) (*Intake, error) {
	if !rotate || !s.membership.MayWrite(s.self.Device) {
		return s.handOver(s.handOn, one(claim))
	}
	if s.RotationDue() { // what is under the next keys follows them, so that who lacks them is told again
		return s.handOver(s.rotation, one(claim), s.rotation)
	}
	return s.handOver(one(claim), s.rotation)
}

// one is a step of buildClaims that makes one claim.
func one(claim credential.Claim) func() ([]credential.Claim, error) {
	return func() ([]credential.Claim, error) { return []credential.Claim{claim}, nil }
}

// cuts gives the heads of the data feeds of devices, as far as they are stored, or
// shown, for what is written next names these. Control feeds need none: what a
// credential follows says which of them count. Of more than maxCuts, which only somebody
// faulty makes, the others count if somebody built on them.
func (s *Space) cuts(devices []credential.DeviceInfo) (cuts []feed.Ref) {
	shown := map[id.FeedID][]feed.Ref{}
	for _, r := range s.db.Frontier() {
		if f := s.feeds[r.Feed]; f != nil && !f.log.Has(r) {
			shown[r.Feed] = append(shown[r.Feed], r)
		}
	}
	for _, f := range s.feeds {
		if f.header.Kind != feed.Data || !slices.ContainsFunc(devices, func(d credential.DeviceInfo) bool { return d.Device == f.header.Device }) {
			continue
		}
		for _, head := range append(f.log.Heads(), shown[f.header.ID()]...) {
			if s.counts(f, head) {
				cuts = append(cuts, head)
			}
		}
	}
	cuts = feed.SortRefs(cuts)
	return cuts[:min(len(cuts), maxCuts)]
}

// maxCuts is how many heads a removal names.
const maxCuts = 2048
