package client_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys/mnemonic"
)

// wordList reads the list of recovery phrases, which a page's module does not hold.
func wordList(t *testing.T) *mnemonic.List {
	t.Helper()
	text, err := os.ReadFile("../keys/mnemonic/english.txt")
	ok(t, err)
	list, err := mnemonic.NewList(text)
	ok(t, err)
	return list
}

// phraseOf makes a recovery phrase for an identity.
func phraseOf(t *testing.T, c *client.Client) string {
	t.Helper()
	p, err := c.CreateRecoveryPhrase(wordList(t))
	ok(t, err)
	words := strings.Join(p.Words(), " ")
	ok(t, p.Confirm(context.Background(), words))
	return words
}

func recoverOn(t *testing.T, c *client.Client, words string) (*client.Identity, error) {
	t.Helper()
	return c.RecoverIdentity(context.Background(), wordList(t), words, client.RecoverOptions{Timeout: generous})
}

// recovered is a client on a new profile that got its identity back.
func (w *world) recovered(words string) *client.Client {
	w.t.Helper()
	c := w.open(newProfile())
	_, err := recoverOn(w.t, c, words)
	ok(w.t, err)
	return c
}

// returned waits until a recovered client has a space, may write to it, and has what the
// other has.
func returned(t *testing.T, c *client.Client, other *client.Space) *client.Space {
	t.Helper()
	sp := arrives(t, c, other.Key())
	eventually(t, "it may write", func() bool { return !errs.Is(sp.Edit(nil), errs.NotPermitted) })
	bothWays(t, sp, other)
	return sp
}

// envelope names what a space keeps for the recovery phrase of a member.
func envelope(sp *client.Space, who id.IdentityKey) (name id.CredentialID) {
	m := sp.Trust.Get()
	for _, c := range m.RecoveryKeys(who) {
		if e := m.RecoveryEnvelope(who, c.Claim.(credential.Recovery).Key); e != nil {
			name = e.ID()
		}
	}
	return name
}

func detailsOf(err error) map[string]any {
	var e *errs.Error
	if !errors.As(err, &e) {
		return nil
	}
	return e.Details
}

func TestHalo_H10_recoveredFromAMember(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	one, bob := w.person("Ada"), w.person("Bob")
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	mine := put(t, sp, "title", "by Ada, before")
	eventually(t, "it arrives", func() bool { return record(spBob, mine) != nil })
	if got := one.Recovery.Get(); got.Exists {
		t.Error("there is a phrase before there is one")
	}
	words := phraseOf(t, one)
	if got := one.Recovery.Get(); !got.Exists || got.CreatedAt == 0 {
		t.Errorf("the phrase is not told: %+v", got)
	}
	ok(t, sp.Flush(ctx, client.FlushPeer))
	was, lost := *one.Identity.Get(), one.Identity.Get().Device
	ok(t, one.Destroy(ctx)) // and with it all that Ada had

	p := newProfile()
	again := w.open(p)
	who, err := recoverOn(t, again, words)
	ok(t, err)
	if who.Key != was.Key || who.Name != "Ada" || who.Device == lost {
		t.Errorf("recovered %+v, was %+v", who, was)
	}
	back := arrives(t, again, sp.Key())
	eventually(t, "what Ada wrote is back", func() bool { return record(back, mine) != nil })
	returned(t, again, spBob)
	eventually(t, "Bob sees the new device", func() bool { return hasDevice(spBob, who.Device) })
	if got := again.Recovery.Get(); !got.Exists {
		t.Error("the phrase is not known any more")
	}
	eventually(t, "the lost device is listed", func() bool { return len(again.Devices.Get()) == 2 })

	// The identity is whole: it removes the lost device, makes spaces, and comes back
	// after a restart.
	ok(t, again.RemoveDevice(ctx, lost))
	eventually(t, "the lost device is gone", func() bool { return !hasDevice(spBob, lost) })
	bothWays(t, back, spBob)
	before := envelope(spBob, was.Key)
	other, err := again.CreateSpace(ctx)
	ok(t, err)
	eventually(t, "Bob holds what tells of the new space", func() bool { return envelope(spBob, was.Key) != before })
	ok(t, again.Destroy(ctx))
	again = w.open(p)
	for _, key := range []id.SpaceKey{sp.Key(), other.Key()} {
		arrives(t, again, key)
	}
	if got := again.Identity.Get(); got.Name != "Ada" {
		t.Errorf("it is called %q after a restart", got.Name)
	}
	eventually(t, "it is there after a restart", func() bool { return record(again.Space(sp.Key()), mine) != nil })
	bothWays(t, again.Space(sp.Key()), spBob)

	// And a second time, by the same words.
	ok(t, again.Destroy(ctx))
	third := w.recovered(words)
	arrives(t, third, sp.Key())
	arrives(t, third, other.Key()) // empty, as nobody else has it
	returned(t, third, spBob)
	if hasDevice(spBob, lost) {
		t.Error("the removed device is back")
	}
}

