package credential

import (
	"slices"

	"github.com/echospace/echospace/core/id"
)

// authority is in whose name a credential counts, and what role that had in
// its past. Role 0 is the space key or a recovery key, which outrank all; a role
// below KEEPER is none.
type authority struct {
	identity id.IdentityKey
	role     Role
}

// evaluation is a run of Evaluate. What is judged of a node depends on the nodes
// before it and on the removals taken; see settle.go.
type evaluation struct {
	*graph
	*records
	space id.SpaceKey
	// line: the nodes are a proof, a selection in which each follows all
	// before it. Rules that need the whole set are not asked there.
	line bool
	// sober: no removals hold but those taken.
	sober     bool
	all       bitset
	valid     bitset
	authority []authority // of what is valid
	removal   bitset      // what is valid and takes something away
	misused   bitset      // grants that only their invitation or a demotion makes void
	// Removals taken and refused. Those taken keep the authority that they had,
	// and are listed by whom they take from.
	taken   map[int]authority
	refused map[int]bool
	against map[id.IdentityKey][]int
}

// Evaluate judges a set of credentials of a space. The result depends on the
// set alone: not on order, duplicates or Time. What does not hold is passed
// over; see the package comment for the rules.
func Evaluate(space id.SpaceKey, creds []*Credential) *Membership {
	return BeginEvaluation(space, creds).Some(nil)
}

func newEvaluation(g *graph, space id.SpaceKey) *evaluation {
	n := len(g.nodes)
	e := &evaluation{
		graph: g, records: newRecords(g, space), space: space, all: newBitset(n), valid: newBitset(n),
		authority: make([]authority, n), removal: newBitset(n), misused: newBitset(n),
		taken: map[int]authority{}, refused: map[int]bool{}, against: map[id.IdentityKey][]int{},
	}
	for i := range n {
		e.all.add(i)
	}
	return e
}

// passFrom judges the nodes from one on, in their order, until enough; it gives the
// one to go on with.
func (e *evaluation) passFrom(i int, enough func() bool) int {
	for ; i < len(e.nodes); i++ {
		e.set(e.verdict(i))
		if i%someNodes == someNodes-1 && enough != nil && enough() {
			return i + 1
		}
	}
	return i
}

// pass judges every node.
func (e *evaluation) pass() { e.passFrom(0, nil) }

// verdict is what is found of a node.
type verdict struct {
	node                    int
	valid, removal, misused bool
	authority               authority
}

// verdictNow is what was last found of node i.
func (e *evaluation) verdictNow(i int) verdict {
	return verdict{node: i, valid: e.valid.has(i), removal: e.removal.has(i), misused: e.misused.has(i), authority: e.authority[i]}
}

func (e *evaluation) set(v verdict) {
	e.valid.put(v.node, v.valid)
	e.removal.put(v.node, v.removal)
	e.misused.put(v.node, v.misused)
	e.authority[v.node] = v.authority
}

// verdict judges node i by what is set of those before it.
func (e *evaluation) verdict(i int) verdict {
	v := verdict{node: i}
	if a, ok := e.taken[i]; ok {
		v.authority, v.valid, v.removal = a, true, true
		return v
	}
	if e.refused[i] {
		return v
	}
	a, ok, demoted := e.judge(i)
	if ok && !e.line && !e.invited(i) {
		v.misused, ok = true, false
	}
	if !ok && demoted && e.isGrant(i) {
		v.misused = true
	}
	if removal := ok && e.takesAway(i); ok && !(removal && e.sober) {
		v.authority, v.valid, v.removal = a, true, removal
	}
	return v
}

// judge finds the authority under which node i holds: of the identities that
// its issuer acts for, the one with the highest role. demoted: one of these might
// have issued it, but for its demotion.
func (e *evaluation) judge(i int) (best authority, ok, demoted bool) {
	n := &e.nodes[i]
	switch n.Claim.(type) {
	case Genesis:
		return authority{}, i == e.genesis, false
	case Device, Recovery:
		return authority{}, true, false // judged where they are used, by chainOf
	}
	for _, identity := range e.claimers[n.Issuer] {
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
		if !e.allowed(i, a) {
			continue
		}
		switch by := e.voided(i, a); {
		case by == byDemotion:
			demoted = true
		case by == byNothing && (!ok || a.role < best.role):
			best, ok = a, true
		}
	}
	return best, ok, demoted
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
		return c.Identity == a.identity
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
	if e.genesis >= 0 && e.isOwner(e.nodes[e.genesis].Claim.(Genesis).Identity, identity, view) {
		return true // as a rule, and saves the search
	}
	for other := range e.admits {
		if e.isOwner(other, identity, view) {
			return true
		}
	}
	return false
}

// isOwner tells whether an identity is an OWNER in view, and not the one excepted.
func (e *evaluation) isOwner(identity, except id.IdentityKey, view bitset) bool {
	s, ok := e.standing(identity, view)
	return ok && s.role == Owner && identity != except
}

// knownKey tells whether a key was introduced in view.
func (e *evaluation) knownKey(key id.EpochID, view bitset) bool {
	return slices.ContainsFunc(e.epochs[key], func(n int) bool { return view.has(n) && e.valid.has(n) })
}

// voiding is by what an authority is ended.
type voiding uint8

const (
	byNothing  voiding = iota
	byDemotion         // whose new keys, if any, are sealed to those it does not know to be void
	byRemoval
)

// voided tells whether a removal that was taken, and that is concurrent with node
// i, ends the authority under which i was issued.
func (e *evaluation) voided(i int, a authority) (by voiding) {
	n := &e.nodes[i]
	for _, t := range e.against[a.identity] {
		if t == i || n.past.has(t) || e.nodes[t].past.has(i) {
			continue
		}
		switch c := e.nodes[t].Claim.(type) {
		case RevokeDevice:
			if [32]byte(c.Device) == n.Issuer && !e.standsBeside(n.past, t, a.identity) {
				return byRemoval
			}
		case Remove:
			if a.role != 0 && !e.standsBeside(n.past, t, a.identity) {
				return byRemoval
			}
		case SetRole:
			if a.role != 0 && e.issuer(t).role.mayRemove(a.role) && !e.allowed(i, authority{a.identity, max(a.role, c.Role)}) {
				by = byDemotion
			}
		}
	}
	return by
}

// issuer gives in whose name a removal counts. One that was taken may stand later in
// the order than what it voids, and not be set yet.
func (e *evaluation) issuer(removal int) authority {
	if a, ok := e.taken[removal]; ok {
		return a
	}
	return e.authority[removal]
}
