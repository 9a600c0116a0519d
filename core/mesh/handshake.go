package mesh

import (
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
	"github.com/flynn/noise"
)

const (
	handshakeTimeout = 10 * time.Second
	handshakeResend  = time.Second
	maxHalfOpen      = 32 // handshakes of other initiators at once
)

// prologue is what both ends of a handshake must agree on.
func prologue(t id.Topic) []byte {
	b := wire.AppendArray(nil, 3)
	b = wire.AppendString(b, "echospace mesh session")
	b = wire.AppendUint(b, version)
	return wire.AppendBytes(b, t[:])
}

// newStatic draws a Noise static key pair.
func newStatic(e env.Env) (noise.DHKey, error) {
	return noise.DH25519.GenerateKeypair(e.Rand)
}

// handshake is one run of Noise XXpsk0 with a peer.
type handshake struct {
	tag       tag
	initiator bool
	noise     *noise.HandshakeState
	order     uint64 // ours
	got       uint8  // the last step received
	last      []byte // the last frame sent, sent again until answered
	resendAt  time.Time
	deadline  time.Time
	// session is what the initiator made of step 2; it counts once the other
	// side's first packet shows that step 3 arrived and was accepted.
	session *session
}

// newHandshake prepares one with a peer at that relay. Its Noise state is used up by it.
func (s *Swarm) newHandshake(r RelayID, t tag, initiator bool) (*handshake, error) {
	g := s.gateOf(r)
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite:           noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashBLAKE2b),
		Random:                s.opts.Env.Rand,
		Pattern:               noise.HandshakeXX,
		Initiator:             initiator,
		Prologue:              g.prologue,
		PresharedKey:          g.psk[:],
		PresharedKeyPlacement: 0,
		StaticKeypair:         s.static,
	})
	if err != nil {
		return nil, errs.Wrap("mesh.handshake", errs.Internal, err)
	}
	s.order = max(s.order+1, uint64(s.now.UnixMicro()))
	return &handshake{tag: t, initiator: initiator, noise: hs, order: s.order, deadline: s.now.Add(handshakeTimeout)}, nil
}

// payload is our hello, encoded.
func (s *Swarm) payload(order uint64) ([]byte, error) {
	auth, err := s.opts.Auth.Payload(s.Static())
	if err != nil {
		return nil, err
	}
	if len(auth) > MaxAuth {
		return nil, errs.New("mesh.handshake", errs.TooLarge, "the proof of this device has %d bytes, limit %d", len(auth), MaxAuth)
	}
	h := hello{order: order, direct: s.opts.Direct, auth: auth}
	return h.append(nil), nil
}

// dial starts a handshake with p.
func (s *Swarm) dial(p *peer) {
	var t tag
	copy(t[:], s.opts.Env.Bytes(len(t)))
	hs, err := s.newHandshake(p.addr.relay, t, true)
	if err == nil {
		var msg []byte
		if msg, _, _, err = hs.noise.WriteMessage(nil, nil); err == nil {
			p.hs = hs
			s.step(p, 1, msg)
			return
		}
	}
	s.drop(p, errs.Wrap("mesh.handshake", errs.Internal, err))
}

// step sends a handshake message of p and keeps it for repetition.
func (s *Swarm) step(p *peer, step uint8, msg []byte) {
	e := envelope{kind: envHandshake, tag: p.hs.tag, step: step, data: msg}
	p.hs.last = e.append(nil)
	p.hs.resendAt = s.now.Add(handshakeResend)
	s.sendFrame(p.addr, p.hs.last)
}

// onHandshake takes a handshake message from p.
func (s *Swarm) onHandshake(p *peer, e envelope) {
	switch {
	case e.step == 1:
		s.onStep1(p, e)
	case p.hs == nil || p.hs.tag != e.tag:
		// Of an earlier handshake, or step 3 again because our answer to it
		// was lost: a packet of the session is that answer.
		if x := p.session; x != nil && x.tag == e.tag && e.step == 3 {
			x.ackNow = true
		}
	case e.step <= p.hs.got:
		s.sendFrame(p.addr, p.hs.last)
	case e.step == 2 && p.hs.initiator:
		s.onStep2(p, e)
	case e.step == 3 && !p.hs.initiator:
		s.onStep3(p, e)
	}
}

// onStep1 answers a peer that starts. Only the lower id starts, so that two
// peers that see each other at once make one session.
func (s *Swarm) onStep1(p *peer, e envelope) {
	if hs := p.hs; hs != nil && !hs.initiator && hs.tag == e.tag {
		s.sendFrame(p.addr, hs.last)
		return
	}
	if s.initiates(p) || (p.session != nil && p.session.tag == e.tag) {
		return
	}
	if p.hs == nil && s.halfOpen() >= maxHalfOpen {
		return // the initiator repeats it
	}
	hs, err := s.newHandshake(p.addr.relay, e.tag, false)
	if err != nil {
		s.drop(p, err)
		return
	}
	if _, _, _, err := hs.noise.ReadMessage(nil, e.data); err != nil {
		s.drop(p, handshakeFailed(1, err))
		return
	}
	p.hs = hs
	hs.got = 1
	s.reply(p, 2)
}

