package credential

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"pgregory.net/rapid"
)

func TestEvaluate_S01_genesis(t *testing.T) {
	w := newWorld(t)
	m := w.eval()
	if len(m.Members()) != 1 {
		t.Fatalf("%d members", len(m.Members()))
	}
	got, ok := m.Device(w.owner.dev())
	if !ok || got.Role != Owner || len(got.Devices) != 1 || got.Devices[0].Sealing != sealingOf(0) {
		t.Fatalf("the owner is %+v", got)
	}
	if !m.MayInvite(w.owner.dev(), Owner) || !m.MayWrite(w.owner.dev()) || !m.MayRead(w.owner.dev()) {
		t.Error("the owner may not")
	}
	for name, c := range map[string]*Credential{
		"by another key":   issue(t, key(5), nil, Genesis{Space: w.space, Identity: newPerson(t, 5).identity}),
		"of another space": issue(t, key(1), nil, Genesis{Space: key(5).Public(), Identity: newPerson(t, 5).identity}),
	} {
		if m := Evaluate(w.space, append(slices.Clone(w.set), c)); len(m.Members()) != 1 || m.Valid(c.ID()) {
			t.Errorf("genesis %s counts", name)
		}
	}
	if m := Evaluate(w.space, nil); len(m.Members()) != 0 || len(m.Heads()) != 0 {
		t.Error("the empty set has members")
	}
}

// TestEvaluate_S16_rights tries every role's rights over every other's.
func TestEvaluate_S16_rights(t *testing.T) {
	for actor := Owner; actor <= Keeper; actor++ {
		for target := Owner; target <= Keeper; target++ {
			t.Run(fmt.Sprint(actor, " on ", target), func(t *testing.T) {
				w := newWorld(t)
				a, b := w.admit(1, w.owner, actor), w.admit(2, w.owner, target)
				heads := w.eval().Heads()
				w.want("target", b, target)
				admits := actor <= Admin && target >= actor
				removes := actor == Owner || actor == Admin && target > Admin
				wantValid(t, w, "admit", w.after(heads, a, newPerson(t, 3).admission(target)), admits)
				wantValid(t, w, "set to ADMIN", w.after(heads, a, SetRole{Identity: b.identity, Role: Admin}), removes)
				wantValid(t, w, "set to OWNER", w.after(heads, a, SetRole{Identity: b.identity, Role: Owner}), actor == Owner)
				wantValid(t, w, "invite", w.after(heads, a, Invitation{Role: target}), admits)
				wantValid(t, w, "spend", w.after(heads, a, Spent{Reason: Used}), actor <= Admin)
				wantValid(t, w, "own profile", w.after(heads, a, Profile{Identity: a.identity, Name: "new"}), true)
				wantValid(t, w, "other's profile", w.after(heads, a, Profile{Identity: b.identity}), false)
				wantValid(t, w, "new epoch", w.after(heads, a, Epoch{Key: id.EpochID{7}}), actor <= Editor)
				wantValid(t, w, "known epoch", w.after(heads, a, Epoch{Key: id.EpochID{1}}), actor <= Reader)
				if got := w.eval().MayInvite(a.dev(), target); got != admits {
					t.Errorf("MayInvite is %v", got)
				}
				revoke := w.after(heads, a, RevokeDevice{Identity: b.identity, Device: b.dev()})
				wantValid(t, w, "revoke", revoke, removes)
				wantValid(t, w, "remove", w.after(heads, a, Remove{Identity: b.identity}), removes)
			})
		}
	}
}

