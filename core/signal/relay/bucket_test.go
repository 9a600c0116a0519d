//go:build !js

package relay

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	start := time.Unix(0, 0)
	b := newBucket(10, start)
	steps := []struct {
		after time.Duration // since start
		take  int
		wait  time.Duration
	}{
		{0, 10, 0},                       // a second's worth at once
		{0, 1, 100 * time.Millisecond},   // then as fast as it fills
		{0, 10, 1100 * time.Millisecond}, // debts add up
		{1100 * time.Millisecond, 0, 0},
		{2 * time.Hour, 10, 0}, // no more than a second's worth is saved
		{2 * time.Hour, 20, 2 * time.Second},
	}
	for i, s := range steps {
		if got := b.take(s.take, start.Add(s.after)); got.Round(time.Millisecond) != s.wait {
			t.Errorf("step %d: wait %v, want %v", i, got, s.wait)
		}
	}
}
