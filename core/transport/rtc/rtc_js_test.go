//go:build js

package rtc

import (
	"testing"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

func get(t *testing.T, v safejs.Value, name string) safejs.Value {
	t.Helper()
	p, err := v.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestUnsupportedBrowser takes RTCPeerConnection away, as a browser without
// WebRTC and some privacy settings do.
func TestUnsupportedBrowser(t *testing.T) {
	window := get(t, safejs.Global(), "window")
	constructor := get(t, window, "RTCPeerConnection")
	if err := window.Set("RTCPeerConnection", safejs.Undefined()); err != nil {
		t.Fatal(err)
	}
	defer window.Set("RTCPeerConnection", constructor)
	_, err := New(Options{}).Open(transport.DirectOptions{Send: func([]byte) {}})
	if !errs.Is(err, errs.UnsupportedBrowser) {
		t.Fatalf("Open: %v", err)
	}
}

func TestBadICEServer(t *testing.T) {
	_, err := New(Options{}).Open(transport.DirectOptions{
		Send: func([]byte) {}, ICEServers: []transport.ICEServer{{URLs: []string{"nonsense:x"}}},
	})
	if !errs.Is(err, errs.InvalidArgument) {
		t.Fatalf("Open: %v", err)
	}
}

// TestChannel: the channel gives ArrayBuffers, pion's is the one that we made,
// and the connection is as the browser made it.
func TestChannel(t *testing.T) {
	p := connected(t)
	kind, err := get(t, p.a.ch.js, "binaryType").String()
	if err != nil || kind != "arraybuffer" {
		t.Errorf("binaryType %q, %v", kind, err)
	}
	if get(t, p.a.ch.js, "onmessage").IsNull() {
		t.Error("pion listens to another channel")
	}
	own, err := safejs.Safe(p.a.pc.JSValue()).Call("hasOwnProperty", "createDataChannel")
	if err != nil {
		t.Fatal(err)
	}
	if yes, err := own.Bool(); err != nil || yes {
		t.Errorf("createDataChannel is still replaced: %v, %v", yes, err)
	}
}
