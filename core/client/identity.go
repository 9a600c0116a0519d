package client

import (
	"context"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/keys"
	"github.com/echospace/echospace/core/space"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// Identity is who the profile acts for.
type Identity struct {
	Key    id.IdentityKey
	Device id.DeviceKey
	Name   string // display name, may be empty
}

// self is the identity with its secrets, as kept in the keyring.
type self struct {
	identity id.IdentityKey
	signer   keys.Signer
	sealing  *keys.SealingKey
	chain    [][]byte
	name     string
}

const (
	identityRecord = "identity"
	spaceRecords   = "space/"
	// joinRecords hold by which join the identity is in a space, beside the record, which
	// an engine stores whenever it has new keys.
	joinRecords   = "joined/"
	maxName       = 256 // bytes
	maxChain      = 64
	maxCredential = 64 << 10
)

func (me *self) device() id.DeviceKey { return id.DeviceKey(me.signer.Public()) }

// forSpace is the device as a space needs it.
func (me *self) forSpace(slot uint32) space.Self {
	return space.Self{Identity: me.identity, Device: me.device(), Signer: me.signer, Sealing: me.sealing, Slot: slot, Chain: me.chain, Name: me.name}
}

// Versions of the record of an identity.
const (
	recordSealed = 1 // holds the seed of the device's key
	recordHandle = 2 // names the device's key, which is elsewhere
)

// encode gives [1, identity, device seed, sealing seed, [credential...], name], or
// [2, identity, device, sealing seed, [credential...], name].
func (me *self) encode() []byte {
	version, key, sealing := uint64(recordHandle), me.signer.Public(), me.sealing.Seed()
	if k, ok := me.signer.(*keys.SigningKey); ok {
		version, key = recordSealed, k.Seed()
	}
	b := wire.AppendArray(nil, 6)
	b = wire.AppendUint(b, version)
	b = wire.AppendBytes(b, me.identity[:])
	b = wire.AppendBytes(b, key[:])
	b = wire.AppendBytes(b, sealing[:])
	clear(key[:])
	clear(sealing[:])
	b = wire.AppendArray(b, len(me.chain))
	for _, c := range me.chain {
		b = wire.AppendBytes(b, c)
	}
	return wire.AppendString(b, me.name)
}

// decodeSelf reads what encode gave, and gets the key if it is elsewhere.
func (s *session) decodeSelf(ctx context.Context, b []byte) (*self, error) {
	r := wire.NewReader(b)
	me := &self{}
	var key, sealing [32]byte
	r.Array(6)
	version := r.Uint(1 << 16)
	if r.Err() == nil && version != recordSealed && version != recordHandle {
		return nil, errs.New("client.identity", errs.VersionUnsupported, "the identity record has version %d, this Echospace reads 1 and 2", version)
	}
	r.Fixed(me.identity[:])
	r.Fixed(key[:])
	r.Fixed(sealing[:])
	for n := r.ArrayLen(maxChain); n > 0 && r.Err() == nil; n-- {
		me.chain = append(me.chain, append([]byte(nil), r.Bytes(maxCredential)...))
	}
	me.name = r.String(maxName)
	if err := r.Done("client.identity"); err != nil {
		return nil, err
	}
	me.sealing = keys.NewSealingKey(sealing)
	clear(sealing[:])
	if version == recordSealed {
		me.signer = keys.NewSigningKey(key)
		clear(key[:])
		return me, nil
	}
	var err error
	me.signer, err = s.loadSigner(ctx, key)
	return me, err
}

func (s *session) loadIdentity(ctx context.Context) error {
	b, err := s.keyring.Get(ctx, identityRecord)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer clear(b)
	me, err := s.decodeSelf(ctx, b)
	if err != nil {
		return err
	}
	s.setSelf(me)
	return nil
}

func (s *session) setSelf(me *self) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.self = me
}

func (c *Client) publishIdentity(s *session) {
	s.mu.Lock()
	me := s.self
	s.mu.Unlock()
	if me == nil {
		c.Identity.Set(nil)
		return
	}
	c.publishDevices(s.keeper()) // who sees the identity sees its devices
	c.publishRecovery(s.keeper())
	c.Identity.Set(&Identity{Key: me.identity, Device: me.device(), Name: me.name})
}

// identity gives the session's identity or errs.NoIdentity.
func (s *session) identity(op string) (*self, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.self == nil {
		return nil, errs.New(op, errs.NoIdentity, "this profile has no identity; call halo.createIdentity() first")
	}
	return s.self, nil
}

