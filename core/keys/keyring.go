package keys

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

const secretPrefix = "k/s/"

// Keyring keeps named secrets in a Store, each sealed under a root key that
// only the KeyStore opens, and, if the keyring is locked, only with a passphrase or a
// passkey as well.
//
// Two tabs may open an empty Store at once, and a Store has no compare and
// swap. So each stores its root under a name of its own, every record says
// which root sealed it, and no root is ever removed: whoever lost the race
// seals under the oldest root that it knows, and all can open all.
//
// A Keyring is safe for concurrent use.
type Keyring struct {
	env   env.Env
	keys  KeyStore
	store storage.Store
	opts  KeyringOptions // without its Unlock

	mu      sync.Mutex            // never held across a wait
	secrets map[id.EpochID]Secret // roots and master keys, by their ids
	slots   []*keyslot            // as they were when last looked at
	seal    id.EpochID            // the root of new records
}

// Unlock is what a person has to open a locked keyring.
type Unlock struct {
	// Passphrase is UTF-8, as it is to be compared (the page's is in NFC); empty for
	// none. A keyring keeps no copy of it.
	Passphrase []byte
	// AskPasskey, if it is not nil, gives the secret of one of these passkeys, of
	// PasskeySecret bytes. It is asked if there are passkeys and no Passphrase was
	// given, and may wait for the person.
	AskPasskey func(ctx context.Context, among []Passkey) ([]byte, error)
}

// KeyringOptions are for UnlockKeyring. The zero value opens what is not locked.
type KeyringOptions struct {
	Unlock
	// Cost is that of passphrases set from now on; zero for DefaultCost.
	Cost Argon2Cost
	// Exclusive waits until no other keyring of the Store is within its own; nil where
	// there is no other. It is taken while the first root is made or the keyslots are
	// changed, never while a person is waited for.
	Exclusive func(ctx context.Context) (release func(), err error)
	// Mark adds to a batch that locks the keyring; nil adds nothing.
	Mark func(b *storage.Batch)
}

// OpenKeyring is UnlockKeyring for a keyring that is not locked.
func OpenKeyring(ctx context.Context, e env.Env, ks KeyStore, st storage.Store) (*Keyring, error) {
	return UnlockKeyring(ctx, e, ks, st, KeyringOptions{})
}

// UnlockKeyring opens the keyring of a Store, and makes its root key on first
// use with a strict write, locked if there is a passphrase. It writes nothing else,
// and nothing at all if it fails:
//
//   - errs.PassphraseRequired if the keyring is locked and nothing was given that could
//     open it; details passphrase (bool) and passkeys (int) say what could.
//   - errs.WrongPassphrase if what was given does not open it, or a passphrase was given
//     and none is set.
//   - errs.DecryptFailed if the KeyStore does not open it: that is another one, was
//     reset, or the record is damaged.
//   - errs.StorageCorrupt for a root or keyslot of the wrong form, and
//     errs.VersionUnsupported for one of a newer version.
func UnlockKeyring(ctx context.Context, e env.Env, ks KeyStore, st storage.Store, o KeyringOptions) (*Keyring, error) {
	const op = "keys.OpenKeyring"
	if err := checkPassphrase(o.Passphrase); err != nil {
		return nil, err
	}
	unlock := o.Unlock
	o.Unlock = Unlock{}
	if o.Cost == (Argon2Cost{}) {
		o.Cost = DefaultCost()
	}
	k := &Keyring{env: e, keys: ks, store: st, opts: o, secrets: map[id.EpochID]Secret{}}
	found, err := k.scan(ctx)
	if err == nil && len(found.roots) == 0 {
		// Another opener may store its root meanwhile.
		if err = k.makeRoot(ctx, unlock.Passphrase); err == nil {
			found, err = k.scan(ctx)
		}
	}
	if err == nil && len(found.roots) == 0 {
		err = errs.New(op, errs.StorageUnavailable, "the keyring's root was stored and is not there")
	}
	if err == nil {
		err = k.admit(ctx, found, unlock)
	}
	if err == nil && len(unlock.Passphrase) > 0 && !k.Keyslots().Passphrase {
		err = errs.New(op, errs.WrongPassphrase, "the profile has no passphrase and one was given; open it without, and set it then")
	}
	if err != nil {
		return nil, err
	}
	return k, nil
}

// makeRoot stores a fresh root, unless there is one by the time that it may.
func (k *Keyring) makeRoot(ctx context.Context, passphrase []byte) error {
	release, err := k.exclusive(ctx)
	if err != nil {
		return err
	}
	defer release()
	found, err := k.scan(ctx)
	if err != nil || len(found.roots) > 0 {
		return err
	}
	root := NewSecret(k.env)
	defer clear(root[:])
	rid := root.ID()
	name := binary.BigEndian.AppendUint64(nil, uint64(k.env.UnixMilli()))
	fresh := &rootRecord{id: rid, name: append(name, rid[:]...)}
	k.learn(root)
	return k.rewrap(ctx, &records{roots: []*rootRecord{fresh}}, nil, k.passphraseSlot(passphrase), passphrase)
}