func TestEvaluate_members(t *testing.T) {
	w := newWorld(t)
	a := w.admit(1, w.owner, Editor)
	w.by(a, Profile{Identity: a.identity, Name: "Ada", Fields: []byte{1}})
	second := key(31)
	added := w.by(a, Device{Identity: a.identity, Device: second.Public(), Sealing: sealingOf(31), Label: "phone"})
	foreign := w.by(a, Device{Identity: w.owner.identity, Device: key(32).Public()})
	m := w.eval()
	got, ok := m.Device(second.Public())
	if !ok || got.Name != "Ada" || string(got.Fields) != "\x01" || got.Role != Editor || len(got.Devices) != 2 || got.Devices[1].Label != "phone" {
		t.Fatalf("the second device's member is %+v", got)
	}
	if _, ok := m.Device(key(32).Public()); ok || m.Valid(foreign.ID()) || !m.Valid(added.ID()) {
		t.Error("an editor adds devices to the owner")
	}
	if m.Members()[0].Identity != w.owner.identity || m.Members()[1].Identity != a.identity {
		t.Error("members are not in order of admission")
	}
	again := w.by(w.owner, a.admission(Owner))
	wantValid(t, w, "admission of a member", again, false)
	w.want("a member admitted again", a, Editor)
}

// TestEvaluate_orderOfDevices: what does not hold has no say in it.
func TestEvaluate_orderOfDevices(t *testing.T) {
	w := newWorld(t)
	a, second := newPerson(t, 1), key(31).Public()
	link := w.by(a, Device{Identity: a.identity, Device: second})
	w.after([]id.CredentialID{link.ID()}, w.owner, a.admission(Editor))
	void := w.after([]id.CredentialID{w.set[1].ID()}, newPerson(t, 9), a.admission(Editor))
	wantValid(t, w, "an admission by nobody", void, false)
	got, _ := w.eval().Identity(a.identity)
	if len(got.Devices) != 2 || got.Devices[0].Device != second {
		t.Errorf("the devices are %+v", got.Devices)
	}
}

func TestEvaluate_S17_removal(t *testing.T) {
	w := newWorld(t)
	admin, editor := w.admit(1, w.owner, Admin), w.admit(2, w.owner, Editor)
	before := w.eval().Heads()
	mine := w.by(admin, Profile{Identity: admin.identity, Name: "before"})
	known := w.eval().Heads()
	w.after(known, w.owner, Remove{Identity: admin.identity, Cuts: []feed.Ref{{Feed: id.FeedID{1}, Seq: 1, Hash: id.Hash{1}}}})
	w.want("removed", admin, 0)
	wantValid(t, w, "what the removal knew", mine, true)

	// The removed admin goes on as if it had not heard, or from further back.
	x := newPerson(t, 8)
	late := w.after(known, admin, x.admission(Editor))
	byLate := w.after([]id.CredentialID{late.ID()}, x, Profile{Identity: x.identity})
	back := w.after(before, admin, Remove{Identity: editor.identity})
	after := w.by(admin, Profile{Identity: admin.identity})
	for name, c := range map[string]*Credential{"concurrent": late, "resting on it": byLate, "back-dated": back, "later": after} {
		wantValid(t, w, name, c, false)
	}
	w.want("admitted by the removed", x, 0)
	w.want("removed by the removed", editor, Editor)

	w.by(w.owner, admin.admission(Reader))
	w.want("admitted again", admin, Reader)
	wantValid(t, w, "after re-admission", w.by(admin, Profile{Identity: admin.identity}), true)
	wantValid(t, w, "still void", late, false)
}

func TestEvaluate_H12_revokedDevice(t *testing.T) {
	w := newWorld(t)
	a := w.admit(1, w.owner, Editor)
	second := &person{identity: a.identity, device: key(41)}
	w.by(a, Device{Identity: a.identity, Device: second.dev(), Sealing: sealingOf(41)})
	earlier := w.by(second, Profile{Identity: a.identity, Name: "earlier"})
	heads := w.eval().Heads()
	w.after(heads, a, RevokeDevice{Identity: a.identity, Device: second.dev()})
	concurrent := w.after(heads, second, Profile{Identity: a.identity, Name: "concurrent"})
	adds := w.after(heads, second, Device{Identity: a.identity, Device: key(42).Public()})
	m := w.eval()
	if m.MayWrite(second.dev()) || m.MayRead(second.dev()) || !m.MayWrite(a.dev()) {
		t.Error("the revoked device may, or the other may not")
	}
	if _, ok := m.Device(key(42).Public()); ok || m.Valid(adds.ID()) {
		t.Error("a revoked device adds devices")
	}
	wantValid(t, w, "before", earlier, true)
	wantValid(t, w, "concurrent", concurrent, false)
	w.by(a, Device{Identity: a.identity, Device: second.dev()})
	if w.eval().MayWrite(second.dev()) {
		t.Error("a revoked device comes back")
	}
}

