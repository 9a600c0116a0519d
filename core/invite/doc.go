// Package invite is the invitation machine: how a guest that holds an
// invitation code, and for most invitations a second code told over another
// channel, is admitted by a host. It does no I/O, starts no goroutine and reads
// no clock: the caller carries its frames over signal.Rendezvous, tells it the
// time, and does what its output asks.
//
// In order of use: New makes an Invitation and NewAuthCode its second factor;
// Invitation.Encode gives the code that is shared and Decode reads it. A Host
// serves one invitation to any number of guests, a Guest accepts one from
// whichever peer under its topic proves to be a host. Both are driven alike:
//
//	call PeerJoined, PeerLeft, Frame and Tick as things happen,
//	after each call do what Ready gives, until Done
//
// On the wire: Noise NNpsk0 (25519, ChaChaPoly, BLAKE2b; the psk comes from the
// swarm key), then, sealed, CPace (package cpace) with the handshake's hash as
// session id. The guest confirms first, so a guest that does not is told
// nothing that depends on the code; the host has a wrong confirmation stored as
// a spent attempt before it answers, and judges one at a time over all guests.
// Then the guest introduces itself, the caller admits it, the payload goes to
// the guest, which acknowledges once the space is open.
//
// What whoever knows the swarm key but not the auth code can do, the relay
// included: prevent, and guess online. Each guess at a host is an attempt of the
// invitation; each guess at a guest one of its three. Lost, repeated and
// reordered frames are made good; altered ones are dropped.
//
// Caveats. Calls must be serialised. Everything in an output belongs to the
// caller. After the end keep driving a machine until Done: it still tells its
// peers.
package invite
