package invite

import (
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
	"github.com/flynn/noise"
)

// newHandshake begins Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b (Noise Protocol
// Framework, revision 34). The guest is the initiator. Neither side is
// authenticated by it beyond knowing the swarm key; CPace does that, bound to
// the handshake's hash.
func newHandshake(e env.Env, inv *Invitation, initiator bool) (*noise.HandshakeState, error) {
	psk := inv.PSK()
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite:  noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2b),
		Random:       e.Rand,
		Pattern:      noise.HandshakeNN,
		Initiator:    initiator,
		Prologue:     append([]byte{protocol}, append([]byte("echospace invite "), inv.ID[:]...)...),
		PresharedKey: psk[:],
	})
	return hs, errs.Wrap("invite.newHandshake", errs.Internal, err)
}

// secured is a finished handshake.
type secured struct {
	guest, host noise.Cipher // for what the guest, and the host, sends
	hash        []byte       // names the session; equal on both sides only without anybody between
}

func finish(hs *noise.HandshakeState, guest, host *noise.CipherState) *secured {
	return &secured{guest: guest.Cipher(), host: host.Cipher(), hash: append([]byte(nil), hs.ChannelBinding()...)}
}

// binding is what a guest signs to tie a key to this session.
func (s *secured) binding() []byte {
	h := keys.SumLabel("echospace invite binding", s.hash)
	return h[:]
}

// handshakeFailed is the error for a handshake message that does not verify.
func handshakeFailed(err error) error {
	return errs.New("invite", errs.HandshakeFailed, "a handshake message does not verify: %w", err)
}
