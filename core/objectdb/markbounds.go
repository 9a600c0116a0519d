package objectdb

import (
	"sort"

	"github.com/echospace/echospace/core/crdt/egwalker"
)

// boundEditor makes many changes to the boundaries of a text. It costs how far it has
// to go from one to the next, not how many there are: it holds those in front of a
// cursor, and in reverse those behind it, whose positions it has not changed yet.
// The marks have them after settle, until the next change.
type boundEditor struct {
	m     *marks
	front []boundary
	rest  []boundary
	by    int32 // is to be added to the positions of rest
}

func (m *marks) editor() *boundEditor {
	e := &boundEditor{m: m, rest: m.bounds, front: make([]boundary, 0, len(m.bounds)+2)}
	for i, j := 0, len(e.rest)-1; i < j; i, j = i+1, j-1 {
		e.rest[i], e.rest[j] = e.rest[j], e.rest[i]
	}
	m.bounds = nil
	return e
}

// settle gives the marks their boundaries.
func (e *boundEditor) settle() {
	e.right(len(e.rest))
	e.m.bounds = e.front
}

// right moves the cursor behind so many boundaries, and left in front of so many.
func (e *boundEditor) right(n int) {
	last := len(e.rest) - n
	for i := len(e.rest) - 1; i >= last; i-- {
		b := e.rest[i]
		b.at += e.by
		e.front = append(e.front, b)
	}
	e.rest = e.rest[:last]
}

func (e *boundEditor) left(n int) {
	last := len(e.front) - n
	for i := len(e.front) - 1; i >= last; i-- {
		b := e.front[i]
		b.at -= e.by
		e.rest = append(e.rest, b)
	}
	e.front = e.front[:last]
}

// seek moves the cursor behind the boundaries before which is true, which is so of
// the first ones: by their position and how many are in front of them.
func (e *boundEditor) seek(before func(at, i int32) bool) int32 {
	n := len(e.front)
	if n > 0 && !before(e.front[n-1].at, int32(n-1)) {
		e.left(n - sort.Search(n, func(i int) bool { return !before(e.front[i].at, int32(i)) }))
		return int32(len(e.front))
	}
	m := len(e.rest)
	if m > 0 && before(e.rest[m-1].at+e.by, int32(n)) {
		e.right(sort.Search(m, func(i int) bool { return !before(e.rest[m-1-i].at+e.by, int32(n+i)) }))
	}
	return int32(len(e.front))
}

func (e *boundEditor) seekPlace(place int32) int32 {
	return e.seek(func(at, i int32) bool { return at+i < place })
}

// put, take, bind and placeFor are those of marks.
func (e *boundEditor) put(place, n int32) int32 {
	k := e.seekPlace(place)
	e.by += n
	return place - k
}

func (e *boundEditor) take(place, n int32) (pos, chars int32) {
	k := e.seekPlace(place)
	gone := int32(0)
	for len(e.rest) > 0 {
		b := e.rest[len(e.rest)-1]
		if b.at+e.by+k+gone >= place+n {
			break
		}
		if b.mark != noMark {
			e.m.rows[b.mark/2].ends--
		}
		e.rest = e.rest[:len(e.rest)-1]
		gone++
	}
	e.by -= n - gone
	return place - k, n - gone
}

func (e *boundEditor) bind(place, mark int32, side egwalker.Kind) {
	k := e.seekPlace(place)
	e.front = append(e.front, boundary{place - k, mark, side})
	if mark != noMark {
		e.m.rows[mark/2].ends++
	}
}

func (e *boundEditor) placeFor(pos int32, side egwalker.Kind) int32 {
	if side == egwalker.InsertAfter {
		return pos + e.seek(func(at, _ int32) bool { return at < pos })
	}
	return pos + e.seek(func(at, _ int32) bool { return at <= pos })
}