// reply sends our payload in the given step, and gives the keys of the last.
func (s *Swarm) reply(p *peer, step uint8) (c1, c2 *noise.CipherState, ok bool) {
	payload, err := s.payload(p.hs.order)
	var msg []byte
	if err == nil {
		msg, c1, c2, err = p.hs.noise.WriteMessage(nil, payload)
	}
	if err != nil {
		s.drop(p, err)
		return nil, nil, false
	}
	s.step(p, step, msg)
	return c1, c2, true
}

// onStep2 verifies the responder and finishes.
func (s *Swarm) onStep2(p *peer, e envelope) {
	hs := p.hs
	payload, _, _, err := hs.noise.ReadMessage(nil, e.data)
	if err != nil {
		s.drop(p, handshakeFailed(2, err))
		return
	}
	info, h, err := s.verify(payload, hs.noise.PeerStatic())
	if err != nil {
		s.drop(p, err)
		return
	}
	hs.got = 2
	c1, c2, ok := s.reply(p, 3)
	if !ok {
		return
	}
	if info.Instance == s.opts.Instance {
		s.reflected(p) // step 3 tells the other end the same
		return
	}
	hs.session = s.newSession(p, info, h, c1, c2)
	s.byTag[hs.tag] = hs.session
}

// onStep3 verifies the initiator. Keys stand by then, so a refusal is told.
func (s *Swarm) onStep3(p *peer, e envelope) {
	hs := p.hs
	payload, c1, c2, err := hs.noise.ReadMessage(nil, e.data)
	if err != nil {
		s.drop(p, handshakeFailed(3, err))
		return
	}
	info, h, err := s.verify(payload, hs.noise.PeerStatic())
	x := s.newSession(p, info, h, c2, c1)
	switch {
	case err != nil:
		x.bye(err)
		s.drop(p, err)
	case info.Instance == s.opts.Instance:
		s.reflected(p)
	default:
		p.hs = nil
		s.byTag[x.tag] = x
		x.transmit(packet{kind: pktAck}, false) // tells the initiator that it is accepted
		s.admit(x, p)
	}
}

// verify reads a hello and has Auth judge it. A proof that no honest peer gives
// is misbehaviour; any other refusal keeps Auth's Kind.
func (s *Swarm) verify(payload, static []byte) (PeerInfo, hello, error) {
	h, err := decodeHello(payload)
	if err != nil {
		return PeerInfo{}, h, errs.New("mesh.handshake", errs.PeerMisbehaved, "the peer's handshake payload: %w", err)
	}
	info, err := s.opts.Auth.Verify(h.auth, [32]byte(static))
	if err != nil {
		kind := errs.KindOf(err)
		switch kind {
		case errs.BadSignature, errs.BadKey, errs.BadCredential, errs.Malformed, errs.Internal:
			kind = errs.PeerMisbehaved
		}
		return PeerInfo{}, h, errs.New("mesh.handshake", kind, "the peer's proof is refused: %w", err)
	}
	return info, h, nil
}

// handshakeFailed says that a message does not verify: another secret or
// topic, or a relay that edits.
func handshakeFailed(step int, cause error) error {
	return errs.New("mesh.handshake", errs.PeerMisbehaved, "%w",
		errs.New("mesh.handshake", errs.HandshakeFailed, "message %d does not verify: %w", step, cause))
}

// tickHandshake repeats what is not answered, until the deadline.
func (s *Swarm) tickHandshake(p *peer) {
	hs := p.hs
	if hs == nil {
		return
	}
	if !s.now.Before(hs.deadline) {
		s.drop(p, errs.New("mesh.handshake", errs.Timeout, "peer %s did not finish the handshake within %v", id.Short(p.addr.id), handshakeTimeout))
		return
	}
	if hs.initiator && !s.now.Before(hs.resendAt) {
		hs.resendAt = s.now.Add(handshakeResend)
		s.sendFrame(p.addr, hs.last)
	}
}

// halfOpen counts the handshakes that others started.
func (s *Swarm) halfOpen() int {
	n := 0
	for _, p := range s.peers {
		if p.hs != nil && !p.hs.initiator {
			n++
		}
	}
	return n
}

// exportKey derives the key for channel confirmations from both packet keys
// and the handshake hash.
func exportKey(c1, c2 *noise.CipherState, hash []byte) keys.Secret {
	k1, k2 := c1.UnsafeKey(), c2.UnsafeKey()
	return keys.Derive(append(k1[:], k2[:]...), "echospace mesh channel confirmation key", hash)
}