func TestEvaluate_recoveryKey(t *testing.T) {
	w := newWorld(t)
	a := w.admit(1, w.owner, Editor)
	recovery := &person{identity: a.identity, device: key(51)}
	w.by(a, recoveryOf(t, a.identity, recovery.device))
	heads := w.eval().Heads()
	w.after(heads, recovery, RevokeDevice{Identity: a.identity, Device: a.dev()})
	w.after(heads, recovery, Device{Identity: a.identity, Device: key(52).Public(), Sealing: sealingOf(52)})
	m := w.eval()
	if got, ok := m.Device(key(52).Public()); !ok || got.Identity != a.identity || len(got.Devices) != 1 {
		t.Fatalf("the recovered device is of %+v", got)
	}
	if _, ok := m.Device(a.dev()); ok {
		t.Error("the lost device is still there")
	}
	if _, ok := m.Device(recovery.dev()); ok {
		t.Error("a recovery key is a device")
	}
	wantValid(t, w, "a recovery key's profile", w.by(recovery, Profile{Identity: a.identity}), false)
}

func TestEvaluate_lastOwnerStays(t *testing.T) {
	w := newWorld(t)
	wantValid(t, w, "the only owner leaves", w.by(w.owner, Remove{Identity: w.owner.identity}), false)
	wantValid(t, w, "the only owner steps down", w.by(w.owner, SetRole{Identity: w.owner.identity, Role: Admin}), false)
	b := w.admit(1, w.owner, Owner)
	heads := w.eval().Heads()
	for name, claims := range map[string][2]Claim{
		"both leave":          {Remove{Identity: w.owner.identity}, Remove{Identity: b.identity}},
		"both step down":      {SetRole{Identity: w.owner.identity, Role: Reader}, SetRole{Identity: b.identity, Role: Reader}},
		"each removes":        {Remove{Identity: b.identity}, Remove{Identity: w.owner.identity}},
		"one leaves, demoted": {Remove{Identity: w.owner.identity}, SetRole{Identity: w.owner.identity, Role: Reader}},
	} {
		t.Run(name, func(t *testing.T) {
			v := &world{t: t, space: w.space, owner: w.owner, set: slices.Clone(w.set)}
			v.after(heads, w.owner, claims[0])
			v.after(heads, b, claims[1])
			owners := 0
			for _, m := range v.eval().Members() {
				if m.Role == Owner {
					owners++
				}
			}
			if owners != 1 {
				t.Errorf("%d owners are left", owners)
			}
		})
	}
}

// TestEvaluate_forgedPast: an ADMIN makes up an admission of an OWNER as READER
// beside the real one, and then demotes and removes that reader.
func TestEvaluate_forgedPast(t *testing.T) {
	w := newWorld(t)
	admin := w.admit(1, w.owner, Admin)
	heads := w.eval().Heads()
	boss := w.admit(2, w.owner, Owner)
	fake := w.after(heads, admin, boss.admission(Reader))
	w.want("admitted beside", boss, Owner)
	w.after([]id.CredentialID{fake.ID()}, admin, SetRole{Identity: boss.identity, Role: Keeper})
	w.want("demoted beside", boss, Owner)
	w.after([]id.CredentialID{fake.ID()}, admin, Remove{Identity: boss.identity})
	w.want("removed beside", boss, Owner)
	wantValid(t, w, "the owner's own", w.by(boss, Profile{Identity: boss.identity}), true)
	// A foreign device claimed for oneself takes nothing from its holder.
	w.by(admin, Device{Identity: admin.identity, Device: w.owner.dev()})
	w.by(w.owner, Remove{Identity: admin.identity})
	w.want("after removing who claimed its device", w.owner, Owner)
	wantValid(t, w, "the claimed device's own", w.by(w.owner, Profile{Identity: w.owner.identity}), true)
}

