//go:build js

package tabs

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// RandomSlot is the lowest slot number that AcquireSlot draws at random; below
// it slots are held by a lock.
const RandomSlot = 1 << 16

// AcquireSlot gives the lowest slot of that name that no tab holds, until
// release is called. release is idempotent and does not wait. Without Web Locks
// it gives a random number from RandomSlot up.
func AcquireSlot(ctx context.Context, name string) (slot uint32, release func(), err error) {
	for slot = range uint32(RandomSlot) {
		release, ok, err := TryLock(ctx, fmt.Sprintf("%s/slot/%d", name, slot))
		switch {
		case errs.Is(err, errs.UnsupportedBrowser):
			return RandomSlot + rand.Uint32N(1<<32-1-RandomSlot), func() {}, nil
		case err != nil:
			return 0, nil, err
		case ok:
			return slot, release, nil
		}
	}
	return 0, nil, errs.New("tabs.AcquireSlot", errs.TooLarge, "all %d slots of %q are held", RandomSlot, name)
}

// TryLock takes the lock of that name if nobody holds it; ok says whether it
// did. release is idempotent and does not wait.
func TryLock(ctx context.Context, name string) (release func(), ok bool, err error) {
	release, err = request(ctx, "tabs.TryLock", name, map[string]any{"ifAvailable": true})
	return release, release != nil, err
}

// Lock waits until it holds the lock of that name. release is idempotent and
// does not wait.
func Lock(ctx context.Context, name string) (release func(), err error) {
	const op = "tabs.Lock"
	controller, err := jsval.New("AbortController")
	if err != nil {
		return nil, err
	}
	signal, err := controller.Get("signal")
	if err != nil {
		return nil, jsval.Error(op, errs.UnsupportedBrowser, err)
	}
	release, err = request(ctx, op, name, map[string]any{"signal": signal})
	if err != nil {
		// Takes the request out of the queue; one that was refused has none.
		_, _ = controller.Call("abort")
	}
	return release, err
}

// request asks for a lock; release is nil if it was not available. A lock that
// is granted after ctx is done is given back at once.
func request(ctx context.Context, op, name string, options map[string]any) (release func(), err error) {
	if err := jsval.ContextError(ctx, op); err != nil {
		return nil, err
	}
	if strings.HasPrefix(name, "-") {
		return nil, errs.New(op, errs.InvalidArgument, "the name %q begins with a hyphen, which browsers reserve", name)
	}
	locks, ok := jsval.Global("navigator", "locks")
	if !ok {
		return nil, errs.New(op, errs.UnsupportedBrowser, "this context has no Web Locks; they need https or localhost")
	}
	released := make(chan struct{})
	release = sync.OnceFunc(func() { close(released) })
	granted := make(chan bool, 1)
	callback, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
		if args[0].IsNull() {
			granted <- false
			return nil
		}
		granted <- true
		// The lock is held until this Promise settles.
		return jsval.NewPromise(func() (any, error) { <-released; return nil, nil })
	})
	if err != nil {
		return nil, errs.Wrap(op, errs.Internal, err)
	}
	promise, err := locks.Call("request", name, options, callback)
	if err != nil {
		callback.Release()
		return nil, jsval.Error(op, errs.InvalidArgument, err)
	}
	refused := make(chan error, 1)
	go func() { // ends when the lock is released, was not to be had, or is refused
		_, err := jsval.Await(context.Background(), promise)
		callback.Release()
		if err != nil {
			refused <- err
		}
	}()
	select {
	case ok := <-granted:
		if !ok {
			return nil, nil
		}
		return release, nil
	case err := <-refused: // SecurityError, where storage is forbidden
		return nil, errs.Wrap(op, errs.UnsupportedBrowser, err)
	case <-ctx.Done():
		release()
		return nil, jsval.ContextError(ctx, op)
	}
}
