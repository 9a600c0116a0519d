package keys

import (
	"bytes"
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

// Keyslots says with what a keyring opens. The zero value is one that is not locked.
type Keyslots struct {
	Passphrase bool
	Passkeys   []Passkey
}

// Keyslots says with what the keyring opened or was locked last; another tab may have
// changed it since.
func (k *Keyring) Keyslots() Keyslots {
	k.mu.Lock()
	defer k.mu.Unlock()
	return describe(k.slots)
}

func describe(slots []*keyslot) (out Keyslots) {
	for _, s := range slots {
		if s.method == byPassphrase {
			out.Passphrase = true
		} else {
			out.Passkeys = append(out.Passkeys, Passkey{Credential: s.credential, Salt: s.salt})
		}
	}
	return out
}

// SetPassphrase sets or changes the passphrase, or removes it if it is empty. With the
// last keyslot the keyring is under the KeyStore alone again. All roots and keyslots
// change in one strict write, which happens or does not; what the former passphrase
// opened is not in the Store after it. errs.PassphraseRequired if another keyring of
// the Store changed the keyslots since this one was opened.
func (k *Keyring) SetPassphrase(ctx context.Context, passphrase []byte) error {
	if err := checkPassphrase(passphrase); err != nil {
		return err
	}
	return k.change(ctx, func(s *keyslot) bool { return s.method == byPasskey }, k.passphraseSlot(passphrase), passphrase)
}

// AddPasskey adds a passkey beside what else opens the keyring, as SetPassphrase
// changes it; one of the same credential is replaced. secret is what it gives for its
// salt.
func (k *Keyring) AddPasskey(ctx context.Context, p Passkey, secret []byte) error {
	if len(secret) != PasskeySecret || len(p.Salt) != PasskeySalt || len(p.Credential) == 0 || len(p.Credential) > maxCredential {
		return errs.New("keys.AddPasskey", errs.InvalidArgument, "the passkey's secret, salt or credential id is of a size that no passkey has")
	}
	keep := func(s *keyslot) bool { return s.method == byPassphrase || !bytes.Equal(s.credential, p.Credential) }
	return k.change(ctx, keep, &keyslot{method: byPasskey, salt: bytes.Clone(p.Salt), credential: bytes.Clone(p.Credential)}, secret)
}

// RemovePasskeys removes all passkeys, as SetPassphrase removes the passphrase.
func (k *Keyring) RemovePasskeys(ctx context.Context) error {
	return k.change(ctx, func(s *keyslot) bool { return s.method == byPassphrase }, nil, nil)
}

// change rewrites the roots and keyslots: those that are kept, and a new one.
func (k *Keyring) change(ctx context.Context, keep func(*keyslot) bool, add *keyslot, secret []byte) error {
	release, err := k.exclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	found, err := k.scan(ctx)
	if err != nil {
		return err
	}
	if err := k.admit(ctx, found, Unlock{}); err != nil {
		return err
	}
	var kept []*keyslot
	if s := found.sealing(); s != nil && s.locked {
		// The roots may be known although another tab locked them since.
		if _, err := k.masterOf(ctx, found, s.master, Unlock{}); err != nil {
			return err
		}
		for _, slot := range found.slots {
			if slot.master == s.master && keep(slot) {
				kept = append(kept, slot)
			}
		}
	}
	return k.rewrap(ctx, found, kept, add, secret)
}

// rewrap stores all roots anew with the keyslots that are kept and a new one, if any, in
// place of what was found. Kept ones hold the master key by which they were found;
// without any it is a fresh one.
func (k *Keyring) rewrap(ctx context.Context, found *records, slots []*keyslot, add *keyslot, secret []byte) error {
	var b storage.Batch
	for _, s := range found.slots {
		b.Delete(s.key)
	}
	for _, r := range found.roots {
		b.Delete(r.key())
	}
	var master *Secret
	if len(slots) > 0 || add != nil {
		m := NewSecret(k.env)
		if len(slots) > 0 {
			m, _ = k.secret(slots[0].master)
		}
		master = &m
		defer clear(m[:])
		k.learn(m) // before it is stored: a write whose ctx ended may have happened
		var err error
		if slots, err = k.putKeyslots(ctx, &b, slots, add, m, secret); err != nil {
			return err
		}
	}
	for _, r := range found.roots {
		fresh := &rootRecord{name: r.name, locked: master != nil}
		if master != nil {
			fresh.master = master.ID()
		}
		root, _ := k.secret(r.id)
		sealed, err := k.wrap(ctx, root, fresh.key(), master)
		if err != nil {
			return err
		}
		b.Put(fresh.key(), sealed)
	}
	if err := k.store.Apply(ctx, &b, storage.Strict); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.slots = slots
	return nil
}

// putKeyslots adds to a batch the keyslots that are kept and, if any, a new one, and gives
// them.
func (k *Keyring) putKeyslots(ctx context.Context, b *storage.Batch, slots []*keyslot, add *keyslot, master Secret, secret []byte) (_ []*keyslot, err error) {
	if add != nil {
		add.key, add.master = append([]byte(slotPrefix), k.env.Bytes(slotName)...), master.ID()
		within := add.wrapping(secret)
		defer clear(within[:])
		if add.sealed, err = k.wrap(ctx, master, add.aad(), &within); err != nil {
			return nil, err
		}
		slots = append(slots, add)
	}
	for _, s := range slots {
		b.Put(s.key, s.encode())
	}
	if k.opts.Mark != nil {
		k.opts.Mark(b)
	}
	return slots, nil
}

// passphraseSlot is a keyslot for a passphrase; nil for an empty one.
func (k *Keyring) passphraseSlot(passphrase []byte) *keyslot {
	if len(passphrase) == 0 {
		return nil
	}
	return &keyslot{method: byPassphrase, salt: k.env.Bytes(passphraseSalt), cost: k.opts.Cost}
}

// masterOf gives a master key that is known or that u opens.
func (k *Keyring) masterOf(ctx context.Context, found *records, master id.EpochID, u Unlock) (Secret, error) {
	if m, ok := k.secret(master); ok {
		return m, nil
	}
	var slots []*keyslot
	for _, s := range found.slots {
		if s.master == master {
			slots = append(slots, s)
		}
	}
	can := describe(slots)
	kind, why := errs.WrongPassphrase, "the passphrase does not open the profile; nothing was changed"
	method, secret := byPassphrase, u.Passphrase
	switch {
	case len(slots) == 0:
		kind, why = errs.StorageCorrupt, "the profile is locked and the keyslot that would open it is gone"
	case len(secret) == 0 && u.AskPasskey != nil && len(can.Passkeys) > 0:
		var err error
		if secret, err = u.AskPasskey(ctx, can.Passkeys); err != nil {
			return Secret{}, err
		}
		defer clear(secret)
		method, why = byPasskey, "the passkey does not open the profile; nothing was changed"
	case len(secret) == 0 || !can.Passphrase:
		kind, why = errs.PassphraseRequired, "the profile is locked, or was by another tab just now: give what opens it, its passphrase or a passkey"
	}
	for _, s := range slots {
		if s.method != method || len(secret) == 0 {
			continue
		}
		var within Secret
		m, opened, err := k.unwrap(ctx, s.key, s.sealed, s.aad(), master, func() *Secret {
			within = s.wrapping(secret)
			return &within
		})
		clear(within[:])
		if err != nil {
			return Secret{}, err
		}
		if opened {
			k.learn(m)
			return m, nil
		}
	}
	return Secret{}, errs.New("keys.OpenKeyring", kind, "%s", why).With("passphrase", can.Passphrase).With("passkeys", len(can.Passkeys))
}

func (k *Keyring) exclusive(ctx context.Context) (release func(), err error) {
	if k.opts.Exclusive == nil {
		return func() {}, nil
	}
	return k.opts.Exclusive(ctx)
}
