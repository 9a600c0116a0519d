package mesh

import "time"

const (
	paceShare = 0.8       // of the stated limit, for bulk and all else together
	paceBurst = 128 << 10 // bytes that may go at once after a pause
)

// Pacer keeps bulk within what relays state about themselves. Swarms that
// share relay connections share one Pacer; calls are serialised with theirs.
type Pacer struct {
	buckets map[RelayID]*bucket
}

// NewPacer makes a Pacer that knows of no limit yet.
func NewPacer() *Pacer { return &Pacer{buckets: map[RelayID]*bucket{}} }

// bucket is a token bucket; tokens are bytes, and may fall below zero because
// what is not bulk never waits.
type bucket struct {
	rate   float64 // bytes per second, zero for no limit
	tokens float64
	at     time.Time
}

// limit sets the rate that a relay stated; zero for none.
func (p *Pacer) limit(r RelayID, bytesPerSecond uint64, now time.Time) {
	b := p.buckets[r]
	if b == nil {
		b = &bucket{tokens: paceBurst, at: now}
		p.buckets[r] = b
	}
	b.rate = paceShare * float64(bytesPerSecond)
}

func (b *bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.tokens = min(b.tokens+b.rate*d.Seconds(), paceBurst)
		b.at = now
	}
}

// may tells whether bulk may go now.
func (p *Pacer) may(r RelayID, now time.Time) bool {
	b := p.buckets[r]
	if b == nil || b.rate == 0 {
		return true
	}
	b.fill(now)
	return b.tokens > 0
}

// used counts n bytes that go.
func (p *Pacer) used(r RelayID, n int, now time.Time) {
	if b := p.buckets[r]; b != nil && b.rate > 0 {
		b.fill(now)
		b.tokens -= float64(n)
	}
}
