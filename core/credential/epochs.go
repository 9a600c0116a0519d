package credential

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
)

// This file tells which keys a space is to be written under: those that valid
// Epoch credentials introduce, and whether a new one is due.

// EpochHeads gives the keys of data blocks that no other follows, the senior
// first; none before the first rotation. Of more than one any may be used to
// read, and a new key is due.
func (m *Membership) EpochHeads() []id.EpochID { return m.e.heads(false) }

// ControlHeads is EpochHeads for the keys of control blocks.
func (m *Membership) ControlHeads() []id.EpochID { return m.e.heads(true) }

// heads gives the keys that no other of their kind names as a parent.
func (e *evaluation) heads(control bool) []id.EpochID {
	followed := map[id.EpochID]bool{}
	var keys []id.EpochID
	e.valid.each(func(i int) {
		c, ok := e.nodes[i].Claim.(Epoch)
		if !ok || c.Control != control {
			return
		}
		for _, p := range c.Parents {
			followed[p] = true
		}
		if e.introducedBy(c.Key) == i {
			keys = append(keys, c.Key)
		}
	})
	return slices.DeleteFunc(keys, func(k id.EpochID) bool { return followed[k] })
}

// EpochParents gives the keys that a key follows, ascending.
func (m *Membership) EpochParents(key id.EpochID) []id.EpochID {
	if at := m.e.introducedBy(key); at >= 0 {
		if c, ok := m.e.nodes[at].Claim.(Epoch); ok {
			return slices.Clone(c.Parents)
		}
	}
	return nil
}

// Introduced gives when a key was introduced, by its issuer's clock in
// milliseconds since 1970; false if no credential that holds did.
func (m *Membership) Introduced(key id.EpochID) (timeMs int64, ok bool) {
	at := m.e.introducedBy(key)
	if at < 0 {
		return 0, false
	}
	return m.e.nodes[at].Time, true
}

// introducedBy gives the senior of the valid nodes that introduce a key, or -1.
func (e *evaluation) introducedBy(key id.EpochID) int {
	for _, n := range e.epochs[key] {
		if e.valid.has(n) {
			return n
		}
	}
	return -1
}

// RotationDue tells whether somebody may read who is to read no more: a removal,
// a revocation, a demotion to KEEPER, or a grant that only its invitation or a demotion
// makes void, is not followed by the keys of data and of control blocks; or
// keys that were made at once stand beside one another.
func (m *Membership) RotationDue() bool {
	e := m.e
	var heads []int
	for _, control := range []bool{false, true} {
		keys := e.heads(control)
		if len(keys) > 1 {
			return true
		}
		if len(keys) == 1 {
			heads = append(heads, e.introducedBy(keys[0]))
		}
	}
	due := false
	e.eachEnd(func(i int) {
		due = due || len(heads) < 2 || slices.ContainsFunc(heads, func(h int) bool { return !e.follows(h, i) })
	})
	return due
}

// Follows tells whether a key was introduced by somebody who knew of everything after
// which a new key is due.
func (m *Membership) Follows(key id.EpochID) bool {
	at := m.e.introducedBy(key)
	all := true
	m.e.eachEnd(func(i int) { all = all && at >= 0 && m.e.follows(at, i) })
	return all
}

// follows tells whether whoever issued node h knew that i took keys away: it follows i,
// and if i is a void grant, what makes it so.
func (e *evaluation) follows(h, i int) bool {
	past := e.nodes[h].past
	if !past.has(i) || !e.misused.has(i) {
		return past.has(i)
	}
	beside := e.voidBeside(i)
	return len(beside) == 0 || slices.ContainsFunc(beside, past.has)
}

// eachEnd gives the nodes after which a new key is due.
func (e *evaluation) eachEnd(f func(i int)) {
	ends := slices.Clone(e.misused) // whoever granted handed out the keys
	e.valid.each(func(i int) { ends.put(i, e.misused.has(i) || e.endsReading(i)) })
	ends.each(f)
}

// Mentioned tells whether the founding or an Epoch credential introduces or follows a
// key, be it one that holds or not.
func (m *Membership) Mentioned(key id.EpochID) bool {
	return slices.ContainsFunc(m.e.nodes, func(n node) bool {
		switch c := n.Claim.(type) {
		case Genesis:
			return c.ControlKey == key
		case Epoch:
			return c.Key == key || slices.Contains(c.Parents, key)
		}
		return false
	})
}

// endsReading tells whether node i takes keys away from somebody who has them.
func (e *evaluation) endsReading(i int) bool {
	switch c := e.nodes[i].Claim.(type) {
	case Remove, RevokeDevice:
		return true
	case SetRole:
		return c.Role == Keeper
	}
	return false
}

// Grant is a key that an Epoch credential hands to one device.
type Grant struct {
	Credential id.CredentialID
	Key        id.EpochID
	Control    bool
	Sealed     []byte
}

// Grants gives what Epoch credentials hand to a device, in causal order. Those that
// do not hold are among them: a block may have been written under such a key before
// that was known. It is there to read, and to write under only if EpochHeads has it.
func (m *Membership) Grants(d id.DeviceKey) (list []Grant) {
	for i := range m.e.nodes {
		n := &m.e.nodes[i]
		c, ok := n.Claim.(Epoch)
		if !ok {
			continue
		}
		if at, found := slices.BinarySearchFunc(c.Envelopes, d, compareEnvelope); found {
			list = append(list, Grant{Credential: n.id, Key: c.Key, Control: c.Control, Sealed: c.Envelopes[at].Sealed})
		}
	}
	return list
}

