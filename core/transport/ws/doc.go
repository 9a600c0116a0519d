// Package ws is transport.Conn on a native WebSocket: Dial for clients, Accept
// for servers. In the page jsbridge/wsconn takes its place.
//
// Each transport message is one binary WebSocket message; a text message or one
// over transport.MaxMessage ends the connection. Compression is off, since what
// passes is sealed.
//
// github.com/coder/websocket closes a connection when the context of a single
// Read or Write is done. A transport.Conn must outlive such a call, so each Conn
// owns two goroutines, a reader and a writer, with a short queue each way; both
// end with the connection. Close returns at once: what was sent before it is
// flushed in the background for at most a few seconds.
//
// The package is native only (build tag !js) but for this file.
package ws
