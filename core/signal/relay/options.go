//go:build !js

package relay

import (
	"log/slog"
	"path"
	"time"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal/relayproto"
)

// Options configure a Relay. For every number zero means the default.
type Options struct {
	// Log takes what the operator should know; nil discards it.
	Log *slog.Logger
	// Origins are patterns of pages that may connect: "*" for all, a host
	// ("app.example.com", "*.example.com") or an origin with scheme, matched by
	// path.Match in lower case. Pages of the relay's own host, and clients that
	// send no Origin, which are not browsers, always may.
	Origins []string
	// TrustProxy takes the client's address from the last element of
	// X-Forwarded-For. Set it only behind a proxy that writes that header.
	TrustProxy bool

	MaxConnections           int // in all; 10,000
	MaxConnectionsPerAddress int // per IPv4 address or IPv6 /64; 256
	MaxTopics                int // joins at one time per connection; 256
	MaxPeers                 int // under one topic; 256, at most relayproto.MaxPeers
	MaxFrame                 int // bytes; relayproto.MaxFrame, which is the most
	FramesPerSecond          int // messages that one connection may send; 2,000
	BytesPerSecond           int // of those messages; 4 MiB
	QueueBytes               int // that may wait for one connection to read; 4 MiB
	// MaxRelayedBytes ends a connection that has sent so many bytes of frames;
	// zero is no limit.
	MaxRelayedBytes int64

	HelloTimeout time.Duration // for a client to say Hello; 10 s
	PingInterval time.Duration // 30 s
	PingTimeout  time.Duration // for anything to come back; 10 s
}

// complete gives o with the defaults filled in, or an errs.InvalidArgument.
func (o Options) complete() (Options, error) {
	const op = "relay.New"
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
		most  int
	}{
		{"MaxConnections", &o.MaxConnections, 10_000, 1 << 30},
		{"MaxConnectionsPerAddress", &o.MaxConnectionsPerAddress, 256, 1 << 30},
		{"MaxTopics", &o.MaxTopics, 256, 1 << 20},
		{"MaxPeers", &o.MaxPeers, 256, relayproto.MaxPeers},
		{"MaxFrame", &o.MaxFrame, relayproto.MaxFrame, relayproto.MaxFrame},
		{"FramesPerSecond", &o.FramesPerSecond, 2000, 1 << 30},
		{"BytesPerSecond", &o.BytesPerSecond, 4 << 20, 1 << 30},
		{"QueueBytes", &o.QueueBytes, 4 << 20, 1 << 30},
	} {
		if *f.value < 0 || *f.value > f.most {
			return o, errs.New(op, errs.InvalidArgument, "%s is %d; want 1 to %d, or 0 for %d", f.name, *f.value, f.most, f.def)
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, d := range []struct {
		value *time.Duration
		def   time.Duration
	}{{&o.HelloTimeout, 10 * time.Second}, {&o.PingInterval, 30 * time.Second}, {&o.PingTimeout, 10 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.def
		}
	}
	for _, p := range o.Origins {
		if _, err := path.Match(p, ""); err != nil {
			return o, errs.New(op, errs.InvalidArgument, "origin pattern %q: %w", p, err)
		}
	}
	return o, nil
}

// limits are what Welcome states.
func (o Options) limits() relayproto.Limits {
	return relayproto.Limits{
		BytesPerSecond: uint64(o.BytesPerSecond), FramesPerSecond: uint64(o.FramesPerSecond),
		MaxFrame: uint32(o.MaxFrame), MaxTopics: uint32(o.MaxTopics),
	}
}
