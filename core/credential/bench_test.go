package credential

import (
	"fmt"
	"testing"

	"github.com/echospace/echospace/core/id"
)

// oldSpace is a space of 1,000 members with 5,000 credentials as years leave them:
// ten who rule, second devices, names, roles, removals with their new keys, written
// in turn by some who had heard of each other and some who had not.
func oldSpace(b testing.TB) (id.SpaceKey, []*Credential) {
	const members = 1000
	w := newWorld(b)
	rulers := []*person{w.owner}
	last := func() []id.CredentialID { return []id.CredentialID{w.set[len(w.set)-1].ID()} }
	var people []*person
	for i := range members + 99 {
		p, role := newPerson(b, i+1), Editor
		if i < 9 {
			role = []Role{Owner, Admin, Admin}[i%3]
			rulers = append(rulers, p)
		}
		w.after(last(), w.owner, p.admission(role))
		people = append(people, p)
	}
	for i := 0; len(w.set) < 5000; i++ {
		p, by := people[i%members], rulers[i%len(rulers)]
		parents := last()
		if i%3 == 0 { // beside what came last
			parents = w.set[len(w.set)-1].Parents
		}
		switch i % 4 {
		case 0:
			w.after(parents, p, Profile{Identity: p.identity, Name: fmt.Sprint(i)})
		case 1:
			w.after(parents, p, Device{Identity: p.identity, Device: key(20000 + i).Public(), Sealing: sealingOf(i)})
		case 2:
			w.after(parents, by, SetRole{Identity: people[10+i%(members-10)].identity, Role: Reader - Role(i/4%2)})
		default:
			if gone := members + i/40; i%40 == 3 && gone < len(people) {
				w.after(parents, by, Remove{Identity: people[gone].identity})
				continue
			}
			w.after(parents, p, Epoch{Key: id.EpochID{byte(i), byte(i >> 8), 1}})
		}
	}
	return w.space, w.set
}

// BenchmarkEvaluate judges a set anew, as is done when credentials arrive.
func BenchmarkEvaluate(b *testing.B) {
	space, set := oldSpace(b)
	for b.Loop() {
		if m := Evaluate(space, set); len(m.Members()) != 1002 {
			b.Fatal(len(m.Members()))
		}
	}
}
