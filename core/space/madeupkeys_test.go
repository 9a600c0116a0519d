package space_test

import (
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage/memstore"
)

// Keys that somebody made up and handed to a device that comes back are no obstacle: it
// writes under those of its own identity, takes in what others write, and hands them on to
// nobody.
func TestAttack_R4_keysThatAreMadeUp(t *testing.T) {
	for name, rotated := range map[string]bool{"in a space with its first keys": false, "after a rotation": true} {
		t.Run(name, func(t *testing.T) {
			a := found(t)
			b, gone := a.joinAs(credential.Owner), a.join()
			if rotated {
				b.pull(a)
				a.remove(gone)
				b.pull(a)
			}
			v := a.write()
			b.pull(a)
			var made space.Secrets
			for range 40 {
				made.Controls = append(made.Controls, keys.NewSecret(testEnv()))
				made.Epochs = append(made.Epochs, keys.NewSecret(testEnv()))
			}
			self := b.withHalo().further()
			back := &engine{t: t, self: self, rec: b.Record()}
			proof, err := credential.ExtendProof(back.rec.Proof, self.Chain)
			ok(t, err)
			back.rec.Proof, back.rec.Secrets = proof, back.rec.Secrets.Join(made)
			back.reopen(memstore.New())
			in, err := back.IntroduceSelf()
			ok(t, err)
			back.store(in)
			w := back.write()
			a.pull(back)
			a.shows(v, w)
			back.pull(a)
			back.shows(v, w)
			x := a.write()
			back.pull(a)
			back.shows(x)
			if back.RotationDue() {
				t.Error("it thinks that new keys are due")
			}
			c := back.join()
			back.remove(c)
			a.pull(back)
			y := back.write()
			a.pull(back)
			a.shows(y)
			for _, k := range slices.Concat(a.Secrets().Controls, a.Secrets().Epochs) {
				if slices.Contains(slices.Concat(made.Controls, made.Epochs), k) {
					t.Fatal("a key that was made up is handed on")
				}
			}
			if k, held := back.EpochKey(id.EpochID{}); !held || slices.Contains(made.Epochs, k) {
				t.Error("it writes under a key that was made up")
			}
		})
	}
}

// A device that got new keys before what goes with them hands them to nobody: whom it
// takes for a member may be whom they were made against.
func TestAttack_R3_keysAheadOfTheRemoval(t *testing.T) {
	a := found(t)
	b, gone, before := a.join(), a.join(), a.join()
	a.remove(before)
	b.pull(a)
	gone.pull(a)
	two := a.onDevice(a.withHalo().further())
	two.pull(b)
	gone.pull(two)
	a.remove(gone)
	secret := a.write()
	two.TakeSecrets(a.Secrets()) // by the HALO
	for range 2 {
		in, err := two.Rotate()
		ok(t, err)
		if in == nil {
			in, err = two.Reseal()
			ok(t, err)
		}
		if in != nil {
			two.store(in)
		}
		gone.pull(two)
	}
	gone.pull(a)
	gone.lacks(secret)
	key, _ := a.EpochKey(id.EpochID{})
	if _, held := gone.EpochKey(key.ID()); held {
		t.Error("the removed was handed the key that was made against it")
	}
	two.pull(a)
	two.shows(secret)
}
