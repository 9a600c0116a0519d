package client

import (
	"math"
	"slices"
	"strings"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/wire"
)

// The content of a HALO is in the properties object of its database, so that two
// devices that write the same key at once write the same thing:
//
//	space/KEY     bytes: the space.Record of a device; or a number: the joins that come
//	              before it (space.Record.Joined) are ended, by leaving or deletion
//	device/KEY    {label, kind}
//	contact/KEY   the name
//	sealed/KEY    bytes: space.Recovery.Digest of what was last sealed in that space
//
// KEY is in hexadecimal digits. Of a record that several devices wrote at once the keys
// of all count; a removal counts against a record that was written beside it, unless that
// is of a later join.
const (
	haloSpaces   = "space/"
	haloDevices  = "device/"
	haloContacts = "contact/"
	haloSealed   = "sealed/"
)

// Operations and types of values of package objectdb.
const (
	haloSet   = 2
	haloBytes = 1
	haloMap   = 4
)

// haloContent is what a HALO holds.
type haloContent struct {
	spaces   map[id.SpaceKey]haloSpace
	devices  map[id.DeviceKey]DeviceProfile
	contacts map[id.IdentityKey]string
	sealed   map[id.SpaceKey]id.Hash
}

// haloSpace is a space as the HALO has it.
type haloSpace struct {
	rec    space.Record // of the joins that are not ended; without a key if there is none
	ended  uint64       // the joins before this one are
	unread bool         // a newer version wrote it
}

// stands tells whether the identity is in the space, as far as this version can read.
func (e haloSpace) stands() bool { return !id.IsZero(e.rec.Key) && !e.unread }

// after gives the number of a join, at a time in milliseconds since 1970, that comes after
// those that the HALO tells of. It follows the clock, so that a join of which another device
// has not heard yet is not one that it ends.
func (e haloSpace) after(now int64) uint64 {
	return min(max(uint64(max(now, 1)), e.ended, e.rec.Joined+1), space.MaxJoined)
}

// read reads the content, and what became of these spaces; without any, all but spaces.
func (c *haloContent) read(db *objectdb.DB, local []*Space) error {
	*c = haloContent{devices: map[id.DeviceKey]DeviceProfile{}, contacts: map[id.IdentityKey]string{}, sealed: map[id.SpaceKey]id.Hash{}}
	if local != nil {
		c.spaces = map[id.SpaceKey]haloSpace{}
	}
	for _, sp := range local {
		c.readSpace(db, haloSpaces+sp.key.String())
	}
	record, _ := db.Read(objectdb.PropertiesID)
	r := wire.NewReader(record)
	r.Array(5)
	r.Skip()
	r.Skip()
	n := r.ArrayLen(math.MaxInt32)
	r.Skip() // that it is a map
	for ; n > 1 && r.Err() == nil; n -= 2 {
		key := r.String(math.MaxInt32)
		c.readKey(db, key, r.Skip())
	}
	return r.Err()
}

// readKey takes in one entry. What does not read is passed over: a newer version may
// have written it.
func (c *haloContent) readKey(db *objectdb.DB, key string, value []byte) {
	r := wire.NewReader(value)
	if hex, is := strings.CutPrefix(key, haloSpaces); is {
		if k, ok := id.Parse[id.SpaceKey](hex); ok && c.spaces != nil {
			if _, known := c.spaces[k]; !known {
				c.readSpace(db, key)
			}
		}
	} else if hex, is := strings.CutPrefix(key, haloDevices); is {
		if k, ok := id.Parse[id.DeviceKey](hex); ok {
			c.devices[k] = readDeviceProfile(r)
		}
	} else if hex, is := strings.CutPrefix(key, haloContacts); is {
		if k, ok := id.Parse[id.IdentityKey](hex); ok {
			c.contacts[k] = r.String(maxName)
		}
	} else if hex, is := strings.CutPrefix(key, haloSealed); is {
		if k, ok := id.Parse[id.SpaceKey](hex); ok {
			r.Array(2)
			r.Skip() // that it is bytes
			c.sealed[k], _ = id.From[id.Hash](r.Bytes(len(id.Hash{})))
		}
	}
}

