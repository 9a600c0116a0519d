package egwalker

import "slices"

// walker is the state of a replay: the elements that were there at the base and
// all that events after it inserted, in order, each with what it is in the
// version that the walker is at and in the sequence as it is.
type walker struct {
	s     *Sequence
	order Order
	base  Event   // up to which nothing is replayed: as Sequence.base gives it
	next  Event   // the first event after the base that it has not replayed
	start int32   // number of the first element after the base
	many  int     // after how many ops to look for a later base
	at    []Event // the version, ascending
	quiet bool    // what ops come to in the sequence as it is is not asked for
	tree  tree
	// While it is on its way to a version: what is to be taken out, and put back in
	// behind that, the last first.
	to, away, back []Event
	// refs says per element number, from start on: of an inserted one the leaf
	// that it is in, of a deletion the element that it took away.
	refs []int32
}

// moved notes the leaf of a run of elements.
func (w *walker) moved(id, n, leaf int32) {
	if id < noID {
		return
	}
	refs := w.refs[id-w.start : id-w.start+n]
	for i := range refs {
		refs[i] = leaf
	}
}

// replay replays an event whose edits were made.
func (w *walker) replay(e Event) error {
	w.quiet = true
	_, err := w.event(e, nil)
	w.quiet = false
	return err
}

// event replays an event and appends the edits that it comes to.
func (w *walker) event(e Event, edits []Edit) ([]Edit, error) {
	w.moveTo(w.s.Parents(e))
	edits, err := w.ops(e, edits)
	if err == nil {
		w.s.events[e].length = w.tree.total[cur]
		w.at = append(w.at[:0], e)
		w.next = e + 1
	}
	return edits, err
}

// ops replays the ops of an event in the version that its writer saw.
func (w *walker) ops(e Event, edits []Edit) ([]Edit, error) {
	s := w.s
	v := &s.events[e]
	first := v.first
	if need := int(s.end(e) - w.start); need > len(w.refs) {
		w.refs = slices.Grow(w.refs, need-len(w.refs))[:need]
	}
	from := int32(0)
	for i := v.ops; i < v.ops+v.opCount; i++ {
		o := s.ops[i]
		if err := o.check(w.tree.total[cur], 0); err != nil {
			return edits, err
		}
		switch o.Kind {
		case Delete:
			edits = w.delete(first, o, edits)
		case InsertBefore:
			pos := w.insertBefore(e, first, o.Pos)
			edits = w.inserted(edits, Edit{Op{o.Kind, pos, 1}, from})
			from++
		default:
			pos := w.insert(e, first, o)
			edits = w.inserted(edits, Edit{Op{o.Kind, pos, o.Len}, from})
			from += o.Len
		}
		first += o.Len
	}
	return edits, nil
}

func (w *walker) inserted(edits []Edit, e Edit) []Edit {
	if w.quiet {
		return edits
	}
	return append(edits, e)
}

// find gives the item that an element is in, and where in it.
func (w *walker) find(id int32) (place, int32) {
	if id < noID {
		return w.tree.find(base, -2-id)
	}
	at := w.refs[id-w.start]
	l := &w.tree.leaves[at]
	for i := range l.n {
		if it := &l.items[i]; it.id >= 0 && id >= it.id && id < it.id+it.len {
			return place{at, i}, id - it.id
		}
	}
	panic("egwalker: an element is not where it was noted")
}

// insert puts the elements from number first on in front of position o.Pos, and
// gives the position in the sequence as it is.
func (w *walker) insert(e Event, first int32, o Op) int32 {
	t := &w.tree
	p, left := place{t.first, 0}, int32(noID)
	if o.Pos > 0 {
		var off int32
		p, off = t.find(cur, o.Pos-1)
		left = idAt(t.item(p).id, off)
		for it := t.item(p); it.kind == InsertAfter; { // what that is behind is its left too
			if left = it.left; left == noID {
				break
			}
			at, _ := w.find(left)
			it = t.item(at)
		}
		if off+1 < t.item(p).len {
			p = t.split(p, off+1)
		} else {
			p.at++
		}
	}
	i := item{id: first, len: o.Len, left: left, right: noID, event: e, state: 1, kind: o.Kind}
	next, ok := t.knownFrom(p)
	if ok = ok && next.left == left; ok {
		i.right = next.id
	}
	if o.Kind == InsertAfter && !(ok && next.kind == InsertAfter) {
		i.right = nearID
	}
	p = w.integrate(p, &i)
	pos := w.position(p)
	if p.at > 0 {
		prev := t.item(place{p.leaf, p.at - 1})
		if o.Kind == Insert && prev.kind == Insert && prev.event == e && prev.id+prev.len == first && left == first-1 && prev.state == 1 && i.right == noID && !prev.gone {
			t.resize(place{p.leaf, p.at - 1}, prev.len+o.Len)
			w.moved(first, o.Len, p.leaf)
			return pos
		}
	}
	t.insert(p, i)
	return pos
}

