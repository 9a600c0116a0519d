package flat

import "encoding/binary"

const (
	segmentSize = 128 << 10
	// ownSegment is the length from which a value gets a segment of its own.
	ownSegment = segmentSize / 4
	headerSize = 8
)

// RefMask covers the bits that a Ref may use; the caller may use those above.
const RefMask = 1<<56 - 1

// Heap keeps values of any length in segments. A value has an owner, any
// number by which the caller finds the one word that holds its Ref; Compact
// asks for it when it moves the value. The zero value is empty.
type Heap struct {
	segments []segment
	vacant   []int32 // segments without data
	sparse   []int32 // segments that are less than half in use
	current  int32
	started  bool
	born     uint64
}

type segment struct {
	data   []byte
	live   int
	queued bool   // is in sparse
	born   uint64 // tells it from others that had its number
}

// Put copies b and gives its Ref: segment<<32 | offset.
func (h *Heap) Put(owner int32, b []byte) uint64 {
	size := headerSize + len(b)
	at := h.current
	switch {
	case len(b) >= ownSegment:
		at = h.take(size)
	case !h.started || cap(h.segments[at].data)-len(h.segments[at].data) < size:
		full := h.current
		at = h.take(segmentSize)
		h.current = at
		if h.started {
			h.review(full)
		}
		h.started = true
	}
	s := &h.segments[at]
	ref := uint64(at)<<32 | uint64(len(s.data))
	s.data = binary.LittleEndian.AppendUint32(s.data, uint32(owner))
	s.data = binary.LittleEndian.AppendUint32(s.data, uint32(len(b)))
	s.data = append(s.data, b...)
	s.live += size
	return ref
}

// take finds or makes an empty segment.
func (h *Heap) take(size int) int32 {
	h.born++
	fresh := segment{data: make([]byte, 0, size), born: h.born}
	if n := len(h.vacant); n > 0 {
		at := h.vacant[n-1]
		h.vacant = h.vacant[:n-1]
		h.segments[at] = fresh
		return at
	}
	h.segments = append(h.segments, fresh)
	return int32(len(h.segments) - 1)
}

// Get is the value, in place: valid until the next Compact, not to be changed.
func (h *Heap) Get(ref uint64) []byte {
	data := h.segments[int32(ref&RefMask>>32)].data
	off := uint64(uint32(ref))
	n := uint64(binary.LittleEndian.Uint32(data[off+4:]))
	return data[off+headerSize : off+headerSize+n : off+headerSize+n]
}

// Free gives up a value.
func (h *Heap) Free(ref uint64) {
	at := int32(ref & RefMask >> 32)
	h.segments[at].live -= headerSize + len(h.Get(ref))
	h.review(at)
}

// review drops a segment that is empty and queues one that is sparse.
func (h *Heap) review(at int32) {
	s := &h.segments[at]
	switch {
	case at == h.current && h.started && cap(s.data) == segmentSize:
		// still written to
	case s.live == 0 && s.data != nil:
		s.data = nil
		if !s.queued {
			h.vacant = append(h.vacant, at)
		}
	case 2*s.live < len(s.data) && !s.queued:
		s.queued = true
		h.sparse = append(h.sparse, at)
	}
}

// Compact moves the values of at most one sparse segment elsewhere and frees
// it. For each value find gives the word that holds its Ref, or nil if the
// value was freed. It reports whether there was a segment to do.
func (h *Heap) Compact(find func(owner int32, ref uint64) *uint64) bool {
	n := len(h.sparse)
	if n == 0 {
		return false
	}
	at := h.sparse[n-1]
	h.sparse = h.sparse[:n-1]
	data := h.segments[at].data
	for off := 0; off < len(data); {
		owner := int32(binary.LittleEndian.Uint32(data[off:]))
		size := int(binary.LittleEndian.Uint32(data[off+4:]))
		if word := find(owner, uint64(at)<<32|uint64(off)); word != nil {
			*word = *word&^RefMask | h.Put(owner, data[off+headerSize:off+headerSize+size])
		}
		off += headerSize + size
	}
	h.segments[at] = segment{}
	h.vacant = append(h.vacant, at)
	return true
}

// Size is how many bytes the heap takes and how many of them are in use.
func (h *Heap) Size() (taken, live int) {
	for _, s := range h.segments {
		taken += cap(s.data)
		live += s.live
	}
	return taken, live
}