// Orphans gives those of the keys to which the heads do not lead back, so that who
// is handed a head does not get them: they came by a credential that does not hold.
// A key that came by none is the first of all; without a head only it is no orphan.
func (m *Membership) Orphans(control bool, keys []id.EpochID) (orphans []id.EpochID) {
	e := m.e
	known, brought := map[id.EpochID]bool{}, map[id.EpochID]bool{}
	for i := range e.nodes {
		c, ok := e.nodes[i].Claim.(Epoch)
		if !ok || c.Control != control {
			continue
		}
		brought[c.Key] = true
		if e.valid.has(i) {
			known[c.Key] = true
			for _, p := range c.Parents {
				known[p] = true
			}
		}
	}
	for _, k := range keys {
		if !known[k] && brought[k] {
			orphans = append(orphans, k)
		}
	}
	return orphans
}

// FirstControl is the control key that every member has.
func (m *Membership) FirstControl() id.EpochID {
	if m.e.genesis < 0 {
		return id.EpochID{}
	}
	return m.e.nodes[m.e.genesis].Claim.(Genesis).ControlKey
}

// Outside gives the credentials that a member may lack which was handed one of the
// heads: those that not all who introduced a head knew. Where somebody was handed none,
// it gives those that may have come under any key but the first: those that not all knew
// who introduced one.
func (m *Membership) Outside() (list []*Credential) {
	e := m.e
	common := newBitset(len(e.nodes)) // without a key nobody is known to have anything
	for i, at := range m.handed() {
		past := e.nodes[at].past
		if i == 0 {
			common.union(past)
		}
		for w := range common {
			common[w] &= past[w]
		}
	}
	for i := range e.nodes {
		if !common.has(i) {
			list = append(list, e.nodes[i].Credential)
		}
	}
	return list
}

// handed gives the nodes that introduce the keys of which every reader has one.
func (m *Membership) handed() (list []int) {
	e := m.e
	for _, control := range []bool{false, true} {
		for _, head := range e.heads(control) {
			if len(m.Lacking(head, control)) > 0 {
				return e.introductions()
			}
			list = append(list, e.introducedBy(head))
		}
	}
	return list
}

// introductions gives the nodes that may have introduced a key, those that do not hold
// among them.
func (e *evaluation) introductions() (list []int) {
	for i := range e.nodes {
		if _, ok := e.nodes[i].Claim.(Epoch); ok {
			list = append(list, i)
		}
	}
	return list
}

func compareEnvelope(e Envelope, d id.DeviceKey) int { return id.Compare(e.Device, d) }

// Readers gives the devices that are to have a key, in the order of their keys:
// those of all members for control keys, those of members that read for others.
func (m *Membership) Readers(control bool) []DeviceInfo { return inOrder(m.readers(control)) }

// readers gives them in any order, and some twice.
func (m *Membership) readers(control bool) (list []DeviceInfo) {
	for _, member := range m.members {
		if control || member.Role.mayRead() {
			list = append(list, member.Devices...)
		}
	}
	return list
}

// Inviters gives the devices of the members that may admit with a role, in the order
// of their keys.
func (m *Membership) Inviters(grant Role) []DeviceInfo {
	var list []DeviceInfo
	for _, member := range m.members {
		if member.Role.mayGrant(grant) {
			list = append(list, member.Devices...)
		}
	}
	return inOrder(list)
}

// inOrder sorts devices by their keys, each once.
func inOrder(list []DeviceInfo) []DeviceInfo {
	sort.Slice(list, func(i, j int) bool { return id.Compare(list[i].Device, list[j].Device) < 0 })
	return slices.CompactFunc(list, func(a, b DeviceInfo) bool { return a.Device == b.Device })
}

// Lacking gives those of Readers to whom nobody has handed a key that an Epoch
// credential introduced: neither an envelope, nor an admission by somebody who
// knew the key.
func (m *Membership) Lacking(key id.EpochID, control bool) []DeviceInfo {
	e := m.e
	first := e.introducedBy(key)
	if first <= e.genesis { // unknown, or the first, which everybody was given
		return nil
	}
	return inOrder(slices.DeleteFunc(m.readers(control), func(d DeviceInfo) bool { // mostly all are gone then
		return e.enveloped(key, d.Device) || e.joinedAfter(first, d.Device) ||
			keys.CheckSealing(d.Sealing) != nil // it gets none, however often it is sealed again
	}))
}

// enveloped tells whether a valid Epoch credential holds a key for a device.
func (e *evaluation) enveloped(key id.EpochID, d id.DeviceKey) bool {
	return slices.ContainsFunc(e.epochs[key], func(n int) bool {
		if !e.valid.has(n) {
			return false
		}
		c, ok := e.nodes[n].Claim.(Epoch)
		if !ok {
			return false
		}
		_, found := slices.BinarySearchFunc(c.Envelopes, d, compareEnvelope)
		return found
	})
}

// joinedAfter tells whether a device was brought in by a credential that follows
// node n: whoever made that handed it all keys.
func (e *evaluation) joinedAfter(n int, d id.DeviceKey) bool {
	return slices.ContainsFunc(e.bindings[d], func(b binding) bool {
		return e.valid.has(b.at) && e.nodes[b.at].past.has(n)
	})
}
