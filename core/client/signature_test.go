package client_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/echospace/echospace/core/client"
)

// TestSpace_T04_foreignSignature spoils that of the last block of another: it
// is fetched again, and a newcomer gets it.
func TestSpace_T04_foreignSignature(t *testing.T) {
	w, ctx := newWorld(t), context.Background()
	host, p, disk := faulty(t, w)
	guest := w.person("Bob")
	a, err := host.CreateSpace(ctx)
	ok(t, err)
	b := join(t, a, guest)
	for n := range 3 {
		x := put(t, b, "title", fmt.Sprint("object ", n))
		ok(t, b.Flush(ctx, client.FlushPeer))
		eventually(t, "the host has it", func() bool { return record(a, x) != nil })
	}
	device := guest.Identity.Get().Device
	ok(t, host.Destroy(ctx))
	keys := dataBlocks(t, disk, a.Key(), device)
	ok(t, disk.Corrupt(keys[len(keys)-1], func(v []byte) []byte { return flipped(v, 8*len(v)-1) }))
	host = w.open(p)
	a = host.Space(a.Key())
	eventually(t, "it is healed", func() bool { return count(a) == 3 })
	ok(t, guest.GoOffline(ctx))
	c := join(t, a, w.person("Cyd"))
	eventually(t, "the newcomer has all", func() bool { return count(c) == 3 })
}

// TestSpace_T04_signature spoils the signature of a stored block, which
// nothing but a peer that has yet to take the block in looks at.
func TestSpace_T04_signature(t *testing.T) {
	for back := range 3 {
		t.Run(fmt.Sprint("block ", back, " from the end"), func(t *testing.T) {
			w, ctx := newWorld(t), context.Background()
			host, p, disk := faulty(t, w)
			a, err := host.CreateSpace(ctx)
			ok(t, err)
			for n := range 5 {
				put(t, a, "title", fmt.Sprint("object ", n))
				ok(t, a.Flush(ctx, client.FlushStore))
			}
			device := host.Identity.Get().Device
			ok(t, host.Destroy(ctx))
			keys := dataBlocks(t, disk, a.Key(), device)
			ok(t, disk.Corrupt(keys[len(keys)-1-back], func(v []byte) []byte { return flipped(v, 8*len(v)-1) }))
			host = w.open(p)
			a = host.Space(a.Key())
			b := join(t, a, w.person("Bob"))
			eventually(t, "the newcomer has all", func() bool { return count(b) == 5 })
			put(t, a, "title", "afterwards")
			eventually(t, "the newcomer hears on", func() bool { return count(b) == 6 })
		})
	}
}
