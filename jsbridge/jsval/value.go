//go:build js

package jsval

import (
	"context"
	"errors"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
)

// Global looks up a path of properties from globalThis, such as "navigator",
// "locks". ok is false when one is missing, null, or its getter throws (as that
// of indexedDB does in a sandboxed frame).
func Global(path ...string) (v safejs.Value, ok bool) {
	v = safejs.Global()
	for _, name := range path {
		next, err := v.Get(name)
		if err != nil || next.IsUndefined() || next.IsNull() {
			return safejs.Undefined(), false
		}
		v = next
	}
	return v, true
}

// Is tells whether v is of that type. Unlike v.Type(), which panics at a bigint,
// it takes any value: a bigint is of no type.
func Is(v safejs.Value, t safejs.Type) (is bool) {
	defer func() { is = recover() == nil && is }()
	return v.Type() == t
}

// New calls the constructor of that global name.
func New(name string, args ...any) (safejs.Value, error) {
	c, ok := Global(name)
	if !ok {
		return safejs.Undefined(), errs.New("jsval.New", errs.UnsupportedBrowser, "this environment has no %s", name)
	}
	v, err := c.New(args...)
	return v, Error("jsval.New", errs.InvalidArgument, err)
}

// String gives a property that is a string, and "" if it is anything else.
func String(v safejs.Value, name string) string {
	p, err := v.Get(name)
	if err != nil || !Is(p, safejs.TypeString) {
		return ""
	}
	s, _ := p.String()
	return s
}

// Int gives a property that is a number, truncated, and 0 if it is anything else.
func Int(v safejs.Value, name string) int {
	p, err := v.Get(name)
	if err != nil || !Is(p, safejs.TypeNumber) {
		return 0
	}
	n, _ := p.Int()
	return n
}

// Bool gives whether a property is truthy.
func Bool(v safejs.Value, name string) bool {
	p, err := v.Get(name)
	if err != nil {
		return false
	}
	b, _ := p.Truthy()
	return b
}

// Uint8Array copies b into a new Uint8Array with a buffer of its own.
func Uint8Array(b []byte) (safejs.Value, error) {
	v, err := New("Uint8Array", len(b))
	if err != nil {
		return v, err
	}
	_, err = safejs.CopyBytesToJS(v, b)
	return v, errs.Wrap("jsval.Uint8Array", errs.Internal, err)
}

// Bytes copies the content of an ArrayBuffer or of any view on one; the caller
// owns it. Anything else is an errs.InvalidArgument.
func Bytes(v safejs.Value) ([]byte, error) {
	const op = "jsval.Bytes"
	if !Is(v, safejs.TypeObject) {
		return nil, errs.New(op, errs.InvalidArgument, "want a Uint8Array or an ArrayBuffer, got no object")
	}
	u8, ok := Global("Uint8Array")
	if !ok {
		return nil, errs.New(op, errs.UnsupportedBrowser, "this environment has no Uint8Array")
	}
	if is, _ := v.InstanceOf(u8); !is {
		var err error
		if v, err = view(u8, v); err != nil {
			return nil, err
		}
	}
	n := Int(v, "length")
	b := make([]byte, n)
	if n == 0 {
		return b, nil
	}
	_, err := safejs.CopyBytesToGo(b, v)
	return b, errs.Wrap(op, errs.InvalidArgument, err)
}

// view makes a Uint8Array over an ArrayBuffer or another view.
func view(u8, v safejs.Value) (safejs.Value, error) {
	const op = "jsval.Bytes"
	args := []any{v}
	if buf, err := v.Get("buffer"); err == nil && !buf.IsUndefined() {
		args = []any{buf, Int(v, "byteOffset"), Int(v, "byteLength")}
	} else if n, err := v.Get("byteLength"); err != nil || !Is(n, safejs.TypeNumber) {
		return v, errs.New(op, errs.InvalidArgument, "want a Uint8Array or an ArrayBuffer, got another object")
	}
	out, err := u8.New(args...)
	return out, Error(op, errs.InvalidArgument, err)
}

// ContextError is nil while ctx is not done; after that it wraps its error with
// errs.Cancelled or errs.Timeout.
func ContextError(ctx context.Context, op string) error {
	err := ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return errs.Wrap(op, errs.Timeout, err)
	}
	return errs.Wrap(op, errs.Cancelled, err)
}
