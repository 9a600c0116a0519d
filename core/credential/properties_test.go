package credential

import (
	"fmt"
	"slices"

	"github.com/echospace/echospace/core/id"
)

// This file holds what is true of every set, whatever the rules are in detail.

// broken tells which property a membership does not have, or "".
func (g *randomGraph) broken(m *Membership) string {
	if !slices.ContainsFunc(m.Members(), func(m MemberInfo) bool { return m.Role == Owner }) {
		return "there is no OWNER"
	}
	last := -1
	for _, member := range m.Members() {
		first := slices.IndexFunc(m.e.nodes, func(n node) bool {
			who, _, _ := grantOf(n.Claim)
			_, setRole := n.Claim.(SetRole)
			return who == member.Identity && !setRole && m.Valid(n.id) && !m.removedAfter(n.id, who)
		})
		if first <= last {
			return fmt.Sprint("members are not in order of seniority: ", member.Identity)
		}
		last = first
	}
	for i := range m.e.nodes {
		if n := &m.e.nodes[i]; m.Valid(n.id) {
			if what := g.brokenBy(m, n, m.e.authority[i]); what != "" {
				return fmt.Sprintf("#%d: %s", i, what)
			}
		}
	}
	return ""
}

// removedAfter tells whether a removal follows that admission.
func (m *Membership) removedAfter(admission id.CredentialID, who id.IdentityKey) bool {
	at := slices.IndexFunc(m.e.nodes, func(n node) bool { return n.id == admission })
	return m.e.ended(at, who, m.e.all)
}

// grantOf reads an admission or SetRole.
func grantOf(c Claim) (id.IdentityKey, Role, bool) {
	switch c := c.(type) {
	case Genesis:
		return c.Identity, Owner, true
	case Member:
		return c.Identity, c.Role, true
	case SetRole:
		return c.Identity, c.Role, true
	}
	return id.IdentityKey{}, 0, false
}

// brokenBy looks at one credential that holds, issued by a.
func (g *randomGraph) brokenBy(m *Membership, n *node, a authority) string {
	if _, isGenesis := n.Claim.(Genesis); isGenesis {
		return ""
	}
	if _, role, ok := grantOf(n.Claim); ok && (a.role > Admin || role < a.role) {
		return fmt.Sprintf("%v grants %v", a.role, role)
	}
	holds := func(f func(o *node) bool) bool {
		return slices.ContainsFunc(m.e.nodes, func(o node) bool { return m.Valid(o.id) && f(&o) })
	}
	at := slices.IndexFunc(m.e.nodes, func(o node) bool { return o.id == n.id })
	// raised: somebody else gave it what the issuer may not take.
	raised := func(who id.IdentityKey) bool {
		return a.role != Owner && a.identity != who && holds(func(o *node) bool {
			to, role, ok := grantOf(o.Claim)
			return ok && to == who && role <= Admin && !n.past.has(slices.IndexFunc(m.e.nodes, func(x node) bool { return x.id == o.id }))
		})
	}
	switch c := n.Claim.(type) {
	case Remove:
		if a.identity != c.Identity && a.role > Admin {
			return fmt.Sprintf("%v removes", a.role)
		}
		back := holds(func(o *node) bool { who, _, ok := grantOf(o.Claim); return ok && who == c.Identity && o.past.has(at) })
		if _, is := m.Identity(c.Identity); is && !back && !raised(c.Identity) {
			return "the removed is a member, and was not admitted after"
		}
	case RevokeDevice:
		got, is := m.Identity(c.Identity)
		if is && !raised(c.Identity) && slices.ContainsFunc(got.Devices, func(d DeviceInfo) bool { return d.Device == c.Device }) {
			return "the revoked device is one still"
		}
	}
	return ""
}

// madeOwner tells whether a credential of the set that holds makes somebody an OWNER. An
// ADMIN may use up an invitation, which voids what came by it beside that; then it
// counts where it did not, since who is a member is not admitted again.
func (g *randomGraph) madeOwner(m *Membership, who id.IdentityKey) bool {
	return slices.ContainsFunc(g.set, func(c *Credential) bool {
		switch claim := c.Claim.(type) {
		case Member:
			return claim.Identity == who && claim.Role == Owner && m.Valid(c.ID())
		case SetRole:
			return claim.Identity == who && claim.Role == Owner && m.Valid(c.ID())
		}
		return false
	})
}

// attacked adds to the set something by somebody who does not rule, with any parents,
// and tells what it changes that it could not have done to everybody's knowledge, or "".
// It may do what nothing at all in that place does, or the person's name: that may be a
// witness.
func (g *randomGraph) attacked(m *Membership) string {
	y := g.person()
	parents := []id.CredentialID{g.set[g.IntN(len(g.set))].ID()}
	if g.IntN(3) == 0 {
		parents = append(parents, g.set[g.IntN(len(g.set))].ID())
	}
	issuer, timeMs := g.deviceOf(y), int64(g.Uint32())
	claim := g.claim(y)
	if who, _ := Subject(claim); who == y.identity {
		return ""
	}
	base := Evaluate(g.space, append(slices.Clone(g.set), unsigned(issuer, parents, timeMs, Profile{Identity: y.identity}, nil)))
	attack := unsigned(issuer, parents, timeMs, claim, g.chainOf(claim))
	after := Evaluate(g.space, append(slices.Clone(g.set), attack))
	best := min(after.bestOf(y.identity), bestUnsettled(after, y.identity))
	change := func(from *Membership) string {
		for _, p := range g.people {
			was, _ := from.Identity(p.identity)
			is, _ := after.Identity(p.identity)
			same := was.Role == is.Role && slices.Equal(was.Devices, is.Devices)
			owner := (was.Role == Owner) == (is.Role == Owner) || is.Role == Owner && g.madeOwner(after, p.identity)
			if best > Admin && !same || best > Owner && !owner {
				return fmt.Sprintf("%v from %+v to %+v", p.identity, was, is)
			}
		}
		return ""
	}
	if change(m) == "" || change(base) == "" {
		return ""
	}
	return fmt.Sprintf("%x, at most %v, issues %T %v: %s\n%s", issuer, best, claim, claim, change(m), g.story(after))
}

// bestOf is the highest role that anything which holds gave an identity; above all
// roles if nothing did.
func (m *Membership) bestOf(who id.IdentityKey) Role {
	best := Keeper + 1
	for i := range m.e.nodes {
		if to, role, ok := grantOf(m.e.nodes[i].Claim); ok && to == who && m.e.valid.has(i) {
			best = min(best, role)
		}
	}
	return best
}

// bestUnsettled is bestOf before any removal is taken: what was given in good faith
// counts for removals until it falls.
func bestUnsettled(m *Membership, who id.IdentityKey) Role {
	e := newEvaluation(m.e.graph, m.e.space)
	e.pass()
	return (&Membership{e: e}).bestOf(who)
}
