// Package rtc is transport.Direct on WebRTC: the browser's own in the page, and
// pion/webrtc natively. Both stand behind the small peerConnection; negotiation,
// flow control and frames have one source.
//
// A Direct opens Conns. Each has one RTCPeerConnection with one negotiated,
// reliable, ordered data channel (id 0), and one goroutine, which makes every
// call on the RTCPeerConnection, so that negotiation is a sequence of steps
// and nothing is under way when it closes. Event handlers append to a queue
// and poke; they never block.
//
// Offers never cross: the impolite side makes all of them, and the polite side
// asks for one when it wants to restart. That is "perfect negotiation" (W3C
// WebRTC 1.0, section 10.7) with the polite side yielding beforehand, since
// pion v3 cannot roll an offer back: its only way out of have-local-offer is an
// answer. Candidates trickle.
//
// On the channel each frame is a type byte and a payload (see frame.go). A
// window of credit, given back as Recv takes messages, bounds what a slow
// receiver must hold: the browser itself reads from the network without end.
// A peer that sends beyond its credit is dropped with PEER_MISBEHAVED. Toward
// the network, at most 128 KiB are buffered, and the low-water event releases
// the next Send. A clean Close says goodbye, so that the other side tells
// io.EOF from a lost path.
//
// pion/webrtc has a binding for the browser too. It is not used: it links pion's
// own TLS, ICE and certificates, a fifth of the page's whole download, and leaves
// binaryType, signaling states and the order of messages wrong.
package rtc
