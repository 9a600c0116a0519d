package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// This file is the twin's part on who is a member, and who may issue what.

// grant reads an admission or SetRole.
func (t *twin) grant(i int) (identity id.IdentityKey, role Role, setRole, ok bool) {
	switch c := t.c[i].Claim.(type) {
	case Genesis:
		return c.Identity, Owner, false, i == t.genesis
	case Member:
		return c.Identity, c.Role, false, true
	case SetRole:
		return c.Identity, c.Role, true, true
	}
	return identity, 0, false, false
}

// mayRemove is the table of DESIGN: OWNERs all, ADMINs EDITOR, READER, KEEPER.
func (t *twin) mayRemove(by, target Role) bool {
	return by == Owner || by == Admin && (target == Editor || target == Reader || target == Keeper)
}

// by is in whose name a removal counts.
func (t *twin) by(r int) twinAuth {
	if a, ok := t.taken[r]; ok {
		return a
	}
	return t.auth[r]
}

func (t *twin) isBeyond(grant, r int, identity id.IdentityKey) bool {
	_, role, _, _ := t.grant(grant)
	return t.concurrent(grant, r) && t.by(r).identity != identity && !t.mayRemove(t.by(r).role, role)
}

// grants gives what counts of an identity's admissions and SetRoles in view.
func (t *twin) grants(identity id.IdentityKey, view uint64) (admissions, all []int) {
	var roles []int
	for i := range t.c {
		if who, _, setRole, ok := t.grant(i); ok && who == identity && in(t.sees(view), i) {
			if setRole {
				roles = append(roles, i)
			} else {
				admissions = append(admissions, i)
			}
		}
	}
	admissions = slices.DeleteFunc(admissions, func(a int) bool {
		for r, c := range t.c {
			if claim, ok := c.Claim.(Remove); !ok || claim.Identity != identity || !in(t.sees(view), r) || in(t.past[a], r) {
				continue
			}
			saved := t.isBeyond(a, r, identity)
			for _, s := range roles {
				saved = saved || in(t.past[s], a) && t.isBeyond(s, r, identity)
			}
			if !saved {
				return true
			}
		}
		return false
	})
	all = slices.Clone(admissions)
	for _, s := range roles {
		if slices.ContainsFunc(admissions, func(a int) bool { return in(t.past[s], a) }) {
			all = append(all, s)
		}
	}
	return admissions, all
}

func (t *twin) grantBeyond(r int, identity id.IdentityKey, view uint64) bool {
	_, all := t.grants(identity, view)
	return slices.ContainsFunc(all, func(g int) bool { return t.isBeyond(g, r, identity) })
}

// member gives an identity's role in view, and its first admission.
func (t *twin) member(identity id.IdentityKey, view uint64) (role Role, admission int, ok bool) {
	admissions, all := t.grants(identity, view)
	if len(admissions) == 0 {
		return 0, 0, false
	}
	var last []int
	for _, g := range all {
		if !slices.ContainsFunc(all, func(o int) bool { return in(t.past[o], g) }) {
			last = append(last, g)
		}
	}
	// Each line is a rule, the first that tells two apart decides.
	best := slices.MinFunc(last, func(a, b int) int {
		_, roleA, setA, _ := t.grant(a)
		_, roleB, setB, _ := t.grant(b)
		first := func(is bool) int {
			if is {
				return -1
			}
			return 1
		}
		switch by := t.auth[a].role; {
		case by != t.auth[b].role:
			return first(by < t.auth[b].role)
		case t.mayRemove(by, roleA) != t.mayRemove(by, roleB):
			return first(!t.mayRemove(by, roleA))
		case setA != setB:
			return first(setA)
		case roleA != roleB && setA:
			return first(roleA > roleB)
		case roleA != roleB:
			return first(roleA < roleB)
		}
		return a - b
	})
	_, role, _, _ = t.grant(best)
	return role, slices.Min(admissions), true
}

func (t *twin) owners(view uint64) (list []id.IdentityKey) {
	at := map[id.IdentityKey]int{}
	for i := range t.c {
		who, _, setRole, ok := t.grant(i)
		if !ok || setRole || slices.Contains(list, who) {
			continue
		}
		if role, admission, ok := t.member(who, view); ok && role == Owner {
			list = append(list, who)
			at[who] = admission
		}
	}
	slices.SortFunc(list, func(a, b id.IdentityKey) int { return at[a] - at[b] })
	return list
}

// leavesOwner tells whether view has an OWNER if that one is none more.
func (t *twin) leavesOwner(view uint64, gone id.IdentityKey) bool {
	return slices.ContainsFunc(t.owners(view), func(o id.IdentityKey) bool { return o != gone })
}

// may is the list of who issues what.
func (t *twin) may(i int, a twinAuth) bool {
	past := t.past[i]
	if c, ok := t.c[i].Claim.(RevokeDevice); ok && c.Identity == a.identity {
		return true
	}
	if a.role < Owner || a.role > Keeper {
		return false
	}
	admits := a.role == Owner || a.role == Admin
	switch c := t.c[i].Claim.(type) {
	case Member:
		_, _, already := t.member(c.Identity, past)
		return admits && c.Role >= a.role && !already
	case SetRole:
		role, _, ok := t.member(c.Identity, past)
		return ok && t.mayRemove(a.role, role) && c.Role >= a.role &&
			(role != Owner || c.Role == Owner || t.leavesOwner(past, c.Identity))
	case Remove:
		role, _, ok := t.member(c.Identity, past)
		return ok && (c.Identity == a.identity || t.mayRemove(a.role, role)) &&
			(role != Owner || t.leavesOwner(past, c.Identity))
	case RevokeDevice:
		role, _, ok := t.member(c.Identity, past)
		return ok && t.mayRemove(a.role, role)
	case Profile:
		return c.Identity == a.identity
	case RecoveryEnvelope:
		return c.Identity == a.identity
	case CloseFeed:
		return true
	case Invitation:
		return admits && c.Role >= a.role
	case Spent:
		return admits
	case Epoch:
		known := false
		for j, o := range t.c {
			e, isEpoch := o.Claim.(Epoch)
			g, isGenesis := o.Claim.(Genesis)
			known = known || in(t.sees(past), j) && (isEpoch && e.Key == c.Key || isGenesis && g.ControlKey == c.Key)
		}
		return a.role <= Editor || a.role == Reader && known
	}
	return false
}
