// Package transporttest is the contract of transport.Conn in code. Every
// implementation runs it:
//
//	func TestConn(t *testing.T) { transporttest.Run(t, open) }
//
// where open makes one connected pair. Nothing here asserts a time; a test
// that waits for something that never comes fails at the deadline of the run.
package transporttest
