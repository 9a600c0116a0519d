package credential

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/id"
)

// binding is a link of node at: issuer vouches for key in the name of identity.
type binding struct {
	link
	identity id.IdentityKey
	at       int
	place    int // in an admission's chain
}

// records is an index of a graph by what the claims are about; lists hold node
// indexes in ascending order.
type records struct {
	genesis  int                           // the node that counts, or -1
	bindings map[[32]byte][]binding        // by key
	revokes  map[[32]byte][]int            // RevokeDevice by key
	admits   map[id.IdentityKey][]int      // Genesis and Member
	roles    map[id.IdentityKey][]int      // SetRole
	removes  map[id.IdentityKey][]int      // Remove
	profiles map[id.IdentityKey][]int      // Profile
	epochs   map[id.EpochID][]int          // Genesis and Epoch, by the key they introduce
	held     map[id.IdentityKey][][32]byte // keys by identity, in order of their first binding
	claimers map[[32]byte][]id.IdentityKey // identities by key, in byte order
	issued   map[[32]byte][]int            // by issuer, without Device and Recovery
	about    map[id.IdentityKey][]int      // Member, SetRole, Remove, RevokeDevice
	everRule map[id.IdentityKey]bool       // whom Genesis, Member or SetRole makes OWNER

	invitations map[id.InvitationID][]int // Invitation
	spent       map[id.InvitationID][]int // Spent
	uses        map[id.InvitationID][]int // Member, if it names one
	gone        []int                     // Remove and RevokeDevice
}

func newRecords(g *graph, space id.SpaceKey) *records {
	r := &records{
		genesis: -1, bindings: map[[32]byte][]binding{}, revokes: map[[32]byte][]int{},
		admits: map[id.IdentityKey][]int{}, roles: map[id.IdentityKey][]int{}, removes: map[id.IdentityKey][]int{},
		profiles: map[id.IdentityKey][]int{}, epochs: map[id.EpochID][]int{}, held: map[id.IdentityKey][][32]byte{},
		claimers: map[[32]byte][]id.IdentityKey{}, issued: map[[32]byte][]int{}, about: map[id.IdentityKey][]int{}, everRule: map[id.IdentityKey]bool{},
		invitations: map[id.InvitationID][]int{}, spent: map[id.InvitationID][]int{}, uses: map[id.InvitationID][]int{},
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		if l, identity, ok := linkOf(n.Credential); ok {
			r.bind(l, identity, i, 0)
			continue
		}
		r.issued[n.Issuer] = append(r.issued[n.Issuer], i)
		if c, ok := n.Claim.(Genesis); !ok {
			r.note(i, n)
		} else if r.genesis < 0 && c.Space == space && n.Issuer == [32]byte(space) {
			r.genesis = i
			r.everRule[c.Identity] = true
			r.admits[c.Identity] = append(r.admits[c.Identity], i)
			r.epochs[c.ControlKey] = append(r.epochs[c.ControlKey], i)
		}
	}
	return r
}

// note indexes a node that is neither Genesis nor a link.
func (r *records) note(i int, n *node) {
	switch c := n.Claim.(type) {
	case Member:
		r.noteGrant(r.admits, i, c.Identity, c.Role)
		for place, l := range n.chain {
			r.bind(l, c.Identity, i, place)
		}
		if !id.IsZero(c.Invitation) {
			r.uses[c.Invitation] = append(r.uses[c.Invitation], i)
		}
	case SetRole:
		r.noteGrant(r.roles, i, c.Identity, c.Role)
	case Remove:
		r.removes[c.Identity] = append(r.removes[c.Identity], i)
		r.about[c.Identity] = append(r.about[c.Identity], i)
		r.gone = append(r.gone, i)
	case RevokeDevice:
		r.revokes[c.Device] = append(r.revokes[c.Device], i)
		r.about[c.Identity] = append(r.about[c.Identity], i)
		r.gone = append(r.gone, i)
	case Profile:
		r.profiles[c.Identity] = append(r.profiles[c.Identity], i)
	case Epoch:
		r.epochs[c.Key] = append(r.epochs[c.Key], i)
	case Invitation:
		r.invitations[c.Invitation] = append(r.invitations[c.Invitation], i)
	case Spent:
		r.spent[c.Invitation] = append(r.spent[c.Invitation], i)
	}
}

