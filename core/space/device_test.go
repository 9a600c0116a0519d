package space_test

import (
	"slices"
	"testing"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage/memstore"
)

// further makes a key of its own a further device of the engine's identity, in its
// HALO, and gives that device.
func (halo *engine) further() space.Self {
	halo.t.Helper()
	e := testEnv()
	device, sealing := keys.NewSigningKey([32]byte(e.Bytes(32))), keys.NewSealingKey([32]byte(e.Bytes(32)))
	in := space.DeviceIntroduction{Device: id.DeviceKey(device.Public()), Sealing: sealing.Public()}
	again, err := space.DecodeDeviceIntroduction(in.Encode())
	ok(halo.t, err)
	if again != in {
		halo.t.Fatalf("%v reads as %v", in, again)
	}
	made, err := halo.AdmitDevice(in)
	ok(halo.t, err)
	halo.store(made)
	a, err := space.DecodeAdmission(halo.admission(in.Device).Encode(), in.Device)
	ok(halo.t, err)
	chain, err := credential.ProofChain(a.Proof)
	ok(halo.t, err)
	_, err = credential.VerifyChain(halo.self.Identity, in.Device, chain)
	ok(halo.t, err)
	return space.Self{Identity: halo.self.Identity, Device: in.Device, Signer: device, Sealing: sealing, Chain: chain}
}

// onDevice opens the space on another device of the member, by the record alone.
func (e *engine) onDevice(self space.Self) *engine {
	e.t.Helper()
	out := &engine{t: e.t, self: self, rec: e.Record()}
	proof, err := credential.ExtendProof(out.rec.Proof, self.Chain)
	ok(e.t, err)
	_, err = credential.VerifyProof(e.Key(), self.Device, proof)
	ok(e.t, err)
	out.rec.Proof = proof
	out.reopen(memstore.New())
	in, err := out.IntroduceSelf()
	ok(e.t, err)
	out.store(in)
	if in, err := out.IntroduceSelf(); in != nil || err != nil {
		e.t.Fatalf("introduced twice: %v, %v", in, err)
	}
	return out
}

// A device that nobody admitted to the space writes there, and everybody takes that in:
// those that met it, and those to whom it comes by way of another.
func TestDevice_H03_isKnownByItsOwnFeed(t *testing.T) {
	for name, founds := range map[string]bool{"of the founder": true, "of a guest": false} {
		t.Run(name, func(t *testing.T) {
			ada := found(t)
			one, bob := ada, ada.join()
			if !founds {
				one, bob = bob, ada
			}
			cyd := ada.join()
			halo := &engine{t: t, self: one.self, st: memstore.New()}
			s, rec, first, err := space.Create(ctx, testEnv(), one.self)
			ok(t, err)
			halo.Space, halo.rec = s, rec
			halo.store(first)

			second := halo.further()
			two := one.onDevice(second)
			v := two.write() // before it has heard of anybody
			bob.pull(two)
			cyd.pull(bob) // which never met the device
			third := halo.further()
			three := two.onDevice(third)
			w := three.write()
			cyd.pull(three)
			bob.pull(cyd)
			one.pull(bob)
			two.pull(one)
			three.pull(one)
			for _, e := range []*engine{one, bob, cyd, two, three} {
				e.shows(v, w)
				for _, d := range []space.Self{second, third} {
					m, found := e.Membership().Device(d.Device)
					if !found || m.Identity != one.self.Identity || len(m.Devices) != 3 {
						t.Fatalf("the member has the devices %v", m.Devices)
					}
				}
			}
			if in, err := two.IntroduceSelf(); in != nil || err != nil {
				t.Fatalf("introduced twice: %v, %v", in, err)
			}
			// What a key is written under from now on is for all devices.
			in, err := ada.Remove(cyd.self.Identity)
			ok(t, err)
			ada.store(in)
			x := ada.write()
			for _, e := range []*engine{one, bob, two, three} {
				e.pull(ada)
				e.shows(v, w, x)
			}
		})
	}
}

