package client

import (
	"context"
	"math"
	"time"

	"github.com/echospace/echospace/core/credential"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/invite"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
)

// invitationRecords prefixes the persistent invitations in the keyring.
const invitationRecords = "invitation/"

// maxInvitationText bounds the texts of a record.
const maxInvitationText = 256

// hostedRecord is what the keyring keeps of a persistent invitation, so that
// the next engine goes on where this one ends: [2, space, code, expires,
// deadline, auth code, guest key (empty for none), role, spent attempts, delegated
// bool]; times are ms since 1970, 0 for never. Version 1 has no delegated.
type hostedRecord struct {
	space     id.SpaceKey
	inv       invite.Invitation
	deadline  int64 // when Invitation.Timeout has passed
	role      credential.Role
	spent     int
	delegated bool // others host it too: see delegated.go
}

func (r *hostedRecord) encode() []byte {
	var guest []byte
	if r.inv.GuestKey != nil {
		guest = r.inv.GuestKey[:]
	}
	b := wire.AppendArray(nil, 10)
	b = wire.AppendUint(b, 2)
	b = wire.AppendBytes(b, r.space[:])
	b = wire.AppendString(b, r.inv.Encode())
	b = wire.AppendInt(b, r.inv.Expires)
	b = wire.AppendInt(b, r.deadline)
	b = wire.AppendString(b, r.inv.AuthCode)
	b = wire.AppendBytes(b, guest)
	b = wire.AppendUint(b, uint64(r.role))
	b = wire.AppendUint(b, uint64(r.spent))
	return wire.AppendBool(b, r.delegated)
}

func decodeHostedRecord(b []byte) (rec hostedRecord, err error) {
	const op = "client.invitation"
	r := wire.NewReader(b)
	fields := r.ArrayLen(math.MaxInt32)
	v := r.Uint(1 << 16)
	if r.Err() == nil && (v == 0 || v > 2) {
		return rec, errs.New(op, errs.VersionUnsupported, "the record of an invitation has version %d, this Echospace reads 2", v)
	}
	if r.Err() == nil && fields != 8+int(v) {
		return rec, errs.New(op, errs.Malformed, "the record of an invitation has %d fields", fields)
	}
	r.Fixed(rec.space[:])
	code := r.String(maxInvitationText)
	expires := r.Int()
	rec.deadline = r.Int()
	authCode := r.String(maxInvitationText)
	guest := r.Bytes(32)
	rec.role = credential.Role(r.Uint(uint64(credential.Keeper)))
	rec.spent = int(r.Uint(1 << 20))
	if v > 1 {
		rec.delegated = r.Bool()
	}
	if err := r.Done(op); err != nil {
		return rec, err
	}
	if rec.inv, err = invite.Decode(code); err != nil {
		return rec, err
	}
	rec.inv.Expires, rec.inv.AuthCode = expires, authCode
	if len(guest) == 32 {
		key := [32]byte(guest)
		rec.inv.GuestKey = &key
	}
	return rec, nil
}

// remaining is what is left of an invitation's own time. What ran out while
// nobody hosted it has an instant left, so that it ends as it would have.
func (r *hostedRecord) remaining(now time.Time) time.Duration {
	if r.deadline == 0 {
		return 0
	}
	return max(time.Millisecond, time.UnixMilli(r.deadline).Sub(now))
}

// keep makes a persistent invitation this engine's and stores its record. The
// record is there before anybody can guess.
func (i *Invitation) keep(ctx context.Context) {
	h := i.host
	if h.rec == nil || h.kept {
		return
	}
	var err error
	if h.release, err = i.s.lock(ctx, h.rec.inv.ID); err != nil && ctx.Err() == nil {
		i.s.c.ports.Env.Log.Error("another tab may host the same invitation", "invitation", id.Short(h.rec.inv.ID), "err", err)
	}
	if err := i.store(ctx); err != nil {
		i.s.c.ports.Env.Log.Error("a persistent invitation ends, since it could not be stored", "invitation", id.Short(h.rec.inv.ID), "err", err)
		i.mu.Lock()
		h.m.Cancel()
		i.mu.Unlock()
		return
	}
	h.kept = true
}

