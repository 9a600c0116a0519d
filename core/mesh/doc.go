// Package mesh connects the peers of a topic: it decides whom to connect to,
// authenticates each, and carries messages to them in order, first over the
// relay and then, in place, over a direct channel.
//
// Everything here is a state machine: no I/O, no goroutine, no timer. Events go
// in by methods, what is to be done comes out of Ready, and time is what Tick
// was last told. Callers serialise calls.
//
// Key types in order of use:
//
//   - Swarm: the peers under one topic. Its driver hands in what the relays say
//     (Signal, SignalFrom), what direct connections say (DirectReady,
//     DirectMessage, ...) and the time (Tick), and after each batch carries out
//     what Ready returns.
//   - Auth: what a session's two ends prove to each other; given by the caller.
//   - Event: Connected, Message, PathChanged, Disconnected, ... in order.
//   - Pacer: the rate of bulk on relays, shared by the swarms of one client.
//   - Gossip: flooding of small messages to peers that are not neighbours.
//   - Presence: who is online, from sessions and from gossip.
//
// # A session
//
// The peer with the lower id.PeerID starts Noise_XXpsk0_25519_ChaChaPoly_BLAKE2b
// (The Noise Protocol Framework, revision 34) in relayed frames. Each side's
// payload is Auth's, which binds a device to the Noise static. Then messages go
// in numbered frames with cumulative acknowledgement; a frame is kept until it
// is acknowledged, so that a change of path loses none, and a number is taken
// once, so that it doubles none.
//
// On a relay frames travel in packets, each sealed under the key of its
// direction with its packet number as nonce. A frame that is sent again is in a
// new packet: no nonce ever meets two plaintexts, though acknowledgements ride
// in the same packets. A packet seen before is ignored; an altered one ends the
// session.
//
// If both sides can, they open a direct channel, whose signaling messages are
// frames of the session. When it is ready each end sends on it a MAC of both
// DTLS fingerprints under a key of the session (after RFC 5929's idea of
// channel bindings); only an end that verified the other's moves its frames
// there. DTLS seals them, so the packets are plain.
//
// # Caveats
//
// Delivery is exactly once and in order within a priority of one session.
// When a session ends, what it had not delivered is gone: the layer above
// starts over with the next session (frontiers make that cheap).
//
// A relay that drops, delays, repeats, reorders or edits can delay and prevent,
// and no more.
package mesh
