package client_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// types gives the types of credentials as words, in order.
func types(list []credential.InSpace) (words []string) {
	for _, c := range list {
		words = append(words, credential.TypeName(c.Claim))
	}
	return words
}

func idsOf(list []credential.InSpace) (ids []id.CredentialID) {
	for _, c := range list {
		ids = append(ids, c.ID())
	}
	return ids
}

func TestCredentials_H08_query(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	if got := types(bob.Credentials()); !slices.Equal(got, []string{"DEVICE"}) {
		t.Errorf("without a space: %v", got)
	}
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	told := make(chan []string, 100)
	cancel := bob.Trust.Subscribe(func(*credential.Membership) { told <- types(bob.Credentials()) })
	defer cancel()
	spBob := join(t, sp, bob)
	eventually(t, "Bob's observer hears of the admission", func() bool {
		return slices.Equal(next(t, told), []string{"DEVICE", "MEMBER"})
	})
	if got := types(ada.Credentials()); !slices.Equal(got, []string{"DEVICE", "GENESIS", "PROFILE"}) {
		t.Errorf("the founder's: %v", got)
	}
	ok(t, sp.SetRole(ctx, me(bob), credential.Admin))
	eventually(t, "and of the role", func() bool { return slices.Contains(next(t, told), "SET_ROLE") })
	for _, c := range bob.Credentials() {
		if space := c.Space == sp.Key(); space != (credential.TypeName(c.Claim) != "DEVICE") {
			t.Errorf("%s is of space %v", credential.TypeName(c.Claim), c.Space)
		}
	}
	ok(t, spBob.Close(ctx))
	if got := types(bob.Credentials()); !slices.Equal(got, []string{"DEVICE"}) {
		t.Errorf("with the space closed: %v", got)
	}
}

