package space

import (
	"slices"
	"sort"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/wire"
)

// This file keeps the keys of the space: it opens what others sealed to this
// device, chooses the keys to write under, and makes new ones.
//
// An envelope holds [1, key, [older key...]]. The older ones are those that the
// credential names as parents, which its issuer all holds: heads that it lacks are
// left for who holds all. Where somebody may lack more, as after removals that void
// one another, they are all that the issuer holds. So whoever gets an envelope reads
// what came before.

// envelopeLabel begins what an envelope is bound to: the space, the key's id, its
// kind and the device.
const envelopeLabel = "echospace epoch envelope v1"

func (s *Space) envelopeAAD(key id.EpochID, control bool, d id.DeviceKey) []byte {
	kind := byte(0)
	if control {
		kind = 1
	}
	sum := keys.SumLabel(envelopeLabel, s.key[:], key[:], []byte{kind}, d[:])
	return sum[:]
}

// takeKeys opens the envelopes to this device that were not looked at before, and
// puts the keys to write under at the end of their lists. known is the membership before.
func (s *Space) takeKeys(known *credential.Membership) {
	before, wasDue := s.secrets, s.keysDue
	if s.self.Sealing != nil {
		for _, g := range s.membership.Grants(s.self.Device) {
			if !s.granted[g.Credential] {
				s.granted[g.Credential] = true
				s.takeGrant(g)
			}
		}
	}
	s.secrets.Controls = s.headLast(true)
	s.secrets.Epochs = s.headLast(false)
	s.keysDue = s.membership.RotationDue()
	switch {
	case !s.db.HasBurst() || len(before.Epochs) == 0:
	case !wasDue && (s.keysDue || !sameLast(before.Epochs, s.secrets.Epochs)):
		// What was edited without knowing why there is a new key is written under
		// the key of then, since its past says what else was not known. What is edited
		// while one is due waits for it.
		s.closeBursts(olderBursts{key: before.Epochs[len(before.Epochs)-1]})
	case wasDue && s.membership.TakesMore(known):
		// Whoever makes the key that is due may know this too: under that, what follows
		// a block that was cut would say that it knew of the cut.
		s.closeBursts(olderBursts{asOf: known})
	}
}

// olderBursts are edits that were made while another key was the newest, or due.
type olderBursts struct {
	count int
	key   keys.Secret
	// asOf is what was known then, of edits whose key is still to be made, by that; else
	// nil.
	asOf *credential.Membership
}

// closeBursts notes how the edits are to be written that were made so far and of which
// nothing is noted.
func (s *Space) closeBursts(b olderBursts) {
	b.count = s.db.CloseBursts()
	for _, other := range s.olderBursts {
		b.count -= other.count
	}
	if b.count > 0 {
		s.olderBursts = append(s.olderBursts, b)
	}
}

// unkeyed tells whether there are edits that wait for a key which only this device makes.
func (s *Space) unkeyed() bool {
	for _, b := range s.olderBursts {
		if b.asOf != nil {
			return true
		}
	}
	return false
}

// keyBursts has the edits that wait for a key of their own go under the newest.
func (s *Space) keyBursts() {
	for i := range s.olderBursts {
		if b := &s.olderBursts[i]; b.asOf != nil {
			b.key, b.asOf = s.secrets.Epochs[len(s.secrets.Epochs)-1], nil
		}
	}
	s.duties = duties{}
}

// keysAsOf makes keys for the present members that say no more than what was known then.
func (s *Space) keysAsOf(known *credential.Membership) []credential.Claim {
	var claims []credential.Claim
	for _, control := range []bool{true, false} {
		list, _ := s.held(control)
		heads := known.EpochHeads()
		if control {
			heads = known.ControlHeads()
		}
		older := keysOf(list, heads)
		if len(older) == 0 {
			older = list[:1] // no credential brought it
		}
		claims = append(claims, s.freshClaim(control, older, idsOf(older)))
	}
	return claims
}

// freshClaim hands a fresh key, with older ones, to the present members.
func (s *Space) freshClaim(control bool, older []keys.Secret, parents []id.EpochID) credential.Claim {
	sort.Slice(parents, func(i, j int) bool { return id.Compare(parents[i], parents[j]) < 0 })
	return s.epochClaim(keys.NewSecret(s.env), s.told(control, older), parents, control, s.membership.Readers(control))
}

