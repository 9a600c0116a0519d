package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// takenAt gives the place of node i among those taken, or -1.
func (e *evaluation) takenAt(i int) int {
	return slices.IndexFunc(e.accepted, func(t taken) bool { return t.node == i })
}

// settle takes what takes away, one by one: by the authority of the issuer,
// then by seniority. Each may void others, which then are not taken any more.
func (e *evaluation) settle() {
	for {
		pending := e.pending()
		if len(pending) == 0 {
			return
		}
		next := pending[0]
		for _, i := range pending {
			if e.authority[i].role < e.authority[next].role {
				next = i
			}
		}
		e.take(next)
	}
}

// pending is what is valid, takes something away, and is not taken yet.
func (e *evaluation) pending() []int {
	var out []int
	e.valid.each(func(i int) {
		if e.takenAt(i) < 0 && e.takesAway(i) {
			out = append(out, i)
		}
	})
	return out
}

// takesAway tells whether node i ends something that concurrent credentials
// may rest on.
func (e *evaluation) takesAway(i int) bool {
	switch c := e.nodes[i].Claim.(type) {
	case Remove, RevokeDevice:
		return true
	case SetRole:
		if c.Role == Owner {
			return false
		}
		s, ok := e.standing(c.Identity, e.nodes[i].past)
		return ok && s.role == Owner
	}
	return false
}

// take takes node i, unless that leaves the space without an OWNER.
func (e *evaluation) take(i int) {
	e.accepted = append(e.accepted, taken{node: i, authority: e.authority[i]})
	if e.touches(i) {
		e.pass()
	}
	view := slices.Clone(e.all)
	for _, p := range e.pending() {
		view.remove(p)
	}
	// No identity is the zero key, so any OWNER is another.
	if e.otherOwner(id.IdentityKey{}, view) {
		return
	}
	e.accepted = e.accepted[:len(e.accepted)-1]
	e.refused.add(i)
	e.pass()
}

// touches tells whether node i may void another: one issued by the removed, or
// the revoked device, without either knowing of the other.
func (e *evaluation) touches(i int) bool {
	found := false
	e.valid.each(func(j int) {
		if found || j == i || e.nodes[i].past.has(j) || e.nodes[j].past.has(i) {
			return
		}
		switch c := e.nodes[i].Claim.(type) {
		case Remove:
			found = e.authority[j].identity == c.Identity
		case RevokeDevice:
			found = e.nodes[j].Issuer == [32]byte(c.Device)
		}
	})
	return found
}
