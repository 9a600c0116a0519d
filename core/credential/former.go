package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// This file finds what a device was that is none any more, or may write no more, since
// what came beside a credential voids that: somebody else used the invitation first,
// or who admitted it had been removed. No removal says so, and nobody could cut its
// feeds; but others took it for a member, and built on what it wrote.

// former gives the member of which a device was one, as far as one of these grants and
// the credentials before it tell, with those in view; nil if none does.
func (e *evaluation) former(d id.DeviceKey, identity id.IdentityKey, grants []int, with bitset) *MemberInfo {
	for _, g := range grants {
		view := newBitset(len(e.nodes))
		view.union(e.nodes[g].past)
		view.add(g)
		view.union(with)
		for _, key := range e.held[identity] {
			for _, b := range e.bindings[key] {
				if _, _, link := linkOf(e.nodes[b.at].Credential); link && b.identity == identity {
					view.add(b.at)
				}
			}
		}
		var creds []*Credential
		view.each(func(i int) { creds = append(creds, e.nodes[i].Credential) })
		if m, ok := Evaluate(e.space, creds).Device(d); ok && m.Identity == identity {
			return &m
		}
	}
	return nil
}

// voidGrants are the grants of a writing role under which a device of the identity may
// have written, though it may not by all credentials.
func (e *evaluation) voidGrants(d id.DeviceKey, identity id.IdentityKey) (grants []int) {
	chained := e.chainOf([32]byte(d), identity, e.all) != nil
	for _, list := range [][]int{e.admits[identity], e.roles[identity]} {
		for _, g := range list {
			if e.granted(g).mayWrite() && !(chained && e.valid.has(g)) {
				grants = append(grants, g)
			}
		}
	}
	return grants
}

// wroteByVoid tells whether a device might write for one of its identities, by a void grant
// and with these credentials in view.
func (e *evaluation) wroteByVoid(d id.DeviceKey, with bitset) bool {
	return slices.ContainsFunc(e.claimers[d], func(identity id.IdentityKey) bool {
		return slices.ContainsFunc(e.voidGrants(d, identity), func(g int) bool {
			m := e.former(d, identity, []int{g}, with)
			return m != nil && m.Role.mayWrite()
		})
	})
}

// isVoidGrant tells whether node i would let somebody write, and does not hold.
func (e *evaluation) isVoidGrant(i int) bool {
	return !e.valid.has(i) && e.isGrant(i) && e.granted(i).mayWrite()
}

// isGrant tells whether node i gives somebody a role.
func (e *evaluation) isGrant(i int) bool {
	switch e.nodes[i].Claim.(type) {
	case Member, SetRole:
		return true
	}
	return false
}
