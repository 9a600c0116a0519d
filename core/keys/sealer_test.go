package keys

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
)

func TestSealer_sealsToMany(t *testing.T) {
	e := testEnv(7)
	s := NewSealer(e)
	ada, bob := NewSealingKey([32]byte{8}), NewSealingKey([32]byte{16}) // not the bits that are cleared
	if s.Prepare(ada.Public()) || !s.Prepare(ada.Public()) {
		t.Error("an agreement is made at the first call, and once")
	}
	var boxes [][]byte
	for _, c := range []struct {
		to    *SealingKey
		plain string
	}{{ada, "for Ada"}, {bob, "for Bob"}, {ada, "for Ada too"}} {
		sealed, err := s.Seal(e, c.to.Public(), []byte(c.plain), []byte("aad"))
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []*SealingKey{ada, bob} {
			plain, err := k.Open(sealed, []byte("aad"))
			if k == c.to && (err != nil || string(plain) != c.plain) {
				t.Errorf("%q opens as %q, %v", c.plain, plain, err)
			}
			if k != c.to && !errs.Is(err, errs.DecryptFailed) {
				t.Errorf("%q is opened by another: %v", c.plain, err)
			}
		}
		boxes = append(boxes, sealed)
	}
	if bytes.Equal(boxes[0][32:56], boxes[2][32:56]) {
		t.Error("two messages to one have the same nonce")
	}
}

func TestSealer_refusesBadKeys(t *testing.T) {
	s := NewSealer(testEnv(8))
	for name, to := range map[string][32]byte{"zero": {}, "low order": {1}, "not canonical": {31: 0x80}} {
		if !s.Prepare(to) {
			t.Errorf("%s: would be prepared again and again", name)
		}
		if _, err := s.Seal(testEnv(9), to, nil, nil); !errs.Is(err, errs.BadKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
