package space_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
)

var errSigner = errors.New("it does not sign")

// fickle is a Signer that fails when fails says so.
type fickle struct {
	keys.Signer
	fails func() bool
}

func (f *fickle) Sign(ctx context.Context, msg []byte) ([64]byte, error) {
	if f.fails() {
		return [64]byte{}, errSigner
	}
	return f.Signer.Sign(ctx, msg)
}

// fickle has the engine sign by a Signer that fails as told, from now on.
func (e *engine) fickle(fails func() bool) {
	e.t.Helper()
	e.self.Signer = &fickle{e.self.Signer, fails}
	e.reopen(e.st)
}

func (e *engine) tryFinish(in *space.Intake) error {
	return e.Finish(ctx, in, func(do func()) { do() })
}

// TestFinish_signerFails: what was built stays, what is built meanwhile follows it, and
// nothing is lost.
func TestFinish_signerFails(t *testing.T) {
	a := found(t)
	b := a.join()
	b.pull(a)
	broken := false
	a.fickle(func() bool { return broken })
	broken = true
	made := []id.ObjectID{a.edit()}
	first, err := a.Build()
	ok(t, err)
	for range 2 {
		if err := a.tryFinish(first); !errs.Is(err, errs.KeyUnavailable) || !errors.Is(err, errSigner) {
			t.Fatalf("Finish: %v", err)
		}
	}
	made = append(made, a.edit())
	second, err := a.Build()
	ok(t, err)
	if len(second.Blocks) != 1 || second.Blocks[0].Prev != first.Blocks[0].Hash() {
		t.Fatal("the second block does not follow the first")
	}
	a.shows(made...)
	broken = false
	a.store(first)
	a.store(second)
	b.pull(a)
	b.shows(made...)
	a.reopen(a.st)
	a.shows(made...)
}

// TestFinish_control: credentials count at once and are signed when their block is
// finished, which then takes its place.
func TestFinish_control(t *testing.T) {
	a := found(t)
	b := a.join()
	broken := false
	a.fickle(func() bool { return broken })
	broken = true
	name := func(want string) *space.Intake {
		in, err := a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: want})
		ok(t, err)
		if m, _ := a.Membership().Identity(a.self.Identity); m.Name != want {
			t.Fatalf("the name is %q", m.Name)
		}
		return in
	}
	unsigned := func() (n int) {
		for _, c := range a.Membership().About(a.self.Identity) {
			if !c.Signed() {
				n++
			}
		}
		return n
	}
	first, second := name("Ada"), name("Bea")
	if err := a.tryFinish(first); !errs.Is(err, errs.KeyUnavailable) {
		t.Fatalf("Finish: %v", err)
	}
	if !a.InFlight() || unsigned() != 2 {
		t.Fatalf("in flight: %v; %d credentials without a signature, want 2", a.InFlight(), unsigned())
	}
	before := a.Membership()
	broken = false
	a.store(first)
	if unsigned() != 1 || a.Membership() == before {
		t.Fatal("nobody learns that the first is signed")
	}
	a.store(second)
	if unsigned() != 0 || a.InFlight() {
		t.Fatal("something is left")
	}
	if second.Blocks[0].Prev != first.Blocks[0].Hash() {
		t.Fatal("the second block does not follow the first")
	}
	b.pull(a)
	if m, _ := b.Membership().Identity(a.self.Identity); m.Name != "Bea" {
		t.Errorf("the other knows %q", m.Name)
	}
}

// garbles is a Signer of which one signature is wrong.
type garbles struct {
	keys.Signer
	in int // how many are right before
}

func (g *garbles) Sign(ctx context.Context, msg []byte) (sig [64]byte, err error) {
	sig, err = g.Signer.Sign(ctx, msg)
	if g.in--; g.in == -1 {
		sig[40] ^= 1
	}
	return sig, err
}

