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
}

func newRecords(g *graph, space id.SpaceKey) *records {
	r := &records{
		genesis: -1, bindings: map[[32]byte][]binding{}, revokes: map[[32]byte][]int{},
		admits: map[id.IdentityKey][]int{}, roles: map[id.IdentityKey][]int{}, removes: map[id.IdentityKey][]int{},
		profiles: map[id.IdentityKey][]int{}, epochs: map[id.EpochID][]int{}, held: map[id.IdentityKey][][32]byte{},
	}
	for i := range g.nodes {
		n := &g.nodes[i]
		switch c := n.Claim.(type) {
		case Genesis:
			if r.genesis < 0 && c.Space == space && n.Issuer == [32]byte(space) {
				r.genesis = i
				r.admits[c.Identity] = append(r.admits[c.Identity], i)
				r.epochs[c.ControlKey] = append(r.epochs[c.ControlKey], i)
			}
		case Member:
			r.admits[c.Identity] = append(r.admits[c.Identity], i)
			for _, l := range n.chain {
				r.bind(l, c.Identity, i)
			}
		case SetRole:
			r.roles[c.Identity] = append(r.roles[c.Identity], i)
		case Remove:
			r.removes[c.Identity] = append(r.removes[c.Identity], i)
		case RevokeDevice:
			r.revokes[c.Device] = append(r.revokes[c.Device], i)
		case Profile:
			r.profiles[c.Identity] = append(r.profiles[c.Identity], i)
		case Epoch:
			r.epochs[c.Key] = append(r.epochs[c.Key], i)
		default:
			if l, identity, ok := linkOf(n.Credential); ok {
				r.bind(l, identity, i)
			}
		}
	}
	return r
}

func (r *records) bind(l link, identity id.IdentityKey, at int) {
	r.bindings[l.key] = append(r.bindings[l.key], binding{link: l, identity: identity, at: at})
	if !slices.Contains(r.held[identity], l.key) {
		r.held[identity] = append(r.held[identity], l.key)
	}
}

// identities gives the identities that a key is claimed for, in byte order.
func (r *records) identities(key [32]byte) []id.IdentityKey {
	var out []id.IdentityKey
	for _, b := range r.bindings[key] {
		if !slices.Contains(out, b.identity) {
			out = append(out, b.identity)
		}
	}
	sort.Slice(out, func(i, j int) bool { return id.Compare(out[i], out[j]) < 0 })
	return out
}

// revoked tells whether a key of the identity is revoked by what view holds,
// for what stands at node at: a revocation that followed it does not touch it.
// At -1 any revocation counts.
func (e *evaluation) revoked(key [32]byte, identity id.IdentityKey, view bitset, at int) bool {
	for _, r := range e.revokes[key] {
		if !view.has(r) || !e.valid.has(r) || e.nodes[r].Claim.(RevokeDevice).Identity != identity {
			continue
		}
		if at < 0 || !e.nodes[r].past.has(at) {
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
	for _, n := range e.roles[identity] {
		if view.has(n) && e.valid.has(n) && e.roleLives(n, identity, view) {
			live = append(live, n)
		}
	}
	s.decided = e.decide(live)
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

// ended tells whether a removal ends admission n: one that follows it, or a
// concurrent one by somebody who might remove the role that n granted. So an
// ADMIN cannot unseat an OWNER by an admission made up beside the real one.
func (e *evaluation) ended(n int, identity id.IdentityKey, view bitset) bool {
	for _, r := range e.removes[identity] {
		if !view.has(r) || !e.valid.has(r) || e.nodes[n].past.has(r) {
			continue
		}
		if e.nodes[r].past.has(n) || e.authority[r].identity == identity || e.authority[r].role.mayRemove(e.granted(n)) {
			return true
		}
	}
	return false
}

// roleLives tells whether a SetRole follows every removal of its member.
func (e *evaluation) roleLives(n int, identity id.IdentityKey, view bitset) bool {
	for _, r := range e.removes[identity] {
		if view.has(r) && e.valid.has(r) && !e.nodes[n].past.has(r) {
			return false
		}
	}
	return true
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
