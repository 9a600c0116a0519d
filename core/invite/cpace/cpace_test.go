package cpace

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/gtank/ristretto255"
)

// vectorFiles lists the draft's vectors for this suite.
func vectorFiles(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("ECHOSPACE_VECTORS")
	if dir == "" {
		root, err := os.Getwd()
		for err == nil && root != filepath.Dir(root) {
			if _, e := os.Stat(filepath.Join(root, "go.mod")); e == nil {
				break
			}
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "vectors")
	}
	files, _ := filepath.Glob(filepath.Join(dir, "cpace", "*.json"))
	if len(files) == 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("no CPace vectors under %s", dir)
		}
		t.Skipf("no CPace vectors under %s; set ECHOSPACE_VECTORS", dir)
	}
	return files
}

type vectors struct {
	Generator map[string]json.RawMessage `json:"calculate_generator"`
	Messages  map[string]string          `json:"message_and_isk"`
	Multiply  map[string]json.RawMessage `json:"scalar_mult_vfy"`
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func scalar(t *testing.T, s string) *ristretto255.Scalar {
	t.Helper()
	k, err := ristretto255.NewScalar().SetCanonicalBytes(unhex(t, s))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestVectors(t *testing.T) {
	for _, file := range vectorFiles(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var v vectors
			if err := json.Unmarshal(raw, &v); err != nil {
				t.Fatal(err)
			}
			t.Run("generator", func(t *testing.T) { checkGenerator(t, v.Generator) })
			t.Run("messages and keys", func(t *testing.T) { checkMessages(t, v.Messages) })
			t.Run("points", func(t *testing.T) { checkPoints(t, v.Multiply) })
		})
	}
}

func checkGenerator(t *testing.T, v map[string]json.RawMessage) {
	field := func(name string) []byte {
		var s string
		if err := json.Unmarshal(v[name], &s); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return unhex(t, s)
	}
	c := Context{Code: field("PRS"), Channel: field("CI"), Session: field("sid")}
	if got, want := generatorString(c), field("generator_string(G.DSI,PRS,CI,sid,H.s_in_bytes)"); !bytes.Equal(got, want) {
		t.Errorf("generator string\n%x, want\n%x", got, want)
	}
	if got, want := generator(c).Bytes(), field("encoded generator g"); !bytes.Equal(got, want) {
		t.Errorf("generator %x, want %x", got, want)
	}
}

