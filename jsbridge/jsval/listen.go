//go:build js

package jsval

import (
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
)

// Listen calls fn for every event of that name on target (an EventTarget),
// until release is called. fn runs on the event loop: it must not block and
// must not panic. release is idempotent and may be called from fn; after it
// returned fn is not called again.
func Listen(target safejs.Value, event string, fn func(ev safejs.Value)) (release func(), err error) {
	const op = "jsval.Listen"
	f, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
		ev := safejs.Undefined()
		if len(args) > 0 {
			ev = args[0]
		}
		fn(ev)
		return nil
	})
	if err != nil {
		return nil, errs.Wrap(op, errs.Internal, err)
	}
	if _, err := target.Call("addEventListener", event, f); err != nil {
		f.Release()
		return nil, Error(op, errs.InvalidArgument, err)
	}
	return sync.OnceFunc(func() {
		// A target that took the listener gives it back.
		_, _ = target.Call("removeEventListener", event, f)
		f.Release()
	}), nil
}

// ListenAll is Listen for several events of one target; on an error none is
// left registered.
func ListenAll(target safejs.Value, handlers map[string]func(ev safejs.Value)) (release func(), err error) {
	var releases []func()
	all := func() {
		for _, r := range releases {
			r()
		}
	}
	for event, fn := range handlers {
		r, err := Listen(target, event, fn)
		if err != nil {
			all()
			return nil, err
		}
		releases = append(releases, r)
	}
	return all, nil
}
