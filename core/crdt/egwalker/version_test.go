package egwalker

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// drawn is a history of events without ops, each of which follows some others, and for
// each event what it follows.
func drawn(rng *rand.Rand) (s *Sequence, pasts []map[Event]bool) {
	s = &Sequence{}
	for e := range Event(1 + rng.IntN(40)) {
		var parents []Event
		switch {
		case rng.IntN(3) == 0:
			parents = slices.Clone(s.frontier)
		case e > 0 && rng.IntN(10) > 0:
			some := []Event{rng.Int32N(e)}
			for range rng.IntN(4) {
				some = append(some, max(0, e-1-rng.Int32N(5)))
			}
			parents = lastOf(some, pasts)
		}
		s.add(parents, nil, false)
		past := map[Event]bool{e: true}
		for _, p := range parents {
			for q := range pasts[p] {
				past[q] = true
			}
		}
		pasts = append(pasts, past)
		s.frontier = append(slices.DeleteFunc(s.frontier, func(f Event) bool { return slices.Contains(parents, f) }), e)
	}
	return s, pasts
}

// lastOf is what Last gives, by comparing each with each.
func lastOf(of []Event, pasts []map[Event]bool) (out []Event) {
	for _, e := range of {
		if !slices.ContainsFunc(of, func(o Event) bool { return o != e && pasts[o][e] }) {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// TestLast compares it with comparing each event with each, and with Project.
func TestLast(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	for run := range 3000 {
		rng := rand.New(rand.NewPCG(seed, uint64(run)))
		s, pasts := drawn(rng)
		var of []Event
		for range 1 + rng.IntN(5) {
			of = append(of, rng.Int32N(Event(len(pasts))))
		}
		want := lastOf(of, pasts)
		if got := s.Last(of, nil); !slices.Equal(got, want) {
			t.Fatalf("seed %d, run %d: the last of %v are %v, want %v", seed, run, of, got, want)
		}
		in := func(e Event) bool {
			return slices.ContainsFunc(of, func(o Event) bool { return pasts[o][e] })
		}
		if got := s.Project(in, nil); !slices.Equal(got, want) {
			t.Fatalf("seed %d, run %d: of %v and what they follow the last are %v, want %v", seed, run, of, got, want)
		}
	}
}

// TestBase compares it with a search for the last critical version.
func TestBase(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	sizes := map[int]int{}
	for run := range 5000 {
		rng := rand.New(rand.NewPCG(seed, uint64(run)))
		s, pasts := drawn(rng)
		n := Event(len(pasts))
		var of []Event
		for range 1 + rng.IntN(3) {
			of = append(of, max(0, n-1-rng.Int32N(1+rng.Int32N(n))))
		}
		version := lastOf(of, pasts)
		if slices.Equal(version, s.frontier) {
			continue
		}
		follows := func(version []Event, base Event) bool {
			for e := range base + 1 {
				if !slices.ContainsFunc(version, func(o Event) bool { return pasts[o][e] }) {
					return false
				}
			}
			return true
		}
		want := none
		for base := n - 2; base >= 0 && want == none; base-- {
			if !follows(version, base) {
				continue
			}
			critical := true
			for e := base + 1; e < n && critical; e++ {
				critical = follows([]Event{e}, base)
			}
			if critical {
				want = base
			}
		}
		got := s.base(s.frontier, version)
		if got != want {
			t.Fatalf("seed %d, run %d: the base of %v and %v is %d, want %d", seed, run, s.frontier, version, got, want)
		}
		if got != none {
			sizes[len(s.Parents(got+1))]++
		}
	}
	if sizes[1] == 0 || sizes[2] == 0 || sizes[3] == 0 {
		t.Errorf("critical versions of so many events were drawn: %v", sizes)
	}
}
