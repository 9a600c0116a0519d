package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// TestAttack_R4_forksWithoutEnd has a device make branches, feeds, control feeds and
// credentials that nothing follows, more than a block or a credential may name: the
// others go on to write, and put it out.
func TestAttack_R4_forksWithoutEnd(t *testing.T) {
	const many = feed.MaxDeltas + 200
	cases := map[string]func(eve, bob *engine){
		"branches and feeds": func(eve, bob *engine) {
			f := eve.forger()
			start := f.head
			for range many / 2 {
				f.give(bob, f.build(start))
				g := eve.forger()
				g.give(bob, g.build(g.head))
			}
		},
		"control feeds": func(eve, bob *engine) {
			for range many {
				f := eve.forger()
				h, err := feed.NewHeader(ctx, feed.Header{Space: eve.Key(), Device: eve.self.Device, Incarnation: [16]byte(testEnv().Bytes(16)), Kind: feed.Control}, eve.self.Signer)
				ok(t, err)
				f.header, f.head = h, feed.Ref{Feed: h.ID()}
				f.give(bob, f.build(f.head))
			}
		},
		"credentials": func(eve, bob *engine) {
			parents := eve.Membership().Parents()
			var list []*credential.Credential
			for i := range 2*credential.MaxParents + 200 {
				c, err := credential.Issue(ctx, eve.self.Signer, parents, int64(i), credential.Profile{Identity: eve.self.Identity, Name: "Eve"})
				ok(t, err)
				list = append(list, c)
			}
			eve.brings(list...)
			bob.pull(eve)
		},
	}
	for name, flood := range cases {
		t.Run(name, func(t *testing.T) {
			owner := found(t)
			eve, bob := owner.join(), owner.joinAs(credential.Admin)
			flood(eve, bob)
			own := []id.ObjectID{bob.write(), bob.write()}
			in, err := bob.Remove(eve.self.Identity)
			ok(t, err)
			bob.store(in)
			own = append(own, bob.write())
			if n := len(bob.Membership().Heads()); n > credential.MaxParents/2 {
				t.Errorf("%d credentials follow nothing", n)
			}
			bob.pull(owner)
			owner.pull(bob)
			owner.shows(own...)
			if _, member := owner.Membership().Identity(eve.self.Identity); member {
				t.Error("the device is still there")
			}
			rotated(t, []*engine{owner, bob}, []*engine{eve})
			late, a := owner.newcomer(credential.Editor) // who comes later is not kept out
			late.TakeControls(a.Controls)
			if !late.MayWrite() {
				t.Error("a newcomer may not write")
			}
			own = append(own, owner.write())
			bob.pull(owner)
			bob.shows(own...)
			owner.reopen(owner.st)
			owner.shows(own...)
			own = append(own, owner.write())
			bob.pull(owner)
			bob.shows(own...)
		})
	}
}
