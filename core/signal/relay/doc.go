// Package relay is the server that introduces peers: an http.Handler whose
// WebSocket speaks the protocol of core/signal/relayproto.
//
//	r, err := relay.New(relay.Options{Origins: []string{"*"}})
//	mux.Handle("/relay", r)
//	mux.Handle("/healthz", r.Health())
//	mux.Handle("/metrics", r.Metrics())
//	...
//	err = r.Drain(ctx)
//
// Everything is in memory. A connection has three goroutines: the handler's,
// which reads, one that writes what is queued, and one that pings. No client can
// make another one wait: what is sent to a client goes to its bounded queue,
// and one that does not read fast enough is dropped. A client that sends faster
// than its rates is read more slowly, which TCP carries back to it.
//
// The relay never looks into frames, and logs neither topics nor addresses.
// SECURITY: what it can learn is who (by address) is connected when, which
// connections share a topic, and how much they say.
//
// The package is native only (build tag !js) but for this file.
package relay
