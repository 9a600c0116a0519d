package space

import (
	"context"
	"encoding/binary"
	"slices"
	"sort"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/feed"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/objectdb"
)

// Self is the device on whose behalf a Space acts.
type Self struct {
	Identity id.IdentityKey
	Device   id.DeviceKey
	Signer   keys.Signer
	// Sealing opens what is sealed to the device.
	Sealing *keys.SealingKey
	// Slot is the running engine's place among those of the device; no two
	// engines that run at once share one.
	Slot uint32
	// Chain is the device's credential chain from the identity key.
	Chain [][]byte
	Name  string
}

// Space is one replicated space on this device.
type Space struct {
	env     env.Env
	self    Self
	key     id.SpaceKey
	secrets Secrets
	proof   []byte
	joined  uint64
	byID    map[id.EpochID]keys.Secret

	credentials map[id.CredentialID]*credential.Credential
	membership  *credential.Membership
	stale       bool                     // there are credentials that membership does not know
	evaluating  *credential.Evaluation   // of others than that, under way; nil if there is none
	duties      duties                   // by the membership
	informedAt  informedAt               // by the membership
	keysDue     bool                     // new keys are, by the membership
	granted     map[id.CredentialID]bool // Epoch credentials whose envelope was looked at
	generation  uint64                   // of secrets
	sealer      *keys.Sealer             // of the next control block that hands out keys
	olderBursts []olderBursts
	limits      map[id.DeviceKey]deviceLimit // as far as they were asked for
	named       bool                         // a naming was noted, so that a block may count that did not
	unsound     bool                         // see Unsound
	// proven are devices that showed a membership, and admitted is what the
	// own proof shows.
	proven     map[id.DeviceKey]credential.MemberInfo
	admitted   *credential.MemberInfo
	acquainted uint64

	feeds     map[id.FeedID]*feedState
	unsettled bool // changes may wait that can be applied
	untold    Effects
	leftOut   map[id.Hash]bool // changes whose content is, by their last block
	// inner are the control blocks that were read but for their inner part, with the keys
	// one of which opens that.
	inner    map[id.Hash][]id.EpochID
	assured  map[id.FeedID]assured // what an image says of control feeds
	db       *objectdb.DB
	opened   opened
	restored map[id.FeedID]*restored // what an image has of feeds that are not loaded yet
	tail     Tail
	unfit    bool   // the image does not fit what is stored
	branches uint64 // counts received runs that begin a branch

	control, data writer
	flights       map[id.FeedID]int  // Intakes of own feeds that are being stored
	leaving       map[id.FeedID]bool // own feeds that are to be closed
	closings      map[id.FeedID][]closing
}

// feedState is one feed of the space as far as it is stored here.
type feedState struct {
	header *feed.SignedHeader
	log    *feed.Log
	// waiting are stored changes that could not be applied yet, in the order
	// they came. A change is one block, or the parts that it spans.
	waiting [][]*feed.Block
	// orphans are stored blocks that follow a damaged one.
	orphans []*feed.Block
	// Of a control feed: how far it was read without fault, and up to where an image
	// assures that.
	verified verified
	assured  feed.Ref
	named    namings
	kept     bool // the header is stored
	damaged  bool // a record of it was, or is missing
	forked   bool // as was said in the log
	faulty   bool // likewise
}

// Open makes the Space of a record. It knows nothing but the record's proof
// until Load has handed over what is stored.
func Open(e env.Env, self Self, rec Record) *Space {
	s := &Space{
		env: e, self: self, key: rec.Key, proof: rec.Proof, joined: rec.Joined,
		byID:        map[id.EpochID]keys.Secret{},
		credentials: map[id.CredentialID]*credential.Credential{},
		proven:      map[id.DeviceKey]credential.MemberInfo{},
		feeds:       map[id.FeedID]*feedState{},
		flights:     map[id.FeedID]int{},
		leftOut:     map[id.Hash]bool{},
		inner:       map[id.Hash][]id.EpochID{},
		assured:     map[id.FeedID]assured{},
		leaving:     map[id.FeedID]bool{},
		granted:     map[id.CredentialID]bool{},
	}
	s.db = objectdb.New(s.options())
	s.control.kind, s.data.kind = feed.Control, feed.Data
	s.setSecrets(rec.Secrets)
	s.evaluate()
	s.trustProof(rec.Proof)
	return s
}

// options are those of a database, each of which is to have a source of its own.
func (s *Space) options() objectdb.Options {
	return objectdb.Options{Source: binary.BigEndian.Uint64(s.env.Bytes(8))}
}

