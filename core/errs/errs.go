package errs

import (
	"errors"
	"fmt"
)

// Error is a failure with a Kind.
type Error struct {
	// Op is what failed, as package.Function or a phrase: "feed.Decode".
	Op   string
	Kind Kind
	// Msg is one sentence for the developer who reads it: what, with which
	// value, and what to do. It may be empty when Err says it all.
	Msg string
	// Details are plain values (string, bool, int, []byte) copied onto the
	// EchospaceError as properties, such as attemptsLeft.
	Details map[string]any
	// Err is the cause, or nil.
	Err error
}

// New makes an Error with a formatted message. If an argument is an error
// wrapped by %w it becomes the cause.
func New(op string, kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Op: op, Kind: kind, Msg: err.Error(), Err: errors.Unwrap(err)}
}

// Wrap gives err a Kind. A nil err gives nil.
func Wrap(op string, kind Kind, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Op: op, Kind: kind, Err: err}
}

// With returns e with a detail added, for chaining after New.
func (e *Error) With(key string, value any) *Error {
	if e.Details == nil {
		e.Details = map[string]any{}
	}
	e.Details[key] = value
	return e
}

// Error gives "op: message (CODE)".
func (e *Error) Error() string {
	msg := e.Msg
	if msg == "" && e.Err != nil {
		msg = e.Err.Error()
	}
	if msg == "" {
		return e.Op + ": " + e.Kind.Code()
	}
	return e.Op + ": " + msg + " (" + e.Kind.Code() + ")"
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// KindOf gives the Kind of the outermost Error in err's chain, Internal for any
// other error, and OK for nil.
func KindOf(err error) Kind {
	if err == nil {
		return OK
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Internal
}

// Is reports whether err's chain holds an Error of that Kind.
func Is(err error, kind Kind) bool {
	for err != nil {
		e, ok := errors.AsType[*Error](err)
		if !ok {
			return false
		}
		if e.Kind == kind {
			return true
		}
		err = e.Err
	}
	return false
}
