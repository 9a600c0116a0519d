//go:build !js

package relay

import "time"

// bucket is a token bucket that holds one second's worth.
type bucket struct {
	rate   float64 // tokens per second, and the size
	tokens float64 // negative while in debt
	at     time.Time
}

func newBucket(rate int, now time.Time) *bucket {
	return &bucket{rate: float64(rate), tokens: float64(rate), at: now}
}

// take takes n tokens and gives how long to wait before acting on them. It lets
// the bucket go into debt, so that more than one second's worth at once costs
// time and is not refused.
func (b *bucket) take(n int, now time.Time) time.Duration {
	b.tokens = min(b.rate, b.tokens+b.rate*now.Sub(b.at).Seconds())
	b.at = now
	b.tokens -= float64(n)
	if b.tokens >= 0 {
		return 0
	}
	return time.Duration(-b.tokens / b.rate * float64(time.Second))
}