// keysOf gives those of a list that have these ids.
func keysOf(list []keys.Secret, ids []id.EpochID) []keys.Secret {
	return slices.DeleteFunc(slices.Clone(list), func(k keys.Secret) bool { return !slices.Contains(ids, k.ID()) })
}

// burstKey gives the key for the next burst of edits.
func (s *Space) burstKey() (keys.Secret, bool) {
	for len(s.olderBursts) > 0 {
		next := &s.olderBursts[0]
		if next.count > 0 {
			next.count--
			return next.key, true
		}
		s.olderBursts = s.olderBursts[1:]
	}
	return s.EpochKey(id.EpochID{})
}

func sameLast(a, b []keys.Secret) bool {
	return len(a) == 0 || len(b) > 0 && a[len(a)-1] == b[len(b)-1]
}

func (s *Space) takeGrant(g credential.Grant) {
	key, older, err := s.openEnvelope(g)
	if err != nil {
		s.env.Log.Warn("a key that was sealed to this device does not open", "space", id.Short(s.key), "key", g.Key, "err", err)
		return
	}
	for _, k := range append(older, key) {
		if s.membership.Mentioned(k.ID()) {
			s.addKey(k, g.Control)
		}
	}
}

// openEnvelope opens what an Epoch credential hands to this device: the key, and older
// ones.
func (s *Space) openEnvelope(g credential.Grant) (key keys.Secret, older []keys.Secret, err error) {
	content, err := s.self.Sealing.Open(g.Sealed, s.envelopeAAD(g.Key, g.Control, s.self.Device))
	if err != nil {
		return key, nil, err
	}
	defer clear(content)
	r := wire.NewReader(content)
	r.Array(3)
	readVersion(r, 1)
	r.Fixed(key[:])
	for n := r.ArrayLen(maxKeys); n > 0 && r.Err() == nil; n-- {
		var k keys.Secret
		r.Fixed(k[:])
		older = append(older, k)
	}
	if err = r.Done("space.openEnvelope"); err == nil && key.ID() != g.Key {
		err = errs.New("space.openEnvelope", errs.DecryptFailed, "the key is not the one that was said")
	}
	return key, older, err
}

// addKey notes a key that was not held before.
func (s *Space) addKey(k keys.Secret, control bool) {
	kid := k.ID()
	if _, held := s.byID[kid]; held {
		return
	}
	s.byID[kid] = k
	s.acquainted++
	if control {
		s.secrets.Controls = append(slices.Clip(s.secrets.Controls), k)
	} else {
		s.secrets.Epochs = append(slices.Clip(s.secrets.Epochs), k)
	}
	s.unsettled = true // blocks may have waited for it
	s.generation++
}

// headLast puts the key to write under at the end: of the heads the senior that
// is held, so that all who know the same take the same, and first of those whose maker
// knew of everybody who was put out. Without heads it is the one
// at the end, which a newcomer was told is the newest before it has the credentials;
// or, if that came by a credential that does not hold, the first key, which came by
// none.
func (s *Space) headLast(control bool) []keys.Secret {
	list, heads := s.held(control)
	if len(heads) == 0 {
		orphans := s.membership.Orphans(control, idsOf(list))
		if n := len(list); n == 0 || !slices.Contains(orphans, list[n-1].ID()) {
			return list
		}
		for _, k := range list {
			if !slices.Contains(orphans, k.ID()) {
				heads = []id.EpochID{k.ID()}
				break
			}
		}
	}
	if len(heads) > 1 {
		sort.SliceStable(heads, func(i, j int) bool { return s.membership.Follows(heads[i]) && !s.membership.Follows(heads[j]) })
	}
	for _, head := range heads {
		at := place(list, head)
		switch {
		case at < 0:
			continue
		case at == len(list)-1:
			return list
		}
		s.generation++
		return append(slices.Delete(slices.Clone(list), at, at+1), list[at])
	}
	return list
}

// place is where a key is in a list, or -1.
func place(list []keys.Secret, kid id.EpochID) int {
	return slices.IndexFunc(list, func(k keys.Secret) bool { return k.ID() == kid })
}

