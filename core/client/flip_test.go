package client_test

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/echospace/echospace/core/client"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/storage"
)

// used makes a profile that has lived a little: two members who wrote and
// spoke, a restart, a persistent invitation. It gives the objects with their
// records, and what is stored.
func used(t *testing.T) (w *world, p *profile, key id.SpaceKey, objects map[id.ObjectID][]byte, stored []storage.Entry) {
	t.Helper()
	w, ctx := newWorld(t), context.Background()
	p = newProfile()
	host, a := owner(t, w, p)
	b := join(t, a, w.person("Bob"))
	objects = map[id.ObjectID][]byte{}
	for n := range 6 {
		x, y := put(t, a, "title", fmt.Sprint("a ", n)), put(t, b, "title", fmt.Sprint("b ", n, strings.Repeat("x", 100)))
		eventually(t, "objects go both ways", func() bool { return record(b, x) != nil && record(a, y) != nil })
		objects[x], objects[y] = record(a, x), record(a, y)
	}
	_, err := a.CreateInvitation(client.InvitationOptions{Persistent: true})
	ok(t, err)
	ok(t, a.Flush(ctx, client.FlushDisk))
	ok(t, host.Destroy(ctx))
	stored, err = p.store.Scan(ctx, storage.Range{}, 0)
	ok(t, err)
	return w, p, a.Key(), objects, stored
}

// flips gives bits to flip: all of a small value, some of a big one.
func flips(rng *rand.Rand, value []byte, most int) (bits []int) {
	if n := 8 * len(value); n <= most {
		for bit := range n {
			bits = append(bits, bit)
		}
		return bits
	}
	for range most {
		bits = append(bits, rng.IntN(8*len(value)))
	}
	return bits
}

func flipped(value []byte, bit int) []byte {
	value = bytes.Clone(value)
	value[bit/8] ^= 1 << (bit % 8)
	return value
}

