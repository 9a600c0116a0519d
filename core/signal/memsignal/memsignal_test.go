package memsignal_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/signal"
	"github.com/echospace/echospace/core/signal/memsignal"
	"github.com/echospace/echospace/core/signal/signaltest"
)

func TestSignaler(t *testing.T) {
	signaltest.Run(t, func(t *testing.T) signaltest.Fixture {
		h := memsignal.NewHub(memsignal.Options{})
		return signaltest.Fixture{
			New: func(*testing.T) signal.Signaler { return h.Signaler() },
			Break: func(*testing.T) {
				h.SetDown(true)
				h.SetDown(false)
			},
		}
	})
}

// exchange sends n numbered frames from one client to another and gives the
// numbers in the order of arrival, after everything settled.
func exchange(t *testing.T, h *memsignal.Hub, n int) (got []byte) {
	synctest.Test(t, func(t *testing.T) {
		a, b := signaltest.Join(t, h.Signaler(), signaltest.Topic(1)), signaltest.Join(t, h.Signaler(), signaltest.Topic(1))
		to := signaltest.Next(t, b, signal.Up).Self
		signaltest.Until(t, b, signal.Joined)
		for i := range n {
			if err := a.Send(t.Context(), to, []byte{byte(i)}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute) // of the bubble: every timer has fired
		delivered := h.Stats().Delivered
		for range delivered {
			got = append(got, signaltest.Next(t, b, signal.Frame).Data...)
		}
	})
	return got
}

func TestFaults_N05(t *testing.T) {
	const n = 200
	distinct := func(got []byte) int { return len(slices.Compact(slices.Sorted(slices.Values(got)))) }
	tests := []struct {
		name   string
		faults memsignal.Faults
		check  func(got []byte) bool
	}{
		{"none", memsignal.Faults{}, func(g []byte) bool { return len(g) == n && slices.IsSorted(g) }},
		{"delay keeps order", memsignal.Faults{MinDelay: time.Millisecond, MaxDelay: time.Second},
			func(g []byte) bool { return len(g) == n && slices.IsSorted(g) }},
		{"drop", memsignal.Faults{Drop: 0.3},
			func(g []byte) bool { return len(g) < n && len(g) > n/3 && slices.IsSorted(g) }},
		{"duplicate", memsignal.Faults{Duplicate: 0.3},
			func(g []byte) bool { return len(g) > n && distinct(g) == n }},
		{"reorder", memsignal.Faults{Reorder: 0.3},
			func(g []byte) bool { return len(g) == n && distinct(g) == n && !slices.IsSorted(g) }},
		{"reorder the last", memsignal.Faults{Reorder: 1},
			func(g []byte) bool { return len(g) == n && distinct(g) == n }},
		{"all", memsignal.Faults{Drop: 0.1, Duplicate: 0.1, Reorder: 0.1, MaxDelay: time.Second},
			func(g []byte) bool { return distinct(g) > n/2 && !slices.IsSorted(g) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := func() ([]byte, memsignal.Stats) {
				h := memsignal.NewHub(memsignal.Options{Seed: 5, Faults: tt.faults})
				return exchange(t, h, n), h.Stats()
			}
			got, stats := run()
			if !tt.check(got) {
				t.Errorf("%d arrived (%d distinct): %v\n%+v", len(got), distinct(got), got, stats)
			}
			if again, _ := run(); !slices.Equal(got, again) {
				t.Errorf("the same seed gave\n%v, then\n%v", got, again)
			}
		})
	}
}

func TestTamper(t *testing.T) {
	h := memsignal.NewHub(memsignal.Options{})
	var topics []id.Topic
	h.SetFaults(memsignal.Faults{Tamper: func(f memsignal.Frame) []memsignal.Frame {
		topics = append(topics, f.Topic)
		if f.Data[0] == 0 {
			return nil
		}
		twin := f
		twin.Data = []byte{f.Data[0] + 100}
		return []memsignal.Frame{f, twin}
	}})
	got := exchange(t, h, 3)
	if want := []byte{1, 101, 2, 102}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(topics) != 3 || topics[0] != signaltest.Topic(1) {
		t.Errorf("tamper saw topics %v", topics)
	}
}

func TestOneClientDown(t *testing.T) {
	h := memsignal.NewHub(memsignal.Options{})
	s := h.Signaler()
	a, b := signaltest.Join(t, s, signaltest.Topic(1)), signaltest.Join(t, h.Signaler(), signaltest.Topic(1))
	first := signaltest.Next(t, a, signal.Up).Self
	s.SetDown(true)
	signaltest.Until(t, a, signal.Down)
	if ev := signaltest.Until(t, b, signal.Left); ev.Peer != first {
		t.Errorf("%v left, want %v", ev.Peer, first)
	}
	s.SetDown(false)
	second := signaltest.Next(t, a, signal.Up).Self
	if ev := signaltest.Next(t, b, signal.Joined); ev.Peer != second || second == first {
		t.Errorf("%v joined, want %v, before %v", ev.Peer, second, first)
	}
}

func TestDownFromTheStart(t *testing.T) {
	h := memsignal.NewHub(memsignal.Options{})
	h.SetDown(true)
	a := signaltest.Join(t, h.Signaler(), signaltest.Topic(1))
	h.SetDown(false)
	signaltest.Next(t, a, signal.Up)
}
