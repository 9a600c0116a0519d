package credential

import (
	"bytes"
	"slices"

	"github.com/echospace/echospace/core/id"
)

// twin judges a set of at most 64 credentials by the sentences of the package
// comment, in the plainest way: it judges everything again for whatever it wants to
// know. It shares no code with Evaluate but the claims and Decode. A view is a set
// of credentials as bits.
type twin struct {
	space   id.SpaceKey
	c       []*Credential // in order of seniority
	past    []uint64
	links   []twinLink
	taken   map[int]twinAuth
	dropped map[int]bool
	sober   bool // of removals the taken alone hold

	genesis int
	holds   uint64
	misused uint64
	auth    []twinAuth
}

// twinAuth is in whose name something is issued, with its role: 0 a recovery key,
// 6 no member.
type twinAuth struct {
	identity id.IdentityKey
	role     Role
}

// twinLink says that issuer vouches, in credential at, for key in the name of
// identity.
type twinLink struct {
	identity    id.IdentityKey
	issuer, key [32]byte
	recovery    bool
	at          int
}

func bit(i int) uint64               { return 1 << i }
func in(set uint64, i int) bool      { return set&bit(i) != 0 }
func (t *twin) sees(v uint64) uint64 { return v & t.holds }

func newTwin(space id.SpaceKey, creds []*Credential) *twin {
	t := &twin{space: space, taken: map[int]twinAuth{}, dropped: map[int]bool{}, genesis: -1}
	t.order(creds)
	t.auth = make([]twinAuth, len(t.c))
	for i, c := range t.c {
		switch claim := c.Claim.(type) {
		case Genesis:
			if t.genesis < 0 && claim.Space == space && c.Issuer == [32]byte(space) {
				t.genesis = i
			}
		case Device:
			t.links = append(t.links, twinLink{claim.Identity, c.Issuer, claim.Device, false, i})
		case Recovery:
			t.links = append(t.links, twinLink{claim.Identity, c.Issuer, claim.Key, true, i})
		case Member:
			for _, raw := range claim.Devices {
				switch nested := decoded(raw); l := nested.Claim.(type) {
				case Device:
					t.links = append(t.links, twinLink{claim.Identity, nested.Issuer, l.Device, false, i})
				case Recovery:
					t.links = append(t.links, twinLink{claim.Identity, nested.Issuer, l.Key, true, i})
				}
			}
		}
	}
	t.judge()
	t.rounds()
	return t
}

// order sorts what has its past in the set by depth, then id.
func (t *twin) order(creds []*Credential) {
	byID := map[id.CredentialID]*Credential{}
	for _, c := range creds {
		byID[c.ID()] = c
	}
	depths := map[id.CredentialID]int{}
	var depth func(c *Credential) int // -1: a parent is missing
	depth = func(c *Credential) int {
		if d, ok := depths[c.ID()]; ok {
			return d
		}
		d := 0
		_, isDevice := c.Claim.(Device)
		_, isRecovery := c.Claim.(Recovery)
		for _, p := range c.Parents {
			parent, ok := byID[p]
			if !ok && (isDevice || isRecovery) {
				continue
			}
			below := -1
			if ok {
				below = depth(parent)
			}
			if below < 0 {
				d = -1
				break
			}
			d = max(d, below+1)
		}
		depths[c.ID()] = d
		return d
	}
	for _, c := range byID {
		if depth(c) >= 0 {
			t.c = append(t.c, c)
		}
	}
	slices.SortFunc(t.c, func(a, b *Credential) int {
		if d := depths[a.ID()] - depths[b.ID()]; d != 0 {
			return d
		}
		return bytes.Compare(a.id[:], b.id[:])
	})
	t.past = make([]uint64, len(t.c))
	for i, c := range t.c {
		for j := range i {
			if slices.Contains(c.Parents, t.c[j].ID()) {
				t.past[i] |= t.past[j] | bit(j)
			}
		}
	}
}

func (t *twin) concurrent(i, j int) bool { return i != j && !in(t.past[i], j) && !in(t.past[j], i) }

// judge goes over all, the senior first.
func (t *twin) judge() {
	t.holds, t.misused = 0, 0
	for i := range t.c {
		a, ok, misused := t.one(i)
		if _, _, removal := t.target(i); ok && removal && t.sober {
			_, ok = t.taken[i]
		}
		t.auth[i] = a
		if ok {
			t.holds |= bit(i)
		}
		if misused {
			t.misused |= bit(i)
		}
	}
}

