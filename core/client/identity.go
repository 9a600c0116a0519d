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
	signer   *keys.SigningKey
	sealing  *keys.SealingKey
	chain    [][]byte
	name     string
}

const (
	identityRecord = "identity"
	spaceRecords   = "space/"
	maxName        = 256 // bytes
	maxChain       = 64
	maxCredential  = 64 << 10
)

func (me *self) device() id.DeviceKey { return id.DeviceKey(me.signer.Public()) }

// forSpace is the device as a space needs it.
func (me *self) forSpace(slot uint32) space.Self {
	return space.Self{Identity: me.identity, Device: me.device(), Signer: me.signer, Slot: slot, Chain: me.chain, Name: me.name}
}

// encode gives [1, identity, device seed, sealing seed, [credential...], name].
func (me *self) encode() []byte {
	seed, sealing := me.signer.Seed(), me.sealing.Seed()
	b := wire.AppendArray(nil, 6)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, me.identity[:])
	b = wire.AppendBytes(b, seed[:])
	b = wire.AppendBytes(b, sealing[:])
	b = wire.AppendArray(b, len(me.chain))
	for _, c := range me.chain {
		b = wire.AppendBytes(b, c)
	}
	return wire.AppendString(b, me.name)
}

func decodeSelf(b []byte) (*self, error) {
	r := wire.NewReader(b)
	me := &self{}
	var seed, sealing [32]byte
	r.Array(6)
	if v := r.Uint(1 << 16); r.Err() == nil && v != 1 {
		return nil, errs.New("client.identity", errs.VersionUnsupported, "the identity record has version %d, this Echospace reads 1", v)
	}
	r.Fixed(me.identity[:])
	r.Fixed(seed[:])
	r.Fixed(sealing[:])
	for n := r.ArrayLen(maxChain); n > 0 && r.Err() == nil; n-- {
		me.chain = append(me.chain, append([]byte(nil), r.Bytes(maxCredential)...))
	}
	me.name = r.String(maxName)
	if err := r.Done("client.identity"); err != nil {
		return nil, err
	}
	me.signer, me.sealing = keys.NewSigningKey(seed), keys.NewSealingKey(sealing)
	return me, nil
}

func (s *session) loadIdentity(ctx context.Context) error {
	b, err := s.keyring.Get(ctx, identityRecord)
	if errs.Is(err, errs.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	me, err := decodeSelf(b)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.self = me
	s.mu.Unlock()
	return nil
}

func (c *Client) publishIdentity(s *session) {
	s.mu.Lock()
	me := s.self
	s.mu.Unlock()
	if me == nil {
		c.Identity.Set(nil)
		return
	}
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

func checkName(op, name string) error {
	if len(name) > maxName {
		return errs.New(op, errs.TooLarge, "the display name has %d bytes, at most %d are allowed", len(name), maxName)
	}
	return nil
}

// CreateIdentity makes the profile's identity with this device as its first.
// The identity's own key signs that one credential and is forgotten.
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
	if err := s.loadIdentity(ctx); err != nil { // another tab may have made one
		return nil, err
	}
	if _, err := s.identity(op); err == nil {
		c.publishIdentity(s)
		return nil, errs.New(op, errs.IdentityExists, "another tab made this profile's identity meanwhile")
	}
	me, err := newSelf(ctx, c.ports, name)
	if err != nil {
		return nil, err
	}
	if err := s.storeIdentity(ctx, me); err != nil {
		return nil, err
	}
	s.postTabs(tabIdentity, nil)
	return c.Identity.Get(), nil
}

func newSelf(ctx context.Context, p Ports, name string) (*self, error) {
	e := p.Env
	root := keys.NewSigningKey([32]byte(e.Bytes(32)))
	me := &self{
		identity: id.IdentityKey(root.Public()),
		signer:   keys.NewSigningKey([32]byte(e.Bytes(32))),
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
	s.mu.Lock()
	s.self = me
	s.mu.Unlock()
	s.c.publishIdentity(s)
	return nil
}

// UpdateProfile changes the display name, here and in every open space.
func (c *Client) UpdateProfile(ctx context.Context, name string) (*Identity, error) {
	const op = "halo.updateProfile"
	s, err := c.must(op)
	if err != nil {
		return nil, err
	}
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	me, err := s.identity(op)
	if err != nil {
		return nil, err
	}
	renamed := *me
	renamed.name = name
	if err := s.storeIdentity(ctx, &renamed); err != nil {
		return nil, err
	}
	for _, sp := range s.allSpaces() {
		if err := sp.publishProfile(ctx, renamed.identity, name); err != nil {
			return nil, err
		}
	}
	return c.Identity.Get(), nil
}
