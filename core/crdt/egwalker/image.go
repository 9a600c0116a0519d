package egwalker

import "github.com/echospace/echospace/core/crdt/flat"

// Pack writes the history. A replay that is kept is not in it: what it gives is
// made again from the history.
func (s *Sequence) Pack(p *flat.Pack) {
	for _, n := range [...]int{len(s.events), len(s.parents), len(s.ops), len(s.frontier), int(s.length)} {
		p.Uint(uint64(n))
	}
	pack := func(n int, value func(i int) int64) {
		c := make([]int64, n)
		for i := range c {
			c[i] = value(i)
		}
		p.Ints(c)
	}
	pack(len(s.events), func(i int) int64 { return int64(s.events[i].parentCount) })
	pack(len(s.events), func(i int) int64 { return int64(s.events[i].opCount) })
	pack(len(s.events), func(i int) int64 { return int64(s.events[i].length) })
	parents := make([]int64, 0, len(s.parents))
	for e := range s.events {
		for _, q := range s.Parents(Event(e)) {
			parents = append(parents, int64(e)-int64(q))
		}
	}
	p.Ints(parents)
	pack(len(s.frontier), func(i int) int64 { return int64(s.frontier[i]) })
	pack(len(s.ops), func(i int) int64 { return int64(s.ops[i].Kind) })
	pack(len(s.ops), func(i int) int64 { return int64(s.ops[i].Pos) })
	pack(len(s.ops), func(i int) int64 { return int64(s.ops[i].Len) })
}

// Unpack makes the history that Pack wrote. What it says is kept in range.
func (s *Sequence) Unpack(u *flat.Unpack) {
	*s = Sequence{}
	const most = 1 << 28
	var sizes [4]uint64
	for i := range sizes {
		sizes[i] = u.Uint(most)
	}
	n, parentCount, opCount, frontier := sizes[0], sizes[1], sizes[2], sizes[3]
	s.length = int32(u.Uint(MaxLength))
	var columns [8][]int64
	for i, c := range [...]struct {
		n           uint64
		least, most int64
	}{
		{n, 0, int64(n)}, {n, 0, int64(opCount)}, {n, 0, MaxLength}, {parentCount, 1, int64(n)}, {frontier, 0, int64(n) - 1},
		{opCount, 0, int64(lastKind)}, {opCount, 0, MaxLength}, {opCount, 1, MaxLength},
	} {
		columns[i] = u.Column(int(c.n))
		u.Ints(columns[i], c.least, c.most)
	}
	parentCounts, opCounts, lengths, parents := columns[0], columns[1], columns[2], columns[3]
	tips, kinds, pos, lens := columns[4], columns[5], columns[6], columns[7]
	if u.Bad() {
		return
	}
	s.ops = make([]Op, opCount)
	for i := range s.ops {
		s.ops[i] = Op{Kind(kinds[i]), int32(pos[i]), int32(lens[i])}
	}
	s.events, s.parents = make([]event, n), make([]Event, 0, parentCount)
	ops := int64(0)
	for e := range s.events {
		s.events[e] = event{
			parents: uint32(len(s.parents)), parentCount: uint32(parentCounts[e]), ops: uint32(ops), opCount: uint32(opCounts[e]),
			first: s.count, length: int32(lengths[e]),
		}
		if ops += opCounts[e]; ops > int64(opCount) || parentCounts[e] > int64(len(parents)) {
			u.Fail()
			return
		}
		for _, back := range parents[:parentCounts[e]] {
			if back > int64(e) {
				u.Fail()
				return
			}
			s.parents = append(s.parents, Event(e)-Event(back))
		}
		parents = parents[parentCounts[e]:]
		for _, o := range s.Ops(Event(e)) {
			if o.Len > MaxLength-s.count {
				u.Fail()
				return
			}
			s.count += o.Len
		}
	}
	if ops != int64(opCount) || len(parents) > 0 {
		u.Fail()
	}
	for _, e := range tips {
		s.frontier = append(s.frontier, Event(e))
	}
}
