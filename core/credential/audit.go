package credential

import (
	"sort"

	"github.com/echospace/echospace/core/id"
)

// Action is what an entry of the audit log says was done.
type Action string

// The actions.
const (
	Founded       Action = "FOUNDED"
	Admitted      Action = "ADMITTED"
	RoleChanged   Action = "ROLE_CHANGED"
	Removed       Action = "REMOVED"
	Left          Action = "LEFT"
	Renamed       Action = "RENAMED"
	DeviceAdded   Action = "DEVICE_ADDED"
	DeviceRevoked Action = "DEVICE_REVOKED"
	RecoveryAdded Action = "RECOVERY_ADDED"
	// Invited: an invitation was handed to all who may invite.
	Invited         Action = "INVITED"
	InvitationEnded Action = "INVITATION_ENDED"
)

// AuditEntry is one entry of the audit log: who did what to whom, when and from where.
type AuditEntry struct {
	Credential id.CredentialID
	Action     Action
	// Time is by the clock of who did it, in milliseconds since 1970.
	Time int64
	// Valid: it counts. What does not was not permitted, or was voided by what came
	// beside it.
	Valid bool
	// By is the identity for which the issuer acted then, with the name that it has
	// now; zero for a founding, which the space's own key signs, and for a key of
	// which no identity is known.
	By     id.IdentityKey
	ByName string
	// Issuer is the key that signed: a device, a recovery key, an identity key for a
	// first device, or the space key.
	Issuer [32]byte
	// Subject is whom it is about, with the name that it has now; By for an invitation,
	// which is about nobody yet.
	Subject     id.IdentityKey
	SubjectName string
	// Role is that which was given; 0 if none was.
	Role Role
	// Invitation is that by which somebody was admitted, or which was handed out or
	// ended, or zero.
	Invitation id.InvitationID
	// Device is the device, or recovery key, that was added or revoked, or zero.
	Device id.DeviceKey
	// Text is the name of who was admitted or renamed, as it was given then, the label
	// of a device, or why an invitation ended: USED, CANCELLED, EXHAUSTED, EXPIRED.
	Text string
}

// Audit gives the audit log of the space by the credentials that are here, the newest
// last: in order of their times, except that nothing comes before what its issuer knew.
func (m *Membership) Audit() []AuditEntry {
	e := m.e
	names := m.names()
	times := make([]int64, len(e.nodes)) // not before those of the past
	order := make([]int, len(e.nodes))
	index := make(map[id.CredentialID]int, len(e.nodes))
	for i := range e.nodes {
		n := &e.nodes[i]
		times[i], order[i], index[n.id] = n.Time, i, i
		for _, p := range n.Parents {
			if at, ok := index[p]; ok {
				times[i] = max(times[i], times[at])
			}
		}
	}
	sort.Slice(order, func(i, j int) bool {
		a, b := order[i], order[j]
		if times[a] != times[b] {
			return times[a] < times[b]
		}
		return a < b // nodes come after their past
	})
	var list []AuditEntry
	for _, i := range order {
		entry, ok := EntryOf(e.nodes[i].Claim)
		if !ok {
			continue
		}
		n := &e.nodes[i]
		entry.Credential, entry.Time, entry.Issuer, entry.Valid = n.id, n.Time, n.Issuer, m.valid[n.id]
		entry.By = e.actor(i, entry.Subject)
		switch {
		case entry.Action == Removed && entry.By == entry.Subject:
			entry.Action = Left
		case entry.Action == Invited, entry.Action == InvitationEnded:
			entry.Subject = entry.By
		}
		entry.ByName, entry.SubjectName = names[entry.By], names[entry.Subject]
		list = append(list, entry)
	}
	return list
}

// About gives the credentials that hold about an identity, in order of seniority: its
// admissions, roles, names, devices and recovery keys, and what was taken away.
func (m *Membership) About(who id.IdentityKey) (list []*Credential) {
	for i := range m.e.nodes {
		c := m.e.nodes[i].Credential
		if _, sealed := c.Claim.(RecoveryEnvelope); sealed || !m.valid[c.id] {
			continue
		}
		if subject, ok := Subject(c.Claim); ok && subject == who {
			list = append(list, c)
		}
	}
	return list
}

// reasons are why an invitation ended, in words.
var reasons = map[Reason]string{Used: "USED", Cancelled: "CANCELLED", Exhausted: "EXHAUSTED", Expired: "EXPIRED"}

// EntryOf gives what an entry has of its claim alone; false for a claim that the log
// leaves out.
func EntryOf(c Claim) (AuditEntry, bool) {
	switch c := c.(type) {
	case Genesis:
		return AuditEntry{Action: Founded, Subject: c.Identity, Role: Owner}, true
	case Member:
		return AuditEntry{Action: Admitted, Subject: c.Identity, Role: c.Role, Invitation: c.Invitation, Text: c.Name}, true
	case SetRole:
		return AuditEntry{Action: RoleChanged, Subject: c.Identity, Role: c.Role}, true
	case Remove:
		return AuditEntry{Action: Removed, Subject: c.Identity}, true
	case Profile:
		return AuditEntry{Action: Renamed, Subject: c.Identity, Text: c.Name}, true
	case Device:
		return AuditEntry{Action: DeviceAdded, Subject: c.Identity, Device: c.Device, Text: c.Label}, true
	case RevokeDevice:
		return AuditEntry{Action: DeviceRevoked, Subject: c.Identity, Device: c.Device}, true
	case Recovery:
		return AuditEntry{Action: RecoveryAdded, Subject: c.Identity, Device: c.Key}, true
	case Invitation:
		return AuditEntry{Action: Invited, Role: c.Role, Invitation: c.Invitation}, true
	case Spent:
		return AuditEntry{Action: InvitationEnded, Invitation: c.Invitation, Text: reasons[c.Reason]}, true
	}
	return AuditEntry{}, false
}

// actor gives the identity for which the issuer of node i acted: that by which it
// counts, else the one, of those that its past shows it to be of, which it is about.
func (e *evaluation) actor(i int, subject id.IdentityKey) (best id.IdentityKey) {
	n := &e.nodes[i]
	if _, _, link := linkOf(n.Credential); link && (n.Issuer == [32]byte(subject) || e.chainOf(n.Issuer, subject, e.all) != nil) {
		return subject
	}
	if a := e.authority[i].identity; !id.IsZero(a) {
		return a
	}
	for _, identity := range e.claimers[n.Issuer] {
		if e.chainOf(n.Issuer, identity, n.past) != nil && (id.IsZero(best) || identity == subject) {
			best = identity
		}
	}
	return best
}

// names gives the last name of everybody who ever was admitted; what counts before what
// does not.
func (m *Membership) names() map[id.IdentityKey]string {
	names := map[id.IdentityKey]string{}
	for _, valid := range []bool{false, true} {
		for i := range m.e.nodes {
			n := &m.e.nodes[i]
			if m.valid[n.id] != valid {
				continue
			}
			switch c := n.Claim.(type) {
			case Member:
				names[c.Identity] = c.Name
			case Profile:
				names[c.Identity] = c.Name
			}
		}
	}
	return names
}
