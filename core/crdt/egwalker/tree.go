package egwalker

import "github.com/echospace/echospace/core/crdt/flat"

// An element is named by an int32: what an event inserted by its number, from 0
// on; element k of the sequence at the walker's base by baseID(k); noID is none.
const noID = -1

// nearID, as the right parent of an element, has it come before all others that
// have its left: it is directly behind that.
const nearID = -1 << 31

func baseID(k int32) int32 { return -2 - k }

// idAt is the name of the element off places behind id in a run.
func idAt(id, off int32) int32 {
	if id < noID {
		return id - off
	}
	return id + off
}

// item is a run of elements that stand together: inserted by one op, or part of
// the sequence at the base.
type item struct {
	id, len int32
	// Of the first of them: the element before it when it was inserted, and
	// FugueMax's right parent. Each of the others has the one before as its
	// left, and no right parent.
	left, right int32
	event       Event // none for what is of the base
	// state in the version that the walker is at: 0 is not inserted yet, 1 is
	// there, n+1 is deleted n times.
	state int32
	gone  bool // deleted in the sequence as it is
	kind  Kind // of the op that inserted it; Insert for what is of the base
}

// rank orders the elements that have one left and one right parent, before
// their events do.
func (i *item) rank() int {
	switch i.kind {
	case InsertAfter:
		return 0
	case InsertBefore:
		return 2
	}
	return 1
}

// sums are the elements of a part of the tree, by what they are counted for.
type sums [4]int32

const (
	cur   = iota // there in the walker's version
	known        // there or deleted in it
	end          // there in the sequence as it is
	base         // of the base, whatever became of them
)

// counts reports whether an item's elements are in a sum.
func (i *item) counts(in int) bool {
	switch in {
	case cur:
		return i.state == 1
	case known:
		return i.state > 0
	case end:
		return !i.gone
	default:
		return i.id < noID
	}
}

func (i *item) sums() (s sums) {
	if i.state > 0 {
		s[known] = i.len
	}
	if i.state == 1 {
		s[cur] = i.len
	}
	if !i.gone {
		s[end] = i.len
	}
	if i.id < noID {
		s[base] = i.len
	}
	return s
}

func (s *sums) add(o *sums) {
	for i := range s {
		s[i] += o[i]
	}
}

func (s *sums) subtract(o *sums) {
	for i := range s {
		s[i] -= o[i]
	}
}

const (
	leafItems = 32
	nodeWidth = 16
)

type leaf struct {
	items  [leafItems]item
	n      int32
	parent int32 // node
	next   int32 // leaf
}

type node struct {
	child  [nodeWidth]int32
	sums   [nodeWidth]sums
	n      int32
	parent int32
	low    bool // its children are leaves
}

// tree holds the items in the order of the sequence, with the sums of every
// part (a B+ tree whose parts are rows of columns).
type tree struct {
	leaves []leaf
	nodes  []node
	root   int32
	first  int32
	total  sums
	// moved is told of runs of elements that came to a leaf.
	moved func(id, len, leaf int32)
}

// place is before item at of a leaf; at may be the leaf's n.
type place struct{ leaf, at int32 }

// reset makes the tree empty. It keeps its memory.
func (t *tree) reset() {
	t.leaves = append(t.leaves[:0], leaf{next: flat.None})
	t.nodes = append(t.nodes[:0], node{n: 1, parent: flat.None, low: true})
	t.root, t.first, t.total = 0, 0, sums{}
}

func (t *tree) item(p place) *item { return &t.leaves[p.leaf].items[p.at] }

// norm moves a place at the end of a leaf to the beginning of the next; false
// at the end of all.
func (t *tree) norm(p place) (place, bool) {
	for p.at == t.leaves[p.leaf].n {
		next := t.leaves[p.leaf].next
		if next == flat.None {
			return p, false
		}
		p = place{next, 0}
	}
	return p, true
}

// slot is where child stands in its parent.
func (n *node) slot(child int32) int32 {
	i := int32(0)
	for n.child[i] != child {
		i++
	}
	return i
}

