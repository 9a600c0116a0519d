package plain

import "slices"

// Op puts Len elements in front of position Pos, or takes away the Len elements
// from Pos on. Positions are those that the writer saw after the op before.
type Op struct {
	Delete   bool
	Pos, Len int
	Side     Side // of an insert of one element
}

// Side tells which neighbour a boundary stays with.
type Side int8

// The sides.
const (
	Left  Side = -1 // directly behind the element before it
	Free  Side = 0
	Right Side = 1 // directly in front of the element behind it
)

// Event is a burst of ops of one writer. Content is what they insert.
type Event struct {
	Ops     []Op
	Content []rune
}

// Edit is what is to be done to the text as it is.
type Edit struct {
	Delete  bool
	Pos     int
	Content []rune // of a delete: what is taken away
}

// History holds events, each behind all that it follows. Follows tells whether
// event a has b in its past; Before is the order of concurrent events.
type History struct {
	Events  []Event
	Follows func(a, b int) bool
	Before  func(a, b int) bool
}

type replay struct {
	h     History
	items []item
	edits []Edit // of the event that was replayed last
}

type item struct {
	event, at   int // the at-th element that the event inserts
	left, right *itemID
	deleted     []int // the events that deleted it
	char        rune
	side        Side
	near        bool // comes before all others with its left
}

type itemID struct{ event, at int }

func (i *item) id() itemID { return itemID{i.event, i.at} }

func (w *replay) index(id *itemID, absent int) int {
	if id == nil {
		return absent
	}
	return slices.IndexFunc(w.items, func(i item) bool { return i.id() == *id })
}

// Replay gives the text, and what its last event does to that of the others.
func (h History) Replay() (text []rune, last []Edit) {
	w := &replay{h: h}
	for n := range h.Events {
		w.edits = nil
		w.event(n)
	}
	for _, i := range w.items {
		if len(i.deleted) == 0 {
			text = append(text, i.char)
		}
	}
	return text, w.edits
}

// Order gives all elements that were ever inserted, in order, each by its event
// and its place among what that inserts.
func (h History) Order() (order [][2]int) {
	w := &replay{h: h}
	for n := range h.Events {
		w.event(n)
	}
	for _, i := range w.items {
		order = append(order, [2]int{i.event, i.at})
	}
	return order
}

// position is how many elements of the text as it is stand before item i.
func (w *replay) position(i int) (n int) {
	for _, it := range w.items[:i] {
		if len(it.deleted) == 0 {
			n++
		}
	}
	return n
}

func (w *replay) event(n int) {
	seen := func(e int) bool { return e == n || w.h.Follows(n, e) }
	known := func(i *item) bool { return seen(i.event) }
	there := func(i *item) bool { return known(i) && !slices.ContainsFunc(i.deleted, seen) }
	at := 0
	for _, o := range w.h.Events[n].Ops {
		for k := range o.Len {
			if o.Delete {
				w.remove(n, o.Pos, there)
			} else {
				w.insert(n, at, o.Pos+k, o.Side, known, there)
				at++
			}
		}
	}
}

func (w *replay) remove(n, pos int, there func(*item) bool) {
	for i := range w.items {
		it := &w.items[i]
		if !there(it) {
			continue
		}
		if pos == 0 {
			if len(it.deleted) == 0 {
				w.edits = append(w.edits, Edit{true, w.position(i), []rune{it.char}})
			}
			it.deleted = append(it.deleted, n)
			return
		}
		pos--
	}
}

func (w *replay) insert(n, at, pos int, side Side, known, there func(*item) bool) {
	cursor := 0
	for ; pos > 0; cursor++ {
		if there(&w.items[cursor]) {
			pos--
		}
	}
	fresh := item{event: n, at: at, char: w.h.Events[n].Content[at], side: side}
	if side == Right {
		cursor = w.behindKnown(w.thereFrom(cursor, there), known)
		if next := w.thereFrom(cursor, there); next < len(w.items) {
			id := w.items[next].id()
			fresh.left, fresh.right = w.items[next].left, &id
		}
		w.put(w.place(cursor, fresh, known), fresh)
		return
	}
	fresh.near = side == Left
	if cursor > 0 {
		id := w.items[cursor-1].id()
		fresh.left = &id
		for fresh.left != nil && w.items[w.index(fresh.left, -1)].side == Left {
			fresh.left = w.items[w.index(fresh.left, -1)].left
		}
	}
	for i := cursor; i < len(w.items); i++ {
		if next := &w.items[i]; known(next) && next.side != Right {
			if next.left == nil && fresh.left == nil || next.left != nil && fresh.left != nil && *next.left == *fresh.left {
				id := next.id()
				fresh.right, fresh.near = &id, fresh.near && next.side != Left
			}
			break
		}
	}
	w.put(w.place(cursor, fresh, known), fresh)
}

func (w *replay) put(cursor int, fresh item) {
	w.edits = append(w.edits, Edit{false, w.position(cursor), []rune{fresh.char}})
	w.items = slices.Insert(w.items, cursor, fresh)
}

// thereFrom is the first item from i on that its writer sees.
func (w *replay) thereFrom(i int, there func(*item) bool) int {
	for i < len(w.items) && !there(&w.items[i]) {
		i++
	}
	return i
}

// behindKnown is the place behind the last item before i that its writer knows.
func (w *replay) behindKnown(i int, known func(*item) bool) int {
	for i > 0 && !known(&w.items[i-1]) {
		i--
	}
	return i
}

// place is where an item comes among those at the cursor that its writer does
// not know.
func (w *replay) place(cursor int, fresh item, known func(*item) bool) int {
	left, right := w.index(fresh.left, -1), w.right(&fresh)
	scanning := false
	for i := cursor; i < len(w.items) && !known(&w.items[i]); i++ {
		other := &w.items[i]
		l := w.index(other.left, -1)
		if l < left {
			break
		}
		if l == left {
			r := w.right(other)
			if r == right && (fresh.side < other.side || fresh.side == other.side && w.h.Before(fresh.event, other.event)) {
				break
			}
			scanning = r < right
		}
		if !scanning {
			cursor = i + 1
		}
	}
	return cursor
}

// right is where an item's right parent stands.
func (w *replay) right(i *item) int {
	if i.near {
		return len(w.items) + 1
	}
	return w.index(i.right, len(w.items))
}
