package keys

import (
	"bytes"
	"context"

	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
)

// Keys of the Store. A root's name is its time of making (milliseconds, eight
// bytes, big-endian) and its id, so that the oldest comes first; that of a locked one
// goes on with the id of the master key that it is under. A keyslot's name is random.
const (
	slotPrefix = "k/l/"
	rootPrefix = "k/r/"
	rootName   = 8 + id.ShortSize
	lockedName = rootName + id.ShortSize
	slotName   = id.ShortSize
)

// rootRecord is one stored root.
type rootRecord struct {
	name   []byte // without the master key's id
	id     id.EpochID
	locked bool
	master id.EpochID // of a locked one
	sealed []byte
}

func (r *rootRecord) key() []byte {
	key := append([]byte(rootPrefix), r.name...)
	if r.locked {
		key = append(key, r.master[:]...)
	}
	return key
}

func parseRoot(e storage.Entry) (*rootRecord, error) {
	name := e.Key[len(rootPrefix):]
	if len(name) != rootName && len(name) != lockedName {
		return nil, errs.New("keys.OpenKeyring", errs.StorageCorrupt, "the keyring's root %x has a name of %d bytes, want %d or %d", e.Key, len(name), rootName, lockedName)
	}
	r := &rootRecord{name: name[:rootName], id: id.EpochID(name[8:rootName]), sealed: e.Value}
	if r.locked = len(name) == lockedName; r.locked {
		r.master = id.EpochID(name[rootName:])
	}
	return r, nil
}

// records are the roots and keyslots of one moment.
type records struct {
	slots []*keyslot
	roots []*rootRecord
}

// scan reads the roots and keyslots, all in one transaction: another tab may be
// changing them.
func (k *Keyring) scan(ctx context.Context) (*records, error) {
	r := storage.Range{Start: []byte(slotPrefix), End: storage.Prefix([]byte(rootPrefix)).End}
	entries, err := k.store.Scan(ctx, r, 0)
	if err != nil {
		return nil, err
	}
	found := &records{}
	for _, e := range entries {
		if bytes.HasPrefix(e.Key, []byte(slotPrefix)) {
			s, err := decodeKeyslot(e)
			if err != nil {
				return nil, err
			}
			found.slots = append(found.slots, s)
		} else if bytes.HasPrefix(e.Key, []byte(rootPrefix)) {
			root, err := parseRoot(e)
			if err != nil {
				return nil, err
			}
			found.roots = append(found.roots, root)
		}
	}
	return found, nil
}

// admit opens the roots that are not known yet. New records are sealed under the
// oldest; a locked one goes before those that are not, whoever put them there.
func (k *Keyring) admit(ctx context.Context, found *records, u Unlock) error {
	for _, r := range found.roots {
		if err := k.openRoot(ctx, found, r, u); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.slots = found.slots
	if r := found.sealing(); r != nil {
		k.seal = r.id
	}
	return nil
}

// sealing is the root of new records; nil if there is none.
func (f *records) sealing() *rootRecord {
	for _, r := range f.roots {
		if r.locked {
			return r
		}
	}
	if len(f.roots) > 0 {
		return f.roots[0]
	}
	return nil
}

// openRoot opens one root unless it is known.
func (k *Keyring) openRoot(ctx context.Context, found *records, r *rootRecord, u Unlock) error {
	if _, known := k.secret(r.id); known {
		return nil
	}
	var master *Secret
	if r.locked {
		m, err := k.masterOf(ctx, found, r.master, u)
		if err != nil {
			return err
		}
		master = &m
	}
	root, opened, err := k.unwrap(ctx, r.key(), r.sealed, r.key(), r.id, func() *Secret { return master })
	if err == nil && !opened {
		err = errs.New("keys.OpenKeyring", errs.DecryptFailed, "the keyring's root %x is not under its master key", r.key())
	}
	if err != nil {
		return err
	}
	k.learn(root)
	return nil
}

// secret gives a root or master key that is known by its id.
func (k *Keyring) secret(sid id.EpochID) (Secret, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.secrets[sid]
	return s, ok
}

func (k *Keyring) learn(s Secret) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.secrets[s.ID()] = s
}

// wrap seals a root or a master key: under the key within, if there is one, and that
// under the KeyStore.
func (k *Keyring) wrap(ctx context.Context, s Secret, aad []byte, within *Secret) ([]byte, error) {
	inner := s[:]
	if within != nil {
		inner = Seal(k.env, *within, inner, aad)
	}
	return k.keys.Seal(ctx, inner, aad)
}

// unwrap reverses wrap for the record of that key. within is called once the KeyStore
// has opened it, which shows that the record is as it was stored: opened is false, and
// err nil, if it is the key within that is wrong.
func (k *Keyring) unwrap(ctx context.Context, key, sealed, aad []byte, want id.EpochID, within func() *Secret) (s Secret, opened bool, err error) {
	const op = "keys.OpenKeyring"
	raw, err := k.keys.Open(ctx, sealed, aad)
	if errs.Is(err, errs.DecryptFailed) {
		return s, false, errs.New(op, errs.DecryptFailed, "the keyring's record %x does not open: the key store is another one or was reset, or the record is damaged: %w", key, err)
	}
	if err != nil {
		return s, false, err
	}
	if inner := within(); inner != nil {
		if raw, err = Open(*inner, raw, aad); err != nil {
			return s, false, nil
		}
	}
	defer clear(raw)
	if len(raw) != len(s) || Secret(raw).ID() != want {
		return s, false, errs.New(op, errs.StorageCorrupt, "the keyring's record %x holds another key", key)
	}
	return Secret(raw), true, nil
}
