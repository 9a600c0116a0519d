package space_test

import (
	"fmt"
	"sort"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// TestBuildControl_S16_keysForThousandsOfDevices makes a credential of several blocks,
// which is read again like any other.
func TestBuildControl_S16_keysForThousandsOfDevices(t *testing.T) {
	e := found(t)
	env := testEnv()
	claim := credential.Epoch{Key: keys.NewSecret(env).ID()}
	for range 4000 {
		claim.Envelopes = append(claim.Envelopes, credential.Envelope{Device: id.DeviceKey(env.Bytes(32)), Sealed: env.Bytes(150)})
	}
	sort.Slice(claim.Envelopes, func(i, j int) bool {
		return id.Compare(claim.Envelopes[i].Device, claim.Envelopes[j].Device) < 0
	})
	in, err := e.BuildControl(claim)
	ok(t, err)
	e.store(in)
	if len(in.Blocks) < 2 {
		t.Fatalf("%d blocks", len(in.Blocks))
	}
	device := claim.Envelopes[0].Device
	for range 2 {
		if n := len(e.Membership().Grants(device)); n != 1 {
			t.Errorf("a device was handed %d keys", n)
		}
		e.reopen(e.st)
	}
}

// TestPrepareKeys_S16_inSteps prepares the keys of a removal one member at a time, and
// removes: whoever stays holds them, and whoever goes does not.
func TestPrepareKeys_S16_inSteps(t *testing.T) {
	e := found(t)
	stays, goes := e.join(), e.join()
	steps := 1
	for !e.PrepareKeys(func() bool { return true }) {
		steps++
	}
	if steps != 4 { // three devices, and to see that that is all
		t.Errorf("%d steps", steps)
	}
	in, err := e.Remove(goes.self.Identity)
	ok(t, err)
	e.store(in)
	stays.pull(e)
	goes.pull(e)
	if k, _ := stays.EpochKey(id.EpochID{}); k != e.Secrets().Epochs[1] {
		t.Error("who stays does not hold the new key")
	}
	if n := len(goes.Secrets().Epochs); n != 1 {
		t.Errorf("who was removed holds %d keys", n)
	}
	if e.PrepareKeys(func() bool { return true }) {
		t.Error("the next keys are sealed by what sealed these")
	}
}

// TestGates_newcomerStaysWhereItsHostIs is handed keys whose credentials have not
// arrived, and takes in others, one after the other.
func TestGates_newcomerStaysWhereItsHostIs(t *testing.T) {
	e := found(t)
	for range 6 {
		e.rec.Secrets.Controls = append(e.rec.Secrets.Controls, keys.NewSecret(testEnv()))
	}
	want := e.rec.Secrets.Gate()
	e.reopen(e.st)
	for i := range 6 {
		if got := e.Secrets().Gate(); got != want {
			t.Fatalf("after %d credentials the newest key is another", i)
		}
		in, err := e.BuildControl(credential.Profile{Identity: e.self.Identity, Name: fmt.Sprint(i)})
		ok(t, err)
		e.store(in)
	}
}
