package credential

import (
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// Claim is what a credential says: exactly one of the structs of this file, by
// value.
type Claim interface {
	// Type is the claim's number in the encoding, fixed for good.
	Type() uint8
	// appendTo appends the fields after the type.
	appendTo(b []byte) []byte
}

// Type numbers.
const (
	typeGenesis = iota + 1
	typeDevice
	typeMember
	typeSetRole
	typeRemove
	typeRevokeDevice
	typeEpoch
	typeRecovery
	typeRecoveryEnvelope
	typeProfile
	typeInvitation
	typeSpent
	typeCloseFeed
)

// Genesis founds the space with its first OWNER. The space key signs it and is
// then needed no more. The owner's devices follow as Device credentials.
type Genesis struct {
	Space      id.SpaceKey
	Identity   id.IdentityKey
	ControlKey id.EpochID
}

// Device makes a key a device of an identity. The identity key issues the
// first, devices and recovery keys the others.
type Device struct {
	Identity id.IdentityKey
	Device   id.DeviceKey
	// Sealing is the X25519 key that keys.SealTo takes.
	Sealing [32]byte
	Label   string
}

// Member admits an identity.
type Member struct {
	Identity id.IdentityKey
	Role     Role
	// Invitation is that which admitted, or zero.
	Invitation id.InvitationID
	// Devices is the chain of encoded Device (and Recovery) credentials from
	// the identity key to the device that joins, in order of issue.
	Devices [][]byte
	Name    string
}

// SetRole changes a member's role. Cuts are as in Remove, if the role is one
// that does not write; else there are none.
type SetRole struct {
	Identity id.IdentityKey
	Role     Role
	Cuts     []feed.Ref
}

// Remove ends a membership. Cuts are the heads of the member's feeds up to
// which its blocks count.
type Remove struct {
	Identity id.IdentityKey
	Cuts     []feed.Ref
}

// RevokeDevice ends a device for good; Device may also be a recovery key. Cuts
// are as in Remove.
type RevokeDevice struct {
	Identity id.IdentityKey
	Device   id.DeviceKey
	Cuts     []feed.Ref
}

// Epoch introduces an epoch key or, with Control, a control key, sealed to
// devices. Parents are the keys that it follows. The same Key again brings
// further envelopes.
type Epoch struct {
	Key       id.EpochID
	Parents   []id.EpochID
	Control   bool
	Envelopes []Envelope
}

// Envelope is a key sealed to one device.
type Envelope struct {
	Device id.DeviceKey
	Sealed []byte
}

// Recovery makes an Ed25519 key a recovery key of an identity. The key signs too, so
// that nobody can give it another one; Countersign makes it.
type Recovery struct {
	Identity id.IdentityKey
	Key      [32]byte
	// Sealing is the X25519 key that goes with it, which keys.SealTo takes.
	Sealing [32]byte
	Sig     [64]byte
}

// RecoveryEnvelope holds what the identity needs to recover the space, sealed to the
// Sealing key of that recovery key. The latest counts.
type RecoveryEnvelope struct {
	Identity id.IdentityKey
	Key      [32]byte
	Sealed   []byte
}

// Profile is what a member shows of itself. The latest counts. Fields are the
// caller's encoding.
type Profile struct {
	Identity id.IdentityKey
	Name     string
	Fields   []byte
}

// Invitation delegates an invitation to those who may invite.
type Invitation struct {
	Invitation id.InvitationID
	// Role is what a guest gets.
	Role Role
	// Multi admits more than one guest.
	Multi bool
	// Expires is in milliseconds since 1970, 0 for never.
	Expires int64
	// Sealed holds the code and keys, under the control key.
	Sealed []byte
}

// Reason says why an invitation is over.
type Reason uint8

const (
	// Used: a single-use invitation admitted its guest.
	Used Reason = 1
	// Cancelled by a member who may invite.
	Cancelled Reason = 2
	// Exhausted: its attempts are used up.
	Exhausted Reason = 3
	// Expired: its time is over.
	Expired Reason = 4
)

// Spent ends an invitation everywhere.
type Spent struct {
	Invitation id.InvitationID
	Reason     Reason
}

// CloseFeed closes a feed that forked, at the heads of its branches.
type CloseFeed struct {
	Feed  id.FeedID
	Heads []feed.Ref
}

// Type gives 1.
func (Genesis) Type() uint8 { return typeGenesis }

// Type gives 2.
func (Device) Type() uint8 { return typeDevice }

// Type gives 3.
func (Member) Type() uint8 { return typeMember }

// Type gives 4.
func (SetRole) Type() uint8 { return typeSetRole }

// Type gives 5.
func (Remove) Type() uint8 { return typeRemove }

// Type gives 6.
func (RevokeDevice) Type() uint8 { return typeRevokeDevice }

// Type gives 7.
func (Epoch) Type() uint8 { return typeEpoch }

// Type gives 8.
func (Recovery) Type() uint8 { return typeRecovery }

// Type gives 9.
func (RecoveryEnvelope) Type() uint8 { return typeRecoveryEnvelope }

// Type gives 10.
func (Profile) Type() uint8 { return typeProfile }

// Type gives 11.
func (Invitation) Type() uint8 { return typeInvitation }

// Type gives 12.
func (Spent) Type() uint8 { return typeSpent }

// Type gives 13.
func (CloseFeed) Type() uint8 { return typeCloseFeed }

// typeNames are the types in words, fixed for good.
var typeNames = [...]string{
	typeGenesis: "GENESIS", typeDevice: "DEVICE", typeMember: "MEMBER", typeSetRole: "SET_ROLE", typeRemove: "REMOVE",
	typeRevokeDevice: "REVOKE_DEVICE", typeEpoch: "EPOCH", typeRecovery: "RECOVERY", typeRecoveryEnvelope: "RECOVERY_ENVELOPE",
	typeProfile: "PROFILE", typeInvitation: "INVITATION", typeSpent: "SPENT", typeCloseFeed: "CLOSE_FEED",
}

// TypeName gives the type of a claim as a word, such as MEMBER.
func TypeName(c Claim) string { return typeNames[c.Type()] }

// Subject gives the identity that a claim is about; false for one about keys, feeds or
// invitations.
func Subject(c Claim) (who id.IdentityKey, ok bool) {
	switch c := c.(type) {
	case Genesis:
		return c.Identity, true
	case Device:
		return c.Identity, true
	case Member:
		return c.Identity, true
	case SetRole:
		return c.Identity, true
	case Remove:
		return c.Identity, true
	case RevokeDevice:
		return c.Identity, true
	case Recovery:
		return c.Identity, true
	case RecoveryEnvelope:
		return c.Identity, true
	case Profile:
		return c.Identity, true
	}
	return who, false
}
