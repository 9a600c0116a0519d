// Package plain is Eg-walker at its plainest: one item per element, the state of
// each found anew for every event, positions found by counting. It is slow and
// short, and what package egwalker and its users are tested against.
//
// Replay gives the text that a History comes to, and the edits that its last
// event comes to in what the others made.
package plain
