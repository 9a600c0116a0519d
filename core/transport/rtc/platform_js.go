//go:build js

package rtc

import (
	"errors"

	"github.com/hack-pad/safejs"
	"github.com/pion/webrtc/v3"
)

// supported looks for RTCPeerConnection where pion will: on window, which a
// worker does not have. pion itself would panic.
func supported() bool {
	window, err := safejs.Global().Get("window")
	if err != nil || window.IsUndefined() || window.IsNull() {
		return false
	}
	constructor, err := window.Get("RTCPeerConnection")
	return err == nil && constructor.Type() == safejs.TypeFunction
}

func newPeerConnection(_ Options, c webrtc.Configuration) (*webrtc.PeerConnection, error) {
	return webrtc.NewPeerConnection(c)
}

// newChannel makes the data channel with binaryType "arraybuffer". pion leaves
// that at the browser's default, which may be "blob", whose asynchronous
// reading loses the order of messages, and does not let us reach its channel.
// So we make the channel and, for one call, have the connection answer
// createDataChannel with it. Object's valueOf, bound, is a function that
// returns the channel; it needs no callback into Go and no eval.
func newChannel(pc *webrtc.PeerConnection) (*channel, error) {
	const method = "createDataChannel"
	v := safejs.Safe(pc.JSValue())
	underlying, err := v.Call(method, channelLabel, map[string]any{"ordered": true, "negotiated": true, "id": 0})
	if err != nil {
		return nil, err
	}
	if err := underlying.Set("binaryType", "arraybuffer"); err != nil {
		return nil, err
	}
	valueOf, err := underlying.Get("valueOf")
	if err != nil {
		return nil, err
	}
	give, err := valueOf.Call("bind", underlying)
	if err != nil {
		return nil, err
	}
	if err := v.Set(method, give); err != nil {
		return nil, err
	}
	defer v.Delete(method)
	dc, err := pc.CreateDataChannel(channelLabel, channelInit())
	if err != nil {
		return nil, err
	}
	return &channel{DataChannel: dc, js: underlying}, nil
}

// teardown closes everything. The browser may still have events under way, and
// pion releases its callbacks on Close; an event that then found one would be
// an error on the page's console, so the handlers are taken off first.
func teardown(pc *webrtc.PeerConnection, ch *channel) error {
	v := safejs.Safe(pc.JSValue())
	v.Set("onicecandidate", safejs.Null())
	v.Set("onconnectionstatechange", safejs.Null())
	for _, event := range []string{"onopen", "onclose", "onmessage", "onbufferedamountlow"} {
		ch.js.Set(event, safejs.Null())
	}
	return errors.Join(ch.Close(), pc.Close())
}

// channel is pion's with the browser's beneath.
type channel struct {
	*webrtc.DataChannel
	js safejs.Value
}
