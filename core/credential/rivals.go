package credential

import "slices"

// rivals are the removals of a class, by their places in it, and which of them ends
// which: the other holds no more once the one is taken.
type rivals struct {
	e     *evaluation
	class []int
	ends  [][]int
	ended []bool // by any
	reach []bitset
}

func newRivals(e *evaluation, class []int) *rivals {
	n := len(class)
	r := &rivals{e: e, class: class, ends: make([][]int, n), ended: make([]bool, n), reach: make([]bitset, n)}
	for k, i := range class {
		t := e.accept(group{nodes: []int{i}, authority: []authority{e.authority[i]}}, nil, nil)
		if len(t.before) > 0 {
			for o, j := range class {
				if !e.valid.has(j) {
					r.ends[k] = append(r.ends[k], o)
					r.ended[o] = true
				}
			}
		}
		e.revert(t, nil)
	}
	for k := range class {
		if r.ended[k] && len(r.ends[k]) > 0 {
			r.reach[k] = r.reachable(k)
		}
	}
	return r
}

// reachable gives what k ends, what that ends, and so on.
func (r *rivals) reachable(k int) bitset {
	found := newBitset(len(r.class))
	next := slices.Clone(r.ends[k])
	for len(next) > 0 {
		o := next[len(next)-1]
		next = next[:len(next)-1]
		if !found.has(o) {
			found.add(o)
			next = append(next, r.ends[o]...)
		}
	}
	return found
}

// circle gives k with all those that it ends and that end it, be it by way of
// others, ascending.
func (r *rivals) circle(k int) []int {
	if r.reach[k] == nil || !r.reach[k].has(k) {
		return []int{k}
	}
	var circle []int
	r.reach[k].each(func(o int) {
		if r.reach[o] != nil && r.reach[o].has(k) {
			circle = append(circle, o)
		}
	})
	return circle
}

func (r *rivals) endedFromOutside(circle []int) bool {
	if !slices.ContainsFunc(circle, func(k int) bool { return r.ended[k] }) {
		return false
	}
	for k, ends := range r.ends {
		if !slices.Contains(circle, k) && slices.ContainsFunc(ends, func(o int) bool { return slices.Contains(circle, o) }) {
			return true
		}
	}
	return false
}

// witnessed gives those of a circle that have a witness, or all if none has.
func (r *rivals) witnessed(circle []int) []int {
	if len(circle) == 1 {
		return circle
	}
	all := group{}
	for _, k := range circle {
		all.nodes, all.authority = append(all.nodes, r.class[k]), append(all.authority, r.e.authority[r.class[k]])
	}
	t := r.e.accept(all, nil, nil)
	defer r.e.revert(t, nil)
	var found []int
	for _, k := range circle {
		if r.hasWitness(k, circle, all.nodes) {
			found = append(found, k)
		}
	}
	if len(found) == 0 {
		return circle
	}
	return found
}

// hasWitness tells whether a credential that holds follows the removal at k and
// none that ends it, and is by a device that issued none of the circle, of a member
// that writes and whose role none of them takes.
func (r *rivals) hasWitness(k int, circle, nodes []int) (found bool) {
	e := r.e
	e.valid.each(func(p int) {
		n := &e.nodes[p]
		if found || !n.past.has(r.class[k]) || !e.authority[p].role.mayWrite() {
			return
		}
		for _, i := range nodes {
			if identity, role := e.takesFrom(i); n.Issuer == e.nodes[i].Issuer || role && identity == e.authority[p].identity {
				return
			}
		}
		found = !slices.ContainsFunc(circle, func(o int) bool {
			return slices.Contains(r.ends[o], k) && n.past.has(r.class[o])
		})
	})
	return found
}
