package credential

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/echospace/echospace/core/id"
)

// This file compares what is found of random graphs.

// story tells the graph for a failure.
func (g *randomGraph) story(m *Membership) string {
	names := map[string]string{}
	for n, p := range g.people {
		names[p.identity.String()] = fmt.Sprint("P", n)
		names[p.first.Claim.(Device).Device.String()] = fmt.Sprint("P", n, "a")
		names[p.second.Claim.(Device).Device.String()] = fmt.Sprint("P", n, "b")
		names[fmt.Sprintf("%x", p.recovery)] = fmt.Sprint("P", n, "r")
	}
	for i := range m.e.nodes {
		names[m.e.nodes[i].id.String()] = fmt.Sprint("#", i)
	}
	var s strings.Builder
	for i := range m.e.nodes {
		n := &m.e.nodes[i]
		claim := fmt.Sprintf("%T", n.Claim)[len("credential."):]
		var about string
		switch c := n.Claim.(type) {
		case Member:
			about = fmt.Sprintf("%v %v devices %d invitation %d", c.Identity, c.Role, len(c.Devices), c.Invitation[0])
		case SetRole:
			about = fmt.Sprintf("%v %v", c.Identity, c.Role)
		case Remove:
			about = fmt.Sprintf("%v", c.Identity)
		case RevokeDevice:
			about = fmt.Sprintf("%v %v", c.Identity, c.Device)
		case Invitation:
			about = fmt.Sprint(c.Invitation[0], c.Role, c.Multi)
		case Device:
			about = fmt.Sprintf("%v %v", c.Identity, c.Device)
		case Epoch:
			about = fmt.Sprint(c.Key[0], c.Control)
		}
		fmt.Fprintf(&s, "#%d %v by %x after %v: %s %s\n", i, m.e.valid.has(i), n.Issuer, n.Parents, claim, about)
	}
	text := s.String()
	for long, short := range names {
		text = strings.ReplaceAll(text, long, short)
	}
	return text
}

// differs tells where two memberships of one set differ, or "".
func differs(a, b *Membership, set []*Credential) string {
	for _, c := range set {
		if a.Valid(c.ID()) != b.Valid(c.ID()) {
			return fmt.Sprintf("%v %T holds: %v and %v", c.ID(), c.Claim, a.Valid(c.ID()), b.Valid(c.ID()))
		}
	}
	if !slices.Equal(a.Heads(), b.Heads()) {
		return fmt.Sprint("heads ", a.Heads(), b.Heads())
	}
	if a.RotationDue() != b.RotationDue() {
		return "rotation due"
	}
	same := func(a, b MemberInfo) bool {
		return a.Identity == b.Identity && a.Role == b.Role && a.Name == b.Name && slices.Equal(a.Devices, b.Devices)
	}
	if !slices.EqualFunc(a.Members(), b.Members(), same) {
		return fmt.Sprintf("members %+v\nand %+v", a.Members(), b.Members())
	}
	return ""
}

// differs tells where the twin and a membership differ, or "".
func (t *twin) differs(m *Membership, set []*Credential) string {
	var heads []id.CredentialID
	var valid, covered uint64
	for i, c := range t.c {
		ok := in(t.holds, i)
		if ok {
			for _, l := range t.links {
				_, isMember := c.Claim.(Member)
				if l.at == i && !isMember && l.issuer != [32]byte(l.identity) {
					ok = t.chained(l.issuer, l.identity, t.holds, nil) && !t.revokedFor(l.issuer, l.identity, t.holds, i)
				}
			}
		}
		if ok {
			valid |= bit(i)
		}
		if ok || in(t.misused, i) {
			covered |= t.past[i]
		}
	}
	for i, c := range t.c {
		if m.Valid(c.ID()) != in(valid, i) {
			return fmt.Sprintf("#%d %T holds: %v, by the twin %v", i, c.Claim, m.Valid(c.ID()), in(valid, i))
		}
		if in(valid|t.misused, i) && !in(covered, i) {
			heads = append(heads, c.ID())
		}
	}
	slices.SortFunc(heads, id.Compare[id.CredentialID])
	if !slices.Equal(heads, m.Heads()) {
		return fmt.Sprint("heads ", m.Heads(), ", by the twin ", heads)
	}
	return t.differsInMembers(m)
}

func (t *twin) differsInMembers(m *Membership) string {
	type found struct {
		identity  id.IdentityKey
		admission int
	}
	var members []found
	for i := range t.c {
		who, _, setRole, ok := t.grant(i)
		if !ok || setRole || slices.ContainsFunc(members, func(f found) bool { return f.identity == who }) {
			continue
		}
		role, admission, ok := t.member(who, t.holds)
		got, is := m.Identity(who)
		if ok != is || got.Role != role {
			return fmt.Sprintf("%v is %v, by the twin %v", who, got.Role, role)
		}
		if !ok {
			continue
		}
		members = append(members, found{who, admission})
		for _, l := range t.links {
			recovery, ok := t.keyHolds(l.key, who, t.holds)
			has := slices.ContainsFunc(got.Devices, func(d DeviceInfo) bool { return [32]byte(d.Device) == l.key })
			if l.identity == who && has != (ok && !recovery) {
				return fmt.Sprintf("%v has device %x: %v, by the twin %v", who, l.key, has, !has)
			}
		}
	}
	sort.Slice(members, func(i, j int) bool { return members[i].admission < members[j].admission })
	if !slices.EqualFunc(members, m.Members(), func(f found, m MemberInfo) bool { return f.identity == m.Identity }) {
		return "the order of members"
	}
	return ""
}
