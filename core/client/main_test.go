package client_test

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"testing"
	"time"
)

// TestMain fails if goroutines outlive the clients of the tests.
func TestMain(m *testing.M) {
	before := runtime.NumGoroutine()
	if runtime.GOOS == "js" {
		before++ // the runtime's own, which handles events
	}
	status := m.Run()
	if fuzz := flag.Lookup("test.fuzz"); fuzz.Value.String() != "" {
		os.Exit(status) // the fuzzing engine leaves some of its own
	}
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && status == 0; {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			fmt.Fprintf(os.Stderr, "%d goroutines outlive the tests, %d were there before:\n%s\n",
				runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
			status = 1
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.Exit(status)
}