// Create founds a space owned by self. It gives the record for the keyring and
// the first control block, finished; both must be stored, in one batch, before Stored.
func Create(ctx context.Context, e env.Env, self Self) (*Space, Record, *Intake, error) {
	founder := keys.NewSigningKey([32]byte(e.Bytes(32)))
	control := keys.NewSecret(e)
	rec := Record{
		Key: id.SpaceKey(founder.Public()),
		Secrets: Secrets{
			Swarm:    keys.NewSecret(e),
			Controls: []keys.Secret{control},
			Epochs:   []keys.Secret{keys.NewSecret(e)},
		},
	}
	s := Open(e, self, rec)
	list, err := genesis(ctx, e, self, founder, control)
	if err != nil {
		return nil, rec, nil, err
	}
	s.addCredentials(list)
	in, err := s.buildControl(control, list)
	if err != nil {
		return nil, rec, nil, err
	}
	if s.proof, err = s.membership.Proof(self.Device); err != nil {
		return nil, rec, nil, err
	}
	rec.Proof = s.proof
	return s, rec, in, s.Finish(ctx, in, func(do func()) { do() }) // nobody else has it yet
}

// genesis makes the first credentials of a space: the founding, signed by the
// space's key that is then forgotten, the founder's devices, and its name.
func genesis(ctx context.Context, e env.Env, self Self, founder *keys.SigningKey, control keys.Secret) ([]*credential.Credential, error) {
	now := e.UnixMilli()
	first, err := credential.Issue(ctx, founder, nil, now, credential.Genesis{
		Space: id.SpaceKey(founder.Public()), Identity: self.Identity, ControlKey: control.ID(),
	})
	if err != nil {
		return nil, err
	}
	list := []*credential.Credential{first}
	for _, raw := range self.Chain {
		c, err := credential.Decode(raw)
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	if self.Name == "" {
		return list, nil
	}
	known := credential.Evaluate(id.SpaceKey(founder.Public()), list).Parents()
	profile, err := credential.Issue(ctx, self.Signer, known, now, credential.Profile{Identity: self.Identity, Name: self.Name})
	if err != nil {
		return nil, notSigned(err)
	}
	return append(list, profile), nil
}

// Key names the space.
func (s *Space) Key() id.SpaceKey { return s.key }

// Secrets are the keys held, newest last.
func (s *Space) Secrets() Secrets { return s.secrets }

// Membership is the present evaluation of the credentials known here. It is
// immutable and replaced on change.
func (s *Space) Membership() *credential.Membership { return s.membership }

// DB is the object database. It changes only inside calls to this Space and to
// the database itself.
func (s *Space) DB() *objectdb.DB { return s.db }

// Proof is the credential path by which this device shows its membership: as long as the
// credentials of a recovered space have not come, the chain of the device alone.
func (s *Space) Proof() []byte {
	if len(s.proof) == 0 {
		return credential.ChainProof(s.self.Chain)
	}
	return s.proof
}

// EpochKey is the newest key of data blocks and gossip, by its id or, with a
// zero id, the one to write under. False if it is not held.
func (s *Space) EpochKey(kid id.EpochID) (keys.Secret, bool) {
	if !id.IsZero(kid) {
		k, ok := s.byID[kid]
		return k, ok
	}
	if len(s.secrets.Epochs) == 0 {
		return keys.Secret{}, false
	}
	return s.secrets.Epochs[len(s.secrets.Epochs)-1], true
}

// MayWrite reports whether this device's role allows edits.
func (s *Space) MayWrite() bool {
	m, ok := s.member(s.self.Device)
	return ok && m.Role <= credential.Editor
}

// Feeds gives every feed known here with its heads, in the order of their ids.
func (s *Space) Feeds() []Feed {
	out := make([]Feed, 0, len(s.feeds))
	for _, f := range s.feeds {
		out = append(out, Feed{Header: f.header, Heads: f.log.Heads()})
	}
	sort.Slice(out, func(i, j int) bool { return id.Compare(out[i].Header.ID(), out[j].Header.ID()) < 0 })
	return out
}

// Feed is a feed and how far it is stored here.
type Feed struct {
	Header *feed.SignedHeader
	Heads  []feed.Ref
}

// Log is the index of a feed's stored blocks, or nil for an unknown feed. It
// changes only inside calls to this Space.
func (s *Space) Log(f id.FeedID) *feed.Log {
	if st, ok := s.feeds[f]; ok {
		return st.log
	}
	return nil
}

// Self is the device on whose behalf the Space acts.
func (s *Space) Self() Self { return s.self }

// Waiting is the number of stored changes that wait for a key, a membership or
// their causal past.
func (s *Space) Waiting() int {
	n := 0
	for _, f := range s.feeds {
		n += len(f.waiting)
	}
	return n
}

// Trust notes that a device proved its membership (credential.VerifyProof), so
// that its control feed may be taken in, and its messages heard, although its
// admission has not arrived here. What it may write still follows from the
// credentials.
func (s *Space) Trust(d id.DeviceKey, m credential.MemberInfo) {
	s.proven[d] = m
	s.acquainted++
}

// Acquainted grows whenever a feed that was of no member's device may have become one
// of such a device.
func (s *Space) Acquainted() uint64 { return s.acquainted }

// TrustPath notes, in a recovered space of which nothing is known yet, the devices on the
// path by which another showed its membership (credential.VerifyProof): their control
// feeds are where this one begins.
func (s *Space) TrustPath(proof []byte) {
	if len(s.proof) == 0 {
		s.trustProof(proof)
	}
}

// Sender is the member that a device speaks for: by the credentials here, or
// by the proof that it showed.
func (s *Space) Sender(d id.DeviceKey) (credential.MemberInfo, bool) {
	if m, ok := s.member(d); ok {
		return m, true
	}
	m, ok := s.proven[d]
	return m, ok && !s.membership.Removed(d)
}

// trustProof notes the devices on the own path from genesis: their control
// feeds are where a newcomer begins.
func (s *Space) trustProof(proof []byte) {
	if len(proof) == 0 {
		return
	}
	path, err := credential.DecodeProof(proof)
	if err != nil {
		s.env.Log.Error("the proof of the own membership does not read", "space", id.Short(s.key), "err", err)
		return
	}
	for _, c := range path {
		if d, ok := c.Claim.(credential.Device); ok {
			s.proven[d.Device] = credential.MemberInfo{Identity: d.Identity}
		}
	}
	if member, err := credential.VerifyProof(s.key, s.self.Device, proof); err == nil {
		s.admitted = &member
	}
}

// member is what is known of the member that a device belongs to. Until the
// own admission has arrived by a feed, the proof of it speaks for this device.
func (s *Space) member(d id.DeviceKey) (credential.MemberInfo, bool) {
	m, ok := s.membership.Device(d)
	if !ok && d == s.self.Device && s.admitted != nil && !s.membership.Removed(d) {
		return *s.admitted, true
	}
	return m, ok
}

// noteCredentials adds what is new.
func (s *Space) noteCredentials(list []*credential.Credential) {
	for _, c := range list {
		if _, ok := s.credentials[c.ID()]; !ok {
			s.credentials[c.ID()] = c
			s.stale = true
		}
	}
}

// addCredentials adds what is new and evaluates again if anything was.
func (s *Space) addCredentials(list []*credential.Credential) {
	s.noteCredentials(list)
	if s.stale {
		s.evaluate()
	}
}

func (s *Space) evaluate() {
	s.evaluating = nil
	s.evaluateSome(nil)
}

// evaluateSome evaluates the credentials anew until enough; done tells whether there is
// a new membership. Until then the last one is in force.
func (s *Space) evaluateSome(enough func() bool) (done bool) {
	if s.evaluating == nil {
		list := make([]*credential.Credential, 0, len(s.credentials))
		for _, c := range s.credentials {
			list = append(list, c)
		}
		s.evaluating, s.stale = credential.BeginEvaluation(s.key, list), false
	}
	m := s.evaluating.Some(enough)
	if m == nil {
		return false
	}
	known := s.membership
	s.evaluating, s.membership = nil, m
	s.acquainted++
	if len(s.proof) == 0 { // of a space that was recovered
		if proof, err := s.membership.Proof(s.self.Device); err == nil {
			s.proof = proof
			s.generation++ // the record is another
		}
	}
	s.duties, s.informedAt = duties{}, informedAt{}
	s.noteClosings()
	s.takeKeys(known)
	s.setLimits()
	return true
}

func (s *Space) setSecrets(sec Secrets) {
	s.secrets = sec
	for _, k := range slices.Concat(sec.Controls, sec.Epochs) {
		s.byID[k.ID()] = k
	}
}

// feed gives the state of a feed, making it from its header if it is new.
func (s *Space) feed(h *feed.SignedHeader) *feedState {
	f, ok := s.feeds[h.ID()]
	if !ok {
		f = &feedState{header: h, log: feed.NewLog(h.ID())}
		s.feeds[h.ID()] = f
	}
	return f
}

// checkHeader refuses a feed that cannot belong here.
func (s *Space) checkHeader(op string, h *feed.SignedHeader) error {
	if h.Space != s.key {
		return errs.New(op, errs.UnknownFeed, "feed %s is of space %s, not of %s", id.Short(h.ID()), id.Short(h.Space), id.Short(s.key))
	}
	_, ok := s.member(h.Device)
	if !ok { // what it wrote before it was removed stays
		_, _, ok = s.membership.Author(h.Device)
	}
	if _, proven := s.proven[h.Device]; !ok && !(proven && h.Kind == feed.Control) {
		return errs.New(op, errs.UnknownFeed, "device %s of feed %s is no member's device in space %s", id.Short(h.Device), id.Short(h.ID()), id.Short(s.key))
	}
	return nil
}
