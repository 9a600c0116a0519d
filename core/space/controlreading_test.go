package space_test

import (
	"slices"
	"testing"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/wire"
)

// names makes credentials that one name after the other is a member's.
func (e *engine) names(n int) (list []*credential.Credential) {
	e.t.Helper()
	parents := e.Membership().ParentsOf(e.self.Device)
	for i := range n {
		c, err := credential.Issue(ctx, e.self.Signer, parents, int64(i), credential.Profile{Identity: e.self.Identity, Name: string(rune('a' + i))})
		ok(e.t, err)
		list = append(list, c)
		parents = append(slices.Clone(parents[:len(parents):len(parents)]), c.ID())
	}
	return list
}

// controlFeed is the header of the own control feed.
func (e *engine) controlFeed() *feed.SignedHeader {
	e.t.Helper()
	for _, f := range e.Feeds() {
		if f.Header.Kind == feed.Control && f.Header.Device == e.self.Device {
			return f.Header
		}
	}
	e.t.Fatal("there is no control feed")
	return nil
}

// TestSettle_controlBlocksInPieces: of a control block with many credentials, each of which
// is verified, no more than one is read if time is short.
func TestSettle_controlBlocksInPieces(t *testing.T) {
	a := found(t)
	b := a.join()
	b.brings(b.names(20)...)
	f := b.controlFeed()
	in, err := a.Receive(f, b.sent(f, feed.Ref{Feed: f.ID()}, b.Log(f.ID()).Heads()[0]), nil)
	ok(t, err)
	a.save(in)
	ok(t, a.Commit(in))
	pieces := 0
	for done := false; !done; pieces++ {
		_, done = a.Settle(func() bool { return true })
	}
	if m, _ := a.Membership().Identity(b.self.Identity); m.Name != "t" || pieces < 20 {
		t.Errorf("after %d pieces the name is %q", pieces, m.Name)
	}
}

// TestSettle_knownCredentialsAgain: a credential that is known counts when it comes again,
// and only with its signature.
func TestSettle_knownCredentialsAgain(t *testing.T) {
	a := found(t)
	b := a.join()
	list := b.names(3)
	b.brings(list[0])
	a.pull(b)
	b.brings(list[0], list[1])
	a.pull(b)
	if m, _ := a.Membership().Identity(b.self.Identity); m.Name != "b" {
		t.Errorf("the name is %q", m.Name)
	}
	forged := list[1].Encode()
	forged[len(forged)-1] ^= 1
	payload := wire.AppendBytes(wire.AppendArray(wire.AppendUint(wire.AppendArray(nil, 2), 1), 2), forged)
	b.bringsPayload(wire.AppendBytes(payload, list[2].Encode()), 2)
	a.pull(b)
	if m, _ := a.Membership().Identity(b.self.Identity); m.Name != "b" {
		t.Errorf("behind what nobody signed the name is %q", m.Name)
	}
}
