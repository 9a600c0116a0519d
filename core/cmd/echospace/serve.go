//go:build !js

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/echospace/echospace/core/signal/relay"
)

// server is an HTTP server with a relay in it.
type server struct {
	relay *relay.Relay
	mux   *http.ServeMux
	line  string // printed once it serves; %s is HOST:PORT
	drain time.Duration
}

// run serves until the process is told to end, then drains.
func (s *server) run(p *process, listen string) error {
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", listen, err)
	}
	h := &http.Server{
		Handler:           s.mux,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(p.log.Handler(), slog.LevelDebug), // it names addresses
	}
	served := make(chan error, 1)
	go func() { served <- h.Serve(l) }()
	if _, err := fmt.Fprintf(p.stdout, s.line, l.Addr()); err != nil {
		_ = h.Close()
		return errors.Join(err, <-served)
	}
	p.log.Info("serving", "address", l.Addr().String())
	select {
	case err := <-served:
		return err
	case <-p.ctx.Done():
	}
	return s.shutdown(p.log, h, served)
}

// shutdown lets clients go. The listener stays open while the relay drains, so
// that /healthz can say so.
func (s *server) shutdown(log *slog.Logger, h *http.Server, served <-chan error) error {
	ctx, cancel := context.WithTimeout(context.Background(), s.drain)
	defer cancel()
	if err := s.relay.Drain(ctx); err != nil {
		log.Warn("not all clients left in time", "err", err)
	}
	if err := h.Shutdown(ctx); err != nil {
		_ = h.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	log.Info("stopped")
	return nil
}
