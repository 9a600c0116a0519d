package space

import (
	"context"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

// Limits of what a guest says about itself.
const (
	maxChain = 64       // device credentials
	maxLink  = 64 << 10 // bytes of one
	maxName  = 256      // bytes of a display name
)

// Introduction is what a guest shows once it has proved the auth code: who it
// is and by which chain its device acts for that identity.
type Introduction struct {
	Identity id.IdentityKey
	Device   id.DeviceKey
	Chain    [][]byte // Device credentials from the identity key to Device
	Name     string   // display name; may be empty
}

// Encode gives [1, identity, device, [credential...], name].
func (in Introduction) Encode() []byte {
	b := wire.AppendArray(nil, 5)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, in.Identity[:])
	b = wire.AppendBytes(b, in.Device[:])
	b = wire.AppendArray(b, len(in.Chain))
	for _, c := range in.Chain {
		b = wire.AppendBytes(b, c)
	}
	return wire.AppendString(b, in.Name)
}

// DecodeIntroduction reads an Introduction and verifies its chain.
func DecodeIntroduction(b []byte) (in Introduction, err error) {
	r := wire.NewReader(b)
	r.Array(5)
	readVersion(r, 1)
	r.Fixed(in.Identity[:])
	r.Fixed(in.Device[:])
	for n := r.ArrayLen(maxChain); n > 0 && r.Err() == nil; n-- {
		in.Chain = append(in.Chain, append([]byte(nil), r.Bytes(maxLink)...))
	}
	in.Name = r.String(maxName)
	if err := r.Done("space.DecodeIntroduction"); err != nil {
		return in, err
	}
	_, err = credential.VerifyChain(in.Identity, in.Device, in.Chain)
	return in, err
}

// Admit makes the credential that admits the introduced identity with a role,
// and the control block that carries it. The caller stores the Intake, calls
// Stored, and then hands Admission's bytes to the guest.
//
// An identity that is a member already is an errs.AlreadyMember; a device that
// may not admit with that role an errs.NotPermitted.
func (s *Space) Admit(ctx context.Context, in Introduction, role credential.Role, invitation id.InvitationID) (*Intake, error) {
	const op = "space.Admit"
	if _, ok := s.membership.Identity(in.Identity); ok {
		return nil, errs.New(op, errs.AlreadyMember, "identity %s is a member of space %s already", id.Short(in.Identity), id.Short(s.key)).With("spaceKey", s.key[:])
	}
	if !s.membership.MayInvite(s.self.Device, role) {
		return nil, errs.New(op, errs.NotPermitted, "this device may not admit anybody as %v to space %s", role, id.Short(s.key))
	}
	claim := credential.Member{Identity: in.Identity, Role: role, Invitation: invitation, Devices: in.Chain, Name: in.Name}
	return s.BuildControl(ctx, claim)
}

// Admission is what the host hands to a guest that it admitted: the record to
// keep. The bytes hold keys; they travel sealed.
func (s *Space) Admission(guest id.DeviceKey) ([]byte, error) {
	proof, err := s.membership.Proof(guest)
	if err != nil {
		return nil, err
	}
	return Record{Key: s.key, Secrets: s.secrets, Proof: proof}.Encode(), nil
}

// DecodeAdmission reads an admission as the guest named by self and checks that
// it admits that device to the space it names.
func DecodeAdmission(b []byte, self id.DeviceKey) (Record, error) {
	const op = "space.DecodeAdmission"
	rec, err := DecodeRecord(b)
	if err != nil {
		return rec, err
	}
	if len(rec.Secrets.Controls) == 0 {
		return rec, errs.New(op, errs.Malformed, "the admission to space %s holds no control key", id.Short(rec.Key))
	}
	if _, err := credential.VerifyProof(rec.Key, self, rec.Proof); err != nil {
		return rec, err
	}
	return rec, nil
}