func checkMessages(t *testing.T, v map[string]string) {
	c := Context{Code: unhex(t, v["PRS"]), Channel: unhex(t, v["CI"]), Session: unhex(t, v["sid"])}
	a := newParty(scalar(t, v["ya"]), c, unhex(t, v["ADa"]))
	b := newParty(scalar(t, v["yb"]), c, unhex(t, v["ADb"]))
	same := func(name string, got []byte) {
		t.Helper()
		if want := unhex(t, v[name]); !bytes.Equal(got, want) {
			t.Errorf("%s is %x, want %x", name, got, want)
		}
	}
	once := func(p *Party) *Party { // gives its keys, and stays as it is
		q := *p
		q.scalar = ristretto255.NewScalar().Add(p.scalar, ristretto255.NewScalar())
		return &q
	}
	ya, yb := a.Message().Point, b.Message().Point
	same("Ya", ya[:])
	same("Yb", yb[:])
	k, err := multiply(a.scalar, yb[:])
	if err != nil {
		t.Fatal(err)
	}
	same("K", k)
	run := func(f func(Message) (*Keys, error), peer Message) *Keys {
		t.Helper()
		k, err := f(peer)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	for _, k := range []*Keys{run(once(a).Initiate, b.Message()), run(once(b).Respond, a.Message())} {
		sid := k.SessionID()
		same("ISK_IR", k.ISK[:])
		same("sid_output_ir", sid[:])
	}
	for _, k := range []*Keys{run(a.Symmetric, b.Message()), run(b.Symmetric, a.Message())} {
		sid := k.SessionID()
		same("ISK_SY", k.ISK[:])
		same("sid_output_oc", sid[:])
	}
}

// checkPoints runs the valid case and every "Invalid ..." one: of the draft's
// two classes, Y1 is not an encoding and Y2 the identity.
func checkPoints(t *testing.T, v map[string]json.RawMessage) {
	var valid map[string]string
	if err := json.Unmarshal(v["Valid"], &valid); err != nil {
		t.Fatal(err)
	}
	s := scalar(t, valid["s"])
	got, err := multiply(s, unhex(t, valid["X"]))
	if want := unhex(t, valid["G.scalar_mult_vfy(s,X)"]); err != nil || !bytes.Equal(got, want) {
		t.Errorf("valid point gives %x, %v; want %x", got, err, want)
	}
	classes := map[string]string{"Invalid Y1": "canonical", "Invalid Y2": "identity"}
	tried := 0
	for name, raw := range v {
		if !strings.HasPrefix(name, "Invalid") {
			continue
		}
		var point string
		if err := json.Unmarshal(raw, &point); err != nil {
			t.Fatal(err)
		}
		tried++
		_, err := multiply(s, unhex(t, point))
		if errs.KindOf(err) != errs.BadKey || !strings.Contains(err.Error(), classes[name]) {
			t.Errorf("%s: got %v, want a BadKey naming %q", name, err, classes[name])
		}
	}
	if tried == 0 {
		t.Error("no invalid points in the vectors")
	}
}

func testEnv(seed byte) env.Env { return env.Env{Rand: rand.NewChaCha8([32]byte{seed})} }

func TestMultiply_refuses(t *testing.T) {
	s, err := ristretto255.NewScalar().SetUniformBytes(bytes.Repeat([]byte{7}, SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	high := bytes.Repeat([]byte{0xff}, PointSize)
	p := append([]byte{0xed}, high[1:]...) // the field's prime, a non-canonical zero
	p[31] = 0x7f
	negative := make([]byte, PointSize)
	negative[0] = 1
	for name, point := range map[string][]byte{
		"short": high[:31], "long": make([]byte, 33), "over the prime": high, "prime itself": p,
		"negative": negative, "identity": make([]byte, PointSize),
	} {
		if _, err := multiply(s, point); errs.KindOf(err) != errs.BadKey {
			t.Errorf("%s: got %v, want BadKey", name, err)
		}
	}
}

func TestConfirmation(t *testing.T) {
	e := testEnv(1)
	base := Context{Code: []byte("123456"), Channel: []byte("test"), Session: []byte("s1")}
	cases := map[string]struct {
		other  Context
		tamper func(a, b *Message)
		want   bool
	}{
		"equal":           {other: base, want: true},
		"other code":      {other: Context{[]byte("123457"), base.Channel, base.Session}},
		"other channel":   {other: Context{base.Code, []byte("tesu"), base.Session}},
		"other session":   {other: Context{base.Code, base.Channel, []byte("s2")}},
		"moved boundary":  {other: Context{base.Code, []byte("tests"), []byte("1")}},
		"data altered":    {other: base, tamper: func(a, b *Message) { a.Data = []byte("host") }},
		"point exchanged": {other: base, tamper: func(a, b *Message) { a.Point, b.Point = b.Point, a.Point }},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			a, b := New(e, base, []byte("guest")), New(e, c.other, []byte("host"))
			ma, mb := a.Message(), b.Message()
			if c.tamper != nil {
				c.tamper(&ma, &mb)
			}
			ka, err := a.Initiate(mb)
			if err != nil {
				t.Fatal(err)
			}
			kb, err := b.Respond(ma)
			if err != nil {
				t.Fatal(err)
			}
			if kb.Verify(ka.Tag()) != c.want || ka.Verify(kb.Tag()) != c.want {
				t.Errorf("confirmation is not %v on both sides", c.want)
			}
			if (ka.ISK == kb.ISK) != c.want {
				t.Errorf("keys equal is not %v", c.want)
			}
			if ka.Verify(ka.Tag()) {
				t.Error("a reflected tag verifies")
			}
			if ka.Verify(nil) || ka.Verify(kb.Tag()[:TagSize-1]) {
				t.Error("a cut tag verifies")
			}
		})
	}
}

func TestSymmetric_refusesReflection(t *testing.T) {
	p := New(testEnv(2), Context{Code: []byte("123456"), Session: []byte("s")}, nil)
	k, err := p.Symmetric(p.Message())
	if err != nil {
		t.Fatal(err)
	}
	if k.Verify(k.Tag()) {
		t.Fatal("own message and tag reflected verify")
	}
}

func TestAppendLV_longLengths(t *testing.T) {
	for n, want := range map[int]string{0: "00", 127: "7f", 128: "8001", 300: "ac02", 16384: "808001"} {
		got := appendLV(nil, make([]byte, n))
		if h := hex.EncodeToString(got[:len(got)-n]); h != want {
			t.Errorf("length %d is prefixed %s, want %s", n, h, want)
		}
	}
}

// TestParty_forgetsItsScalar once it has given its keys.
func TestParty_forgetsItsScalar(t *testing.T) {
	c := Context{Code: []byte("123456"), Session: []byte("one")}
	a, b := New(testEnv(1), c, nil), New(testEnv(2), c, nil)
	if _, err := a.Initiate(b.Message()); err != nil {
		t.Fatal(err)
	}
	if a.scalar.Equal(ristretto255.NewScalar()) != 1 {
		t.Error("it holds its scalar")
	}
	if _, err := a.Initiate(b.Message()); !errs.Is(err, errs.BadKey) {
		t.Errorf("it gives keys twice: %v", err)
	}
}
