package space

import (
	"slices"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
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
func (s *Space) Admit(in Introduction, role credential.Role, invitation id.InvitationID) (*Intake, error) {
	const op = "space.Admit"
	if _, ok := s.membership.Identity(in.Identity); ok {
		return nil, errs.New(op, errs.AlreadyMember, "identity %s is a member of space %s already", id.Short(in.Identity), id.Short(s.key)).With("spaceKey", s.key[:])
	}
	if !s.membership.MayInvite(s.self.Device, role) {
		return nil, errs.New(op, errs.NotPermitted, "this device may not admit anybody as %v to space %s", role, id.Short(s.key))
	}
	claim := credential.Member{Identity: in.Identity, Role: role, Invitation: invitation, Devices: in.Chain, Name: in.Name}
	return s.BuildControl(claim)
}

// ControlFeed is a control feed as an admission carries it.
type ControlFeed struct {
	Header []byte   // encoded
	Blocks [][]byte // encoded, in order from the first; the last is signed
}

// Admission is what a host hands to a guest that it admitted: the record to
// keep, and the control feeds, so that the guest knows the members, and its own
// rights, before it meets anybody.
type Admission struct {
	Record
	Controls []ControlFeed
}

// Limits of what an admission carries.
const (
	maxRecord   = 1 << 20
	maxControls = 4096
	maxRun      = 1 << 16           // blocks of a feed
	maxEncoded  = 3 * feed.MaxBlock // bytes of one, with its header
)

// Admission makes the admission of a guest, which is a member's device by now. A KEEPER
// gets no keys of data.
// The caller adds the control feeds as they are stored.
func (s *Space) Admission(guest id.DeviceKey) (Admission, error) {
	proof, err := s.membership.Proof(guest)
	if err != nil {
		return Admission{}, err
	}
	rec := Record{Key: s.key, Secrets: s.secrets, Proof: proof}
	if !s.membership.MayRead(guest) {
		rec.Secrets.Epochs = nil
	}
	return Admission{Record: rec}, nil
}

// Encode gives [1, record, [[header, [block...]]...]]. The bytes hold keys;
// they travel sealed. If there are more feeds, or blocks of one, than DecodeAdmission
// reads, sessions bring them: nobody is to be kept out by who makes them without end.
func (a Admission) Encode() []byte {
	if len(a.Controls) > maxControls || slices.ContainsFunc(a.Controls, func(f ControlFeed) bool { return len(f.Blocks) > maxRun }) {
		a.Controls = nil
	}
	b := wire.AppendArray(nil, 3)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, a.Record.Encode())
	b = wire.AppendArray(b, len(a.Controls))
	for _, f := range a.Controls {
		b = wire.AppendBytes(wire.AppendArray(b, 2), f.Header)
		b = wire.AppendArray(b, len(f.Blocks))
		for _, blk := range f.Blocks {
			b = wire.AppendBytes(b, blk)
		}
	}
	return b
}

// DecodeAdmission reads an admission as the guest named by self and checks that
// it admits that device to the space it names. The feeds share memory with b
// and are checked by TakeControls.
func DecodeAdmission(b []byte, self id.DeviceKey) (a Admission, err error) {
	const op = "space.DecodeAdmission"
	r := wire.NewReader(b)
	r.Array(3)
	readVersion(r, 1)
	record := r.Bytes(maxRecord)
	for n := r.ArrayLen(maxControls); n > 0 && r.Err() == nil; n-- {
		r.Array(2)
		f := ControlFeed{Header: r.Bytes(feed.MaxBlock)}
		for m := r.ArrayLen(maxRun); m > 0 && r.Err() == nil; m-- {
			f.Blocks = append(f.Blocks, r.Bytes(maxEncoded))
		}
		a.Controls = append(a.Controls, f)
	}
	if err := r.Done(op); err != nil {
		return a, err
	}
	if a.Record, err = DecodeRecord(record); err != nil {
		return a, err
	}
	a.Joined = 0 // of the guest's own counting
	if len(a.Secrets.Controls) == 0 {
		return a, errs.New(op, errs.Malformed, "the admission to space %s holds no control key", id.Short(a.Key))
	}
	_, err = credential.VerifyProof(a.Key, self, a.Proof)
	return a, err
}

// TakeControls verifies the control feeds of an admission and takes them in.
// The caller stores the Intakes with the record, in one batch, before anybody
// else sees the Space. A feed that does not verify, or of a device that nothing
// shows to be a member's, is left out, as is what is stored already: sessions
// bring what is right.
func (s *Space) TakeControls(feeds []ControlFeed) (list []*Intake) {
	for again := true; again; {
		again = false
		left := feeds[:0:0]
		for _, f := range feeds {
			in, err := s.takeControl(f)
			switch {
			case errs.Is(err, errs.UnknownFeed):
				left = append(left, f) // another feed may bring the admission of its device
			case err != nil:
				s.env.Log.Warn("a control feed that came with an admission is left out", "space", id.Short(s.key), "err", err)
			case in != nil:
				list = append(list, in)
				again = true
			}
		}
		feeds = left
		s.Settle(nil)
	}
	return list
}

func (s *Space) takeControl(f ControlFeed) (*Intake, error) {
	h, err := feed.DecodeHeader(f.Header)
	if err != nil {
		return nil, err
	}
	if h.Kind != feed.Control {
		return nil, errs.New("space.TakeControls", errs.Malformed, "feed %s is no control feed", id.Short(h.ID()))
	}
	in, err := s.Receive(h, f.Blocks, nil)
	if err != nil || in == nil {
		return nil, err
	}
	return in, s.Commit(in)
}
