package feed

import (
	"encoding/binary"
	"slices"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

// Prefixes of the keys of a Store.
const (
	headerPrefix = "h/"
	blockPrefix  = "b/"
	repackPrefix = "r/"
)

// HeaderKey is where a space's feed has its SignedHeader.Encode().
func HeaderKey(space id.SpaceKey, feed id.FeedID) []byte {
	return slices.Concat([]byte(headerPrefix), space[:], feed[:])
}

// HeaderPrefix is what the keys of all headers of a space begin with.
func HeaderPrefix(space id.SpaceKey) []byte {
	return slices.Concat([]byte(headerPrefix), space[:])
}

// ParseHeaderKey gives the feed of a HeaderKey; false for any other key.
func ParseHeaderKey(key []byte) (id.FeedID, bool) {
	body, found := cut(key, headerPrefix, id.KeySize+id.HashSize)
	if !found {
		return id.FeedID{}, false
	}
	return id.FeedID(body[id.KeySize:]), true
}

// BlockKey is where the plain block of that ref is, encoded.
func BlockKey(r Ref) []byte {
	key := binary.BigEndian.AppendUint64(slices.Concat([]byte(blockPrefix), r.Feed[:]), r.Seq)
	return append(key, r.Hash[:]...)
}

// BlockRange is the blocks of a feed at the places from <= seq < to, every
// branch, by place and hash. A to of 0 is no upper bound.
func BlockRange(feed id.FeedID, from, to uint64) storage.Range {
	prefix := slices.Concat([]byte(blockPrefix), feed[:])
	r := storage.Prefix(prefix)
	r.Start = binary.BigEndian.AppendUint64(r.Start, from)
	if to != 0 {
		r.End = binary.BigEndian.AppendUint64(prefix, to)
	}
	return r
}

// ParseBlockKey reverses BlockKey; false for any other key.
func ParseBlockKey(key []byte) (Ref, bool) {
	body, found := cut(key, blockPrefix, 2*id.HashSize+8)
	if !found {
		return Ref{}, false
	}
	return Ref{
		Feed: id.FeedID(body[:id.HashSize]),
		Seq:  binary.BigEndian.Uint64(body[id.HashSize:]),
		Hash: id.Hash(body[id.HashSize+8:]),
	}, true
}

// RepackKey is where a repack is, encoded: a key of its own, so that neither it nor
// a plain block of its places takes the other's place.
func RepackKey(r *Block) []byte {
	key := binary.BigEndian.AppendUint64(slices.Concat([]byte(repackPrefix), r.Feed[:]), r.Seq)
	key = binary.BigEndian.AppendUint64(key, r.From())
	last := r.Ref().Hash
	return append(key, last[:]...)
}

// RepackRange is the repacks of a feed that end at the places from <= seq, by their
// ends. What covers a place is among the first of them, and is the first unless the
// feed is forked or records overlap.
func RepackRange(feed id.FeedID, from uint64) storage.Range {
	r := storage.Prefix(slices.Concat([]byte(repackPrefix), feed[:]))
	r.Start = binary.BigEndian.AppendUint64(r.Start, from)
	return r
}

// ParseRepackKey reverses RepackKey: the last block, and the first place; false for
// any other key.
func ParseRepackKey(key []byte) (last Ref, from uint64, ok bool) {
	body, found := cut(key, repackPrefix, 2*id.HashSize+16)
	if !found {
		return Ref{}, 0, false
	}
	return Ref{
		Feed: id.FeedID(body[:id.HashSize]),
		Seq:  binary.BigEndian.Uint64(body[id.HashSize:]),
		Hash: id.Hash(body[id.HashSize+16:]),
	}, binary.BigEndian.Uint64(body[id.HashSize+8:]), true
}

// cut strips prefix from a key that has n more bytes.
func cut(key []byte, prefix string, n int) ([]byte, bool) {
	if len(key) != len(prefix)+n || string(key[:len(prefix)]) != prefix {
		return nil, false
	}
	return key[len(prefix):], true
}
