//go:build !js

package rtc

import (
	"io"

	"github.com/pion/logging"
	"github.com/pion/webrtc/v3"
)

// supported: pion brings WebRTC along.
func supported() bool { return true }

func newPeerConnection(o Options, c webrtc.Configuration) (*webrtc.PeerConnection, error) {
	var s webrtc.SettingEngine
	s.SetIncludeLoopbackCandidate(o.Loopback)
	// What matters reaches us as errors and states.
	s.LoggerFactory = &logging.DefaultLoggerFactory{Writer: io.Discard, DefaultLogLevel: logging.LogLevelDisabled}
	return webrtc.NewAPI(webrtc.WithSettingEngine(s)).NewPeerConnection(c)
}

// newChannel makes the data channel.
func newChannel(pc *webrtc.PeerConnection) (*channel, error) {
	dc, err := pc.CreateDataChannel(channelLabel, channelInit())
	if err != nil {
		return nil, err
	}
	return &channel{DataChannel: dc}, nil
}

// channel is pion's.
type channel struct{ *webrtc.DataChannel }

// teardown closes everything and waits for pion's goroutines.
func teardown(pc *webrtc.PeerConnection, _ *channel) error { return pc.GracefulClose() }
