package syncer

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/keys"
)

// TestAttack_R4_moreBranchesThanAreTold: a device forks a feed more often than a peer
// tells of heads at once: whoever has all the branches passes all of them on, and knows
// when the other has stored them.
func TestAttack_R4_moreBranchesThanAreTold(t *testing.T) {
	for _, branches := range []int{maxHeads, maxHeads + 1, 5*maxHeads + 3} {
		f := newFleet(t, 34, 3)
		a, b, c := f.nodes[0], f.nodes[1], f.nodes[2]
		h := a.addFeed(feed.Data)
		for range branches {
			blk, err := feed.Build(context.Background(), f.env, feed.BlockHeader{Feed: h.ID(), Seq: 1, Ops: 1}, keys.Secret{1}, f.env.Bytes(8), a.signer)
			if err != nil {
				t.Fatal(err)
			}
			refs := a.keep(batch{header: h, blocks: []*feed.Block{blk}})
			a.sync.Stored(h, a.logs[h.ID()], refs, [][]byte{blk.Encode()})
		}
		own := c.addFeed(feed.Data)
		c.write(own, 3, 10)
		f.connect(a, b)
		f.connect(b, c)
		f.settle()
		f.equal()
		if n := f.messages; n > 40*branches {
			t.Errorf("%d branches took %d messages", branches, n)
		}
		before := f.messages
		f.settle()
		if f.messages != before {
			t.Error("they go on for ever")
		}
	}
}