// change adds to the sums of a leaf.
func (t *tree) change(leaf int32, by *sums) {
	t.total.add(by)
	child, parent := leaf, t.leaves[leaf].parent
	for parent != flat.None {
		n := &t.nodes[parent]
		n.sums[n.slot(child)].add(by)
		child, parent = parent, n.parent
	}
}

// shift takes an item in or out of the walker's version: it adds to its state.
func (t *tree) shift(p place, by int32) {
	i := t.item(p)
	before := i.state
	i.state += by
	count := func(now, then bool) int32 {
		switch {
		case now == then:
			return 0
		case now:
			return i.len
		}
		return -i.len
	}
	t.changeVersion(p.leaf, count(i.state == 1, before == 1), count(i.state > 0, before > 0))
}

// changeVersion is change of what there is in the walker's version alone.
func (t *tree) changeVersion(leaf, there, seen int32) {
	if there == 0 && seen == 0 {
		return
	}
	t.total[cur] += there
	t.total[known] += seen
	child, parent := leaf, t.leaves[leaf].parent
	for parent != flat.None {
		n := &t.nodes[parent]
		s := &n.sums[n.slot(child)]
		s[cur] += there
		s[known] += seen
		child, parent = parent, n.parent
	}
}

// remove deletes an item that is there in the walker's version, also in the sequence
// as it is.
func (t *tree) remove(p place) {
	i := t.item(p)
	by := sums{cur: -i.len}
	if !i.gone {
		by[end] = -i.len
	}
	i.state, i.gone = 2, true
	t.change(p.leaf, &by)
}

// resize makes an item longer or shorter.
func (t *tree) resize(p place, n int32) {
	i := t.item(p)
	by := i.sums()
	i.len = n
	after := i.sums()
	after.subtract(&by)
	t.change(p.leaf, &after)
}

// insert puts an item at a place and gives where it is then.
func (t *tree) insert(p place, i item) place { return t.insertFrom(flat.None, p, i) }

// insertFrom is insert of an item that was a part of one in a leaf. A long one is split
// at many places: what is noted of its elements is looked at only if it has to be.
func (t *tree) insertFrom(leaf int32, p place, i item) place {
	l := &t.leaves[p.leaf]
	if l.n == leafItems {
		p = t.splitLeaf(p)
		l = &t.leaves[p.leaf]
	}
	copy(l.items[p.at+1:l.n+1], l.items[p.at:l.n])
	l.items[p.at] = i
	l.n++
	by := i.sums()
	t.change(p.leaf, &by)
	if p.leaf != leaf {
		t.moved(i.id, i.len, p.leaf)
	}
	return p
}

// splitLeaf makes room at a place.
func (t *tree) splitLeaf(p place) place {
	const half = leafItems / 2
	fresh := int32(len(t.leaves))
	t.leaves = append(t.leaves, leaf{})
	l, r := &t.leaves[p.leaf], &t.leaves[fresh]
	r.n = int32(copy(r.items[:], l.items[half:]))
	l.n = half
	r.next, l.next = l.next, fresh
	var right sums
	for i := range r.items[:r.n] {
		s := r.items[i].sums()
		right.add(&s)
		t.moved(r.items[i].id, r.items[i].len, fresh)
	}
	t.adopt(l.parent, p.leaf, fresh, &right)
	if p.at > half {
		return place{fresh, p.at - half}
	}
	return p
}

// adopt makes fresh, which took the sums right from child, a child of parent
// behind child.
func (t *tree) adopt(parent, child, fresh int32, right *sums) {
	n := &t.nodes[parent]
	if n.n == nodeWidth {
		parent = t.splitNode(parent, child)
		n = &t.nodes[parent]
	}
	at := n.slot(child)
	copy(n.child[at+2:n.n+1], n.child[at+1:n.n])
	copy(n.sums[at+2:n.n+1], n.sums[at+1:n.n])
	n.sums[at].subtract(right)
	n.child[at+1], n.sums[at+1] = fresh, *right
	n.n++
	t.setParent(n, fresh, parent)
}

