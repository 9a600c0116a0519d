package egwalker

import (
	"math"
	"sort"
)

// PutBack finds what is there of elements that were put back: runs of n from a
// position on that stand behind the same boundaries, ascending. It asks wanted for
// what it is to look at; fresh are those of the last replacements, so many. bounds are
// the positions of the boundaries, ascending; those in front of a run are those that
// came before its elements, or as to boundaries that are older before what they
// replace. One that skipped says true of is not if it came while the elements were
// away. flip says of a boundary that it is in front of the runs that follow, or is no
// longer; at first none is.
func (s *Sequence) PutBack(replaced []Replacement, fresh int, bounds []int32, order Order, skipped func(i int) bool, wanted func(pos, n int32, fresh bool) bool, flip func(i int), f func(pos, n int32, fresh bool)) {
	if len(replaced) == 0 {
		return
	}
	ranges := make([]Range, len(replaced))
	for i, r := range replaced {
		ranges[i] = r.Gone
	}
	l := s.locator(ranges, replaced, order)
	for _, r := range replaced {
		l.replace(r)
	}
	freshID := int32(math.MaxInt32)
	for _, r := range replaced[len(replaced)-fresh:] {
		freshID = min(freshID, s.events[r.By.Event].first+r.By.First)
	}
	sortRuns(l.replaced)
	sortRuns(l.back)
	sortRuns(l.gone)
	w := l.sweep(bounds, skipped)
	var last backRun
	tell := func() {
		if last.n > 0 {
			f(last.pos, last.n, last.id >= freshID)
		}
	}
	for _, r := range l.backRuns(func(r backRun) bool { return wanted(r.pos, r.n, r.id >= freshID) }) {
		flips := w.moveTo(r.id)
		if len(flips) == 0 && r.pos == last.pos+last.n && (r.id >= freshID) == (last.id >= freshID) {
			last.n += r.n
			continue
		}
		tell()
		for _, i := range flips {
			flip(int(i))
		}
		last = r
	}
	tell()
}

// backRun is elements that were put back and stand together, as did each time what
// they replace.
type backRun struct{ pos, n, id int32 }

// backRuns gives what is there of what was put back, ascending.
func (l *locator) backRuns(wanted func(backRun) bool) (runs []backRun) {
	for _, b := range l.back {
		for id, n := denorm(b.at), b.len; n > 0; {
			i := lastUpTo(l.byID, norm(id))
			if i < 0 || norm(id) >= l.byID[i].at+int64(l.byID[i].len) {
				break // a stored record is not of this text
			}
			off := int32(norm(id) - l.byID[i].at)
			done := l.together(id, min(n, l.byID[i].len-off))
			if st := l.states[l.byID[i].to]; st.state == 1 {
				if r := (backRun{st.pos + off, done, id}); wanted(r) {
					runs = append(runs, r)
				}
			}
			id, n = idAt(id, done), n-done
		}
	}
	sort.Slice(runs, func(i, j int) bool { return runs[i].pos < runs[j].pos })
	return runs
}

// together gives of how many of n elements it is true that what they replace, and what
// that does, is of one run.
func (l *locator) together(id, n int32) int32 {
	n = l.alike(id, n)
	for {
		before, ok := l.replaces(id)
		if !ok {
			return n
		}
		id = before
		i := lastUpTo(l.byID, norm(id))
		if i < 0 || norm(id) >= l.byID[i].at+int64(l.byID[i].len) {
			return n
		}
		n = min(n, int32(l.byID[i].at+int64(l.byID[i].len)-norm(id)))
	}
}

// sweep goes from element to element and knows which boundaries are in front. Boundary
// k by time is byTime[k], and ranks[i] is the reverse.
type sweep struct {
	l             *locator
	at            []int64 // of the boundaries: the span, and where in it
	times         []int32 // when they came, ascending
	byTime, ranks []int32
	skipped       []bool
	now, next     chain
	flips         []int32
}

// chain is what an element and those that it replaces come to for the boundaries. By
// time, from the last on, its parts are those that came while it was there, while what
// it replaces was gone, while that was there, and so on.
type chain struct {
	from  []int32 // with which boundary by time each part begins; the last part is of all before
	front []int32 // how many boundaries stand in front of it, what it replaces, and so on
}

// part gives where part k begins, and what it is compared with.
func (c *chain) part(k int) (from, front int32) {
	if k < len(c.from) {
		from = c.from[k]
	}
	return from, c.front[(k+1)/2]
}

func (l *locator) sweep(bounds []int32, skipped func(i int) bool) *sweep {
	w := &sweep{l: l, now: chain{front: []int32{0}}, byTime: make([]int32, len(bounds)), ranks: make([]int32, len(bounds))}
	born := make([]int32, len(bounds))
	for i, pos := range bounds {
		id := l.name(pos)
		span, off := l.at(id)
		w.at = append(w.at, int64(span)<<32|int64(off))
		w.byTime[i], born[i] = int32(i), max(id, -1)
		w.skipped = append(w.skipped, skipped(i))
	}
	sort.Slice(w.byTime, func(a, b int) bool { return born[w.byTime[a]] < born[w.byTime[b]] })
	for k, i := range w.byTime {
		w.ranks[i] = int32(k)
		w.times = append(w.times, born[i])
	}
	return w
}

// moveTo gives the boundaries that are in front of an element and were not in front of
// the one before, or the reverse.
func (w *sweep) moveTo(id int32) []int32 {
	w.now, w.next = w.next, w.now
	w.chain(&w.now, id)
	w.flips = w.flips[:0]
	before, after := 0, 0
	for end := int32(len(w.at)); end > 0; {
		a, from := w.next.part(before)
		b, to := w.now.part(after)
		first := max(a, b)
		w.compare(first, end, from, to, before&1 == 1, after&1 == 1)
		if a == first {
			before++
		}
		if b == first {
			after++
		}
		end = first
	}
	return w.flips
}

// chain sets what an element comes to.
func (w *sweep) chain(c *chain, id int32) {
	l := w.l
	c.from, c.front = c.from[:0], c.front[:0]
	came := func(time int32) {
		n := int32(sort.Search(len(w.times), func(k int) bool { return w.times[k] >= time }))
		if k := len(c.from); k > 0 {
			n = min(n, c.from[k-1])
		}
		c.from = append(c.from, n)
	}
	for {
		span, off := l.at(id)
		at := int64(span)<<32 | int64(off)
		c.front = append(c.front, int32(sort.Search(len(w.at), func(i int) bool { return w.at[i] >= at })))
		before, ok := l.replaces(id)
		if !ok {
			return
		}
		came(id)
		g := &l.gone[lastUpTo(l.gone, norm(id))]
		came(g.to + int32(norm(id)-g.at))
		id = before
	}
}

// compare notes what differs for the boundaries from one to another by time, of which
// so many were in front and are. Where away is set those that are skipped do not count.
func (w *sweep) compare(from, end, was, is int32, wasAway, isAway bool) {
	low, high := min(was, is), max(was, is)
	if wasAway == isAway && high-low <= end-from {
		for i := low; i < high; i++ {
			if k := w.ranks[i]; k >= from && k < end && !(isAway && w.skipped[i]) {
				w.flips = append(w.flips, i)
			}
		}
		return
	}
	if wasAway == isAway && low == high {
		return
	}
	for _, i := range w.byTime[from:end] {
		if before, now := i < was && !(wasAway && w.skipped[i]), i < is && !(isAway && w.skipped[i]); before != now {
			w.flips = append(w.flips, i)
		}
	}
}
