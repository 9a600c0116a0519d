package keys

import (
	"github.com/echospace/echospace/core/errs"
	"github.com/echospace/echospace/core/id"
	"github.com/echospace/echospace/core/storage"
	"github.com/echospace/echospace/core/wire"
	"golang.org/x/crypto/argon2"
)

const (
	// MaxPassphrase is how many bytes a passphrase may have.
	MaxPassphrase = 1024
	// PasskeySalt is the size of the salt of a Passkey.
	PasskeySalt = 32
	// PasskeySecret is the size of what a passkey gives for its salt.
	PasskeySecret = 32

	passphraseSalt = 16
	// maxCredential bounds the id of a passkey; WebAuthn says 1,023 bytes.
	maxCredential = 1023
	passkeyLabel  = "echospace keyslot passkey v1"
)

// Argon2Cost is what one guess at a passphrase costs.
type Argon2Cost struct {
	Passes uint32
	KiB    uint32 // of memory
	Lanes  uint8
}

// DefaultCost is for keyslots that say nothing else: the memory and the passes of the
// second option of RFC 9106, section 4, but one lane, since a page has one thread. A
// keyslot keeps the cost that it was made with.
func DefaultCost() Argon2Cost { return Argon2Cost{Passes: 3, KiB: 64 << 10, Lanes: 1} }

// Most that a stored keyslot may ask for.
const (
	maxPasses = 64
	maxKiB    = 1 << 20
	maxLanes  = 16
)

// Passkey is how to ask a passkey for its secret: by WebAuthn's extension PRF, with
// this salt, of this credential. Neither is secret.
type Passkey struct {
	Credential []byte // its id, 1 to 1,023 bytes
	Salt       []byte // PasskeySalt bytes
}

// method is what a keyslot opens with. Numbers are stored.
type method uint64

const (
	byPassphrase method = 1
	byPasskey    method = 2
)

// keyslot is one way to the master key of a locked keyring, as LUKS has them. Its
// record is [1, master key's id, method, salt, passes, KiB, lanes, credential,
// sealed], the cost zero for a passkey, the credential empty for a passphrase, where
// sealed is the master key under the key of the method, and that under the KeyStore.
// Both bind the record's key and all that is before.
type keyslot struct {
	key        []byte // of the record
	master     id.EpochID
	method     method
	salt       []byte
	cost       Argon2Cost
	credential []byte
	sealed     []byte
}

// head is the record up to sealed.
func (s *keyslot) head() []byte {
	b := wire.AppendArray(nil, 9)
	b = wire.AppendUint(b, 1)
	b = wire.AppendBytes(b, s.master[:])
	b = wire.AppendUint(b, uint64(s.method))
	b = wire.AppendBytes(b, s.salt)
	b = wire.AppendUint(b, uint64(s.cost.Passes))
	b = wire.AppendUint(b, uint64(s.cost.KiB))
	b = wire.AppendUint(b, uint64(s.cost.Lanes))
	return wire.AppendBytes(b, s.credential)
}

func (s *keyslot) encode() []byte { return wire.AppendBytes(s.head(), s.sealed) }

func (s *keyslot) aad() []byte { return append(append([]byte(nil), s.key...), s.head()...) }

func decodeKeyslot(e storage.Entry) (*keyslot, error) {
	const op = "keys.OpenKeyring"
	r := wire.NewReader(e.Value)
	s := &keyslot{key: e.Key}
	r.Array(9)
	v := r.Uint(1 << 16)
	if v == 1 {
		r.Fixed(s.master[:])
		s.method = method(r.Uint(1 << 16))
	}
	if r.Err() == nil && (v != 1 || s.method != byPassphrase && s.method != byPasskey) {
		return nil, errs.New(op, errs.VersionUnsupported, "the keyslot %x has version %d and method %d, which this Echospace does not read; load the newer version", e.Key, v, s.method)
	}
	s.salt = r.Bytes(64)
	s.cost = Argon2Cost{Passes: uint32(r.Uint(maxPasses)), KiB: uint32(r.Uint(maxKiB)), Lanes: uint8(r.Uint(maxLanes))}
	s.credential = r.Bytes(maxCredential)
	s.sealed = r.Bytes(1024)
	err := r.Done(op)
	if err == nil && s.method == byPassphrase && (s.cost.Passes == 0 || s.cost.Lanes == 0) {
		err = errs.New(op, errs.Malformed, "a guess would cost nothing")
	}
	if err != nil {
		return nil, errs.New(op, errs.StorageCorrupt, "the keyslot %x is damaged: %w", e.Key, err)
	}
	return s, nil
}

// wrapping is the key of the keyslot's method. A passphrase takes a while, all on the
// calling thread.
func (s *keyslot) wrapping(secret []byte) Secret {
	if s.method == byPasskey {
		return Derive(secret, passkeyLabel, s.salt, s.credential)
	}
	derived := argon2.IDKey(secret, s.salt, s.cost.Passes, s.cost.KiB, s.cost.Lanes, uint32(len(Secret{})))
	defer clear(derived)
	return Secret(derived)
}

func checkPassphrase(passphrase []byte) error {
	if n := len(passphrase); n > MaxPassphrase {
		return errs.New("keys.SetPassphrase", errs.InvalidArgument, "the passphrase has %d bytes, at most %d are taken", n, MaxPassphrase)
	}
	return nil
}
