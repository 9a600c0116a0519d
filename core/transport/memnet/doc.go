// Package memnet is a network in memory for tests and simulations, driven by a
// seed: connections with delay, back-pressure, sudden death and partitions,
// and direct connections that are negotiated through signaling messages as
// WebRTC's are.
//
//	n := memnet.New(memnet.Options{Seed: 7, MaxDelay: 20 * time.Millisecond})
//	a, b := n.Pair("alice", "bob")
//	n.Split([]string{"alice"}, []string{"bob"}) // both die, until Heal no more
//
// A connection is lost as a whole or not at all: messages never vanish, double
// or overtake, since no transport.Conn may do that. Timers are package time's,
// so that everything runs under testing/synctest. A Network is safe for
// concurrent use; one seed gives one behaviour as far as the order of calls is
// the same.
package memnet
