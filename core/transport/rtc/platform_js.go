//go:build js

package rtc

import (
	"errors"
	"fmt"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

// browserConnection is the browser's. A call that JavaScript throws out of is
// an error here.
type browserConnection struct {
	pc, ch     safejs.Value
	uint8Array safejs.Value // the constructor
	events     []event
}

// event is a handler that stands in an on... property.
type event struct {
	target safejs.Value
	name   string
	fn     safejs.Func
}

func newPeerConnection(op string, _ Options, servers []transport.ICEServer) (peerConnection, error) {
	constructor, err := safejs.Global().Get("RTCPeerConnection")
	if err != nil || constructor.Type() != safejs.TypeFunction {
		return nil, errs.New(op, errs.UnsupportedBrowser, "this browser has no RTCPeerConnection here; go on over the relay")
	}
	pc, err := constructor.New(configuration(servers))
	if err != nil {
		return nil, errs.New(op, errs.InvalidArgument, "RTCPeerConnection refused its configuration: %w", err)
	}
	b := &browserConnection{pc: pc}
	if err := b.makeChannel(); err != nil {
		b.pc.Call("close")
		return nil, errs.New(op, errs.UnsupportedBrowser, "cannot make a data channel: %w", err)
	}
	return b, nil
}

func configuration(servers []transport.ICEServer) map[string]any {
	list := make([]any, len(servers))
	for i, s := range servers {
		urls := make([]any, len(s.URLs))
		for j, u := range s.URLs {
			urls[j] = u
		}
		ice := map[string]any{"urls": urls}
		// RTCIceServer tells an absent string from an empty one.
		if s.Username != "" {
			ice["username"] = s.Username
		}
		if s.Credential != "" {
			ice["credential"] = s.Credential
		}
		list[i] = ice
	}
	return map[string]any{"iceServers": list}
}

// makeChannel makes the one channel: both sides do, none announces it. Its
// default binaryType is "blob" in some browsers, whose asynchronous reading
// loses the order of messages.
func (b *browserConnection) makeChannel() (err error) {
	if b.uint8Array, err = safejs.Global().Get("Uint8Array"); err != nil {
		return err
	}
	b.ch, err = b.pc.Call("createDataChannel", channelLabel, map[string]any{"ordered": true, "negotiated": true, "id": 0})
	if err != nil {
		return err
	}
	if err := b.ch.Set("binaryType", "arraybuffer"); err != nil {
		return err
	}
	return b.ch.Set("bufferedAmountLowThreshold", lowBuffered)
}

func (b *browserConnection) listen(h handlers) {
	b.on(b.pc, "icecandidate", func(e safejs.Value) {
		if c := get(e, "candidate"); c.Type() == safejs.TypeObject {
			h.candidate(text(c, "candidate"))
		}
	})
	b.on(b.pc, "connectionstatechange", func(safejs.Value) {
		switch s := text(b.pc, "connectionState"); s {
		case "failed", "closed":
			h.lost(s)
		}
	})
	b.on(b.ch, "open", func(safejs.Value) { h.open() })
	b.on(b.ch, "close", func(safejs.Value) { h.closed() })
	b.on(b.ch, "message", func(e safejs.Value) { h.message(b.bytes(get(e, "data"))) })
	b.on(b.ch, "bufferedamountlow", func(safejs.Value) { h.low() })
}

// on sets one handler.
func (b *browserConnection) on(target safejs.Value, name string, handle func(e safejs.Value)) {
	fn, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
		if len(args) == 1 {
			handle(args[0])
		}
		return nil
	})
	if err != nil {
		return // FuncOf fails outside of JavaScript only
	}
	name = "on" + name
	b.events = append(b.events, event{target, name, fn})
	_ = target.Set(name, fn) // the properties of the two objects take any function
}

