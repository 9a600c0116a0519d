package invite

import (
	"encoding/hex"
	"os"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"pgregory.net/rapid"
)

// sample is the invitation whose swarm key is the bytes from 0 to 31.
func sample(change ...func(*Invitation)) Invitation {
	var inv Invitation
	for i := range inv.SwarmKey {
		inv.SwarmKey[i] = byte(i)
	}
	inv.ID = deriveID(inv.SwarmKey)
	for _, f := range change {
		f(&inv)
	}
	return inv
}

var samples = map[string]Invitation{
	"space":      sample(),
	"device":     sample(func(i *Invitation) { i.Kind = Device }),
	"no auth":    sample(func(i *Invitation) { i.Auth = None }),
	"known key":  sample(func(i *Invitation) { i.Auth = KnownPublicKey }),
	"multi-use":  sample(multiUse),
	"persistent": sample(func(i *Invitation) { i.Persistent = true }),
	"expires":    sample(func(i *Invitation) { i.Expires = 1_800_000_000_000 }),
	"everything at once": sample(func(i *Invitation) {
		i.Kind, i.Auth, i.MultiUse, i.Persistent, i.Expires = Device, KnownPublicKey, true, true, (1<<40-1)*1000
	}),
}

// TestCode_golden holds the format: testdata/codes.txt has a name and a code on
// each line, and id, topic and psk of the sample key.
func TestCode_I15_golden(t *testing.T) {
	raw, err := os.ReadFile("testdata/codes.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(raw)) {
		name, want, ok := strings.Cut(strings.TrimSpace(line), ": ")
		if !ok || strings.HasPrefix(line, "#") {
			continue
		}
		seen++
		s := sample()
		psk, topic := s.PSK(), s.Topic()
		got := map[string]string{"id": s.ID.String(), "topic": topic.String(), "psk": hex.EncodeToString(psk[:])}[name]
		if inv, ok := samples[name]; ok {
			got = inv.Encode()
		}
		if got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if seen != len(samples)+3 {
		t.Errorf("%d lines, want %d", seen, len(samples)+3)
	}
}

func TestCode_I15_I17_roundTrip(t *testing.T) {
	for name, inv := range samples {
		t.Run(name, func(t *testing.T) {
			code := inv.Encode()
			if len(code) > 120 {
				t.Errorf("%d characters", len(code))
			}
			for form, text := range map[string]string{
				"as it is":      code,
				"lower case":    strings.ToLower(code),
				"white space":   " \t\r\n" + code + " \n",
				"hyphens":       code[:10] + "-" + code[10:20] + "\u2013" + code[20:],
				"line break":    code[:40] + "\r\n  " + code[40:],
				"O, I, L typed": strings.NewReplacer("0", "o", "1", "l").Replace(code),
				"fragment":      "https://example.org/app/?x=1#invitation=" + code,
				"query":         "https://example.org/app?a=b&invitation=" + code + "&c=d#top",
				"bare fragment": "#invitation=" + strings.ToLower(code),
				"bare key":      "Invitation=" + code,
			} {
				got, err := Decode(text)
				if err != nil || got != inv {
					t.Errorf("%s: %+v, %v", form, got, err)
				}
			}
		})
	}
}

func TestCode_I15_refuses(t *testing.T) {
	inv := sample()
	code := inv.Encode()
	newer := append([]byte{codeVersion + 1}, make([]byte, 50)...)
	newer = append(newer, checksum(newer)...)
	flagged := append([]byte{codeVersion, 0xc0}, make([]byte, 32)...)
	flagged = append(flagged, checksum(flagged)...)
	method := append([]byte{codeVersion, 3 << authShift}, make([]byte, 32)...)
	method = append(method, checksum(method)...)
	other := "0"
	if code[30] == '0' {
		other = "1"
	}
	for name, c := range map[string]struct {
		text, reason string
		kind         errs.Kind
	}{
		"empty":           {"", "empty", errs.InvalidInvitation},
		"white space":     {" \n - ", "empty", errs.InvalidInvitation},
		"empty in URL":    {"https://example.org/#invitation=", "empty", errs.InvalidInvitation},
		"junk":            {"<invitation code here>", "junk", errs.InvalidInvitation},
		"URL without":     {"https://example.org/", "junk", errs.InvalidInvitation},
		"very long":       {strings.Repeat("A", 1<<17), "junk", errs.InvalidInvitation},
		"unknown flags":   {encode32(flagged), "junk", errs.InvalidInvitation},
		"unknown method":  {encode32(method), "junk", errs.InvalidInvitation},
		"one character":   {code[:1], "truncated", errs.InvalidInvitation},
		"half":            {code[:30], "truncated", errs.InvalidInvitation},
		"last one off":    {code[:len(code)-1], "truncated", errs.InvalidInvitation},
		"one changed":     {code[:30] + other + code[31:], "checksum", errs.InvalidInvitation},
		"one too many":    {code + "0", "checksum", errs.InvalidInvitation},
		"words":           {"hello there my friend", "checksum", errs.InvalidInvitation},
		"a newer version": {encode32(newer), "version", errs.VersionUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Decode(c.text)
			e, ok := err.(*errs.Error)
			if !ok || e.Kind != c.kind || e.Details["reason"] != c.reason {
				t.Fatalf("got %v, want %v for %s", err, c.kind, c.reason)
			}
			if len(c.text) < 200 && len(code) > 0 && strings.Contains(err.Error(), code[10:20]) {
				t.Error("the error repeats the code")
			}
		})
	}
}

