package egwalker

import "github.com/echospace/echospace/core/crdt/flat"

// Pack writes the history. A replay that is kept is not in it: what it gives is
// made again from the history.
func (s *Sequence) Pack(p *flat.Pack) {
	var c [3][]int64 // parents, ops and length of each event
	for i := range s.events {
		v := &s.events[i]
		for k, x := range [...]int64{int64(v.parentCount), int64(v.opCount), int64(v.length)} {
			c[k] = append(c[k], x)
		}
	}
	p.Uint(uint64(len(s.events)))
	p.Uint(uint64(len(s.parents)))
	p.Uint(uint64(len(s.ops)))
	p.Uint(uint64(len(s.frontier)))
	p.Uint(uint64(s.length))
	for _, list := range c {
		p.Ints(list)
	}
	var parents []int64
	for e := range s.events {
		for _, q := range s.Parents(Event(e)) {
			parents = append(parents, int64(e)-int64(q))
		}
	}
	p.Ints(parents)
	var frontier []int64
	for _, e := range s.frontier {
		frontier = append(frontier, int64(e))
	}
	p.Ints(frontier)
	kinds, pos, lens := make([]int64, len(s.ops)), make([]int64, len(s.ops)), make([]int64, len(s.ops))
	for i, o := range s.ops {
		kinds[i], pos[i], lens[i] = int64(o.Kind), int64(o.Pos), int64(o.Len)
	}
	p.Ints(kinds)
	p.Ints(pos)
	p.Ints(lens)
}

// Unpack makes the history that Pack wrote. What it says is kept in range.
func (s *Sequence) Unpack(u *flat.Unpack) {
	*s = Sequence{}
	const most = 1 << 28
	n, parentCount, opCount, frontier := u.Uint(most), u.Uint(most), u.Uint(most), u.Uint(most)
	s.length = int32(u.Uint(MaxLength))
	column := func(n uint64, least, most int64) []int64 {
		c := u.Column(int(n))
		u.Ints(c, least, most)
		return c
	}
	parentCounts, opCounts, lengths := column(n, 0, int64(n)), column(n, 0, int64(opCount)), column(n, 0, MaxLength)
	parents := column(parentCount, 1, int64(n))
	tips := column(frontier, 0, int64(n)-1)
	kinds, pos, lens := column(opCount, 0, int64(lastKind)), column(opCount, 0, MaxLength), column(opCount, 1, MaxLength)
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
