package client

import (
	"context"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/transport"
)

// Ports are what the composition root chose. All are required unless they say
// otherwise.
type Ports struct {
	Env env.Env
	// OpenStore opens the profile's storage. lost is called at most once, when
	// the storage is taken away while open (another version upgrades it).
	OpenStore func(ctx context.Context, lost func(error)) (Storage, error)
	// Relays makes the connections to the relays, one each; the Client closes
	// them. changed is to be called after a status changed; it never blocks.
	Relays func(changed func()) []Relay
	// Direct makes direct connections; nil means that everything is relayed.
	Direct     transport.Direct
	ICEServers []transport.ICEServer
	// Slot takes the lowest free slot of the profile, until release. Slots from
	// 65536 up are drawn at random, where nothing tells which are free.
	Slot func(ctx context.Context) (slot uint32, release func(), err error)
	// Lock waits until no other engine of the profile holds the lock of that
	// name; nil where there is only one engine. release does not wait.
	Lock func(ctx context.Context, name string) (release func(), err error)
	// Tabs carries news to the other engines of the profile; nil where there
	// is only one.
	Tabs Tabs
	// Visible calls fn with whether somebody can see the page, at once and after
	// each change, until release. Nil where there is no page: then the engine is
	// always on the network.
	Visible func(fn func(visible bool)) (release func())
	// Device is what a new device says of itself.
	Device DeviceProfile
	// Snapshots says when snapshots of spaces are written.
	Snapshots Snapshots
	// Yield lets the platform handle other events during long work; nil where
	// threads do that.
	Yield func(ctx context.Context)
	// Crashed is told what a goroutine of the Client panicked with. The Client is
	// of no use after that. Nil lets the panic end the process.
	Crashed func(reason any)
}

// Nonces gives the nonce of the record under a key; false for one that is not to be
// opened.
type Nonces func(key []byte) (nonce [keys.BulkNonce]byte, wanted bool)

// Storage is a profile's open storage.
type Storage struct {
	Store storage.Store
	Keys  keys.KeyStore
	// Devices makes device keys that nobody reads. Without it they are in the keyring.
	Devices keys.DeviceKeys
	// Bulk is the cipher of snapshots. Without one there are none.
	Bulk keys.Bulk
	// OpenRange does what Scan and then Bulk.Open do, which need not bring into
	// memory what is sealed: it gives the keys of the first records of a range, at
	// most limit, and begins to open those that nonce gives a nonce for. opened,
	// which need not be called, waits for them: as many as keys, nil for the others.
	// It is there if Bulk is.
	OpenRange func(ctx context.Context, r storage.Range, limit int, key keys.Secret, nonce Nonces) (names [][]byte, opened func() ([][]byte, error), err error)
	// Destroy closes the store and removes everything of the profile.
	Destroy func(ctx context.Context) error
	// Persist asks the platform to keep the data and tells whether it promised
	// to. It may wait for the person's answer; nil asks nobody.
	Persist func(ctx context.Context) bool
}

// Relay is a signal.Signaler over one relay, which tells how the relay is.
type Relay struct {
	signal.Signaler
	Status func() RelayStatus
	// Poke ends back-off: the network may be back.
	Poke func()
}

// RelayState is how a relay connection is.
type RelayState string

// The states of a relay connection.
const (
	RelayConnecting RelayState = "connecting"
	RelayUp         RelayState = "up"
	RelayDown       RelayState = "down"
)

// RelayStatus is one relay's state.
type RelayStatus struct {
	URL      string
	State    RelayState
	Attempts int
	Err      error // why it is not up, or nil
}

// Tabs is a channel between the engines of one profile. Messages may be lost;
// nothing depends on them but how soon another tab sees a change.
type Tabs interface {
	Post(msg []byte)
	Listen(fn func(msg []byte)) (release func())
}
