package credential

import (
	"testing"

	"github.com/echospace/echospace/core/id"
)

func TestMembership_O16_authorOfWhoLeft(t *testing.T) {
	w := newWorld(t)
	p := w.admit(1, w.owner, Editor)
	w.by(p, Profile{Identity: p.identity, Name: "Bob"})
	check := func(what string) {
		t.Helper()
		who, name, ok := w.eval().Author(p.dev())
		if !ok || who != p.identity || name != "Bob" {
			t.Errorf("%s: %s %q %v", what, who, name, ok)
		}
	}
	check("a member")
	w.by(w.owner, Remove{Identity: p.identity})
	if _, is := w.eval().Device(p.dev()); is {
		t.Fatal("is a member still")
	}
	check("a removed one")
	if who, _, ok := w.eval().Author(w.owner.dev()); !ok || who != w.owner.identity {
		t.Errorf("the founder: %s %v", who, ok)
	}
	if _, _, ok := w.eval().Author(id.DeviceKey{1}); ok {
		t.Error("an unknown device has an author")
	}
}
