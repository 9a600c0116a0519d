package space

import "time"

// A member that was away while keys were rotated knows older ones only, and finds
// those who went on under the topics of these.
const (
	// oldGates is how many older topics a member stays under, and newGates how many if
	// the key was made just now: several members may have made some at once, and not
	// everybody has the same ones yet.
	oldGates = 3
	newGates = 8
	justNow  = time.Hour
	// oldGateTime is how long it does after the key that followed was made.
	oldGateTime = 30 * 24 * time.Hour
)

// Gates gives where to meet others: under the newest control key, for a while under
// those before it, and under those that another device of the identity handed over and
// no credential here brought.
func (s *Space) Gates(now time.Time) []Gate {
	controls := s.secrets.Controls
	gates := []Gate{s.secrets.Gate()}
	most := oldGates
	since := func(n int, limit time.Duration) bool {
		if n < 0 {
			return false
		}
		made, ok := s.membership.Introduced(controls[n].ID())
		return ok && now.Sub(time.UnixMilli(made)) < limit
	}
	settling := since(len(controls)-1, justNow)
	if settling {
		most = newGates
	}
	for i := len(controls) - 2; i >= 0 && len(gates) <= most; i-- {
		if _, known := s.membership.Introduced(controls[i].ID()); !known || settling || since(i+1, oldGateTime) {
			gates = append(gates, s.secrets.gateOf(controls[i]))
		}
	}
	return gates
}
