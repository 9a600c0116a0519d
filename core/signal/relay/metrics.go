//go:build !js

package relay

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are the relay's own; each Relay has a registry of its own.
type metrics struct {
	registry      *prometheus.Registry
	connections   prometheus.Gauge
	topics        prometheus.Gauge
	peers         prometheus.Gauge
	frames        prometheus.Counter
	bytes         prometheus.Counter
	undeliverable prometheus.Counter
	throttled     prometheus.Counter
	drops         *prometheus.CounterVec // connections that the relay ended or turned away
	refusals      *prometheus.CounterVec // joins
}

func newMetrics() *metrics {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "echospace", Subsystem: "relay", Name: name, Help: help})
	}
	counter := func(name, help string) prometheus.CounterOpts {
		return prometheus.CounterOpts{Namespace: "echospace", Subsystem: "relay", Name: name, Help: help}
	}
	reason := []string{"reason"}
	m := &metrics{
		registry:      prometheus.NewRegistry(),
		connections:   gauge("connections", "Connections open now."),
		topics:        gauge("topics", "Topics with at least one peer."),
		peers:         gauge("peers", "Stays under a topic, over all topics."),
		frames:        prometheus.NewCounter(counter("frames_total", "Frames delivered to a queue.")),
		bytes:         prometheus.NewCounter(counter("bytes_total", "Bytes of those frames.")),
		undeliverable: prometheus.NewCounter(counter("undeliverable_total", "Frames to a peer that was not there.")),
		throttled:     prometheus.NewCounter(counter("throttled_total", "Messages that waited for the sender's rate.")),
		drops:         prometheus.NewCounterVec(counter("drops_total", "Connections ended or turned away, by reason."), reason),
		refusals:      prometheus.NewCounterVec(counter("refusals_total", "Joins refused, by reason."), reason),
	}
	m.registry.MustRegister(m.connections, m.topics, m.peers, m.frames, m.bytes, m.undeliverable, m.throttled, m.drops, m.refusals)
	return m
}

// Metrics serves the relay's figures for Prometheus.
func (r *Relay) Metrics() http.Handler {
	return promhttp.HandlerFor(r.metrics.registry, promhttp.HandlerOpts{})
}
