package credential

import (
	"slices"

	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
)

// Limit is what of a device's feeds counts, if not all does.
type Limit struct {
	// Closed: no other blocks of the device count than Cuts and their past.
	// Not Closed, with Cuts: the device writes again, by other feeds than these.
	Closed bool
	// Cuts are the heads, of all that ended its writing, up to which its feeds
	// count, ascending by feed and hash.
	Cuts []feed.Ref

	m      *Membership
	device id.DeviceKey
	ends   []int
	knew   map[id.EpochID]bool // without ends: what Knew found
}

// Ends tells whether anybody's writing was ever ended, or is void by what came beside
// what allowed it.
func (m *Membership) Ends() bool { return m.ends }

// endsWriting tells whether node i is a removal, a revocation or a demotion below
// EDITOR.
func (e *evaluation) endsWriting(i int) bool {
	switch c := e.nodes[i].Claim.(type) {
	case Remove, RevokeDevice:
		return true
	case SetRole:
		return !c.Role.mayWrite()
	}
	return false
}

// Limit gives what of a device's feeds counts; false if all does that it might write.
// What a member wrote before it was removed, demoted below EDITOR, or its device
// revoked, stays. Of a device whose right to write is void there are no cuts.
//
// The cut of an end counts if the device could write in the past of that end: nobody
// says afterwards how far it was. A member that leaves, or revokes its own device, says
// nothing beside another who ended its writing at the same time: else it would sign
// late, with old parents, what it wrote since.
func (m *Membership) Limit(d id.DeviceKey) (l Limit, limited bool) {
	e := m.e
	l = Limit{m: m, device: d, Closed: !m.MayWrite(d)}
	for _, identity := range e.claimers[d] {
		ends := e.endsOf(d, identity)
		for _, i := range ends {
			if e.wrote(d, identity, i) && !e.cutBeside(i, identity, ends) {
				l.Cuts = append(l.Cuts, cutsOf(e.nodes[i].Claim)...)
			}
		}
		l.ends = append(l.ends, ends...)
	}
	l.Cuts = feed.SortRefs(l.Cuts)
	if len(l.ends) == 0 && l.Closed && e.wroteByVoid(d, nil) {
		l.knew = map[id.EpochID]bool{}
		return l, true
	}
	return l, len(l.ends) > 0
}

// endsOf gives what ended the writing of a device of an identity.
func (e *evaluation) endsOf(d id.DeviceKey, identity id.IdentityKey) (ends []int) {
	for _, i := range e.about[identity] {
		if !e.valid.has(i) || !e.endsWriting(i) || e.outdone(i, identity) {
			continue
		}
		if c, ok := e.nodes[i].Claim.(RevokeDevice); ok && c.Device != d {
			continue
		}
		ends = append(ends, i)
	}
	return ends
}

func cutsOf(c Claim) []feed.Ref {
	switch c := c.(type) {
	case Remove:
		return c.Cuts
	case RevokeDevice:
		return c.Cuts
	case SetRole:
		return c.Cuts
	}
	return nil
}

// wrote tells whether a device could write in the past of node i.
func (e *evaluation) wrote(d id.DeviceKey, identity id.IdentityKey, i int) bool {
	past := e.nodes[i].past
	s, member := e.standing(identity, past)
	if !member || !s.role.mayWrite() {
		return false
	}
	_, ok := e.device(d, identity, past)
	return ok
}

// cutBeside tells whether end i is the identity's own, and another's is concurrent.
func (e *evaluation) cutBeside(i int, identity id.IdentityKey, ends []int) bool {
	return e.issuer(i).identity == identity && slices.ContainsFunc(ends, func(o int) bool {
		return e.issuer(o).identity != identity && !e.nodes[i].past.has(o) && !e.nodes[o].past.has(i)
	})
}

// outdone tells whether a removal took nothing, because of a grant beside it: one
// beyond it, or one of a role that writes, by a higher authority. Else an ADMIN could
// cut an OWNER's feeds.
func (e *evaluation) outdone(i int, identity id.IdentityKey) bool {
	if e.standsBeside(e.all, i, identity) {
		return true
	}
	if _, ok := e.nodes[i].Claim.(SetRole); !ok {
		return false
	}
	grants := e.withRoles(e.liveAdmissions(identity, e.all), identity, e.all)
	return slices.ContainsFunc(grants, func(g int) bool {
		return g != i && !e.nodes[g].past.has(i) && !e.nodes[i].past.has(g) && e.granted(g).mayWrite() && e.outranks(g, i)
	})
}

// Knew tells whether whoever wrote under a key could know that the device's
// writing had ended: the key was introduced after one of the ends, or after what makes
// the right to write void. It is not safe for concurrent use.
func (l Limit) Knew(key id.EpochID) bool {
	e := l.m.e
	at := e.introducedBy(key)
	if at < 0 {
		return false
	}
	if len(l.ends) > 0 {
		return slices.ContainsFunc(l.ends, func(end int) bool { return e.nodes[at].past.has(end) })
	}
	knew, found := l.knew[key]
	if !found {
		knew = !e.wroteByVoid(l.device, e.nodes[at].past)
		l.knew[key] = knew
	}
	return knew
}
