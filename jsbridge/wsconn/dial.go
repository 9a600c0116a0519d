//go:build js

package wsconn

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
	"github.com/echospace/echospace/jsbridge/jsval"
)

var _ transport.Dial = Dial

// Dial opens a connection to a ws or wss URL. A server that does not answer, or
// not as a WebSocket, is an errs.RelayUnreachable: the browser does not tell a
// page which. A malformed URL is an errs.InvalidArgument; ctx bounds the
// dialling only.
func Dial(ctx context.Context, url string) (transport.Conn, error) {
	const op = "wsconn.Dial"
	if err := jsval.ContextError(ctx, op); err != nil {
		return nil, err
	}
	ctor, ok := jsval.Global("WebSocket")
	if !ok {
		return nil, errs.New(op, errs.UnsupportedBrowser, "this environment has no WebSocket")
	}
	ws, err := ctor.New(url)
	if err != nil {
		err = jsval.Error(op, errs.RelayUnreachable, err)
		if jsval.ErrorName(err) == "SyntaxError" {
			return nil, errs.New(op, errs.InvalidArgument, "%q is not a WebSocket URL: %w", url, err)
		}
		return nil, err // a page on https may not use ws, for example
	}
	opened := make(chan struct{})
	c, err := newConn(ws, func() { close(opened) })
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	poke := c.poke // the end of the attempt is the first thing that pokes, if it does not open
	c.mu.Unlock()
	select {
	case <-opened:
		return c, nil
	case <-poke:
	case <-ctx.Done():
		_ = c.Close()
		return nil, jsval.ContextError(ctx, op)
	}
	select {
	case <-opened: // and poked by a first message at once
		return c, nil
	default:
	}
	c.mu.Lock()
	end := c.end
	c.mu.Unlock()
	_ = c.Close()
	return nil, errs.New(op, errs.RelayUnreachable, "no WebSocket at %s: %w", url, end)
}
