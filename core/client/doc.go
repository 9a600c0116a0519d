// Package client joins the state machines of the core to the world: storage,
// relays, direct connections, other tabs. It is the only package of the core
// that starts goroutines; each belongs to a Client or one of its Spaces and
// ends with it.
//
// Key types, in order of use: Ports (what the composition root hands in),
// Client (identity, spaces, network), Space (one open space: objects, members,
// messages, and its past: Version, At, History, Diff, Restore, Blame), Invitation
// (hosted or accepted), Var (an observable value).
//
// What the devices of an identity share is in its HALO, a Space that is on no list:
// halo.go. Each session has a keeper of it, which opens the spaces that another device
// made or joined, and forgets those that another left: keeper.go.
//
// The past is read from storage each time it is asked for, in slices, and kept
// nowhere: timeline.go.
//
// Concurrency: every method may be called from any goroutine. Each Space
// guards its state machines by one mutex that is never held across a wait, so
// on js/wasm, where there is one thread, a call that only takes that mutex
// never blocks: exported functions may make it.
package client
