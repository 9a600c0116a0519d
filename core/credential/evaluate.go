package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// authority is in whose name a credential counts, and what role that had in
// its past. Role 0 is the space key or a recovery key, which outrank all.
type authority struct {
	identity id.IdentityKey
	role     Role
}

// evaluation is a run of Evaluate. valid is filled in order of the nodes, so
// that whatever looks at the past of a node finds it judged.
type evaluation struct {
	*graph
	*records
	space id.SpaceKey
	// line: the nodes are a proof, a selection in which each follows all
	// before it. Rules that need the whole set are not asked there.
	line      bool
	all       bitset
	valid     bitset
	authority []authority
	// Removals, revocations and demotions of OWNERs: those taken, in order,
	// and those refused because no OWNER would be left.
	accepted []taken
	refused  bitset
}

// taken is a node that takes something away, with the authority under which it
// was taken: it stands even if a later one removes its issuer.
type taken struct {
	node int
	authority
}

// Evaluate judges a set of credentials of a space. The result depends on the
// set alone: not on order, duplicates or Time. What does not hold is passed
// over; see the package comment for the rules.
func Evaluate(space id.SpaceKey, creds []*Credential) *Membership {
	e := newEvaluation(newGraph(creds), space)
	e.pass()
	e.settle()
	return newMembership(e)
}

func newEvaluation(g *graph, space id.SpaceKey) *evaluation {
	n := len(g.nodes)
	e := &evaluation{graph: g, records: newRecords(g, space), space: space, all: newBitset(n), refused: newBitset(n)}
	for i := range n {
		e.all.add(i)
	}
	return e
}

// pass judges every node in its past.
func (e *evaluation) pass() {
	e.valid = newBitset(len(e.nodes))
	e.authority = make([]authority, len(e.nodes))
	for i := range e.nodes {
		a, ok := authority{}, false
		if at := e.takenAt(i); at >= 0 {
			a, ok = e.accepted[at].authority, true
		} else if !e.refused.has(i) {
			a, ok = e.judge(i)
		}
		if ok {
			e.authority[i] = a
			e.valid.add(i)
		}
	}
}

// judge finds the authority under which node i holds: of the identities that
// its issuer acts for, the one with the highest role.
func (e *evaluation) judge(i int) (best authority, ok bool) {
	n := &e.nodes[i]
	switch n.Claim.(type) {
	case Genesis:
		return authority{}, i == e.genesis
	case Device, Recovery:
		return authority{}, true // judged where they are used, by chainOf
	}
	for _, identity := range e.identities(n.Issuer) {
		b, bound := e.keyOf(n.Issuer, identity, n.past)
		if !bound {
			continue
		}
		a := authority{identity: identity}
		if !b.recovery {
			s, member := e.standing(identity, n.past)
			if !member && !e.ownBusiness(i, identity) {
				continue
			}
			if a.role = s.role; !member {
				a.role = Keeper + 1
			}
		}
		if e.allowed(i, a) && !e.voided(i, a) && (!ok || a.role < best.role) {
			best, ok = a, true
		}
	}
	return best, ok
}

// ownBusiness: an identity revokes its own devices, member or not.
func (e *evaluation) ownBusiness(i int, identity id.IdentityKey) bool {
	c, ok := e.nodes[i].Claim.(RevokeDevice)
	return ok && c.Identity == identity
}

// allowed tells whether a may issue node i.
func (e *evaluation) allowed(i int, a authority) bool {
	past := e.nodes[i].past
	if a.role == 0 || a.role > Keeper {
		return e.ownBusiness(i, a.identity)
	}
	switch c := e.nodes[i].Claim.(type) {
	case Member:
		_, already := e.standing(c.Identity, past)
		return a.role.mayGrant(c.Role) && (!already || e.line)
	case SetRole:
		t, ok := e.standing(c.Identity, past)
		return ok && a.role.maySet(t.role, c.Role) &&
			(t.role != Owner || c.Role == Owner || e.otherOwner(c.Identity, past))
	case Remove:
		t, ok := e.standing(c.Identity, past)
		return ok && (c.Identity == a.identity || a.role.mayRemove(t.role)) &&
			(t.role != Owner || e.otherOwner(c.Identity, past))
	case RevokeDevice:
		t, ok := e.standing(c.Identity, past)
		return c.Identity == a.identity || ok && a.role.mayRemove(t.role)
	case Epoch:
		return a.role.mayWrite() || a.role.mayRead() && e.knownKey(c.Key, past)
	case Profile:
		return c.Identity == a.identity
	case RecoveryEnvelope:
		return a.role.mayRead()
	case Invitation:
		return a.role.mayGrant(c.Role)
	case Spent:
		return a.role.mayAdmit()
	case CloseFeed:
		return true
	}
	return false
}

// otherOwner tells whether view has an OWNER beside that one.
func (e *evaluation) otherOwner(identity id.IdentityKey, view bitset) bool {
	if e.line {
		return true
	}
	for other := range e.admits {
		if other == identity {
			continue
		}
		if s, ok := e.standing(other, view); ok && s.role == Owner {
			return true
		}
	}
	return false
}

// knownKey tells whether a key was introduced in view.
func (e *evaluation) knownKey(key id.EpochID, view bitset) bool {
	return slices.ContainsFunc(e.epochs[key], func(n int) bool { return view.has(n) && e.valid.has(n) })
}

// voided tells whether a removal or revocation that was taken, and that node i
// did not know of, ends the authority under which i was issued.
func (e *evaluation) voided(i int, a authority) bool {
	n := &e.nodes[i]
	for _, t := range e.accepted {
		if t.node == i || n.past.has(t.node) || e.nodes[t.node].past.has(i) {
			continue
		}
		switch c := e.nodes[t.node].Claim.(type) {
		case RevokeDevice:
			if c.Identity == a.identity && [32]byte(c.Device) == n.Issuer {
				return true
			}
		case Remove:
			if c.Identity == a.identity && a.role != 0 && !e.standsBeside(n.past, t, a.identity) {
				return true
			}
		}
	}
	return false
}

// standsBeside tells whether a past shows the identity as a member by an
// admission that the removal, which it does not know, does not end.
func (e *evaluation) standsBeside(past bitset, t taken, identity id.IdentityKey) bool {
	for _, n := range e.liveAdmissions(identity, past) {
		if !e.nodes[t.node].past.has(n) && t.identity != identity && !t.role.mayRemove(e.granted(n)) {
			return true
		}
	}
	return false
}
