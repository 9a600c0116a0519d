package env

import (
	"io"
	"time"
)

// Clock tells wall time.
type Clock interface {
	Now() time.Time
}

// ClockFunc makes a Clock of a function.
type ClockFunc func() time.Time

// Now calls f.
func (f ClockFunc) Now() time.Time { return f() }

// Env is handed down from the composition root. All fields must be set; it is
// safe for concurrent use if they are.
type Env struct {
	Clock Clock
	// Rand yields cryptographically strong bytes and never fails short of a
	// broken platform. Tests hand in a seeded reader.
	Rand io.Reader
	// Log never receives a secret: no key, code, seed or content.
	Log Logger
}

// Bytes draws n random bytes. A source that fails is a broken platform on
// which no key may be made, so it panics.
func (e Env) Bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(e.Rand, b); err != nil {
		panic("env: random source failed: " + err.Error())
	}
	return b
}

// UnixMilli is the wall time in milliseconds since 1970.
func (e Env) UnixMilli() int64 { return e.Clock.Now().UnixMilli() }
