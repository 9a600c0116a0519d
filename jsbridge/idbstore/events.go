//go:build js

package idbstore

import (
	"sync"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/jsbridge/jsval"
)

// on sets one-shot handlers as the target's on... properties. The first that
// runs releases all of them, so exactly one must be sure to come. Handlers run
// on the event loop and must not block.
func on(target safejs.Value, handlers map[string]func(ev safejs.Value)) error {
	funcs := make([]safejs.Func, 0, len(handlers))
	names := make([]string, 0, len(handlers))
	release := sync.OnceFunc(func() {
		for i, f := range funcs {
			_ = target.Set(names[i], safejs.Null())
			f.Release()
		}
	})
	for name, fn := range handlers {
		f, err := safejs.FuncOf(func(_ safejs.Value, args []safejs.Value) any {
			release()
			fn(args[0])
			return nil
		})
		if err != nil {
			release()
			return errs.Wrap("idbstore", errs.Internal, err)
		}
		funcs, names = append(funcs, f), append(names, name)
		if err := target.Set(name, f); err != nil {
			release()
			return errs.Wrap("idbstore", errs.Internal, err)
		}
	}
	return nil
}

// onResult calls fn once, on the event loop, when the request has its result or
// failed.
func onResult(op string, req safejs.Value, fn func(err error)) error {
	return on(req, map[string]func(safejs.Value){
		"onsuccess": func(safejs.Value) { fn(nil) },
		"onerror":   func(safejs.Value) { fn(failure(op, req)) },
	})
}

// onEnd calls fn once, on the event loop, when the transaction completed or was
// aborted.
func onEnd(op string, tx safejs.Value, fn func(err error)) error {
	return on(tx, map[string]func(safejs.Value){
		"oncomplete": func(safejs.Value) { fn(nil) },
		"onabort":    func(safejs.Value) { fn(failure(op, tx)) },
	})
}

// failure gives the error of a request or transaction that has failed.
func failure(op string, target safejs.Value) error {
	v, err := target.Get("error")
	if err != nil {
		return jsval.Error(op, errs.StorageUnavailable, err)
	}
	if v.IsNull() { // abort() was called
		return errs.New(op, errs.StorageUnavailable, "the transaction was aborted")
	}
	return jsval.Thrown(op, kindOf(jsval.String(v, "name")), v)
}

// kindOf classifies the name of a DOMException.
func kindOf(name string) errs.Kind {
	switch name {
	case "QuotaExceededError":
		return errs.StorageFull
	case "VersionError":
		return errs.VersionUnsupported
	case "NotReadableError", "DataError":
		return errs.StorageCorrupt
	default: // InvalidStateError, SecurityError, UnknownError, AbortError, ...
		return errs.StorageUnavailable
	}
}