// TestFinish_garbledSignature: what no opening verifies again is verified before it is
// stored, and signed once more.
func TestFinish_garbledSignature(t *testing.T) {
	for name, c := range map[string]struct{ in int }{"of a credential": {0}, "of the header": {1}, "of the block": {2}} {
		t.Run(name, func(t *testing.T) {
			a := found(t)
			b := a.joinAs(credential.Admin)
			b.self.Signer = &garbles{b.self.Signer, c.in}
			b.reopen(b.st)
			in, err := b.BuildControl(credential.Profile{Identity: b.self.Identity, Name: "Bob"})
			ok(t, err)
			if err := b.tryFinish(in); !errs.Is(err, errs.KeyUnavailable) {
				t.Fatalf("Finish: %v", err)
			}
			b.store(in)
			a.pull(b)
			for _, e := range []*engine{a, b} {
				if damage := e.reopen(e.st); len(damage) > 0 {
					t.Fatal(damage)
				}
				if m, _ := e.Membership().Identity(b.self.Identity); m.Name != "Bob" {
					t.Errorf("the name is %q", m.Name)
				}
			}
		})
	}
}

// TestFinish_T01_forkMeanwhile: a control block whose feed is found to be longer while it
// waits for its signature goes to the next incarnation: it forks nothing.
func TestFinish_T01_forkMeanwhile(t *testing.T) {
	a := found(t)
	b := a.join()
	old := a.copyStore()
	in, err := a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: "Ada"})
	ok(t, err)
	a.store(in)
	b.pull(a)
	a.reopen(old)
	longer := a.writing(feed.Control)
	waits, err := a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: "Bea"})
	ok(t, err)
	a.pull(b) // brings the block that was lost
	a.store(waits)
	if waits.Header.ID() == longer || len(a.Log(longer).Heads()) != 1 || a.InFlight() {
		t.Fatal("the feed is forked, or the block is still under way")
	}
	a.closeLeft()
	b.pull(a)
	for _, e := range []*engine{a, b} {
		if heads := e.Log(longer).Heads(); len(heads) != 1 {
			t.Errorf("%d branches", len(heads))
		}
	}
	// Neither name followed the other.
	here, _ := a.Membership().Identity(a.self.Identity)
	if there, _ := b.Membership().Identity(a.self.Identity); there.Name != here.Name {
		t.Errorf("the other knows %q, here it is %q", there.Name, here.Name)
	}
	if !slices.ContainsFunc(b.Membership().Audit(), func(e credential.AuditEntry) bool { return e.Text == "Bea" }) {
		t.Error("the block that waited did not arrive")
	}
}

// TestFinish_anyOrder builds, finishes and stores in random turns, with a signer that
// fails now and then: the order in which things were built is that in which they are
// stored, and all of them arrive.
func TestFinish_anyOrder(t *testing.T) {
	seed := rand.Uint64()
	defer func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	}()
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20 {
		a := found(t)
		b := a.join()
		a.fickle(func() bool { return false })
		a.self.Signer.(*fickle).fails = func() bool { return r.IntN(3) == 0 }
		var made []id.ObjectID
		var flying []*space.Intake
		finished, name := 0, ""
		step := func(n int) {
			switch n {
			case 0:
				made = append(made, a.edit())
			case 1:
				in, err := a.Build()
				ok(t, err)
				if in != nil {
					flying = append(flying, in)
				}
			case 2:
				name = string(rune('a' + r.IntN(26)))
				in, err := a.BuildControl(credential.Profile{Identity: a.self.Identity, Name: name})
				ok(t, err)
				flying = append(flying, in)
			case 3:
				if finished == len(flying) {
					return
				}
				if err := a.tryFinish(flying[finished]); err == nil {
					finished++
				} else if !errs.Is(err, errs.KeyUnavailable) {
					t.Fatal(err)
				}
			case 4:
				if finished > 0 {
					a.store(flying[0])
					flying, finished = flying[1:], finished-1
				}
			case 5:
				b.pull(a)
			}
		}
		for range 150 {
			step(r.IntN(6))
		}
		step(1)
		for len(flying) > 0 {
			step(3)
			step(4)
		}
		b.pull(a)
		a.shows(made...)
		b.shows(made...)
		if m, _ := b.Membership().Identity(a.self.Identity); m.Name != name || a.InFlight() {
			t.Fatalf("the other knows the name %q, want %q; in flight: %v", m.Name, name, a.InFlight())
		}
		a.reopen(a.st)
		a.shows(made...)
		for _, f := range a.Feeds() {
			if len(f.Heads) > 1 {
				t.Fatal("an own feed is forked")
			}
		}
	}
}
