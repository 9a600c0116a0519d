package flat

import (
	"bytes"
	"hash/maphash"
)

// Strings numbers distinct byte strings from 0 in the order of their coming.
// They are never forgotten.
type Strings struct {
	data  []byte
	ends  []uint32
	index Index
	seed  maphash.Seed
}

// NewStrings makes an empty table. Its hashes are seeded at random, so that
// no peer can choose keys that collide.
func NewStrings() *Strings { return &Strings{seed: maphash.MakeSeed()} }

// Len is how many strings there are.
func (s *Strings) Len() int { return len(s.ends) }

// At is string i, in place: not to be changed.
func (s *Strings) At(i int32) []byte {
	var start uint32
	if i > 0 {
		start = s.ends[i-1]
	}
	return s.data[start:s.ends[i]:s.ends[i]]
}

// Find gives the number of b, or None.
func (s *Strings) Find(b []byte) int32 {
	return s.index.Find(maphash.Bytes(s.seed, b), func(i int32) bool { return bytes.Equal(s.At(i), b) })
}

// Intern gives the number of b, which it copies if b is new.
func (s *Strings) Intern(b []byte) int32 {
	if i := s.Find(b); i != None {
		return i
	}
	i := int32(len(s.ends))
	s.data = append(s.data, b...)
	s.ends = append(s.ends, uint32(len(s.data)))
	s.index.Insert(maphash.Bytes(s.seed, b), i)
	return i
}
