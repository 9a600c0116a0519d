//go:build !js

package main

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/echospace/echospace/core/signal/relay"
)

// limitFlags are the flags of a relay, wherever it runs. Zero is the default of
// relay.Options.
type limitFlags struct {
	Origin                   []string `default:"*" help:"Pages that may connect: *, a host pattern, or scheme://host. Repeatable."`
	TrustProxy               bool     `help:"Take addresses from X-Forwarded-For; only behind a proxy that sets it."`
	MaxConnections           int      `help:"Connections in all (10000)."`
	MaxConnectionsPerAddress int      `help:"Connections per IPv4 address or IPv6 /64 (256)."`
	MaxTopics                int      `help:"Topics per connection (256)."`
	MaxPeers                 int      `help:"Peers under one topic (256)."`
	MaxFrame                 int      `help:"Bytes of a frame (65280)."`
	MaxFramesPerSecond       int      `help:"Messages per second and connection (2000)."`
	MaxBytesPerSecond        int      `help:"Bytes per second and connection (4194304)."`
	MaxRelayedBytes          int64    `help:"Bytes of frames in the life of a connection; 0 is no limit."`
	MaxQueueBytes            int      `help:"Bytes that may wait for a client to read them (4194304)."`
}

func (f *limitFlags) options(log *slog.Logger) relay.Options {
	return relay.Options{
		Log: log, Origins: f.Origin, TrustProxy: f.TrustProxy,
		MaxConnections: f.MaxConnections, MaxConnectionsPerAddress: f.MaxConnectionsPerAddress,
		MaxTopics: f.MaxTopics, MaxPeers: f.MaxPeers, MaxFrame: f.MaxFrame,
		FramesPerSecond: f.MaxFramesPerSecond, BytesPerSecond: f.MaxBytesPerSecond,
		MaxRelayedBytes: f.MaxRelayedBytes, QueueBytes: f.MaxQueueBytes,
	}
}

type relayCmd struct {
	Listen       string        `default:"127.0.0.1:8080" help:"Address to listen on; port 0 takes a free one."`
	DrainTimeout time.Duration `default:"10s" help:"How long clients have to leave on SIGTERM."`
	limitFlags   `embed:""`
}

// Run serves a relay until the process is told to end.
func (c *relayCmd) Run(p *process) error {
	r, err := relay.New(c.options(p.log))
	if err != nil {
		return err
	}
	s := server{relay: r, mux: relayMux(r), line: "relay ws://%s/relay\n", drain: c.DrainTimeout}
	return s.run(p, c.Listen)
}

// relayMux serves a relay's three paths.
func relayMux(r *relay.Relay) *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("/relay", r)
	mux.Handle("GET /healthz", r.Health())
	mux.Handle("GET /metrics", r.Metrics())
	return mux
}