// bytes copies an ArrayBuffer; anything else gives nil.
func (b *browserConnection) bytes(data safejs.Value) []byte {
	if data.Type() != safejs.TypeObject {
		return nil
	}
	view, err := b.uint8Array.New(data)
	if err != nil {
		return nil
	}
	n, err := view.Length()
	if err != nil {
		return nil
	}
	out := make([]byte, n)
	if _, err := safejs.CopyBytesToGo(out, view); err != nil {
		return nil
	}
	return out
}

func (b *browserConnection) signalingState() string { return text(b.pc, "signalingState") }

func (b *browserConnection) description(w which) string { return text(get(b.pc, string(w)), "sdp") }

func (b *browserConnection) offer(restart bool) error {
	return b.setLocal("createOffer", map[string]any{"iceRestart": restart})
}

func (b *browserConnection) answer() error { return b.setLocal("createAnswer") }

func (b *browserConnection) setLocal(create string, args ...any) error {
	d, err := await(b.pc.Call(create, args...))
	if err != nil {
		return err
	}
	_, err = await(b.pc.Call("setLocalDescription", d))
	return err
}

func (b *browserConnection) setRemote(t signalType, sdp string) error {
	words := map[signalType]string{signalOffer: "offer", signalAnswer: "answer"}
	_, err := await(b.pc.Call("setRemoteDescription", map[string]any{"type": words[t], "sdp": sdp}))
	return err
}

func (b *browserConnection) addCandidate(text string) error {
	_, err := await(b.pc.Call("addIceCandidate", map[string]any{"candidate": text, "sdpMLineIndex": 0}))
	return err
}

func (b *browserConnection) send(frame []byte) error {
	view, err := b.uint8Array.New(len(frame))
	if err != nil {
		return err
	}
	if _, err := safejs.CopyBytesToJS(view, frame); err != nil {
		return err
	}
	_, err = b.ch.Call("send", view)
	return err
}

func (b *browserConnection) bufferedAmount() uint64 {
	n, err := get(b.ch, "bufferedAmount").Int()
	if err != nil {
		return 0
	}
	return uint64(n)
}

// close takes the handlers off before it releases them: an event that is
// already queued and found a released one would be an error on the page's
// console.
func (b *browserConnection) close() error {
	for _, e := range b.events {
		_ = e.target.Set(e.name, safejs.Null())
		e.fn.Release()
	}
	b.events = nil
	_, first := b.ch.Call("close")
	_, second := b.pc.Call("close")
	return errors.Join(first, second)
}

// get gives a property, undefined if there is none.
func get(v safejs.Value, name string) safejs.Value {
	p, err := v.Get(name)
	if err != nil {
		return safejs.Undefined()
	}
	return p
}

// text gives a property that is a string, "" if it is anything else.
func text(v safejs.Value, name string) string {
	p := get(v, name)
	if p.Type() != safejs.TypeString {
		return ""
	}
	s, _ := p.String()
	return s
}

// await waits for the Promise that a call gave, unless the call failed. An
// RTCPeerConnection settles its promises unless it is closed, and nobody
// closes it while one is awaited.
func await(promise safejs.Value, err error) (safejs.Value, error) {
	if err != nil {
		return safejs.Undefined(), err
	}
	type result struct {
		value safejs.Value
		err   error
	}
	settled := make(chan result, 1)
	then := func(settle func(v safejs.Value) result) (safejs.Func, error) {
		return safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
			v := safejs.Undefined()
			if len(args) > 0 {
				v = args[0]
			}
			settled <- settle(v)
			return nil
		})
	}
	resolved, err := then(func(v safejs.Value) result { return result{value: v} })
	if err != nil {
		return safejs.Undefined(), err
	}
	defer resolved.Release()
	rejected, err := then(func(v safejs.Value) result {
		return result{err: fmt.Errorf("%s: %s", text(v, "name"), text(v, "message"))}
	})
	if err != nil {
		return safejs.Undefined(), err
	}
	defer rejected.Release()
	if _, err := promise.Call("then", resolved, rejected); err != nil {
		return safejs.Undefined(), err
	}
	r := <-settled
	return r.value, r.err
}