func TestCode_I16_holdsNoSecondFactor(t *testing.T) {
	inv := sample(func(i *Invitation) {
		i.AuthCode, i.GuestKey = "123456", &[32]byte{0xaa, 0xbb}
	})
	bare := sample()
	if inv.Encode() != bare.Encode() {
		t.Error("the code depends on the auth code or the guest's key")
	}
	got, err := Decode(inv.Encode())
	if err != nil || got.AuthCode != "" || got.GuestKey != nil {
		t.Errorf("decoded %+v, %v", got, err)
	}
}

func TestCode_expiryRoundsUp(t *testing.T) {
	inv := sample(func(i *Invitation) { i.Expires = 1_800_000_000_001 })
	if got, err := Decode(inv.Encode()); err != nil || got.Expires != 1_800_000_001_000 {
		t.Errorf("expires %d, %v", got.Expires, err)
	}
}

func TestAuthCode(t *testing.T) {
	e := testEnv(1)
	counts := map[rune]int{}
	for range 3000 {
		code := NewAuthCode(e, false)
		if len(code) != shortCode || strings.Trim(code, "0123456789") != "" {
			t.Fatalf("auth code %q", code)
		}
		for _, c := range code {
			counts[c]++
		}
		long := NewAuthCode(e, true)
		if len(long) != longCode || NormalizeAuthCode(strings.ToLower(long)) != long {
			t.Fatalf("long auth code %q", long)
		}
	}
	for c, n := range counts { // 1,800 expected, deviation about 40
		if n < 1600 || n > 2000 {
			t.Errorf("digit %c came %d times of 18,000", c, n)
		}
	}
	for typed, want := range map[string]string{" 123-456\n": "123456", "oOiIlL": "001111", "ab cd\u2014e": "ABCDE", "é ß": "éß", "": ""} {
		if got := NormalizeAuthCode(typed); got != want {
			t.Errorf("%q is normalised to %q, want %q", typed, got, want)
		}
	}
}

// Whatever changes one character of a code is noticed, unless it is read alike.
func TestCode_propertyOneCharacter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := sample()
		copy(inv.SwarmKey[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		code := []byte(inv.Encode())
		at := rapid.IntRange(0, len(code)-1).Draw(t, "at")
		c := alphabet[rapid.IntRange(0, 31).Draw(t, "character")]
		if code[at] == c {
			return
		}
		code[at] = c
		if _, err := Decode(string(code)); err == nil {
			t.Fatalf("%s was accepted", code)
		}
	})
}

func FuzzDecode(f *testing.F) {
	for _, inv := range samples {
		f.Add(inv.Encode())
	}
	f.Add("https://example.org/#invitation=04")
	f.Add("\xff\u2013I")
	f.Fuzz(func(t *testing.T, text string) {
		inv, err := Decode(text)
		if err != nil {
			if k := errs.KindOf(err); k != errs.InvalidInvitation && k != errs.VersionUnsupported {
				t.Fatalf("kind %v", k)
			}
			return
		}
		again, err := Decode(inv.Encode())
		if err != nil || again != inv {
			t.Fatalf("%+v encodes to what decodes to %+v, %v", inv, again, err)
		}
	})
}
