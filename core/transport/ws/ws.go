//go:build !js

package ws

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/transport"
)

const (
	queueLen     = 16 // messages each way
	writeTimeout = 30 * time.Second
	flushTimeout = 5 * time.Second
)

// Dial opens a connection to a ws or wss URL. It is a transport.Dial; ctx
// bounds the dialling only. A server that does not answer as a WebSocket is an
// errs.PeerUnreachable that names the HTTP status, a done ctx an errs.Cancelled
// or errs.Timeout.
func Dial(ctx context.Context, url string) (transport.Conn, error) {
	const op = "ws.Dial"
	// The response's body needs no closing: see websocket.Dial.
	c, resp, err := websocket.Dial(ctx, url, nil)
	switch {
	case err == nil:
		return newConn(c), nil
	case ctx.Err() != nil:
		return nil, contextError(op, ctx.Err())
	case resp != nil && resp.StatusCode != http.StatusSwitchingProtocols:
		return nil, errs.New(op, errs.PeerUnreachable, "the server answered %s instead of a WebSocket: %w", resp.Status, err)
	}
	return nil, errs.New(op, errs.PeerUnreachable, "cannot connect: %w", err)
}

var _ transport.Dial = Dial

// AcceptOptions configure Accept. The zero value accepts the server's own
// origin, and clients that send none.
type AcceptOptions struct {
	// Origins are patterns of further origins, as in
	// websocket.AcceptOptions.OriginPatterns; "*" allows all.
	Origins []string
}

// Accept upgrades a request. On failure it has answered the request.
func Accept(w http.ResponseWriter, r *http.Request, o AcceptOptions) (transport.Conn, error) {
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{OriginPatterns: o.Origins})
	if err != nil {
		return nil, errs.New("ws.Accept", errs.InvalidArgument, "not an acceptable WebSocket request: %w", err)
	}
	return newConn(c), nil
}

// conn is a transport.Conn. Its reader and writer run until ctx is done.
type conn struct {
	ws     *websocket.Conn
	out    chan []byte
	in     chan []byte
	ctx    context.Context // done when the socket is finished with
	cancel context.CancelFunc

	closeOnce sync.Once
	closed    chan struct{} // Close was called
	readDone  chan struct{} // the reader ended; readErr is set
	readErr   error         // io.EOF or an errs.PeerUnreachable
}

func newConn(ws *websocket.Conn) *conn {
	ws.SetReadLimit(transport.MaxMessage)
	ctx, cancel := context.WithCancel(context.Background())
	c := &conn{
		ws: ws, ctx: ctx, cancel: cancel,
		out: make(chan []byte, queueLen), in: make(chan []byte, queueLen),
		closed: make(chan struct{}), readDone: make(chan struct{}),
	}
	go c.read()
	go c.write()
	return c
}

// read moves messages from the socket to in.
func (c *conn) read() {
	defer close(c.readDone)
	for {
		typ, msg, err := c.ws.Read(c.ctx)
		if err == nil && typ != websocket.MessageBinary {
			_ = c.ws.Close(websocket.StatusUnsupportedData, "binary messages only")
			err = errors.New("the other side sent a text message")
		}
		if err != nil {
			c.readErr = readError(err)
			c.cancel()
			return
		}
		select {
		case c.in <- msg:
		case <-c.closed:
			// Nobody Recvs any more. The closing handshake discards the rest.
			c.readErr = io.EOF
			return
		}
	}
}

// readError is what Recv gives after the socket's err.
func readError(err error) error {
	switch websocket.CloseStatus(err) {
	case websocket.StatusNormalClosure, websocket.StatusGoingAway:
		return io.EOF
	}
	return errs.New("ws.Recv", errs.PeerUnreachable, "the connection broke: %w", err)
}

// write moves messages from out to the socket, and ends it.
func (c *conn) write() {
	defer c.cancel()
	defer func() { _ = c.ws.CloseNow() }() // no-op if it closed in order
	for {
		select {
		case msg := <-c.out:
			if !c.writeOne(msg, writeTimeout) {
				return
			}
		case <-c.closed:
			c.flush()
			return
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *conn) writeOne(msg []byte, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(c.ctx, limit)
	defer cancel()
	return c.ws.Write(ctx, websocket.MessageBinary, msg) == nil
}

// flush writes what Send took before Close, then closes the socket.
func (c *conn) flush() {
	for {
		select {
		case msg := <-c.out:
			if !c.writeOne(msg, flushTimeout) {
				return
			}
		default:
			_ = c.ws.Close(websocket.StatusNormalClosure, "")
			return
		}
	}
}

// Send implements transport.Conn.
func (c *conn) Send(ctx context.Context, msg []byte) error {
	const op = "ws.Send"
	if len(msg) > transport.MaxMessage {
		return errs.New(op, errs.TooLarge, "message of %d bytes, limit %d", len(msg), transport.MaxMessage)
	}
	if err := c.gone(op); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return contextError(op, err)
	}
	select {
	case c.out <- append([]byte(nil), msg...):
		return nil
	case <-c.closed:
	case <-c.ctx.Done():
	case <-ctx.Done():
		return contextError(op, ctx.Err())
	}
	return c.gone(op)
}

// gone gives the error of a connection that carries nothing more.
func (c *conn) gone(op string) error {
	select {
	case <-c.closed:
		return errs.New(op, errs.Closed, "the connection was closed")
	default:
	}
	if c.ctx.Err() != nil {
		return errs.New(op, errs.PeerUnreachable, "the connection is gone")
	}
	return nil
}

// Recv implements transport.Conn.
func (c *conn) Recv(ctx context.Context) ([]byte, error) {
	const op = "ws.Recv"
	select {
	case <-c.closed:
		return nil, errs.New(op, errs.Closed, "the connection was closed")
	default:
	}
	select {
	case msg := <-c.in:
		return msg, nil
	case <-c.closed:
		return nil, errs.New(op, errs.Closed, "the connection was closed")
	case <-ctx.Done():
		return nil, contextError(op, ctx.Err())
	case <-c.readDone:
	}
	select {
	case msg := <-c.in: // it arrived before the end
		return msg, nil
	default:
		return nil, c.readErr
	}
}

// Close implements transport.Conn.
func (c *conn) Close() error {
	c.closeOnce.Do(func() { close(c.closed) })
	return nil
}

func contextError(op string, err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errs.Wrap(op, errs.Timeout, err)
	}
	return errs.Wrap(op, errs.Cancelled, err)
}
