//go:build !js

package rtc

import (
	"fmt"
	"io"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

// pionConnection is pion's.
type pionConnection struct {
	pc *webrtc.PeerConnection
	ch *webrtc.DataChannel
}

func newPeerConnection(op string, o Options, servers []transport.ICEServer) (peerConnection, error) {
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(o.Loopback)
	// What matters reaches us as errors and states.
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	pc, err := webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(configuration(servers))
	if err != nil {
		return nil, errs.New(op, errs.InvalidArgument, "pion refused its configuration: %w", err)
	}
	// Both sides make the one channel, none announces it.
	ordered, negotiated, id := true, true, uint16(0)
	ch, err := pc.CreateDataChannel(channelLabel, &webrtc.DataChannelInit{Ordered: &ordered, Negotiated: &negotiated, ID: &id})
	if err != nil {
		pc.Close()
		return nil, errs.New(op, errs.Internal, "cannot make a data channel: %w", err)
	}
	return &pionConnection{pc, ch}, nil
}

func configuration(servers []transport.ICEServer) (c webrtc.Configuration) {
	for _, s := range servers {
		ice := webrtc.ICEServer{URLs: s.URLs, Username: s.Username}
		if s.Credential != "" {
			ice.Credential = s.Credential
		}
		c.ICEServers = append(c.ICEServers, ice)
	}
	return c
}

func (p *pionConnection) listen(h handlers) {
	p.pc.OnICECandidate(func(c *webrtc.ICECandidate) {
		if c != nil {
			h.candidate(c.ToJSON().Candidate)
		}
	})
	p.pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			h.lost(s.String())
		}
	})
	p.ch.OnOpen(h.open)
	p.ch.OnClose(h.closed)
	p.ch.OnMessage(func(m webrtc.DataChannelMessage) {
		if m.IsString {
			m.Data = nil
		}
		h.message(m.Data)
	})
	p.ch.SetBufferedAmountLowThreshold(lowBuffered)
	p.ch.OnBufferedAmountLow(h.low)
}

func (p *pionConnection) signalingState() string { return p.pc.SignalingState().String() }

func (p *pionConnection) description(w which) string {
	var d *webrtc.SessionDescription
	switch w {
	case localDescription:
		d = p.pc.LocalDescription()
	case currentLocalDescription:
		d = p.pc.CurrentLocalDescription()
	case currentRemoteDescription:
		d = p.pc.CurrentRemoteDescription()
	}
	if d == nil {
		return ""
	}
	return d.SDP
}

func (p *pionConnection) offer(restart bool) error {
	d, err := p.pc.CreateOffer(&webrtc.OfferOptions{ICERestart: restart})
	if err != nil {
		return err
	}
	return p.pc.SetLocalDescription(d)
}

func (p *pionConnection) answer() error {
	d, err := p.pc.CreateAnswer(nil)
	if err != nil {
		return err
	}
	return p.pc.SetLocalDescription(d)
}

func (p *pionConnection) setRemote(t signalType, sdp string) error {
	d := webrtc.SessionDescription{SDP: sdp}
	switch t {
	case signalOffer:
		d.Type = webrtc.SDPTypeOffer
	case signalAnswer:
		d.Type = webrtc.SDPTypeAnswer
	default:
		return fmt.Errorf("signaling message of type %d is no description", t)
	}
	return p.pc.SetRemoteDescription(d)
}

func (p *pionConnection) addCandidate(text string) error {
	line := uint16(0)
	return p.pc.AddICECandidate(webrtc.ICECandidateInit{Candidate: text, SDPMLineIndex: &line})
}

func (p *pionConnection) send(frame []byte) error { return p.ch.Send(frame) }

func (p *pionConnection) bufferedAmount() uint64 { return p.ch.BufferedAmount() }

// close waits for pion's goroutines.
func (p *pionConnection) close() error { return p.pc.GracefulClose() }
