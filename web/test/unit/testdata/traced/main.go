//go:build js

// Command traced uses what the runtime's tables are for: a stack that grows
// and is walked by the collector, a panics that are recovered, and one that is not.
package main

import (
	"fmt"
	"runtime"
)

//go:noinline
func fall(depth int, kept *[64]int, f func()) int {
	var local [64]int
	local[depth%64] = depth
	if depth == 0 {
		f()
		return kept[1]
	}
	return fall(depth-1, &local, f) + local[depth%64]
}

func recovered() (reason any) {
	defer func() { reason = recover() }()
	fall(5000, new([64]int), func() { panic("deep down") })
	return nil
}

type number int

func (n number) value() int { return int(n) }

// called calls a method of a value by a pointer that is nil: the runtime takes the
// name of the wrapper apart to say which.
func called(pointer *number) (reason any) {
	defer func() { reason = recover() }()
	interface{ value() int }(pointer).value()
	return nil
}

func main() {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	sum := 0
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := range 50 {
			sum += fall(n*100, new([64]int), runtime.GC)
		}
	}()
	<-done
	reason := recovered()
	runtime.ReadMemStats(&after)
	fmt.Printf("sum %d, recovered %v, collected %v, ", sum, reason, after.NumGC-before.NumGC >= 50)
	_, told := called(nil).(runtime.Error)
	fmt.Printf("nil receiver told %v\n", told)
	fall(3, new([64]int), func() { panic("the end") })
}
