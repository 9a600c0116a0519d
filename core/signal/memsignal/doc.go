// Package memsignal is signal.Signaler in memory, for tests and simulations: a
// Hub stands in for the relay, and Hub.Signaler gives each client its own.
//
// Without faults a frame is in the receiver's queue when Send returns, so a
// single-threaded simulation needs no waiting. Faults (loss, duplication,
// reordering, delay, a Tamper hook that may do anything an evil relay can) are
// drawn from the Hub's seed; the same calls in the same order give the same
// faults. Delays are timers of package time: run the simulation under
// testing/synctest and they cost nothing.
//
// An outage (Hub.SetDown for all, Signaler.SetDown for one client) is what
// losing a relay is: Down at every stay, and on return Up with a new peer id.
//
// Caveat: queues are unbounded, so Send never blocks.
package memsignal
