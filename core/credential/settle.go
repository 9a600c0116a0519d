package credential

import (
	"math"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/id"
)

// This file decides which removals stand where some end others. A removal is here
// a Remove, a RevokeDevice, or a SetRole to less.

// soberTwin is an evaluation of what holds without the removals that are not taken
// yet, of which the taken are to leave an OWNER. It is to be passed.
func (e *evaluation) soberTwin() *evaluation {
	sober := *e
	sober.sober = true
	sober.valid, sober.removal, sober.misused = newBitset(len(e.nodes)), newBitset(len(e.nodes)), newBitset(len(e.nodes))
	sober.authority = make([]authority, len(e.nodes))
	return &sober
}

// settleRound takes the removals of a round; more tells whether there were any.
func (e *evaluation) settleRound(sober *evaluation) (more bool) {
	class := e.pending()
	if len(class) == 0 {
		return false
	}
	for _, g := range e.round(class, sober) {
		e.take(g, sober)
	}
	return true
}

// takesAway tells whether node i, which holds, is a removal.
func (e *evaluation) takesAway(i int) bool {
	switch c := e.nodes[i].Claim.(type) {
	case Remove, RevokeDevice:
		return true
	case SetRole:
		s, ok := e.standing(c.Identity, e.nodes[i].past)
		return ok && c.Role > s.role
	}
	return false
}

// takesFrom gives from whom removal i takes, and whether that is the role.
func (e *evaluation) takesFrom(i int) (identity id.IdentityKey, role bool) {
	identity, _ = Subject(e.nodes[i].Claim)
	_, device := e.nodes[i].Claim.(RevokeDevice)
	return identity, !device
}

// pending gives, of the removals that hold and are not taken, those of the highest
// authority, in order of seniority.
func (e *evaluation) pending() (class []int) {
	e.removal.each(func(i int) {
		if _, taken := e.taken[i]; taken {
			return
		}
		if len(class) > 0 && e.authority[i].role != e.authority[class[0]].role {
			if e.authority[i].role > e.authority[class[0]].role {
				return
			}
			class = class[:0]
		}
		class = append(class, i)
	})
	return class
}

// group is what is taken together: removals that end one another in a circle, or
// a single one.
type group struct {
	nodes     []int
	authority []authority
	// owner is the admission of the senior OWNER whose role it takes, else
	// above all.
	owner int
}

// round gives the groups of a class that none outside of them ends, in the order in
// which they are taken.
func (e *evaluation) round(class []int, sober *evaluation) (groups []group) {
	r := newRivals(e, class)
	for k := range class {
		circle := r.circle(k)
		if circle[0] != k || r.endedFromOutside(circle) {
			continue
		}
		g := group{owner: math.MaxInt}
		for _, k := range r.witnessed(circle) {
			i := class[k]
			g.nodes = append(g.nodes, i)
			g.authority = append(g.authority, e.authority[i])
			if identity, role := e.takesFrom(i); role {
				if s, ok := sober.standing(identity, e.all); ok && s.role == Owner {
					g.owner = min(g.owner, s.admission)
				}
			}
		}
		groups = append(groups, g)
	}
	sort.SliceStable(groups, func(i, j int) bool { return groups[i].owner > groups[j].owner })
	return groups
}

// take takes a group. If that leaves no OWNER, the senior one from whom it takes
// the role, and without which there is one, keeps it.
func (e *evaluation) take(g group, sober *evaluation) {
	if e.leavesOwner(g, nil, sober) {
		return
	}
	for _, o := range sober.owners(e.all) {
		var spared []int
		kept := group{}
		for k, i := range g.nodes {
			if identity, role := e.takesFrom(i); role && identity == o {
				spared = append(spared, i)
			} else {
				kept.nodes, kept.authority = append(kept.nodes, i), append(kept.authority, g.authority[k])
			}
		}
		if len(spared) > 0 && e.leavesOwner(kept, spared, sober) {
			return
		}
	}
	e.accept(group{}, g.nodes, sober)
}

// leavesOwner takes and refuses removals, if that leaves an OWNER.
func (e *evaluation) leavesOwner(g group, refuse []int, sober *evaluation) bool {
	t := e.accept(g, refuse, sober)
	// No identity is the zero key, so any OWNER is another.
	if sober.otherOwner(id.IdentityKey{}, e.all) {
		return true
	}
	e.revert(t, sober)
	return false
}

// owners gives the OWNERs of a view, the senior first.
func (e *evaluation) owners(view bitset) (list []id.IdentityKey) {
	admission := map[id.IdentityKey]int{}
	for identity := range e.admits {
		if s, ok := e.standing(identity, view); ok && s.role == Owner {
			list = append(list, identity)
			admission[identity] = s.admission
		}
	}
	sort.Slice(list, func(i, j int) bool { return admission[list[i]] < admission[list[j]] })
	return list
}

// trial is a step that revert takes back.
type trial struct {
	taken, refused []int
	before, sober  []verdict
}

// accept takes and refuses removals, and judges again what that concerns; sober
// too, if there is one.
func (e *evaluation) accept(g group, refuse []int, sober *evaluation) trial {
	concerned := newBitset(len(e.nodes))
	for k, i := range g.nodes {
		identity, _ := e.takesFrom(i)
		e.taken[i] = g.authority[k]
		e.against[identity] = append(e.against[identity], i)
		e.markVoidable(concerned, i)
		concerned.add(i) // an earlier one of the round may have ended it
	}
	for _, i := range refuse {
		e.refused[i] = true
		concerned.add(i)
	}
	t := trial{taken: g.nodes, refused: refuse}
	if sober != nil {
		t.sober = sober.judgeAgain(slices.Clone(concerned))
	}
	t.before = e.judgeAgain(concerned)
	return t
}

// revert takes the latest accept back.
func (e *evaluation) revert(t trial, sober *evaluation) {
	for _, i := range t.taken {
		identity, _ := e.takesFrom(i)
		delete(e.taken, i)
		e.against[identity] = slices.DeleteFunc(e.against[identity], func(o int) bool { return o == i })
	}
	for _, i := range t.refused {
		delete(e.refused, i)
	}
	for _, v := range t.before {
		e.set(v)
	}
	for _, v := range t.sober {
		sober.set(v)
	}
}

// markVoidable marks what removal t may void once it is taken.
func (e *evaluation) markVoidable(dirty bitset, t int) {
	identity, _ := e.takesFrom(t)
	keys := e.held[identity]
	if c, ok := e.nodes[t].Claim.(RevokeDevice); ok {
		keys = [][32]byte{c.Device}
	}
	for _, key := range keys {
		for _, i := range e.issued[key] {
			if !e.nodes[i].past.has(t) && !e.nodes[t].past.has(i) {
				dirty.add(i)
			}
		}
	}
}