// mustSelf gives the open session and its identity, or errs.NotInitialized, errs.NoIdentity.
func (c *Client) mustSelf(op string) (*session, *self, error) {
	s, err := c.must(op)
	if err != nil {
		return nil, nil, err
	}
	me, err := s.identity(op)
	return s, me, err
}

func checkName(op, name string) error {
	if len(name) > maxName {
		return errs.New(op, errs.TooLarge, "the display name has %d bytes, at most %d are allowed", len(name), maxName)
	}
	return nil
}

// CreateIdentity makes the profile's identity with this device as its first, and its
// HALO. The identity's own key signs that one credential and is forgotten.
func (c *Client) CreateIdentity(ctx context.Context, name string) (*Identity, error) {
	const op = "halo.createIdentity"
	s, err := c.must(op)
	if err != nil {
		return nil, err
	}
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	c.life.Lock()
	defer c.life.Unlock()
	if _, err := s.identity(op); err == nil {
		return nil, errs.New(op, errs.IdentityExists, "this profile has an identity already; reset() the client to start over")
	}
	release, err := s.lockIdentity(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.identityElsewhere(ctx, op); err != nil {
		return nil, err
	}
	me, err := s.newSelf(ctx, name)
	if err != nil {
		return nil, err
	}
	var b storage.Batch
	s.keyring.Put(&b, identityRecord, me.encode())
	s.keyring.Delete(&b, deviceRecord)
	if err := s.foundHalo(ctx, me, &b); err != nil {
		return nil, err
	}
	s.keepHalo()
	c.publishIdentity(s)
	s.postTabs(tabIdentity, nil)
	return c.Identity.Get(), nil
}

// identityElsewhere fails with errs.IdentityExists if another tab has made the identity.
// The identity lock is held.
func (s *session) identityElsewhere(ctx context.Context, op string) error {
	_, err := s.keyring.Get(ctx, identityRecord)
	switch {
	case err == nil:
		s.spawnReload(nil)
		return errs.New(op, errs.IdentityExists, "another tab made this profile's identity meanwhile")
	case errs.Is(err, errs.NotFound):
		return nil
	}
	return err
}

func (s *session) newSelf(ctx context.Context, name string) (*self, error) {
	e := s.c.ports.Env
	signer, err := s.newSigner(ctx)
	if err != nil {
		return nil, err
	}
	root := keys.NewSigningKey([32]byte(e.Bytes(32)))
	defer root.Erase()
	me := &self{
		identity: id.IdentityKey(root.Public()),
		signer:   signer,
		sealing:  keys.NewSealingKey([32]byte(e.Bytes(32))),
		name:     name,
	}
	c, err := credential.Issue(ctx, root, nil, e.UnixMilli(), credential.Device{
		Identity: me.identity, Device: me.device(), Sealing: me.sealing.Public(),
	})
	if err != nil {
		return nil, err
	}
	me.chain = [][]byte{c.Encode()}
	return me, nil
}

func (s *session) storeIdentity(ctx context.Context, me *self) error {
	var b storage.Batch
	s.keyring.Put(&b, identityRecord, me.encode())
	if err := s.storage.Store.Apply(ctx, &b, storage.Strict); err != nil {
		return err
	}
	s.setSelf(me)
	s.c.publishIdentity(s)
	return nil
}

// UpdateProfile changes the display name, for the other devices and in every open space.
func (c *Client) UpdateProfile(ctx context.Context, name string) (*Identity, error) {
	const op = "halo.updateProfile"
	s, err := c.must(op)
	if err != nil {
		return nil, err
	}
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	if err := s.rename(ctx, op, name); err != nil {
		return nil, err
	}
	for _, sp := range s.allSpaces() {
		if err := s.keeper().tellName(ctx, sp); err != nil {
			return nil, err
		}
	}
	return c.Identity.Get(), nil
}

// rename changes the name in the HALO and here.
func (s *session) rename(ctx context.Context, op, name string) error {
	s.renaming.Lock() // else the keeper takes over what the HALO said before, after this
	defer s.renaming.Unlock()
	me, err := s.identity(op)
	if err != nil {
		return err
	}
	if err := s.keeper().space.publishProfile(ctx, me.identity, name); err != nil {
		return err
	}
	renamed := *me
	renamed.name = name
	if err := s.storeIdentity(ctx, &renamed); err != nil {
		return err
	}
	s.postTabs(tabIdentity, nil)
	return nil
}
