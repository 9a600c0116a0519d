//go:build js

package collector

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/echospace/echospace/jsbridge/jsval"
)

func collections() uint32 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.NumGC
}

// The name of the file has this run before the other tests, which collect.
func TestWarm_collectsOnce(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	if n := collections(); n != 0 {
		t.Fatalf("%d collections before the first test", n)
	}
	Warm()
	for deadline := time.Now().Add(time.Minute); collections() == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nothing was collected")
		}
	}
	collectFirst()
	if n := collections(); n != 1 {
		t.Errorf("%d collections, want 1", n)
	}
}

// A browser calls when the page is idle, which it is not before the test waits; Node
// tells nothing of idle time, and is called at once.
func TestWhenIdle(t *testing.T) {
	_, tells := jsval.Global("requestIdleCallback")
	called := make(chan struct{}, 1)
	whenIdle(func() { called <- struct{}{} })
	if atOnce := len(called) == 1; atOnce == tells {
		t.Fatalf("called at once: %v, the environment tells of idle time: %v", atOnce, tells)
	}
	select {
	case <-called:
	case <-time.After(time.Minute):
		t.Fatal("not called")
	}
}
