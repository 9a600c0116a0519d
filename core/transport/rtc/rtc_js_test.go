//go:build js

package rtc

import (
	"testing"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

// TestUnsupportedBrowser takes RTCPeerConnection away, as a browser without
// WebRTC and some privacy settings do.
func TestUnsupportedBrowser(t *testing.T) {
	constructor := get(safejs.Global(), "RTCPeerConnection")
	if err := safejs.Global().Set("RTCPeerConnection", safejs.Undefined()); err != nil {
		t.Fatal(err)
	}
	defer safejs.Global().Set("RTCPeerConnection", constructor)
	_, err := New(Options{}).Open(transport.DirectOptions{Send: func([]byte) {}})
	if !errs.Is(err, errs.UnsupportedBrowser) {
		t.Fatalf("Open: %v", err)
	}
}

// TestICEServers: what the browser refuses is an error, what it takes reaches it.
func TestICEServers(t *testing.T) {
	for _, c := range []struct {
		name   string
		server transport.ICEServer
		ok     bool
	}{
		{"nonsense", transport.ICEServer{URLs: []string{"nonsense:x"}}, false},
		{"turn without credentials", transport.ICEServer{URLs: []string{"turn:turn.example"}}, false},
		{"turn", transport.ICEServer{URLs: []string{"turn:turn.example"}, Username: "u", Credential: "c"}, true},
		{"stun", transport.ICEServer{URLs: []string{"stun:a.example", "stun:b.example"}}, true},
	} {
		conn, err := New(Options{}).open(transport.DirectOptions{Send: func([]byte) {}, ICEServers: []transport.ICEServer{c.server}})
		if !c.ok {
			if !errs.Is(err, errs.InvalidArgument) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		config, err := conn.pc.(*browserConnection).pc.Call("getConfiguration")
		if err != nil {
			t.Fatal(err)
		}
		server, err := get(config, "iceServers").Index(0)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := get(server, "urls").Length(); err != nil || n != len(c.server.URLs) || text(server, "username") != c.server.Username {
			t.Errorf("%s: %d URLs for %q, %v", c.name, n, text(server, "username"), err)
		}
		conn.Close()
	}
}

// TestChannel: the channel gives ArrayBuffers, and after the end no handler is
// left that an event could find.
func TestChannel(t *testing.T) {
	p := connected(t)
	b := p.a.pc.(*browserConnection)
	if kind := text(b.ch, "binaryType"); kind != "arraybuffer" {
		t.Errorf("binaryType %q", kind)
	}
	events := b.events
	if len(events) != 6 {
		t.Fatalf("%d handlers", len(events))
	}
	for _, e := range events {
		if get(e.target, e.name).Type() != safejs.TypeFunction {
			t.Errorf("%s is not set", e.name)
		}
	}
	p.a.Close()
	waitFor(t, "connection to close", func() bool { return text(b.pc, "connectionState") == "closed" })
	for _, e := range events {
		if !get(e.target, e.name).IsNull() {
			t.Errorf("%s is still set", e.name)
		}
	}
}

// TestText_N12 sends text, which is no frame.
func TestText_N12(t *testing.T) {
	p := connected(t)
	if _, err := p.a.pc.(*browserConnection).ch.Call("send", "text"); err != nil {
		t.Fatal(err)
	}
	<-p.b.gone
	if err := p.b.Err(); !errs.Is(err, errs.PeerMisbehaved) {
		t.Fatalf("Err: %v", err)
	}
}

// waitFor waits until ok.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 5000 {
		if ok() {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("no %s", what)
}
