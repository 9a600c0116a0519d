package space_test

import (
	"bytes"
	"testing"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

func TestRecord_encoding(t *testing.T) {
	record := func(joined uint64) space.Record {
		return space.Record{
			Key: id.SpaceKey{1}, Proof: []byte("proof"), Joined: joined,
			Secrets: space.Secrets{Swarm: keys.Secret{2}, Controls: []keys.Secret{{3}, {4}}, Epochs: []keys.Secret{{5}}},
		}
	}
	for _, joined := range []uint64{0, 1, 1_800_000_000_000, space.MaxJoined} {
		want := record(joined).Encode()
		rec, err := space.DecodeRecord(want)
		if err != nil || rec.Joined != joined || !bytes.Equal(rec.Encode(), want) {
			t.Errorf("the record of join %d reads as %v: %v", joined, rec, err)
		}
	}
	// Before joins were numbered a record had four elements.
	if b := record(0).Encode(); b[0] != 0x94 {
		t.Errorf("the record of a first join is no array of 4: %x", b[0])
	}
	elements := record(0).Encode()[1:]
	fifth := func(joined uint64) []byte {
		return wire.AppendUint(append(wire.AppendArray(nil, 5), elements...), joined)
	}
	for name, b := range map[string][]byte{
		"nothing":            nil,
		"a number":           wire.AppendUint(nil, 1),
		"three elements":     append(wire.AppendArray(nil, 3), elements...),
		"six elements":       wire.AppendUint(append([]byte{0x96}, fifth(1)[1:]...), 1),
		"join 0, said":       fifth(0),
		"a join too large":   fifth(space.MaxJoined + 1),
		"no fifth":           append(wire.AppendArray(nil, 5), elements...),
		"something after it": append(record(3).Encode(), 0),
	} {
		if _, err := space.DecodeRecord(b); !errs.Is(err, errs.Malformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	newer := record(0).Encode()
	newer[1] = 2
	if _, err := space.DecodeRecord(newer); !errs.Is(err, errs.VersionUnsupported) {
		t.Errorf("a newer version: %v", err)
	}
}