func newSeed(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// TestProfile_T04_everyRecordIsSealed: no record opens without its key, or
// with a bit of it flipped.
func TestProfile_T04_everyRecordIsSealed(t *testing.T) {
	rng, ctx := newSeed(t), context.Background()
	_, p, key, _, stored := used(t)
	ring, err := keys.OpenKeyring(ctx, testEnv(), p.keys, p.store)
	ok(t, err)
	space, halo := swarmOf(t, p, key), recordOf(t, p, "halo").Secrets
	headers := map[id.FeedID]*feed.SignedHeader{}
	kinds := map[string]int{}

	// open reads a record with everything that the profile's owner has.
	open := func(e storage.Entry) error {
		switch string(e.Key[:2]) {
		case "k/":
			var b storage.Batch
			b.Put(e.Key, e.Value)
			ok(t, p.store.Apply(ctx, &b, storage.Relaxed))
			if name, isSecret := strings.CutPrefix(string(e.Key), "k/s/"); isSecret {
				_, err := ring.Get(ctx, name)
				return err
			}
			_, err := keys.OpenKeyring(ctx, testEnv(), p.keys, p.store)
			return err
		case "h/":
			h, err := feed.DecodeHeader(e.Value)
			if err == nil && !bytes.Equal(feed.HeaderKey(h.Space, h.ID()), e.Key) {
				return errs.New("test", errs.StorageCorrupt, "another key")
			}
			if err == nil {
				headers[h.ID()] = h
			}
			return err
		case "b/":
			b, err := feed.DecodeBlock(e.Value)
			if err != nil {
				return err
			}
			if !bytes.Equal(feed.BlockKey(b.Ref()), e.Key) {
				return errs.New("test", errs.StorageCorrupt, "another key")
			}
			if b.Sig != nil {
				if err := feed.VerifyRun(headers[b.Feed], feed.Ref{Feed: b.Feed, Seq: b.Seq - 1, Hash: b.Prev}, []*feed.Block{b}); err != nil {
					return err
				}
			}
			secrets := halo
			if headers[b.Feed].Space == key {
				secrets = space
			}
			secret := secrets.Epochs[0]
			if headers[b.Feed].Kind == feed.Control {
				secret = secrets.Controls[0]
			}
			if _, err := b.Open(keys.NewSecret(testEnv())); !errs.Is(err, errs.DecryptFailed) {
				t.Errorf("block %x opens under another key: %v", e.Key, err)
			}
			_, err = b.Open(secret)
			return err
		}
		t.Fatalf("a record of unknown kind: %q", e.Key)
		return nil
	}
	// Headers before blocks.
	for _, prefix := range []string{"h/", "b/", "k/"} {
		for _, e := range stored {
			if !bytes.HasPrefix(e.Key, []byte(prefix)) {
				continue
			}
			kinds[prefix]++
			if err := open(e); err != nil {
				t.Fatalf("record %x does not open as it is: %v", e.Key, err)
			}
			for _, bit := range flips(rng, e.Value, 2000) {
				if err := open(storage.Entry{Key: e.Key, Value: flipped(e.Value, bit)}); err == nil {
					t.Errorf("record %q opens with bit %d of %d flipped", e.Key, bit, 8*len(e.Value))
				} else if errs.KindOf(err) == errs.Internal {
					t.Errorf("record %q, bit %d: %v", e.Key, bit, err)
				}
			}
			if prefix == "k/" {
				ok(t, open(e)) // and puts it back
			}
		}
	}
	if kinds["h/"] < 3 || kinds["b/"] < 6 || kinds["k/"] < 4 {
		t.Fatalf("only %v records: the test proves nothing", kinds)
	}
	others, err := keys.OpenKeyring(ctx, testEnv(), keys.NewMemoryKeyStore(testEnv()), p.store)
	if err == nil {
		t.Fatalf("the keyring opens with another key store: %v", others)
	}
}

// TestProfile_T04_flippedBitChangesNothing opens a whole profile with a bit of
// one record flipped, away from any peer that could heal it: it is refused, or
// opened with what is sound, and an object that shows shows as it was.
func TestProfile_T04_flippedBitChangesNothing(t *testing.T) {
	rng, ctx := newSeed(t), context.Background()
	w, p, key, objects, stored := used(t)
	w.hub.SetDown(true)
	refused, reported, whole := 0, 0, 0
	for _, e := range stored {
		for _, bit := range flips(rng, e.Value, 8) {
			sick := snapshot(t, p)
			var b storage.Batch
			b.Put(e.Key, flipped(e.Value, bit))
			ok(t, sick.store.Apply(ctx, &b, storage.Strict))
			log := &notes{}
			w.log = log
			c := w.client(sick)
			err := c.Initialize(ctx)
			where := fmt.Sprintf("record %q, bit %d of %d", e.Key, bit, 8*len(e.Value))
			if err != nil {
				refused++
				if errs.KindOf(err) == errs.Internal {
					t.Errorf("%s: %v", where, err)
				}
				ok(t, c.Destroy(ctx))
				continue
			}
			sp := c.Space(key)
			if sp == nil {
				t.Errorf("%s: the space is gone and nothing was said", where)
				continue
			}
			undoSteps(t, sp) // has them opened
			missing := 0
			for v, was := range objects {
				switch now := record(sp, v); {
				case now == nil:
					missing++
				case !bytes.Equal(now, was):
					t.Errorf("%s: an object reads %x, it was %x", where, now, was)
				}
			}
			if n := count(sp); n != len(objects)-missing {
				t.Errorf("%s: %d objects, %d were made", where, n, len(objects))
			}
			if bytes.HasPrefix(e.Key, []byte("k/s/invitation/")) {
				// Persistent invitations are taken up after the profile is open.
				eventually(t, where+" is reported", func() bool { return log.has("persistent") })
			}
			ok(t, c.Destroy(ctx))
			switch said := len(log.lines) > 0; {
			case said:
				reported++
			case missing > 0:
				t.Errorf("%s: %d objects are missing and nothing was said", where, missing)
			default:
				// A signature is checked when a block is taken in; here it was.
				if whole++; !bytes.HasPrefix(e.Key, []byte("b/")) || bit/8 < len(e.Value)-64 {
					t.Errorf("%s: nothing was said", where)
				}
			}
		}
	}
	t.Logf("%d records: refused %d, reported %d, whole %d", len(stored), refused, reported, whole)
	if refused == 0 || reported == 0 {
		t.Fatal("nothing was refused, or nothing reported: the test proves nothing")
	}
}
