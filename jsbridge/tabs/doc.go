// Package tabs lets the tabs of one origin share a profile: numbered slots and
// exclusive locks by Web Locks, messages by BroadcastChannel, and what happens
// to the page itself (hidden, frozen, offline).
//
//   - AcquireSlot gives the lowest slot that no other tab holds.
//   - Lock, TryLock hold a lock that one tab holds at a time. The browser frees
//     the locks and slots of a tab that closes, crashes or is discarded.
//   - Channel carries bytes to the other tabs.
//   - Watch tells of visibility, freezing and the network.
//
// Where an API is missing each degrades in a way that cannot do harm. Without
// Web Locks (or in a context where they are forbidden) AcquireSlot gives a random
// high number, so no two tabs ever share a slot and none is used again, and Lock
// and TryLock fail with errs.UnsupportedBrowser, so nobody takes itself for the
// only one. Without BroadcastChannel messages reach nobody. Without a document,
// as in a worker, the page counts as visible.
//
// Sources: W3C, Web Locks API; WHATWG, HTML, section 9.5 (BroadcastChannel);
// WICG, Page Lifecycle.
//
// Except for this file the package exists only for js.
package tabs