func (t *tree) setParent(of *node, child, parent int32) {
	if of.low {
		t.leaves[child].parent = parent
	} else {
		t.nodes[child].parent = parent
	}
}

// splitNode makes room in a node; it gives the half that child is in then.
func (t *tree) splitNode(at, child int32) int32 {
	const half = nodeWidth / 2
	fresh := int32(len(t.nodes))
	t.nodes = append(t.nodes, node{low: t.nodes[at].low})
	n, r := &t.nodes[at], &t.nodes[fresh]
	r.n = int32(copy(r.child[:], n.child[half:]))
	copy(r.sums[:], n.sums[half:])
	n.n = half
	var right sums
	for i := range r.n {
		right.add(&r.sums[i])
		t.setParent(r, r.child[i], fresh)
	}
	if n.parent == flat.None {
		top := node{n: 1, parent: flat.None}
		top.child[0] = at
		top.sums[0] = t.total
		t.root = int32(len(t.nodes))
		t.nodes = append(t.nodes, top)
		t.nodes[at].parent = t.root
	}
	parent := t.nodes[at].parent
	t.nodes[fresh].parent = parent
	t.adopt(parent, at, fresh, &right)
	for _, c := range t.nodes[fresh].child[:half] {
		if c == child {
			return fresh
		}
	}
	return at
}

// split cuts an item off places behind its beginning and gives the place of the
// second part.
func (t *tree) split(p place, off int32) place {
	second := *t.item(p)
	second.left = idAt(second.id, off-1)
	second.id = idAt(second.id, off)
	second.right = noID
	second.len -= off
	t.resize(p, off)
	return t.insertFrom(p.leaf, place{p.leaf, p.at + 1}, second)
}

// knownFrom finds the first element from a place on that is there or deleted in
// the walker's version and keeps to nothing behind it; false if there is none.
func (t *tree) knownFrom(p place) (*item, bool) {
	for {
		q, ok := t.norm(p)
		if !ok || t.item(q).state == 0 {
			k := t.before(p, known)
			if k == t.total[known] {
				return nil, false
			}
			q, _ = t.find(known, k)
		}
		if t.item(q).kind != InsertBefore {
			return t.item(q), true
		}
		p = place{q.leaf, q.at + 1}
	}
}

// find gives the item that holds element k of those that are in a sum, of which
// there are more than k, and where in it.
func (t *tree) find(in int, k int32) (place, int32) {
	at := t.root
	for {
		n := &t.nodes[at]
		i := 0
		for ; k >= n.sums[i][in]; i++ {
			k -= n.sums[i][in]
		}
		at = n.child[i]
		if n.low {
			break
		}
	}
	l := &t.leaves[at]
	for i := range l.items[:l.n] {
		if it := &l.items[i]; it.counts(in) {
			if k < it.len {
				return place{at, int32(i)}, k
			}
			k -= it.len
		}
	}
	panic("egwalker: the sums of the tree are wrong")
}

// before is how much of a sum stands before a place.
func (t *tree) before(p place, in int) (k int32) {
	l := &t.leaves[p.leaf]
	for i := range l.items[:p.at] {
		if it := &l.items[i]; it.counts(in) {
			k += it.len
		}
	}
	child, parent := p.leaf, l.parent
	for parent != flat.None {
		n := &t.nodes[parent]
		for i := 0; n.child[i] != child; i++ {
			k += n.sums[i][in]
		}
		child, parent = parent, n.parent
	}
	return k
}

// compare orders two places.
func (t *tree) compare(a, b place) int32 {
	if a.leaf == b.leaf {
		return a.at - b.at
	}
	// All leaves are equally deep, so that the paths meet at one height.
	x, y := a.leaf, b.leaf
	px, py := t.leaves[x].parent, t.leaves[y].parent
	for px != py {
		x, y = px, py
		px, py = t.nodes[x].parent, t.nodes[y].parent
	}
	n := &t.nodes[px]
	return n.slot(x) - n.slot(y)
}
