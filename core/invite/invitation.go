package invite

import (
	"time"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// Kind is what an invitation is to.
type Kind uint8

// The kinds.
const (
	Space  Kind = iota // membership of a space
	Device             // a further device of an identity
)

// String gives SPACE or DEVICE.
func (k Kind) String() string {
	if k == Device {
		return "DEVICE"
	}
	return "SPACE"
}

// Auth is how a guest shows that it is the one who was meant.
type Auth uint8

// The methods. The zero value is the default.
const (
	SharedSecret   Auth = iota // an auth code told over another channel
	None                       // whoever holds the invitation code
	KnownPublicKey             // the holder of a key that the host names
)

// String gives SHARED_SECRET, NONE or KNOWN_PUBLIC_KEY.
func (a Auth) String() string {
	switch a {
	case None:
		return "NONE"
	case KnownPublicKey:
		return "KNOWN_PUBLIC_KEY"
	}
	return "SHARED_SECRET"
}

// Invitation is what is agreed before host and guest meet. The fields of the
// second group are the host's alone: Encode leaves them out.
type Invitation struct {
	ID         id.InvitationID // derived from SwarmKey
	Kind       Kind
	Auth       Auth
	SwarmKey   [32]byte // secret: whoever holds it can find the host
	MultiUse   bool     // admits any number of guests
	Persistent bool     // hosted again after a restart
	Expires    int64    // ms since 1970; 0 never

	Timeout  time.Duration // how long the host waits in all; 0 without end
	AuthCode string        // SharedSecret only
	GuestKey *[32]byte     // KnownPublicKey only: the Ed25519 key of the guest
	Role     uint8         // what guests are told that they will be, a number of the caller's; 0 is not told
}

// New draws a swarm key and gives an otherwise zero Invitation: single-use, to
// a space, with a shared secret that the caller sets by NewAuthCode.
func New(e env.Env) Invitation {
	var inv Invitation
	copy(inv.SwarmKey[:], e.Bytes(len(inv.SwarmKey)))
	inv.ID = deriveID(inv.SwarmKey)
	return inv
}

// Topic is where host and guests of the invitation meet at a relay.
func (inv *Invitation) Topic() id.Topic {
	return id.Topic(keys.Derive(inv.SwarmKey[:], "echospace invite topic v1"))
}

// PSK is the pre-shared key of their handshakes.
func (inv *Invitation) PSK() keys.Secret {
	return keys.Derive(inv.SwarmKey[:], "echospace invite psk v1")
}

// Long reports whether the invitation is open for so long, or so often, that
// its auth code has ten characters instead of six digits.
func (inv *Invitation) Long() bool { return inv.MultiUse || inv.Persistent }

// Attempts is how many wrong auth codes the host takes over the invitation's
// whole life, restarts included.
func (inv *Invitation) Attempts() int {
	if inv.Long() {
		return longAttempts
	}
	return shortAttempts
}

const (
	shortAttempts = 3   // of 10^6 codes
	longAttempts  = 300 // of 2^50 codes, with back-off
)

// expired reports whether the invitation's time was over at now.
func (inv *Invitation) expired(now time.Time) bool {
	return inv.Expires != 0 && now.UnixMilli() >= inv.Expires
}

func deriveID(swarmKey [32]byte) id.InvitationID {
	s := keys.Derive(swarmKey[:], "echospace invite id v1")
	v, _ := id.From[id.InvitationID](s[:id.ShortSize])
	return v
}
