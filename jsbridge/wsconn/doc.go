// Package wsconn is transport.Conn on the page's WebSocket; natively
// core/transport/ws takes its place.
//
// Dial opens a connection. Each transport message is one binary WebSocket
// message; a text message or one over transport.MaxMessage ends the connection.
//
// A page cannot slow down the other side: the browser hands over every message
// that arrives. They are queued in order for Recv, at most 32 MiB of them; a
// side that floods a receiver beyond that loses the connection. In the other
// direction Send looks at bufferedAmount, for which no event exists, and waits
// in short steps while 1 MiB or more is buffered.
//
// Source: WHATWG, WebSockets Standard.
//
// Except for this file the package exists only for js.
package wsconn