// Refresh learns of roots that another keyring of the same Store made since
// this one was opened. Get and List do so by themselves when they meet a
// record of an unknown root; Open, which may not wait, cannot.
func (k *Keyring) Refresh(ctx context.Context) error {
	found, err := k.scan(ctx)
	if err != nil {
		return err
	}
	return k.admit(ctx, found, Unlock{})
}

// Get gives the secret of a name; the caller owns it. An absent name is an
// errs.NotFound, a damaged record an errs.StorageCorrupt (too short) or
// errs.DecryptFailed, each naming the record.
func (k *Keyring) Get(ctx context.Context, name string) ([]byte, error) {
	key := []byte(secretPrefix + name)
	value, err := k.store.Get(ctx, key)
	if errs.Is(err, errs.NotFound) {
		return nil, errs.New("keys.Keyring.Get", errs.NotFound, "the keyring has no secret %q", name)
	}
	if err != nil {
		return nil, err
	}
	return k.openRecord(ctx, name, storage.Entry{Key: key, Value: value})
}

// Put adds the sealed secret to a batch, for the caller to apply: Get sees it
// from then on. An earlier secret of the name is replaced. Put zeroes secret.
func (k *Keyring) Put(b *storage.Batch, name string, secret []byte) {
	key := []byte(secretPrefix + name)
	b.Put(key, k.Seal(secret, key))
	clear(secret)
}

// Forget overwrites the keys that the Keyring holds, at the end of its use: what it seals
// after that never opens, and what was sealed before it does not open.
func (k *Keyring) Forget() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for sid := range k.secrets {
		k.secrets[sid] = NewSecret(k.env)
	}
}

// Delete adds the removal of a name, which may be absent, to a batch.
func (k *Keyring) Delete(b *storage.Batch, name string) {
	b.Delete([]byte(secretPrefix + name))
}

// List gives every secret whose name begins with prefix, by name. It fails
// like Get on the first record that is damaged.
func (k *Keyring) List(ctx context.Context, prefix string) (map[string][]byte, error) {
	entries, err := k.store.Scan(ctx, storage.Prefix([]byte(secretPrefix+prefix)), 0)
	if err != nil {
		return nil, err
	}
	out := make(map[string][]byte, len(entries))
	for _, e := range entries {
		name := string(e.Key[len(secretPrefix):])
		if out[name], err = k.openRecord(ctx, name, e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// openRecord opens a secret's record, looking for new roots if need be.
func (k *Keyring) openRecord(ctx context.Context, name string, e storage.Entry) ([]byte, error) {
	secret, err := k.Open(e.Value, e.Key)
	if errs.Is(err, errs.KeyUnavailable) {
		if err := k.Refresh(ctx); err != nil {
			return nil, err
		}
		secret, err = k.Open(e.Value, e.Key)
	}
	switch errs.KindOf(err) {
	case errs.OK:
		return secret, nil
	case errs.KeyUnavailable:
		// No root of that id is stored: the id itself is damaged.
		return nil, errs.New("keys.Keyring.Get", errs.StorageCorrupt, "the keyring's record %q names a root that is not there: %w", name, err)
	default:
		return nil, errs.New("keys.Keyring.Get", errs.KindOf(err), "the keyring's record %q is damaged: %w", name, err)
	}
}

// Seal encrypts a record at rest under the root key and binds aad: root id (16
// bytes) ‖ [Seal].
func (k *Keyring) Seal(plaintext, aad []byte) []byte {
	k.mu.Lock()
	rid, root := k.seal, k.secrets[k.seal]
	k.mu.Unlock()
	return append(bytes.Clone(rid[:]), Seal(k.env, root, plaintext, aad)...)
}

// Open reverses Seal of any keyring of the same Store: errs.StorageCorrupt if
// sealed is too short, errs.DecryptFailed if it does not open, and
// errs.KeyUnavailable if its root is not known here (see Refresh). It does not
// wait.
func (k *Keyring) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < id.ShortSize+Overhead {
		return nil, errs.New("keys.Keyring.Open", errs.StorageCorrupt, "%d bytes are too short to be sealed", len(sealed))
	}
	rid := id.EpochID(sealed[:id.ShortSize])
	k.mu.Lock()
	root, ok := k.secrets[rid]
	k.mu.Unlock()
	if !ok {
		return nil, errs.New("keys.Keyring.Open", errs.KeyUnavailable, "the keyring has no root %v", rid)
	}
	return Open(root, sealed[id.ShortSize:], aad)
}
