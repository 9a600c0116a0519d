//go:build js

package collector

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestPercent(t *testing.T) {
	for _, c := range []struct {
		name string
		live uint64
		want uint64
	}{
		{"nothing", 0, 100},
		{"a small heap may double", 4 << 20, 100},
		{"one of the headroom's size may double", Headroom, 100},
		{"a larger one grows by the headroom", 3 * Headroom, 33},
		{"a huge one grows by a fifth", 100 * Headroom, 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := percent(c.live); got != c.want {
				t.Errorf("percent(%d) = %d, want %d", c.live, got, c.want)
			}
		})
	}
}

func TestLimit_heapGrowsByTheHeadroom(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	Limit()
	const live = 4 * Headroom
	held := make([][]byte, live>>20)
	for i := range held {
		held[i] = make([]byte, 1<<20)
	}
	// The setting follows a collection, on a goroutine of the runtime's.
	var m runtime.MemStats
	deadline := time.Now().Add(time.Minute)
	for {
		runtime.GC()
		time.Sleep(time.Millisecond)
		runtime.ReadMemStats(&m)
		if m.NextGC-m.HeapAlloc < 2*Headroom {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the heap of %d bytes may grow to %d", m.HeapAlloc, m.NextGC)
		}
	}
	if m.HeapAlloc < live {
		t.Fatalf("%d bytes in use, less than the %d that are held", m.HeapAlloc, live)
	}
	runtime.KeepAlive(held)
}
