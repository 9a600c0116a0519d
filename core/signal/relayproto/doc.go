// Package relayproto is the relay protocol: the messages between a client and
// the relay that introduces peers. core/signal/wssignal and core/signal/relay
// share it and nothing else.
//
// One WebSocket carries any number of topics. Each binary WebSocket message is
// one relay message in the encoding of core/wire: an array whose first element
// is the type.
//
// A client sends
//
//	[1, version]                   Hello, first and once
//	[2, handle, topic, peer]       Join
//	[3, handle]                    Leave
//	[4, handle, to, frame]         Send
//	[5, nonce]                     Ping
//
// and the relay
//
//	[16, version, bytes/s, frames/s, max frame, max topics]   Welcome, first and once
//	[17, handle, [peer...]]        Joined: the join holds; who is there already
//	[18, handle, peer]             PeerJoined
//	[19, handle, peer]             PeerLeft
//	[20, handle, from, frame]      Deliver
//	[21, handle, to]               Undeliverable: that peer is not under the topic
//	[22, handle, code, text]       Refused: the join does not hold
//	[23, code, text]               Goodbye: the relay closes the connection next
//	[24, nonce]                    Pong
//
// version is 1. A handle is a number below 2^32 that the client chooses for one
// join on its connection; it may not use one that is joined. topic is 32 bytes
// that the relay compares and never reads. peer is 16 random bytes that the
// client draws for that one join, so that no two stays can be linked by it;
// zero, and one that is under the topic already, are refused. frame is opaque
// and at most MaxFrame bytes; the relay never looks into it.
//
// Order: the relay's messages about one handle arrive in the order in which it
// processed their causes. A peer's frames come after its PeerJoined (or after
// the Joined that lists it) and before its PeerLeft, and two frames from one
// peer in the order sent. A Send or Leave whose handle is not joined is ignored:
// it crossed with the end of the join.
//
// Anything else that does not decode, comes before Hello, is of an unknown type
// or joins a handle that is joined ends the connection with Goodbye and CodeMalformed. A browser cannot see
// why an HTTP upgrade failed, so a relay that refuses a client (origin, number
// of connections, draining) accepts the WebSocket first and says Goodbye on it.
package relayproto
