package flat

// Segment is a segment of a Heap for an image of it: what its bytes are never
// changes but for growing at the end, so that Born and the number of bytes say
// whether it is the same as in another image.
type Segment struct {
	Born uint64
	Data []byte // stays what it is
}

// Segments gives the segments, by number; those that are vacant have no bytes.
func (h *Heap) Segments() []Segment {
	out := make([]Segment, len(h.segments))
	for i, s := range h.segments {
		out[i] = Segment{s.born, s.data[:len(s.data):len(s.data)]}
	}
	return out
}

// Pack writes everything but the bytes of the segments.
func (h *Heap) Pack(p *Pack) {
	p.Uint(uint64(len(h.segments)))
	p.Uint(h.born)
	for i := range h.segments {
		s := &h.segments[i]
		p.Uint(uint64(len(s.data)))
		p.Uint(uint64(s.live))
		p.Uint(s.born)
		p.Uint(bit(s.queued))
	}
	p.Uint(uint64(h.current))
	p.Uint(bit(h.started))
	for _, list := range [][]int32{h.vacant, h.sparse} {
		p.Uint(uint64(len(list)))
		for _, at := range list {
			p.Uint(uint64(at))
		}
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Unpack makes the heap that Pack wrote. data gives the bytes of a segment, which
// the heap takes over.
func (h *Heap) Unpack(u *Unpack, data func(segment int) []byte) {
	*h = Heap{segments: make([]segment, u.Count(4))}
	h.born = u.Uint(1<<63 - 1)
	for i := range h.segments {
		s := &h.segments[i]
		n := int(u.Uint(1 << 31))
		s.live = int(u.Uint(uint64(n)))
		s.born = u.Uint(h.born)
		s.queued = u.Uint(1) == 1
		if n > 0 && !u.Bad() {
			if s.data = data(i); len(s.data) != n {
				u.Fail()
			}
		}
	}
	n := uint64(len(h.segments))
	h.current = int32(u.Uint(max(1, n) - 1))
	h.started = u.Uint(1) == 1
	for _, list := range []*[]int32{&h.vacant, &h.sparse} {
		*list = make([]int32, u.Count(1))
		for i := range *list {
			if (*list)[i] = int32(u.Uint(max(1, n) - 1)); n == 0 {
				u.Fail()
			}
		}
	}
	if h.started && !u.Bad() {
		h.reopen(u)
	}
}

// reopen makes room behind the segment that is written to.
func (h *Heap) reopen(u *Unpack) {
	if int(h.current) >= len(h.segments) || len(h.segments[h.current].data) > segmentSize {
		u.Fail()
		return
	}
	s := &h.segments[h.current]
	s.data = append(make([]byte, 0, segmentSize), s.data...)
}

// Pack writes the strings.
func (s *Strings) Pack(p *Pack) {
	p.Uint(uint64(len(s.ends)))
	for i := range s.ends {
		p.Raw(s.At(int32(i)))
	}
}

// Unpack adds the strings that Pack wrote, to a table without any.
func (s *Strings) Unpack(u *Unpack) {
	for n := u.Count(1); n > 0 && !u.Bad(); n-- {
		before := s.Len()
		if s.Intern(u.Raw()); s.Len() == before {
			u.Fail()
		}
	}
}

// Holds reports whether a Ref is in a segment, as one that Put gave is.
func (h *Heap) Holds(ref uint64) bool {
	at := ref >> 32
	return at < uint64(len(h.segments)) && uint64(uint32(ref))+headerSize <= uint64(len(h.segments[at].data))
}