// held gives the keys of a kind that are held, and the heads of that kind.
func (s *Space) held(control bool) ([]keys.Secret, []id.EpochID) {
	if control {
		return s.secrets.Controls, s.membership.ControlHeads()
	}
	return s.secrets.Epochs, s.membership.EpochHeads()
}

func idsOf(list []keys.Secret) []id.EpochID {
	ids := make([]id.EpochID, len(list))
	for i, k := range list {
		ids[i] = k.ID()
	}
	return ids
}

// informed tells whether the credentials here tell of the control key that is written
// under. Another device of the identity may have handed it over without what goes with
// it, such as a removal: until that is here others take this device to know, so that it
// takes in nothing that it might name.
func (s *Space) informed() bool {
	if i := s.informedAt; i.known && i.generation == s.generation {
		return i.is
	}
	is := len(s.secrets.Controls) == 0 || s.membership.Mentioned(s.controlKey().ID())
	s.informedAt = informedAt{known: true, generation: s.generation, is: is}
	return is
}

// informedAt is what informed found for a generation of the keys and the present
// membership.
type informedAt struct {
	known      bool
	generation uint64
	is         bool
}

// Generation grows whenever Secrets changes.
func (s *Space) Generation() uint64 { return s.generation }

// duties are what this device may do about the keys, as of a generation of them and
// the present membership: it is asked for at every turn of the driver.
type duties struct {
	known          bool
	generation     uint64
	rotate, reseal bool
}

func (s *Space) dutiesNow() duties {
	if d := s.duties; d.known && d.generation == s.generation {
		return d
	}
	d := duties{known: true, generation: s.generation, rotate: s.rotationDue()}
	// While new keys are due that this device may not make, those that it holds may be known
	// to who was removed.
	if s.membership.MayRead(s.self.Device) && (s.membership.MayWrite(s.self.Device) || !s.membership.RotationDue()) {
		for _, control := range []bool{true, false} {
			_, devices := s.lacking(control)
			d.reseal = d.reseal || len(devices) > 0
		}
	}
	s.duties = d
	return d
}

// RotationDue tells whether a new key is due that this device may make: who writes
// makes it before it writes anything else.
func (s *Space) RotationDue() bool { return s.dutiesNow().rotate }

// LackKeys tells whether Reseal has something to do.
func (s *Space) LackKeys() bool { return s.dutiesNow().reseal }

func (s *Space) rotationDue() bool {
	return s.membership.MayWrite(s.self.Device) && s.informed() && (s.unkeyed() || s.newKeysDue())
}

// newKeysDue tells whether new keys are due by what is known now.
func (s *Space) newKeysDue() bool {
	held := s.headsHeld()
	switch {
	case held == headsNone, held == headsAll && s.divided():
		return true
	case !s.membership.RotationDue(): // by all that is known
		return false
	}
	return !s.membership.Follows(s.controlKey().ID()) || !s.membership.Follows(s.secrets.Epochs[len(s.secrets.Epochs)-1].ID())
}

// Which of the heads are held.
const (
	headsNone = iota // of one kind, though there are some, or not even another key
	headsSome
	headsAll
)

func (s *Space) headsHeld() int {
	all := headsAll
	for _, control := range []bool{false, true} {
		list, heads := s.held(control)
		n := 0
		for _, h := range heads {
			if place(list, h) >= 0 {
				n++
			}
		}
		switch {
		case len(list) == 0, n == 0 && len(heads) > 0:
			return headsNone
		case n == len(heads):
		default:
			all = headsSome
		}
	}
	return all
}

// divided tells whether keys are held to which not all are led: there are orphans, or
// several heads.
func (s *Space) divided() bool {
	for _, control := range []bool{false, true} {
		list, heads := s.held(control)
		if len(heads) > 1 || len(s.membership.Orphans(control, idsOf(list))) > 0 {
			return true
		}
	}
	return false
}

// shared tells whether everybody who is to have the next keys has those before them.
func (s *Space) shared() bool {
	if s.headsHeld() != headsAll || s.divided() {
		return false
	}
	for _, control := range []bool{true, false} {
		if _, devices := s.lacking(control); len(devices) > 0 {
			return false
		}
	}
	return true
}

