//go:build js

package jsval

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
)

// Await waits for a Promise (or thenable; any other value is its own result)
// and gives what it resolved to. A rejection is an errs.Internal that wraps a
// JSError, or the error itself if FromError made it. When ctx is done first
// Await gives ctx's error, and the two callbacks are released once the Promise
// settles.
func Await(ctx context.Context, promise safejs.Value) (safejs.Value, error) {
	const op = "jsval.Await"
	if err := ContextError(ctx, op); err != nil {
		return safejs.Undefined(), err
	}
	if !Is(promise, safejs.TypeObject) && !Is(promise, safejs.TypeFunction) {
		return promise, nil
	}
	if then, err := promise.Get("then"); err != nil || !Is(then, safejs.TypeFunction) {
		return promise, nil
	}
	type outcome struct {
		value safejs.Value
		err   error
	}
	done := make(chan outcome, 1)
	release, err := then(promise,
		func(v safejs.Value) { done <- outcome{value: v} },
		func(v safejs.Value) { done <- outcome{err: Thrown(op, errs.Internal, v)} })
	if err != nil {
		release()
		return safejs.Undefined(), err
	}
	select {
	case o := <-done:
		return o.value, o.err
	case <-ctx.Done():
		return safejs.Undefined(), ContextError(ctx, op)
	}
}

// then calls promise.then; whichever callback runs first releases both. release
// is for when then itself failed.
func then(promise safejs.Value, resolved, rejected func(safejs.Value)) (release func(), err error) {
	const op = "jsval.Await"
	var onResolve, onReject safejs.Func
	release = sync.OnceFunc(func() {
		onResolve.Release()
		onReject.Release()
	})
	callback := func(fn func(safejs.Value)) (safejs.Func, error) {
		return safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
			v := safejs.Undefined()
			if len(args) > 0 {
				v = args[0]
			}
			release()
			fn(v)
			return nil
		})
	}
	if onResolve, err = callback(resolved); err != nil {
		return release, errs.Wrap(op, errs.Internal, err)
	}
	if onReject, err = callback(rejected); err != nil {
		return release, errs.Wrap(op, errs.Internal, err)
	}
	_, err = promise.Call("then", onResolve, onReject)
	return release, Error(op, errs.InvalidArgument, err)
}

// Promises makes JavaScript Promises of Go functions and knows the ones that
// are pending. The zero value is ready. It is safe for concurrent use.
type Promises struct {
	// OnCrash is called once, after every pending Promise was rejected, when a
	// function panicked or Crash was called. It must not block. It may be nil.
	OnCrash func(err *errs.Error)

	mu      sync.Mutex
	pending map[*deferred]struct{}
	crash   *errs.Error
}

// NewPromise is New of Promises of its own: a panic rejects this Promise alone.
func NewPromise(fn func() (any, error)) safejs.Value { return new(Promises).New(fn) }

// New runs fn in a goroutine and gives the Promise of its result: a value that
// safejs.ValueOf takes, a safejs.Value, []byte (a new Uint8Array), or nil
// (undefined). An error rejects it with FromError. A panic in fn, or a Crash at
// any time before, rejects it with errs.Crashed.
func (p *Promises) New(fn func() (any, error)) safejs.Value {
	d, promise, err := newDeferred()
	if err != nil {
		return safejs.Undefined() // no Promise constructor: not a JavaScript environment
	}
	p.mu.Lock()
	crash := p.crash
	if crash == nil {
		if p.pending == nil {
			p.pending = map[*deferred]struct{}{}
		}
		p.pending[d] = struct{}{}
	}
	p.mu.Unlock()
	if crash != nil {
		d.settle(nil, crash)
		return promise
	}
	go p.run(d, fn)
	return promise
}

// run settles d on every path out of fn: return, panic, runtime.Goexit.
func (p *Promises) run(d *deferred, fn func() (any, error)) {
	var result any
	err := error(errs.New("jsval.Promises", errs.Internal, "the goroutine ended without a result"))
	defer func() {
		if r := recover(); r != nil {
			p.Crash(r)
			return
		}
		p.mu.Lock()
		delete(p.pending, d)
		p.mu.Unlock()
		d.settle(result, err)
	}()
	result, err = fn()
}

// Guard gives fn with a panic in it handed to Crash: for callbacks.
func (p *Promises) Guard(fn func()) func() {
	return func() {
		defer func() {
			if r := recover(); r != nil {
				p.Crash(r)
			}
		}()
		fn()
	}
}

// Crash rejects every pending Promise, and every later one at once, with
// errs.Crashed. reason is what was recovered; its text is in the message, the
// stack in the detail "goStack". Only the first call counts.
func (p *Promises) Crash(reason any) {
	p.mu.Lock()
	if p.crash != nil {
		p.mu.Unlock()
		return
	}
	p.crash = errs.New("jsval.Promises", errs.Crashed, "the core crashed, reload the page: %v", reason).
		With("goStack", string(debug.Stack()))
	pending := p.pending
	p.pending = nil
	p.mu.Unlock()
	for d := range pending {
		d.settle(nil, p.crash)
	}
	if p.OnCrash != nil {
		p.OnCrash(p.crash)
	}
}

// Crashed gives the error of the Crash, or nil.
func (p *Promises) Crashed() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.crash == nil {
		return nil
	}
	return p.crash
}

// Pending is the number of Promises that are not settled.
func (p *Promises) Pending() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.pending)
}

// deferred is a Promise's two functions.
type deferred struct{ resolve, reject safejs.Value }

func newDeferred() (*deferred, safejs.Value, error) {
	d := new(deferred)
	executor, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
		d.resolve, d.reject = args[0], args[1]
		return nil
	})
	if err != nil {
		return nil, safejs.Undefined(), err
	}
	defer executor.Release() // the constructor calls it before it returns
	promise, err := New("Promise", executor)
	return d, promise, err
}

// settle resolves or rejects; JavaScript ignores all calls but the first.
func (d *deferred) settle(result any, err error) {
	if b, ok := result.([]byte); ok && err == nil {
		result, err = Uint8Array(b)
	}
	if err == nil && result == nil {
		result = safejs.Undefined()
	}
	if err == nil {
		if _, err = d.resolve.Invoke(result); err == nil {
			return
		}
		err = errs.New("jsval.Promises", errs.Internal, "a result of type %s is no JavaScript value: %w", fmt.Sprintf("%T", result), err)
	}
	// reject is a function that throws nothing.
	_, _ = d.reject.Invoke(FromError(err))
}
