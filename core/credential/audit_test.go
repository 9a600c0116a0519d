package credential

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/echospace/echospace/core/id"
)

// at issues after all that holds now, by a clock.
func (w *world) at(time int64, p *person, c Claim) *Credential {
	w.t.Helper()
	return w.atAfter(time, w.eval().Parents(), p, c)
}

func (w *world) atAfter(time int64, parents []id.CredentialID, p *person, c Claim) *Credential {
	w.t.Helper()
	cred, err := Issue(context.Background(), p.device, parents, time, c)
	if err != nil {
		w.t.Fatalf("Issue %T: %v", c, err)
	}
	w.set = append(w.set, cred)
	return cred
}

// auditScene is a space with everything that the log tells. The names are those of its
// people.
func auditScene(t tester) (w *world, names map[id.IdentityKey]string) {
	const start = 1_700_000_000_000
	w = newWorld(t)
	ada, bob, carol, dave := w.owner, newPerson(t, 1), newPerson(t, 2), newPerson(t, 3)
	named := func(p *person, role Role, name string, inv byte) Member {
		m := p.admission(role)
		m.Name, m.Invitation = name, id.InvitationID{inv}
		return m
	}
	w.at(start+10, ada, Profile{Identity: ada.identity, Name: "Ada"})
	w.at(start+20, ada, named(bob, Admin, "Bob", 7))
	w.at(start+30, bob, named(carol, Reader, "Carol", 0))
	w.at(start+40, carol, Profile{Identity: carol.identity, Name: "Caroline"})
	w.at(start+50, bob, SetRole{Identity: carol.identity, Role: Editor})
	w.at(start+60, ada, Device{Identity: ada.identity, Device: key(50).Public(), Sealing: sealingOf(50), Label: "phone"})
	w.at(start+70, ada, RevokeDevice{Identity: ada.identity, Device: key(50).Public()})
	w.at(start+72, bob, Invitation{Invitation: id.InvitationID{8}, Role: Editor, Sealed: []byte{1}})
	w.at(start+73, ada, Spent{Invitation: id.InvitationID{8}, Reason: Cancelled})
	w.at(start+74, carol, Invitation{Invitation: id.InvitationID{9}, Role: Reader, Sealed: []byte{1}}) // an EDITOR
	before := w.eval().Parents()
	w.at(start+80, ada, Remove{Identity: bob.identity})
	w.atAfter(start+75, before, bob, named(dave, Reader, "Dave", 0)) // not known to Ada, and void by it
	w.at(start+90, carol, SetRole{Identity: carol.identity, Role: Owner})
	w.at(start+5, carol, Remove{Identity: carol.identity}) // by a clock that is behind
	return w, map[id.IdentityKey]string{ada.identity: "Ada", bob.identity: "Bob", carol.identity: "Caroline", dave.identity: "Dave", {}: ""}
}

// say writes an entry as a person would read it.
func say(e AuditEntry) string {
	s := fmt.Sprintf("%s %s %s", e.ByName, e.Action, e.SubjectName)
	if e.Role != 0 {
		s += " " + e.Role.String()
	}
	if e.Text != "" {
		s += " " + e.Text
	}
	if !id.IsZero(e.Invitation) {
		s += fmt.Sprintf(" by %d", e.Invitation[0])
	}
	if !e.Valid {
		s += " void"
	}
	return s
}

func TestAudit_S16_tellsWhoDidWhat(t *testing.T) {
	w, names := auditScene(t)
	log := w.eval().Audit()
	var got []string
	for _, e := range log {
		got = append(got, say(e))
		if names[e.By] != e.ByName || names[e.Subject] != e.SubjectName {
			t.Errorf("%s: by %v about %v", say(e), e.By, e.Subject)
		}
	}
	want := []string{
		"Ada DEVICE_ADDED Ada first",
		" FOUNDED Ada OWNER",
		"Ada RENAMED Ada Ada",
		"Ada ADMITTED Bob ADMIN Bob by 7",
		"Bob ADMITTED Caroline READER Carol",
		"Caroline RENAMED Caroline Caroline",
		"Bob ROLE_CHANGED Caroline EDITOR",
		"Ada DEVICE_ADDED Ada phone",
		"Ada DEVICE_REVOKED Ada",
		"Bob INVITED Bob EDITOR by 8",
		"Ada INVITATION_ENDED Ada CANCELLED by 8",
		"Caroline INVITED Caroline READER by 9 void",
		"Bob ADMITTED Dave READER Dave void",
		"Ada REMOVED Bob",
		"Caroline LEFT Caroline", // after what it knew, whatever the clock said
		"Caroline ROLE_CHANGED Caroline OWNER void",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the log is\n%q\nwant\n%q", got, want)
	}
	if last := log[len(log)-2]; last.Time != 1_700_000_000_005 || last.Issuer != w.set[len(w.set)-1].Issuer || last.Credential != w.set[len(w.set)-1].ID() {
		t.Errorf("the entry is %+v", last)
	}
}

// TestAudit_order: the log is the same in whatever order credentials came, and nothing
// stands before what its issuer knew.
func TestAudit_order(t *testing.T) {
	w, _ := auditScene(t)
	want := w.eval().Audit()
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		rng.Shuffle(len(w.set), func(i, j int) { w.set[i], w.set[j] = w.set[j], w.set[i] })
		if got := w.eval().Audit(); !reflect.DeepEqual(got, want) {
			t.Fatalf("seed %d: another log", seed)
		}
	}
	m := w.eval()
	at := map[id.CredentialID]int{}
	for i, e := range want {
		at[e.Credential] = i
	}
	for i := range m.e.nodes {
		m.e.nodes[i].past.each(func(p int) {
			before, ok := at[m.e.nodes[p].id]
			if after, said := at[m.e.nodes[i].id]; ok && said && before > after {
				t.Errorf("entry %d stands before %d, which it knew", after, before)
			}
		})
	}
}
