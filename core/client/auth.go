package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

// spaceAuth proves membership in a space at the ends of a session. Payload:
// [1, device, instance, membership proof, signature], where the device signs
// the label, the space, its Noise static and the instance (DESIGN 6, session). The proof
// of a device that was recovered may be its chain alone (credential.ChainProof).
// It is called with the space's mutex held, so the signature, which has to be waited
// for, is made before.
type spaceAuth struct {
	core     *space.Space
	device   id.DeviceKey
	instance [16]byte
	static   [32]byte
	sig      [64]byte
}

const (
	authLabel = "echospace session auth v1"
	maxProof  = 48 << 10
)

func authMessage(key id.SpaceKey, static [32]byte, instance [16]byte) []byte {
	sum := keys.SumLabel(authLabel, key[:], static[:], instance[:])
	return sum[:]
}

// Payload implements mesh.Auth.
func (a *spaceAuth) Payload(static [32]byte) ([]byte, error) {
	if static != a.static {
		return nil, errs.New("client.auth", errs.Internal, "the session's key is another than the one that the device signed")
	}
	b := wire.AppendArray(nil, 5)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, a.device[:])
	b = wire.AppendBytes(b, a.instance[:])
	b = wire.AppendBytes(b, a.core.Proof())
	return wire.AppendBytes(b, a.sig[:]), nil
}

// Verify implements mesh.Auth: the device must sign, prove a membership, and
// not be known here as removed.
func (a *spaceAuth) Verify(payload []byte, static [32]byte) (info mesh.PeerInfo, err error) {
	const op = "client.auth"
	r := wire.NewReader(payload)
	r.Array(5)
	if v := r.Uint(1 << 16); r.Err() == nil && v != 1 {
		return info, errs.New(op, errs.VersionUnsupported, "the peer shows a proof of version %d, this Echospace reads 1", v)
	}
	var sig [64]byte
	r.Fixed(info.Device[:])
	r.Fixed(info.Instance[:])
	proof := append([]byte(nil), r.Bytes(maxProof)...)
	r.Fixed(sig[:])
	if err := r.Done(op); err != nil {
		return info, err
	}
	if err := keys.Verify([32]byte(info.Device), authMessage(a.core.Key(), static, info.Instance), sig[:]); err != nil {
		return info, err
	}
	member, err := a.core.Membership().VerifyMember(a.core.Key(), info.Device, proof)
	if err != nil {
		return info, err
	}
	if a.core.Membership().Outcast(info.Device, member) {
		return info, errs.New(op, errs.NotPermitted, "device %s was removed from space %s", id.Short(info.Device), id.Short(a.core.Key()))
	}
	a.core.Trust(info.Device, member)
	a.core.TrustPath(proof)
	info.Identity = member.Identity
	return info, nil
}

// newSwarm makes the state machine of the sessions of a space that is to be started, under
// the gate and for the device that core has. It waits for a signature, and reads nothing of
// core that may change meanwhile.
func (s *session) newSwarm(ctx context.Context, core *space.Space, gate space.Gate, self space.Self) (*mesh.Swarm, error) {
	auth := &spaceAuth{core: core, device: self.Device, instance: [16]byte(s.c.ports.Env.Bytes(16))}
	swarm, err := mesh.NewSwarm(mesh.Options{
		Env:      s.c.ports.Env,
		Topic:    gate.Topic,
		PSK:      gate.PSK,
		Auth:     auth,
		Instance: auth.instance,
		Direct:   s.c.ports.Direct != nil,
	})
	if err != nil {
		return nil, err
	}
	auth.static = swarm.Static()
	if auth.sig, err = self.Signer.Sign(ctx, authMessage(core.Key(), auth.static, auth.instance)); err != nil {
		return nil, errs.New("client.auth", errs.KeyUnavailable, "this device's key does not sign for space %s: %w", id.Short(core.Key()), err)
	}
	return swarm, nil
}