// readSpace takes in all that devices wrote of a space, if one did.
func (c *haloContent) readSpace(db *objectdb.DB, key string) {
	k, _ := id.Parse[id.SpaceKey](key[len(haloSpaces):])
	versions := db.Conflicts(objectdb.PropertiesID, objectdb.Key(key))
	if len(versions) == 0 {
		return
	}
	var entry haloSpace
	var records []space.Record
	for _, v := range versions {
		if rec, ok := readHaloRecord(v); ok && rec.Key == k {
			records = append(records, rec)
		} else if ended, ok := readEnded(v); ok {
			entry.ended = max(entry.ended, ended)
		} else {
			entry.unread = true
		}
	}
	for _, rec := range records {
		if rec.Joined < entry.ended {
			continue
		}
		if id.IsZero(entry.rec.Key) {
			entry.rec = rec
			continue
		}
		sec := &entry.rec.Secrets
		sec.Controls, sec.Epochs = before(sec.Controls, rec.Secrets.Controls), before(sec.Epochs, rec.Secrets.Epochs)
		entry.rec.Joined = max(entry.rec.Joined, rec.Joined)
	}
	c.spaces[k] = entry
}

// spaceIn gives what a HALO has of one space.
func spaceIn(db *objectdb.DB, key id.SpaceKey) haloSpace {
	c := haloContent{spaces: map[id.SpaceKey]haloSpace{}}
	c.readSpace(db, haloSpaces+key.String())
	return c.spaces[key]
}

// readEnded reads the value of a space that was removed; false if it is none. Before joins
// were numbered it was a deletion.
func readEnded(v []byte) (ended uint64, ok bool) {
	if len(v) == 0 {
		return 1, true
	}
	r := wire.NewReader(v)
	ended = r.Uint(space.MaxJoined + 1)
	return ended, r.Done("halo") == nil
}

// readHaloRecord reads the value of a space; false if it is none that this version knows.
func readHaloRecord(v []byte) (rec space.Record, ok bool) {
	r := wire.NewReader(v)
	r.Array(2)
	kind := r.Uint(math.MaxUint8)
	raw := r.Bytes(math.MaxInt32)
	if r.Done("halo") != nil || kind != haloBytes {
		return rec, false
	}
	rec, err := space.DecodeRecord(raw)
	return rec, err == nil && len(rec.Secrets.Controls) > 0
}

// before puts the keys that are missing in front of a list, whose last one stays that.
func before(list, more []keys.Secret) []keys.Secret {
	return append(slices.DeleteFunc(slices.Clone(more), func(k keys.Secret) bool { return slices.Contains(list, k) }), list...)
}

// haloEdits are operations on the content of a HALO.
type haloEdits []byte

func (e *haloEdits) begin(code uint64, n int, key string) {
	b := wire.AppendUint(wire.AppendArray(*e, n), code)
	b = wire.AppendBytes(b, objectdb.PropertiesID[:])
	*e = wire.AppendString(wire.AppendArray(b, 1), key)
}

func (e *haloEdits) space(rec space.Record) {
	e.begin(haloSet, 4, haloSpaces+rec.Key.String())
	*e = wire.AppendBytes(wire.AppendUint(wire.AppendArray(*e, 2), haloBytes), rec.Encode())
}

// drop ends the joins of a space before a number.
func (e *haloEdits) drop(key id.SpaceKey, ended uint64) {
	e.begin(haloSet, 4, haloSpaces+key.String())
	*e = wire.AppendUint(*e, ended)
}

func (e *haloEdits) sealed(key id.SpaceKey, digest id.Hash) {
	e.begin(haloSet, 4, haloSealed+key.String())
	*e = wire.AppendBytes(wire.AppendUint(wire.AppendArray(*e, 2), haloBytes), digest[:])
}

func (e *haloEdits) contact(who id.IdentityKey, name string) {
	e.begin(haloSet, 4, haloContacts+who.String())
	*e = wire.AppendString(*e, name)
}

func (e *haloEdits) device(d id.DeviceKey, p DeviceProfile) {
	e.begin(haloSet, 4, haloDevices+d.String())
	b := wire.AppendUint(wire.AppendArray(*e, 5), haloMap)
	for _, field := range [...]string{"kind", p.Kind, "label", p.Label} {
		b = wire.AppendString(b, field)
	}
	*e = b
}

func readDeviceProfile(r *wire.Reader) (p DeviceProfile) {
	n := r.ArrayLen(math.MaxInt32)
	r.Skip() // that it is a map
	for ; n > 1 && r.Err() == nil; n -= 2 {
		switch r.String(math.MaxInt32) {
		case "kind":
			p.Kind = r.String(math.MaxInt32)
		case "label":
			p.Label = r.String(math.MaxInt32)
		default:
			r.Skip()
		}
	}
	return p
}
