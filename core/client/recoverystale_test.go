package client_test

import (
	"context"
	"testing"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/id"
)

// An identity whose devices went before they could renew what the words recover gets
// the keys that were made since from whoever is there.
func TestHalo_H10_beforeTheEnvelopeWasRenewed(t *testing.T) {
	ctx, w := context.Background(), newWorld(t)
	ada, cyd := w.person("Ada"), w.person("Cyd")
	sp, err := ada.CreateSpace(ctx)
	ok(t, err)
	spCyd := join(t, sp, cyd)
	lost, pocket := w.device(ada), w.device(cyd)
	arrives(t, lost, sp.Key())
	spPocket := arrives(t, pocket, sp.Key())
	bothWays(t, spCyd, spPocket)
	words, who := phraseOf(t, cyd), me(cyd)
	eventually(t, "Ada holds the envelope", func() bool {
		newest := envelope(spCyd, who) // which a turn of Cyd's keeper may have just renewed
		return envelope(sp, who) == newest && newest != id.CredentialID{}
	})

	ok(t, ada.RemoveDevice(ctx, lost.Identity.Get().Device))
	first := put(t, sp, "title", "under the second key")
	for _, s := range []*client.Space{spCyd, spPocket} {
		eventually(t, "it arrives", func() bool { return record(s, first) != nil })
	}
	ok(t, cyd.Destroy(ctx))
	ok(t, pocket.Destroy(ctx))
	back := returned(t, w.recovered(words), sp)
	eventually(t, "it is read", func() bool { return record(back, first) != nil })
}
