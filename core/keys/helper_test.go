package keys

import (
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/echospace/echospace/core/env"
)

// lockedRand is a seeded reader for concurrent use.
type lockedRand struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRand) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func testEnv(seed byte) env.Env {
	return env.Env{
		Clock: env.ClockFunc(func() time.Time { return time.UnixMilli(1_700_000_000_000 + int64(seed)) }),
		Rand:  &lockedRand{r: rand.NewChaCha8([32]byte{seed})},
		Log:   slog.New(slog.DiscardHandler),
	}
}
