package credential

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
)

// FuzzProof: what decodes encodes to the same bytes, and nothing that was not made
// by Membership.Proof shows a member.
func FuzzProof(f *testing.F) {
	w := newWorld(f)
	a := w.admit(1, w.owner, Admin)
	b := w.admit(2, a, Reader)
	for _, p := range []*person{w.owner, a, b} {
		proof, err := w.eval().Proof(p.dev())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(proof)
		f.Add(proof[:len(proof)/2])
	}
	f.Add(encodeProof(nil))
	genuine := map[id.CredentialID]bool{}
	for _, c := range w.set {
		genuine[c.ID()] = true
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := DecodeProof(raw)
		if err != nil {
			if errs.KindOf(err) == errs.Internal {
				t.Fatalf("no kind: %v", err)
			}
			return
		}
		if !bytes.Equal(encodeProof(list), raw) {
			t.Fatalf("%x encodes otherwise", raw)
		}
		if _, err := VerifyProof(w.space, b.dev(), raw); err != nil {
			return
		}
		for _, c := range list {
			if !genuine[c.ID()] {
				t.Fatalf("a forged %T is in a proof that holds", c.Claim)
			}
		}
	})
}

// FuzzChain: a chain of devices that holds was signed by the identity key.
func FuzzChain(f *testing.F) {
	p := newPerson(f, 1)
	second := key(91)
	next := issue(f, p.device, nil, Device{Identity: p.identity, Device: second.Public(), Sealing: sealingOf(91)})
	f.Add(p.first.Encode(), next.Encode())
	f.Add(next.Encode(), p.first.Encode())
	f.Add(p.first.Encode(), []byte{})
	f.Add(issue(f, p.device, nil, recoveryOf(f, p.identity, key(92))).Encode(), next.Encode())
	f.Fuzz(func(t *testing.T, a, b []byte) {
		_, err := VerifyChain(p.identity, second.Public(), [][]byte{a, b})
		if errs.KindOf(err) == errs.Internal {
			t.Fatalf("no kind: %v", err)
		}
		if err == nil && (!bytes.Equal(a, p.first.Encode()) || !bytes.Equal(b, next.Encode())) {
			t.Fatalf("%x, %x make a device", a, b)
		}
	})
}
