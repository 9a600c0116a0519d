//go:build js

package bind

import (
	"context"
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// scope makes the methods of bound objects. They stay callable as long as the
// page holds them: after the end of what they speak for they fail with
// errs.Closed.
type scope struct {
	ctx       context.Context
	promises  *jsval.Promises
	functions *jsval.Functions
}

// object makes an empty JavaScript object.
func object() safejs.Value {
	v, err := jsval.New("Object")
	if err != nil {
		panic(err) // no Object constructor: not a JavaScript environment
	}
	return v
}

// set sets a property to anything that safejs.ValueOf takes, or []byte.
func set(o safejs.Value, name string, value any) {
	if b, ok := value.([]byte); ok {
		value = bytesValue(b)
	}
	if err := o.Set(name, value); err != nil {
		panic(err)
	}
}

// bytesValue makes a Uint8Array.
func bytesValue(b []byte) safejs.Value {
	v, err := jsval.Uint8Array(b)
	if err != nil {
		panic(err)
	}
	return v
}

// array makes a JavaScript array of objects.
func array(items []safejs.Value) safejs.Value {
	v, err := jsval.New("Array")
	if err != nil {
		panic(err)
	}
	const together = 1024 // each of them is an argument
	for len(items) > 0 {
		n := min(len(items), together)
		args := make([]any, n)
		for i, item := range items[:n] {
			args[i] = item
		}
		if _, err := v.Call("push", args...); err != nil {
			panic(err)
		}
		items = items[n:]
	}
	return v
}

func undefinedIfEmpty(s string) any {
	if s == "" {
		return safejs.Undefined()
	}
	return s
}

// arguments are those of a call from JavaScript; missing ones are undefined.
type arguments []safejs.Value

func (a arguments) at(i int) safejs.Value {
	if i < len(a) {
		return a[i]
	}
	return safejs.Undefined()
}

// text is the string at i, or errs.InvalidArgument.
func (a arguments) text(op string, i int) (string, error) {
	if !jsval.Is(a.at(i), safejs.TypeString) {
		return "", errs.New(op, errs.InvalidArgument, "argument %d must be a string", i+1)
	}
	return a.at(i).String()
}

// callback is the function at i, or errs.InvalidArgument.
func (a arguments) callback(op string, i int) (safejs.Value, error) {
	if !jsval.Is(a.at(i), safejs.TypeFunction) {
		return safejs.Undefined(), errs.New(op, errs.InvalidArgument, "argument %d must be a function", i+1)
	}
	return a.at(i), nil
}

// fn makes a JavaScript function of f. An error is given to the caller as an
// Error value.
func (s *scope) fn(f func(args arguments) (any, error)) safejs.Value {
	made, err := s.functions.New(func(args []safejs.Value) (result any) {
		defer func() {
			if p := recover(); p != nil {
				s.promises.Crash(p)
				result = jsval.FromError(s.promises.Crashed())
			}
		}()
		if err := s.promises.Crashed(); err != nil {
			return jsval.FromError(err)
		}
		out, err := f(args)
		if err != nil {
			return jsval.FromError(err)
		}
		if b, ok := out.([]byte); ok {
			u8, err := jsval.Uint8Array(b)
			if err != nil {
				return jsval.FromError(err)
			}
			return u8
		}
		if out == nil {
			return safejs.Undefined()
		}
		return out
	})
	if err != nil {
		panic(err)
	}
	return made
}

// method binds a function that answers at once.
func (s *scope) method(o safejs.Value, name string, f func(args arguments) (any, error)) {
	set(o, name, s.fn(f))
}

// async binds a function that gives a Promise. f runs in a goroutine of its own.
func (s *scope) async(o safejs.Value, name string, f func(ctx context.Context, args arguments) (any, error)) {
	s.method(o, name, func(args arguments) (any, error) {
		return s.promises.New(func() (any, error) { return f(s.ctx, args) }), nil
	})
}

// observables binds observe(name, callback). Each source subscribes a Go
// function to values that are JavaScript ones already.
func (s *scope) observables(o safejs.Value, sources map[string]func(func(any)) (cancel func())) {
	s.method(o, "observe", func(args arguments) (any, error) {
		const op = "observe"
		name, err := args.text(op, 0)
		if err != nil {
			return nil, err
		}
		cb, err := args.callback(op, 1)
		if err != nil {
			return nil, err
		}
		source, ok := sources[name]
		if !ok {
			return nil, errs.New(op, errs.InvalidArgument, "there is nothing named %q to observe", name)
		}
		return s.unsubscriber(source(func(v any) { s.call(cb, v) })), nil
	})
}

// call calls a JavaScript callback; what it throws is its own affair and goes
// to the page's console through the log.
func (s *scope) call(cb safejs.Value, args ...any) {
	if _, err := cb.Invoke(args...); err != nil {
		report(err)
	}
}

// unsubscriber gives JavaScript a function that calls cancel once.
func (s *scope) unsubscriber(cancel func()) safejs.Value {
	once := sync.OnceFunc(cancel)
	return s.fn(func(arguments) (any, error) {
		once()
		return nil, nil
	})
}

// report hands an error that a page's callback threw to console.error.
func report(err error) {
	if console, ok := jsval.Global("console"); ok {
		_, _ = console.Call("error", jsval.FromError(err)) // nowhere else to go
	}
}
