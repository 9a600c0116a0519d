package keys

import (
	"crypto/cipher"
	"crypto/ecdh"

	"github.com/echospace/echospace/core/env"
	"github.com/echospace/echospace/core/errs"
	"golang.org/x/crypto/chacha20poly1305"
)

// Overhead is how much longer a sealed message is than its plaintext.
const Overhead = chacha20poly1305.NonceSizeX + chacha20poly1305.Overhead

// boxOverhead is Overhead with the ephemeral public key of SealTo.
const boxOverhead = 32 + Overhead

// Seal encrypts plaintext under key and binds aad to it: nonce (24 random
// bytes) ‖ ciphertext ‖ tag. The nonce is long enough to be random for any
// number of messages under one key.
func Seal(e env.Env, key Secret, plaintext, aad []byte) []byte {
	out := make([]byte, chacha20poly1305.NonceSizeX, Overhead+len(plaintext))
	copy(out, e.Bytes(chacha20poly1305.NonceSizeX))
	return aead(key).Seal(out, out, plaintext, aad)
}

// derivedLabel is of SealDerived.
const derivedLabel = "echospace derived nonce"

// SealDerived is Seal with a nonce that is a keyed hash of plaintext and aad, a
// synthetic IV (Rogaway and Shrimpton, "Deterministic Authenticated-Encryption",
// 2006): whoever has the key makes the same bytes of the same message again. It
// shows that two messages are the same, and nothing else, so aad is to be such
// that none is sealed twice, or that it does not matter. Open reverses it.
func SealDerived(key Secret, plaintext, aad []byte) []byte {
	nonce := SumLabel(derivedLabel, key[:], aad, plaintext)
	out := make([]byte, chacha20poly1305.NonceSizeX, Overhead+len(plaintext))
	copy(out, nonce[:])
	return aead(key).Seal(out, out, plaintext, aad)
}

// IsDerived reports whether SealDerived made sealed of the plaintext that it
// opens to.
func IsDerived(key Secret, sealed, plaintext, aad []byte) bool {
	nonce := SumLabel(derivedLabel, key[:], aad, plaintext)
	return len(sealed) >= Overhead && string(sealed[:chacha20poly1305.NonceSizeX]) == string(nonce[:chacha20poly1305.NonceSizeX])
}

// Open reverses Seal. Anything that Seal did not make with this key and aad is
// an errs.DecryptFailed. The result shares no memory with sealed.
func Open(key Secret, sealed, aad []byte) ([]byte, error) {
	if len(sealed) < Overhead {
		return nil, errs.New("keys.Open", errs.DecryptFailed, "%d bytes are too short to be sealed", len(sealed))
	}
	nonce, ciphertext := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	out, err := aead(key).Open(nil, nonce, ciphertext, aad)
	if err != nil {
		return nil, errs.New("keys.Open", errs.DecryptFailed, "%d bytes do not open under the key", len(sealed))
	}
	return out, nil
}

func aead(key Secret) cipher.AEAD {
	a, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		// NewX fails on a wrong key length alone, which the type rules out.
		panic("keys: XChaCha20-Poly1305: " + err.Error())
	}
	return a
}

// SealingKey is an X25519 private key: what is sealed to its Public only it
// opens. It is immutable until Erase.
type SealingKey struct {
	seed   [32]byte
	key    *ecdh.PrivateKey
	public [32]byte
}

// NewSealingKey makes the key of a seed of 32 random bytes.
func NewSealingKey(seed [32]byte) *SealingKey {
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		// Every 32 bytes are an X25519 private key (RFC 7748, section 5).
		panic("keys: X25519: " + err.Error())
	}
	return &SealingKey{seed: seed, key: key, public: [32]byte(key.PublicKey().Bytes())}
}

// Public is the key that others seal to.
func (k *SealingKey) Public() [32]byte { return k.public }

// Erase overwrites the seed with zeros. What package crypto/ecdh holds of it stays in
// memory until the collector takes it.
func (k *SealingKey) Erase() { clear(k.seed[:]) }

// Seed is the secret that NewSealingKey takes.
func (k *SealingKey) Seed() [32]byte { return k.seed }

