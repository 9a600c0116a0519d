package space

import (
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// This file is about further devices of a member. The identity's own space, its HALO,
// makes a key a device of it, by a credential that is good in every space. In the
// others nobody has to admit the device: it holds the space's keys by the HALO, shows
// by a proof (credential.ExtendProof) whose device it is, and brings the credential in
// its control feed.

// DeviceIntroduction is what a guest shows that is to be a device of the host's
// identity: its key, and where keys are sealed to.
type DeviceIntroduction struct {
	Device  id.DeviceKey
	Sealing [32]byte // X25519
}

// Encode gives [1, device, sealing].
func (in DeviceIntroduction) Encode() []byte {
	b := wire.AppendUint(wire.AppendArray(nil, 3), 1)
	b = wire.AppendBytes(b, in.Device[:])
	return wire.AppendBytes(b, in.Sealing[:])
}

// DecodeDeviceIntroduction reads what Encode gave.
func DecodeDeviceIntroduction(b []byte) (in DeviceIntroduction, err error) {
	r := wire.NewReader(b)
	r.Array(3)
	readVersion(r, 1)
	r.Fixed(in.Device[:])
	r.Fixed(in.Sealing[:])
	return in, r.Done("space.DecodeDeviceIntroduction")
}

// AdmitDevice makes the control block that makes the introduced key a device of the own
// identity. The caller stores the Intake, calls Stored, and then hands Admission's
// bytes to the guest.
//
// A key that is a device of it already is an errs.AlreadyMember, one that was an
// errs.NotPermitted: it never comes back.
func (s *Space) AdmitDevice(in DeviceIntroduction) (*Intake, error) {
	const op = "space.AdmitDevice"
	if _, ok := s.membership.Device(in.Device); ok {
		return nil, errs.New(op, errs.AlreadyMember, "%s is a device of this identity already", id.Short(in.Device))
	}
	if s.membership.Removed(in.Device) {
		return nil, errs.New(op, errs.NotPermitted, "device %s was removed from this identity", id.Short(in.Device))
	}
	return s.BuildControl(credential.Device{Identity: s.self.Identity, Device: in.Device, Sealing: in.Sealing})
}

// Introduced tells whether IntroduceSelf has nothing to say: the credentials here know
// this device, or hold what it would say.
func (s *Space) Introduced() bool { return len(s.introduction()) == 0 }

// introduction gives what the credentials here lack to know this device.
func (s *Space) introduction() (list []*credential.Credential) {
	if _, known := s.membership.Device(s.self.Device); known || s.membership.Removed(s.self.Device) {
		return nil
	}
	for _, raw := range s.self.Chain {
		if c, err := credential.Decode(raw); err == nil && s.credentials[c.ID()] == nil {
			list = append(list, c)
		}
	}
	return list
}

// IntroduceSelf makes the control block by which the others get to know this device;
// nil if it is Introduced. The caller stores the Intake and calls Stored.
func (s *Space) IntroduceSelf() (*Intake, error) {
	list := s.introduction()
	if len(list) == 0 {
		return nil, nil
	}
	s.addCredentials(list)
	return s.buildControl(s.controlKey(), list)
}

// TakeSecrets takes over the keys that another device of the identity holds. None of
// them is written under before the credential is here that introduced it.
func (s *Space) TakeSecrets(sec Secrets) {
	before := s.generation
	for _, kind := range []struct{ own, other *[]keys.Secret }{{&s.secrets.Controls, &sec.Controls}, {&s.secrets.Epochs, &sec.Epochs}} {
		for _, k := range *kind.other {
			if _, held := s.byID[k.ID()]; held {
				continue
			}
			s.byID[k.ID()] = k
			s.acquainted++ // what introduces a device may be under it
			*kind.own = beforeLast(slices.Clone(*kind.own), k)
			s.unsettled = true
			s.generation++
		}
	}
	if s.generation != before {
		s.takeKeys(s.membership) // which of them is written under
	}
}

// beforeLast puts a key before the last of a list, which is written under.
func beforeLast(list []keys.Secret, k keys.Secret) []keys.Secret {
	list = append(list, k)
	if n := len(list); n > 1 {
		list[n-2], list[n-1] = list[n-1], list[n-2]
	}
	return list
}

// introduces tells whether a control feed of a device of which nothing is known here
// brings the credentials that make it a member's, or made it one once, since others
// followed what it said then: it is taken in, whoever it came by. Take verifies the
// blocks.
func (s *Space) introduces(h *feed.SignedHeader, raw [][]byte) bool {
	if h.Kind != feed.Control || h.Space != s.key {
		return false
	}
	names := func(c *credential.Credential) bool {
		d, ok := c.Claim.(credential.Device)
		return ok && d.Device == h.Device
	}
	if !slices.ContainsFunc(s.peek(raw, credential.DecodeVerified), names) {
		return false // as of nearly all, which are looked at again and again
	}
	list := s.peek(raw, credential.Decode)
	for _, c := range s.credentials {
		list = append(list, c)
	}
	m := credential.Evaluate(s.key, list)
	member, ok := m.Device(h.Device)
	if !ok {
		member.Identity, member.Name, ok = m.Author(h.Device)
	}
	if _, known := s.proven[h.Device]; ok && !known {
		s.acquainted++ // it may have other feeds
	}
	if ok {
		s.proven[h.Device] = member
	}
	return ok
}

// peek reads the first change of a control feed that was not taken in yet.
func (s *Space) peek(raw [][]byte, decode decoder) []*credential.Credential {
	var blocks []*feed.Block
	for _, r := range raw {
		b, err := feed.DecodeBlock(r)
		if err != nil || b.Repack != nil {
			return nil
		}
		if blocks = append(blocks, b); b.Part == b.Parts {
			break
		}
	}
	if len(blocks) == 0 || blocks[0].Seq != 1 {
		return nil
	}
	payload, err := feed.OpenParts(blocks, s.byID[blocks[0].Epoch])
	if err != nil {
		return nil
	}
	c := beginReading(payload, decode)
	if _, err := s.readSome(c, nil); err != nil {
		return nil
	}
	return c.list
}
