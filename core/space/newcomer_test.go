package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage/memstore"
)

// withHalo gives an engine's identity a HALO.
func (e *engine) withHalo() *engine {
	e.t.Helper()
	halo := &engine{t: e.t, self: e.self, st: memstore.New()}
	s, rec, first, err := space.Create(ctx, testEnv(), e.self)
	ok(e.t, err)
	halo.Space, halo.rec = s, rec
	halo.store(first)
	return halo
}

// knows fails unless the engine knows itself a member and waits for nothing.
func (e *engine) knows() {
	e.t.Helper()
	if _, in := e.Membership().Device(e.self.Device); !in {
		e.t.Error("it does not know itself a member")
	}
	if n := e.Waiting(); n > 0 {
		e.t.Errorf("%d changes wait", n)
	}
}

// Who joins after a device came, wrote and was revoked gets what others built on it.
func TestNewcomer_H12_S17_afterARevokedDevice(t *testing.T) {
	a := found(t)
	b := a.join()
	two := a.onDevice(a.withHalo().further())
	v := two.write()
	a.pull(two)
	in, err := a.RevokeDevice(a.self.Identity, two.self.Device)
	ok(t, err)
	a.store(in)
	w := a.write()
	c := a.join()
	c.pull(a)
	c.knows()
	c.shows(v, w)
	b.pull(c) // which has it from the newcomer
	b.knows()
	b.shows(v, w)
}

// A single-use delegated invitation that two answered at once has admitted one. What
// the other wrote until that was known stays if somebody built on it, for those who
// saw it and for those who come later.
func TestNewcomer_I21_S17_afterAVoidAdmission(t *testing.T) {
	for name, first := range map[string]int{"the one": 0, "the other": 1} {
		t.Run(name, func(t *testing.T) {
			a := found(t)
			hosts := []*engine{a, a.joinAs(credential.Admin)}
			inv := id.InvitationID{1}
			in, err := a.BuildControl(a.Delegation(credential.Invitation{Invitation: inv, Role: credential.Editor}, []byte("code")))
			ok(t, err)
			a.store(in)
			hosts[1].pull(a)
			var guests []*engine
			var objects []id.ObjectID
			for _, h := range hosts {
				g := h.joinBy(credential.Editor, inv)
				v := g.write()
				h.pull(g)
				guests = append(guests, g)
				objects = append(objects, v, h.write())
			}
			hosts[first].pull(hosts[1-first])
			hosts[1-first].pull(hosts[first])
			for range 3 {
				for i, h := range hosts {
					in, err := h.Rotate()
					ok(t, err)
					if in != nil {
						h.store(in)
					}
					hosts[1-i].pull(h)
				}
			}
			var in0 []*engine
			for _, g := range guests {
				if _, in := a.Membership().Identity(g.self.Identity); in {
					in0 = append(in0, g)
				}
			}
			if len(in0) != 1 {
				t.Fatalf("%d guests were admitted", len(in0))
			}
			late := a.join()
			for _, e := range append(in0, late, hosts[0], hosts[1]) {
				for _, h := range hosts {
					e.pull(h)
				}
				e.knows()
				e.shows(objects...)
			}
		})
	}
}
