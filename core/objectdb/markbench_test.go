package objectdb

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// BenchmarkEditMarked types into a text with that many marks.
func BenchmarkEditMarked(b *testing.B) {
	for _, n := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprint(n, " marks"), func(b *testing.B) {
			s := newSite(b, 1)
			s.do(opCreate(objID(1), map[string][]byte{"t": vText(strings.Repeat("some words ", 10_000))}))
			rng := rand.New(rand.NewPCG(1, 0))
			for range n {
				from := rng.IntN(100_000)
				s.mark(from, from+1+rng.IntN(100), []string{"bold", "italic", "link"}[rng.IntN(3)], vBool(true))
			}
			x := s.text(1, "t")
			b.ResetTimer()
			for i := range b.N {
				s.edit(x, 50_000+i%100, 0, "x")
			}
		})
	}
}

// BenchmarkTextMarks reads the marks of a text.
func BenchmarkTextMarks(b *testing.B) {
	s := newSite(b, 1)
	s.do(opCreate(objID(1), map[string][]byte{"t": vText(strings.Repeat("some words ", 10_000))}))
	rng := rand.New(rand.NewPCG(1, 0))
	for range 1000 {
		from := rng.IntN(100_000)
		s.mark(from, from+1+rng.IntN(100), []string{"bold", "italic", "link"}[rng.IntN(3)], vBool(true))
	}
	x := s.text(1, "t")
	for b.Loop() {
		if _, err := s.db.TextMarks(x); err != nil {
			b.Fatal(err)
		}
	}
}
