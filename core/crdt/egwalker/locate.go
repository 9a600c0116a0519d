package egwalker

import "sort"

// Range names elements by one event: Len of them, from the First on, counted over
// all that its ops insert and take away, in their order.
type Range struct {
	Event Event
	First int32
	Len   int32
}

// Replacement says that elements which the deletes of one range took away were
// put back as those that the inserts of another made.
type Replacement struct {
	Gone Range
	By   Range
}

// Piece is a part of a range as it stands in the sequence as it is. Of Insert
// these elements are there, from Pos on; of Delete they were taken away by the
// range alone, are not back, and belong in front of Pos.
type Piece struct {
	Kind  Kind
	Pos   int32
	Len   int32
	Range int   // which of those that were asked for
	First int32 // the first of them in their event, counted as Range.First
	Off   int32 // the first of them among all of its kind in the range
	id    int32 // of Delete: the name of the first
}

// Locate finds the elements of ranges in the sequence as it is. What was put back
// counts as what it replaces. The pieces ascend by position; of those of one
// position the deletes come first, as they stood. It replays what came after the
// first of the events and what is concurrent to that. bounds are the positions of the
// boundaries in the sequence: what was put back may be on the other side of one than
// what it replaces, so that they do not count for where something belongs.
func (s *Sequence) Locate(ranges []Range, replaced []Replacement, bounds []int32, order Order) []Piece {
	if len(ranges) == 0 {
		return nil
	}
	l := s.locator(ranges, replaced, order)
	l.bounds = bounds
	for _, r := range replaced {
		if r.Gone.Event > l.w.base && r.By.Event > l.w.base {
			l.replace(r)
		}
	}
	sortRuns(l.replaced)
	sortRuns(l.back)
	for _, r := range ranges {
		l.elements(r, func(kind Kind, _, id, n int32) {
			if kind == Insert {
				l.inserted = append(l.inserted, located{at: norm(id), len: n})
			}
		})
	}
	sortRuns(l.inserted)
	for i, r := range ranges {
		off := [2]int32{}
		l.elements(r, func(kind Kind, first, id, n int32) {
			if kind == Insert {
				l.there(id, n, Piece{Kind: Insert, Range: i, First: first, Off: off[kind]})
			} else {
				l.ask(id, n, Piece{Kind: Delete, Range: i, First: first, Off: off[kind]})
			}
			off[kind] += n
		})
	}
	before := func(i, j int) bool {
		a, b := &l.out[i], &l.out[j]
		switch {
		case a.Pos != b.Pos:
			return a.Pos < b.Pos
		case a.Kind != b.Kind || a.Kind == Insert:
			return a.Kind > b.Kind
		}
		return l.less(a.id, b.id)
	}
	if !sort.SliceIsSorted(l.out, before) {
		sort.SliceStable(l.out, before)
	}
	return joinPieces(l.out)
}

