//go:build js

package collector

import (
	"runtime"
	"time"

	"github.com/hack-pad/safejs"

	"github.com/echospace/echospace/jsbridge/jsval"
)

// rest is how long a page has, from its start on, before Warm has it collect.
const rest = 2 * time.Second

// Warm collects once, as soon as the page is past its start and has nothing to do,
// unless that has happened by itself. Browsers compile a function of a module when
// it is first called, and a collection is one task: the first one compiles the two
// hundred functions of the collector, which in the middle of other work took 20 ms
// of CPU time. Warm returns at once and must be called once.
func Warm() {
	time.AfterFunc(rest, func() { whenIdle(collectFirst) })
}

// whenIdle calls fn when the page has nothing to do, or at once where the
// environment does not tell (W3C, requestIdleCallback).
func whenIdle(fn func()) {
	idle, ok := jsval.Global("requestIdleCallback")
	if !ok {
		fn()
		return
	}
	var f safejs.Func
	f, err := safejs.FuncOf(func(safejs.Value, []safejs.Value) any {
		f.Release()
		fn()
		return nil
	})
	if err != nil {
		return // the first collection comes when it is due
	}
	if _, err := idle.Invoke(f); err != nil {
		f.Release()
	}
}

// collectFirst collects if nothing has been collected yet.
func collectFirst() {
	var m runtime.MemStats
	if runtime.ReadMemStats(&m); m.NumGC == 0 {
		runtime.GC()
	}
}
