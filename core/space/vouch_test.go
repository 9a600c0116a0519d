package space_test

import (
	"testing"

	"github.com/echospace/echospace/core/feed"
)

// A run is served with as many signatures as it needs, each of which holds.
func TestVouch(t *testing.T) {
	e := found(t)
	for range 8 {
		e.write()
	}
	fid := e.writing(feed.Data)
	var header *feed.SignedHeader
	for _, f := range e.Feeds() {
		if f.Header.ID() == fid {
			header = f.Header
		}
	}
	spoil := func(raw []byte) []byte {
		raw = append([]byte(nil), raw...)
		raw[len(raw)-1] ^= 1
		return raw
	}
	for _, c := range []struct {
		name   string
		spoilt int // block whose signature is wrong; -1: none
		signed bool
	}{{"whole", -1, true}, {"one in the middle is wrong", 3, true}, {"the last is wrong", 7, false}} {
		t.Run(c.name, func(t *testing.T) {
			var raw [][]byte
			for i, rec := range e.records(fid) {
				if i == c.spoilt {
					rec.Value = spoil(rec.Value)
				}
				raw = append(raw, rec.Value)
			}
			got := e.Vouch(fid, raw)
			if len(got) != len(raw) {
				t.Fatalf("%d of %d blocks", len(got), len(raw))
			}
			var blocks []*feed.Block
			for i, b := range got {
				blk, err := feed.DecodeBlock(b)
				ok(t, err)
				if blk.Sig != nil && i != len(got)-1 {
					t.Errorf("block %d carries a signature", i)
				}
				blocks = append(blocks, blk)
			}
			err := feed.VerifyRun(header, feed.Ref{Feed: fid}, blocks)
			if (err == nil) != c.signed {
				t.Fatalf("the run verifies: %v", err)
			}
		})
	}
	t.Run("long runs", func(t *testing.T) {
		e := found(t)
		const count = 300
		for range count {
			e.write()
		}
		fid := e.writing(feed.Data)
		var raw [][]byte
		size := 0
		for _, rec := range e.records(fid) {
			raw = append(raw, rec.Value)
			size += len(rec.Value)
		}
		signed := 0
		for _, b := range e.Vouch(fid, raw) {
			blk, err := feed.DecodeBlock(b)
			ok(t, err)
			if blk.Sig != nil {
				signed++
			}
		}
		if most := size/(48<<10) + 1; signed == 0 || signed > most {
			t.Fatalf("%d signatures in %d bytes, want 1 to %d", signed, size, most)
		}
	})
	if got := e.Vouch([32]byte{1}, [][]byte{{1}}); got != nil {
		t.Fatalf("an unknown feed gives %v", got)
	}
}
