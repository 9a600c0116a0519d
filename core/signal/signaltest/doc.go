// Package signaltest is the suite that every signal.Signaler passes. An
// implementation calls Run with a Fixture; NoLeaks and Next serve further tests
// of signalers.
package signaltest
