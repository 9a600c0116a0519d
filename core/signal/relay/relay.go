//go:build !js

package relay

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/signal/relayproto"
)

// turningAway bounds how many clients are told at one time why they cannot
// stay; any more get a bare HTTP answer.
const turningAway = 64

// Relay is the WebSocket endpoint. It is safe for concurrent use.
type Relay struct {
	opts     Options
	metrics  *metrics
	hub      *hub
	refusing chan struct{} // a token per client that is being turned away

	mu        sync.Mutex
	draining  bool
	conns     map[*conn]struct{}
	total     int // connections, and per address
	byAddress map[netip.Prefix]int
	handlers  sync.WaitGroup
}

var _ http.Handler = (*Relay)(nil)

// New makes a Relay. A bad option is an errs.InvalidArgument.
func New(o Options) (*Relay, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	m := newMetrics()
	return &Relay{
		opts: o, metrics: m,
		hub:       &hub{opts: o, metrics: m, topics: map[topicKey]*topic{}},
		refusing:  make(chan struct{}, turningAway),
		conns:     map[*conn]struct{}{},
		byAddress: map[netip.Prefix]int{},
	}, nil
}

// ServeHTTP serves one client until it goes or is dropped.
func (r *Relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	if !strings.EqualFold(req.Header.Get("Upgrade"), "websocket") {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This is an Echospace relay; connect with a WebSocket.", http.StatusUpgradeRequired)
		return
	}
	address := r.address(req)
	if code, text := r.admit(req, address); code != 0 {
		r.turnAway(w, req, code, text)
		return
	}
	defer r.dismiss(address)
	ws, err := accept(w, req)
	if err != nil {
		return // accept has answered
	}
	c := newConn(r, ws)
	if !r.register(c) {
		c.end(relayproto.CodeDraining, drainText)
	}
	c.serve()
	r.mu.Lock()
	delete(r.conns, c)
	r.mu.Unlock()
}

func accept(w http.ResponseWriter, req *http.Request) (*websocket.Conn, error) {
	// The origin was checked by admit, which can say why on the WebSocket.
	ws, err := websocket.Accept(w, req, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(-1) // conn.readOne has a limit, and says so on the WebSocket
	return ws, nil
}

// admit decides whether a client may connect, and counts it if so.
func (r *Relay) admit(req *http.Request, address netip.Prefix) (relayproto.Code, string) {
	if o := req.Header.Get("Origin"); !r.allowed(o, req.Host) {
		return relayproto.CodeOrigin, "the origin of this page is not allowed here"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.draining:
		return relayproto.CodeDraining, drainText
	case r.total >= r.opts.MaxConnections:
		return relayproto.CodeConnections, "this relay has as many connections as it takes"
	case r.byAddress[address] >= r.opts.MaxConnectionsPerAddress:
		return relayproto.CodeConnections, "too many connections from this address"
	}
	r.total++
	r.byAddress[address]++
	r.handlers.Add(1)
	r.metrics.connections.Inc()
	return 0, ""
}

// dismiss undoes admit.
func (r *Relay) dismiss(address netip.Prefix) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total--
	if r.byAddress[address]--; r.byAddress[address] == 0 {
		delete(r.byAddress, address)
	}
	r.metrics.connections.Dec()
	r.handlers.Done()
}

// register makes c known to Drain; false if that has begun.
func (r *Relay) register(c *conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns[c] = struct{}{}
	return !r.draining
}

// turnAway says Goodbye to a client that was not admitted.
func (r *Relay) turnAway(w http.ResponseWriter, req *http.Request, code relayproto.Code, text string) {
	r.metrics.drops.WithLabelValues(code.String()).Inc()
	select {
	case r.refusing <- struct{}{}:
		defer func() { <-r.refusing }()
	default:
		http.Error(w, text, http.StatusServiceUnavailable)
		return
	}
	ws, err := accept(w, req)
	if err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), goodbyeTimeout)
	defer cancel()
	goodbye(ctx, ws, code, text)
}

// allowed checks an Origin header against the options.
func (r *Relay) allowed(origin, host string) bool {
	if origin == "" {
		return true
	}
	u, err := url.Parse(strings.ToLower(origin))
	if err != nil {
		return false
	}
	if u.Host != "" && u.Host == strings.ToLower(host) {
		return true
	}
	for _, p := range r.opts.Origins {
		subject := u.Host
		if strings.Contains(p, "://") {
			subject = u.Scheme + "://" + u.Host
		}
		if ok, _ := path.Match(strings.ToLower(p), subject); ok || p == "*" {
			return true
		}
	}
	return false
}

// address gives what connections are counted by: one IPv4 address or one IPv6
// /64, which is what one customer holds. An address that cannot be read counts
// with all others of that kind.
func (r *Relay) address(req *http.Request) netip.Prefix {
	host, _, err := net.SplitHostPort(req.RemoteAddr)
	if err != nil {
		host = req.RemoteAddr
	}
	if r.opts.TrustProxy {
		if all := strings.Join(req.Header.Values("X-Forwarded-For"), ","); all != "" {
			host = strings.TrimSpace(all[strings.LastIndexByte(all, ',')+1:])
		}
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Prefix{}
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, _ := a.Prefix(bits)
	return p
}

// Health answers 200 while the relay takes clients and 503 once it drains.
func (r *Relay) Health() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r.mu.Lock()
		draining := r.draining
		r.mu.Unlock()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		if draining {
			http.Error(w, "draining", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
}

const drainText = "this relay goes away; connect to another one, or again soon"

// Drain turns new clients away from now on, tells the present ones to go, with
// CodeDraining and WebSocket close code 1012, and waits until they went. When
// ctx is done it tears the rest off and gives an errs.Timeout. It may be called
// again.
func (r *Relay) Drain(ctx context.Context) error {
	r.mu.Lock()
	r.draining = true
	conns := make([]*conn, 0, len(r.conns))
	for c := range r.conns {
		conns = append(conns, c)
	}
	r.mu.Unlock()
	r.opts.Log.Info("relay drains", "connections", len(conns))
	for _, c := range conns {
		c.end(relayproto.CodeDraining, drainText)
	}
	gone := make(chan struct{})
	go func() {
		r.handlers.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	left := len(r.conns)
	for c := range r.conns {
		c.cancel()
	}
	r.mu.Unlock()
	// Torn connections end soon; the wait is bounded by the closing handshake.
	select {
	case <-gone:
	case <-time.After(goodbyeTimeout):
	}
	return errs.New("relay.Drain", errs.Timeout, "%d connections had to be torn off", left)
}
