package rtc

import (
	"fmt"
	"strings"

	"github.com/pion/webrtc/v3"

	"github.com/echospace/echospace/core/errs"
)

// maxCandidates bounds the candidates that wait for a description.
const maxCandidates = 64

// nego is the state of the negotiation; only the goroutine of the Conn touches
// it.
type nego struct {
	ignoring    bool     // the last offer was ignored: it crossed ours, and we are impolite
	restart     bool     // an ICE restart is wanted once the state is stable
	restarting  bool     // our pending offer asks for one
	candidates  []string // of the other side, before its description
	remotePrint [32]byte // fingerprint of the first remote description
	remoteKnown bool
}

// Signal takes a message of the other side; see transport.DirectConn.
func (c *Conn) Signal(msg []byte) {
	m, err := decodeSignal(msg)
	if err != nil {
		c.log.Debug("rtc: signaling message ignored", "err", err)
		return
	}
	c.post(func() {
		var err error
		switch m.Type {
		case signalOffer:
			err = c.onOffer(m.Text)
		case signalAnswer:
			err = c.onAnswer(m.Text)
		case signalCandidate:
			c.onCandidate(m.Text)
		}
		if err != nil {
			c.log.Debug("rtc: signaling message ignored", "type", m.Type, "err", err)
		}
	})
}

// Restart asks for an ICE restart; see transport.DirectConn.
func (c *Conn) Restart() {
	c.post(func() { c.negotiate(true) })
}

// negotiate makes an offer, now or when the negotiation under way is over.
func (c *Conn) negotiate(restart bool) {
	if c.pc.SignalingState() != webrtc.SignalingStateStable {
		c.restart = c.restart || restart && !c.restarting
		return
	}
	// Before the first negotiation there is nothing to restart.
	restart = restart && c.pc.CurrentRemoteDescription() != nil
	c.restart, c.restarting = false, restart
	offer, err := c.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err == nil {
		err = c.pc.SetLocalDescription(offer)
	}
	if err != nil {
		c.fail(errs.PeerUnreachable, "cannot make an offer: %w", err)
		return
	}
	c.sendDescription(signalOffer)
}

// onOffer applies an offer and answers it, or ignores it.
func (c *Conn) onOffer(sdp string) error {
	if c.pc.SignalingState() != webrtc.SignalingStateStable {
		if c.ignoring = !c.do.Polite; c.ignoring {
			return nil
		}
		if err := rollback(c.pc); err != nil {
			return fmt.Errorf("rolling back our offer: %w", err)
		}
		// The other offer may be a restart as well; then ours is settled.
		c.restart = c.restart || c.restarting && !c.changesPath(sdp)
		c.restarting = false
	}
	c.ignoring = false
	if err := c.applyRemote(webrtc.SDPTypeOffer, sdp); err != nil {
		return err
	}
	answer, err := c.pc.CreateAnswer(nil)
	if err == nil {
		err = c.pc.SetLocalDescription(answer)
	}
	if err != nil {
		c.fail(errs.PeerUnreachable, "cannot answer an offer: %w", err)
		return nil
	}
	c.sendDescription(signalAnswer)
	c.settled()
	return nil
}

func (c *Conn) onAnswer(sdp string) error {
	if s := c.pc.SignalingState(); s != webrtc.SignalingStateHaveLocalOffer {
		return fmt.Errorf("answer in state %v", s)
	}
	if err := c.applyRemote(webrtc.SDPTypeAnswer, sdp); err != nil {
		return err
	}
	c.restarting = false
	c.settled()
	return nil
}

// settled makes the restart that had to wait.
func (c *Conn) settled() {
	if c.restart {
		c.negotiate(true)
	}
}

// applyRemote sets the remote description, whose certificate must stay what it
// was, and adds the candidates that came before it.
func (c *Conn) applyRemote(t webrtc.SDPType, sdp string) error {
	print, err := fingerprint(sdp)
	if err != nil {
		return err
	}
	if c.remoteKnown && print != c.remotePrint {
		return fmt.Errorf("description with another certificate than before")
	}
	if err := c.pc.SetRemoteDescription(webrtc.SessionDescription{Type: t, SDP: sdp}); err != nil {
		return err
	}
	c.remotePrint, c.remoteKnown = print, true
	for _, text := range c.candidates {
		c.addCandidate(text)
	}
	c.candidates = nil
	return nil
}

// onCandidate adds a candidate. Those of an offer that we ignored are kept
// too: pion does not gather again after a rollback, so they still count.
func (c *Conn) onCandidate(text string) {
	if c.pc.RemoteDescription() != nil && !c.ignoring {
		c.addCandidate(text)
		return
	}
	if len(c.candidates) < maxCandidates {
		c.candidates = append(c.candidates, text)
	}
}

// addCandidate: a candidate that does not fit, such as one of a description
// that was rolled back, is no fault.
func (c *Conn) addCandidate(text string) {
	line := uint16(0)
	if err := c.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text, SDPMLineIndex: &line}); err != nil {
		c.log.Debug("rtc: candidate ignored", "err", err)
	}
}

// sendDescription sends the local description with the candidates found so far.
func (c *Conn) sendDescription(t signalType) {
	if d := c.pc.LocalDescription(); d != nil {
		c.do.Send(signalMessage{t, d.SDP}.encode())
	}
}

func (c *Conn) sendCandidate(text string) {
	// pion writes a candidate of a kind that it does not know as an empty one.
	if strings.TrimPrefix(text, "candidate:") != "" {
		c.do.Send(signalMessage{signalCandidate, text}.encode())
	}
}

// changesPath tells whether an offer restarts ICE: its user fragment differs
// from that of the description in force.
func (c *Conn) changesPath(sdp string) bool {
	current := c.pc.CurrentRemoteDescription()
	return current == nil || userFragment(sdp) != userFragment(current.SDP)
}

// userFragment is the first a=ice-ufrag of a description (RFC 8839).
func userFragment(sdp string) string {
	for line := range strings.Lines(sdp) {
		if v, ok := strings.CutPrefix(line, "a=ice-ufrag:"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// fingerprints reads those of the descriptions in force. The page has no other
// access to the certificates; natively the same source serves.
func (c *Conn) fingerprints() (local, remote [32]byte, err error) {
	l, r := c.pc.CurrentLocalDescription(), c.pc.CurrentRemoteDescription()
	if l == nil || r == nil {
		return local, remote, fmt.Errorf("open without both descriptions")
	}
	if local, err = fingerprint(l.SDP); err != nil {
		return local, remote, err
	}
	if remote, err = fingerprint(r.SDP); err != nil {
		return local, remote, err
	}
	if remote != c.remotePrint {
		return local, remote, fmt.Errorf("the certificate is not the one that was announced")
	}
	return local, remote, nil
}
