package rtc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/echospace/echospace/core/errs"
)

// maxCandidates bounds the candidates that wait for a description.
const maxCandidates = 64

// nego is the state of the negotiation; only the goroutine of the Conn touches
// it.
type nego struct {
	restart     bool     // an ICE restart is wanted once the state is stable
	restarting  bool     // our pending offer makes one, or is the first
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
		case signalRequest:
			err = c.onRequest()
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

// negotiate makes an offer, now or when the negotiation under way is over. The
// polite side leaves that to the other.
func (c *Conn) negotiate(restart bool) {
	if c.do.Polite {
		c.do.Send(signalMessage{Type: signalRequest}.encode())
		return
	}
	if c.pc.signalingState() != stateStable {
		c.restart = c.restart || restart && !c.restarting
		return
	}
	// Before the first negotiation there is nothing to restart.
	first := c.pc.description(currentRemoteDescription) == ""
	c.restart, c.restarting = false, restart || first
	if err := c.pc.offer(restart && !first); err != nil {
		c.fail(errs.PeerUnreachable, "cannot make an offer: %w", err)
		return
	}
	c.sendDescription(signalOffer)
}

// onRequest makes the offer that the polite side asks for.
func (c *Conn) onRequest() error {
	if c.do.Polite {
		return errors.New("request for an offer, but the other side makes them")
	}
	c.negotiate(true)
	return nil
}

// onOffer applies an offer and answers it.
func (c *Conn) onOffer(sdp string) error {
	if !c.do.Polite {
		return errors.New("offer, but this side makes them")
	}
	if err := c.applyRemote(signalOffer, sdp); err != nil {
		return err
	}
	if err := c.pc.answer(); err != nil {
		c.fail(errs.PeerUnreachable, "cannot answer an offer: %w", err)
		return nil
	}
	c.sendDescription(signalAnswer)
	return nil
}

func (c *Conn) onAnswer(sdp string) error {
	if s := c.pc.signalingState(); s != stateHaveLocalOffer {
		return fmt.Errorf("answer in state %s", s)
	}
	if err := c.applyRemote(signalAnswer, sdp); err != nil {
		return err
	}
	c.restarting = false
	if c.restart {
		c.negotiate(true)
	}
	return nil
}

// applyRemote sets the remote description, whose certificate must stay what it
// was, and adds the candidates that came before it.
func (c *Conn) applyRemote(t signalType, sdp string) error {
	print, err := fingerprint(sdp)
	if err != nil {
		return err
	}
	if c.remoteKnown && print != c.remotePrint {
		return errors.New("description with another certificate than before")
	}
	if err := c.pc.setRemote(t, sdp); err != nil {
		return err
	}
	c.remotePrint, c.remoteKnown = print, true
	for _, text := range c.candidates {
		c.addCandidate(text)
	}
	c.candidates = nil
	return nil
}

// onCandidate adds a candidate, now or with the first description.
func (c *Conn) onCandidate(text string) {
	if c.remoteKnown {
		c.addCandidate(text)
		return
	}
	if len(c.candidates) < maxCandidates {
		c.candidates = append(c.candidates, text)
	}
}

// addCandidate adds a candidate. One that does not fit, such as one from before
// a restart, is no fault.
func (c *Conn) addCandidate(text string) {
	if err := c.pc.addCandidate(text); err != nil {
		c.log.Debug("rtc: candidate ignored", "err", err)
	}
}

// sendDescription sends the local description with the candidates found so far.
func (c *Conn) sendDescription(t signalType) {
	if sdp := c.pc.description(localDescription); sdp != "" {
		c.do.Send(signalMessage{t, sdp}.encode())
	}
}

func (c *Conn) sendCandidate(text string) {
	// An empty one says that a generation of candidates is complete, which
	// nobody waits for.
	if strings.TrimPrefix(text, "candidate:") != "" {
		c.do.Send(signalMessage{signalCandidate, text}.encode())
	}
}

// fingerprints reads those of the descriptions in force. The page has no other
// access to the certificates; natively the same source serves.
func (c *Conn) fingerprints() (local, remote [32]byte, err error) {
	l, r := c.pc.description(currentLocalDescription), c.pc.description(currentRemoteDescription)
	if l == "" || r == "" {
		return local, remote, errors.New("open without both descriptions")
	}
	if local, err = fingerprint(l); err != nil {
		return local, remote, err
	}
	if remote, err = fingerprint(r); err != nil {
		return local, remote, err
	}
	if remote != c.remotePrint {
		return local, remote, errors.New("the certificate is not the one that was announced")
	}
	return local, remote, nil
}
