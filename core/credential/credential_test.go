package credential

import (
	"bytes"
	"context"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/wire"
)

var update = flag.Bool("update", false, "rewrite the golden vectors in testdata")

// claims is one of each type, every field set.
func claims(t testing.TB) map[string]Claim {
	p := newPerson(t, 7)
	cuts := []feed.Ref{{Feed: id.FeedID{1}, Seq: 5, Hash: id.Hash{1}}, {Feed: id.FeedID{2}, Seq: 300, Hash: id.Hash{2}}}
	return map[string]Claim{
		"genesis":          Genesis{Space: key(1).Public(), Identity: p.identity, ControlKey: id.EpochID{9}},
		"device":           Device{Identity: p.identity, Device: p.dev(), Sealing: sealingOf(7), Label: "Firefox on Debian"},
		"member":           Member{Identity: p.identity, Role: Editor, Invitation: id.InvitationID{4}, Devices: [][]byte{p.first.Encode()}, Name: "Ada"},
		"setrole":          SetRole{Identity: p.identity, Role: Reader, Cuts: cuts},
		"remove":           Remove{Identity: p.identity, Cuts: cuts},
		"revokedevice":     RevokeDevice{Identity: p.identity, Device: p.dev(), Cuts: cuts[:1]},
		"epoch":            Epoch{Key: id.EpochID{3}, Parents: []id.EpochID{{1}, {2}}, Control: true, Envelopes: []Envelope{{Device: id.DeviceKey{1}, Sealed: []byte("sealed")}, {Device: id.DeviceKey{2}, Sealed: []byte("too")}}},
		"recovery":         recoveryOf(t, p.identity, key(3)),
		"recoveryenvelope": RecoveryEnvelope{Identity: p.identity, Key: key(3).Public(), Sealed: []byte("sealed")},
		"profile":          Profile{Identity: p.identity, Name: "Ada", Fields: []byte{0x90}},
		"invitation":       Invitation{Invitation: id.InvitationID{5}, Role: Reader, Multi: true, Expires: 1_800_000_000_000, Sealed: []byte("code")},
		"spent":            Spent{Invitation: id.InvitationID{5}, Reason: Exhausted},
		"closefeed":        CloseFeed{Feed: id.FeedID{6}, Heads: []feed.Ref{{Feed: id.FeedID{6}, Seq: 4, Hash: id.Hash{1}}, {Feed: id.FeedID{6}, Seq: 4, Hash: id.Hash{2}}}},
	}
}