func TestEvaluate_concurrentRoles(t *testing.T) {
	w := newWorld(t)
	a, b, e := w.admit(1, w.owner, Admin), w.admit(2, w.owner, Admin), w.admit(3, w.owner, Editor)
	heads := w.eval().Heads()
	w.after(heads, a, SetRole{Identity: e.identity, Role: Reader})
	w.after(heads, b, SetRole{Identity: e.identity, Role: Keeper})
	w.want("two admins differ: the lower", e, Keeper)
	w.after(heads, b, SetRole{Identity: e.identity, Role: Admin})
	w.want("two admins differ: what no admin may change", e, Admin)
	w.after(heads, w.owner, SetRole{Identity: e.identity, Role: Editor})
	w.want("the owner's holds", e, Editor)
	w.by(a, SetRole{Identity: e.identity, Role: Keeper})
	w.want("what follows holds", e, Keeper)
	if m := w.eval(); m.MayRead(e.dev()) || m.MayWrite(e.dev()) {
		t.Error("a keeper reads or writes")
	}
}

func TestEvaluate_missingParent(t *testing.T) {
	w := newWorld(t)
	a := w.admit(1, w.owner, Admin)
	w.admit(2, a, Editor)
	whole := w.set
	for i := range whole {
		part := slices.Delete(slices.Clone(whole), i, i+1)
		if got := len(Evaluate(w.space, part).Members()); got >= 3 {
			t.Errorf("without credential %d: %d members", i, got)
		}
	}
}

// fingerprint is all that a Membership says.
func fingerprint(m *Membership, set []*Credential) string {
	s := fmt.Sprintf("%+v %v", m.Members(), m.Heads())
	for _, c := range set {
		s += fmt.Sprint(m.Valid(c.ID()))
	}
	return s
}

// randomWorld lets random people do random things, knowing part of what
// happened.
func randomWorld(t *rapid.T) *world {
	w := newWorld(t)
	people := []*person{w.owner, newPerson(t, 1), newPerson(t, 2), newPerson(t, 3)}
	pick := func(what string) *person {
		return people[rapid.IntRange(0, len(people)-1).Draw(t, what)]
	}
	for range rapid.IntRange(0, 14).Draw(t, "steps") {
		known := Evaluate(w.space, w.set[:rapid.IntRange(2, len(w.set)).Draw(t, "known")])
		by, on := pick("by"), pick("on")
		role := Role(rapid.IntRange(1, 5).Draw(t, "role"))
		var c Claim
		switch rapid.IntRange(0, 6).Draw(t, "claim") {
		case 0, 1, 2:
			c = on.admission(role)
		case 3:
			c = SetRole{Identity: on.identity, Role: role}
		case 4:
			c = Remove{Identity: on.identity}
		case 5:
			c = RevokeDevice{Identity: on.identity, Device: on.dev()}
		default:
			c = Profile{Identity: by.identity, Name: fmt.Sprint(len(w.set))}
		}
		w.after(known.Parents(), by, c)
	}
	return w
}

// TestEvaluate_everyOrder: the result depends on the set alone, and what holds
// is always ruled by an OWNER.
func TestEvaluate_everyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := randomWorld(t)
		m := w.eval()
		want := fingerprint(m, w.set)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "shuffle"), 0))
		for range 4 {
			shuffled := append(slices.Clone(w.set), w.set[r.IntN(len(w.set))], nil, &Credential{})
			r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
			if got := fingerprint(Evaluate(w.space, shuffled), w.set); got != want {
				t.Fatalf("another order gives\n%s\nnot\n%s", got, want)
			}
		}
		if len(m.Members()) == 0 || !slices.ContainsFunc(m.Members(), func(m MemberInfo) bool { return m.Role == Owner }) {
			t.Fatalf("no OWNER is left of %+v", m.Members())
		}
		for _, member := range m.Members() {
			for _, d := range member.Devices {
				checkProof(t, w, m, d.Device)
			}
		}
	})
}