// SealTo encrypts plaintext so that only the holder of the private key of to
// reads it, and binds aad: ephemeral public key (32 bytes) ‖ Seal under the
// key derived from the agreement and both public keys. It does not tell who
// sealed; sign what must be attributed. A low-order or non-canonical to is an
// errs.BadKey.
func SealTo(e env.Env, to [32]byte, plaintext, aad []byte) ([]byte, error) {
	return NewSealer(e).Seal(e, to, plaintext, aad)
}

// Sealer does what SealTo does, to many, with one ephemeral key: an agreement for
// each, and not one more for the ephemeral key of each message. What is sealed to one
// tells the others nothing, since their keys are in the derivation (M. Bellare,
// A. Boldyreva, J. Staddon, "Randomness Re-use in Multi-recipient Encryption Schemes",
// PKC 2003). It is to be dropped once the occasion is over, and is not safe for
// concurrent use.
type Sealer struct {
	ephemeral *SealingKey
	boxes     map[[32]byte]Secret // by whom they are to
}

// NewSealer draws the ephemeral key.
func NewSealer(e env.Env) *Sealer {
	return &Sealer{ephemeral: NewSealingKey([32]byte(e.Bytes(32))), boxes: map[[32]byte]Secret{}}
}

// Prepare does what takes long of sealing to somebody, unless it is done; done tells
// whether it was. A key that Seal refuses is left to that.
func (s *Sealer) Prepare(to [32]byte) (done bool) {
	if _, done = s.boxes[to]; !done {
		_, err := s.box(to)
		done = err != nil
	}
	return done
}

func (s *Sealer) box(to [32]byte) (Secret, error) {
	if k, ok := s.boxes[to]; ok {
		return k, nil
	}
	shared, err := s.ephemeral.agree(to)
	if err != nil {
		return Secret{}, err
	}
	k := boxKey(shared, s.ephemeral.public, to)
	s.boxes[to] = k
	return k, nil
}

// Seal seals to somebody; see SealTo.
func (s *Sealer) Seal(e env.Env, to [32]byte, plaintext, aad []byte) ([]byte, error) {
	key, err := s.box(to)
	if err != nil {
		return nil, err
	}
	return append(s.ephemeral.public[:], Seal(e, key, plaintext, aad)...), nil
}

// Open reverses SealTo for this key. Anything else is an errs.DecryptFailed.
func (k *SealingKey) Open(sealed, aad []byte) ([]byte, error) {
	if len(sealed) < boxOverhead {
		return nil, errs.New("keys.SealingKey.Open", errs.DecryptFailed, "%d bytes are too short to be sealed to a key", len(sealed))
	}
	ephemeral := [32]byte(sealed[:32])
	shared, err := k.agree(ephemeral)
	if err != nil {
		return nil, errs.New("keys.SealingKey.Open", errs.DecryptFailed, "the ephemeral key %x is refused", ephemeral[:])
	}
	key := boxKey(shared, ephemeral, k.public)
	defer clear(key[:])
	return Open(key, sealed[32:], aad)
}

// boxKey takes over shared, and zeroes it.
func boxKey(shared []byte, ephemeral, to [32]byte) Secret {
	defer clear(shared)
	return Derive(shared, "echospace sealed to a key", ephemeral[:], to[:])
}

// agree is X25519 with contributory behaviour: it refuses keys that make the
// result predictable (RFC 7748, section 6.1) or have a second encoding.
// CheckSealing tells whether SealTo takes a key: errs.BadKey if not. It costs an
// agreement.
func CheckSealing(public [32]byte) error {
	_, err := NewSealingKey([32]byte{1}).agree(public)
	return err
}

func (k *SealingKey) agree(public [32]byte) ([]byte, error) {
	if public[31]&0x80 != 0 || !belowPrime(public) {
		return nil, errs.New("keys.SealTo", errs.BadKey, "the sealing key %x is not canonical", public[:])
	}
	p, err := ecdh.X25519().NewPublicKey(public[:])
	if err != nil {
		return nil, errs.New("keys.SealTo", errs.BadKey, "the sealing key %x is refused", public[:])
	}
	shared, err := k.key.ECDH(p)
	if err != nil {
		return nil, errs.New("keys.SealTo", errs.BadKey, "the sealing key %x is of low order", public[:])
	}
	return shared, nil
}
