package egwalker

import (
	"math"
	"slices"
)

// PutBack finds what is there of elements that were put back: runs of n from a
// position on that stand behind the same boundaries. It asks wanted for what it is
// to look at; fresh are those of the last replacements, so many. bounds are the
// positions of the boundaries; front are those of them that came before the elements,
// or as to boundaries that are older before what they replace. One that skipped says
// true of is none of them if it came while the elements were away.
func (s *Sequence) PutBack(replaced []Replacement, fresh int, bounds []int32, order Order, skipped func(i int) bool, wanted func(pos, n int32, fresh bool) bool, f func(pos, n int32, front []int32, fresh bool)) {
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
	names := make([]int32, len(bounds))
	for i, pos := range bounds {
		names[i] = l.name(pos)
	}
	front := func(id int32) (out []int32) {
		for i, b := range names {
			if !(skipped(i) && l.away(id, b)) && l.less(b, id) {
				out = append(out, int32(i))
			}
		}
		return out
	}
	var parts func(pos, id, n int32)
	parts = func(pos, id, n int32) {
		first := front(id)
		if n == 1 || slices.Equal(first, front(idAt(id, n-1))) { // they stood in a row
			f(pos, n, first, id >= freshID)
			return
		}
		half := n / 2
		parts(pos, id, half)
		parts(pos+half, idAt(id, half), n-half)
	}
	for _, r := range l.back {
		for id, n := denorm(r.at), r.len; n > 0; {
			i := lastUpTo(l.byID, norm(id))
			if i < 0 || norm(id) >= l.byID[i].at+int64(l.byID[i].len) {
				break // a stored record is not of this text
			}
			off := int32(norm(id) - l.byID[i].at)
			done := l.alike(id, min(n, l.byID[i].len-off))
			if st := l.states[l.byID[i].to]; st.state == 1 && wanted(st.pos+off, done, id >= freshID) {
				parts(st.pos+off, id, done)
			}
			id, n = idAt(id, done), n-done
		}
	}
}

// away reports whether an element was gone, and not back yet, at some time.
func (l *locator) away(id, time int32) bool {
	for id > time {
		before, ok := l.replaces(id)
		if !ok {
			return false
		}
		g := &l.gone[lastUpTo(l.gone, norm(id))]
		if time > g.to+int32(norm(id)-g.at) {
			return true
		}
		id = before
	}
	return false
}