func TestHalo_H10_recoveredFromTheOwnDevice(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	one := w.person("Ada")
	two := w.device(one)
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	spTwo := arrives(t, two, sp.Key())
	words := phraseOf(t, one)
	eventually(t, "the other device knows", func() bool { return two.Recovery.Get().Exists })
	three := w.recovered(words)
	spThree := returned(t, three, sp)
	for _, other := range []*client.Space{sp, spTwo} {
		bothWays(t, spThree, other)
	}
	for _, c := range []*client.Client{one, two, three} {
		eventually(t, "all know three devices", func() bool { return len(c.Devices.Get()) == 3 })
	}
	later, err := two.CreateSpace(ctx)
	ok(t, err)
	arrives(t, three, later.Key())
	arrives(t, one, later.Key())
	fromThree, err := three.CreateSpace(ctx)
	ok(t, err)
	arrives(t, one, fromThree.Key())
	arrives(t, two, fromThree.Key())
	_, err = one.UpdateProfile(ctx, "Ada L.")
	ok(t, err)
	eventually(t, "the name is heard", func() bool { return three.Identity.Get().Name == "Ada L." })
}

func TestHalo_H10_severalSpaces(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	one, bob, eve := w.person("Ada"), w.person("Bob"), newProfile()
	eveThen := w.open(eve)
	_, err := eveThen.CreateIdentity(ctx, "Eve")
	ok(t, err)
	withBob, err := one.CreateSpace(ctx)
	ok(t, err)
	withEve, err := one.CreateSpace(ctx)
	ok(t, err)
	join(t, withBob, bob)
	spEve := join(t, withEve, eveThen)
	x := put(t, withEve, "title", "with Eve")
	eventually(t, "it arrives", func() bool { return record(spEve, x) != nil })
	words := phraseOf(t, one)
	ok(t, withBob.Flush(ctx, client.FlushPeer))
	ok(t, withEve.Flush(ctx, client.FlushPeer))
	ok(t, eveThen.Destroy(ctx))
	ok(t, one.Destroy(ctx))

	again := w.recovered(words)
	returned(t, again, bob.Space(withBob.Key()))
	back := arrives(t, again, withEve.Key())
	if record(back, x) != nil {
		t.Fatal("it comes from nobody")
	}
	if err := back.Edit(nil); !errs.Is(err, errs.NotPermitted) {
		t.Errorf("an edit before anything is known of the space: %v", err)
	}
	eveNow := w.open(eve)
	eventually(t, "it comes with Eve", func() bool { return record(back, x) != nil })
	returned(t, again, arrives(t, eveNow, withEve.Key()))
}