// Keys that another device hands over are met under and read with, but not written
// under before it is known why there are new ones.
func TestDevice_H03_takesKeysOver(t *testing.T) {
	one := found(t)
	bob := one.join()
	halo := &engine{t: t, self: one.self, st: memstore.New()}
	s, rec, first, err := space.Create(ctx, testEnv(), one.self)
	ok(t, err)
	halo.Space, halo.rec = s, rec
	halo.store(first)
	two := one.onDevice(halo.further())
	two.pull(one)
	one.pull(two)
	bob.pull(two)
	before := two.Secrets()
	in, err := one.Remove(bob.self.Identity)
	ok(t, err)
	one.store(in)
	v := one.write()

	generation := two.Generation()
	two.TakeSecrets(one.Secrets())
	two.TakeSecrets(one.Secrets())
	now := two.Secrets()
	if len(now.Controls) != 2 || len(now.Epochs) != 2 || two.Generation() == generation {
		t.Fatalf("%d control and %d epoch keys are held", len(now.Controls), len(now.Epochs))
	}
	if key, _ := two.EpochKey(id.EpochID{}); key != before.Epochs[0] {
		t.Error("a key is written under of which no credential is known")
	}
	late := time.Now().Add(365 * 24 * time.Hour)
	if gates := two.Gates(late); !slices.Contains(gates, one.Secrets().Gate()) || !slices.Contains(gates, before.Gate()) {
		t.Error("the device does not go where the others are")
	}
	two.pull(one)
	two.shows(v)
	if key, _ := two.EpochKey(id.EpochID{}); key == before.Epochs[0] {
		t.Error("the older key is still written under")
	}
	if gates := two.Gates(late); len(gates) != 1 || gates[0] != one.Secrets().Gate() {
		t.Errorf("the device stays under %d topics for ever", len(gates))
	}
}

func TestDevice_I10_admittedTwice(t *testing.T) {
	halo := found(t)
	two := halo.further()
	_, err := halo.AdmitDevice(space.DeviceIntroduction{Device: two.Device, Sealing: two.Sealing.Public()})
	if !errs.Is(err, errs.AlreadyMember) {
		t.Errorf("a device is admitted twice: %v", err)
	}
	in, err := halo.RevokeDevice(two.Identity, two.Device)
	ok(t, err)
	halo.store(in)
	_, err = halo.AdmitDevice(space.DeviceIntroduction{Device: two.Device, Sealing: two.Sealing.Public()})
	if !errs.Is(err, errs.NotPermitted) {
		t.Errorf("a device that was removed comes back: %v", err)
	}
}

// The control feed of a stranger stays outside, whatever it says in it.
func TestDevice_H09_strangers(t *testing.T) {
	e := found(t)
	cases := map[string]func(own space.Self) space.Self{
		"of an identity that is no member": func(own space.Self) space.Self { return own },
		"of a member that does not say so": func(own space.Self) space.Self {
			own.Identity = e.self.Identity
			return own
		},
		"with another device's chain": func(own space.Self) space.Self {
			own.Identity, own.Chain = e.self.Identity, e.self.Chain
			return own
		},
	}
	for name, change := range cases {
		t.Run(name, func(t *testing.T) {
			eve := &engine{t: t, self: change(newSelf(t)), rec: e.Record()}
			eve.reopen(memstore.New())
			in, err := eve.IntroduceSelf()
			ok(t, err)
			eve.store(in)
			if e.pullLine(eve, in.Header, in.Refs()[0]) {
				t.Fatal("the feed is taken in")
			}
			if _, known := e.Sender(eve.self.Device); known {
				t.Fatal("the stranger is known")
			}
		})
	}
	if proof, err := credential.ExtendProof(e.Record().Proof, newSelf(t).Chain); err == nil {
		if _, err := credential.VerifyProof(e.Key(), newSelf(t).Device, proof); !errs.Is(err, errs.BadCredential) {
			t.Errorf("a stranger's chain makes a proof: %v", err)
		}
	}
	if _, err := credential.ExtendProof([]byte{1}, nil); !errs.Is(err, errs.Malformed) {
		t.Errorf("what is no proof: %v", err)
	}
}

func FuzzDeviceIntroduction(f *testing.F) {
	f.Add(space.DeviceIntroduction{}.Encode())
	f.Add([]byte{0x93, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		in, err := space.DecodeDeviceIntroduction(b)
		if err == nil && string(in.Encode()) != string(b) {
			t.Fatalf("%x reads as %v", b, in)
		}
	})
}
