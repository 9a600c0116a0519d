// Package transport is the border to the network: ordered connections of whole
// messages, and the making of direct ones between two pages.
//
// Implementations of Conn: memnet (tests, with seeded loss of the whole
// connection, delay and split), ws (native WebSocket), jsbridge/wsconn, and the
// data channel of rtc. All pass transporttest.
package transport