// joinPieces makes what was taken away in one go, and belongs together, one piece.
func joinPieces(pieces []Piece) []Piece {
	out := pieces[:0]
	for _, p := range pieces {
		if n := len(out); n > 0 && p.Kind == Delete {
			if q := &out[n-1]; q.Kind == Delete && q.Range == p.Range && q.Pos == p.Pos && q.First+q.Len == p.First && q.Off+q.Len == p.Off {
				q.Len += p.Len
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// TakenAway tells of the elements that a range took away, in the order of its ops,
// whether the range had inserted them itself: runs of n. It replays the event alone.
func (s *Sequence) TakenAway(r Range, f func(own bool, n int32)) {
	v := &s.events[r.Event]
	w := &walker{s: s, base: none, start: v.first, quiet: true}
	w.tree.moved = w.moved
	w.tree.reset()
	if v.first > 0 { // there was no more than that
		w.tree.insert(place{w.tree.first, 0}, item{id: baseID(0), len: v.first, left: noID, right: noID, event: none, state: 1})
	}
	if _, err := w.ops(r.Event, nil); err != nil {
		return // a history that does not fit itself, of a damaged image
	}
	first := v.first + r.First
	l := &locator{w: w}
	l.elements(r, func(kind Kind, _, id, n int32) {
		if kind == Insert {
			return
		}
		if id < noID {
			f(false, n)
			return
		}
		before := min(n, max(0, first-id))
		behind := min(n-before, max(0, id+n-first-r.Len))
		for i, k := range [3]int32{before, n - before - behind, behind} {
			if k > 0 {
				f(i == 1, k)
			}
		}
	})
}

// locator is a replay up to the sequence as it is, and what is looked for in it.
type locator struct {
	w        *walker
	spans    []located // what there is, in the order of the sequence; to is where in states
	byID     []located // the same by name; to is the place in spans
	states   []itemState
	replaced []located // to is the name of the first that is there instead
	back     []located // the reverse
	gone     []located // by the same names; to is when the first of what they replace went
	inserted []located // what the ranges inserted
	visible  []located // what is there, by position; to is the place in spans
	out      []Piece
	total    int32
	bounds   []int32
	last     int // of place
}

// located is a run of elements by name, as norm gives it, and what belongs to it.
type located struct {
	at  int64
	len int32
	to  int32
}

type itemState struct{ pos, state int32 }

// norm makes the names of a run ascend.
func norm(id int32) int64 {
	if id < noID {
		return int64(-2 - id)
	}
	return int64(id) + 1<<32
}

func denorm(v int64) int32 {
	if v < 1<<32 {
		return int32(-2 - v)
	}
	return int32(v - 1<<32)
}

//
//go:noinline
func sortRuns(runs []located) {
	sort.Slice(runs, func(i, j int) bool { return runs[i].at < runs[j].at })
}

// lastUpTo gives the last run that begins at v or before, or -1.
//
//go:noinline
func lastUpTo(runs []located, v int64) int {
	return sort.Search(len(runs), func(i int) bool { return runs[i].at > v }) - 1
}

// locator replays the sequence from before the ranges.
func (s *Sequence) locator(ranges []Range, replaced []Replacement, order Order) *locator {
	first := ranges[0].Event
	for _, r := range ranges {
		first = min(first, r.Event)
	}
	from := s.base(s.frontier, s.Parents(first))
	for i := 0; i < len(replaced); i++ {
		// What was put back after the base replaces what is to be in the replay too.
		if r := &replaced[i]; r.By.Event > from && r.Gone.Event <= from {
			from = s.base(s.frontier, s.Parents(r.Gone.Event))
			i = -1
		}
	}
	w := &walker{s: s, order: order}
	w.begin(from)
	for e := w.base + 1; int(e) < s.Len(); e++ {
		if err := w.replay(e); err != nil {
			panic(err) // it was checked when it was added
		}
	}
	w.moveTo(s.frontier)
	l := &locator{w: w}
	for at := w.tree.first; at >= 0; at = w.tree.leaves[at].next {
		leaf := &w.tree.leaves[at]
		for i := range leaf.n {
			it := &leaf.items[i]
			l.spans = append(l.spans, located{norm(it.id), it.len, int32(len(l.spans))})
			l.states = append(l.states, itemState{l.total, it.state})
			if it.state == 1 {
				l.visible = append(l.visible, located{int64(l.total), it.len, int32(len(l.spans) - 1)})
				l.total += it.len
			}
		}
	}
	l.byID = append(l.byID, l.spans...)
	sortRuns(l.byID)
	return l
}

// elements gives the elements of a range: runs of one kind, by their first in the
// event; of an insert the name of what it made, of a delete of what it took away.
func (l *locator) elements(r Range, f func(kind Kind, first, id, n int32)) {
	s := l.w.s
	v := &s.events[r.Event]
	from, to := max(0, r.First), min(r.First+r.Len, s.end(r.Event)-v.first)
	at := int32(0)
	for _, o := range s.ops[v.ops : v.ops+v.opCount] {
		a, b := max(from, at), min(to, at+o.Len)
		at += o.Len
		if a >= b {
			continue
		}
		if o.Kind != Delete {
			if o.Kind == Insert { // boundaries are no one's to find
				f(Insert, a, v.first+a, b-a)
			}
			continue
		}
		targets := l.w.refs[v.first+a-l.w.start : v.first+b-l.w.start]
		for len(targets) > 0 {
			n := int32(1)
			for int(n) < len(targets) && targets[n] == idAt(targets[0], n) {
				n++
			}
			f(Delete, a, targets[0], n)
			a += n
			targets = targets[n:]
		}
	}
}

// replace notes a replacement, element by element.
func (l *locator) replace(r Replacement) {
	v := &l.w.s.events[r.By.Event]
	next, from := v.first+r.By.First, l.w.s.events[r.Gone.Event].first
	l.elements(r.Gone, func(kind Kind, first, id, n int32) {
		if kind == Delete {
			if next > id { // else a stored record is not of this text
				l.replaced = append(l.replaced, located{norm(id), n, next})
				l.back = append(l.back, located{norm(next), n, id})
				l.gone = append(l.gone, located{norm(next), n, from + first})
			}
			next += n
		}
	})
}

// there adds what is there of n elements, or of what replaces them.
func (l *locator) there(id, n int32, p Piece) {
	for n > 0 {
		v := norm(id)
		i := lastUpTo(l.byID, v)
		if i < 0 || v >= l.byID[i].at+int64(l.byID[i].len) {
			return
		}
		span := &l.byID[i]
		off := int32(v - span.at)
		done := min(n, span.len-off)
		if st := l.states[span.to]; st.state == 1 {
			p.Pos, p.Len = st.pos+off, done
			l.out = append(l.out, p)
		} else if k := lastUpTo(l.replaced, v); k >= 0 {
			r := &l.replaced[k]
			if over := int32(v - r.at); over < r.len {
				done = min(done, r.len-over)
				l.there(r.to+over, done, p)
			} else if k+1 < len(l.replaced) {
				done = min(done, int32(min(l.replaced[k+1].at-v, int64(done))))
			}
		} else if len(l.replaced) > 0 {
			done = int32(min(l.replaced[0].at-v, int64(done)))
		}
		id, n = idAt(id, done), n-done
		p.First += done
		p.Off += done
	}
}

// position is where an element, or what replaces it, stands; false if it is gone.
//
//go:noinline
func (l *locator) position(v int64) (int32, bool) {
	for {
		i := lastUpTo(l.byID, v)
		if i < 0 || v >= l.byID[i].at+int64(l.byID[i].len) {
			return 0, false
		}
		span := &l.byID[i]
		if st := l.states[span.to]; st.state == 1 {
			return st.pos + int32(v-span.at), true
		}
		k := lastUpTo(l.replaced, v)
		if k < 0 || v >= l.replaced[k].at+int64(l.replaced[k].len) {
			return 0, false
		}
		v = norm(l.replaced[k].to + int32(v-l.replaced[k].at))
	}
}

// replaces is what an element replaces, if it was put back.
//
//go:noinline
func (l *locator) replaces(id int32) (int32, bool) {
	v := norm(id)
	k := lastUpTo(l.back, v)
	if k < 0 || v >= l.back[k].at+int64(l.back[k].len) {
		return 0, false
	}
	return idAt(l.back[k].to, int32(v-l.back[k].at)), true
}

// alike gives of how many of n elements it is true that they replace elements that
// stand in a row, or none, and so on.
func (l *locator) alike(id, n int32) int32 {
	for {
		v := norm(id)
		k := lastUpTo(l.back, v)
		if k+1 < len(l.back) {
			n = int32(min(int64(n), l.back[k+1].at-v))
		}
		if k < 0 || v >= l.back[k].at+int64(l.back[k].len) {
			return n
		}
		over := int32(v - l.back[k].at)
		id, n = idAt(l.back[k].to, over), min(n, l.back[k].len-over)
	}
}

// ask finds where n elements belong that a range took away, if nobody else did, the
// ranges did not insert them, and they are not back.
func (l *locator) ask(id, n int32, p Piece) {
	for n > 0 {
		v := norm(id)
		i := lastUpTo(l.byID, v)
		if i < 0 || v >= l.byID[i].at+int64(l.byID[i].len) {
			return
		}
		done := l.alike(id, min(n, l.byID[i].len-int32(v-l.byID[i].at)))
		for _, runs := range [2][]located{l.inserted, l.replaced} {
			k := lastUpTo(runs, v)
			if k+1 < len(runs) {
				done = int32(min(int64(done), runs[k+1].at-v))
			}
			if k >= 0 && v < runs[k].at+int64(runs[k].len) {
				done = min(done, int32(runs[k].at+int64(runs[k].len)-v))
			}
		}
		own := lastUpTo(l.inserted, v)
		mine := own >= 0 && v < l.inserted[own].at+int64(l.inserted[own].len)
		if _, back := l.position(v); !mine && !back && l.states[l.byID[i].to].state == 2 {
			l.belong(id, done, p)
		}
		id, n = idAt(id, done), n-done
		p.First += done
		p.Off += done
	}
}

// belong adds where elements that are gone belong; they stood in a row.
func (l *locator) belong(id, n int32, p Piece) {
	from, to := l.place(id), l.place(idAt(id, n-1))
	if from == to {
		p.Pos, p.Len, p.id = from, n, id
		l.out = append(l.out, p)
		return
	}
	half := n / 2
	l.belong(id, half, p)
	p.First += half
	p.Off += half
	l.belong(idAt(id, half), n-half, p)
}

// place is the position of the first element there, no boundary, that comes after one
// that is gone.
func (l *locator) place(id int32) int32 {
	n := int(l.total) - len(l.bounds)
	before := func(k int) bool { return l.less(id, l.name(l.behind(k))) }
	k := l.last // where the one before belongs, as many do
	if k > n || k < n && !before(k) || k > 0 && before(k-1) {
		k = sort.Search(n, before)
		l.last = k
	}
	if k == n {
		return l.total
	}
	return l.behind(k)
}

// behind is the position of the element that has k in front of it that are no
// boundaries.
func (l *locator) behind(k int) int32 {
	return int32(k + sort.Search(len(l.bounds), func(i int) bool { return int(l.bounds[i])-i > k }))
}

// name is the name of the element at a position.
//
//go:noinline
func (l *locator) name(pos int32) int32 {
	at := &l.visible[lastUpTo(l.visible, int64(pos))]
	return denorm(l.spans[at.to].at + int64(pos) - at.at)
}

// less reports whether one element comes before another. Elements that were put
// back are not where those that they replace stood, but left of all that was gone
// there. So it compares what there was of both when the younger one came.
func (l *locator) less(a, b int32) bool {
	then := max(l.born(a), l.born(b))
	p, x := l.at(l.then(a, then))
	q, y := l.at(l.then(b, then))
	return p < q || p == q && x < y
}

// born is when what an element is for came: the number of its first, -1 for what
// is of the base.
//
//go:noinline
func (l *locator) born(id int32) int32 {
	for {
		before, ok := l.replaces(id)
		if !ok {
			return max(id, -1)
		}
		id = before
	}
}

// then is what was there of an element at some time.
//
//go:noinline
func (l *locator) then(id, time int32) int32 {
	for id > time {
		before, ok := l.replaces(id)
		if !ok {
			break
		}
		id = before
	}
	return id
}

// at is which span an element is in, and where.
//
//go:noinline
func (l *locator) at(id int32) (span, off int32) {
	i := lastUpTo(l.byID, norm(id))
	return l.byID[i].to, int32(norm(id) - l.byID[i].at)
}