// TestGolden holds the encoding of every claim: read for good, and written the
// same again. Run with -update to write new vectors.
func TestGolden(t *testing.T) {
	all := claims(t)
	if len(all) != len(fields)-1 {
		t.Fatalf("%d claims have vectors, there are %d", len(all), len(fields)-1)
	}
	for name, claim := range all {
		t.Run(name, func(t *testing.T) {
			made := issue(t, key(2), []id.CredentialID{{2}, {1}}, claim).Encode()
			path := filepath.Join("testdata", name+".hex")
			if *update {
				if err := os.WriteFile(path, []byte(hex.EncodeToString(made)+"\n"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			raw, err := hex.DecodeString(strings.TrimSpace(string(text)))
			if err != nil || !bytes.Equal(raw, made) {
				t.Fatalf("made otherwise now: %x, golden %x, %v", made, raw, err)
			}
			c, err := Decode(raw)
			if err != nil || !bytes.Equal(c.Encode(), raw) {
				t.Fatalf("does not read, or encodes otherwise: %v", err)
			}
			if !reflect.DeepEqual(c.Claim, claim) || c.Time != 1_700_000_000_000 || len(c.Parents) != 2 || c.Parents[0] != (id.CredentialID{1}) {
				t.Errorf("reads as %+v", c)
			}
		})
	}
}

func TestDecode_everyBitCounts(t *testing.T) {
	raw := issue(t, key(2), nil, SetRole{Identity: newPerson(t, 1).identity, Role: Admin}).Encode()
	for bit := range len(raw) * 8 {
		flipped := bytes.Clone(raw)
		flipped[bit/8] ^= 1 << (bit % 8)
		if _, err := Decode(flipped); err == nil || errs.KindOf(err) == errs.Internal {
			t.Fatalf("bit %d of byte %d flipped: %v", bit%8, bit/8, err)
		}
	}
}

func TestIssue_refuses(t *testing.T) {
	p := newPerson(t, 1)
	ref := func(f, h byte) feed.Ref { return feed.Ref{Feed: id.FeedID{f}, Seq: 1, Hash: id.Hash{h}} }
	for name, c := range map[string]Claim{
		"no claim":                    nil,
		"role 0":                      SetRole{Identity: p.identity},
		"role 6":                      SetRole{Identity: p.identity, Role: 6},
		"zero identity":               SetRole{Role: Admin},
		"low-order device":            Device{Identity: p.identity, Device: id.DeviceKey{1}},
		"ill-formed name":             Profile{Identity: p.identity, Name: "\xff"},
		"long name":                   Profile{Identity: p.identity, Name: strings.Repeat("x", 2000)},
		"cuts out of order":           Remove{Identity: p.identity, Cuts: []feed.Ref{ref(2, 1), ref(1, 1)}},
		"cuts twice":                  Remove{Identity: p.identity, Cuts: []feed.Ref{ref(1, 1), ref(1, 1)}},
		"foreign heads":               CloseFeed{Feed: id.FeedID{1}, Heads: []feed.Ref{ref(2, 1)}},
		"keys out of order":           Epoch{Parents: []id.EpochID{{2}, {1}}},
		"envelopes twice":             Epoch{Envelopes: []Envelope{{}, {}}},
		"reason 0":                    Spent{},
		"member without device":       Member{Identity: p.identity, Role: Editor},
		"member with a foreign chain": Member{Identity: p.identity, Role: Editor, Devices: [][]byte{newPerson(t, 2).first.Encode()}},
	} {
		if _, err := Issue(context.Background(), key(2), nil, 0, c); !errs.Is(err, errs.InvalidArgument) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecode_versions(t *testing.T) {
	resign := func(change func(signed []byte) []byte) []byte {
		c := issue(t, key(2), nil, Spent{Invitation: id.InvitationID{1}, Reason: Used})
		c.Bytes = change(bytes.Clone(c.Bytes))
		c.sig, _ = key(2).Sign(context.Background(), c.message())
		c.signed.Store(true)
		return c.Encode()
	}
	for name, c := range map[string]struct {
		change func(b []byte) []byte
		want   errs.Kind
	}{
		"newer format":  {func(b []byte) []byte { b[1] = 2; return b }, errs.VersionUnsupported},
		"unknown claim": {func(b []byte) []byte { b[len(b)-20] = 99; return b }, errs.VersionUnsupported},
		"trailing byte": {func(b []byte) []byte { return append(b, 0) }, errs.Malformed},
		"wrong count":   {func(b []byte) []byte { return wire.AppendNil(append([]byte{b[0] + 1}, b[1:]...)) }, errs.Malformed},
	} {
		if _, err := Decode(resign(c.change)); errs.KindOf(err) != c.want {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestVerifyChain_H09(t *testing.T) {
	alice, mallory := newPerson(t, 1), newPerson(t, 2)
	dev := func(issuer *person, of id.IdentityKey, n int) (*person, []byte) {
		p := &person{identity: of, device: key(n)}
		c := issue(t, issuer.device, nil, Device{Identity: of, Device: p.dev(), Sealing: sealingOf(n)})
		return p, c.Encode()
	}
	first := alice.first.Encode()
	second, secondRaw := dev(alice, alice.identity, 11)
	third, thirdRaw := dev(second, alice.identity, 12)
	foreign, foreignRaw := dev(mallory, alice.identity, 13)
	_, aboutMallory := dev(alice, mallory.identity, 14)
	// Two devices that vouch for one another.
	_, roundB := dev(&person{device: key(15)}, alice.identity, 16)
	round, roundA := dev(&person{device: key(16)}, alice.identity, 15)
	recovery := issue(t, alice.device, nil, recoveryOf(t, alice.identity, key(17))).Encode()
	recovered, recoveredRaw := dev(&person{device: key(17)}, alice.identity, 18)
	role := issue(t, alice.device, nil, SetRole{Identity: alice.identity, Role: Owner}).Encode()
	tampered := bytes.Clone(first)
	tampered[len(tampered)-1] ^= 1
	member := issue(t, alice.device, nil, alice.admission(Owner)).Encode()

	for name, c := range map[string]struct {
		device *person
		chain  [][]byte
		want   errs.Kind
	}{
		"one device":                   {alice, [][]byte{first}, errs.OK},
		"two devices":                  {second, [][]byte{first, secondRaw}, errs.OK},
		"three devices":                {third, [][]byte{first, secondRaw, thirdRaw}, errs.OK},
		"by a recovery key":            {recovered, [][]byte{first, recovery, recoveredRaw}, errs.OK},
		"missing link":                 {third, [][]byte{first, thirdRaw}, errs.BadCredential},
		"missing first link":           {second, [][]byte{secondRaw}, errs.BadCredential},
		"links out of order":           {second, [][]byte{secondRaw, first}, errs.BadCredential},
		"no links":                     {alice, nil, errs.BadCredential},
		"wrong assertion: type":        {second, [][]byte{first, role, secondRaw}, errs.BadCredential},
		"wrong assertion: admission":   {second, [][]byte{first, member, secondRaw}, errs.BadCredential},
		"wrong assertion: identity":    {second, [][]byte{first, aboutMallory}, errs.BadCredential},
		"wrong assertion: device":      {second, [][]byte{first}, errs.BadCredential},
		"ends at a recovery key":       {recovered, [][]byte{first, recovery}, errs.BadCredential},
		"cyclic chain":                 {round, [][]byte{roundB, roundA}, errs.BadCredential},
		"a device twice":               {alice, [][]byte{first, first}, errs.BadCredential},
		"foreign issuer":               {foreign, [][]byte{first, foreignRaw}, errs.BadCredential},
		"foreign issuer with own link": {foreign, [][]byte{mallory.first.Encode(), foreignRaw}, errs.BadCredential},
		"bad signature":                {alice, [][]byte{tampered}, errs.BadSignature},
		"no credential":                {alice, [][]byte{{1, 2}}, errs.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			sealing, err := VerifyChain(alice.identity, c.device.dev(), c.chain)
			if errs.KindOf(err) != c.want {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if name == "two devices" && sealing != sealingOf(11) {
				t.Error("the sealing key is another")
			}
		})
	}
}

// TestDecodeVerified reads what is known to be signed: it looks at no signature, and gives
// and refuses what Decode does apart from that.
func TestDecodeVerified(t *testing.T) {
	for name, claim := range claims(t) {
		t.Run(name, func(t *testing.T) {
			raw := issue(t, key(2), nil, claim).Encode()
			want, err := Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			got, err := DecodeVerified(raw)
			if err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%+v, want %+v: %v", got, want, err)
			}
			raw[len(raw)-1] ^= 1
			if _, err := Decode(raw); !errs.Is(err, errs.BadSignature) {
				t.Errorf("Decode of another signature gives %v", err)
			}
			if got, err := DecodeVerified(raw); err != nil || got.ID() != want.ID() {
				t.Errorf("DecodeVerified of another signature gives %v", err)
			}
			if _, err := DecodeVerified(raw[:len(raw)-1]); !errs.Is(err, errs.Malformed) {
				t.Errorf("DecodeVerified of less gives %v", err)
			}
		})
	}
}

// FuzzDecode: what decodes encodes to the same bytes.
func FuzzDecode(f *testing.F) {
	for _, claim := range claims(f) {
		c := issue(f, key(2), nil, claim)
		f.Add(c.Encode())
		f.Add(c.Bytes)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if c, err := Decode(raw); err == nil && !bytes.Equal(c.Encode(), raw) {
			t.Fatalf("%x encodes as %x", raw, c.Encode())
		}
		// The signature hides most of what decodes; look below it too.
		c := &Credential{}
		err := c.read(raw, verify)
		if err == nil && !bytes.Equal(encodeSigned(c), raw) {
			t.Fatalf("%x encodes as %x", raw, encodeSigned(c))
		}
		if err != nil && errs.KindOf(err) == errs.Internal {
			t.Fatalf("no kind: %v", err)
		}
	})
}