// insertBefore puts a boundary directly in front of position pos, as the last of
// the left children of the element there, and gives the position in the sequence
// as it is. At the end of all it comes last.
func (w *walker) insertBefore(e Event, first, pos int32) int32 {
	t := &w.tree
	i := item{id: first, len: 1, left: noID, right: noID, event: e, state: 1, kind: InsertBefore}
	before := t.total[known]
	if pos < t.total[cur] {
		p, off := t.find(cur, pos)
		if off > 0 {
			p = t.split(p, off)
		}
		i.left, i.right = t.item(p).left, t.item(p).id
		before = t.before(p, known)
	}
	p := place{t.first, 0}
	if before > 0 { // what its writer does not know stands between
		var off int32
		p, off = t.find(known, before-1)
		if off+1 < t.item(p).len {
			panic("egwalker: an element is in the middle of a run")
		}
		p.at++
	}
	p = w.integrate(p, &i)
	at := w.position(p)
	t.insert(p, i)
	return at
}

// position is that of a place in the sequence as it is, unless that is not asked for.
func (w *walker) position(p place) int32 {
	if w.quiet {
		return 0
	}
	return w.tree.before(p, end)
}

// integrate finds the place of an item among concurrent ones, which begin at p.
func (w *walker) integrate(p place, i *item) place {
	t := &w.tree
	scanning := false
	for q, ok := t.norm(p); ok; q, ok = t.norm(q) {
		other := t.item(q)
		if other.state > 0 {
			break
		}
		left := w.compareLeft(other.left, i.left)
		if left < 0 {
			break
		}
		if left == 0 {
			right := w.compareRight(other.right, i.right)
			if right == 0 && w.before(i, other) {
				break
			}
			scanning = right < 0
		}
		q.at++
		if !scanning {
			p = q
		}
	}
	return p
}

// before orders two items with one left and one right parent.
func (w *walker) before(a, b *item) bool {
	if x, y := a.rank(), b.rank(); x != y {
		return x < y
	}
	return w.order.Before(a.event, b.event)
}

// compareLeft orders two left origins: none is before all.
func (w *walker) compareLeft(a, b int32) int32 {
	switch {
	case a == b:
		return 0
	case a == noID:
		return -1
	case b == noID:
		return 1
	}
	return w.compare(a, b)
}

// compareRight orders two right parents: none is behind all, but for nearID.
func (w *walker) compareRight(a, b int32) int32 {
	switch {
	case a == b:
		return 0
	case a == nearID:
		return 1
	case b == nearID:
		return -1
	case a == noID:
		return 1
	case b == noID:
		return -1
	}
	return w.compare(a, b)
}

// compare orders two elements.
func (w *walker) compare(a, b int32) int32 {
	p, x := w.find(a)
	q, y := w.find(b)
	if p == q {
		return x - y
	}
	return w.tree.compare(p, q)
}

// delete takes away o.Len elements from position o.Pos on and appends what that
// comes to.
func (w *walker) delete(first int32, o Op, edits []Edit) []Edit {
	t := &w.tree
	for n := o.Len; n > 0; {
		p, off := t.find(cur, o.Pos)
		if off > 0 {
			p = t.split(p, off)
		}
		id := t.item(p).id
		if t.item(p).len > n {
			t.split(p, n)
			p, _ = w.find(id)
		}
		it := t.item(p)
		done := it.len
		for k := range done {
			w.refs[first-w.start+k] = idAt(id, k)
		}
		if !it.gone && !w.quiet {
			pos := t.before(p, end)
			if last := len(edits) - 1; last >= 0 && edits[last].Kind == Delete && edits[last].Pos == pos {
				edits[last].Len += done
			} else {
				edits = append(edits, Edit{Op: Op{Delete, pos, done}})
			}
		}
		t.remove(p)
		first, n = first+done, n-done
	}
	return edits
}
