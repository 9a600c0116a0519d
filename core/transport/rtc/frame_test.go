package rtc

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/transport"
)

// TestFrames joins what split makes, at every size where the number of frames
// may change, and counts the same cost on both sides.
func TestFrames(t *testing.T) {
	for _, n := range []int{0, 1, maxFrame - 2, maxFrame - 1, maxFrame, transport.MaxMessage} {
		msg := bytes.Repeat([]byte{byte(n)}, n)
		frames := split(msg)
		var in inbox
		for _, f := range frames {
			if len(f) > maxFrame {
				t.Errorf("%d bytes make a frame of %d", n, len(f))
			}
			if !in.data(f[0], f[1:]) {
				t.Fatalf("%d bytes: a frame is refused", n)
			}
		}
		if in.charged != cost(frames) {
			t.Errorf("%d bytes: the receiver charges %d, the sender %d", n, in.charged, cost(frames))
		}
		if got, _, ok := in.take(); !ok || !bytes.Equal(got, msg) {
			t.Errorf("%d bytes come back as %d", n, len(got))
		}
	}
}

// TestWindow fills the window, empties it, and gets all of it back but what is
// still owed.
func TestWindow(t *testing.T) {
	var in inbox
	f := frame(frameLast, make([]byte, 1000))
	n := 0
	for in.charged+len(f)+frameCost <= window {
		if !in.data(f[0], f[1:]) {
			t.Fatalf("frame %d within the window is refused", n)
		}
		n++
	}
	given := 0
	for range n {
		_, credit, ok := in.take()
		if !ok {
			t.Fatal("a message is missing")
		}
		given += credit
	}
	if total := n * (len(f) + frameCost); given+in.owed != total || in.owed >= window/4 || in.charged != in.owed {
		t.Fatalf("of %d bytes %d were given back, %d owed, %d charged", total, given, in.owed, in.charged)
	}
	if in.data(frameMore, make([]byte, 10)) {
		t.Fatal("a short part is taken")
	}
	in = inbox{charged: window}
	if in.data(f[0], f[1:]) {
		t.Fatal("a frame beyond the window is taken")
	}
}
