package client

import (
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/keys"
)

// keyringLock is held by the engine that makes the keyring or changes what opens it.
const keyringLock = "keyring"

func (s *session) openKeyring(ctx context.Context, u keys.Unlock) (*keys.Keyring, error) {
	return keys.UnlockKeyring(ctx, s.c.ports.Env, s.storage.Keys, s.storage.Store, keys.KeyringOptions{
		Unlock: u, Exclusive: s.lockKeyring, Mark: holdsLocks,
	})
}

// lockKeyring waits until no other engine of the profile is within. Where there are
// no locks a keyring bears two that make it at once.
func (s *session) lockKeyring(ctx context.Context) (release func(), err error) {
	s.locking.Lock()
	if s.c.ports.Lock == nil {
		return s.locking.Unlock, nil
	}
	free, err := s.c.ports.Lock(ctx, keyringLock)
	if errs.Is(err, errs.UnsupportedBrowser) {
		return s.locking.Unlock, nil
	}
	if err != nil {
		s.locking.Unlock()
		return nil, err
	}
	return func() {
		free()
		s.locking.Unlock()
	}, nil
}

// SetPassphrase sets or changes the passphrase of the profile, or removes it if it is
// empty; see keys.Keyring.SetPassphrase. Who has the profile open keeps it open.
func (c *Client) SetPassphrase(ctx context.Context, passphrase []byte) error {
	return c.relock("client.setPassphrase", func(k *keys.Keyring) error { return k.SetPassphrase(ctx, passphrase) })
}

// AddPasskey has a passkey open the profile too; see keys.Keyring.AddPasskey.
func (c *Client) AddPasskey(ctx context.Context, p keys.Passkey, secret []byte) error {
	return c.relock("client.addPasskey", func(k *keys.Keyring) error { return k.AddPasskey(ctx, p, secret) })
}

// RemovePasskeys removes all passkeys from the profile.
func (c *Client) RemovePasskeys(ctx context.Context) error {
	return c.relock("client.removePasskeys", func(k *keys.Keyring) error { return k.RemovePasskeys(ctx) })
}

func (c *Client) relock(op string, change func(*keys.Keyring) error) error {
	s, err := c.must(op)
	if err != nil {
		return err
	}
	if err := change(s.keyring); err != nil {
		return err
	}
	c.Status.Update(func(st Status) Status {
		if st.State == StateOpen && c.current() == s {
			st = s.opensWith(st)
		}
		return st
	})
	return nil
}

// opensWith says in a status with what the profile opens.
func (s *session) opensWith(st Status) Status {
	k := s.keyring.Keyslots()
	st.Passphrase, st.Passkeys = k.Passphrase, len(k.Passkeys)
	return st
}
