//go:build js

package jsval

import (
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
)

// Functions makes JavaScript functions of Go ones that live as long as
// JavaScript holds them: a js.Func would live until it is released, and nobody
// knows when a page has let go of an object's methods. All are bound to one
// js.Func by a number, and a FinalizationRegistry tells which are gone. It is
// safe for concurrent use.
type Functions struct {
	dispatch safejs.Func
	gone     safejs.Func
	registry safejs.Value

	mu   sync.Mutex
	last int
	live map[int]func(args []safejs.Value) any
}

// NewFunctions makes an empty one; Release ends it.
func NewFunctions() (*Functions, error) {
	const op = "jsval.Functions"
	f := &Functions{live: map[int]func([]safejs.Value) any{}}
	var err error
	if f.dispatch, err = safejs.FuncOf(f.called); err != nil {
		return nil, errs.Wrap(op, errs.Internal, err)
	}
	if f.gone, err = safejs.FuncOf(f.forget); err != nil {
		f.dispatch.Release()
		return nil, errs.Wrap(op, errs.Internal, err)
	}
	if f.registry, err = New("FinalizationRegistry", f.gone); err != nil {
		f.Release()
		return nil, err
	}
	return f, nil
}

// New makes a JavaScript function that calls fn with its arguments and gives
// what fn gives: a value that safejs.ValueOf takes. fn runs on the event loop:
// it must not block and must not panic.
func (f *Functions) New(fn func(args []safejs.Value) any) (safejs.Value, error) {
	const op = "jsval.Functions"
	f.mu.Lock()
	f.last++
	n := f.last
	f.live[n] = fn
	f.mu.Unlock()
	bound, err := f.dispatch.Value().Call("bind", safejs.Undefined(), n)
	if err == nil {
		_, err = f.registry.Call("register", bound, n)
	}
	if err != nil {
		f.drop(n)
		return safejs.Undefined(), Error(op, errs.Internal, err)
	}
	return bound, nil
}

// Live is the number of functions that JavaScript may still call.
func (f *Functions) Live() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.live)
}

// Release ends all functions: calling one does nothing.
func (f *Functions) Release() {
	f.dispatch.Release()
	f.gone.Release()
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.live)
}

func (f *Functions) called(_ safejs.Value, args []safejs.Value) any {
	n, err := args[0].Int() // bound to it
	if err != nil {
		return FromError(errs.Wrap("jsval.Functions", errs.Internal, err))
	}
	f.mu.Lock()
	fn := f.live[n]
	f.mu.Unlock()
	return fn(args[1:])
}

func (f *Functions) forget(_ safejs.Value, args []safejs.Value) any {
	if n, err := args[0].Int(); err == nil {
		f.drop(n)
	}
	return nil
}

func (f *Functions) drop(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.live, n)
}
