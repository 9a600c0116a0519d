package credential

import (
	"slices"
	"testing"
)

// TestEvaluation_inPieces goes on whenever it was enough, and comes to what Evaluate
// comes to.
func TestEvaluation_inPieces(t *testing.T) {
	space, set := oldSpace(t)
	whole := Evaluate(space, set)
	v := BeginEvaluation(space, set)
	pieces := 0
	var m *Membership
	for ; m == nil; pieces++ {
		m = v.Some(func() bool { return true })
	}
	if want := len(set) / someNodes; pieces < want {
		t.Errorf("%d pieces of %d credentials", pieces, len(set))
	}
	same := func(a, b MemberInfo) bool {
		return a.Identity == b.Identity && a.Role == b.Role && a.Name == b.Name && slices.Equal(a.Devices, b.Devices)
	}
	if !slices.EqualFunc(m.Members(), whole.Members(), same) || !slices.Equal(m.Heads(), whole.Heads()) || m.Ends() != whole.Ends() {
		t.Error("the pieces come to another membership")
	}
	for _, c := range set {
		if m.Valid(c.ID()) != whole.Valid(c.ID()) {
			t.Errorf("credential %v holds in the one and not in the other", c.ID())
		}
	}
}