func checkProof(t *rapid.T, w *world, m *Membership, d id.DeviceKey) {
	want, ok := m.Device(d)
	if !ok {
		t.Fatalf("a member's device is of no member")
	}
	proof, err := m.Proof(d)
	if err != nil {
		t.Fatal(err)
	}
	got, err := VerifyProof(w.space, d, proof)
	if err != nil || got.Identity != want.Identity {
		t.Fatalf("proof of %v shows %+v, %v", want, got, err)
	}
}

func TestProof(t *testing.T) {
	w := newWorld(t)
	admin := w.admit(1, w.owner, Editor)
	w.by(w.owner, SetRole{Identity: admin.identity, Role: Admin})
	for i := range 30 { // what the proof does not need
		w.by(w.owner, Profile{Identity: w.owner.identity, Name: fmt.Sprint(i)})
	}
	reader := w.admit(2, admin, Reader)
	phone := key(61).Public()
	w.by(reader, Device{Identity: reader.identity, Device: phone, Sealing: sealingOf(61)})
	m := w.eval()
	proof, err := m.Proof(phone)
	if err != nil {
		t.Fatal(err)
	}
	if len(proof) > 3000 {
		t.Errorf("the proof has %d bytes", len(proof))
	}
	got, err := VerifyProof(w.space, phone, proof)
	if err != nil || got.Identity != reader.identity || got.Role != Reader {
		t.Fatalf("shows %+v, %v", got, err)
	}
	list, err := DecodeProof(proof)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		raw := encodeProof(slices.Delete(slices.Clone(list), i, i+1))
		if _, err := VerifyProof(w.space, phone, raw); !errs.Is(err, errs.BadCredential) {
			t.Errorf("without credential %d (%T): %v", i, list[i].Claim, err)
		}
	}
	for name, c := range map[string]struct {
		space id.SpaceKey
		d     id.DeviceKey
		proof []byte
		want  errs.Kind
	}{
		"another space":  {key(9).Public(), phone, proof, errs.BadCredential},
		"another device": {w.space, key(62).Public(), proof, errs.BadCredential},
		"cut":            {w.space, phone, proof[:len(proof)-1], errs.Malformed},
		"trailing":       {w.space, phone, append(slices.Clone(proof), 0), errs.Malformed},
		"empty":          {w.space, phone, encodeProof(nil), errs.BadCredential},
	} {
		if _, err := VerifyProof(c.space, c.d, c.proof); errs.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := m.Proof(key(62).Public()); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("proof of a stranger: %v", err)
	}
}

// TestProof_adminOfTwoSpaces: what an ADMIN, or an OWNER, of two spaces signed in one of
// them shows nothing in the other.
func TestProof_adminOfTwoSpaces(t *testing.T) {
	one := newWorld(t)
	ada, bob, eve := one.owner, newPerson(t, 1), newPerson(t, 2)
	two := secondWorld(t, ada)
	inOne, inTwo := one.bound(ada, bob.admission(Admin)), two.bound(ada, bob.admission(Admin))
	byOwner, byAdmin := two.bound(ada, eve.admission(Reader)), two.bound(bob, newPerson(t, 3).admission(Reader))
	dave := newPerson(t, 3)
	for name, c := range map[string]struct {
		device id.DeviceKey
		list   []*Credential
		want   errs.Kind
	}{
		"admitted there by the ADMIN":            {dave.dev(), []*Credential{one.set[1], ada.first, inOne, byAdmin}, errs.BadCredential},
		"admitted there by the OWNER":            {eve.dev(), []*Credential{one.set[1], ada.first, byOwner}, errs.BadCredential},
		"both foundings":                         {dave.dev(), []*Credential{two.set[1], one.set[1], ada.first, inOne, inTwo, byAdmin}, errs.BadCredential},
		"ADMIN there, with the founding of here": {bob.dev(), []*Credential{one.set[1], ada.first, inTwo}, errs.BadCredential},
		"ADMIN here":                             {bob.dev(), []*Credential{one.set[1], ada.first, inOne}, errs.OK},
		"all of there":                           {dave.dev(), []*Credential{two.set[1], ada.first, inTwo, byAdmin}, errs.BadCredential},
	} {
		if _, err := VerifyProof(one.space, c.device, encodeProof(c.list)); errs.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