func TestHalo_H11_wrongPhrase(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	one := w.person("Ada")
	p, err := one.CreateRecoveryPhrase(wordList(t))
	ok(t, err)
	words := p.Words()
	if len(words) != 12 {
		t.Fatalf("%d words", len(words))
	}
	swapped := append([]string(nil), words...)
	swapped[4] = "zoo"
	if words[4] == "zoo" {
		swapped[4] = "zone"
	}
	for name, c := range map[string]struct {
		typed  string
		reason string
		word   any
	}{
		"eleven words":    {strings.Join(words[:11], " "), "length", nil},
		"nothing":         {"", "length", nil},
		"another word":    {strings.Join(swapped, " "), "word", 5},
		"no word":         {"x " + strings.Join(words[1:], " "), "word", 1},
		"thirteen words":  {strings.Join(words, " ") + " zoo", "length", nil},
		"too much of all": {strings.Repeat("zoo ", 5000), "length", nil},
	} {
		err := p.Confirm(ctx, c.typed)
		d := detailsOf(err)
		if !errs.Is(err, errs.InvalidPhrase) || d["reason"] != c.reason || d["word"] != c.word {
			t.Errorf("%s: %v %v", name, err, d)
		}
		for _, word := range append(words, swapped[4]) {
			if err != nil && strings.Contains(" "+err.Error()+" ", " "+word+" ") && word != "word" {
				t.Errorf("%s: the error names a word", name)
			}
		}
	}
	if one.Recovery.Get().Exists {
		t.Error("a phrase that was not typed back is one")
	}
	other := w.open(newProfile())
	if _, err := other.RecoverIdentity(ctx, wordList(t), strings.Join(words, " "), client.RecoverOptions{Timeout: 2 * time.Second}); !errs.Is(err, errs.Timeout) {
		t.Errorf("a phrase that was never confirmed recovers: %v", err)
	}
	ok(t, p.Confirm(ctx, "  "+strings.ToUpper(strings.Join(words, "\n "))+" "))
	if err := p.Confirm(ctx, strings.Join(words, " ")); !errs.Is(err, errs.Closed) || p.Words() != nil {
		t.Errorf("once more: %v", err)
	}
	cancelled, err := one.CreateRecoveryPhrase(wordList(t))
	ok(t, err)
	typed := strings.Join(cancelled.Words(), " ")
	cancelled.Cancel()
	if err := cancelled.Confirm(ctx, typed); !errs.Is(err, errs.Cancelled) || cancelled.Words() != nil {
		t.Errorf("a cancelled one: %v", err)
	}

	for name, c := range map[string]struct {
		phrase string
		reason string
	}{
		"unknown word":   {"xylophone " + strings.Join(words[1:], " "), "word"},
		"wrong count":    {strings.Join(words[1:], " "), "length"},
		"wrong checksum": {strings.Repeat("abandon ", 12), "checksum"},
	} {
		if _, err := recoverOn(t, other, c.phrase); !errs.Is(err, errs.InvalidPhrase) || detailsOf(err)["reason"] != c.reason {
			t.Errorf("%s: %v %v", name, err, detailsOf(err))
		}
	}
	if _, err := recoverOn(t, one, typed); !errs.Is(err, errs.IdentityExists) {
		t.Errorf("with an identity: %v", err)
	}
	none := w.open(newProfile())
	if _, err := none.CreateRecoveryPhrase(wordList(t)); !errs.Is(err, errs.NoIdentity) {
		t.Errorf("without an identity: %v", err)
	}
}

func TestHalo_H10_replacedPhrase(t *testing.T) {
	t.Parallel()
	ctx, w := context.Background(), newWorld(t)
	one, bob := w.person("Ada"), w.person("Bob")
	sp, err := one.CreateSpace(ctx)
	ok(t, err)
	spBob := join(t, sp, bob)
	old := phraseOf(t, one)
	words := phraseOf(t, one)
	ok(t, sp.Flush(ctx, client.FlushPeer))
	bothWays(t, sp, spBob) // with new keys
	ok(t, one.Destroy(ctx))
	late := w.open(newProfile())
	if _, err := late.RecoverIdentity(ctx, wordList(t), old, client.RecoverOptions{Timeout: 3 * time.Second}); !errs.Is(err, errs.Timeout) {
		t.Errorf("the phrase that was replaced: %v", err)
	}
	if late.Identity.Get() != nil {
		t.Error("half an identity")
	}
	_, err = recoverOn(t, late, words) // in the same profile
	ok(t, err)
	returned(t, late, spBob)
}

func TestHalo_H10_cancelled(t *testing.T) {
	w := newWorld(t)
	words := strings.Repeat("abandon ", 11) + "about"
	for name, end := range map[string]struct {
		f    func(c *client.Client)
		want errs.Kind
		slow bool // the key store, so that it ends before anybody is asked
	}{
		"by the page":                    {f: func(c *client.Client) { c.CancelRecovery() }, want: errs.Cancelled},
		"by the page, before the search": {f: func(c *client.Client) { c.CancelRecovery() }, want: errs.Cancelled, slow: true},
		"by another":                     {f: func(c *client.Client) { go recoverOn(t, c, words) }, want: errs.Cancelled},
		"by Destroy":                     {f: func(c *client.Client) { ok(t, c.Destroy(context.Background())) }, want: errs.Closed},
	} {
		p := newProfile()
		if end.slow {
			p.devices = newHandles()
			defer p.devices.hold()()
		}
		c := w.open(p)
		done := make(chan error, 1)
		go func() {
			_, err := recoverOn(t, c, words)
			done <- err
		}()
		for stop := time.After(generous); ; {
			end.f(c)
			select {
			case err := <-done:
				if !errs.Is(err, end.want) && !errs.Is(err, errs.NotInitialized) {
					t.Errorf("%s: %v, want %v", name, err, end.want)
				}
			case <-time.After(50 * time.Millisecond):
				continue
			case <-stop:
				t.Fatalf("%s: it goes on", name)
			}
			break
		}
		c.CancelRecovery()
	}
}
