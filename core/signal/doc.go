// Package signal is the border to introduction: peers that know a topic find
// each other and exchange opaque frames, until they have a path of their own
// and whenever they have none.
//
// Implementations: memsignal (tests, with seeded faults) and wssignal, the
// client of the relay protocol whose server is relay. All pass signaltest.
package signal
