package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// This file judges admissions by a delegated invitation: one that an Invitation
// credential gave to all who may invite.

// Invitations gives the delegated invitations that are open, in order of
// seniority: an admission that is issued now and names one of them holds.
func (m *Membership) Invitations() (open []Invitation) {
	e := m.e
	e.valid.each(func(i int) {
		c, ok := e.nodes[i].Claim.(Invitation)
		if ok && e.delegated(c.Invitation, e.all) == i && !e.over(i, e.all) && (c.Multi || !e.used(c.Invitation)) {
			open = append(open, c)
		}
	})
	return open
}

// Used tells whether a delegated invitation has admitted somebody.
func (m *Membership) Used(invitation id.InvitationID) bool { return m.e.used(invitation) }

// used tells whether an admission by the invitation holds.
func (e *evaluation) used(invitation id.InvitationID) bool {
	return slices.ContainsFunc(e.uses[invitation], func(u int) bool {
		return e.valid.has(u) && e.delegated(invitation, e.nodes[u].past) >= 0
	})
}

// delegated gives the senior valid Invitation credential for that id in view,
// or -1.
func (e *evaluation) delegated(invitation id.InvitationID, view bitset) int {
	for _, n := range e.invitations[invitation] {
		if view.has(n) && e.valid.has(n) {
			return n
		}
	}
	return -1
}

// invited tells whether node i, if it is an admission by a delegated invitation,
// finds that open.
func (e *evaluation) invited(i int) bool {
	c, ok := e.nodes[i].Claim.(Member)
	if !ok || id.IsZero(c.Invitation) {
		return true
	}
	past := e.nodes[i].past
	at := e.delegated(c.Invitation, past)
	if at < 0 {
		return true
	}
	return !e.over(at, past) && (e.nodes[at].Claim.(Invitation).Multi || !e.usedBefore(i, c))
}

// over tells whether view shows the invitation of node at as spent, or somebody
// removed who knew of it.
func (e *evaluation) over(at int, view bitset) bool {
	known := func(n int) bool { return view.has(n) && e.valid.has(n) }
	return slices.ContainsFunc(e.spent[e.nodes[at].Claim.(Invitation).Invitation], known) ||
		slices.ContainsFunc(e.gone, func(n int) bool { return known(n) && !e.nodes[at].past.has(n) })
}

// usedBefore tells whether a senior admission used up the invitation that
// admission i names: one that i follows, or a concurrent one by somebody who might
// remove the role that i grants.
func (e *evaluation) usedBefore(i int, c Member) bool {
	return slices.ContainsFunc(e.uses[c.Invitation], func(u int) bool { return e.usesUp(u, i, c) })
}

// usesUp tells whether admission u used up the invitation that admission i names.
func (e *evaluation) usesUp(u, i int, c Member) bool {
	return u < i && e.valid.has(u) && e.delegated(c.Invitation, e.nodes[u].past) >= 0 &&
		(e.nodes[i].past.has(u) || e.authority[u].role.mayRemove(c.Role))
}

// voidBeside gives what makes the misused grant i void, if that is concurrent with it:
// the admissions that used its invitation up, and the demotions of its issuer. It is
// nothing if i is void by what it follows.
func (e *evaluation) voidBeside(i int) (list []int) {
	n := &e.nodes[i]
	if c, ok := n.Claim.(Member); ok {
		for _, u := range e.uses[c.Invitation] {
			if !n.past.has(u) && e.usesUp(u, i, c) {
				list = append(list, u)
			}
		}
	}
	for _, identity := range e.claimers[n.Issuer] {
		for _, t := range e.against[identity] {
			if _, ok := e.nodes[t].Claim.(SetRole); ok && t != i && !n.past.has(t) && !e.nodes[t].past.has(i) {
				list = append(list, t)
			}
		}
	}
	return list
}
