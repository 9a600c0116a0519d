// Package wssignal is signal.Signaler over a relay: the client of the protocol
// in core/signal/relayproto, on whatever transport.Dial it is given. It runs in
// the page and natively.
//
//	c := wssignal.New(wssignal.Options{Env: e, URL: "wss://...", Dial: dial})
//	r, err := c.Join(ctx, topic)
//
// One connection carries all topics of a Client. It is made at Connect or when the
// first topic is joined, and kept until Close or Suspend; when it breaks, it is tried again
// with exponential back-off and full jitter (0.25 s to 15 s), at once on Poke.
// Every stay then gets Down, and Up with a new peer id on the new connection.
//
// Each stay has a bounded queue of events. A stay that is not read in time is
// not allowed to hold up the others, nor may frames be lost unnoticed: it leaves
// its topic, its queue becomes one Down, and it joins again once that was read.
//
// A Client has one goroutine (run) while it is open, which alone calls OnStatus,
// and one more (session.keep) per connection.
package wssignal