func (r *records) noteGrant(in map[id.IdentityKey][]int, i int, identity id.IdentityKey, role Role) {
	in[identity] = append(in[identity], i)
	r.about[identity] = append(r.about[identity], i)
	if role == Owner {
		r.everRule[identity] = true
	}
}

func (r *records) bind(l link, identity id.IdentityKey, at, place int) {
	r.bindings[l.key] = append(r.bindings[l.key], binding{link: l, identity: identity, at: at, place: place})
	if list := r.claimers[l.key]; !slices.Contains(list, identity) {
		list = append(list, identity)
		sort.Slice(list, func(i, j int) bool { return id.Compare(list[i], list[j]) < 0 })
		r.claimers[l.key] = list
		r.held[identity] = append(r.held[identity], l.key)
	}
}

// revoked tells whether a key of the identity is revoked by what view holds,
// for what stands at node at: a revocation that followed it does not touch it.
// At -1 any revocation counts.
func (e *evaluation) revoked(key [32]byte, identity id.IdentityKey, view bitset, at int) bool {
	for _, r := range e.revokes[key] {
		if !view.has(r) || !e.valid.has(r) || e.nodes[r].Claim.(RevokeDevice).Identity != identity {
			continue
		}
		if (at < 0 || !e.nodes[r].past.has(at)) && !e.standsBeside(view, r, identity) {
			return true
		}
	}
	return false
}

// chainOf gives the bindings that lead from a key up to the identity's own,
// through what view holds; nil if none do. The key itself may be revoked.
func (e *evaluation) chainOf(key [32]byte, identity id.IdentityKey, view bitset) []binding {
	type step struct {
		binding
		from int // the step below, -1 for the key itself
	}
	var steps []step
	seen := map[[32]byte]bool{key: true}
	expand := func(key [32]byte, from int) {
		for _, b := range e.bindings[key] {
			if b.identity == identity && view.has(b.at) && e.valid.has(b.at) {
				steps = append(steps, step{b, from})
			}
		}
	}
	for _, b := range e.bindings[key] {
		if b.identity == identity && b.issuer == [32]byte(identity) && view.has(b.at) && e.valid.has(b.at) {
			return []binding{b} // as below, at less cost
		}
	}
	expand(key, -1)
	for i := 0; i < len(steps); i++ {
		s := steps[i]
		if s.issuer == [32]byte(identity) {
			var chain []binding
			for j := i; j >= 0; j = steps[j].from {
				chain = append(chain, steps[j].binding)
			}
			return chain
		}
		if !seen[s.issuer] && !e.revoked(s.issuer, identity, view, s.at) {
			seen[s.issuer] = true
			expand(s.issuer, i)
		}
	}
	return nil
}

// device finds a key's binding as a device of the identity that holds in view:
// chained to the identity, and not revoked.
func (e *evaluation) device(key [32]byte, identity id.IdentityKey, view bitset) (binding, bool) {
	b, ok := e.keyOf(key, identity, view)
	return b, ok && !b.recovery
}

// keyOf is device for recovery keys too.
func (e *evaluation) keyOf(key [32]byte, identity id.IdentityKey, view bitset) (binding, bool) {
	if e.revoked(key, identity, view, -1) {
		return binding{}, false
	}
	chain := e.chainOf(key, identity, view)
	if chain == nil {
		return binding{}, false
	}
	return chain[len(chain)-1], true
}

// standing is an identity's membership as a view shows it.
type standing struct {
	role      Role
	decided   int // the node that decides the role
	admission int // the senior admission that counts
}

// standing gives the membership of an identity; false if it is no member.
func (e *evaluation) standing(identity id.IdentityKey, view bitset) (standing, bool) {
	live := e.liveAdmissions(identity, view)
	if len(live) == 0 {
		return standing{}, false
	}
	s := standing{admission: live[0]}
	s.decided = e.decide(e.withRoles(live, identity, view))
	s.role = e.granted(s.decided)
	return s, true
}

