package env

// Logger takes what happened, as log/slog does: a message and, alternating, keys
// and values. A *slog.Logger is one; the page has its own, since slog links
// encoding/json. It is safe for concurrent use and never blocks for long.
type Logger interface {
	Debug(msg string, args ...any)
	Info(msg string, args ...any)
	Warn(msg string, args ...any)
	Error(msg string, args ...any)
}

// NoLog is a Logger that forgets everything.
type NoLog struct{}

// Debug does nothing.
func (NoLog) Debug(string, ...any) {}

// Info does nothing.
func (NoLog) Info(string, ...any) {}

// Warn does nothing.
func (NoLog) Warn(string, ...any) {}

// Error does nothing.
func (NoLog) Error(string, ...any) {}
