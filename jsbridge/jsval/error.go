//go:build js

package jsval

import (
	"errors"
	"syscall/js"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
)

// errorName is the name of the errors that FromError makes.
const errorName = "EchospaceError"

// JSError is a value that JavaScript threw or rejected with. Error finds it in
// a chain by errors.As when the cause of a failure matters.
type JSError struct {
	Name    string // "QuotaExceededError"; "" if no Error was thrown
	Message string
	Value   safejs.Value
}

// Error gives "name: message".
func (e *JSError) Error() string {
	if e.Name == "" {
		return e.Message
	}
	return e.Name + ": " + e.Message
}

// ErrorName gives the name of the JSError in err's chain, or "".
func ErrorName(err error) string {
	if e, ok := errors.AsType[*JSError](err); ok {
		return e.Name
	}
	return ""
}

// Thrown gives the error for a value that JavaScript threw, rejected with, or
// left in a request. An error that FromError made keeps its kind and message;
// any other gets kind. Undefined and null are errors too.
func Thrown(op string, kind errs.Kind, v safejs.Value) error {
	e := &JSError{Name: String(v, "name"), Message: String(v, "message"), Value: v}
	if e.Message == "" && e.Name == "" {
		e.Message, _ = v.String()
	}
	if e.Name == errorName {
		code := String(v, "code")
		for k, c := range errs.Kinds() {
			if c == code {
				return &errs.Error{Op: op, Kind: k, Msg: e.Message, Err: e}
			}
		}
	}
	return errs.Wrap(op, kind, e)
}

// Error gives err, which a call of safejs returned, that kind; a JavaScript
// exception in it becomes a JSError. Nil stays nil.
func Error(op string, kind errs.Kind, err error) error {
	if err == nil {
		return nil
	}
	if thrown, ok := errors.AsType[js.Error](err); ok {
		return Thrown(op, kind, safejs.Safe(thrown.Value))
	}
	return errs.Wrap(op, kind, err)
}

// FromError makes a JavaScript Error of err: message, name "EchospaceError",
// code (the word of its Kind), every detail as a property, and cause (an Error
// in the same shape) if err wraps an errs.Error or a JSError. Nil gives null.
func FromError(err error) safejs.Value {
	if err == nil {
		return safejs.Null()
	}
	message, details, cause := err.Error(), map[string]any(nil), error(nil)
	if e, ok := errors.AsType[*errs.Error](err); ok {
		details, cause = e.Details, e.Err
		if e.Msg != "" {
			message = e.Msg
		} else if e.Err != nil {
			message = e.Err.Error()
		}
	}
	v, newErr := New("Error", message)
	if newErr != nil {
		return safejs.Undefined() // no Error constructor: not a JavaScript environment
	}
	for name, detail := range details {
		if b, ok := detail.([]byte); ok {
			detail, _ = Uint8Array(b)
		}
		// A detail that no JavaScript value can hold is left out; the error matters more.
		_ = v.Set(name, detail)
	}
	_ = v.Set("name", errorName)
	_ = v.Set("code", errs.KindOf(err).Code())
	if c := causeOf(cause); !c.IsUndefined() {
		_ = v.Set("cause", c)
	}
	return v
}

// causeOf gives the JavaScript value of a cause, or undefined for one that says
// nothing more than the message does.
func causeOf(err error) safejs.Value {
	if _, ok := errors.AsType[*errs.Error](err); ok {
		return FromError(err)
	}
	if e, ok := errors.AsType[*JSError](err); ok {
		return e.Value
	}
	return safejs.Undefined()
}