func (t *twin) one(i int) (a twinAuth, holds, misused bool) {
	if a, ok := t.taken[i]; ok {
		return a, true, false
	}
	if t.dropped[i] {
		return a, false, false
	}
	switch t.c[i].Claim.(type) {
	case Genesis:
		return a, i == t.genesis, false
	case Device, Recovery:
		return a, true, false
	}
	found, demoted := false, false
	var best twinAuth
	for _, identity := range t.claimants(t.c[i].Issuer) {
		recovery, ok := t.keyHolds(t.c[i].Issuer, identity, t.past[i])
		if !ok {
			continue
		}
		a := twinAuth{identity: identity}
		if !recovery {
			a.role = 6
			if role, _, ok := t.member(identity, t.past[i]); ok {
				a.role = role
			}
		}
		if !t.may(i, a) {
			continue
		}
		gone, lowered := t.isVoid(i, a)
		demoted = demoted || lowered && !gone
		if !gone && !lowered && (!found || a.role < best.role) {
			found, best = true, a
		}
	}
	if found && !t.open(i) {
		return twinAuth{}, false, true
	}
	_, _, _, grants := t.grant(i)
	return best, found, !found && demoted && grants
}

// claimants are the identities that a key is claimed for, in byte order.
func (t *twin) claimants(key [32]byte) (list []id.IdentityKey) {
	for _, l := range t.links {
		if l.key == key && !slices.Contains(list, l.identity) {
			list = append(list, l.identity)
		}
	}
	slices.SortFunc(list, id.Compare[id.IdentityKey])
	return list
}

// keyHolds tells whether a key is one of the identity's in view, and which kind.
func (t *twin) keyHolds(key [32]byte, identity id.IdentityKey, view uint64) (recovery, ok bool) {
	if t.revokedFor(key, identity, view, -1) {
		return false, false
	}
	for _, l := range t.links {
		if l.key == key && l.identity == identity {
			recovery = l.recovery
		}
	}
	return recovery, t.chained(key, identity, view, nil)
}

func (t *twin) chained(key [32]byte, identity id.IdentityKey, view uint64, below [][32]byte) bool {
	for _, l := range t.links {
		if l.key != key || l.identity != identity || !in(t.sees(view), l.at) || slices.Contains(below, l.issuer) {
			continue
		}
		if l.issuer == [32]byte(identity) {
			return true
		}
		if !t.revokedFor(l.issuer, identity, view, l.at) && t.chained(l.issuer, identity, view, append(below, key)) {
			return true
		}
	}
	return false
}

// revokedFor: is a revocation of the key in view that does not follow what it did at.
func (t *twin) revokedFor(key [32]byte, identity id.IdentityKey, view uint64, at int) bool {
	for r, c := range t.c {
		claim, ok := c.Claim.(RevokeDevice)
		if ok && in(t.sees(view), r) && claim.Identity == identity && [32]byte(claim.Device) == key &&
			(at < 0 || !in(t.past[r], at)) && !t.grantBeyond(r, identity, view) {
			return true
		}
	}
	return false
}

// isVoid: a removal that was taken voids i, or a demotion.
func (t *twin) isVoid(i int, a twinAuth) (gone, lowered bool) {
	for r := range t.taken {
		if !t.concurrent(i, r) {
			continue
		}
		switch c := t.c[r].Claim.(type) {
		case Remove:
			if c.Identity == a.identity && a.role > 0 && !t.grantBeyond(r, a.identity, t.past[i]) {
				gone = true
			}
		case RevokeDevice:
			if c.Identity == a.identity && [32]byte(c.Device) == t.c[i].Issuer && !t.grantBeyond(r, a.identity, t.past[i]) {
				gone = true
			}
		case SetRole:
			if c.Identity == a.identity && a.role > 0 && t.mayRemove(t.by(r).role, a.role) &&
				!t.may(i, twinAuth{a.identity, max(a.role, c.Role)}) {
				lowered = true
			}
		}
	}
	return gone, lowered
}

// open tells whether admission i finds its delegated invitation open.
func (t *twin) open(i int) bool {
	m, ok := t.c[i].Claim.(Member)
	at := t.delegated(i)
	if !ok || at < 0 {
		return true
	}
	for j, c := range t.c {
		if !in(t.sees(t.past[i]), j) {
			continue
		}
		switch claim := c.Claim.(type) {
		case Spent:
			if claim.Invitation == m.Invitation {
				return false
			}
		case Remove, RevokeDevice:
			if !in(t.past[at], j) {
				return false
			}
		}
	}
	if t.c[at].Claim.(Invitation).Multi {
		return true
	}
	for j := range i {
		other, ok := t.c[j].Claim.(Member)
		if ok && in(t.holds, j) && other.Invitation == m.Invitation && t.delegated(j) >= 0 &&
			(in(t.past[i], j) || t.mayRemove(t.auth[j].role, m.Role)) {
			return false
		}
	}
	return true
}

// delegated gives the Invitation that admission i is by, or -1.
func (t *twin) delegated(i int) int {
	m, ok := t.c[i].Claim.(Member)
	if !ok || id.IsZero(m.Invitation) {
		return -1
	}
	for j, c := range t.c {
		if claim, ok := c.Claim.(Invitation); ok && in(t.sees(t.past[i]), j) && claim.Invitation == m.Invitation {
			return j
		}
	}
	return -1
}
