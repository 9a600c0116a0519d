package client

import (
	"context"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
)

// deviceRecord is the keyring's record of the keys of a device that is being admitted to
// an identity: a self without one. A guest that comes again, since it was admitted and
// could not store that, is the same device.
const deviceRecord = "device"

// CreateDeviceInvitation makes an invitation for a further device of the identity and
// hosts it from now on. It waits for nothing.
//
// Errors: errs.NotInitialized, errs.NoIdentity; errs.InvalidArgument for a role, which
// a device has not of its own, for KnownPublicKey, since the key of a device is made
// when it accepts, and for a delegated one; errs.NotPermitted for a device that was
// removed.
func (c *Client) CreateDeviceInvitation(o InvitationOptions) (*Invitation, error) {
	const op = "halo.createInvitation"
	s, err := c.must(op)
	if err != nil {
		return nil, err
	}
	if _, err := s.identity(op); err != nil {
		return nil, err
	}
	if o.Role != 0 || o.Auth == invite.KnownPublicKey || o.Delegated {
		return nil, errs.New(op, errs.InvalidArgument, "an invitation for a device takes no role and no key of the guest, and is not delegated")
	}
	return s.keeper().space.invite(op, invite.Device, o)
}

// AcceptDeviceInvitation begins to make this profile, which has no identity, a device of
// the identity that invites. It is like Client.AcceptInvitation; Authenticate succeeds
// once the identity is this profile's. Its spaces open as they come.
//
// Errors: errs.NotInitialized, errs.IdentityExists, errs.InvalidInvitation,
// errs.VersionUnsupported.
func (c *Client) AcceptDeviceInvitation(code string, o AcceptOptions) (*Invitation, error) {
	const op = "halo.acceptInvitation"
	return c.accept(op, code, invite.Device, o, func(s *session) (*self, error) {
		if _, err := s.identity(op); err == nil {
			return nil, errs.New(op, errs.IdentityExists, "this profile has an identity already; accept the invitation in another profile, or reset() this one")
		}
		return nil, nil
	})
}

// newDevice gives the keys of the device that this profile is to be, and stores them
// first, so that they are the same the next time.
func (s *session) newDevice(ctx context.Context) (*self, error) {
	release, err := s.lockIdentity(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	b, err := s.keyring.Get(ctx, deviceRecord)
	if err == nil {
		defer clear(b)
		return s.decodeSelf(ctx, b)
	}
	if !errs.Is(err, errs.NotFound) {
		return nil, err
	}
	signer, err := s.newSigner(ctx)
	if err != nil {
		return nil, err
	}
	me := &self{signer: signer, sealing: keys.NewSealingKey([32]byte(s.c.ports.Env.Bytes(32)))}
	var batch storage.Batch
	s.keyring.Put(&batch, deviceRecord, me.encode())
	return me, s.storage.Store.Apply(ctx, &batch, storage.Strict)
}

// introducedDevice reads which key a guest says it has, and checks that it does; it
// gives what admits it.
func introducedDevice(a invite.Admit) (admitted, error) {
	in, err := space.DecodeDeviceIntroduction(a.Introduction.Body)
	if err != nil {
		return admitted{}, err
	}
	build := func(core *space.Space) (*space.Intake, error) { return core.AdmitDevice(in) }
	return admitted{device: in.Device, build: build}, keys.Verify([32]byte(in.Device), a.Binding, a.Introduction.Proof)
}

// joinIdentity makes this profile a device of the identity that the payload hands over.
func (i *Invitation) joinIdentity(ctx context.Context, j invite.Joined) error {
	s := i.s
	me, a, err := readIdentity(i.guest.me, j.Payload)
	if err != nil {
		return err
	}
	release, err := s.lockIdentity(ctx)
	if err != nil {
		return err
	}
	defer release()
	if err := s.identityElsewhere(ctx, "halo.acceptInvitation"); err != nil {
		return err
	}
	core, known, err := s.readSpace(ctx, me, a.Record)
	if err != nil {
		return err
	}
	var b storage.Batch
	for _, in := range core.TakeControls(a.Controls) {
		in.AddTo(&b)
	}
	if m, ok := core.Membership().Identity(me.identity); ok {
		me.name = m.Name
	}
	s.keyring.Put(&b, identityRecord, me.encode())
	s.keyring.Put(&b, haloRecord, a.Record.Encode())
	s.keyring.Delete(&b, deviceRecord)
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return err
	}
	s.setSelf(me)
	if err := s.openHalo(ctx, core, known); err != nil {
		return err
	}
	i.guest.identity = &me.identity
	s.keepHalo()
	s.c.publishIdentity(s)
	s.postTabs(tabIdentity, nil)
	return nil
}

// readIdentity reads what a device that was admitted is handed: the HALO, whose proof
// holds the chain of the device.
func readIdentity(device *self, payload []byte) (*self, space.Admission, error) {
	a, err := space.DecodeAdmission(payload, device.device())
	if err != nil {
		return nil, a, err
	}
	m, err := credential.VerifyProof(a.Key, device.device(), a.Proof)
	if err != nil {
		return nil, a, err
	}
	me := *device
	me.identity = m.Identity
	if me.chain, err = credential.ProofChain(a.Proof); err != nil {
		return nil, a, err
	}
	_, err = credential.VerifyChain(me.identity, me.device(), me.chain)
	return &me, a, err
}

// admitted is a guest that has shown who it is: its device, and what admits it.
type admitted struct {
	device id.DeviceKey
	build  func(*space.Space) (*space.Intake, error)
}
