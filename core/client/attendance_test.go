package client

import (
	"testing"
	"time"
)

// attendanceStep is one event after a pause, and what is asked for then.
type attendanceStep struct {
	after time.Duration
	event func(a *attendance, now time.Time)
	busy  bool
	away  bool
	next  time.Duration // zero: not checked
}

func TestAttendance_T02_oneVisibleTabIsEnough(t *testing.T) {
	seen := func(visible bool) func(*attendance, time.Time) {
		return func(a *attendance, now time.Time) { a.seen(now, visible) }
	}
	heard := func(slot uint32, visible bool) func(*attendance, time.Time) {
		return func(a *attendance, now time.Time) { a.heard(now, slot, visible) }
	}
	// alive is a sibling that says that it is visible until that time is over.
	alive := func(d time.Duration) (steps []attendanceStep) {
		for ; d > 0; d -= beat {
			steps = append(steps, attendanceStep{after: beat, event: heard(1, true)})
		}
		return steps
	}
	join := func(parts ...[]attendanceStep) (all []attendanceStep) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	leaving := join([]attendanceStep{{event: seen(false)}, {event: heard(1, true), next: hiddenGrace}},
		alive(hiddenGrace-beat), []attendanceStep{{after: beat, event: heard(1, true), away: true, next: silence}})
	cases := map[string][]attendanceStep{
		"visible":               {{event: seen(true), next: beat}, {after: time.Hour, event: heard(1, true)}},
		"hidden and alone":      {{event: seen(false), next: time.Hour}, {after: time.Hour}},
		"all hidden":            {{event: seen(false)}, {event: heard(1, false)}, {after: time.Hour, event: heard(2, false)}},
		"leaves":                leaving,
		"returns when seen":     join(leaving, []attendanceStep{{event: seen(true)}}),
		"the sibling is hidden": join(leaving, []attendanceStep{{event: heard(1, false)}}),
		"the sibling is silent": join(leaving, []attendanceStep{{after: silence - 1, away: true, next: 1}, {after: 1}}),
		"another one is left": join(leaving, []attendanceStep{
			{event: heard(2, true), away: true}, {event: heard(1, false), away: true}, {event: heard(2, false)},
		}),
		"the sibling comes back": join(leaving, []attendanceStep{
			{event: heard(1, false)}, {after: time.Second, event: heard(1, true), away: true},
		}),
		"busy": join([]attendanceStep{{event: seen(false)}}, alive(hiddenGrace-beat), []attendanceStep{
			{after: beat, event: heard(1, true), busy: true, next: hiddenGrace},
		}, alive(hiddenGrace-beat), []attendanceStep{{after: beat, event: heard(1, true), away: true}}),
		"busy while away": join(leaving, []attendanceStep{{busy: true}}),
	}
	for name, steps := range cases {
		t.Run(name, func(t *testing.T) {
			var a attendance
			now := time.Unix(1e9, 0)
			a.said = now
			for i, s := range steps {
				now = now.Add(s.after)
				if s.event != nil {
					s.event(&a, now)
				}
				v := a.turn(now, s.busy)
				if v.Away != s.away {
					t.Fatalf("step %d of %d: away %v, want %v", i+1, len(steps), v.Away, s.away)
				}
				if s.next != 0 && v.Next != s.next {
					t.Fatalf("step %d of %d: next after %v, want %v", i+1, len(steps), v.Next, s.next)
				}
				if v.Next <= 0 {
					t.Fatalf("step %d of %d: next after %v spins", i+1, len(steps), v.Next)
				}
			}
		})
	}
}

func TestAttendance_T02_tellsChangesAndBeats(t *testing.T) {
	var a attendance
	now := time.Unix(1e9, 0)
	a.said = now.Add(-beat)
	for i, s := range []struct {
		after   time.Duration
		visible bool
		want    bool
	}{
		{0, true, true}, {0, true, false}, {beat - 1, true, false}, {1, true, true},
		{0, false, true}, {time.Hour, false, false}, {0, true, true}, {beat, true, true},
	} {
		now = now.Add(s.after)
		a.seen(now, s.visible)
		if got := a.turn(now, false).Tell; got != s.want {
			t.Errorf("step %d: told %v, want %v", i+1, got, s.want)
		}
	}
}