// store writes the record of a persistent invitation as it is now. The end of
// the session does not interrupt it: what was promised to last is stored.
func (i *Invitation) store(ctx context.Context) error {
	var b storage.Batch
	i.s.keyring.Put(&b, invitationRecords+i.host.rec.inv.ID.String(), i.host.rec.encode())
	return i.s.storage.Store.Apply(context.WithoutCancel(ctx), &b, storage.Strict)
}

// forget removes the record of a persistent invitation.
func (i *Invitation) forget(ctx context.Context) error {
	h := i.host
	if !h.kept {
		return nil
	}
	if err := i.s.removeInvitation(ctx, h.rec.inv.ID.String()); err != nil {
		return err
	}
	h.kept = false
	return nil
}

func (s *session) removeInvitation(ctx context.Context, name string) error {
	var b storage.Batch
	s.keyring.Delete(&b, invitationRecords+name)
	return s.storage.Store.Apply(context.WithoutCancel(ctx), &b, storage.Strict)
}

// debit stores the spent attempts before the guest hears that it was wrong.
// Only a persistent invitation has a life beyond this engine: the attempts of
// any other are counted in memory and end with it.
func (i *Invitation) debit(ctx context.Context, spent int) error {
	h := i.host
	if h.rec == nil {
		return nil
	}
	h.rec.spent = spent
	if !h.kept { // somebody is being admitted: see admitOnce
		return nil
	}
	return i.store(ctx)
}

// yieldUp lets another tab have the invitation.
func (i *Invitation) yieldUp() {
	if i.host.release != nil {
		i.host.release()
	}
}

// lock makes an invitation this engine's, among the tabs of the profile.
func (s *session) lock(ctx context.Context, inv id.InvitationID) (release func(), err error) {
	if s.c.ports.Lock == nil {
		return func() {}, nil
	}
	return s.c.ports.Lock(ctx, invitationRecords+inv.String())
}

// rehost goes on with the invitations that outlive a restart. One that another
// tab hosts is taken over when that tab is gone.
func (s *session) rehost() {
	s.spawn(func(ctx context.Context) {
		records, err := s.keyring.List(ctx, invitationRecords)
		if ctx.Err() != nil {
			return // closed again already
		}
		if err != nil {
			s.c.ports.Env.Log.Error("the persistent invitations could not be read", "err", err)
			return
		}
		for name, b := range records {
			rec, err := decodeHostedRecord(b)
			if err != nil {
				s.c.ports.Env.Log.Error("a persistent invitation could not be read", "record", name, "err", err)
				continue
			}
			if rec.delegated && s.takes(rec.inv.ID) {
				continue
			}
			s.spawn(func(ctx context.Context) {
				if err := s.takeUp(ctx, rec.inv.ID); err != nil && ctx.Err() == nil {
					s.c.ports.Env.Log.Error("a persistent invitation is not hosted again", "invitation", id.Short(rec.inv.ID), "err", err)
				}
			})
		}
	})
}

// takeUp hosts a stored invitation once no other tab does, as the record then
// says; it may be gone by then.
func (s *session) takeUp(ctx context.Context, inv id.InvitationID) error {
	release, err := s.lock(ctx, inv)
	if err != nil {
		return err
	}
	hosts, err := s.takeUpHeld(ctx, inv, release)
	if !hosts {
		release()
	}
	return err
}

func (s *session) takeUpHeld(ctx context.Context, inv id.InvitationID, release func()) (hosts bool, err error) {
	b, err := s.keyring.Get(ctx, invitationRecords+inv.String())
	if errs.Is(err, errs.NotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	rec, err := decodeHostedRecord(b)
	if err != nil {
		return false, err
	}
	sp := s.spaceOf(rec.space)
	if sp == nil || rec.delegated && !sp.delegates(inv) {
		return false, s.removeInvitation(ctx, inv.String())
	}
	rec.inv.Timeout = rec.remaining(s.c.ports.Env.Clock.Now())
	_, err = s.host(&hosting{space: sp, role: rec.role, rec: &rec, kept: true, release: release}, rec.inv)
	return err == nil, err
}
