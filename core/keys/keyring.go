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

// Keys of the Store. A root's name is its time of making (milliseconds, eight
// bytes, big-endian) and its id, so that the oldest comes first.
const (
	rootPrefix   = "k/r/"
	secretPrefix = "k/s/"
	rootName     = 8 + id.ShortSize
)

// Keyring keeps named secrets in a Store, each sealed under a root key that
// only the KeyStore opens.
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

	mu    sync.Mutex // never held across a wait
	roots map[id.EpochID]Secret
	seal  id.EpochID // the root of new records
}

// OpenKeyring opens the keyring of a Store, and makes its root key on first
// use with a strict write. A root that the KeyStore does not open is an
// errs.DecryptFailed: the KeyStore is another one, was reset, or the record is
// damaged; nothing is written then. A root of the wrong form is an
// errs.StorageCorrupt.
func OpenKeyring(ctx context.Context, e env.Env, ks KeyStore, st storage.Store) (*Keyring, error) {
	k := &Keyring{env: e, keys: ks, store: st, roots: map[id.EpochID]Secret{}}
	if err := k.Refresh(ctx); err != nil {
		return nil, err
	}
	if len(k.roots) > 0 {
		return k, nil
	}
	if err := k.makeRoot(ctx); err != nil {
		return nil, err
	}
	// Another opener may have stored its root meanwhile.
	if err := k.Refresh(ctx); err != nil {
		return nil, err
	}
	if len(k.roots) == 0 {
		return nil, errs.New("keys.OpenKeyring", errs.StorageUnavailable, "the keyring's root was stored and is not there")
	}
	return k, nil
}

// makeRoot stores a fresh root.
func (k *Keyring) makeRoot(ctx context.Context) error {
	root := NewSecret(k.env)
	rid := root.ID()
	key := binary.BigEndian.AppendUint64([]byte(rootPrefix), uint64(k.env.UnixMilli()))
	key = append(key, rid[:]...)
	sealed, err := k.keys.Seal(ctx, root[:], key)
	if err != nil {
		return err
	}
	var b storage.Batch
	b.Put(key, sealed)
	return k.store.Apply(ctx, &b, storage.Strict)
}

// Refresh learns of roots that another keyring of the same Store made since
// this one was opened. Get and List do so by themselves when they meet a
// record of an unknown root; Open, which may not wait, cannot.
func (k *Keyring) Refresh(ctx context.Context) error {
	entries, err := k.store.Scan(ctx, storage.Prefix([]byte(rootPrefix)), 0)
	if err != nil {
		return err
	}
	var first id.EpochID
	for i, e := range entries {
		rid, err := k.loadRoot(ctx, e)
		if err != nil {
			return err
		}
		if i == 0 {
			first = rid
		}
	}
	if len(entries) > 0 {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.seal = first
	}
	return nil
}

// loadRoot opens one root record unless it is known.
func (k *Keyring) loadRoot(ctx context.Context, e storage.Entry) (id.EpochID, error) {
	name := e.Key[len(rootPrefix):]
	if len(name) != rootName {
		return id.EpochID{}, errs.New("keys.OpenKeyring", errs.StorageCorrupt, "the keyring's root %x has a name of %d bytes, want %d", e.Key, len(name), rootName)
	}
	rid := id.EpochID(name[8:])
	k.mu.Lock()
	_, known := k.roots[rid]
	k.mu.Unlock()
	if known {
		return rid, nil
	}
	raw, err := k.keys.Open(ctx, e.Value, e.Key)
	if errs.Is(err, errs.DecryptFailed) {
		return rid, errs.New("keys.OpenKeyring", errs.DecryptFailed, "the keyring's root %x does not open: the key store is another one or was reset, or the record is damaged: %w", e.Key, err)
	}
	if err != nil {
		return rid, err
	}
	if len(raw) != len(Secret{}) || Secret(raw).ID() != rid {
		return rid, errs.New("keys.OpenKeyring", errs.StorageCorrupt, "the keyring's root %x holds another key", e.Key)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.roots[rid] = Secret(raw)
	return rid, nil
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
// from then on. An earlier secret of the name is replaced.
func (k *Keyring) Put(b *storage.Batch, name string, secret []byte) {
	key := []byte(secretPrefix + name)
	b.Put(key, k.Seal(secret, key))
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
	rid, root := k.seal, k.roots[k.seal]
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
	root, ok := k.roots[rid]
	k.mu.Unlock()
	if !ok {
		return nil, errs.New("keys.Keyring.Open", errs.KeyUnavailable, "the keyring has no root %v", rid)
	}
	return Open(root, sealed[id.ShortSize:], aad)
}
