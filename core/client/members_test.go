package client_test

import (
	"context"
	"slices"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/space/spacetest"
)

// TestMembers_manyToTheEnd: of many members observers are told now and then, but always how
// it ends, also if the space is closed.
func TestMembers_manyToTheEnd(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	c := w.person("Ada")
	self, err := c.Device()
	ok(t, err)
	ok(t, c.Adopt(ctx, spacetest.Old(t, testEnv(), self, 300, 700)))
	sp := c.Spaces.Get()[0]
	eventually(t, "all are told", func() bool { return len(sp.Members.Get()) == 300 })
	editors := slices.DeleteFunc(slices.Clone(sp.Members.Get()), func(m client.Member) bool { return m.Self || m.Role != credential.Editor })
	change := func(who client.Member) func() bool {
		ok(t, sp.SetRole(ctx, who.Identity, credential.Reader))
		return func() bool {
			return slices.ContainsFunc(sp.Members.Get(), func(m client.Member) bool {
				return m.Identity == who.Identity && m.Role == credential.Reader
			})
		}
	}
	for _, who := range editors[:3] { // one after the other is told
		eventually(t, "the role is told", change(who))
	}
	told := change(editors[3])
	ok(t, sp.Close(ctx))
	if !told() {
		t.Error("a closed space shows what was before its last change")
	}
}