func TestCredentials_H07_present(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	join(t, sp, bob)
	eventually(t, "Bob's admission arrives", func() bool { return len(bob.Credentials()) == 2 })
	mine := bob.Credentials()
	nonce := []byte("drawn by whoever asks")
	b, err := bob.PresentCredentials(ctx, client.PresentOptions{IDs: idsOf(mine), Nonce: nonce, Audience: "https://example.org"})
	ok(t, err)
	now := time.Now().UnixMilli()
	shown, err := credential.VerifyPresentation(b, credential.Expected{Nonce: nonce, Audience: "https://example.org", Now: now})
	ok(t, err)
	want := []credential.ShownSpace{{Space: sp.Key(), Role: credential.Editor}}
	if shown.Identity != me(bob) || !slices.Equal(types(shown.Credentials), types(mine)) || !slices.Equal(shown.Spaces, want) {
		t.Errorf("shows %+v", shown)
	}
	if life := shown.Expires - shown.Issued; life != 300_000 {
		t.Errorf("it is valid for %d ms", life)
	}
	for name, c := range map[string]struct {
		want errs.Kind
		ask  credential.Expected
	}{
		"replayed": {errs.ProofReplayed, credential.Expected{Nonce: []byte("another that was drawn"), Now: now}},
		"expired":  {errs.ProofExpired, credential.Expected{Nonce: nonce, Now: shown.Expires}},
	} {
		if _, err := credential.VerifyPresentation(b, c.ask); !errs.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}

	none, err := bob.PresentCredentials(ctx, client.PresentOptions{Nonce: nonce, Lifetime: time.Minute})
	ok(t, err)
	if shown, err = credential.VerifyPresentation(none, credential.Expected{Nonce: nonce, Now: now}); err != nil || len(shown.Credentials) != 0 || shown.Identity != me(bob) {
		t.Errorf("without credentials: %+v, %v", shown, err)
	}
	for name, c := range map[string]struct {
		o    client.PresentOptions
		want errs.Kind
	}{
		"short nonce":          {client.PresentOptions{Nonce: nonce[:15]}, errs.InvalidArgument},
		"another's credential": {client.PresentOptions{Nonce: nonce, IDs: idsOf(ada.Credentials())[:1]}, errs.NotFound},
	} {
		if _, err := bob.PresentCredentials(ctx, c.o); !errs.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// say writes entries as a person would read them.
func say(t *testing.T, sp *client.Space) (log []string) {
	list, err := sp.Audit()
	ok(t, err)
	for _, e := range list {
		line := fmt.Sprint(e.ByName, " ", e.Action, " ", e.SubjectName)
		if e.Role != 0 {
			line += " " + e.Role.String()
		}
		if !e.Valid {
			line += " void"
		}
		log = append(log, line)
	}
	return log
}

func TestAudit_S16_log(t *testing.T) {
	ctx := context.Background()
	w := newWorld(t)
	ada, bob, eve := w.person("Ada"), w.person("Bob"), w.person("Eve")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	spEve := join(t, sp, eve)
	_, err = bob.UpdateProfile(ctx, "Robert")
	ok(t, err)
	eventually(t, "Ada sees the new name", func() bool { return slices.Contains(say(t, sp), "Robert RENAMED Robert") })
	ok(t, sp.SetRole(ctx, me(bob), credential.Admin))
	eventually(t, "Bob is an ADMIN", func() bool { return slices.Contains(say(t, spBob), "Ada ROLE_CHANGED Robert ADMIN") })
	heard := make(chan []string, 100)
	cancel := sp.Trust.Subscribe(func(*credential.Membership) { heard <- say(t, sp) })
	defer cancel()
	ok(t, spBob.RemoveMember(ctx, me(eve)))
	eventually(t, "Ada hears of the removal", func() bool { return slices.Contains(next(t, heard), "Robert REMOVED Eve") })
	want := []string{
		" FOUNDED Ada OWNER", "Ada DEVICE_ADDED Ada", "Ada RENAMED Ada",
		"Ada ADMITTED Robert EDITOR", "Ada ADMITTED Eve EDITOR", "Robert RENAMED Robert", "Ada ROLE_CHANGED Robert ADMIN", "Robert REMOVED Eve",
	}
	for _, s := range []*client.Space{sp, spBob} {
		eventually(t, "the log is the same", func() bool {
			got := say(t, s)
			// The founding and the first device are made in one instant.
			slices.Sort(got[:3])
			return slices.Equal(got, append(slices.Sorted(slices.Values(want[:3])), want[3:]...))
		})
	}
	list, err := sp.Audit()
	ok(t, err)
	for _, e := range list {
		if e.Action == credential.Admitted && (id.IsZero(e.Invitation) || e.By != me(ada) || e.Issuer != [32]byte(ada.Identity.Get().Device)) {
			t.Errorf("the admission is %+v", e)
		}
	}
	ok(t, spEve.Close(ctx))
	if _, err := spEve.Audit(); !errs.Is(err, errs.SpaceClosed) {
		t.Errorf("of a closed space: %v", err)
	}
}

// TestCredentials_H07_H09_secondDevice presents from a second device, by a chain of two,
// in a space that the first one joined.
func TestCredentials_H07_H09_secondDevice(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	ada, bob := w.person("Ada"), w.person("Bob")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	join(t, sp, bob)
	two := w.deviceOn(newProfile(), bob)
	arrives(t, two, sp.Key())
	nonce := []byte("drawn by whoever asks")
	for _, c := range []*client.Client{bob, two} {
		var mine []credential.InSpace
		eventually(t, "both devices and the admission are known", func() bool {
			mine = c.Credentials()
			return slices.Equal(slices.Sorted(slices.Values(types(mine))), []string{"DEVICE", "DEVICE", "MEMBER"})
		})
		var b []byte
		eventually(t, "the device is one of the member in the space", func() bool {
			b, err = c.PresentCredentials(ctx, client.PresentOptions{IDs: idsOf(mine), Nonce: nonce})
			return !errs.Is(err, errs.NotPermitted)
		})
		ok(t, err)
		shown, err := credential.VerifyPresentation(b, credential.Expected{Nonce: nonce, Now: time.Now().UnixMilli(), Trust: [][32]byte{sp.Key()}})
		ok(t, err)
		if shown.Identity != me(bob) || shown.Device != c.Identity.Get().Device || len(shown.Credentials) != 3 || len(shown.Spaces) != 1 {
			t.Errorf("shows %+v", shown)
		}
	}
}
