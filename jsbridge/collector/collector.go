//go:build js

package collector

import (
	"runtime"
	"runtime/debug"
)

const (
	// Headroom is by about how many bytes the heap grows between two collections.
	Headroom = 24 << 20
	// maxPercent is Go's own setting: a small heap may double.
	maxPercent = 100
	// minPercent bounds how often a very large heap is collected.
	minPercent = 20
)

// cycle is dropped at once, so that its finalizer runs after the next collection.
type cycle struct {
	percent uint64 // by how much the heap may grow
	_       *byte  // objects without pointers may share a block, which keeps them
}

// Limit has the heap grow by about Headroom between collections, or by a fifth if
// that is more, instead of doubling. It stays so for the life of the program and
// must be called once.
func Limit() { watch(cycle{percent: maxPercent}) }

func watch(c cycle) { runtime.SetFinalizer(&c, adjust) }

func adjust(c *cycle) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	live := m.NextGC * 100 / (100 + c.percent) // HeapAlloc still has what is not swept
	next := percent(live)
	if next != c.percent {
		debug.SetGCPercent(int(next))
	}
	watch(cycle{percent: next})
}

// percent is by how much a heap with so many bytes in use may grow.
func percent(live uint64) uint64 {
	return max(minPercent, min(maxPercent, Headroom*100/max(live, 1)))
}
