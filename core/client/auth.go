package client

import (
	"context"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/mesh"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

// spaceAuth proves membership in a space at the ends of a session. Payload:
// [1, device, instance, membership proof, signature], where the device signs
// the label, the space, its Noise static and the instance (DESIGN 6, session).
// It is called with the space's mutex held.
type spaceAuth struct {
	core     *space.Space
	self     *self
	instance [16]byte
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
	sig, err := a.self.signer.Sign(context.Background(), authMessage(a.core.Key(), static, a.instance))
	if err != nil {
		return nil, err
	}
	device := a.self.device()
	b := wire.AppendArray(nil, 5)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, device[:])
	b = wire.AppendBytes(b, a.instance[:])
	b = wire.AppendBytes(b, a.core.Proof())
	return wire.AppendBytes(b, sig[:]), nil
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
	member, err := credential.VerifyProof(a.core.Key(), info.Device, proof)
	if err != nil {
		return info, err
	}
	if a.core.Membership().Removed(info.Device) {
		return info, errs.New(op, errs.NotPermitted, "device %s was removed from space %s", id.Short(info.Device), id.Short(a.core.Key()))
	}
	a.core.Trust(info.Device, member)
	info.Identity = member.Identity
	return info, nil
}

// newSwarm makes the state machine of the space's sessions.
func (sp *Space) newSwarm() (*mesh.Swarm, error) {
	s := sp.s
	s.mu.Lock()
	me := s.self
	s.mu.Unlock()
	instance := [16]byte(s.c.ports.Env.Bytes(16))
	return mesh.NewSwarm(mesh.Options{
		Env:      s.c.ports.Env,
		Topic:    sp.core.Secrets().Topic(),
		PSK:      sp.core.Secrets().PSK(),
		Auth:     &spaceAuth{core: sp.core, self: me, instance: instance},
		Instance: instance,
		Direct:   s.c.ports.Direct != nil,
	})
}