// Rotate makes the control block that brings new keys to the present members; nil
// if none is due. The caller stores the Intake and calls Stored.
func (s *Space) Rotate() (*Intake, error) {
	if !s.RotationDue() {
		return nil, nil
	}
	in, err := s.handOver(func() ([]credential.Claim, error) {
		if !s.newKeysDue() {
			return nil, nil // only some as of earlier were
		}
		return s.rotation()
	})
	if err != nil {
		s.keyBursts() // better than that they are not written at all
	}
	return in, err
}

// told leaves out of the keys of a kind those of which no credential here tells: who is
// handed them on might be whom they were made against, or somebody made them up. The key
// that is written under stays: nothing tells of the first of data before there is another.
func (s *Space) told(control bool, list []keys.Secret) []keys.Secret {
	held, _ := s.held(control)
	return slices.DeleteFunc(slices.Clone(list), func(k keys.Secret) bool {
		return k != held[len(held)-1] && !s.membership.Mentioned(k.ID())
	})
}

// lacking gives the newest key of a kind, and the devices that lack it.
func (s *Space) lacking(control bool) (key keys.Secret, devices []credential.DeviceInfo) {
	list, _ := s.held(control)
	if len(list) == 0 {
		return key, nil
	}
	key = list[len(list)-1]
	return key, s.membership.Lacking(key.ID(), control)
}

// rotation makes fresh keys for the present members. The swarm's secret stays:
// where and how members meet follows from the control key as well.
func (s *Space) rotation() ([]credential.Claim, error) {
	shared := s.shared()
	var claims []credential.Claim
	for _, control := range []bool{true, false} {
		list, heads := s.held(control)
		parents := slices.DeleteFunc(heads, func(h id.EpochID) bool { return place(list, h) < 0 })
		if len(parents) == 0 && len(list) > 0 {
			parents = []id.EpochID{list[len(list)-1].ID()} // the first, which no credential brought
		}
		for _, k := range s.membership.Orphans(control, idsOf(list)) {
			if !slices.Contains(parents, k) {
				parents = append(parents, k)
			}
		}
		older := list
		if shared {
			older = keysOf(list, parents)
		}
		claims = append(claims, s.freshClaim(control, older, parents))
	}
	return claims, nil
}

// epochClaim seals a key, with older ones, to devices.
func (s *Space) epochClaim(key keys.Secret, older []keys.Secret, parents []id.EpochID, control bool, devices []credential.DeviceInfo) credential.Claim {
	content := make([]byte, 0, (len(older)+1)*(len(key)+2)+16) // so that it does not move
	defer func() { clear(content) }()
	content = wire.AppendUint(wire.AppendArray(content, 3), 1)
	content = wire.AppendBytes(content, key[:])
	content = wire.AppendArray(content, len(older))
	for _, k := range older {
		content = wire.AppendBytes(content, k[:])
	}
	claim := credential.Epoch{Key: key.ID(), Parents: parents, Control: control}
	sealer := s.sealerNow()
	for _, d := range devices {
		sealed, err := sealer.Seal(s.env, d.Sealing, content, s.envelopeAAD(claim.Key, control, d.Device))
		if err != nil { // a device that named a weak key reads nothing
			s.env.Log.Warn("a key cannot be sealed to a device", "space", id.Short(s.key), "device", id.Short(d.Device), "err", err)
			continue
		}
		claim.Envelopes = append(claim.Envelopes, credential.Envelope{Device: d.Device, Sealed: sealed})
	}
	return claim
}

// sealerNow is what seals the keys of the next control block.
func (s *Space) sealerNow() *keys.Sealer {
	if s.sealer == nil {
		s.sealer = keys.NewSealer(s.env)
	}
	return s.sealer
}

// PrepareKeys does what takes long of handing new keys to all members, until enough,
// which may be nil, says so; done tells whether that is all. What was not done ahead,
// Rotate, Remove and RevokeDevice do.
func (s *Space) PrepareKeys(enough func() bool) (done bool) {
	sealer := s.sealerNow()
	for _, m := range s.membership.Members() {
		for _, d := range m.Devices {
			if !sealer.Prepare(d.Sealing) && enough != nil && enough() {
				return false
			}
		}
	}
	return true
}