// liveAdmissions are the admissions that no removal ended.
func (e *evaluation) liveAdmissions(identity id.IdentityKey, view bitset) []int {
	var live []int
	for _, n := range e.admits[identity] {
		if view.has(n) && e.valid.has(n) && !e.ended(n, identity, view) {
			live = append(live, n)
		}
	}
	return live
}

// ended tells whether a Remove ends admission n: one that follows it, a concurrent
// one by somebody who might remove the role that n granted, or the member's own.
func (e *evaluation) ended(n int, identity id.IdentityKey, view bitset) bool {
	for _, r := range e.removes[identity] {
		if !view.has(r) || !e.valid.has(r) || e.nodes[n].past.has(r) || e.beyond(n, r, identity) {
			continue
		}
		raised := slices.ContainsFunc(e.roles[identity], func(s int) bool {
			return view.has(s) && e.valid.has(s) && e.nodes[s].past.has(n) && e.beyond(s, r, identity)
		})
		if !raised {
			return true
		}
	}
	return false
}

// beyond tells whether a grant, an admission or SetRole, cannot be undone by removal
// r: they are concurrent, and r is by another, who may not remove that role. So an
// ADMIN cannot unseat an OWNER by an admission made up beside the real one, nor by
// a removal signed as of before the OWNER was made one.
func (e *evaluation) beyond(grant, r int, identity id.IdentityKey) bool {
	by := e.issuer(r)
	return by.identity != identity && !by.role.mayRemove(e.granted(grant)) &&
		!e.nodes[grant].past.has(r) && !e.nodes[r].past.has(grant)
}

// standsBeside tells whether view shows the identity as a member by a grant beyond
// removal r.
func (e *evaluation) standsBeside(view bitset, r int, identity id.IdentityKey) bool {
	if by := e.issuer(r); by.identity == identity || by.role.mayRemove(Owner) {
		return false
	}
	grants := e.withRoles(e.liveAdmissions(identity, view), identity, view)
	return slices.ContainsFunc(grants, func(n int) bool { return e.beyond(n, r, identity) })
}

// withRoles gives live admissions with the SetRoles that count: those that follow
// one of them.
func (e *evaluation) withRoles(live []int, identity id.IdentityKey, view bitset) []int {
	admissions := live
	for _, n := range e.roles[identity] {
		if view.has(n) && e.valid.has(n) && slices.ContainsFunc(admissions, e.nodes[n].past.has) {
			live = append(live, n)
		}
	}
	return live
}

// granted is the role that an admission or SetRole gives.
func (e *evaluation) granted(n int) Role {
	switch c := e.nodes[n].Claim.(type) {
	case Member:
		return c.Role
	case SetRole:
		return c.Role
	}
	return Owner // Genesis
}

// decide picks, of admissions and SetRoles that no other of them follows, the
// one that holds.
func (e *evaluation) decide(live []int) int {
	best := -1
	for _, n := range live {
		followed := slices.ContainsFunc(live, func(o int) bool { return e.nodes[o].past.has(n) })
		if !followed && (best < 0 || e.outranks(n, best)) {
			best = n
		}
	}
	return best
}

// outranks tells whether n holds against the concurrent best.
func (e *evaluation) outranks(n, best int) bool {
	if a, b := e.authority[n].role, e.authority[best].role; a != b {
		return a < b
	}
	// As in beyond: what the issuers of both may not change.
	if a, b := e.authority[n].role.mayRemove(e.granted(n)), e.authority[n].role.mayRemove(e.granted(best)); a != b {
		return b
	}
	_, setN := e.nodes[n].Claim.(SetRole)
	_, setBest := e.nodes[best].Claim.(SetRole)
	if setN != setBest {
		return setN
	}
	if a, b := e.granted(n), e.granted(best); a != b {
		return (a > b) == setN
	}
	return n < best // the senior
}
