package id

import (
	"encoding/hex"
	"fmt"
)

// Sizes in bytes.
const (
	KeySize    = 32 // Ed25519 public keys
	HashSize   = 32 // BLAKE2b-256
	ShortSize  = 16 // random and truncated ids
	shortPrint = 8  // hexadecimal digits in Short
)

type (
	// Hash is a BLAKE2b-256 digest; of a block it is the hash that its
	// signature covers and that its successor names.
	Hash [HashSize]byte
	// SpaceKey names a space: the Ed25519 key that signed its genesis.
	SpaceKey [KeySize]byte
	// IdentityKey names a person: the Ed25519 key that signed the first device.
	IdentityKey [KeySize]byte
	// DeviceKey names a device: the Ed25519 key it signs with.
	DeviceKey [KeySize]byte
	// FeedID names a feed: the hash of its encoded header.
	FeedID [HashSize]byte
	// CredentialID names a credential: the hash of its signed bytes.
	CredentialID [HashSize]byte
	// EpochID names an epoch or control key: the truncated hash of that key.
	EpochID [ShortSize]byte
	// ObjectID names an object or a container inside one.
	ObjectID [ShortSize]byte
	// InvitationID names an invitation.
	InvitationID [ShortSize]byte
	// Topic is what peers meet under at a relay.
	Topic [HashSize]byte
	// PeerID names one peer's presence under one topic; random per join.
	PeerID [ShortSize]byte
)

func (v Hash) String() string         { return hex.EncodeToString(v[:]) }
func (v SpaceKey) String() string     { return hex.EncodeToString(v[:]) }
func (v IdentityKey) String() string  { return hex.EncodeToString(v[:]) }
func (v DeviceKey) String() string    { return hex.EncodeToString(v[:]) }
func (v FeedID) String() string       { return hex.EncodeToString(v[:]) }
func (v CredentialID) String() string { return hex.EncodeToString(v[:]) }
func (v EpochID) String() string      { return hex.EncodeToString(v[:]) }
func (v ObjectID) String() string     { return hex.EncodeToString(v[:]) }
func (v InvitationID) String() string { return hex.EncodeToString(v[:]) }
func (v Topic) String() string        { return hex.EncodeToString(v[:]) }
func (v PeerID) String() string       { return hex.EncodeToString(v[:]) }

// array is every identifier type of this package.
type array interface {
	~[KeySize]byte | ~[ShortSize]byte
}

// view returns the bytes of v, sharing its memory.
func view[T array](v *T) []byte {
	switch p := any(v).(type) {
	case *Hash:
		return p[:]
	case *SpaceKey:
		return p[:]
	case *IdentityKey:
		return p[:]
	case *DeviceKey:
		return p[:]
	case *FeedID:
		return p[:]
	case *CredentialID:
		return p[:]
	case *EpochID:
		return p[:]
	case *ObjectID:
		return p[:]
	case *InvitationID:
		return p[:]
	case *Topic:
		return p[:]
	case *PeerID:
		return p[:]
	}
	panic(fmt.Sprintf("id: %T is not an identifier", v))
}

// From copies b into an identifier. It reports false if b has another length.
func From[T array](b []byte) (v T, ok bool) {
	dst := view(&v)
	if len(b) != len(dst) {
		return v, false
	}
	copy(dst, b)
	return v, true
}

// Parse reads the hexadecimal form that String prints, in lower or upper case.
// It reports false for any other text.
func Parse[T array](s string) (v T, ok bool) {
	dst := view(&v)
	if len(s) != 2*len(dst) {
		return v, false
	}
	if _, err := hex.Decode(dst, []byte(s)); err != nil {
		var zero T
		return zero, false
	}
	return v, true
}

// Compare orders two identifiers of one type as byte strings: below 0, 0, or above.
func Compare[T array](a, b T) int {
	for i := range len(a) { // as slices both would be on the heap, and that is what takes long
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return 0
}

// IsZero reports whether v is all zero bytes, which no real identifier is.
func IsZero[T comparable](v T) bool {
	var zero T
	return v == zero
}

// Short is the first eight hexadecimal digits of v, for logs.
func Short(v fmt.Stringer) string {
	s := v.String()
	if len(s) > shortPrint {
		s = s[:shortPrint]
	}
	return s
}
